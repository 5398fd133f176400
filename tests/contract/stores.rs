//! The stores under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tasq_adapter_json::JsonStore;
use tasq_adapter_memory::MemoryStore;
use tasq_adapter_sqlite::SqliteStore;
use tasq_domain::Settings;
use tasq_ports::{Clock as _, Store, StoreError};
use tempfile::TempDir;

use super::Bench;
use super::harness::{Harness, Spoil, Spoiled, TestClock, files_of};
use super::make::at;

/// An empty store of every kind.
pub(crate) fn one_of_every_kind() -> Vec<Bench> {
    vec![
        Bench::fresh::<MemoryHarness>(),
        Bench::fresh::<SqliteHarness>(),
        Bench::fresh::<JsonHarness>(),
    ]
}

/// An empty store of the kind that a store is of.
pub(crate) fn one_more(kind: &str) -> Bench {
    match kind {
        "memory" => Bench::fresh::<MemoryHarness>(),
        "sqlite" => Bench::fresh::<SqliteHarness>(),
        "json" => Bench::fresh::<JsonHarness>(),
        other => panic!("{other} is no kind of store under test"),
    }
}

/// The reference store: another opener is a clone.
pub(crate) struct MemoryHarness(MemoryStore);

/// Why a memory store has no bad formats: it is never anywhere but in its process.
const NEVER_STORED: &str = "memory";

impl MemoryHarness {
    /// More openers of a store that is there already.
    pub(crate) fn over(store: MemoryStore) -> Self {
        Self(store)
    }
}

impl Harness for MemoryHarness {
    fn fresh(settings: &Settings, clock: &TestClock) -> Self {
        Self(MemoryStore::new(settings, clock.shared()))
    }

    fn open(&self) -> Box<dyn Store> {
        Box::new(self.0.clone())
    }

    fn create_again(&self) -> Spoiled {
        Spoiled::NoSuchNotion(NEVER_STORED)
    }

    fn reads_while_writing(&self) -> bool {
        true
    }

    fn spoil(&self, _: Spoil) -> Spoiled {
        Spoiled::NoSuchNotion(NEVER_STORED)
    }
}

pub(crate) type SqliteHarness = InFolder<Sqlite>;
pub(crate) type JsonHarness = InFolder<Json>;

/// A kind of store that lies in a file.
pub(crate) trait FileStore: Send + Sync + 'static {
    const FILE: &'static str;

    fn create(path: &Path, settings: &Settings, clock: &TestClock) -> Opened;
    fn open(path: &Path, clock: &TestClock) -> Opened;

    /// The file's content as a later version would write it.
    fn newer(content: Vec<u8>) -> Vec<u8>;
}

type Opened = Result<Box<dyn Store>, StoreError>;

/// Longer than any test waits for a lock, on any machine.
const WAIT: Duration = Duration::from_mins(5);

pub(crate) struct Sqlite;

impl Sqlite {
    fn options(clock: &TestClock) -> tasq_adapter_sqlite::Options {
        tasq_adapter_sqlite::Options {
            clock: clock.shared(),
            wait: WAIT,
            sync: tasq_adapter_sqlite::Sync::Full,
            migrate: tasq_adapter_sqlite::Migrate::Never,
            network_fs: tasq_adapter_sqlite::NetworkFs::Refuse,
            fold_log_above: None,
        }
    }
}

impl FileStore for Sqlite {
    const FILE: &'static str = "queue.db";

    fn create(path: &Path, settings: &Settings, clock: &TestClock) -> Opened {
        let store = SqliteStore::create(path, settings, Self::options(clock))?;
        Ok(Box::new(store))
    }

    fn open(path: &Path, clock: &TestClock) -> Opened {
        Ok(Box::new(SqliteStore::open(path, Self::options(clock))?))
    }

    /// The user version is a big-endian number at byte 60 of the header.
    fn newer(mut content: Vec<u8>) -> Vec<u8> {
        content[60..64].copy_from_slice(&999_u32.to_be_bytes());
        content
    }
}

pub(crate) struct Json;

impl Json {
    fn options(clock: &TestClock) -> tasq_adapter_json::Options {
        tasq_adapter_json::Options {
            wait: WAIT,
            ..tasq_adapter_json::Options::new(clock.shared())
        }
    }
}

impl FileStore for Json {
    const FILE: &'static str = "queue.json";

    fn create(path: &Path, settings: &Settings, clock: &TestClock) -> Opened {
        let store = JsonStore::create(path, settings, Self::options(clock))?;
        Ok(Box::new(store))
    }

    fn open(path: &Path, clock: &TestClock) -> Opened {
        Ok(Box::new(JsonStore::open(path, Self::options(clock))?))
    }

    fn newer(content: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8(content).unwrap();
        let newer = text.replacen("\"tasq_snapshot\": 1,", "\"tasq_snapshot\": 999,", 1);
        assert_ne!(text, newer, "the version is where it is expected");
        newer.into_bytes()
    }
}

/// A store in a folder that goes with it.
pub(crate) struct InFolder<S> {
    folder: TempDir,
    settings: Settings,
    clock: TestClock,
    kind: std::marker::PhantomData<S>,
}

impl<S: FileStore> InFolder<S> {
    fn path(&self) -> PathBuf {
        self.folder.path().join(S::FILE)
    }

    /// Tries something, and sees whether any file that was there is another, or a store is where none was.
    fn attempt(&self, attempt: impl FnOnce(&Path) -> Opened) -> Spoiled {
        let path = self.path();
        // Memory that SQLite shares is locks and an index of the log, and no content.
        let content = || {
            let mut files = files_of(self.folder.path());
            files.retain(|(file, _)| !file.as_os_str().as_encoded_bytes().ends_with(b"-shm"));
            files
        };
        let before = content();
        let outcome = attempt(&path);
        let after = content();
        let changed = before.iter().any(|file| !after.contains(file))
            || after.iter().any(|(file, _)| *file == path)
                && before.iter().all(|(file, _)| *file != path);
        Spoiled::Opened { outcome, changed }
    }
}

impl<S: FileStore> Harness for InFolder<S> {
    fn fresh(settings: &Settings, clock: &TestClock) -> Self {
        let harness = Self {
            folder: folder().unwrap(),
            settings: settings.clone(),
            clock: clock.clone(),
            kind: std::marker::PhantomData,
        };
        let made = template::<S>();
        if *settings == super::settings() && clock.now() == at(0) {
            std::fs::write(harness.path(), made.as_slice()).unwrap();
        } else {
            drop(S::create(&harness.path(), settings, clock).unwrap());
        }
        harness
    }

    fn open(&self) -> Box<dyn Store> {
        S::open(&self.path(), &self.clock).unwrap()
    }

    fn create_again(&self) -> Spoiled {
        self.attempt(|path| S::create(path, &self.settings, &self.clock))
    }

    fn reads_while_writing(&self) -> bool {
        true
    }

    fn spoil(&self, how: Spoil) -> Spoiled {
        let path = self.path();
        match how {
            Spoil::Newer => {
                let newer = S::newer(std::fs::read(&path).unwrap());
                std::fs::write(&path, newer).unwrap();
            }
            Spoil::Garbage => std::fs::write(&path, "no store at all\n".repeat(1_000)).unwrap(),
            Spoil::Missing => {
                for (file, _) in files_of(self.folder.path()) {
                    std::fs::remove_file(file).unwrap();
                }
            }
        }
        self.attempt(|path| S::open(path, &self.clock))
    }
}

/// A new store, made once: most tests begin with one, and making it takes longer than many of them.
fn template<S: FileStore>() -> Arc<Vec<u8>> {
    static MADE: Mutex<BTreeMap<&'static str, Arc<Vec<u8>>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let one = made.entry(S::FILE).or_insert_with(|| {
        let folder = folder().unwrap();
        let path = folder.path().join(S::FILE);
        drop(S::create(&path, &super::settings(), &TestClock::at(at(0))).unwrap());
        Arc::new(std::fs::read(path).unwrap())
    });
    Arc::clone(one)
}

/// In memory where the system has a place for that, unless `TMPDIR` names another: no case here ends in a power cut, and
/// waiting for a disk is most of the time that they take.
fn folder() -> std::io::Result<TempDir> {
    let in_memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && in_memory.is_dir() {
        return tempfile::tempdir_in(in_memory);
    }
    tempfile::tempdir()
}
