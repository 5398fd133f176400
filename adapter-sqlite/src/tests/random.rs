//! Random writes, ours and by plain SQL, after each of which everything derived is derived once more and compared.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tasq_domain::ready::Scope;
use tasq_domain::{Dependency, EpicId, FeatureId, Priority, Status, TestOwner, TestStatus};
use tasq_ports::{StoreError, StoreExt, Tx};

use super::{Fixture, at, epic, feature, hold, lines, task, test_case};
use crate::derive::{DERIVE_COUNTS, DERIVE_ENTITY_EVENTS, DERIVE_PARENTS, DERIVE_TASKS};

const STEPS: usize = 800;

/// What triggers derive, as text.
const DERIVED: &str = "
SELECT 'task ' || id || ' ' || json_array(feature_priority, epic_id, open_deps, held_above, shelf, stage, effective_priority) AS line FROM tasks
UNION ALL
SELECT 'feature ' || id || ' ' || json_array(
    status, tasks_pending, tasks_in_progress, tasks_completed, tasks_blocked, open_gates) FROM features
UNION ALL
SELECT 'epic ' || id || ' ' || json_array(
    status, features_pending, features_in_progress, features_completed, features_blocked) FROM epics
UNION ALL
SELECT 'event ' || json_array(entity_seq, entity_kind, event_seq) FROM entity_events
UNION ALL
SELECT 'acting ' || json_array(acting_at) FROM acting";

/// Compares what the triggers derived with what follows from scratch; changes nothing.
pub(crate) fn check_derived(fixture: &Fixture) {
    let mut conn = fixture.plain();
    check(&mut conn, "plain SQL");
    let orphans = lines(
        &mut conn,
        "SELECT \"table\" || ' ' || rowid AS line FROM pragma_foreign_key_check",
    );
    assert_eq!(orphans, [""; 0]);
}

fn check(conn: &mut SqliteConnection, step: &str) {
    let found = lines(conn, DERIVED);
    conn.batch_execute("BEGIN IMMEDIATE").unwrap();
    conn.batch_execute(DERIVE_TASKS).unwrap();
    conn.batch_execute(DERIVE_COUNTS).unwrap();
    conn.batch_execute(DERIVE_PARENTS).unwrap();
    conn.batch_execute(DERIVE_ENTITY_EVENTS).unwrap();
    let expected = lines(conn, DERIVED);
    conn.batch_execute("ROLLBACK").unwrap();
    assert_eq!(found, expected, "after {step}");
}

/// Xorshift: the same steps for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    pub(super) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let at = self.below(among.len());
        &among[at]
    }

    pub(super) fn id(&mut self, prefix: &str, limit: usize) -> String {
        format!("{prefix}{}", self.below(limit))
    }

    pub(super) fn maybe(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn status(&mut self) -> Status {
        *self.pick(Status::ALL)
    }
}

pub(super) const EPICS: usize = 3;
pub(super) const FEATURES: usize = 6;
pub(super) const TASKS: usize = 14;
pub(super) const TESTS: usize = 8;

#[test]
fn whatever_is_written_everything_derived_is_right() {
    let seed = 0x7461_7371_u64;
    println!("seed {seed}");
    let mut random = Random(seed);
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    for number in 0..STEPS {
        let step = if random.maybe() {
            let step = random_sql(&mut random);
            if random.maybe() {
                plain.batch_execute("PRAGMA foreign_keys = ON").unwrap();
            } else {
                plain.batch_execute("PRAGMA foreign_keys = OFF").unwrap();
            }
            // Most are accepted; those that are not must change nothing.
            let _ = plain.batch_execute(&step);
            step
        } else {
            let step = fixture
                .store
                .write(|tx| random_write(&mut random, tx, i64::try_from(number).unwrap()));
            step.unwrap_or_else(|error| error.to_string())
        };
        check(&mut plain, &format!("step {number}: {step}"));
    }
    assert!(fixture.store.read(|tx| tx.contents()).unwrap().tasks.len() > 2);
    check_derived(&fixture);
}

pub(super) fn random_sql(random: &mut Random) -> String {
    let status = random.status();
    let (epic, feature) = (random.id("E", EPICS), random.id("F", FEATURES));
    let (task, other) = (random.id("T", TASKS), random.id("T", TASKS));
    let test = random.id("X", TESTS);
    let under = if random.maybe() {
        format!("'{epic}'")
    } else {
        "NULL".to_owned()
    };
    let hold = if random.maybe() {
        "hold_by = 'a', hold_reason = 'b', hold_at = 1"
    } else {
        "hold_by = NULL, hold_reason = NULL, hold_at = NULL"
    };
    let priority = random.below(4);
    match random.below(24) {
        0 => format!("INSERT INTO epics (id, name, status) VALUES ('{epic}', 'n', '{status}')"),
        1 | 2 => {
            format!("INSERT INTO features (id, name, epic_id) VALUES ('{feature}', 'n', {under})")
        }
        3 => format!(
            "INSERT INTO features (id, name, epic_id, status, hold_by, hold_reason, hold_at) \
             VALUES ('{feature}', 'n', {under}, '{status}', 'a', 'b', 1)"
        ),
        4..=6 => format!(
            "INSERT INTO tasks (id, feature_id, description, status) VALUES ('{task}', '{feature}', 'd', '{status}')"
        ),
        7 => format!(
            "INSERT INTO test_cases (id, feature_id, description, required) VALUES ('{test}', '{feature}', 'd', 1)"
        ),
        8 => format!("INSERT INTO dependencies VALUES ('{task}', '{other}')"),
        9..=11 => format!("UPDATE tasks SET status = '{status}' WHERE id = '{task}'"),
        12 => format!(
            "UPDATE tasks SET status = '{status}', feature_id = '{feature}' WHERE id = '{task}'"
        ),
        13 => format!("UPDATE features SET status = '{status}' WHERE id = '{feature}'"),
        14 => format!("UPDATE features SET epic_id = {under}, {hold} WHERE id = '{feature}'"),
        15 => format!(
            "UPDATE features SET priority = {priority}, status = '{status}' WHERE id = '{feature}'"
        ),
        16 => format!("UPDATE epics SET {hold} WHERE id = '{epic}'"),
        17 => format!("UPDATE epics SET status = '{status}'"),
        18 => format!("UPDATE tasks SET priority = {priority}, {hold} WHERE id = '{task}'"),
        19 => format!(
            "UPDATE test_cases SET status = '{}', required = {} WHERE id = '{test}'",
            random.pick(TestStatus::ALL),
            random.below(2)
        ),
        20 => format!("DELETE FROM dependencies WHERE task_id = '{task}'"),
        21 => format!("DELETE FROM tasks WHERE id = '{task}'"),
        22 => format!("UPDATE tasks SET status = '{status}' WHERE feature_id = '{feature}'"),
        _ => match random.below(6) {
            0 => format!("DELETE FROM epics WHERE id = '{epic}'"),
            1 => format!("DELETE FROM features WHERE id = '{feature}'"),
            2 => format!("DELETE FROM test_cases WHERE id = '{test}'"),
            3 => format!(
                "UPDATE test_cases SET feature_id = '{feature}', task_id = NULL WHERE id = '{test}'"
            ),
            4 => format!(
                "UPDATE test_cases SET task_id = '{task}', feature_id = NULL WHERE id = '{test}'"
            ),
            _ => "DELETE FROM dependencies".to_owned(),
        },
    }
}

pub(super) fn random_write(
    random: &mut Random,
    tx: &mut dyn Tx,
    now: i64,
) -> Result<String, StoreError> {
    let (epic_id, feature_id) = (random.id("E", EPICS), random.id("F", FEATURES));
    let task_id = random.id("T", TASKS);
    let under = if random.maybe() {
        tx.epic(&EpicId::new(epic_id.as_str()).unwrap())?
            .map(|epic| epic.id)
    } else {
        None
    };
    let there = tx
        .feature(&FeatureId::new(feature_id.as_str()).unwrap())?
        .map(|feature| feature.id);
    let what = random.below(12);
    match what {
        0 => {
            let _ = tx.insert_epic(&epic(&epic_id))?;
        }
        1 => {
            let under = under.as_ref().map(EpicId::as_str);
            let _ = tx.insert_feature(&feature(&feature_id, under))?;
        }
        2 | 3 if there.is_some() => {
            let mut new = task(&task_id, &feature_id);
            new.status = random.status();
            let _ = tx.insert_task(&new)?;
        }
        4 if there.is_some() => {
            let id = random.id("X", TESTS);
            let owner = TestOwner::Feature(there.unwrap());
            let _ = tx.insert_test(&test_case(&id, owner, *random.pick(TestStatus::ALL)))?;
        }
        5 => {
            if let Some(mut found) = tx.epic(&EpicId::new(epic_id.as_str()).unwrap())? {
                found.hold = random.maybe().then(|| hold(now));
                found.own_status = random.status();
                tx.update_epic(&found)?;
            }
        }
        6 => {
            if let Some(mut found) = tx.feature(&FeatureId::new(feature_id.as_str()).unwrap())? {
                found.hold = random.maybe().then(|| hold(now));
                found.own_status = random.status();
                found.epic = under;
                found.priority = Priority::new(now % 4).unwrap();
                found.updated_at = at(now);
                tx.update_feature(&found)?;
            }
        }
        7..=10 => random_task_write(random, tx, &task_id, there, now)?,
        _ => random_removal(random, tx, &feature_id, &task_id)?,
    }
    Ok(format!("write {what} {epic_id} {feature_id} {task_id}"))
}

fn random_task_write(
    random: &mut Random,
    tx: &mut dyn Tx,
    id: &str,
    feature: Option<FeatureId>,
    now: i64,
) -> Result<(), StoreError> {
    let Some(record) = tx.task(&task(id, "F").id)? else {
        return Ok(());
    };
    let mut found = record.task;
    found.updated_at = at(now);
    found.status = random.status();
    match random.below(4) {
        0 | 1 => {
            found.not_before = random.maybe().then(|| at(900 + now % 300));
            tx.update_task_life(&found)
        }
        2 => {
            found.feature = feature.unwrap_or(found.feature);
            found.hold = random.maybe().then(|| hold(now));
            found.own_priority = random.maybe().then(|| Priority::new(now % 5).unwrap());
            tx.update_task(&found)
        }
        _ => {
            let on = random.id("T", TASKS);
            let (task, on) = (found.id, task(&on, "F").id);
            if task != on && tx.task(&on)?.is_some() {
                tx.insert_dependency(&Dependency { task, on })?;
            }
            tx.next_ready(&Scope::Queue).map(drop)
        }
    }
}

fn random_removal(
    random: &mut Random,
    tx: &mut dyn Tx,
    feature_id: &str,
    task_id: &str,
) -> Result<(), StoreError> {
    let feature = FeatureId::new(feature_id).unwrap();
    let task = task(task_id, "F").id;
    if random.below(4) == 0 && tx.feature(&feature)?.is_some() {
        tx.remove_feature(&feature)?;
    } else if tx.task(&task)?.is_some() {
        tx.remove_task(&task)?;
    }
    Ok(())
}
