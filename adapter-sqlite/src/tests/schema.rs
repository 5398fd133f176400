//! The schema: what Diesel believes, and the names that stay.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_builder::{AsQuery, QueryFragment};
use diesel::sqlite::Sqlite;

use super::{Fixture, lines};
use crate::schema;

fn columns_of<T>(table: T) -> BTreeSet<String>
where
    T: AsQuery,
    T::Query: QueryFragment<Sqlite>,
{
    let sql = diesel::debug_query::<Sqlite, _>(&table.as_query()).to_string();
    let columns = sql
        .strip_prefix("SELECT ")
        .and_then(|rest| rest.split_once(" FROM "))
        .unwrap()
        .0;
    columns
        .split(", ")
        .map(|column| {
            column
                .rsplit('.')
                .next()
                .unwrap()
                .trim_matches('`')
                .to_owned()
        })
        .collect()
}

#[test]
fn diesel_and_the_database_agree_on_every_column() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    let mut known = BTreeSet::new();
    macro_rules! agree {
        ($($table:ident),+ $(,)?) => {
            $(
                let name = stringify!($table);
                let sql = format!("SELECT name AS line FROM pragma_table_xinfo('{name}')");
                let found: BTreeSet<String> = lines(&mut conn, &sql).into_iter().collect();
                assert_eq!(columns_of(schema::$table::table), found, "{name}");
                // What may be NULL and what is a number is checked by reading it.
                schema::$table::table.count().get_result::<i64>(&mut conn).unwrap();
                known.insert(name.to_owned());
            )+
        };
    }
    agree!(
        schema_version,
        settings,
        acting,
        epics,
        features,
        tasks,
        test_cases,
        dependencies,
        attempts,
        checkpoints,
        questions,
        events,
        entity_events,
        operations,
        removed_items,
    );
    let sql = "SELECT name AS line FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'";
    let found: BTreeSet<String> = lines(&mut conn, sql).into_iter().collect();
    assert_eq!(known, found);
}

#[test]
fn the_indexes_and_triggers_of_the_first_version_keep_their_names() {
    let fixture = Fixture::new();
    let found = lines(
        &mut fixture.plain(),
        "SELECT name AS line FROM sqlite_schema WHERE type IN ('index', 'trigger')",
    );
    for name in [
        "idx_features_epic_id",
        "idx_features_status",
        "idx_tasks_feature_id",
        "idx_tasks_status",
        "idx_test_cases_task_id",
        "idx_test_cases_feature_id",
        "update_feature_status_on_task_complete",
        "update_epic_status_on_feature_complete",
        "update_epics_timestamp",
        "update_features_timestamp",
        "update_tasks_timestamp",
        "set_task_completed_at",
    ] {
        assert!(found.iter().any(|found| found == name), "{name}");
    }
}

#[test]
fn every_table_of_ours_is_strict() {
    let fixture = Fixture::new();
    let loose = lines(
        &mut fixture.plain(),
        "SELECT name AS line FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
         AND NOT strict AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    );
    assert_eq!(loose, [""; 0]);
}

#[test]
fn down_undoes_up() {
    let up = include_str!("../../../migrations/sqlite/0001_first/up.sql");
    let down = include_str!("../../../migrations/sqlite/0001_first/down.sql");
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute(up).unwrap();
    conn.batch_execute(down).unwrap();
    assert_eq!(
        lines(&mut conn, "SELECT name AS line FROM sqlite_schema"),
        [""; 0]
    );
}
