//! Running commands: workers and test cases.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A command to run: never a shell line made from task text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandSpec {
    /// The program and its arguments; at least the program.
    pub argv: Vec<String>,
    /// Variables added to its environment, which is otherwise what the runner lets through of ours.
    pub env: Vec<(String, String)>,
    /// What it reads on standard input.
    pub stdin: Vec<u8>,
    /// Where it runs.
    pub folder: PathBuf,
    /// A file that gets its output, standard output and error together: the beginning and the end of what is longer
    /// than the runner keeps, with a line between them that counts what was left out.
    pub log: Option<PathBuf>,
    /// What it is for, as a person is told: the task's id for one. Those who look at commands under way find the last
    /// line of its output under this name. Nothing is shown of a command without one.
    pub label: String,
    /// What it may use, and how long it may take.
    pub limits: Limits,
}

/// What a command and all that it starts may use. The runner sees to them; [`Exit::end`] says which one was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Option<Duration>,
    /// How long it may write nothing.
    pub silence: Option<Duration>,
    /// How long it may take to end after it was asked to, before it is killed.
    pub grace: Duration,
    /// How many processes it may have at a time, itself included.
    pub processes: Option<u32>,
    /// How many bytes of memory each of its processes may map.
    pub memory: Option<u64>,
}

impl Limits {
    /// The grace unless said otherwise.
    pub const GRACE: Duration = Duration::from_secs(5);
}

impl Default for Limits {
    /// Any time and any number, and a grace of [`Limits::GRACE`].
    fn default() -> Self {
        Self {
            time: None,
            silence: None,
            grace: Self::GRACE,
            processes: None,
            memory: None,
        }
    }
}

/// What ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// It ended by itself, or something foreign ended it.
    #[default]
    Itself,
    /// [`Running::stop`].
    Stopped,
    /// It ran longer than [`Limits::time`].
    Time,
    /// It wrote nothing for longer than [`Limits::silence`].
    Silence,
    /// It had more processes than [`Limits::processes`].
    Processes,
}

impl End {
    /// Whether it took too long, in one way or the other.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::Time | Self::Silence)
    }
}

/// How much a command wrote, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The bytes it wrote.
    pub bytes: u64,
    /// Those of them that its log does not have; 0 if there is no log.
    pub left_out: u64,
    /// Why its log could not be written any further, in words.
    pub failure: Option<String>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it ran.
    pub duration: Duration,
    /// The end of its output, up to 64 KiB, with bytes that are not UTF-8 replaced, and what looks like a secret.
    pub output_tail: String,
    /// What ended it.
    pub end: End,
    /// How much it wrote.
    pub written: Written,
}

/// A command could not be started or supervised.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be started.
    #[error("cannot start {program:?}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Waiting for it failed.
    #[error("cannot supervise {program:?}: {source}")]
    Supervise {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// Starts commands, each in a session of its own, and sees to it that nothing of them outlives their end or ours.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Runner: Send + Sync {
    /// Starts a command and returns at once.
    ///
    /// # Errors
    /// If the program cannot be started.
    fn start(&self, command: &CommandSpec) -> Result<Box<dyn Running>, RunError>;
}

/// A command that was started. Dropping it stops it.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Running {
    /// Waits for its end, at most `limit`; `None` if it still runs. Returns early, with `None`, once for each time that
    /// the program is asked to stop. A limit of its own that it meets meanwhile ends it, as [`Running::stop`] does.
    /// When it has ended, so has everything that it started.
    ///
    /// # Errors
    /// If the operating system refuses to tell.
    fn wait(&mut self, limit: Duration) -> Result<Option<Exit>, RunError>;

    /// Ends it and everything that it started: asks, waits for the grace time, then kills. Returns how it ended.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn stop(&mut self) -> Result<Exit, RunError>;
}
