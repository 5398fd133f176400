//! Test cases: what proves a task, and what takes the proof away.

use std::path::PathBuf;
use std::time::Duration;

use tasq_app::{Code, EditTest, VerifyOptions};
use tasq_domain::{AnyId, CommandLine, Proof, Status, TestId, TestStatus};
use tasq_ports::{CommandSpec, Exit, RunError, Runner, Running};

use super::desk::{
    Desk, any_feature, any_task, code, completing, id_of, manual, of_feature, of_task, task_id,
    with_command,
};

/// Runs nothing and says that everything ended with this exit code.
pub(crate) struct Always(pub(crate) i32);

impl Runner for Always {
    fn start(&self, _: &CommandSpec) -> Result<Box<dyn Running>, RunError> {
        Ok(Box::new(Always(self.0)))
    }
}

impl Running for Always {
    fn wait(&mut self, _: Duration) -> Result<Option<Exit>, RunError> {
        self.stop().map(Some)
    }

    fn stop(&mut self) -> Result<Exit, RunError> {
        Ok(Exit {
            code: Some(self.0),
            signal: None,
            duration: Duration::from_millis(5),
            output_tail: format!("exit {}", self.0),
            ..Exit::default()
        })
    }
}

pub(crate) fn options() -> VerifyOptions {
    VerifyOptions {
        folder: PathBuf::from("/"),
        timeout: Duration::from_secs(600),
        env: Vec::new(),
    }
}

/// Task A of FEAT-1 in EPIC-1, with a test case each for the task and the feature.
fn stocked(desk: &Desk) -> (TestId, TestId) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.task("A", "FEAT-1");
    let of_a = desk.test("TEST-A", &of_task("A"), &with_command("C"));
    let own = desk.test("TEST-F", &of_feature("FEAT-1"), &with_command("F"));
    (of_a, own)
}

fn statuses(desk: &Desk) -> Vec<TestStatus> {
    let tests = desk.contents().tests;
    tests.iter().map(|test| test.status).collect()
}

fn completed(desk: &Desk) -> (TestId, TestId) {
    let (of_a, own) = stocked(desk);
    desk.ran(&of_a, true);
    desk.complete("A");
    desk.ran(&own, true);
    assert_eq!(desk.epic_status("EPIC-1"), Status::Completed);
    (of_a, own)
}

pub(crate) fn a_failing_result_reopens_a_completed_task(desk: &Desk) {
    let (of_a, _) = completed(desk);
    let told = desk.told(|| desk.ran(&of_a, false));
    assert_eq!(
        told,
        [
            "tested TEST-A",
            "reopened A",
            "test_reset TEST-F",
            "test_reset TEST-A",
            "rolled_up FEAT-1",
            "rolled_up EPIC-1",
        ]
    );
    assert_eq!(desk.status("A"), Status::Pending);
    assert_eq!(statuses(desk), [TestStatus::Pending; 2]);
    let last = desk.contents().tests.remove(0).last.unwrap();
    assert_eq!(last.exit_code, Some(1), "what was found is still shown");
    assert_eq!(desk.epic_status("EPIC-1"), Status::Pending);
    // A check that does not gate finds no regression.
    desk.task("B", "FEAT-1");
    let look = desk.test("TEST-B", &of_task("B"), &manual("look"));
    desk.complete("B");
    desk.ada().judge_test(&look, false, None).unwrap();
    assert_eq!(desk.status("B"), Status::Completed);
}

pub(crate) fn a_reopened_task_has_its_tests_to_pass_again(desk: &Desk) {
    let (of_a, _) = completed(desk);
    desk.reopen("A");
    assert_eq!(statuses(desk), [TestStatus::Pending; 2]);
    let wanted = completing(&task_id("A"), None);
    let refused = desk.unchanged(|| desk.ada().complete(&wanted));
    assert_eq!(code(refused), Code::NotVerified);
    desk.ran(&of_a, true);
    assert_eq!(desk.complete("A").proof, Some(Proof::Tests));
}

pub(crate) fn a_task_that_reopens_resets_its_features_tests(desk: &Desk) {
    stocked(desk);
    desk.task("B", "FEAT-1");
    desk.complete("B");
    let own = TestId::new("TEST-F").unwrap();
    desk.ran(&own, true);
    desk.reopen("B");
    assert_eq!(statuses(desk), [TestStatus::Pending; 2]);
    desk.ran(&own, false);
    desk.complete("B");
    desk.reopen("B");
    let failing = [TestStatus::Pending, TestStatus::Failing];
    assert_eq!(statuses(desk), failing, "only what passed goes back");
}

pub(crate) fn a_task_added_to_a_completed_feature_resets_its_tests(desk: &Desk) {
    completed(desk);
    desk.feature("FEAT-2", None);
    desk.task("B", "FEAT-1");
    assert_eq!(statuses(desk), [TestStatus::Passing, TestStatus::Pending]);
    desk.complete("B");
    assert_eq!(desk.feature_status("FEAT-1"), Status::InProgress);
    desk.ran(&TestId::new("TEST-F").unwrap(), true);
    assert_eq!(desk.feature_status("FEAT-1"), Status::Completed);
    desk.task("C", "FEAT-2");
    desk.ada()
        .move_task(&task_id("C"), "FEAT-1", false)
        .unwrap();
    assert_eq!(statuses(desk), [TestStatus::Passing, TestStatus::Pending]);
}

pub(crate) fn a_feature_waits_for_its_own_tests(desk: &Desk) {
    let (of_a, own) = stocked(desk);
    desk.ran(&of_a, true);
    desk.complete("A");
    assert_eq!(desk.feature_status("FEAT-1"), Status::InProgress);
    let told = desk.told(|| desk.ran(&own, true));
    assert_eq!(
        told,
        ["tested TEST-F", "rolled_up FEAT-1", "rolled_up EPIC-1"]
    );
    desk.ran(&own, false);
    assert_eq!(desk.feature_status("FEAT-1"), Status::InProgress);
    assert_eq!(desk.status("A"), Status::Completed);
    let removed: AnyId = own.into();
    desk.ada().remove(&removed, false).unwrap();
    assert_eq!(desk.feature_status("FEAT-1"), Status::Completed);
    let verified = desk
        .ada()
        .verify(&any_feature("FEAT-1"), &Always(0), &options());
    assert!(verified.unwrap().passed);
}

pub(crate) fn a_new_command_has_to_pass_anew(desk: &Desk) {
    let (of_a, _) = stocked(desk);
    desk.ran(&of_a, true);
    let edit = |command: &str| EditTest {
        command: Some(Some(CommandLine::new(command).unwrap())),
        ..EditTest::default()
    };
    let same = desk.ada().edit_test(&of_a, &edit("true")).unwrap();
    assert_eq!(same.status, TestStatus::Passing);
    let other = desk.ada().edit_test(&of_a, &edit("make test")).unwrap();
    assert_eq!(other.status, TestStatus::Pending);
}

pub(crate) fn a_command_passed_by_word_is_an_override(desk: &Desk) {
    let (of_a, _) = stocked(desk);
    let claim = desk.claim();
    desk.person("bob")
        .judge_test(&of_a, true, Some("it is fine"))
        .unwrap();
    let done = desk.finish(&claim).unwrap().task.record.task;
    let Some(Proof::Override { by, reason }) = done.proof else {
        panic!("{:?}", done.proof);
    };
    assert_eq!(by.as_str(), "bob");
    assert_eq!(reason.as_str(), "test case TEST-A was passed by hand");
}

pub(crate) fn a_worker_may_not_touch_its_own_proof(desk: &Desk) {
    let (of_a, own) = stocked(desk);
    desk.feature("FEAT-2", None);
    desk.task("B", "FEAT-2");
    let other = desk.test("TEST-B", &of_task("B"), &manual("look"));
    let claim = desk.claim_this("A");
    let worker = desk.worker(&claim);
    let edit = EditTest::default();
    desk.unchanged(|| {
        for test in [&of_a, &own] {
            let id: AnyId = test.into();
            assert_eq!(code(worker.edit_test(test, &edit)), Code::Denied);
            assert_eq!(code(worker.remove(&id, false)), Code::Denied);
            assert_eq!(code(worker.judge_test(test, true, None)), Code::Denied);
        }
        for owner in [of_task("A"), of_feature("FEAT-1")] {
            assert_eq!(code(worker.add_test(&owner, &manual("easy"))), Code::Denied);
        }
    });
    worker.edit_test(&other, &edit).unwrap();
    worker.judge_test(&other, true, None).unwrap();
    let id = any_task(id_of(&claim).as_str());
    assert!(worker.verify(&id, &Always(0), &options()).unwrap().passed);
    desk.finish(&claim).unwrap();
}
