//! Listing, counting and looking up.

use std::collections::BTreeSet;

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

/// A page of tasks, put together from one or several lists in the same order.
pub(crate) fn tasks(
    conn: &mut SqliteConnection,
    filter: &TaskFilter,
    page: &Page,
    now: Timestamp,
) -> Result<TaskPage, Fault> {
    let mut found = Vec::new();
    for query in page_queries(filter, page, now) {
        for row in query.select(StoredTask::as_select()).load(conn)? {
            found.push(row.read()?);
        }
    }
    found.sort_by_key(|record| {
        let Cursor { key, seq } = Cursor::of(record, page.sort);
        match page.sort {
            Sort::Claim | Sort::Seq => (key, seq),
            Sort::Updated => (-key, -seq),
        }
    });
    let more = found.len() > page.limit as usize;
    found.truncate(page.limit as usize);
    let last = found.last().filter(|_| more);
    Ok(TaskPage {
        next: last.map(|record| Cursor::of(record, page.sort)),
        tasks: found,
    })
}

/// The queries that a page comes from, each with one row more than the page and walking an index as far as the page
/// goes. Ready tasks are those known to be ready and those whose time has come but that are not promoted yet. The
/// whole queue is walked status by status, because most of an old queue is completed and seldom asked for.
pub(crate) fn page_queries<'a>(
    filter: &'a TaskFilter,
    page: &'a Page,
    now: Timestamp,
) -> Vec<Boxed<'a>> {
    let all = || tasks::table.into_boxed();
    let one = |status: &Status| all().filter(tasks::status.eq(status.as_str()));
    let any = |query: Boxed<'a>| match filter.statuses.as_slice() {
        [] => query,
        statuses => query.filter(tasks::status.eq_any(statuses.iter().map(|s| s.as_str()))),
    };
    let plain = match page.sort {
        Sort::Claim => &EFFECTIVE,
        Sort::Seq => &CREATED,
        Sort::Updated => &UPDATED,
    };
    let sources: Vec<(Boxed<'a>, &Order)> = if filter.ready {
        let known = match page.sort {
            Sort::Claim => (known_ready(all(), now), &RANK),
            Sort::Seq | Sort::Updated => (known_ready(one(&Status::Pending), now), plain),
        };
        let sorted = match page.sort {
            Sort::Claim => &EFFECTIVE_SORTED,
            Sort::Seq => &CREATED_SORTED,
            Sort::Updated => &UPDATED_SORTED,
        };
        let both = [known, (due(all(), now), sorted)];
        both.map(|(query, order)| (any(query), order)).into()
    } else if filter.scope == Scope::Queue && page.sort != Sort::Updated {
        let statuses = match filter.statuses.as_slice() {
            [] if page.sort == Sort::Seq => return vec![finish(all(), filter, page, plain)],
            [] => Status::ALL,
            statuses => statuses,
        };
        let statuses: BTreeSet<&Status> = statuses.iter().collect();
        statuses
            .into_iter()
            .map(|status| (one(status), plain))
            .collect()
    } else {
        vec![(any(all()), plain)]
    };
    sources
        .into_iter()
        .map(|(query, order)| finish(query, filter, page, order))
        .collect()
}

/// An order, by the columns that have it. A `+` keeps SQLite from walking an index for it.
struct Order {
    columns: &'static str,
    by: &'static str,
    after: &'static str,
}

const RANK: Order = ascending("ready_rank, seq", "ready_rank, seq");
const EFFECTIVE: Order = ascending("effective_priority, seq", "effective_priority, seq");
const EFFECTIVE_SORTED: Order = ascending("effective_priority, seq", "+effective_priority, +seq");
const CREATED: Order = ascending("0, seq", "seq");
const CREATED_SORTED: Order = ascending("0, seq", "+seq");
const UPDATED: Order = descending("updated_at DESC, seq DESC");
const UPDATED_SORTED: Order = descending("+updated_at DESC, +seq DESC");

const fn ascending(columns: &'static str, by: &'static str) -> Order {
    Order {
        columns,
        by,
        after: ">",
    }
}

const fn descending(by: &'static str) -> Order {
    Order {
        columns: "updated_at, seq",
        by,
        after: "<",
    }
}

/// Everything but the source: scope, words, order and place.
fn finish<'a>(
    mut query: Boxed<'a>,
    filter: &'a TaskFilter,
    page: &Page,
    order: &Order,
) -> Boxed<'a> {
    query = in_scope(query, &filter.scope);
    for word in &filter.words {
        query = query.filter(
            sql::<Bool>("instr(lower(description), lower(")
                .bind::<Text, _>(word)
                .sql(")) > 0"),
        );
    }
    let Order { columns, by, after } = order;
    query = match page.after {
        None => query,
        // A row value with a constant in it would not be looked up by index.
        Some(Cursor { key: _, seq }) if page.sort == Sort::Seq => query.filter(tasks::seq.gt(seq)),
        Some(Cursor { key, seq }) => query.filter(
            sql::<Bool>(&format!("({columns}) {after} ("))
                .bind::<BigInt, _>(key)
                .sql(", ")
                .bind::<BigInt, _>(seq)
                .sql(")"),
        ),
    };
    query
        .order(sql::<Text>(by))
        .limit(i64::from(page.limit) + 1)
}

/// Tasks that are ready, but for those that [`due`] gives.
fn known_ready(query: Boxed<'_>, now: Timestamp) -> Boxed<'_> {
    let now = now.micros();
    query
        .filter(tasks::ready_rank.is_not_null())
        .filter(tasks::not_before.is_null().or(tasks::not_before.le(now)))
}

pub(crate) fn in_scope<'a>(query: Boxed<'a>, scope: &'a Scope) -> Boxed<'a> {
    match scope {
        Scope::Queue => query,
        Scope::Epic(epic) => query.filter(tasks::epic_id.eq(epic.as_str())),
        Scope::Feature(feature) => query.filter(tasks::feature_id.eq(feature.as_str())),
        Scope::Lane(lane) => query
            .filter(tasks::feature_id.eq(lane.feature.as_str()))
            // The `+` keeps SQLite from walking all tasks of that priority.
            .filter(
                sql::<Bool>("+effective_priority = ")
                    .bind::<BigInt, _>(i64::from(lane.priority.number())),
            ),
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
