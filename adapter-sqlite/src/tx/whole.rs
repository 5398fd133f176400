//! The whole queue: its settings, taking it out, putting it in.

use std::collections::HashMap;

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tasq_domain::{AnyId, Contents, EntityKind, Settings, TaskId};
use tasq_ports::Inserted;

use super::{history, questions, tests, tree};
use crate::derive::{DERIVE_PARENTS, DERIVE_TASKS};
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::history::{CheckpointRow, DependencyRow, EventRow, OperationRow};
use crate::rows::question::QuestionRow;
use crate::rows::settings::SettingsRow;
use crate::rows::task::StoredTask;
use crate::schema::{
    checkpoints, dependencies, epics, events, features, operations, questions as question_rows,
    settings, tasks, test_cases,
};

pub(crate) fn settings(conn: &mut SqliteConnection) -> Result<Settings, Fault> {
    let row = settings::table
        .select(SettingsRow::as_select())
        .get_result(conn)?;
    Ok(row.read()?)
}

pub(crate) fn set_settings(conn: &mut SqliteConnection, settings: &Settings) -> Result<(), Fault> {
    let row = SettingsRow::of(settings);
    let rows = diesel::update(settings::table).set(&row).execute(conn)?;
    if rows == 0 {
        diesel::insert_into(settings::table)
            .values(&row)
            .execute(conn)?;
    }
    Ok(())
}

pub(crate) fn contents(conn: &mut SqliteConnection) -> Result<Contents, Fault> {
    macro_rules! all {
        ($table:ident, $row:ty, $order:expr) => {
            $table::table
                .order($order)
                .select(<$row>::as_select())
                .load(conn)?
                .into_iter()
                .map(<$row>::read)
                .collect::<Result<Vec<_>, _>>()?
        };
    }
    let records = all!(tasks, StoredTask, tasks::seq);
    Ok(Contents {
        settings: settings(conn)?,
        epics: tree::epics(conn)?,
        features: tree::features(conn)?,
        tasks: records.into_iter().map(|record| record.task).collect(),
        tests: tests::tests(conn, i64::MIN, i64::MAX)?,
        dependencies: all!(
            dependencies,
            DependencyRow,
            (dependencies::task_id, dependencies::depends_on)
        ),
        questions: all!(
            question_rows,
            QuestionRow,
            (question_rows::task_id, question_rows::number)
        ),
        attempts: history::all_attempts(conn)?,
        checkpoints: all!(checkpoints, CheckpointRow, checkpoints::seq),
        events: all!(events, EventRow, events::seq),
        operations: all!(operations, OperationRow, operations::seq),
    })
}

/// Triggers derive row by row and indexes are sorted row by row, which costs more than all the rest; so they go,
/// everything is derived and sorted once, and they come back as they were. All in the caller's transaction: nobody sees
/// the store without them.
pub(crate) fn load(conn: &mut SqliteConnection, contents: &Contents) -> Result<(), Fault> {
    let Contents {
        settings,
        epics,
        features,
        tasks,
        tests,
        dependencies,
        questions: asked,
        attempts,
        checkpoints,
        events,
        operations,
    } = contents;
    if !is_empty(conn)? {
        return Err(Fault::misuse(
            "only an empty queue takes the contents of another",
        ));
    }
    let indexes = take_out(conn, "index")?;
    let triggers = take_out(conn, "trigger")?;
    set_settings(conn, settings)?;
    for epic in epics {
        fresh(tree::insert_epic(conn, epic)?, &epic.id)?;
    }
    for feature in features {
        fresh(tree::insert_feature(conn, feature)?, &feature.id)?;
    }
    for task in tasks {
        fresh(tree::insert_task(conn, task)?, &task.id)?;
    }
    for test in tests {
        fresh(tests::insert(conn, test)?, &test.id)?;
    }
    for dependency in dependencies {
        history::load_dependency(conn, dependency)?;
    }
    for question in asked {
        questions::insert_question(conn, question)?;
    }
    let numbers = Numbers::read(conn)?;
    for attempt in attempts {
        let task = numbers.task(&attempt.task)?;
        history::insert_attempt(conn, task, attempt)?;
    }
    for checkpoint in checkpoints {
        history::insert_checkpoint(conn, checkpoint)?;
    }
    let mut next = None;
    for event in events {
        let entity = numbers.of(conn, &event.entity)?;
        history::append_event(conn, &mut next, entity, event)?;
    }
    for operation in operations {
        history::insert_operation(conn, operation, u64::MAX)?;
    }
    conn.batch_execute(DERIVE_TASKS)?;
    put_back(conn, indexes)?;
    conn.batch_execute(DERIVE_PARENTS)?;
    put_back(conn, triggers)
}

/// The numbers of all items, so that a long history is not looked up line by line.
struct Numbers(HashMap<AnyId, i64>);

impl Numbers {
    fn read(conn: &mut SqliteConnection) -> Result<Self, Fault> {
        let mut numbers = HashMap::new();
        macro_rules! all {
            ($table:ident, $kind:expr) => {
                for (id, seq) in $table::table
                    .select(($table::id, $table::seq))
                    .load::<(String, i64)>(conn)?
                {
                    let reading = Reading {
                        table: stringify!($table),
                        id: &id,
                    };
                    numbers.insert(reading.of("id", $kind.id(&id))?, seq);
                }
            };
        }
        all!(epics, EntityKind::Epic);
        all!(features, EntityKind::Feature);
        all!(tasks, EntityKind::Task);
        all!(test_cases, EntityKind::Test);
        Ok(Self(numbers))
    }

    fn task(&self, id: &TaskId) -> Result<i64, Fault> {
        let seq = self.0.get(&id.into()).copied();
        seq.ok_or_else(|| Fault::misuse(format!("there is no task {id}")))
    }

    fn of(&self, conn: &mut SqliteConnection, entity: &AnyId) -> Result<i64, Fault> {
        match self.0.get(entity) {
            Some(seq) => Ok(*seq),
            None => history::entity_seq(conn, entity),
        }
    }
}

/// Derives everything afresh. The triggers are out meanwhile, because they would take it for edits by hand.
pub(crate) fn rederive(conn: &mut SqliteConnection) -> Result<(), Fault> {
    let triggers = take_out(conn, "trigger")?;
    conn.batch_execute(DERIVE_TASKS)?;
    conn.batch_execute(DERIVE_PARENTS)?;
    put_back(conn, triggers)
}

/// A trigger or an index.
#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// Drops every part of a kind but those that a table cannot be without.
fn take_out(conn: &mut SqliteConnection, kind: &str) -> Result<Vec<Part>, Fault> {
    let parts: Vec<Part> = diesel::sql_query(
        "SELECT name, sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL ORDER BY rowid",
    )
    .bind::<Text, _>(kind)
    .load(conn)?;
    for Part { name, sql: _ } in &parts {
        let quoted = name.replace('"', "\"\"");
        conn.batch_execute(&format!("DROP {kind} \"{quoted}\""))?;
    }
    Ok(parts)
}

fn put_back(conn: &mut SqliteConnection, parts: Vec<Part>) -> Result<(), Fault> {
    for part in parts {
        conn.batch_execute(&part.sql)?;
    }
    Ok(())
}

fn is_empty(conn: &mut SqliteConnection) -> Result<bool, Fault> {
    macro_rules! empty {
        ($($table:ident),+) => {
            $(
                diesel::select(diesel::dsl::exists($table::table.select($table::seq)))
                    .get_result::<bool>(conn)
                    .map(|there| !there)?
            )&&+
        };
    }
    Ok(empty!(epics, features, events, operations))
}

fn fresh(inserted: Inserted, id: impl std::fmt::Display) -> Result<(), Fault> {
    match inserted {
        Inserted::At(_) => Ok(()),
        Inserted::Taken => Err(Fault::misuse(format!("{id} is there twice"))),
    }
}
