//! Questions and their answers.

use diesel::SqliteConnection;
use diesel::prelude::*;
use tasq_domain::{Question, TaskId};

use super::one;
use crate::error::Fault;
use crate::rows::question::QuestionRow;
use crate::schema::questions;

pub(crate) fn questions_of(
    conn: &mut SqliteConnection,
    task: &TaskId,
) -> Result<Vec<Question>, Fault> {
    let rows = questions::table
        .filter(questions::task_id.eq(task.as_str()))
        .order(questions::number)
        .select(QuestionRow::as_select())
        .load(conn)?;
    read(rows)
}

pub(crate) fn unanswered(conn: &mut SqliteConnection) -> Result<Vec<Question>, Fault> {
    let rows = questions::table
        .filter(questions::answered_at.is_null())
        .order((questions::asked_at, questions::task_id, questions::number))
        .select(QuestionRow::as_select())
        .load(conn)?;
    read(rows)
}

pub(crate) fn insert_question(
    conn: &mut SqliteConnection,
    question: &Question,
) -> Result<(), Fault> {
    diesel::insert_into(questions::table)
        .values(&QuestionRow::of(question))
        .execute(conn)?;
    Ok(())
}

pub(crate) fn update_question(
    conn: &mut SqliteConnection,
    question: &Question,
) -> Result<(), Fault> {
    let Question {
        task,
        attempt,
        answer,
        ..
    } = question;
    let key = questions::table
        .filter(questions::task_id.eq(task.as_str()))
        .filter(questions::number.eq(i64::from(*attempt)));
    let rows = diesel::update(key)
        .set((
            questions::answered_at.eq(answer.as_ref().map(|it| it.at.micros())),
            questions::answered_by.eq(answer.as_ref().map(|it| it.by.as_str())),
            questions::answer.eq(answer.as_ref().map(|it| it.text.as_str())),
        ))
        .execute(conn)?;
    one(rows, "question", format_args!("{attempt} at {task}"))
}

fn read(rows: Vec<QuestionRow>) -> Result<Vec<Question>, Fault> {
    let questions = rows.into_iter().map(QuestionRow::read);
    Ok(questions.collect::<Result<_, _>>()?)
}
