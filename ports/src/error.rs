//! What can go wrong with a store, told by what the caller can do about it.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Who has a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// How long it has had the lock.
    pub age: Duration,
}

/// A store could not do what was asked. Unless it is [`OutcomeUnknown`](Self::OutcomeUnknown), nothing was written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Someone else is writing, for longer than the caller would wait. Try again.
    #[error("the store is busy: waited {:.1} s{}", waited.as_secs_f64(), holder_text(*holder))]
    Busy {
        /// How long was waited.
        waited: Duration,
        /// Who has the lock, where that is known.
        holder: Option<Holder>,
    },
    /// There is no store at that place. Make one.
    #[error("there is no store at {place}")]
    Missing {
        /// The place looked at.
        place: String,
    },
    /// There is a store at that place already.
    #[error("there is a store at {place} already")]
    Exists {
        /// The place.
        place: String,
    },
    /// Not a store of ours, or a damaged one. Nothing was changed.
    #[error("{place} is damaged or not a store: {what}")]
    Damaged {
        /// Where.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// The content has a wrong shape that a person may have made and can mend.
    #[error("{place}: {what}")]
    Invalid {
        /// The file.
        place: String,
        /// What is wrong, with line, column and JSON path where there are any.
        what: String,
    },
    /// Written by a newer version. Nothing was changed.
    #[error("{place} has format {found}, this version knows formats up to {known}")]
    TooNew {
        /// Where.
        place: String,
        /// The version found.
        found: String,
        /// The newest version known.
        known: String,
    },
    /// Has an older format that is not brought up to date by itself.
    #[error("{place} has format {found} and must be migrated to {known}")]
    TooOld {
        /// Where.
        place: String,
        /// The version found.
        found: String,
        /// The version needed.
        known: String,
    },
    /// No space is left.
    #[error("no space is left at {} ({} bytes free)", path.display(), free_text(*free))]
    Full {
        /// The file.
        path: PathBuf,
        /// Free bytes on its file system, where that is known.
        free: Option<u64>,
    },
    /// The file or its file system cannot be written.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The operating system denies access.
    #[error("permission denied: {}", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
    },
    /// tasq's own policy denies it: a link, a foreign owner, a network file system.
    #[error("{place}: {what}")]
    Policy {
        /// The file.
        place: String,
        /// What the policy says.
        what: String,
    },
    /// A size, depth or count is beyond its limit.
    #[error("{place}: {what}")]
    Limit {
        /// Where.
        place: String,
        /// Which limit, with the number found and the number allowed.
        what: String,
    },
    /// It may or may not have been written. Repeat with the same operation id.
    #[error("the outcome is unknown: {what}")]
    OutcomeUnknown {
        /// What failed.
        what: String,
    },
    /// Input or output failed. Nothing was acknowledged.
    #[error("{doing} failed for {place}: {source}")]
    Io {
        /// Where.
        place: String,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// The store's engine failed in a way that has no better name. Nothing was acknowledged.
    #[error("the store failed: {what}")]
    Backend {
        /// The engine's own words.
        what: String,
    },
}

fn holder_text(holder: Option<Holder>) -> String {
    holder.map_or_else(String::new, |Holder { pid, age }| {
        format!(
            " for process {pid}, which has had it for {:.1} s",
            age.as_secs_f64()
        )
    })
}

fn free_text(free: Option<u64>) -> String {
    free.map_or_else(|| "unknown".to_owned(), |free| free.to_string())
}
