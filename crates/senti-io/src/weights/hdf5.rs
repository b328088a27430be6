//! HDF5 as Keras uses it: groups, attributes of text, arrays of numbers.
//!
//! In come bytes, from h5py of any version; out go names, texts and arrays in single precision. What an array may take is bounded by the size of
//! the file. Links to other files are not followed. Nothing here knows what a layer is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hdf5_reader::group::Group;
use hdf5_reader::messages::datatype::Datatype;
use hdf5_reader::{Hdf5File, OpenOptions};
use senti::{Error, Result};

use super::archive::most;
use super::network::Array;

/// What every HDF5 file begins with.
pub(super) const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Parts that an attribute too long for one may be cut into.
const PIECES: usize = 1000;

/// A file.
pub(super) struct Hdf5 {
    file: Hdf5File,
    most: usize,
}

impl Hdf5 {
    /// Reads the head of a file.
    pub fn open(bytes: Vec<u8>) -> Result<Self> {
        let most = most(bytes.len());
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(most)
            .with_max_read_bytes(most);
        let file = guarded(|| Hdf5File::from_vec_with_options(bytes, options)).map_err(damaged)?;
        Ok(Self { file, most })
    }

    /// Is there such a group?
    pub fn has(&self, group: &str) -> bool {
        self.group(group).is_ok()
    }

    /// Groups within a group, sorted as people count: `dense_2` before `dense_10`.
    pub fn groups(&self, group: &str) -> Result<Vec<String>> {
        let mut names = self.members(group)?.0;
        names.sort_by_key(|name| natural(name));
        Ok(names)
    }

    /// Arrays within a group, sorted likewise.
    pub fn arrays(&self, group: &str) -> Result<Vec<String>> {
        let mut names = self.members(group)?.1;
        names.sort_by_key(|name| natural(name));
        Ok(names)
    }

    fn members(&self, group: &str) -> Result<(Vec<String>, Vec<String>)> {
        let found = self.group(group)?;
        guarded(|| found.member_names()).map_err(damaged)
    }

    fn group(&self, path: &str) -> Result<Group> {
        guarded(|| self.file.group(path)).map_err(|cause| {
            Error::data(format!("the file has no group `{path}`, or it is damaged")).because(cause)
        })
    }

    /// A text attribute of a group, where there is one.
    pub fn text(&self, group: &str, name: &str) -> Result<Option<String>> {
        Ok(self
            .texts_of(&self.group(group)?, name)?
            .and_then(|texts| texts.into_iter().next()))
    }

    /// A list of texts; Keras cuts a long one into `name0`, `name1` and so on.
    pub fn texts(&self, group: &str, name: &str) -> Result<Option<Vec<String>>> {
        let found = self.group(group)?;
        if let Some(texts) = self.texts_of(&found, name)? {
            return Ok(Some(texts));
        }
        let mut all: Option<Vec<String>> = None;
        for piece in 0..PIECES {
            match self.texts_of(&found, &format!("{name}{piece}"))? {
                Some(texts) => all.get_or_insert_default().extend(texts),
                None => break,
            }
        }
        Ok(all)
    }

    fn texts_of(&self, group: &Group, name: &str) -> Result<Option<Vec<String>>> {
        let attributes = guarded(|| group.attributes()).map_err(damaged)?;
        let Some(attribute) = attributes.into_iter().find(|a| a.name == name) else {
            return Ok(None);
        };
        // h5py writes an empty list as numbers
        if guarded(|| attribute.num_elements()).is_ok_and(|count| count == 0) {
            return Ok(Some(Vec::new()));
        }
        let texts = guarded(|| match attribute.shape.is_empty() {
            true => attribute.read_string().map(|text| vec![text]),
            false => attribute.read_strings(),
        });
        texts.map(Some).map_err(|cause| {
            Error::data(format!("attribute `{name}` cannot be read as text")).because(cause)
        })
    }

    /// An array, narrowed where it is double precision.
    pub fn array(&self, path: &str) -> Result<Array> {
        let dataset = guarded(|| self.file.dataset(path)).map_err(|cause| {
            Error::data(format!("the file has no array `{path}`, or it is damaged")).because(cause)
        })?;
        let too_large = || {
            Error::data(format!(
                "array `{path}` is said to be of shape {:?}, which is more than the file can hold",
                dataset.shape()
            ))
        };
        let mut shape = Vec::new();
        let mut count = 1_usize;
        for &length in dataset.shape() {
            let length = usize::try_from(length).map_err(|_| too_large())?;
            count = count.checked_mul(length).ok_or_else(too_large)?;
            shape.push(length);
        }
        if count.saturating_mul(size_of::<f64>()) > self.most {
            return Err(too_large());
        }
        let unreadable =
            |cause: String| Error::data(format!("array `{path}` cannot be read")).because(cause);
        let values = match dataset.dtype() {
            Datatype::FloatingPoint { size: 4, .. } => {
                let mut values = vec![0.0_f32; count];
                guarded(|| dataset.read_into(&mut values)).map_err(unreadable)?;
                values
            }
            Datatype::FloatingPoint { size: 8, .. } => {
                let mut values = vec![0.0_f64; count];
                guarded(|| dataset.read_into(&mut values)).map_err(unreadable)?;
                values.into_iter().map(|value| value as f32).collect()
            }
            Datatype::FloatingPoint { size, .. } => {
                return Err(Error::unsupported(format!(
                    "array `{path}` holds numbers of {size} bytes, wanted single or double precision"
                ))
                .hint("save the weights as float32"));
            }
            _ => {
                return Err(Error::data(format!(
                    "array `{path}` does not hold floating-point numbers"
                )));
            }
        };
        Ok(Array { shape, values })
    }
}

/// The reader is made for damaged files; should it ever panic on one, that is no end of ours.
fn guarded<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(cause)) => Err(cause.to_string()),
        Err(_) => Err("the HDF5 reader gave up".into()),
    }
}

fn damaged(cause: String) -> Error {
    Error::data("the HDF5 file is damaged or cut off")
        .hint("fetch or save the file again")
        .because(cause)
}

/// Name without its trailing number, and the number.
fn natural(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse().unwrap_or(0);
    (stem.trim_end_matches('_').to_owned(), number)
}
