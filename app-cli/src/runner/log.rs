//! The log of one attempt: its output as it came, the beginning and the end of what is too much.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::redaction::{Redaction, Stream};
use super::tail::Tail;

/// The most that the log of an attempt takes of the disk, in bytes, besides the line that says what was left out.
pub(super) const LOG_BYTES: u64 = 16 * 1024 * 1024;
/// How much of that is for the end of the output. Until the output ends it is in memory, so it is not much.
const END_BYTES: usize = 1024 * 1024;
const BEGINNING_BYTES: u64 = LOG_BYTES - END_BYTES as u64;

/// A log under way.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// Where the file ends.
    at: u64,
    stream: Stream,
    /// What came after the beginning was full, or after a write failed.
    end: Tail,
    /// The bytes that were pushed into the end.
    behind: u64,
    failure: Option<io::Error>,
}

/// What became of a log.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) left_out: u64,
    pub(super) failure: Option<io::Error>,
}

impl Log {
    /// Opens a log at its end; the folder above it and the file are this account's alone, and a link is not followed.
    ///
    /// # Errors
    /// If the folder cannot be made or the file not opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(path)?;
        let at = file.metadata()?.len();
        Ok(Self {
            file,
            at,
            stream: Stream::default(),
            end: Tail::keeping(END_BYTES),
            behind: 0,
            failure: None,
        })
    }

    /// Takes more of the output. Never fails: what cannot be written is counted.
    pub(super) fn push(&mut self, redaction: &Redaction, more: &[u8]) {
        if self.behind > 0 || self.failure.is_some() {
            self.hold(more);
            return;
        }
        let ready = self.stream.push(redaction, more);
        self.write(&ready);
    }

    /// Writes the end, and before it how much is missing.
    pub(super) fn finish(mut self, redaction: &Redaction) -> Kept {
        let rest = self.stream.finish(redaction);
        if self.behind == 0 && self.failure.is_none() {
            self.write(&rest);
        }
        let end = redaction.of(self.end.bytes());
        let left_out = self.behind.saturating_sub(length(self.end.bytes()));
        if self.behind > 0 {
            let before = self.failure.take();
            let at = self.at;
            if left_out > 0 {
                self.put(&gap(left_out));
            }
            self.put(&end);
            if self.failure.is_none() {
                return Kept {
                    left_out,
                    failure: before,
                };
            }
            // Nothing of the end is better than a part of it.
            self.at = at;
            let _ = self.file.set_len(at);
        }
        if let Some(failure) = &self.failure {
            self.mark_as_cut(failure);
        }
        Kept {
            left_out: self.behind,
            failure: self.failure,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let room = BEGINNING_BYTES.saturating_sub(self.at);
        let now = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let done = self.put(&bytes[..now]);
        if done < bytes.len() {
            self.hold(&bytes[done..]);
            let line = self.stream.take();
            self.hold(&line);
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.behind += length(bytes);
        self.end.push(bytes);
    }

    /// Writes as much as can be written; the rest is a failure.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            match self.file.write_at(&bytes[done..], self.at) {
                Ok(0) => self.failure = Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    done += count;
                    self.at += length(&bytes[..count]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.failure = Some(error),
            }
            break;
        }
        done
    }

    /// Says so over the last bytes of the log: these have their place on the disk, even on a full one.
    fn mark_as_cut(&self, failure: &io::Error) {
        let mark = format!("\n[tasq: the log ends here: {failure}]\n");
        let from = self.at.saturating_sub(length(mark.as_bytes()));
        // An empty log on a full disk cannot even say that; whoever waits for the command is told as well.
        let room = usize::try_from(self.at - from).unwrap_or_default();
        let cut = mark.len() - room.min(mark.len());
        let _ = self.file.write_at(&mark.as_bytes()[cut..], from);
        let _ = (&self.file).flush();
    }
}

/// Opens a log to read it; a link is not followed.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(no_follow())
        .open(path)
}

fn no_follow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

/// The line between the beginning and the end.
fn gap(left_out: u64) -> Vec<u8> {
    format!("\n[tasq: {left_out} bytes are left out here]\n").into_bytes()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn logged(pieces: &[&[u8]]) -> (Vec<u8>, Kept) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/one.log");
        let redaction = Redaction::default();
        let mut log = Log::open(&path).unwrap();
        for piece in pieces {
            log.push(&redaction, piece);
        }
        let kept = log.finish(&redaction);
        (fs::read(path).unwrap(), kept)
    }

    #[test]
    fn bytes_are_kept_as_they_are() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (log, kept) = logged(&[&bytes, b"no end of line"]);
        assert_eq!(log, [&bytes[..], b"no end of line"].concat());
        assert_eq!(kept.left_out, 0);
        assert!(kept.failure.is_none());
    }

    #[test]
    fn of_what_is_too_much_the_beginning_and_the_end_are_kept() {
        let line = b"0123456789abcde\n";
        let many = line.repeat(1024 * 1024);
        let (log, kept) = logged(&[b"first\n", &many, &many, b"last\n"]);
        let size = length(&log);
        assert!(size < LOG_BYTES + 100 && size > LOG_BYTES - 100, "{size}");
        assert!(log.starts_with(b"first\n0123") && log.ends_with(b"\nlast\n"));
        let text = String::from_utf8(log).unwrap();
        let gap = format!("\n[tasq: {} bytes are left out here]\n", kept.left_out);
        assert!(text.contains(&gap), "it says how much");
        let written = 11 + 2 * length(&many);
        assert_eq!(size - length(gap.as_bytes()) + kept.left_out, written);
    }

    #[test]
    fn a_log_that_cannot_be_written_says_so_and_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.log");
        let redaction = Redaction::default();
        let mut log = Log::open(&path).unwrap();
        log.push(&redaction, &b"a line of the log\n".repeat(20));
        // Every write fails from now on.
        log.failure = Some(io::ErrorKind::StorageFull.into());
        log.push(&redaction, b"more");
        log.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let kept = log.finish(&redaction);
        assert_eq!(kept.left_out, 4);
        assert!(kept.failure.is_some());
    }
}
