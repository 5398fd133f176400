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
    /// Adds a member, which is not there yet.
    pub(crate) fn with(mut self, key: &'static str, value: &impl Serialize) -> Self {
        self.add(key, value);
        self
    }

    /// As [`Data::with`].
    pub(crate) fn add(&mut self, key: &'static str, value: &impl Serialize) {
        let before = if self.text.is_empty() { b'{' } else { b',' };
        self.text.push(before);
        self.write(key);
        self.text.push(b':');
        self.write(value);
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.text, value).expect("texts and numbers are JSON");
    }

    /// The object.
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
        let told = data!({ "a": hostile, "b": some, "c": none, "d": true, "e": 7_u32, "f": "" });
        let value = json!({ "a": hostile, "b": some, "c": none, "d": true, "e": 7_u32, "f": "" });
        assert_eq!(told.into_object().unwrap().as_str(), value.to_string());
        assert_eq!(data!({}).into_object().unwrap().as_str(), "{}");
        let one = data!({}).with("one", &hostile).into_object().unwrap();
        let read: Value = serde_json::from_str(one.as_str()).unwrap();
        assert_eq!(read, json!({ "one": hostile }));
    }

    #[test]
    fn what_is_too_long_for_an_event_is_an_error() {
        let long = "x".repeat(1 << 20);
        assert!(data!({ "a": long.as_str() }).into_object().is_err());
    }
}
