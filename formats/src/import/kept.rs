//! What an imported item keeps of its source, inside its metadata.

use tasq_domain::{JsonObject, MAX_JSON_BYTES};

use crate::digest::canonical_digest;
use crate::json::{Document, JsonError, JsonErrorKind, Limits, Node, Object, Value, to_text};

/// The key of an item's metadata under which the originals of what became a field of ours are kept. A source's own key
/// of that name is kept inside of it.
pub const SOURCE_KEY: &str = "_source";

/// What an item keeps of its source: what has no field stands in the open, the rest under [`SOURCE_KEY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Where its record stands: the key of the list, and the place in it, from 0.
    pub(super) list: String,
    pub(super) at: u64,
    /// The group that the file put it in.
    pub(super) group: Option<String>,
    /// Every key of the record, in order.
    pub(super) keys: Vec<String>,
    /// The originals of what became a field.
    pub(super) record: Object,
    /// What has no field.
    pub(super) rest: Object,
}

impl Kept {
    /// What is kept of `record`, whose keys in `mapped` became fields.
    pub(super) fn of(
        record: &Object,
        mapped: &[&str],
        list: &str,
        at: usize,
        group: Option<&str>,
    ) -> Self {
        let is_mapped = |key: &str| key == SOURCE_KEY || mapped.contains(&key);
        let pick = |wanted: bool| {
            let entries = record.iter().filter(|(key, _)| is_mapped(key) == wanted);
            entries.map(|(key, value)| (key, value.clone())).collect()
        };
        Self {
            list: list.to_owned(),
            at: at as u64,
            group: group.map(str::to_owned),
            keys: record.iter().map(|(key, _)| key.to_owned()).collect(),
            record: pick(true),
            rest: pick(false),
        }
    }

    /// What an item keeps; `None` if it was not imported or someone took the record away.
    pub(super) fn read(metadata: &JsonObject) -> Option<Self> {
        let limits = Limits::OWN.with_bytes(MAX_JSON_BYTES);
        let document = Document::parse_within(metadata.as_str().as_bytes(), limits).ok()?;
        let Value::Object(mut rest) = document.into_value() else {
            return None;
        };
        let Some(Value::Object(mut source)) = rest.remove(SOURCE_KEY) else {
            return None;
        };
        let Some(Value::Object(record)) = source.remove("record") else {
            return None;
        };
        let texts = |value: &Value| value.as_str().map(str::to_owned);
        let keys = source
            .get("keys")?
            .as_array()?
            .iter()
            .map(texts)
            .collect::<Option<_>>()?;
        Some(Self {
            list: source
                .get("list")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            at: source
                .get("at")
                .and_then(Value::as_number)
                .and_then(|at| at.as_u64())
                .unwrap_or(u64::MAX),
            group: source.get("group").and_then(texts),
            keys,
            record,
            rest,
        })
    }

    /// The item's metadata.
    pub(super) fn metadata(&self) -> Object {
        let source = Object::new()
            .with("list", self.list.as_str())
            .with("at", self.at)
            .with("group", self.group.clone())
            .with(
                "keys",
                self.keys.iter().map(String::as_str).collect::<Value>(),
            )
            .with("record", self.record.clone());
        self.rest.clone().with(SOURCE_KEY, source)
    }

    /// [`Kept::metadata`] as it is stored; `node` is blamed if it is too large, or too deep to be read back.
    pub(super) fn stored(&self, node: Node<'_>) -> Result<JsonObject, JsonError> {
        let limit = |error: &dyn std::fmt::Display| JsonError {
            kind: JsonErrorKind::Limit,
            ..node.shape(format!("too much to keep as metadata: {error}"))
        };
        let text = to_text(&Value::Object(self.metadata()));
        // Only what the source itself keeps under our key lies deeper than it did.
        if self.record.contains_key(SOURCE_KEY) {
            Document::parse(text.as_bytes()).map_err(|error| limit(&error.message))?;
        }
        JsonObject::new(text).map_err(|error| limit(&error))
    }

    /// The digest that the record would have if what has no field were `rest`.
    pub(super) fn digest_with(&self, rest: &Object) -> String {
        let mut record = Object::new();
        for key in &self.keys {
            if let Some(value) = self.record.get(key).or_else(|| rest.get(key)) {
                record.insert(key.as_str(), value.clone());
            }
        }
        canonical_digest(&Value::Object(record))
    }
}
