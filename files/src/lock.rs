//! A lock on a side file: one writer at a time, waited for a bounded time.
//!
//! The lock is advisory (`flock`), belongs to one open file and ends with it: a killed holder frees
//! it, threads of one process exclude each other like processes do, and nothing is ever stolen from
//! a holder that is merely stopped.
//!
//! **Fairness.** The kernel wakes all sleepers of a lock and lets them race with newcomers, so a
//! process in a tight loop, being awake, would take it again and again. Hence a second lock file,
//! the turnstile: whoever wants the lock takes the turnstile first, keeps it while waiting for the
//! lock, and lets it go as soon as it has the lock. So only one waits for the lock itself, and whoever
//! wants it anew queues behind the turnstile with all others.
//!
//! But for its **turn**: for [`TURN`] after it passed the turnstile, a holder may take the lock again past those who wait.
//! Handing over costs as much as several short units of work, because others have to be woken and
//! have to read anew what was changed. Whoever waits for the lock itself therefore only looks now and then
//! whether it is free, for longer than a turn lasts; every turn that began before is over by then. After that it sleeps for
//! the lock in the kernel, and the next to let it go wakes it.
//! Behind the turnstile the order is the kernel's. One that was stopped while it held the turnstile
//! must not stop the others: after [`PATIENCE`] they wait for the lock itself.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::FileError;
use crate::holder;
use crate::open::{Identity, open_regular};

/// The longest wait at the turnstile: what a hundred writers need that take whole turns. Of more, those whose patience ends
/// wait for the lock itself, and come to it in the kernel's order and for one unit of work each.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a turn lasts: some hundred units of work on a disk that is not waited for, some twenty on one that is. Of shorter
/// ones more is lost, because whoever comes next begins with cold caches, its own and the processor's.
const TURN: Duration = Duration::from_millis(8);

/// How long whoever has passed the turnstile looks for the lock now and then, before it goes to sleep for it: longer than a
/// turn, because the kernel would give it the lock in the middle of one.
const LOOKING: Duration = Duration::from_millis(11);

const _: () = assert!(LOOKING.as_micros() > TURN.as_micros());
const _: () = assert!(PATIENCE.as_micros() > 100 * TURN.as_micros());

/// How long it sleeps after the first look, and a quarter longer after each more: a command that holds the lock once is soon
/// done, so that little of the time lies idle, and who takes a whole turn is not disturbed, because each waking takes time
/// on the same processors. The kernel adds its own slack of 50 µs.
const FIRST_PAUSE: Duration = Duration::from_micros(50);

/// The longest sleep between two looks.
const LONGEST_PAUSE: Duration = Duration::from_micros(800);

/// A waiting thread only blocks and hands over.
const WAITER_STACK_BYTES: usize = 64 * 1024;

/// A lock under a path, which may be taken again and again.
///
/// The file is made where it is missing (mode 0600) and never removed: removing a lock file is how
/// two get the lock at once. Beside it lies the turnstile, with `.turn` appended to the name.
#[derive(Clone, Debug)]
pub struct LockFile {
    path: PathBuf,
    turnstile: PathBuf,
    patience: Duration,
    turn: Duration,
    /// The files of the last lock that was let go, open for the next: opening them each time costs more than locking.
    kept: Arc<Mutex<Option<Kept>>>,
}

/// The open files of a lock that nobody holds.
#[derive(Debug)]
struct Kept {
    turn: File,
    lock: File,
    identity: Identity,
    /// When its turn began.
    since: Instant,
}

/// The lock, held until this is dropped.
#[derive(Debug)]
#[must_use = "the lock ends with its guard"]
pub struct LockGuard {
    /// There until this is dropped.
    file: Option<File>,
    identity: Identity,
    mode: Mode,
    turn: Option<File>,
    since: Instant,
    kept: Arc<Mutex<Option<Kept>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Exclusive,
    Shared,
}

impl LockFile {
    /// Names the lock; touches nothing.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let mut turnstile = path.clone().into_os_string();
        turnstile.push(".turn");
        Self {
            path,
            turnstile: turnstile.into(),
            patience: PATIENCE,
            turn: TURN,
            kept: Arc::default(),
        }
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock for itself alone, waiting at most `wait` (zero: not at all).
    ///
    /// # Errors
    /// [`FileError::Busy`] when the wait ended, after which nothing of the attempt is left: if the
    /// lock comes later, it is let go at once. [`FileError::Link`] and [`FileError::NotRegular`] for
    /// a lock file that is none; otherwise what opening and locking can meet.
    pub fn acquire(&self, wait: Duration) -> Result<LockGuard, FileError> {
        self.take(Mode::Exclusive, wait)
    }

    /// Takes the lock together with other readers, waiting at most `wait`. Readers queue like
    /// writers do, so that a stream of them starves no writer. Needs no right to write if the lock
    /// file is there.
    ///
    /// # Errors
    /// As [`LockFile::acquire`].
    pub fn acquire_shared(&self, wait: Duration) -> Result<LockGuard, FileError> {
        self.take(Mode::Shared, wait)
    }

    fn take(&self, mode: Mode, wait: Duration) -> Result<LockGuard, FileError> {
        let begun = Instant::now();
        let mut kept = self.kept_for(mode);
        if let Some(of_turn) = kept.take_if(|kept| kept.since.elapsed() < self.turn) {
            match self.go_on(of_turn)? {
                Ok(guard) => return Ok(guard),
                Err(files) => kept = files,
            }
        }
        let (turn, mut lock) = match kept {
            Some(Kept {
                turn,
                lock,
                identity,
                since: _,
            }) => (Some(turn), Some((lock, identity))),
            None => (None, None),
        };
        let turn = self.pass_turnstile(turn, mode, wait)?;
        loop {
            let (file, identity) = match lock.take() {
                Some(kept) => kept,
                None => open_lock(&self.path, mode)?,
            };
            let left = wait.saturating_sub(begun.elapsed());
            let looking = if turn.is_some() {
                LOOKING.min(left)
            } else {
                Duration::ZERO
            };
            let Some(file) = lock_within(file, mode, left, looking).map_err(|e| self.failed(e))?
            else {
                return Err(self.busy(begun.elapsed()));
            };
            // Whoever waited for a file that was removed meanwhile has a lock that excludes nobody.
            if Identity::of_path(&self.path).ok() == Some(identity) {
                // One that cannot be unlocked is closed, which frees it.
                let turn = turn.filter(|turn| turn.unlock().is_ok());
                let guard = LockGuard {
                    file: Some(file),
                    identity,
                    mode,
                    turn,
                    since: Instant::now(),
                    kept: Arc::clone(&self.kept),
                };
                if let (Mode::Exclusive, Some(file)) = (mode, &guard.file) {
                    holder::sign(file);
                }
                return Ok(guard);
            }
        }
    }

    /// Takes the lock once more in the same turn; the inner error is the open files, as far as they will do, when somebody
    /// else has it.
    fn go_on(&self, kept: Kept) -> Result<Result<LockGuard, Option<Kept>>, FileError> {
        match try_lock(&kept.lock, Mode::Exclusive) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(Some(kept))),
            Err(TryLockError::Error(error)) => return Err(self.failed(error)),
        }
        if Identity::of_path(&self.path).ok() != Some(kept.identity) {
            return Ok(Err(None));
        }
        let Kept {
            turn,
            lock,
            identity,
            since,
        } = kept;
        // Another may have had it meanwhile, and mostly none has.
        if !holder::is_signed_by_us(&lock) {
            holder::sign(&lock);
        }
        Ok(Ok(LockGuard {
            file: Some(lock),
            identity,
            mode: Mode::Exclusive,
            turn: Some(turn),
            since,
            kept: Arc::clone(&self.kept),
        }))
    }

    /// The files of the last lock, if they will do.
    fn kept_for(&self, mode: Mode) -> Option<Kept> {
        match mode {
            Mode::Exclusive => self
                .kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
            Mode::Shared => None,
        }
    }

    /// The turnstile, or `None` when patience ended or a reader may not open it.
    fn pass_turnstile(
        &self,
        kept: Option<File>,
        mode: Mode,
        wait: Duration,
    ) -> Result<Option<File>, FileError> {
        let opened = match kept {
            Some(file) => Ok(file),
            None => open_lock(&self.turnstile, mode).map(|(file, _)| file),
        };
        let file = match opened {
            Ok(file) => file,
            Err(
                FileError::ReadOnly { .. } | FileError::Denied { .. } | FileError::Missing { .. },
            ) if mode == Mode::Shared => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let wait = wait.min(self.patience);
        lock_within(file, Mode::Exclusive, wait, Duration::ZERO).map_err(|e| self.failed(e))
    }

    fn busy(&self, waited: Duration) -> FileError {
        FileError::Busy {
            path: self.path.clone(),
            waited,
            holder: holder::holder(&self.path),
        }
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::new(&self.path, "lock", source)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let Some(lock) = self.file.take() else { return };
        // Unlocking and not only closing: a child between fork and exec has the same open file.
        let unlocked = lock.unlock().is_ok();
        if let (true, Mode::Exclusive, Some(turn)) = (unlocked, self.mode, self.turn.take()) {
            let kept = Kept {
                turn,
                lock,
                identity: self.identity,
                since: self.since,
            };
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
    }
}

/// Opens a lock file, making it if it is missing. A reader makes do with a file it may only read.
fn open_lock(path: &Path, mode: Mode) -> Result<(File, Identity), FileError> {
    match open_regular(path, OFlags::RDWR | OFlags::CREATE) {
        Err(FileError::ReadOnly { .. } | FileError::Denied { .. }) if mode == Mode::Shared => {
            open_regular(path, OFlags::RDONLY)
        }
        opened => opened,
    }
    .map(|opened| (opened.file, opened.facts.identity))
}

/// Locks `file` within `left`, or gives `None`. The first part of that, `looking`, it sleeps between tries.
///
/// After that, the waiting is the kernel's, not a loop of tries, so that whoever waits is woken at once and
/// costs nothing. A thread does it, because a blocking lock has no time limit; one that comes too
/// late finds nobody to hand the file to and closes it, which frees the lock.
fn lock_within(
    file: File,
    mode: Mode,
    left: Duration,
    looking: Duration,
) -> io::Result<Option<File>> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match try_lock(&file, mode) {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if left.is_zero() => return Ok(None),
            Err(TryLockError::WouldBlock) if begun.elapsed() < looking => {
                thread::sleep(pause);
                pause = (pause * 5 / 4).min(LONGEST_PAUSE);
            }
            Err(TryLockError::WouldBlock) => break,
        }
    }
    let left = left.saturating_sub(begun.elapsed());
    if left.is_zero() {
        return Ok(None);
    }
    // Without a buffer, a file is either taken over or stays with the thread.
    let (hand_over, taken) = sync_channel(0);
    thread::Builder::new()
        .name("lock-waiter".to_owned())
        .stack_size(WAITER_STACK_BYTES)
        .spawn(move || {
            let locked = lock_blocking(&file, mode).map(|()| file);
            // The error is the file itself, and dropping it is all there is to do.
            let _ = hand_over.send(locked);
        })?;
    match taken.recv_timeout(left) {
        Ok(locked) => locked.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread ended")),
    }
}

fn try_lock(file: &File, mode: Mode) -> Result<(), TryLockError> {
    match mode {
        Mode::Exclusive => file.try_lock(),
        Mode::Shared => file.try_lock_shared(),
    }
}

fn lock_blocking(file: &File, mode: Mode) -> io::Result<()> {
    loop {
        let locked = match mode {
            Mode::Exclusive => file.lock(),
            Mode::Shared => file.lock_shared(),
        };
        match locked {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ScopedJoinHandle;

    use super::*;

    /// Returns when somebody else has the turnstile: from before it opens the lock file until it has
    /// the lock. Whoever waits elsewhere gives up while the lock is held, and never had it.
    fn wait_in_the_turnstile<T>(lock: &LockFile, waiter: &ScopedJoinHandle<'_, T>) {
        let (turn, _) = open_lock(&lock.turnstile, Mode::Exclusive).unwrap();
        while turn.try_lock().is_ok() {
            turn.unlock().unwrap();
            assert!(!waiter.is_finished(), "nobody waited in the turnstile");
            thread::yield_now();
        }
    }

    #[test]
    fn whoever_stops_in_the_turnstile_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile {
            patience: Duration::from_millis(1),
            ..LockFile::new(folder.path().join("lock"))
        };
        let (stopped, _) = open_lock(&lock.turnstile, Mode::Exclusive).unwrap();
        stopped.lock().unwrap();
        let _guard = lock.acquire(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn the_turnstile_is_free_while_the_lock_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile::new(folder.path().join("lock"));
        let _guard = lock.acquire(Duration::ZERO).unwrap();
        let (turn, _) = open_lock(&lock.turnstile, Mode::Exclusive).unwrap();
        turn.try_lock().unwrap();
    }

    #[test]
    fn whose_turn_is_over_overtakes_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile {
            patience: Duration::from_secs(60),
            turn: Duration::ZERO,
            ..LockFile::new(folder.path().join("lock"))
        };
        let order = Mutex::new(Vec::new());
        let take = |who: &'static str| {
            let _guard = lock.acquire(Duration::from_secs(60)).unwrap();
            order.lock().unwrap().push(who);
        };
        let first = lock.acquire(Duration::ZERO).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| take("waiter"));
            wait_in_the_turnstile(&lock, &waiter);
            drop(first);
            take("greedy");
        });
        assert_eq!(*order.lock().unwrap(), ["waiter", "greedy"]);
    }

    #[test]
    fn in_its_turn_the_last_holder_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile {
            turn: Duration::from_secs(600),
            ..LockFile::new(folder.path().join("lock"))
        };
        drop(lock.acquire(Duration::ZERO).unwrap());
        let (turnstile, _) = open_lock(&lock.turnstile, Mode::Exclusive).unwrap();
        turnstile.lock().unwrap();
        let again = lock.acquire(Duration::ZERO).unwrap();
        assert!(
            again.turn.is_some(),
            "it was in its turn, and not impatient"
        );
        drop(again);
        // It goes past who waits, never past who has the lock.
        let other = LockFile::new(&lock.path);
        turnstile.unlock().unwrap();
        let held = other.acquire(Duration::ZERO).unwrap();
        let busy = lock.acquire(Duration::ZERO).unwrap_err();
        assert!(matches!(busy, FileError::Busy { .. }), "{busy}");
        drop(held);
    }

    #[test]
    fn whoever_goes_on_in_its_turn_signs_again_where_another_had_it_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile {
            turn: Duration::from_secs(600),
            ..LockFile::new(folder.path().join("lock"))
        };
        let first = lock.acquire(Duration::ZERO).unwrap();
        let since = first.since;
        drop(first);
        std::fs::write(&lock.path, holder::record(1, 0)).unwrap();
        let again = lock.acquire(Duration::ZERO).unwrap();
        assert_eq!(again.since, since, "it is still the same turn");
        let busy = LockFile::new(&lock.path).acquire(Duration::ZERO);
        let Err(FileError::Busy {
            holder: Some(it), ..
        }) = busy
        else {
            panic!("it is held by somebody: {busy:?}");
        };
        assert_eq!(it.pid, std::process::id());
    }

    #[test]
    fn a_turn_ends_with_the_file_it_was_had_on() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile {
            turn: Duration::from_secs(600),
            ..LockFile::new(folder.path().join("lock"))
        };
        drop(lock.acquire(Duration::ZERO).unwrap());
        std::fs::remove_file(&lock.path).unwrap();
        let _held = lock.acquire(Duration::ZERO).unwrap();
        let other = LockFile::new(&lock.path);
        let busy = other.acquire(Duration::ZERO).unwrap_err();
        assert!(matches!(busy, FileError::Busy { .. }), "{busy}");
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_meanwhile_is_taken_anew() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockFile::new(folder.path().join("lock"));
        // The second one has the file open already, so that it is the removed one that it waits for.
        drop(lock.acquire(Duration::ZERO).unwrap());
        let first = LockFile::new(&lock.path).acquire(Duration::ZERO).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| lock.acquire(Duration::from_secs(60)).unwrap());
            wait_in_the_turnstile(&lock, &second);
            std::fs::remove_file(&lock.path).unwrap();
            drop(first);
            let second = second.join().unwrap();
            let busy = lock.acquire(Duration::ZERO).unwrap_err();
            assert!(matches!(busy, FileError::Busy { .. }), "{busy}");
            drop(second);
        });
    }
}
