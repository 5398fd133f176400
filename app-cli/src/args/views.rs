//! Looking at a queue.

use clap::{Args, ValueEnum};
use tasq_domain::Status;

use super::shared::Within;

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SortBy {
    /// The order of work: priority, then creation
    #[default]
    Claim,
    /// Creation
    Seq,
    /// Last change, newest first
    Updated,
}

/// `list`, `task list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq list --status blocked
  tasq list --feature FEAT-1A2B3C4D-P0 --ready
  tasq list --text \"login page\" --sort updated --limit 10")]
pub(crate) struct List {
    /// Only this status, may be repeated: pending, in_progress, completed, blocked
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Vec<Status>,
    #[command(flatten)]
    pub(crate) within: Within,
    /// Only what is ready
    #[arg(long)]
    pub(crate) ready: bool,
    /// Only tasks whose description has all of these words
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Go on where another list ended: its next_cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
    /// The order
    #[arg(long, value_enum, default_value = "claim")]
    pub(crate) sort: SortBy,
}

/// `ready`.
#[derive(Debug, Args)]
pub(crate) struct Ready {
    #[command(flatten)]
    pub(crate) within: Within,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// `next`.
#[derive(Debug, Args)]
pub(crate) struct Next {
    #[command(flatten)]
    pub(crate) within: Within,
}

/// `tree`, `progress`.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// An epic, a feature, a lane or a task [default: everything]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// An id of any kind; task:ID where kinds share one
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The task
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
}

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Only what happened to this item
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only what happened after the event of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) since: i64,
    /// Go on as things happen, until interrupted; with --json, one line each
    #[arg(long)]
    pub(crate) follow: bool,
}

/// `attempts`.
#[derive(Debug, Args)]
pub(crate) struct Attempts {
    /// The task [env: TASQ_TASK]
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
}

/// `output`.
#[derive(Debug, Args)]
#[command(after_help = "\
To a terminal the output is written without colours and with control characters spelled out, elsewhere byte by byte.

Examples:
  tasq output TASK-0A1B              what the latest attempt has written
  tasq output TASK-0A1B --follow     go on until that attempt ends
  tasq output TASK-0A1B --attempt 1 | grep error")]
pub(crate) struct OutputOf {
    /// The task [env: TASQ_TASK]
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Of this attempt [default: the latest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Go on as more is written, until the attempt ends, after waiting for it to begin; with --json, one line for each
    /// piece
    #[arg(long)]
    pub(crate) follow: bool,
}
