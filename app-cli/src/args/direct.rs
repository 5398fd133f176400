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
    let mut before = "";
    for word in words.iter().skip(1).take_while(|word| *word != "--") {
        let word = word.to_str().unwrap_or_default();
        if let Some((name, describe)) = command_of(before, word) {
            let inner = match before {
                "task" => Command::new("task").subcommand(describe(Command::new(name))),
                _ => describe(Command::new(name)),
            };
            return Some(Global::augment_args(Command::new("tasq")).subcommand(inner));
        }
        before = word;
    }
    None
}

/// A frequent command, by its name and the word before that.
fn command_of(before: &str, word: &str) -> Option<(&'static str, Describe)> {
    Some(match (before, word) {
        ("task", "add") => ("add", items::AddTask::augment_args),
        ("task", "list") => ("list", views::List::augment_args),
        ("task", "show") => ("show", items::Named::augment_args),
        ("epic" | "feature" | "test", _) => return None,
        (_, "add") => ("add", items::AddTask::augment_args),
        (_, "list") => ("list", views::List::augment_args),
        (_, "ready") => ("ready", views::Ready::augment_args),
        (_, "next") => ("next", views::Next::augment_args),
        (_, "tree") => ("tree", views::Part::augment_args),
        (_, "progress") => ("progress", views::Part::augment_args),
        (_, "show") => ("show", views::Show::augment_args),
        (_, "why") => ("why", views::Why::augment_args),
        (_, "log") => ("log", views::Log::augment_args),
        (_, "attempts") => ("attempts", views::Attempts::augment_args),
        (_, "claim") => ("claim", work::Claim::augment_args),
        (_, "heartbeat") => ("heartbeat", work::Heartbeat::augment_args),
        (_, "checkpoint") => ("checkpoint", work::Checkpoint::augment_args),
        (_, "complete") => ("complete", work::Complete::augment_args),
        (_, "fail") => ("fail", work::Fail::augment_args),
        (_, "release") => ("release", work::Release::augment_args),
        (_, "ask") => ("ask", people::Ask::augment_args),
        (_, "block") => ("block", life::Block::augment_args),
        (_, "unblock") => ("unblock", life::OneTask::augment_args),
        (_, "retry") => ("retry", life::Retry::augment_args),
        (_, "reap") => ("reap", life::Reap::augment_args),
        _ => return None,
    })
}

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
    fn every_name_is_the_name_of_a_command() {
        let whole = Cli::command();
        for command in whole.get_subcommands() {
            if let Some((name, _)) = command_of("", command.get_name()) {
                assert_eq!(name, command.get_name());
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
