//! The command line as typed: flags and words, each with its bounds, and what `--help` says about them.
//!
//! Nothing here looks at a store. One file per group of commands; [`crate::commands`] turns them into use cases.

pub(crate) mod care;
pub(crate) mod direct;
pub(crate) mod items;
pub(crate) mod life;
pub(crate) mod moving;
pub(crate) mod people;
pub(crate) mod run;
pub(crate) mod shared;
pub(crate) mod tools;
pub(crate) mod trust;
pub(crate) mod views;
pub(crate) mod work;

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use tasq_domain::Actor;

use crate::duration;
use crate::output::ColorChoice;

/// How long a command waits for a lock unless told otherwise, in seconds.
const DEFAULT_WAIT: &str = "30s";

const EXAMPLES: &str = "\
Examples:
  tasq init                                      a queue in ./.tasq
  tasq add \"Fix the login page\"                  a task, into the inbox
  tasq feature add Login --priority 1            a feature, whose id it prints
  tasq task add \"Hash passwords\" --feature FEAT-1A2B3C4D --test \"it builds :: cargo build\"
  tasq tree                                      everything, as a tree
  tasq next                                      what would be handed out now
  tasq run -- my-agent                           hand out tasks one after another until all is done
  tasq import queue.json                         take over a queue of another tool
  tasq demo                                      see it work on a small project

Exit status:
  0 done            4 conflict         8 damaged store     12 limit
  1 check failed    5 nothing ready    9 newer store       13 invalid data
  2 bad arguments   6 busy            10 outcome unknown   14 not verified
  3 not found       7 storage         11 denied            70 bug";

/// A durable work queue for coding agents and the people who run them.
#[derive(Debug, Parser)]
#[command(
    name = "tasq",
    version,
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The store: sqlite:PATH, json:PATH or a path [env: TASQ_STORE] [default: the nearest .tasq/ upwards]
    #[arg(long, global = true, value_name = "URL|PATH")]
    pub(crate) store: Option<OsString>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No warnings and no progress on standard error, only errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        hide_possible_values = false
    )]
    pub(crate) color: ColorChoice,
    /// How long to wait for a lock, such as 90s or 2h30m
    #[arg(long, global = true, value_name = "DURATION", default_value = DEFAULT_WAIT, value_parser = duration::parse)]
    pub(crate) wait: Duration,
    /// Use an SQLite store on a network file system, without its log; sound only if locks hold there
    #[arg(
        long,
        global = true,
        env = "TASQ_UNSAFE_NETWORK_FS",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    pub(crate) unsafe_network_fs: bool,
    /// On whose behalf; user@host unless it is said here or by TASQ_ACTOR
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) actor: Option<Actor>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a store
    Init(items::Init),
    /// Say which store is used, and how it was found
    Where,
    /// Epics: add, list, show, edit, rm
    #[command(subcommand)]
    Epic(items::EpicCommand),
    /// Features: add, list, show, edit, rm
    #[command(subcommand)]
    Feature(items::FeatureCommand),
    /// Tasks: add, list, show, edit, rm
    #[command(subcommand)]
    Task(items::TaskCommand),
    /// Test cases: add, list, show, edit, rm, pass, fail
    #[command(subcommand)]
    Test(items::TestCommand),
    /// Add a task to the inbox
    Add(items::AddTask),
    /// Move a task to another feature
    Move(items::Move),
    /// List tasks, in the order of work
    List(views::List),
    /// List what is ready
    Ready(views::Ready),
    /// Show the task that would be handed out now
    Next(views::Next),
    /// Show everything as a tree
    Tree(views::Part),
    /// Show how far it is
    Progress(views::Part),
    /// Show an item of any kind with all that belongs to it
    Show(views::Show),
    /// Say why a task is not handed out
    Why(views::Why),
    /// Show what happened
    Log(views::Log),
    /// Show the attempts at a task
    Attempts(views::Attempts),
    /// Show what an attempt has written
    Output(views::OutputOf),
    /// Take a task, or the first that is ready
    Claim(work::Claim),
    /// Keep a claim alive
    Heartbeat(work::Heartbeat),
    /// Leave a note for the next attempt
    Checkpoint(work::Checkpoint),
    /// Say that a task is done
    Complete(work::Complete),
    /// Say that an attempt failed
    Fail(work::Fail),
    /// Give a task back
    Release(work::Release),
    /// Ask a person, and let the task wait for the answer
    Ask(people::Ask),
    /// List the questions that wait for an answer
    Inbox,
    /// Answer a question, and hand its task out again
    Answer(people::Answer),
    /// Run test cases
    Verify(work::Verify),
    /// Let the commands of test cases run that came from elsewhere
    Trust(trust::Trust),
    /// Hand out tasks to a command, one after another, until all is done
    Run(Box<run::Run>),
    /// Block a task, with a reason
    Block(life::Block),
    /// Make a blocked task pending
    Unblock(life::OneTask),
    /// Make a finished, blocked or stuck task pending
    Reopen(life::Reopen),
    /// Make a blocked or waiting task ready at once
    Retry(life::Retry),
    /// Hand out nothing under an item
    Hold(life::Hold),
    /// Lift a hold
    Unhold(life::Unhold),
    /// Ask the holder of a task to stop
    Cancel(life::OneTask),
    /// Take back tasks whose lease has run out
    Reap(life::Reap),
    /// Let a task wait for another
    Depend(life::Depend),
    /// Let a task no longer wait for another
    Undepend(life::Depend),
    /// Read a queue from files
    Import(moving::Import),
    /// Write the whole queue
    Export(moving::Export),
    /// Copy a queue to another store
    Copy(moving::Copy),
    /// Bring a store up to date
    Migrate(moving::Migrate),
    /// Look for what is wrong with a store
    Doctor(care::Doctor),
    /// Write a copy of the store that opens as it is
    Backup(care::Backup),
    /// Make a store from a backup
    Restore(care::Restore),
    /// Try on this disk whether stores keep their promises while workers are killed
    Selftest(care::Selftest),
    /// A worker of the selftest
    #[command(hide = true)]
    SelftestWorker(care::SelftestWorker),
    /// See it work on a small project in a temporary folder
    Demo(moving::Demo),
    /// Print completions for a shell
    Completions(tools::Completions),
    /// Print a page for man
    Man(tools::Man),
    /// Print the JSON Schema of what is printed with --json
    Schema(tools::Schema),
    /// Say which version this is
    Version,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_is_understood_anywhere() {
        for words in [["tasq", "--json", "tree"], ["tasq", "tree", "--json"]] {
            assert!(Cli::try_parse_from(words).unwrap().global.json, "{words:?}");
        }
    }
}
