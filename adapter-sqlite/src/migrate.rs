//! Bringing the schema up to date.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::SqliteConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tasq_files::{FileError, LockFile, inspect, open_append};
use tasq_ports::StoreError;

use crate::connect::{self, absolute, beside, establish, lock_path, schema_version};
use crate::error::{Fault, Place, file};
use crate::store::{NetworkFs, Sync};

/// The version of the schema that this program knows.
pub(crate) const KNOWN_VERSION: i64 = 1;

/// A file below this is brought up to date by itself; a larger one takes long enough for a person to choose when.
const BY_ITSELF_BELOW_BYTES: u64 = 64 * 1024 * 1024;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// What `migrate` would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The version of the file.
    pub from: i64,
    /// The version that this program knows.
    pub to: i64,
    /// The migrations that lead from one to the other, by name, in order.
    pub migrations: Vec<String>,
}

/// What `migrate` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The version that the file had.
    pub from: i64,
    /// The version that it has now.
    pub to: i64,
    /// The migrations that ran, by name, in order.
    pub migrations: Vec<String>,
    /// A copy of the file as it was, if it held anything.
    pub backup: Option<PathBuf>,
}

/// What has to be done to bring a store up to date. Changes nothing.
///
/// # Errors
/// As opening the store, but never [`StoreError::TooOld`].
pub fn migrations_pending(path: &Path, wait: Duration) -> Result<Pending, StoreError> {
    let place = Place {
        path: absolute(path)?,
        wait,
    };
    let from = connect::open(&place, Sync::Full, NetworkFs::Refuse)?.version;
    let migrations = names(&place)?
        .into_iter()
        .filter(|(version, _)| *version > from)
        .map(|(_, name)| name)
        .collect();
    Ok(Pending {
        from,
        to: KNOWN_VERSION,
        migrations,
    })
}

/// Brings a store up to date, whatever its size. Others who try at the same time wait, and find it done.
///
/// A file that holds anything is copied first, to `<path>.v<version>.backup`, and the copy is checked.
///
/// # Errors
/// As opening the store, but never [`StoreError::TooOld`]. After an error the file is what it was.
pub fn migrate(path: &Path, wait: Duration) -> Result<Applied, StoreError> {
    let place = Place {
        path: absolute(path)?,
        wait,
    };
    let mut opened = connect::open(&place, Sync::Full, NetworkFs::Refuse)?;
    bring_up_to_date(&place, &mut opened.conn)
}

/// Migrates a file that was just opened, if it is small enough to do so unasked.
pub(crate) fn migrate_unasked(
    place: &Place,
    conn: &mut SqliteConnection,
    from: i64,
) -> Result<(), StoreError> {
    let size = inspect(&place.path).map_err(file)?.len;
    if size >= BY_ITSELF_BELOW_BYTES {
        return Err(too_old(place, from));
    }
    bring_up_to_date(place, conn).map(drop)
}

pub(crate) fn too_old(place: &Place, found: i64) -> StoreError {
    StoreError::TooOld {
        place: place.name(),
        found: found.to_string(),
        known: KNOWN_VERSION.to_string(),
    }
}

/// Runs what is pending in one transaction that looks again. Returns the names of what ran.
pub(crate) fn run_pending(
    place: &Place,
    conn: &mut SqliteConnection,
) -> Result<Vec<String>, StoreError> {
    conn.immediate_transaction(|conn| {
        let migrations = conn
            .pending_migrations(MIGRATIONS)
            .map_err(|error| Fault::misuse(error.to_string()))?;
        let mut names = Vec::new();
        for migration in &migrations {
            conn.run_migration(migration).map_err(|error| {
                Fault::misuse(format!("migration {}: {error}", migration.name()))
            })?;
            names.push(migration.name().to_string());
        }
        Ok(names)
    })
    .map_err(|fault: Fault| place.fault(fault))
}

fn bring_up_to_date(place: &Place, conn: &mut SqliteConnection) -> Result<Applied, StoreError> {
    let lock = LockFile::new(lock_path(&place.path));
    let _guard = lock.acquire(place.wait).map_err(file)?;
    let from = schema_version(place, conn)?;
    if from == KNOWN_VERSION {
        return Ok(Applied {
            from,
            to: from,
            migrations: Vec::new(),
            backup: None,
        });
    }
    // A file without a version has no tables yet.
    let backup = (from > 0).then(|| back_up(place, conn, from)).transpose()?;
    let migrations = run_pending(place, conn)?;
    Ok(Applied {
        from,
        to: schema_version(place, conn)?,
        migrations,
        backup,
    })
}

/// Copies the file as it is and checks the copy.
fn back_up(place: &Place, conn: &mut SqliteConnection, from: i64) -> Result<PathBuf, StoreError> {
    let path = beside(&place.path, &format!(".v{from}.backup"));
    // One from a migration that was broken off is of the same content.
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(file(FileError::new(&path, "replace", error)));
    }
    drop(open_append(&path).map_err(file)?);
    let copy = Place {
        path,
        wait: place.wait,
    };
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(copy.path.to_string_lossy())
        .execute(conn)
        .map_err(|error| copy.sql(&error))?;
    let mut check = establish(&copy, "mode=ro")?;
    let verdict: Check = diesel::sql_query("PRAGMA integrity_check(1)")
        .get_result(&mut check)
        .map_err(|error| copy.sql(&error))?;
    if verdict.integrity_check != "ok" || schema_version(&copy, &mut check)? != from {
        return Err(copy.damaged(format!(
            "the copy is not sound: {}",
            verdict.integrity_check
        )));
    }
    tasq_files::sync_parent(&copy.path).map_err(file)?;
    Ok(copy.path)
}

#[derive(QueryableByName)]
struct Check {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Every migration by its version and name.
fn names(place: &Place) -> Result<Vec<(i64, String)>, StoreError> {
    let all = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
        .map_err(|error| place.fault(Fault::misuse(error.to_string())))?;
    let mut names: Vec<(i64, String)> = all
        .iter()
        .map(|migration| {
            let name = migration.name();
            let version = name.version().to_string().parse().unwrap_or(i64::MAX);
            (version, name.to_string())
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Makes a file that is ours but has no tables yet, as an older program would leave one.
#[cfg(test)]
pub(crate) fn make_unversioned(path: &Path) {
    let place = Place {
        path: path.to_owned(),
        wait: Duration::from_secs(5),
    };
    use diesel::connection::SimpleConnection;
    drop(open_append(path).unwrap());
    let mut conn = establish(&place, "mode=rw").unwrap();
    conn.batch_execute(&format!(
        "PRAGMA application_id = {}; PRAGMA journal_mode = WAL;",
        connect::APPLICATION_ID
    ))
    .unwrap();
}
