//! News and posts with their dates: CSV, JSON lines, or one JSON array.
//!
//! In comes a [`NewsRequest`]; out goes [`News`]: items with time, author and text, and what was left out. Which columns hold what is
//! recognised by their names, which may be said instead. Texts may be in any language. Nothing here scores them.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use senti::{Error, Result, Time};
use serde_json::Value;

use super::bytes::{Text, read_error};
use super::csv::{Clock, each_record, find_column, shortened};
use super::local;

/// Names of the columns that hold the time, the best first.
const TIMES: &[&str] = &[
    "published_at",
    "publishedat",
    "published",
    "pubdate",
    "created_at",
    "created_utc",
    "created",
    "datetime",
    "timestamp",
    "time",
    "date",
];

/// Names of the columns that hold text; each that is there is read, in this order.
const TEXTS: &[&str] = &[
    "title",
    "headline",
    "short description",
    "description",
    "summary",
    "text",
    "tweet",
    "body",
    "selftext",
    "content",
    "full_text",
    "message",
];

/// Names of the column that holds the author, the best first.
const AUTHORS: &[&str] = &[
    "author",
    "user",
    "username",
    "screen_name",
    "user_name",
    "account",
];

/// Bytes of the longest line of JSON.
const LONGEST: u64 = 1 << 20;

/// Bytes of the longest JSON array that is read as a whole.
const ARRAY: u64 = 1 << 28;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct NewsRequest {
    /// The file.
    pub path: PathBuf,
    /// The column of times; recognised where it is not said.
    pub time_column: Option<String>,
    /// The columns of text; recognised where none is said.
    pub text_columns: Vec<String>,
    /// The column of authors; recognised where it is not said.
    pub author_column: Option<String>,
}

/// A post or an article.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Line of the file (of a JSON array, the number of the entry).
    pub line: u32,
    /// When it was published, UTC.
    pub time: Time,
    /// Who wrote it; empty where nobody says.
    pub author: String,
    /// Title and text, one after the other.
    pub text: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// `CSV`, `JSON lines` or `JSON`.
    pub format: &'static str,
    /// In the order of the file.
    pub items: Vec<Item>,
    /// Items left out because they have no text.
    pub without_text: usize,
    /// Items left out because they have no time.
    pub without_time: usize,
    /// The columns that were read.
    pub time_column: String,
    /// One or more.
    pub text_columns: Vec<String>,
    /// None where nobody says who wrote what.
    pub author_column: Option<String>,
}

/// Reads a file of news.
pub fn read_news(request: &NewsRequest) -> Result<News> {
    let text = local::text(&request.path)?;
    let first = text.head.iter().find(|byte| !byte.is_ascii_whitespace());
    let read = match first {
        Some(b'{') => json_lines(text, request),
        Some(b'[') => json_array(text, request),
        _ => csv(text, request),
    };
    let news = read.map_err(|error| local::named(&request.path, error))?;
    if news.items.is_empty() {
        let error = Error::data(format!(
            "{}: no item has both a time and a text",
            local::shown(&request.path)
        ));
        return Err(error.hint("name the columns with `--time_column` and `--text_column`"));
    }
    Ok(news)
}

/// Where the parts of an item are.
struct Places {
    time: usize,
    texts: Vec<usize>,
    author: Option<usize>,
}

impl Places {
    /// By names that were said, else by those that are usual.
    fn find(names: &[String], request: &NewsRequest) -> Result<Self> {
        let small: Vec<String> = (names.iter())
            .map(|name| name.trim().to_lowercase().replace([' ', '-'], "_"))
            .collect();
        let usual = |known: &[&str]| -> Vec<usize> {
            let known = known.iter().map(|name| name.replace(' ', "_"));
            known
                .filter_map(|name| small.iter().position(|other| *other == name))
                .collect()
        };
        let absent = |what: &str, option: &str| {
            Error::data(format!("no column is recognised as {what}")).hint(format!(
                "name it with `--{option}`; the columns are {}",
                names.join(", ")
            ))
        };
        let time = match &request.time_column {
            Some(name) => find_column(names, name)?,
            None => *usual(TIMES)
                .first()
                .ok_or_else(|| absent("the time of publication", "time_column"))?,
        };
        let texts = match request.text_columns.is_empty() {
            true => usual(TEXTS),
            false => (request.text_columns.iter())
                .map(|name| find_column(names, name))
                .collect::<Result<_>>()?,
        };
        if texts.is_empty() {
            return Err(absent("title or text", "text_column"));
        }
        let author = match &request.author_column {
            Some(name) => Some(find_column(names, name)?),
            None => usual(AUTHORS).first().copied(),
        };
        Ok(Self {
            time,
            texts,
            author,
        })
    }
}

/// Items as they come in; times are settled when all are there.
struct Reader<'a> {
    request: &'a NewsRequest,
    news: News,
    clock: Clock,
    times: Vec<Time>,
}

impl<'a> Reader<'a> {
    fn new(request: &'a NewsRequest, format: &'static str) -> Self {
        Self {
            request,
            news: News {
                format,
                ..News::default()
            },
            clock: Clock::new(false),
            times: Vec::new(),
        }
    }

    fn name(&mut self, names: &[String], places: &Places) {
        self.news.time_column.clone_from(&names[places.time]);
        self.news.text_columns = places.texts.iter().map(|&i| names[i].clone()).collect();
        self.news.author_column = places.author.map(|i| names[i].clone());
    }

    fn push(&mut self, line: u32, time: &str, author: &str, texts: &[&str]) -> Result<()> {
        let texts = texts.iter().map(|text| text.trim());
        let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            self.news.without_text += 1;
            return Ok(());
        }
        if time.trim().is_empty() {
            self.news.without_time += 1;
            return Ok(());
        }
        self.clock
            .read(time, line, &mut self.times)
            .map_err(|refusal| {
                let error = Error::data(format!(
                    "line {line}, column `{}`: `{}` is {}",
                    self.news.time_column,
                    shortened(time),
                    refusal.reason
                ));
                match refusal.hint {
                    "" => error,
                    hint => error.hint(hint),
                }
            })?;
        let mut text = texts[0].to_owned();
        for more in &texts[1..] {
            // feeds repeat the title at the beginning of the text
            if !more.starts_with(texts[0]) {
                text.push_str(". ");
                text.push_str(more);
            } else if text == texts[0] {
                text = (*more).to_owned();
            }
        }
        self.news.items.push(Item {
            line,
            time: 0,
            author: author.trim().to_owned(),
            text,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<News> {
        let finished = self.clock.finish(&mut self.times, &mut Vec::new());
        finished.map_err(|(row, refusal)| {
            let line = self.news.items[row].line;
            Error::data(format!("line {line}: the date is {}", refusal.reason)).hint(refusal.hint)
        })?;
        for (item, time) in self.news.items.iter_mut().zip(self.times) {
            item.time = time;
        }
        Ok(self.news)
    }
}

fn csv(text: Text, request: &NewsRequest) -> Result<News> {
    let mut reader = Reader::new(request, "CSV");
    let mut places: Option<Places> = None;
    each_record(text, |line, cells| {
        let Some(places) = &places else {
            let names: Vec<String> = cells.iter().map(|name| (*name).to_owned()).collect();
            let found = Places::find(&names, request)?;
            reader.name(&names, &found);
            places = Some(found);
            return Ok(());
        };
        let cell = |i: usize| cells.get(i).copied().unwrap_or_default();
        let texts: Vec<&str> = places.texts.iter().map(|&i| cell(i)).collect();
        let author = places.author.map_or("", cell);
        reader.push(line, cell(places.time), author, &texts)
    })?;
    reader.finish()
}

fn json_lines(text: Text, request: &NewsRequest) -> Result<News> {
    let mut reader = Reader::new(request, "JSON lines");
    let mut lines = BufReader::new(text.reader);
    let mut line = String::new();
    for number in 1_u32.. {
        line.clear();
        let read = (&mut lines).take(LONGEST).read_line(&mut line);
        let read = read.map_err(read_error)?;
        if read == 0 {
            break;
        }
        if read as u64 == LONGEST && !line.ends_with('\n') {
            return Err(
                Error::data(format!("line {number} is longer than {LONGEST} bytes"))
                    .hint("write one item a line"),
            );
        }
        if line.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(&line).map_err(|cause| {
            Error::data(format!("line {number} is no JSON"))
                .because(cause)
                .hint("write one item a line, or all of them in one array")
        })?;
        item(&mut reader, number, &value)?;
    }
    reader.finish()
}

fn json_array(text: Text, request: &NewsRequest) -> Result<News> {
    let mut reader = Reader::new(request, "JSON");
    let mut whole = String::new();
    let read = (text.reader).take(ARRAY).read_to_string(&mut whole);
    if read.map_err(read_error)? as u64 == ARRAY {
        return Err(
            Error::data(format!("the file is longer than {ARRAY} bytes"))
                .hint("write JSON lines: one item a line"),
        );
    }
    let values: Vec<Value> = serde_json::from_str(&whole)
        .map_err(|cause| Error::data("the file is no JSON array").because(cause))?;
    for (number, value) in (1..).zip(&values) {
        item(&mut reader, number, value)?;
    }
    reader.finish()
}

/// One item of JSON; each may have other fields.
fn item(reader: &mut Reader<'_>, number: u32, value: &Value) -> Result<()> {
    let Value::Object(fields) = value else {
        return Err(Error::data(format!("item {number} is no JSON object"))
            .hint("an item is `{\"date\": …, \"title\": …}`"));
    };
    let told = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // an author is often an object of its own
        Value::Object(fields) => (["name", "username", "screen_name", "id"].iter())
            .find_map(|name| Some(fields.get(*name)?.as_str()?.to_owned()))
            .unwrap_or_default(),
        _ => String::new(),
    };
    let names: Vec<String> = fields.keys().cloned().collect();
    let values: Vec<String> = fields.values().map(told).collect();
    let places = match Places::find(&names, reader.request) {
        Ok(places) => places,
        // the first item says what the file is; a later one without a text or a time is left out
        Err(error) if reader.news.time_column.is_empty() => return Err(error),
        Err(_) => {
            let has = |name: &String| fields.contains_key(name);
            match has(&reader.news.time_column) {
                true => reader.news.without_text += 1,
                false => reader.news.without_time += 1,
            }
            return Ok(());
        }
    };
    if reader.news.time_column.is_empty() {
        reader.name(&names, &places);
    }
    if reader.news.author_column.is_none() {
        reader.news.author_column = places.author.map(|i| names[i].clone());
    }
    let texts: Vec<&str> = places.texts.iter().map(|&i| values[i].as_str()).collect();
    let author = places.author.map_or("", |i| values[i].as_str());
    reader.push(number, &values[places.time], author, &texts)
}
