//! BigQuery from the command line, against a real emulator: what Google's own client wrote is read, and it reads what was written here.
//!
//! Needs the Python environment that `cargo xtask test` makes; where it is missing these tests say so and pass (`server.rs`). Trouble comes
//! from the proxy; what it does not trouble is answered by the emulator.

mod server;
mod trouble;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use self::server::{Emulator, PROJECT, emulator};
use crate::run::{Desk, Done, prices};

/// One at a time: asked by several at once, the emulator has told one the number of another's rows (`totalRows` 3 of a table with 400).
static ALONE: Mutex<()> = Mutex::new(());

/// A desk with a model of `prices.csv`, and a data set whose table `raw` holds the same rows, shuffled, with columns that are no numbers.
struct Setting {
    desk: Desk,
    emulator: &'static Emulator,
    dataset: &'static str,
    /// What is asked: the emulator, or a proxy before it.
    port: u16,
    /// Held, never read.
    _alone: MutexGuard<'static, ()>,
}

impl Setting {
    fn new(dataset: &'static str) -> Option<Self> {
        let emulator = emulator()?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = Desk::trained();
        desk.file("prices.csv", &prices(400));
        emulator.witness(&["dataset", dataset]);
        let path = desk.path("prices.csv").display().to_string();
        emulator.witness(&["candles", &format!("{dataset}.raw"), &path]);
        Some(Self {
            desk,
            emulator,
            dataset,
            port: emulator.port,
            _alone: alone,
        })
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.desk.command(arguments);
        command
            .env("BIGQUERY_EMULATOR_HOST", format!("127.0.0.1:{}", self.port))
            .env("GOOGLE_CLOUD_PROJECT", PROJECT)
            .env("BQ_DATASET", self.dataset)
            .env("XDG_CACHE_HOME", self.desk.path("cache"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.desk.done(self.command(arguments).output().unwrap())
    }

    /// A forecast from BigQuery, as JSON.
    #[track_caller]
    fn forecast(&self, arguments: &[&str]) -> (Value, String) {
        let done = self.run(&[&["predict", "--format", "json"], arguments].concat());
        assert_eq!(done.code, Some(0), "{}", done.err);
        (serde_json::from_str(&done.out).unwrap(), done.err)
    }

    /// The same from the CSV file that the table was made from.
    fn of_file(&self) -> Value {
        let done = self
            .desk
            .run(&["predict", "--format", "json", "--data_path", "prices.csv"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        serde_json::from_str(&done.out).unwrap()
    }

    /// Fails with these words.
    #[track_caller]
    fn refused(&self, code: i32, arguments: &[&str], words: &[&str]) -> Done {
        let done = self.run(&[&["predict"], arguments].concat());
        assert_eq!(done.code, Some(code), "{}", done.err);
        for word in words {
            assert!(done.err.contains(word), "no `{word}` in: {}", done.err);
        }
        done
    }
}

#[track_caller]
fn check_same(found: &Value, wanted: &Value) {
    assert_eq!(found["data"]["digest"], wanted["data"]["digest"]);
    assert_eq!(found["data"]["rows"], json!(400));
    assert_eq!(found["forecast"], wanted["forecast"]);
}

#[test]
fn a_table_gives_the_forecast_of_the_file_it_was_made_from() {
    let Some(setting) = Setting::new("whole_table") else {
        return;
    };
    let wanted = setting.of_file();
    // 400 rows in pages of 70: the last one is short
    let (found, told) = setting.forecast(&["--bq_page_rows", "70", "--bq_cache", "off"]);
    check_same(&found, &wanted);
    assert!(
        told.contains("data: bigquery, `gcp_project` and `bq_dataset` are configured"),
        "{told}"
    );
    assert!(told.contains("bigquery, DATE times in `date`"), "{told}");
    assert!(told.contains("`note` is left out: not numbers"), "{told}");
    assert!(
        told.contains("`at` is left out: a second column of times"),
        "{told}"
    );
    assert_eq!(
        found["data"]["source"],
        format!("BigQuery table {PROJECT}.whole_table.raw")
    );
    let name = format!("{PROJECT}.whole_table.raw");
    let (found, told) = setting.forecast(&["--table", &name, "--bq_cache", "off"]);
    check_same(&found, &wanted);
    assert!(told.contains("a table was given by `--table`"), "{told}");
}

#[test]
fn a_query_gives_the_same_and_says_first_what_it_reads() {
    let Some(setting) = Setting::new("a_query") else {
        return;
    };
    let wanted = setting.of_file();
    let query = "SELECT date, open, high, low, close, volume FROM raw ORDER BY volume";
    let (found, told) = setting.forecast(&["--query", query, "--bq_page_rows", "150"]);
    check_same(&found, &wanted);
    assert!(
        told.contains("a dry run says that the query reads 0.0 KiB; at most 10 GiB may be billed"),
        "{told}"
    );
    // views cannot be listed
    setting.emulator.witness(&[
        "sql",
        "CREATE OR REPLACE VIEW a_query.seen AS SELECT * FROM a_query.raw",
    ]);
    let (found, told) = setting.forecast(&["--table", "seen"]);
    check_same(&found, &wanted);
    assert!(
        told.contains("is a VIEW, which only a query can read"),
        "{told}"
    );
    // a model remembers its query
    let train = [
        "train",
        "--query",
        query,
        "--no_plot",
        "--registry",
        "other",
    ];
    let done = setting.run(&[&train[..], crate::run::SMALL].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let done = setting.run(&["verify", "lstm", "--registry", "other"]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
}

/// Says who would ask, where another test runs this one in a process of its own; else there is nothing to do.
#[test]
#[cfg(feature = "bigquery_auth")]
fn says_who_asks() {
    if std::env::var_os("SENTI_SAY_WHO_ASKS").is_some() {
        use senti_io::bigquery::{Credentials, Scope};
        let credentials = Credentials::find(Scope::Read).unwrap();
        for (name, value) in credentials.headers().unwrap() {
            println!("\n{name}: {value}");
        }
    }
}

/// A service account's key is used as Google's own code wants it: the token's signature and claims are checked by Python.
#[test]
#[cfg(feature = "bigquery_auth")]
fn a_key_file_signs_what_google_can_check() {
    let Some(emulator) = emulator() else {
        return;
    };
    let desk = Desk::new();
    let path = desk.path("key.json").display().to_string();
    emulator.witness(&["key", &path]);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bigquery::says_who_asks", "--nocapture"]);
    command
        .env_clear()
        .env("SENTI_SAY_WHO_ASKS", "1")
        .env("GOOGLE_APPLICATION_CREDENTIALS", &path);
    let done = desk.done(command.output().unwrap());
    let token = done
        .out
        .lines()
        .find_map(|line| line.strip_prefix("authorization: Bearer "));
    let token = token.unwrap_or_else(|| panic!("{}{}", done.out, done.err));
    let claims = emulator.witness(&["token", &path, token]);
    assert_eq!(claims["iss"], "nobody@key-proj.iam.gserviceaccount.com");
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/bigquery.readonly"
    );
    // a file that is none is told without what is in it
    let mut command = desk.command(&["predict", "--table", "p-1.d.t"]);
    std::fs::write(
        &path,
        "{\"type\": \"service_account\", \"private_key\": \"s3cret\"}",
    )
    .unwrap();
    command.env("GOOGLE_APPLICATION_CREDENTIALS", &path);
    let registry = Desk::trained();
    command.args([
        "--registry",
        &registry.path("senti-models").display().to_string(),
    ]);
    let done = desk.done(command.output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err
            .contains("the credentials for Google Cloud cannot be used"),
        "{}",
        done.err
    );
    assert!(!done.err.contains("s3cret"), "{}", done.err);
}

/// Expected moments by hand: 2021-03-04 is day 18690, 05:06:07.890123 is 18367890 ms.
#[test]
fn every_type_is_read_as_what_it_is_and_nested_ones_are_refused() {
    let Some(setting) = Setting::new("types") else {
        return;
    };
    let many = "SELECT TIMESTAMP_ADD(TIMESTAMP '2021-03-04 05:06:07.890123+00', INTERVAL n HOUR) AS ts, \
                100.5 + n AS close, CAST(n AS NUMERIC) / 3 AS ratio, n AS whole, n > 5 AS flag, \
                IF(MOD(n, 2) = 0, NULL, CAST(n AS FLOAT64)) AS gaps, CAST(n AS STRING) AS texts, TIME '01:02:03' AS clock, b'x' AS raw \
                FROM UNNEST(GENERATE_ARRAY(0, 49)) AS n";
    let table = format!("CREATE OR REPLACE TABLE types.many AS {many}");
    setting.emulator.witness(&["sql", &table]);
    let train = [
        "train",
        "--table",
        "many",
        "--no_plot",
        "--output",
        "out",
        "--registry",
        "other",
    ];
    let small = [
        "--input_seq_length",
        "2",
        "--forecast_horizon",
        "1",
        "--units",
        "2",
        "--epochs",
        "1",
    ];
    let done = setting.run(&[&train[..], &small].concat());
    let all = &done.err;
    assert!(
        all.contains("read 50 rows 2021-03-04T05:06:07.89Z … 2021-03-06T06:06:07.89Z, step hour"),
        "{all}"
    );
    assert!(
        all.contains("`clock` is left out: of the type TIME"),
        "{all}"
    );
    assert!(
        all.contains("`raw` is left out: of the type BYTES"),
        "{all}"
    );
    // ratio, flag, gaps; the whole numbers and their texts only count the rows
    assert!(all.contains("3 more columns as extra inputs"), "{all}");
    for (name, column, word) in [
        ("lists", "[1, 2]", "repeated"),
        ("structs", "STRUCT(1 AS a)", "nested"),
    ] {
        let text = format!(
            "CREATE OR REPLACE TABLE types.{name} AS SELECT DATE '2021-03-04' AS date, 1.5 AS close, {column} AS more"
        );
        setting.emulator.witness(&["sql", &text]);
        setting.refused(1, &["--table", name], &["column `more`", word, "--query"]);
    }
}

#[test]
fn what_is_written_is_what_python_reads() {
    let Some(setting) = Setting::new("writes") else {
        return;
    };
    let table = "writes.forecasts";
    let target = format!("bigquery:{table}");
    let (made, _) = setting.forecast(&["--write", &target]);
    let whole = format!("{PROJECT}.{table}");
    assert_eq!(
        made["written"],
        json!({"table": whole, "rows": 3, "created": true})
    );
    let schema = setting.emulator.witness(&["schema", table]);
    let levels = made["forecast"]["levels"].as_array().unwrap();
    let schema: Vec<(String, String)> = schema
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            (
                column[0].as_str().unwrap().into(),
                column[1].as_str().unwrap().into(),
            )
        })
        .collect();
    let kind = |name: &str| {
        schema
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, kind)| kind.as_str())
    };
    for (name, wanted) in [
        ("issued_at", "TIMESTAMP"),
        ("origin", "TIMESTAMP"),
        ("time", "TIMESTAMP"),
        ("step", "INTEGER"),
        ("target", "STRING"),
        ("last_close", "FLOAT"),
        ("point", "FLOAT"),
        ("q05", "FLOAT"),
        ("q50", "FLOAT"),
        ("q95", "FLOAT"),
        ("model", "STRING"),
        ("version", "INTEGER"),
        ("data_digest", "STRING"),
    ] {
        assert_eq!(kind(name), Some(wanted), "{name} in {schema:?}");
    }
    assert_eq!(schema.len(), 10 + levels.len());

    let rows = || {
        let text = format!("SELECT * FROM {table} ORDER BY issued_at, step");
        setting
            .emulator
            .witness(&["sql", &text])
            .as_array()
            .unwrap()
            .clone()
    };
    let seen = rows();
    assert_eq!(seen.len(), 3);
    for (row, wanted) in seen
        .iter()
        .zip(made["forecast"]["rows"].as_array().unwrap())
    {
        assert_eq!(row["step"], wanted["step"]);
        assert_eq!(row["point"], wanted["point"]);
        for (level, value) in levels.iter().zip(wanted["quantiles"].as_array().unwrap()) {
            let name = format!("q{:02}", (level.as_f64().unwrap() * 100.0).round());
            assert_eq!(row[&name], *value, "{name}");
        }
        let date = wanted["date"].as_str().unwrap();
        assert_eq!(row["time"], format!("{date}T00:00:00+00:00"));
        let origin = made["forecast"]["origin"].as_str().unwrap();
        assert_eq!(row["origin"], format!("{origin}T00:00:00+00:00"));
        assert_eq!(
            (&row["model"], &row["version"]),
            (&json!("lstm"), &json!(1))
        );
        assert_eq!(row["data_digest"], made["data"]["digest"]);
        assert_eq!(row["last_close"], made["forecast"]["last_close"]);
        assert_eq!(row["target"], "close");
        let issued: jiff::Timestamp = row["issued_at"].as_str().unwrap().parse().unwrap();
        assert!(
            jiff::Timestamp::now()
                .duration_since(issued)
                .as_secs()
                .abs()
                < 600,
            "{issued}"
        );
    }
    let (again, told) = setting.forecast(&["--write", &target]);
    assert_eq!(again["written"]["created"], false, "{told}");
    assert_eq!(rows().len(), 6);
    setting.forecast(&["--write", &target, "--write_mode", "replace"]);
    assert_eq!(rows().len(), 3);
    let done = setting.run(&["predict", "--write", &target]);
    assert!(
        done.err
            .contains(&format!("wrote 3 rows into BigQuery `{whole}`")),
        "{}",
        done.err
    );
}

#[test]
fn a_table_of_something_else_is_not_written_into() {
    let Some(setting) = Setting::new("other_tables") else {
        return;
    };
    let count = || {
        setting
            .emulator
            .witness(&["sql", "SELECT COUNT(*) AS n FROM other_tables.raw"])[0]["n"]
            .clone()
    };
    for mode in ["append", "replace"] {
        let arguments = ["--write", "bigquery:other_tables.raw", "--write_mode", mode];
        setting.refused(
            1,
            &arguments,
            &["has no column `issued_at`", "docs/bigquery.md"],
        );
        assert_eq!(count(), json!(400));
    }
    setting.refused(
        1,
        &["--write", "bigquery:no_such_set.t"],
        &[
            "cannot find the data set `test-proj.no_such_set`",
            "does not find it",
        ],
    );
    let done = setting.refused(2, &["--write", "bigquery:a`b"], &["--write"]);
    assert!(!done.err.contains("internal"), "{}", done.err);
}

#[test]
fn mistakes_are_named() {
    let Some(setting) = Setting::new("mistakes") else {
        return;
    };
    setting.refused(
        1,
        &["--table", "nothing_here"],
        &[
            "cannot read the table `test-proj.mistakes.nothing_here`",
            "does not find it",
        ],
    );
    setting.refused(
        1,
        &["--query", "SELECT date, close FROM nothing_here"],
        &["cannot run the query", "does not find it"],
    );
    setting.refused(
        1,
        &["--query", "SELECT date,\n  close FRM raw WHERE ("],
        &["the query is wrong at line ", "GoogleSQL"],
    );
    for statement in [
        "DROP TABLE raw",
        "DELETE FROM raw WHERE TRUE",
        "CREATE TABLE x AS SELECT 1 AS a",
    ] {
        setting.refused(
            1,
            &["--query", statement],
            &["wanted a SELECT", "nothing was run"],
        );
    }
    let left = setting
        .emulator
        .witness(&["sql", "SELECT COUNT(*) AS n FROM mistakes.raw"]);
    assert_eq!(left[0]["n"], 400);
    for table in ["raw`; DROP TABLE raw; --", "a.b.c.d/e", "$x"] {
        setting.refused(1, &["--table", table], &["is no name of a"]);
    }
    setting.refused(
        1,
        &["--query", "SELECT date, close FROM raw WHERE close < 0"],
        &["has no rows"],
    );
    setting.refused(1, &["--query", "SELECT close FROM raw"], &["holds times"]);
    setting.refused(
        1,
        &["--query", "SELECT at AS date, close FROM raw"],
        &["the time is NULL"],
    );
    setting.refused(
        2,
        &["--query", "SELECT 1", "--table", "raw"],
        &["are both given"],
    );
    setting.refused(
        2,
        &["--query", "SELECT 1", "--data_source", "sample"],
        &["--query", "`sample`"],
    );
    let mut command = setting.desk.command(&["predict", "--query", "SELECT 1"]);
    let done = setting.desk.done(command.output().unwrap());
    assert!(
        done.err.contains("no project is given") && done.err.contains("GOOGLE_CLOUD_PROJECT"),
        "{}",
        done.err
    );
}
