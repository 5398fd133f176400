//! Stores that are looked after: checked, backed up, made from a backup.

use std::path::{Path, PathBuf};

use tasq_adapter_json::{JsonStore, SideFiles};
use tasq_adapter_sqlite::SqliteStore;
use tasq_app::{App, Caller, Code, CopyReport};
use tasq_domain::Contents;
use tasq_files::{create_private_dir, temp_path};
use tasq_formats::time::to_rfc3339_clamped;
use tasq_ports::{Clock as _, Maintenance, StoreError};

use super::{Terms, json_options, open, sqlite_options, write_gitignore};
use crate::clock::SystemClock;
use crate::discover::Place;
use crate::failure::Failure;
use crate::session::IDS;

/// Opens a store to look after it. What keeps it from being opened may be what is to be told.
pub(crate) fn open_maintained(
    place: &Place,
    terms: Terms,
) -> Result<Result<Box<dyn Maintenance>, StoreError>, Failure> {
    crate::discover::check_owner(place)?;
    Ok(match place {
        Place::Sqlite(path) => SqliteStore::open(path, sqlite_options(terms)?)
            .map(|store| Box::new(store) as Box<dyn Maintenance>),
        Place::Json(path) => JsonStore::open(path, json_options(terms))
            .map(|store| Box::new(store) as Box<dyn Maintenance>),
    })
}

/// A backup that was read, and whether it has keys that do not go with it.
pub(crate) struct BackupRead {
    pub(crate) contents: Contents,
    pub(crate) unknown_keys: bool,
}

/// Reads everything in a backup, which stays as it is.
pub(crate) fn read_backup(place: &Place, terms: Terms) -> Result<BackupRead, Failure> {
    let (contents, unknown_keys) = match place {
        Place::Sqlite(path) => (tasq_adapter_sqlite::read_contents(path, terms.wait)?, false),
        Place::Json(path) => tasq_adapter_json::read_contents(path, json_options(terms))?,
    };
    Ok(BackupRead {
        contents,
        unknown_keys,
    })
}

/// What a restore did.
pub(crate) struct RestoreReport {
    pub(crate) report: CopyReport,
    /// Where the store is that was in its place.
    pub(crate) kept: Option<PathBuf>,
}

/// Makes the store at a place from a backup: into one that is empty in one step, else built beside it and put in its
/// place as a whole.
pub(crate) fn restore(
    contents: &Contents,
    to: &Place,
    force: bool,
    caller: &Caller,
    terms: Terms,
) -> Result<RestoreReport, Failure> {
    let there = to.path().symlink_metadata().is_ok();
    if there {
        let restored = open(to, terms).and_then(|store| {
            let app = App::new(store.as_ref(), &IDS, caller.clone());
            Ok(app.restore(contents)?)
        });
        match restored {
            Ok(report) => return Ok(RestoreReport { report, kept: None }),
            Err(failure) if force && may_be_replaced(&failure) => {}
            Err(failure) if may_be_replaced(&failure) => {
                return Err(failure.with_hint(
                    "--force puts the backup in its place and keeps what is there beside it",
                ));
            }
            Err(failure) => return Err(failure),
        }
    } else if let Some(folder) = to.folder() {
        create_private_dir(folder)?;
        if let Some(other) = crate::discover::in_folder(folder)? {
            return Err(Failure::new(
                Code::Conflict,
                format!("there is a store at {} already", other.path().display()),
            )
            .with_hint("two stores cannot share a .tasq/: name another place with --to"));
        }
        write_gitignore(folder)?;
    }
    let kept = there.then(|| dated(to.path(), "before"));
    let building = Building::beside(to)?;
    let report = build(&building.place, contents, caller, terms)?;
    let (built, path) = (building.place.path(), to.path());
    match to {
        Place::Sqlite(_) => {
            tasq_adapter_sqlite::put_in_place(built, path, kept.as_deref(), terms.wait)?;
        }
        Place::Json(_) => {
            tasq_adapter_json::put_in_place(built, path, kept.as_deref(), terms.wait)?;
        }
    }
    Ok(RestoreReport { report, kept })
}

/// Whether what is in the way is a store that is not empty, or one that cannot be read.
fn may_be_replaced(failure: &Failure) -> bool {
    match failure {
        Failure::Told(problem) => {
            matches!(
                problem.code,
                Code::Conflict | Code::Damaged | Code::InvalidData
            )
        }
        Failure::ClosedPipe => false,
    }
}

/// Makes a store in a folder of its own and closes it, so that it is in its file as a whole.
fn build(
    place: &Place,
    contents: &Contents,
    caller: &Caller,
    terms: Terms,
) -> Result<CopyReport, Failure> {
    let store: Box<dyn Maintenance> = match place {
        Place::Sqlite(path) => Box::new(SqliteStore::create(
            path,
            &contents.settings,
            sqlite_options(terms)?,
        )?),
        Place::Json(path) => Box::new(JsonStore::create(
            path,
            &contents.settings,
            json_options(terms),
        )?),
    };
    let app = App::new(store.as_ref(), &IDS, caller.clone());
    Ok(app.restore(contents)?)
}

/// A store under construction, in a folder that goes with this value.
struct Building {
    folder: PathBuf,
    place: Place,
}

impl Building {
    fn beside(place: &Place) -> Result<Self, Failure> {
        let folder = temp_path(place.path())?;
        create_private_dir(&folder)?;
        let name = place.path().file_name().unwrap_or_default();
        let place = match place {
            Place::Sqlite(_) => Place::Sqlite(folder.join(name)),
            Place::Json(_) => Place::Json(folder.join(name)),
        };
        Ok(Self { folder, place })
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // What is left has the name of a leftover, and nothing that counts is in it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A free name beside a store for another state of it: `queue.WHAT-20261122T120000Z.db`.
pub(crate) fn dated(path: &Path, what: &str) -> PathBuf {
    let now = to_rfc3339_clamped(SystemClock.now().micros());
    let stamp: String = now
        .chars()
        .take("2026-11-22T12:00:00".len())
        .filter(|char| char.is_ascii_alphanumeric())
        .collect();
    let named = |more: &str| {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{what}-{stamp}Z{more}"));
        if let Some(ending) = path.extension() {
            name.push(".");
            name.push(ending);
        }
        path.with_file_name(name)
    };
    let mut name = named("");
    // Twice in a second.
    for number in 2..100 {
        // A log alone is what a restore left that was stopped half way.
        let log = SideFiles::of(&name).log;
        if name.symlink_metadata().is_err() && log.symlink_metadata().is_err() {
            break;
        }
        name = named(&format!("-{number}"));
    }
    name
}
