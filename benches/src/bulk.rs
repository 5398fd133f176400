//! The group `bulk`: whole queues at once, by the commands that people use for it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::ensure;
use rusqlite::Connection;
use serde_json::json;
use tasq_domain::{Contents, Event, Task};

use crate::measure::{Amount, Share, Side, Spent, compare, time};
use crate::plan::{Bench, Sync};
use crate::queue::plain;
use crate::report::{Must, Row};
use crate::scale::{FEATURES, remove, tasks};
use crate::tasq::Tasq;

const GROUP: &str = "bulk";

struct Bulk<'a> {
    folder: &'a Path,
    tasq: PathBuf,
    size: u32,
}

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    let size = bench.plan.size;
    let bulk = Bulk {
        folder,
        tasq: bench.plan.tasq()?,
        size: u32::try_from(size)?,
    };
    let contents = plain(size, FEATURES)?;
    let stream = folder.join("tasks.jsonl");
    write_stream(&stream, &contents)?;
    let store = folder.join("store.db");
    drop(Tasq::filled(&store, Sync::Normal, &contents)?);
    let snapshot = folder.join("snapshot.json");
    bulk.tasq(&["export", "-o"], &snapshot, Some(&store))?;
    let rows = folder.join("rows.db");
    write_rows(&rows, &contents)?;

    let mut written = |_: u32| {
        let path = folder.join("written.db");
        let took = time(|| write_rows(&path, &contents))?;
        remove(&path)?;
        Ok(took)
    };
    let mut read = |_: u32| time(|| read_rows(&rows));
    bulk.tell(
        bench,
        "task add --from a stream",
        ("bare inserts of the same rows", Must::Free),
        &mut |_| bulk.add(&stream),
        &mut written,
    )?;
    bulk.tell(
        bench,
        "import",
        ("bare inserts of the same rows", Must::AtLeast(0.15)),
        // A million tasks take more than is accepted unasked.
        &mut |_| bulk.make(&["import", "--max-mib", "4096"], Some(&snapshot)),
        &mut written,
    )?;
    bulk.tell(
        bench,
        "export",
        ("bare reads of the same rows", Must::AtLeast(0.3)),
        &mut |_| {
            bulk.tasq(
                &["export", "-o"],
                &folder.join("exported.json"),
                Some(&store),
            )
        },
        &mut read,
    )?;
    let from = store.to_string_lossy().into_owned();
    let mut both = |n: u32| Ok(read(n)? + written(n)?);
    bulk.tell(
        bench,
        "copy",
        ("bare reads and inserts", Must::Free),
        &mut |_| bulk.make(&["copy", "--from", &from], None),
        &mut both,
    )
}

impl Bulk<'_> {
    fn tell(
        &self,
        bench: &mut Bench,
        what: &str,
        (against, must): (&str, Must),
        ours: Side<'_>,
        floor: Side<'_>,
    ) -> anyhow::Result<()> {
        let amount = Amount {
            ours_each: self.size,
            other_each: self.size,
            ..Amount::same(bench.plan.rounds, 1)
        };
        let rounds = compare(Share::Rate, amount, ours, floor)?;
        let name = format!("{what}, {}, per task", tasks(u64::from(self.size)));
        bench
            .report
            .tell(Row::ratio(GROUP, name, against, &rounds, must))
    }

    /// Runs a command whose last word is a file.
    fn tasq(&self, words: &[&str], file: &Path, store: Option<&Path>) -> anyhow::Result<Spent> {
        let mut command = Command::new(&self.tasq);
        command.args(words).arg(file).env("TASQ_SYNC", "normal");
        match store {
            Some(store) => command.env("TASQ_STORE", store),
            None => command.env_remove("TASQ_STORE"),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let spent = time(|| {
            let output = command.output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(
                output.status.success(),
                "{command:?} ended with {}: {said}",
                output.status
            );
            Ok(())
        })?;
        Ok(spent.by_others())
    }

    /// Runs a command that makes a store.
    fn make(&self, words: &[&str], file: Option<&Path>) -> anyhow::Result<Spent> {
        let path = self.folder.join("made.db");
        let file = file.map(|file| file.to_string_lossy().into_owned());
        let words: Vec<&str> = words
            .iter()
            .copied()
            .chain(file.as_deref())
            .chain(["--to"])
            .collect();
        let took = self.tasq(&words, &path, None)?;
        remove(&path)?;
        Ok(took)
    }

    fn add(&self, stream: &Path) -> anyhow::Result<Spent> {
        let path = self.folder.join("added.db");
        drop(Tasq::create(&path, Sync::Normal)?);
        let took = self.tasq(&["task", "add", "--from"], stream, Some(&path))?;
        remove(&path)?;
        Ok(took)
    }
}

fn write_stream(path: &Path, contents: &Contents) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for task in &contents.tasks {
        let line = json!({
            "id": task.id.as_str(), "description": task.description.as_str(), "feature": task.feature.as_str(),
            "create_feature": true,
        });
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// The rows of every task and its event, in one transaction.
fn write_rows(path: &Path, contents: &Contents) -> anyhow::Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.execute_batch(
        "CREATE TABLE tasks(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, feature TEXT NOT NULL,
             description TEXT NOT NULL, status TEXT NOT NULL, budget INTEGER NOT NULL, metadata TEXT NOT NULL,
             created INTEGER NOT NULL, updated INTEGER NOT NULL);
         CREATE TABLE events(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
             entity TEXT NOT NULL, data TEXT NOT NULL);
         CREATE INDEX ready ON tasks(seq) WHERE status = 'pending';
         BEGIN IMMEDIATE;",
    )?;
    {
        let mut insert =
            connection.prepare("INSERT INTO tasks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        for task in &contents.tasks {
            insert_task(&mut insert, task)?;
        }
        let mut insert = connection.prepare("INSERT INTO events VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?;
        for event in &contents.events {
            insert_event(&mut insert, event)?;
        }
    }
    Ok(connection.execute_batch("COMMIT")?)
}

fn insert_task(insert: &mut rusqlite::Statement<'_>, task: &Task) -> anyhow::Result<()> {
    insert.execute((
        task.seq,
        task.id.as_str(),
        task.feature.as_str(),
        task.description.as_str(),
        task.status.as_str(),
        task.retry_budget.number(),
        task.metadata.as_str(),
        task.created_at.micros(),
        task.updated_at.micros(),
    ))?;
    Ok(())
}

fn insert_event(insert: &mut rusqlite::Statement<'_>, event: &Event) -> anyhow::Result<()> {
    insert.execute((
        event.seq,
        event.at.micros(),
        event.actor.as_str(),
        event.kind.as_str(),
        event.entity.as_str(),
        event.data.as_str(),
    ))?;
    Ok(())
}

/// Every column of every task, as text or a number.
fn read_rows(path: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(path)?;
    let mut select = connection.prepare("SELECT * FROM tasks ORDER BY seq")?;
    let mut rows = select.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        for column in 1..=4 {
            bytes += row.get::<_, String>(column)?.len();
        }
        let _: (i64, i64, i64) = (row.get(5)?, row.get(7)?, row.get(8)?);
        bytes += row.get::<_, String>(6)?.len();
    }
    ensure!(bytes > 0, "there are no rows");
    Ok(())
}
