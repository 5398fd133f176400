//! Where attempts work on this machine: the project's own folder, or a git worktree for each task.

mod git;
mod worktree;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tasq_domain::TaskId;
use tasq_files::{LockFile, LockGuard};
use tasq_formats::digest::sha256_hex;
use tasq_ports::{Bench, Job, Kept, Leaving, Workplace, WorkplaceError};

use crate::failure::Failure;
use crate::scratch::Scratch;
pub(crate) use worktree::{KeepWorktree, Merge, WorktreeOptions, Worktrees};

/// The variable that names the file with the task.
const TASK_FILE: &str = "TASQ_TASK_FILE";
/// The variable that names the folder of an attempt in a worktree of its own.
pub(crate) const FOLDER_OF_WORKTREE: &str = "TASQ_FOLDER";
/// The lock of a loop's folder, and of all of them while one is made.
const LOCK: &str = "lock";
/// How long to wait for another loop that begins.
const TIDY_WAIT: Duration = Duration::from_secs(30);
/// How much of an id a name made from it shows.
const SHOWN_CHARS: usize = 60;

/// The folder in which the attempts of one loop find their tasks as files. What was written there goes when the attempt
/// ends; what a loop that was killed has left goes when the next one begins.
pub(crate) struct TaskFiles {
    folder: Scratch,
    /// Says that this loop lives, to those that tidy up.
    _lives: Option<LockGuard>,
}

impl TaskFiles {
    /// In the queue's own folder, or else in the folder for temporary files.
    pub(crate) fn in_folder(queue: Option<&Path>) -> Result<Self, Failure> {
        let Some(queue) = queue else {
            return Ok(Self {
                folder: Scratch::make(&std::env::temp_dir(), "tasq-work")?,
                _lives: None,
            });
        };
        let all = queue.join("work");
        tasq_files::create_private_dir(&all)?;
        let _alone = LockFile::new(all.join(LOCK)).acquire(TIDY_WAIT)?;
        tidy(&all)?;
        let folder = Scratch::make(&all, "loop")?;
        let lives = LockFile::new(folder.path.join(LOCK)).acquire(TIDY_WAIT)?;
        Ok(Self {
            folder,
            _lives: Some(lives),
        })
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder.path
    }

    fn path(&self, job: &Job) -> PathBuf {
        let name = format!("{}.{}.json", safe_name(&job.task), job.token);
        self.folder.path.join(name)
    }

    /// Writes the file for its owner alone; what another had put there is not followed and not overwritten.
    pub(crate) fn write(
        &self,
        job: &Job,
        input: &[u8],
    ) -> Result<(String, String), WorkplaceError> {
        let path = self.path(job);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(input));
        written.map_err(|error| failed(&path, &error))?;
        Ok((TASK_FILE.to_owned(), utf8(&path)?))
    }

    pub(crate) fn remove(&self, job: &Job) -> Result<(), WorkplaceError> {
        let path = self.path(job);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()),
        }
    }
}

/// Removes the folders of loops that live no more: nobody holds their locks.
fn tidy(all: &Path) -> Result<(), Failure> {
    let unread = |error: io::Error| Failure::io("cannot tidy up after other loops", &error);
    for entry in fs::read_dir(all).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if !path.is_dir() {
            continue;
        }
        let Ok(_gone) = LockFile::new(path.join(LOCK)).acquire(Duration::ZERO) else {
            continue;
        };
        fs::remove_dir_all(&path).map_err(unread)?;
    }
    Ok(())
}

/// The folder for the worktrees of a queue, which has one folder for each task.
pub(crate) fn worktrees(queue: &Path) -> PathBuf {
    queue.join("worktrees")
}

/// A path as a variable of the environment has it.
fn utf8(path: &Path) -> Result<String, WorkplaceError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| WorkplaceError {
        what: format!("{}: its name is not UTF-8", path.display()),
    })
}

fn failed(path: &Path, error: &io::Error) -> WorkplaceError {
    WorkplaceError {
        what: format!("{}: {error}", path.display()),
    }
}

/// A name for files and branches made from an id, which may have any characters but white space: two ids never get the
/// same one.
pub(crate) fn safe_name(task: &TaskId) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let id = task.as_str();
    let name: String = id
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(SHOWN_CHARS)
        .collect();
    if name == id && !name.starts_with('-') {
        return name;
    }
    format!("_{name}.{}", &sha256_hex(id.as_bytes())[..12])
}

/// Every attempt works in the project's folder.
pub(crate) struct ProjectFolder {
    pub(crate) folder: PathBuf,
    pub(crate) files: TaskFiles,
}

impl Workplace for ProjectFolder {
    fn open(&self, job: &Job, input: &[u8]) -> Result<Bench, WorkplaceError> {
        Ok(Bench {
            folder: self.folder.clone(),
            env: vec![self.files.write(job, input)?],
        })
    }

    fn keep(&self, _: &Job, _: &Bench) -> Result<Kept, WorkplaceError> {
        Ok(Kept::InPlace)
    }

    fn leave(&self, job: &Job, _: &Bench, _: Leaving) -> Result<(), WorkplaceError> {
        self.files.remove(job)
    }

    fn open_whole(&self) -> Result<Bench, WorkplaceError> {
        Ok(Bench {
            folder: self.folder.clone(),
            env: Vec::new(),
        })
    }

    fn leave_whole(&self, _: &Bench) -> Result<(), WorkplaceError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str) -> String {
        safe_name(&TaskId::new(id).unwrap())
    }

    #[test]
    fn an_id_becomes_a_name_that_harms_nobody() {
        assert_eq!(name("TASK-0A1B2C3D"), "TASK-0A1B2C3D");
        let hostile = [
            "../../etc",
            "-rf",
            "a/b",
            "a_b/",
            "$(id)",
            ".git",
            "a\u{202e}b",
            "é",
        ];
        for id in hostile {
            let safe = name(id);
            assert!(
                safe.chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')),
                "{id}: {safe}"
            );
            assert!(
                safe.starts_with('_') && !safe.contains(".."),
                "{id}: {safe}"
            );
        }
        assert_ne!(name("a/b"), name("a:b"));
        assert_ne!(name(&"x".repeat(100)), name(&"x".repeat(101)));
    }
}
