//! What persons decide about tasks.

use clap::Args;
use tasq_domain::Reason;

use super::shared::{Change, token};

/// `unblock`, `cancel`.
#[derive(Debug, Args)]
pub(crate) struct OneTask {
    /// The task
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `block`.
#[derive(Debug, Args)]
pub(crate) struct Block {
    /// The task [env: TASQ_TASK]
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
    /// The token of the claim, for its holder [env: TASQ_TOKEN]
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    pub(crate) token: Option<tasq_domain::Token>,
    /// Block it although somebody holds it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `reopen`.
#[derive(Debug, Args)]
pub(crate) struct Reopen {
    /// The task
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// Take it away from whoever holds it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `retry`.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The task
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// Do not set its count of failures back to 0
    #[arg(long)]
    pub(crate) keep_retries: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `hold`.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// An epic, a feature or a task
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
    /// Ask what runs under it to stop
    #[arg(long)]
    pub(crate) stop: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `unhold`.
#[derive(Debug, Args)]
pub(crate) struct Unhold {
    /// An epic, a feature or a task
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `reap`.
#[derive(Debug, Args)]
pub(crate) struct Reap {
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `depend`, `undepend`.
#[derive(Debug, Args)]
pub(crate) struct Depend {
    /// The task that waits
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// The task it waits for
    #[arg(long, value_name = "TASK")]
    pub(crate) on: String,
    /// Change it although somebody holds the task
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}
