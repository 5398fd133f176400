//! The output of a command under way: drained by a thread of its own into the log and a tail, whatever its size, so that
//! the command never waits for a slow or a full disk.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tasq_ports::Written;

use crate::output::without_sequences;

use super::log::Log;
use super::redaction::Redaction;
use super::tail::Tail;

/// How much is read at a time.
const PIECE: usize = 64 * 1024;
/// How much of a line a person is shown at the most, in bytes.
const LINE_SHOWN: usize = 4 * 1024;

/// What one command has written so far.
#[derive(Debug)]
pub(super) struct Capture {
    redaction: Arc<Redaction>,
    so_far: Mutex<SoFar>,
}

#[derive(Debug)]
struct SoFar {
    tail: Tail,
    log: Option<Log>,
    written: Written,
    /// When it last wrote something, or began.
    last: Instant,
}

impl Capture {
    pub(super) fn new(log: Option<Log>, redaction: Arc<Redaction>) -> Self {
        Self {
            redaction,
            so_far: Mutex::new(SoFar {
                tail: Tail::default(),
                log,
                written: Written::default(),
                last: Instant::now(),
            }),
        }
    }

    /// Reads all output in a thread. The answer comes when there will be no more.
    ///
    /// # Errors
    /// If there is no room for another thread.
    pub(super) fn drain(self: Arc<Self>, mut reader: io::PipeReader) -> io::Result<Receiver<()>> {
        let (done, drained) = channel();
        thread::Builder::new().spawn(move || {
            let mut buffer = vec![0; PIECE];
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => self.take(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            // Nobody waits any more if the command was given up.
            let _ = done.send(());
        })?;
        Ok(drained)
    }

    fn take(&self, bytes: &[u8]) {
        let mut so_far = self.so_far();
        so_far.last = Instant::now();
        so_far.written.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        so_far.tail.push(bytes);
        if let Some(log) = &mut so_far.log {
            log.push(&self.redaction, bytes);
        }
    }

    /// How long nothing was written.
    pub(super) fn silence(&self) -> Duration {
        self.so_far().last.elapsed()
    }

    /// The last line that says something, for a person to look at: without secrets, colours and movements.
    fn last_line(&self) -> String {
        let line = self.so_far().tail.last_line(LINE_SHOWN);
        let line = self.redaction.of(line.as_bytes());
        without_sequences(&String::from_utf8_lossy(&line))
            .trim()
            .to_owned()
    }

    /// Finishes the log. What is written later is dropped from it.
    pub(super) fn finish(&self) -> (String, Written) {
        let mut so_far = self.so_far();
        if let Some(log) = so_far.log.take() {
            let kept = log.finish(&self.redaction);
            so_far.written.left_out = kept.left_out;
            so_far.written.failure = kept.failure.map(|failure| failure.to_string());
        }
        (so_far.tail.text(&self.redaction), so_far.written.clone())
    }

    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outputs of the commands under way, by their labels, for whoever wants to look. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs(Arc<Mutex<BTreeMap<String, Arc<Capture>>>>);

impl Outputs {
    /// The last line that a command with this label has written.
    pub(crate) fn last_line(&self, label: &str) -> Option<String> {
        let capture = self.all().get(label).cloned()?;
        Some(capture.last_line()).filter(|line| !line.is_empty())
    }

    pub(super) fn add(&self, label: &str, capture: &Arc<Capture>) {
        if !label.is_empty() {
            self.all().insert(label.to_owned(), Arc::clone(capture));
        }
    }

    /// Removes a command, unless another has taken its label.
    pub(super) fn remove(&self, label: &str, capture: &Arc<Capture>) {
        let mut all = self.all();
        if all.get(label).is_some_and(|it| Arc::ptr_eq(it, capture)) {
            all.remove(label);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Capture>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_found_by_its_label_while_the_command_runs() {
        let outputs = Outputs::default();
        let capture = |text: &[u8]| {
            let capture = Capture::new(None, Arc::default());
            capture.take(text);
            Arc::new(capture)
        };
        let (first, second) = (capture(b"one\n\n"), capture(b"two"));
        outputs.add("TASK-1", &first);
        assert_eq!(outputs.last_line("TASK-1").as_deref(), Some("one"));
        outputs.add("TASK-1", &second);
        outputs.remove("TASK-1", &first);
        assert_eq!(outputs.last_line("TASK-1").as_deref(), Some("two"));
        outputs.remove("TASK-1", &second);
        assert_eq!(outputs.last_line("TASK-1"), None);
        outputs.add("", &first);
        assert_eq!(outputs.last_line(""), None);
    }
}
