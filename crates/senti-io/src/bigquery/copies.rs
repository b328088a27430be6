//! Local copies of what was read, so that it is neither read nor paid for twice.
//!
//! In come the cells as BigQuery gave them; out goes one file a table or query: gzipped CSV under the SHA-256 of its name, whose first
//! line is a comment with the name, the table's version, the columns and the number of rows. A copy appears whole or not at all. A null
//! is an empty cell, an empty text is `""`.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use senti::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::types::{Field, Frame};
use crate::atomic::{Pending, failed, make_folder};

/// When copies are read and written. [`Mode::name`] is what users type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Read while it is as new as BigQuery's rows, else written anew.
    #[default]
    Auto,
    /// Written anew.
    Renew,
    /// Read, whatever has happened since; nobody is asked.
    Only,
    /// Neither.
    Off,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Auto, Mode::Renew, Mode::Only, Mode::Off];

    /// As users type it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Renew => "renew",
            Mode::Only => "only",
            Mode::Off => "off",
        }
    }
}

/// The first line of a copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meta {
    format: u32,
    /// What it is a copy of.
    pub(super) of: String,
    /// Its version, where that can be told.
    pub(super) version: Option<String>,
    fields: Vec<Field>,
    pub(super) rows: u64,
}

impl Meta {
    pub(super) fn new(key: &str, version: Option<&str>, fields: &[Field]) -> Self {
        Self {
            format: 1,
            of: key.to_owned(),
            version: version.map(str::to_owned),
            fields: fields.to_vec(),
            rows: 0,
        }
    }
}

/// A folder of copies.
#[derive(Clone, Debug)]
pub struct Copies {
    folder: PathBuf,
}

/// A copy being written.
pub(super) struct Writer {
    out: GzEncoder<Pending>,
    path: PathBuf,
    line: Vec<u8>,
}

impl Copies {
    /// In this folder, which is made when it is needed.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, key: &str) -> PathBuf {
        let digest = Sha256::digest(key.as_bytes());
        let name: String = digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.folder.join(format!("{name}.csv.gz"))
    }

    /// The copy of this, if there is one.
    pub fn read(&self, key: &str) -> Result<Option<(Meta, Frame)>> {
        let path = self.path(key);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed("read", &path, cause)),
        };
        let damaged = |cause: String| {
            Error::data(format!("the local copy `{}` is damaged", path.display()))
                .because(cause)
                .hint("read it anew with `--bq_cache renew`")
        };
        let mut text = String::new();
        let read = GzDecoder::new(file).read_to_string(&mut text);
        read.map_err(|cause| damaged(cause.to_string()))?;
        let (head, rest) = text.split_once('\n').unwrap_or_default();
        let meta: Meta = serde_json::from_str(head.trim_start_matches("# "))
            .map_err(|cause| damaged(cause.to_string()))?;
        if meta.format != 1 || meta.of != key {
            return Ok(None);
        }
        let mut frame = Frame::new(meta.fields.clone());
        let mut cells = Cells { rest };
        let mut row = Vec::new();
        // the line of names is for people
        cells.next(&mut row);
        while cells.next(&mut row) {
            let texts = row.iter().map(Option::as_deref);
            frame
                .push(texts)
                .map_err(|error| damaged(error.to_string()))?;
        }
        match frame.rows as u64 == meta.rows {
            true => Ok(Some((meta, frame))),
            false => Err(damaged(format!(
                "{} rows, {} were written",
                frame.rows, meta.rows
            ))),
        }
    }

    pub(super) fn begin(&self, meta: &Meta) -> Result<Writer> {
        make_folder(&self.folder)?;
        let path = self.path(&meta.of);
        let pending = Pending::create(&path)?;
        let mut writer = Writer {
            out: GzEncoder::new(pending, Compression::fast()),
            path,
            line: Vec::new(),
        };
        let head = serde_json::to_string(meta)
            .map_err(|cause| Error::internal("a copy cannot be described").because(cause))?;
        writer.write(format!("# {head}\n").as_bytes())?;
        let names: Vec<Option<&str>> = meta
            .fields
            .iter()
            .map(|field| Some(field.name.as_str()))
            .collect();
        writer.push(&names)?;
        Ok(writer)
    }
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.out.write_all(bytes);
        written.map_err(|cause| failed("write", &self.path, cause))
    }

    pub(super) fn push(&mut self, cells: &[Option<&str>]) -> Result<()> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                line.push(b',');
            }
            match cell {
                None => {}
                Some(text)
                    if text.is_empty()
                        || text.starts_with('#')
                        || text.contains([',', '"', '\n', '\r']) =>
                {
                    line.push(b'"');
                    line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                    line.push(b'"');
                }
                Some(text) => line.extend_from_slice(text.as_bytes()),
            }
        }
        line.push(b'\n');
        self.write(&line)?;
        self.line = line;
        Ok(())
    }

    pub(super) fn commit(self) -> Result<()> {
        let path = self.path;
        let pending = self
            .out
            .finish()
            .map_err(|cause| failed("write", &path, cause))?;
        pending.commit()
    }
}

/// Cells of the CSV that is written above, and of no other.
struct Cells<'a> {
    rest: &'a str,
}

impl Cells<'_> {
    fn next(&mut self, row: &mut Vec<Option<String>>) -> bool {
        row.clear();
        if self.rest.is_empty() {
            return false;
        }
        loop {
            let (cell, after) = match self.rest.strip_prefix('"') {
                Some(quoted) => {
                    let mut cell = String::new();
                    let mut rest = quoted;
                    while let Some((part, after)) = rest.split_once('"') {
                        cell.push_str(part);
                        rest = after;
                        match after.strip_prefix('"') {
                            Some(after) => {
                                cell.push('"');
                                rest = after;
                            }
                            None => break,
                        }
                    }
                    (Some(cell), rest)
                }
                None => {
                    let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
                    let (cell, rest) = self.rest.split_at(end);
                    ((!cell.is_empty()).then(|| cell.to_owned()), rest)
                }
            };
            row.push(cell);
            match after.strip_prefix(',') {
                Some(after) => self.rest = after,
                None => {
                    self.rest = after.strip_prefix('\n').unwrap_or_default();
                    return true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bigquery::types;

    fn fields() -> Vec<Field> {
        let field = |name: &str, kind: &str| Field {
            name: name.into(),
            kind: kind.into(),
            mode: "NULLABLE".into(),
        };
        vec![
            field("odd, \"name\"", "STRING"),
            field("x", "FLOAT"),
            field("t", "TIMESTAMP"),
        ]
    }

    #[test]
    fn a_copy_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let copies = Copies::at(folder.path().join("deep/er"));
        let rows: [[Option<&str>; 3]; 5] = [
            [Some("a,b"), Some("0.1"), Some("1")],
            [Some(""), None, None],
            [None, Some("NaN"), Some("-5000")],
            [Some("#\"x\"\r\n,\u{2028}"), Some("1e300"), Some("9")],
            [Some("\""), None, None],
        ];
        let mut meta = Meta::new("table\np.d.t", Some("7 \"tag\""), &fields());
        meta.rows = 5;
        let mut writer = copies.begin(&meta).expect("a writer");
        for row in &rows {
            writer.push(row).expect("a row");
        }
        assert!(copies.read("table\np.d.t").expect("nothing yet").is_none());
        writer.commit().expect("a copy");
        let (meta, frame) = copies
            .read("table\np.d.t")
            .expect("a copy")
            .expect("a copy");
        assert_eq!(meta.version.as_deref(), Some("7 \"tag\""));
        let texts = rows.map(|row| row[0].map(str::to_owned)).to_vec();
        assert_eq!(frame.columns[0], types::Cells::Texts(texts));
        let wanted = types::Cells::Moments(vec![Some(0), None, Some(-5), Some(0), None]);
        assert_eq!(frame.columns[2], wanted);
        assert!(copies.read("table\np.d.u").expect("another").is_none());
    }

    #[test]
    fn a_damaged_copy_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let copies = Copies::at(folder.path().to_owned());
        let mut meta = Meta::new("k", Some("1"), &fields());
        meta.rows = 2;
        let mut writer = copies.begin(&meta).expect("a writer");
        writer.push(&[Some("a"), Some("1"), None]).expect("a row");
        writer.commit().expect("a copy");
        // one row too few
        assert!(copies.read("k").is_err());
        let path = copies.path("k");
        let bytes = fs::read(&path).expect("bytes");
        for cut in [0, 1, 10, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).expect("a cut file");
            assert!(copies.read("k").is_err(), "{cut} of {}", bytes.len());
        }
    }
}
