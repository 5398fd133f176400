//! The one writer: data on standard output, talk on standard error, and never a panic when either is gone.

mod escape;
mod text;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;

use tasq_formats::json::{Written, WrittenObject};

pub(crate) use escape::{escaped, without_sequences};
pub(crate) use text::{Cell, Style, Table, Text, Tone, cut};

use crate::failure::{Failure, Problem};

/// The version of every JSON answer.
const SCHEMA_VERSION: u32 = 1;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a command answers: the same facts as JSON and as text for people.
pub(crate) trait View {
    /// The `data` of the envelope.
    fn json(&self) -> Written;
    /// The text for people.
    fn text(&self, text: &mut Text);
}

/// Where a command writes.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    style: Style,
    err_style: Style,
    warnings: Vec<String>,
    // Not `io::Stdout`, which panics when it is used again after a panic in the middle of a write.
    out: File,
}

impl Output {
    /// # Errors
    /// If there is no standard output to be had.
    pub(crate) fn new(json: bool, quiet: bool, color: ColorChoice) -> Result<Self, Failure> {
        let stdout = io::stdout();
        let out = stdout
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Failure::output(&error))?;
        Ok(Self {
            json,
            quiet,
            style: style(&stdout, stdout.is_terminal(), color),
            err_style: style(&io::stderr(), io::stderr().is_terminal(), color),
            warnings: Vec::new(),
            out: File::from(out),
        })
    }

    /// Whether answers are JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether only errors are told.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// How text on standard output is laid out.
    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    /// How text on standard error is laid out.
    pub(crate) const fn err_style(&self) -> Style {
        self.err_style
    }

    /// Something that a person should know although the command did what was asked. With `--json` it goes into the
    /// envelope.
    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.json {
            self.talk(&format!("warning: {warning}"));
        }
        self.warnings.push(warning);
    }

    /// One line of talk on standard error, unless there is `--quiet` or `--json`.
    pub(crate) fn talk(&self, line: &str) {
        if !self.json && !self.quiet {
            let line = format!("tasq: {}\n", escaped(line));
            // Nobody is left to tell that telling failed.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    /// Progress on standard error, laid out already, unless there is `--quiet` or `--json`.
    pub(crate) fn progress(&self, text: &str) {
        if !self.json && !self.quiet {
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    /// A question to the person at the terminal, laid out already, whatever else is kept quiet.
    pub(crate) fn question(&self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// The answer of a command.
    pub(crate) fn answer(&mut self, view: &dyn View) -> Result<(), Failure> {
        if self.json {
            let warnings = std::mem::take(&mut self.warnings);
            let envelope = WrittenObject::new()
                .with("schema_version", SCHEMA_VERSION)
                .with("data", view.json())
                .with_list("warnings", warnings);
            return self.json_line(envelope.into());
        }
        let mut text = Text::new(self.style);
        view.text(&mut text);
        self.raw(text.finish().as_bytes())
    }

    /// One item of a stream: a line of JSON, or text.
    pub(crate) fn item(&mut self, view: &dyn View) -> Result<(), Failure> {
        if self.json {
            return self.json_line(view.json());
        }
        let mut text = Text::new(self.style);
        view.text(&mut text);
        self.raw(text.finish().as_bytes())
    }

    /// One line of JSON.
    pub(crate) fn json_line(&mut self, value: Written) -> Result<(), Failure> {
        let mut line = value.into_text();
        line.push('\n');
        self.raw(line.as_bytes())
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.raw_from(|out| out.write_all(bytes))
    }

    /// Bytes as they are, from whoever has them.
    pub(crate) fn raw_from(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.out).map_err(|error| Failure::output(&error))
    }

    /// A problem: one line and a hint on standard error, or the error envelope on standard output.
    pub(crate) fn problem(&mut self, problem: &Problem) {
        let Problem {
            code,
            message,
            hint,
            details,
        } = problem;
        if self.json {
            let error = WrittenObject::new()
                .with("code", code.as_str())
                .with("message", message.as_str())
                .with("hint", hint.as_deref())
                .with("details", details.clone());
            let envelope = WrittenObject::new()
                .with("schema_version", SCHEMA_VERSION)
                .with("error", error);
            // The exit status still tells when there is nowhere to write to.
            let _ = self.json_line(envelope.into());
            return;
        }
        let mut text = Text::new(self.err_style);
        text.paint(Tone::Bad, "tasq:").push(" ").push(message).end();
        if let Some(hint) = hint {
            text.paint(Tone::Strong, "hint:").push(" ").push(hint).end();
        }
        let _ = io::stderr().write_all(text.finish().as_bytes());
    }
}

fn style(stream: &impl AsFd, terminal: bool, color: ColorChoice) -> Style {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let color = match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !plain,
    };
    Style {
        color,
        width: terminal.then(|| width(stream)),
    }
}

/// The width of a terminal; 80 where it does not say.
fn width(stream: &impl AsFd) -> usize {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}
