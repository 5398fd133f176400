//! Text that nobody vouches for, made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that could steer a terminal or hide what is written spelled out as `\u{…}`: control
/// characters (the 8-bit ones, too), marks that turn the direction of writing, and characters without width.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain || !text.contains(unsafe_to_show) {
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

/// A line without the sequences that colour it or move the cursor: escape, a bracket, up to the final letter; and those
/// that set titles, up to the bell.
pub(crate) fn without_sequences(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('[') => while rest.next().is_some_and(|it| !('@'..='~').contains(&it)) {},
            Some(']') => {
                while let Some(it) = rest.next_if(|&it| it != '\u{7}' && it != '\u{1b}') {
                    let _ = it;
                }
                rest.next_if_eq(&'\u{7}');
            }
            Some(_) | None => {}
        }
    }
    out
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
    fn colours_and_movements_are_taken_out_of_a_line() {
        for (line, shown) in [
            (
                "\u{1b}[1;32m   Compiling\u{1b}[0m tasq",
                "   Compiling tasq",
            ),
            ("\u{1b}[2K\u{1b}[1Gdone", "done"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("cut \u{1b}[3", "cut "),
            ("cut \u{1b}", "cut "),
            ("Grüße 你好", "Grüße 你好"),
        ] {
            assert_eq!(without_sequences(line), shown, "{line:?}");
        }
    }

    #[test]
    fn what_people_write_is_left_alone() {
        for text in ["plain", "Grüße, 你好", "→ · ✓", "עברית"] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn each_control_character_is_spelled_out_wherever_it_is() {
        for character in (0..0x100).filter_map(char::from_u32) {
            let steers = unsafe_to_show(character);
            for text in [format!("{character}"), format!("plain {character} text")] {
                assert_eq!(escaped(&text) != text, steers, "{text:?}");
            }
        }
    }

    #[test]
    fn no_control_character_is_left_of_any_text() {
        let every: String = (0..=0x2_ffff).filter_map(char::from_u32).collect();
        assert!(!escaped(&every).chars().any(char::is_control));
    }
}
