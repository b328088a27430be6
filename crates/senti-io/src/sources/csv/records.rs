//! Lines into cells: separators, quotes, line ends, one bounded buffer.
//!
//! In comes a reader of UTF-8 text; out go records with the number of their line. A line that is longer than the bound, an open quote
//! or a byte that is no UTF-8 is refused with its line. Nothing here knows what a cell means.

use std::io::Read;

use memchr::{memchr, memchr2};
use senti::{Error, Result};

use crate::sources::bytes::read_error;

/// The longest record; a quote that never closes stops here instead of swallowing a gigabyte.
const LONGEST: usize = 1 << 20;

/// One record: its cells one after the other, and where each ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    /// The line that it starts on, from 1 on.
    pub line: u32,
}

impl Record {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell without the white space around it; empty behind the last one.
    pub fn get(&self, i: usize) -> &str {
        let Some(&end) = self.ends.get(i) else {
            return "";
        };
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        std::str::from_utf8(&self.text[start..end])
            .unwrap_or_default()
            .trim()
    }

    pub fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }

    pub fn is_blank(&self) -> bool {
        self.cells().all(str::is_empty)
    }

    /// Cells without the blank ones at the end.
    pub fn len_trimmed(&self) -> usize {
        (0..self.len())
            .rev()
            .find(|&i| !self.get(i).is_empty())
            .map_or(0, |i| i + 1)
    }
}

/// Reads records.
pub(super) struct Records<R> {
    reader: R,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    is_ended: bool,
    line: u32,
}

impl<R: Read> Records<R> {
    pub fn new(reader: R, delimiter: u8) -> Self {
        Self {
            reader,
            delimiter,
            buffer: Vec::with_capacity(1 << 17),
            start: 0,
            is_ended: false,
            line: 1,
        }
    }

    /// The next record that is not an empty line; false at the end.
    pub fn next(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            let Some(end) = self.line_end(0)? else {
                return Ok(false);
            };
            record.line = self.line;
            record.text.clear();
            record.ends.clear();
            let line = &self.buffer[self.start..self.start + end];
            if line.iter().all(u8::is_ascii_whitespace) && !line.contains(&self.delimiter) {
                self.advance(end)?;
                continue;
            }
            if memchr(b'"', line).is_none() {
                let mut from = 0;
                while let Some(at) = memchr(self.delimiter, &line[from..]) {
                    record.text.extend_from_slice(&line[from..from + at]);
                    record.ends.push(record.text.len());
                    from += at + 1;
                }
                record.text.extend_from_slice(&line[from..]);
                record.ends.push(record.text.len());
                self.advance(end)?;
            } else {
                let mut end = end;
                while !split_quoted(
                    &self.buffer[self.start..self.start + end],
                    self.delimiter,
                    record,
                ) {
                    // The quote goes on behind this line end, if there is anything.
                    match self.line_end(end + 1)? {
                        Some(next) if next > end => end = next,
                        _ => return Err(self.open_quote(record.line)),
                    }
                    if end > LONGEST {
                        return Err(self.open_quote(record.line));
                    }
                }
                self.advance(end)?;
            }
            if std::str::from_utf8(&record.text).is_err() {
                return Err(not_utf8(record));
            }
            return Ok(true);
        }
    }

    fn open_quote(&self, line: u32) -> Error {
        Error::data(format!("line {line}: a quote opens and never closes"))
            .hint("the file may be truncated, or a quote is missing")
    }

    /// Where the line ends that goes on at `from`, relative to the start; `None` at the end of the text.
    fn line_end(&mut self, first: usize) -> Result<Option<usize>> {
        let mut from = first;
        loop {
            let text = &self.buffer[self.start..];
            if from < text.len()
                && let Some(at) = memchr2(b'\n', b'\r', &text[from..])
            {
                return Ok(Some(from + at));
            }
            if self.is_ended {
                return Ok((first < text.len()).then_some(text.len()));
            }
            if text.len() > LONGEST {
                return Err(Error::data(format!(
                    "line {} is longer than {LONGEST} bytes: this is no table",
                    self.line
                ))
                .hint("the line ends may be missing, or the file damaged; look at that line"));
            }
            from = from.max(text.len());
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let n = self
            .reader
            .by_ref()
            .take(1 << 16)
            .read_to_end(&mut self.buffer)
            .map_err(read_error)?;
        self.is_ended = n == 0;
        Ok(())
    }

    /// Steps over a line, its end and the line ends inside it.
    fn advance(&mut self, end: usize) -> Result<()> {
        let inside = &self.buffer[self.start..self.start + end];
        let mut n_lines = 1;
        if memchr2(b'\n', b'\r', inside).is_some() {
            let bare = |i: usize| inside[i] == b'\r' && inside.get(i + 1) != Some(&b'\n');
            n_lines += (0..inside.len())
                .filter(|&i| inside[i] == b'\n' || bare(i))
                .count() as u32;
        }
        if self.start + end + 1 >= self.buffer.len() && !self.is_ended {
            self.fill()?;
        }
        let is_pair = self.buffer.get(self.start + end..self.start + end + 2) == Some(b"\r\n");
        self.start = (self.start + end + 1 + usize::from(is_pair)).min(self.buffer.len());
        self.line = self.line.saturating_add(n_lines);
        Ok(())
    }
}

/// Splits a line with quotes; false where a quote is still open at its end.
fn split_quoted(line: &[u8], delimiter: u8, record: &mut Record) -> bool {
    record.text.clear();
    record.ends.clear();
    let mut i = 0;
    loop {
        // A quote counts only where a cell begins.
        let start = i + line[i..].iter().position(|byte| *byte != b' ').unwrap_or(0);
        if line.get(start) == Some(&b'"') {
            i = start + 1;
            loop {
                let Some(at) = memchr(b'"', &line[i..]) else {
                    return false;
                };
                record.text.extend_from_slice(&line[i..i + at]);
                i += at + 1;
                if line.get(i) != Some(&b'"') {
                    break;
                }
                record.text.push(b'"');
                i += 1;
            }
        }
        let end = memchr(delimiter, &line[i..]).map_or(line.len(), |at| i + at);
        record.text.extend_from_slice(&line[i..end]);
        record.ends.push(record.text.len());
        if end == line.len() {
            return true;
        }
        i = end + 1;
    }
}

fn not_utf8(record: &Record) -> Error {
    let mut start = 0;
    let bad = record.ends.iter().position(|&end| {
        let is_bad = std::str::from_utf8(&record.text[start..end]).is_err();
        start = end;
        is_bad
    });
    let column = bad.map_or(1, |column| column + 1);
    Error::data(format!(
        "line {}, column {column}: the text is not UTF-8",
        record.line
    ))
    .hint("save the file as UTF-8")
}
