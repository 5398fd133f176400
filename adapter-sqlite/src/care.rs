//! Looking after the file.

use std::path::Path;

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use tasq_files::{inspect, remove_stray_temps};
use tasq_ports::{Access, BackupReport, FileReport, Maintenance, Overwrite, StoreError};

use crate::backup::{back_up, truncate_log};
use crate::check::{
    self, Difference, LARGE_LOG_BYTES, folder_and_name, integrity_lines, is_about_an_index,
    schema_differences,
};
use crate::connect::log_path;
use crate::error::{Fault, Place, file};
use crate::store::SqliteStore;

impl Maintenance for SqliteStore {
    fn check_file(&self) -> Result<FileReport, StoreError> {
        self.look_after(Access::Read, check::check)
    }

    fn mend_file(&self) -> Result<Vec<String>, StoreError> {
        self.look_after(Access::Write, mend)
    }

    fn backup(&self, to: &Path, overwrite: Overwrite) -> Result<BackupReport, StoreError> {
        self.look_after(Access::Read, |place, conn| {
            back_up(place, conn, to, overwrite)
        })
    }
}

/// Mends what follows from the rows or from the migrations. The caller has the writers' lock.
fn mend(place: &Place, conn: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    let mut done = Vec::new();
    let wrong: Vec<Difference> = schema_differences(place, conn)?
        .into_iter()
        .filter(Difference::is_mendable)
        .collect();
    if !wrong.is_empty() {
        conn.immediate_transaction(|conn| make_anew(conn, &wrong))
            .map_err(|fault| place.fault(fault))?;
        let made = wrong
            .iter()
            .map(|Difference { kind, name, .. }| format!("made the {kind} {name} anew"));
        done.extend(made);
    }
    if integrity_lines(place, conn)?
        .iter()
        .any(|line| is_about_an_index(line))
    {
        conn.batch_execute("REINDEX")
            .map_err(|error| place.sql(&error))?;
        done.push("made every index anew".to_owned());
    }
    let (folder, name) = folder_and_name(place)?;
    let removed = remove_stray_temps(folder, name).map_err(file)?;
    if removed > 0 {
        done.push(format!(
            "removed {removed} files of writers that were stopped"
        ));
    }
    if inspect(&log_path(&place.path)).is_ok_and(|log| log.len > LARGE_LOG_BYTES) {
        truncate_log(place, conn)?;
        done.push("wrote the write-ahead log into the database".to_owned());
    }
    Ok(done)
}

/// Indexes first, because triggers may need them to be fast; views before the triggers that read them.
fn make_anew(conn: &mut SqliteConnection, wrong: &[Difference]) -> Result<(), Fault> {
    for kind in ["index", "view", "trigger"] {
        for part in wrong.iter().filter(|part| part.kind == kind) {
            let Some(sql) = &part.sql else { continue };
            let quoted = part.name.replace('"', "\"\"");
            conn.batch_execute(&format!("DROP {kind} IF EXISTS \"{quoted}\"; {sql}"))?;
        }
    }
    Ok(())
}
