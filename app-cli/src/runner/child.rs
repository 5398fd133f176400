//! The hidden command `tasq _child`, through which every command is started. It is two programs in one:
//!
//! - The *keeper* stands between the supervisor and the command. Whatever the command starts, and however it leaves its
//!   group or its session, is re-parented to the keeper, which ends all of it when the command ends or is to stop, and
//!   at once when the supervisor is gone.
//! - The *launcher* is what the keeper starts: it has itself killed with the keeper, sets limits and becomes the command.

mod keeper;
mod launcher;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;

use tasq_ports::Limits;

/// The word that makes the program one of the two.
pub(crate) const WORD: &str = "_child";
const KEEP: &str = "keep";
const LAUNCH: &str = "launch";
/// What this program is called when it was not started as it should be.
const EXIT_USAGE: u8 = 2;

/// What limits a command besides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    processes: Option<u32>,
    memory: Option<u64>,
}

/// The words after the program that start a keeper.
pub(super) fn keeper_words(limits: &Limits) -> Vec<String> {
    let bounds = Bounds {
        processes: limits.processes,
        memory: limits.memory,
    };
    words(KEEP, bounds)
}

fn words(role: &str, Bounds { processes, memory }: Bounds) -> Vec<String> {
    let or_none = |bound: Option<u64>| bound.map_or_else(|| "-".to_owned(), |it| it.to_string());
    vec![
        WORD.to_owned(),
        role.to_owned(),
        or_none(processes.map(u64::from)),
        or_none(memory),
    ]
}

/// Is what the words behind `_child` say, to the end.
pub(crate) fn be(words: &[OsString]) -> u8 {
    let bounds = |processes: &OsStr, memory: &OsStr| {
        Some(Bounds {
            processes: bound(processes)?.map(u32::try_from).transpose().ok()?,
            memory: bound(memory)?,
        })
    };
    if let [role, processes, memory, command @ ..] = words
        && let Some(bounds) = bounds(processes, memory)
        && !command.is_empty()
    {
        if role == KEEP {
            return keeper::keep(bounds, command);
        }
        if let (true, [keeper, program, arguments @ ..]) = (role == LAUNCH, command)
            && let Some(Some(keeper)) = bound(keeper)
        {
            return launcher::launch(bounds, keeper, program, arguments);
        }
    }
    // Whoever typed it cannot be told more than that it is not for them.
    let _ = std::io::stderr().write_all(b"tasq: _child is for tasq itself\n");
    EXIT_USAGE
}

fn bound(text: &OsStr) -> Option<Option<u64>> {
    match text.to_str()? {
        "-" => Some(None),
        number => number.parse().ok().map(Some),
    }
}
