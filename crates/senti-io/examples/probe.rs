//! Scratch.
use senti::backtest::{Walk, backtest};
use senti::doors::Machine;
use senti::observe::{Event, Next};
use senti::plan::Draft;
use senti_io::sources::{Request, read};
fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap();
    let mut draft = serde_json::to_value(Draft::default()).unwrap();
    let mut walk = Walk::default();
    let mut until: Option<String> = None;
    let mut dump: Option<String> = None;
    for a in args {
        let (k, v) = a.split_once('=').unwrap();
        match k {
            "models" => walk.models = v.split(',').map(str::to_owned).collect(),
            "start" => walk.start = Some(senti::calendar::parse_time(v).unwrap()),
            "until" => until = Some(v.into()),
            "dump" => dump = Some(v.into()),
            "step" => walk.step = v.parse().unwrap(),
            "refit" => walk.refit_every = v.parse().unwrap(),
            "window" => walk.train_window = Some(v.parse().unwrap()),
            "warm" => walk.warm = v == "1",
            "units" => {
                draft["units"] = v
                    .split(',')
                    .map(|x| x.parse::<usize>().unwrap())
                    .collect::<Vec<_>>()
                    .into()
            }
            _ => draft[k] = serde_json::from_str(v).unwrap_or(serde_json::Value::String(v.into())),
        }
    }
    let plan = serde_json::from_value::<Draft>(draft)
        .unwrap()
        .check()
        .unwrap();
    let reading = read(&Request {
        path: Some(path.clone().into()),
        source: Some("local".into()),
        ..Request::default()
    })
    .unwrap();
    let mut table = reading.table;
    if let Some(u) = until {
        let t = senti::calendar::parse_time(&u).unwrap();
        let row = table.time().partition_point(|x| *x < t);
        table = table.until(row);
    }
    let machine = Machine {
        threads: 2,
        simd: senti_engine::Simd::detect(),
    };
    let start = std::time::Instant::now();
    let b = backtest(&table, &plan, &walk, machine, vec![], &mut |e| {
        if let Event::Fold(f) = e {
            eprintln!(
                "{} {} epochs {} best {} valid {:?} -> {:?}  {:.0}s",
                f.record.model,
                f.record.fold,
                f.record.epochs,
                f.record.best_epoch,
                f.record.untrained_loss,
                f.record.valid_loss,
                start.elapsed().as_secs_f64()
            );
        }
        Next::Continue
    })
    .unwrap_or_else(|e| panic!("{e} {:?}", e));
    println!(
        "{} origins {} folds {:.1}s",
        b.truth.len(),
        b.folds.len(),
        start.elapsed().as_secs_f64()
    );
    let (hh, q) = (b.truth.horizon, b.levels.len());
    let crps = |t: usize, h: usize| -> Vec<f64> {
        (0..b.truth.len())
            .map(|o| {
                let y = (b.truth.actual(o)[h - 1] / b.truth.last_close[o]).ln();
                let qs = &b.tracks[t].predictions.quantiles(o)[(h - 1) * q..][..q];
                2.0 * qs
                    .iter()
                    .zip(&b.levels)
                    .map(|(p, a)| {
                        let f = (p / b.truth.last_close[o]).ln();
                        if y >= f {
                            a * (y - f)
                        } else {
                            (1.0 - a) * (f - y)
                        }
                    })
                    .sum::<f64>()
                    / q as f64
            })
            .collect()
    };
    let har = b
        .tracks
        .iter()
        .position(|t| t.model == "har_730")
        .or_else(|| b.tracks.iter().position(|t| t.model == "ewma"))
        .unwrap();
    for (t, track) in b.tracks.iter().enumerate() {
        print!("{:12}", track.model);
        for h in [1, 3, 7, 14, 30] {
            if h > hh {
                continue;
            }
            let (mine, theirs) = (crps(t, h), crps(har, h));
            let n = mine.len() as f64;
            let d: Vec<f64> = theirs.iter().zip(&mine).map(|(a, b)| a - b).collect();
            let mu = d.iter().sum::<f64>() / n;
            let m = (h + walk.step - 1) / walk.step - 1;
            let g = |k: usize| {
                (k..d.len())
                    .map(|i| (d[i] - mu) * (d[i - k] - mu))
                    .sum::<f64>()
                    / n
            };
            let var = g(0) + 2.0 * (1..=m).map(g).sum::<f64>();
            let t = mu / (var / n).sqrt();
            let (c, r) = (mine.iter().sum::<f64>() / n, theirs.iter().sum::<f64>() / n);
            let cov = |lo: usize, hi: usize| {
                (0..b.truth.len())
                    .filter(|&o| {
                        let a = b.truth.actual(o)[h - 1];
                        let qs = &track.predictions.quantiles(o)[(h - 1) * q..][..q];
                        qs[lo] <= a && a <= qs[hi]
                    })
                    .count() as f64
                    / n
                    * 100.0
            };
            let mae = (0..b.truth.len())
                .map(|o| {
                    (track.predictions.point(o)[h - 1] / b.truth.actual(o)[h - 1])
                        .ln()
                        .abs()
                })
                .sum::<f64>()
                / (0..b.truth.len())
                    .map(|o| {
                        (b.truth.last_close[o] / b.truth.actual(o)[h - 1])
                            .ln()
                            .abs()
                    })
                    .sum::<f64>();
            print!(
                " | h{h}: {:+.2} ({:+.1}) c80 {:.0} c90 {:.0} r {:.3}",
                100.0 * (1.0 - c / r),
                t,
                cov(1, 17),
                cov(0, 18),
                mae
            );
        }
        println!();
    }
    let _ = dump;
}
