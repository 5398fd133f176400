//! What can go wrong with a file, by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::space::free_bytes;

/// Why a file could not be used.
///
/// Every variant but [`FileError::OutcomeUnknown`] means that the content under the path is what it
/// was before the call.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing is under this path.
    #[error("{} is not there", path.display())]
    Missing {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// Somebody else still had the lock when the wait ended.
    #[error("{} was still locked after {waited:.1?}{}", path.display(), by(holder.as_ref()))]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
        /// Who has it, as far as that is known.
        holder: Option<Holder>,
    },
    /// The path is a symbolic link, which is never followed.
    #[error("{} is a symbolic link", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The file has other names, under which it could be changed or left behind.
    #[error("{} has {links} hard links", path.display())]
    HardLink {
        /// The name that was asked for.
        path: PathBuf,
        /// How many names there are, 2 or more.
        links: u64,
    },
    /// A folder, pipe, socket or device where a file was expected.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// What was found instead.
        path: PathBuf,
    },
    /// Something else where a folder was expected.
    #[error("{} is not a folder", path.display())]
    NotFolder {
        /// What was found instead.
        path: PathBuf,
    },
    /// The folder belongs to another account.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    ForeignOwner {
        /// The folder.
        path: PathBuf,
        /// The user id that it belongs to.
        owner: u32,
    },
    /// The file system is mounted read-only.
    #[error("{} is on a read-only file system", path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// The account may not do this.
    #[error("no permission for {}", path.display())]
    Denied {
        /// What was to be read or written.
        path: PathBuf,
    },
    /// The disk, the quota or the largest file size is exhausted.
    #[error("no space for {}{}", path.display(), left(*free))]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// Bytes that this account may still write to the file system; plenty means that a quota
        /// or a file size limit is what was reached. `None` if it cannot be told.
        free: Option<u64>,
    },
    /// The file is larger than the caller takes.
    #[error("{} has {found} bytes, more than the {cap} allowed", path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// Its size in bytes; for a file that grows while it is read, at least this.
        found: u64,
        /// The largest size allowed, in bytes.
        cap: u64,
    },
    /// The new content is visible, but it may not survive a power cut.
    #[error("{} was replaced, but perhaps not for good", path.display())]
    OutcomeUnknown {
        /// The file that was replaced.
        path: PathBuf,
        /// Why its folder could not be synced.
        source: io::Error,
    },
    /// Anything else that the system reports.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was to be read or written.
        path: PathBuf,
        /// The verb: `open`, `write`, `sync` ….
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Who has a lock: what it wrote about itself, where the kernel says that it has the lock. A hint for people and nothing to
/// decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Since when it has the lock, by the wall clock, or since when it takes it again and again (8 ms at the most); zero if
    /// that clock went back.
    pub age: Duration,
}

impl FileError {
    /// Translates what the system reported while `doing` something to `path`: the one place where
    /// error numbers are read.
    #[must_use]
    pub fn new(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => Self::Missing { path },
            // What opening without following says of a link.
            Some(Errno::LOOP) => Self::Link { path },
            // Opening a socket, or a folder for writing.
            Some(Errno::NXIO | Errno::ISDIR) => Self::NotRegular { path },
            Some(Errno::ROFS) => Self::ReadOnly { path },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { path },
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
                let free = free_bytes(&path).ok();
                Self::Full { path, free }
            }
            _ => Self::Io {
                path,
                doing,
                source,
            },
        }
    }

    /// The same for the error type of system calls.
    pub(crate) fn from_errno(path: &Path, doing: &'static str, errno: Errno) -> Self {
        Self::new(path, doing, errno.into())
    }
}

fn by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |Holder { pid, age }| {
        format!(" by process {pid}, which has had it for {age:.1?}")
    })
}

fn left(free: Option<u64>) -> String {
    free.map_or_else(String::new, |free| format!(" ({free} bytes are free)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(errno: Errno) -> FileError {
        FileError::from_errno(Path::new("/tmp/queue.json"), "write", errno)
    }

    #[test]
    fn error_numbers_become_what_the_caller_can_do() {
        assert!(matches!(
            translated(Errno::NOENT),
            FileError::Missing { .. }
        ));
        assert!(matches!(translated(Errno::LOOP), FileError::Link { .. }));
        assert!(matches!(
            translated(Errno::ISDIR),
            FileError::NotRegular { .. }
        ));
        assert!(matches!(
            translated(Errno::ROFS),
            FileError::ReadOnly { .. }
        ));
        assert!(matches!(
            translated(Errno::ACCESS),
            FileError::Denied { .. }
        ));
        assert!(matches!(translated(Errno::PERM), FileError::Denied { .. }));
        for full in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert!(matches!(
                translated(full),
                FileError::Full { free: Some(_), .. }
            ));
        }
        assert!(matches!(
            translated(Errno::IO),
            FileError::Io { doing: "write", .. }
        ));
    }

    #[test]
    fn messages_name_the_path_and_not_their_source() {
        assert_eq!(
            translated(Errno::IO).to_string(),
            "cannot write /tmp/queue.json"
        );
        let busy = FileError::Busy {
            path: "/q/queue.lock".into(),
            waited: Duration::from_secs(30),
            holder: Some(Holder {
                pid: 7,
                age: Duration::from_millis(31_250),
            }),
        };
        assert_eq!(
            busy.to_string(),
            "/q/queue.lock was still locked after 30.0s by process 7, which has had it for 31.2s"
        );
    }
}
