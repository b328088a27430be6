//! Cells of BigQuery as columns of ours.
//!
//! In come a schema and rows as `tabledata.list` and `getQueryResults` give them, everything a text or null; out goes a [`Frame`]: columns
//! of numbers, whole numbers, moments or texts, in the order of the rows, nulls in their places. Nested and repeated columns have no
//! place in a table of rows and are refused. Forms: <https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list>.
//!
//! | type | becomes |
//! | --- | --- |
//! | `DATE` | the moment it begins, UTC |
//! | `DATETIME` | a moment, taken as UTC |
//! | `TIMESTAMP` | a moment, to the millisecond |
//! | `INTEGER` | a whole number; 64-bit floats keep 53 bits of it, more are counted and told |
//! | `FLOAT` | a number; `NaN` is a blank, an infinity is refused |
//! | `NUMERIC`, `BIGNUMERIC` | the nearest 64-bit float; more than 17 digits are counted and told |
//! | `BOOLEAN` | 1 or 0 |
//! | `STRING` | a text; numbers or times where all cells are such |
//! | `TIME`, `BYTES`, `GEOGRAPHY`, `JSON`, `INTERVAL`, `RANGE` | left out, named |

use jiff::civil;
use senti::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// `FLOAT`; the aliases of DDL are turned into these.
    pub kind: String,
    /// `NULLABLE`, `REQUIRED` or `REPEATED`.
    #[serde(default)]
    pub mode: String,
}

/// Values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Numbers; NaN is a blank.
    Numbers(Vec<f64>),
    /// Whole numbers.
    Wholes(Vec<Option<i64>>),
    /// Milliseconds since 1970, UTC.
    Moments(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Nothing that a model could use.
    LeftOut,
}

/// Rows, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Names and types.
    pub fields: Vec<Field>,
    /// Values of each.
    pub columns: Vec<Cells>,
    /// Number of rows.
    pub rows: usize,
    /// Cells of each column that a 64-bit float does not hold wholly.
    pub rounded: Vec<usize>,
}

impl Field {
    /// Reads the fields of a schema; nested and repeated ones are refused, named as `whose` columns.
    pub(super) fn read_all(schema: &Value, whose: &str) -> Result<Vec<Self>> {
        let fields = schema["fields"]
            .as_array()
            .filter(|fields| !fields.is_empty());
        let fields = fields.ok_or_else(|| Error::data(format!("{whose} has no columns")))?;
        fields
            .iter()
            .map(|field| Self::read(field, whose))
            .collect()
    }

    fn read(field: &Value, whose: &str) -> Result<Self> {
        let text = |key: &str| field[key].as_str().unwrap_or_default();
        let (name, mode) = (text("name").to_owned(), text("mode").to_uppercase());
        let kind = canonical(text("type"));
        let how = match (mode.as_str(), kind.as_str()) {
            ("REPEATED", _) => "repeated",
            (_, "RECORD") => "nested",
            _ => return Ok(Self { name, kind, mode }),
        };
        let shown: String = name.escape_debug().take(60).collect();
        Err(Error::data(format!(
            "column `{shown}` of {whose} is {how} ({kind}), wanted one value a row"
        ))
        .hint("name the wanted columns in a query: `--query \"SELECT date, close FROM …\"`"))
    }
}

/// The type's one name: the service says `FLOAT`, DDL says `FLOAT64`.
pub(super) fn canonical(kind: &str) -> String {
    let upper = kind.to_uppercase();
    match upper.as_str() {
        "INT64" | "INT" | "SMALLINT" | "BIGINT" | "TINYINT" | "BYTEINT" => "INTEGER".into(),
        "FLOAT64" => "FLOAT".into(),
        "BOOL" => "BOOLEAN".into(),
        "STRUCT" => "RECORD".into(),
        "DECIMAL" => "NUMERIC".into(),
        "BIGDECIMAL" => "BIGNUMERIC".into(),
        _ => upper,
    }
}

impl Frame {
    /// Without rows yet.
    pub fn new(fields: Vec<Field>) -> Self {
        let column = |field: &Field| match field.kind.as_str() {
            "INTEGER" => Cells::Wholes(Vec::new()),
            "FLOAT" | "NUMERIC" | "BIGNUMERIC" | "BOOLEAN" => Cells::Numbers(Vec::new()),
            "DATE" | "DATETIME" | "TIMESTAMP" => Cells::Moments(Vec::new()),
            "STRING" => Cells::Texts(Vec::new()),
            _ => Cells::LeftOut,
        };
        Self {
            columns: fields.iter().map(column).collect(),
            rounded: vec![0; fields.len()],
            fields,
            rows: 0,
        }
    }

    /// Adds a row, one cell a column.
    pub(super) fn push<'a>(
        &mut self,
        cells: impl ExactSizeIterator<Item = Option<&'a str>>,
    ) -> Result<()> {
        let row = self.rows + 1;
        if cells.len() != self.fields.len() {
            let (found, wanted) = (cells.len(), self.fields.len());
            return Err(Error::remote(format!(
                "row {row} has {found} cells, its schema has {wanted} columns"
            )));
        }
        let places = self
            .fields
            .iter()
            .zip(&mut self.columns)
            .zip(&mut self.rounded);
        for (((field, column), rounded), cell) in places.zip(cells) {
            let wrong = || {
                let shown: String = cell.unwrap_or_default().escape_debug().take(40).collect();
                let (name, kind) = (&field.name, &field.kind);
                Error::data(format!(
                    "row {row}, column `{name}`: `{shown}` is no {kind} that can be used"
                ))
            };
            match column {
                Cells::LeftOut => {}
                Cells::Texts(values) => values.push(cell.map(str::to_owned)),
                Cells::Wholes(values) => {
                    let value = cell.map(|text| text.parse::<i64>().map_err(|_| wrong()));
                    let value = value.transpose()?;
                    *rounded +=
                        usize::from(value.is_some_and(|value| value.unsigned_abs() > 1 << 53));
                    values.push(value);
                }
                Cells::Numbers(values) => values.push(match cell {
                    None => f64::NAN,
                    Some(text) => number(text, &field.kind, rounded).ok_or_else(wrong)?,
                }),
                Cells::Moments(values) => {
                    let value = cell.map(|text| moment(text, &field.kind).ok_or_else(wrong));
                    values.push(value.transpose()?);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds the rows of a page, `[{"f": [{"v": …}]}]`, and hands each one's cells to `also`.
    pub(super) fn push_page(
        &mut self,
        rows: &[Value],
        mut also: impl FnMut(&[Option<&str>]) -> Result<()>,
    ) -> Result<()> {
        let mut cells: Vec<Option<&str>> = Vec::with_capacity(self.fields.len());
        for row in rows {
            let strange =
                || Error::remote(format!("row {} is not in BigQuery's form", self.rows + 1));
            cells.clear();
            for cell in row["f"].as_array().ok_or_else(strange)? {
                cells.push(match &cell["v"] {
                    Value::Null => None,
                    Value::String(text) => Some(text),
                    _ => return Err(strange()),
                });
            }
            self.push(cells.iter().copied())?;
            also(&cells)?;
        }
        Ok(())
    }
}

/// A number; `None` where it is none or infinite.
fn number(text: &str, kind: &str, rounded: &mut usize) -> Option<f64> {
    match kind {
        "BOOLEAN" => match text {
            "true" | "TRUE" => Some(1.0),
            "false" | "FALSE" => Some(0.0),
            _ => None,
        },
        _ => {
            // the service writes `NaN`, emulators `nan`
            let value: f64 = text.parse().ok()?;
            if kind != "FLOAT" {
                let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
                let digits = mantissa.trim_start_matches(['-', '+', '0', '.']);
                let digits = match mantissa.contains('.') {
                    true => digits.trim_end_matches('0'),
                    false => digits,
                };
                let n_digits = digits.bytes().filter(u8::is_ascii_digit).count();
                *rounded += usize::from(n_digits > 17);
            }
            (!value.is_infinite()).then_some(value)
        }
    }
}

/// Milliseconds since 1970.
fn moment(text: &str, kind: &str) -> Option<i64> {
    match kind {
        "TIMESTAMP" => Some(text.parse::<i64>().ok()?.div_euclid(1000)),
        "DATE" => {
            let date: civil::Date = text.parse().ok()?;
            of_civil(date.at(0, 0, 0, 0))
        }
        _ => of_civil(text.parse().ok()?),
    }
}

fn of_civil(moment: civil::DateTime) -> Option<i64> {
    let moment = jiff::tz::Offset::UTC.to_timestamp(moment).ok()?;
    // sub-milliseconds fall to the past, as those of timestamps do
    Some(moment.as_microsecond().div_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame(kind: &str, cells: &[Option<&str>]) -> Result<Frame> {
        let schema = json!({"fields": [{"name": "x", "type": kind, "mode": "NULLABLE"}]});
        let mut frame = Frame::new(Field::read_all(&schema, "the table")?);
        for cell in cells {
            frame.push(std::iter::once(*cell))?;
        }
        Ok(frame)
    }

    #[track_caller]
    fn check(kind: &str, cells: &[Option<&str>], wanted: Cells) {
        let frame = frame(kind, cells).expect(kind);
        assert_eq!(
            format!("{:?}", frame.columns[0]),
            format!("{wanted:?}"),
            "{kind}"
        );
        assert_eq!(frame.rows, cells.len());
    }

    /// Milliseconds by Python: `datetime(2020, 1, 2, 3, 4, 5, 678900, timezone.utc).timestamp()` and the like.
    #[test]
    fn cells_become_what_their_type_says() {
        check(
            "DATE",
            &[Some("2020-01-02"), None, Some("1969-12-31")],
            Cells::Moments(vec![Some(1_577_923_200_000), None, Some(-86_400_000)]),
        );
        check(
            "DATETIME",
            &[Some("2020-01-02T03:04:05.678900")],
            Cells::Moments(vec![Some(1_577_934_245_678)]),
        );
        check(
            "TIMESTAMP",
            &[Some("1577934245678900"), Some("-1")],
            Cells::Moments(vec![Some(1_577_934_245_678), Some(-1)]),
        );
        check(
            "INT64",
            &[Some("9007199254740993"), None],
            Cells::Wholes(vec![Some(9_007_199_254_740_993), None]),
        );
        check(
            "FLOAT64",
            &[Some("0.1"), Some("1.0E10"), Some("NaN"), Some("nan"), None],
            Cells::Numbers(vec![0.1, 1e10, f64::NAN, f64::NAN, f64::NAN]),
        );
        check(
            "NUMERIC",
            &[Some("97.772600000"), Some("-1E-20")],
            Cells::Numbers(vec![97.7726, -1e-20]),
        );
        check(
            "BOOL",
            &[Some("true"), Some("false")],
            Cells::Numbers(vec![1.0, 0.0]),
        );
        check(
            "STRING",
            &[Some(""), None],
            Cells::Texts(vec![Some(String::new()), None]),
        );
        check("GEOGRAPHY", &[Some("POINT(1 2)")], Cells::LeftOut);
    }

    #[test]
    fn what_a_float_cannot_hold_is_counted() {
        assert_eq!(
            frame(
                "INTEGER",
                &[Some("9007199254740992"), Some("9007199254740993")]
            )
            .expect("a frame")
            .rounded,
            [1]
        );
        let cells = [
            Some("12345678901234567.000000000"),
            Some("12345678901234567.8"),
            Some("0.000000001"),
        ];
        assert_eq!(frame("NUMERIC", &cells).expect("a frame").rounded, [1]);
    }

    #[test]
    fn what_is_no_cell_of_its_type_is_named() {
        for (kind, text) in [
            ("INTEGER", "1.5"),
            ("FLOAT", "Infinity"),
            ("FLOAT", "x"),
            ("DATE", "2020-02-30"),
            ("DATETIME", "x"),
            ("TIMESTAMP", "1.5E9"),
            ("BOOLEAN", "yes"),
        ] {
            let error = frame(kind, &[None, Some(text)]).expect_err(text);
            assert!(error.to_string().contains("row 2, column `x`"), "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn nested_and_repeated_columns_are_refused() {
        for (field, word) in [
            (
                json!({"name": "a", "type": "INTEGER", "mode": "REPEATED"}),
                "repeated",
            ),
            (
                json!({"name": "a", "type": "STRUCT", "fields": []}),
                "nested",
            ),
        ] {
            let error =
                Field::read_all(&json!({"fields": [field]}), "table `p.d.t`").expect_err(word);
            assert!(
                error.to_string().contains(word) && error.to_string().contains("`a`"),
                "{error}"
            );
        }
    }

    #[test]
    fn pages_in_another_form_are_refused() {
        let schema = json!({"fields": [{"name": "x", "type": "FLOAT"}]});
        for row in [
            json!({}),
            json!({"f": [{"v": [1]}]}),
            json!({"f": []}),
            json!({"f": [{"v": "1"}, {"v": "2"}]}),
            json!(3),
        ] {
            let mut frame = Frame::new(Field::read_all(&schema, "x").expect("fields"));
            assert!(
                frame
                    .push_page(std::slice::from_ref(&row), |_| Ok(()))
                    .is_err(),
                "{row}"
            );
        }
    }
}
