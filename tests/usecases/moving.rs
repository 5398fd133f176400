//! A whole queue, exported or copied.

use tasq_app::{AddCheckpoint, Code};
use tasq_domain::{Attempt, Contents, Outcome, Status};

use super::desk::{
    Desk, any_task, code, holder, manual, of_feature, of_task, reason, task_id, with_command,
};
use crate::contract::random::assert_same_contents;
use crate::contract::stores::one_of_every_kind;

/// Something of everything, with one attempt open.
fn stocked(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", None);
    for id in ["DONE", "RUNS", "WAITS", "STOPS", "GONE"] {
        desk.task(id, "FEAT-1");
    }
    desk.test("TEST-1", &of_task("DONE"), &with_command("C"));
    desk.test("TEST-2", &of_feature("FEAT-2"), &manual("look"));
    desk.ran(&tasq_domain::TestId::new("TEST-1").unwrap(), true);
    desk.complete("DONE");
    desk.fail(&desk.claim_this("RUNS"), "red").unwrap();
    desk.pass_time(100);
    let claim = desk.claim_this("RUNS");
    let checkpoint = AddCheckpoint {
        summary: reason("half"),
        next_steps: Vec::new(),
        data: None,
    };
    desk.worker(&claim)
        .checkpoint(&holder(&claim), &checkpoint)
        .unwrap();
    desk.ada()
        .depend(&task_id("WAITS"), &task_id("RUNS"), false)
        .unwrap();
    desk.claim_this("STOPS");
    desk.ada().cancel(&task_id("STOPS")).unwrap();
    let op = tasq_domain::OperationId::new("op-1").unwrap();
    desk.ada()
        .with_op(Some(op))
        .remove(&any_task("GONE"), false)
        .unwrap();
    desk.pass_time(10);
}

/// Everything but what the closing of open attempts changes.
#[track_caller]
fn assert_moved(before: &Contents, after: &Contents) {
    let closed: Vec<&Attempt> = after
        .attempts
        .iter()
        .zip(&before.attempts)
        .filter(|(after, before)| after != before)
        .map(|(after, _)| after)
        .collect();
    assert_eq!(closed.len(), 2);
    for attempt in closed {
        assert_eq!(attempt.end.as_ref().unwrap().outcome, Outcome::Lost);
    }
    let task = |contents: &Contents, id: &str| {
        let mut tasks = contents.tasks.iter();
        tasks.find(|task| task.id == task_id(id)).unwrap().clone()
    };
    let (was, is) = (task(before, "RUNS"), task(after, "RUNS"));
    assert_eq!((is.status, &is.claim), (Status::Pending, &None));
    assert_eq!(is.retries_used, was.retries_used, "nothing is charged");
    assert_eq!(task(after, "STOPS").status, Status::Blocked);
    let mut same = after.clone();
    for (task, before) in same.tasks.iter_mut().zip(&before.tasks) {
        if ["RUNS", "STOPS"].contains(&task.id.as_str()) {
            *task = before.clone();
        }
    }
    same.attempts.clone_from(&before.attempts);
    for (feature, before) in same.features.iter_mut().zip(&before.features) {
        (feature.status, feature.updated_at) = (before.status, before.updated_at);
    }
    for (epic, before) in same.epics.iter_mut().zip(&before.epics) {
        (epic.status, epic.updated_at) = (before.status, before.updated_at);
    }
    assert_same_contents(before, &same, "but for the open attempts");
}

pub(crate) fn an_export_closes_open_attempts_and_changes_nothing(desk: &Desk) {
    stocked(desk);
    let before = desk.contents();
    let exported = desk.unchanged(|| desk.ada().export().unwrap());
    assert_moved(&before, &exported);
}

pub(crate) fn a_copy_is_equal_but_for_open_attempts(desk: &Desk) {
    stocked(desk);
    let before = desk.contents();
    for target in one_of_every_kind() {
        let target = Desk::at(target);
        let report = desk.unchanged(|| desk.ada().copy_to(target.store()).unwrap());
        assert_eq!((report.tasks, report.tests, report.closed), (4, 2, 2));
        assert_eq!((report.attempts, report.checkpoints), (3, 1));
        let after = target.contents();
        assert_moved(&before, &after);
        // It goes on where the other was.
        target.pass_time(1_000);
        let claim = target.claim_this("RUNS");
        assert_eq!(claim.token.attempt, 3);
        target.finish(&claim).unwrap();
        target.close();
    }
}

pub(crate) fn a_copy_into_what_is_not_empty_is_refused(desk: &Desk) {
    stocked(desk);
    for target in one_of_every_kind() {
        let target = Desk::at(target);
        target.feature("FEAT-1", None);
        let refused = target.unchanged(|| desk.ada().copy_to(target.store()));
        assert_eq!(code(refused), Code::Conflict);
        let feature = super::desk::any_feature("FEAT-1");
        target.ada().remove(&feature, false).unwrap();
        let refused = target.unchanged(|| desk.ada().copy_to(target.store()));
        assert_eq!(code(refused), Code::Conflict, "it has a history");
        target.close();
    }
}
