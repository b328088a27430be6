//! The machine's part of a run: threads and instruction set.
//!
//! In come settings; out goes a [`Machine`]. The engine never reads the environment: `SENTI_SIMD` is an option like any other.

use senti::Error;
use senti::doors::Machine;
use senti_engine::Simd;

use crate::failure::{Outcome, usage};
use crate::settings::{Origin, Settings};

/// What the option says where nothing is forced.
pub const AUTO: &str = "auto";

/// What `--simd` may be.
pub fn names() -> Vec<&'static str> {
    let names = Simd::ALL.iter().map(Simd::name);
    std::iter::once(AUTO).chain(names).collect()
}

/// The instruction set that was asked for; none where the machine's widest one is meant.
pub fn forced(settings: &Settings) -> Outcome<Option<Simd>> {
    let Some(simd) = settings.text("simd").and_then(Simd::parse) else {
        return Ok(None);
    };
    if simd.is_supported() {
        return Ok(Some(simd));
    }
    let (dashes, origin) = match &settings.get("simd").origin {
        Origin::Flag => ("--", "flag".to_owned()),
        origin => ("", origin.to_string()),
    };
    let here: Vec<&str> = (Simd::ALL.iter().filter(|simd| simd.is_supported()))
        .map(Simd::name)
        .collect();
    let error = Error::input(format!(
        "`{dashes}simd` is `{}` ({origin}), which this machine does not have, wanted {AUTO} or {}",
        simd.name(),
        here.join(" or ")
    ));
    Err(usage(error.hint(format!(
        "leave it out: `{AUTO}` takes the widest, here {}",
        Simd::detect().name()
    ))))
}

/// The instruction set to compute with.
pub fn simd(settings: &Settings) -> Outcome<Simd> {
    Ok(forced(settings)?.unwrap_or_else(Simd::detect))
}

/// The threads to compute with: all cores where nothing was said.
pub fn threads(settings: &Settings) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = settings.whole("threads");
    (threads.and_then(|n| usize::try_from(n).ok())).unwrap_or_else(cores)
}

/// Both.
pub fn machine(settings: &Settings) -> Outcome<Machine> {
    Ok(Machine {
        threads: threads(settings),
        simd: simd(settings)?,
    })
}
