//! Large files on their way to the disk.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

/// From so many bytes on it is worth a thread to have the disk work meanwhile.
pub(crate) const MUCH_BYTES: u64 = 16 * 1024 * 1024;

/// Does something on another thread, if there is one to be had; else it is dropped. For what is nobody's to wait for.
pub fn aside(what: &str, work: Box<dyn FnOnce() + Send>) -> Option<JoinHandle<()>> {
    thread::Builder::new()
        .name(what.to_owned())
        .spawn(work)
        .ok()
}

/// A large file that is written and goes to the disk meanwhile, so that the end of it is all that is waited for.
pub(crate) struct Ahead<'f> {
    file: &'f File,
    /// How many bytes were written since the disk was last asked to have all.
    waiting: u64,
    syncing: Option<Syncing>,
    /// What came of that so far. After a failure the disk is not asked again.
    synced: io::Result<()>,
}

/// A sync that is under way.
struct Syncing {
    thread: JoinHandle<()>,
    outcome: Arc<OnceLock<io::Result<()>>>,
}

impl<'f> Ahead<'f> {
    pub(crate) const fn of(file: &'f File) -> Self {
        Self {
            file,
            waiting: 0,
            syncing: None,
            synced: Ok(()),
        }
    }

    /// Has what is written so far go to the disk, unless that is under way. Without another thread all is waited for at
    /// the end.
    fn sync(&mut self) {
        let under_way = self.syncing.as_ref();
        if under_way.is_some_and(|it| !it.thread.is_finished()) {
            return;
        }
        self.wait();
        if self.synced.is_err() {
            return;
        }
        if let Ok(file) = self.file.try_clone() {
            let outcome = Arc::new(OnceLock::new());
            let told = Arc::clone(&outcome);
            let sync = move || drop(told.set(file.sync_data()));
            let thread = aside("sync ahead", Box::new(sync));
            self.syncing = thread.map(|thread| Syncing { thread, outcome });
            self.waiting = 0;
        }
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

    /// Waits for what is under way, and says what came of it all.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.wait();
        self.synced
    }
}

impl Write for Ahead<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.waiting += written as u64;
        if self.waiting >= MUCH_BYTES {
            self.sync();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let file = File::create(&path).unwrap();
        let mut ahead = Ahead::of(&file);
        let part: Vec<u8> = (0..=u8::MAX).cycle().take(5_000_000).collect();
        for _ in 0..8 {
            ahead.write_all(&part).unwrap();
        }
        assert!(ahead.syncing.is_some(), "it goes to the disk meanwhile");
        ahead.end().unwrap();
        assert!(std::fs::read(&path).unwrap() == part.repeat(8));
    }

    #[test]
    fn a_disk_that_failed_once_is_not_asked_again() {
        let file = tempfile::tempfile().unwrap();
        let mut ahead = Ahead::of(&file);
        let broken = OnceLock::from(Err(io::Error::other("broken")));
        ahead.syncing = Some(Syncing {
            thread: thread::spawn(|| ()),
            outcome: Arc::new(broken),
        });
        ahead.wait();
        ahead.sync();
        assert!(ahead.syncing.is_none());
        assert_eq!(ahead.end().unwrap_err().to_string(), "broken");
    }
}
