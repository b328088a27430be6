//! `report.html` as a file: what stands in it, in which order, and that nothing in it can harm, fetch, or be no number.

use std::fs;
use std::path::Path;

use senti::artifact::ColumnRecord;
use senti::backtest::Walk;
use senti::card::{CardOptions, ReportCard, TradingOptions};
use senti::observe::{Chunk, Event};
use senti::plan::Draft;
use senti::table::Role;
use senti_io::report::html::{
    Facts, Importance, ImportanceRow, Page, Tested, of_backtest, of_training, render,
};
use senti_io::report::{Judged, Recorder, Results, Training, write_backtest, write_training};

use crate::pages::{Walked, walked};
use crate::trained::{DAY, Run, history, market, train};

/// What someone may call a column, a model or a folder.
const NASTY: &str = "</script></title><img src=x onerror=\"alert('1')\"> & \u{7}end";
/// The same as it may stand in a page.
const HARMLESS: &str =
    "&lt;/script&gt;&lt;/title&gt;&lt;img src=x onerror=&quot;alert('1')&quot;&gt; &amp;  end";

/// Tags of a page. Anything else came from a user.
const TAGS: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "link",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "nav",
    "section",
    "h1",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "a",
    "div",
    "span",
    "strong",
    "figure",
    "figcaption",
    "details",
    "summary",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "svg",
    "g",
    "path",
    "circle",
    "rect",
    "text",
    "script",
];
const VOID: &[&str] = &["meta", "link"];

fn page_of(run: &Run) -> String {
    let training = Training {
        artifact: &run.outcome.artifact,
        recorder: &run.recorder,
        entry: None,
    };
    let results = Results {
        forecast: &run.outcome.forecast,
        table: &run.table,
        evaluation: None,
        training: Some(training),
    };
    render(&of_training(&results).unwrap())
}

/// Every tag is ours and is closed where it should be; returns the names of all of them.
#[track_caller]
fn check_tags(page: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with("!DOCTYPE") {
            continue;
        }
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[..end];
        let closing = tag.starts_with('/');
        let name = tag.trim_start_matches('/');
        let name: String = name
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        assert!(TAGS.contains(&name.as_str()), "<{tag}>");
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        // Whoever cannot see a chart or a table hears what it is.
        let named = tag.contains("aria-label=\"") && !tag.contains("aria-label=\"\"");
        let chart = tag.starts_with("svg") && !tag.contains("aria-hidden");
        let plain_table = tag.starts_with("table ");
        assert!(named || !(chart || plain_table), "<{tag}>");
        if tag == "table" {
            assert!(
                rest[end..].starts_with("><caption><span>"),
                "{}",
                &rest[..end + 40]
            );
        }
        rest = &rest[end + 1..];
        if closing {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "<{tag}>");
        } else if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            // What stands in a script or a style is no tag.
            if name == "script" || name == "style" {
                let end = rest.find(&format!("</{name}>")).expect("it is closed");
                rest = &rest[end..];
            }
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

/// Nothing is fetched, nothing is a number that is none.
#[track_caller]
fn check_words(page: &str) {
    let script = page.find("<script>").unwrap();
    let (body, script) = page.split_at(script);
    let style = body.find("</style>").unwrap();
    let body = &body[style..];
    for word in [
        "NaN",
        "inf<",
        "inf ",
        "Infinity",
        "None",
        "null",
        "undefined",
        "src=",
        "url(",
        "http:",
        "https:",
        "style=",
    ] {
        assert!(!body.contains(word), "{word}: {}", around(body, word));
    }
    for word in [
        "fetch(",
        "XMLHttpRequest",
        "import ",
        "eval(",
        "innerHTML",
        "https:",
    ] {
        assert!(!script.contains(word), "{word}");
    }
    for href in body.split("href=\"").skip(1) {
        assert!(href.starts_with('#'), "{}", &href[..40]);
    }
}

fn around<'t>(text: &'t str, word: &str) -> &'t str {
    let at = text.find(word).unwrap();
    let from = (0..=at.saturating_sub(80))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    let to = (at + 80..text.len())
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(text.len());
    &text[from..to]
}

fn headings(page: &str) -> Vec<&str> {
    page.split("<h2 id=\"")
        .skip(1)
        .map(|rest| &rest[..rest.find('"').unwrap()])
        .collect()
}

#[test]
fn a_training_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = train(market(600, DAY, 30_000.0, 0.01), 7, dir.path());
    let page = page_of(&run);
    check_tags(&page);
    check_words(&page);
    // `basic` has no epochs, and nobody measured importance: no trace of either.
    assert_eq!(
        headings(&page),
        [
            "verdict",
            "forecast",
            "card",
            "steps",
            "calibration",
            "data",
            "tried"
        ]
    );

    let manifest = &mut run.outcome.artifact.manifest;
    (manifest.history, manifest.best_epoch) = history(20);
    let with = page_of(&run);
    check_tags(&with);
    assert_eq!(headings(&with)[5..], ["training", "data", "tried"]);
    let manifest = &run.outcome.artifact.manifest;
    for told in [
        &manifest.data.digest,
        "close: forecast for the next 7 days after",
        "Loss over 20 epochs",
        "kept: epoch 12",
        "<th scope=\"row\">input_seq_length</th><td>10</td>",
        "<th scope=\"row\">units</th><td>32</td>",
        "One configuration, trained once.",
    ] {
        assert!(with.contains(told), "{told}");
    }
    // The scores are those of the manifest.
    let mape = manifest.evaluation.model.overall["mape"].unwrap();
    assert!(with.contains(&format!("{mape:.2} %")));
}

#[test]
fn the_file_is_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let run = train(market(400, DAY, 30_000.0, 0.01), 3, dir.path());
    let wanted = page_of(&run);
    write_training(
        dir.path(),
        &run.outcome,
        &run.table,
        run.recorder,
        None,
        true,
    )
    .unwrap();
    let found = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(found == wanted);
}

/// Neither clock nor chance: the same run gives the same bytes, however long it took.
#[test]
fn the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let page = |name: &str, seconds: f64| {
        let mut run = train(market(400, DAY, 30_000.0, 0.01), 3, &dir.path().join(name));
        let manifest = &mut run.outcome.artifact.manifest;
        (manifest.history, manifest.best_epoch) = history(9);
        let state = || crate::checkpoint::state(1);
        let event = Event::Epoch {
            record: manifest.history[0],
            best: true,
            epochs: 9,
            last: false,
            state: &state,
        };
        run.recorder.see(&event, seconds).unwrap();
        page_of(&run)
    };
    assert!(page("one", 1.0) == page("other", 77.0));
    let names = ["naive", "har_730", "lstm"];
    assert!(walked(&names).page() == walked(&names).page());
}

/// Whatever someone calls a column, a model, a feature or a folder, it is text.
#[test]
fn users_texts_are_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = train(market(400, DAY, 30_000.0, 0.01), 3, dir.path());
    run.outcome.forecast.target = NASTY.into();
    let manifest = &mut run.outcome.artifact.manifest;
    manifest.target_column = NASTY.into();
    manifest.data.source = format!("/home/{NASTY}/prices.csv");
    manifest.data.read_with = [(NASTY.to_owned(), NASTY.to_owned())].into();
    manifest.data.columns.push(ColumnRecord {
        name: NASTY.into(),
        role: Role::Series,
    });
    (manifest.history, manifest.best_epoch) = history(5);
    let page = page_of(&run);
    check_nasty(&page, 12);

    let mut walked = walked(&["naive", "har_730", NASTY, "basic"]);
    walked.card.target = NASTY.into();
    walked.backtest.truth.target = NASTY.into();
    walked.card.tried.sentence = NASTY.into();
    walked.card.warnings = vec![NASTY.into()];
    for model in &mut walked.card.models {
        model.verdict.title = NASTY.into();
        model.verdict.sentence = NASTY.into();
        model.copycat.sentence = NASTY.into();
        if let Some(trading) = &mut model.trading {
            trading.sentence = NASTY.into();
        }
    }
    let importance = [Importance {
        title: NASTY.into(),
        unit: NASTY.into(),
        rows: vec![ImportanceRow {
            name: NASTY.into(),
            value: 1.0,
            interval: None,
        }],
    }];
    let page = render(&of_backtest(&Tested {
        importance: &importance,
        ..tested(&walked)
    }));
    check_nasty(&page, 40);
}

fn tested(walked: &Walked) -> Tested<'_> {
    Tested {
        backtest: &walked.backtest,
        card: &walked.card,
        importance: &[],
        facts: &[],
    }
}

#[track_caller]
fn check_nasty(page: &str, least: usize) {
    check_tags(page);
    assert!(!page.contains("<img") && !page.contains("onerror=\""));
    let found = page.matches(HARMLESS).count();
    assert!(found >= least, "{found} times");
}

/// A backtest has every section, in the order of the issue.
#[test]
fn a_backtest_in_order() {
    let page = walked(&["naive", "har_730", "lstm", "basic", "trees"]).page();
    check_tags(&page);
    check_words(&page);
    assert_eq!(
        headings(&page),
        [
            "verdict",
            "forecast",
            "card",
            "steps",
            "calibration",
            "importance",
            "trading",
            "training",
            "data",
            "tried"
        ]
    );
    // The page is about the first model under test; the references come after the others.
    let words: Vec<_> = page
        .split("</span>")
        .filter_map(|part| {
            part.split("<span aria-hidden=\"true\">")
                .nth(1)
                .map(|_| part)
        })
        .collect();
    assert_eq!(words.len(), 4);
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("lstm: beats naive up to 7 days ahead") < place("basic: no better"));
    assert!(place("trees: no better; too good to be true") < place("har_730: inconclusive"));
    assert!(page.contains("Its one-step forecast is the last price, shifted."));
    // Significance and the best of a column, in the overview: lstm at 1, 3 and 7 days, in it and at the horizon.
    assert_eq!(page.matches("<span class=\"sure better\">").count(), 6);
    assert_eq!(page.matches("<span class=\"sure worse\">").count(), 2);
    assert!(page.contains("PIT of lstm, 1 day ahead") && !page.contains("PIT of basic"));
}

/// The card as it is really made, and the file that a backtest leaves: verdicts, scores and settings of the very run.
#[test]
fn a_real_card() {
    let backtest = walked(&["naive", "har_730", "lstm"]).backtest;
    let options = CardOptions {
        trading: Some(TradingOptions {
            fee: 0.001,
            slippage: 0.0005,
            short: false,
        }),
        tried: 12,
        ..CardOptions::default()
    };
    let card = ReportCard::of(&backtest, &options).unwrap();
    let table = market(900, DAY, 30_000.0, 0.01);
    let plan = Draft::default().check().unwrap();
    let facts = [
        Facts::of_data("prices & volumes.csv", &"cd".repeat(32), &table),
        Facts::of_settings("Configuration", &plan),
        Facts::of_settings("Walk", &Walk::default()),
    ];
    let dir = tempfile::tempdir().unwrap();
    let judged = Judged {
        backtest: &backtest,
        card: &card,
        facts: &facts,
    };
    write_backtest(dir.path(), &judged, false).unwrap();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    check_tags(&page);
    check_words(&page);
    let lstm = &card.models[2];
    for sentence in [
        &lstm.verdict.sentence,
        &lstm.verdict.point,
        &card.tried.sentence,
    ] {
        let (first, rest) = sentence.split_at(1);
        let told = format!("{}{rest}", first.to_uppercase());
        assert!(page.contains(&told), "{told}");
    }
    let crps = lstm.horizons[0].distribution.as_ref().unwrap().crps_price;
    assert!(page.contains(&format!("{crps:.2}")));
    for told in [
        "<td>prices &amp; volumes.csv</td>",
        "<td>2023-01-01</td>",
        "<th scope=\"row\">units</th><td>32</td>",
        "<th scope=\"row\">models</th><td>lstm, basic</td>",
        "<th scope=\"row\">refit_every</th><td>91</td>",
        &"cd".repeat(32),
    ] {
        assert!(page.contains(told), "{told}");
    }
    // What is not set is not told.
    assert!(!page.contains("train_window<"));
}

/// What does not exist is a dash or is not there; a hole breaks a line and nothing else.
#[test]
fn what_is_no_number_is_never_printed() {
    let mut walked = walked(&["naive", "har_730", "lstm", "basic"]);
    let nan = f64::NAN;
    let truth = &mut walked.backtest.truth;
    let n = truth.actual.len();
    truth.actual[n - 5] = nan;
    let last = walked.backtest.tracks[2].predictions.point.len() - 3;
    walked.backtest.tracks[2].predictions.point[last] = nan;
    walked.card.mean_move = nan;
    walked.card.horizons[1].n_independent = nan;
    let model = &mut walked.card.models[2];
    for step in &mut model.steps[..12] {
        (step.mae_price, step.mae_log) = (nan, f64::INFINITY);
        (step.skill, step.relative_mae, step.coverage_80) = (Some(nan), None, Some(nan));
    }
    for horizon in &mut model.horizons {
        let point = &mut horizon.point;
        (point.mae_price, point.rmse_price, point.mape) = (nan, f64::INFINITY, f64::NEG_INFINITY);
        (point.mase, point.relative_mae, point.r2_out_of_sample) =
            (Some(nan), Some(nan), Some(nan));
        point.against_last_close.p = Some(nan);
        let scores = horizon.distribution.as_mut().unwrap();
        (scores.crps_log, scores.crps_price) = (nan, nan);
        scores.levels[3].share_below = nan;
        scores.pit.shares[4] = nan;
        (scores.pit.edges[7], scores.pit.p) = (scores.pit.edges[6], Some(nan));
        for interval in &mut scores.intervals {
            (interval.coverage, interval.coverage_low) = (nan, nan);
            (
                interval.width_price,
                interval.winkler_price,
                interval.kupiec_p,
            ) = (nan, nan, Some(nan));
        }
        let direction = horizon.direction.as_mut().unwrap();
        (
            direction.accuracy,
            direction.low,
            direction.high,
            direction.up,
        ) = (nan, nan, nan, nan);
        let skill = horizon.against_naive.as_mut().unwrap();
        (skill.skill, skill.diebold_mariano.p_holm) = (Some(nan), Some(nan));
    }
    let trading = model.trading.as_mut().unwrap();
    (trading.equity[9], trading.cost, trading.model.money) = (nan, nan, nan);
    trading.model.sharpe = Some(nan);
    walked.card.confidence_sets[0].members[2].p = nan;
    let importance = [Importance {
        title: "permutation importance".into(),
        unit: "percent".into(),
        rows: [nan, 1.0, -0.5, f64::INFINITY]
            .map(|value| ImportanceRow {
                name: "volume".into(),
                value,
                interval: Some((nan, 2.0)),
            })
            .into(),
    }];
    let page = render(&of_backtest(&Tested {
        importance: &importance,
        ..tested(&walked)
    }));
    check_tags(&page);
    check_words(&page);

    // Nothing at all: no section, and no empty frame.
    walked.card.models.clear();
    walked.backtest.tracks.clear();
    walked.backtest.folds.clear();
    let page = render(&of_backtest(&tested(&walked)));
    check_tags(&page);
    check_words(&page);
    assert_eq!(headings(&page), ["verdict", "data", "tried"]);
    check_tags(&render(&Page::default()));
}

/// A long horizon, many models, a long history: the page stays below 2 MB.
#[test]
fn the_page_stays_small() {
    let names = [
        "naive", "har_730", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l",
    ];
    let page = walked(&names).page();
    check_tags(&page);
    assert!(page.len() < 1_500_000, "{}", page.len());

    let dir = tempfile::tempdir().unwrap();
    let mut run = train(market(3000, DAY, 30_000.0, 0.01), 200, dir.path());
    let manifest = &mut run.outcome.artifact.manifest;
    (manifest.history, manifest.best_epoch) = history(5_000);
    let page = page_of(&run);
    check_tags(&page);
    assert!(page.len() < 2_000_000, "{}", page.len());
}

/// One step, candles of a minute, a constant price: little is left to draw, and nothing breaks.
#[test]
fn short_and_constant_series() {
    let dir = tempfile::tempdir().unwrap();
    // The price stands still from before the test part on: the naive forecast makes no error.
    let mut still = market(400, DAY, 30_000.0, 0.01).close().to_vec();
    let level = still[250];
    still[250..].fill(level);
    for (name, table, horizon) in [
        ("minutes", market(400, 60_000, 1e-4, 0.001), 2),
        ("one step", market(400, DAY, 30_000.0, 0.01), 1),
        ("still", crate::trained::table(still, DAY), 3),
    ] {
        let run = train(table, horizon, &dir.path().join(name));
        let page = page_of(&run);
        check_tags(&page);
        check_words(&page);
        assert!(
            headings(&page).starts_with(&["verdict", "forecast", "card"]),
            "{name}"
        );
    }
    let run = train(
        market(400, 60_000, 30_000.0, 0.001),
        2,
        &dir.path().join("more"),
    );
    let page = page_of(&run);
    assert!(
        page.contains(", 2 minutes ahead\n"),
        "hovering tells minutes"
    );
}

/// A recorder that saw nothing of the test part: no picture over time.
#[test]
fn without_test_windows() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = train(market(400, DAY, 30_000.0, 0.01), 3, dir.path());
    assert!(page_of(&run).contains("<strong>Over time</strong>"));
    run.recorder = Recorder::new(&dir.path().join("other")).unwrap();
    assert!(!page_of(&run).contains("<strong>Over time</strong>"));
    let predictions = senti::forecast::Predictions::new(0, 3, 1);
    let nothing = Chunk {
        origins: &[],
        times: &[],
        last_close: &[],
        actual: &[],
        predictions: &predictions,
        levels: &[0.5],
        step: DAY,
    };
    run.recorder.see(&Event::Tested(nothing), 0.0).unwrap();
    assert!(!page_of(&run).contains("<strong>Over time</strong>"));
    assert!(!Path::new("report.html").exists());
}
