//! Errors: the one place where SQLite's own words become what a caller can do.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error as Sql};
use tasq_files::{FileError, free_bytes, inspect, open_append, size_limit};
use tasq_ports::{Holder, StoreError};

use crate::connect::{PAGE_BYTES, lock_path, log_path};

/// What SQLite says of most that a disk can do to it.
pub(crate) const IO_ERROR: &str = "disk I/O error";

/// Below this, a disk counts as full when SQLite reports an input or output error: opening needs room for `-shm`.
const FULL_BELOW_BYTES: u64 = 256 * 1024;

/// What one page takes in the log.
const A_FRAME_BYTES: u64 = PAGE_BYTES as u64 + 24;

/// A value in the database that no queue can hold.
#[derive(Debug)]
pub(crate) struct BadRow {
    pub(crate) table: &'static str,
    pub(crate) id: String,
    pub(crate) column: &'static str,
    pub(crate) what: String,
}

/// What can fail inside a unit of work.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(Sql),
    Row(BadRow),
    Store(StoreError),
}

impl From<Sql> for Fault {
    fn from(error: Sql) -> Self {
        Self::Sql(error)
    }
}

impl From<BadRow> for Fault {
    fn from(row: BadRow) -> Self {
        Self::Row(row)
    }
}

impl Fault {
    /// A caller asked for something that its contract excludes.
    pub(crate) fn misuse(what: impl Into<String>) -> Self {
        Self::Store(StoreError::Backend { what: what.into() })
    }
}

/// Where the store is: what an error message names.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) wait: Duration,
}

impl Place {
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            place: self.name(),
            what: what.into(),
        }
    }

    pub(crate) fn fault(&self, fault: Fault) -> StoreError {
        match fault {
            Fault::Sql(error) => self.sql(&error),
            Fault::Row(BadRow {
                table,
                id,
                column,
                what,
            }) => self.damaged(format!("{table} {id}, column {column}: {what}")),
            Fault::Store(error) => error,
        }
    }

    /// Translates an error of any statement but COMMIT.
    pub(crate) fn sql(&self, error: &Sql) -> StoreError {
        match error {
            Sql::DatabaseError(DatabaseErrorKind::Unknown, info) => self.message(info.message()),
            Sql::DatabaseError(_, info) => StoreError::Backend {
                what: info.message().to_owned(),
            },
            Sql::DeserializationError(cause) => self.damaged(cause.to_string()),
            other => StoreError::Backend {
                what: other.to_string(),
            },
        }
    }

    /// Translates an error of COMMIT: if the log could not be written to the disk for good, nobody knows.
    pub(crate) fn commit(&self, error: &Sql) -> StoreError {
        match error {
            Sql::DatabaseError(_, info) if info.message().starts_with(IO_ERROR) => {
                StoreError::OutcomeUnknown {
                    what: format!("committing to {}: {}", self.name(), info.message()),
                }
            }
            other => self.sql(other),
        }
    }

    /// Translates what SQLite says. It has few words for many causes, so the file is looked at before one is named.
    pub(crate) fn message(&self, message: &str) -> StoreError {
        let path = self.path.clone();
        let says = |start: &str| message.starts_with(start);
        if says("database is locked")
            || says("database table is locked")
            || says("database schema is locked")
            || says("locking protocol")
        {
            StoreError::Busy {
                waited: self.wait,
                holder: None,
            }
        } else if says("file is not a database")
            || says("database disk image is malformed")
            || says("malformed database schema")
            || says("unsupported file format")
            || says("no such table")
            || says("no such column")
        {
            self.damaged(message)
        } else if says("database or disk is full") {
            let free = free_bytes(&path).ok();
            StoreError::Full { path, free }
        } else if says("attempt to write a readonly database") {
            StoreError::ReadOnly { path }
        } else if says("unable to open database file") || says(IO_ERROR) {
            self.cannot_open(message)
        } else {
            StoreError::Backend {
                what: message.to_owned(),
            }
        }
    }

    fn cannot_open(&self, message: &str) -> StoreError {
        if let Err(error) = inspect(&self.path) {
            return file(error);
        }
        let free = free_bytes(&self.path).ok();
        if free.is_some_and(|free| free < FULL_BELOW_BYTES) || self.is_as_large_as_may_be() {
            let path = self.path.clone();
            return StoreError::Full { path, free };
        }
        // SQLite does not say that it may not write; the writers' lock, which lies beside the file, does.
        match open_append(&lock_path(&self.path)) {
            Err(FileError::ReadOnly { .. }) => {
                let path = self.path.clone();
                return StoreError::ReadOnly { path };
            }
            Err(FileError::Denied { .. }) => {
                let path = self.path.clone();
                return StoreError::Denied { path };
            }
            Ok(_) | Err(_) => {}
        }
        StoreError::Io {
            place: self.name(),
            doing: "reading or writing",
            source: std::io::Error::other(message.to_owned()),
        }
    }
}

impl Place {
    /// Whether the next pages would make a file larger than this process may write.
    fn is_as_large_as_may_be(&self) -> bool {
        let files = [self.path.clone(), log_path(&self.path)];
        let mut sizes = files.iter().filter_map(|file| inspect(file).ok());
        size_limit().is_some_and(|limit| sizes.any(|facts| facts.len + A_FRAME_BYTES > limit))
    }
}

/// SQLite refuses some locks without waiting: nobody is told of a longer wait than there was.
pub(crate) fn not_longer_than(begun: Instant, error: StoreError) -> StoreError {
    match error {
        StoreError::Busy { waited, holder } => StoreError::Busy {
            waited: waited.min(begun.elapsed()),
            holder,
        },
        other => other,
    }
}

/// Translates what looking at files, locking and replacing can meet.
pub(crate) fn file(error: FileError) -> StoreError {
    let what = error.to_string();
    match error {
        FileError::Missing { path } => StoreError::Missing {
            place: path.display().to_string(),
        },
        FileError::Busy { waited, holder, .. } => StoreError::Busy {
            waited,
            holder: holder.map(|tasq_files::Holder { pid, age }| Holder { pid, age }),
        },
        FileError::Link { path }
        | FileError::HardLink { path, .. }
        | FileError::ForeignOwner { path, .. } => StoreError::Policy {
            place: path.display().to_string(),
            what,
        },
        FileError::NotRegular { path } | FileError::NotFolder { path } => StoreError::Damaged {
            place: path.display().to_string(),
            what,
        },
        FileError::ReadOnly { path } => StoreError::ReadOnly { path },
        FileError::Denied { path } => StoreError::Denied { path },
        FileError::Full { path, free } => StoreError::Full { path, free },
        FileError::Limit { path, .. } => StoreError::Limit {
            place: path.display().to_string(),
            what,
        },
        FileError::OutcomeUnknown { .. } => StoreError::OutcomeUnknown { what },
        FileError::Io {
            path,
            doing,
            source,
        } => StoreError::Io {
            place: path.display().to_string(),
            doing,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> StoreError {
        let place = Place {
            path: "/nowhere/queue.db".into(),
            wait: Duration::from_secs(1),
        };
        place.message(message)
    }

    #[test]
    fn what_sqlite_says_becomes_what_the_caller_can_do() {
        assert!(matches!(
            said("database is locked"),
            StoreError::Busy { .. }
        ));
        assert!(matches!(
            said("file is not a database"),
            StoreError::Damaged { .. }
        ));
        assert!(matches!(
            said("database disk image is malformed"),
            StoreError::Damaged { .. }
        ));
        assert!(matches!(
            said("database or disk is full"),
            StoreError::Full { .. }
        ));
        assert!(matches!(
            said("attempt to write a readonly database"),
            StoreError::ReadOnly { .. }
        ));
        assert!(matches!(
            said("unable to open database file"),
            StoreError::Missing { .. }
        ));
        assert!(matches!(said("something else"), StoreError::Backend { .. }));
    }
}
