//! Being asked to stop: SIGINT and SIGTERM become a flag that loops look at.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};

/// How long a sleeper may take to notice.
const SLICE: Duration = Duration::from_millis(50);

/// Whether, and by which signal, this process was asked to stop. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// A flag that SIGINT and SIGTERM raise, instead of ending the process.
    pub(crate) fn listen() -> io::Result<Self> {
        let flag = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&flag.0), number)?;
        }
        Ok(flag)
    }

    /// The signal that arrived.
    pub(crate) fn signal(&self) -> Option<u8> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }

    /// The exit status of a program that the signal ended: 130 or 143.
    pub(crate) fn exit_status(&self) -> Option<u8> {
        self.signal().map(|signal| 128 + signal)
    }

    /// Raises the flag from within, as if whoever reads our output had sent SIGPIPE by leaving.
    pub(crate) fn ask_to_stop(&self) {
        let number = usize::try_from(SIGPIPE).unwrap_or_default();
        self.0.store(number, Ordering::SeqCst);
    }

    /// Sleeps, or wakes early when asked to stop.
    pub(crate) fn sleep(&self, span: Duration) {
        let until = Instant::now() + span;
        while self.signal().is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(SLICE));
        }
    }

    #[cfg(test)]
    pub(super) fn raise(&self) {
        self.0
            .store(usize::try_from(SIGINT).unwrap(), Ordering::SeqCst);
    }
}
