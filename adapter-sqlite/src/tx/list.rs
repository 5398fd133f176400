//! Listing, counting and looking up.

use diesel::SqliteConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::Sqlite;
use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, EntityKind, Status, StatusCounts, Timestamp};
use tasq_ports::{Cursor, Page, Sort, TaskFilter, TaskPage};

use super::unsigned;
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::task::StoredTask;
use crate::schema::{epics, features, tasks, test_cases, totals};

/// A query of tasks that is still being put together.
pub(crate) type Boxed<'a> = tasks::BoxedQuery<'a, Sqlite>;

pub(crate) fn tasks(
    conn: &mut SqliteConnection,
    filter: &TaskFilter,
    page: &Page,
    now: Timestamp,
) -> Result<TaskPage, Fault> {
    let mut rows = Vec::new();
    for query in page_queries(filter, page, now) {
        rows.extend(query.select(StoredTask::as_select()).load(conn)?);
    }
    let mut found = rows
        .into_iter()
        .map(StoredTask::read)
        .collect::<Result<Vec<_>, _>>()?;
    if filter.ready {
        // Two lists in order make one.
        found.sort_by_key(|record| {
            let Cursor { key, seq } = Cursor::of(record, page.sort);
            match page.sort {
                Sort::Claim | Sort::Seq => (key, seq),
                Sort::Updated => (-key, -seq),
            }
        });
    }
    let more = found.len() > page.limit as usize;
    found.truncate(page.limit as usize);
    let last = found.last().filter(|_| more);
    Ok(TaskPage {
        next: last.map(|record| Cursor::of(record, page.sort)),
        tasks: found,
    })
}

/// The queries that a page comes from, each with one row more than the page: one, or for ready tasks two, those known
/// to be ready and those whose time has come but that are not promoted yet.
pub(crate) fn page_queries<'a>(
    filter: &'a TaskFilter,
    page: &'a Page,
    now: Timestamp,
) -> Vec<Boxed<'a>> {
    let TaskFilter {
        scope,
        statuses,
        ready,
        words,
    } = filter;
    let sources = if *ready {
        let known = tasks::table
            .filter(tasks::ready_rank.is_not_null())
            .filter(
                tasks::not_before
                    .is_null()
                    .or(tasks::not_before.le(now.micros())),
            )
            .into_boxed();
        vec![known, due(tasks::table.into_boxed(), now)]
    } else {
        vec![tasks::table.into_boxed()]
    };
    sources
        .into_iter()
        .map(|mut query| {
            query = in_scope(query, scope);
            if !statuses.is_empty() {
                query = query.filter(tasks::status.eq_any(statuses.iter().map(|s| s.as_str())));
            }
            for word in words {
                query = query.filter(
                    sql::<Bool>("instr(lower(description), lower(")
                        .bind::<Text, _>(word)
                        .sql(")) > 0"),
                );
            }
            in_order(query, page)
        })
        .collect()
}

pub(crate) fn in_scope<'a>(query: Boxed<'a>, scope: &'a Scope) -> Boxed<'a> {
    match scope {
        Scope::Queue => query,
        Scope::Epic(epic) => query.filter(tasks::epic_id.eq(epic.as_str())),
        Scope::Feature(feature) => query.filter(tasks::feature_id.eq(feature.as_str())),
        Scope::Lane(lane) => query
            .filter(tasks::feature_id.eq(lane.feature.as_str()))
            .filter(tasks::effective_priority.eq(i64::from(lane.priority.number()))),
        Scope::Task(task) => query.filter(tasks::id.eq(task.as_str())),
    }
}

/// Tasks that are ready but for the promotion that a write unit would do.
pub(crate) fn due(query: Boxed<'_>, now: Timestamp) -> Boxed<'_> {
    query
        .filter(tasks::waits_until.le(now.micros()))
        .filter(tasks::open_deps.eq(0))
        .filter(tasks::hold_at.is_null())
        .filter(tasks::held_above.eq(0))
}

pub(crate) fn task_counts(
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<StatusCounts, Fault> {
    let counts: Option<(i64, i64, i64, i64)> = match scope {
        Scope::Queue => totals::table
            .select((
                totals::tasks_pending,
                totals::tasks_in_progress,
                totals::tasks_completed,
                totals::tasks_blocked,
            ))
            .get_result(conn)
            .optional()?,
        Scope::Epic(epic) => epics::table
            .filter(epics::id.eq(epic.as_str()))
            .select((
                epics::tasks_pending,
                epics::tasks_in_progress,
                epics::tasks_completed,
                epics::tasks_blocked,
            ))
            .get_result(conn)
            .optional()?,
        Scope::Feature(feature) => features::table
            .filter(features::id.eq(feature.as_str()))
            .select((
                features::tasks_pending,
                features::tasks_in_progress,
                features::tasks_completed,
                features::tasks_blocked,
            ))
            .get_result(conn)
            .optional()?,
        Scope::Lane(_) | Scope::Task(_) => return counted(conn, scope),
    };
    let (pending, in_progress, completed, blocked) = counts.unwrap_or_default();
    Ok(StatusCounts {
        pending: unsigned(pending),
        in_progress: unsigned(in_progress),
        completed: unsigned(completed),
        blocked: unsigned(blocked),
    })
}

pub(crate) fn count(conn: &mut SqliteConnection, kind: EntityKind) -> Result<u64, Fault> {
    let count: i64 = match kind {
        EntityKind::Epic => epics::table.count().get_result(conn)?,
        EntityKind::Feature => features::table.count().get_result(conn)?,
        EntityKind::Task => return Ok(task_counts(conn, &Scope::Queue)?.total()),
        EntityKind::Test => totals::table.select(totals::tests).get_result(conn)?,
    };
    Ok(unsigned(count))
}

pub(crate) fn ids_with_prefix(
    conn: &mut SqliteConnection,
    kind: EntityKind,
    prefix: &str,
    limit: u32,
) -> Result<Vec<AnyId>, Fault> {
    // Folds ASCII letters only, as the index does.
    macro_rules! ids {
        ($table:ident) => {{
            let end = format!("{prefix}{}", char::MAX);
            let mut found: Vec<String> = $table::table
                .filter(
                    sql::<Bool>("id COLLATE NOCASE >= ")
                        .bind::<Text, _>(prefix)
                        .sql(" AND id COLLATE NOCASE < ")
                        .bind::<Text, _>(end),
                )
                .order($table::id)
                .limit(limit.into())
                .select($table::id)
                .load(conn)?;
            let exact: Option<String> = $table::table
                .filter($table::id.eq(prefix))
                .select($table::id)
                .get_result(conn)
                .optional()?;
            if let Some(exact) = exact.filter(|exact| !found.contains(exact)) {
                // It comes after all that were kept, so in the last place the order holds.
                found.pop();
                found.push(exact);
            }
            found
        }};
    }
    let (table, found) = match kind {
        EntityKind::Epic => ("epics", ids!(epics)),
        EntityKind::Feature => ("features", ids!(features)),
        EntityKind::Task => ("tasks", ids!(tasks)),
        EntityKind::Test => ("test_cases", ids!(test_cases)),
    };
    let ids = found.iter().map(|id| {
        let reading = Reading { table, id };
        reading.of("id", kind.id(id))
    });
    Ok(ids.collect::<Result<_, _>>()?)
}

fn in_order<'a>(query: Boxed<'a>, page: &'a Page) -> Boxed<'a> {
    let after = |columns: &str, than: &str| {
        page.after.map(|Cursor { key, seq }| {
            sql::<Bool>(&format!("({columns}) {than} ("))
                .bind::<BigInt, _>(key)
                .sql(", ")
                .bind::<BigInt, _>(seq)
                .sql(")")
        })
    };
    let query = query.limit(i64::from(page.limit) + 1);
    match page.sort {
        Sort::Claim => {
            let query = query.order((tasks::effective_priority, tasks::seq));
            match after("effective_priority, seq", ">") {
                Some(after) => query.filter(after),
                None => query,
            }
        }
        Sort::Seq => {
            let query = query.order(tasks::seq);
            match page.after {
                Some(Cursor { key: _, seq }) => query.filter(tasks::seq.gt(seq)),
                None => query,
            }
        }
        Sort::Updated => {
            let query = query.order((tasks::updated_at.desc(), tasks::seq.desc()));
            match after("updated_at, seq", "<") {
                Some(after) => query.filter(after),
                None => query,
            }
        }
    }
}

/// Counts the tasks of a scope that has no counters of its own.
fn counted(conn: &mut SqliteConnection, scope: &Scope) -> Result<StatusCounts, Fault> {
    let rows: Vec<(String, i64)> = match scope {
        Scope::Lane(lane) => tasks::table
            .filter(tasks::feature_id.eq(lane.feature.as_str()))
            .filter(tasks::effective_priority.eq(i64::from(lane.priority.number())))
            .group_by(tasks::status)
            .select((tasks::status, diesel::dsl::count_star()))
            .load(conn)?,
        Scope::Task(id) => tasks::table
            .filter(tasks::id.eq(id.as_str()))
            .group_by(tasks::status)
            .select((tasks::status, diesel::dsl::count_star()))
            .load(conn)?,
        Scope::Queue | Scope::Epic(_) | Scope::Feature(_) => Vec::new(),
    };
    let mut counts = StatusCounts::default();
    for (word, number) in rows {
        let reading = Reading {
            table: "tasks",
            id: "",
        };
        let count = match reading.of("status", word.parse())? {
            Status::Pending => &mut counts.pending,
            Status::InProgress => &mut counts.in_progress,
            Status::Completed => &mut counts.completed,
            Status::Blocked => &mut counts.blocked,
        };
        *count = unsigned(number);
    }
    Ok(counts)
}
