//! The tree filling up on a terminal: drawn again in place after each step.

use std::io::{self, IsTerminal as _, Write as _};

use tasq_app::{Tree, TreeFeature};
use tasq_domain::{Status, StatusCounts, TestStatus};

use crate::output::{Output, Style, Text, Tone, cut};
use crate::view::{bar, mark, tone};

/// A tree on a terminal.
pub(super) struct Screen {
    live: bool,
    style: Style,
    /// Lines that are on the screen and are drawn over next.
    drawn: usize,
}

impl Screen {
    /// Draws on standard error, and only where that is a terminal and somebody wants to read.
    pub(super) fn new(out: &Output) -> Self {
        let live = io::stderr().is_terminal() && !out.is_json() && !out.is_quiet();
        Self {
            live,
            style: out.err_style(),
            drawn: 0,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        self.live
    }

    pub(super) const fn style(&self) -> Style {
        self.style
    }

    /// Draws the tree and, below it, what happens now.
    pub(super) fn draw(&mut self, tree: &Tree, now: &str) {
        if !self.live {
            return;
        }
        let mut text = Text::new(self.style);
        let width = self.style.width.unwrap_or(80);
        let mut counts = StatusCounts::default();
        for epic in &tree.epics {
            counts += epic.epic.counts;
            let line = format!("{} {}", mark(epic.epic.epic.status), epic.epic.epic.name);
            text.paint(tone(epic.epic.epic.status), &cut(&line, width))
                .end();
            for feature in &epic.features {
                draw_feature(&mut text, feature, width);
            }
        }
        bar(&mut text, counts);
        text.push(&format!(" {} %", counts.percent())).end();
        let mut picture = text.finish();
        picture.push_str(now);
        self.show(&picture);
    }

    /// Replaces what is on the screen.
    fn show(&mut self, picture: &str) {
        let mut out = String::new();
        if self.drawn > 0 {
            // Up to where the last picture began, and clear from there.
            out.push_str(&format!("\u{1b}[{}A\u{1b}[J", self.drawn));
        }
        out.push_str(picture);
        self.drawn = picture.matches('\n').count();
        let _ = io::stderr().write_all(out.as_bytes());
    }
}

fn draw_feature(text: &mut Text, tree: &TreeFeature, width: usize) {
    let feature = &tree.feature.feature;
    let line = format!("  {} {}", mark(feature.status), feature.name);
    text.paint(tone(feature.status), &cut(&line, width)).end();
    for (task, tests) in &tree.tasks {
        let record = &task.record.task;
        let passing = tests
            .iter()
            .filter(|test| test.status == TestStatus::Passing)
            .count();
        let mut line = format!("    {} {}", mark(record.status), record.description.title());
        if record.status == Status::Completed {
            line.push_str(&format!("  {passing}/{} tests", tests.len()));
        }
        if record.attempts > 1 {
            line.push_str(&format!("  attempt {}", record.attempts));
        }
        let tone = if record.retries_used > 0 && record.status == Status::Pending {
            Tone::Bad
        } else {
            tone(record.status)
        };
        text.paint(tone, &cut(&line, width)).end();
    }
}
