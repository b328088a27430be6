//! Running the binary: a folder, its files, a command, what came out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Options that make a training small.
pub const SMALL: &[&str] = &[
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--units",
    "4",
    "--epochs",
    "2",
    "--batch_size",
    "64",
];

/// A working directory that goes away.
pub struct Desk {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With `prices.csv` and a model trained on it.
    pub fn trained() -> Self {
        static TRAINED: OnceLock<Desk> = OnceLock::new();
        let first = TRAINED.get_or_init(|| {
            let desk = Desk::new();
            desk.file("prices.csv", &prices(400));
            let done =
                desk.run(&[&["train", "--data_path", "prices.csv", "--no_plot"], SMALL].concat());
            assert_eq!(done.code, Some(0), "{}", done.err);
            desk
        });
        first.copy()
    }

    /// Another one with the same files.
    pub fn copy(&self) -> Self {
        let desk = Desk::new();
        copy(&self.path("."), &desk.path("."));
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    /// The binary, with an empty environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_senti-ai"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Done {
        self.done(self.command(arguments).output().unwrap())
    }

    pub fn done(&self, output: Output) -> Done {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Names, lengths and contents of everything below a folder.
    pub fn tree(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        walk(&self.path(name), &mut files);
        files.sort();
        files
    }
}

fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(&path, &place).unwrap();
        }
    }
}

/// Daily candles from 2020-01-01 on whose moves come from a linear congruential generator (Knuth's MMIX constants).
pub fn prices(rows: usize) -> String {
    let mut text = String::from("date,open,high,low,close,volume\n");
    let mut state = 7u64;
    let mut close = 10_000.0f64;
    for row in 0..rows {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = (state >> 40) as f64 / f64::from(1u32 << 24) - 0.5;
        let open = close;
        close *= (0.06 * draw).exp();
        let (high, low) = (open.max(close) * 1.004, open.min(close) * 0.996);
        let day = 1_577_836_800 + 86_400 * row as i64;
        let volume = 1_000.0 + 500.0 * draw;
        writeln!(
            text,
            "{},{open:.2},{high:.2},{low:.2},{close:.2},{volume:.3}",
            iso(day)
        )
        .unwrap();
    }
    text
}

fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()[..10].to_owned()
}

/// Compares a run with `golden/<name>.txt`: the command, its exit code, stdout and stderr.
#[track_caller]
pub fn check_golden(name: &str, arguments: &[&str], desk: &Desk, done: &Done) {
    let folder = desk.folder.path().display().to_string();
    let words = arguments.join(" ");
    let found = format!(
        "$ senti-ai {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        words,
        done.code.map_or("none".to_owned(), |code| code.to_string()),
        done.out,
        done.err
    );
    let found = found.replace(&folder, "[DIR]");
    let path = format!("{}/tests/it/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SENTI_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{path} differs\n--- found\n{found}\n--- wanted\n{wanted}"
    );
}
