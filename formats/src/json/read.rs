//! From bytes to a document: `serde_json` judges the syntax, the scan takes the values.

use serde::Deserialize as _;
use serde::de::IgnoredAny;

use super::error::{JsonError, JsonErrorKind, Step, position};
use super::node::Node;
use super::scan::{Fault, Repeats, Scan};
use super::value::Value;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What git leaves at the start of a line where a merge stopped; the last is of its `diff3` style.
const CONFLICT_MARKERS: [&str; 4] = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];

/// What some programs write where JSON has no number for it.
const NOT_NUMBERS: [&str; 3] = ["NaN", "Infinity", "inf"];

/// How much is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of the text in bytes.
    pub bytes: usize,
    /// How deep arrays and objects may be nested.
    pub depth: usize,
}

impl Limits {
    /// For what comes from elsewhere: 256 MiB, nested 64 deep.
    pub const FOREIGN: Self = Self {
        bytes: 256 * 1024 * 1024,
        depth: 64,
    };

    /// For what we wrote ourselves. Deeper than [`Limits::FOREIGN`], because what came from
    /// elsewhere is kept inside it as metadata and must still be readable there.
    pub const OWN: Self = Self {
        bytes: Self::FOREIGN.bytes,
        depth: 128,
    };

    /// The same with another size limit, in bytes.
    #[must_use]
    pub const fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::FOREIGN
    }
}

/// A JSON text that was read, together with its value.
///
/// The text stays borrowed so that errors found later can name line and column.
#[derive(Debug, Clone)]
pub struct Document<'t> {
    text: &'t str,
    first_line: usize,
    value: Value,
    repeats: Repeats,
    repeated: Vec<RepeatedKey>,
}

/// A key that an object had more than once without harm: the value that counts, the last, replaced `null` or its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedKey {
    /// The line of the later occurrence, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// Its JSON path.
    pub path: String,
}

impl<'t> Document<'t> {
    /// Reads one JSON value with nothing but white space around it, within [`Limits::FOREIGN`].
    ///
    /// # Errors
    /// Every kind but [`JsonErrorKind::Shape`].
    pub fn parse(bytes: &'t [u8]) -> Result<Self, JsonError> {
        Self::parse_within(bytes, Limits::FOREIGN)
    }

    /// [`Document::parse`] with other limits.
    ///
    /// # Errors
    /// Every kind but [`JsonErrorKind::Shape`].
    pub fn parse_within(bytes: &'t [u8], limits: Limits) -> Result<Self, JsonError> {
        Self::parse_from_line(bytes, limits, 1)
    }

    /// [`Document::parse_within`] for a part of a file that begins at line `first_line`, from 1.
    ///
    /// # Errors
    /// Every kind but [`JsonErrorKind::Shape`].
    pub fn parse_from_line(
        bytes: &'t [u8],
        limits: Limits,
        first_line: usize,
    ) -> Result<Self, JsonError> {
        Self::read(bytes, limits, first_line, Repeats::Refused)
    }

    /// [`Document::parse_within`] for files of other programs, whose writers may repeat a key: the last value counts if
    /// the one before it is `null` or the same, and [`Document::repeated_keys`] tells of it. Two values that differ are
    /// an error all the same.
    ///
    /// # Errors
    /// Every kind but [`JsonErrorKind::Shape`].
    pub fn parse_foreign(bytes: &'t [u8], limits: Limits) -> Result<Self, JsonError> {
        Self::read(bytes, limits, 1, Repeats::Harmless)
    }

    fn read(
        bytes: &'t [u8],
        limits: Limits,
        first_line: usize,
        repeats: Repeats,
    ) -> Result<Self, JsonError> {
        let read = || -> Result<_, Fault> {
            let text = check_bytes(bytes, limits)?;
            check_syntax(text)?;
            let (value, repeated) = Scan::new(text, limits.depth, repeats).document()?;
            Ok((text, value, repeated))
        };
        let (text, value, repeated) =
            read().map_err(|fault| fault.into_error(bytes, limits, first_line))?;
        Ok(Self {
            text,
            first_line,
            value,
            repeats,
            repeated: placed(text, first_line, repeated),
        })
    }

    /// The keys that were repeated without harm; only [`Document::parse_foreign`] lets any through.
    #[must_use]
    pub fn repeated_keys(&self) -> &[RepeatedKey] {
        &self.repeated
    }

    /// The value, ready to be walked with errors that name the place.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node::new(self, &self.value)
    }

    /// The value alone.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value, taken out.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The text as it was read.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Line and column of the value at the end of `steps`.
    pub(super) fn position(&self, steps: &[Step<'_>]) -> (usize, usize) {
        let offset = Scan::new(self.text, usize::MAX, self.repeats).offset_of(steps);
        let (line, column) = position(self.text, offset);
        (self.first_line + line - 1, column)
    }
}

/// Reads JSON Lines: one document for each line that is not blank, each with its line number.
///
/// `limits.bytes` bounds a line, not the whole. A broken line does not stop the next from being
/// read; the caller decides.
pub fn lines(
    bytes: &[u8],
    limits: Limits,
) -> impl Iterator<Item = Result<Document<'_>, JsonError>> {
    bytes
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(move |(line, number)| Document::parse_from_line(line, limits, number))
}

/// The repeated keys in the order of the text, each with its line; one walk for all of them.
fn placed(text: &str, first_line: usize, mut found: Vec<(usize, String)>) -> Vec<RepeatedKey> {
    found.sort_unstable_by_key(|(offset, _)| *offset);
    let (mut line, mut line_start, mut at) = (first_line, 0, 0);
    let place = |(offset, path): (usize, String)| {
        let passed = &text.as_bytes()[at..offset];
        line += passed.iter().filter(|byte| **byte == b'\n').count();
        if let Some(newline) = passed.iter().rposition(|byte| *byte == b'\n') {
            line_start = at + newline + 1;
        }
        at = offset;
        let column = 1 + text[line_start..offset].chars().count();
        RepeatedKey { line, column, path }
    };
    found.into_iter().map(place).collect()
}

impl Fault {
    fn into_error(self, bytes: &[u8], limits: Limits, first_line: usize) -> JsonError {
        // A text that is too large is not looked at, not even to name the place.
        let seen = if bytes.len() > limits.bytes {
            b""
        } else {
            bytes
        };
        let text = match std::str::from_utf8(seen) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&seen[..error.valid_up_to()])
                .expect("UTF-8 was valid up to there"),
        };
        let before = &text[..text.floor_char_boundary(self.offset)];
        let (line, column) = position(text, self.offset);
        let path = self.path;
        JsonError {
            kind: self.kind,
            line: first_line + line - 1,
            column,
            path: path.unwrap_or_else(|| {
                Scan::new(before, limits.depth, Repeats::Harmless).path_at_the_end()
            }),
            message: self.message,
        }
    }
}

fn check_bytes(bytes: &[u8], limits: Limits) -> Result<&str, Fault> {
    if bytes.len() > limits.bytes {
        let message = format!(
            "{} bytes are more than the limit of {}",
            bytes.len(),
            limits.bytes
        );
        return Err(Fault::new(JsonErrorKind::Limit, 0, message));
    }
    if bytes.starts_with(BOM) {
        let message = "the text starts with a byte order mark; save it as UTF-8 without one";
        return Err(Fault::new(JsonErrorKind::Encoding, 0, message));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let message = format!("byte 0x{:02x} is not UTF-8", bytes[offset]);
        Fault::new(JsonErrorKind::Encoding, offset, message)
    })
}

fn check_syntax(text: &str) -> Result<(), Fault> {
    // Ignoring a value checks all syntax but surrogate pairs, without recursion and without
    // building anything; nesting and surrogates are left to the scan.
    let mut judge = serde_json::Deserializer::from_str(text);
    let verdict = IgnoredAny::deserialize(&mut judge).and_then(|_| judge.end());
    let Err(error) = verdict else {
        return Ok(());
    };
    // A line break inside a text must be escaped, so a line that starts with a marker is always
    // a syntax error as well, and it is the one that helps.
    if let Some((offset, marker)) = conflict(text) {
        let message = format!("git conflict marker {marker}; finish the merge first");
        return Err(Fault::new(JsonErrorKind::Conflict, offset, message));
    }
    let (offset, message) = explain(text, &error);
    Err(Fault::new(JsonErrorKind::Syntax, offset, message))
}

/// Where a syntax error is, as a byte of `text`, and what it is in words that help.
fn explain(text: &str, error: &serde_json::Error) -> (usize, String) {
    if error.is_eof() {
        let message = if text.trim_ascii().is_empty() {
            "the text is empty"
        } else {
            "the text ends too early"
        };
        return (text.len(), message.to_owned());
    }
    let offset = offset_of_line(text, error.line(), error.column());
    let offset = text.floor_char_boundary(offset);
    let (before, rest) = text.split_at(offset);
    if let Some(word) = NOT_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
        return (offset, format!("{word} is not a JSON number"));
    }
    if before.trim_ascii_end().ends_with(',') && rest.starts_with([']', '}']) {
        return (offset, "trailing comma".to_owned());
    }
    let words = error.to_string();
    let end = words.rfind(" at line ").unwrap_or(words.len());
    match &words[..end] {
        // The parser names the character before it.
        words if words.starts_with("control character") => (
            offset + rest.find(|c: char| c < ' ').unwrap_or(0),
            "control character inside a text; write it as an escape".to_owned(),
        ),
        "expected ident" => (offset, "expected true, false or null".to_owned()),
        words => (offset, words.to_owned()),
    }
}

fn conflict(text: &str) -> Option<(usize, &'static str)> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let found = CONFLICT_MARKERS
            .iter()
            .find(|marker| line.starts_with(**marker));
        if let Some(marker) = found {
            return Some((offset, marker));
        }
        offset += line.len();
    }
    None
}

/// The byte at `line` (from 1) and `column` (in bytes, from 1; 0 is the line break before).
fn offset_of_line(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = before.map(str::len).sum();
    (start + column).saturating_sub(1).min(text.len())
}
