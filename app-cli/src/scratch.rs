//! A folder for a while.

use std::fs;
use std::path::{Path, PathBuf};

use tasq_ports::Ids as _;

use crate::failure::Failure;
use crate::session::IDS;

/// A folder of its own, private to this account, which goes with this value unless it is kept.
pub(crate) struct Scratch {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether it stays.
    pub(crate) keep: bool,
}

impl Scratch {
    /// Makes one in a folder that is there; `what` begins its name.
    pub(crate) fn make(parent: &Path, what: &str) -> Result<Self, Failure> {
        let path = parent.join(format!("{what}-{:016x}", IDS.random()));
        tasq_files::create_private_dir(&path)?;
        Ok(Self { path, keep: false })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed is only a temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
