//! Commands of test cases run once this account trusts them, and not before.

use tasq_adapter_memory::MemoryTrust;
use tasq_app::{AddTest, App, AppError, Code, TestCommand};
use tasq_domain::{AnyId, CommandLine};

use super::desk::{Desk, code, of_feature, of_task, task_id, with_command};
use super::proofs::{Always, options};

fn line(text: &str) -> CommandLine {
    CommandLine::new(text).unwrap()
}

fn running(command: &str) -> AddTest {
    AddTest {
        command: Some(line(command)),
        ..with_command(command)
    }
}

fn shown(commands: Vec<TestCommand>) -> Vec<(String, bool, usize)> {
    commands
        .into_iter()
        .map(|it| (it.command.as_str().to_owned(), it.trusted, it.tests.len()))
        .collect()
}

/// Task A with two test cases of one command, its feature with another one.
fn stocked(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.test("T1", &of_task("A"), &running("make test"));
    desk.test("T2", &of_task("A"), &running("make test"));
    desk.test("T3", &of_feature("FEAT-1"), &running("make all"));
}

fn verify(app: &App<'_>) -> Result<bool, AppError> {
    let id = AnyId::from(task_id("A"));
    app.verify(&id, &Always(0), &options()).map(|it| it.passed)
}

pub(crate) fn a_command_runs_once_it_is_trusted(desk: &Desk) {
    stocked(desk);
    let trust = MemoryTrust::default();
    let ada = || desk.ada().with_trust(&trust);
    let before = desk.contents();
    let refused = verify(&ada()).unwrap_err();
    assert_eq!(refused.code(), Code::Denied);
    assert!(matches!(&refused, AppError::Untrusted(of) if of.len() == 2));
    assert_eq!(desk.contents(), before, "nothing ran");

    ada().trust(&[line("make test")]).unwrap();
    assert!(verify(&ada()).unwrap());
    let own = AnyId::from(tasq_domain::FeatureId::new("FEAT-1").unwrap());
    assert_eq!(
        code(ada().verify(&own, &Always(0), &options())),
        Code::Denied,
        "another command is another question"
    );
    assert_eq!(ada().revoke_trust().unwrap(), 1);
    assert_eq!(code(verify(&ada())), Code::Denied);
}

pub(crate) fn every_command_is_listed_once_with_its_tests(desk: &Desk) {
    stocked(desk);
    let trust = MemoryTrust::default();
    let ada = || desk.ada().with_trust(&trust);
    ada().trust_typed(&[line("make all")]).unwrap();
    let expected = [("make test", false, 2), ("make all", true, 1)]
        .map(|(command, trusted, tests)| (command.to_owned(), trusted, tests));
    assert_eq!(shown(ada().test_commands().unwrap()), expected);
    // Without anything that trusts, every command may run.
    assert!(
        desk.ada()
            .test_commands()
            .unwrap()
            .iter()
            .all(|it| it.trusted)
    );
}

pub(crate) fn a_worker_does_not_decide_what_is_trusted(desk: &Desk) {
    stocked(desk);
    let trust = MemoryTrust::default();
    let claim = desk.claim();
    let worker = || desk.worker(&claim).with_trust(&trust);
    assert_eq!(code(worker().trust(&[line("make test")])), Code::Denied);
    assert_eq!(code(worker().revoke_trust()), Code::Denied);
    assert_eq!(code(verify(&worker())), Code::Denied);
}
