//! What is wrong with a JSON text, and where.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::write::quoted;

/// The longest part of a key that a message repeats, in characters.
const MAX_SHOWN: usize = 64;

/// Why a JSON text was refused, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}, at {path}: {message}")]
pub struct JsonError {
    /// What sort of fault it is.
    pub kind: JsonErrorKind,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The JSON path, such as `$.features[3].id`; printable, whatever the keys are.
    pub path: String,
    /// The fault in words: a lower-case fragment without place, printable.
    pub message: String,
}

/// The sorts of faults that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonErrorKind {
    /// The text is not JSON: broken, cut off, `NaN`, or followed by something else.
    Syntax,
    /// The text holds the conflict markers of an unfinished merge.
    Conflict,
    /// An object has the same key twice.
    Duplicate,
    /// A byte order mark, bytes that are not UTF-8, or half of a surrogate pair.
    Encoding,
    /// The text is too large or too deeply nested.
    Limit,
    /// The JSON is fine, but not what the reader of it expects.
    Shape,
}

/// One step of a JSON path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step<'t> {
    /// Into an object.
    Key(Cow<'t, str>),
    /// Into an array.
    Index(usize),
}

/// The path in words: `$.features[3]["a key"]`.
pub(super) fn path_text(steps: &[Step<'_>]) -> String {
    let mut path = String::from("$");
    for step in steps {
        match step {
            Step::Index(index) => {
                write!(path, "[{index}]").expect("writing to a string cannot fail");
            }
            Step::Key(key) if is_plain(key) => {
                path.push('.');
                path.push_str(key);
            }
            Step::Key(key) => {
                path.push('[');
                path.push_str(&shown(key));
                path.push(']');
            }
        }
    }
    path
}

/// `text` quoted and escaped for a message, cut where it is long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => quoted(&format!("{}…", &text[..end])),
        None => quoted(text),
    }
}

/// Line and column, both from 1, of the byte `offset` in `text`; the column counts characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    (line, 1 + before[line_start..].chars().count())
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= MAX_SHOWN
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
