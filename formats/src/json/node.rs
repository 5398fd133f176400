//! Reading shapes: a value in its document, with errors that name the place.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::error::{JsonError, JsonErrorKind, Step, path_text, shown};
use super::read::Document;
use super::value::{Number, Object, Value};
use super::write::to_text;

/// A value and the document it stands in.
///
/// It is two pointers and costs nothing to carry: the place is worked out when an error asks for
/// it, by one walk over the document. So report the first faults of a large file, not all of them.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    document: &'a Document<'a>,
    value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn new(document: &'a Document<'a>, value: &'a Value) -> Self {
        Self { document, value }
    }

    /// The value itself.
    #[must_use]
    pub fn value(self) -> &'a Value {
        self.value
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.value.is_null()
    }

    /// The keys and values.
    ///
    /// # Errors
    /// [`JsonErrorKind::Shape`] if it is no object; so for the methods below.
    pub fn object(self) -> Result<ObjectNode<'a>, JsonError> {
        match self.value {
            Value::Object(object) => Ok(ObjectNode { node: self, object }),
            _ => Err(self.expected("an object")),
        }
    }

    /// The items of an array, in order.
    ///
    /// # Errors
    /// If it is no array.
    pub fn array(self) -> Result<impl ExactSizeIterator<Item = Node<'a>>, JsonError> {
        match self.value {
            Value::Array(items) => Ok(items.iter().map(move |item| Node::new(self.document, item))),
            _ => Err(self.expected("an array")),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// If it is no text.
    pub fn str(self) -> Result<&'a str, JsonError> {
        self.value.as_str().ok_or_else(|| self.expected("text"))
    }

    /// The text, made into something by `parse`, whose error becomes one of this place.
    ///
    /// # Errors
    /// If it is no text, or `parse` refuses it.
    pub fn parsed<T, E: Display>(
        self,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, JsonError> {
        parse(self.str()?).map_err(|error| self.shape(error.to_string()))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn bool(self) -> Result<bool, JsonError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.expected("true or false"))
    }

    /// The number, as spelled.
    ///
    /// # Errors
    /// If it is no number.
    pub fn number(self) -> Result<&'a Number, JsonError> {
        self.value
            .as_number()
            .ok_or_else(|| self.expected("a number"))
    }

    /// A whole number (not `1.0`) within `range`.
    ///
    /// # Errors
    /// If it is no number, not whole, or outside.
    pub fn u32_in(self, range: RangeInclusive<u32>) -> Result<u32, JsonError> {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        let number = self.u64_in(wide)?;
        Ok(u32::try_from(number).expect("the range ends within u32"))
    }

    /// A whole number (not `1.0`) within `range`.
    ///
    /// # Errors
    /// If it is no number, not whole, or outside.
    pub fn u64_in(self, range: RangeInclusive<u64>) -> Result<u64, JsonError> {
        let found = self.number()?.as_u64();
        found
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.expected_whole(range.start(), range.end()))
    }

    /// A whole number (not `1.0`) within `range`.
    ///
    /// # Errors
    /// If it is no number, not whole, or outside.
    pub fn i64_in(self, range: RangeInclusive<i64>) -> Result<i64, JsonError> {
        let found = self.number()?.as_i64();
        found
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.expected_whole(range.start(), range.end()))
    }

    /// An error of this place. `message` is a lower-case fragment; other people's text in it is
    /// the caller's to quote (see [`super::quoted`]).
    #[must_use]
    pub fn shape(self, message: impl Into<String>) -> JsonError {
        let steps = self.steps();
        let (line, column) = self.document.position(&steps);
        JsonError {
            kind: JsonErrorKind::Shape,
            line,
            column,
            path: path_text(&steps),
            message: message.into(),
        }
    }

    /// The JSON path of this value, such as `$.features[3].id`. Costs a walk over the document.
    #[must_use]
    pub fn path(self) -> String {
        path_text(&self.steps())
    }

    /// Line and column of this value, from 1. Costs a walk over the document.
    #[must_use]
    pub fn position(self) -> (usize, usize) {
        self.document.position(&self.steps())
    }

    fn expected(self, what: &str) -> JsonError {
        self.shape(format!("expected {what}, found {}", self.value.kind()))
    }

    fn expected_whole(self, low: &dyn Display, high: &dyn Display) -> JsonError {
        let found = match self.value {
            Value::Number(number) if number.as_str().len() <= 32 => number.as_str(),
            _ => "another number",
        };
        self.shape(format!(
            "expected a whole number from {low} to {high}, found {found}"
        ))
    }

    fn steps(self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        // A node is only ever made from a value of its document.
        find(self.document.value(), self.value, &mut steps);
        steps
    }
}

/// An object in its document.
#[derive(Debug, Clone, Copy)]
pub struct ObjectNode<'a> {
    node: Node<'a>,
    object: &'a Object,
}

impl<'a> ObjectNode<'a> {
    /// The object as a node, for errors about the whole of it.
    #[must_use]
    pub fn node(self) -> Node<'a> {
        self.node
    }

    /// The object itself.
    #[must_use]
    pub fn value(self) -> &'a Object {
        self.object
    }

    /// The value of `key`, `null` included; none if the key is absent.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        let value = self.object.get(key)?;
        Some(Node::new(self.node.document, value))
    }

    /// The value of `key`; none if the key is absent or `null`.
    #[must_use]
    pub fn opt(self, key: &str) -> Option<Node<'a>> {
        self.get(key).filter(|node| !node.is_null())
    }

    /// The value of `key`, `null` included.
    ///
    /// # Errors
    /// [`JsonErrorKind::Shape`] at the object if the key is absent.
    pub fn required(self, key: &str) -> Result<Node<'a>, JsonError> {
        self.get(key)
            .ok_or_else(|| self.node.shape(format!("missing key {}", shown(key))))
    }

    /// Keys and values in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, Node<'a>)> {
        let document = self.node.document;
        self.object
            .iter()
            .map(move |(key, value)| (key, Node::new(document, value)))
    }

    /// What stands under keys other than `known`, in order, as it was.
    #[must_use]
    pub fn unknown(self, known: &[&str]) -> Object {
        let unknown = self.object.iter().filter(|(key, _)| !known.contains(key));
        unknown.map(|(key, value)| (key, value.clone())).collect()
    }

    /// [`ObjectNode::unknown`] as the compact text of an object; none if there is nothing.
    #[must_use]
    pub fn unknown_text(self, known: &[&str]) -> Option<String> {
        let unknown = self.unknown(known);
        (!unknown.is_empty()).then(|| to_text(&Value::Object(unknown)))
    }
}

/// Finds the very value `wanted` under `from`, by where it lies in memory; leaves its path in
/// `steps`.
fn find<'a>(from: &'a Value, wanted: &Value, steps: &mut Vec<Step<'a>>) -> bool {
    if std::ptr::eq(from, wanted) {
        return true;
    }
    let mut enter = |step, value| {
        steps.push(step);
        let found = find(value, wanted, steps);
        if !found {
            steps.pop();
        }
        found
    };
    match from {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .any(|(at, item)| enter(Step::Index(at), item)),
        Value::Object(object) => object
            .iter()
            .any(|(key, value)| enter(Step::Key(Cow::Borrowed(key)), value)),
        _ => false,
    }
}
