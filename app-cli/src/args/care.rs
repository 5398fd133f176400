//! Looking after a store.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tasq_domain::Worker;

use crate::duration;

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

/// `selftest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Workers, each a process of its own, claim and complete tasks of a fresh store while some of them are killed with
SIGKILL. Each notes outside of the store what it was told, and in the end both must agree. Then 32 writers write at
once. Nothing but the folder that it makes is touched; that goes in the end, unless something was found.

Exit status: 0 if every promise was kept, 1 if one was broken.

Examples:
  tasq selftest
  tasq selftest --full --dir /mnt/disk
  tasq selftest --seed 3735928559 --store-kind json")]
pub(crate) struct Selftest {
    /// Some ten seconds for each store (the default)
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// Some minutes
    #[arg(long)]
    pub(crate) full: bool,
    /// Make the folder of the test in this one [default: beside the store, or where temporary files are]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The kind of store to try
    #[arg(long, value_enum, default_value = "all", value_name = "KIND")]
    pub(crate) store_kind: KindChoice,
    /// Choose whom to kill, and when, as the run with this seed did [default: a fresh one]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// How many tasks a round has
    #[arg(long, value_name = "NUMBER", hide = true, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) tasks: Option<u32>,
    /// How long each part takes at least
    #[arg(long, value_name = "DURATION", hide = true, value_parser = duration::parse)]
    pub(crate) span: Option<Duration>,
}

/// Which kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindChoice {
    /// SQLite.
    Sqlite,
    /// JSON.
    Json,
    /// Every kind.
    All,
}

/// `selftest-worker`: a process of the selftest.
#[derive(Debug, Args)]
pub(crate) struct SelftestWorker {
    /// The file for what it is told
    #[arg(long)]
    pub(crate) log: PathBuf,
    /// Its name
    #[arg(long)]
    pub(crate) name: Worker,
    /// What its choices follow from
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write as fast as it can, instead of claiming
    #[arg(long)]
    pub(crate) writes: bool,
}
