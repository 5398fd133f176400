//! The attempts at a task, and what they have written.

use tasq_domain::{Attempt, Reason, TaskId};
use tasq_formats::duration;
use tasq_formats::json::{Written, WrittenObject};

use super::parts::{attempt, short_time};
use crate::output::{Cell, Table, Text, Tone, View, without_sequences};

/// All attempts at a task.
pub(crate) struct Attempts {
    pub(crate) task: TaskId,
    pub(crate) attempts: Vec<Attempt>,
}

impl View for Attempts {
    fn json(&self) -> Written {
        let Self { task, attempts } = self;
        WrittenObject::new()
            .with("task_id", task.as_str())
            .with_list("attempts", attempts.iter().map(attempt))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let heading = [
            "attempt", "outcome", "time", "exit", "began", "worker", "message",
        ];
        let mut table = Table::new(&heading);
        for attempt in &self.attempts {
            table.row(row(attempt));
        }
        if self.attempts.is_empty() {
            text.line("nobody has tried it yet");
        }
        text.table(&table);
    }
}

fn row(attempt: &Attempt) -> Vec<Cell> {
    let end = attempt.end.as_ref();
    let outcome = end.map_or("open", |end| end.outcome.as_str());
    let tone = match outcome {
        "completed" => Tone::Good,
        "open" | "released" | "cancelled" => Tone::Busy,
        _ => Tone::Bad,
    };
    let took = end.map(|end| duration::shown(end.at.since(attempt.started_at)));
    let code = end.and_then(|end| end.exit_code);
    let message = end.and_then(|end| end.message.as_ref());
    let message = message.map_or("", Reason::as_str).lines().next();
    vec![
        attempt.token.attempt.to_string().into(),
        Cell::new(outcome, tone),
        took.unwrap_or_default().into(),
        code.map_or_else(String::new, |code| code.to_string())
            .into(),
        short_time(attempt.started_at).into(),
        attempt.worker.as_str().into(),
        message.unwrap_or_default().into(),
    ]
}

/// What an attempt has written so far.
pub(crate) struct WholeOutput {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    /// Whether the attempt goes on.
    pub(crate) open: bool,
    /// The file with it.
    pub(crate) log: String,
    pub(crate) bytes: Vec<u8>,
}

impl View for WholeOutput {
    fn json(&self) -> Written {
        let Self {
            task,
            attempt,
            open,
            log,
            bytes,
        } = self;
        let text = String::from_utf8_lossy(bytes);
        WrittenObject::new()
            .with("task_id", task.as_str())
            .with("attempt", *attempt)
            .with("open", *open)
            .with("log_path", log.as_str())
            .with("bytes", u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            .with("lossy", std::str::from_utf8(bytes).is_err())
            .with("text", text.as_ref())
            .into()
    }

    fn text(&self, text: &mut Text) {
        shown(text, &self.bytes);
    }
}

/// Whole lines that were written meanwhile.
pub(crate) struct Piece(pub(crate) Vec<u8>);

impl View for Piece {
    fn json(&self) -> Written {
        WrittenObject::new()
            .with("text", String::from_utf8_lossy(&self.0).as_ref())
            .into()
    }

    fn text(&self, text: &mut Text) {
        shown(text, &self.0);
    }
}

/// An output on a terminal: line by line, nothing in it can steer that.
fn shown(text: &mut Text, bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        let line = without_sequences(line).replace('\t', "        ");
        // What was drawn over is not seen on a terminal either.
        let line = line.trim_end_matches('\r');
        text.line(line.rsplit('\r').next().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Style;

    #[test]
    fn an_output_cannot_steer_the_terminal_that_shows_it() {
        let mut text = Text::new(Style {
            color: true,
            width: Some(80),
        });
        shown(
            &mut text,
            b"\x1b[31mred\x1b[0m\n\x1b]0;t\x07x\t\x08y\r\n10 %\r20 %\r\n\xff\x00\n",
        );
        assert_eq!(
            text.finish(),
            "red\nx        \\u{8}y\n20 %\n\u{fffd}\\u{0}\n"
        );
    }
}
