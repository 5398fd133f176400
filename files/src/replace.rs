//! Replacing a file's content so that readers, and a machine after a power cut, see the old or the
//! new one and nothing between.
//!
//! The new content goes to a temporary file in the same folder and to the disk; the rename is the
//! one point at which it counts; then the folder goes to the disk. A failed sync is never tried
//! again: after one, the kernel may have dropped what it could not write and report success.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::{Errno, retry_on_intr};

use crate::ahead::Ahead;
use crate::error::FileError;
use crate::open::{Facts, facts_of, lstat, lstat_single};

/// How often a taken temporary name is drawn again. A second draw of 64 bits is luck enough.
const NAME_DRAWS: usize = 8;

const TEMP_SUFFIX: &str = ".tmp";

/// A new content for a file: on the disk, not yet under the file's name.
///
/// Dropping it without [`Replacement::commit`] removes it and leaves the file as it was.
#[derive(Debug)]
#[must_use = "nothing is replaced before the commit"]
pub struct Replacement {
    target: PathBuf,
    temp: Temp,
}

/// Puts `bytes` under `path`: [`Replacement::prepare`] and [`Replacement::commit`] in one.
///
/// # Errors
/// As those two.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<Facts, FileError> {
    Replacement::prepare(path, bytes)?.commit()
}

impl Replacement {
    /// Writes `bytes` to a temporary file beside `path` and waits until the disk has them.
    ///
    /// A file that is there passes on its mode and owner (not its access list or other attributes);
    /// a new one is 0600.
    ///
    /// # Errors
    /// [`FileError::Link`], [`FileError::NotRegular`] or [`FileError::HardLink`] for a target that a
    /// rename would cut off from its other names; [`FileError::Denied`] also if its owner cannot be
    /// kept; [`FileError::Full`], [`FileError::ReadOnly`], [`FileError::Missing`] (the folder),
    /// [`FileError::Io`]. Nothing has changed after any of them.
    pub fn prepare(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        Self::prepare_with(path, |file| file.write_all(bytes))
    }

    /// [`Replacement::prepare`] for content that is not in one place: `write` gets the file, not buffered.
    ///
    /// # Errors
    /// As [`Replacement::prepare`]; those of `write` are taken for the disk's.
    pub fn prepare_with(
        path: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, FileError> {
        let replaced = match lstat_single(path) {
            Ok(found) => Some(found),
            Err(FileError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        let (file, temp) = Temp::create(path)?;
        if let Some(replaced) = &replaced {
            dress(&file, path, replaced)?;
        }
        let mut ahead = Ahead::of(file);
        write(&mut ahead).map_err(|source| FileError::new(path, "write", source))?;
        ahead
            .end()
            .map_err(|source| FileError::new(path, "sync", source))?;
        Ok(Self {
            target: path.to_owned(),
            temp,
        })
    }

    /// Puts the content under the file's name. Returns what the file now is.
    ///
    /// # Errors
    /// [`FileError::OutcomeUnknown`] if the new content is visible but its folder could not be
    /// synced. After any other error nothing has changed.
    pub fn commit(self) -> Result<Facts, FileError> {
        let Self { target, mut temp } = self;
        let facts = facts_of(&lstat(&temp.path)?);
        std::fs::rename(&temp.path, &target)
            .map_err(|source| FileError::new(&target, "replace", source))?;
        temp.renamed = true;
        match sync_dir(parent(&target)) {
            Ok(()) => Ok(facts),
            Err(source) => Err(FileError::OutcomeUnknown {
                path: target,
                source,
            }),
        }
    }
}

/// Writes `bytes` at the end of `file` and waits until the disk has them. `file` must be opened with
/// [`open_append`](crate::open_append) and the caller must be its only writer; `path` is for
/// messages.
///
/// # Errors
/// [`FileError::Full`], [`FileError::Io`] …. After a failed write the file is cut back to its old
/// end, so no torn line is left, if the disk allows. After a failed sync the bytes may or may not
/// last, and `file` must not be used again.
pub fn append_durably(mut file: &File, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let old_len = file
        .metadata()
        .map_err(|source| FileError::new(path, "look at", source))?
        .len();
    if let Err(source) = file.write_all(bytes) {
        // Translated first, because cutting back frees the space that was missing.
        let error = FileError::new(path, "write", source);
        let _ = file.set_len(old_len);
        return Err(error);
    }
    file.sync_data()
        .map_err(|source| FileError::new(path, "sync", source))
}

/// Removes what writers of `folder/name` that were killed left there. Returns how many files.
///
/// The caller must have the lock under which that file is replaced: the temporary file of a living
/// writer looks the same.
///
/// # Errors
/// The first that listing or removing meets.
pub fn remove_stray_temps(folder: &Path, name: &OsStr) -> Result<usize, FileError> {
    let mut removed = 0;
    for path in stray_temps(folder, name)? {
        match std::fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::new(&path, "remove", error)),
        }
    }
    Ok(removed)
}

/// The files that [`remove_stray_temps`] would remove. Without the lock, some may be those of a living writer.
///
/// # Errors
/// What listing can meet.
pub fn stray_temps(folder: &Path, name: &OsStr) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::new(folder, "list", source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_temp_of(&entry.file_name(), name) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// What else in `folder` has the name of something that was to become another file: folders, and files of other names
/// than `name`, whose own are [`stray_temps`]. Some may be those of a living writer.
///
/// # Errors
/// What listing can meet.
pub fn leftovers(folder: &Path, name: &OsStr) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::new(folder, "list", source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let of = entry.file_name();
        if becomes(&of).is_some_and(|of| !is_file || of != name.as_encoded_bytes()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// A fresh name beside `path` for what will become it, known to [`stray_temps`]. Nothing is made.
///
/// # Errors
/// [`FileError::NotRegular`] for a path without a name.
pub fn temp_path(path: &Path) -> Result<PathBuf, FileError> {
    match path.file_name() {
        Some(name) => Ok(path.with_file_name(temp_name(name))),
        None => Err(FileError::NotRegular {
            path: path.to_owned(),
        }),
    }
}

/// Gives a file that is on the disk another name in the same folder, for good. Without `replace`, `false` says that
/// the name is taken, and nothing was changed.
///
/// # Errors
/// [`FileError::OutcomeUnknown`] if the file has its name but the folder could not be synced. After any other error
/// nothing has changed.
pub fn rename_durably(from: &Path, to: &Path, replace: bool) -> Result<bool, FileError> {
    let failed = |errno| FileError::from_errno(to, "name", errno);
    let flags = if replace {
        RenameFlags::empty()
    } else {
        RenameFlags::NOREPLACE
    };
    match rustix::fs::renameat_with(CWD, from, CWD, to, flags) {
        Ok(()) => {}
        Err(Errno::EXIST) if !replace => return Ok(false),
        // A file system that cannot promise it: looking first leaves a gap, but only between two who make the same file.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if !replace && std::fs::symlink_metadata(to).is_ok() {
                return Ok(false);
            }
            rustix::fs::rename(from, to).map_err(failed)?;
        }
        Err(errno) => return Err(failed(errno)),
    }
    match sync_dir(parent(to)) {
        Ok(()) => Ok(true),
        Err(source) => Err(FileError::OutcomeUnknown {
            path: to.to_owned(),
            source,
        }),
    }
}

/// Waits until the disk has the names in `folder`: after making, renaming or removing a file there.
///
/// # Errors
/// What opening and syncing a folder can meet; the names may or may not last.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    sync_dir(folder).map_err(|source| FileError::new(folder, "sync", source))
}

/// [`sync_folder`] for the folder in which `path` lies.
///
/// # Errors
/// As [`sync_folder`].
pub fn sync_parent(path: &Path) -> Result<(), FileError> {
    sync_folder(parent(path))
}

/// A temporary file, removed with this value unless it got its real name.
#[derive(Debug)]
struct Temp {
    path: PathBuf,
    renamed: bool,
}

impl Temp {
    fn create(target: &Path) -> Result<(File, Self), FileError> {
        let Some(name) = target.file_name() else {
            return Err(FileError::NotRegular {
                path: target.to_owned(),
            });
        };
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |errno| FileError::from_errno(target, "make a temporary file for", errno);
        for _ in 0..NAME_DRAWS {
            let path = target.with_file_name(temp_name(name));
            match retry_on_intr(|| rustix::fs::open(&path, how, Mode::RUSR | Mode::WUSR)) {
                Ok(fd) => {
                    let renamed = false;
                    return Ok((File::from(fd), Self { path, renamed }));
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Err(failed(Errno::EXIST))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.renamed {
            // The next one to have the lock removes what cannot be removed now.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Gives a new file the owner and mode of the one that it replaces. The owner first: changing it
/// clears mode bits.
fn dress(file: &File, path: &Path, like: &Metadata) -> Result<(), FileError> {
    let own = file
        .metadata()
        .map_err(|source| FileError::new(path, "look at", source))?;
    let owner = (own.uid() != like.uid()).then(|| Uid::from_raw(like.uid()));
    let group = (own.gid() != like.gid()).then(|| Gid::from_raw(like.gid()));
    if owner.is_some() || group.is_some() {
        rustix::fs::fchown(file, owner, group)
            .map_err(|errno| FileError::from_errno(path, "keep the owner of", errno))?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(like.mode() & 0o7777))
        .map_err(|errno| FileError::from_errno(path, "keep the mode of", errno))
}

fn temp_name(name: &OsStr) -> OsString {
    // Every state of std's hash maps has fresh random keys: enough to differ from other writers.
    let random = RandomState::new().build_hasher().finish();
    let mut temp = OsString::from(".");
    temp.push(name);
    temp.push(format!(
        ".{}.{random:016x}{TEMP_SUFFIX}",
        std::process::id()
    ));
    temp
}

fn is_temp_of(found: &OsStr, name: &OsStr) -> bool {
    becomes(found) == Some(name.as_encoded_bytes())
}

/// The name that a temporary file was to get: `.NAME.PID.HEX.tmp`.
fn becomes(found: &OsStr) -> Option<&[u8]> {
    let inner = found.as_encoded_bytes().strip_prefix(b".")?;
    let inner = inner.strip_suffix(TEMP_SUFFIX.as_bytes())?;
    let mut parts = inner.rsplitn(3, |byte| *byte == b'.');
    let (random, pid, name) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = random.len() == 16
        && random.iter().all(u8::is_ascii_hexdigit)
        && !pid.is_empty()
        && pid.iter().all(u8::is_ascii_digit);
    ours.then_some(name)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn sync_dir(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_known_again_for_its_own_file_only() {
        let name = OsStr::new("queue.json");
        let temp = temp_name(name);
        assert!(is_temp_of(&temp, name), "{temp:?}");
        assert!(!is_temp_of(&temp, OsStr::new("queue")), "{temp:?}");
        assert_ne!(temp, temp_name(name));
    }

    #[test]
    fn names_that_only_look_like_temporary_ones_are_left_alone() {
        let name = OsStr::new("q");
        for other in [
            "q",
            ".q.tmp",
            ".q.1.tmp",
            ".q..0123456789abcdef.tmp",
            ".q.1.0123456789abcdeg.tmp",
            ".q.1.0123456789abcdef",
            "q.1.0123456789abcdef.tmp",
            ".q.1.2.0123456789abcdef.tmp",
        ] {
            assert!(!is_temp_of(OsStr::new(other), name), "{other}");
        }
        assert!(is_temp_of(OsStr::new(".q.1.0123456789abcdef.tmp"), name));
    }
}
