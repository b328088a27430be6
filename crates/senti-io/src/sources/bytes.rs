//! From a file's bytes to UTF-8 text: decompression, byte-order marks, and a look at what the file is.
//!
//! In comes any reader; out goes a reader of text and its first bytes, or a sentence about why this is no text (a spreadsheet, a
//! web page, a picture). Bounded buffers; nothing here knows of columns.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::StreamingDecoder;
use senti::{Error, Result};

/// Bytes looked at before anything is decided.
pub(super) const HEAD: usize = 256 * 1024;

/// Text, ready to be read.
pub(super) struct Text {
    /// The whole text from its first letter on.
    pub reader: Chain<Cursor<Vec<u8>>, Box<dyn Read>>,
    /// Its first bytes.
    pub head: Vec<u8>,
    /// Whether the head is all there is.
    pub is_whole: bool,
    pub compression: Option<&'static str>,
    pub encoding: &'static str,
    /// Bytes of the whole text, where they are known.
    pub len: Option<u64>,
}

impl Text {
    /// Lines of the whole text if all are as long as those of its head, and a few more; 0 where its length is not known.
    pub fn expected_lines(&self) -> usize {
        let lines = memchr::memchr_iter(b'\n', &self.head).count();
        let share = self.len.unwrap_or(0) as f64 / self.head.len().max(1) as f64;
        (share * lines as f64 * 1.02) as usize
    }
}

/// Files that people give by mistake, by their first bytes.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (
        b"PK\x03\x04",
        "a ZIP archive or a spreadsheet (.xlsx)",
        "unpack it, or save the sheet as CSV",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an old spreadsheet (.xls)",
        "save the sheet as CSV",
    ),
    (
        b"ARROW1",
        "an Arrow or Feather file",
        "write it as Parquet or CSV",
    ),
    (
        b"SQLite format 3",
        "an SQLite database",
        "export the table as CSV",
    ),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet or CSV"),
    (
        b"BZh",
        "compressed with bzip2",
        "unpack it, or compress it with gzip or zstd",
    ),
    (
        b"\xfd7zXZ",
        "compressed with xz",
        "unpack it, or compress it with gzip or zstd",
    ),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (
        b"\x80\x04\x95",
        "a Python pickle",
        "write it as Parquet or CSV",
    ),
    (
        b"\x93NUMPY",
        "a NumPy array",
        "write it as CSV with a column of times",
    ),
    (b"%PDF", "a PDF document", "give a CSV or Parquet file"),
    (b"\x89PNG", "a picture", "give a CSV or Parquet file"),
];

/// Unpacks and decodes a table.
pub(super) fn decode(raw: impl Read + 'static) -> Result<Text> {
    let text = decode_text(raw)?;
    let first = text.head.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'{' | b'[')) {
        return Err(Error::data("the file is JSON, not CSV or Parquet")
            .hint("convert it, for instance with pandas' `to_csv`"));
    }
    Ok(text)
}

/// Unpacks and decodes; JSON is as good as a table.
pub(super) fn decode_text(raw: impl Read + 'static) -> Result<Text> {
    let (magic, raw) = peek(raw, 8)?;
    let (inner, compression): (Box<dyn Read>, _) = if magic.starts_with(&[0x1f, 0x8b]) {
        (
            Box::new(Gzip {
                raw: Some(BufReader::with_capacity(1 << 16, raw)),
                decoder: None,
            }),
            Some("gzip"),
        )
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        (
            Box::new(Zstd {
                raw: Some(BufReader::with_capacity(1 << 16, raw)),
                decoder: None,
            }),
            Some("zstd"),
        )
    } else {
        (Box::new(raw), None)
    };
    let (mark, mut inner) = peek(inner, 4)?;
    let (reader, encoding): (Box<dyn Read>, _) = match mark[..] {
        [0xef, 0xbb, 0xbf, ..] => {
            let mut mark = [0; 3];
            inner.read_exact(&mut mark).map_err(read_error)?;
            (Box::new(inner), "utf-8 with byte-order mark")
        }
        [0xff, 0xfe, ..] => (Box::new(Utf16::new(inner, u16::from_le_bytes)), "utf-16le"),
        [0xfe, 0xff, ..] => (Box::new(Utf16::new(inner, u16::from_be_bytes)), "utf-16be"),
        _ => (Box::new(inner), "utf-8"),
    };
    let (head, reader) = peek(reader, HEAD)?;
    refuse(&head)?;
    Ok(Text {
        is_whole: head.len() < HEAD,
        head,
        reader,
        compression,
        encoding,
        len: None,
    })
}

/// The first `n` bytes, and a reader that still has them.
#[allow(clippy::type_complexity)]
fn peek<R: Read + 'static>(
    mut reader: R,
    n: usize,
) -> Result<(Vec<u8>, Chain<Cursor<Vec<u8>>, Box<dyn Read>>)> {
    let mut head = Vec::with_capacity(n);
    reader
        .by_ref()
        .take(n as u64)
        .read_to_end(&mut head)
        .map_err(read_error)?;
    let rest: Box<dyn Read> = Box::new(reader);
    Ok((head.clone(), Cursor::new(head).chain(rest)))
}

fn refuse(head: &[u8]) -> Result<()> {
    if let Some((_, what, hint)) = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Err(Error::data(format!("the file is {what}, not CSV or Parquet")).hint(*hint));
    }
    let start = head
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .unwrap_or(head.len());
    let opening: String = head[start..]
        .iter()
        .take(16)
        .map(|byte| byte.to_ascii_lowercase() as char)
        .collect();
    if head[start..].is_empty() {
        return Err(Error::data("the file is empty")
            .hint("give a table with a column of times and one of prices"));
    }
    if [
        "<!doctype",
        "<html",
        "<?xml",
        "<head",
        "<body",
        "<table",
        "<script",
    ]
    .iter()
    .any(|tag| opening.starts_with(tag))
    {
        return Err(
            Error::data("the file is a web page (HTML or XML), not CSV").hint(
                "the download may have failed or need a login; open the file to see what it says",
            ),
        );
    }
    if let Some(at) = head.iter().position(|byte| *byte == 0) {
        return Err(
            Error::data(format!("the file is not text: its byte {} is zero", at + 1))
                .hint("save it as CSV in UTF-8"),
        );
    }
    Ok(())
}

/// What stands behind a compressed text and is no further part of it.
const TRAILING: &str = "something else follows behind the compressed data";

/// Goes to the next part of a compressed file: over the zeros that tapes and block devices leave behind. False at the end.
fn next_part(raw: &mut impl BufRead, is_part: impl Fn(u8) -> bool) -> io::Result<bool> {
    loop {
        let buffer = raw.fill_buf()?;
        match buffer.iter().position(|byte| *byte != 0) {
            None if buffer.is_empty() => return Ok(false),
            None => {
                let n = buffer.len();
                raw.consume(n);
            }
            Some(at) if is_part(buffer[at]) => {
                raw.consume(at);
                return Ok(true);
            }
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, TRAILING)),
        }
    }
}

/// An error while reading on, in words.
pub(super) fn read_error(cause: io::Error) -> Error {
    if cause.to_string() == TRAILING {
        return Error::data(TRAILING).hint(
            "the table ends before it; cut it off, or unpack the file and give the plain CSV",
        );
    }
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => Error::data("the compressed file ends in the middle")
            .hint("the download is truncated; fetch it again"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other => {
            Error::data("the compressed file is damaged")
                .because(cause)
                .hint("fetch it again")
        }
        _ => Error::remote("the file could not be read").because(cause),
    }
}

/// gzip members one after the other.
struct Gzip<R: BufRead> {
    raw: Option<R>,
    decoder: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                match decoder.read(buffer)? {
                    0 if !buffer.is_empty() => {
                        self.raw = self.decoder.take().map(GzDecoder::into_inner)
                    }
                    n => return Ok(n),
                }
            }
            let Some(mut raw) = self.raw.take() else {
                return Ok(0);
            };
            if !next_part(&mut raw, |byte| byte == 0x1f)? {
                return Ok(0);
            }
            self.decoder = Some(GzDecoder::new(raw));
        }
    }
}

/// zstd frames one after the other.
struct Zstd<R: BufRead> {
    raw: Option<R>,
    decoder: Option<Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                match decoder.read(buffer)? {
                    0 if !buffer.is_empty() => {
                        self.raw = self.decoder.take().map(|decoder| decoder.into_inner())
                    }
                    n => return Ok(n),
                }
            }
            let Some(mut raw) = self.raw.take() else {
                return Ok(0);
            };
            // A frame, or one that is to be skipped.
            if !next_part(&mut raw, |byte| byte == 0x28 || byte & 0xf0 == 0x50)? {
                return Ok(0);
            }
            // A header that is there as a whole (18 bytes at most) and does not read is damaged, not cut off.
            let kind = if raw.fill_buf()?.len() < 18 {
                io::ErrorKind::UnexpectedEof
            } else {
                io::ErrorKind::InvalidData
            };
            let decoder = StreamingDecoder::new(raw)
                .map_err(|cause| io::Error::new(kind, cause.to_string()))?;
            self.decoder = Some(Box::new(decoder));
        }
    }
}

/// UTF-16 to UTF-8, on the fly; broken pairs become the replacement sign, which no number contains.
struct Utf16<R> {
    reader: R,
    unit: fn([u8; 2]) -> u16,
    raw: Vec<u8>,
    high: Option<u16>,
    text: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    fn new(reader: R, unit: fn([u8; 2]) -> u16) -> Self {
        Self {
            reader,
            unit,
            raw: Vec::new(),
            high: None,
            text: Vec::new(),
            given: 0,
        }
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            self.text.clear();
            self.given = 0;
            let n_before = self.raw.len();
            let n = self.reader.by_ref().take(8192).read_to_end(&mut self.raw)?;
            if n == 0 {
                if n_before > 0 || self.high.take().is_some() {
                    self.raw.clear();
                    self.text.extend_from_slice("\u{fffd}".as_bytes());
                    continue;
                }
                return Ok(0);
            }
            let units = self
                .raw
                .chunks_exact(2)
                .map(|pair| (self.unit)([pair[0], pair[1]]));
            let units: Vec<u16> = self.high.take().into_iter().chain(units).collect();
            let rest = self.raw.len() % 2;
            self.raw.drain(..self.raw.len() - rest);
            let n_whole = if matches!(units.last(), Some(0xd800..=0xdbff)) {
                units.len() - 1
            } else {
                units.len()
            };
            self.high = units.get(n_whole).copied();
            for letter in char::decode_utf16(units[..n_whole].iter().copied()) {
                let letter = letter.unwrap_or('\u{fffd}');
                if letter != '\u{feff}' {
                    self.text
                        .extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        let n = buffer.len().min(self.text.len() - self.given);
        buffer[..n].copy_from_slice(&self.text[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
