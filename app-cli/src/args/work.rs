//! What holders of tasks do.

use std::time::Duration;

use clap::Args;
use tasq_domain::{Reason, Worker};

use super::shared::{Change, Held, Passed, Within};
use crate::duration;

/// `claim`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq claim                             the first task that is ready
  tasq claim --feature FEAT-1A2B3C4D-P0  the first of a lane
  tasq claim TASK-0A1B --lease 2h        this one
  tasq claim --pid $$                    for this shell, and lost when it ends")]
pub(crate) struct Claim {
    /// This task [default: the first that is ready]
    #[arg(value_name = "TASK", conflicts_with_all = ["epic", "feature"])]
    pub(crate) task: Option<String>,
    #[command(flatten)]
    pub(crate) within: Within,
    /// Who holds it [default: the actor]
    #[arg(long, value_name = "NAME")]
    pub(crate) worker: Option<Worker>,
    /// How long it is held without a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = lease)]
    pub(crate) lease: Duration,
    /// The process that works on it: once it is gone, the task is handed out again at once
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,
    /// Up to so many tasks; the answer is a list then
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) count: Option<u32>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `heartbeat`.
#[derive(Debug, Args)]
pub(crate) struct Heartbeat {
    #[command(flatten)]
    pub(crate) held: Held,
    /// The length of the lease from now on [default: as before]
    #[arg(long, value_name = "DURATION", value_parser = lease)]
    pub(crate) lease: Option<Duration>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `checkpoint`.
#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    #[command(flatten)]
    pub(crate) held: Held,
    /// What was done; - reads standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) summary: String,
    /// What is to be done next, may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) next: Vec<String>,
    /// A JSON object with anything else; - reads standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `complete`.
#[derive(Debug, Args)]
pub(crate) struct Complete {
    #[command(flatten)]
    pub(crate) held: Held,
    /// What was done; - reads standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) summary: Option<String>,
    /// A person insists, whatever the test cases or a holder say
    #[arg(long, requires = "reason")]
    pub(crate) force: bool,
    /// Why, with --force
    #[arg(long, value_name = "TEXT", requires = "force")]
    pub(crate) reason: Option<Reason>,
    /// Claim the next task in the same step
    #[arg(long)]
    pub(crate) next: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `fail`.
#[derive(Debug, Args)]
pub(crate) struct Fail {
    #[command(flatten)]
    pub(crate) held: Held,
    /// What went wrong; - reads standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: String,
    /// Do not try again
    #[arg(long)]
    pub(crate) permanent: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `release`.
#[derive(Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) held: Held,
    /// Hand it out no earlier than this, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: Option<Reason>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A task or a feature [env: TASQ_TASK]
    #[arg(value_name = "TASK|FEATURE")]
    pub(crate) id: Option<String>,
    /// Also run again what passed and may have been touched since (what depends on the task, and its feature), and reopen
    /// what broke
    #[arg(long, conflicts_with = "op")]
    pub(crate) regress: bool,
    /// How long one test case may take
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) change: Change,
    #[command(flatten)]
    pub(crate) passed: Passed,
}

fn lease(text: &str) -> Result<Duration, String> {
    let span = duration::parse(text)?;
    let most = tasq_domain::life::MAX_LEASE_SECS;
    if span.as_secs() == 0 || span.as_secs() > most {
        return Err(format!(
            "{text:?} is not a lease: it is between 1s and {}",
            duration::shown(Duration::from_secs(most))
        ));
    }
    Ok(span)
}
