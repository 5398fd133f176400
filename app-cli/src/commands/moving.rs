//! Queues that come, go and move.

use std::path::{Path, PathBuf};
use std::thread;

use tasq_adapter_json::SideFiles;
use tasq_adapter_sqlite::{Applied, Pending, migrate as bring_up_to_date, migrations_pending};
use tasq_app::NewQueue;
use tasq_formats::snapshot::SnapshotText;
use tasq_ports::StoreExt as _;

use super::trust;
use crate::args::moving::{Copy, Export, Migrate};
use crate::discover::{self, Place};
use crate::failure::Failure;
use crate::session::Session;
use crate::stores;
use crate::view::{Copied, Migrated};

/// So long a text takes longer to give back than a thread takes to start.
const MUCH_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn export(session: &mut Session, args: Export) -> Result<u8, Failure> {
    let queue = session.open()?;
    let to_file = args.output.filter(|path| path != Path::new("-"));
    if let Some(path) = &to_file {
        refuse_own_files(queue.place(), path)?;
    }
    let text = queue.app().export_text()?;
    match to_file {
        Some(path) => write_file(&path, text)?,
        None => session.out.raw_from(|out| text.write_to(out))?,
    }
    Ok(0)
}

/// Refuses to write an export over the store that it is of, its log or its locks, whether or not they are there now.
fn refuse_own_files(place: &Place, path: &Path) -> Result<(), Failure> {
    let store = place.path();
    let beside = |ending: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let side = SideFiles::of(store);
    let own = match place {
        Place::Sqlite(_) => vec![
            beside("-wal"),
            beside("-shm"),
            beside("-journal"),
            beside(".lock"),
            beside(".lock.turn"),
        ],
        Place::Json(_) => vec![side.lock.with_extension("lock.turn"), side.lock, side.log],
    };
    let named = own.iter().map(PathBuf::as_path).chain([store]);
    let is_own = named.map(Path::file_name).any(|it| it == path.file_name());
    // A link is refused where it is replaced.
    if is_own && folder(path) == folder(store) {
        return Err(Failure::usage(format!(
            "{} belongs to the store itself: name another file for the export",
            path.display()
        )));
    }
    Ok(())
}

/// The folder of a file, by the one name that it has; none if it is not there.
fn folder(path: &Path) -> Option<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    folder.canonicalize().ok()
}

/// Whole or not at all: beside it first, then in its place.
fn write_file(path: &Path, text: SnapshotText) -> Result<(), Failure> {
    // A device or a pipe cannot be replaced, only written to.
    let special = path
        .metadata()
        .is_ok_and(|facts| !facts.is_file() && !facts.is_dir());
    if special {
        let failed = |error: std::io::Error| {
            Failure::io(&format!("cannot write {}", path.display()), &error)
        };
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(failed)?;
        return text.write_to(&mut file).map_err(failed);
    }
    let replacement = tasq_files::Replacement::prepare_with(path, |out| text.write_to(out))?;
    // Giving back the memory of a large text takes half as long as it takes a file system to give up a file of that size, which
    // may be replaced; and at the end of the process it would be waited for. Where no thread is to be had it is done before.
    if text.byte_len() >= MUCH_BYTES {
        let thread = thread::Builder::new().name("text to nothing".to_owned());
        let _ = thread.spawn(move || drop(text));
    }
    replacement.commit()?;
    Ok(())
}

pub(super) fn copy(session: &mut Session, args: Copy) -> Result<u8, Failure> {
    let from = match &args.from {
        Some(text) => session.open_named(text)?,
        None => session.open()?,
    };
    let to = discover::named(&args.to)?;
    if to == *from.place() {
        return Err(Failure::usage("a store cannot be copied to itself"));
    }
    let settings = from.store.read(|tx| tx.settings())?;
    let new = NewQueue {
        name: settings.name,
        require_tests: settings.require_tests,
        backoff: settings.backoff,
    };
    // All that is to be read, before anything is written.
    let trusted = trust::trusted_in(&from)?;
    let target = stores::open_or_create(&to, new, session.terms(), false)?;
    let report = from.app().copy_to(target.as_ref())?;
    trust::carry_over(session, &from, &trusted, target.as_ref(), &to);
    session.out.answer(&Copied {
        from: from.located.place.clone(),
        to,
        report,
    })?;
    Ok(0)
}

pub(super) fn migrate(session: &mut Session, args: Migrate) -> Result<u8, Failure> {
    let located = discover::locate(session.global.store.as_deref())?;
    discover::check_owner(&located.place)?;
    let wait = session.global.wait;
    let migrated = match &located.place {
        Place::Sqlite(path) if args.dry_run => {
            let Pending {
                from,
                to,
                migrations,
            } = migrations_pending(path, wait)?;
            Migrated {
                from,
                to,
                applied: migrations,
                dry_run: true,
                backup: None,
            }
        }
        Place::Sqlite(path) => {
            let Applied {
                from,
                to,
                migrations,
                backup,
            } = bring_up_to_date(path, wait)?;
            Migrated {
                from,
                to,
                applied: migrations,
                dry_run: false,
                backup,
            }
        }
        Place::Json(_) => {
            // Its format is one version, and opening it has checked that.
            let version = session.open()?.store.info().schema_version;
            Migrated {
                from: version,
                to: version,
                applied: Vec::new(),
                dry_run: args.dry_run,
                backup: None,
            }
        }
    };
    session.out.answer(&migrated)?;
    Ok(0)
}
