//! The report in a real browser: opened from disk, nothing wrong on the console, every chart drawn, pointing works, on a desk and a phone.
//!
//! Needs Chromium (`apt install chromium`, or `SENTI_BROWSER`); where there is none the test says so and passes.
//! `SENTI_SCREENSHOTS=DIR cargo test -p senti-io --test it browser` leaves pictures of what it saw.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use senti_io::report::write_training;
use serde_json::Value;

use crate::chromium::{Browser, find};
use crate::pages::walked;
use crate::trained::{DAY, history, market, train};

const DESK: (u32, u32) = (1200, 900);
const PHONE: (u32, u32) = (390, 844);

/// Every visible chart with the number of its marks, and of those that have a box; every text that stands out of its chart.
const CHARTS: &str = r##"[...document.querySelectorAll("figure")].map((figure) => {
    const svg = [...figure.querySelectorAll("svg[role=img]")].filter((svg) => svg.getBoundingClientRect().width > 0);
    const marks = svg.flatMap((svg) => [...svg.querySelectorAll("path, circle")]);
    const boxed = marks.filter((mark) => {
        const box = mark.getBoundingClientRect();
        return box.width > 0 || box.height > 0;
    });
    const outside = svg.flatMap((svg) => {
        const room = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < room.left - 1 || box.right > room.right + 1;
        }).map((text) => text.textContent);
    });
    return {
        name: figure.querySelector("strong").textContent,
        shown: svg.length,
        hits: svg.flatMap((svg) => [...svg.querySelectorAll(".hit")]).length,
        marks: marks.length,
        boxed: boxed.length,
        outside,
    };
})"##;

/// The middle of the n-th visible chart's middle place to point at, after scrolling there.
const PLACE: &str = r##"((n) => {
    const svg = [...document.querySelectorAll("svg[role=img]")].filter((svg) => svg.getBoundingClientRect().width > 0)[n];
    svg.scrollIntoView({block: "center"});
    const hits = svg.querySelectorAll(".hit");
    const box = hits[Math.floor(hits.length / 2)].getBoundingClientRect();
    return {x: box.left + box.width / 2, y: box.top + box.height / 2};
})"##;

const TIP: &str = r##"(() => {
    const tip = document.getElementById("tip");
    const box = tip.getBoundingClientRect();
    return {
        text: tip.hidden ? "" : tip.innerText,
        inside: box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight,
        dots: document.querySelectorAll(".cursor circle").length,
    };
})()"##;

fn screenshots() -> Option<PathBuf> {
    let dir = PathBuf::from(std::env::var_os("SENTI_SCREENSHOTS")?);
    fs::create_dir_all(&dir).unwrap();
    Some(dir)
}

/// Looks at a page in every way; `charts` are wanted.
fn check(browser: &mut Browser, page: &Path, name: &str, charts: usize) {
    let keep = |what: &str, bytes: &[u8]| {
        if let Some(dir) = screenshots() {
            fs::write(dir.join(format!("{name}-{what}")), bytes).unwrap();
        }
    };
    for (screen, size) in [("desk", DESK), ("phone", PHONE)] {
        for dark in [false, true] {
            browser.open(page, size, dark);
            assert_eq!(browser.complaints, Vec::<String>::new(), "{name} {screen}");
            let wide = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
            assert_eq!(wide, 0, "{name} {screen}: wider than the screen");
            let found = browser.evaluate(CHARTS);
            let found = found.as_array().unwrap();
            assert_eq!(found.len(), charts, "{name} {screen}: {found:?}");
            for chart in found {
                assert_eq!(chart["shown"], 1, "{screen}: {chart}");
                assert!(chart["marks"].as_u64() > Some(3), "{screen}: {chart}");
                assert_eq!(chart["marks"], chart["boxed"], "{screen}: {chart}");
                assert!(chart["hits"].as_u64() > Some(0), "{screen}: {chart}");
                assert_eq!(
                    chart["outside"],
                    Value::Array(Vec::new()),
                    "{screen}: {chart}"
                );
            }
            let kind = if dark { "dark" } else { "light" };
            keep(&format!("{screen}-{kind}.png"), &browser.picture(true));
            let ink = browser.evaluate("getComputedStyle(document.body).color");
            let wanted = if dark {
                "rgb(230, 233, 237)"
            } else {
                "rgb(31, 41, 51)"
            };
            assert_eq!(ink, wanted);
        }
        for chart in 0..charts {
            point_at(browser, chart, &format!("{name} {screen}"));
        }
        keep(&format!("{screen}-tip.png"), &browser.picture(false));
        assert_eq!(browser.complaints, Vec::<String>::new(), "{name} {screen}");
    }
    browser.open(page, DESK, true);
    let pdf = browser.print();
    assert!(pdf.starts_with(b"%PDF-"), "{name}");
    keep("print.pdf", &pdf);
}

/// The tip tells a place, values and a unit, where the pointer is; it goes when the pointer goes.
#[track_caller]
fn point_at(browser: &mut Browser, chart: usize, name: &str) {
    let place = browser.evaluate(&format!("{PLACE}({chart})"));
    browser.point(1.0, 1.0);
    assert_eq!(browser.evaluate(TIP)["text"], "", "{name}, chart {chart}");
    browser.point(place["x"].as_f64().unwrap(), place["y"].as_f64().unwrap());
    let tip = browser.evaluate(TIP);
    let lines = tip["text"].as_str().unwrap().lines().count();
    assert!(lines >= 2, "{name}, chart {chart}: {tip}");
    assert_eq!(tip["inside"], true, "{name}, chart {chart}: {tip}");
    assert!(
        tip["dots"].as_u64() > Some(0),
        "{name}, chart {chart}: {tip}"
    );
}

#[test]
fn the_report_in_a_browser() {
    let Some(program) = find() else {
        // Past the capture of the test harness: whoever runs the tests should know.
        let _ = writeln!(
            std::io::stderr(),
            "skipped the report in a browser: no Chromium here (`apt install chromium`, or name one with SENTI_BROWSER)"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(&program, &dir.path().join("profile"));

    let out = dir.path().join("train");
    let mut run = train(market(900, DAY, 30_000.0, 0.01), 30, &out);
    let manifest = &mut run.outcome.artifact.manifest;
    (manifest.history, manifest.best_epoch) = history(40);
    manifest.untrained_loss = Some(0.027);
    write_training(&out, &run.outcome, &run.table, run.recorder, None, true).unwrap();
    // Fan; CRPS, MAE, prices, over time; coverage and the 90 % interval; history.
    check(&mut browser, &out.join("report.html"), "train", 8);

    let page = dir.path().join("backtest.html");
    fs::write(
        &page,
        walked(&["naive", "har_730", "lstm", "basic", "trees"]).page(),
    )
    .unwrap();
    // Fan; four by step; two of coverage, three reliabilities, three histograms; two importances; money.
    check(&mut browser, &page, "backtest", 16);

    // A model whose name wants to be a script stays a name, where the pointer is, too.
    let hostile = "<img src=x onerror=\"document.title='taken'\">";
    let other = dir.path().join("hostile.html");
    fs::write(&other, walked(&["naive", "har_730", hostile]).page()).unwrap();
    browser.open(&other, DESK, false);
    point_at(&mut browser, 1, "hostile");
    let told = browser.evaluate(TIP)["text"].as_str().unwrap().to_owned();
    assert!(told.contains(&format!("{hostile}: ")), "{told}");
    assert_eq!(browser.evaluate("document.images.length"), 0);
    let title = browser.evaluate("document.title");
    assert_eq!(title, format!("close: backtest of {hostile}"));
    assert_eq!(browser.complaints, Vec::<String>::new());

    // The fan by its numbers: the candle in the middle of the chart, with every line and the unit.
    browser.open(&page, DESK, false);
    let place = browser.evaluate(&format!("{PLACE}(0)"));
    browser.point(place["x"].as_f64().unwrap(), place["y"].as_f64().unwrap());
    let tip = browser.evaluate(TIP);
    let text = tip["text"].as_str().unwrap();
    assert!(
        text.contains("close so far: ") && text.contains("in the unit of the data"),
        "{text}"
    );

    // Without a mouse: the last place by key, then one to the left; Escape hides it.
    browser.evaluate("document.querySelector('svg[role=img]').focus()");
    browser.press("End");
    let last = browser.evaluate(TIP)["text"].as_str().unwrap().to_owned();
    assert!(
        last.contains("30 days ahead") && last.contains("90 % band: "),
        "{last}"
    );
    browser.press("ArrowLeft");
    let before = browser.evaluate(TIP)["text"].as_str().unwrap().to_owned();
    assert!(before.contains("29 days ahead"), "{before}");
    browser.press("Escape");
    assert_eq!(browser.evaluate(TIP)["text"], "");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
