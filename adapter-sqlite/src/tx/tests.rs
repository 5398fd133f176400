//! Test cases.

use diesel::SqliteConnection;
use diesel::prelude::*;
use tasq_domain::{TestCase, TestId, TestOwner};
use tasq_ports::{Inserted, Removed};

use super::{inserted, one};
use crate::error::Fault;
use crate::rows::test_case::TestRow;
use crate::schema::test_cases;
use crate::statement::{Update, statement};

statement! {
    /// The next test case's `seq`.
    NextTest {} -> diesel::sql_types::BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM test_cases"
}

pub(crate) fn test(conn: &mut SqliteConnection, id: &TestId) -> Result<Option<TestCase>, Fault> {
    let row = test_cases::table
        .filter(test_cases::id.eq(id.as_str()))
        .select(TestRow::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(TestRow::read).transpose()?)
}

pub(crate) fn tests_of(
    conn: &mut SqliteConnection,
    owner: &TestOwner,
) -> Result<Vec<TestCase>, Fault> {
    let all = test_cases::table
        .order(test_cases::seq)
        .select(TestRow::as_select());
    let rows = match owner {
        TestOwner::Task(task) => all
            .filter(test_cases::task_id.eq(task.as_str()))
            .load(conn)?,
        TestOwner::Feature(feature) => all
            .filter(test_cases::feature_id.eq(feature.as_str()))
            .load(conn)?,
    };
    read_all(rows)
}

pub(crate) fn tests(
    conn: &mut SqliteConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<TestCase>, Fault> {
    let rows = test_cases::table
        .filter(test_cases::seq.gt(after))
        .order(test_cases::seq)
        .limit(limit)
        .select(TestRow::as_select())
        .load(conn)?;
    read_all(rows)
}

pub(crate) fn insert(conn: &mut SqliteConnection, test: &TestCase) -> Result<Inserted, Fault> {
    let seq = match test.seq {
        0 => NextTest::new().get_result(conn)?,
        seq => seq,
    };
    let row = TestRow::of(test, seq);
    let outcome = diesel::insert_into(test_cases::table)
        .values((&row, test_cases::rev.eq(1)))
        .execute(conn);
    inserted(outcome, seq)
}

pub(crate) fn update(conn: &mut SqliteConnection, test: &TestCase) -> Result<(), Fault> {
    let row = TestRow::of(test, 0);
    let set = (&row, test_cases::rev.eq(test_cases::rev + 1)).as_changeset();
    let rows = Update::<TestRow, _>::new("test_cases", set, test.id.as_str()).execute(conn)?;
    one(rows, "test case", &test.id)
}

/// Whether a test case is a task's and stays with it: then nothing follows from a change of it.
pub(crate) fn stays_with_task(conn: &mut SqliteConnection, test: &TestCase) -> Result<bool, Fault> {
    let TestOwner::Task(task) = &test.owner else {
        return Ok(false);
    };
    let there: Option<i64> = test_cases::table
        .filter(test_cases::id.eq(test.id.as_str()))
        .filter(test_cases::task_id.eq(task.as_str()))
        .select(test_cases::seq)
        .get_result(conn)
        .optional()?;
    Ok(there.is_some())
}

pub(crate) fn remove(conn: &mut SqliteConnection, id: &TestId) -> Result<Removed, Fault> {
    let rows =
        diesel::delete(test_cases::table.filter(test_cases::id.eq(id.as_str()))).execute(conn)?;
    one(rows, "test case", id)?;
    Ok(Removed {
        tests: 1,
        ..Removed::default()
    })
}

fn read_all(rows: Vec<TestRow>) -> Result<Vec<TestCase>, Fault> {
    Ok(rows
        .into_iter()
        .map(TestRow::read)
        .collect::<Result<_, _>>()?)
}
