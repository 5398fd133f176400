//! A plain SQL client: what it may leave out, what is refused, and what follows.

use diesel::RunQueryDsl as _;
use tasq_domain::ready::Scope;
use tasq_domain::{FeatureId, Priority, Status, TaskId};
use tasq_ports::{Inserted, StoreError, StoreExt};

use super::{Fixture, feature, task};

const QUEUE: &str = "
db.execute(\"INSERT INTO epics (id, name) VALUES ('E1', 'epic')\")
db.execute(\"INSERT INTO features (id, name, epic_id) VALUES ('F1', 'feature', 'E1')\")
db.execute(\"INSERT INTO features (id, name, epic_id) VALUES ('F2', 'feature', 'E1')\")
for n in (1, 2, 3):
    db.execute(\"INSERT INTO tasks (id, feature_id, description) VALUES (?, 'F1', 'd')\", (f'T{n}',))
db.execute(\"INSERT INTO test_cases (id, task_id, description) VALUES ('X1', 'T1', 'd')\")
def refused(sql):
    try:
        db.execute(sql)
    except sqlite3.IntegrityError as error:
        print(error)
    else:
        print('ACCEPTED', sql)
def all(sql):
    for row in db.execute(sql):
        print(*row)
";

impl Fixture {
    /// Runs a script after making a small queue, then checks everything derived.
    fn plain_sql(&self, script: &str) -> String {
        let printed = self.python(&format!("{QUEUE}{script}"));
        super::random::check_derived(self);
        printed
    }
}

#[test]
fn the_required_columns_are_enough() {
    let fixture = Fixture::new();
    fixture.plain_sql("");
    let id = TaskId::new("T1").unwrap();
    fixture
        .store
        .read(|tx| {
            let record = tx.task(&id)?.unwrap();
            let task = &record.task;
            assert_eq!(task.status, Status::Pending);
            assert_eq!(task.retry_budget.number(), 15);
            assert_eq!((task.retries_used, task.attempts), (0, 0));
            assert_eq!(record.priority, Priority::default());
            assert_eq!(record.epic.unwrap().as_str(), "E1");
            // Some time after 2020, in microseconds.
            assert!(task.created_at.micros() > 1_577_836_800_000_000);
            assert!(task.updated_at >= task.created_at);
            assert_eq!(tx.tests(0, 10)?.len(), 1);
            assert_eq!(tx.next_ready(&Default::default())?.unwrap().task.id, id);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn what_a_queue_cannot_hold_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
before = list(db.iterdump())
refused(\"UPDATE tasks SET status = 'done' WHERE id = 'T1'\")
refused(\"UPDATE features SET status = 'done'\")
refused(\"UPDATE epics SET status = ''\")
refused(\"UPDATE test_cases SET status = 'completed'\")
refused(\"UPDATE tasks SET priority = 100\")
refused(\"UPDATE tasks SET retries_used = 16\")
refused(\"UPDATE tasks SET retry_budget = -1\")
refused(\"UPDATE tasks SET id = 'T9' WHERE id = 'T1'\")
refused(\"UPDATE tasks SET feature_id = 'F9'\")
refused(\"INSERT INTO tasks (id, feature_id, description) VALUES ('T1', 'F1', 'd')\")
refused(\"INSERT INTO tasks (id, feature_id, description) VALUES ('T9', 'F9', 'd')\")
refused(\"INSERT INTO tasks (id, feature_id, description) VALUES ('T 9', 'F1', 'd')\")
refused(\"INSERT INTO tasks (id, feature_id, description) VALUES ('T9', 'F1', ' ')\")
for blank in ('9', '10', '11, 12', '13', '9, 10, 13, 32', '0', '1', '8', '14, 31', ''):
    refused(f\"INSERT INTO tasks (id, feature_id, description) VALUES ('T9', 'F1', char({blank}))\")
    refused(f\"UPDATE tasks SET hold_by = char({blank}), hold_reason = 'r', hold_at = 1\")
    refused(f\"UPDATE features SET name = char({blank})\")
refused(\"UPDATE tasks SET claim_worker = 'w', claim_nonce = '0000000000000001'\")
refused(\"UPDATE tasks SET claim_lease = 1\")
refused(\"INSERT INTO test_cases (id, description) VALUES ('X9', 'd')\")
refused(\"INSERT INTO test_cases (id, task_id, feature_id, description) VALUES ('X9', 'T1', 'F1', 'd')\")
refused(\"INSERT INTO dependencies VALUES ('T1', 'T1')\")
refused(\"INSERT INTO dependencies VALUES ('T1', 'T9')\")
refused(\"UPDATE features SET hold_by = 'me'\")
print(before == list(db.iterdump()))
",
    );
    assert!(!printed.contains("ACCEPTED"), "{printed}");
    assert!(printed.ends_with("True\n"), "{printed}");
}

#[test]
fn any_letter_or_sign_is_a_text() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
for text in ('33', '93', '126', '1, 33', '32, 13, 45', '8364', '128512', '1114111'):
    db.execute(f\"UPDATE tasks SET description = char({text})\")
    all(f\"SELECT count(*) FROM tasks WHERE description = char({text})\")
",
    );
    assert_eq!(printed, "3\n".repeat(8));
}

#[test]
fn parents_follow_in_both_directions() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
def show():
    all(\"SELECT (SELECT status FROM features WHERE id = 'F1'), (SELECT status FROM epics)\")
show()
db.execute(\"UPDATE tasks SET status = 'completed' WHERE id = 'T1'\"); show()
db.execute(\"UPDATE tasks SET status = 'completed'\"); show()
db.execute(\"UPDATE features SET status = 'completed' WHERE id = 'F2'\"); show()
db.execute(\"UPDATE tasks SET status = 'pending' WHERE id = 'T2'\"); show()
db.execute(\"UPDATE tasks SET status = 'blocked' WHERE id = 'T2'\"); show()
db.execute(\"UPDATE tasks SET feature_id = 'F2' WHERE id = 'T2'\"); show()
db.execute(\"DELETE FROM tasks WHERE id = 'T2'\"); show()
",
    );
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        [
            "pending pending",
            "in_progress in_progress",
            "completed in_progress",
            "completed completed",
            "in_progress in_progress",
            "blocked blocked",
            "completed blocked",
            "completed completed",
        ]
    );
}

#[test]
fn completion_has_its_time_and_loses_it() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
def show():
    all(\"SELECT completed_at IS NOT NULL, completed_at >= created_at, updated_at >= created_at FROM tasks WHERE id = 'T1'\")
db.execute(\"UPDATE tasks SET updated_at = 5, created_at = 5\")
db.execute(\"UPDATE tasks SET status = 'completed' WHERE id = 'T1'\"); show()
all(\"SELECT updated_at > 1577836800000000 FROM tasks WHERE id = 'T1'\")
db.execute(\"UPDATE tasks SET status = 'blocked' WHERE id = 'T1'\"); show()
db.execute(\"UPDATE tasks SET status = 'completed', completed_at = 77 WHERE id = 'T1'\")
all(\"SELECT completed_at FROM tasks WHERE id = 'T1'\")
db.execute(\"UPDATE tasks SET description = 'e', updated_at = 9\")
all(\"SELECT DISTINCT updated_at FROM tasks\")
db.execute(\"INSERT INTO tasks (id, feature_id, description, status) VALUES ('T4', 'F1', 'd', 'completed')\")
all(\"SELECT completed_at IS NOT NULL FROM tasks WHERE id = 'T4'\")
",
    );
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["1 1 1", "1", "0 None 1", "77", "9", "1"]
    );
}

#[test]
fn a_removal_takes_everything_below_it_with_or_without_foreign_keys() {
    for keys in ["ON", "OFF"] {
        let fixture = Fixture::new();
        let printed = fixture.plain_sql(&format!(
            "
db.execute('PRAGMA foreign_keys = {keys}')
db.execute(\"INSERT INTO features (id, name) VALUES ('F3', 'other')\")
db.execute(\"INSERT INTO tasks (id, feature_id, description) VALUES ('T9', 'F3', 'd')\")
db.execute(\"INSERT INTO test_cases (id, feature_id, description, required) VALUES ('X2', 'F1', 'd', 1)\")
db.execute(\"INSERT INTO dependencies VALUES ('T9', 'T1')\")
db.execute(\"INSERT INTO dependencies VALUES ('T2', 'T1')\")
db.execute(\"INSERT INTO attempts (task_seq, number, nonce, worker, started_at) VALUES (1, 1, '0000000000000001', 'w', 1)\")
db.execute(\"INSERT INTO checkpoints (task_id, attempt, at, summary) VALUES ('T1', 1, 1, 's')\")
db.execute(\"INSERT INTO questions (task_id, number, asked_at, asked_by, question) VALUES ('T1', 1, 1, 'w', 'which?')\")
db.execute('DELETE FROM epics')
for table in ('epics', 'features', 'tasks', 'test_cases', 'dependencies', 'attempts', 'checkpoints', 'questions'):
    all(f'SELECT count(*) FROM {{table}}')
all(\"SELECT open_deps, iif(stage = 1, effective_priority, NULL) FROM tasks WHERE id = 'T9'\")
"
        ));
        let printed: Vec<&str> = printed.lines().collect();
        assert_eq!(
            printed,
            ["0", "1", "1", "0", "0", "0", "0", "0", "0 2"],
            "{keys}"
        );
    }
}

#[test]
fn a_hold_by_hand_reaches_every_task_below() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
def show():
    all(\"SELECT sum(held_above), sum(stage = 1) FROM tasks\")
show()
db.execute(\"UPDATE epics SET hold_by = 'a', hold_reason = 'b', hold_at = 1\"); show()
db.execute(\"UPDATE features SET epic_id = NULL WHERE id = 'F1'\"); show()
db.execute(\"UPDATE features SET epic_id = 'E1' WHERE id = 'F1'\"); show()
db.execute(\"UPDATE epics SET hold_by = NULL, hold_reason = NULL, hold_at = NULL\"); show()
db.execute(\"UPDATE tasks SET hold_by = 'a', hold_reason = 'b', hold_at = 1 WHERE id = 'T1'\"); show()
db.execute(\"UPDATE features SET priority = 7 WHERE id = 'F1'\")
db.execute(\"UPDATE tasks SET priority = 1 WHERE id = 'T2'\")
all('SELECT iif(stage = 1, effective_priority, NULL) FROM tasks ORDER BY seq')
",
    );
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["0 3", "3 0", "0 3", "3 0", "0 3", "0 2", "None", "1", "7"]
    );
}

#[test]
fn an_edit_by_hand_ends_a_claim() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
db.execute(\"INSERT INTO attempts (task_seq, number, nonce, worker, started_at) VALUES (1, 1, '0000000000000001', 'w', 1)\")
db.execute(\"UPDATE tasks SET status = 'in_progress', attempts = 1, claim_worker = 'w', claim_attempt = 1, \"
           \"claim_nonce = '0000000000000001', claim_started_at = 1, claim_lease = 1, lease_expires_at = 2, \"
           \"claim_place = 'here', claim_pid = 1, claim_started_ticks = 1 WHERE id = 'T1'\")
db.execute(\"UPDATE tasks SET status = 'pending' WHERE id = 'T1'\")
all(\"SELECT claim_nonce, claim_place, lease_expires_at, attempts FROM tasks WHERE id = 'T1'\")
all(\"SELECT outcome, ended_at > 1 FROM attempts\")
db.execute(\"UPDATE tasks SET status = 'blocked', blocked_reason = 'r' WHERE id = 'T1'\")
db.execute(\"UPDATE tasks SET status = 'completed', proof = 'none' WHERE id = 'T1'\")
all(\"SELECT blocked_reason, proof FROM tasks WHERE id = 'T1'\")
db.execute(\"UPDATE tasks SET status = 'in_progress' WHERE id = 'T1'\")
all(\"SELECT proof, completed_at FROM tasks WHERE id = 'T1'\")
",
    );
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["None None None 1", "cancelled 1", "None none", "None None"]
    );
}

#[test]
fn a_dependency_opens_and_closes_by_hand() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
def show():
    all(\"SELECT open_deps, iif(stage = 1, effective_priority, NULL) FROM tasks WHERE id = 'T3'\")
db.execute(\"INSERT INTO dependencies VALUES ('T3', 'T1'), ('T3', 'T2')\"); show()
db.execute(\"UPDATE tasks SET status = 'completed' WHERE id = 'T1'\"); show()
db.execute(\"DELETE FROM tasks WHERE id = 'T2'\"); show()
db.execute(\"UPDATE tasks SET status = 'in_progress' WHERE id = 'T1'\"); show()
db.execute(\"DELETE FROM dependencies\"); show()
",
    );
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["2 None", "1 None", "0 2", "1 None", "0 2"]
    );
}

#[test]
fn a_replace_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
db.execute(\"UPDATE tasks SET status = 'completed' WHERE id = 'T1'\")
db.execute(\"INSERT INTO test_cases (id, feature_id, description, required) VALUES ('X2', 'F1', 'd', 1)\")
before = list(db.iterdump())
refused(\"REPLACE INTO epics (id, name) VALUES ('E1', 'again')\")
refused(\"REPLACE INTO features (id, name) VALUES ('F1', 'again')\")
refused(\"REPLACE INTO tasks (id, feature_id, description) VALUES ('T1', 'F1', 'again')\")
refused(\"REPLACE INTO tasks (id, feature_id, description) VALUES ('T8', 'F1', 'd'), ('T1', 'F2', 'again')\")
refused(\"REPLACE INTO tasks (seq, id, feature_id, description) VALUES (1, 'T9', 'F1', 'again')\")
refused(\"REPLACE INTO test_cases (id, feature_id, description) VALUES ('X2', 'F1', 'again')\")
refused(\"REPLACE INTO tasks (id, feature_id, description, rev) VALUES ('T1', 'F1', 'again', 7)\")
db.execute('PRAGMA recursive_triggers = ON')
refused(\"REPLACE INTO test_cases (id, feature_id, description) VALUES ('X2', 'F1', 'again')\")
print(list(db.iterdump()) == before)
",
    );
    let lines: Vec<&str> = printed.lines().collect();
    let refusal = "CHECK constraint failed: it is there already: use UPDATE, or INSERT with ON CONFLICT (id) DO UPDATE";
    assert_eq!(lines, [[refusal; 8].as_slice(), &["True"]].concat());
}

#[test]
fn what_hangs_on_nothing_is_refused_however_it_is_written() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
db.execute(\"INSERT INTO test_cases (id, feature_id, description, required) VALUES ('X2', 'F1', 'd', 0)\")
before = list(db.iterdump())
for way in ('', 'OR IGNORE', 'OR REPLACE', 'OR FAIL'):
    refused(f\"INSERT {way} INTO features (id, name, epic_id) VALUES ('F9', 'n', 'E9')\")
    refused(f\"INSERT {way} INTO tasks (id, feature_id, description) VALUES ('T9', 'F9', 'd')\")
    refused(f\"INSERT {way} INTO test_cases (id, task_id, description) VALUES ('X9', 'T9', 'd')\")
    refused(f\"INSERT {way} INTO test_cases (id, feature_id, description) VALUES ('X9', 'F9', 'd')\")
    refused(f\"INSERT {way} INTO dependencies VALUES ('T9', 'T1')\")
    refused(f\"UPDATE {way} features SET epic_id = 'E9'\")
    refused(f\"UPDATE {way} tasks SET feature_id = 'F9', rev = rev + 1\")
    refused(f\"UPDATE {way} test_cases SET task_id = 'T9' WHERE id = 'X1'\")
    refused(f\"UPDATE {way} test_cases SET feature_id = 'F9' WHERE id = 'X2'\")
    refused(f\"UPDATE {way} epics SET id = 'E9'\")
    refused(f\"UPDATE {way} tasks SET seq = seq + 100, rev = rev + 1\")
print(before == list(db.iterdump()))
",
    );
    assert!(!printed.contains("ACCEPTED"), "{printed}");
    assert!(printed.ends_with("True\n"), "{printed}");
}

#[test]
fn a_parent_that_turns_by_hand_has_the_time_of_what_turned_it() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
def turned(sql):
    db.execute('UPDATE features SET touched_at = 0, rev = rev + 1')
    db.execute('UPDATE epics SET updated_at = 1, touched_at = 0, rev = rev + 1')
    db.execute(sql)
    all(\"SELECT status, updated_at > 1000000000000000 FROM epics WHERE id = 'E1'\")
db.execute('DELETE FROM tasks'); db.execute(\"DELETE FROM features WHERE id <> 'F1'\")
turned(\"UPDATE features SET hold_by = 'a', hold_reason = 'b', hold_at = 1 WHERE id = 'F1'\")
turned(\"UPDATE features SET hold_by = NULL, hold_reason = NULL, hold_at = NULL WHERE id = 'F1'\")
turned(\"INSERT INTO tasks (id, feature_id, description, status) VALUES ('T7', 'F1', 'd', 'in_progress')\")
turned(\"UPDATE tasks SET status = 'completed' WHERE id = 'T7'\")
",
    );
    assert_eq!(
        printed,
        "blocked 1\npending 1\nin_progress 1\ncompleted 1\n"
    );
}

#[test]
fn each_edit_is_later_than_the_one_before_whatever_the_clock_says() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
for triggers in ('OFF', 'ON'):
    db.execute(f'PRAGMA recursive_triggers = {triggers}')
    for table, text in (('epics', 'name'), ('features', 'name'), ('tasks', 'description'), ('test_cases', 'description')):
        db.execute(f'UPDATE {table} SET updated_at = 9000000000000000')
        db.execute(f\"UPDATE {table} SET {text} = 'other'\")
        all(f'SELECT DISTINCT updated_at > 9000000000000000 FROM {table}')
",
    );
    assert_eq!(printed, "1\n".repeat(8));
}

#[test]
fn what_is_inserted_again_otherwise_is_kept_or_edited() {
    let fixture = Fixture::new();
    let printed = fixture.plain_sql(
        "
for table, columns, values in (('epics', 'name', \"'again'\"), ('features', 'name, epic_id', \"'again', 'E1'\"),
                               ('tasks', 'description, feature_id', \"'again', 'F1'\"),
                               ('test_cases', 'description, task_id', \"'again', 'T1'\")):
    one = {'epics': 'E1', 'features': 'F1', 'tasks': 'T1', 'test_cases': 'X1'}[table]
    text = columns.split(',')[0]
    insert = f\"INTO {table} (id, {columns}) VALUES ('{one}', {values})\"
    db.execute(f'INSERT OR IGNORE {insert}')
    all(f\"SELECT {text} FROM {table} WHERE id = '{one}'\")
    db.execute(f'INSERT {insert} ON CONFLICT (id) DO UPDATE SET {text} = excluded.{text}')
    all(f\"SELECT {text} FROM {table} WHERE id = '{one}'\")
    # What is new is inserted, whatever was met before it.
    db.execute(f\"REPLACE INTO {table} (id, {columns}) VALUES ('{one}-2', {values})\")
db.execute(\"INSERT OR IGNORE INTO tasks (id, feature_id, description, status) VALUES ('T1', 'F1', 'd', 'completed')\")
db.execute(\"DELETE FROM tasks WHERE id = 'T1'\")
db.execute(\"REPLACE INTO tasks (id, feature_id, description) VALUES ('T1', 'F1', 'anew')\")
for insert in ('INSERT', 'REPLACE', 'INSERT OR IGNORE', 'REPLACE'):
    db.execute(f\"{insert} INTO dependencies VALUES ('T3', 'T2')\")
all(\"SELECT open_deps FROM tasks WHERE id = 'T3'\")
",
    );
    let lines: Vec<&str> = printed.lines().collect();
    let expected = [
        "epic", "again", "feature", "again", "d", "again", "d", "again", "1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_task_that_stands_wrong_in_the_indexes_keeps_nobody_from_the_next() {
    let fixture = Fixture::new();
    let added = fixture.store.write::<_, StoreError>(|tx| {
        assert_eq!(tx.insert_feature(&feature("F", None))?, Inserted::At(1));
        assert_eq!(tx.insert_task(&task("T1", "F"))?, Inserted::At(1));
        tx.insert_task(&task("T2", "F"))
    });
    assert_eq!(added.unwrap(), Inserted::At(2));
    let wrong = "UPDATE tasks SET status = 'completed', rev = rev + 1 WHERE id = 'T1'";
    diesel::sql_query(wrong)
        .execute(&mut fixture.plain())
        .unwrap();
    for scope in [Scope::Queue, Scope::Feature(FeatureId::new("F").unwrap())] {
        let next = fixture
            .store
            .read::<_, StoreError>(|tx| tx.next_ready(&scope));
        let next = next.unwrap().map(|record| record.task.id.to_string());
        assert_eq!(next.as_deref(), Some("T2"), "{scope:?}");
    }
}
