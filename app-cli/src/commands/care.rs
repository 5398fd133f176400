//! Looking after a store.

use tasq_app::{App, Checkup, Code, Mended};
use tasq_ports::{Maintenance, Overwrite};

use crate::args::care::{Backup, Doctor, Restore};
use crate::discover::{self, JSON_FILE, Place, SQLITE_FILE};
use crate::failure::Failure;
use crate::session::{IDS, Session};
use crate::stores::{self, BackupRead, RestoreReport};
use crate::view::{BackedUp, Diagnosis, Restored};

pub(super) fn doctor(session: &mut Session, args: Doctor) -> Result<u8, Failure> {
    let place = discover::locate(session.global.store.as_deref())?.place;
    let caller = session.caller()?;
    let diagnosis = match stores::open_maintained(&place, session.terms())? {
        Err(error) => {
            let name = place.path().display().to_string();
            Diagnosis {
                checkup: Checkup::of_unopened(&name, error)?,
                place,
                done: Vec::new(),
                backup: None,
            }
        }
        Ok(store) => {
            let store: &'static dyn Maintenance = Box::leak(store);
            let app = App::new(store, &IDS, caller);
            let mended = if args.fix {
                app.mend(store, &stores::dated(place.path(), "doctor"))?
            } else {
                Mended {
                    done: Vec::new(),
                    backup: None,
                    checkup: app.doctor(store)?,
                }
            };
            let Mended {
                done,
                backup,
                checkup,
            } = mended;
            Diagnosis {
                place,
                checkup,
                done,
                backup,
            }
        }
    };
    let well = diagnosis.checkup.is_well();
    session.out.answer(&diagnosis)?;
    Ok(u8::from(!well))
}

pub(super) fn backup(session: &mut Session, args: Backup) -> Result<u8, Failure> {
    let place = discover::locate(session.global.store.as_deref())?.place;
    let overwrite = if args.force {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    };
    let store = stores::open_maintained(&place, session.terms())??;
    // Never closed, as everywhere: the next one to open it tidies up.
    let store: &'static dyn Maintenance = Box::leak(store);
    let report = store.backup(&args.file, overwrite).map_err(|error| {
        let taken = matches!(error, tasq_ports::StoreError::Exists { .. });
        let failure = Failure::from(error);
        if taken && !args.force {
            failure.with_hint("choose another name, or replace the file with --force")
        } else {
            failure
        }
    })?;
    session.out.answer(&BackedUp {
        from: place,
        report,
    })?;
    Ok(0)
}

pub(super) fn restore(session: &mut Session, args: Restore) -> Result<u8, Failure> {
    let from = discover::named(&args.file)?;
    let to = match &args.to {
        Some(text) => discover::named(text)?,
        None => own_place(session, &from)?,
    };
    if from == to {
        return Err(Failure::usage("a store cannot be restored from itself"));
    }
    let caller = session.caller()?;
    let terms = session.terms();
    let BackupRead {
        contents,
        unknown_keys,
    } = stores::read_backup(&from, terms)?;
    if unknown_keys {
        session
            .out
            .warn("keys that this version does not know were left out");
    }
    let RestoreReport { report, kept } =
        stores::restore(&contents, &to, args.force, &caller, terms)?;
    session.out.answer(&Restored {
        from,
        to,
        report,
        kept,
    })?;
    Ok(0)
}

/// The store that other commands use; where it is gone, its place in a `.tasq/`, of the backup's kind.
fn own_place(session: &Session, from: &Place) -> Result<Place, Failure> {
    let flag = session.global.store.as_deref();
    if let Some(place) = discover::named_place(flag)? {
        return Ok(place);
    }
    match discover::locate(None) {
        Ok(located) => Ok(located.place),
        Err(Failure::Told(problem)) if problem.code == Code::NotFound => {
            let (folder, _) = discover::new_folder()?;
            Ok(match from {
                Place::Sqlite(_) => Place::Sqlite(folder.join(SQLITE_FILE)),
                Place::Json(_) => Place::Json(folder.join(JSON_FILE)),
            })
        }
        Err(failure) => Err(failure),
    }
}
