//! A file on this machine: CSV (plain, gzip, zstd) or Parquet.
//!
//! In comes a request with a path; out goes a reading. Every sentence about an error names the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use senti::table::nearest_name;
use senti::{Error, Result};

use super::raw::{Ask, Raw};
use super::{Reading, Request, bytes, csv, printable};

pub(super) fn read(request: &Request) -> Result<Reading> {
    let Some(path) = &request.path else {
        return Err(
            Error::input("the data source `local` needs a file").hint("give it with `--data_path`")
        );
    };
    let raw = raw(path, &Ask::table(request))?;
    let reading = raw.table(&request.table, shown(path));
    reading.map_err(|error| named(path, error))
}

/// The rows of a file, before anything is made of them.
pub(super) fn raw(path: &Path, ask: &Ask<'_>) -> Result<Raw> {
    let mut file = open(path)?;
    let mut magic = Vec::new();
    file.by_ref()
        .take(4)
        .read_to_end(&mut magic)
        .map_err(|cause| cannot(path, "read", cause))?;
    let raw = if magic == b"PAR1" {
        read_parquet(file, ask)
    } else {
        let len = file.metadata().ok().map(|metadata| metadata.len());
        let raw = io::Cursor::new(magic).chain(file);
        bytes::decode(raw).and_then(|mut text| {
            text.len = len.filter(|_| text.compression.is_none());
            csv::raw(text, ask)
        })
    };
    raw.map_err(|error| named(path, error))
}

/// The text of a file, decoded; for what is no table.
pub(super) fn text(path: &Path) -> Result<bytes::Text> {
    let file = open(path)?;
    bytes::decode_text(file).map_err(|error| named(path, error))
}

#[cfg(feature = "parquet")]
fn read_parquet(file: File, ask: &Ask<'_>) -> Result<Raw> {
    super::parquet::raw(file, ask)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(_: File, _: &Ask<'_>) -> Result<Raw> {
    Err(
        Error::unsupported("the file is Parquet, and this program was built without it")
            .hint("build with the feature `parquet`, or give CSV"),
    )
}

/// The same error with the file's name before its sentence.
pub(super) fn named(path: &Path, error: Error) -> Error {
    let mut out = Error::new(error.kind(), format!("{}: {error}", shown(path)));
    if let Some(hint) = error.hint_text() {
        out = out.hint(hint.to_owned());
    }
    match std::error::Error::source(&error) {
        Some(cause) => out.because(cause.to_string()),
        None => out,
    }
}

/// A path for a sentence.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn open(path: &Path) -> Result<File> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(
                Error::input(format!("{} is a folder, not a file", shown(path)))
                    .hint("name a file in it"),
            );
        }
        Ok(_) => {}
        Err(cause) => return Err(cannot(path, "open", cause)),
    }
    File::open(path).map_err(|cause| cannot(path, "open", cause))
}

fn cannot(path: &Path, what: &str, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::NotFound => {
            let error = Error::input(format!("there is no file {}", shown(path)));
            match near(path) {
                Some(near) => error.hint(near),
                None => error,
            }
        }
        io::ErrorKind::PermissionDenied => Error::input(format!("{} may not be read", shown(path)))
            .because(cause)
            .hint("check its permissions"),
        _ => Error::input(format!("cannot {what} {}", shown(path))).because(cause),
    }
}

/// What the folder has instead.
fn near(path: &Path) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("there is no folder {} either", shown(folder)));
    };
    let names: Vec<String> = entries
        .flatten()
        .take(10_000)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wanted = path.file_name()?.to_string_lossy();
    nearest_name(&wanted, &names).map(|near| format!("did you mean {}?", shown(&folder.join(near))))
}
