//! Test cases.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tasq_domain::{
    Actor, CommandLine, Description, FeatureId, JsonObject, TaskId, TestCase, TestId, TestOwner,
    TestResult, Timestamp,
};

use super::{Reading, source_columns};
use crate::error::BadRow;
use crate::schema::test_cases;

/// A test case; its owner never changes.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = test_cases, check_for_backend(Sqlite))]
#[diesel(primary_key(seq, id, task_id, feature_id, created_at))]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct TestRow {
    seq: i64,
    id: String,
    task_id: Option<String>,
    feature_id: Option<String>,
    description: String,
    command: Option<String>,
    required: i64,
    status: String,
    last_at: Option<i64>,
    last_attempt: Option<i64>,
    last_exit_code: Option<i64>,
    last_duration_ms: Option<i64>,
    last_output_tail: Option<String>,
    last_by: Option<String>,
    source_origin: Option<String>,
    source_digest: Option<String>,
    created_at: i64,
    updated_at: i64,
    metadata: String,
}

impl TestRow {
    pub(crate) fn of(test: &TestCase, seq: i64) -> Self {
        let TestCase {
            seq: _,
            id,
            owner,
            description,
            command,
            required,
            status,
            last,
            source,
            created_at,
            updated_at,
            metadata,
        } = test;
        let (task_id, feature_id) = match owner {
            TestOwner::Task(task) => (Some(task.to_string()), None),
            TestOwner::Feature(feature) => (None, Some(feature.to_string())),
        };
        let (source_origin, source_digest) = source_columns(source.as_ref());
        let row = Self {
            seq,
            id: id.to_string(),
            task_id,
            feature_id,
            description: description.to_string(),
            command: command.as_ref().map(CommandLine::to_string),
            required: (*required).into(),
            status: status.to_string(),
            last_at: None,
            last_attempt: None,
            last_exit_code: None,
            last_duration_ms: None,
            last_output_tail: None,
            last_by: None,
            source_origin,
            source_digest,
            created_at: created_at.micros(),
            updated_at: updated_at.micros(),
            metadata: metadata.as_str().to_owned(),
        };
        match last {
            Some(last) => row.with_last(last),
            None => row,
        }
    }

    fn with_last(self, last: &TestResult) -> Self {
        let TestResult {
            at,
            attempt,
            exit_code,
            duration_ms,
            output_tail,
            by,
        } = last;
        Self {
            last_at: Some(at.micros()),
            last_attempt: attempt.map(Into::into),
            last_exit_code: exit_code.map(Into::into),
            last_duration_ms: duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            last_output_tail: output_tail.clone(),
            last_by: Some(by.to_string()),
            ..self
        }
    }

    pub(crate) fn read(self) -> Result<TestCase, BadRow> {
        let id = self.id.clone();
        let reading = Reading {
            table: "test_cases",
            id: &id,
        };
        let last = self.read_last(reading)?;
        let Self {
            seq,
            id,
            task_id,
            feature_id,
            description,
            command,
            required,
            status,
            source_origin,
            source_digest,
            created_at,
            updated_at,
            metadata,
            // Read above.
            last_at: _,
            last_attempt: _,
            last_exit_code: _,
            last_duration_ms: _,
            last_output_tail: _,
            last_by: _,
        } = self;
        let owner = match (task_id, feature_id) {
            (Some(task), None) => TestOwner::Task(reading.of("task_id", TaskId::new(task))?),
            (None, Some(feature)) => {
                TestOwner::Feature(reading.of("feature_id", FeatureId::new(feature))?)
            }
            _ => return Err(reading.bad("task_id", "it has not exactly one owner".to_owned())),
        };
        Ok(TestCase {
            seq,
            id: reading.of("id", TestId::new(id))?,
            owner,
            description: reading.of("description", Description::new(description))?,
            command: reading.maybe("command", command, CommandLine::new)?,
            required: required != 0,
            status: reading.of("status", status.parse())?,
            last,
            source: reading.source(source_origin, source_digest)?,
            created_at: Timestamp::from_micros(created_at),
            updated_at: Timestamp::from_micros(updated_at),
            metadata: reading.of("metadata", JsonObject::new(metadata))?,
        })
    }

    fn read_last(&self, reading: Reading<'_>) -> Result<Option<TestResult>, BadRow> {
        let Some(at) = self.last_at else {
            return Ok(None);
        };
        let by = reading.some("last_by", self.last_by.clone())?;
        let attempt = self.last_attempt;
        let code = self.last_exit_code;
        let duration = self.last_duration_ms;
        Ok(Some(TestResult {
            at: Timestamp::from_micros(at),
            attempt: attempt
                .map(|number| reading.number("last_attempt", number))
                .transpose()?,
            exit_code: code
                .map(|code| reading.number("last_exit_code", code))
                .transpose()?,
            duration_ms: duration
                .map(|ms| reading.number("last_duration_ms", ms))
                .transpose()?,
            output_tail: self.last_output_tail.clone(),
            by: reading.of("last_by", Actor::new(by))?,
        }))
    }
}
