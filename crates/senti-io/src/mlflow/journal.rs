//! A run on disk, line by line, until a server has it.
//!
//! In come entries of a command's run and of the runs below it, with the times at which things happened; out go the same entries, in
//! order, to whoever sends them, now or months later. Writing a line waits for no server and for no disk: it is one append of some
//! hundred bytes to a file that the system puts on disk in its own time. A killed process loses nothing that was appended; a line that
//! was torn (power, full disk) is recognised and left out. No secret is ever in it: of the server's address the part in front of `@` is
//! left out.
//!
//! ```text
//! <root>/.mlflow/<our run id>/journal.jsonl   a head, then an entry a line
//!                             sent.json       how far a server has it
//!                             lock            held by whoever writes or sends
//!                             files/          the run's files: the output folder may be written anew before they are sent
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use senti::table::Time;
use senti::{Error, Result};
use serde::{Deserialize, Serialize};

use super::record::{ArtifactFile, Dataset, Experiment, Metric, Pair, Status};
use crate::atomic::{self, failed, make_folder};

/// Folder of the journals within a registry.
pub const FOLDER: &str = ".mlflow";
const LINES: &str = "journal.jsonl";
const SENT: &str = "sent.json";
const LOCK: &str = "lock";
const FILES: &str = "files";
/// Version of the layout; raised when an older reader could misread it.
const FORMAT: u32 = 1;

/// The first line: whose journal it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Layout.
    pub format: u32,
    /// Our number of the command's run.
    pub id: String,
    /// What a resumed command is recognised by: the same for every run of one plan on the same data.
    pub key: String,
    /// `train`, `backtest`.
    pub command: String,
    /// Address of the server, without user and password.
    pub tracking_uri: String,
    /// Where the runs belong.
    pub experiment: Experiment,
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Entry {
    /// It began, at the line's time.
    Begin {
        /// Its name.
        name: String,
        /// Our number of the run above it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<String>,
        /// MLflow's number of a run that is there already (`MLFLOW_RUN_ID`): it is continued, none is made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attach: Option<String>,
        /// Tags that it has from the beginning.
        tags: Vec<Pair>,
    },
    /// Tags; a later one of the same name replaces an earlier.
    Tags {
        /// The tags.
        tags: Vec<Pair>,
    },
    /// Parameters, each of them once.
    Params {
        /// The parameters.
        params: Vec<Pair>,
    },
    /// Metrics.
    Metrics {
        /// The metrics.
        metrics: Vec<Metric>,
    },
    /// Data that it looked at.
    Input {
        /// The data.
        input: Dataset,
    },
    /// A file, kept in the journal's folder.
    File {
        /// Place within the run, and within the journal's folder.
        file: ArtifactFile,
        /// Its length.
        bytes: u64,
    },
    /// It goes on after it had ended or was killed.
    Resume,
    /// It ended, at the line's time.
    End {
        /// How.
        status: Status,
    },
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Our number of the run that it is about.
    pub run: String,
    /// When it happened, in milliseconds since 1970.
    pub time: Time,
    /// What.
    pub entry: Entry,
}

/// A line, and how far the journal was read with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The line.
    pub line: Line,
    /// Byte behind it.
    pub end: u64,
}

/// How far a server has a journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The server, without user and password; another one has nothing of it.
    pub tracking_uri: String,
    /// Bytes of the journal that it has.
    pub offset: u64,
    /// Its number of the experiment.
    pub experiment_id: Option<String>,
    /// Its runs, by our numbers.
    pub runs: BTreeMap<String, RemoteRun>,
    /// What it refused, for good: told once, not sent again.
    pub refused: Vec<String>,
    /// Bytes of the journal when the server was told that its runs were killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buried: Option<u64>,
}

/// A run on the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemoteRun {
    /// MLflow's number.
    pub run_id: String,
    /// Where its files go.
    pub artifact_uri: String,
}

/// What a journal holds, at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Whose it is.
    pub head: Head,
    /// Name of the command's run.
    pub name: String,
    /// When it began.
    pub start: Time,
    /// Time of the newest line.
    pub last: Time,
    /// How the command's run ended; none: it did not.
    pub status: Option<Status>,
    /// Runs below it that have begun, with their names, and whether they have ended.
    pub children: BTreeMap<String, (String, bool)>,
    /// The highest step of every metric of the command's run.
    pub steps: BTreeMap<String, i64>,
    /// Bytes of whole lines.
    pub bytes: u64,
}

/// A journal that is being written or sent. Nobody else does either meanwhile.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    head: Head,
    file: File,
    /// Held, never read.
    _lock: File,
}

/// Where the journals of a registry are.
pub fn root(registry: &Path) -> PathBuf {
    registry.join(FOLDER)
}

/// Folders of all journals below a root, by name.
pub fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(root) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|cause| failed("read", root, cause))?,
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(LINES).is_file())
        .collect();
    found.sort();
    Ok(found)
}

impl Journal {
    /// Starts a journal.
    pub fn create(root: &Path, head: Head) -> Result<Self> {
        let folder = root.join(&head.id);
        make_folder(&folder)?;
        let lock = hold(&folder)?.ok_or_else(|| busy(&folder))?;
        let path = folder.join(LINES);
        let mut options = File::options();
        let file = options.append(true).read(true).create_new(true).open(&path);
        let mut journal = Self {
            file: file.map_err(|cause| failed("write", &path, cause))?,
            folder,
            head: Head {
                format: FORMAT,
                ..head
            },
            _lock: lock,
        };
        let head = line_of(&journal.head)?;
        journal.write(&head)?;
        Ok(journal)
    }

    /// Opens a journal that is there; none where another process is at work on it.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let Some(lock) = hold(folder)? else {
            return Ok(None);
        };
        let path = folder.join(LINES);
        let opened = File::options().append(true).read(true).open(&path);
        let file = opened.map_err(|cause| failed("read", &path, cause))?;
        let head = head_of(folder)?;
        let mut journal = Self {
            folder: folder.to_path_buf(),
            head,
            file,
            _lock: lock,
        };
        journal.mend()?;
        Ok(Some(journal))
    }

    /// The unfinished journal of a command that is being resumed: of the same key, for the same server, the newest, and nobody's at the moment.
    pub fn resumable(root: &Path, key: &str, tracking_uri: &str) -> Option<(Self, Summary)> {
        let mut found: Vec<(Self, Summary)> = Vec::new();
        for folder in folders(root).ok()? {
            let fits = |head: Head| head.key == key && head.tracking_uri == tracking_uri;
            if !head_of(&folder).is_ok_and(fits) {
                continue;
            }
            let Ok(Some(journal)) = Self::open(&folder) else {
                continue;
            };
            let Ok(summary) = summary(&folder) else {
                continue;
            };
            if summary.status != Some(Status::Finished) {
                found.push((journal, summary));
            }
        }
        found.into_iter().max_by_key(|(_, summary)| summary.last)
    }

    /// Whose it is.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a line.
    pub fn append(&mut self, line: &Line) -> Result<()> {
        let text = line_of(line)?;
        self.write(&text)
    }

    /// Keeps a file of a run in the folder (a second name for it where the disk allows, else a copy) and adds its line.
    pub fn keep(&mut self, run: &str, time: Time, path: &str, file: &Path) -> Result<()> {
        let files = self.folder.join(FILES);
        make_folder(&files)?;
        let number = fs::read_dir(&files).into_iter().flatten().count();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let place = PathBuf::from(FILES).join(format!("{number:04}-{name}"));
        let kept = self.folder.join(&place);
        // our writers replace files, they never change one: a second name keeps what it named
        if fs::hard_link(file, &kept).is_err() {
            fs::copy(file, &kept).map_err(|cause| failed("keep", file, cause))?;
        }
        let bytes = fs::metadata(&kept).map_err(|cause| failed("read", &kept, cause))?;
        self.append(&Line {
            run: run.to_owned(),
            time,
            entry: Entry::File {
                file: ArtifactFile {
                    path: path.to_owned(),
                    file: place,
                },
                bytes: bytes.len(),
            },
        })
    }

    /// Keeps a file made of these bytes, which nobody else has.
    pub fn keep_bytes(&mut self, run: &str, time: Time, path: &str, bytes: &[u8]) -> Result<()> {
        let made = self.folder.join("made");
        atomic::write_file(&made, bytes)?;
        let kept = self.keep(run, time, path, &made);
        let _ = fs::remove_file(&made);
        kept
    }

    /// Waits until everything is on disk.
    pub fn sync(&self) -> Result<()> {
        let synced = self.file.sync_data();
        synced.map_err(|cause| failed("write", &self.folder.join(LINES), cause))
    }

    /// Takes the journal away: a server has it all.
    pub fn remove(self) -> Result<()> {
        let folder = self.folder.clone();
        drop(self);
        remove(&folder)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let path = self.folder.join(LINES);
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|cause| failed("write", &path, cause))
    }

    /// A torn last line is closed, so that the next one stands alone.
    fn mend(&mut self) -> Result<()> {
        let path = self.folder.join(LINES);
        let mut last = [b'\n'];
        let length = self.file.metadata().map(|file| file.len()).unwrap_or(0);
        if length > 0 {
            let read = (self.file.seek(SeekFrom::End(-1))).and_then(|_| self.file.read(&mut last));
            read.map_err(|cause| failed("read", &path, cause))?;
        }
        match last {
            [b'\n'] => Ok(()),
            _ => self.write("\n"),
        }
    }
}

/// Takes a journal's folder away, its lines last: what is left of an interrupted removal is still a journal.
fn remove(folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder.join(FILES));
    // in this order a reader in between finds either a journal that was sent, or none
    for name in [LINES, SENT, LOCK] {
        match fs::remove_file(folder.join(name)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", &folder.join(name), cause));
            }
            _ => {}
        }
    }
    let _ = fs::remove_dir_all(folder);
    // the folder of all journals goes with the last one
    let _ = folder.parent().map(fs::remove_dir);
    Ok(())
}

fn line_of(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|cause| Error::internal("an entry is no JSON").because(cause))?;
    Ok(text + "\n")
}

fn busy(folder: &Path) -> Error {
    Error::remote(format!(
        "`{}` is in use by another process",
        folder.display()
    ))
    .hint("wait until it is done")
}

/// Takes the lock; none where somebody has it.
fn hold(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|cause| failed("write", &path, cause))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // where a file system has no locks, one process at a time is the user's business
        _ => Ok(Some(file)),
    }
}

/// The head of a journal.
pub fn head_of(folder: &Path) -> Result<Head> {
    let path = folder.join(LINES);
    let text = read_from(&path, 0)?;
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let head: Head = serde_json::from_slice(first).map_err(|cause| {
        Error::data(format!("`{}` has no readable first line", path.display()))
            .hint(format!("remove `{}` to forget the run", folder.display()))
            .because(cause)
    })?;
    match head.format {
        FORMAT => Ok(head),
        other => Err(Error::unsupported(format!(
            "`{}` has format {other}, this program reads {FORMAT}",
            path.display()
        ))
        .hint("use the version of senti-ai that wrote it, or a newer one")),
    }
}

/// The whole lines behind this byte, and the number of damaged ones among them. A last line without an end is not there yet.
pub fn lines(folder: &Path, from: u64) -> Result<(Vec<Placed>, usize)> {
    let text = read_from(&folder.join(LINES), from)?;
    let (mut placed, mut damaged, mut end) = (Vec::new(), 0, from);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.last() != Some(&b'\n') {
            break;
        }
        let begin = end;
        end += line.len() as u64;
        match serde_json::from_slice(line) {
            Ok(line) => placed.push(Placed { line, end }),
            Err(_) if begin == 0 || line == b"\n" => {}
            Err(_) => damaged += 1,
        }
    }
    Ok((placed, damaged))
}

fn read_from(path: &Path, from: u64) -> Result<Vec<u8>> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|cause| failed("read", path, cause))
}

/// What a journal holds.
pub fn summary(folder: &Path) -> Result<Summary> {
    let head = head_of(folder)?;
    let (placed, _) = lines(folder, 0)?;
    let mut summary = Summary {
        name: head.id.clone(),
        head,
        start: 0,
        last: 0,
        status: None,
        children: BTreeMap::new(),
        steps: BTreeMap::new(),
        bytes: placed.last().map_or(0, |placed| placed.end),
    };
    for Placed { line, .. } in placed {
        let own = line.run == summary.head.id;
        summary.last = summary.last.max(line.time);
        match line.entry {
            Entry::Begin { name, .. } if own => (summary.name, summary.start) = (name, line.time),
            Entry::Begin { name, .. } => {
                summary.children.insert(line.run, (name, false));
            }
            Entry::End { status } if own => summary.status = Some(status),
            Entry::End { .. } => {
                if let Some(child) = summary.children.get_mut(&line.run) {
                    child.1 = true;
                }
            }
            Entry::Resume if own => summary.status = None,
            Entry::Metrics { metrics } if own => {
                for metric in metrics {
                    let step = summary.steps.entry(metric.key).or_insert(metric.step);
                    *step = metric.step.max(*step);
                }
            }
            _ => {}
        }
    }
    Ok(summary)
}

/// How far this server has a journal; nothing where it is another server, or nobody knows.
pub fn sent(folder: &Path, tracking_uri: &str) -> Sent {
    let known = fs::read(folder.join(SENT)).ok();
    let known: Option<Sent> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let known = known.filter(|sent| sent.tracking_uri == tracking_uri);
    known.unwrap_or_else(|| Sent {
        tracking_uri: tracking_uri.to_owned(),
        ..Sent::default()
    })
}

/// Keeps how far a server has a journal.
pub fn keep_sent(folder: &Path, sent: &Sent) -> Result<()> {
    let text = line_of(sent)?;
    atomic::write_file(&folder.join(SENT), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlflow::record::{metric, tag};

    fn head(id: &str) -> Head {
        Head {
            format: FORMAT,
            id: id.into(),
            key: "same data".into(),
            command: "train".into(),
            tracking_uri: "http://127.0.0.1:5000".into(),
            experiment: Experiment::default(),
        }
    }

    fn line(time: Time, entry: Entry) -> Line {
        Line {
            run: "one".into(),
            time,
            entry,
        }
    }

    fn begin() -> Entry {
        Entry::Begin {
            name: "first".into(),
            parent: None,
            attach: None,
            tags: vec![tag("a", "b")],
        }
    }

    fn loss(step: usize, value: f64) -> Entry {
        Entry::Metrics {
            metrics: vec![metric("train_loss", value, 5, step)],
        }
    }

    #[test]
    fn lines_come_back_in_order_and_a_torn_one_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), head("one")).unwrap();
        journal.append(&line(1, begin())).unwrap();
        journal.append(&line(2, loss(1, f64::INFINITY))).unwrap();
        let place = journal.folder().to_path_buf();
        let (all, damaged) = lines(&place, 0).unwrap();
        assert_eq!((all.len(), damaged), (2, 0));
        assert_eq!(all[1].line, line(2, loss(1, f64::INFINITY)));
        let (rest, _) = lines(&place, all[0].end).unwrap();
        assert_eq!(rest, all[1..]);

        // torn in the middle of a line
        drop(journal);
        let path = place.join(LINES);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        let (left, damaged) = lines(&place, 0).unwrap();
        assert_eq!((left.as_slice(), damaged), (&all[..1], 0));

        // what is appended then stands alone
        let mut journal = Journal::open(&place).unwrap().unwrap();
        journal.append(&line(3, loss(2, 0.5))).unwrap();
        let (left, damaged) = lines(&place, 0).unwrap();
        assert_eq!((left.len(), damaged), (2, 1));
        assert_eq!(left[1].line, line(3, loss(2, 0.5)));
    }

    #[test]
    fn one_at_a_time_and_the_unfinished_one_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), head("one")).unwrap();
        journal.append(&line(1, begin())).unwrap();
        journal.append(&line(2, loss(7, 0.1))).unwrap();
        assert!(
            Journal::open(journal.folder()).unwrap().is_none(),
            "it is held"
        );
        assert!(Journal::resumable(folder.path(), "same data", "http://127.0.0.1:5000").is_none());
        drop(journal);
        assert!(Journal::resumable(folder.path(), "other data", "http://127.0.0.1:5000").is_none());
        let (mut journal, summary) =
            Journal::resumable(folder.path(), "same data", "http://127.0.0.1:5000").unwrap();
        assert_eq!(
            (summary.steps["train_loss"], summary.start, summary.last),
            (7, 1, 2)
        );
        assert_eq!((summary.status, summary.name.as_str()), (None, "first"));
        let end = |status| line(3, Entry::End { status });
        journal.append(&end(Status::Killed)).unwrap();
        drop(journal);
        let (mut journal, summary) =
            Journal::resumable(folder.path(), "same data", "http://127.0.0.1:5000").unwrap();
        assert_eq!(summary.status, Some(Status::Killed));
        journal.append(&end(Status::Finished)).unwrap();
        drop(journal);
        assert!(Journal::resumable(folder.path(), "same data", "http://127.0.0.1:5000").is_none());
    }

    #[test]
    fn a_file_is_kept_though_its_place_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("report.html");
        atomic::write_file(&output, b"first").unwrap();
        let mut journal = Journal::create(&folder.path().join("journals"), head("one")).unwrap();
        journal.keep("one", 4, "report.html", &output).unwrap();
        atomic::write_file(&output, b"second").unwrap();
        let place = journal.folder().to_path_buf();
        let (lines, _) = lines(&place, 0).unwrap();
        let Entry::File { file, bytes } = &lines[0].line.entry else {
            panic!("{lines:?}");
        };
        assert_eq!(fs::read(place.join(&file.file)).unwrap(), b"first");
        assert_eq!((*bytes, file.path.as_str()), (5, "report.html"));
        journal.remove().unwrap();
        assert!(!folder.path().join("journals").exists());
    }

    #[test]
    fn the_cursor_is_of_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let mut here = sent(folder.path(), "http://a");
        here.offset = 7;
        keep_sent(folder.path(), &here).unwrap();
        assert_eq!(sent(folder.path(), "http://a"), here);
        assert_eq!(sent(folder.path(), "http://b").offset, 0);
        fs::write(folder.path().join(SENT), "{").unwrap();
        assert_eq!(sent(folder.path(), "http://a").offset, 0);
    }
}
