//! Copies of the whole file: made while others write, read again before they count, and put in a store's place.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tasq_domain::Contents;
use tasq_files::{
    FileError, LockFile, identity, inspect, open_append, open_read, rename_durably, temp_path,
};
use tasq_ports::{BackupReport, Overwrite, StoreError};

use crate::check::integrity_lines;
use crate::connect::{absolute, beside, check_header, establish, lock_path, log_path};
use crate::error::{Place, file};
use crate::migrate::{KNOWN_VERSION, too_old};
use crate::tx::whole;
use crate::wal::whole_frames;

/// How much is in a database. Events are only ever added, so they tell which of two states is the newer one.
#[derive(QueryableByName, Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    epics: i64,
    #[diesel(sql_type = BigInt)]
    features: i64,
    #[diesel(sql_type = BigInt)]
    tasks: i64,
    #[diesel(sql_type = BigInt)]
    tests: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = BigInt)]
    events: i64,
    #[diesel(sql_type = BigInt)]
    last_event: i64,
}

/// Copies a database that others may be writing to.
///
/// SQLite writes the copy from one snapshot into a temporary file in the target's folder. When the disk has it, it is
/// opened for reading, checked, and compared with what was counted in the original before and after. Then it gets its
/// name.
pub(crate) fn back_up(
    place: &Place,
    conn: &mut SqliteConnection,
    to: &Path,
    overwrite: Overwrite,
) -> Result<BackupReport, StoreError> {
    let to = absolute(to)?;
    check_target(place, &to, overwrite)?;
    let copy = Place {
        path: temp_path(&to).map_err(file)?,
        wait: place.wait,
    };
    let named = write(place, conn, &copy).and_then(|counted| {
        let replace = overwrite == Overwrite::Replace;
        if rename_durably(&copy.path, &to, replace).map_err(file)? {
            Ok(counted)
        } else {
            Err(exists(&to))
        }
    });
    if named.is_err() {
        for left in [copy.path.clone(), beside(&copy.path, "-journal")] {
            // It has the name of a leftover, and is told as one.
            let _ = std::fs::remove_file(left);
        }
    }
    let counted = named?;
    let bytes = inspect(&to).map_err(file)?.len;
    Ok(BackupReport {
        files: vec![to],
        bytes,
        epics: unsigned(counted.epics),
        features: unsigned(counted.features),
        tasks: unsigned(counted.tasks),
        tests: unsigned(counted.tests),
        events: unsigned(counted.events),
    })
}

/// Reads a whole database without changing anything in or beside it, after SQLite found it sound.
///
/// # Errors
/// As opening the store; [`StoreError::TooOld`] if it must be migrated first.
pub fn read_contents(path: &Path, wait: Duration) -> Result<Contents, StoreError> {
    let place = Place {
        path: absolute(path)?,
        wait,
    };
    identity(&place.path).map_err(file)?;
    // Without a log everything is in the file itself, which may then lie on a read-only disk.
    let how = if log_path(&place.path).symlink_metadata().is_ok() {
        "mode=ro"
    } else {
        "mode=ro&immutable=1"
    };
    let mut conn = establish(&place, how)?;
    let version = check_header(&place, &mut conn)?;
    if version < KNOWN_VERSION {
        return Err(too_old(&place, version));
    }
    if let Some(line) = integrity_lines(&place, &mut conn)?.into_iter().next() {
        return Err(place.damaged(line));
    }
    // One snapshot for all that is read; it ends with the connection.
    conn.batch_execute("BEGIN")
        .map_err(|error| place.sql(&error))?;
    whole::contents(&mut conn).map_err(|fault| place.fault(fault))
}

/// Puts a database that nobody has open at a place. One that is there is kept under the name `aside`, with its
/// log; without that name the place must be free.
///
/// # Errors
/// [`StoreError::Exists`] if the place or the name `aside` is taken, [`StoreError::Busy`] if somebody writes to or reads
/// what is there for too long. After [`StoreError::Io`] and the like what was there may already have its other name.
pub fn put_in_place(
    built: &Path,
    path: &Path,
    aside: Option<&Path>,
    wait: Duration,
) -> Result<(), StoreError> {
    let place = Place {
        path: absolute(path)?,
        wait,
    };
    make_whole(&Place {
        path: absolute(built)?,
        wait,
    })?;
    let lock = LockFile::new(lock_path(&place.path));
    let _guard = lock.acquire(wait).map_err(file)?;
    match (place.path.symlink_metadata().is_ok(), aside) {
        (false, _) => crate::create::check_free(&place)?,
        (true, None) => return Err(exists(&place.path)),
        (true, Some(aside)) => set_aside(&place, aside)?,
    }
    if rename_durably(built, &place.path, false).map_err(file)? {
        Ok(())
    } else {
        Err(exists(&place.path))
    }
}

/// Brings everything into the file itself, because its log does not go with it. Closing a database does that too, but
/// does not tell when it could not.
fn make_whole(built: &Place) -> Result<(), StoreError> {
    empty_log(built)?;
    let log = log_path(&built.path);
    match std::fs::read(&log) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(log) if whole_frames(&log) == 0 => {}
        Ok(_) => return Err(built.damaged("its log could not be written into it".to_owned())),
        Err(error) => return Err(file(FileError::new(&log, "read", error))),
    }
    let mut check = establish(built, "mode=ro&immutable=1")?;
    match integrity_lines(built, &mut check)?.into_iter().next() {
        None => Ok(()),
        Some(line) => Err(built.damaged(format!("it was not built as a whole: {line}"))),
    }
}

/// Gives the database another name, and with it what belongs to it. The caller has the writers' lock.
fn set_aside(place: &Place, aside: &Path) -> Result<(), StoreError> {
    identity(&place.path).map_err(file)?;
    // With everything in the file itself, nothing is lost between one renaming and the next.
    match empty_log(place) {
        Ok(()) | Err(StoreError::Damaged { .. } | StoreError::Backend { .. }) => {}
        Err(error) => return Err(error),
    }
    if !rename_durably(&place.path, aside, false).map_err(file)? {
        return Err(exists(aside));
    }
    for suffix in ["-wal", "-shm"] {
        let (from, to) = (beside(&place.path, suffix), beside(aside, suffix));
        if from.symlink_metadata().is_ok() {
            rename_durably(&from, &to, true).map_err(file)?;
        }
    }
    Ok(())
}

fn empty_log(place: &Place) -> Result<(), StoreError> {
    let mut conn = establish(place, "mode=rw")?;
    check_header(place, &mut conn)?;
    truncate_log(place, &mut conn)
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = BigInt)]
    busy: i64,
}

/// Writes the log into the database and empties it.
///
/// # Errors
/// [`StoreError::Busy`] if somebody reads for longer than the wait.
pub(crate) fn truncate_log(place: &Place, conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let Checkpoint { busy } = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)")
        .get_result(conn)
        .map_err(|error| place.sql(&error))?;
    if busy == 0 {
        return Ok(());
    }
    Err(StoreError::Busy {
        waited: place.wait,
        holder: None,
    })
}

fn check_target(place: &Place, to: &Path, overwrite: Overwrite) -> Result<(), StoreError> {
    match inspect(to) {
        Err(FileError::Missing { .. }) => {}
        Ok(facts) => {
            let itself = identity(&place.path).map_err(file)? == facts.identity;
            if itself || overwrite == Overwrite::Refuse {
                return Err(exists(to));
            }
        }
        Err(error) => return Err(file(error)),
    }
    // SQLite would replay the log of another database into the copy.
    for suffix in ["-wal", "-journal"] {
        let left = beside(to, suffix);
        if left.symlink_metadata().is_ok() {
            return Err(StoreError::Policy {
                place: left.display().to_string(),
                what: "the file is in use as a store: choose another name for the backup"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

fn exists(path: &Path) -> StoreError {
    StoreError::Exists {
        place: path.display().to_string(),
    }
}

/// Writes the copy and compares it with the original.
fn write(place: &Place, conn: &mut SqliteConnection, copy: &Place) -> Result<Counted, StoreError> {
    let before = count(place, conn)?;
    // SQLite keeps the mode of a file that is there: 0600.
    drop(open_append(&copy.path).map_err(file)?);
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(copy.path.to_string_lossy())
        .execute(conn)
        .map_err(|error| copy.sql(&error))?;
    let after = count(place, conn)?;
    let written = open_read(&copy.path).map_err(file)?;
    written
        .file
        .sync_all()
        .map_err(|source| file(FileError::new(&copy.path, "sync", source)))?;
    drop(written);
    let mut check = establish(copy, "mode=ro&immutable=1")?;
    if let Some(line) = integrity_lines(copy, &mut check)?.into_iter().next() {
        return Err(place.damaged(format!("its copy is not sound: {line}")));
    }
    let copied = count(copy, &mut check)?;
    let as_it_was = if before == after {
        copied == before
    } else {
        (before.last_event..=after.last_event).contains(&copied.last_event)
            && (before.events..=after.events).contains(&copied.events)
    };
    if as_it_was {
        Ok(copied)
    } else {
        Err(place.damaged(format!(
            "its copy holds {copied:?}, but it held {before:?} before and {after:?} after"
        )))
    }
}

/// Counts the rows themselves, whatever an index says.
fn count(place: &Place, conn: &mut SqliteConnection) -> Result<Counted, StoreError> {
    diesel::sql_query(
        "SELECT
            (SELECT count(*) FROM epics NOT INDEXED) AS epics,
            (SELECT count(*) FROM features NOT INDEXED) AS features,
            (SELECT count(*) FROM tasks NOT INDEXED) AS tasks,
            (SELECT count(*) FROM test_cases NOT INDEXED) AS tests,
            (SELECT count(*) FROM attempts NOT INDEXED) AS attempts,
            (SELECT count(*) FROM events NOT INDEXED) AS events,
            (SELECT coalesce(max(seq), 0) FROM events) AS last_event",
    )
    .get_result(conn)
    .map_err(|error| place.sql(&error))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
