//! Being asked to stop: SIGINT and SIGTERM are counted, and whoever sleeps is woken. The first is a request, the second an
//! order.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether, how often, and by which signal first, this process was asked to stop. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// The signal that arrived since the last look. It is known at once; the thread that wakes sleepers needs a moment.
    raised: Arc<AtomicUsize>,
    so_far: Mutex<SoFar>,
    again: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct SoFar {
    first: Option<u8>,
    times: usize,
}

impl Interrupt {
    /// Counts SIGINT and SIGTERM, instead of being ended by them.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            let raised = Arc::clone(&interrupt.0.raised);
            signal_hook::flag::register_usize(signal, raised, number)?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let woken = interrupt.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for _ in signals.forever() {
                    drop(woken.look());
                    woken.0.again.notify_all();
                }
            })?;
        Ok(interrupt)
    }

    /// The signal that arrived first.
    pub(crate) fn signal(&self) -> Option<u8> {
        self.look().first
    }

    /// How often the program was asked to stop; signals without a look between them are one.
    pub(crate) fn times(&self) -> usize {
        self.look().times
    }

    /// The exit status of a program that the signal ended: 130 or 143.
    pub(crate) fn exit_status(&self) -> Option<u8> {
        self.signal().map(|signal| 128 + signal)
    }

    /// Orders an end from within, as if whoever reads our output had sent SIGPIPE by leaving.
    pub(crate) fn ask_to_stop(&self) {
        for _ in 0..2 {
            self.tell(SIGPIPE);
        }
    }

    /// Sleeps, or wakes early when asked to stop. Whoever was asked before does not sleep at all.
    pub(crate) fn sleep(&self, span: Duration) {
        let so_far = self.look();
        let woken = self
            .0
            .again
            .wait_timeout_while(so_far, span, |so_far| so_far.first.is_none());
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }

    fn tell(&self, signal: i32) {
        let number = usize::try_from(signal).unwrap_or_default();
        self.0.raised.store(number, Ordering::SeqCst);
        drop(self.look());
        self.0.again.notify_all();
    }

    /// How it stands, with what has arrived since the last look.
    fn look(&self) -> MutexGuard<'_, SoFar> {
        let mut so_far = self.0.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = self.0.raised.swap(0, Ordering::SeqCst);
        if signal != 0 {
            so_far.times += 1;
            so_far.first = so_far.first.or_else(|| u8::try_from(signal).ok());
        }
        so_far
    }

    #[cfg(test)]
    pub(super) fn raise(&self) {
        self.tell(SIGINT);
    }
}
