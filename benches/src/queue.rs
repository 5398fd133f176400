//! Queues to measure in: their contents, of any size and shape.

use std::time::Duration;
use tasq_domain::{
    Actor, AnyId, Attempt, Claim, Contents, Dependency, Description, Event, EventKind, Feature,
    FeatureId, JsonObject, Name, Priority, Status, Task, TaskId, Timestamp, Token, Worker,
};

use crate::tasq::{LEASE, TEXT, now, settings};

/// A multiplier that spreads consecutive numbers over all of 32 bits and gives none twice.
const SPREAD: u32 = 0x9E37_79B1;

/// The contents of a queue with so many pending tasks, evenly in so many features, each with the event of its making.
pub(crate) fn plain(tasks: u64, features: u64) -> anyhow::Result<Contents> {
    let at = now();
    let made: Vec<Feature> = (0..features)
        .map(|number| feature(number, at))
        .collect::<anyhow::Result<_>>()?;
    let mut contents = Contents {
        settings: settings()?,
        epics: Vec::new(),
        features: made,
        tasks: Vec::with_capacity(usize::try_from(tasks)?),
        tests: Vec::new(),
        dependencies: Vec::new(),
        questions: Vec::new(),
        attempts: Vec::new(),
        checkpoints: Vec::new(),
        events: Vec::with_capacity(usize::try_from(tasks)?),
        operations: Vec::new(),
    };
    let text = Description::new(TEXT)?;
    let actor = Actor::new("bench")?;
    let data = JsonObject::new(r#"{"feature":"FEAT-1","priority":null,"status":"pending"}"#)?;
    for number in 0..tasks {
        let mut task = Task::new(
            task_id(number)?,
            feature_id(number % features)?,
            text.clone(),
            at,
        );
        task.seq = i64::try_from(number)? + 1;
        contents.events.push(Event {
            seq: task.seq,
            at,
            actor: actor.clone(),
            kind: EventKind::Created,
            entity: AnyId::Task(task.id.clone()),
            data: data.clone(),
        });
        contents.tasks.push(task);
    }
    Ok(contents)
}

/// The id of the task of a number, as random as ids are.
pub(crate) fn task_id(number: u64) -> anyhow::Result<TaskId> {
    Ok(TaskId::from_random(
        u32::try_from(number)?.wrapping_mul(SPREAD),
    ))
}

/// The id of the feature of a number.
pub(crate) fn feature_id(number: u64) -> anyhow::Result<FeatureId> {
    Ok(FeatureId::from_random(
        u32::try_from(number)?.wrapping_mul(SPREAD),
    ))
}

fn feature(number: u64, at: Timestamp) -> anyhow::Result<Feature> {
    Ok(Feature {
        seq: i64::try_from(number)? + 1,
        id: feature_id(number)?,
        epic: None,
        name: Name::new(format!("part {number}"))?,
        description: None,
        priority: Priority::default(),
        status: Status::Pending,
        own_status: Status::Pending,
        hold: None,
        source: None,
        metadata: JsonObject::default(),
        created_at: at,
        updated_at: at,
    })
}

/// Each task waits for the one before it.
pub(crate) fn chain(tasks: u64) -> anyhow::Result<Contents> {
    let mut contents = plain(tasks, 1)?;
    for number in 1..tasks {
        contents.dependencies.push(Dependency {
            task: task_id(number)?,
            on: task_id(number - 1)?,
        });
    }
    contents.dependencies.sort();
    Ok(contents)
}

/// The last task waits for all the others.
pub(crate) fn fan_in(tasks: u64) -> anyhow::Result<Contents> {
    let mut contents = plain(tasks, 1)?;
    let task = task_id(tasks - 1)?;
    for number in 0..tasks - 1 {
        contents.dependencies.push(Dependency {
            task: task.clone(),
            on: task_id(number)?,
        });
    }
    contents.dependencies.sort();
    Ok(contents)
}

/// Every other task, from the first, failed once and waits for its next try until tomorrow.
pub(crate) fn half_waiting(tasks: u64, features: u64) -> anyhow::Result<Contents> {
    let mut contents = plain(tasks, features)?;
    let until = now().after(LEASE);
    for task in contents.tasks.iter_mut().step_by(2) {
        task.retries_used = 1;
        task.not_before = Some(until);
    }
    Ok(contents)
}

/// The first so many tasks are claimed, with leases that have run out.
pub(crate) fn with_lost_leases(tasks: u64, lost: u64, features: u64) -> anyhow::Result<Contents> {
    let mut contents = plain(tasks, features)?;
    let at = contents
        .tasks
        .first()
        .map_or_else(now, |task| task.created_at);
    let worker = Worker::new("gone")?;
    for (number, task) in (0..lost).zip(&mut contents.tasks) {
        let token = Token {
            attempt: 1,
            nonce: number,
        };
        task.status = Status::InProgress;
        task.attempts = 1;
        task.claim = Some(Claim {
            worker: worker.clone(),
            token,
            started_at: at,
            lease: Duration::from_micros(1),
            lease_expires_at: at.after(Duration::from_micros(1)),
            cancel: None,
            process: None,
        });
        contents.attempts.push(Attempt {
            task: task.id.clone(),
            token,
            worker: worker.clone(),
            started_at: at,
            end: None,
            late_message: None,
            log_path: None,
            result: None,
        });
    }
    contents.attempts.sort_by(|a, b| a.task.cmp(&b.task));
    Ok(contents)
}
