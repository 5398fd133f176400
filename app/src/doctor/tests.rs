//! Each check on facts, provoked; the checks on files are tested where the files are.

use std::sync::Arc;
use std::time::Duration;

use tasq_adapter_memory::MemoryStore;
use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, Attempt, AttemptEnd, Claim, Contents, Dependency, Description, Epic, EpicId, Event,
    EventKind, Feature, FeatureId, JsonObject, Name, Outcome, Priority, Settings, Status, StoreId,
    Task, TaskId, TaskRecord, Timestamp, Token, Worker,
};
use tasq_ports::{Clock, Ids};

use super::*;
use crate::context::Caller;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        at(1_000)
    }
}

impl Ids for Fixed {
    fn random(&self) -> u64 {
        7
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

fn task(seq: i64, id: &str) -> Task {
    let feature = FeatureId::new("F").unwrap();
    Task {
        seq,
        ..Task::new(task_id(id), feature, Description::new(id).unwrap(), at(1))
    }
}

/// The task C, claimed.
fn held() -> Task {
    let token = Token {
        attempt: 1,
        nonce: 9,
    };
    let mut held = task(3, "C");
    held.status = Status::InProgress;
    held.attempts = 1;
    held.claim = Some(Claim {
        worker: Worker::new("w").unwrap(),
        token,
        started_at: at(2),
        lease: Duration::from_secs(1),
        lease_expires_at: at(5_000),
        cancel: None,
        process: None,
    });
    held
}

/// The epic E with the feature F with the tasks A, B and C, B waiting for A; C is claimed.
fn contents() -> Contents {
    let epic = Epic {
        seq: 1,
        id: EpicId::new("E").unwrap(),
        name: Name::new("E").unwrap(),
        description: None,
        own_status: Status::Pending,
        status: Status::InProgress,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    };
    let feature = Feature {
        seq: 1,
        id: FeatureId::new("F").unwrap(),
        epic: Some(epic.id.clone()),
        name: Name::new("F").unwrap(),
        description: None,
        priority: Priority::default(),
        own_status: Status::Pending,
        status: Status::InProgress,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    };
    let held = held();
    Contents {
        settings: Settings {
            store: StoreId::new("S").unwrap(),
            name: "q".into(),
            require_tests: false,
            backoff: Backoff::default(),
        },
        epics: vec![epic],
        features: vec![feature],
        tests: Vec::new(),
        dependencies: vec![depends("B", "A")],
        attempts: vec![Attempt {
            task: task_id("C"),
            token: held.claim.as_ref().unwrap().token,
            worker: Worker::new("w").unwrap(),
            started_at: at(2),
            end: None,
            late_message: None,
            log_path: None,
            result: None,
        }],
        tasks: vec![task(1, "A"), task(2, "B"), held],
        questions: Vec::new(),
        checkpoints: Vec::new(),
        events: vec![
            event(1, "A", EventKind::Created, r#"{"status":"pending"}"#),
            event(2, "B", EventKind::Created, r#"{"status":"pending"}"#),
            event(3, "C", EventKind::Created, r#"{"status":"pending"}"#),
            event(4, "C", EventKind::Claimed, r#"{"status":"in_progress"}"#),
            event(5, "C", EventKind::Checkpointed, "{}"),
        ],
        operations: Vec::new(),
    }
}

fn depends(task: &str, on: &str) -> Dependency {
    Dependency {
        task: task_id(task),
        on: task_id(on),
    }
}

fn event(seq: i64, id: &str, kind: EventKind, data: &str) -> Event {
    Event {
        seq,
        at: at(1),
        actor: Actor::new("ada").unwrap(),
        kind,
        entity: task_id(id).into(),
        data: JsonObject::new(data.to_owned()).unwrap(),
    }
}

/// The derived facts as a store that is well would give them.
fn records(contents: &Contents) -> Vec<TaskRecord> {
    let records = contents.tasks.iter().map(|task| TaskRecord {
        task: task.clone(),
        epic: EpicId::new("E").ok(),
        priority: Priority::default(),
        open_dependencies: u32::from(task.id.as_str() == "B"),
        held_above: false,
    });
    records.collect()
}

fn findings(change: impl FnOnce(&mut Contents)) -> Vec<Finding> {
    let mut contents = contents();
    change(&mut contents);
    let records = records(&contents);
    facts::judge(&contents, &records, at(1_000))
}

/// The findings of a check, by severity, where a change provokes no other.
#[track_caller]
fn provoked(check: Check, change: impl FnOnce(&mut Contents)) -> Vec<Severity> {
    let findings = findings(change);
    assert!(
        findings.iter().all(|finding| finding.check == check),
        "{findings:?}"
    );
    findings.iter().map(|finding| finding.severity).collect()
}

const PROBLEM: &[Severity] = &[Severity::Problem];

#[test]
fn facts_that_are_well_have_no_findings() {
    assert_eq!(findings(|_| ()), []);
}

#[test]
fn a_reference_to_nothing_is_found() {
    let found = provoked(Check::References, |contents| {
        contents.dependencies.push(depends("A", "GONE"));
    });
    assert_eq!(found, PROBLEM);
    for change in [
        (|contents: &mut Contents| contents.features[0].epic = EpicId::new("X").ok())
            as fn(&mut Contents),
        |contents| contents.tasks[0].feature = FeatureId::new("X").unwrap(),
        |contents| contents.attempts[0].task = task_id("X"),
    ] {
        let findings = findings(change);
        let found = |finding: &Finding| finding.check == Check::References;
        assert!(findings.iter().any(found), "{findings:?}");
    }
}

#[test]
fn a_cycle_is_found_with_its_path() {
    let findings = findings(|contents| contents.dependencies.push(depends("A", "B")));
    let cycle = findings
        .iter()
        .find(|finding| finding.check == Check::Cycles)
        .unwrap();
    assert!(cycle.what.contains("A → B → A"), "{cycle:?}");
    assert_eq!(cycle.severity, Severity::Problem);
}

#[test]
fn what_breaks_a_rule_is_found() {
    for change in [
        (|contents: &mut Contents| contents.tasks[0].retries_used = 99) as fn(&mut Contents),
        |contents| contents.tasks[0].updated_at = at(0),
        |contents| contents.events.swap(0, 1),
        |contents| {
            contents.attempts[0].end = Some(AttemptEnd {
                at: at(3),
                outcome: Outcome::Failed,
                exit_code: None,
                message: None,
            });
        },
        |contents| contents.attempts.clear(),
        |contents| {
            let mut twice = contents.attempts[0].clone();
            twice.task = task_id("A");
            twice.end = Some(AttemptEnd {
                at: at(3),
                outcome: Outcome::Released,
                exit_code: None,
                message: None,
            });
            contents.tasks[0].attempts = 1;
            contents.attempts.push(twice);
        },
    ] {
        assert_eq!(provoked(Check::Invariants, change), PROBLEM);
    }
}

#[test]
fn a_task_that_is_held_by_hand_is_noted() {
    let found = provoked(Check::Invariants, |contents| {
        contents.tasks[2].claim = None;
        contents.attempts.clear();
    });
    assert_eq!(found, [Severity::Note]);
}

#[test]
fn a_status_that_does_not_follow_is_found() {
    let found = provoked(Check::Derived, |contents| {
        contents.features[0].status = Status::Completed;
    });
    // The epic's would follow from the right one.
    assert_eq!(found, PROBLEM);
}

#[test]
fn derived_facts_that_are_wrong_are_found() {
    for change in [
        (|record: &mut TaskRecord| record.priority = Priority::new(9).unwrap())
            as fn(&mut TaskRecord),
        |record| record.open_dependencies = 5,
        |record| record.held_above = true,
        |record| record.epic = None,
    ] {
        let contents = contents();
        let mut records = records(&contents);
        change(&mut records[1]);
        let found = facts::judge(&contents, &records, at(1_000));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].check, found[0].fixable), (Check::Derived, true));
        assert_eq!(found[0].place, "task:B");
    }
}

#[test]
fn a_status_that_tasq_did_not_give_is_found() {
    let found = provoked(Check::EditedOutside, |contents| {
        contents.tasks[0].status = Status::Blocked;
    });
    assert_eq!(found, [Severity::Warning]);
    let found = provoked(Check::EditedOutside, |contents| {
        contents
            .events
            .push(event(6, "B", EventKind::Removed, "{}"));
    });
    assert_eq!(found, [Severity::Warning]);
}

#[test]
fn what_came_without_an_event_is_noted_once() {
    let found = provoked(Check::EditedOutside, |contents| contents.events.clear());
    assert_eq!(found, [Severity::Note]);
}

#[test]
fn a_queue_that_moved_was_not_edited() {
    let mut moved = contents();
    moved.close_open_attempts(at(500));
    let records = records(&moved);
    assert_eq!(facts::judge(&moved, &records, at(1_000)), []);
}

#[test]
fn a_lease_that_ran_out_is_noted() {
    let found = provoked(Check::ExpiredLeases, |contents| {
        let claim = contents.tasks[2].claim.as_mut().unwrap();
        claim.lease_expires_at = at(1_000);
    });
    assert_eq!(found, [Severity::Note]);
}

#[test]
fn a_report_says_something_of_every_check_and_counts_what_it_leaves_out() {
    let many = (0..50).map(|number| {
        Finding::new(
            Check::Cycles,
            Severity::Problem,
            number.to_string(),
            "a cycle",
        )
    });
    let checkup = Checkup::of(&[Check::Schema], many.collect());
    for &check in Check::ALL {
        let of_check: Vec<&Finding> = checkup
            .findings
            .iter()
            .filter(|finding| finding.check == check)
            .collect();
        match check {
            Check::Cycles => {
                assert_eq!(of_check.len(), TOLD + 1);
                assert_eq!(of_check[TOLD].what, "and 30 more of this kind");
            }
            Check::Schema => assert_eq!(of_check[0].severity, Severity::Ok),
            _ => assert_eq!(of_check[0].severity, Severity::Note),
        }
    }
    assert!(!checkup.is_well());
}

fn person() -> Caller {
    Caller::Person {
        actor: Actor::new("ada").unwrap(),
    }
}

#[test]
fn a_restored_queue_is_well_and_its_open_attempts_are_lost() {
    let store = MemoryStore::new(&contents().settings, Arc::new(Fixed));
    let app = App::new(&store, &Fixed, person());
    let report = app.restore(&contents()).unwrap();
    assert_eq!((report.tasks, report.closed), (3, 1));
    let now = store.read(|tx| tx.contents()).unwrap();
    let back = &now.tasks[2];
    assert_eq!((back.status, back.retries_used), (Status::Pending, 0));
    assert_eq!(now.features[0].status, Status::Pending);
    let told: Vec<(i64, EventKind)> = now.events[5..]
        .iter()
        .map(|event| (event.seq, event.kind))
        .collect();
    assert_eq!(
        told,
        [
            (6, EventKind::Lost),
            (7, EventKind::RolledUp),
            (8, EventKind::RolledUp)
        ]
    );
    let checkup = app.doctor(&store).unwrap();
    assert!(checkup.is_well());
    assert_eq!(checkup.count(Severity::Ok), Check::ALL.len(), "{checkup:?}");
    assert!(matches!(
        app.restore(&contents()),
        Err(AppError::Conflict { .. })
    ));
}

#[test]
fn a_worker_neither_mends_nor_restores() {
    let store = MemoryStore::new(&contents().settings, Arc::new(Fixed));
    let worker = Caller::Worker {
        worker: Worker::new("w").unwrap(),
        holder: crate::context::HolderRef {
            task: task_id("C"),
            token: Token {
                attempt: 1,
                nonce: 9,
            },
        },
    };
    let app = App::new(&store, &Fixed, worker);
    let mended = app.mend(&store, Path::new("/nowhere"));
    assert!(matches!(mended, Err(AppError::Denied { .. })));
    let restored = app.restore(&contents());
    assert!(matches!(restored, Err(AppError::Denied { .. })));
}

#[test]
fn where_nothing_is_to_be_mended_nothing_is_written() {
    let store = MemoryStore::new(&contents().settings, Arc::new(Fixed));
    let app = App::new(&store, &Fixed, person());
    let mended = app.mend(&store, Path::new("/nowhere")).unwrap();
    assert_eq!((mended.done.len(), mended.backup), (0, None));
}
