//! What an event tells beside its kind and its item.

use serde::Serialize;
use tasq_domain::JsonObject;

use crate::error::AppError;

/// The members of a JSON object, written as text as they come: by way of a `Value` it takes three times as long, and
/// every step has one.
#[derive(Debug, Default)]
pub(crate) struct Data {
    text: Vec<u8>,
}

impl Data {
    /// With one more member, as [`Data::add`] adds it.
    pub(crate) fn with(mut self, key: &'static str, value: &impl Serialize) -> Self {
        self.add(key, value);
        self
    }

    /// Adds a member behind the others. It must not be there yet, as debug builds assert: readers of JSON differ in which
    /// of two they take.
    pub(crate) fn add(&mut self, key: &'static str, value: &impl Serialize) {
        debug_assert!(!self.has(key), "{key} twice");
        let before = if self.text.is_empty() { b'{' } else { b',' };
        self.text.push(before);
        self.write(key);
        self.text.push(b':');
        self.write(value);
    }

    fn has(&self, key: &str) -> bool {
        let text = [&self.text, &b"}"[..]].concat();
        let members: Option<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_slice(&text).ok();
        members.is_some_and(|members| members.contains_key(key))
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.text, value).expect("texts and numbers are JSON");
    }

    /// The whole object.
    ///
    /// # Errors
    /// If it is longer than an event's data may be.
    pub(crate) fn into_object(mut self) -> Result<JsonObject, AppError> {
        if self.text.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        let text = String::from_utf8(self.text).expect("JSON is UTF-8");
        Ok(JsonObject::new(text)?)
    }
}

/// `data!({ "key": value, … })`: as `json!` says it.
macro_rules! data {
    ({ $($key:tt: $value:expr),* $(,)? }) => {
        $crate::data::Data::default()$(.with($key, &$value))*
    };
}

pub(crate) use data;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn its_text_is_what_a_value_of_the_same_has() {
        let hostile = "\"\\\u{1}é🦀\n";
        let some = Some(-3_i64);
        let none: Option<&str> = None;
        let told = data!({ "b": hostile, "a": some, "d": none, "c": true, "f": 7_u32, "e": "" });
        let value = json!({ "b": hostile, "a": some, "d": none, "c": true, "f": 7_u32, "e": "" });
        assert_eq!(told.into_object().unwrap().as_str(), value.to_string());
        assert_eq!(data!({}).into_object().unwrap().as_str(), "{}");
        let mut more = data!({ "one": hostile }).with("two", &2);
        more.add("three", &none);
        let more = more.into_object().unwrap();
        let read: Value = serde_json::from_str(more.as_str()).unwrap();
        assert_eq!(read, json!({ "one": hostile, "two": 2, "three": null }));
    }

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "it is an assertion of debug builds")]
    #[should_panic(expected = "one twice")]
    fn a_member_is_there_once() {
        let _ = data!({ "one": 1, "two": 2 }).with("one", &3);
    }

    #[test]
    fn what_is_too_long_for_an_event_is_an_error() {
        let long = "x".repeat(1 << 20);
        assert!(data!({ "a": long.as_str() }).into_object().is_err());
    }
}
