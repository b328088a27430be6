//! `cargo xtask bench walk`: refits a minute of the backtest against PyTorch doing the same folds, and how long a hundred refits take.
//!
//! In comes nothing: the ten years of daily candles are made up, from a seed. Ours is `senti::backtest::backtest`, the whole of it: features,
//! preparation, volatility, training, calibration, forecasts. PyTorch gets features and labels ready made, so that what it does is training,
//! validation and forecasts. That it does the same is checked, not believed: number of weights, windows, and in each fold the validation
//! loss of the untrained network, which is the loss of the same labels at the same distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use senti::backtest::{FoldRecord, Layout, Walk, backtest};
use senti::observe::{Event, Next};
use senti::plan::{Draft, LEVELS, Plan};
use senti::prepare::Preparation;
use senti::split::Held;
use senti::table::{Rows, TableOptions};
use senti::trained::Ground;
use senti::volatility::Volatility;
use senti::windows::Origins;
use senti::{Column, Error, Machine, Role, Table};
use senti_engine::Simd;
use senti_engine::random::{Purpose, Stream};
use serde_json::{Value, json};

use crate::peers::Peer;
use crate::report::Timings;

const DAY: i64 = 86_400_000;
/// Ten years of days, 2016 to 2025.
const ROWS: usize = 3_653;
/// Networks: the default, and the original's.
const UNITS: [&[usize]; 2] = [&[32], &[128, 64]];
/// Epochs of every refit in the comparison: none stops early.
const EPOCHS: usize = 5;
/// Two threads for everybody.
const THREADS: usize = 2;
/// As `senti::models::lstm` has them; were they others there, the untrained losses would differ.
const LOCATION_RATE: f64 = 0.03;
const SYMMETRY: f64 = 0.25;

/// Everything, or why not.
pub fn walk(python: Option<&Path>, rounds: usize) -> Result<(), String> {
    let table = table().map_err(said)?;
    println!(
        "\nwalking forward: {ROWS} made-up daily candles, windows of 30, 30 steps ahead, 19 quantiles, pinball loss, Adam, batch 32, two threads"
    );
    for units in UNITS {
        compare(&table, units, python, rounds)?;
    }
    println!(
        "\n100 refits of the product's own settings, early stopping on, a refit every 18 rows"
    );
    for units in UNITS {
        hundred(&table, units)?;
    }
    Ok(())
}

fn said(error: Error) -> String {
    error.to_string()
}

/// A random walk whose volatility moves, as daily candles.
fn table() -> Result<Table, Error> {
    let mut random = Stream::new(2016, Purpose::Ensemble).at(0);
    let (mut price, mut sigma) = (400.0_f64, 0.03_f64);
    let mut columns = [
        ("open", Role::Open),
        ("high", Role::High),
        ("low", Role::Low),
        ("close", Role::Close),
        ("volume", Role::Volume),
    ]
    .map(|(name, role)| Column {
        name: name.to_owned(),
        role,
        values: Vec::with_capacity(ROWS),
    });
    for _ in 0..ROWS {
        sigma = (0.95 * sigma.ln() + 0.05 * 0.03_f64.ln() + 0.15 * random.normal()).exp();
        let open = price;
        price *= (sigma * random.normal()).exp();
        let [above, below] = [(); 2].map(|()| 1.0 + sigma * random.uniform());
        let volume = 1e9 * sigma * (0.3 * random.normal()).exp();
        let candle = [
            open,
            open.max(price) * above,
            open.min(price) / below,
            price,
            volume,
        ];
        for (column, value) in columns.iter_mut().zip(candle) {
            column.values.push(value);
        }
    }
    let rows = Rows {
        time: (0..ROWS as i64)
            .map(|day| 1_451_606_400_000 + day * DAY)
            .collect(),
        line: Vec::new(),
        columns: columns.into(),
    };
    Ok(Table::from_rows(rows, &TableOptions::default())?.0)
}

/// The plan of the comparison: every epoch is trained, whatever the validation loss says.
fn plan(units: &[usize], epochs: Option<usize>) -> Result<Plan, String> {
    let mut draft = Draft {
        units: units.to_vec(),
        ..Draft::default()
    };
    if let Some(epochs) = epochs {
        (draft.epochs, draft.patience) = (epochs, epochs);
    }
    draft.check().map_err(said)
}

fn every(refit_every: usize, folds: usize) -> Walk {
    Walk {
        models: vec!["lstm".to_owned()],
        origins: refit_every * folds,
        refit_every,
        ..Walk::default()
    }
}

/// A backtest of ours that is done.
struct Ours {
    folds: Vec<FoldRecord>,
    /// Until the last refit was done; the yardsticks of the backtest walk behind it.
    refits: f64,
    /// Processor time of that, in seconds.
    cpu: Option<f64>,
    /// Until everything was done.
    seconds: f64,
}

fn ours(table: &Table, plan: &Plan, walk: &Walk) -> Result<Ours, String> {
    let machine = Machine {
        threads: THREADS,
        simd: Simd::detect(),
    };
    let (start, spent) = (Instant::now(), processor_time());
    let (mut refits, mut cpu, mut n) = (0.0, None, 0);
    let mut observe = |event: Event<'_>| {
        if let Event::Fold(_) = event {
            (refits, n) = (start.elapsed().as_secs_f64(), n + 1);
            if n % 20 == 0 {
                eprintln!("{n} refits in {refits:.0} s …");
            }
            cpu = processor_time()
                .zip(spent)
                .map(|(now, before)| now - before);
        }
        Next::Continue
    };
    let done = backtest(table, plan, walk, machine, Vec::new(), &mut observe).map_err(said)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Ours {
        folds: done.folds,
        refits,
        cpu,
        seconds,
    })
}

/// Processor time of this process and its threads, where there is `/proc`, in seconds.
fn processor_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    // user and system time, the 14th and 15th field, in hundredths of a second (USER_HZ)
    let mut ticks = fields.split_whitespace().skip(11);
    let mut next = || ticks.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / 100.0)
}

/// Twenty folds, in turns.
fn compare(
    table: &Table,
    units: &[usize],
    python: Option<&Path>,
    rounds: usize,
) -> Result<(), String> {
    let (plan, walk) = (plan(units, Some(EPOCHS))?, every(91, 20));
    let layout = Layout::new(table, &plan, &walk).map_err(said)?;
    let n = layout.folds.len();
    println!("\nunits {units:?}: {n} refits, 91 rows apart, {EPOCHS} epochs each");
    let work = Work::new(table, &plan, &layout)?;
    let mut peers = match python.map(|python| Torch::start(python, &work, n)) {
        Some(Ok(peers)) => Some(peers),
        Some(Err(reason)) => {
            println!("  PyTorch is missing: {reason}");
            None
        }
        None => None,
    };
    let folds: Vec<usize> = (0..n).collect();
    let mut times = Timings::default();
    for round in 0..rounds {
        eprintln!("round {} of {rounds} …", round + 1);
        let done = ours(table, &plan, &walk)?;
        times.add("refits ours", done.refits / n as f64);
        if let Some(cpu) = done.cpu {
            times.add("processor ours", cpu / n as f64);
        }
        if let Some(peers) = &mut peers {
            let (seconds, answer) = peers.walk(EPOCHS, &folds)?;
            times.add("refits PyTorch", seconds / n as f64);
            times.add("processor PyTorch", answer.cpu / n as f64);
            if round == 0 {
                println!("  {}", same(&done.folds, &answer)?);
            }
        }
    }
    println!("  wall clock");
    times.list("refits", |seconds| {
        format!("{:8.1} refits/min", 60.0 / seconds)
    });
    println!("  processor time");
    times.list("processor", |seconds| format!("{seconds:8.3} s/refit"));
    times.plain_ratio(
        "refits a minute, ours over PyTorch's",
        "refits PyTorch",
        "refits ours",
    );
    times.plain_ratio(
        "processor time of a refit, PyTorch's over ours",
        "processor PyTorch",
        "processor ours",
    );
    Ok(())
}

/// Refuses a peer that did something else.
fn same(ours: &[FoldRecord], theirs: &Answer) -> Result<String, String> {
    let (mut largest, mut learned) = (0.0_f64, [0.0; 2]);
    for (record, fold) in ours.iter().zip(&theirs.folds) {
        let number = record.fold;
        let (untrained, trained) = record
            .untrained_loss
            .zip(record.valid_loss)
            .ok_or_else(|| format!("fold {number} of ours has no losses"))?;
        if (record.sizes.train_windows, record.epochs) != (fold.windows, EPOCHS) {
            return Err(format!(
                "fold {number}: {} epochs of {} windows, PyTorch {EPOCHS} of {}: not the same work",
                record.epochs, record.sizes.train_windows, fold.windows
            ));
        }
        let apart = (fold.untrained / untrained - 1.0).abs();
        largest = largest.max(apart);
        learned[0] += trained / untrained / ours.len() as f64;
        learned[1] += fold.trained / fold.untrained / ours.len() as f64;
    }
    // the same labels at the same quantiles, summed in single precision in another order
    if largest > 1e-4 {
        return Err(format!(
            "PyTorch's untrained validation loss differs by {largest:e} of ours: not the same work"
        ));
    }
    Ok(format!(
        "as many weights, windows and epochs; untrained validation losses agree to {largest:.0e}; best over untrained: ours {:.4}, PyTorch {:.4}",
        learned[0], learned[1]
    ))
}

/// A hundred refits of the product's own settings.
fn hundred(table: &Table, units: &[usize]) -> Result<(), String> {
    let done = ours(table, &plan(units, None)?, &every(18, 100))?;
    let n = done.folds.len() as f64;
    let mean = |of: fn(&FoldRecord) -> usize| done.folds.iter().map(of).sum::<usize>() as f64 / n;
    println!(
        "  units {units:?}: {n} refits of {:.0} training windows and {:.1} epochs, on average, in {:.0} s ({:.1} refits/min{}); the whole backtest in {:.0} s",
        mean(|fold| fold.sizes.train_windows),
        mean(|fold| fold.epochs),
        done.refits,
        n * 60.0 / done.refits,
        done.cpu
            .map(|cpu| format!(", {cpu:.0} s of processor time"))
            .unwrap_or_default(),
        done.seconds,
    );
    Ok(())
}

/// What the peers get: a description, and a file of features and one of labels for each fold. They go away with it.
struct Work {
    folder: PathBuf,
    described: Value,
    parameters: usize,
}

impl Work {
    /// Makes each fold ready as the backtest does: everything learned is learned on the fold's own history.
    fn new(table: &Table, plan: &Plan, layout: &Layout) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("senti-bench-{}-walk", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut work = Self {
            folder,
            described: Value::Null,
            parameters: 0,
        };
        let (mut folds, mut features) = (Vec::new(), 0);
        for number in 0..layout.folds.len() {
            let (fold, columns) = work.fold(table, plan, layout, number)?;
            if number > 0 && columns != features {
                return Err(format!(
                    "fold {number} has {columns} features, not {features}"
                ));
            }
            features = columns;
            folds.push(fold);
        }
        work.parameters = senti_engine::Architecture {
            steps: plan.input_seq_length,
            features,
            cell: senti_engine::Cell::Lstm,
            bidirectional: true,
            units: plan.units.clone(),
            dropout: plan.dropout as f32,
            outputs: plan.forecast_horizon * LEVELS.len(),
        }
        .n_parameters();
        work.described = json!({
            "steps": plan.input_seq_length, "features": features, "horizon": plan.forecast_horizon, "levels": LEVELS,
            "units": plan.units, "dropout": plan.dropout, "batch": plan.batch_size,
            "location_rate": LOCATION_RATE, "symmetry": SYMMETRY, "folds": folds,
        });
        Ok(work)
    }

    fn fold(
        &self,
        table: &Table,
        plan: &Plan,
        layout: &Layout,
        number: usize,
    ) -> Result<(Value, usize), String> {
        let fold = &layout.folds[number];
        let rows = &layout.truth.rows[fold.origins.clone()];
        let (first, behind) = (rows[0], rows[rows.len() - 1] + 1);
        let past = table.until(fold.history.end).since(fold.history.start);
        let ground =
            Ground::prepare(&past, plan, Held::Nothing, &mut |_| Next::Continue).map_err(said)?;
        let (all, parts) = (ground.windows(&past, plan), &ground.parts);
        let preparation =
            Preparation::fit(&ground.matrix, parts.train.past_rows(plan.input_seq_length))
                .map_err(said)?;
        let volatility = Volatility::learn(&all.part(parts.train.clone()))
            .ok_or("too few rows for a volatility")?;

        let seen = table.until(behind);
        let matrix = ground.features.compute(&seen).map_err(said)?;
        let mut x = vec![0.0_f32; behind * matrix.n_columns()];
        for (row, narrow) in x.chunks_exact_mut(matrix.n_columns()).enumerate() {
            // a row that is still warming up is in no window
            if matrix.is_known(row) {
                preparation.apply(matrix.row(row), narrow);
            }
        }
        let ahead = plan.forecast_horizon;
        let (mut y, mut units) = (vec![0.0_f32; behind * ahead], vec![0.0; ahead]);
        for part in [&parts.train, &parts.valid] {
            let part = all.part(part.clone());
            for position in 0..part.len() {
                let labelled = part.get(position);
                let window = labelled.window();
                volatility.spread(&window, &mut units);
                let out = &mut y[window.origin() * ahead..][..ahead];
                for ((out, unit), close) in out.iter_mut().zip(&units).zip(labelled.future()) {
                    *out = ((close / window.last_close()).ln() / unit) as f32;
                }
            }
        }
        let write = |name: &str, values: &[f32]| {
            let path = self.folder.join(format!("{number}.{name}"));
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(path)
        };
        let run = |origins: &Origins| match origins.runs() {
            [run] => Ok([run.start, run.end]),
            runs => Err(format!(
                "{} runs of origins in a table without gaps",
                runs.len()
            )),
        };
        let fold = json!({
            "x": write("x", &x)?, "y": write("y", &y)?,
            "train": run(&parts.train)?, "valid": run(&parts.valid)?, "calibration": run(&parts.calibration)?,
            "origins": [first, behind],
        });
        Ok((fold, matrix.n_columns()))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What PyTorch found and how long it took, over all of its processes.
#[derive(Default)]
struct Answer {
    /// Seconds of processor time.
    cpu: f64,
    /// In the order of the numbers asked for.
    folds: Vec<Lost>,
}

/// Validation losses of a fold, and windows trained on.
struct Lost {
    untrained: f64,
    trained: f64,
    windows: usize,
}

/// PyTorch: one process of two threads, or two of one thread, whichever is faster.
struct Torch(Vec<Peer>);

impl Torch {
    /// Starts both, has both do an epoch of the last two of `n` folds, in turns, and keeps the faster.
    fn start(python: &Path, work: &Work, n: usize) -> Result<Self, String> {
        let start = |processes: usize| {
            let launch = |process| {
                let name = format!("PyTorch-{processes}-{process}");
                let threads = THREADS / processes;
                let mut described = work.described.clone();
                described["threads"] = json!(threads);
                let peer = Peer::launch(
                    python,
                    "PyTorch",
                    &name,
                    "walk_peer.py",
                    "",
                    threads,
                    &described,
                )?;
                let ready: Value = serde_json::from_str(&peer.setting)
                    .map_err(|error| format!("{}: {error}", peer.setting))?;
                match ready["parameters"].as_u64() {
                    Some(found) if found == work.parameters as u64 => Ok(peer),
                    found => Err(format!(
                        "its network has {found:?} weights, ours {}: not the same work",
                        work.parameters
                    )),
                }
            };
            (0..processes)
                .map(launch)
                .collect::<Result<_, _>>()
                .map(Self)
        };
        let mut settings = [start(1)?, start(THREADS)?];
        let mut best = [f64::INFINITY; 2];
        for _ in 0..2 {
            let least = best[0].min(best[1]);
            for (best, torch) in best.iter_mut().zip(&mut settings) {
                // two threads that wait for each other on a busy machine take minutes; one look at that is enough
                if *best <= 3.0 * least {
                    *best = best.min(torch.walk(1, &[n - 2, n - 1])?.0);
                }
            }
        }
        println!(
            "  PyTorch, two folds of an epoch: one process of two threads {:.2} s, two processes of one thread {:.2} s; the faster walks on",
            best[0], best[1]
        );
        let [one, two] = settings;
        Ok(if best[0] < best[1] { one } else { two })
    }

    /// Walks over these folds, with so many epochs in each; seconds until the last process is done.
    fn walk(&mut self, epochs: usize, folds: &[usize]) -> Result<(f64, Answer), String> {
        let processes = self.0.len();
        // there and back again, for later folds have more to learn from: 0 1 1 0 0 1 1 0
        let whose = |place: usize| match (place / processes).is_multiple_of(2) {
            true => place % processes,
            false => processes - 1 - place % processes,
        };
        let share = |process: usize| (0..folds.len()).filter(move |&place| whose(place) == process);
        let start = Instant::now();
        for (process, peer) in self.0.iter_mut().enumerate() {
            let numbers: Vec<String> = share(process)
                .map(|place| folds[place].to_string())
                .collect();
            peer.say(&format!("{epochs} {}", numbers.join(" ")))?;
        }
        let mut answer = Answer::default();
        let mut lost: Vec<Option<Lost>> = folds.iter().map(|_| None).collect();
        for (process, peer) in self.0.iter_mut().enumerate() {
            let text = peer.answer("{").map(|rest| format!("{{{rest}"))?;
            let found: Value =
                serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
            answer.cpu += found["cpu"].as_f64().unwrap_or(f64::NAN);
            for (place, fold) in share(process).zip(found["folds"].as_array().into_iter().flatten())
            {
                lost[place] = fold[0]
                    .as_f64()
                    .zip(fold[1].as_f64())
                    .zip(fold[2].as_u64())
                    .map(|((untrained, trained), windows)| Lost {
                        untrained,
                        trained,
                        windows: windows as usize,
                    });
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        answer.folds = lost
            .into_iter()
            .collect::<Option<_>>()
            .ok_or("PyTorch left out a fold")?;
        Ok((seconds, answer))
    }
}
