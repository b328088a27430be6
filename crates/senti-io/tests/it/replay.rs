//! A server that answers as every party does, from one deterministic price.
//!
//! The shapes are those of the parties' documentation; the rows are computed from the query, so that paging, spans and units are really
//! tested. Nothing here uses the code that it tests. Used by the tests of the command line as well.

#![allow(dead_code, reason = "each crate of tests uses a part of it")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub const DAY: i64 = 86_400;

/// What a server does at its n-th request (from 0) instead of answering; the path and query are given, and what it would have said.
pub type Mischief = Box<dyn Fn(usize, &str, &Said) -> Deed + Send>;

/// An answer.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: &'static str,
    pub headers: String,
    pub body: String,
}

pub enum Deed {
    /// As usual.
    Answer,
    /// Something else.
    Say(Said),
    /// Closes its port for good.
    Die,
}

impl Said {
    pub fn json(value: &Value) -> Self {
        Self::text("200 OK", "application/json", &value.to_string())
    }

    pub fn text(status: &'static str, media_type: &str, body: &str) -> Self {
        Self {
            status,
            headers: format!("Content-Type: {media_type}\r\n"),
            body: body.to_owned(),
        }
    }
}

/// A server on a free port of this machine; its thread ends with the tests.
pub struct Replay {
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
    now: Arc<Mutex<i64>>,
    mischief: Arc<Mutex<Mischief>>,
    count: Arc<Mutex<usize>>,
}

impl Replay {
    /// Whose present is `now` (seconds since 1970), and whose market opened at `listed`.
    pub fn new(now: i64, listed: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let replay = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            log: Arc::default(),
            now: Arc::new(Mutex::new(now)),
            mischief: Arc::new(Mutex::new(Box::new(|_, _, _| Deed::Answer))),
            count: Arc::default(),
        };
        let (log, clock) = (Arc::clone(&replay.log), Arc::clone(&replay.now));
        let (mischief, count) = (Arc::clone(&replay.mischief), Arc::clone(&replay.count));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = request(&stream);
                let said = answer(&asked, *clock.lock().unwrap(), listed);
                let n = {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    *count - 1
                };
                let said = match mischief.lock().unwrap()(n, &asked, &said) {
                    Deed::Answer => said,
                    Deed::Say(other) => other,
                    Deed::Die => return,
                };
                log.lock().unwrap().push(asked);
                let Said {
                    status,
                    headers,
                    body,
                } = said;
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = (&stream).write_all((head + &body).as_bytes());
            }
        });
        replay
    }

    /// From now on it does this; requests are counted from 0 again.
    pub fn does(&self, mischief: impl Fn(usize, &str, &Said) -> Deed + Send + 'static) {
        *self.count.lock().unwrap() = 0;
        *self.mischief.lock().unwrap() = Box::new(mischief);
    }

    pub fn behaves(&self) {
        self.does(|_, _, _| Deed::Answer);
    }

    pub fn later(&self, seconds: i64) {
        *self.now.lock().unwrap() += seconds;
    }

    /// Paths and queries since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

/// Path and query of a request, and the headers that matter behind a space.
fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut asked, mut headers) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            return asked + &headers;
        }
        let lower = line.to_lowercase();
        if asked.is_empty() {
            asked = line.split(' ').nth(1).unwrap_or_default().to_owned();
        } else if lower.starts_with("user-agent") || lower.starts_with("x-cg") {
            headers += &format!(" {}", line.trim());
        }
    }
}

/// The price at a moment, in cents.
pub fn price(seconds: i64) -> f64 {
    let days = seconds as f64 / DAY as f64;
    let price = 10_000.0 + 400.0 * (days / 9.0).sin() + 90.0 * (days * 5.0).cos();
    (price * 100.0).round() / 100.0
}

/// Open, high, low, close, volume of the candle that opens then.
pub fn candle(open: i64, length: i64) -> [f64; 5] {
    let (first, last) = (price(open), price(open + length));
    let cents = |price: f64| (price * 100.0).round() / 100.0;
    let (high, low) = (first.max(last) * 1.01, first.min(last) * 0.99);
    [
        first,
        cents(high),
        cents(low),
        last,
        (open / 60 % 977) as f64 + 0.5,
    ]
}

/// An index from 0 to 100.
pub fn index(day: i64) -> f64 {
    ((day / DAY * 37) % 101) as f64
}

fn seconds(text: &str) -> i64 {
    senti::calendar::parse_time(text).unwrap() / 1000
}

fn iso(seconds: i64) -> String {
    senti::calendar::format_time(seconds * 1000, DAY * 1000)
}

fn ask(asked: &str, name: &str) -> Option<String> {
    let (_, query) = asked.split(' ').next()?.split_once('?')?;
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
    let value = pair?.strip_prefix('=')?;
    Some(value.replace("%3A", ":").replace("%2F", "/"))
}

fn number(asked: &str, name: &str) -> Option<i64> {
    ask(asked, name)?.parse().ok()
}

/// Openings from `from` to `to` (both inclusive) that are not after now, on the grid.
fn openings(from: i64, to: i64, length: i64, listed: i64, now: i64) -> impl Iterator<Item = i64> {
    let from = from.max(listed);
    let first = from.div_euclid(length) * length + if from % length == 0 { 0 } else { length };
    (first..=to.min(now)).step_by(length as usize)
}

fn wrong() -> Said {
    Said::text("500 Oops", "text/plain", "the test has no answer for this")
}

fn answer(asked: &str, now: i64, listed: i64) -> Said {
    let path = asked.split([' ', '?']).next().unwrap_or_default();
    let said = match path {
        "/api/v3/klines" => binance(asked, now, listed),
        "/0/public/OHLC" => kraken(asked, now, listed),
        "/fng/" => Some(fear_greed(now)),
        "/graph/fredgraph.csv" => Some(fred_lines(asked)),
        "/fred/series/observations" => Some(fred_documents(asked)),
        _ if path.starts_with("/products/") => coinbase(path, asked, now, listed),
        _ if path.starts_with("/v8/finance/chart/") => yahoo(path, asked, now, listed),
        _ if path.starts_with("/coins/") => coingecko(path, asked, now, listed),
        _ if path.starts_with("/index/fearandgreed/graphdata/") => Some(cnn(asked, now)),
        _ => None,
    };
    said.unwrap_or_else(wrong)
}

/// Length of an interval as Binance and Yahoo name it.
fn length(name: &str) -> Option<i64> {
    Some(match name {
        "1m" => 60,
        "5m" => 300,
        "15m" => 900,
        "1h" => 3600,
        "1d" => DAY,
        "1w" => 7 * DAY,
        _ => return None,
    })
}

fn binance(asked: &str, now: i64, listed: i64) -> Option<Said> {
    if ask(asked, "symbol")? != "BTCUSDT" {
        let value = json!({"code": -1121, "msg": "Invalid symbol."});
        return Some(Said {
            status: "400 Bad Request",
            ..Said::json(&value)
        });
    }
    let length = length(&ask(asked, "interval")?)?;
    // in whole milliseconds: the first opening that is not before it
    let from = number(asked, "startTime")?.div_euclid(1000);
    let to = number(asked, "endTime")?.div_euclid(1000);
    let limit = usize::try_from(number(asked, "limit")?).ok()?.min(1000);
    let rows = openings(from, to, length, listed, now).take(limit);
    let rows = rows.map(|open| {
        let [o, h, l, c, v] = candle(open, length).map(|x| format!("{x:.8}"));
        let close = (open + length) * 1000 - 1;
        json!([
            open * 1000,
            o,
            h,
            l,
            c,
            v,
            close,
            "1.0",
            7,
            "0.5",
            "0.5",
            "0"
        ])
    });
    Some(Said::json(&Value::Array(rows.collect())))
}

fn coinbase(path: &str, asked: &str, now: i64, listed: i64) -> Option<Said> {
    if !path.starts_with("/products/BTC-USD/") {
        let value = json!({"message": "NotFound"});
        return Some(Said {
            status: "404 Not Found",
            ..Said::json(&value)
        });
    }
    let length = number(asked, "granularity")?;
    let (start, end) = (seconds(&ask(asked, "start")?), seconds(&ask(asked, "end")?));
    if (end - start) / length + 1 > 300 {
        let told = "granularity too small for the requested time range. Count of aggregations requested exceeds 300";
        return Some(Said {
            status: "400 Bad Request",
            ..Said::json(&json!({ "message": told }))
        });
    }
    // one candle before the start, as it happens
    let rows = openings(start - length, end, length, listed, now);
    let mut rows: Vec<Value> = rows
        .map(|open| {
            let [o, h, l, c, v] = candle(open, length);
            json!([open, l, h, o, c, v])
        })
        .collect();
    rows.reverse();
    Some(Said::json(&Value::Array(rows)))
}

fn kraken(asked: &str, now: i64, listed: i64) -> Option<Said> {
    let pair = ask(asked, "pair")?;
    if pair != "XBTUSD" {
        return Some(Said::json(&json!({"error": ["EQuery:Unknown asset pair"]})));
    }
    let length = number(asked, "interval")? * 60;
    let since = number(asked, "since")?;
    let rows: Vec<i64> = openings(since + 1, now, length, listed, now).collect();
    let rows = &rows[rows.len().saturating_sub(720)..];
    let last = rows.last().copied().unwrap_or(0);
    let rows = rows.iter().map(|&open| {
        let [o, h, l, c, v] = candle(open, length);
        let [o, h, l, c] = [o, h, l, c].map(|x| format!("{x:.1}"));
        json!([open, o, h, l, c, c, format!("{v:.8}"), 12])
    });
    let rows: Vec<Value> = rows.collect();
    Some(Said::json(
        &json!({"error": [], "result": {"XXBTZUSD": rows, "last": last}}),
    ))
}

/// Nasdaq in New York from 14:30 UTC on working days, whose days divisible by 50 have nulls; pounds in London from its midnight, which is
/// 23:00 UTC of the day before from April to October; Bitcoin around the clock. Offsets are those of winter.
fn yahoo(path: &str, asked: &str, now: i64, listed: i64) -> Option<Said> {
    let symbol = path.strip_prefix("/v8/finance/chart/")?;
    let told = "No data found, symbol may be delisted";
    if !["%5EIXIC", "BTC-USD", "GBPUSD%3DX"].contains(&symbol) {
        let error = json!({"code": "Not Found", "description": told});
        let value = json!({"chart": {"result": null, "error": error}});
        return Some(Said {
            status: "404 Not Found",
            ..Said::json(&value)
        });
    }
    if !asked.contains("Mozilla/5.0") {
        return Some(Said::text(
            "429 Too Many Requests",
            "text/html",
            "Too Many Requests\r\n",
        ));
    }
    let length = length(&ask(asked, "interval")?)?;
    let (from, to) = (number(asked, "period1")?, number(asked, "period2")?);
    let is_share = symbol == "%5EIXIC";
    let shift = |day: i64| match symbol {
        "%5EIXIC" => 52_200,
        "GBPUSD%3DX" if (4..=10).contains(&month(day)) => -3600,
        _ => 0,
    };
    let days = openings(from - DAY, to + DAY, length, listed, now + DAY);
    let days = days.filter(|day| !is_share || !matches!(day / DAY % 7, 2 | 3));
    let mut rows: Vec<(i64, i64)> = days
        .map(|day| (day, day + shift(day)))
        .filter(|(_, time)| (from..to).contains(time) && *time <= now)
        .collect();
    // the candle of now stands at its last trade
    if let Some(last) = rows.last_mut().filter(|last| now - last.1 < length) {
        last.1 = now;
    }
    let value = |i: usize| {
        let values = rows.iter().map(|&(open, _)| match open / DAY % 50 {
            0 if is_share => Value::Null,
            _ => json!(candle(open, length)[i]),
        });
        values.collect::<Vec<_>>()
    };
    let quote = json!({
        "open": value(0), "high": value(1), "low": value(2), "close": value(3), "volume": value(4),
    });
    let times: Vec<i64> = rows.iter().map(|row| row.1).collect();
    let meta = json!({"gmtoffset": if is_share { -18_000 } else { 0 }, "symbol": symbol});
    let result = json!({"meta": meta, "timestamp": times, "indicators": {"quote": [quote]}});
    Some(Said::json(
        &json!({"chart": {"result": [result], "error": null}}),
    ))
}

fn month(seconds: i64) -> i64 {
    iso(seconds.div_euclid(DAY) * DAY)[5..7].parse().unwrap()
}

fn coingecko(path: &str, asked: &str, now: i64, listed: i64) -> Option<Said> {
    if path != "/coins/bitcoin/market_chart/range" {
        let value = json!({"error": "coin not found"});
        return Some(Said {
            status: "404 Not Found",
            ..Said::json(&value)
        });
    }
    let (from, to) = (number(asked, "from")?, number(asked, "to")?);
    if from < now - 365 * DAY {
        let told = "Your request exceeds the allowed time range.";
        let value = json!({"error": {"status": {"error_code": 10012, "error_message": told}}});
        return Some(Said {
            status: "401 Unauthorized",
            ..Said::json(&value)
        });
    }
    let length = match to - from {
        span if span <= DAY => 300,
        span if span <= 90 * DAY => 3600,
        _ => DAY,
    };
    // hours come some seconds late
    let late = if length == 3600 { 41_331 } else { 0 };
    let points = openings(from, to, length, listed, now);
    let mut points: Vec<(i64, f64)> = points
        .map(|time| (time * 1000 + late, price(time)))
        .collect();
    if to >= now {
        points.push((now * 1000, price(now)));
    }
    let list = |value: &dyn Fn(&(i64, f64)) -> f64| {
        let pairs = points.iter().map(|point| json!([point.0, value(point)]));
        pairs.collect::<Vec<_>>()
    };
    let prices = list(&|point| point.1);
    let volumes = list(&|point| point.1 * 2.0);
    Some(Said::json(
        &json!({"prices": prices, "market_caps": [], "total_volumes": volumes}),
    ))
}

fn fear_greed(now: i64) -> Said {
    let days = openings(seconds("2018-02-01"), now, DAY, 0, now);
    // 2018-04-14 to 16 are missing
    let days = days.filter(|day| !(17_635..17_638).contains(&(day / DAY)));
    let mut rows: Vec<Value> = days
        .map(|day| {
            // five in the morning, as in the documentation
            json!({
                "value": format!("{}", index(day)),
                "value_classification": "Fear",
                "timestamp": format!("{}", day + 18_000),
            })
        })
        .collect();
    rows.reverse();
    Said::json(&json!({"name": "Fear and Greed Index", "data": rows, "metadata": {"error": null}}))
}

fn cnn(asked: &str, now: i64) -> Said {
    if !asked.contains("Mozilla/5.0") {
        return Said::text(
            "418 I'm a teapot",
            "text/plain",
            "I'm a teapot. You're a bot.",
        );
    }
    let days = openings(seconds("2020-09-21"), now, DAY, 0, now);
    let rows =
        days.map(|day| json!({"x": day as f64 * 1000.0, "y": index(day) + 0.25, "rating": "fear"}));
    let mut rows: Vec<Value> = rows.collect();
    rows.push(json!({"x": now as f64 * 1000.0, "y": 99.0, "rating": "extreme greed"}));
    Said::json(&json!({"fear_and_greed_historical": {"timestamp": now * 1000, "data": rows}}))
}

/// Dates and values of the yields of 2024, and of prices by the month.
pub fn observations(series: &str) -> Vec<(String, Option<f64>)> {
    match series {
        "DGS10" => (0..40)
            .map(|i| seconds("2024-01-02") + i * DAY)
            .filter(|day| !matches!(day / DAY % 7, 2 | 3))
            .map(|day| {
                // Martin Luther King's day
                let known = iso(day) != "2024-01-15";
                (
                    iso(day),
                    known.then(|| 3.9 + (day / DAY % 10) as f64 / 100.0),
                )
            })
            .collect(),
        _ => (1..=12)
            .map(|month| {
                (
                    format!("2023-{month:02}-01"),
                    Some(300.0 + month as f64 * 0.7),
                )
            })
            .collect(),
    }
}

fn fred_lines(asked: &str) -> Said {
    let series = ask(asked, "id").unwrap_or_default();
    if series != "DGS10" && series != "CPIAUCSL" {
        return Said::text(
            "404 Not Found",
            "text/html",
            "<!DOCTYPE html><html><title>Error - St. Louis Fed</title></html>",
        );
    }
    let mut text = format!("observation_date,{series}\n");
    for (date, value) in observations(&series) {
        // older files had a dot, newer ones nothing
        let value = value.map_or(".".to_owned(), |value| value.to_string());
        text += &format!("{date},{value}\n");
    }
    Said::text("200 OK", "application/csv", &text)
}

fn fred_documents(asked: &str) -> Said {
    let key = ask(asked, "api_key").unwrap_or_default();
    let series = ask(asked, "series_id").unwrap_or_default();
    let refuse = |told: &str| Said {
        status: "400 Bad Request",
        ..Said::json(&json!({"error_code": 400, "error_message": told}))
    };
    if key != "0123456789abcdef" {
        return refuse(&format!(
            "Bad Request. The value for variable api_key, {key}, is not registered."
        ));
    }
    if series != "DGS10" && series != "CPIAUCSL" {
        return refuse("Bad Request. The series does not exist.");
    }
    let rows = observations(&series).into_iter().map(|(date, value)| {
        let value = value.map_or(".".to_owned(), |value| value.to_string());
        json!({"realtime_start": "2024-03-01", "date": date, "value": value})
    });
    let rows: Vec<Value> = rows.collect();
    Said::json(&json!({"count": rows.len(), "offset": 0, "observations": rows}))
}
