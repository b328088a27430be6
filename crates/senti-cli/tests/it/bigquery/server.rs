//! A real `bqemulator` on loopback, and Google's own Python client beside it.
//!
//! In comes nothing; out goes an [`Emulator`] with an empty data set for each test, or `None` and a line `skipped: …` where it is not
//! installed. It never outlives the test binary, however that ends (`keep.py`). What Python reads is what Google's client says.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::python::{find, free_port, keeper};

/// A busy machine of two cores takes 20 s.
const READY: Duration = Duration::from_secs(180);

/// The project that everything is in.
pub const PROJECT: &str = "test-proj";

/// The running emulator.
#[derive(Debug)]
pub struct Emulator {
    /// Its port on 127.0.0.1.
    pub port: u16,
    environment: PathBuf,
    folder: tempfile::TempDir,
    _keeper: (Child, ChildStdin),
}

/// One emulator for all tests of the binary; data sets have the names of their tests. `None` where it is not installed, which is said; a
/// failure where `SENTI_REQUIRE_BIGQUERY` is set.
#[expect(clippy::print_stdout, reason = "a test that skips says so")]
pub fn emulator() -> Option<&'static Emulator> {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        find("SENTI_BIGQUERY", ".venv-bigquery").map(|environment| Emulator::start(&environment))
    });
    if let Err(why) = shared {
        let required = std::env::var("SENTI_REQUIRE_BIGQUERY")
            .is_ok_and(|text| !matches!(text.as_str(), "" | "0"));
        assert!(!required, "BigQuery's emulator is required: {why}");
        println!("skipped: no BigQuery emulator: {why}; `cargo xtask test` installs it");
    }
    shared.as_ref().ok()
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/bigquery")
        .join(name)
}

fn command(environment: &Path, program: &str) -> Command {
    let mut command = Command::new(environment.join("bin").join(program));
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        // DuckDB's extensions lie there (xtask/src/python.rs)
        .env("HOME", environment.join("home"))
        .env("LANG", "C.UTF-8")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null());
    command
}

impl Emulator {
    fn start(environment: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("senti-bigquery-")
            .tempdir()
            .unwrap();
        let port = free_port();
        let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
        let mut command = command(environment, "python");
        command.arg(keeper()).arg(folder.path());
        command
            .arg(environment.join("bin").join("python"))
            .args(["-m", "bqemulator", "start"]);
        command.args(["--project", PROJECT, "--rest-port", &port.to_string()]);
        command.args(["--grpc-port", &free_port().to_string()]);
        command.current_dir(folder.path()).stdin(Stdio::piped());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let input = child
            .stdin
            .take()
            .expect("stdin was piped three lines above");
        let mut emulator = Self {
            port,
            environment: environment.to_owned(),
            folder,
            _keeper: (child, input),
        };
        let start = Instant::now();
        while !emulator.healthy() {
            let ended = emulator._keeper.0.try_wait().unwrap().is_some();
            assert!(
                !ended && start.elapsed() < READY,
                "bqemulator does not answer after {:?}:\n{}",
                start.elapsed(),
                std::fs::read_to_string(emulator.folder.path().join("server.log"))
                    .unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        emulator
    }

    fn healthy(&self) -> bool {
        let asks = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(
                b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        };
        asks().unwrap_or(false)
    }

    /// Asks `witness.py`, which asks Google's client. Panics with its words where it fails.
    pub fn witness(&self, arguments: &[&str]) -> Value {
        let mut command = command(&self.environment, "python");
        command
            .arg(beside("witness.py"))
            .arg(self.port.to_string())
            .args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "witness.py {arguments:?}: {said}");
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
    }
}
