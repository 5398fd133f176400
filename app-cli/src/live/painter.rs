//! Drawing a picture over the one before, whatever became of the window meanwhile.

/// Up by lines; away with what is below, and with the rest of a line.
const UP: &str = "A";
const CLEAR_BELOW: &str = "\u{1b}[J";
const CLEAR_REST: &str = "\u{1b}[K";
/// Terminals that know it show what is between these at once; the others ignore it.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

/// A line of a picture: what is written, and how many columns it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) width: usize,
}

/// Knows what it has drawn.
#[derive(Debug, Default)]
pub(super) struct Painter {
    /// The widths of the lines that are on the screen above the cursor.
    drawn: Vec<usize>,
}

impl Painter {
    /// What to write so that the lines scroll by above the picture and the picture is the new one. `width` is that of the
    /// window now: if it has become narrower, the terminal has broken lines that were drawn before.
    pub(super) fn paint(&mut self, scrolling: &str, picture: Vec<Line>, width: usize) -> String {
        let width = width.max(1);
        let rows: usize = self
            .drawn
            .iter()
            .map(|drawn| drawn.div_ceil(width).max(1))
            .sum();
        let mut out = String::from(BEGIN);
        if rows > 0 {
            out.push_str(&format!("\r\u{1b}[{rows}{UP}"));
        }
        // Line by line: what is cleared all at once, some terminals keep above.
        out.push_str(&scrolling.replace('\n', "\u{1b}[K\n"));
        for line in &picture {
            out.push_str(&line.text);
            out.push_str(CLEAR_REST);
            out.push('\n');
        }
        out.push_str(CLEAR_BELOW);
        out.push_str(END);
        self.drawn = picture.into_iter().map(|line| line.width).collect();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize) -> Line {
        Line {
            text: "x".repeat(width),
            width,
        }
    }

    #[test]
    fn a_picture_is_drawn_over_the_one_before() {
        let mut painter = Painter::default();
        assert!(
            !painter
                .paint("", vec![line(10), line(20)], 40)
                .contains('\r')
        );
        assert!(
            painter
                .paint("", vec![line(10)], 40)
                .contains("\r\u{1b}[2A")
        );
        assert!(painter.paint("", vec![], 40).contains("\r\u{1b}[1A"));
    }

    #[test]
    fn what_a_narrower_window_has_broken_is_drawn_over_as_well() {
        let mut painter = Painter::default();
        painter.paint("", vec![line(39), line(5), line(0)], 40);
        let out = painter.paint("", vec![line(5)], 10);
        assert!(out.contains("\r\u{1b}[6Axxxxx"), "4 + 1 + 1 rows: {out:?}");
    }

    #[test]
    fn what_scrolls_by_comes_above_the_picture() {
        let mut painter = Painter::default();
        painter.paint("", vec![line(3)], 40);
        let out = painter.paint("done\n", vec![line(3)], 40);
        assert!(out.contains("\r\u{1b}[1Adone\u{1b}[K\nxxx"), "{out:?}");
    }
}
