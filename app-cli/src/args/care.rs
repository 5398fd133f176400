//! Looking after a store.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 if there is no problem (notes and warnings are none), 1 if there is one.

Examples:
  tasq doctor
  tasq doctor --fix
  tasq doctor --json | jq '.data.findings[] | select(.severity == \"problem\")'")]
pub(crate) struct Doctor {
    /// Mend what is derived, and nothing that someone wrote, after a backup beside the store
    #[arg(long)]
    pub(crate) fix: bool,
}

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
The backup is a store that opens as it is: `tasq --store FILE tree`.

Examples:
  tasq backup ../shop-monday.db
  tasq restore ../shop-monday.db --to sqlite:elsewhere.db")]
pub(crate) struct Backup {
    /// The file to write, of the same kind as the store
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// `restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Attempts that were open when the backup was made are closed as lost, uncharged. The queue keeps its id.

Examples:
  tasq restore ../shop-monday.db --force
  tasq restore ../shop-monday.db --to json:shop.json")]
pub(crate) struct Restore {
    /// A backup, another store, or a snapshot that `tasq export` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: OsString,
    /// The store to make [default: the one that other commands use]
    #[arg(long, value_name = "URL|PATH")]
    pub(crate) to: Option<OsString>,
    /// Put it in the place of a store that is not empty, which is kept beside it
    #[arg(long)]
    pub(crate) force: bool,
}
