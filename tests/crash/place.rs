//! A folder with a project, and the command in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The stores that lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Json,
}

impl Kind {
    /// As `tasq selftest --store-kind` calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Json => "json",
        }
    }

    /// The store's file, from the project's folder.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Sqlite => ".tasq/queue.db",
            Self::Json => ".tasq/queue.json",
        }
    }

    /// A store of this kind outside of `.tasq/`.
    pub(crate) const fn other_file(self) -> &'static str {
        match self {
            Self::Sqlite => "other.db",
            Self::Json => "other.json",
        }
    }
}

/// A folder of its own with a home and a project, which goes with this value.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) kind: Kind,
    /// Where commands run.
    pub(crate) project: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status, or `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command, next to the test binary.
pub(crate) fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(Path::parent).unwrap();
    let binary = folder.join("tasq");
    assert!(
        binary.is_file(),
        "{} is missing: build it with `cargo build -p tasq-app-cli`",
        binary.display()
    );
    binary
}

impl Place {
    /// Without a store, in memory where the system has a place for that, unless `TMPDIR` names another: the end of a
    /// process loses nothing that the system has, so waiting for a disk proves nothing.
    pub(crate) fn bare(kind: Kind) -> Self {
        let in_memory = Path::new("/dev/shm");
        let folder = if std::env::var_os("TMPDIR").is_none() && in_memory.is_dir() {
            tempfile::tempdir_in(in_memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.unwrap();
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        // A border, so that no store above this folder is ever found.
        fs::create_dir(project.join(".git")).unwrap();
        Self {
            folder,
            kind,
            project,
        }
    }

    /// With an empty store.
    pub(crate) fn with_store(kind: Kind) -> Self {
        let place = Self::bare(kind);
        place.works(&["init", "--name", "test"]);
        place
    }

    /// Another place with the same files in the project.
    pub(crate) fn copy(&self) -> Self {
        let place = Self::bare(self.kind);
        copy_folder(&self.project, &place.project);
        place
    }

    /// The store's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.project.join(self.kind.file())
    }

    /// A file in the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.project.join(name), text).unwrap();
    }

    /// Any program, in the environment of the command.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.project)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("TASQ_ACTOR", "ada")
            .env("TASQ_STORE", self.kind.file())
            .stdin(Stdio::null());
        command
    }

    /// The command with these words.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = self.program(binary());
        command.args(words);
        command
    }

    pub(crate) fn tasq<S: AsRef<OsStr>>(&self, words: &[S]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// The command, which must work.
    #[track_caller]
    pub(crate) fn works<S: AsRef<OsStr> + std::fmt::Debug>(&self, words: &[S]) -> Ran {
        let ran = self.tasq(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
        ran
    }

    /// The data of a command that must work.
    #[track_caller]
    pub(crate) fn data(&self, words: &[&str]) -> Value {
        self.works(&[words, &["--json"]].concat()).data()
    }

    /// Adds tasks with these ids in one transaction, ready in this order.
    pub(crate) fn add_tasks(&self, ids: impl IntoIterator<Item = String>) {
        let lines = ids.into_iter().map(|id| {
            format!("{{\"id\":\"{id}\",\"description\":\"work on {id}\",\"feature\":\"F\"}}\n")
        });
        self.works(&["feature", "add", "F", "--id", "F"]);
        self.write("tasks.jsonl", &lines.collect::<String>());
        self.works(&["task", "add", "--from", "tasks.jsonl"]);
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// The data of an answer in JSON.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        self.envelope()["data"].clone()
    }

    /// The message of a refusal in JSON.
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        text(&self.envelope()["error"]["message"])
    }

    #[track_caller]
    fn envelope(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A text in JSON.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// Copies all files below a folder into another that is there.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !target.is_dir() {
                fs::create_dir(&target).unwrap();
                fs::set_permissions(&target, entry.metadata().unwrap().permissions()).unwrap();
            }
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
    let _ = fs::set_permissions(to, fs::Permissions::from_mode(0o700));
}
