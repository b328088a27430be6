//! Zip archives of strangers: `.keras` and PyTorch's files.
//!
//! In come bytes; out go the names of the parts, and parts unpacked. What is unpacked in all is bounded by the size of the archive, so a small file
//! cannot fill the memory. Nothing is written.

use std::io::{Cursor, Read};

use senti::{Error, Result};
use zip::ZipArchive;

/// Weights hardly shrink when they are packed; text does, by less than this.
const GROWTH: usize = 100;
/// What even the smallest archive may unpack to.
const LEAST: usize = 16 << 20;

/// Most bytes that a file of this size may grow to in memory.
pub(super) fn most(file: usize) -> usize {
    file.saturating_mul(GROWTH).saturating_add(LEAST)
}

/// An archive and how much more it may unpack.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    left: usize,
}

impl<'a> Archive<'a> {
    /// Reads the list of its parts.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|cause| {
            Error::data("the archive is damaged or cut off")
                .hint("fetch or save the file again")
                .because(cause)
        })?;
        Ok(Self {
            zip,
            left: most(bytes.len()),
        })
    }

    /// Names of the parts that are text; none of another name is ever asked for.
    pub fn names(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten();
        names.map(|name| name.into_owned()).collect()
    }

    /// Bytes that may still be unpacked.
    pub fn left(&self) -> usize {
        self.left
    }

    /// One part, unpacked; the archive's own checksum is compared.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::data(format!("`{name}` in the archive cannot be read"))
                .hint("fetch or save the file again")
                .because(cause)
        };
        let part = self.zip.by_name(name);
        let part = part.map_err(|cause| unreadable(cause.into()))?;
        let mut bytes = Vec::new();
        let most = self.left as u64;
        let read = part.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|cause| unreadable(cause.into()))?;
        match self.left.checked_sub(bytes.len()) {
            Some(left) => self.left = left,
            None => {
                return Err(Error::data(format!(
                    "the archive unpacks to more than {} MiB, wanted at most {GROWTH} times its size",
                    most >> 20
                )));
            }
        }
        Ok(bytes)
    }
}
