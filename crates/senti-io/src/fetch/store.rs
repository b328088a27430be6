//! The file that a series is kept in: CSV, or Parquet where its name says so.
//!
//! In come rows; out goes a file that appears whole or not at all, and comes back bit for bit. Its columns are `date` (or `time` for candles
//! shorter than a day) and those of the series; a value that is not known is an empty cell.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use senti::calendar::{format_time, parse_time};
use senti::{Error, Result};

use crate::atomic;
use crate::parties::{MOST_COLUMNS, Row, Series};

/// A place for a series.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// At this path; `.parquet` makes it Parquet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Is there a file?
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    fn is_parquet(&self) -> bool {
        let ending = self.path.extension();
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
    }

    /// Beside it, for what lies before its first row until both can be joined.
    pub(super) fn aside(&self) -> Self {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".earlier.csv");
        Self::new(self.path.with_file_name(name))
    }

    pub(super) fn remove(&self) {
        // what stays behind is looked at by the next fetch, and joined or replaced
        let _ = fs::remove_file(&self.path);
    }

    fn cannot(&self, why: &str) -> Error {
        Error::data(format!(
            "`{}` is no file of this series: {why}",
            self.path.display()
        ))
        .hint("fetch into another file; `senti-ai fetch` only goes on with files that it made")
    }

    /// Its rows; none where there is no file.
    pub fn read(&self, series: &Series, names: &[String]) -> Result<Vec<Row>> {
        let rows = match self.is_parquet() {
            true => self.read_parquet(series, names)?,
            false => self.read_text(series, names)?,
        };
        match rows.windows(2).all(|pair| pair[0].time < pair[1].time) {
            true => Ok(rows),
            false => Err(self.cannot("its rows are not in the order of time")),
        }
    }

    fn read_text(&self, series: &Series, names: &[String]) -> Result<Vec<Row>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(self.cannot("it is no text"));
            }
            Err(error) => return Err(atomic::failed("read", &self.path, error)),
        };
        let mut lines = text.lines();
        let (found, wanted) = (lines.next().unwrap_or_default(), header(series, names));
        if found != wanted {
            let found = crate::sources::printable(&found.chars().take(80).collect::<String>());
            return Err(self.cannot(&format!("it begins with `{found}`, not with `{wanted}`")));
        }
        let read = |line: &str| {
            let mut cells = line.split(',');
            let time = parse_time(cells.next()?).ok()?;
            let mut values = [f64::NAN; MOST_COLUMNS];
            for value in values.iter_mut().take(names.len()) {
                match cells.next()? {
                    "" => {}
                    cell => *value = cell.parse().ok()?,
                }
            }
            cells.next().is_none().then_some(Row { time, values })
        };
        let read = |(n, line): (usize, &str)| {
            read(line).ok_or_else(|| self.cannot(&format!("line {} cannot be read", n + 2)))
        };
        lines.enumerate().map(read).collect()
    }

    /// Puts rows in its place.
    pub(super) fn write(&self, series: &Series, names: &[String], rows: &[Row]) -> Result<()> {
        if self.is_parquet() {
            return self.write_parquet(series, names, rows);
        }
        let step = series.interval.usual();
        let mut text = header(series, names);
        text.reserve(rows.len() * 64);
        text.push('\n');
        for row in rows {
            text += &format_time(row.time, step);
            for value in &row.values[..names.len()] {
                text.push(',');
                if !value.is_nan() {
                    // the shortest digits that give the same number again
                    let _ = write!(text, "{value}");
                }
            }
            text.push('\n');
        }
        atomic::write_file(&self.path, text.as_bytes())
    }
}

/// What the column of times is called.
fn clock(series: &Series) -> &'static str {
    match series.interval.is_dated() {
        true => "date",
        false => "time",
    }
}

fn header(series: &Series, names: &[String]) -> String {
    let names = names.iter().map(String::as_str);
    let names: Vec<&str> = std::iter::once(clock(series)).chain(names).collect();
    names.join(",")
}

#[cfg(not(feature = "parquet"))]
impl Store {
    fn without(&self) -> Error {
        Error::unsupported(format!(
            "`{}` is Parquet, and this program was built without it",
            self.path.display()
        ))
        .hint("give a name that ends with `.csv`")
    }

    fn read_parquet(&self, _: &Series, _: &[String]) -> Result<Vec<Row>> {
        Err(self.without())
    }

    fn write_parquet(&self, _: &Series, _: &[String], _: &[Row]) -> Result<()> {
        Err(self.without())
    }
}

#[cfg(feature = "parquet")]
mod columns {
    //! Parquet without Arrow: times are timestamps of milliseconds in UTC, values doubles with nulls.

    use std::fs::File;
    use std::sync::Arc;

    use ::parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
    use ::parquet::column::reader::ColumnReader;
    use ::parquet::data_type::{DoubleType, Int64Type};
    use ::parquet::errors::ParquetError;
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::types::Type;

    use super::{Error, ErrorKind, MOST_COLUMNS, Result, Row, Series, Store, atomic, clock};

    impl Store {
        pub(super) fn write_parquet(
            &self,
            series: &Series,
            names: &[String],
            rows: &[Row],
        ) -> Result<()> {
            let bytes = packed(series, names, rows).map_err(|error| {
                Error::internal(format!("cannot write `{}`", self.path().display())).because(error)
            })?;
            atomic::write_file(self.path(), &bytes)
        }

        pub(super) fn read_parquet(&self, series: &Series, names: &[String]) -> Result<Vec<Row>> {
            let file = match File::open(self.path()) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(atomic::failed("read", self.path(), error)),
            };
            // the library asserts where it could refuse
            let read = || unpacked(file, series, names);
            let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
            match read {
                Ok(Ok(Some(rows))) => Ok(rows),
                Ok(Ok(None)) => Err(self.cannot("its columns are others")),
                Ok(Err(error)) => Err(self.cannot("it is no whole Parquet file").because(error)),
                Err(_) => Err(self.cannot("it is no whole Parquet file")),
            }
        }
    }

    fn packed(series: &Series, names: &[String], rows: &[Row]) -> Result<Vec<u8>, ParquetError> {
        let moment = LogicalType::timestamp(true, TimeUnit::MILLIS);
        let time = Type::primitive_type_builder(clock(series), Physical::INT64)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(moment))
            .build()?;
        let mut fields = vec![Arc::new(time)];
        for name in names {
            let value = Type::primitive_type_builder(name, Physical::DOUBLE)
                .with_repetition(Repetition::OPTIONAL)
                .build()?;
            fields.push(Arc::new(value));
        }
        let schema = Type::group_type_builder("schema")
            .with_fields(fields)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("senti-ai ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let mut writer =
            SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        let mut i = 0;
        while let Some(mut column) = group.next_column()? {
            if i == 0 {
                let times: Vec<i64> = rows.iter().map(|row| row.time).collect();
                column
                    .typed::<Int64Type>()
                    .write_batch(&times, None, None)?;
            } else {
                let all = rows.iter().map(|row| row.values[i - 1]);
                let known: Vec<f64> = all.clone().filter(|value| !value.is_nan()).collect();
                let levels: Vec<i16> = all.map(|value| i16::from(!value.is_nan())).collect();
                column
                    .typed::<DoubleType>()
                    .write_batch(&known, Some(&levels), None)?;
            }
            column.close()?;
            i += 1;
        }
        group.close()?;
        writer.into_inner()
    }

    /// None where the columns are not those of the series.
    fn unpacked(
        file: File,
        series: &Series,
        names: &[String],
    ) -> Result<Option<Vec<Row>>, ParquetError> {
        let reader = SerializedFileReader::new(file)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let found = schema
            .columns()
            .iter()
            .map(|column| column.name().to_owned());
        let wanted = std::iter::once(clock(series).to_owned()).chain(names.iter().cloned());
        if !found.eq(wanted) {
            return Ok(None);
        }
        let mut rows: Vec<Row> = Vec::new();
        for i in 0..reader.num_row_groups() {
            let group = reader.get_row_group(i)?;
            let n = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let start = rows.len();
            let ColumnReader::Int64ColumnReader(mut column) = group.get_column_reader(0)? else {
                return Ok(None);
            };
            let mut times = Vec::new();
            column.read_records(n, None, None, &mut times)?;
            let values = [f64::NAN; MOST_COLUMNS];
            rows.extend(times.into_iter().map(|time| Row { time, values }));
            for (k, _) in names.iter().enumerate() {
                let column = group.get_column_reader(k + 1)?;
                let ColumnReader::DoubleColumnReader(mut column) = column else {
                    return Ok(None);
                };
                let (mut known, mut levels) = (Vec::new(), Vec::new());
                column.read_records(n, Some(&mut levels), None, &mut known)?;
                let mut known = known.into_iter();
                for (row, level) in rows[start..].iter_mut().zip(levels) {
                    if level == 1 {
                        row.values[k] = known.next().unwrap_or(f64::NAN);
                    }
                }
            }
        }
        Ok(Some(rows))
    }
}
