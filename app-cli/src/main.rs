//! The `tasq` command: arguments, wiring, output.
//!
//! `args` is the command line as typed, `commands` turns it into use cases of `tasq-app`, `view` into what is shown,
//! and `output` writes it. `discover` and `stores` find and open the store: no other crate names the adapters. `clock`,
//! `ids`, `processes`, `runner` and `trust` are the ports that need the operating system.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]
#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

mod args;
mod clock;
mod commands;
mod demo;
mod discover;
mod failure;
mod host;
mod ids;
mod input;
mod live;
mod output;
mod processes;
mod runner;
mod scratch;
mod selftest;
mod session;
#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
mod start;
mod stores;
mod trust;
mod view;
mod workplace;

use std::ffi::OsString;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{env, panic, process};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use tasq_app::Code;
use tasq_formats::duration;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::{ColorChoice, Output, escaped};
use crate::runner::child;
use crate::session::Session;

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> process::ExitCode {
    process::ExitCode::from(run())
}

/// Does what the command line says; the exit status.
fn run() -> u8 {
    let words: Vec<OsString> = env::args_os().collect();
    if words.get(1).is_some_and(|word| word == child::WORD) {
        return child::be(&words[2..]);
    }
    if let [_, word] = words.as_slice()
        && (word == "--version" || word == "-V")
    {
        return tell_version();
    }
    let json = asks_for_json(&words);
    tell_panics_in_a_line(json);
    survive_the_file_size_limit();
    let mut session = None;
    let status = match understand(words) {
        Ok(cli) => commands::carry_out(cli, &mut session),
        Err(error) => not_understood(error, json),
    };
    let failure = match status {
        Ok(status) => return status,
        Err(failure) => failure,
    };
    if let Failure::Told(problem) = &failure {
        match &mut session {
            Some(Session { out, .. }) => out.problem(problem),
            None => {
                if let Ok(mut out) = Output::new(json, false, ColorChoice::Auto) {
                    out.problem(problem);
                }
            }
        }
    }
    failure.exit_status()
}

/// The words of the command line. The description of all commands lives on: taking its thousands of parts to pieces takes
/// longer than reading the words.
fn understand(words: Vec<OsString>) -> Result<Cli, clap::Error> {
    if let Some(cli) = args::direct::understood(&words) {
        return Ok(cli);
    }
    let mut command = ManuallyDrop::new(Cli::command());
    let mut matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// What scripts ask first, without building the whole command line for it.
fn tell_version() -> u8 {
    let told = Output::new(false, false, ColorChoice::Auto)
        .and_then(|mut out| out.raw(concat!("tasq ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()));
    match told {
        Ok(()) => 0,
        Err(failure) => failure.exit_status(),
    }
}

/// Whether `--json` is among the words, which counts even where they make no sense together. What stands behind `--`
/// belongs to somebody else's command.
fn asks_for_json(words: &[OsString]) -> bool {
    words
        .iter()
        .skip(1)
        .take_while(|word| *word != "--")
        .any(|word| word == "--json")
}

/// Help and the version are what was asked for; the rest is an error.
fn not_understood(error: clap::Error, json: bool) -> Result<u8, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = Output::new(json, false, ColorChoice::Auto)?;
            let styled = error.render();
            let text = if out.style().color {
                styled.ansi().to_string()
            } else {
                styled.to_string()
            };
            out.raw(text.as_bytes())?;
            Ok(0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            let text = error.render().to_string();
            // Whoever cannot read it still sees the exit status.
            let _ = std::io::stderr().write_all(text.as_bytes());
            Ok(Code::Usage.exit_status())
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::usage("a command is missing").with_hint("`tasq help` lists the commands"))
        }
        _ => Err(error.into()),
    }
}

/// A panic is a bug. It is told in one line, without a trace of the stack, and ends the program at once: nothing
/// unfinished was committed.
fn tell_panics_in_a_line(json: bool) {
    panic::set_hook(Box::new(move |info| {
        let what = info
            .payload_as_str()
            .unwrap_or("something impossible happened");
        let place = info
            .location()
            .map_or_else(String::new, |place| format!(" ({place})"));
        let message = format!("bug: {what}{place}");
        match Output::new(json, false, ColorChoice::Never) {
            Ok(mut out) if json => {
                if let Failure::Told(problem) = Failure::new(Code::Bug, message) {
                    out.problem(&problem);
                }
            }
            _ => {
                let line = format!("tasq: {}\n", escaped(&message));
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
        process::exit(i32::from(Code::Bug.exit_status()));
    }));
}

/// Makes a write beyond the file size limit an error like a full disk, instead of the end of the process. The handler
/// does not reach the programs that are started, unlike ignoring the signal would.
fn survive_the_file_size_limit() {
    // Without it the program still works; only that limit is met less gracefully.
    let _ = signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        Arc::new(AtomicBool::new(false)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_words_ask_for_json() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(asks_for_json(&words("tasq nonsense --json")));
        assert!(!asks_for_json(&words("tasq run -- worker --json")));
        assert!(!asks_for_json(&words("--json tasq")));
    }
}
