//! JSON that is written while it is made: for answers, which are read by others and never looked into here.

use super::read::{Document, Limits};
use super::value::{Number, Value};
use super::write::{push_compact, push_digits, push_number, push_quoted};
use crate::time::{Rfc3339, push_rfc3339_clamped};

/// The room that an object gets with its first key, in bytes: most tasks are shorter.
const ROOM: usize = 1_000;

/// Longer answers are not checked, not even where the rest is: they are many of the same shape.
const CHECKED: usize = 1024 * 1024;

/// What has a place in a text of JSON.
pub trait ToJson {
    /// Appends the compact text, as [`to_text`](super::to_text) writes it.
    fn push_to(self, out: &mut String);
}

/// A value that is written already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(String);

impl Written {
    /// A value's text.
    #[must_use]
    pub fn of(value: impl ToJson) -> Self {
        let mut text = String::new();
        value.push_to(&mut text);
        Self(text)
    }

    /// The compact text, without a line break at the end.
    #[must_use]
    pub fn into_text(self) -> String {
        debug_assert!(
            self.0.len() > CHECKED
                || Document::parse_within(self.0.as_bytes(), Limits::OWN).is_ok(),
            "an answer is JSON, and has each key once: {}",
            self.0
        );
        self.0
    }
}

/// An object that is being written. Nothing is looked up, so a key must come only once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenObject {
    /// All but the closing brace; empty before the first key.
    text: String,
}

impl WrittenObject {
    /// An object without keys.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: String::new(),
        }
    }

    /// This object with `key`, which it did not have, at its end.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToJson) -> Self {
        self.push_key(key);
        value.push_to(&mut self.text);
        self
    }

    /// [`WrittenObject::with`] an array; none of its items is made before the one ahead of it is written.
    #[must_use]
    pub fn with_list<T: ToJson>(mut self, key: &str, items: impl IntoIterator<Item = T>) -> Self {
        self.push_key(key);
        push_list(&mut self.text, items);
        self
    }

    fn push_key(&mut self, key: &str) {
        if self.text.is_empty() {
            self.text.reserve(ROOM);
            self.text.push('{');
        } else {
            self.text.push(',');
        }
        push_quoted(&mut self.text, key);
        self.text.push(':');
    }
}

impl From<WrittenObject> for Written {
    fn from(object: WrittenObject) -> Self {
        let WrittenObject { mut text } = object;
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        Self(text)
    }
}

/// The keys must differ.
impl<'k, T: ToJson> FromIterator<(&'k str, T)> for WrittenObject {
    fn from_iter<I: IntoIterator<Item = (&'k str, T)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        entries.fold(Self::new(), |object, (key, value)| object.with(key, value))
    }
}

/// An array.
impl<T: ToJson> FromIterator<T> for Written {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut text = String::new();
        push_list(&mut text, items);
        Self(text)
    }
}

fn push_list<T: ToJson>(out: &mut String, items: impl IntoIterator<Item = T>) {
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item.push_to(out);
    }
    out.push(']');
}

/// Nothing is `null`.
impl<T: ToJson> ToJson for Option<T> {
    fn push_to(self, out: &mut String) {
        match self {
            Some(value) => value.push_to(out),
            None => out.push_str("null"),
        }
    }
}

macro_rules! to_json {
    ($($from:ty => |$it:ident, $out:ident| $push:expr;)*) => {$(
        impl ToJson for $from {
            fn push_to(self, $out: &mut String) {
                let $it = self;
                $push;
            }
        }
    )*};
}

to_json! {
    bool => |it, out| out.push_str(if it { "true" } else { "false" });
    &str => |it, out| push_quoted(out, it);
    String => |it, out| push_quoted(out, &it);
    u8 => |it, out| push_digits(out, it.into());
    u32 => |it, out| push_digits(out, it.into());
    u64 => |it, out| push_digits(out, it);
    usize => |it, out| push_digits(out, it as u64);
    i32 => |it, out| push_number(out, it.into());
    i64 => |it, out| push_number(out, it);
    Number => |it, out| out.push_str(it.as_str());
    &Value => |it, out| push_compact(out, it);
    Written => |it, out| out.push_str(&it.0);
    WrittenObject => |it, out| out.push_str(&Written::from(it).0);
    // Digits and signs need no escape.
    Rfc3339 => |it, out| {
        out.push('"');
        push_rfc3339_clamped(out, it.0);
        out.push('"');
    };
}
