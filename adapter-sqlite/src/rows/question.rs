//! Questions and their answers.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tasq_domain::{Actor, Answer, Name, Question, Reason, TaskId, Timestamp, Worker};

use super::Reading;
use crate::error::BadRow;
use crate::schema::questions;

/// A question; its choices are a JSON array of texts.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = questions, check_for_backend(Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub(crate) struct QuestionRow {
    task_id: String,
    number: i64,
    asked_at: i64,
    asked_by: String,
    question: String,
    choices: String,
    answered_at: Option<i64>,
    answered_by: Option<String>,
    answer: Option<String>,
}

impl QuestionRow {
    pub(crate) fn of(question: &Question) -> Self {
        let Question {
            task,
            attempt,
            at,
            by,
            text,
            choices,
            answer,
        } = question;
        let choices: Vec<&str> = choices.iter().map(Name::as_str).collect();
        Self {
            task_id: task.to_string(),
            number: (*attempt).into(),
            asked_at: at.micros(),
            asked_by: by.to_string(),
            question: text.to_string(),
            choices: serde_json::to_string(&choices).expect("texts in a list have a JSON form"),
            answered_at: answer.as_ref().map(|it| it.at.micros()),
            answered_by: answer.as_ref().map(|it| it.by.to_string()),
            answer: answer.as_ref().map(|it| it.text.to_string()),
        }
    }

    pub(crate) fn read(self) -> Result<Question, BadRow> {
        let Self {
            task_id,
            number,
            asked_at,
            asked_by,
            question,
            choices,
            answered_at,
            answered_by,
            answer,
        } = self;
        let reading = Reading {
            table: "questions",
            id: &task_id,
        };
        let choices: Vec<String> = reading.of("choices", serde_json::from_str(&choices))?;
        let choices = choices
            .into_iter()
            .map(|choice| reading.of("choices", Name::new(choice)));
        let answer = match answered_at {
            None => None,
            Some(at) => Some(Answer {
                at: Timestamp::from_micros(at),
                by: reading.of(
                    "answered_by",
                    Actor::new(reading.some("answered_by", answered_by)?),
                )?,
                text: reading.of("answer", Reason::new(reading.some("answer", answer)?))?,
            }),
        };
        Ok(Question {
            task: reading.of("task_id", TaskId::new(task_id.as_str()))?,
            attempt: reading.number("number", number)?,
            at: Timestamp::from_micros(asked_at),
            by: reading.of("asked_by", Worker::new(asked_by))?,
            text: reading.of("question", Reason::new(question))?,
            choices: choices.collect::<Result<_, _>>()?,
            answer,
        })
    }
}
