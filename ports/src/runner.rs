//! Running commands: workers and test cases.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A command to run: never a shell line made from task text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program and its arguments; at least the program.
    pub argv: Vec<String>,
    /// Variables added to the environment.
    pub env: Vec<(String, String)>,
    /// What it reads on standard input.
    pub stdin: Vec<u8>,
    /// Where it runs.
    pub folder: PathBuf,
    /// A file that gets all of its output, standard output and error together.
    pub log: Option<PathBuf>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it ran.
    pub duration: Duration,
    /// The end of its output, up to 64 KiB, with bytes that are not UTF-8 replaced.
    pub output_tail: String,
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

/// Starts commands, each in a process group of its own.
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
    /// Waits for its end, at most `limit`; `None` if it still runs. Returns early, with `None`, when the program was
    /// asked to stop.
    ///
    /// # Errors
    /// If the operating system refuses to tell.
    fn wait(&mut self, limit: Duration) -> Result<Option<Exit>, RunError>;

    /// Ends its whole process group: asks, waits a grace time, then kills. Returns how it ended.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn stop(&mut self) -> Result<Exit, RunError>;
}
