//! Being asked to stop: SIGINT and SIGTERM become a flag that loops look at, and are counted: the first is a request, the
//! second an order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};

/// How long a sleeper may take to notice.
const SLICE: Duration = Duration::from_millis(50);

/// Whether, how often and by which signal this process was asked to stop. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// The signal that arrived since the last look; signals in between are one.
    raised: Arc<AtomicUsize>,
    /// The first signal.
    first: AtomicUsize,
    times: AtomicUsize,
}

impl Interrupt {
    /// A flag that SIGINT and SIGTERM raise, instead of ending the process.
    pub(crate) fn listen() -> io::Result<Self> {
        let flag = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&flag.0.raised), number)?;
        }
        Ok(flag)
    }

    /// How often a signal arrived, as far as looks were between.
    pub(crate) fn times(&self) -> usize {
        let Flags {
            raised,
            first,
            times,
        } = &*self.0;
        let signal = raised.swap(0, Ordering::SeqCst);
        if signal == 0 {
            return times.load(Ordering::SeqCst);
        }
        let _ = first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        times.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The first signal that arrived.
    pub(crate) fn signal(&self) -> Option<u8> {
        self.times();
        match self.0.first.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }

    /// The exit status of a program that the signal ended: 130 or 143.
    pub(crate) fn exit_status(&self) -> Option<u8> {
        self.signal().map(|signal| 128 + signal)
    }

    /// Orders an end from within, as if whoever reads our output had sent SIGPIPE by leaving.
    pub(crate) fn ask_to_stop(&self) {
        let number = usize::try_from(SIGPIPE).unwrap_or_default();
        self.0.raised.store(number, Ordering::SeqCst);
        self.times();
        self.0.times.fetch_add(1, Ordering::SeqCst);
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
        let number = usize::try_from(SIGINT).unwrap();
        self.0.raised.store(number, Ordering::SeqCst);
    }
}
