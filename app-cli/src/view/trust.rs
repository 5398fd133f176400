//! Which commands of test cases may run.

use tasq_app::TestCommand;
use tasq_formats::json::{Written, WrittenObject};

use crate::output::{Text, Tone, View};

/// What was done about trust.
pub(crate) enum TrustChange {
    /// Nothing; it is only shown.
    None,
    /// So many commands are trusted now that were not.
    Trusted(u64),
    /// So many commands were trusted until now.
    Revoked(u64),
}

/// The commands of a queue.
pub(crate) struct TrustView {
    pub(crate) store: String,
    pub(crate) change: TrustChange,
    pub(crate) commands: Vec<TestCommand>,
}

impl View for TrustView {
    fn json(&self) -> Written {
        let Self {
            store,
            change,
            commands,
        } = self;
        let (trusted, revoked) = match change {
            TrustChange::None => (0, 0),
            TrustChange::Trusted(count) => (*count, 0),
            TrustChange::Revoked(count) => (0, *count),
        };
        WrittenObject::new()
            .with("store", store.as_str())
            .with("trusted", trusted)
            .with("revoked", revoked)
            .with_list("commands", commands.iter().map(json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        match self.change {
            TrustChange::None => {
                if self.commands.is_empty() {
                    text.line("no test case has a command");
                }
                for command in &self.commands {
                    let (tone, word) = if command.trusted {
                        (Tone::Good, "trusted  ")
                    } else {
                        (Tone::Bad, "untrusted")
                    };
                    text.paint(tone, word).push("  ");
                    line(text, command);
                }
            }
            TrustChange::Trusted(0) => {
                text.line("every command of the test cases may run already");
            }
            TrustChange::Trusted(count) => text.line(&format!("{count} more commands may run")),
            TrustChange::Revoked(count) => {
                text.line(&format!("{count} commands may no longer run"));
            }
        }
    }
}

/// The commands that wait for a word.
pub(crate) struct Waiting<'a>(pub(crate) &'a [TestCommand]);

impl View for Waiting<'_> {
    fn json(&self) -> Written {
        self.0.iter().map(json).collect()
    }

    fn text(&self, text: &mut Text) {
        for command in self.0 {
            line(text, command);
        }
    }
}

fn line(text: &mut Text, command: &TestCommand) {
    let tests: Vec<&str> = command.tests.iter().take(3).map(|id| id.as_str()).collect();
    let more = command.tests.len().saturating_sub(tests.len());
    text.push(command.command.as_str()).push("  ");
    text.paint(Tone::Faint, &format!("({}", tests.join(", ")));
    if more > 0 {
        text.paint(Tone::Faint, &format!(" and {more} more"));
    }
    text.paint(Tone::Faint, ")").end();
}

fn json(command: &TestCommand) -> Written {
    let TestCommand {
        command,
        trusted,
        tests,
    } = command;
    WrittenObject::new()
        .with("command", command.as_str())
        .with("trusted", *trusted)
        .with_list("tests", tests.iter().map(|id| id.as_str()))
        .into()
}
