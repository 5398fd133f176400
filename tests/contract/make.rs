//! Plain items to vary, and one way to insert any of them.

use std::time::Duration;

use tasq_domain::{
    Actor, Attempt, AttemptEnd, Checkpoint, Claim, Dependency, Description, Epic, EpicId, Event,
    EventKind, Feature, FeatureId, Hold, JsonObject, Name, Outcome, Place, Priority, Process,
    Proof, Question, Reason, RetryBudget, Status, Task, TaskId, TestCase, TestId, TestOwner,
    TestStatus, Timestamp, Token, Worker,
};
use tasq_ports::{Inserted, StoreError, Tx};

/// So many seconds after the instant at which every test begins.
pub(crate) fn at(secs: i64) -> Timestamp {
    const START: i64 = 1_767_225_600;
    Timestamp::from_micros((START + secs) * 1_000_000)
}

pub(crate) fn epic_id(id: &str) -> EpicId {
    EpicId::new(id).unwrap()
}

pub(crate) fn feature_id(id: &str) -> FeatureId {
    FeatureId::new(id).unwrap()
}

pub(crate) fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

pub(crate) fn test_id(id: &str) -> TestId {
    TestId::new(id).unwrap()
}

pub(crate) fn of_task(id: &str) -> TestOwner {
    TestOwner::Task(task_id(id))
}

pub(crate) fn of_feature(id: &str) -> TestOwner {
    TestOwner::Feature(feature_id(id))
}

pub(crate) fn reason(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

pub(crate) fn actor(text: &str) -> Actor {
    Actor::new(text).unwrap()
}

pub(crate) fn priority(number: i64) -> Priority {
    Priority::new(number).unwrap()
}

pub(crate) fn json(text: &str) -> JsonObject {
    JsonObject::new(text).unwrap()
}

pub(crate) fn hold() -> Hold {
    Hold {
        by: actor("ada@host"),
        reason: reason("wait for the audit"),
        at: at(0),
    }
}

pub(crate) fn epic(id: &str) -> Epic {
    Epic {
        seq: 0,
        id: epic_id(id),
        name: Name::new(format!("name of {id}")).unwrap(),
        description: None,
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(0),
        updated_at: at(0),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn feature(id: &str, epic: Option<&str>) -> Feature {
    Feature {
        seq: 0,
        id: feature_id(id),
        epic: epic.map(epic_id),
        name: Name::new(format!("name of {id}")).unwrap(),
        description: None,
        priority: Priority::default(),
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(0),
        updated_at: at(0),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn task(id: &str, feature: &str) -> Task {
    Task {
        seq: 0,
        id: task_id(id),
        feature: feature_id(feature),
        description: Description::new(format!("do {id}")).unwrap(),
        own_priority: None,
        retry_budget: RetryBudget::default(),
        hold: None,
        source: None,
        metadata: JsonObject::default(),
        created_at: at(0),
        updated_at: at(0),
        status: Status::Pending,
        blocked_reason: None,
        retries_used: 0,
        not_before: None,
        attempts: 0,
        lost_in_a_row: 0,
        claim: None,
        completed_at: None,
        proof: None,
    }
}

/// The task in the given status at the given time, with what goes with the status.
pub(crate) fn in_status(mut task: Task, status: Status, now: Timestamp) -> Task {
    task.status = status;
    task.updated_at = now;
    task.claim = None;
    task.completed_at = (status == Status::Completed).then_some(now);
    task.proof = (status == Status::Completed).then_some(Proof::Unproven);
    task.blocked_reason = (status == Status::Blocked).then(|| reason("stuck"));
    task
}

/// The task claimed at the given time, in its next attempt, with a lease of 90 seconds.
pub(crate) fn claimed(mut task: Task, worker: &str, now: Timestamp) -> Task {
    task = in_status(task, Status::InProgress, now);
    task.attempts += 1;
    let lease = Duration::from_secs(90);
    task.claim = Some(Claim {
        worker: Worker::new(worker).unwrap(),
        token: Token {
            attempt: task.attempts,
            nonce: 7,
        },
        started_at: now,
        lease,
        lease_expires_at: now.after(lease),
        cancel: None,
        process: None,
    });
    task
}

/// A place of processes, one for each number.
pub(crate) fn place(pid_namespace: u64) -> Place {
    Place {
        boot: "6f1c2b6e-1b7a-4d5e-8a70-0c1d2e3f4a5b".parse().unwrap(),
        pid_namespace,
        time_namespace: u64::MAX - pid_namespace,
    }
}

pub(crate) fn process(place: Place, pid: u32, started_ticks: u64) -> Process {
    Process {
        place,
        pid,
        started_ticks,
    }
}

/// The claimed task, whose claim names this process.
pub(crate) fn by_process(mut task: Task, process: Process) -> Task {
    if let Some(claim) = &mut task.claim {
        claim.process = Some(process);
    }
    task
}

/// The open attempt that belongs to a claimed task.
pub(crate) fn attempt_of(task: &Task) -> Attempt {
    let claim = task
        .claim
        .clone()
        .expect("only a claimed task has an open attempt");
    Attempt {
        task: task.id.clone(),
        token: claim.token,
        worker: claim.worker,
        started_at: claim.started_at,
        end: None,
        late_message: None,
        log_path: None,
        result: None,
    }
}

/// The task with so many attempts behind it.
pub(crate) fn with_attempts(attempts: u32, task: Task) -> Task {
    Task { attempts, ..task }
}

/// Brings the attempts in line with a task that was just written, as every use case does: a claim has its open attempt,
/// and no other attempt is open.
pub(crate) fn keep_attempts(tx: &mut dyn Tx, task: &Task) -> Result<(), StoreError> {
    let claimed = task.claim.as_ref().map(|claim| claim.token);
    let attempts = tx.attempts_of(&task.id)?;
    for attempt in &attempts {
        if attempt.end.is_none() && Some(attempt.token) != claimed {
            tx.update_attempt(&Attempt {
                end: Some(AttemptEnd {
                    at: task.updated_at.not_before(attempt.started_at),
                    outcome: Outcome::Released,
                    exit_code: None,
                    message: None,
                }),
                ..attempt.clone()
            })?;
        }
    }
    let known = attempts.iter().any(|it| Some(it.token) == claimed);
    if claimed.is_some() && !known {
        tx.insert_attempt(&attempt_of(task))?;
    }
    Ok(())
}

/// A closed attempt.
pub(crate) fn attempt(task: &str, number: u32) -> Attempt {
    Attempt {
        task: task_id(task),
        token: Token {
            attempt: number,
            nonce: u64::from(number),
        },
        worker: Worker::new("w1").unwrap(),
        started_at: at(0),
        end: Some(AttemptEnd {
            at: at(1),
            outcome: Outcome::Failed,
            exit_code: Some(1),
            message: Some(reason("no")),
        }),
        late_message: None,
        log_path: None,
        result: None,
    }
}

pub(crate) fn test(id: &str, owner: TestOwner) -> TestCase {
    TestCase {
        seq: 0,
        id: test_id(id),
        owner,
        description: Description::new(format!("check {id}")).unwrap(),
        command: None,
        required: false,
        status: TestStatus::Pending,
        last: None,
        source: None,
        created_at: at(0),
        updated_at: at(0),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn waits_for(task: &str, on: &str) -> Dependency {
    Dependency {
        task: task_id(task),
        on: task_id(on),
    }
}

pub(crate) fn checkpoint(task: &str, attempt: u32) -> Checkpoint {
    Checkpoint {
        seq: 0,
        task: task_id(task),
        attempt,
        at: at(1),
        summary: reason("half of it"),
        next_steps: Vec::new(),
        data: None,
    }
}

/// Asked at 1 second by w1, with two choices and no answer.
pub(crate) fn question(task: &str, attempt: u32) -> Question {
    Question {
        task: task_id(task),
        attempt,
        at: at(1),
        by: Worker::new("w1").unwrap(),
        text: reason("which one?"),
        choices: ["red", "blue"].map(|it| Name::new(it).unwrap()).to_vec(),
        answer: None,
    }
}

pub(crate) fn event(kind: EventKind, entity: impl Into<tasq_domain::AnyId>) -> Event {
    Event {
        seq: 0,
        at: at(0),
        actor: actor("ada@host"),
        kind,
        entity: entity.into(),
        data: JsonObject::default(),
    }
}

/// What can be inserted, and taken if its id is not free.
pub(crate) trait Item {
    fn insert(&self, tx: &mut dyn Tx) -> Result<Inserted, StoreError>;
}

impl Item for Epic {
    fn insert(&self, tx: &mut dyn Tx) -> Result<Inserted, StoreError> {
        tx.insert_epic(self)
    }
}

impl Item for Feature {
    fn insert(&self, tx: &mut dyn Tx) -> Result<Inserted, StoreError> {
        tx.insert_feature(self)
    }
}

impl Item for Task {
    fn insert(&self, tx: &mut dyn Tx) -> Result<Inserted, StoreError> {
        tx.insert_task(self)
    }
}

impl Item for TestCase {
    fn insert(&self, tx: &mut dyn Tx) -> Result<Inserted, StoreError> {
        tx.insert_test(self)
    }
}

/// Inserts an item whose id is free, and gives its `seq`.
pub(crate) fn put(tx: &mut dyn Tx, item: &impl Item) -> Result<i64, StoreError> {
    match item.insert(tx)? {
        Inserted::At(seq) => {
            assert!(seq > 0, "a seq counts from 1, not {seq}");
            Ok(seq)
        }
        Inserted::Taken => panic!("the id is free and yet taken"),
    }
}

/// A step of a task's life, from a task that does not know its `seq`.
pub(crate) fn live(tx: &mut dyn Tx, task: &Task) -> Result<(), StoreError> {
    let seq = tx.task(&task.id)?.map_or(0, |it| it.task.seq);
    tx.update_task_life(&Task {
        seq,
        ..task.clone()
    })
}
