//! `cargo xtask bench memory`: peak resident memory of the real program over the bytes of its feature matrix, by rows and sequence length.
//!
//! In comes nothing but the largest number of rows; tables are made in a folder that goes away. Out goes a table, and failure where memory
//! grows by 1.5 bytes or more for each byte of matrix, or with the sequence length. Linux only: it reads `/proc`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Rows of the runs; the first is what the program takes without data.
const ROWS: [usize; 4] = [2_000, 100_000, 1_000_000, 5_000_000];
const STEPS: [usize; 2] = [30, 120];
/// Bytes of memory for each byte of matrix.
const MOST: f64 = 1.5;

/// What was measured of one run.
struct Run {
    peak: u64,
    matrix: u64,
}

/// Runs all sizes up to `largest` rows.
pub fn bench(largest: usize) -> ExitCode {
    match measure(largest) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("memory grows by {MOST} bytes or more for each byte of matrix");
            ExitCode::FAILURE
        }
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(largest: usize) -> Result<bool, String> {
    let built = crate::steps::cargo(&["build", "--release", "--quiet", "--package", "senti-cli"])
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !built.success() {
        return Err("the program does not build".to_owned());
    }
    let folder = std::env::temp_dir().join(format!("senti-memory-{}", std::process::id()));
    fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let done = table(&folder, largest);
    let _ = fs::remove_dir_all(&folder);
    done
}

fn table(folder: &Path, largest: usize) -> Result<bool, String> {
    println!(
        "{:>9} {:>6} {:>11} {:>11} {:>12} {:>14}",
        "rows", "steps", "matrix MiB", "peak MiB", "peak/matrix", "growth/matrix"
    );
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut bases: Vec<Run> = Vec::new();
    let mut good = true;
    for rows in ROWS.into_iter().filter(|rows| *rows <= largest) {
        let data = folder.join("prices.csv");
        write_prices(&data, rows).map_err(|error| format!("{}: {error}", data.display()))?;
        for (column, steps) in STEPS.into_iter().enumerate() {
            let run = train(folder, steps)?;
            let growth = bases.get(column).map(|base| {
                let (peak, matrix) = (run.peak - base.peak, run.matrix - base.matrix);
                peak as f64 / matrix as f64
            });
            println!(
                "{rows:>9} {steps:>6} {:>11.1} {:>11.1} {:>12.2} {:>14}",
                mib(run.matrix),
                mib(run.peak),
                run.peak as f64 / run.matrix as f64,
                growth.map_or("base".to_owned(), |growth| format!("{growth:.2}")),
            );
            good &= growth.is_none_or(|growth| growth < MOST);
            if growth.is_none() {
                bases.push(run);
            }
        }
    }
    Ok(good)
}

/// Candles of a minute whose moves come from a linear congruential generator (Knuth's MMIX constants).
fn write_prices(path: &Path, rows: usize) -> std::io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    writeln!(file, "timestamp,open,high,low,close,volume")?;
    let (mut state, mut close) = (7_u64, 10_000.0_f64);
    let mut line = String::new();
    for row in 0..rows {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5;
        let open = close;
        // Drawn back to where it began, so that five million steps stay a price.
        close *= (0.002 * draw - 1e-4 * (close / 10_000.0).ln()).exp();
        let (high, low) = (open.max(close) * 1.0004, open.min(close) * 0.9996);
        let (time, volume) = (1_300_000_020 + 60 * row, 1_000.0 + 500.0 * draw);
        line.clear();
        let _ = writeln!(
            line,
            "{time},{open:.2},{high:.2},{low:.2},{close:.2},{volume:.3}"
        );
        file.write_all(line.as_bytes())?;
    }
    file.flush()
}

/// One epoch of a network so small that what is measured are the data.
fn train(folder: &Path, steps: usize) -> Result<Run, String> {
    let program = crate::steps::root().join("target/release/senti-ai");
    let steps = steps.to_string();
    let line = [
        "train",
        "--data_path",
        "prices.csv",
        "--epochs",
        "1",
        "--no_plot",
        "--units",
        "4",
        "--input_seq_length",
        &steps,
        "--forecast_horizon",
        "1",
    ];
    let mut child = Command::new(&program)
        .args(line)
        .current_dir(folder)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    // The peak never falls, so that the last look before the end is enough.
    let code = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(code) => break code,
            None => peak = peak.max(high_water(&status).unwrap_or(0)),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut told = String::new();
    if let Some(err) = &mut child.stderr {
        err.read_to_string(&mut told)
            .map_err(|error| error.to_string())?;
    }
    let matrix = matrix(&told).filter(|_| code.success() && peak > 0);
    let matrix = matrix
        .ok_or_else(|| format!("the training failed ({code}), or there is no /proc:\n{told}"))?;
    Ok(Run { peak, matrix })
}

/// `VmHWM:     1234 kB`, in bytes.
fn high_water(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let number: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(number * 1024)
}

/// Bytes of the matrix, from `24 features of 2000 rows; …`.
fn matrix(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.contains(" features of "))?;
    let (features, rest) = line.split_once(" features of ")?;
    let rows = rest.split(' ').next()?;
    Some(features.parse::<u64>().ok()? * rows.parse::<u64>().ok()? * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_read_from_what_is_told() {
        let told = "read 10 rows\n24 features of 2000 rows; windows: 1 to train\n";
        assert_eq!(matrix(told), Some(24 * 2000 * 8));
        assert_eq!(matrix("error: no rows\n"), None);
    }
}
