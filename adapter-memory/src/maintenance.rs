//! Looking after a queue that has no file.

use std::path::Path;

use tasq_ports::{BackupReport, Check, FileReport, Maintenance, Overwrite, StoreError};

use crate::store::MemoryStore;
use crate::table::broken;

impl Maintenance for MemoryStore {
    /// Nothing can be wrong with a file that is not there.
    fn check_file(&self) -> Result<FileReport, StoreError> {
        Ok(FileReport {
            made: Check::ALL.to_vec(),
            findings: Vec::new(),
        })
    }

    fn mend_file(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn backup(&self, _to: &Path, _overwrite: Overwrite) -> Result<BackupReport, StoreError> {
        Err(broken(
            "a queue in memory has no file to back up".to_owned(),
        ))
    }
}
