//! Joined files: what is recognised in them, when their values are known, and that the recorded words read them alike.

use std::path::PathBuf;

use proptest::prelude::*;
use senti::{Error, Result};
use senti_io::sources::{Join, Reading, Request, read};

/// A folder with candles of 2024-01-01 to 2024-04-09 and other files.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(others: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut candles = String::from("date,close\n");
        for day in 0..100 {
            candles += &format!("{},{}\n", date(day), 100 + day % 7);
        }
        std::fs::write(folder.path().join("candles.csv"), candles).unwrap();
        for (name, text) in others {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    /// A file's path.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads the candles with these files joined: each a name and what is said behind it.
    fn read(&self, joins: &[&str]) -> Result<Reading> {
        let folder = self.folder.path().display();
        let joins = joins
            .iter()
            .map(|text| Join::parse(&format!("{folder}/{text}")));
        read(&Request {
            path: Some(self.path("candles.csv")),
            joins: joins.collect::<Result<_>>()?,
            ..Request::default()
        })
    }

    #[track_caller]
    fn must(&self, joins: &[&str]) -> Reading {
        self.read(joins)
            .unwrap_or_else(|error| panic!("{error}\nhint: {:?}", error.hint_text()))
    }

    fn refused(&self, join: &str) -> Error {
        self.read(&[join]).unwrap_err()
    }
}

/// The date so many days after 2024-01-01.
fn date(day: i64) -> String {
    senti::calendar::format_time(1_704_067_200_000 + day * 86_400_000, 86_400_000)
}

/// The value of a column in the candle of this date.
fn at(reading: &Reading, column: &str, date: &str) -> f64 {
    let time = senti::calendar::parse_time(date).unwrap();
    let row = reading.table.time().binary_search(&time).unwrap();
    let column = reading.table.column(column);
    column
        .unwrap_or_else(|| panic!("no column in {:?}", reading.joined))
        .values[row]
}

const NASDAQ: (&str, &str) = (
    "nasdaq.csv",
    "Date,Close,Volume\n2024-01-04,14510,5.1\n2024-01-05,14524,4.9\n2024-01-08,14843,4.8\n",
);
const CPI: (&str, &str) = (
    "CPIAUCSL.csv",
    "observation_date,CPIAUCSL\n2023-12-01,306\n2024-01-01,307\n2024-02-01,\n2024-03-01,309\n",
);

#[test]
fn a_market_is_recognised_and_enters_with_the_day_of_its_session() {
    let files = Files::new(&[NASDAQ]);
    let reading = files.must(&["nasdaq.csv"]);
    assert_eq!(at(&reading, "nasdaq_Close", "2024-01-05"), 14524.0);
    assert_eq!(at(&reading, "nasdaq_Close", "2024-01-07"), 14524.0);
    assert_eq!(at(&reading, "nasdaq_Close", "2024-01-08"), 14843.0);
    assert!(at(&reading, "nasdaq_Close", "2024-01-03").is_nan());
    // 16:15 New York is 21:15 UTC
    assert_eq!(at(&reading, "nasdaq_age", "2024-01-07"), 2.0 + 2.75 / 24.0);
    let joined = &reading.joined[0];
    assert_eq!(joined.kind.as_deref(), Some("us_stocks"));
    assert_eq!((joined.frequency.as_str(), joined.rows), ("day", 3));
    assert_eq!(joined.first_known, "2024-01-04T21:15:00Z");
    assert_eq!(
        joined.columns,
        ["nasdaq_Close", "nasdaq_Volume", "nasdaq_age"]
    );
    assert!(
        joined
            .warnings
            .iter()
            .any(|text| text.contains("known from 2024-01-04T21:15:00Z on")),
        "{:?}",
        joined.warnings
    );
    assert!(
        joined
            .warnings
            .iter()
            .any(|text| text.contains("carry its last value")),
        "{:?}",
        joined.warnings
    );
}

#[test]
fn what_is_said_wins_over_what_is_recognised() {
    let files = Files::new(&[NASDAQ]);
    let reading =
        files.must(&["nasdaq.csv,lag=1d,zone=America/New_York,name=ixic,columns=close,age=no"]);
    // the end of the day in New York lies behind that of the candle
    assert_eq!(at(&reading, "ixic_Close", "2024-01-05"), 14510.0);
    assert_eq!(reading.joined[0].columns, ["ixic_Close"]);
    assert_eq!(reading.joined[0].kind, None);
    let early = files.must(&["nasdaq.csv,lag=9h"]);
    assert!(
        early.joined[0].warnings[0]
            .contains("known 9h after its time in America/New_York, usual is 16h15m after"),
        "{:?}",
        early.joined[0].warnings
    );
}

#[test]
fn months_wait_for_their_release_and_blank_cells_say_nothing() {
    let files = Files::new(&[CPI]);
    let reading = files.must(&["CPIAUCSL.csv"]);
    let joined = &reading.joined[0];
    assert_eq!(
        (joined.kind.as_deref(), joined.lag.as_str(), joined.rows),
        (Some("consumer_prices"), "1mo18d", 3)
    );
    assert_eq!(
        joined.columns,
        ["CPIAUCSL", "CPIAUCSL_age"],
        "a column called like its file keeps its name"
    );
    assert!(at(&reading, "CPIAUCSL", "2024-01-17").is_nan());
    assert_eq!(at(&reading, "CPIAUCSL", "2024-01-19"), 306.0);
    assert_eq!(at(&reading, "CPIAUCSL", "2024-02-19"), 307.0);
    assert_eq!(at(&reading, "CPIAUCSL", "2024-04-09"), 307.0);
}

#[test]
fn a_file_may_say_itself_when_its_rows_were_published() {
    // as ALFRED gives vintages: January is revised in March
    let text = "date,published,x\n2024-01-01,2024-02-13,1\n2024-01-01,2024-03-12,1.5\n2024-02-01,2024-03-20,2\n2024-03-01,,3\n";
    let files = Files::new(&[("x.csv", text)]);
    let reading = files.must(&["x.csv,known=published,lag=5w"]);
    // a date alone may be any hour of it: known when the day is over, with the candle that ends then
    assert!(at(&reading, "x", "2024-02-12").is_nan());
    assert_eq!(at(&reading, "x", "2024-02-13"), 1.0);
    assert_eq!(at(&reading, "x", "2024-03-12"), 1.5);
    assert_eq!(at(&reading, "x", "2024-03-20"), 2.0);
    // no date: the lag counts, five weeks from the first of March
    assert_eq!(at(&reading, "x", "2024-04-03"), 2.0);
    assert_eq!(at(&reading, "x", "2024-04-04"), 3.0);
    let again = files.must(&["x.csv,known=published,lag=5w"]);
    assert_eq!(reading.digest, again.digest);
    let error = files.refused("x.csv");
    assert!(
        error
            .to_string()
            .contains("`x` is 1 and 1.5 for the same time 2024-01-01"),
        "{error}"
    );
}

#[test]
fn moments_with_an_hour_are_known_from_then_on_where_it_is_said() {
    let text =
        "published,x\n2024-01-04T12:00:00Z,1\n2024-01-04T18:00:00Z,2\n2024-01-06T01:00:00Z,3\n";
    let files = Files::new(&[("x.csv", text)]);
    let reading = files.must(&["x.csv,lag=0"]);
    assert_eq!(at(&reading, "x", "2024-01-04"), 2.0);
    assert_eq!(at(&reading, "x_age", "2024-01-04"), 0.25);
    assert_eq!(at(&reading, "x", "2024-01-06"), 3.0);
    // without a lag: at the end of the day
    let reading = files.must(&["x.csv"]);
    assert_eq!(at(&reading, "x_age", "2024-01-04"), 0.0);
}

#[test]
fn columns_of_several_kinds_each_have_their_own_rule_and_the_record_reads_them_alike() {
    let text = "date,CPI,DGS10,mood\n2024-01-01,306,4.0,50\n2024-01-02,,4.1,51\n2024-01-03,,4.2,52\n2024-02-01,307,4.3,53\n2024-03-01,308,4.4,54\n2024-03-02,,4.5,55\n2024-03-03,,4.6,56\n2024-03-04,,4.7,57\n";
    let files = Files::new(&[("macro.csv", text)]);
    let reading = files.must(&["macro.csv"]);
    let kinds: Vec<_> = reading
        .joined
        .iter()
        .map(|joined| joined.kind.as_deref())
        .collect();
    assert_eq!(
        kinds,
        [
            Some("consumer_prices"),
            Some("treasury_yield"),
            Some("sentiment")
        ]
    );
    assert_eq!(at(&reading, "macro_mood", "2024-01-02"), 51.0);
    assert_eq!(
        at(&reading, "macro_DGS10", "2024-01-02"),
        4.0,
        "the evening in New York is behind the candle"
    );
    assert_eq!(at(&reading, "macro_CPI", "2024-02-19"), 306.0);
    let recorded: Vec<Join> = reading
        .joined
        .iter()
        .map(|joined| Join::parse(&joined.join).unwrap())
        .collect();
    let again = read(&Request {
        path: Some(files.path("candles.csv")),
        joins: recorded,
        ..Request::default()
    });
    let again = again.unwrap();
    assert_eq!(again.digest, reading.digest);
    let words = |reading: &Reading| {
        reading
            .joined
            .iter()
            .map(|joined| joined.join.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&again), words(&reading));
}

#[test]
fn columns_with_odd_names_are_read_alike_or_refused() {
    let files = Files::new(&[
        ("x.csv", "date,\"a,b\",c\n2024-01-04,1,5\n2024-01-05,3,4\n"),
        (
            "y.csv",
            "date,\"cpi,all\",mood\n2024-01-04,1,5\n2024-01-05,3,4\n",
        ),
    ]);
    let reading = files.must(&["x.csv"]);
    assert_eq!(at(&reading, "x_a,b", "2024-01-05"), 3.0);
    let again = read(&Request {
        path: Some(files.path("candles.csv")),
        joins: Join::parse_all(&reading.joined[0].join).unwrap(),
        ..Request::default()
    });
    assert_eq!(again.unwrap().digest, reading.digest);
    let error = files.refused("y.csv");
    assert!(error.to_string().contains("`cpi,all` has a `,`"), "{error}");
}

#[test]
fn what_is_said_is_read_and_written_alike() {
    for text in [
        "a.csv",
        "a, b.csv,lag=1mo18d",
        "a.csv,name=x,columns=a+b,lag=day_end,zone=UTC,frequency=month,time=t,known=k,age=no",
    ] {
        assert_eq!(Join::parse(text).unwrap().to_string(), text);
    }
    let all = Join::parse_all("a.csv,lag=0; b.csv ;").unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].name(), "b");
    assert_eq!(
        Join::parse("x/crypto fear-greed.csv.gz").unwrap().name(),
        "crypto_fear_greed"
    );
}

#[track_caller]
fn check_refused(text: &str, wanted: &str) {
    let error = Join::parse(text).unwrap_err();
    assert!(error.to_string().contains(wanted), "{text}: {error}");
    assert!(error.hint_text().is_some(), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    check_refused("", "names no file");
    check_refused("a.csv,lags=1d", "unknown key `lags`");
    check_refused("a.csv,lag=1d,lag=2d", "given twice");
    check_refused("a.csv,lag=", "has no value");
    check_refused("a.csv,lag=-1d", "negative");
    check_refused("a.csv,lag=soon", "no time that can be counted");
    check_refused("a.csv,lag=1d,b", "no `key=value`");
    check_refused("a.csv,zone=Mars", "no time zone `Mars`");
    check_refused("a.csv,frequency=dayly", "wanted one of");
    let files = Files::new(&[
        NASDAQ,
        ("text.csv", "date,word\n2024-01-01,a\n2024-01-02,b\n"),
    ]);
    for (join, wanted) in [
        ("none.csv", "there is no file"),
        ("nasdaq.csv,columns=open", "there is no column `open`"),
        ("nasdaq.csv,known=release", "there is no column `release`"),
        ("nasdaq.csv,known=date", "is the column of times itself"),
        (
            "nasdaq.csv,name=x,columns=close,lag=10y",
            "nothing of it was known before the last row closed",
        ),
        ("text.csv", "text.csv"),
    ] {
        let error = files.refused(join);
        assert!(error.to_string().contains(wanted), "{join}: {error}");
    }
    let error = files.read(&["nasdaq.csv", "nasdaq.csv"]).unwrap_err();
    assert!(
        error.to_string().contains("two columns `nasdaq_Close`"),
        "{error}"
    );
}

proptest! {
    /// Whatever is typed is read or refused, and what is read is written so that it is read alike.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-c.,;=+ ]{0,12}((,lag|,name|,columns|,zone|,age)=[a-z0-9+ ]{0,6}){0,3}") {
        if let Ok(join) = Join::parse(&text) {
            prop_assert_eq!(Join::parse(&join.to_string()).unwrap(), join);
        }
    }
}
