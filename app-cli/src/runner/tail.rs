//! The end of an output of any size, in bounded memory.

use tasq_domain::MAX_OUTPUT_TAIL_BYTES;

use super::redaction::{LONGEST_SECRET, Redaction};

/// The last bytes of what was pushed: 64 KiB, and a little more, so that a secret that begins before them is still seen
/// to be one.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// How many are kept at the least.
    keep: usize,
    /// Whether any were dropped.
    cut: bool,
}

/// What a tail for a text keeps.
const FOR_TEXT: usize = MAX_OUTPUT_TAIL_BYTES + LONGEST_SECRET;

impl Default for Tail {
    fn default() -> Self {
        Self::keeping(FOR_TEXT)
    }
}

impl Tail {
    /// One that keeps at least so many bytes, and at most twice as many.
    pub(super) const fn keeping(keep: usize) -> Self {
        Self {
            bytes: Vec::new(),
            keep,
            cut: false,
        }
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        let more = &more[more.len().saturating_sub(2 * self.keep)..];
        self.bytes.extend_from_slice(more);
        // Cut only now and then, so that small pieces do not each move the whole tail.
        if self.bytes.len() > 2 * self.keep {
            self.bytes.drain(..self.bytes.len() - self.keep);
            self.cut = true;
        }
    }

    /// The last bytes, at most as many as were asked to be kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(self.keep)..]
    }

    /// The last line that says something, up to the given number of bytes from its end.
    pub(super) fn last_line(&self, most: usize) -> String {
        let end = &self.bytes[self.bytes.len().saturating_sub(most)..];
        let mut lines = end.rsplit(|&byte| byte == b'\n' || byte == b'\r');
        let line = lines.find(|line| !line.trim_ascii().is_empty());
        String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
    }

    /// The end as text, at most 64 KiB of it: secrets and bytes that are not UTF-8 are replaced, and it begins at a
    /// character.
    pub(super) fn text(&self, redaction: &Redaction) -> String {
        let bytes = self.bytes();
        let redacted = redaction.of(bytes);
        // What was cut may begin in the middle of a secret, which nobody recognizes any more.
        let foreign = if self.cut || bytes.len() < self.bytes.len() {
            LONGEST_SECRET.min(redacted.len())
        } else {
            0
        };
        let start = redacted
            .len()
            .saturating_sub(MAX_OUTPUT_TAIL_BYTES)
            .max(foreign);
        let text = String::from_utf8_lossy(&redacted[start..]);
        // A replacement is longer than the byte it stands for.
        let over = text.len().saturating_sub(MAX_OUTPUT_TAIL_BYTES);
        let cut = (over..=text.len())
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        text[cut..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tail: &Tail) -> String {
        tail.text(&Redaction::default())
    }

    #[test]
    fn a_short_output_is_kept_whole() {
        let mut tail = Tail::default();
        tail.push(b"one\n");
        tail.push("zwö\n".as_bytes());
        assert_eq!(text(&tail), "one\nzwö\n");
    }

    #[test]
    fn a_long_output_keeps_its_end() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("{number}\n").as_bytes());
        }
        let text = text(&tail);
        assert_eq!(text.len(), MAX_OUTPUT_TAIL_BYTES);
        assert!(text.ends_with("\n99999\n"));
    }

    #[test]
    fn an_output_that_is_no_text_stays_within_the_limit() {
        let mut tail = Tail::default();
        tail.push(&[0xff; 3 * MAX_OUTPUT_TAIL_BYTES]);
        let text = text(&tail);
        assert!(text.len() <= MAX_OUTPUT_TAIL_BYTES && text.chars().all(|c| c == '\u{fffd}'));
    }

    #[test]
    fn a_secret_that_the_beginning_cuts_is_not_shown_in_part() {
        let secret = format!("ghp_{}", "s".repeat(36));
        let mut tail = Tail::default();
        tail.push(&vec![b'.'; FOR_TEXT]);
        tail.push(secret.as_bytes());
        tail.push(&vec![b'.'; MAX_OUTPUT_TAIL_BYTES - 20]);
        assert!(!text(&tail).contains("sss"), "its second half");
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        let mut tail = Tail::default();
        for (more, line) in [
            (&b""[..], ""),
            (b"one", "one"),
            (b"\ntwo\n", "two"),
            (b"\n  \n", "two"),
            (b"10 %\r20 %\r", "20 %"),
            (b"\xff\n", "\u{fffd}"),
        ] {
            tail.push(more);
            assert_eq!(tail.last_line(100), line);
        }
    }
}
