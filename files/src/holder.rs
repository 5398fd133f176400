//! Who has a lock: what the holder wrote about itself, where the kernel says that it has the lock.
//!
//! A holder signs the file when it has the lock. Nobody signs off, which would be one more write for each time that a lock is
//! held: so what is written may be of one who had the lock before, and the one who has it now may not have signed yet, or
//! be a reader, who signs nothing. Only the kernel knows, and tells in `/proc/PID/fdinfo` and `/proc/locks` (see `proc(5)`) of
//! the processes that are seen from here. Where it does not tell, nobody is named.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;

use crate::error::Holder;
use crate::open::{Opened, open_regular};

/// The length of what a holder writes about itself. Always the same, so that a write replaces the
/// one before as a whole and never changes the file's size, which would cost a journal entry.
const RECORD_LEN: usize = 32;

/// Where the kernel lists all locks.
const KERNEL_LOCKS: &str = "/proc/locks";

/// How much of that list is asked for at once, so that it comes in as few pieces as there can be (of a page each).
const LIST_BYTES: usize = 64 * 1024;

/// Says in a lock file that this process has the lock. Failing to say so (a full disk) is no reason not to hold it.
pub(crate) fn sign(file: &File) {
    let _ = file.write_all_at(record(std::process::id(), now_micros()).as_bytes(), 0);
}

/// Whether this process signed last.
pub(crate) fn is_signed_by_us(file: &File) -> bool {
    read_record(file).is_some_and(|(pid, _)| pid == std::process::id())
}

/// Who has the exclusive lock on this file, as far as that is known.
pub(crate) fn holder(path: &Path) -> Option<Holder> {
    let Opened { file, facts } = open_regular(path, OFlags::RDONLY).ok()?;
    let (pid, since_micros) = read_record(&file)?;
    if !kernel_says(pid, facts.identity.ino).ok()? {
        return None;
    }
    let age = Duration::from_micros(now_micros().saturating_sub(since_micros));
    Some(Holder { pid, age })
}

pub(crate) fn record(pid: u32, since_micros: u64) -> String {
    let record = format!("{pid:<10} {since_micros:<20}\n");
    debug_assert_eq!(record.len(), RECORD_LEN, "{record:?}");
    record
}

fn read_record(file: &File) -> Option<(u32, u64)> {
    let mut record = [0; RECORD_LEN];
    file.read_exact_at(&mut record, 0).ok()?;
    parse_record(&record)
}

fn parse_record(record: &[u8]) -> Option<(u32, u64)> {
    let mut words = std::str::from_utf8(record).ok()?.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Whether the kernel says that this process has an exclusive lock on the file of this number.
///
/// It says so of each file that the process has open. Only of another user's process it does not; then the list of all locks
/// has to do. That one comes in pieces, and while other locks come and go, one that is there may be missing between two.
fn kernel_says(pid: u32, ino: u64) -> io::Result<bool> {
    match of_open_files(pid, ino) {
        Err(_) => of_all_locks(pid, ino),
        said => said,
    }
}

fn of_open_files(pid: u32, ino: u64) -> io::Result<bool> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        match std::fs::read_to_string(entry?.path()) {
            Ok(facts) if has_lock(&facts, pid, ino) => return Ok(true),
            Ok(_) => {}
            // It was closed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn of_all_locks(pid: u32, ino: u64) -> io::Result<bool> {
    let mut locks = String::with_capacity(LIST_BYTES);
    File::open(KERNEL_LOCKS)?.read_to_string(&mut locks)?;
    Ok(has_lock(&locks, pid, ino))
}

/// Whether a process has an exclusive lock of this kind on the file of this number, by lines such as
/// `3: FLOCK  ADVISORY  WRITE 708 00:1b:7219712 0 EOF`; one that waits has `->` before the kind. Of an open file `lock:` stands
/// before it. The device is not looked at: some file systems tell another one here than they tell of the file.
fn has_lock(lines: &str, pid: u32, ino: u64) -> bool {
    lines.lines().any(|line| {
        let line = line.strip_prefix("lock:").unwrap_or(line);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", holder, place, ..] = words[..] else {
            return false;
        };
        let number = place.rsplit(':').next().and_then(|it| it.parse().ok());
        holder.parse() == Ok(pid) && number == Some(ino)
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "the age of a lock is told to people across processes; nothing is decided by it"
)]
fn now_micros() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::error::FileError;
    use crate::lock::LockFile;

    #[test]
    fn a_record_names_its_holder() {
        assert_eq!(
            parse_record(b"4194304    1790000000000000    \n"),
            Some((4_194_304, 1_790_000_000_000_000))
        );
    }

    #[test]
    fn a_record_that_is_torn_or_foreign_names_nobody() {
        assert_eq!(parse_record(&[0; RECORD_LEN]), None);
        assert_eq!(parse_record(b"42"), None);
        assert_eq!(parse_record(b"hello world"), None);
    }

    #[test]
    fn only_who_has_the_whole_lock_has_it() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 00:1b:70 120 120\n\
                     2: FLOCK  ADVISORY  READ 8 00:1b:70 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 00:1b:71 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 10 00:1b:71 0 EOF\n";
        assert!(has_lock(locks, 9, 71));
        for (pid, ino) in [(7, 70), (8, 70), (9, 70), (10, 71)] {
            assert!(!has_lock(locks, pid, ino), "{pid} {ino}");
        }
    }

    /// Whom a lock is busy with.
    fn busy_with(lock: &LockFile) -> Option<u32> {
        let busy = LockFile::new(lock.path()).acquire(Duration::ZERO);
        let Err(FileError::Busy { holder, .. }) = busy else {
            panic!("it is held: {busy:?}");
        };
        holder.map(|holder| holder.pid)
    }

    #[test]
    fn both_ways_to_ask_see_a_lock() {
        let file = tempfile::tempfile().unwrap();
        let ino = file.metadata().unwrap().ino();
        let us = std::process::id();
        for ask in [of_open_files, of_all_locks] {
            assert!(!ask(us, ino).unwrap());
        }
        file.lock().unwrap();
        assert!(of_open_files(us, ino).unwrap());
        // Between two pieces of the list it may be missing at times.
        assert!((0..100).any(|_| of_all_locks(us, ino).unwrap()));
    }

    #[test]
    fn a_lock_is_seen_while_others_come_and_go() {
        /// The kernel's list of them takes several pieces.
        const HELD: usize = 200;
        const ROUNDS: usize = 2;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: String| File::create(folder.path().join(name)).unwrap();
        let held: Vec<File> = (0..HELD)
            .map(|n| {
                let file = file(format!("held{n}"));
                file.lock().unwrap();
                file
            })
            .collect();
        let done = AtomicBool::new(false);
        let missed = thread::scope(|scope| {
            for n in 0..2 {
                let (other, done) = (file(format!("turning{n}")), &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        other.lock().unwrap();
                        other.unlock().unwrap();
                    }
                });
            }
            let numbers = held.iter().map(|file| file.metadata().unwrap().ino());
            let missed = iter::repeat_n(numbers, ROUNDS)
                .flatten()
                .filter(|&ino| !kernel_says(std::process::id(), ino).unwrap())
                .count();
            done.store(true, Ordering::Relaxed);
            missed
        });
        assert_eq!(missed, 0);
    }

    #[test]
    fn who_wrote_last_is_not_who_reads_now() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile::new(folder.path().join("lock"));
        let held = lock.acquire(Duration::ZERO).unwrap();
        assert_eq!(busy_with(&lock), Some(std::process::id()));
        drop(held);
        let _reading = lock.acquire_shared(Duration::ZERO).unwrap();
        assert_eq!(busy_with(&lock), None);
    }

    #[test]
    fn who_wrote_last_is_not_who_has_not_signed_yet() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile::new(folder.path().join("lock"));
        let held = lock.acquire(Duration::ZERO).unwrap();
        let file = File::options().write(true).open(lock.path()).unwrap();
        // Process 1 is there on every system, and has nothing to do with this.
        file.write_all_at(record(1, now_micros()).as_bytes(), 0)
            .unwrap();
        assert_eq!(busy_with(&lock), None);
        drop(held);
    }
}
