//! What SQLite offers to C alone.
//!
//! [`install`] gives every connection that this process opens afterwards the function [`FUNCTION`]:
//! `SELECT tasq_follow(0)` switches the connection's triggers and foreign keys off, `SELECT tasq_follow(1)` on. The
//! answer is what was asked for. Nothing else on the connection changes, and nothing in the file. Statements that were prepared
//! before are prepared anew by SQLite when they are used next, so switch seldom. Call it alone, as above, with no
//! other statement under way: one that opens another table after the switch is aborted by SQLite.
//!
//! It also gives them another: `SELECT tasq_pack(a, b, …)` answers with all its arguments, of which there are at most 255,
//! in one blob, which [`Values`] takes apart again. It changes nothing.
//!
//! And it makes a file system for SQLite known, [`FILE_SYSTEM`]: a database that is opened with it (`vfs=` in its URI) has a
//! commit written to its log by one call instead of two for each page, if it is carried out [`in_one_piece`]. The bytes
//! are the same, and where they are when SQLite waits for the disk or tells others of the commit is the same. A short log
//! that is emptied (`PRAGMA wal_checkpoint(TRUNCATE)`) keeps its length and gets another header, to which nothing that is
//! there belongs. On Linux, shared memory that nobody else has open is taken over without making its file anew, whatever
//! file system of SQLite's a database is opened with.
//!
//! Whoever links it also has SQLite take its small blocks of memory from lists of this crate, on Linux: a connection
//! takes some five thousand of them when it opens a queue, and the C library thinks about each.
//!
//! This is the only crate of the workspace with unsafe code. Each block says why it is sound.

use std::ffi::c_int;
use std::fmt;

mod ahead;
mod early;
mod follow;
mod gather;
mod header;
mod log;
#[cfg(any(target_os = "linux", test))]
mod memory;
mod pack;
#[cfg(target_os = "linux")]
mod shared;

pub use header::{LOG_HEADER_BYTES, LogFrame, LogHeader};
pub use pack::{Value, Values};

/// The SQL function: one argument, 0 for off, any other number for on. Only a statement itself can call it; a trigger or
/// a view cannot.
pub const FUNCTION: &str = follow::FUNCTION;

/// The name of the file system, for the `vfs=` of a URI.
pub const FILE_SYSTEM: &str = log::NAME;

/// SQLite refused: it is out of memory, or misused in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotInstalled {
    /// SQLite's result code.
    pub code: c_int,
}

impl fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SQLite takes neither functions nor file systems (code {})",
            self.code
        )
    }
}

impl std::error::Error for NotInstalled {}

/// Gives SQLite in this process all of them. Once is enough; more often does nothing.
///
/// # Errors
/// [`NotInstalled`].
pub fn install() -> Result<(), NotInstalled> {
    follow::register()
        .and_then(|()| log::register())
        .map_err(|code| NotInstalled { code })
}

/// Runs `commit`, which does nothing but COMMIT on this thread, and has what it writes to a log of [`FILE_SYSTEM`] written
/// in as few pieces as it can be. Returns its answer, and how long the log is then as far as it counts, in bytes: the end of
/// what was written; 0 if nothing was.
///
/// Nothing but the COMMIT: were a transaction undone in it, and then the log looked at, what was undone might be written
/// over what others had put into its place.
pub fn in_one_piece<T>(commit: impl FnOnce() -> T) -> (T, u64) {
    let (answer, end) = gather::Moment::of(commit);
    (answer, u64::try_from(end).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_is_installing_once() {
        assert_eq!(install(), Ok(()));
        assert_eq!(install(), Ok(()));
    }
}
