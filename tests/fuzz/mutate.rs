//! Changes to a file: of bytes, of tokens, and of the values of a JSON document.

use serde_json::{Map, Value, json};

use crate::contract::random::numbers::Numbers;

/// Texts that readers care about.
const TOKENS: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    "4294967296",
    "9223372036854775808",
    "0.1",
    "\\u0000",
    "\\ud800",
    "\u{FEFF}",
    "\u{202E}",
    "\n",
    "\r\n",
    "<<<<<<< HEAD\n",
    "=======\n",
    "\"id\"",
    "\"tasks\"",
    "\"status\":\"in_progress\"",
    "\"1970-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "//",
];

/// Changes files of a corpus.
pub(super) struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    /// Those that are whole JSON documents of some size.
    real: Vec<&'a Vec<u8>>,
}

impl<'a> Mutator<'a> {
    pub(super) fn new(corpus: &'a [Vec<u8>]) -> Self {
        let is_real = |file: &&Vec<u8>| {
            file.len() > 200 && serde_json::from_slice::<Map<String, Value>>(file).is_ok()
        };
        let real = corpus.iter().filter(is_real).collect();
        Self { corpus, real }
    }

    /// One of the files, changed in one to four ways; real files, which come first, more often than odd ones. Half of
    /// them are changed so gently that many are still what they were: what a reader takes is looked at more closely.
    pub(super) fn input(&self, numbers: &mut Numbers) -> Vec<u8> {
        if numbers.one_in(2)
            && let Some(real) = numbers.pick(&self.real)
        {
            let mut input = real.to_vec();
            for _ in 0..=numbers.below(2) {
                input = gently(&input, numbers).unwrap_or(input);
            }
            return input;
        }
        let mut input = self.file(numbers).clone();
        for _ in 0..=numbers.below(4) {
            input = if numbers.one_in(2) {
                values(&input, numbers).unwrap_or(input)
            } else {
                self.bytes(input, numbers)
            };
        }
        input
    }

    fn file(&self, numbers: &mut Numbers) -> &'a Vec<u8> {
        let count = u32::try_from(self.corpus.len()).unwrap();
        let within = if numbers.one_in(4) {
            count
        } else {
            count.div_ceil(3)
        };
        &self.corpus[numbers.below(within) as usize]
    }

    fn bytes(&self, mut input: Vec<u8>, numbers: &mut Numbers) -> Vec<u8> {
        let (from, to) = range(&input, numbers);
        match numbers.below(8) {
            0 if from < input.len() => input[from] ^= 1 << numbers.below(8),
            1 if from < input.len() => input[from] = numbers.below(256).to_le_bytes()[0],
            2 => drop(input.drain(from..to)),
            3 => {
                let again = input[from..to].to_vec();
                drop(input.splice(to..to, again));
            }
            4 => input.truncate(from),
            5 => {
                let other = self.file(numbers);
                let (first, last) = range(other, numbers);
                drop(input.splice(from..to, other[first..last].iter().copied()));
            }
            _ => {
                let token = numbers.one(&TOKENS).bytes();
                drop(input.splice(from..from, token));
            }
        }
        input
    }
}

/// A part of at most 64 bytes.
fn range(input: &[u8], numbers: &mut Numbers) -> (usize, usize) {
    let from = numbers.below(u32::try_from(input.len() + 1).unwrap()) as usize;
    let to = from + numbers.below(65) as usize;
    (from, to.min(input.len()))
}

/// The file with one of its values changed, if it is JSON.
fn values(input: &[u8], numbers: &mut Numbers) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(input).ok()?;
    let count = count(&document);
    let source = nth(&mut document, &mut numbers.below(count)).cloned()?;
    let target = nth(&mut document, &mut numbers.below(count))?;
    match (numbers.below(6), &mut *target) {
        (0, Value::Object(object)) => other_keys(object, source, numbers),
        (1, Value::Array(array)) => {
            if let Some(again) = numbers.pick(array).cloned() {
                array.push(again);
            }
        }
        (2, Value::Array(array)) => drop(array.pop()),
        (3, _) => *target = source,
        (4, _) => *target = nested(target.take(), numbers.below(200)),
        _ => *target = odd(numbers),
    }
    serde_json::to_vec(&document).ok()
}

/// The file with one thing changed into another of its kind, if it is JSON.
fn gently(input: &[u8], numbers: &mut Numbers) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(input).ok()?;
    let mut fields = Vec::new();
    collect(&document, &mut fields);
    let (key, _) = numbers.pick(&fields)?.clone();
    let alike: Vec<Value> = fields
        .iter()
        .filter(|(other, _)| *other == key)
        .map(|(_, value)| value.clone())
        .collect();
    let other = numbers.pick(&alike)?.clone();
    let at = numbers.below(u32::try_from(alike.len()).unwrap());
    let object = nth_with(&mut document, &key, &mut at.clone())?;
    match numbers.below(5) {
        0 => drop(object.remove(&key)),
        1 => drop(object.insert(format!("x_{key}"), other)),
        2 => {
            let nudged = object.get(&key).and_then(|value| nudge(value, numbers))?;
            object.insert(key, nudged);
        }
        // A value that another item has there.
        _ => drop(object.insert(key, other)),
    }
    serde_json::to_vec_pretty(&document).ok()
}

/// Every key with its value, at any depth.
fn collect(value: &Value, fields: &mut Vec<(String, Value)>) {
    match value {
        Value::Array(array) => array.iter().for_each(|inner| collect(inner, fields)),
        Value::Object(object) => {
            for (key, inner) in object {
                fields.push((key.clone(), inner.clone()));
                collect(inner, fields);
            }
        }
        _ => {}
    }
}

/// The n-th object that has this key.
fn nth_with<'v>(
    value: &'v mut Value,
    key: &str,
    n: &mut u32,
) -> Option<&'v mut Map<String, Value>> {
    if let Value::Object(object) = value
        && object.contains_key(key)
    {
        if *n == 0 {
            return value.as_object_mut();
        }
        *n -= 1;
    }
    match value {
        Value::Array(array) => array.iter_mut().find_map(|it| nth_with(it, key, n)),
        Value::Object(object) => object.values_mut().find_map(|it| nth_with(it, key, n)),
        _ => None,
    }
}

/// A little more, less or other.
fn nudge(value: &Value, numbers: &mut Numbers) -> Option<Value> {
    Some(match value {
        Value::Bool(yes) => json!(!yes),
        Value::Number(number) => json!(number.as_i64()? + i64::from(numbers.below(3)) - 1),
        Value::String(text) => json!(format!("{text}{}", numbers.one(&["x", "-2", " ", "0"]))),
        Value::Array(array) => {
            let mut array = array.clone();
            let again = numbers.pick(&array).cloned()?;
            array.push(again);
            Value::Array(array)
        }
        _ => Value::Null,
    })
}

fn count(value: &Value) -> u32 {
    1 + match value {
        Value::Array(array) => array.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum::<u32>(),
        _ => 0,
    }
}

/// The n-th value, from the outside in.
fn nth<'v>(value: &'v mut Value, n: &mut u32) -> Option<&'v mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(array) => array.iter_mut().find_map(|inner| nth(inner, n)),
        Value::Object(object) => object.values_mut().find_map(|inner| nth(inner, n)),
        _ => None,
    }
}

fn other_keys(object: &mut Map<String, Value>, source: Value, numbers: &mut Numbers) {
    let keys: Vec<String> = object.keys().cloned().collect();
    let Some(key) = numbers.pick(&keys) else {
        object.insert("id".to_owned(), source);
        return;
    };
    match numbers.below(3) {
        0 => drop(object.remove(key)),
        1 => {
            let moved = object.remove(key).unwrap_or_default();
            object.insert(format!("{key}_"), moved);
        }
        _ => drop(object.insert(key.clone(), source)),
    }
}

fn nested(value: Value, depth: u32) -> Value {
    (0..depth).fold(value, |inner, _| Value::Array(vec![inner]))
}

fn odd(numbers: &mut Numbers) -> Value {
    match numbers.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1.5),
        5 => json!(""),
        6 => json!("x".repeat(70_000)),
        7 => json!("in_progress"),
        8 => json!("a\u{0}b\u{202E}\u{1F600}"),
        9 => json!([]),
        10 => json!({}),
        _ => json!("2026-02-30T24:00:00+99:99"),
    }
}
