//! Who follows up what: our own writes to tasks need no trigger, and everybody else's have them all the same.

use diesel::connection::SimpleConnection;
use tasq_domain::{
    Checkpoint, Dependency, Proof, Reason, Status, StatusCounts, Task, TaskId, TestOwner,
    TestStatus,
};
use tasq_ports::{StoreError, StoreExt};

use super::{Fixture, at, epic, feature, lines, task, test_case};

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn needs(task: &str, on: &str) -> Dependency {
    Dependency {
        task: id(task),
        on: id(on),
    }
}

/// An epic with two features.
fn stocked() -> Fixture {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_epic(&epic("E"))?;
            let _ = tx.insert_feature(&feature("F", Some("E")))?;
            let _ = tx.insert_feature(&feature("G", Some("E")))?;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    fixture
}

fn give(fixture: &Fixture, name: &str, status: Status) {
    let done = status == Status::Completed;
    fixture
        .store
        .write(|tx| {
            let before = tx.task(&id(name))?.expect("it was added").task;
            tx.update_task_life(&Task {
                status,
                blocked_reason: (status == Status::Blocked).then(|| Reason::new("why").unwrap()),
                completed_at: done.then(|| at(2_000)),
                proof: done.then_some(Proof::Unproven),
                updated_at: at(2_000),
                ..before
            })
        })
        .unwrap();
}

/// Everything that is derived, as it is stored.
fn derived(fixture: &Fixture) -> Vec<String> {
    lines(
        &mut fixture.plain(),
        "SELECT 't ' || id || ' ' || feature_priority || ' ' || coalesce(epic_id, '-') || ' ' || open_deps || ' ' || held_above || ' ' || shelf AS line FROM tasks
         UNION ALL
         SELECT 'f ' || id || ' ' || status || ' ' || tasks_pending || ' ' || tasks_in_progress || ' ' || tasks_completed || ' ' || tasks_blocked || ' ' || open_gates FROM features
         UNION ALL
         SELECT 'e ' || id || ' ' || status || ' ' || features_pending || ' ' || features_in_progress || ' ' || features_completed || ' ' || features_blocked FROM epics
         ORDER BY 1",
    )
}

fn without_triggers(fixture: &Fixture) {
    let mut plain = fixture.plain();
    let drops = lines(
        &mut plain,
        "SELECT 'DROP TRIGGER ' || name || ';' AS line FROM sqlite_schema WHERE type = 'trigger'",
    );
    assert!(drops.len() > 20, "{drops:?}");
    plain.batch_execute(&drops.concat()).unwrap();
}

#[test]
fn what_follows_from_our_own_writes_to_tasks_needs_no_trigger() {
    let fixture = stocked();
    without_triggers(&fixture);
    fixture
        .store
        .write(|tx| {
            for (name, feature) in [("A", "F"), ("B", "F"), ("C", "G"), ("D", "G")] {
                let _ = tx.insert_task(&task(name, feature))?;
            }
            tx.insert_dependency(&needs("C", "A"))?;
            tx.insert_dependency(&needs("C", "B"))?;
            let owner = TestOwner::Task(id("D"));
            let _ = tx.insert_test(&test_case("T", owner, TestStatus::Pending))?;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let turns = [
        ("A", Status::InProgress),
        ("A", Status::Completed),
        ("B", Status::InProgress),
        ("B", Status::Blocked),
        ("B", Status::Pending),
        ("B", Status::Completed),
        ("A", Status::Pending),
        ("D", Status::Blocked),
    ];
    for (name, status) in turns {
        give(&fixture, name, status);
        let ours = derived(&fixture);
        fixture
            .store
            .write(|tx| {
                tx.rederive()?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
        assert_eq!(ours, derived(&fixture), "{name} {status}");
    }
    let counts = StatusCounts {
        pending: 2,
        in_progress: 0,
        completed: 1,
        blocked: 1,
    };
    let found = fixture
        .store
        .read(|tx| tx.task_counts(&tasq_domain::ready::Scope::Queue));
    assert_eq!(found.unwrap(), counts);
}

#[test]
fn a_plain_client_is_followed_up_beside_our_writes() {
    let fixture = stocked();
    fixture
        .store
        .write(|tx| tx.insert_task(&task("A", "F")).map(drop))
        .unwrap();
    fixture
        .plain()
        .batch_execute("UPDATE tasks SET status = 'completed' WHERE id = 'A'")
        .unwrap();
    let feature = fixture
        .store
        .read(|tx| tx.feature(&tasq_domain::FeatureId::new("F").unwrap()));
    assert_eq!(feature.unwrap().unwrap().status, Status::Completed);
    let refused = fixture
        .plain()
        .batch_execute("INSERT INTO tasks (id, feature_id, description) VALUES ('B', 'NONE', 'b')");
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("there is no such feature")
    );
}

#[test]
fn history_of_a_task_that_is_not_there_is_refused() {
    let fixture = stocked();
    let note = Checkpoint {
        seq: 0,
        task: id("NONE"),
        attempt: 1,
        at: at(1),
        summary: Reason::new("half").unwrap(),
        next_steps: Vec::new(),
        data: None,
    };
    let refused = fixture.store.write(|tx| tx.insert_checkpoint(&note));
    assert!(refused.unwrap_err().to_string().contains("NONE"));
    fixture
        .store
        .write(|tx| tx.insert_task(&task("A", "F")).map(drop))
        .unwrap();
    for pair in [needs("A", "NONE"), needs("NONE", "A")] {
        let refused = fixture.store.write(|tx| tx.insert_dependency(&pair));
        assert!(refused.unwrap_err().to_string().contains("NONE"));
    }
    let owner = TestOwner::Task(id("NONE"));
    let test = test_case("T", owner, TestStatus::Pending);
    let refused = fixture.store.write(|tx| tx.insert_test(&test));
    assert!(refused.unwrap_err().to_string().contains("NONE"));
    assert_eq!(
        fixture.store.read(|tx| tx.contents()).unwrap().tests.len(),
        0
    );
}
