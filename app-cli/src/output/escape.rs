//! Text that nobody vouches for, made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that could steer a terminal or hide what is written spelled out as `\u{…}`: control
/// characters (the 8-bit ones, too), marks that turn the direction of writing, and characters without width.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(unsafe_to_show) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if unsafe_to_show(character) {
            write!(out, "\\u{{{:x}}}", u32::from(character))
                .expect("writing to a string cannot fail");
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

fn unsafe_to_show(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelled_out() {
        for (text, shown) in [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\nc\td\u{7f}", "a\\u{d}b\\u{a}c\\u{9}d\\u{7f}"),
            ("\u{202e}abc\u{2066}", "\\u{202e}abc\\u{2066}"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    #[test]
    fn what_people_write_is_left_alone() {
        for text in ["plain", "Grüße, 你好", "→ · ✓", "עברית"] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn no_control_character_is_left_of_any_text() {
        let every: String = (0..=0x2_ffff).filter_map(char::from_u32).collect();
        assert!(!escaped(&every).chars().any(char::is_control));
    }
}
