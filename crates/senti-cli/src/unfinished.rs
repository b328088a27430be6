//! A training in progress on disk: the checkpoint of this run, and those of other runs, which are never deleted.
//!
//! In come states; out go `checkpoint.senti` in the output folder, as often as `--checkpoint_every` says, and, for `--resume`, the state
//! that belongs to the same data and options. An unfinished training of another run is set aside as `checkpoint.senti.set-aside`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use senti::artifact::{State, StateManifest};
use senti::plan::Plan;
use senti::{Error, Result};
use senti_io::checkpoint;

use crate::every::Every;
use crate::say;

/// The training in progress, inside the output folder.
pub const CHECKPOINT: &str = "checkpoint.senti";

/// Behind the name of a checkpoint that belongs to another run; a number follows from the second on.
const ASIDE: &str = ".set-aside";

/// A pause is at least this many times what the last checkpoint took: of a huge network, writing takes minutes, not the training.
const SHARE: u32 = 4;

/// The checkpoint of a run.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    /// Does the file at `path` belong to this run?
    own: bool,
    /// Where the resumed training was found, when it had been set aside.
    from: Option<PathBuf>,
    /// The newest file at `path` is damaged and the one before it was taken up.
    damaged: bool,
    every: Every,
    /// When the training began or the last checkpoint was written, and how long that took.
    saved: Instant,
    took: Duration,
}

impl Unfinished {
    /// Of a run that writes into this folder, so often.
    pub fn new(output: &Path, every: Every) -> Self {
        Self {
            path: output.join(CHECKPOINT),
            own: false,
            from: None,
            damaged: false,
            every,
            saved: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// The checkpoint of the folder, then those that were set aside, the newest first.
    fn candidates(&self) -> Vec<PathBuf> {
        let folder = self.path.parent().filter(|folder| *folder != Path::new(""));
        let entries = std::fs::read_dir(folder.unwrap_or(Path::new(".")));
        let start = format!("{CHECKPOINT}{ASIDE}");
        let mut aside: Vec<_> = (entries.into_iter().flatten().flatten())
            .filter(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.starts_with(&start)
            })
            .map(|entry| {
                let saved = entry.metadata().and_then(|file| file.modified()).ok();
                let name = entry.file_name().to_string_lossy().into_owned();
                // The one before counts where the newest is gone.
                let name = name.trim_end_matches(".previous");
                (Reverse(saved), self.path.with_file_name(name))
            })
            .collect();
        aside.sort();
        let mut seen = BTreeSet::new();
        aside.retain(|(_, path)| seen.insert(path.clone()));
        let own = checkpoint::exists(&self.path).then(|| self.path.clone());
        own.into_iter()
            .chain(aside.into_iter().map(|(_, path)| path))
            .collect()
    }

    fn aside(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ASIDE);
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    }

    /// Looks, before anything is read, whether there is what is wanted.
    pub fn announce(&self, resume: bool) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if resume && self.candidates().is_empty() {
            let error = Error::input(format!(
                "there is no training to resume in `{}`",
                folder.display()
            ));
            return Err(error.hint("train without `--resume`, or name the folder with `--output`"));
        }
        if !resume && checkpoint::exists(&self.path) {
            say::note(&format!(
                "note: `{}` holds an interrupted training; `--resume` would go on with it, given the same data and options",
                folder.display()
            ));
        }
        Ok(())
    }

    /// The state to go on with: of this plan and data, where there is one.
    pub fn take_up(&mut self, plan: &Plan, digest: &str) -> Result<State> {
        let (mut fitting, mut strange, mut unread) = (None, None, Vec::new());
        for path in self.candidates() {
            match checkpoint::load(&path) {
                Ok(loaded) if fits(&loaded.state.manifest, plan, digest) => {
                    fitting = Some((path, loaded));
                    break;
                }
                Ok(loaded) => strange = strange.or(Some((path, loaded))),
                Err(error) => unread.push(error),
            }
        }
        // One of another plan or of other data is refused by name when it is taken up.
        let Some((path, loaded)) = fitting.or(strange) else {
            let none = || Error::input("there is no training to resume");
            return Err(unread.into_iter().next().unwrap_or_else(none));
        };
        for error in unread {
            say::always(&format!("note: {error}"));
        }
        if let Some(note) = &loaded.note {
            say::always(&format!("note: {note}"));
        }
        say::note(&format!(
            "resuming after {} from `{}`",
            say::count(loaded.state.manifest.epochs_done, "epoch"),
            path.display()
        ));
        match path == self.path {
            true => (self.own, self.damaged) = (true, loaded.note.is_some()),
            false => self.from = Some(path),
        }
        Ok(loaded.state)
    }

    /// Moves the unfinished training of another run out of the way; said even when quiet, for a file of the user's gets a new name.
    pub fn make_room(&self) -> Result<()> {
        if self.own || !checkpoint::exists(&self.path) {
            return Ok(());
        }
        let place = (1..).map(|number| self.aside(number));
        let place = place.into_iter().find(|path| !checkpoint::exists(path));
        let place = place.expect("numbers do not end");
        let previous = checkpoint::previous(&self.path);
        let mover = |from: &Path, to: &Path| match from.exists() {
            true => std::fs::rename(from, to),
            false => Ok(()),
        };
        let moved = mover(&self.path, &place)
            .and_then(|()| mover(&previous, &checkpoint::previous(&place)));
        moved.map_err(|error| {
            let sentence = format!(
                "cannot set the unfinished training `{}` aside",
                self.path.display()
            );
            Error::remote(sentence)
                .hint("go on with it by `--resume`, or give another `--output DIR`")
                .because(error)
        })?;
        say::always(&format!(
            "note: the unfinished training in `{}` is set aside as `{}`; `--resume` with its data and options goes on with it",
            self.path.display(),
            place.display()
        ));
        Ok(())
    }

    /// The training begins: its first checkpoint is due a pause from now.
    pub fn begin(&mut self) -> Result<()> {
        self.saved = Instant::now();
        self.make_room()
    }

    /// Keeps a state in the middle of an epoch, when it is time.
    pub fn keep_batch(&mut self, state: &dyn Fn() -> State) -> Result<()> {
        match self.every {
            Every::Pause(pause) if self.is_due(pause) => self.save(state),
            _ => Ok(()),
        }
    }

    /// Keeps a state behind an epoch, when it is time; that of the last one always, for forecasting the test part and writing come next.
    pub fn keep_epoch(
        &mut self,
        epoch: usize,
        last: bool,
        state: &dyn Fn() -> State,
    ) -> Result<()> {
        let due = match self.every {
            Every::Never => false,
            Every::Epochs(n) => last || epoch.is_multiple_of(n),
            Every::Pause(pause) => last || self.is_due(pause),
        };
        if due { self.save(state) } else { Ok(()) }
    }

    fn is_due(&self, pause: Duration) -> bool {
        self.saved.elapsed() >= pause.max(SHARE * self.took)
    }

    /// Keeps a state.
    pub fn save(&mut self, state: &dyn Fn() -> State) -> Result<()> {
        let start = Instant::now();
        self.make_room()?;
        match self.damaged {
            true => checkpoint::replace_damaged(&self.path, &state())?,
            false => checkpoint::save(&self.path, &state())?,
        }
        (self.own, self.damaged) = (true, false);
        (self.saved, self.took) = (Instant::now(), start.elapsed());
        Ok(())
    }

    /// Where this run can be resumed from.
    pub fn kept(&self) -> Option<&Path> {
        let from = self.from.as_deref();
        self.own.then_some(self.path.as_path()).or(from)
    }

    /// The training is done: its own checkpoint goes, others stay.
    pub fn done(&self) -> Result<()> {
        if self.own {
            checkpoint::remove(&self.path)?;
        }
        self.from.as_deref().map_or(Ok(()), checkpoint::remove)
    }
}

/// Is it a training of this plan (but for the number of epochs) on these data?
fn fits(found: &StateManifest, plan: &Plan, digest: &str) -> bool {
    let map = |plan: &Plan| {
        let mut map = serde_json::to_value(plan).unwrap_or_default();
        map.as_object_mut().map(|map| map.remove("epochs"));
        map
    };
    found.digest == digest && map(&found.plan) == map(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainings_that_were_set_aside_are_found_whatever_their_numbers() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let unfinished = Unfinished::new(folder.path(), Every::Never);
        assert!(unfinished.announce(true).is_err());
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            let names = paths.iter().filter_map(|path| path.file_name());
            names
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        };
        let file = |name: &str| std::fs::write(folder.path().join(name), "").is_ok();
        assert!(
            file("checkpoint.senti.set-aside-2") && file("checkpoint.senti.set-aside-2.previous")
        );
        assert_eq!(
            names(unfinished.candidates()),
            ["checkpoint.senti.set-aside-2"]
        );
        assert!(file("checkpoint.senti"));
        assert_eq!(names(unfinished.candidates())[0], "checkpoint.senti");
        assert!(unfinished.make_room().is_ok());
        assert!(folder.path().join("checkpoint.senti.set-aside").exists());
        assert_eq!(unfinished.candidates().len(), 2);
    }
}
