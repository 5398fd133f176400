//! The whole queue: its settings, taking it out, putting it in.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use diesel::SqliteConnection;
use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use tasq_domain::{
    AnyId, Contents, Epic, EpicId, Feature, FeatureId, Proof, Reason, Settings, StatusCounts, Task,
    TaskId, Timestamp,
};
use tasq_ports::Inserted;

use super::hand::Inherited;
use super::ledger::Ledger;
use super::{history, inserted, questions, tests, tree};
use crate::derive::{
    DERIVE_COUNTS, DERIVE_ENTITY_EVENTS, DERIVE_OPEN_DEPENDENCIES, DERIVE_PARENTS, DERIVE_TASKS,
};
use crate::error::{BadRow, Fault};
use crate::rows::history::{CheckpointRow, DependencyRow, EventRow, OperationRow};
use crate::rows::plain::{self, Condition, FRESH, PLAIN, is_fresh, is_plain};
use crate::rows::question::QuestionRow;
use crate::rows::settings::{ReadSettings, SettingsRow, StoredSettings};
use crate::rows::task::{self, WHOLE_TASK, shelf};
use crate::schema::{
    checkpoints, dependencies, epics, events, features, operations, questions as question_rows,
    settings, tasks,
};
use crate::statement::statement;

pub(crate) fn settings(conn: &mut SqliteConnection) -> Result<Settings, Fault> {
    let StoredSettings(settings) = ReadSettings::new().get_result(conn)?;
    Ok(settings?)
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

/// Reads the rows of a table one by one, so that they are never all there beside what is made of them.
macro_rules! all {
    ($conn:ident, $table:ident, $row:ty, $order:expr) => {{
        let rows = $table::table
            .order($order)
            .select(<$row>::as_select())
            .load_iter::<$row, DefaultLoadingMode>($conn)?;
        let read: Result<Vec<_>, Fault> = rows.map(|row| Ok(row?.read()?)).collect();
        read?
    }};
}

pub(crate) fn contents(conn: &mut SqliteConnection) -> Result<Contents, Fault> {
    Ok(Contents {
        attempts: history::all_attempts(conn)?,
        checkpoints: all!(conn, checkpoints, CheckpointRow, checkpoints::seq),
        events: all!(conn, events, EventRow, events::seq),
        operations: all!(conn, operations, OperationRow, operations::seq),
        ..tree(conn)?
    })
}

pub(crate) fn tree(conn: &mut SqliteConnection) -> Result<Contents, Fault> {
    let mut tasks = Vec::new();
    let mut read = Ok(());
    batches(conn, &mut |rows| {
        read = rows.each(|task| {
            tasks.push(task);
            ControlFlow::Continue(())
        });
        match read {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    read?;
    // A few runs, each in order, which a stable sort merges.
    tasks.sort_by_key(|task| task.seq);
    Ok(Contents {
        tasks,
        ..tree_without_tasks(conn)?
    })
}

pub(crate) fn tree_without_tasks(conn: &mut SqliteConnection) -> Result<Contents, Fault> {
    Ok(Contents {
        settings: settings(conn)?,
        epics: tree::epics(conn)?,
        features: tree::features(conn)?,
        tasks: Vec::new(),
        tests: tests::tests(conn, i64::MIN, i64::MAX)?,
        dependencies: all!(
            conn,
            dependencies,
            DependencyRow,
            (dependencies::task_id, dependencies::depends_on)
        ),
        questions: all!(
            conn,
            question_rows,
            QuestionRow,
            (question_rows::task_id, question_rows::number)
        ),
        attempts: Vec::new(),
        checkpoints: Vec::new(),
        events: Vec::new(),
        operations: Vec::new(),
    })
}

/// How many tasks are handed over at once, or how many bytes of their rows, if these come first.
const BATCH_TASKS: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;

/// Rows of tasks, each in one piece, one after the other.
pub(crate) struct TaskRows {
    read: ReadTask,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

type ReadTask = fn(&[u8]) -> Result<Task, BadRow>;

impl TaskRows {
    const fn new(read: ReadTask) -> Self {
        Self {
            read,
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    fn is_full(&self) -> bool {
        self.ends.len() >= BATCH_TASKS || self.bytes.len() >= BATCH_BYTES
    }

    /// Makes the tasks, one after the other, until `visit` breaks off.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(Task) -> ControlFlow<()>,
    ) -> Result<(), BadRow> {
        let mut start = 0;
        for &end in &self.ends {
            if visit((self.read)(&self.bytes[start..end])?).is_break() {
                break;
            }
            start = end;
        }
        Ok(())
    }
}

/// Gives the rows of all tasks, until `visit` breaks off. Kind by kind, because most need few columns: those that are as
/// they were added, those that have a past, and those that are held or on hold. Each kind is looked for in all rows, and
/// only while not all have been read.
pub(crate) fn batches(
    conn: &mut SqliteConnection,
    visit: &mut dyn FnMut(TaskRows) -> ControlFlow<()>,
) -> Result<(), Fault> {
    use diesel::dsl::not;
    let mut left: i64 = tasks::table.count().get_result(conn)?;
    let kinds: [(&str, Condition, ReadTask); 3] = [
        (FRESH, Box::new(is_fresh().and(is_plain())), plain::read),
        (
            PLAIN,
            Box::new(not(is_fresh()).and(is_plain())),
            plain::read,
        ),
        (WHOLE_TASK, Box::new(not(is_plain())), task::read_task),
    ];
    for (columns, which, read) in kinds {
        if left == 0 {
            return Ok(());
        }
        let rows = tasks::table
            .filter(which)
            .order(tasks::seq)
            .select(sql::<Binary>(columns))
            .load_iter::<Vec<u8>, DefaultLoadingMode>(conn)?;
        let mut batch = TaskRows::new(read);
        for row in rows {
            left -= 1;
            batch.push(&row?);
            if batch.is_full() {
                let full = std::mem::replace(&mut batch, TaskRows::new(read));
                if visit(full).is_break() {
                    return Ok(());
                }
            }
        }
        if !batch.ends.is_empty() && visit(batch).is_break() {
            return Ok(());
        }
    }
    if left == 0 {
        return Ok(());
    }
    Err(Fault::misuse(format!("{left} tasks were not found")))
}

/// Triggers derive row by row and indexes are sorted row by row, which costs more than all the rest; so they go, tasks
/// come with what they inherit, the rest is derived and sorted once, and they come back as they were. All in the
/// caller's transaction: nobody sees the store without them.
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
    let inherited = inherited(epics, features);
    for task in tasks {
        let Some(inherited) = inherited.get(&task.feature) else {
            return Err(Fault::misuse(format!(
                "there is no feature {}",
                task.feature
            )));
        };
        fresh(load_task(conn, task, inherited)?, &task.id)?;
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
    let numbers = Numbers::read(contents);
    let mut ledger = Ledger::default();
    for attempt in attempts {
        let task = numbers.task(conn, &attempt.task)?;
        ledger.insert_attempt(conn, task, attempt)?;
    }
    for checkpoint in checkpoints {
        history::insert_checkpoint(conn, checkpoint)?;
    }
    for event in events {
        let entity = numbers.of(conn, &event.entity)?;
        ledger.append_event(conn, entity, event)?;
    }
    ledger.write_out(conn)?;
    for operation in operations {
        history::insert_operation(conn, operation, u64::MAX)?;
    }
    if !dependencies.is_empty() {
        conn.batch_execute(DERIVE_OPEN_DEPENDENCIES)?;
    }
    put_back(conn, indexes)?;
    count(conn, tasks)?;
    conn.batch_execute(DERIVE_PARENTS)?;
    put_back(conn, triggers)
}

/// What the tasks of each feature inherit.
fn inherited<'a>(epics: &[Epic], features: &'a [Feature]) -> HashMap<&'a FeatureId, Inherited> {
    let held: HashSet<&EpicId> = epics
        .iter()
        .filter(|epic| epic.hold.is_some())
        .map(|epic| &epic.id)
        .collect();
    let of = |feature: &Feature| Inherited {
        priority: feature.priority,
        epic: feature.epic.clone(),
        held_above: feature.hold.is_some()
            || feature
                .epic
                .as_ref()
                .is_some_and(|epic| held.contains(epic)),
    };
    features
        .iter()
        .map(|feature| (&feature.id, of(feature)))
        .collect()
}

statement! {
    /// Says how many of a feature's tasks have which status.
    CountTasks {
        pending: i64 => BigInt, in_progress: i64 => BigInt, completed: i64 => BigInt, blocked: i64 => BigInt,
        id: &'a str => Text
    } -> () =
        "UPDATE features SET tasks_pending = ?, tasks_in_progress = ?, tasks_completed = ?, tasks_blocked = ? \
         WHERE id = ?"
}

/// Counts the tasks of every feature, as they were loaded.
fn count(conn: &mut SqliteConnection, tasks: &[Task]) -> Result<(), Fault> {
    let mut of: HashMap<&FeatureId, StatusCounts> = HashMap::new();
    for task in tasks {
        of.entry(&task.feature).or_default().add(task.status);
    }
    for (feature, counts) in of {
        let [pending, in_progress, completed, blocked] = columns(counts);
        CountTasks::new(pending, in_progress, completed, blocked, feature.as_str())
            .execute(conn)?;
    }
    Ok(())
}

fn columns(counts: StatusCounts) -> [i64; 4] {
    let StatusCounts {
        pending,
        in_progress,
        completed,
        blocked,
    } = counts;
    [pending, in_progress, completed, blocked]
        .map(|count| i64::try_from(count).expect("as many tasks fit into no memory"))
}

statement! {
    /// Adds a task that nobody holds, with its past. Its parents count it when everything is there.
    LoadTask {
        seq: i64 => BigInt, id: &'a str => Text, feature: &'a str => Text, description: &'a str => Text,
        priority: Option<i64> => Nullable<BigInt>, retry_budget: i64 => BigInt, hold_by: Option<&'a str> => Nullable<Text>,
        hold_reason: Option<&'a str> => Nullable<Text>, hold_at: Option<i64> => Nullable<BigInt>,
        source_origin: Option<&'a str> => Nullable<Text>, source_digest: Option<&'a str> => Nullable<Text>,
        created_at: i64 => BigInt, updated_at: i64 => BigInt, metadata: &'a str => Text, status: &'a str => Text,
        blocked_reason: Option<&'a str> => Nullable<Text>, retries_used: i64 => BigInt,
        not_before: Option<i64> => Nullable<BigInt>, attempts: i64 => BigInt, lost_in_a_row: i64 => BigInt,
        completed_at: Option<i64> => Nullable<BigInt>, proof: Option<&'a str> => Nullable<Text>,
        proof_by: Option<&'a str> => Nullable<Text>, proof_reason: Option<&'a str> => Nullable<Text>,
        feature_priority: i64 => BigInt, epic: Option<&'a str> => Nullable<Text>, held_above: i64 => BigInt,
        shelf: i64 => BigInt
    } -> () =
        "INSERT INTO tasks (seq, id, feature_id, description, priority, retry_budget, hold_by, hold_reason, hold_at, \
         source_origin, source_digest, created_at, updated_at, metadata, status, blocked_reason, retries_used, \
         not_before, attempts, lost_in_a_row, completed_at, proof, proof_by, proof_reason, feature_priority, epic_id, \
         held_above, shelf, rev) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
}

fn load_task(
    conn: &mut SqliteConnection,
    task: &Task,
    inherited: &Inherited,
) -> Result<Inserted, Fault> {
    let Task {
        seq: 1..,
        id,
        feature,
        description,
        own_priority,
        retry_budget,
        hold,
        source,
        metadata,
        created_at,
        updated_at,
        status,
        blocked_reason,
        retries_used,
        not_before,
        attempts,
        lost_in_a_row,
        claim: None,
        completed_at,
        proof,
    } = task
    else {
        return tree::insert_task(conn, task, inherited);
    };
    if tree::is_fresh(task) {
        return tree::insert_task(conn, task, inherited);
    }
    let (proof_by, proof_reason) = match proof {
        Some(Proof::Override { by, reason }) => (Some(by.as_str()), Some(reason.as_str())),
        Some(Proof::Tests | Proof::Unproven | Proof::Imported) | None => (None, None),
    };
    let outcome = LoadTask::new(
        task.seq,
        id.as_str(),
        feature.as_str(),
        description.as_str(),
        own_priority.map(|priority| priority.number().into()),
        retry_budget.number().into(),
        hold.as_ref().map(|hold| hold.by.as_str()),
        hold.as_ref().map(|hold| hold.reason.as_str()),
        hold.as_ref().map(|hold| hold.at.micros()),
        source.as_ref().map(|source| source.origin.as_str()),
        source.as_ref().map(|source| source.digest.as_str()),
        created_at.micros(),
        updated_at.micros(),
        metadata.as_str(),
        status.as_str(),
        blocked_reason.as_ref().map(Reason::as_str),
        (*retries_used).into(),
        not_before.map(Timestamp::micros),
        (*attempts).into(),
        (*lost_in_a_row).into(),
        completed_at.map(Timestamp::micros),
        proof.as_ref().map(Proof::as_str),
        proof_by,
        proof_reason,
        inherited.priority.number().into(),
        inherited.epic.as_ref().map(EpicId::as_str),
        inherited.held_above.into(),
        shelf(*status),
    )
    .execute(conn);
    inserted(outcome, task.seq)
}

/// The numbers of the items that are loaded, so that a long history is not looked up line by line.
struct Numbers<'a> {
    epics: HashMap<&'a str, i64>,
    features: HashMap<&'a str, i64>,
    tasks: HashMap<&'a str, i64>,
    tests: HashMap<&'a str, i64>,
}

impl<'a> Numbers<'a> {
    /// Items whose number the store is to choose are looked up.
    fn read(contents: &'a Contents) -> Self {
        let no_history = contents.events.is_empty() && contents.attempts.is_empty();
        macro_rules! all {
            ($items:ident) => {
                contents
                    .$items
                    .iter()
                    .filter(|item| !no_history && item.seq != 0)
                    .map(|item| (item.id.as_str(), item.seq))
                    .collect()
            };
        }
        Self {
            epics: all!(epics),
            features: all!(features),
            tasks: all!(tasks),
            tests: all!(tests),
        }
    }

    fn task(&self, conn: &mut SqliteConnection, id: &TaskId) -> Result<i64, Fault> {
        match self.tasks.get(id.as_str()) {
            Some(seq) => Ok(*seq),
            None => history::task_seq(conn, id),
        }
    }

    fn of(&self, conn: &mut SqliteConnection, entity: &AnyId) -> Result<i64, Fault> {
        let known = match entity {
            AnyId::Epic(id) => self.epics.get(id.as_str()),
            AnyId::Feature(id) => self.features.get(id.as_str()),
            AnyId::Task(id) => self.tasks.get(id.as_str()),
            AnyId::Test(id) => self.tests.get(id.as_str()),
        };
        match known {
            Some(seq) => Ok(*seq),
            None => history::entity_seq(conn, entity),
        }
    }
}

/// Derives everything afresh. The triggers are out meanwhile, because they would take it for edits by hand.
pub(crate) fn rederive(conn: &mut SqliteConnection) -> Result<(), Fault> {
    let triggers = take_out(conn, "trigger")?;
    conn.batch_execute(DERIVE_TASKS)?;
    conn.batch_execute(DERIVE_COUNTS)?;
    conn.batch_execute(DERIVE_PARENTS)?;
    conn.batch_execute(DERIVE_ENTITY_EVENTS)?;
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
