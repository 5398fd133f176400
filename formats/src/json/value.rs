//! The values of JSON, with keys in order and numbers as they are spelled.

use std::collections::HashMap;

/// Up to this many keys an object is searched by walking it; above, by an index.
const WALKED_KEYS: usize = 16;

/// A JSON value. Two are equal when they print the same: order of keys and spelling of numbers
/// count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as spelled.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    Array(Vec<Value>),
    /// Keys with values.
    Object(Object),
}

impl Value {
    /// What sort of value this is, in words: `null`, `bool`, `number`, `text`, `array`, `object`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

/// A number in JSON's spelling, kept to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// The number spelled `text`, or none if that is not how JSON spells a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let starts_well = text
            .bytes()
            .next()
            .is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
        let ends_well = text
            .bytes()
            .last()
            .is_some_and(|byte| byte.is_ascii_digit());
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        (starts_well && ends_well && is_json).then(|| Self(text.into()))
    }

    /// The number as it is spelled in a text whose syntax was checked.
    pub(super) fn checked(text: &str) -> Self {
        Self(text.into())
    }

    /// The spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole number, if it is spelled as one (not `1.0`, not `1e3`) and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The whole number, if it is spelled as one (not `1.0`, not `1e3`) and fits; `-0` does not.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

/// Keys with values, each key once, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Object {
    entries: Vec<(String, Value)>,
    /// Where each key is; none while the object is small enough to be walked.
    #[expect(
        clippy::box_collection,
        reason = "most objects have none and are kept small"
    )]
    index: Option<Box<HashMap<String, usize>>>,
}

impl Object {
    /// An object without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This object with `key` set, for building one in a row.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.insert(key, value);
        self
    }

    /// Sets `key`: in its old place if it was there, else at the end. Returns the old value.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut self.entries[at].1, value));
        }
        self.append(key, value);
        None
    }

    /// Sets a `key` that is known not to be there, at the end.
    pub(super) fn append(&mut self, key: String, value: Value) {
        debug_assert!(!self.contains_key(&key), "a key twice");
        if let Some(index) = &mut self.index {
            index.insert(key.clone(), self.entries.len());
        }
        self.entries.push((key, value));
        if self.index.is_none() && self.entries.len() > WALKED_KEYS {
            self.rebuild_index();
        }
    }

    /// Takes `key` out; the others keep their order. Costs a walk over the object.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.position(key)?;
        let (_, value) = self.entries.remove(at);
        self.index = None;
        if self.entries.len() > WALKED_KEYS {
            self.rebuild_index();
        }
        Some(value)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    /// Whether `key` is there.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|(name, _)| name == key),
            Some(index) => index.get(key).copied(),
        }
    }

    fn rebuild_index(&mut self) {
        let keys = self.entries.iter().enumerate();
        let index = keys.map(|(at, (key, _))| (key.clone(), at)).collect();
        self.index = Some(Box::new(index));
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Object {}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut object = Self::new();
        for (key, value) in entries {
            object.insert(key, value);
        }
        object
    }
}

macro_rules! value_from {
    ($($from:ty => |$it:ident| $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self {
                $value
            }
        }
    )*};
}

value_from! {
    bool => |it| Self::Bool(it);
    &str => |it| Self::Text(it.to_owned());
    String => |it| Self::Text(it);
    Number => |it| Self::Number(it);
    Object => |it| Self::Object(it);
    Vec<Value> => |it| Self::Array(it);
    u8 => |it| Self::Number(Number::from(it));
    u32 => |it| Self::Number(Number::from(it));
    u64 => |it| Self::Number(Number::from(it));
    usize => |it| Self::Number(Number::from(it));
    i32 => |it| Self::Number(Number::from(it));
    i64 => |it| Self::Number(Number::from(it));
}

/// Nothing is `null`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

macro_rules! number_from {
    ($($from:ty),*) => {$(
        impl From<$from> for Number {
            fn from(number: $from) -> Self {
                Self(number.to_string().into())
            }
        }
    )*};
}

number_from!(u8, u32, u64, usize, i32, i64);
