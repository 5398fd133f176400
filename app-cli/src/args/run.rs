//! `run`: the loop.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use tasq_domain::Worker;
use tasq_domain::brakes::Cost;

use super::shared::{Passed, Within};
use crate::duration;
use crate::workplace::{KeepWorktree, Merge};

/// `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
The command gets the task as JSON on standard input and in the file TASQ_TASK_FILE, and TASQ_TASK, TASQ_TOKEN,
TASQ_ATTEMPT, TASQ_WORKER and TASQ_STORE in its environment. It ends with 0 when the task is done (then its test cases
run), 75 to give it back, 65 to say that trying again is useless, and anything else to say that this attempt failed. Its
last line may be a report: {\"verdict\":\"PASS|FAIL|BLOCKED|RETRY_NEEDED\",\"summary\":…,\"next_steps\":[…],\"cost_usd\":…}.

A task's metadata may set `timeout`, `idle_timeout` and `lease`. The first Ctrl-C lets end what runs, the second stops it.

Examples:
  tasq run -- my-agent
  tasq run --jobs 4 --max-failures 5 -- my-agent
  tasq run --feature FEAT-1A2B3C4D --max 10 -- sh -c 'jq -r .description | my-agent'")]
pub(crate) struct Run {
    /// How many tasks at a time
    #[arg(long, short = 'j', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: u32,
    #[command(flatten)]
    pub(crate) within: Within,
    /// Only this task
    #[arg(long, value_name = "TASK", conflicts_with_all = ["epic", "feature"])]
    pub(crate) task: Option<String>,
    #[command(flatten)]
    pub(crate) limits: RunLimits,
    #[command(flatten)]
    pub(crate) place: RunPlace,
    /// A text that the output must contain (in its last 64 KiB), or the attempt has failed
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) promise: Option<String>,
    /// After each completion, run again what passed and may have been touched (what depends on it, and its feature), and
    /// reopen what broke
    #[arg(long)]
    pub(crate) regress: bool,
    /// The name under which tasks are claimed [default: the actor]
    #[arg(long, value_name = "NAME")]
    pub(crate) worker: Option<Worker>,
    #[command(flatten)]
    pub(crate) passed: Passed,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// When the loop ends or pauses.
#[derive(Debug, Args)]
pub(crate) struct RunLimits {
    /// Stop after so many attempts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max: Option<u32>,
    /// Begin nothing more after so long; what runs may end
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_time: Option<Duration>,
    /// How long to wait for what others hold or what is not due yet
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    pub(crate) max_wait: Duration,
    /// Wait for new work when there is nothing left to do
    #[arg(long)]
    pub(crate) watch: bool,
    /// How long an attempt may take, unless the task says otherwise
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// How long a command may write nothing, unless the task says otherwise
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Stop when so many attempts in a row failed, in this run or before it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_failures: Option<u32>,
    /// Do not count failures before this run
    #[arg(long, requires = "max_failures")]
    pub(crate) forgive_failures: bool,
    /// Stop when so many attempts began within an hour, by whatever loop
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_per_hour: Option<u32>,
    /// Stop when attempts took so long in all, by whatever loop
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_work: Option<Duration>,
    /// Stop when attempts reported to have cost so many dollars, by whatever loop
    #[arg(long, value_name = "USD", value_parser = cost)]
    pub(crate) max_cost: Option<Cost>,
    /// The span that --max-work and --max-cost look back on
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = duration::parse)]
    pub(crate) within: Duration,
}

/// Where attempts work.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunPlace {
    /// Give each task a git worktree and a branch of its own, and commit what proven work changed there
    #[arg(long)]
    pub(crate) worktree: bool,
    /// How finished work is brought onto the branch for it
    #[arg(long, value_enum, default_value_t, requires = "worktree")]
    pub(crate) merge: Merge,
    /// The branch for finished work, which must not be checked out [default: tasq/merged/ and the current branch]
    #[arg(long, value_name = "BRANCH", requires = "worktree")]
    pub(crate) into: Option<String>,
    /// Which worktrees stay when their attempt has ended
    #[arg(long, value_enum, default_value_t, requires = "worktree")]
    pub(crate) keep_worktree: KeepWorktree,
    /// The message of commits; {title}, {id} and {attempt} are filled in
    #[arg(long, value_name = "TEXT", default_value = COMMIT_MESSAGE, hide_default_value = true, requires = "worktree",
        value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) commit_message: String,
}

/// What a commit says unless told otherwise.
const COMMIT_MESSAGE: &str = "{title}\n\nTask: {id}\nAttempt: {attempt}";

fn cost(text: &str) -> Result<Cost, String> {
    let dollars = text.parse().ok().and_then(Cost::from_dollars);
    dollars.ok_or_else(|| format!("{text:?} is not a number of dollars such as 5 or 0.50"))
}
