//! Queues that come, go and move.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, value_parser};

use super::shared::Change;

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq import work_queue_shop.json --dry-run
  tasq import work_queue_shop.json --test-command 'npx vitest run {}'
  tasq export | tasq import - --to other.db")]
pub(crate) struct Import {
    /// Files to read; - reads standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take over what changed in the source since the last import
    #[arg(long)]
    pub(crate) update: bool,
    /// Give another id to what has an id that is taken
    #[arg(long)]
    pub(crate) remap: bool,
    /// Import into this store, which is made if it does not exist
    #[arg(long, value_name = "URL|PATH")]
    pub(crate) to: Option<OsString>,
    /// Turn the paths of tests into test cases with this command; {} stands for the path
    #[arg(long, value_name = "COMMAND")]
    pub(crate) test_command: Option<String>,
    /// Group tasks into features by this key of their records [default: epic, phase and the like]
    #[arg(long, value_name = "KEY")]
    pub(crate) group_by: Option<String>,
    /// Keep tasks that the source has in progress as held by hand
    #[arg(long)]
    pub(crate) keep_in_progress: bool,
    /// The largest file to read, in MiB, unpacked
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = value_parser!(u32).range(1..=65_536))]
    pub(crate) max_mib: u32,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Write to this file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The format; snapshot is the only one for now
    #[arg(long, value_name = "FORMAT", default_value = "snapshot", value_parser = ["snapshot"])]
    pub(crate) format: String,
}

/// `copy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  tasq copy --from .tasq/queue.json --to sqlite:.tasq/queue.db")]
pub(crate) struct Copy {
    /// The store to copy [default: the one that other commands use]
    #[arg(long, value_name = "URL|PATH")]
    pub(crate) from: Option<OsString>,
    /// The store to make
    #[arg(long, value_name = "URL|PATH")]
    pub(crate) to: OsString,
}

/// `migrate`.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the folder, and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
}
