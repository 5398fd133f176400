//! What may be handed out, and in which order.

use tasq_domain::ready::{NotReady, Scope, claim_order, is_ready, not_ready};
use tasq_domain::{EpicId, FeatureId, Lane, Priority, Task, TaskId, TaskRecord};

use crate::fixture::{at, blocked, claimed, completed, held_by_hand, hold, pending, record};

#[test]
fn each_reason_is_told_alone() {
    let base = || record(&pending());
    let with = |task: Task| record(&task);
    let table: [(TaskRecord, Option<NotReady>); 10] = [
        (base(), None),
        (with(completed()), Some(NotReady::Completed)),
        (with(blocked()), Some(NotReady::Blocked)),
        (with(claimed().0), Some(NotReady::Claimed)),
        (with(held_by_hand()), Some(NotReady::HeldByHand)),
        (
            TaskRecord {
                open_dependencies: 2,
                ..base()
            },
            Some(NotReady::Dependencies),
        ),
        (
            with(Task {
                not_before: Some(at(101)),
                ..pending()
            }),
            Some(NotReady::NotBefore(at(101))),
        ),
        (
            with(Task {
                not_before: Some(at(100)),
                ..pending()
            }),
            None,
        ),
        (
            with(Task {
                hold: Some(hold()),
                ..pending()
            }),
            Some(NotReady::OnHold),
        ),
        (
            TaskRecord {
                held_above: true,
                ..base()
            },
            Some(NotReady::HeldAbove),
        ),
    ];
    for (record, reason) in table {
        let expected: Vec<NotReady> = reason.into_iter().collect();
        assert_eq!(not_ready(&record, at(100)), expected);
        assert_eq!(is_ready(&record, at(100)), expected.is_empty());
    }
}

#[test]
fn the_more_urgent_goes_first_and_then_the_older() {
    let of = |priority, seq| {
        let mut record = record(&Task { seq, ..pending() });
        record.priority = Priority::new(priority).unwrap();
        record
    };
    let mut queue = [of(2, 1), of(0, 9), of(1, 3), of(0, 4), of(99, 0)];
    queue.sort_by_key(claim_order);
    let order = queue.map(|record| (record.priority.number(), record.task.seq));
    assert_eq!(order, [(0, 4), (0, 9), (1, 3), (2, 1), (99, 0)]);
}

#[test]
fn a_scope_holds_its_own_tasks_only() {
    let mut task = record(&pending());
    task.epic = Some(EpicId::new("EPIC-1").unwrap());
    let epic = |id: &str| Scope::Epic(EpicId::new(id).unwrap());
    let feature = |id: &str| Scope::Feature(FeatureId::new(id).unwrap());
    let lane = |name: &str| Scope::Lane(Lane::parse(name).unwrap());
    let one = |id: &str| Scope::Task(TaskId::new(id).unwrap());
    for (scope, inside) in [
        (Scope::Queue, true),
        (epic("EPIC-1"), true),
        (epic("EPIC-2"), false),
        (feature("FEAT-1"), true),
        (feature("FEAT-2"), false),
        (lane("FEAT-1-P2"), true),
        (lane("FEAT-1-P0"), false),
        (lane("FEAT-2-P2"), false),
        (one("TASK-1"), true),
        (one("TASK-2"), false),
    ] {
        assert_eq!(scope.contains(&task), inside, "{scope:?}");
    }
    task.epic = None;
    assert!(!epic("EPIC-1").contains(&task));
}
