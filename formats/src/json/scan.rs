//! The walk over a text that takes its values, finds duplicate keys and knows where it is.

use std::borrow::Cow;

use super::error::{JsonErrorKind, Step, path_text, shown};
use super::value::{Number, Object, Value};

/// A fault found while reading, at a byte of the text.
pub(super) struct Fault {
    pub(super) kind: JsonErrorKind,
    pub(super) offset: usize,
    pub(super) message: String,
    /// The path, where the one that found the fault knew it.
    pub(super) path: Option<String>,
}

impl Fault {
    pub(super) fn new(kind: JsonErrorKind, offset: usize, message: impl Into<String>) -> Self {
        Self {
            kind,
            offset,
            message: message.into(),
            path: None,
        }
    }
}

/// One walk over a text. It never panics and never reads past the end, but it only tells right
/// from wrong on a text whose syntax was accepted; on any other it stops somewhere.
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// Where the walk is; at a fault, where it stopped.
    steps: Vec<Step<'t>>,
    max_depth: usize,
    /// A place to look for, and the byte at which it was last seen.
    target: Option<Vec<Step<'t>>>,
    seen_at: Option<usize>,
    repeats: Repeats,
    /// The keys that were given more than once and let through, each with its path.
    repeated: Vec<(usize, String)>,
}

/// What becomes of a key that an object has more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// It is an error.
    Refused,
    /// The last value counts, if the one before it was `null` or the same.
    Harmless,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str, max_depth: usize, repeats: Repeats) -> Self {
        Self {
            text,
            at: 0,
            steps: Vec::new(),
            max_depth,
            target: None,
            seen_at: None,
            repeats,
            repeated: Vec::new(),
        }
    }

    /// The value of the whole text, and the byte and path of each key that was repeated without harm.
    pub(super) fn document(mut self) -> Result<(Value, Vec<(usize, String)>), Fault> {
        match self.value() {
            Ok(value) => Ok((value, self.repeated)),
            Err(mut fault) => {
                fault.path = Some(path_text(&self.steps));
                Err(fault)
            }
        }
    }

    /// The path of the value in which the text ends.
    pub(super) fn path_at_the_end(mut self) -> String {
        match self.value() {
            // The value is whole: what follows it belongs to the document.
            Ok(_) => path_text(&[]),
            Err(_) => path_text(&self.steps),
        }
    }

    /// The byte at which the value at the end of `steps` begins; the text was accepted before. Of a key that is
    /// repeated it is the last value, the one that counts.
    pub(super) fn offset_of(mut self, steps: &[Step<'t>]) -> usize {
        self.target = Some(steps.to_vec());
        match self.value() {
            Ok(_) => self.seen_at.unwrap_or(0),
            Err(fault) => fault.offset,
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        self.skip_space();
        if self.target.as_ref() == Some(&self.steps) {
            if self.repeats == Repeats::Refused {
                return Err(self.stop());
            }
            self.seen_at = Some(self.at);
        }
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Ok(Value::Text(self.string()?.into_owned())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.stop()),
        }
    }

    fn object(&mut self) -> Result<Value, Fault> {
        self.open()?;
        let mut object = Object::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_space();
            let start = self.at;
            let key = self.string()?;
            self.steps.push(Step::Key(key.clone()));
            let duplicate = || {
                let message = format!("duplicate key {}", shown(&key));
                Fault::new(JsonErrorKind::Duplicate, start, message)
            };
            let known = object.contains_key(&key);
            if known && self.repeats == Repeats::Refused {
                return Err(duplicate());
            }
            self.skip_space();
            self.expect(b':')?;
            let value = self.value()?;
            if known {
                let differs = |earlier: &Value| !earlier.is_null() && *earlier != value;
                if object.get(&key).is_some_and(differs) {
                    return Err(duplicate());
                }
                self.repeated.push((start, path_text(&self.steps)));
                object.insert(key, value);
            } else {
                object.append(key.into_owned(), value);
            }
            self.skip_space();
            if !self.eat(b',') {
                self.steps.pop();
                self.expect(b'}')?;
                return Ok(Value::Object(object));
            }
            self.steps.pop();
        }
    }

    fn array(&mut self) -> Result<Value, Fault> {
        self.open()?;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.steps.push(Step::Index(items.len()));
            items.push(self.value()?);
            self.steps.pop();
            self.skip_space();
            if !self.eat(b',') {
                self.expect(b']')?;
                return Ok(Value::Array(items));
            }
        }
    }

    /// Steps into an array or object, if it is not too deep.
    fn open(&mut self) -> Result<(), Fault> {
        if self.steps.len() >= self.max_depth {
            let message = format!("nested deeper than {} levels", self.max_depth);
            return Err(Fault::new(JsonErrorKind::Limit, self.at, message));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        let start = self.at;
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            match self.peek() {
                None => return Err(self.stop()),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start + 1..self.at - 1]));
        }
        match serde_json::from_str(&self.text[start..self.at]) {
            Ok(text) => Ok(Cow::Owned(text)),
            // The syntax was accepted, so an escape is one half of a pair.
            Err(error) => Err(Fault::new(
                JsonErrorKind::Encoding,
                start + error.column().saturating_sub(1),
                "half of a surrogate pair in a \\u escape",
            )),
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        // Inside something, a number at the end of the text is one that was cut off.
        if self.peek().is_none() && !self.steps.is_empty() {
            return Err(self.stop());
        }
        let number = Number::checked(&self.text[start..self.at]);
        Ok(Value::Number(number))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.stop())
        }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.stop())
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The walk ends here: at its target, or because the text is not JSON.
    fn stop(&self) -> Fault {
        Fault::new(JsonErrorKind::Syntax, self.at, "unexpected character")
    }
}
