//! How the suite gets at a store: a fresh one, more openers of it, and what spoils it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tasq_domain::backoff::Backoff;
use tasq_domain::{Settings, StoreId, Timestamp};
use tasq_ports::{Clock, Store, StoreError};

/// A clock that stands until a test moves it. Its clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.micros())))
    }

    pub(crate) fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.set(self.now().after(span));
    }

    pub(crate) fn shared(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// What can be wrong with a store before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// It says that it has a format of a later version.
    Newer,
    /// It holds bytes that are no store at all.
    Garbage,
    /// It is not there.
    Missing,
}

/// What came of opening a spoiled store.
pub(crate) enum Spoiled {
    /// It was opened, or it was refused; and whether a byte of it changed.
    Opened {
        outcome: Result<Box<dyn Store>, StoreError>,
        changed: bool,
    },
    /// This kind of store cannot be spoiled, because nothing of it lies anywhere.
    NoSuchNotion(&'static str),
}

/// One store of one kind, in a place of its own that goes with it.
pub(crate) trait Harness: Send + Sync {
    /// Makes an empty store with these settings.
    fn fresh(settings: &Settings, clock: &TestClock) -> Self
    where
        Self: Sized;

    /// Opens it once more, as another process would.
    fn open(&self) -> Box<dyn Store>;

    /// Makes a store where this one is, which must be refused.
    fn create_again(&self) -> Spoiled;

    /// Whether another opener can read while a write unit is open, rather than wait for it.
    fn reads_while_writing(&self) -> bool;

    /// Spoils it, then opens it. Called when nobody has it open.
    fn spoil(&self, how: Spoil) -> Spoiled;
}

/// The settings that a store is made with, unless a test says otherwise.
pub(crate) fn settings() -> Settings {
    Settings {
        store: StoreId::new("STORE-CONTRACT").unwrap(),
        name: "contract".to_owned(),
        require_tests: false,
        backoff: Backoff::default(),
    }
}

/// The files below a folder with what is in them, to see whether any changed. What stands in a lock says only who had it.
pub(crate) fn files_of(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let is_lock = path.extension().is_some_and(|it| it == "lock");
                let content = std::fs::read(&path).unwrap();
                files.push((path, if is_lock { Vec::new() } else { content }));
            }
        }
    }
    files.sort();
    files
}
