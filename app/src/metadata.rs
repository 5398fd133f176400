//! Changing metadata key by key.

use tasq_domain::JsonObject;
use tasq_formats::json::{Document, Object, Value, to_text};

use crate::error::AppError;

/// What to change of an item's metadata. Keys that are not named stay as they are, whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EditMetadata {
    /// Keys with their new text, in order; `None` takes a key away.
    pub set: Vec<(String, Option<String>)>,
}

impl EditMetadata {
    /// The metadata as it becomes: its keys in their order, new ones after them.
    ///
    /// # Errors
    /// [`AppError::InvalidData`] for metadata that is no JSON; the limit of its length.
    pub fn apply(&self, before: &JsonObject) -> Result<JsonObject, AppError> {
        if self.set.is_empty() {
            return Ok(before.clone());
        }
        let document = Document::parse(before.as_str().as_bytes())
            .map_err(|error| AppError::json("metadata", &error))?;
        let mut object = document
            .value()
            .as_object()
            .cloned()
            .unwrap_or_else(Object::new);
        for (key, text) in &self.set {
            match text {
                Some(text) => object.insert(key.clone(), text.clone()),
                None => object.remove(key),
            };
        }
        Ok(JsonObject::new(to_text(&Value::Object(object)))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_not_named_stay_to_the_letter() {
        let before = JsonObject::new(r#"{"z":1.50,"gone":[],"a":{"b":1e2}}"#).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let edit = EditMetadata {
            set: vec![
                ("new".to_owned(), text("n")),
                ("gone".to_owned(), None),
                ("never".to_owned(), None),
            ],
        };
        let after = edit.apply(&before).unwrap();
        assert_eq!(after.as_str(), r#"{"z":1.50,"a":{"b":1e2},"new":"n"}"#);
        assert_eq!(EditMetadata::default().apply(&before).unwrap(), before);
    }
}
