//! What the facts are told about: one task, its tests, a worker and a person.

use std::time::Duration;

use tasq_domain::backoff::Backoff;
use tasq_domain::life::{self, Failure, FailureKind, Grant, Refusal, Step, Writer};
use tasq_domain::{
    Actor, Attempt, CommandLine, Description, FeatureId, Hold, JsonObject, Outcome, Process,
    Reason, RetryBudget, Status, Task, TaskId, TaskRecord, TestCase, TestId, TestOwner, TestResult,
    TestStatus, Timestamp, Token, Worker,
};

/// `secs` seconds after the tests' beginning of time.
pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_micros(secs * 1_000_000)
}

pub(crate) fn why(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

pub(crate) fn ada() -> Actor {
    Actor::new("ada").unwrap()
}

pub(crate) fn person(force: bool) -> Writer {
    Writer::Person {
        actor: ada(),
        force,
    }
}

pub(crate) fn hold() -> Hold {
    Hold {
        by: ada(),
        reason: why("later"),
        at: at(0),
    }
}

/// A pending task, made at 0.
pub(crate) fn pending() -> Task {
    let id = TaskId::new("TASK-1").unwrap();
    let feature = FeatureId::new("FEAT-1").unwrap();
    Task::new(id, feature, Description::new("do it").unwrap(), at(0))
}

pub(crate) fn with_budget(budget: i64, used: u32) -> Task {
    Task {
        retry_budget: RetryBudget::new(budget).unwrap(),
        retries_used: used,
        ..pending()
    }
}

pub(crate) fn record(task: &Task) -> TaskRecord {
    TaskRecord {
        task: task.clone(),
        epic: None,
        priority: task.own_priority.unwrap_or_default(),
        open_dependencies: 0,
        held_above: false,
    }
}

pub(crate) fn grant(nonce: u64) -> Grant {
    Grant {
        worker: Worker::new("w1").unwrap(),
        nonce,
        lease: Duration::from_secs(90),
        process: None,
    }
}

/// `task`, claimed at `now` for 90 seconds.
pub(crate) fn claim(task: &Task, now: Timestamp) -> (Task, Token) {
    let (step, Attempt { token, .. }) = life::claim(&record(task), grant(7), now).unwrap();
    (step.task, token)
}

/// The process with this start time, whose place and id are always the same.
pub(crate) fn process(started_ticks: u64) -> Process {
    let place = "6f1c2b6e-1b7a-4d5e-8a70-0c1d2e3f4a5b/4026531836/4026531834";
    Process {
        place: place.parse().unwrap(),
        pid: 300,
        started_ticks,
    }
}

/// `task`, claimed at 10 for 90 seconds by this process.
pub(crate) fn claimed_by_process(task: &Task, started_ticks: u64) -> (Task, Token) {
    let grant = Grant {
        process: Some(process(started_ticks)),
        ..grant(7)
    };
    let (step, Attempt { token, .. }) = life::claim(&record(task), grant, at(10)).unwrap();
    (step.task, token)
}

/// A pending task, claimed at 10 for 90 seconds.
pub(crate) fn claimed() -> (Task, Token) {
    claim(&pending(), at(10))
}

/// A claimed task whose holder was asked to stop at 20.
pub(crate) fn asked_to_stop() -> (Task, Token) {
    let (task, token) = claimed();
    (life::cancel(&task, &ada(), at(20)).unwrap().task, token)
}

pub(crate) fn blocked() -> Task {
    life::block(&pending(), &person(false), why("stuck"), at(10))
        .unwrap()
        .task
}

pub(crate) fn completed() -> Task {
    let done = life::Completion::default();
    let gate = life::Gate::TestsOptional;
    life::complete(&pending(), &person(false), &[], gate, done, at(10))
        .unwrap()
        .task
}

/// In progress without a claim, as a plain SQL client may leave it.
pub(crate) fn held_by_hand() -> Task {
    Task {
        status: Status::InProgress,
        ..pending()
    }
}

pub(crate) fn fail(
    task: &Task,
    token: Token,
    kind: FailureKind,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let failure = Failure {
        kind,
        message: why("red"),
        exit_code: Some(1),
    };
    life::fail(&record(task), token, failure, &Backoff::default(), now)
}

pub(crate) fn outcome(step: &Step) -> Option<Outcome> {
    step.closed.as_ref().map(|(_, end)| end.outcome)
}

pub(crate) fn wrong_status(status: Status, verb: &'static str) -> Refusal {
    Refusal::WrongStatus { status, verb }
}

pub(crate) fn held_by_w1() -> Refusal {
    Refusal::Claimed {
        by: Worker::new("w1").unwrap(),
    }
}

/// A test case of the task that has never run.
pub(crate) fn test_case(id: &str, command: bool, required: bool) -> TestCase {
    TestCase {
        seq: 0,
        id: TestId::new(id).unwrap(),
        owner: TestOwner::Task(pending().id),
        description: Description::new("it works").unwrap(),
        command: command.then(|| CommandLine::new("true").unwrap()),
        required,
        status: TestStatus::Pending,
        last: None,
        source: None,
        created_at: at(0),
        updated_at: at(0),
        metadata: JsonObject::default(),
    }
}

/// `test`, judged at `now` in an attempt or by a person.
pub(crate) fn judged(
    test: &TestCase,
    passed: bool,
    attempt: Option<u32>,
    now: Timestamp,
) -> TestCase {
    let result = TestResult {
        at: now,
        attempt,
        exit_code: Some(i32::from(!passed)),
        duration_ms: Some(5),
        output_tail: None,
        by: ada(),
    };
    life::judge(test, passed, result)
}
