//! `senti-ai sentiment FILE`: news or posts, scored, as daily features that `--join` takes.
//!
//! In come a file and settings; out goes a table of days: on stdout as CSV or JSON, or where a folder is given as `sentiment.csv`, with the
//! score of every post in `posts.csv`. A day that is not over is left out. No text is written anywhere.

use std::path::{Path, PathBuf};

use senti::calendar::format_time;
use senti::sentiment::{Counted, Day, Options, Post, Scorer, daily};
use senti::{Error, Time};
use senti_io::atomic::write_file;
use senti_io::sources::{News, NewsRequest, read_news};
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::settings::Settings;
use crate::{interrupt, say, source, train};

const DAY: Time = 86_400_000;

/// The daily features; its name tells `--join` its kind.
const DAYS: &str = "sentiment.csv";
/// The score of every post.
const POSTS: &str = "posts.csv";

/// Scores.
pub fn run(file: &str, settings: &Settings) -> Outcome {
    let columns = settings.text("text_column").unwrap_or_default();
    let columns = columns.split(',').map(|name| name.trim().to_owned());
    let request = NewsRequest {
        path: PathBuf::from(file),
        time_column: settings.text("time_column").map(str::to_owned),
        text_columns: columns.filter(|name| !name.is_empty()).collect(),
        author_column: settings.text("author_column").map(str::to_owned),
    };
    let output = settings.path("output");
    if let Some(folder) = &output {
        spare(&request.path, folder)?;
    }
    interrupt::listen()?;
    let news = read_news(&request)?;
    let scorer = Scorer::new();
    let posts: Vec<Post> = (news.items.iter())
        .map(|item| Post {
            time: item.time,
            author: item.author.clone(),
            text: item.text.clone(),
            score: scorer.score(&item.text),
        })
        .collect();
    let cap = settings.whole("author_cap").unwrap_or_default();
    let options = Options {
        author_cap: usize::try_from(cap).unwrap_or(usize::MAX),
    };
    let (mut days, counted) = daily(&posts, &options);
    let now = source::now();
    let over = days.partition_point(|day| day.time + DAY <= now);
    let n_open = days.len() - over;
    days.truncate(over);
    tell(&news, &posts, &counted, n_open);
    if days.is_empty() {
        let error = Error::data("no day of these posts is over yet");
        return Err(error.hint("a day counts when it has ended, in UTC").into());
    }
    let files = match &output {
        Some(folder) => write(folder, &news, &posts, &counted, &days)?,
        None => Vec::new(),
    };
    if settings.json() {
        let document = document(&news, &posts, &counted, &days, &files);
        return say::result(true, || document, String::new);
    }
    match files.is_empty() {
        true => say::data(&table(&days))?,
        false => {
            say::data(&train::written(&files))?;
            let place = files[0].display();
            say::note(&format!("join it with `--join {place}`"));
        }
    }
    Ok(())
}

/// Refuses to replace the file that is read.
fn spare(input: &Path, folder: &Path) -> Outcome {
    let Ok(whole) = input.canonicalize() else {
        return Ok(());
    };
    for name in [DAYS, POSTS] {
        let place = folder.join(name);
        if place.canonicalize().is_ok_and(|place| place == whole) {
            let error = Error::input(format!(
                "the output `{}` would replace the input `{}`",
                place.display(),
                input.display()
            ));
            return Err(error.hint("give another folder with `--output DIR`").into());
        }
    }
    Ok(())
}

/// How many posts became what.
fn tally(counted: &[Counted]) -> [usize; 3] {
    [Counted::Yes, Counted::Repeated, Counted::Flood]
        .map(|fate| counted.iter().filter(|other| **other == fate).count())
}

fn tell(news: &News, posts: &[Post], counted: &[Counted], n_open: usize) {
    let columns = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(" and ")
    };
    let author = match &news.author_column {
        Some(name) => format!(", authors in `{name}`"),
        None => ", no authors".to_owned(),
    };
    say::note(&format!(
        "read {} ({}): times in `{}`, texts in {}{author}",
        say::count(posts.len(), "post"),
        news.format,
        news.time_column,
        columns(&news.text_columns)
    ));
    let [yes, repeated, flood] = tally(counted);
    say::note(&format!(
        "{yes} of them count; left out are {repeated} as repeated and {flood} as more than one author has in a day"
    ));
    let silent = posts.iter().filter(|post| post.score == 0.0).count();
    say::note(&format!(
        "in {silent} of them the English lexicon finds nothing good or bad: they are scored 0"
    ));
    for (n, what) in [
        (news.without_text, "without a text"),
        (news.without_time, "without a time"),
    ] {
        if n > 0 {
            say::note(&format!("note: {} {what} left out", say::count(n, "item")));
        }
    }
    if n_open > 0 {
        let days = say::count(n_open, "day");
        say::note(&format!("note: {days} left out that are not over yet"));
    }
}

fn write(
    folder: &Path,
    news: &News,
    posts: &[Post],
    counted: &[Counted],
    days: &[Day],
) -> Outcome<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|cause| {
        Error::input(format!("the folder `{}` cannot be made", folder.display())).because(cause)
    })?;
    let files = [folder.join(DAYS), folder.join(POSTS)];
    write_file(&files[0], table(days).as_bytes())?;
    let mut lines = String::from("line,time,score,counts\n");
    for ((item, post), fate) in news.items.iter().zip(posts).zip(counted) {
        let time = format_time(post.time, 1);
        lines += &format!("{},{time},{},{}\n", item.line, post.score, fate.name());
    }
    write_file(&files[1], lines.as_bytes())?;
    Ok(files.into())
}

/// The days as CSV; a cell is blank where there is nothing to say.
fn table(days: &[Day]) -> String {
    let mut out =
        String::from("date,mean,spread,count,extreme_share,decayed_3d,decayed_14d,surprise\n");
    let cell = |value: f64| match value.is_finite() {
        true => format!("{value:.6}"),
        false => String::new(),
    };
    for day in days {
        let [fast, slow] = day.decayed.map(cell);
        out += &format!(
            "{},{},{},{},{},{fast},{slow},{}\n",
            format_time(day.time, DAY),
            cell(day.mean),
            cell(day.spread),
            day.count,
            cell(day.extremes),
            cell(day.surprise)
        );
    }
    out
}

fn document(
    news: &News,
    posts: &[Post],
    counted: &[Counted],
    days: &[Day],
    files: &[PathBuf],
) -> Value {
    let [yes, repeated, flood] = tally(counted);
    let number = |value: f64| value.is_finite().then_some(value);
    let day = |day: &Day| {
        json!({
            "date": format_time(day.time, DAY),
            "mean": number(day.mean),
            "spread": number(day.spread),
            "count": day.count,
            "extreme_share": number(day.extremes),
            "decayed_3d": day.decayed[0],
            "decayed_14d": day.decayed[1],
            "surprise": number(day.surprise),
        })
    };
    json!({
        "format": news.format,
        "columns": {
            "time": news.time_column,
            "text": news.text_columns,
            "author": news.author_column,
        },
        "posts": {
            "read": posts.len(),
            "count": yes,
            "repeated": repeated,
            "flood": flood,
            "without_text": news.without_text,
            "without_time": news.without_time,
        },
        "days": days.iter().map(day).collect::<Vec<_>>(),
        "files": files,
    })
}
