//! Making a new store: built beside its place and put there whole, so that a crash leaves nothing that opens.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use tasq_domain::Settings;
use tasq_files::{FileError, LockFile, inspect, open_append, remove_stray_temps, sync_parent};
use tasq_ports::StoreError;

use crate::connect::{
    Journal, PAGE_BYTES, beside, check_header, configure, establish, journal, lock_path, log_path,
};
use crate::error::{Place, file};
use crate::migrate::run_pending;
use crate::store::{NetworkFs, Sync};
use crate::tx::whole::set_settings;

/// Makes a store where nothing is. Whoever else wants to make it too waits, and finds it there.
pub(crate) fn create(
    place: &Place,
    settings: &Settings,
    network_fs: NetworkFs,
) -> Result<(), StoreError> {
    let journal = journal(place, network_fs)?;
    let lock = LockFile::new(lock_path(&place.path));
    let _guard = lock.acquire(place.wait).map_err(file)?;
    check_free(place)?;
    let temp = temp_path(&place.path)?;
    let built = build(place, &temp, settings, journal).and_then(|()| {
        std::fs::rename(&temp, &place.path)
            .map_err(|source| file(FileError::new(&place.path, "create", source)))
    });
    if built.is_err() {
        for left in [
            temp.clone(),
            log_path(&temp),
            beside(&temp, "-shm"),
            beside(&temp, "-journal"),
        ] {
            // What cannot be removed now is removed by the next one to make a store here.
            let _ = std::fs::remove_file(left);
        }
    }
    built?;
    // It is there now, and whether it lasts nobody knows.
    sync_parent(&place.path).map_err(|error| StoreError::OutcomeUnknown {
        what: error.to_string(),
    })
}

pub(crate) fn check_free(place: &Place) -> Result<(), StoreError> {
    match inspect(&place.path) {
        Err(FileError::Missing { .. }) => {}
        Ok(facts) if facts.len == 0 => return Err(place.damaged("an empty file".to_owned())),
        Ok(_) => return Err(what_is_there(place)),
        Err(error) => return Err(file(error)),
    }
    // SQLite would replay the log of a database that is gone into the new one.
    for suffix in ["-wal", "-journal"] {
        let left = beside(&place.path, suffix);
        if left.symlink_metadata().is_ok() {
            return Err(StoreError::Damaged {
                place: left.display().to_string(),
                what: "left by a database that is gone: move it away".to_owned(),
            });
        }
    }
    Ok(())
}

/// A queue of whatever version, or what else it is. Asked of SQLite: closing the file would drop the locks of others in
/// this process.
fn what_is_there(place: &Place) -> StoreError {
    // Closing would fold a log that is there into the database; one that SQLite makes for us, reading alone would leave.
    // A journal that is there would be rolled back, which is for its owner to do.
    let journal = beside(&place.path, "-journal");
    let how = if log_path(&place.path).exists() || journal.exists() {
        "mode=ro"
    } else {
        "mode=rw"
    };
    let judged = establish(place, how).and_then(|mut conn| check_header(place, &mut conn));
    match judged {
        Err(error @ StoreError::Damaged { .. }) => error,
        _ => StoreError::Exists {
            place: place.name(),
        },
    }
}

/// The name that [`remove_stray_temps`] knows.
fn temp_path(path: &Path) -> Result<PathBuf, StoreError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(StoreError::Missing {
            place: path.display().to_string(),
        });
    };
    remove_stray_temps(folder, name).map_err(file)?;
    // Every state of std's hash maps has fresh random keys: enough to differ from other writers.
    let random = RandomState::new().build_hasher().finish();
    let mut temp = OsString::from(".");
    temp.push(name);
    temp.push(format!(".{}.{random:016x}.tmp", std::process::id()));
    Ok(folder.join(temp))
}

fn build(
    place: &Place,
    temp: &Path,
    settings: &Settings,
    journal: Journal,
) -> Result<(), StoreError> {
    // SQLite keeps the mode of a file that is there: 0600.
    drop(open_append(temp).map_err(file)?);
    let there = Place {
        path: temp.to_owned(),
        wait: place.wait,
    };
    let mut conn = establish(&there, "mode=rw")?;
    // A file that is not there yet needs no journal to go back by.
    conn.batch_execute(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = MEMORY"
    ))
    .map_err(|error| there.sql(&error))?;
    run_pending(&there, &mut conn)?;
    set_settings(&mut conn, settings).map_err(|fault| there.fault(fault))?;
    // Closing writes everything into the file itself.
    configure(&there, &mut conn, Sync::Full, Some(journal))
}
