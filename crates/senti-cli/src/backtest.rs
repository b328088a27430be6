//! `senti-ai backtest`: walk forward with several models over the same origins and judge them.
//!
//! In come settings; out go the files of the output folder and the report card on stdout. The numbers come from
//! [`senti::backtest::backtest`] and [`senti::card`]. Every fold is kept as soon as it is learned: an interrupted backtest goes on
//! when the same command is given again.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use senti::backtest::{Backtest, FoldForecast, Walk, backtest, walk};
use senti::card::{CardOptions, ReportCard, TradingOptions};
use senti::observe::{Event, Next};
use senti::plan::Plan;
use senti::{Error, ErrorKind, Machine};
use senti_io::folds::Folds;
use senti_io::mlflow::describe;
use senti_io::report::html::Facts;
use senti_io::report::{Judged, write_backtest};
use senti_io::sources::Reading;

use crate::failure::{Outcome, usage};
use crate::interrupt::Stage;
use crate::options::Verb;
use crate::settings::Settings;
use crate::tracking::{Subject, Tracking, Wanted};
use crate::{card, interrupt, machine, places, say, show_config, source, tracking, train};

/// Walks and judges.
pub fn run(settings: &Settings) -> Outcome {
    let plan = train::plan(settings)?;
    let walk = walk_of(settings);
    walk::check(&walk).map_err(usage)?;
    let machine = machine::machine(settings)?;
    let request = source::request(settings)?;
    let output = settings.path("output").unwrap_or_default();
    let no_plot = settings.switch("no_plot");
    places::spare_input(&request, &output, Verb::Backtest, no_plot)?;
    // a folder that cannot be written is told before the walk, not after it
    drop(senti_io::atomic::Stage::create(&output)?);
    let wanted = Wanted::of(settings)?;
    interrupt::listen()?;
    let reading = source::read(&request)?;
    let version = env!("CARGO_PKG_VERSION");
    let simd = machine.simd.name();
    let folds = Folds::of(&output, &plan, &walk, &reading.digest, simd, version)?;
    let done = folds.read();
    if !done.is_empty() {
        say::note(&format!(
            "this very backtest was interrupted before: {} in `{}` are taken up",
            say::count(done.len(), "fold"),
            folds.folder().display()
        ));
    }

    let mut params = tracking::params_of(describe::plan(&plan), settings);
    params.extend(describe::walk(&walk));
    let subject = Subject {
        command: "backtest",
        what: "backtest",
        horizon: plan.forecast_horizon,
        key: folds.folder().display().to_string(),
        params,
        reading: &reading,
        read_with: source::record(settings, &request, &reading),
        config: show_config::json(settings),
        simd,
        context: "evaluation",
        resumes: !done.is_empty(),
        history: &[],
    };
    let mut tracking = Tracking::begin(wanted, &subject);
    let desk = Desk {
        settings,
        plan: &plan,
        walk: &walk,
        reading: &reading,
        folds: &folds,
        machine,
        output: &output,
    };
    let worked = work(&desk, done, &mut tracking);
    // its folds are kept, so it can be gone on with
    tracking.close(&worked, true);
    worked
}

/// What is walked with over what, and where things go.
struct Desk<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    walk: &'a Walk,
    reading: &'a Reading,
    folds: &'a Folds,
    machine: Machine,
    output: &'a Path,
}

/// Everything from the first fold to the result on stdout.
fn work(desk: &Desk<'_>, done: Vec<FoldForecast>, tracking: &mut Tracking) -> Outcome {
    let Desk {
        settings,
        plan,
        walk,
        reading,
        folds,
        machine,
        output,
    } = *desk;
    let (version, simd) = (env!("CARGO_PKG_VERSION"), machine.simd.name());
    let no_plot = settings.switch("no_plot");
    let step = reading.table.calendar().step();
    interrupt::stage(Stage::Working);
    let mut progress = Progress::new(done.len());
    let mut kept = done.len();
    let mut trouble: Option<Error> = None;
    let walked = backtest(&reading.table, plan, walk, machine, done, &mut |event| {
        progress.see(&event);
        if let Event::Fold(fold) = event {
            kept += 1;
            if let Err(error) = folds.keep(fold) {
                trouble.get_or_insert(error);
            }
            tracking.fold(fold, step);
        }
        match trouble.is_some() || interrupt::wanted() {
            true => Next::Stop,
            false => Next::Continue,
        }
    });
    progress.clear();
    if let Some(error) = trouble {
        return Err(error.into());
    }
    let walked = match walked {
        Ok(walked) => walked,
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            return Err(Error::new(
                ErrorKind::Interrupted,
                format!(
                    "{} kept in `{}`",
                    match kept {
                        1 => "1 fold is".to_owned(),
                        n => format!("{n} folds are"),
                    },
                    folds.folder().display()
                ),
            )
            .hint("run the same command again to go on")
            .into());
        }
        Err(error) => return Err(error.into()),
    };
    walked
        .notes
        .iter()
        .for_each(|note| say::note(&format!("note: {note}")));
    say::note("judging");
    let options = CardOptions {
        tried: usize::try_from(settings.whole("tried").unwrap_or(1)).unwrap_or(usize::MAX),
        seed: plan.seed,
        trading: settings.switch("trade").then(|| TradingOptions {
            fee: settings.number("fee").unwrap_or(0.0),
            slippage: settings.number("slippage").unwrap_or(0.0),
            short: settings.switch("short"),
        }),
        ..CardOptions::default()
    };
    let judged = ReportCard::of(&walked, &options)?;
    tracking.judged(&walked, &judged);
    interrupt::stage(Stage::Telling);
    let program = [
        ("program".to_owned(), format!("senti-ai {version}")),
        ("instruction set".to_owned(), simd.to_owned()),
    ];
    let facts = [
        Facts::of_data(&reading.origin, &reading.digest, &reading.table),
        Facts::of_settings("Configuration", plan),
        Facts::of_settings("Walk", walk),
        Facts {
            title: "Program".into(),
            rows: program.into(),
        },
    ];
    let files = write_backtest(
        output,
        &Judged {
            backtest: &walked,
            card: &judged,
            facts: &facts,
        },
        no_plot,
    )?;
    folds.remove()?;
    tracking.files(&files);
    say::result(
        settings.json(),
        || serde_json::json!({ "walk": walk, "plan": plan, "folds": walked.folds, "report_card": judged, "files": files }),
        || text(&walked, &judged, &files),
    )
}

fn walk_of(settings: &Settings) -> Walk {
    let whole = |name: &str| settings.whole(name).and_then(|n| usize::try_from(n).ok());
    let defaults = Walk::default();
    let models = match settings.text("models") {
        None => defaults.models,
        Some("all") => walk::names().into_iter().map(str::to_owned).collect(),
        Some(names) => names
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
    };
    Walk {
        models,
        // its text was checked when it was read
        start: (settings.text("start")).and_then(|text| senti::calendar::parse_time(text).ok()),
        origins: whole("origins").unwrap_or(defaults.origins),
        step: whole("step").unwrap_or(defaults.step),
        refit_every: whole("refit_every").unwrap_or(defaults.refit_every),
        train_window: whole("train_window"),
        warm: settings.switch("warm"),
        embargo: whole("embargo").unwrap_or(defaults.embargo),
    }
}

fn text(walked: &Backtest, judged: &ReportCard, files: &[std::path::PathBuf]) -> String {
    let mut text = card::text(judged);
    if !walked.folds.is_empty() {
        text += &format!(
            "\nlearned anew in {}\n",
            say::count(walked.folds.len(), "fold")
        );
    }
    text + &train::written(files)
}

/// Folds done and time left: a bar on a terminal, a line for every tenth anywhere else.
struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    /// Folds that an earlier run has done.
    before: f64,
    told: usize,
    working: Option<&'static str>,
}

impl Progress {
    fn new(before: usize) -> Self {
        let bar = (std::io::stderr().is_terminal() && !say::quiet()).then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let style = ProgressStyle::with_template("walking [{bar:30}] {msg}")
                .expect("the template is a constant");
            ProgressBar::with_draw_target(Some(1000), target)
                .with_style(style.progress_chars("=> "))
        });
        Self {
            bar,
            start: Instant::now(),
            before: before as f64,
            told: 0,
            working: None,
        }
    }

    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Walking { done, of } => {
                let share = done / (*of).max(1) as f64;
                let elapsed = self.start.elapsed();
                let here = done - self.before;
                let left = (here > 0.0).then(|| {
                    let seconds = elapsed.as_secs_f64() / here * (*of as f64 - done);
                    Duration::from_secs_f64(seconds.max(0.0)).as_secs()
                });
                let left = left.map_or(String::new(), |seconds| {
                    format!(", about {}:{:02} left", seconds / 60, seconds % 60)
                });
                let line = format!("{:.0} of {of} folds{left}", done.floor());
                if let Some(bar) = &self.bar {
                    bar.set_position((share * 1000.0) as u64);
                    bar.set_message(line);
                    return;
                }
                let tenth = (share * 10.0) as usize;
                if tenth > self.told {
                    self.told = tenth;
                    say::note(&line);
                }
            }
            Event::Working { what, .. } if self.working.replace(what) != Some(*what) => {
                match &self.bar {
                    Some(bar) => bar.set_message(format!("walking with {what}")),
                    None => say::note(&format!("walking with {what}")),
                }
            }
            _ => {}
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
