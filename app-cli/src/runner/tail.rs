//! The end of an output of any size, in bounded memory.

use tasq_domain::MAX_OUTPUT_TAIL_BYTES;

/// The last 64 KiB of what was pushed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    pub(super) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        // Cut only now and then, so that small pieces do not each move the whole tail.
        if self.bytes.len() > 2 * MAX_OUTPUT_TAIL_BYTES {
            self.bytes.drain(..self.bytes.len() - MAX_OUTPUT_TAIL_BYTES);
        }
    }

    /// The end as text: bytes that are not UTF-8 are replaced, and it begins at a character.
    pub(super) fn text(&self) -> String {
        let start = self.bytes.len().saturating_sub(MAX_OUTPUT_TAIL_BYTES);
        let text = String::from_utf8_lossy(&self.bytes[start..]);
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

    #[test]
    fn a_short_output_is_kept_whole() {
        let mut tail = Tail::default();
        tail.push(b"one\n");
        tail.push("zwö\n".as_bytes());
        assert_eq!(tail.text(), "one\nzwö\n");
    }

    #[test]
    fn a_long_output_keeps_its_end() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("{number}\n").as_bytes());
        }
        let text = tail.text();
        assert_eq!(text.len(), MAX_OUTPUT_TAIL_BYTES);
        assert!(text.ends_with("\n99999\n"));
    }

    #[test]
    fn an_output_that_is_no_text_stays_within_the_limit() {
        let mut tail = Tail::default();
        tail.push(&[0xff; 3 * MAX_OUTPUT_TAIL_BYTES]);
        let text = tail.text();
        assert!(text.len() <= MAX_OUTPUT_TAIL_BYTES && text.chars().all(|c| c == '\u{fffd}'));
    }
}
