//! The picture of the present, line by line, never wider or higher than the window.

use std::io;
use std::time::{Duration, Instant};

use tasq_domain::StatusCounts;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::model::{Model, Row, State, shown};
use super::painter::Line;
use crate::output::{Style, Text, Tone, escaped};
use crate::view::short_time;

/// The narrowest and the widest bar.
const BAR: (usize, usize) = (6, 40);
/// What turns before a task under way.
const TURNING: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How many columns the id of a task may take, and its title at the least.
const ID_COLUMNS: usize = 16;
const TITLE_COLUMNS: usize = 12;
/// The columns of the time a task has taken so far.
const TIME_COLUMNS: usize = 7;

/// The size of a window in columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Size {
    /// That of standard error now; 80 by 24 where it does not say.
    pub(super) fn of_terminal() -> Self {
        match rustix::termios::tcgetwinsize(io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Self {
                width: size.ws_col.into(),
                height: size.ws_row.into(),
            },
            _ => Self {
                width: 80,
                height: 24,
            },
        }
    }
}

/// A line under way that ends at the edge of the window.
struct Pen {
    text: Text,
    used: usize,
    width: usize,
}

impl Pen {
    /// The last column stays free: a terminal would otherwise break the line there.
    fn new(size: Size, style: Style) -> Self {
        Self {
            text: Text::new(style),
            used: 0,
            width: size.width.saturating_sub(1),
        }
    }

    /// Writes as much of a text as there is room for, at most so many columns.
    fn write(&mut self, tone: Tone, text: &str, most: usize) -> &mut Self {
        let room = most.min(self.width - self.used);
        let piece = cut(&escaped(text), room);
        self.used += piece.width();
        self.text.paint(tone, &piece);
        self
    }

    /// Writes a text into a column of this width.
    fn column(&mut self, tone: Tone, text: &str, columns: usize) -> &mut Self {
        let from = self.used;
        self.write(tone, text, columns);
        let gap = (from + columns).min(self.width) - self.used;
        self.write(Tone::Plain, &" ".repeat(gap), gap)
    }

    fn rest(&mut self, tone: Tone, text: &str) -> &mut Self {
        self.write(tone, text, usize::MAX)
    }

    fn finish(self) -> Line {
        Line {
            text: self.text.finish(),
            width: self.used,
        }
    }
}

/// The text in at most so many columns, with an ellipsis where it was cut.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        short.push(character);
    }
    if columns > 0 {
        short.push('…');
    }
    short
}

/// The whole picture. `last_line` says what a task has written last.
pub(super) fn picture(
    model: &Model,
    size: Size,
    style: Style,
    now: Instant,
    frame: usize,
    last_line: &dyn Fn(&str) -> Option<String>,
) -> Vec<Line> {
    let mut lines = vec![progress(model, size, style, now)];
    // One row is the cursor's.
    let room = size.height.saturating_sub(3);
    let shown_rows = if model.rows.len() <= room {
        model.rows.len()
    } else {
        room.saturating_sub(1)
    };
    for (nth, row) in model.rows.iter().take(shown_rows).enumerate() {
        let turning = TURNING[(frame + 3 * nth) % TURNING.len()];
        lines.push(task(row, turning, size, style, now, last_line(&row.id)));
    }
    let hidden = model.rows.len() - shown_rows;
    if let Some(text) = below(model, hidden) {
        let mut pen = Pen::new(size, style);
        pen.rest(Tone::Faint, &text);
        lines.push(pen.finish());
    }
    lines.truncate(size.height.saturating_sub(1).max(1));
    lines
}

/// What is said below the tasks.
fn below(model: &Model, hidden: usize) -> Option<String> {
    let state = match model.state {
        State::Working => None,
        State::Waiting(None) => Some("waiting for something to do".to_owned()),
        State::Waiting(Some(at)) => Some(format!("waiting until {}", short_time(at))),
        State::Draining => Some("ending: nothing more is begun; Ctrl-C stops now".to_owned()),
    };
    match (hidden, state) {
        (0, None) => None,
        (0, Some(state)) => Some(format!("… {state}")),
        (more, None) => Some(format!("… and {more} more")),
        (more, Some(state)) => Some(format!("… and {more} more; {state}")),
    }
}

/// How far it is: a bar, numbers, the rate, the time left.
fn progress(model: &Model, size: Size, style: Style, now: Instant) -> Line {
    let StatusCounts {
        completed, blocked, ..
    } = model.counts;
    let total = model.counts.total();
    let columns = (size.width / 3).clamp(BAR.0, BAR.1);
    let full = columns * usize::from(model.counts.percent()) / 100;
    let mut pen = Pen::new(size, style);
    pen.rest(Tone::Good, &"━".repeat(full))
        .rest(Tone::Faint, &"─".repeat(columns - full))
        .rest(Tone::Strong, &format!(" {completed}/{total}"))
        .rest(Tone::Plain, &format!(" {} %", model.counts.percent()));
    if !model.rows.is_empty() {
        pen.rest(Tone::Busy, &format!("  {} running", model.rows.len()));
    }
    if model.failed > 0 {
        pen.rest(Tone::Bad, &format!("  {} failed", model.failed));
    }
    if blocked > 0 {
        pen.rest(Tone::Bad, &format!("  {blocked} blocked"));
    }
    if let Some(rate) = model.per_minute(now) {
        pen.rest(Tone::Faint, &format!("  {rate:.1}/min"));
    }
    let spent = now - model.began;
    pen.rest(Tone::Faint, &format!("  {}", clock(spent)));
    if let Some(left) = model.left(now) {
        pen.rest(Tone::Plain, &format!("  {} left", clock(left)));
    }
    pen.finish()
}

fn task(
    row: &Row,
    turning: &str,
    size: Size,
    style: Style,
    now: Instant,
    last_line: Option<String>,
) -> Line {
    let mut pen = Pen::new(size, style);
    pen.rest(Tone::Busy, turning).rest(Tone::Plain, " ");
    pen.column(Tone::Strong, &row.id, row.id.width().min(ID_COLUMNS))
        .rest(Tone::Plain, " ");
    pen.column(Tone::Faint, &shown(now - row.since), TIME_COLUMNS);
    let title = if row.attempt > 1 {
        format!("{} (attempt {})", row.title, row.attempt)
    } else {
        row.title.clone()
    };
    let left = pen.width.saturating_sub(pen.used);
    let columns = (left * 2 / 5).max(TITLE_COLUMNS);
    pen.column(Tone::Plain, &title, columns);
    if row.verifying {
        pen.rest(Tone::Good, " testing");
    }
    if let Some(line) = last_line {
        pen.rest(Tone::Faint, "  ").rest(Tone::Faint, &line);
    }
    pen.finish()
}

/// A time in whole seconds.
fn clock(span: Duration) -> String {
    shown(Duration::from_secs(span.as_secs()).max(Duration::from_secs(0))).replace(".0s", "s")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        color: false,
        width: Some(80),
    };

    fn model(now: Instant, titles: &[&str]) -> Model {
        let mut model = Model::new(now);
        model.count(StatusCounts {
            pending: 5,
            in_progress: 2,
            completed: 3,
            blocked: 0,
        });
        for (nth, title) in titles.iter().enumerate() {
            model.rows.push(Row {
                id: format!("TASK-{nth}"),
                title: (*title).to_owned(),
                attempt: 1 + u32::try_from(nth).unwrap(),
                since: now,
                verifying: nth == 1,
            });
        }
        model
    }

    fn drawn(model: &Model, width: usize, height: usize) -> Vec<String> {
        let size = Size { width, height };
        let last = |_: &str| Some("compiling 你好 \u{1b}[2J and so on".to_owned());
        let later = model.began + Duration::from_secs(65);
        let lines = picture(model, size, PLAIN, later, 0, &last);
        for line in &lines {
            assert_eq!(line.text.width(), line.width, "{line:?}");
            assert!(line.width < width.max(1), "{line:?} in {width}");
        }
        assert!(lines.len() < height.max(2), "{} in {height}", lines.len());
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_picture_says_how_far_it_is_and_what_runs() {
        let model = model(Instant::now(), &["Fix the login page", "Hash passwords"]);
        let lines = drawn(&model, 100, 24);
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].ends_with(" 3/10 30 %  2 running  1m5s"),
            "{}",
            lines[0]
        );
        let beginning = "⠋ TASK-0 1m5s   Fix the login page";
        assert!(lines[1].starts_with(beginning), "{}", lines[1]);
        assert!(
            lines[1].contains("  compiling 你好 \\u{1b}[2J and"),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].contains("Hash passwords (attempt 2)"),
            "{}",
            lines[2]
        );
        assert!(lines[2].contains(" testing  compiling"), "{}", lines[2]);
    }

    #[test]
    fn no_window_is_too_small() {
        let titles = [
            "你好你好你好你好你好你好",
            "\u{202e}evil\u{1b}]0;x\u{7}",
            "c",
            "d",
        ];
        let model = model(Instant::now(), &titles);
        for width in 0..120 {
            for height in [0, 1, 2, 3, 4, 5, 24] {
                let lines = drawn(&model, width, height);
                assert!(!lines.concat().contains(['\u{1b}', '\u{202e}', '\u{7}']));
            }
        }
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let model = model(Instant::now(), &["t"; 30]);
        let lines = drawn(&model, 80, 10);
        assert_eq!(lines.last().unwrap(), "… and 24 more");
    }

    #[test]
    fn a_text_is_cut_by_columns() {
        for (text, columns, short) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("你好", 4, "你好"),
            ("你好吗", 4, "你…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(text, columns), short);
        }
    }
}
