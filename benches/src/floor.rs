//! The floor: the least that SQLite needs for a queue, with prepared statements and the same pragmas.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

/// A bare queue: one table, one partial index, no dependencies, leases, events or parents.
pub(crate) struct Floor {
    connection: Connection,
    added: u64,
}

impl Floor {
    pub(crate) fn new(path: &Path, full: bool) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", if full { "full" } else { "normal" })?;
        connection.execute_batch(
            "CREATE TABLE jobs(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,
                 priority INTEGER NOT NULL DEFAULT 2, status TEXT NOT NULL DEFAULT 'pending', worker TEXT);
             CREATE INDEX ready ON jobs(priority, seq) WHERE status = 'pending';",
        )?;
        Ok(Self {
            connection,
            added: 0,
        })
    }

    pub(crate) fn add(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            self.insert()?;
        }
        Ok(())
    }

    pub(crate) fn add_in_one(&mut self, count: u32) -> anyhow::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        self.add(count)?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Claim and complete, each in a transaction of its own.
    pub(crate) fn claim_complete(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            let seq = self.claim()?;
            self.complete(seq)?;
        }
        Ok(())
    }

    /// Claim and complete in one transaction.
    pub(crate) fn cycle_in_one(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            let seq = self.claim()?;
            self.complete(seq)?;
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    fn insert(&mut self) -> anyhow::Result<()> {
        self.added += 1;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO jobs(id, payload) VALUES(?1, ?2)")?;
        insert.execute((
            format!("JOB-{:08X}", self.added),
            "write the file and say so",
        ))?;
        Ok(())
    }

    fn claim(&self) -> anyhow::Result<i64> {
        let mut claim = self.connection.prepare_cached(
            "UPDATE jobs SET status = 'in_progress', worker = ?1 WHERE seq =
                 (SELECT seq FROM jobs WHERE status = 'pending' ORDER BY priority, seq LIMIT 1) RETURNING seq",
        )?;
        let seq = claim.query_row(["bench"], |row| row.get(0)).optional()?;
        seq.ok_or_else(|| anyhow::anyhow!("the floor's queue ran empty"))
    }

    fn complete(&self, seq: i64) -> anyhow::Result<()> {
        let mut complete = self
            .connection
            .prepare_cached("UPDATE jobs SET status = 'completed' WHERE seq = ?1")?;
        complete.execute([seq])?;
        Ok(())
    }
}
