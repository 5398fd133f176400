//! Single fields: from a domain type to a value under a key, and back.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use tasq_domain::{AnyId, JsonObject, Timestamp};

use crate::json::{
    Document, JsonError, Layout, Limits, Node, Number, Object, ObjectNode, Value, push_line,
    push_number, push_quoted, push_value, to_text,
};
use crate::time;

/// Root, sections, items, and the keys of what is inside an item.
pub(super) const LAYOUT: Layout = Layout::Levels(4);
/// How deep an item lies.
pub(super) const ITEM_DEPTH: usize = 2;
/// A key of which there are many, with what stands before its value in an item. See [`key!`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// From the comma after the one before on.
    pub(super) line: &'static str,
}

/// A [`Key`] by its name.
macro_rules! key {
    ($name:literal) => {
        $crate::snapshot::fields::Key {
            name: $name,
            line: concat!(",\n      \"", $name, "\": "),
        }
    };
}
pub(super) use key;

/// What comes before a key of an item that is not its first, up to the key.
const NEXT_KEY: &str = ",\n      \"";

const NANOS_DIGITS: usize = 9;
/// The empty object, which is left out.
const NOTHING: &str = "{}";

/// The JSON of an item cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {key} of {item} cannot be written as JSON")]
pub struct FieldError {
    /// The item.
    pub item: AnyId,
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub source: JsonError,
}

/// The two keys of free JSON: its value, and its text if that is not how we spell the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json {
    value: &'static str,
    text: &'static str,
}

impl Json {
    pub(super) const METADATA: Self = Self {
        value: "metadata",
        text: "metadata_text",
    };
    pub(super) const DATA: Self = Self {
        value: "data",
        text: "data_text",
    };
    pub(super) const RESULT: Self = Self {
        value: "result",
        text: "result_text",
    };
}

/// A value that is being written. What there is of most is not copied before it is written.
#[derive(Debug)]
pub(super) enum Field<'a> {
    Text(&'a str),
    Number(i64),
    Time(Timestamp),
    Value(Value),
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Field<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

macro_rules! field_from {
    ($($number:ty),*; $($value:ty),*) => {
        $(impl From<$number> for Field<'_> {
            fn from(number: $number) -> Self {
                Self::Number(i64::from(number))
            }
        })*
        $(impl From<$value> for Field<'_> {
            fn from(value: $value) -> Self {
                Self::Value(value.into())
            }
        })*
    };
}

field_from!(u8, u32, i32, i64; u64, bool, String, Number, Object, Value);

impl Field<'_> {
    fn push(&self, out: &mut String, layout: Layout, depth: usize) {
        match self {
            Self::Text(text) => push_quoted(out, text),
            Self::Number(number) => push_number(out, *number),
            // Digits and signs need no escape.
            Self::Time(at) => {
                out.push('"');
                time::push_rfc3339_clamped(out, at.micros());
                out.push('"');
            }
            Self::Value(value) => push_value(out, value, layout, depth),
        }
    }
}

impl From<Field<'_>> for Value {
    fn from(field: Field<'_>) -> Self {
        match field {
            Field::Text(text) => text.into(),
            Field::Number(number) => number.into(),
            Field::Time(at) => time_text(at).into(),
            Field::Value(value) => value,
        }
    }
}

/// An object that is being written: into values, or into lines of a text.
#[derive(Debug, Default)]
pub(super) struct Writer<'a> {
    members: Vec<(&'static str, Field<'a>)>,
    lines: Option<Lines>,
}

/// A text that objects are written into, a line for each key, as `to_pretty` writes what [`Writer::done`] gives.
#[derive(Debug)]
struct Lines {
    out: String,
    is_first: bool,
    /// The time that was written last, and where: most items are as they were made, at one time.
    time: Option<(Timestamp, Range<usize>)>,
}

impl Lines {
    fn put_key(&mut self, key: Key, field: &Field<'_>) {
        let line = if self.is_first {
            &key.line[1..]
        } else {
            key.line
        };
        self.is_first = false;
        self.out.push_str(line);
        match (field, &self.time) {
            (Field::Time(at), Some((last, place))) if at == last => {
                self.out.extend_from_within(place.clone());
            }
            (Field::Time(at), _) => {
                let start = self.out.len();
                field.push(&mut self.out, LAYOUT, ITEM_DEPTH + 1);
                self.time = Some((*at, start..self.out.len()));
            }
            _ => field.push(&mut self.out, LAYOUT, ITEM_DEPTH + 1),
        }
    }

    fn put(&mut self, key: &str, field: &Field<'_>) {
        // A key of ours needs no escape.
        let next = if self.is_first {
            &NEXT_KEY[1..]
        } else {
            NEXT_KEY
        };
        self.is_first = false;
        self.out.push_str(next);
        self.out.push_str(key);
        self.out.push_str("\": ");
        field.push(&mut self.out, LAYOUT, ITEM_DEPTH + 1);
    }
}

impl<'a> Writer<'a> {
    /// One whose objects are items and go into a text.
    pub(super) const fn into_lines() -> Self {
        Self {
            members: Vec::new(),
            lines: Some(Lines {
                out: String::new(),
                is_first: true,
                time: None,
            }),
        }
    }

    /// Writes an item at the end of `out`, if this writer goes [into lines](Self::into_lines).
    pub(super) fn object_into<E>(
        &mut self,
        out: &mut String,
        write: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        out.push('{');
        let start = out.len();
        self.swap(out);
        let written = write(self);
        self.swap(out);
        if out.len() > start {
            push_line(out, 0, ITEM_DEPTH);
        }
        out.push('}');
        written
    }

    fn swap(&mut self, out: &mut String) {
        if let Some(lines) = &mut self.lines {
            std::mem::swap(&mut lines.out, out);
            lines.is_first = true;
            lines.time = None;
        }
    }

    /// Sets a key, which must be set only once.
    pub(super) fn put(&mut self, key: &'static str, value: impl Into<Field<'a>>) {
        match &mut self.lines {
            Some(lines) => lines.put(key, &value.into()),
            None => self.members.push((key, value.into())),
        }
    }

    /// [`Self::put`] for a key of which there are many.
    pub(super) fn put_key(&mut self, key: Key, value: impl Into<Field<'a>>) {
        match &mut self.lines {
            Some(lines) => lines.put_key(key, &value.into()),
            None => self.members.push((key.name, value.into())),
        }
    }

    /// Leaves `None` out.
    pub(super) fn opt(&mut self, key: &'static str, value: Option<impl Into<Field<'a>>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Leaves 0 out.
    pub(super) fn count(&mut self, key: &'static str, count: u32) {
        self.opt(key, (count > 0).then_some(count));
    }

    /// Leaves the empty object out. What `item` says is asked for if it cannot be written.
    pub(super) fn json(
        &mut self,
        key: Json,
        json: &'a JsonObject,
        item: impl FnOnce() -> AnyId,
    ) -> Result<(), FieldError> {
        if json.as_str() == NOTHING {
            return Ok(());
        }
        self.opt_json(key, Some(json), item)
    }

    /// Leaves `None` out, and nothing else.
    pub(super) fn opt_json(
        &mut self,
        key: Json,
        json: Option<&'a JsonObject>,
        item: impl FnOnce() -> AnyId,
    ) -> Result<(), FieldError> {
        let Some(json) = json else { return Ok(()) };
        let value = Document::parse_within(json.as_str().as_bytes(), Limits::FOREIGN)
            .map_err(|source| FieldError {
                item: item(),
                key: key.value,
                source,
            })?
            .into_value();
        let as_spelled = (to_text(&value) != json.as_str()).then(|| json.as_str());
        self.put(key.value, value);
        self.opt(key.text, as_spelled);
        Ok(())
    }

    /// The object that was written; nothing if it went into lines.
    pub(super) fn done(self) -> Object {
        self.members.into_iter().collect()
    }
}

pub(super) fn time_text(at: Timestamp) -> String {
    time::to_rfc3339_clamped(at.micros())
}

/// Seconds as an exact decimal number.
pub(super) fn secs(span: Duration) -> Number {
    let (whole, nanos) = (span.as_secs(), span.subsec_nanos());
    let text = format!("{whole}.{nanos:09}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Number::parse(text).expect("digits with at most one point are a number")
}

/// An object that is being read. It remembers which keys were asked for: the others are unknown.
pub(super) struct Reader<'a> {
    object: ObjectNode<'a>,
    asked: Vec<&'static str>,
    /// The unknown keys of objects inside this one, under their known keys.
    inside: Object,
}

impl<'a> Reader<'a> {
    pub(super) fn new(node: Node<'a>) -> Result<Self, JsonError> {
        Ok(Self {
            object: node.object()?,
            asked: Vec::new(),
            inside: Object::new(),
        })
    }

    /// The value; `None` if the key is absent or `null`.
    pub(super) fn opt(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.asked.push(key);
        self.object.opt(key)
    }

    pub(super) fn required(&mut self, key: &'static str) -> Result<Node<'a>, JsonError> {
        self.asked.push(key);
        self.object.required(key)
    }

    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, JsonError> {
        self.required(key)?.parsed(parse)
    }

    pub(super) fn opt_parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, JsonError> {
        self.opt(key).map(|node| node.parsed(parse)).transpose()
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<String, JsonError> {
        Ok(self.required(key)?.str()?.to_owned())
    }

    pub(super) fn opt_text(&mut self, key: &'static str) -> Result<Option<String>, JsonError> {
        self.opt(key)
            .map(|node| node.str().map(str::to_owned))
            .transpose()
    }

    pub(super) fn time(&mut self, key: &'static str) -> Result<Timestamp, JsonError> {
        time_of(self.required(key)?)
    }

    pub(super) fn opt_time(&mut self, key: &'static str) -> Result<Option<Timestamp>, JsonError> {
        self.opt(key).map(time_of).transpose()
    }

    pub(super) fn secs(&mut self, key: &'static str) -> Result<Duration, JsonError> {
        secs_of(self.required(key)?)
    }

    pub(super) fn opt_secs(&mut self, key: &'static str) -> Result<Option<Duration>, JsonError> {
        self.opt(key).map(secs_of).transpose()
    }

    /// `false` if absent.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, JsonError> {
        self.opt(key).map_or(Ok(false), Node::bool)
    }

    /// 0 if absent.
    pub(super) fn count(&mut self, key: &'static str) -> Result<u32, JsonError> {
        self.opt(key)
            .map_or(Ok(0), |node| node.u32_in(0..=u32::MAX))
    }

    pub(super) fn opt_i32(&mut self, key: &'static str) -> Result<Option<i32>, JsonError> {
        let range: RangeInclusive<i64> = i32::MIN.into()..=i32::MAX.into();
        let number = self.opt(key).map(|node| node.i64_in(range)).transpose()?;
        Ok(number.map(|number| i32::try_from(number).expect("the range is that of i32")))
    }

    /// The empty object if absent.
    pub(super) fn json(&mut self, key: Json) -> Result<JsonObject, JsonError> {
        Ok(self.opt_json(key)?.unwrap_or_default())
    }

    pub(super) fn opt_json(&mut self, key: Json) -> Result<Option<JsonObject>, JsonError> {
        let text = self.opt(key.text).map(Node::str).transpose()?;
        let Some(node) = self.opt(key.value) else {
            return Ok(None);
        };
        node.object()?;
        // Whoever edits the value does not edit its text.
        let as_spelled = text.filter(|text| {
            Document::parse_within(text.as_bytes(), Limits::FOREIGN)
                .is_ok_and(|document| document.value() == node.value())
        });
        let text = as_spelled.map_or_else(|| to_text(node.value()), str::to_owned);
        let json = JsonObject::new(text).map_err(|error| node.shape(error.to_string()))?;
        Ok(Some(json))
    }

    /// What `read` makes of an object inside this one.
    pub(super) fn object<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, JsonError>,
    ) -> Result<Option<T>, JsonError> {
        let Some(node) = self.opt(key) else {
            return Ok(None);
        };
        let mut reader = Reader::new(node)?;
        let value = read(&mut reader)?;
        let unknown = reader.unknown();
        if !unknown.is_empty() {
            self.inside.insert(key, unknown);
        }
        Ok(Some(value))
    }

    /// The keys that nobody asked for, here and inside.
    pub(super) fn unknown(self) -> Object {
        let mut unknown = self.inside;
        for (key, value) in self.object.unknown(&self.asked) {
            unknown.insert(key, value);
        }
        unknown
    }
}

/// Known keys of an object whose values are objects, and the same of those. Among the unknown keys of an object they stand
/// for what is unknown inside, and are not unknown themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside(pub(super) &'static [(&'static str, Inside)]);

impl Inside {
    /// An object without objects.
    pub(super) const NOTHING: Self = Self(&[]);
    /// A claim.
    pub(super) const CLAIM: Self = Self(&[(CANCEL, Self::NOTHING), (PROCESS, Self::NOTHING)]);

    fn get(self, key: &str) -> Option<Self> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found.map(|&(_, inside)| inside)
    }
}

/// Writes unknown keys back: at the end, and inside of objects that are still there.
pub(super) fn write_back(object: Object, extra: &Object, known: Inside) -> Object {
    let mut written: Object = Object::new();
    for (key, value) in object {
        let value = match (value, extra.get(&key), known.get(&key)) {
            (Value::Object(inner), Some(Value::Object(more)), Some(inside)) => {
                Value::Object(write_back(inner, more, inside))
            }
            (value, _, _) => value,
        };
        written.insert(key, value);
    }
    for (key, value) in extra.iter() {
        if !written.contains_key(key) && known.get(key).is_none() {
            written.insert(key, value.clone());
        }
    }
    written
}

/// The objects inside an item.
pub(super) const HOLD: &str = "hold";
pub(super) const SOURCE: &str = "source";
pub(super) const CLAIM: &str = "claim";
pub(super) const LAST: &str = "last";

/// The questions inside a task.
pub(super) const QUESTIONS: &str = "questions";

/// The objects inside an object inside an item: those of a claim.
pub(super) const CANCEL: &str = "cancel";
pub(super) const PROCESS: &str = "process";

/// Seconds spelled as a decimal number of JSON.
pub(super) fn span_of(spelled: &str) -> Option<Duration> {
    let (whole, fraction) = spelled.split_once('.').unwrap_or((spelled, ""));
    if fraction.len() > NANOS_DIGITS {
        return None;
    }
    let nanos = format!("{fraction:0<NANOS_DIGITS$}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

fn time_of(node: Node<'_>) -> Result<Timestamp, JsonError> {
    let parsed = node.parsed(time::parse)?;
    Ok(Timestamp::from_micros(parsed.micros))
}

fn secs_of(node: Node<'_>) -> Result<Duration, JsonError> {
    let spelled = node.number()?.as_str();
    span_of(spelled).ok_or_else(|| {
        node.shape(format!(
            "expected seconds such as 90 or 0.5, found {spelled}"
        ))
    })
}
