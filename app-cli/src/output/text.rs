//! Text for people: lines, colours and tables. Whatever goes in is escaped here, so nothing can be forgotten elsewhere.

use super::escape::escaped;

/// How text for people is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether colours are used.
    pub(crate) color: bool,
    /// The width of the terminal in characters; `None` where there is none, and tables are plain columns.
    pub(crate) width: Option<usize>,
}

/// What a piece of text means, which is what its colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
    /// Done, passing.
    Good,
    /// Blocked, failing.
    Bad,
    /// Under way.
    Busy,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Busy => Some("33"),
        }
    }
}

/// One field of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Rows under a heading. On a terminal the columns are aligned, and the last one is cut at the edge; elsewhere they are
/// separated by tabs, without the heading, for `cut` and `awk`.
#[derive(Debug)]
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }
}

/// Text under way to a person.
#[derive(Debug)]
pub(crate) struct Text {
    out: String,
    style: Style,
    /// Characters that the line under way has so far.
    used: usize,
}

impl Text {
    pub(crate) const fn new(style: Style) -> Self {
        Self {
            out: String::new(),
            style,
            used: 0,
        }
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    /// A piece of a line.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.paint(Tone::Plain, text)
    }

    /// A piece of a line, in a colour.
    pub(crate) fn paint(&mut self, tone: Tone, text: &str) -> &mut Self {
        let shown = escaped(text);
        self.used += length(&shown);
        match tone.code().filter(|_| self.style.color) {
            Some(code) => {
                self.out.push_str("\u{1b}[");
                self.out.push_str(code);
                self.out.push('m');
                self.out.push_str(&shown);
                self.out.push_str("\u{1b}[0m");
            }
            None => self.out.push_str(&shown),
        }
        self
    }

    /// A piece of a line, cut where a terminal is too narrow for it and for `reserve` more characters.
    pub(crate) fn fit(&mut self, text: &str, reserve: usize) -> &mut Self {
        match self.style.width {
            Some(width) => {
                let room = width.saturating_sub(self.used + reserve);
                let short = cut(&escaped(text), room);
                self.push(&short)
            }
            None => self.push(text),
        }
    }

    /// The end of a line.
    pub(crate) fn end(&mut self) {
        self.out.push('\n');
        self.used = 0;
    }

    /// A whole line.
    pub(crate) fn line(&mut self, text: &str) {
        self.push(text).end();
    }

    /// `name  value`, for the details of one item.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.paint(Tone::Faint, &format!("{name:<14}"))
            .push(value)
            .end();
    }

    /// A text of several lines, each indented.
    pub(crate) fn block(&mut self, indent: &str, text: &str) {
        for line in text.lines() {
            self.push(indent).push(line).end();
        }
    }

    pub(crate) fn table(&mut self, table: &Table) {
        match self.style.width {
            Some(width) => self.aligned(table, width),
            None => self.plain(table),
        }
    }

    fn plain(&mut self, table: &Table) {
        for row in &table.rows {
            for (at, cell) in row.iter().enumerate() {
                if at > 0 {
                    self.out.push('\t');
                }
                self.paint(cell.tone, &cell.text);
            }
            self.end();
        }
    }

    fn aligned(&mut self, table: &Table, width: usize) {
        if table.rows.is_empty() {
            return;
        }
        let widths: Vec<usize> = (0..table.heading.len())
            .map(|column| {
                let cells = table.rows.iter().filter_map(|row| row.get(column));
                let longest = cells.map(|cell| length(&escaped(&cell.text))).max();
                longest.unwrap_or(0).max(length(table.heading[column]))
            })
            .collect();
        let heading: Vec<Cell> = table
            .heading
            .iter()
            .map(|&name| Cell::new(name, Tone::Faint))
            .collect();
        for row in std::iter::once(&heading).chain(&table.rows) {
            let mut used = 0;
            for (at, cell) in row.iter().enumerate() {
                let last = at + 1 == row.len();
                let shown = escaped(&cell.text);
                let shown = if last {
                    cut(&shown, width.saturating_sub(used))
                } else {
                    shown.into_owned()
                };
                self.paint(cell.tone, &shown);
                if !last {
                    let gap = widths[at].saturating_sub(length(&shown)) + 2;
                    self.out.extend(std::iter::repeat_n(' ', gap));
                    used += widths[at] + 2;
                }
            }
            self.end();
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The text in at most `width` characters, with an ellipsis where it was cut; a narrow rest still shows 20.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let width = width.max(20);
    if length(text) <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(style: Style) -> String {
        let mut table = Table::new(&["id", "what"]);
        table.row(vec![
            "TASK-1".into(),
            Cell::new("fix \u{1b}[2J it", Tone::Bad),
        ]);
        table.row(vec!["T".into(), "x".repeat(40).into()]);
        let mut text = Text::new(style);
        text.table(&table);
        text.finish()
    }

    #[test]
    fn a_pipe_gets_plain_columns() {
        let plain = text(Style {
            color: false,
            width: None,
        });
        assert_eq!(
            plain,
            format!("TASK-1\tfix \\u{{1b}}[2J it\nT\t{}\n", "x".repeat(40))
        );
    }

    #[test]
    fn a_terminal_gets_aligned_columns_within_its_width() {
        let aligned = text(Style {
            color: false,
            width: Some(30),
        });
        let lines: Vec<&str> = aligned.lines().collect();
        assert_eq!(lines[0], "id      what");
        assert_eq!(lines[1], "TASK-1  fix \\u{1b}[2J it");
        assert_eq!(lines[2], format!("T       {}…", "x".repeat(21)));
    }

    #[test]
    fn a_title_leaves_room_for_what_follows_it() {
        let mut text = Text::new(Style {
            color: true,
            width: Some(40),
        });
        text.paint(Tone::Good, "12345")
            .fit(&"x".repeat(50), 10)
            .push("67890");
        let shown = text.finish();
        assert!(
            shown.ends_with(&format!("{}…67890", "x".repeat(24))),
            "{shown}"
        );
    }

    #[test]
    fn colours_are_the_only_control_characters() {
        let coloured = text(Style {
            color: true,
            width: Some(80),
        });
        assert!(coloured.contains("\u{1b}[31mfix \\u{1b}[2J it\u{1b}[0m"));
    }
}
