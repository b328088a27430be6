//! The peers: Python processes that wait for a command, do it, and say how long it took.
//!
//! They are installed from `peers/requirements.txt` into `.venv-bench` of this repository, once.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use senti_engine::Tensor;
use serde_json::{Value, json};

use crate::work::{BATCH, Work};

/// This folder.
fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} ended with {status}")),
        Err(error) => Err(format!("{shown} did not start: {error}")),
    }
}

/// The interpreter that has all peers.
pub fn install() -> Result<PathBuf, String> {
    let home = here().join("../.venv-bench");
    let (python, mark) = (home.join("bin/python"), home.join("installed.txt"));
    let wanted = fs::read_to_string(here().join("peers/requirements.txt"))
        .map_err(|error| format!("peers/requirements.txt cannot be read: {error}"))?;
    if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    eprintln!("installing the peers into .venv-bench: some 5 GB, minutes, once …");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "-r",
    ];
    run(Command::new(&python)
        .args(pip)
        .arg(here().join("peers/requirements.txt")))?;
    fs::write(&mark, wanted).map_err(|error| format!("{} : {error}", mark.display()))?;
    Ok(python)
}

/// A folder for a peer's files; it goes away with the peer.
fn folder(place: &str) -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("senti-bench-{}-{place}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// One of them, running.
pub struct Peer {
    pub name: &'static str,
    /// Version and what it found to be fastest.
    pub setting: String,
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Peer {
    /// Starts a peer and waits until it is ready; it begins with `weights`.
    pub fn start(
        python: &Path,
        name: &'static str,
        script: &str,
        backend: &str,
        work: &Work,
        weights: &[Tensor],
    ) -> Result<Peer, String> {
        let weights_path = folder(name)?.join("weights.f32");
        let bytes: Vec<u8> = weights
            .iter()
            .flat_map(|tensor| &tensor.values)
            .flat_map(|value| value.to_le_bytes())
            .collect();
        fs::write(&weights_path, bytes)
            .map_err(|error| format!("{}: {error}", weights_path.display()))?;
        let described = json!({
            "units": work.net.units, "steps": work.net.steps, "features": work.net.features, "outputs": work.net.outputs,
            "dropout": work.net.dropout, "windows": work.windows, "batch": BATCH, "seeds": work.seeds, "weights_path": weights_path,
        });
        Peer::launch(python, name, name, script, backend, 2, &described)
    }

    /// Starts a script with a description of its work, in a folder named after `place`, and waits until it is ready.
    pub fn launch(
        python: &Path,
        name: &'static str,
        place: &str,
        script: &str,
        backend: &str,
        threads: usize,
        described: &Value,
    ) -> Result<Peer, String> {
        let folder = folder(place)?;
        let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
        let path = folder.join("work.json");
        fs::write(&path, described.to_string()).map_err(wrong)?;
        let log = fs::File::create(folder.join("log.txt")).map_err(wrong)?;
        let threads = threads.to_string();
        let mut command = Command::new(python);
        command
            .arg(here().join("peers").join(script))
            .arg(&path)
            // So many threads at most, whatever the machine has. These choose kernels of numpy's, which no peer uses.
            .env_remove("OPENBLAS_CORETYPE")
            .env_remove("OPENBLAS_L2_SIZE")
            .env("OMP_NUM_THREADS", &threads)
            .env("TF_NUM_INTRAOP_THREADS", &threads)
            .env("TF_CPP_MIN_LOG_LEVEL", "3")
            .env("JAX_PLATFORMS", "cpu")
            .env("CUDA_VISIBLE_DEVICES", "")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        if !backend.is_empty() {
            command.env("KERAS_BACKEND", backend);
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("it did not start: {error}"))?;
        let answers = child.stdout.take().expect("stdout was piped above");
        let mut peer = Peer {
            name,
            setting: String::new(),
            commands: child.stdin.take(),
            child,
            answers: BufReader::new(answers),
            folder,
        };
        peer.setting = peer.answer("ready ")?;
        Ok(peer)
    }

    /// The next line that begins with `mark`; libraries print other lines.
    pub fn answer(&mut self, mark: &str) -> Result<String, String> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.answers.read_line(&mut line) {
                Ok(n) if n > 0 => {}
                _ => {
                    let log = fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default();
                    let said = log.lines().rfind(|line| line.contains("Error"));
                    let said = said.or(log.lines().last());
                    return Err(said.unwrap_or("it ended without a word").to_owned());
                }
            }
            if let Some(rest) = line.trim_end().strip_prefix(mark) {
                return Ok(rest.to_owned());
            }
        }
    }

    /// Writes a command.
    pub fn say(&mut self, command: &str) -> Result<(), String> {
        let commands = self.commands.as_mut().ok_or("it was told to end")?;
        writeln!(commands, "{command}").map_err(|error| error.to_string())
    }

    /// Has a command done; seconds, NaN where the peer died.
    pub fn seconds(&mut self, command: &str) -> f64 {
        let answer = self.say(command).and_then(|()| self.answer(""));
        let seconds = answer.and_then(|text| text.parse().map_err(|_| text));
        seconds.unwrap_or_else(|reason| {
            println!("  {} failed at `{command}`: {reason}", self.name);
            f64::NAN
        })
    }

    /// Forecasts of the first batch with the weights that it was started with.
    pub fn outputs(&mut self) -> Result<Vec<f32>, String> {
        let path = self.folder.join("outputs.f32");
        self.say(&format!("outputs {}", path.display()))?;
        self.answer("done")?;
        let bytes = fs::read(&path).map_err(|error| error.to_string())?;
        let floats = bytes.chunks_exact(4);
        Ok(floats
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
            .collect())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Its input ends, so it does.
        self.commands = None;
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
