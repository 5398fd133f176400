//! The shortest way to read a command line that makes sense.
//!
//! A description of all commands has thousands of parts, of which a run needs a few dozen: those that hold everywhere and
//! those of one command. So the commands that workers and scripts give by the thousand are described one at a time. That
//! description knows no other command, hence it may understand less than the whole, and never anything else; whoever
//! meets an error here, or asks for help, goes on to the whole.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches as _};

use super::{Cli, Global, items, life, people, views, work};

/// Adds what a command takes to its description.
type Describe = fn(Command) -> Command;

/// The words of a command line, if they are one of the frequent commands and make sense.
pub(crate) fn understood(words: &[OsString]) -> Option<Cli> {
    let mut matches = description(words)?.try_get_matches_from(words).ok()?;
    Cli::from_arg_matches_mut(&mut matches).ok()
}

/// The description of the command that is named first. If the name turns out to be something else, no word fits.
fn description(words: &[OsString]) -> Option<Command> {
    let (before, (name, describe)) = named_first(words)?;
    let inner = describe(Command::new(name));
    let inner = match before {
        "task" => Command::new("task").subcommand(inner),
        _ => inner,
    };
    Some(Global::augment_args(Command::new("tasq")).subcommand(inner))
}

/// The frequent command that is named first, and the word before it.
fn named_first(words: &[OsString]) -> Option<(&str, Frequent)> {
    let mut before = "";
    for word in words.iter().skip(1).take_while(|word| *word != "--") {
        let word = word.to_str().unwrap_or_default();
        let table: &[Frequent] = match before {
            "task" => &OF_TASKS,
            "epic" | "feature" | "test" => &[],
            _ => &ALONE,
        };
        if let Some(found) = table.iter().find(|(name, _)| *name == word) {
            return Some((before, *found));
        }
        before = word;
    }
    None
}

/// The name of a frequent command, and what it takes.
type Frequent = (&'static str, Describe);

/// Behind `task`.
const OF_TASKS: [Frequent; 3] = [
    ("add", items::AddTask::augment_args),
    ("list", views::List::augment_args),
    ("show", items::Named::augment_args),
];
const ALONE: [Frequent; 21] = [
    ("add", items::AddTask::augment_args),
    ("list", views::List::augment_args),
    ("ready", views::Ready::augment_args),
    ("next", views::Next::augment_args),
    ("tree", views::Part::augment_args),
    ("progress", views::Part::augment_args),
    ("show", views::Show::augment_args),
    ("why", views::Why::augment_args),
    ("log", views::Log::augment_args),
    ("attempts", views::Attempts::augment_args),
    ("claim", work::Claim::augment_args),
    ("heartbeat", work::Heartbeat::augment_args),
    ("checkpoint", work::Checkpoint::augment_args),
    ("complete", work::Complete::augment_args),
    ("fail", work::Fail::augment_args),
    ("release", work::Release::augment_args),
    ("ask", people::Ask::augment_args),
    ("block", life::Block::augment_args),
    ("unblock", life::OneTask::augment_args),
    ("retry", life::Retry::augment_args),
    ("reap", life::Reap::augment_args),
];

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// Each with words that make sense.
    const FREQUENT: [&str; 26] = [
        "tasq task add text --feature F --priority 3 --depends-on T --json",
        "tasq --json task list --feature F",
        "tasq task show T",
        "tasq add text --priority 3 --test one --test two",
        "tasq --store list list --status pending --limit 3",
        "tasq ready --json",
        "tasq -q next",
        "tasq tree F",
        "tasq progress",
        "tasq show T",
        "tasq why T",
        "tasq log",
        "tasq attempts T",
        "tasq claim --worker list --lease 5m --op o",
        "tasq heartbeat T --token 1-2",
        "tasq checkpoint T --token 1-2 --summary done",
        "tasq complete T --token 1-2 --next --actor claim",
        "tasq fail T --token 1-2 --message wrong",
        "tasq release T --token 1-2",
        "tasq ask which --task T --token 1-2",
        "tasq block T --reason why",
        "tasq unblock T",
        "tasq retry T",
        "tasq reap",
        "tasq --color never claim T --wait 1s",
        "tasq --unsafe-network-fs list",
    ];

    #[test]
    fn a_frequent_command_means_what_it_means_among_all() {
        for line in FREQUENT {
            let whole = Cli::try_parse_from(words(line)).unwrap();
            let alone = understood(&words(line)).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(format!("{alone:?}"), format!("{whole:?}"), "{line}");
        }
    }

    #[test]
    fn each_is_a_command_of_the_whole_that_takes_the_same_and_is_tried_above() {
        let whole = Cli::command();
        let of_tasks = whole.find_subcommand("task").unwrap();
        let arguments = |command: &Command| -> Vec<String> {
            let ids = command.get_arguments().map(|it| it.get_id().to_string());
            ids.collect()
        };
        let tables: [(&str, &Command, &[Frequent]); 2] =
            [("", &whole, &ALONE), ("task", of_tasks, &OF_TASKS)];
        for (behind, among, table) in tables {
            for (name, describe) in table {
                let mut commands = among.get_subcommands();
                let command = commands.find(|it| it.get_name() == *name);
                let command = command.unwrap_or_else(|| panic!("no {behind} {name}"));
                let alone = describe(Command::new(*name));
                assert_eq!(arguments(&alone), arguments(command), "{behind} {name}");
                let tried = FREQUENT.iter().any(|line| {
                    let words = words(line);
                    let (before, (found, _)) = named_first(&words).unwrap();
                    found == *name && (before == "task") == (behind == "task")
                });
                assert!(tried, "{behind} {name}");
            }
        }
    }

    #[test]
    fn what_is_asked_for_or_wrong_is_left_to_the_whole() {
        for line in [
            "tasq list --help",
            "tasq help list",
            "tasq --version list",
            "tasq list --nonsense",
            "tasq epic list",
            "tasq test add T text",
            "tasq run -- claim",
            "tasq run claim",
            "tasq lst",
            "tasq",
        ] {
            assert!(understood(&words(line)).is_none(), "{line}");
        }
    }
}
