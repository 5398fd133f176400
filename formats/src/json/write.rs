//! From a value to its text: compact, or in lines for people and for git.
//!
//! Both keep the order of keys and the spelling of numbers. Control and bidi characters and the
//! line ends that only some programs know are escaped, so that the text is safe on a terminal.

use std::fmt::Write as _;

use super::value::Value;

/// How far a text is broken into lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Every key and every item on its own line, at any depth.
    OneKeyPerLine,
    /// So for the outermost levels, counted from 1; what lies deeper is compact, on the line of
    /// its key. With 2, an object of arrays has each item of an array on one line.
    Levels(usize),
}

impl Layout {
    const fn levels(self) -> usize {
        match self {
            Self::OneKeyPerLine => usize::MAX,
            Self::Levels(levels) => levels,
        }
    }
}

/// The compact text: no white space outside texts, no line break at the end.
#[must_use]
pub fn to_text(value: &Value) -> String {
    let mut text = String::new();
    push_compact(&mut text, value);
    text
}

/// The text in lines, indented by two spaces a level, with a line break at the end. Equal values
/// give equal bytes.
#[must_use]
pub fn to_pretty(value: &Value, layout: Layout) -> String {
    let mut text = String::new();
    push_value(&mut text, value, layout, 0);
    text.push('\n');
    text
}

/// A value as [`to_pretty`] writes it at a depth of its text, without a line break at the end.
pub(crate) fn push_value(out: &mut String, value: &Value, layout: Layout, depth: usize) {
    push_pretty(out, value, layout.levels(), depth);
}

/// `text` as a JSON text: quoted and escaped, fit for a terminal.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// Appends [`to_text`].
pub(super) fn push_compact(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::Text(text) => push_quoted(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_compact(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (at, (key, value)) in object.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_quoted(out, key);
                out.push(':');
                push_compact(out, value);
            }
            out.push('}');
        }
    }
}

fn push_pretty(out: &mut String, value: &Value, levels: usize, depth: usize) {
    match value {
        Value::Array(items) if !items.is_empty() && depth < levels => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                push_line(out, at, depth + 1);
                push_pretty(out, item, levels, depth + 1);
            }
            push_line(out, 0, depth);
            out.push(']');
        }
        Value::Object(object) if !object.is_empty() && depth < levels => {
            out.push('{');
            for (at, (key, value)) in object.iter().enumerate() {
                push_line(out, at, depth + 1);
                push_quoted(out, key);
                out.push_str(": ");
                push_pretty(out, value, levels, depth + 1);
            }
            push_line(out, 0, depth);
            out.push('}');
        }
        _ => push_compact(out, value),
    }
}

/// A new line at `depth`, after a comma unless it is the first.
pub(crate) fn push_line(out: &mut String, at: usize, depth: usize) {
    if at > 0 {
        out.push(',');
    }
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// Appends a whole number.
pub(crate) fn push_number(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    push_digits(out, number.unsigned_abs());
}

/// The digits of a number, which are few in most.
pub(super) fn push_digits(out: &mut String, number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

/// Appends [`quoted`] text.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    if all_plain(text.as_bytes()) {
        out.push_str(text);
        out.push('"');
        return;
    }
    push_escaped(out, text);
    out.push('"');
}

/// Appends `text`, which may need escapes.
fn push_escaped(out: &mut String, text: &str) {
    let mut copied = 0;
    for (at, character) in text.char_indices() {
        if !needs_escape(character) {
            continue;
        }
        out.push_str(&text[copied..at]);
        copied = at + character.len_utf8();
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other => {
                write!(out, "\\u{:04x}", u32::from(other)).expect("writing to a string cannot fail")
            }
        }
    }
    out.push_str(&text[copied..]);
}

/// Whether all bytes are characters of ASCII that stand for themselves, which most texts have no others of. Looked at
/// by eights; the last eight may begin within those before, and of fewer than eight some are looked at twice.
fn all_plain(bytes: &[u8]) -> bool {
    let wide = |four: &[u8; 4]| u64::from(u32::from_le_bytes(*four));
    if let Some(last) = bytes.last_chunk::<8>() {
        let (eights, _) = bytes.as_chunks::<8>();
        let mut eights = eights.iter().chain([last]);
        eights.all(|eight| eight_are_plain(u64::from_le_bytes(*eight)))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        eight_are_plain(wide(first) | wide(last) << 32)
    } else {
        bytes
            .iter()
            .all(|byte| eight_are_plain(u64::from(*byte) * EACH))
    }
}

/// A byte times this is a word of eight of it.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Whether each byte of `word` lies from the space to `~` and is neither `"` nor `\`. Takes them all at once: what is
/// subtracted from a byte that is too small borrows from its highest bit. A borrow may reach the next byte as well, but
/// then there is one already that is not plain.
const fn eight_are_plain(word: u64) -> bool {
    const fn below(word: u64, limit: u8) -> u64 {
        word.wrapping_sub(EACH * limit as u64) & !word
    }
    let quote = below(word ^ (EACH * b'"' as u64), 1);
    let backslash = below(word ^ (EACH * b'\\' as u64), 1);
    let delete = below(word ^ (EACH * 0x7f), 1);
    let odd = word | below(word, b' ') | quote | backslash | delete;
    odd & (EACH * 0x80) == 0
}

fn needs_escape(character: char) -> bool {
    matches!(
        character,
        '"' | '\\'
            | '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}
