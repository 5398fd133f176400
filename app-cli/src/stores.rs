//! Making and opening stores: the only place that names the adapters.

mod care;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tasq_adapter_json::JsonStore;
use tasq_adapter_memory::MemoryStore;
use tasq_adapter_sqlite::{NetworkFs, SqliteStore};
use tasq_app::{Code, NewQueue};
use tasq_domain::{EntityKind, Settings, is_blank};
use tasq_files::create_private_dir;
use tasq_ports::{Clock, Store, StoreError, StoreExt as _};

use crate::clock::SystemClock;
use crate::discover::{self, Place};
use crate::failure::Failure;
use crate::session::IDS;

pub(crate) use care::{BackupRead, RestoreReport, dated, open_maintained, read_backup, restore};

/// Above so many tasks a JSON store is slow: each change writes it as a whole.
const MANY_TASKS: u64 = 10_000;
/// A task takes at least so many bytes in a JSON store, so a smaller file need not be counted.
const LEAST_TASK_BYTES: u64 = 150;
/// A log of SQLite that is worth the waits for the disk that folding it takes: what some 20 claims write. Commands leave
/// without closing it, and each that finds nobody else there reads all of it, which costs a quarter of a microsecond a page,
/// of which this one has 190. Twice as long, claims take as long as now, and what only reads takes longer.
const LONG_LOG_BYTES: u64 = 384 * 1024;
/// What git is to see of a `.tasq/`: the readable queue, nothing that belongs to one machine.
const GITIGNORE: &str = "*\n!.gitignore\n!queue.json\n";

/// On which terms a store is opened or made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long to wait for a lock.
    pub(crate) wait: Duration,
    /// Whether an SQLite store may lie on a file system of another machine or process.
    pub(crate) unsafe_network_fs: bool,
}

/// Opens a store that is there.
pub(crate) fn open(place: &Place, terms: Terms) -> Result<Box<dyn Store>, Failure> {
    discover::check_owner(place)?;
    let store: Box<dyn Store> = match place {
        Place::Sqlite(path) => Box::new(SqliteStore::open(path, sqlite_options(terms)?)?),
        Place::Json(path) => Box::new(JsonStore::open(path, json_options(terms))?),
    };
    Ok(store)
}

/// Makes a store and, if it is to lie in a `.tasq/`, that folder.
pub(crate) fn create(
    place: &Place,
    settings: &Settings,
    terms: Terms,
) -> Result<Box<dyn Store>, Failure> {
    if let Some(folder) = place.folder() {
        create_private_dir(folder)?;
        match discover::in_folder(folder)? {
            None => write_gitignore(folder)?,
            // Whoever is to make it says what it is.
            Some(there) if there == *place => (),
            Some(there) => {
                return Err(StoreError::Exists {
                    place: there.path().display().to_string(),
                }
                .into());
            }
        }
    }
    // The first thing to be made is a lock, and nobody has to know of that one.
    let parent = place.path().parent();
    if let Some(parent) = parent.filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir())
    {
        let message = format!("there is no folder {}", parent.display());
        return Err(Failure::new(Code::NotFound, message).with_hint("make that folder first"));
    }
    match place {
        Place::Sqlite(path) => SqliteStore::create(path, settings, sqlite_options(terms)?)
            .map(|store| Box::new(store) as Box<dyn Store>),
        Place::Json(path) => JsonStore::create(path, settings, json_options(terms))
            .map(|store| Box::new(store) as Box<dyn Store>),
    }
    .map_err(|error| {
        let foreign = matches!(error, StoreError::Damaged { .. });
        let failure = Failure::from(error);
        if foreign {
            failure.with_hint("name another place with --store, or move what is there away")
        } else {
            failure
        }
    })
}

/// The store at a place; one that is missing is made, or only imagined for a dry run.
pub(crate) fn open_or_create(
    place: &Place,
    new: NewQueue,
    terms: Terms,
    dry_run: bool,
) -> Result<Box<dyn Store>, Failure> {
    if place.path().symlink_metadata().is_ok() {
        return open(place, terms);
    }
    let settings = new.settings(&IDS)?;
    if dry_run {
        return Ok(Box::new(MemoryStore::new(&settings, clock())));
    }
    create(place, &settings, terms)
}

/// The name of a queue that was given none: the folder of the work it is about, or its file.
pub(crate) fn default_name(place: &Place) -> Result<String, Failure> {
    let project = match place.folder() {
        Some(_) => place.project()?,
        None => place.path().with_extension(""),
    };
    let name = project
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    Ok(name
        .filter(|name| !is_blank(name))
        .unwrap_or_else(|| "tasks".to_owned()))
}

/// A word of warning where a JSON store has become too large for its kind.
pub(crate) fn size_warning(place: &Place, store: &dyn Store) -> Result<Option<String>, Failure> {
    let Place::Json(path) = place else {
        return Ok(None);
    };
    let large = fs::metadata(path).is_ok_and(|facts| facts.len() > MANY_TASKS * LEAST_TASK_BYTES);
    if !large {
        return Ok(None);
    }
    let count = store.read(|tx| tx.count(EntityKind::Task))?;
    Ok((count > MANY_TASKS).then(|| {
        format!("{count} tasks are many for a JSON store; `tasq copy --to sqlite:PATH` makes it fast again")
    }))
}

/// Whole or not at all, because one that is there is left alone.
fn write_gitignore(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(".gitignore");
    if path.symlink_metadata().is_err() {
        tasq_files::replace(&path, GITIGNORE.as_bytes())?;
    }
    Ok(())
}

/// `TASQ_SYNC=normal` gives up what a power cut may take for speed.
fn sqlite_options(terms: Terms) -> Result<tasq_adapter_sqlite::Options, Failure> {
    let sync = match std::env::var("TASQ_SYNC").ok().as_deref() {
        None | Some("" | "full") => tasq_adapter_sqlite::Sync::Full,
        Some("normal") => tasq_adapter_sqlite::Sync::Normal,
        Some(other) => {
            return Err(Failure::new(
                Code::Usage,
                format!("TASQ_SYNC is {other:?}: it is full or normal"),
            ));
        }
    };
    Ok(tasq_adapter_sqlite::Options {
        clock: clock(),
        wait: terms.wait,
        sync,
        migrate: tasq_adapter_sqlite::Migrate::default(),
        network_fs: if terms.unsafe_network_fs {
            NetworkFs::WithoutLog
        } else {
            NetworkFs::Refuse
        },
        fold_log_above: Some(LONG_LOG_BYTES),
    })
}

fn json_options(terms: Terms) -> tasq_adapter_json::Options {
    tasq_adapter_json::Options {
        wait: terms.wait,
        ..tasq_adapter_json::Options::new(clock())
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
