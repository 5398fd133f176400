//! A folder with a queue, and the command in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The kinds of stores that a command is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Json,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Sqlite, Self::Json];

    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Sqlite => ".tasq/queue.db",
            Self::Json => ".tasq/queue.json",
        }
    }
}

/// A folder of its own: a home, a project, and nothing of the surroundings.
pub(super) struct Sandbox {
    folder: TempDir,
    /// Where commands run.
    pub(super) project: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// The command, next to the test binary.
pub(super) fn binary() -> PathBuf {
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

impl Sandbox {
    /// Without a store.
    pub(super) fn bare() -> Self {
        Self::named("project")
    }

    /// Without a store, in a folder of this name.
    pub(super) fn named(name: &str) -> Self {
        let folder = folder();
        let project = folder.path().join(name);
        fs::create_dir(&project).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        // A border, so that no store above this folder is ever found.
        fs::create_dir(project.join(".git")).unwrap();
        Self { folder, project }
    }

    /// With an empty store of this kind.
    pub(super) fn with(kind: Kind) -> Self {
        let sandbox = Self::bare();
        sandbox.init(kind);
        sandbox
    }

    pub(super) fn init(&self, kind: Kind) {
        let ran = self.tasq(&["--store", kind.file(), "init", "--name", "test"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    /// The folder above the project.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command with these words; its environment is empty but for what it needs to find a shell.
    pub(super) fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = self.program(binary());
        command.args(words);
        command
    }

    /// Any program in the same place.
    pub(super) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.project)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("USER", "ada")
            .stdin(Stdio::null());
        command
    }

    pub(super) fn tasq<S: AsRef<OsStr>>(&self, words: &[S]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// The command with a text on standard input.
    pub(super) fn tasq_reading(&self, words: &[&str], input: &str) -> Ran {
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        Ran::from(child.wait_with_output().unwrap())
    }

    /// The data of a command that works.
    pub(super) fn data(&self, words: &[&str]) -> Value {
        let ran = self.tasq(&[words, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
        ran.data()
    }

    /// The error of a command that fails with this status.
    pub(super) fn error(&self, status: i32, words: &[&str]) -> Value {
        let ran = self.tasq(&[&["--json"], words].concat());
        assert_eq!(ran.code, Some(status), "{words:?}: {ran:?}");
        ran.error()
    }

    /// The id of what a command makes.
    pub(super) fn id(&self, words: &[&str]) -> String {
        text(&self.data(words)["id"])
    }

    /// The state of the whole queue, to see that nothing changed.
    pub(super) fn export(&self) -> String {
        let ran = self.tasq(&["export"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    }

    /// A file in the project.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.project.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

/// In memory where the system has a place for that, unless `TMPDIR` names another: waiting for a disk is most of the
/// time that these tests take.
fn folder() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && in_memory.is_dir() {
        return tempfile::tempdir_in(in_memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

impl Ran {
    pub(super) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// The envelope's data.
    pub(super) fn data(&self) -> Value {
        let envelope = self.envelope();
        assert_eq!(keys(&envelope), ["schema_version", "data", "warnings"]);
        envelope["data"].clone()
    }

    /// The envelope's error.
    pub(super) fn error(&self) -> Value {
        let envelope = self.envelope();
        assert_eq!(keys(&envelope), ["schema_version", "error"]);
        let error = envelope["error"].clone();
        assert_eq!(keys(&error), ["code", "message", "hint", "details"]);
        error
    }

    fn envelope(&self) -> Value {
        assert_eq!(
            self.stderr, "",
            "with --json nothing is said on standard error"
        );
        let envelope: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(envelope["schema_version"], 1);
        envelope
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

/// The keys of an object, in order.
pub(super) fn keys(value: &Value) -> Vec<&str> {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("{value} is no object"));
    object.keys().map(String::as_str).collect()
}

/// A text in JSON.
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}
