//! Queues that come, go and move.

use std::io::Write;
use std::path::Path;

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

pub(super) fn export(session: &mut Session, args: Export) -> Result<u8, Failure> {
    let queue = session.open()?;
    let text = queue.app().export_text()?;
    match args.output {
        Some(path) if path != Path::new("-") => write_file(&path, text)?,
        _ => session.out.raw_from(|out| text.write_to(out))?,
    }
    Ok(0)
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
    let write = |out: &mut dyn Write| {
        text.write_to(out)?;
        // Of a large queue its memory takes a while to be given back, and the disk is waited for meanwhile.
        drop(tasq_files::aside(
            "free the text",
            Box::new(move || drop(text)),
        ));
        Ok(())
    };
    tasq_files::Replacement::prepare_with(path, write)?.commit()?;
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
