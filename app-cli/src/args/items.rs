//! Making and changing epics, features, tasks and test cases.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use tasq_domain::{
    CommandLine, EpicId, FeatureId, Name, Priority, RetryBudget, Status, TaskId, TestId,
};

use super::shared::{Change, pair};
use super::views::List;

/// `init`.
#[derive(Debug, Args)]
#[command(
    after_help = "The store is named by --store, before or after `init`; without it, it is .tasq/queue.db."
)]
pub(crate) struct Init {
    /// The queue's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Refuse to complete a task that has no test case
    #[arg(long)]
    pub(crate) require_tests: bool,
}

/// `epic …`.
#[derive(Debug, Subcommand)]
pub(crate) enum EpicCommand {
    /// Add an epic
    Add(AddEpic),
    /// List epics
    List,
    /// Show an epic with its features
    Show(Named),
    /// Change an epic
    Edit(EditEpic),
    /// Remove an epic and all below it
    Rm(Remove),
}

/// `feature …`.
#[derive(Debug, Subcommand)]
pub(crate) enum FeatureCommand {
    /// Add a feature
    Add(AddFeature),
    /// List features
    List(ListFeatures),
    /// Show a feature with its tasks and test cases
    Show(Named),
    /// Change a feature
    Edit(EditFeature),
    /// Remove a feature and all below it
    Rm(Remove),
}

/// `task …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Add a task
    Add(AddTask),
    /// List tasks, in the order of work
    List(List),
    /// Show a task with its test cases, attempts and checkpoints
    Show(Named),
    /// Change a task
    Edit(EditTask),
    /// Remove a task
    Rm(Remove),
}

/// `test …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TestCommand {
    /// Add a test case to a task or a feature
    Add(AddTest),
    /// List test cases
    List(ListTests),
    /// Show a test case
    Show(Named),
    /// Change a test case
    Edit(EditTest),
    /// Remove a test case
    Rm(Remove),
    /// Say that a test case passed
    Pass(Judge),
    /// Say that a test case failed
    Fail(Judge),
}

/// An item, as typed.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its id, in any case, or the first characters of it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// `… rm`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Remove it although something below is claimed, or others wait for it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `epic add`.
#[derive(Debug, Args)]
pub(crate) struct AddEpic {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: Name,
    /// What it is about; - reads standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A key of its metadata, may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Its id [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<EpicId>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `feature add`.
#[derive(Debug, Args)]
pub(crate) struct AddFeature {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: Name,
    /// The epic it belongs to
    #[arg(long, value_name = "EPIC")]
    pub(crate) epic: Option<String>,
    /// The priority of its tasks, 0 (most urgent) to 99
    #[arg(
        long,
        value_name = "N",
        default_value = "2",
        allow_hyphen_values = true
    )]
    pub(crate) priority: Priority,
    /// What it is about; - reads standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A key of its metadata, may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Its id [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<FeatureId>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `task add` and `add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq add \"Fix the login page\"
  tasq task add \"Hash passwords\" --feature FEAT-1A2B3C4D --priority 0 --depends-on TASK-0A1B
  tasq task add - --feature FEAT-1A2B3C4D < task.md
  tasq task add --from - < tasks.jsonl       one {\"description\": …, \"feature\": …} a line")]
pub(crate) struct AddTask {
    /// What is to be done, its title in the first line; - reads standard input
    #[arg(value_name = "TEXT", required_unless_present = "from")]
    pub(crate) text: Option<String>,
    /// Its feature, or a lane of one such as FEAT-1A2B3C4D-P0 [default: INBOX]
    #[arg(long, value_name = "FEATURE|LANE")]
    pub(crate) feature: Option<String>,
    /// Make the feature if it does not exist
    #[arg(long, requires = "feature")]
    pub(crate) create_feature: bool,
    /// Its priority, 0 (most urgent) to 99 [default: the feature's]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) priority: Option<Priority>,
    /// A task it waits for, may be repeated
    #[arg(long, value_name = "TASK")]
    pub(crate) depends_on: Vec<String>,
    /// A test case, may be repeated: what is checked, and the command that checks it
    #[arg(long, value_name = "TEXT :: COMMAND")]
    pub(crate) test: Vec<String>,
    /// How many failures it may have, 0 to 1000
    #[arg(long, value_name = "N", default_value = "15", allow_hyphen_values = true, value_parser = budget)]
    pub(crate) retry_budget: RetryBudget,
    /// A key of its metadata, may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Its id [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<TaskId>,
    /// Read tasks as JSON Lines from a file or - for standard input; all are added, or none
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["text", "priority", "depends_on", "test", "meta", "id"]
    )]
    pub(crate) from: Option<OsString>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `test add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq test add \"the page loads\" --task TASK-0A1B2C3D --command \"curl -f localhost:8080\"
  tasq test add \"looks right on a phone\" --feature FEAT-1A2B3C4D --required")]
pub(crate) struct AddTest {
    /// What is checked; - reads standard input
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    /// The task it proves
    #[arg(
        long,
        value_name = "TASK",
        required_unless_present = "feature",
        conflicts_with = "feature"
    )]
    pub(crate) task: Option<String>,
    /// The feature it proves
    #[arg(long, value_name = "FEATURE")]
    pub(crate) feature: Option<String>,
    /// A line for sh -c that succeeds if the check passes; without it, a person judges
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<CommandLine>,
    /// Completing waits for it although it has no command
    #[arg(long)]
    pub(crate) required: bool,
    /// A key of its metadata, may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Its id [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<TestId>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `test pass`, `test fail`.
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// The test case
    #[arg(value_name = "TEST")]
    pub(crate) id: String,
    /// What was seen; - reads standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `feature list`.
#[derive(Debug, Args)]
pub(crate) struct ListFeatures {
    /// Only those of this epic
    #[arg(long, value_name = "EPIC")]
    pub(crate) epic: Option<String>,
}

/// `test list`.
#[derive(Debug, Args)]
pub(crate) struct ListTests {
    /// Only those of this task
    #[arg(long, value_name = "TASK", conflicts_with = "feature")]
    pub(crate) task: Option<String>,
    /// Only those of this feature itself
    #[arg(long, value_name = "FEATURE")]
    pub(crate) feature: Option<String>,
}

/// `epic edit`.
#[derive(Debug, Args)]
pub(crate) struct EditEpic {
    /// The epic
    #[arg(value_name = "EPIC")]
    pub(crate) id: String,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<Name>,
    /// What it is about; - reads standard input, an empty text removes it
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Its status, while it has no features
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<Status>,
    /// A key of its metadata, may be repeated; an empty value removes it
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `feature edit`.
#[derive(Debug, Args)]
pub(crate) struct EditFeature {
    /// The feature
    #[arg(value_name = "FEATURE")]
    pub(crate) id: String,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<Name>,
    /// The epic it belongs to
    #[arg(long, value_name = "EPIC")]
    pub(crate) epic: Option<String>,
    /// Take it out of its epic
    #[arg(long, conflicts_with = "epic")]
    pub(crate) no_epic: bool,
    /// What it is about; - reads standard input, an empty text removes it
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The priority of its tasks, 0 (most urgent) to 99
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) priority: Option<Priority>,
    /// Its status, while it has no tasks
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<Status>,
    /// A key of its metadata, may be repeated; an empty value removes it
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `task edit`.
#[derive(Debug, Args)]
pub(crate) struct EditTask {
    /// The task
    #[arg(value_name = "TASK")]
    pub(crate) id: String,
    /// What is to be done; - reads standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Its priority, 0 (most urgent) to 99
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) priority: Option<Priority>,
    /// Take the feature's priority
    #[arg(long, conflicts_with = "priority")]
    pub(crate) no_priority: bool,
    /// How many failures it may have, 0 to 1000
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = budget)]
    pub(crate) retry_budget: Option<RetryBudget>,
    /// Its status: as `complete`, `block`, `reopen` and `claim` would, with their checks
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<Status>,
    /// Why, where a status needs a reason
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// A key of its metadata, may be repeated; an empty value removes it
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Change it although somebody holds it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `test edit`.
#[derive(Debug, Args)]
pub(crate) struct EditTest {
    /// The test case
    #[arg(value_name = "TEST")]
    pub(crate) id: String,
    /// What is checked; - reads standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A line for sh -c that succeeds if the check passes
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<CommandLine>,
    /// Make it a check that a person judges
    #[arg(long, conflicts_with = "command")]
    pub(crate) no_command: bool,
    /// Whether completing waits for it although it has no command
    #[arg(long, value_name = "true|false")]
    pub(crate) required: Option<bool>,
    /// A key of its metadata, may be repeated; an empty value removes it
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `move`.
#[derive(Debug, Args)]
pub(crate) struct Move {
    /// The task
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// The feature it goes to, or a lane of one
    #[arg(long, value_name = "FEATURE|LANE")]
    pub(crate) feature: String,
    /// Move it although somebody holds it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) change: Change,
}

fn budget(text: &str) -> Result<RetryBudget, String> {
    let number = text
        .parse()
        .map_err(|_| format!("{text:?} is not a retry budget: it is a number from 0 to 1000"))?;
    RetryBudget::new(number).map_err(|error| error.to_string())
}
