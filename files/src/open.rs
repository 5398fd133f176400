//! Opening files that others could have tampered with: no links, regular files of one name only.
//!
//! What is refused here is how a cloned repository or another account would make a store read or
//! overwrite something else. Only the last component is judged: the way to the folder is the user's.

use std::fs::{DirBuilder, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::error::FileError;
use crate::replace::sync_parent;

/// How much of a file is read at a time where it is only compared.
const PIECE_BYTES: usize = 64 * 1024;

/// Which file it is, whatever its name: two that differ are two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The device.
    pub dev: u64,
    /// The number on the device; used again once the file is gone.
    pub ino: u64,
}

/// What tells a changed file from an unchanged one without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which file it is.
    pub identity: Identity,
    /// Its size in bytes.
    pub len: u64,
    /// When its content last changed, in nanoseconds since 1970. The clock of a file system ticks in
    /// milliseconds, so two writes may share one.
    pub modified_nanos: i128,
}

/// An open file and what it was when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The file, closed on exec.
    pub file: File,
    /// What it was.
    pub facts: Facts,
}

impl Identity {
    /// Which file is under `path`, judging nothing.
    pub(crate) fn of_path(path: &Path) -> Result<Self, FileError> {
        Ok(facts_of(&lstat(path)?).identity)
    }
}

/// Opens a data file for reading.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::Link`], [`FileError::NotRegular`], [`FileError::HardLink`],
/// [`FileError::Denied`] or [`FileError::Io`].
pub fn open_read(path: &Path) -> Result<Opened, FileError> {
    open_single(path, OFlags::RDONLY)
}

/// Opens a data file that is there for reading and writing.
///
/// # Errors
/// As [`open_read`], and [`FileError::ReadOnly`].
pub fn open_read_write(path: &Path) -> Result<Opened, FileError> {
    open_single(path, OFlags::RDWR)
}

/// Opens a data file for reading and for writing at its end, making it (mode 0600) if it is missing.
///
/// # Errors
/// As [`open_read_write`], and [`FileError::Full`].
pub fn open_append(path: &Path) -> Result<Opened, FileError> {
    open_single(path, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)
}

/// Looks at a data file without opening it, which matters where closing it would drop locks that
/// this process has on it (as SQLite's).
///
/// # Errors
/// As [`open_read`].
pub fn inspect(path: &Path) -> Result<Facts, FileError> {
    lstat_single(path).map(|found| facts_of(&found))
}

/// Which file is under `path`, looked at as [`inspect`] does.
///
/// # Errors
/// As [`inspect`].
pub fn identity(path: &Path) -> Result<Identity, FileError> {
    inspect(path).map(|facts| facts.identity)
}

/// Reads what is left of `file` if it is at most `cap` bytes; `path` is for messages.
///
/// # Errors
/// [`FileError::Limit`] before more than `cap` bytes are kept, or [`FileError::Io`].
pub fn read_capped(mut file: &File, path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::new(path, "read", source);
    let limit = |found| FileError::Limit {
        path: path.to_owned(),
        found,
        cap,
    };
    let len = file.metadata().map_err(failed)?.len();
    if len > cap {
        return Err(limit(len));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    // One more than allowed, to notice a file that grew meanwhile.
    let found = (&mut file)
        .take(cap.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)? as u64;
    if found > cap {
        return Err(limit(found));
    }
    Ok(bytes)
}

/// Whether a file has just these bytes, read a piece at a time.
///
/// # Errors
/// [`FileError::Io`] if it cannot be read.
pub fn has_content(mut file: &File, path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let mut piece = [0; PIECE_BYTES];
    let mut rest = bytes;
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => return Ok(rest.is_empty()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(FileError::new(path, "read", source)),
        };
        match rest.strip_prefix(&piece[..read]) {
            Some(after) => rest = after,
            None => return Ok(false),
        }
    }
}

/// Checks that a store's folder is a folder of this account and not reached by a link. Root is no
/// exception: what another user prepared must not run as root.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::Link`], [`FileError::NotFolder`] or
/// [`FileError::ForeignOwner`].
pub fn check_private_dir(path: &Path) -> Result<(), FileError> {
    let found = lstat(path)?;
    let path = path.to_owned();
    if found.is_symlink() {
        return Err(FileError::Link { path });
    }
    if !found.is_dir() {
        return Err(FileError::NotFolder { path });
    }
    let owner = found.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(FileError::ForeignOwner { path, owner });
    }
    Ok(())
}

/// What other accounts can do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Others {
    /// The account that it belongs to, if that is not this one.
    pub owner: Option<u32>,
    /// Whether another account may read it.
    pub read: bool,
    /// Whether another account may write it.
    pub write: bool,
}

/// Looks at who besides this account may use a file or a folder. Access lists are not looked at.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::Denied`] or [`FileError::Io`].
pub fn others(path: &Path) -> Result<Others, FileError> {
    let found = lstat(path)?;
    let owner = found.uid();
    Ok(Others {
        owner: (owner != rustix::process::geteuid().as_raw()).then_some(owner),
        read: found.mode() & 0o044 != 0,
        write: found.mode() & 0o022 != 0,
    })
}

/// Makes a folder that only this account can enter (mode 0700), for good; its parent must be there.
/// One that is there already is checked as [`check_private_dir`] does and left as it is. Returns
/// whether it was made.
///
/// # Errors
/// As [`check_private_dir`], and what making a folder can meet.
pub fn create_private_dir(path: &Path) -> Result<bool, FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {
            check_private_dir(path).map(|()| false)
        }
        Err(error) => Err(FileError::new(path, "create", error)),
    }
}

/// Opens a regular file, whatever number of names it has.
pub(crate) fn open_regular(path: &Path, how: OFlags) -> Result<Opened, FileError> {
    let (file, found) = open_checked(path, how)?;
    let facts = facts_of(&found);
    Ok(Opened { file, facts })
}

fn open_single(path: &Path, how: OFlags) -> Result<Opened, FileError> {
    loop {
        let (file, found) = open_checked(path, how)?;
        // Replaced between opening and looking: the next round opens the new one, or says that there is none.
        if found.nlink() == 0 {
            continue;
        }
        check_single(path, &found)?;
        let facts = facts_of(&found);
        return Ok(Opened { file, facts });
    }
}

fn open_checked(path: &Path, how: OFlags) -> Result<(File, Metadata), FileError> {
    // Not blocking, because opening a pipe would wait for its other end; regular files ignore it.
    let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = retry_on_intr(|| rustix::fs::open(path, how, Mode::RUSR | Mode::WUSR))
        .map(File::from)
        .map_err(|errno| FileError::from_errno(path, "open", errno))?;
    let found = file
        .metadata()
        .map_err(|source| FileError::new(path, "look at", source))?;
    check_regular(path, &found)?;
    Ok((file, found))
}

fn check_regular(path: &Path, found: &Metadata) -> Result<(), FileError> {
    if found.is_file() {
        return Ok(());
    }
    Err(FileError::NotRegular {
        path: path.to_owned(),
    })
}

fn check_single(path: &Path, found: &Metadata) -> Result<(), FileError> {
    let path = path.to_owned();
    match found.nlink() {
        1 => Ok(()),
        // Removed between opening and looking.
        0 => Err(FileError::Missing { path }),
        links => Err(FileError::HardLink { path, links }),
    }
}

/// What is under `path`, if it may be a data file.
pub(crate) fn lstat_single(path: &Path) -> Result<Metadata, FileError> {
    let found = lstat(path)?;
    if found.is_symlink() {
        return Err(FileError::Link {
            path: path.to_owned(),
        });
    }
    check_regular(path, &found)?;
    check_single(path, &found)?;
    Ok(found)
}

pub(crate) fn lstat(path: &Path) -> Result<Metadata, FileError> {
    std::fs::symlink_metadata(path).map_err(|source| FileError::new(path, "look at", source))
}

pub(crate) fn facts_of(found: &Metadata) -> Facts {
    Facts {
        identity: Identity {
            dev: found.dev(),
            ino: found.ino(),
        },
        len: found.len(),
        modified_nanos: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
    }
}
