//! Rows: what the database holds, mapped to what a queue is, field by field in both directions, so that a new field
//! that is not mapped does not compile. Only the order of a task's columns, which come in one piece, is for tests to see to.

pub(crate) mod epic;
pub(crate) mod feature;
pub(crate) mod history;
pub(crate) mod life_change;
pub(crate) mod packed;
pub(crate) mod plain;
pub(crate) mod question;
pub(crate) mod settings;
pub(crate) mod task;
pub(crate) mod test_case;

use std::fmt::Display;
use std::time::Duration;

use tasq_domain::{Hold, Source, Timestamp};

use crate::error::BadRow;

/// The row that is being read: what an error names.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) table: &'static str,
    pub(crate) id: &'a str,
}

impl Reading<'_> {
    /// The value of a column, or the error that names it.
    pub(crate) fn of<T, E: Display>(
        self,
        column: &'static str,
        value: Result<T, E>,
    ) -> Result<T, BadRow> {
        value.map_err(|error| self.bad(column, error.to_string()))
    }

    /// The same for a column that may be NULL.
    pub(crate) fn maybe<V, T, E: Display>(
        self,
        column: &'static str,
        value: Option<V>,
        read: impl FnOnce(V) -> Result<T, E>,
    ) -> Result<Option<T>, BadRow> {
        value.map(|value| self.of(column, read(value))).transpose()
    }

    /// A column that must not be NULL beside others that are not.
    pub(crate) fn some<T>(self, column: &'static str, value: Option<T>) -> Result<T, BadRow> {
        value.ok_or_else(|| self.bad(column, "is missing".to_owned()))
    }

    /// A number within the bounds of its type.
    pub(crate) fn number<T: TryFrom<i64>>(
        self,
        column: &'static str,
        value: i64,
    ) -> Result<T, BadRow> {
        T::try_from(value).map_err(|_| self.bad(column, format!("{value} is out of range")))
    }

    /// A span in microseconds.
    pub(crate) fn span(self, column: &'static str, micros: i64) -> Result<Duration, BadRow> {
        self.number(column, micros).map(Duration::from_micros)
    }

    pub(crate) fn hold(self, columns: HoldColumns) -> Result<Option<Hold>, BadRow> {
        let HoldColumns { by, reason, at } = columns;
        let Some(at) = at else { return Ok(None) };
        Ok(Some(Hold {
            by: self.of(
                "hold_by",
                tasq_domain::Actor::new(self.some("hold_by", by)?),
            )?,
            reason: self.of(
                "hold_reason",
                tasq_domain::Reason::new(self.some("hold_reason", reason)?),
            )?,
            at: Timestamp::from_micros(at),
        }))
    }

    pub(crate) fn source(
        self,
        origin: Option<String>,
        digest: Option<String>,
    ) -> Result<Option<Source>, BadRow> {
        origin
            .map(|origin| {
                let digest = self.some("source_digest", digest)?;
                Ok(Source { origin, digest })
            })
            .transpose()
    }

    pub(crate) fn bad(self, column: &'static str, what: String) -> BadRow {
        let Reading { table, id } = self;
        BadRow {
            table,
            id: id.to_owned(),
            column,
            what,
        }
    }
}

/// A hold as three columns, all NULL or none.
pub(crate) struct HoldColumns {
    pub(crate) by: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) at: Option<i64>,
}

impl HoldColumns {
    pub(crate) fn of(hold: Option<&Hold>) -> Self {
        let Some(Hold { by, reason, at }) = hold else {
            return Self {
                by: None,
                reason: None,
                at: None,
            };
        };
        Self {
            by: Some(by.to_string()),
            reason: Some(reason.to_string()),
            at: Some(at.micros()),
        }
    }
}

/// A source as two columns.
pub(crate) fn source_columns(source: Option<&Source>) -> (Option<String>, Option<String>) {
    source.map_or((None, None), |Source { origin, digest }| {
        (Some(origin.clone()), Some(digest.clone()))
    })
}

/// A span in microseconds; one beyond 292,000 years is cut to that.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
