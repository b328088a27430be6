//! Real MLflow servers on loopback, and the Python beside them.
//!
//! In comes the line of versions; out goes an [`Environment`], or `None` and a line `skipped: …` where it is not installed, and from it a [`Server`]
//! with SQLite and artifacts in a folder of its own on a free port. A server never outlives the test binary, however that ends (`keep.py`),
//! and leaves nothing behind. Nothing here is a stand-in: what answers is MLflow.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use crate::python::free_port;
use crate::python::{find, keeper};

/// A busy machine of two cores takes 20 s.
const READY: Duration = Duration::from_secs(120);

/// Who may do everything on a server with `auth`.
pub const ADMIN: (&str, &str) = ("admin", "sentinel of a long password");

/// Lines of MLflow that are tested, the newest first.
pub const LINES: [u32; 2] = [3, 2];

/// An installed MLflow.
#[derive(Clone, Debug)]
pub struct Environment {
    /// 3 or 2.
    pub line: u32,
    folder: PathBuf,
}

/// The environment of this line: the folder in `SENTI_MLFLOW3` or `SENTI_MLFLOW2`, else `.venv-mlflow3` or `.venv-mlflow2` at the root of the
/// workspace, once `cargo xtask test` has finished it. `None` where there is none, which is said; a failure where `SENTI_REQUIRE_MLFLOW` is set.
#[expect(clippy::print_stdout, reason = "a test that skips says so")]
pub fn environment(line: u32) -> Option<Environment> {
    let found = find(
        &format!("SENTI_MLFLOW{line}"),
        &format!(".venv-mlflow{line}"),
    );
    if let Err(why) = &found {
        let required = std::env::var("SENTI_REQUIRE_MLFLOW")
            .is_ok_and(|text| !matches!(text.as_str(), "" | "0"));
        assert!(!required, "MLflow {line} is required: {why}");
        println!("skipped: no MLflow {line}: {why}; `cargo xtask test` installs it");
    }
    let folder = found.ok()?;
    Some(Environment { line, folder })
}

impl Environment {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn binary(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// A program of this environment, without the caller's own environment: no proxies, no tracking, no home but `home`.
    pub fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new(self.binary(program));
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            self.folder.join("bin").display()
        );
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("PYTHONUNBUFFERED", "1")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "1")
            // Tests of trouble should not wait for the Python client's patience, which is minutes.
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
            .stdin(Stdio::null());
        command
    }

    /// Runs a script that lies beside this file, or anywhere.
    pub fn python(&self, script: impl AsRef<Path>, arguments: &[&str]) -> Output {
        let home = tempfile::tempdir().unwrap();
        let mut command = self.command("python", home.path());
        command
            .arg(beside(script))
            .args(arguments)
            .current_dir(home.path());
        command.output().unwrap()
    }

    /// Asks `witness.py` about a store: the address of a server, or `sqlite:///…`. Panics with its words where it fails.
    pub fn witness(&self, uri: &str, arguments: &[&str]) -> Value {
        let home = tempfile::tempdir().unwrap();
        let mut command = self.command("python", home.path());
        command
            .arg(beside("witness.py"))
            .args(arguments)
            .current_dir(home.path());
        command
            .env("MLFLOW_TRACKING_URI", uri)
            .env("MLFLOW_TRACKING_USERNAME", ADMIN.0)
            .env("MLFLOW_TRACKING_PASSWORD", ADMIN.1);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "witness.py {arguments:?} on {uri}: {said}"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        // Libraries print what they like before; the last line is the answer.
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
    }
}

/// A file beside this one.
pub fn beside(name: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/mlflow")
        .join(name)
}

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Basic authentication; the only user is [`ADMIN`].
    pub auth: bool,
    /// Artifacts go through the server. Otherwise clients write into its folder themselves.
    pub serve_artifacts: bool,
    /// A SQLite file to serve instead of a new one. It is copied: newer versions change what they open.
    pub store: Option<PathBuf>,
    /// More of its environment.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: false,
            serve_artifacts: true,
            store: None,
            environment: Vec::new(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// What it runs on.
    pub environment: Environment,
    /// Its port on 127.0.0.1.
    pub port: u16,
    folder: PathBuf,
    options: Options,
    keeper: Mutex<Option<(Child, ChildStdin)>>,
}

impl Server {
    /// One server of this line for all tests of the binary, as starting one takes long. Take names that no other test takes; leave others' things alone.
    pub fn shared(line: u32) -> Option<&'static Server> {
        static SERVERS: [OnceLock<Option<Server>>; 2] = [OnceLock::new(), OnceLock::new()];
        let place = LINES
            .iter()
            .position(|known| *known == line)
            .expect("line is 3 or 2");
        let server = SERVERS[place]
            .get_or_init(|| Some(Server::start(&environment(line)?, Options::default())));
        // Said by each test that skips.
        if server.is_none() {
            environment(line);
        }
        server.as_ref()
    }

    /// The shared servers of all lines that are installed.
    pub fn all() -> impl Iterator<Item = &'static Server> {
        LINES.into_iter().filter_map(Server::shared)
    }

    /// Starts a server of its own and waits until it answers.
    pub fn start(environment: &Environment, options: Options) -> Server {
        let folder = tempfile::Builder::new()
            .prefix("senti-mlflow-")
            .tempdir()
            .unwrap()
            .keep();
        if let Some(store) = &options.store {
            std::fs::copy(store, folder.join("mlflow.db")).unwrap();
        }
        let server = Server {
            environment: environment.clone(),
            port: free_port(),
            folder,
            options,
            keeper: Mutex::new(None),
        };
        server.restart();
        server
    }

    /// Base of its addresses, as `MLFLOW_TRACKING_URI` wants it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where its files are: `mlflow.db`, `artifacts`, `server.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Asks `witness.py`.
    pub fn witness(&self, arguments: &[&str]) -> Value {
        self.environment.witness(&self.url(), arguments)
    }

    /// SIGKILL to the server and all it has started. Its files stay.
    pub fn kill(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((mut child, mut input)) = keeper.take() {
            let _ = input.write_all(b"kill\n");
            drop(input);
            let _ = child.wait();
        }
    }

    /// Starts again on the same port with the same files, after [`Server::kill`], and waits until it answers.
    pub fn restart(&self) {
        self.kill();
        let keeper = self.spawn();
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
        let start = Instant::now();
        while !self.healthy() {
            let ended = {
                let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
                keeper
                    .as_mut()
                    .is_none_or(|(child, _)| child.try_wait().unwrap().is_some())
            };
            assert!(
                !ended && start.elapsed() < READY,
                "MLflow {} does not answer after {:?}:\n{}",
                self.environment.line,
                start.elapsed(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn spawn(&self) -> (Child, ChildStdin) {
        let folder = self.folder.display();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("server.log"))
            .unwrap();
        let mut command = self.environment.command("python", &self.folder);
        command.arg(keeper()).arg(&self.folder);
        command
            .arg(self.environment.binary("python"))
            .args(["-m", "mlflow", "server"]);
        command.args([
            "--host",
            "127.0.0.1",
            "--port",
            &self.port.to_string(),
            "--workers",
            "1",
        ]);
        command.args([
            "--backend-store-uri",
            &format!("sqlite:///{folder}/mlflow.db"),
        ]);
        match self.options.serve_artifacts {
            true => command.args([
                "--serve-artifacts",
                "--artifacts-destination",
                &format!("{folder}/artifacts"),
            ]),
            false => command.args([
                "--no-serve-artifacts",
                "--default-artifact-root",
                &format!("{folder}/artifacts"),
            ]),
        };
        if self.options.auth {
            let path = self.folder.join("auth.ini");
            let (name, word) = ADMIN;
            let text = format!(
                "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = {name}\nadmin_password = {word}\n\
                 authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            );
            std::fs::write(&path, text).unwrap();
            command.args(["--app-name", "basic-auth"]);
            command.env("MLFLOW_AUTH_CONFIG_PATH", path);
            command.env(
                "MLFLOW_FLASK_SERVER_SECRET_KEY",
                "for tests on loopback only",
            );
        }
        command.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false");
        command.envs(self.options.environment.iter().cloned());
        command.current_dir(&self.folder).stdin(Stdio::piped());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().expect("stdin was piped two lines above");
        (child, input)
    }

    /// `GET /health` says 200; on a server with `auth`, too.
    fn healthy(&self) -> bool {
        let asks = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(
                b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        };
        asks().unwrap_or(false)
    }
}

impl Drop for Server {
    /// Statics are never dropped: there the end of the process closes the input of `keep.py`, which does the same.
    fn drop(&mut self) {
        let keeper = self
            .keeper
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((mut child, input)) = keeper.take() {
            drop(input);
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
