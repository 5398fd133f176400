//! Where attempts work: the project's folder, or a copy of it for each task.

use std::path::PathBuf;

use tasq_domain::{TaskId, Token};
use thiserror::Error;

/// An attempt that needs a place to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The task.
    pub task: TaskId,
    /// Its title, one line.
    pub title: String,
    /// The attempt's token.
    pub token: Token,
}

/// A place that is ready to work in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bench {
    /// The folder in which the worker and the test cases run.
    pub folder: PathBuf,
    /// Variables that tell the worker about it.
    pub env: Vec<(String, String)>,
}

/// What became of the work that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It stays where it is: there is nothing to bring anywhere.
    InPlace,
    /// It is this commit now.
    Commit(String),
    /// Others changed the same project meanwhile. The work now stands on theirs and is to be proven again.
    Moved,
    /// It contradicts what others did meanwhile, as this text says; it is left on its own branch.
    Conflict(String),
}

/// What is to become of a place that is no longer worked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaving {
    /// The task is completed.
    Done,
    /// It is not: another attempt may go on from here.
    Undone,
}

/// A place to work could not be made, kept or left.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct WorkplaceError {
    /// What failed, and why.
    pub what: String,
}

/// Gives attempts their places. Shared between threads.
pub trait Workplace: Send + Sync {
    /// Makes a place ready, with what the worker reads about its task in it.
    ///
    /// # Errors
    /// If it cannot be made.
    fn open(&self, job: &Job, input: &[u8]) -> Result<Bench, WorkplaceError>;

    /// Keeps what proven work left in its place.
    ///
    /// # Errors
    /// If it cannot be kept; the place stays as it is.
    fn keep(&self, job: &Job, bench: &Bench) -> Result<Kept, WorkplaceError>;

    /// Leaves a place.
    ///
    /// # Errors
    /// If it cannot be tidied up.
    fn leave(&self, job: &Job, bench: &Bench, how: Leaving) -> Result<(), WorkplaceError>;

    /// Makes a place ready that has everything that was finished, for test cases that look at more than one task.
    ///
    /// # Errors
    /// If it cannot be made.
    fn open_whole(&self) -> Result<Bench, WorkplaceError>;

    /// Leaves such a place.
    ///
    /// # Errors
    /// If it cannot be tidied up.
    fn leave_whole(&self, bench: &Bench) -> Result<(), WorkplaceError>;
}
