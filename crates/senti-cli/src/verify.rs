//! `senti-ai verify MODEL`: the training of a saved model, repeated from its record, and everything compared.
//!
//! In come a model and settings; out goes a table of what was compared and a verdict. Data, plan, seed and instruction set are those of
//! the record. Nothing is saved and nothing is written.

use std::path::Path;
use std::time::Instant;

use senti::artifact::Artifact;
use senti::comparison::{self, Part};
use senti::doors::{Machine, Outcome as Learned, Provenance, fit, forecast};
use senti::observe::{Event, Next};
use senti::{Error, ErrorKind, Result};
use senti_engine::Simd;
use senti_io::registry::{Backend, SCHEME, is_model, load_folder};
use senti_io::report::date;
use senti_io::sources::Reading;
use serde_json::json;

use crate::failure::{Outcome, usage};
use crate::grid::Grid;
use crate::interrupt::Stage;
use crate::progress::Progress;
use crate::settings::{Origin, Settings};
use crate::{interrupt, machine, models, remote, say, source};

/// What the comparison came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Every bit.
    Identical,
    /// Within the tolerance between instruction sets that round differently.
    Close,
    /// Neither.
    Different,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Identical => "identical",
            Verdict::Close => "close",
            Verdict::Different => "different",
        }
    }
}

/// A saved model under the name that was typed.
pub struct Saved {
    /// As it is told: `lstm version 3`, or the folder.
    pub name: String,
    /// The model.
    pub artifact: Artifact,
}

/// Repeats and compares.
pub fn run(word: &str, mut settings: Settings) -> Outcome {
    let forced = machine::forced(&settings)?;
    let saved = find(word, &settings)?;
    let manifest = &saved.artifact.manifest;
    if let Some(from) = &manifest.imported {
        let sentence = format!(
            "{} began with the weights of `{}`, which its record names but does not hold: its training cannot be repeated from the record",
            saved.name, from.file
        );
        let hint = "`senti-ai import FILE`, or `train --weights FILE`, with the same data and options gives the same model";
        return Err(Error::unsupported(sentence).hint(hint).into());
    }
    let machine = Machine {
        threads: machine::threads(&settings),
        simd: forced.unwrap_or_else(|| like(&manifest.simd)),
    };
    let used = machine.simd.name();
    if used != manifest.simd {
        say::note(&format!(
            "note: {} was trained with {}, {}: this training uses {used}",
            saved.name,
            manifest.simd,
            match forced {
                Some(_) => "another set is asked for",
                None => "which this machine does not have",
            }
        ));
    }
    let version = env!("CARGO_PKG_VERSION");
    if manifest.code_version != version {
        say::note(&format!(
            "note: {} was trained by senti-ai {}, this is {version}: what is computed may have changed",
            saved.name, manifest.code_version
        ));
    }
    interrupt::listen()?;
    let reading = read(&saved, &mut settings)?;
    let again = repeat(&saved.artifact, &reading, machine)?;
    let old_forecast = forecast(&saved.artifact, &reading.table, machine);
    let parts = comparison::compare(&saved.artifact, old_forecast.as_ref(), &again)?;

    let all = |fits: fn(&Part) -> bool| parts.iter().all(fits);
    let verdict = match comparison::same_bits(&manifest.simd, used) {
        _ if all(Part::is_same) => Verdict::Identical,
        false if all(Part::is_close) => Verdict::Close,
        _ => Verdict::Different,
    };
    let sentence = sentence(&saved, &parts, verdict, used);
    say::result(
        settings.json(),
        || document(&saved, &parts, verdict, &sentence, machine),
        || format!("{}\n{sentence}\n", table(&parts)),
    )?;
    match verdict {
        Verdict::Different => Err(different(&saved, sentence, used).into()),
        _ => Ok(()),
    }
}

/// A model of the registry, or the folder of one.
pub fn find(word: &str, settings: &Settings) -> Outcome<Saved> {
    if word.starts_with(SCHEME) {
        let which = models::reference(word)?;
        let there = remote::registry(settings)?;
        let loaded = there.load(&which);
        remote::tell(&there);
        let (entry, artifact) = loaded?;
        let name = entry.called();
        return Ok(Saved { name, artifact });
    }
    let folder = Path::new(word);
    let is_path = folder.is_absolute() || word.starts_with('.') || word.matches('/').count() > 1;
    if is_model(folder) {
        let artifact = load_folder(folder)?;
        let name = folder.display().to_string();
        return Ok(Saved { name, artifact });
    }
    if is_path {
        let error = Error::input(format!("`{word}` is no folder of a model"));
        return Err(error
            .hint("name the folder that holds `artifact.json`")
            .into());
    }
    let which = models::reference(word)?;
    let here = models::local(settings);
    let loaded = Backend::load(&here, &which);
    let (entry, artifact) = loaded.map_err(|error| models::explained(error, &here, &which))?;
    let name = entry.called();
    Ok(Saved { name, artifact })
}

/// The recorded instruction set; where this machine lacks it, one that gives the same bits, else the widest.
fn like(recorded: &str) -> Simd {
    let same = |simd: &Simd| comparison::same_bits(recorded, simd.name());
    let exact = Simd::parse(recorded);
    let others = Simd::ALL.into_iter().filter(same);
    exact
        .into_iter()
        .chain(others)
        .find(Simd::is_supported)
        .unwrap_or_else(Simd::detect)
}

/// The rows of the training: read in the same way, and the very same.
fn read(saved: &Saved, settings: &mut Settings) -> Outcome<Reading> {
    let data = &saved.artifact.manifest.data;
    source::recall(settings, &saved.artifact.manifest).map_err(usage)?;
    let request = source::request(settings)?;
    let reading = source::open(&request).map_err(|error| match error.kind() {
        ErrorKind::Input if settings.get("data_path").origin == Origin::Model => {
            let sentence = format!("the data of {} cannot be read again", saved.name);
            let hint = "a path is taken from the working directory: go where the training ran, or give the file with `--data_path FILE`";
            Error::input(sentence).hint(hint).because(error)
        }
        _ => error,
    })?;
    let rows = reading.table.n_rows();
    // A candle that was open then may be closed now, and a file may have grown.
    let reading = reading.until(data.last);
    let newer = rows - reading.table.n_rows();
    if newer > 0 {
        say::note(&format!(
            "note: {} behind {}, the last one of the training, left out",
            say::count(newer, "row"),
            date(data.last, data.step)
        ));
    }
    if reading.digest == data.digest {
        say::note(&format!(
            "the data are those of the training, SHA-256 {}",
            data.digest
        ));
        return Ok(reading);
    }
    let told = |rows: usize, first: i64, last: i64, step: i64| {
        format!(
            "{rows} rows from {} to {}",
            date(first, step),
            date(last, step)
        )
    };
    let time = reading.table.time();
    let now = match (time.first(), time.last()) {
        (Some(&first), Some(&last)) => {
            told(time.len(), first, last, reading.table.calendar().step())
        }
        _ => "none of its rows".to_owned(),
    };
    let then = told(data.rows, data.first, data.last, data.step);
    let error = Error::data(format!(
        "the data are not those of {}: their SHA-256 is {}, wanted {}",
        saved.name, reading.digest, data.digest
    ));
    Err(error
        .hint(format!(
            "it was trained on `{}`, {then}, read now are {now}; give the file as it was with `--data_path FILE`",
            data.source
        ))
        .into())
}

/// The training again, from the record alone.
fn repeat(artifact: &Artifact, reading: &Reading, machine: Machine) -> Result<Learned> {
    let manifest = &artifact.manifest;
    let provenance = Provenance {
        source: manifest.data.source.clone(),
        read_with: manifest.data.read_with.clone(),
        digest: reading.digest.clone(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let plan = &manifest.plan;
    say::note(&format!(
        "repeating the training: model_type {}, seed {}, {} with {}",
        plan.model_type,
        plan.seed,
        say::count(machine.threads, "thread"),
        machine.simd.name()
    ));
    let start = Instant::now();
    let mut progress = Progress::new(plan.epochs);
    let mut observe = |event: Event<'_>| {
        interrupt::stage(match &event {
            Event::Batch { .. } => Stage::Batches,
            _ => Stage::Working,
        });
        progress.see(&event, start.elapsed());
        match interrupt::wanted() {
            true => Next::Stop,
            false => Next::Continue,
        }
    };
    let learned = fit(
        &reading.table,
        plan,
        &provenance,
        machine,
        None,
        &mut observe,
    );
    progress.clear();
    // From here on Ctrl-C ends at once; one that came before is heard, whoever did not look.
    interrupt::stage(Stage::Starting);
    let stopped = "before anything was compared; nothing was written";
    match learned {
        Ok(learned) if !interrupt::wanted() => Ok(learned),
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Err(Error::new(ErrorKind::Interrupted, stopped)),
    }
}

fn sentence(saved: &Saved, parts: &[Part], verdict: Verdict, used: &str) -> String {
    let name = &saved.name;
    let same = parts.iter().filter(|part| part.is_same()).count();
    let differing = parts.len() - same;
    let recorded = &saved.artifact.manifest.simd;
    match verdict {
        Verdict::Identical => {
            format!("{name} is identical to its repetition: {same} of {same} parts, bit for bit")
        }
        Verdict::Close => format!(
            "{name} is equal to its repetition within the tolerance between {recorded} and {used}: {same} of {} parts bit for bit, {differing} close",
            parts.len()
        ),
        Verdict::Different => format!(
            "{name} is not what its record gives: {differing} of {} parts differ",
            parts.len()
        ),
    }
}

/// What a difference may come from.
fn different(saved: &Saved, sentence: String, used: &str) -> Error {
    let manifest = &saved.artifact.manifest;
    let hint = match () {
        () if manifest.code_version != env!("CARGO_PKG_VERSION") => format!(
            "another version may compute something else: verify it with senti-ai {}",
            manifest.code_version
        ),
        () if !comparison::same_bits(&manifest.simd, used) => format!(
            "{used} rounds differently from {}, and this training amplified that beyond the tolerance: verify it on a machine that has {}",
            manifest.simd, manifest.simd
        ),
        () => "the model or its record was altered after the training, or the program was built from other code; train again for one that can be repeated".to_owned(),
    };
    Error::data(sentence).hint(hint)
}

fn table(parts: &[Part]) -> String {
    let mut grid = Grid::new(&["compared", "values", "equal", "largest difference"]);
    for part in parts {
        let equal = match part.differing {
            _ if part.is_same() => "yes".to_owned(),
            0 => "no".to_owned(),
            n => format!("no, {n} differ"),
        };
        let largest = part.largest.as_ref().map(|largest| {
            let at = match largest.at.as_str() {
                "" => String::new(),
                at => format!(" at {at}"),
            };
            let (saved, again) = (largest.saved, largest.again);
            let distance = (saved - again).abs();
            format!("{distance:.1e}{at}: {saved} saved, {again} again")
        });
        let told: Vec<String> = (part.other.clone().into_iter()).chain(largest).collect();
        grid.row([
            part.name.clone(),
            part.values.to_string(),
            equal,
            told.join("; "),
        ]);
    }
    grid.left()
}

fn document(
    saved: &Saved,
    parts: &[Part],
    verdict: Verdict,
    sentence: &str,
    machine: Machine,
) -> serde_json::Value {
    let manifest = &saved.artifact.manifest;
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "model": saved.name,
        "verdict": verdict.name(),
        "sentence": sentence,
        "digest": manifest.data.digest,
        "code_version": { "saved": manifest.code_version, "again": version },
        "simd": { "saved": manifest.simd, "again": machine.simd.name() },
        "threads": machine.threads,
        "tolerance": match comparison::same_bits(&manifest.simd, machine.simd.name()) {
            true => json!(null),
            false => json!({
                "tensor": comparison::WEIGHTS,
                "forecast": comparison::PRICES,
                "record": comparison::LEARNED,
            }),
        },
        "parts": parts,
    })
}
