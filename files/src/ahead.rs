//! Large files on their way to the disk.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

/// After so many bytes it is worth a thread to have the disk work meanwhile.
const MUCH_BYTES: u64 = 16 * 1024 * 1024;

/// How much of what comes at once is written at once, so that the disk can work on the first of it.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// A file that is written and, if it is large, goes to the disk meanwhile, so that only the last of it is waited for.
pub(crate) struct Ahead {
    /// Shared and not opened twice: some network file systems tell of a failed write to the first who closes the file.
    file: Arc<File>,
    /// How many bytes were written since the disk was last asked to have all.
    waiting: u64,
    syncing: Option<Syncing>,
    /// What came of that so far. After a failure the disk is not asked again, because it would say yes.
    synced: io::Result<()>,
}

/// A sync that is under way.
struct Syncing {
    thread: JoinHandle<()>,
    outcome: Arc<OnceLock<io::Result<()>>>,
}

impl Ahead {
    pub(crate) fn of(file: File) -> Self {
        Self {
            file: Arc::new(file),
            waiting: 0,
            syncing: None,
            synced: Ok(()),
        }
    }

    /// Has what is written so far go to the disk, unless that is under way. Without another thread all is waited for at
    /// the end.
    fn sync_aside(&mut self) {
        let under_way = self.syncing.as_ref();
        if under_way.is_some_and(|it| !it.thread.is_finished()) {
            return;
        }
        self.wait();
        if self.synced.is_err() {
            return;
        }
        let file = Arc::clone(&self.file);
        let outcome = Arc::new(OnceLock::new());
        let told = Arc::clone(&outcome);
        let thread = thread::Builder::new().name("sync ahead".to_owned());
        let started = thread.spawn(move || drop(told.set(file.sync_data())));
        self.syncing = started.ok().map(|thread| Syncing { thread, outcome });
        self.waiting = 0;
    }

    fn wait(&mut self) {
        let Some(Syncing { thread, outcome }) = self.syncing.take() else {
            return;
        };
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
        let synced = Arc::into_inner(outcome).and_then(OnceLock::into_inner);
        if self.synced.is_ok() {
            self.synced = synced.expect("the thread told before it ended");
        }
    }

    /// Waits until the disk has all of it.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.wait();
        std::mem::replace(&mut self.synced, Ok(()))?;
        self.file.sync_all()
    }
}

/// No thread goes on after a write has failed either: the room of what it syncs is given back when it ends.
impl Drop for Ahead {
    fn drop(&mut self) {
        self.wait();
    }
}

impl Write for Ahead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting >= MUCH_BYTES {
            self.sync_aside();
        }
        let part = &bytes[..bytes.len().min(PART_BYTES)];
        let written = self.file.as_ref().write(part)?;
        self.waiting += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_ref().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let mut ahead = Ahead::of(File::create(&path).unwrap());
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(40_000_000).collect();
        // In one piece, as a whole store comes.
        ahead.write_all(&all).unwrap();
        assert!(ahead.syncing.is_some(), "it goes to the disk meanwhile");
        ahead.end().unwrap();
        assert!(std::fs::read(&path).unwrap() == all);
    }

    #[test]
    fn a_disk_that_failed_once_is_not_asked_again() {
        let mut ahead = Ahead::of(tempfile::tempfile().unwrap());
        let broken = OnceLock::from(Err(io::Error::other("broken")));
        ahead.syncing = Some(Syncing {
            thread: thread::spawn(|| ()),
            outcome: Arc::new(broken),
        });
        ahead.wait();
        ahead.sync_aside();
        assert!(ahead.syncing.is_none());
        assert_eq!(ahead.end().unwrap_err().to_string(), "broken");
    }
}
