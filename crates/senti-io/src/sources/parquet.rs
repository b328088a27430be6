//! Parquet, column by column, without Arrow.
//!
//! In comes a file; out goes a reading. Times may be timestamps, dates or whatever the CSV reader understands as text or unix time;
//! numbers may be of any numeric type, or text. Nested columns are left out and named.

use std::fs::File;

use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType, Decimal, Int96};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;
use senti::table::{Dropped, Rows, plain_role};
use senti::{Column, Error, Result};

use super::csv::{Cell, Clock, looks_like_time, number, order, shortened, time_rank};
use super::raw::{Ask, Raw};
use super::{Dialect, drop_row_numbers, printable};

const DAY: i64 = 86_400_000;

/// Values read at once.
const BATCH: usize = 8192;

/// One value, whatever its type.
enum Value<'a> {
    Null,
    Number(f64),
    /// An integer that a float may not hold.
    Integer(i64),
    /// Milliseconds since 1970.
    Time(i64),
    Text(&'a str),
}

/// What a column is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Number,
    Integer,
    Time,
    Text,
    Other,
}

fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::data("the Parquet file is damaged, or packed in a way this program does not know")
        .because(cause)
        .hint("write it again, with the compression `snappy` for instance")
}

/// Reads a file.
pub(super) fn raw(file: File, ask: &Ask<'_>) -> Result<Raw> {
    if ask.known.is_some() || ask.time.is_some() {
        return Err(
            Error::unsupported("a Parquet file's columns of times cannot be named")
                .hint("give the file as CSV, or leave `time` and `known` out"),
        );
    }
    // The library asserts where it could refuse: damaged files make it panic.
    let read = || read_checked(file, ask);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(damaged("its structure contradicts itself")))
}

fn read_checked(file: File, ask: &Ask<'_>) -> Result<Raw> {
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let n_rows = usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
    if n_rows == 0 {
        return Err(Error::data("the file has no rows").hint("give at least two rows"));
    }
    let names: Vec<String> = (0..schema.num_columns())
        .map(|i| printable(&schema.column(i).path().string().replace('"', "")))
        .collect();
    let kinds: Vec<Kind> = (0..schema.num_columns())
        .map(|i| kind(&schema.column(i)))
        .collect();
    let n_numbers = kinds
        .iter()
        .filter(|kind| matches!(kind, Kind::Number | Kind::Integer));
    // Text may turn out to be numbers as well; what is certain is enough to refuse at once.
    ask.request
        .check_memory(n_rows, n_numbers.count().saturating_sub(1))?;
    let mut warnings = Vec::new();
    let mut dropped = Vec::new();

    let i_time = find_time(&reader, &names, &kinds)?;
    let mut time = Vec::new();
    // A damaged file may claim any number.
    let _ = time.try_reserve_exact(n_rows);
    let mut clock = Clock::new(false);
    let mut is_typed = false;
    let mut row = 0;
    each(&reader, i_time, |value| {
        row += 1;
        let text = match value {
            Value::Time(value) => {
                is_typed = true;
                time.push(value);
                return Ok(());
            }
            Value::Text(text) => text.to_owned(),
            Value::Integer(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Null => String::new(),
        };
        clock.read(&text, row, &mut time).map_err(|refusal| {
            let place = format!("row {row}, column `{}`", names[i_time]);
            let error = Error::data(format!(
                "{place}: `{}` is {}",
                shortened(&text),
                refusal.reason
            ));
            if refusal.hint.is_empty() {
                error
            } else {
                error.hint(refusal.hint)
            }
        })
    })?;
    let is_moment = is_typed || clock.is_moment();
    let with_clock = time.iter().any(|time| time.rem_euclid(DAY) != 0);
    let written = clock
        .finish(&mut time, &mut warnings)
        .map_err(|(row, refusal)| {
            let place = format!("row {}, column `{}`", row + 1, names[i_time]);
            Error::data(format!("{place}: the date is {}", refusal.reason)).hint(refusal.hint)
        })?;
    let time_format = if is_typed {
        "typed".to_owned()
    } else {
        written
    };

    // Text columns are looked at before roles are given: most are symbols and the like.
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        match kinds[i] {
            _ if i == i_time => {}
            Kind::Other => dropped.push(Dropped::new(name, "of a nested or unknown type")),
            Kind::Time => dropped.push(Dropped::new(
                name,
                format!("a second column of times, beside `{}`", names[i_time]),
            )),
            Kind::Text | Kind::Integer if time_rank(name).is_some() => {
                dropped.push(Dropped::new(
                    name,
                    format!("a second column of times, beside `{}`", names[i_time]),
                ));
            }
            _ if name.starts_with("__index_level_") => {
                dropped.push(Dropped::new(name, "the row numbers of pandas"))
            }
            _ => match numbers(&reader, i, name, time.len())? {
                Ok(values) => columns.push((name.clone(), values)),
                Err(example) => {
                    dropped.push(Dropped::new(name, format!("not numbers (`{example}`)")))
                }
            },
        }
    }
    let of_numbers: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let assignment = ask.roles(&of_numbers)?;
    dropped.extend(assignment.dropped);
    warnings.extend(assignment.warnings);
    let kept = columns.into_iter().zip(assignment.roles);
    let mut columns: Vec<Column> = kept
        .filter_map(|((name, values), role)| role.map(|role| Column { name, role, values }))
        .collect();
    drop_row_numbers(&mut columns, ask.is_side, &mut dropped);

    let dialect = Dialect {
        format: "parquet".to_owned(),
        compression: compression(&reader),
        time_column: names[i_time].clone(),
        time_format,
        with_clock,
        order: order(&time).to_owned(),
        ..Dialect::default()
    };
    Ok(Raw {
        rows: Rows {
            time,
            line: Vec::new(),
            columns,
        },
        dialect,
        dropped,
        warnings,
        is_moment,
        known: None,
    })
}

fn compression(reader: &SerializedFileReader<File>) -> Option<String> {
    let name = reader
        .metadata()
        .row_groups()
        .first()?
        .columns()
        .first()?
        .compression()
        .to_string();
    let name = name.split('(').next().unwrap_or_default().to_lowercase();
    (name != "uncompressed").then_some(name)
}

/// The column of times: typed as one, else named and written like one.
fn find_time(
    reader: &SerializedFileReader<File>,
    names: &[String],
    kinds: &[Kind],
) -> Result<usize> {
    let best = |wanted: &[Kind]| {
        (0..names.len())
            .filter(|&i| wanted.contains(&kinds[i]))
            .filter_map(|i| time_rank(&names[i]).map(|rank| (rank, i)))
            .min()
            .map(|(_, i)| i)
    };
    let typed = || kinds.iter().position(|kind| *kind == Kind::Time);
    if let Some(i) = best(&[Kind::Time])
        .or_else(typed)
        .or_else(|| best(&[Kind::Integer, Kind::Text, Kind::Number]))
    {
        return Ok(i);
    }
    for i in (0..names.len()).filter(|&i| matches!(kinds[i], Kind::Text | Kind::Integer)) {
        let mut answer = None;
        each_until(reader, i, |value| {
            let is_time = match value {
                Value::Null => return Ok(true),
                Value::Text(text) => looks_like_time(text),
                // Whole numbers without a telling name must come first, as an index does.
                Value::Integer(value) => i == 0 && looks_like_time(&value.to_string()),
                _ => false,
            };
            answer = Some(is_time);
            Ok(false)
        })?;
        if answer == Some(true) {
            return Ok(i);
        }
    }
    let names: Vec<String> = names
        .iter()
        .take(20)
        .map(|name| format!("`{name}`"))
        .collect();
    Err(Error::data(format!(
        "none of the columns {} holds times",
        names.join(", ")
    ))
    .hint("write the index as a column as well, for instance with `reset_index()`"))
}

/// A column as numbers, or an example of why it is none.
fn numbers(
    reader: &SerializedFileReader<File>,
    i: usize,
    name: &str,
    n_rows: usize,
) -> Result<Result<Vec<f64>, String>> {
    let mut values = Vec::with_capacity(n_rows);
    let mut example = None;
    let mut n_seen = 0;
    each_until(reader, i, |value| {
        values.push(match value {
            Value::Number(value) => value,
            Value::Integer(value) => value as f64,
            Value::Null | Value::Time(_) => f64::NAN,
            Value::Text(text) => match number(text, b'.') {
                Cell::Number(value) => {
                    n_seen += 1;
                    value
                }
                Cell::Blank => f64::NAN,
                Cell::Bad(_) if n_seen == 0 && plain_role(name).is_none() => {
                    example = Some(shortened(text));
                    return Ok(false);
                }
                Cell::Bad(reason) => {
                    let place = format!("row {}, column `{name}`", values.len() + 1);
                    return Err(
                        Error::data(format!("{place}: `{}` is {reason}", shortened(text)))
                            .hint("correct the value, or leave it out where it is not known"),
                    );
                }
            },
        });
        Ok(true)
    })?;
    Ok(match example {
        Some(example) => Err(example),
        None => Ok(values),
    })
}

fn kind(column: &ColumnDescriptor) -> Kind {
    if column.max_rep_level() > 0 {
        return Kind::Other;
    }
    match (
        column.physical_type(),
        column.logical_type_ref(),
        column.converted_type(),
    ) {
        (Physical::INT96, ..) => Kind::Time,
        (_, Some(LogicalType::Timestamp(_) | LogicalType::Date), _) => Kind::Time,
        (
            _,
            None,
            ConvertedType::DATE | ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS,
        ) => Kind::Time,
        (_, Some(LogicalType::Time(_)), _) => Kind::Other,
        (_, Some(LogicalType::Decimal(_)), _) | (_, _, ConvertedType::DECIMAL) => Kind::Number,
        (Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE, ..) => Kind::Number,
        (Physical::INT32 | Physical::INT64, ..) => Kind::Integer,
        (Physical::BYTE_ARRAY, ..) => Kind::Text,
        (Physical::FIXED_LEN_BYTE_ARRAY, ..) => Kind::Other,
    }
}

fn each(
    reader: &SerializedFileReader<File>,
    i: usize,
    mut take: impl FnMut(Value<'_>) -> Result<()>,
) -> Result<()> {
    each_until(reader, i, |value| take(value).map(|()| true))
}

/// Hands out the values of a column until `take` says false.
fn each_until(
    reader: &SerializedFileReader<File>,
    i: usize,
    mut take: impl FnMut(Value<'_>) -> Result<bool>,
) -> Result<()> {
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        let descriptor = group.metadata().column(i).column_descr_ptr();
        let column = group.get_column_reader(i).map_err(damaged)?;
        let (take, descriptor) = (&mut take, &*descriptor);
        let goes_on = match column {
            ColumnReader::BoolColumnReader(column) => batches(column, descriptor, |value| {
                take(value.map_or(Value::Null, |v| Value::Number(f64::from(*v))))
            })?,
            ColumnReader::Int32ColumnReader(column) => batches(column, descriptor, |value| {
                take(value.map_or(Value::Null, |v| integer(i64::from(*v), descriptor)))
            })?,
            ColumnReader::Int64ColumnReader(column) => batches(column, descriptor, |value| {
                take(value.map_or(Value::Null, |v| integer(*v, descriptor)))
            })?,
            ColumnReader::Int96ColumnReader(column) => {
                batches(column, descriptor, |value: Option<&Int96>| {
                    take(value.map_or(Value::Null, |v| Value::Time(v.to_millis())))
                })?
            }
            ColumnReader::FloatColumnReader(column) => {
                // The shortest decimal that is this f32: 0.1 stays 0.1.
                let widen = |v: &f32| v.to_string().parse().unwrap_or(f64::from(*v));
                batches(column, descriptor, |value| {
                    take(value.map_or(Value::Null, |v| Value::Number(widen(v))))
                })?
            }
            ColumnReader::DoubleColumnReader(column) => batches(column, descriptor, |value| {
                take(value.map_or(Value::Null, |v| Value::Number(*v)))
            })?,
            ColumnReader::ByteArrayColumnReader(column) => batches(
                column,
                descriptor,
                |value: Option<&ByteArray>| match value {
                    None => take(Value::Null),
                    Some(bytes) if kind(descriptor) == Kind::Number => {
                        take(Value::Number(decimal(bytes.clone(), descriptor)))
                    }
                    Some(bytes) => take(Value::Text(
                        std::str::from_utf8(bytes.data()).unwrap_or("\u{fffd}"),
                    )),
                },
            )?,
            ColumnReader::FixedLenByteArrayColumnReader(column) => {
                batches(column, descriptor, |value| {
                    take(value.map_or(Value::Null, |v| {
                        Value::Number(decimal(v.clone().into(), descriptor))
                    }))
                })?
            }
        };
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

/// The values of one column of one row group, nulls among them.
fn batches<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    descriptor: &ColumnDescriptor,
    mut take: impl FnMut(Option<&T::T>) -> Result<bool>,
) -> Result<bool> {
    let full = descriptor.max_def_level();
    let mut levels: Vec<i16> = Vec::with_capacity(BATCH);
    let mut values: Vec<T::T> = Vec::with_capacity(BATCH);
    loop {
        levels.clear();
        values.clear();
        let (n_records, ..) = column
            .read_records(BATCH, Some(&mut levels), None, &mut values)
            .map_err(damaged)?;
        if n_records == 0 {
            return Ok(true);
        }
        let mut next = values.iter();
        for row in 0..n_records {
            let is_null = full > 0 && levels.get(row).is_none_or(|level| *level < full);
            if !take(if is_null { None } else { next.next() })? {
                return Ok(false);
            }
        }
    }
}

/// An integer as what its column says it is.
fn integer(value: i64, column: &ColumnDescriptor) -> Value<'static> {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => {
            Value::Time(value.saturating_mul(DAY))
        }
        (Some(LogicalType::Timestamp(of)), _) => Value::Time(match of.unit {
            TimeUnit::MILLIS => value,
            TimeUnit::MICROS => value.div_euclid(1_000),
            TimeUnit::NANOS => value.div_euclid(1_000_000),
        }),
        (None, ConvertedType::TIMESTAMP_MICROS) => Value::Time(value.div_euclid(1_000)),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Value::Time(value),
        (Some(LogicalType::Decimal(_)), _) | (_, ConvertedType::DECIMAL) => {
            Value::Number(shifted(i128::from(value), column.type_scale()))
        }
        (Some(LogicalType::Integer(of)), _) if !of.is_signed && of.bit_width == 64 => {
            Value::Number(value as u64 as f64)
        }
        (Some(LogicalType::Integer(of)), _) if !of.is_signed && of.bit_width == 32 => {
            Value::Integer(i64::from(value as u32))
        }
        _ => Value::Integer(value),
    }
}

/// A decimal of big-endian bytes.
fn decimal(bytes: ByteArray, column: &ColumnDescriptor) -> f64 {
    let bytes = Decimal::from_bytes(bytes, column.type_precision(), column.type_scale());
    let bytes = bytes.data();
    if bytes.is_empty() || bytes.len() > 16 {
        return f64::NAN;
    }
    let start = if bytes[0] >= 0x80 { -1_i128 } else { 0 };
    shifted(
        bytes
            .iter()
            .fold(start, |value, byte| (value << 8) | i128::from(*byte)),
        column.type_scale(),
    )
}

/// The float nearest to `value` with its point shifted.
fn shifted(value: i128, scale: i32) -> f64 {
    format!("{value}e{}", -i64::from(scale))
        .parse()
        .unwrap_or(f64::NAN)
}
