//! Questions of workers, and the answers of people.

use clap::Args;

use super::shared::{Change, token};

/// `ask`.
#[derive(Debug, Args)]
#[command(after_help = "\
The task is blocked with the question, uncharged, and the attempt ends: the worker just exits. The next attempt finds
the answer among the task's `questions`.

Examples:
  tasq ask 'Which port is free on the build host?'
  tasq ask 'May I drop the old table?' --choice yes --choice 'only after a backup'")]
pub(crate) struct Ask {
    /// The question; - reads standard input
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    /// An answer to choose from, may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) choice: Vec<String>,
    /// The task [env: TASQ_TASK]
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// The token that the claim printed [env: TASQ_TOKEN]
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    pub(crate) token: Option<tasq_domain::Token>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `answer`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq inbox                             what waits for an answer
  tasq answer TASK-0A1B 'port 8080'      anything
  tasq answer TASK-0A1B --choice 2       the second of what it offers")]
pub(crate) struct Answer {
    /// The task that waits
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// The answer; - reads standard input
    #[arg(value_name = "TEXT", required_unless_present = "choice")]
    pub(crate) text: Option<String>,
    /// One of the choices, by its text or its number
    #[arg(long, value_name = "CHOICE", conflicts_with = "text")]
    pub(crate) choice: Option<String>,
    #[command(flatten)]
    pub(crate) change: Change,
}
