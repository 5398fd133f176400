//! The store.

mod care;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tasq_adapter_memory::{Changes, MemoryTx, State};
use tasq_domain::backoff::Backoff;
use tasq_domain::{Settings, StoreId, Timestamp};
use tasq_files::{FileError, Identity, LockFile, Opened, Replacement};
use tasq_formats::digest::sha256_hex;
use tasq_formats::json::Limits;
use tasq_formats::snapshot::{self, Extra, Fallback, Tree};
use tasq_ports::{Access, Clock, Store, StoreError, StoreInfo, Tx, Verdict};

use crate::error::{of_field, of_file, of_snapshot, too_large};
use crate::log::{self, Groups, Log, Rest, Settled};
use crate::replay::{agrees, reconcile, replay};

pub use care::{put_in_place, read_contents};

/// How often a unit of work runs again because someone else changed the file meanwhile.
const MAX_RERUNS: u32 = 8;
/// How often a reader looks again, without a lock, at files that changed while it looked.
const MAX_LOOKS: u32 = 4;
/// The largest log that is read, in bytes: what does not fit into memory is of no use here.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long a writer waits for others.
    pub wait: Duration,
    /// The largest snapshot that is read and written, in bytes.
    pub max_bytes: usize,
}

impl Options {
    /// Waiting for 30 s, up to 256 MiB.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            wait: Duration::from_secs(30),
            max_bytes: Limits::OWN.bytes,
        }
    }
}

/// The files beside a snapshot, named after it. None of them belongs into version control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideFiles {
    /// The history: `queue.log.jsonl` beside `queue.json`.
    pub log: PathBuf,
    /// The lock: `queue.lock`, with its turnstile `queue.lock.turn`.
    pub lock: PathBuf,
}

impl SideFiles {
    /// Those of the snapshot at `path`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self {
            log: path.with_extension("log.jsonl"),
            lock: path.with_extension("lock"),
        }
    }

    /// A free name for a log that is put aside.
    fn aside(&self, path: &Path) -> PathBuf {
        (1_u64..)
            .map(|number| path.with_extension(format!("log.{number}.jsonl")))
            .find(|aside| std::fs::symlink_metadata(aside).is_err())
            .unwrap_or_else(|| self.log.with_extension("old.jsonl"))
    }
}

/// A queue in a JSON file.
pub struct JsonStore {
    path: PathBuf,
    side: SideFiles,
    options: Options,
    lock: LockFile,
    /// What was read or written last.
    cache: Mutex<Option<Loaded>>,
    /// Whether leftovers of writers that were killed are still to be removed.
    untidy: Mutex<bool>,
}

/// The files as they were read. Cloning it is cheap.
#[derive(Clone)]
struct Loaded {
    /// The snapshot's bytes.
    bytes: Arc<Vec<u8>>,
    /// Their digest.
    digest: String,
    state: State,
    extra: Arc<Extra>,
    /// What an edit by someone else made of the past, which the log does not know yet.
    settled: Arc<[Settled]>,
    log: LogPlace,
}

/// How far the log counts.
#[derive(Debug, Clone, Copy)]
struct LogPlace {
    /// Which file it is, if there is one, and its size.
    file: Option<(Identity, u64)>,
    keep: u64,
    /// How many of its records say nothing to this version.
    passed_over: u64,
    rest: Rest,
    generation: u64,
}

/// What came of trying to commit.
enum Attempted {
    Committed,
    /// Someone else changed the file: run the body again.
    Overtaken,
}

impl JsonStore {
    /// Makes an empty queue at `path`, in a folder that is there.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a queue, [`StoreError::Damaged`] with what else is there; what locking and
    /// writing can meet.
    pub fn create(path: &Path, settings: &Settings, options: Options) -> Result<Self, StoreError> {
        let store = Self::at(path, options)?;
        let _guard = store.lock.acquire(store.options.wait).map_err(of_file)?;
        match tasq_files::inspect(path) {
            Err(FileError::Missing { .. }) => {}
            Err(error) => return Err(of_file(error)),
            Ok(_) => {
                return Err(match store.load(false) {
                    Err(error @ StoreError::Damaged { .. }) => error,
                    _ => StoreError::Exists {
                        place: path.display().to_string(),
                    },
                });
            }
        }
        store.tidy()?;
        let empty = State::new(settings.clone());
        let text = store.text(&empty, &Extra::default())?;
        let replacement = Replacement::prepare(path, text.as_bytes()).map_err(of_file)?;
        // A log without a snapshot is that of a queue that is gone, or of one whose making was broken off.
        if let Some(old) = store.open_log()? {
            store.put_aside(&old)?;
        }
        let digest = sha256_hex(text.as_bytes());
        let group = log::group(1, &settings.store, "", &digest, &[], &[])
            .map_err(|error| of_field(path, &error))?;
        tasq_files::replace(&store.side.log, group.as_bytes()).map_err(of_file)?;
        replacement.commit().map_err(of_file)?;
        Ok(store)
    }

    /// Opens the queue at `path` and reads it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`] (no JSON, conflict markers, no snapshot), [`StoreError::Invalid`]
    /// (wrong types, bad references), [`StoreError::TooNew`], [`StoreError::Limit`], [`StoreError::Policy`] (a link),
    /// and what reading can meet. Nothing is written.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let store = Self::at(path, options)?;
        // Whether snapshot and log belong together is looked at by each unit.
        store.load(false)?;
        Ok(store)
    }

    /// The snapshot.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn at(path: &Path, options: Options) -> Result<Self, StoreError> {
        let side = SideFiles::of(path);
        if side.log == path || side.lock == path {
            return Err(StoreError::Policy {
                place: path.display().to_string(),
                what: "a queue cannot have the name of a log or a lock".to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            lock: LockFile::new(&side.lock),
            side,
            options,
            cache: Mutex::new(None),
            untidy: Mutex::new(true),
        })
    }

    fn read_unit(&self, body: &mut Body<'_>) -> Result<(), StoreError> {
        let mut state = self.load_for_reading()?.state;
        let mut tx = MemoryTx::new(&mut state, self.options.clock.now(), Access::Read);
        body(&mut tx).map(drop)
    }

    fn write_unit(&self, body: &mut Body<'_>) -> Result<(), StoreError> {
        let begun = Instant::now();
        let _guard = self.lock.acquire(self.options.wait).map_err(of_file)?;
        self.tidy()?;
        for _ in 0..MAX_RERUNS {
            let loaded = self.load(true)?;
            let mut state = loaded.state.clone();
            let mut tx = MemoryTx::new(&mut state, self.options.clock.now(), Access::Write);
            if body(&mut tx)? == Verdict::Rollback {
                return Ok(());
            }
            let changes = tx.finish();
            if !changes.any {
                return Ok(());
            }
            if let Attempted::Committed = self.commit(&loaded, state, &changes)? {
                return Ok(());
            }
        }
        Err(StoreError::Busy {
            waited: begun.elapsed(),
            holder: None,
        })
    }

    /// Puts a new state in place of the one that was loaded, unless that is no longer what is there.
    fn commit(
        &self,
        loaded: &Loaded,
        state: State,
        changes: &Changes,
    ) -> Result<Attempted, StoreError> {
        let text = self.text(&state, &loaded.extra)?;
        if text.as_bytes() == loaded.bytes.as_slice() && changes.history.is_empty() {
            return Ok(Attempted::Committed);
        }
        let digest = sha256_hex(text.as_bytes());
        let generation = loaded.log.generation + 1;
        let store = &state.settings().store;
        let (settled, history) = (&loaded.settled, &changes.history);
        let group = log::group(generation, store, &loaded.digest, &digest, settled, history)
            .map_err(|error| of_field(&self.path, &error))?;
        // Whatever can fail for want of space comes before anything counts.
        let replacement = Replacement::prepare(&self.path, text.as_bytes()).map_err(of_file)?;
        if self.overtaken(loaded)? {
            return Ok(Attempted::Overtaken);
        }
        let Some(log) = self.append(loaded, &group, generation)? else {
            return Ok(Attempted::Overtaken);
        };
        // Again, because reaching the disk takes a while.
        if self.overtaken(loaded)? {
            self.take_back(log.keep - group.len() as u64)?;
            return Ok(Attempted::Overtaken);
        }
        self.forget();
        replacement.commit().map_err(of_file)?;
        // Unknown keys may have gone with what they stood in: they are read again.
        if *loaded.extra == Extra::default() {
            self.remember(Loaded {
                bytes: Arc::new(text.into_bytes()),
                digest,
                state,
                extra: Arc::clone(&loaded.extra),
                settled: Arc::default(),
                log,
            });
        }
        Ok(Attempted::Committed)
    }

    /// Whether the snapshot is no longer what was loaded.
    fn overtaken(&self, loaded: &Loaded) -> Result<bool, StoreError> {
        let overtaken = !self.is_still(&loaded.bytes, true)?;
        if overtaken {
            self.forget();
        }
        Ok(overtaken)
    }

    /// Cuts the log, because what was appended will not be committed.
    fn take_back(&self, keep: u64) -> Result<(), StoreError> {
        let path = &self.side.log;
        if let Some(opened) = self.open_log()? {
            let cut = opened.file.set_len(keep);
            cut.map_err(|source| of_file(FileError::new(path, "cut", source)))?;
        }
        Ok(())
    }

    /// Appends a group to the part of the log that counts. `None` if the log is not the one that was loaded.
    fn append(
        &self,
        loaded: &Loaded,
        group: &str,
        generation: u64,
    ) -> Result<Option<LogPlace>, StoreError> {
        let LogPlace {
            file, keep, rest, ..
        } = loaded.log;
        let path = &self.side.log;
        let opened = tasq_files::open_append(path).map_err(of_file)?;
        let found = (opened.facts.identity, opened.facts.len);
        let as_loaded = file.map_or(found.1 == 0, |file| file == found);
        if !as_loaded {
            self.forget();
            return Ok(None);
        }
        let opened = match rest {
            Rest::Foreign => self.restart_log(&opened, keep)?,
            Rest::None | Rest::Uncommitted => {
                if found.1 > keep {
                    let cut = opened.file.set_len(keep);
                    cut.map_err(|source| of_file(FileError::new(path, "cut", source)))?;
                }
                opened
            }
        };
        tasq_files::append_durably(&opened.file, path, group.as_bytes()).map_err(of_file)?;
        if file.is_none() {
            tasq_files::sync_parent(path).map_err(of_file)?;
        }
        let keep = keep + group.len() as u64;
        Ok(Some(LogPlace {
            file: Some((opened.facts.identity, keep)),
            keep,
            passed_over: loaded.log.passed_over,
            rest: Rest::None,
            generation,
        }))
    }

    fn open_log(&self) -> Result<Option<Opened>, StoreError> {
        match tasq_files::open_read_write(&self.side.log) {
            Ok(opened) => Ok(Some(opened)),
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(of_file(error)),
        }
    }

    /// Keeps the log under another name and goes on with the part of it that counts.
    fn restart_log(&self, old: &Opened, keep: u64) -> Result<Opened, StoreError> {
        let path = &self.side.log;
        let bytes = self.put_aside(old)?;
        let keep = usize::try_from(keep).map_or(bytes.len(), |keep| keep.min(bytes.len()));
        tasq_files::replace(path, &bytes[..keep]).map_err(of_file)?;
        tasq_files::open_append(path).map_err(of_file)
    }

    /// Writes a log under a free name as well, and returns it.
    fn put_aside(&self, log: &Opened) -> Result<Vec<u8>, StoreError> {
        let path = &self.side.log;
        let bytes = tasq_files::read_capped(&log.file, path, MAX_LOG_BYTES).map_err(of_file)?;
        if !bytes.is_empty() {
            tasq_files::replace(&self.side.aside(&self.path), &bytes).map_err(of_file)?;
        }
        Ok(bytes)
    }

    /// What is there now, snapshot and log belonging together, without keeping writers out unless they leave no gap.
    fn load_for_reading(&self) -> Result<Loaded, StoreError> {
        for _ in 0..MAX_LOOKS {
            let loaded = self.load(false)?;
            if self.is_still(&loaded.bytes, false)? {
                return Ok(loaded);
            }
        }
        let wait = self.options.wait;
        let _guard = self.lock.acquire_shared(wait).map_err(of_file)?;
        self.load(false)
    }

    fn load(&self, to_write: bool) -> Result<Loaded, StoreError> {
        // A unit that only told something has changed the log and not the snapshot.
        let log = || match tasq_files::inspect(&self.side.log) {
            Ok(facts) => Ok(Some((facts.identity, facts.len))),
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(of_file(error)),
        };
        if let Some(cached) = self.cached() {
            if self.is_still(&cached.bytes, to_write)? && cached.log.file == log()? {
                return Ok(cached);
            }
            self.forget();
        }
        let (bytes, modified) = self.read_snapshot(to_write)?;
        let loaded = self.parse(bytes, modified)?;
        self.remember(loaded.clone());
        Ok(loaded)
    }

    fn parse(&self, bytes: Vec<u8>, modified: Timestamp) -> Result<Loaded, StoreError> {
        let limits = Limits::OWN.with_bytes(self.options.max_bytes);
        let (begun, (digest, log)) = beside(
            bytes.len(),
            || snapshot::begin(&bytes, limits),
            || (sha256_hex(&bytes), self.read_log()),
        );
        let (file, groups) = log?;
        let ours = groups.know(&digest);
        let fallback = self.fallback(modified);
        let read = if ours {
            begun.decode_own(&fallback)
        } else {
            begun.decode_within(&fallback)
        }
        .map_err(|error| of_snapshot(&self.path, error))?;
        let mut contents = read.contents;
        let Log {
            records,
            generation,
            keep,
            passed_over,
            rest,
        } = groups.up_to(&contents, &digest);
        replay(&mut contents, records);
        // The digests are of the snapshot: nothing vouches for what the log itself says.
        let settled = if ours && agrees(&contents) {
            Vec::new()
        } else {
            reconcile(&mut contents)
        };
        Ok(Loaded {
            bytes: Arc::new(bytes),
            digest,
            state: State::from_contents(contents)?,
            extra: Arc::new(read.extra),
            settled: settled.into(),
            log: LogPlace {
                file,
                keep: keep as u64,
                passed_over,
                rest,
                generation,
            },
        })
    }

    /// The snapshot's bytes, and when they were last changed.
    fn read_snapshot(&self, to_write: bool) -> Result<(Vec<u8>, Timestamp), StoreError> {
        let Opened { file, facts } = self.open_snapshot(to_write)?;
        let cap = self.options.max_bytes as u64;
        let bytes = tasq_files::read_capped(&file, &self.path, cap).map_err(of_file)?;
        let micros = i64::try_from(facts.modified_nanos / 1_000).unwrap_or(0);
        Ok((bytes, Timestamp::from_micros(micros)))
    }

    /// Whether the snapshot has these bytes.
    fn is_still(&self, bytes: &[u8], to_write: bool) -> Result<bool, StoreError> {
        let Opened { file, .. } = self.open_snapshot(to_write)?;
        tasq_files::has_content(&file, &self.path, bytes).map_err(of_file)
    }

    fn open_snapshot(&self, to_write: bool) -> Result<Opened, StoreError> {
        // A file that may not be written would be replaced all the same: asking for the right to write is the check.
        let open = if to_write {
            tasq_files::open_read_write
        } else {
            tasq_files::open_read
        };
        open(&self.path).map_err(of_file)
    }

    fn read_log(&self) -> Result<(Option<(Identity, u64)>, Groups), StoreError> {
        let path = &self.side.log;
        let opened = match tasq_files::open_read(path) {
            Ok(opened) => opened,
            Err(FileError::Missing { .. }) => return Ok((None, Groups::default())),
            Err(error) => return Err(of_file(error)),
        };
        let bytes = tasq_files::read_capped(&opened.file, path, MAX_LOG_BYTES).map_err(of_file)?;
        let file = (opened.facts.identity, bytes.len() as u64);
        Ok((Some(file), Groups::read(&bytes)))
    }

    fn text(&self, state: &State, extra: &Extra) -> Result<String, StoreError> {
        let tree = Tree {
            settings: state.settings(),
            epics: state.epics_by_id().collect(),
            features: state.features_by_id().collect(),
            tasks: state.tasks_by_id().collect(),
            tests: state.tests_by_id().collect(),
            dependencies: state.dependencies().collect(),
            questions: state.questions().collect(),
        };
        let text =
            snapshot::encode_tree(&tree, extra).map_err(|error| of_field(&self.path, &error))?;
        if text.len() > self.options.max_bytes {
            return Err(StoreError::Limit {
                place: self.path.display().to_string(),
                what: too_large(text.len() as u64, self.options.max_bytes as u64),
            });
        }
        Ok(text)
    }

    /// What a file written by hand may leave out: an id from its place, and the time of its last change.
    fn fallback(&self, modified: Timestamp) -> Fallback {
        let place = self.path.as_os_str().as_encoded_bytes();
        let id = &sha256_hex(place)[..16];
        let name = self.path.file_stem().unwrap_or_default();
        Fallback {
            settings: Settings {
                store: StoreId::new(id).expect("hex digits are an id"),
                name: name.to_string_lossy().into_owned(),
                require_tests: false,
                backoff: Backoff::default(),
            },
            at: modified,
        }
    }

    /// Removes, once, what writers that were killed left behind. The caller has the lock.
    fn tidy(&self) -> Result<(), StoreError> {
        let mut untidy = self.untidy.lock().unwrap_or_else(PoisonError::into_inner);
        if !*untidy {
            return Ok(());
        }
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        for file in [&self.path, &self.side.log] {
            if let Some(name) = file.file_name() {
                tasq_files::remove_stray_temps(folder, name).map_err(of_file)?;
            }
        }
        *untidy = false;
        Ok(())
    }

    fn cached(&self) -> Option<Loaded> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clone()
    }

    fn remember(&self, loaded: Loaded) {
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
    }

    fn forget(&self) {
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// From how many bytes on another thread is worth its start.
const MANY_BYTES: usize = 64 * 1024;

/// Both, the first on another thread where there is so much to be done, if there is one to be had.
fn beside<A: Send, B>(
    bytes: usize,
    one: impl Fn() -> A + Send + Sync,
    other: impl FnOnce() -> B,
) -> (A, B) {
    if bytes < MANY_BYTES {
        return (one(), other());
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("read the snapshot".to_owned());
        let begun = thread.spawn_scoped(scope, &one);
        let other = other();
        let one = match begun {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => one(),
        };
        (one, other)
    })
}

type Body<'b> = dyn FnMut(&mut dyn Tx) -> Result<Verdict, StoreError> + 'b;

impl Store for JsonStore {
    fn run(&self, access: Access, body: &mut Body<'_>) -> Result<(), StoreError> {
        match access {
            Access::Read => self.read_unit(body),
            Access::Write => self.write_unit(body),
        }
    }

    fn info(&self) -> StoreInfo {
        StoreInfo {
            kind: "json",
            place: self.path.display().to_string(),
            schema_version: snapshot::VERSION.cast_signed(),
        }
    }
}

impl std::fmt::Debug for JsonStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
