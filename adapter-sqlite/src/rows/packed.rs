//! Rows that come from SQLite in one piece: their columns as one blob of `tasq_pack`, taken out one after the other, in the
//! order in which they were put in. Taking each column from SQLite costs more than reading it.

use std::sync::LazyLock;

use tasq_domain::{JsonObject, Timestamp};
use tasq_sqlite_native::{Value, Values};

use super::Reading;
use crate::error::BadRow;

/// The columns of a row, one after the other; the first is its id.
pub(crate) struct Columns<'a> {
    values: Values<'a>,
    pub(crate) reading: Reading<'a>,
}

impl<'a> Columns<'a> {
    /// The columns in a blob, and the first of them, the id, which errors name.
    pub(crate) fn of(table: &'static str, blob: &'a [u8]) -> Result<(Self, &'a str), BadRow> {
        let mut values = Values::of(blob);
        let what = match values.next() {
            Some(Value::Text(id)) => {
                let reading = Reading { table, id };
                return Ok((Self { values, reading }, id));
            }
            // What there is of it is told.
            Some(Value::NotUtf8(id)) => String::from_utf8_lossy(id),
            _ => "?".into(),
        };
        let reading = Reading { table, id: &what };
        Err(reading.bad("id", "is no text".to_owned()))
    }

    /// That was all: what is packed and never read would be a column that is forgotten.
    pub(crate) fn end(&self) {
        debug_assert!(
            self.is_empty(),
            "every column of {} is read",
            self.reading.table
        );
    }

    /// Whether that was all.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A text, or NULL.
    pub(crate) fn maybe_text(&mut self, column: &'static str) -> Result<Option<&'a str>, BadRow> {
        match self.values.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            other => Err(self.not("a text", column, other)),
        }
    }

    pub(crate) fn text(&mut self, column: &'static str) -> Result<&'a str, BadRow> {
        let text = self.maybe_text(column)?;
        self.reading.some(column, text)
    }

    /// A number, or NULL.
    pub(crate) fn maybe_number(&mut self, column: &'static str) -> Result<Option<i64>, BadRow> {
        match self.values.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            other => Err(self.not("a number", column, other)),
        }
    }

    pub(crate) fn number(&mut self, column: &'static str) -> Result<i64, BadRow> {
        let number = self.maybe_number(column)?;
        self.reading.some(column, number)
    }

    pub(crate) fn time(&mut self, column: &'static str) -> Result<Timestamp, BadRow> {
        self.number(column).map(Timestamp::from_micros)
    }

    pub(crate) fn maybe_time(&mut self, column: &'static str) -> Result<Option<Timestamp>, BadRow> {
        Ok(self.maybe_number(column)?.map(Timestamp::from_micros))
    }

    fn not(&self, what: &str, column: &'static str, found: Option<Value<'_>>) -> BadRow {
        let found = match found {
            Some(Value::Null) => "NULL",
            Some(Value::Number(_)) => "a number",
            Some(Value::Text(_)) => "a text",
            Some(Value::NotUtf8(_)) => "no UTF-8",
            Some(Value::Other) => "of another type",
            None => "missing",
        };
        self.reading
            .bad(column, format!("is {found} and not {what}"))
    }

    /// Metadata, which most have none of.
    pub(crate) fn metadata(&mut self) -> Result<JsonObject, BadRow> {
        static NOTHING: LazyLock<JsonObject> = LazyLock::new(JsonObject::default);
        match self.text("metadata")? {
            "{}" => Ok(NOTHING.clone()),
            metadata => self.reading.of("metadata", JsonObject::new(metadata)),
        }
    }
}
