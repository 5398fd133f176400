//! The store: one file, one connection, one unit of work after the other.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl as _;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use tasq_domain::Settings;
use tasq_files::{LockFile, LockGuard, identity};
use tasq_ports::{Access, Clock, Store, StoreError, StoreInfo, Tx, Verdict};
use tasq_sqlite_native::in_one_piece;

use crate::connect::{self, Follows, Opened, absolute, lock_path, log_path, schema_version};
use crate::create::create;
use crate::error::{IO_ERROR, Place, file, not_longer_than};
use crate::migrate::{KNOWN_VERSION, migrate_unasked, too_old};
use crate::statement::statement;
use crate::tx::SqliteTx;
use crate::wal;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// What gives each unit of work its one instant.
    pub clock: Arc<dyn Clock>,
    /// How long to wait for other writers before [`StoreError::Busy`].
    pub wait: Duration,
    /// What a commit waits for.
    pub sync: Sync,
    /// What to do with a file of an older version.
    pub migrate: Migrate,
    /// What to do on a file system of another machine or process.
    pub network_fs: NetworkFs,
    /// Move the log into the database after the first commit that wrote to it, if it is longer than so many bytes and
    /// nobody else is reading: for processes that write once and leave, each of which would read all of it. It costs two
    /// waits for the disk, and the next commit a third. A process that stays leaves it to SQLite, which does so every 8000
    /// pages.
    pub fold_log_above: Option<u64>,
}

/// What to do on a file system of another machine or process, where the shared memory of SQLite's log cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkFs {
    /// Refuse the file as [`StoreError::Policy`].
    #[default]
    Refuse,
    /// Use the file without a log: slower, readers and writers wait for each other, and it is sound only as far as the
    /// locks of that file system hold.
    WithoutLog,
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// That the disk has it: it survives a power cut.
    #[default]
    Full,
    /// That the operating system has it: it survives the end of the process; after a power cut the newest commits may
    /// be missing, and the file is sound.
    Normal,
}

/// What to do with a file of an older version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migrate {
    /// Below 64 MiB, copy it and bring it up to date; else refuse it as [`StoreError::TooOld`].
    #[default]
    Auto,
    /// Refuse it as [`StoreError::TooOld`].
    Never,
}

/// A queue in an SQLite file.
///
/// It may be shared between threads; one unit of work runs at a time, others wait. Any number of processes may have the
/// file open: readers never wait, writers queue. A process may leave without dropping this: nothing is lost, and the
/// next one to open the file tidies up.
pub struct SqliteStore {
    place: Place,
    clock: Arc<dyn Clock>,
    lock: LockFile,
    file: Mutex<OpenFile>,
}

enum OpenFile {
    Open(Box<Opened>),
    /// A commit failed, for this reason, and nobody knows how it ended.
    Broken(String),
}

impl SqliteStore {
    /// Makes a store at `path`, whose folder must be there, and opens it. The file is for its owner alone (0600).
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a queue, [`StoreError::Damaged`] or [`StoreError::Policy`] with what else is
    /// there; [`StoreError::OutcomeUnknown`] if it was made, but may not last or
    /// cannot be opened. After a crash there is either no store or a whole one.
    pub fn create(path: &Path, settings: &Settings, options: Options) -> Result<Self, StoreError> {
        let place = Place {
            path: absolute(path)?,
            wait: options.wait,
        };
        create(&place, settings, options.network_fs)?;
        Self::open(path, options).map_err(|error| StoreError::OutcomeUnknown {
            what: format!("{} was made, but {error}", place.name()),
        })
    }

    /// Opens the store at `path`. Never makes one.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Policy`] for a link or a file with several names;
    /// [`StoreError::Damaged`] for what is no queue; [`StoreError::TooNew`], [`StoreError::TooOld`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let Options {
            clock,
            wait,
            sync,
            migrate,
            network_fs,
            fold_log_above,
        } = options;
        let place = Place {
            path: absolute(path)?,
            wait,
        };
        let begun = Instant::now();
        let mut opened = connect::open(&place, sync, network_fs)
            .map_err(|error| not_longer_than(begun, error))?;
        if opened.version < KNOWN_VERSION {
            match migrate {
                Migrate::Never => return Err(too_old(&place, opened.version)),
                Migrate::Auto => migrate_unasked(&place, &mut opened.conn, opened.version)?,
            }
            opened.version = KNOWN_VERSION;
        }
        opened.fold_log_above = fold_log_above;
        let lock = LockFile::new(lock_path(&place.path));
        let file = Mutex::new(OpenFile::Open(Box::new(opened)));
        Ok(Self {
            place,
            clock,
            lock,
            file,
        })
    }

    /// Does something with the file that is no unit of work, alone if it writes.
    pub(crate) fn look_after<T>(
        &self,
        access: Access,
        body: impl FnOnce(&Place, &mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut file = self.file();
        let opened = match &mut *file {
            OpenFile::Open(opened) => opened,
            OpenFile::Broken(why) => return Err(self.refuse(why)),
        };
        let _guard = match access {
            Access::Read => None,
            Access::Write => {
                let guard = self.begin_writing(opened)?;
                let Opened {
                    conn,
                    follows,
                    carried,
                    ..
                } = &mut **opened;
                carried.forget();
                let switched = follows.by(Follows::Triggers, conn);
                switched.map_err(|error| self.place.sql(&error))?;
                Some(guard)
            }
        };
        body(&self.place, &mut opened.conn)
    }

    fn file(&self) -> MutexGuard<'_, OpenFile> {
        // A unit that panicked was rolled back on its way out.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writers' lock, after which the file must still be the one that was opened: someone may have put another in
    /// its place, and what is written to a file without a name is lost.
    fn begin_writing(&self, opened: &Opened) -> Result<LockGuard, StoreError> {
        if opened.read_only {
            return Err(StoreError::ReadOnly {
                path: self.place.path.clone(),
            });
        }
        let guard = self.lock.acquire(self.place.wait).map_err(file)?;
        if identity(&self.place.path).map_err(file)? != opened.identity {
            return Err(self
                .place
                .damaged("another file was put in its place: nothing was written"));
        }
        if opened.log.is_some() && identity(&log_path(&self.place.path)).ok() != opened.log {
            return Err(self
                .place
                .damaged("its log (-wal) was removed or replaced: nothing was written"));
        }
        Ok(guard)
    }

    fn refuse(&self, why: &str) -> StoreError {
        let place = self.place.name();
        StoreError::Backend {
            what: format!("{place} must be opened again: {why}"),
        }
    }

    fn check_version(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let found = schema_version(&self.place, conn)?;
        if found == KNOWN_VERSION {
            return Ok(());
        }
        if found < KNOWN_VERSION {
            return Err(too_old(&self.place, found));
        }
        Err(StoreError::TooNew {
            place: self.place.name(),
            found: found.to_string(),
            known: KNOWN_VERSION.to_string(),
        })
    }
}

impl Store for SqliteStore {
    fn run(
        &self,
        access: Access,
        body: &mut dyn FnMut(&mut dyn Tx) -> Result<Verdict, StoreError>,
    ) -> Result<(), StoreError> {
        let begun = Instant::now();
        self.unit(access, body)
            .map_err(|error| not_longer_than(begun, error))
    }

    fn info(&self) -> StoreInfo {
        StoreInfo {
            kind: "sqlite",
            place: self.place.name(),
            schema_version: KNOWN_VERSION,
        }
    }
}

impl SqliteStore {
    fn unit(
        &self,
        access: Access,
        body: &mut dyn FnMut(&mut dyn Tx) -> Result<Verdict, StoreError>,
    ) -> Result<(), StoreError> {
        let mut file = self.file();
        let opened = match &mut *file {
            OpenFile::Open(opened) => opened,
            OpenFile::Broken(why) => return Err(self.refuse(why)),
        };
        let _guard = match access {
            Access::Read => None,
            Access::Write => Some(self.begin_writing(opened)?),
        };
        let Opened {
            conn,
            follows,
            carried,
            ..
        } = &mut **opened;
        let unit = Unit::begin(&self.place, conn, access)?;
        let taken = carried.take(unit.conn, access);
        let (hand, same) = taken.map_err(|error| self.place.sql(&error))?;
        if !same {
            self.check_version(unit.conn)?;
        }
        let mut tx = SqliteTx {
            conn: unit.conn,
            now: self.clock.now(),
            access,
            place: &self.place,
            follows,
            hand,
            wait_for_none: HashSet::new(),
        };
        let ended = body(&mut tx).and_then(|verdict| {
            if verdict == Verdict::Commit {
                tx.finish()?;
            }
            Ok(verdict)
        });
        let mut hand = tx.hand;
        carried.remember(std::mem::take(&mut hand.row_ids));
        if ended? == Verdict::Rollback {
            return Ok(());
        }
        let (committed, log_bytes) = unit.commit();
        if committed.is_ok() && access == Access::Write {
            opened.carried.take_over(hand);
            self.fold_long_log(opened, log_bytes);
        }
        let Err(StoreError::OutcomeUnknown { what }) = &committed else {
            return committed;
        };
        let broken = OpenFile::Broken(what.clone());
        if let OpenFile::Open(opened) = std::mem::replace(&mut *file, broken) {
            let logged = opened.log.is_some();
            // Closing it would sync the file again, and the second sync says yes to what the first one lost.
            std::mem::forget(opened);
            if logged && wal::nothing_beyond_its_index(&self.place.path) {
                return Err(self.place.message(IO_ERROR));
            }
        }
        committed
    }
}

impl SqliteStore {
    /// After the first commit, while the writers' lock is held: so no other writer meets SQLite's.
    fn fold_long_log(&self, opened: &mut Opened, log_bytes: u64) {
        // A unit that changed nothing has nothing to tell of the log's length.
        let Some(bytes) = opened.fold_log_above.take_if(|_| log_bytes > 0) else {
            return;
        };
        if log_bytes <= bytes {
            return;
        }
        let conn = &mut opened.conn;
        // What was committed stays in the log where this fails. The next write meets what is in the way, and tells;
        // whoever reads meanwhile is not waited for.
        let _ = connect::wait_for_others(conn, Duration::ZERO)
            .and_then(|()| conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)"));
        let _ = connect::wait_for_others(conn, self.place.wait);
    }
}

statement! {
    /// Begins a transaction that sees what is there when it first reads.
    Begin {} -> () = "BEGIN"
}
statement! {
    /// Begins one that writes: nobody else does until it ends.
    BeginImmediate {} -> () = "BEGIN IMMEDIATE"
}
statement! {
    /// Ends a transaction.
    Commit {} -> () = "COMMIT"
}

/// An open transaction, undone unless it is committed.
struct Unit<'a> {
    place: &'a Place,
    conn: &'a mut SqliteConnection,
    open: bool,
}

impl<'a> Unit<'a> {
    fn begin(
        place: &'a Place,
        conn: &'a mut SqliteConnection,
        access: Access,
    ) -> Result<Self, StoreError> {
        let begun = match access {
            Access::Read => Begin::new().execute(conn),
            Access::Write => BeginImmediate::new().execute(conn),
        };
        begun.map_err(|error| place.sql(&error))?;
        Ok(Self {
            place,
            conn,
            open: true,
        })
    }

    /// Commits. How long the log is then comes with it, if the commit wrote to one.
    fn commit(mut self) -> (Result<(), StoreError>, u64) {
        let conn = &mut *self.conn;
        let (committed, log_bytes) = in_one_piece(|| Commit::new().execute(conn));
        // After a failure SQLite may or may not have rolled back; dropping this sees to it.
        self.open = committed.is_err();
        let committed = committed
            .map(drop)
            .map_err(|error| self.place.commit(&error));
        (committed, log_bytes)
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        if self.open {
            // It fails only when SQLite has rolled back already.
            let _ = self.conn.batch_execute("ROLLBACK");
        }
    }
}

#[cfg(test)]
impl SqliteStore {
    /// Something with the open file.
    pub(crate) fn inspect<T>(&self, what: impl FnOnce(&mut Opened) -> T) -> T {
        match &mut *self.file() {
            OpenFile::Open(opened) => what(opened),
            OpenFile::Broken(why) => panic!("{why}"),
        }
    }
}
