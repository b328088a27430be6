//! Fetching from every party, answered by a server that speaks as they do ([`crate::replay`]).

use std::path::Path;
use std::time::Duration;

use senti::calendar::parse_time;
use senti::{Error, Result, Time};
use senti_io::fetch::{Fetched, Store, Wish, fetch};
use senti_io::http::Limits;
use senti_io::parties::{Caller, PARTIES, Row, Series};
use senti_io::sources::{Request, read};

use crate::replay::{self, DAY, Deed, Replay, Said};

/// The present of these tests: half a minute after noon.
const NOW: &str = "2024-03-10T12:00:30Z";
/// When the market of these tests opened.
const LISTED: &str = "2019-09-08";

fn time(text: &str) -> Time {
    parse_time(text).unwrap()
}

fn server() -> Replay {
    Replay::new(time(NOW) / 1000, time(LISTED) / 1000)
}

fn caller(series: &Series, replay: &Replay, key: Option<&str>) -> Caller {
    let limits = Limits {
        answer: Duration::from_secs(5),
        backoff: 0.01,
        jitter: 0.01,
        tries: 2,
        ..Limits::default()
    };
    let variable = |name: &str| match name {
        _ if name == series.party.url_variable => Some(replay.address.clone()),
        _ if Some(name) == series.party.key_variable => key.map(str::to_owned),
        _ => None,
    };
    Caller::new(series.party, limits, &variable).unwrap()
}

/// What is wanted of a series, until now.
fn wish(text: &str, from: Option<&str>) -> Wish {
    Wish {
        series: Series::parse(text).unwrap(),
        from: from.map(time),
        until: None,
        now: time(NOW),
    }
}

fn bring(replay: &Replay, wish: &Wish, path: &Path) -> Result<Fetched> {
    let caller = caller(&wish.series, replay, None);
    fetch(&caller, wish, &Store::new(path), &mut |_| {})
}

/// Why that fails.
#[track_caller]
fn fails(replay: &Replay, wish: &Wish, path: &Path) -> Error {
    // without the thousands of rows that are printed otherwise
    let fetched = bring(replay, wish, path).map(|fetched| fetched.added);
    fetched.unwrap_err()
}

/// The candles that there are from `first` to `last`.
fn candles(first: &str, last: &str, length: i64) -> Vec<(Time, [f64; 5])> {
    let (first, last) = (time(first) / 1000, time(last) / 1000);
    let openings = (first..=last).step_by(length as usize);
    openings
        .map(|open| (open * 1000, replay::candle(open, length)))
        .collect()
}

#[track_caller]
fn check_rows(rows: &[Row], wanted: &[(Time, [f64; 5])]) {
    let found: Vec<(Time, [f64; 5])> = rows.iter().map(|row| (row.time, row.values)).collect();
    assert_eq!(found.len(), wanted.len(), "rows");
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(found, wanted);
    }
}

#[test]
fn candles_come_page_by_page_without_the_unfinished_one() {
    for (series, from, first, last, length, calls) in [
        // 1,645 days in pages of 1,000 rows
        ("binance:BTCUSDT:1d", None, LISTED, "2024-03-09", DAY, 2),
        (
            "binance:BTCUSDT:1h",
            Some("2024-01-20"),
            "2024-01-20",
            "2024-03-10T11:00:00Z",
            3600,
            2,
        ),
        // 300 days a page since 2015
        ("coinbase:BTC-USD:1d", None, LISTED, "2024-03-09", DAY, 11),
        (
            "coinbase:BTC-USD:6h",
            Some("2023-12-01"),
            "2023-12-01",
            "2024-03-10T06:00:00Z",
            21_600,
            2,
        ),
        (
            "yahoo:BTC-USD:5m",
            Some("2024-03-09"),
            "2024-03-09",
            "2024-03-10T11:55:00Z",
            300,
            1,
        ),
        (
            "yahoo:BTC-USD:1m",
            Some("2024-03-01"),
            "2024-03-01",
            "2024-03-10T11:59:00Z",
            60,
            2,
        ),
    ] {
        let (replay, folder) = (server(), tempfile::tempdir().unwrap());
        let path = folder.path().join("rows.csv");
        let wish = wish(series, from);
        let fetched =
            bring(&replay, &wish, &path).unwrap_or_else(|error| panic!("{series}: {error}"));
        let wanted = candles(first, last, length);
        check_rows(&fetched.rows, &wanted);
        assert_eq!(
            (fetched.added, fetched.calls),
            (wanted.len(), calls),
            "{series}"
        );
        assert_eq!(fetched.findings.unfinished, 1, "{series}");
        assert_eq!(
            fetched.findings.repeated + fetched.findings.n_gaps,
            0,
            "{series}"
        );
        assert_eq!(replay.asked().len(), calls, "{series}");

        // it reads as any file does, and says whose it is
        let request = |source: &str| Request {
            source: Some(source.to_owned()),
            path: Some(path.clone()),
            ..Request::default()
        };
        let reading = read(&request(series)).unwrap();
        assert_eq!(reading.origin, wish.series.to_string());
        assert_eq!(reading.digest, read(&request("local")).unwrap().digest);
        let close: Vec<f64> = wanted.iter().map(|(_, values)| values[3]).collect();
        assert_eq!(reading.table.close(), close);

        // nothing new: one call for the last rows, and not a byte changes
        let before = std::fs::read(&path).unwrap();
        let again = bring(&replay, &wish, &path).unwrap();
        assert_eq!(
            (again.added, again.revised.len(), again.calls),
            (0, 0, 1),
            "{series}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn kraken_gives_its_newest_rows_under_a_name_of_its_own() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    let fetched = bring(
        &replay,
        &wish("kraken:XBTUSD:1d", Some("2020-01-01")),
        &path,
    )
    .unwrap();
    // 720 with the one of now; prices in tenths
    let mut wanted = candles("2022-03-22", "2024-03-09", DAY);
    for (_, values) in &mut wanted {
        for value in &mut values[..4] {
            *value = format!("{value:.1}").parse().unwrap();
        }
    }
    check_rows(&fetched.rows, &wanted);
    assert_eq!(wanted.len(), 719);
    assert_eq!(fetched.begins, Some(time("2022-03-22")));
    assert_eq!(fetched.calls, 1);
}

#[test]
fn yahoo_dates_a_session_by_its_day_and_leaves_nulls_out() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    let fetched = bring(&replay, &wish("yahoo:^IXIC", None), &path).unwrap();
    let sessions = candles(LISTED, "2024-03-09", DAY)
        .into_iter()
        .filter(|(time, _)| {
            let day = time / 1000 / DAY;
            !matches!(day % 7, 2 | 3)
        });
    let (nulls, wanted): (Vec<_>, Vec<_>) =
        sessions.partition(|(time, _)| (time / 1000 / DAY) % 50 == 0);
    check_rows(&fetched.rows, &wanted);
    assert_eq!(fetched.findings.empty, nulls.len());
    assert!(nulls.len() > 20);
    // weekends are no gaps, nulls are
    assert_eq!(fetched.findings.missing, nulls.len());
}

#[test]
fn yahoo_dates_a_day_that_begins_the_evening_before() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    let fetched = bring(&replay, &wish("yahoo:GBPUSD=X", Some("2023-01-01")), &path).unwrap();
    check_rows(&fetched.rows, &candles("2023-01-01", "2024-03-09", DAY));
}

#[test]
fn coingecko_prices_close_the_day_before_their_moment() {
    for (series, from, first, last, length, calls) in [
        (
            "coingecko:bitcoin:1d",
            None,
            "2023-03-12",
            "2024-03-09",
            DAY,
            1,
        ),
        // so short a span comes in hours
        (
            "coingecko:bitcoin:1d",
            Some("2024-03-01"),
            "2024-03-01",
            "2024-03-09",
            DAY,
            1,
        ),
        (
            "coingecko:bitcoin:1h",
            Some("2023-12-01"),
            "2023-12-01",
            "2024-03-10T11:00:00Z",
            3600,
            2,
        ),
    ] {
        let (replay, folder) = (server(), tempfile::tempdir().unwrap());
        let path = folder.path().join("rows.csv");
        let fetched = bring(&replay, &wish(series, from), &path).unwrap();
        let wanted = candles(first, last, length).into_iter().map(|(time, _)| {
            let price = replay::price(time / 1000 + length);
            (time, price, price * 2.0)
        });
        let found = fetched
            .rows
            .iter()
            .map(|row| (row.time, row.values[0], row.values[1]));
        assert_eq!(
            found.collect::<Vec<_>>(),
            wanted.collect::<Vec<_>>(),
            "{series}"
        );
        assert_eq!(fetched.calls, calls, "{series}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(if length == DAY {
            "date,close,volume\n"
        } else {
            "time,close,volume\n"
        }));
    }
    // the key goes into a header, and nowhere else
    let replay = server();
    let wish = wish("coingecko:bitcoin:1d", Some("2024-03-01"));
    let folder = tempfile::tempdir().unwrap();
    let caller = caller(&wish.series, &replay, Some("CG-s3cret"));
    fetch(
        &caller,
        &wish,
        &Store::new(folder.path().join("a.csv")),
        &mut |_| {},
    )
    .unwrap();
    let asked = replay.asked().concat();
    assert!(asked.contains("x-cg-demo-api-key: CG-s3cret"), "{asked}");
    assert_eq!(asked.matches("s3cret").count(), 1);
}

#[test]
fn indices_come_whole_and_by_the_day() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    let fetched = bring(&replay, &wish("fear_greed", None), &path).unwrap();
    let day = |row: &Row| row.time / 1000;
    assert_eq!(
        fetched.rows.first().map(|row| row.time),
        Some(time("2018-02-01"))
    );
    // published in the morning: today's is there
    assert_eq!(
        fetched.rows.last().map(|row| row.time),
        Some(time("2024-03-10"))
    );
    assert!(
        fetched
            .rows
            .iter()
            .all(|row| row.values[0] == replay::index(day(row)))
    );
    assert_eq!((fetched.findings.n_gaps, fetched.findings.missing), (1, 3));
    assert_eq!(fetched.findings.gaps, [(time("2018-04-13"), 3)]);

    let path = folder.path().join("cnn.csv");
    let fetched = bring(&replay, &wish("cnn_fear_greed", None), &path).unwrap();
    assert_eq!(
        fetched.rows.first().map(|row| row.time),
        Some(time("2020-09-21"))
    );
    // today's moves until the day is over, and came twice
    assert_eq!(
        fetched.rows.last().map(|row| row.time),
        Some(time("2024-03-09"))
    );
    assert!(
        fetched
            .rows
            .iter()
            .all(|row| row.values[0] == replay::index(day(row)) + 0.25)
    );
    assert_eq!(fetched.findings.unfinished, 2);
}

#[test]
fn fred_is_asked_with_and_without_a_key() {
    for (series, column, known) in [
        ("fred:DGS10", "dgs10", 28),
        ("fred:CPIAUCSL", "cpiaucsl", 12),
    ] {
        let name = series.strip_prefix("fred:").unwrap();
        let all = replay::observations(name);
        let wanted: Vec<(Time, f64)> = (all.iter())
            .filter_map(|(date, value)| Some((time(date), (*value)?)))
            .collect();
        assert_eq!(wanted.len(), known);
        for key in [None, Some("0123456789abcdef")] {
            let (replay, folder) = (server(), tempfile::tempdir().unwrap());
            let wish = wish(series, None);
            let store = Store::new(folder.path().join("rows.csv"));
            let caller = caller(&wish.series, &replay, key);
            let fetched = fetch(&caller, &wish, &store, &mut |_| {}).unwrap();
            let found: Vec<(Time, f64)> = fetched
                .rows
                .iter()
                .map(|row| (row.time, row.values[0]))
                .collect();
            assert_eq!(found, wanted);
            assert_eq!(fetched.findings.empty, all.len() - known);
            let text = std::fs::read_to_string(store.path()).unwrap();
            assert!(text.starts_with(&format!("date,{column}\n")), "{text}");
            assert_eq!(replay.asked().concat().contains("api_key"), key.is_some());
        }
    }
    // a key that is refused is in no sentence
    let replay = server();
    let wish = wish("fred:DGS10", None);
    let folder = tempfile::tempdir().unwrap();
    let caller = caller(&wish.series, &replay, Some("my-s3cret-key"));
    let store = Store::new(folder.path().join("rows.csv"));
    let error = fetch(&caller, &wish, &store, &mut |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "FRED refuses: `Bad Request. The value for variable api_key, ***, is not registered.`"
    );
    assert!(error.hint_text().unwrap().contains("FRED_API_KEY"));
}

#[test]
fn only_what_is_missing_is_asked_for() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    let mut wish = wish("binance:BTCUSDT:1d", None);
    bring(&replay, &wish, &path).unwrap();
    replay.asked();
    replay.later(3 * DAY);
    wish.now += 3 * DAY * 1000;
    let fetched = bring(&replay, &wish, &path).unwrap();
    assert_eq!((fetched.added, fetched.calls), (3, 1));
    check_rows(&fetched.rows, &candles(LISTED, "2024-03-12", DAY));
    // five rows once more
    let wanted = format!("startTime={}", time("2024-03-05"));
    assert!(replay.asked()[0].contains(&wanted));
}

/// Answers with the closes of these days moved to their opens.
fn restated(
    days: std::ops::RangeInclusive<&'static str>,
) -> impl Fn(usize, &str, &Said) -> Deed + Send {
    let (first, last) = (time(days.start()), time(days.end()));
    move |_, _, said: &Said| {
        let mut value: serde_json::Value = serde_json::from_str(&said.body).unwrap();
        for row in value.as_array_mut().unwrap() {
            if (first..=last).contains(&row[0].as_i64().unwrap()) {
                let open = row[1].clone();
                row[4] = open;
            }
        }
        Deed::Say(Said::json(&value))
    }
}

#[test]
fn a_revision_is_noticed_and_another_history_is_refused() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    let wish = wish("binance:BTCUSDT:1d", None);
    bring(&replay, &wish, &path).unwrap();
    replay.does(restated("2024-03-08"..="2024-03-08"));
    let fetched = bring(&replay, &wish, &path).unwrap();
    let [revision] = &fetched.revised[..] else {
        panic!("{:?}", fetched.revised)
    };
    let candle = replay::candle(time("2024-03-08") / 1000, DAY);
    assert_eq!(
        (revision.time, revision.column.as_str()),
        (time("2024-03-08"), "close")
    );
    assert_eq!((revision.before, revision.now), (candle[3], candle[0]));
    assert_eq!(fetched.added, 0);

    // and back again
    replay.behaves();
    assert_eq!(bring(&replay, &wish, &path).unwrap().revised.len(), 1);
    let before = std::fs::read(&path).unwrap();
    replay.does(restated("2024-01-01"..="2024-03-09"));
    let error = fails(&replay, &wish, &path);
    assert!(
        error
            .to_string()
            .contains("are not those of binance:BTCUSDT:1d"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_server_that_dies_between_pages_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.csv");
    let wish = wish("binance:BTCUSDT:1h", Some("2023-10-01"));
    bring(&server(), &wish, &whole).unwrap();

    let path = folder.path().join("rows.csv");
    let replay = server();
    replay.does(|n, _, _| if n < 2 { Deed::Answer } else { Deed::Die });
    let error = fails(&replay, &wish, &path);
    let told = error.to_string();
    assert!(
        told.starts_with("stopped after 2000 new rows, which are kept in"),
        "{told}"
    );
    let replay = server();
    let fetched = bring(&replay, &wish, &path).unwrap();
    assert_eq!(fetched.rows.len() - fetched.added, 2000);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&whole).unwrap()
    );
    // 3,876 rows: two more pages
    assert_eq!(replay.asked().len(), 2);
}

#[test]
fn what_lies_before_a_file_is_joined_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.csv");
    bring(
        &server(),
        &wish("binance:BTCUSDT:1h", Some("2023-10-01")),
        &whole,
    )
    .unwrap();

    let path = folder.path().join("rows.csv");
    let replay = server();
    bring(
        &replay,
        &wish("binance:BTCUSDT:1h", Some("2024-03-01")),
        &path,
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    replay.does(|n, _, _| if n < 2 { Deed::Answer } else { Deed::Die });
    let longer = wish("binance:BTCUSDT:1h", Some("2023-10-01"));
    fails(&replay, &longer, &path);
    assert_eq!(std::fs::read(&path).unwrap(), before, "no hole in the file");
    let replay = server();
    let fetched = bring(&replay, &longer, &path).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&whole).unwrap()
    );
    assert_eq!(fetched.findings.repeated + fetched.findings.n_gaps, 0);
    // two pages of 3,648 rows were kept aside; two more, and the last rows once more
    assert_eq!(replay.asked().len(), 3);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn days_find_the_beginning_of_finer_candles() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let mut wish = wish("coinbase:BTC-USD:1h", None);
    wish.until = Some(time("2019-09-20"));
    let fetched = bring(&replay, &wish, &folder.path().join("rows.csv")).unwrap();
    check_rows(
        &fetched.rows,
        &candles(LISTED, "2019-09-19T23:00:00Z", 3600),
    );
    // 1,511 days without a candle are six pages of days; 12 days are 288 hours
    assert_eq!(fetched.calls, 7);
}

#[test]
fn rows_out_of_order_and_twice_are_put_right() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    replay.does(|_, _, said| {
        let mut rows: Vec<serde_json::Value> = serde_json::from_str(&said.body).unwrap();
        let n = rows.len();
        rows.swap(3, 4);
        let again = rows[n - 3].clone();
        rows.push(again);
        Deed::Say(Said::json(&rows.into()))
    });
    let path = folder.path().join("rows.csv");
    let fetched = bring(
        &replay,
        &wish("binance:BTCUSDT:1d", Some("2024-01-01")),
        &path,
    )
    .unwrap();
    check_rows(&fetched.rows, &candles("2024-01-01", "2024-03-09", DAY));
    assert_eq!(
        (fetched.findings.reordered, fetched.findings.repeated),
        (2, 1)
    );
}

#[test]
fn a_candle_that_cannot_be_leaves_a_gap() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    replay.does(|_, _, said| {
        let mut rows: Vec<serde_json::Value> = serde_json::from_str(&said.body).unwrap();
        // high and low in each other's place
        let high = rows[10][2].clone();
        rows[10][2] = rows[10][3].clone();
        rows[10][3] = high;
        Deed::Say(Said::json(&rows.into()))
    });
    let path = folder.path().join("rows.csv");
    let fetched = bring(
        &replay,
        &wish("binance:BTCUSDT:1d", Some("2024-01-01")),
        &path,
    )
    .unwrap();
    let found = &fetched.findings;
    assert_eq!((found.n_impossible, found.missing), (1, 1));
    assert_eq!(found.impossible[0].0, time("2024-01-11"));
    assert_eq!(found.gaps, [(time("2024-01-10"), 1)]);
    read(&Request {
        path: Some(path),
        ..Request::default()
    })
    .unwrap();
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_the_same_rows() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let digest = |name: &str, series: &str| {
        let path = folder.path().join(name);
        let mut wish = wish(series, Some("2023-09-01"));
        // in two pieces, so that it is read as well as written
        wish.until = Some(time("2024-01-01"));
        bring(&replay, &wish, &path).unwrap();
        wish.until = None;
        let fetched = bring(&replay, &wish, &path).unwrap();
        assert!(fetched.added > 0 && fetched.revised.is_empty());
        let path = Some(path);
        let source = Some(series.to_owned());
        let reading = read(&Request {
            source,
            path,
            ..Request::default()
        })
        .unwrap();
        (reading.digest, reading.dialect.format)
    };
    for (n, series) in ["binance:BTCUSDT:1d", "coingecko:bitcoin:1d"]
        .iter()
        .enumerate()
    {
        let (text, format) = digest(&format!("{n}.csv"), series);
        assert_eq!(format, "csv");
        assert_eq!(
            digest(&format!("{n}.parquet"), series),
            (text, "parquet".to_owned())
        );
    }
}

#[test]
fn damaged_answers_are_refused_and_no_panic() {
    // Knuth's MMIX generator
    let mut state = 11u64;
    let mut draw = move |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    const LETTERS: &[u8] = b"\"[]{}0-.nu9e,: ";
    for party in PARTIES {
        for _ in 0..12 {
            let changes: Vec<(usize, u8)> = (0..3)
                .map(|_| (draw(1 << 20), LETTERS[draw(LETTERS.len())]))
                .collect();
            let (replay, folder) = (server(), tempfile::tempdir().unwrap());
            replay.does(move |_, _, said| {
                let mut bytes = said.body.clone().into_bytes();
                for (place, letter) in &changes {
                    // mostly in the head, where the structure is
                    let n = bytes.len().min(400);
                    bytes[place % n] = *letter;
                }
                let body = String::from_utf8_lossy(&bytes).into_owned();
                Deed::Say(Said {
                    body,
                    ..said.clone()
                })
            });
            let from = (!party.is_whole).then_some("2024-03-01");
            let done = bring(
                &replay,
                &wish(party.example, from),
                &folder.path().join("a.csv"),
            );
            if let Err(error) = done {
                assert!(error.kind() != senti::ErrorKind::Internal, "{error}");
                assert!(error.hint_text().is_some(), "{}: {error}", party.name);
            }
        }
    }
}

#[test]
fn a_single_series_is_its_own_target() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("rows.csv");
    bring(&replay, &wish("fred:DGS10", None), &path).unwrap();
    let source = Some("fred:DGS10".to_owned());
    let path = Some(path);
    let reading = read(&Request {
        source,
        path,
        ..Request::default()
    })
    .unwrap();
    assert_eq!(
        reading.table.role(senti::Role::Close).unwrap().name,
        "dgs10"
    );
    assert_eq!(reading.origin, "fred:DGS10");
}

/// What is said where the server always answers like this.
fn refusal(series: &str, said: Said) -> Error {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    replay.does(move |_, _, _| Deed::Say(said.clone()));
    let path = folder.path().join("rows.csv");
    let error = fails(&replay, &wish(series, None), &path);
    assert!(
        std::fs::read_dir(folder.path()).unwrap().next().is_none(),
        "a file was left"
    );
    error
}

#[track_caller]
fn check_refusal(series: &str, said: Said, sentence: &str, hint: &str) {
    let error = refusal(series, said);
    assert!(error.to_string().contains(sentence), "{series}: {error}");
    let found = error.hint_text().unwrap_or_default();
    assert!(found.contains(hint), "{series}: {found}");
}

#[test]
fn refusals_are_named_with_what_to_do() {
    let html = |status| {
        Said::text(
            status,
            "text/html",
            "<html><head><title>\n Sign in </title></head></html>",
        )
    };
    let json = |status, body: &str| Said::text(status, "application/json", body);
    let wait = |said: Said, seconds: &str| Said {
        headers: said.headers + "Retry-After: " + seconds + "\r\n",
        ..said
    };
    let binance = "binance:BTCUSDT:1d";
    let blocked = r#"{"code":0,"msg":"Service unavailable from a restricted location"}"#;
    check_refusal(
        binance,
        json("451 Unavailable", blocked),
        "Binance does not serve the place that this machine is in (HTTP 451): `Service unavailable",
        "SENTI_BINANCE_URL=https://data-api.binance.vision",
    );
    check_refusal(
        binance,
        wait(
            json(
                "418 Teapot",
                r#"{"code":-1003,"msg":"Way too many requests; IP banned."}"#,
            ),
            "7200",
        ),
        "Binance has banned this machine's address",
        "try again in 2 h",
    );
    check_refusal(
        binance,
        wait(json("429 Too Many Requests", "{}"), "300"),
        "Binance was asked too often (HTTP 429); it allows 6,000",
        "try again in 5 min",
    );
    check_refusal(
        binance,
        html("200 OK"),
        "a web page instead of data: `Sign in`",
        "SENTI_BINANCE_URL",
    );
    check_refusal(
        binance,
        html("403 Forbidden"),
        "Binance refuses to answer (HTTP 403): `Sign in`",
        "",
    );
    check_refusal(
        binance,
        json("200 OK", "[[1,\"2\""),
        "Binance's answer breaks off after 7 bytes",
        "try again",
    );
    check_refusal(
        binance,
        json("200 OK", "hello"),
        "Binance's answer is no JSON document",
        "look whether",
    );
    check_refusal(
        binance,
        json("200 OK", "[[1,\"2\",null]]"),
        "a candle lacks a time or a number",
        "report",
    );
    check_refusal(
        binance,
        json("503 Busy", ""),
        "Binance is out of order (HTTP 503)",
        "later",
    );
    check_refusal(
        "coingecko:bitcoin:1d",
        json(
            "401 Unauthorized",
            r#"{"error":{"status":{"error_message":"no"}}}"#,
        ),
        "CoinGecko refuses to answer (HTTP 401): `no`",
        "COINGECKO_API_KEY",
    );
    check_refusal(
        "kraken:XBTUSD",
        json("200 OK", r#"{"error":["EAPI:Rate limit exceeded"]}"#),
        "Kraken was asked too often: `EAPI:Rate limit exceeded`",
        "some minutes",
    );
    for series in [
        "fred:DGS10",
        "fear_greed",
        "cnn_fear_greed",
        "yahoo:^IXIC",
        "kraken:XBTUSD",
        "coinbase:BTC-USD",
    ] {
        check_refusal(
            series,
            html("200 OK"),
            "answers with a web page instead of data: `Sign in`",
            "_URL",
        );
    }
    for series in [
        "fear_greed",
        "cnn_fear_greed",
        "yahoo:^IXIC",
        "kraken:XBTUSD",
        "coinbase:BTC-USD",
        "coingecko:bitcoin",
    ] {
        check_refusal(
            series,
            json("200 OK", "{}"),
            "is not of the expected form",
            "report",
        );
        check_refusal(
            series,
            json("200 OK", "{\"a\":[1,"),
            "breaks off after 8 bytes",
            "try again",
        );
    }
}

#[test]
fn a_wrong_symbol_is_named() {
    for series in [
        "binance:BTCXYZ",
        "coinbase:BTC-XYZ",
        "kraken:XBTXYZ",
        "yahoo:^NOPE",
        "coingecko:bitcorn",
        "fred:DGS11",
    ] {
        let (replay, folder) = (server(), tempfile::tempdir().unwrap());
        let wish = wish(series, None);
        let error = fails(&replay, &wish, &folder.path().join("a.csv"));
        let told = format!(
            "{} knows no `{}`",
            wish.series.party.title, wish.series.symbol
        );
        assert!(error.to_string().starts_with(&told), "{error}");
        assert!(
            error
                .hint_text()
                .unwrap()
                .contains(wish.series.party.example)
        );
    }
}

#[test]
fn a_busy_party_is_waited_for_as_long_as_it_asks() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    replay.does(|n, _, _| match n {
        0 => Deed::Say(Said {
            headers: "Retry-After: 1\r\n".to_owned(),
            ..Said::text("429 Too Many Requests", "application/json", "{}")
        }),
        _ => Deed::Answer,
    });
    let begun = std::time::Instant::now();
    let path = folder.path().join("rows.csv");
    let fetched = bring(
        &replay,
        &wish("binance:BTCUSDT:1d", Some("2024-01-01")),
        &path,
    )
    .unwrap();
    assert_eq!(fetched.added, 69);
    assert!(begun.elapsed() >= Duration::from_millis(950));
}

#[test]
fn an_empty_answer_is_no_file() {
    let (replay, folder) = (server(), tempfile::tempdir().unwrap());
    let mut wish = wish("binance:BTCUSDT:1d", Some("2018-01-01"));
    wish.until = Some(time("2018-06-01"));
    let error = fails(&replay, &wish, &folder.path().join("a.csv"));
    assert!(
        error.to_string().starts_with("Binance has no finished row"),
        "{error}"
    );
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (text, told) in [
        (
            "a,b\n1,2\n",
            "it begins with `a,b`, not with `date,open,high,low,close,volume`",
        ),
        (
            "date,open,high,low,close,volume\n2024-01-02,1,2,1,x,0\n",
            "line 2 cannot be read",
        ),
        (
            "date,open,high,low,close,volume\n2024-01-02,1,2,1,1,0\n2024-01-01,1,2,1,1,0\n",
            "its rows are not in the order of time",
        ),
        (
            "date,open,high,low,close,volume\n2024-01-01,1,2,1,1,0\n2024-01-01T06:00:00Z,1,2,1,1,0\n",
            "not whole steps of `1d` apart",
        ),
    ] {
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        let replay = server();
        let error = fails(&replay, &wish("binance:BTCUSDT:1d", None), &path);
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(replay.asked().is_empty());
    }
}

#[test]
fn names_of_series_are_read_or_refused() {
    for party in PARTIES {
        let series = Series::parse(party.example).unwrap();
        assert_eq!(series.party.name, party.name);
        assert_eq!(
            Series::parse(&series.to_string()).unwrap().to_string(),
            series.to_string()
        );
        let stem = series.file_stem();
        assert!(stem.chars().all(|c| !":/\\ ".contains(c)), "{stem}");
        assert!(Series::is_meant(party.example) && !series.columns().is_empty());
        assert!(!party.attribution.is_empty() && party.calls_per_second > 0.0);
        for name in party.intervals {
            assert!(senti_io::parties::Interval::parse(name).is_some(), "{name}");
        }
    }
    for (text, told) in [
        ("binnance:BTCUSDT", "names no party"),
        ("binance:", "wanted a pair"),
        ("binance:BTCUSDT:1y", "has no interval `1y`"),
        ("binance:BTC USDT", "a symbol has"),
        ("binance:a:1d:x", "too many parts"),
        ("fred:DGS10:1d", "has no intervals"),
        ("fear_greed:x", "has only one"),
        ("coinbase:BTC-USD:1w", "has no interval `1w`"),
    ] {
        let error = Series::parse(text).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert!(error.hint_text().is_some());
    }
    for file in [
        "prices.csv",
        "C:\\prices.csv",
        "local",
        "sample",
        "binance.csv",
    ] {
        assert!(!Series::is_meant(file), "{file}");
    }
}
