//! The floor: the least that SQLite needs for a queue, with prepared statements and the same pragmas.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use tasq_adapter_sqlite::{CACHE_KIB, LOG_PAGES, PAGE_BYTES};

use crate::measure::{Spent, time};
use crate::plan::Sync;

/// A bare queue: one table of jobs, one of results, one partial index; no dependencies, leases, events or parents.
pub(crate) struct Floor {
    connection: Connection,
    added: u64,
    held: Vec<i64>,
}

impl Floor {
    pub(crate) fn create(path: &Path, sync: Sync) -> anyhow::Result<Self> {
        let connection = connect(path, sync)?;
        connection.execute_batch(
            "CREATE TABLE jobs(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,
                 priority INTEGER NOT NULL DEFAULT 2, status TEXT NOT NULL DEFAULT 'pending', worker TEXT,
                 lease INTEGER, due INTEGER);
             CREATE TABLE results(seq INTEGER PRIMARY KEY, job INTEGER NOT NULL, result TEXT NOT NULL);
             CREATE INDEX ready ON jobs(priority, seq) WHERE status = 'pending';",
        )?;
        Ok(Self {
            connection,
            added: 0,
            held: Vec::new(),
        })
    }

    /// One that another process made.
    pub(crate) fn open(path: &Path, sync: Sync) -> anyhow::Result<Self> {
        Ok(Self {
            connection: connect(path, sync)?,
            added: 0,
            held: Vec::new(),
        })
    }

    /// Adds jobs without measuring.
    pub(crate) fn fill(&mut self, count: u64) -> anyhow::Result<()> {
        self.in_one(|floor| (0..count).try_for_each(|_| floor.insert()))
    }

    pub(crate) fn add(&mut self, count: u32) -> anyhow::Result<Spent> {
        time(|| (0..count).try_for_each(|_| self.insert()))
    }

    pub(crate) fn add_in_one(&mut self, count: u32) -> anyhow::Result<Spent> {
        time(|| self.in_one(|floor| (0..count).try_for_each(|_| floor.insert())))
    }

    /// Each in a transaction of its own.
    pub(crate) fn claim(&mut self, count: u32) -> anyhow::Result<Spent> {
        time(|| {
            for _ in 0..count {
                let seq = self.claim_one()?;
                self.held.push(seq);
            }
            Ok(())
        })
    }

    /// Completes what was claimed before, each in a transaction of its own.
    pub(crate) fn complete(&mut self, count: u32) -> anyhow::Result<Spent> {
        let held = self.take_held(count)?;
        time(|| {
            held.into_iter()
                .try_for_each(|seq| self.in_one(|floor| floor.complete_one(seq)))
        })
    }

    /// Claim and complete in one transaction.
    pub(crate) fn cycle(&mut self, count: u32) -> anyhow::Result<Spent> {
        time(|| {
            (0..count).try_for_each(|_| {
                self.in_one(|floor| {
                    let seq = floor.claim_one()?;
                    floor.complete_one(seq)
                })
            })
        })
    }

    /// Gives back what was claimed before, for later, with a result.
    pub(crate) fn fail(&mut self, count: u32) -> anyhow::Result<Spent> {
        let held = self.take_held(count)?;
        time(|| {
            held.into_iter().try_for_each(|seq| {
                self.in_one(|floor| {
                    let mut fail = floor.connection.prepare_cached(
                        "UPDATE jobs SET status = 'waiting', due = 1, worker = NULL WHERE seq = ?1",
                    )?;
                    fail.execute([seq])?;
                    drop(fail);
                    floor.tell(seq, "failed")
                })
            })
        })
    }

    pub(crate) fn heartbeat(&mut self, count: u32) -> anyhow::Result<Spent> {
        if self.held.is_empty() {
            self.claim(1)?;
        }
        let seq = self.held[0];
        time(|| {
            for lease in 0..count {
                let mut beat = self
                    .connection
                    .prepare_cached("UPDATE jobs SET lease = ?1 WHERE seq = ?2")?;
                beat.execute((lease, seq))?;
            }
            Ok(())
        })
    }

    /// Claims so many in one transaction and completes them in another.
    pub(crate) fn batch(&mut self, count: u32) -> anyhow::Result<Spent> {
        time(|| {
            let mut taken = Vec::new();
            self.in_one(|floor| {
                for _ in 0..count {
                    taken.push(floor.claim_one()?);
                }
                Ok(())
            })?;
            self.in_one(|floor| taken.iter().try_for_each(|&seq| floor.complete_one(seq)))
        })
    }

    fn in_one(&mut self, body: impl FnOnce(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        body(self)?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn take_held(&mut self, count: u32) -> anyhow::Result<Vec<i64>> {
        let count = usize::try_from(count)?;
        while self.held.len() < count {
            self.claim(u32::try_from(count - self.held.len())?)?;
        }
        Ok(self.held.split_off(self.held.len() - count))
    }

    fn insert(&mut self) -> anyhow::Result<()> {
        self.added += 1;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO jobs(id, payload) VALUES(?1, ?2)")?;
        // As spread as random ids are.
        let id = self.added.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        insert.execute((format!("JOB-{id:012X}"), "write the file and say so"))?;
        Ok(())
    }

    fn claim_one(&self) -> anyhow::Result<i64> {
        let mut claim = self.connection.prepare_cached(
            "UPDATE jobs SET status = 'in_progress', worker = ?1 WHERE seq =
                 (SELECT seq FROM jobs WHERE status = 'pending' ORDER BY priority, seq LIMIT 1) RETURNING seq",
        )?;
        let seq = claim.query_row(["bench"], |row| row.get(0)).optional()?;
        seq.ok_or_else(|| anyhow::anyhow!("the floor's queue ran empty"))
    }

    fn complete_one(&self, seq: i64) -> anyhow::Result<()> {
        let mut complete = self
            .connection
            .prepare_cached("UPDATE jobs SET status = 'completed' WHERE seq = ?1")?;
        complete.execute([seq])?;
        self.tell(seq, "completed")?;
        let mut look = self
            .connection
            .prepare_cached("SELECT id, status FROM jobs WHERE seq = ?1")?;
        let _: (String, String) = look.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(())
    }

    fn tell(&self, seq: i64, result: &str) -> anyhow::Result<()> {
        let mut tell = self
            .connection
            .prepare_cached("INSERT INTO results(job, result) VALUES(?1, ?2)")?;
        tell.execute((seq, result))?;
        Ok(())
    }
}

/// The program beside which a whole command is measured: opens a database and reads one row.
pub(crate) fn read_one_row(path: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(path)?;
    let rows: i64 = connection.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)",
        [],
        |row| row.get(0),
    )?;
    anyhow::ensure!(rows == 1, "{} is empty", path.display());
    Ok(())
}

fn connect(path: &Path, sync: Sync) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", sync.word())?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    Ok(connection)
}
