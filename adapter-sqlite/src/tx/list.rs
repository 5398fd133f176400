//! Listing, counting and looking up.

use std::collections::{BTreeSet, HashMap};

use diesel::SqliteConnection;
use diesel::dsl::{Select, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Text};
use diesel::sqlite::Sqlite;
use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, EntityKind, Status, StatusCounts, TaskId, TaskRecord, Timestamp};
use tasq_ports::{Cursor, Page, Sort, TaskFilter, TaskPage};

use super::unsigned;
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::task::{BLOCKED, READY, STARTED, StoredTask, WAITING, whole_task};
use crate::schema::{epics, features, tasks, test_cases};
use crate::statement::statement;

/// 2^61: the ends of leases are later, all changes earlier. Times are nowhere near.
macro_rules! in_between {
    () => {
        "2305843009213693952"
    };
}
/// That a task is in progress, for the index that has its lease.
macro_rules! in_progress {
    () => {
        concat!("moment >= ", in_between!(), " AND status = 'in_progress'")
    };
}
/// How a `moment` that is the end of a lease begins: the rest is the time.
macro_rules! lease {
    () => {
        "4611686018427387904 + "
    };
}
pub(crate) use {in_between, in_progress, lease};

/// A query of tasks that is still being put together.
pub(crate) type Boxed<'a> = tasks::BoxedQuery<'a, Sqlite>;

/// Where the tasks of a walk stand in an order: their keys and their numbers.
pub(crate) type Walk<'a> = Select<Boxed<'a>, SqlLiteral<(BigInt, BigInt)>>;

/// So many tasks are read by one statement; SQLite takes 32,766 values for it.
const AT_ONCE: usize = 1_000;

/// A page of tasks, put together from one or several walks in the same order. They tell only where tasks stand: a
/// statement that reads all of a task takes longer to prepare than the page to read, so there is one of those. It also
/// tells which of them wait for no others.
pub(crate) fn tasks(
    conn: &mut SqliteConnection,
    filter: &TaskFilter,
    page: &Page,
    now: Timestamp,
) -> Result<(TaskPage, Vec<TaskId>), Fault> {
    let mut found: Vec<(i64, i64)> = Vec::new();
    for walk in page_walks(conn, filter, page, now)? {
        found.extend(walk.load::<(i64, i64)>(conn)?);
    }
    found.sort_unstable_by_key(|&(key, seq)| match page.sort {
        Sort::Claim | Sort::Seq => (key, seq),
        Sort::Updated => (-key, -seq),
    });
    let more = found.len() > page.limit as usize;
    found.truncate(page.limit as usize);
    let last = found.last().filter(|_| more);
    let next = last.map(|&(key, seq)| Cursor { key, seq });
    let (tasks, wait_for_none) = at(conn, &found)?;
    Ok((TaskPage { tasks, next }, wait_for_none))
}

/// The tasks that stand at these places, in this order, and those of them that wait for no others.
fn at(
    conn: &mut SqliteConnection,
    places: &[(i64, i64)],
) -> Result<(Vec<TaskRecord>, Vec<TaskId>), Fault> {
    let mut read = HashMap::with_capacity(places.len());
    let mut wait_for_none = Vec::with_capacity(places.len());
    for some in places.chunks(AT_ONCE) {
        for row in TasksAt(some).load::<(StoredTask, bool)>(conn)? {
            let (StoredTask(record), waits) = row;
            let record = record?;
            if !waits {
                wait_for_none.push(record.task.id.clone());
            }
            read.insert(record.task.seq, record);
        }
    }
    // All are there: they were found in the same transaction.
    let in_order = places.iter().filter_map(|(_, seq)| read.remove(seq));
    Ok((in_order.collect(), wait_for_none))
}

/// The tasks that stand at these places, in any order, and whether they wait for others.
struct TasksAt<'a>(&'a [(i64, i64)]);

impl Query for TasksAt<'_> {
    type SqlType = (Binary, Bool);
}

impl QueryId for TasksAt<'_> {
    type QueryId = ();
    // Its text depends on how many they are.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<SqliteConnection> for TasksAt<'_> {}

impl QueryFragment<Sqlite> for TasksAt<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // A connection would keep one prepared for each number that was ever asked for.
        out.unsafe_to_cache_prepared();
        out.push_sql(concat!(
            "SELECT ",
            whole_task!(),
            ", EXISTS (SELECT 1 FROM dependencies WHERE task_id = tasks.id) FROM tasks WHERE seq IN ("
        ));
        for (number, (_, seq)) in self.0.iter().enumerate() {
            if number > 0 {
                out.push_sql(", ");
            }
            out.push_bind_param::<BigInt, _>(seq)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// The walks that a page comes from, each with one task more than the page and along an index as far as the page goes.
pub(crate) fn page_walks<'a>(
    conn: &mut SqliteConnection,
    filter: &'a TaskFilter,
    page: &'a Page,
    now: Timestamp,
) -> Result<Vec<Walk<'a>>, Fault> {
    let place = match page.sort {
        Sort::Claim => "effective_priority, seq",
        Sort::Seq => "0, seq",
        Sort::Updated => "updated_at, seq",
    };
    let mut walks = Vec::new();
    for source in sources(conn, filter, page.sort)? {
        let rests = match (source.order.column, page.after) {
            (Some(_), Some(_)) => [Rest::SameKey, Rest::LaterKey].as_slice(),
            _ => &[Rest::All],
        };
        for rest in rests {
            let query = in_part(source.open(filter, *rest, now), &filter.scope, source.which);
            let query = finish(query, filter, page, source.order, *rest);
            walks.push(query.select(sql(place)));
        }
    }
    Ok(walks)
}

/// Tasks of which a page shows the first, in an order.
struct Source {
    which: Which,
    order: &'static Order,
}

#[derive(Clone, Copy)]
enum Which {
    /// Any task.
    All,
    /// Tasks in a stage, of one priority if one is given.
    Stage(i64, Option<i64>),
    /// Tasks known to be ready, of one priority if one is given.
    Ready(Option<i64>),
    /// Tasks in progress.
    Running,
    /// All others.
    Resting,
    /// Tasks whose time has come but that are not promoted yet.
    Due,
}

impl Source {
    fn open<'a>(&self, filter: &'a TaskFilter, rest: Rest, now: Timestamp) -> Boxed<'a> {
        let all = || tasks::table.into_boxed();
        let any = |query: Boxed<'a>| match filter.statuses.as_slice() {
            [] => query,
            statuses => query.filter(tasks::status.eq_any(statuses.iter().map(|s| s.as_str()))),
        };
        let staged = |stage: i64, priority: Option<i64>| {
            let query = all().filter(tasks::stage.eq(stage));
            match priority {
                Some(priority) => query.filter(tasks::effective_priority.eq(priority)),
                None => query,
            }
        };
        match self.which {
            Which::All => any(all()),
            // Those in progress and those completed share a stage.
            Which::Stage(STARTED, priority) => any(staged(STARTED, priority)),
            Which::Stage(stage, priority) => staged(stage, priority),
            Which::Running => all().filter(sql::<Bool>(in_progress!())),
            Which::Resting => any(all().filter(sql::<Bool>(match rest {
                Rest::All => RESTING,
                Rest::SameKey | Rest::LaterKey => RESTING_AFTER,
            }))),
            Which::Ready(priority) => any(known_ready(staged(READY, priority), now)),
            Which::Due => any(due(all(), now)),
        }
    }
}

fn sources(
    conn: &mut SqliteConnection,
    filter: &TaskFilter,
    sort: Sort,
) -> Result<Vec<Source>, Fault> {
    let one = |which, order| Ok(vec![Source { which, order }]);
    if filter.ready {
        let mut ready = walks(conn, &[READY], &filter.scope, sort)?;
        for source in &mut ready {
            if let Which::Stage(_, priority) = source.which {
                source.which = Which::Ready(priority);
            }
        }
        ready.push(Source {
            which: Which::Due,
            order: sorted(sort),
        });
        return Ok(ready);
    }
    let running = || Source {
        which: Which::Running,
        order: sorted(sort),
    };
    let any = filter.statuses.is_empty();
    match (&filter.scope, sort) {
        (Scope::Queue, Sort::Updated) => {
            let mut found = Vec::new();
            if any || filter.statuses.iter().any(|&it| it != Status::InProgress) {
                found.push(Source {
                    which: Which::Resting,
                    order: &MOMENT,
                });
            }
            if any || filter.statuses.contains(&Status::InProgress) {
                found.push(running());
            }
            Ok(found)
        }
        (_, Sort::Updated) => one(Which::All, &UPDATED_SORTED),
        (Scope::Task(_), Sort::Claim) => one(Which::All, &EFFECTIVE_SORTED),
        (Scope::Task(_), Sort::Seq) => one(Which::All, &CREATED),
        (Scope::Queue, Sort::Seq) if any => one(Which::All, &CREATED),
        (scope, sort) => {
            let mut stages = stages(&filter.statuses);
            let of_stage = |status| filter.statuses.contains(&status);
            let only_running = of_stage(Status::InProgress)
                && !of_stage(Status::Completed)
                && running_is_little(conn, scope)?;
            if only_running {
                stages.retain(|&stage| stage != STARTED);
            }
            let mut found = walks(conn, &stages, scope, sort)?;
            if only_running {
                found.push(running());
            }
            Ok(found)
        }
    }
}

statement! {
    /// How many tasks of the queue are in progress, up to a thousand. It reads no column but the index's, so that no row is
    /// looked up for it.
    SomeRunning {} -> BigInt =
        concat!("SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY idx_tasks_moment WHERE moment >= ", in_between!(), " LIMIT 1000)")
}

/// Whether it is less work to look at all that is in progress in the queue than to walk by what is completed in the scope.
fn running_is_little(conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, Fault> {
    let some: i64 = SomeRunning::new().get_result(conn)?;
    if some < 1_000 {
        return Ok(true);
    }
    let around = match scope {
        Scope::Lane(lane) => Scope::Feature(lane.feature.clone()),
        scope => scope.clone(),
    };
    let counts = task_counts(conn, &around)?;
    Ok(counts.completed > 4 * counts.in_progress)
}

/// The order of a walk that finds few tasks, along whatever index it finds them.
const fn sorted(sort: Sort) -> &'static Order {
    match sort {
        Sort::Claim => &EFFECTIVE_SORTED,
        Sort::Seq => &CREATED_SORTED,
        Sort::Updated => &UPDATED_SORTED,
    }
}

/// The first half of the index of changes and leases; see `moment` in the schema.
const RESTING: &str = concat!("moment < ", in_between!());
/// The same for a walk that goes on from a cursor: SQLite has a walk end in one place only, and that is the cursor.
const RESTING_AFTER: &str = concat!("+moment < ", in_between!());

/// The stages that tasks with one of the statuses can be in; all, if none is given.
fn stages(statuses: &[Status]) -> Vec<i64> {
    let statuses = match statuses {
        [] => Status::ALL,
        statuses => statuses,
    };
    let stages: BTreeSet<i64> = statuses
        .iter()
        .flat_map(|status| match status {
            Status::Pending => [READY, WAITING].as_slice(),
            Status::InProgress | Status::Completed => &[STARTED],
            Status::Blocked => &[BLOCKED],
        })
        .copied()
        .collect();
    stages.into_iter().collect()
}

/// One walk along an index for each stage. It is in the order of claims; for the order of creation there is one for each
/// priority as well, of which there are at most a hundred.
fn walks(
    conn: &mut SqliteConnection,
    stages: &[i64],
    scope: &Scope,
    sort: Sort,
) -> Result<Vec<Source>, Fault> {
    let mut found = Vec::new();
    for &stage in stages {
        match sort {
            Sort::Claim => found.push(Source {
                which: Which::Stage(stage, None),
                order: &EFFECTIVE,
            }),
            Sort::Updated => found.push(Source {
                which: Which::Stage(stage, None),
                order: &UPDATED,
            }),
            Sort::Seq => {
                let mut above = i64::MIN;
                let all = || tasks::table.into_boxed().filter(tasks::stage.eq(stage));
                while let Some(priority) = in_scope(all(), scope)
                    .filter(tasks::effective_priority.gt(above))
                    .order(tasks::effective_priority)
                    .select(tasks::effective_priority)
                    .first::<i64>(conn)
                    .optional()?
                {
                    found.push(Source {
                        which: Which::Stage(stage, Some(priority)),
                        order: &CREATED,
                    });
                    above = priority;
                }
            }
        }
    }
    Ok(found)
}

/// An order: the column before `seq`, if there is one, and which way. A `+` keeps SQLite from walking an index for it.
struct Order {
    column: Option<&'static str>,
    seq: &'static str,
    by: &'static str,
    after: &'static str,
}

const EFFECTIVE: Order = Order {
    column: Some("effective_priority"),
    seq: "seq",
    by: "effective_priority, seq",
    after: ">",
};
const EFFECTIVE_SORTED: Order = Order {
    seq: "+seq",
    by: "+effective_priority, +seq",
    ..EFFECTIVE
};
const CREATED: Order = Order {
    column: None,
    seq: "seq",
    by: "seq",
    after: ">",
};
const CREATED_SORTED: Order = Order {
    seq: "+seq",
    by: "+seq",
    ..CREATED
};
const UPDATED: Order = Order {
    column: Some("updated_at"),
    seq: "seq",
    by: "updated_at DESC, seq DESC",
    after: "<",
};
/// The same of tasks at rest, as their index says it.
const MOMENT: Order = Order {
    column: Some("moment"),
    by: "moment DESC, seq DESC",
    ..UPDATED
};
const UPDATED_SORTED: Order = Order {
    column: Some("+updated_at"),
    seq: "+seq",
    by: "+updated_at DESC, +seq DESC",
    ..UPDATED
};

/// Which tasks come after a cursor: two walks, because SQLite would find only the first column of a row value by index
/// where the second is the row's own number.
#[derive(Clone, Copy)]
enum Rest {
    All,
    SameKey,
    LaterKey,
}

/// Everything but the source and the scope: words, order and place.
fn finish<'a>(
    mut query: Boxed<'a>,
    filter: &'a TaskFilter,
    page: &Page,
    order: &Order,
    rest: Rest,
) -> Boxed<'a> {
    for word in &filter.words {
        query = query.filter(
            sql::<Bool>("instr(lower(description), lower(")
                .bind::<Text, _>(word)
                .sql(")) > 0"),
        );
    }
    let Order {
        column,
        seq: number,
        by,
        after,
    } = order;
    if let Some(Cursor { key, seq }) = page.after {
        let column = column.unwrap_or_default();
        query = match rest {
            Rest::All => query.filter(sql::<Bool>(&format!("{number} > ")).bind::<BigInt, _>(seq)),
            Rest::SameKey => query.filter(
                sql::<Bool>(&format!("{column} = "))
                    .bind::<BigInt, _>(key)
                    .sql(&format!(" AND {number} {after} "))
                    .bind::<BigInt, _>(seq),
            ),
            Rest::LaterKey => {
                query.filter(sql::<Bool>(&format!("{column} {after} ")).bind::<BigInt, _>(key))
            }
        };
    }
    query
        .order(sql::<Text>(by))
        .limit(i64::from(page.limit) + 1)
}

/// Of tasks that were ready, those that are, unless the clock went back.
fn known_ready(query: Boxed<'_>, now: Timestamp) -> Boxed<'_> {
    let now = now.micros();
    query.filter(tasks::not_before.is_null().or(tasks::not_before.le(now)))
}

/// The part of a source that lies in a scope. Those in progress are few, wherever they lie, and are found by their
/// leases: a `+` keeps SQLite from walking everything in the scope instead.
fn in_part<'a>(query: Boxed<'a>, scope: &'a Scope, which: Which) -> Boxed<'a> {
    match (which, scope) {
        (Which::Running, Scope::Epic(epic)) => {
            query.filter(sql::<Bool>("+epic_id = ").bind::<Text, _>(epic.as_str()))
        }
        (Which::Running, Scope::Feature(feature)) => {
            query.filter(sql::<Bool>("+feature_id = ").bind::<Text, _>(feature.as_str()))
        }
        (Which::Running, Scope::Lane(lane)) => query
            .filter(sql::<Bool>("+feature_id = ").bind::<Text, _>(lane.feature.as_str()))
            .filter(tasks::effective_priority.eq(i64::from(lane.priority.number()))),
        (_, scope) => in_scope(query, scope),
    }
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
    let columns: Option<CountColumns> = match scope {
        Scope::Queue => CountedQueue::new().get_result(conn).optional()?,
        Scope::Epic(epic) => CountedEpic::new(epic.as_str())
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
    Ok(counts(columns.unwrap_or_default()))
}

statement! {
    /// How many tasks of the queue have which status: the sum of its features.
    CountedQueue {} -> (BigInt, BigInt, BigInt, BigInt) =
        "SELECT coalesce(sum(tasks_pending), 0), coalesce(sum(tasks_in_progress), 0), \
         coalesce(sum(tasks_completed), 0), coalesce(sum(tasks_blocked), 0) FROM features"
}
statement! {
    /// The same of an epic.
    CountedEpic { epic: &'a str => Text } -> (BigInt, BigInt, BigInt, BigInt) =
        "SELECT coalesce(sum(tasks_pending), 0), coalesce(sum(tasks_in_progress), 0), \
         coalesce(sum(tasks_completed), 0), coalesce(sum(tasks_blocked), 0) FROM features WHERE epic_id = ?"
}
statement! {
    /// The same of every epic that has features.
    CountedEpics {} -> (Text, BigInt, BigInt, BigInt, BigInt) =
        "SELECT epic_id, sum(tasks_pending), sum(tasks_in_progress), sum(tasks_completed), sum(tasks_blocked) \
         FROM features WHERE epic_id IS NOT NULL GROUP BY epic_id"
}

/// How many tasks of each epic have which status.
pub(crate) fn counts_by_epic(
    conn: &mut SqliteConnection,
) -> Result<HashMap<String, StatusCounts>, Fault> {
    let rows: Vec<(String, i64, i64, i64, i64)> = CountedEpics::new().load(conn)?;
    let counted = rows
        .into_iter()
        .map(|(epic, pending, in_progress, completed, blocked)| {
            (epic, counts((pending, in_progress, completed, blocked)))
        });
    Ok(counted.collect())
}

/// The four counters of a parent: pending, in progress, completed, blocked.
pub(crate) type CountColumns = (i64, i64, i64, i64);

pub(crate) fn counts((pending, in_progress, completed, blocked): CountColumns) -> StatusCounts {
    StatusCounts {
        pending: unsigned(pending),
        in_progress: unsigned(in_progress),
        completed: unsigned(completed),
        blocked: unsigned(blocked),
    }
}

pub(crate) fn count(conn: &mut SqliteConnection, kind: EntityKind) -> Result<u64, Fault> {
    let count: i64 = match kind {
        EntityKind::Epic => epics::table.count().get_result(conn)?,
        EntityKind::Feature => features::table.count().get_result(conn)?,
        EntityKind::Task => return Ok(task_counts(conn, &Scope::Queue)?.total()),
        EntityKind::Test => test_cases::table.count().get_result(conn)?,
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
            // Ids without small letters are found by large ones in the index that every table has, the others in
            // an index of their own.
            let large = prefix.to_ascii_uppercase();
            let large_end = format!("{large}{}", char::MAX);
            let mut found: Vec<String> = $table::table
                .filter($table::id.ge(&large))
                .filter($table::id.lt(&large_end))
                .filter(sql::<Bool>("id NOT GLOB '*[a-z]*'"))
                .order($table::id)
                .limit(limit.into())
                .select($table::id)
                .load(conn)?;
            let end = format!("{prefix}{}", char::MAX);
            let mixed: Vec<String> = $table::table
                .filter(
                    sql::<Bool>("id GLOB '*[a-z]*' AND id COLLATE NOCASE >= ")
                        .bind::<Text, _>(prefix)
                        .sql(" AND id COLLATE NOCASE < ")
                        .bind::<Text, _>(end),
                )
                .order($table::id)
                .limit(limit.into())
                .select($table::id)
                .load(conn)?;
            found.extend(mixed);
            found.sort();
            found.truncate(limit as usize);
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
            .filter(tasks::stage.eq_any(stages(&[])))
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
