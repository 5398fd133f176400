//! Large files on their way to the disk.

use std::fs::File;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};

/// From so many bytes on it is worth a thread to have the disk work meanwhile.
pub(crate) const MUCH_BYTES: u64 = 16 * 1024 * 1024;

/// A large file that is written and goes to the disk meanwhile, so that the end of it is all that is waited for.
pub(crate) struct Ahead<'f> {
    file: &'f File,
    /// How many bytes were written since the disk was last asked to have all.
    waiting: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// What came of that so far. After a failure the disk is not asked again.
    synced: io::Result<()>,
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
        let thread = self.syncing.as_ref();
        if thread.is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.wait();
        if self.synced.is_err() {
            return;
        }
        if let Ok(file) = self.file.try_clone() {
            let thread = thread::Builder::new().name("sync ahead".to_owned());
            self.syncing = thread.spawn(move || file.sync_data()).ok();
            self.waiting = 0;
        }
    }

    fn wait(&mut self) {
        if let Some(thread) = self.syncing.take() {
            let synced = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if self.synced.is_ok() {
                self.synced = synced;
            }
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
        ahead.syncing = Some(thread::spawn(|| Err(io::Error::other("broken"))));
        ahead.wait();
        ahead.sync();
        assert!(ahead.syncing.is_none());
        assert_eq!(ahead.end().unwrap_err().to_string(), "broken");
    }
}
