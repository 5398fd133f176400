//! One random command of a unit of work.

use std::time::Duration;

use tasq_domain::ready::Scope;
use tasq_domain::{
    Answer, AnyId, Attempt, AttemptEnd, CommandLine, Contents, Dependency, Description, EntityKind,
    Epic, EpicId, Event, EventKind, Feature, FeatureId, Hold, JsonObject, Name, Operation,
    OperationId, Outcome, Priority, Proof, Question, RetryBudget, Settings, Source, Status, Task,
    TaskId, TestCase, TestOwner, TestResult, TestStatus, Timestamp,
};
use tasq_ports::{Clock, Inserted, StoreError, Tx};

use super::super::harness::TestClock;
use super::super::make::{
    actor, attempt, by_process, checkpoint, claimed, epic, event, feature, hold, in_status, json,
    keep_attempts, place, priority, process, question, reason, task, test, with_attempts,
};
use super::numbers::Numbers;
use super::question;

/// What it says, and what it does: its answer is part of what is compared.
pub(crate) struct Command {
    pub(crate) said: String,
    pub(crate) carry_out: CarryOut,
}

type CarryOut = Box<dyn Fn(&mut dyn Tx) -> Result<String, StoreError>>;

/// Above this many tasks more goes than comes.
const MANY_TASKS: usize = 40;

pub(crate) fn any(numbers: &mut Numbers, contents: &Contents, clock: TestClock) -> Command {
    let mut maker = Maker {
        numbers,
        contents,
        now: clock.now(),
    };
    let crowded = contents.tasks.len() > MANY_TASKS;
    match maker.numbers.below(100) {
        0..=4 => maker.insert_epic(),
        5..=9 => maker.insert_feature(),
        10..=24 if !crowded => maker.insert_task(),
        25..=30 => maker.insert_test(),
        31..=35 => maker.update_epic(),
        36..=41 => maker.update_feature(),
        42..=48 => maker.update_task(),
        49..=60 => maker.update_task_life(),
        61..=66 => maker.update_test(),
        67 => maker.remove_epic(),
        68..=69 => maker.remove_feature(),
        10..=24 | 70..=72 => maker.remove_task(),
        73..=74 => maker.remove_test(),
        75..=80 => maker.dependency(),
        81..=82 => maker.no_dependency(),
        83..=88 => maker.claim(),
        89..=91 => maker.update_attempt(),
        92 => maker.insert_attempt(),
        93 => maker.checkpoint(),
        94 => maker.question(),
        95 => maker.event(),
        96 => maker.operation(),
        97 => maker.settings(),
        98 => maker.reap(),
        _ => maker.missing(),
    }
}

/// The definition of one task with the state that another's life has left. Attempts are never taken back, and what
/// was used of the budget lies within it.
fn alive(definition: &Task, life: &Task, stored: &Task) -> Task {
    let Task {
        status,
        blocked_reason,
        retries_used,
        not_before,
        attempts,
        lost_in_a_row,
        claim,
        completed_at,
        proof,
        updated_at,
        ..
    } = life.clone();
    Task {
        status,
        blocked_reason,
        retries_used: retries_used.min(definition.retry_budget.number()),
        not_before,
        attempts: attempts.max(stored.attempts),
        lost_in_a_row,
        claim,
        completed_at,
        proof,
        updated_at,
        ..definition.clone()
    }
}

/// When something moves, its parents may be rolled up on the way to a status that they do not keep, and whether that
/// changes their time is each store's own affair. So they are changed once more.
fn touch(tx: &mut dyn Tx, id: &FeatureId, now: Timestamp) -> Result<(), StoreError> {
    let Some(found) = tx.feature(id)? else {
        return Ok(());
    };
    let epic = found.epic.clone();
    tx.update_feature(&Feature {
        updated_at: now,
        ..found
    })?;
    epic.map_or(Ok(()), |epic| touch_epic(tx, &epic, now))
}

fn touch_epic(tx: &mut dyn Tx, id: &EpicId, now: Timestamp) -> Result<(), StoreError> {
    match tx.epic(id)? {
        None => Ok(()),
        Some(found) => tx.update_epic(&Epic {
            updated_at: now,
            ..found
        }),
    }
}

/// A `seq` is given only with an id that is free, and an id is tried only below a parent that is there: which of two
/// faults is told first, no store promises.
fn given<T>(seq: i64, taken: Option<T>) -> i64 {
    taken.map_or(seq, |_| 0)
}

struct Maker<'a> {
    numbers: &'a mut Numbers,
    contents: &'a Contents,
    now: Timestamp,
}

/// A question within the unit, whatever that has done so far: about what was there before it, or about what it knows now,
/// which it writes out first.
pub(crate) fn ask(numbers: &mut Numbers, contents: &Contents) -> Command {
    if numbers.one_in(4) {
        let seed = numbers.next();
        return command(format!("ask something, by {seed}"), move |tx| {
            let contents = tx.contents()?;
            question::any(&mut Numbers::new(seed), &contents).ask(tx)
        });
    }
    let question = question::any(numbers, contents);
    command(format!("ask {question:?}"), move |tx| question.ask(tx))
}

fn command(
    said: String,
    carry_out: impl Fn(&mut dyn Tx) -> Result<String, StoreError> + 'static,
) -> Command {
    Command {
        said,
        carry_out: Box::new(carry_out),
    }
}

fn told<T: std::fmt::Debug>(answer: T) -> String {
    format!("{answer:?}")
}

impl Maker<'_> {
    fn insert_epic(&mut self) -> Command {
        let id = self.fresh_id("EPIC");
        let plain = Epic {
            seq: self.seq(),
            created_at: self.now,
            ..epic(&id)
        };
        let epic = self.epic_fields(plain);
        command(format!("insert {epic:?}"), move |tx| {
            let seq = given(epic.seq, tx.epic(&epic.id)?);
            Ok(told(tx.insert_epic(&Epic {
                seq,
                ..epic.clone()
            })?))
        })
    }

    fn update_epic(&mut self) -> Command {
        let Some(found) = self.numbers.pick(&self.contents.epics).cloned() else {
            return self.insert_epic();
        };
        let epic = self.epic_fields(found);
        command(format!("update {epic:?}"), move |tx| {
            Ok(told(tx.update_epic(&epic)?))
        })
    }

    fn remove_epic(&mut self) -> Command {
        let Some(id) = self
            .numbers
            .pick(&self.contents.epics)
            .map(|it| it.id.clone())
        else {
            return self.insert_epic();
        };
        command(format!("remove {id}"), move |tx| {
            Ok(told(tx.remove_epic(&id)?))
        })
    }

    fn insert_feature(&mut self) -> Command {
        let id = self.fresh_id("FEAT");
        let plain = Feature {
            seq: self.seq(),
            created_at: self.now,
            ..feature(&id, None)
        };
        let mut feature = self.feature_fields(plain);
        feature.epic = self.any_epic();
        command(format!("insert {feature:?}"), move |tx| {
            if let Some(epic) = &feature.epic
                && tx.epic(epic)?.is_none()
            {
                return Ok("no epic".to_owned());
            }
            let seq = given(feature.seq, tx.feature(&feature.id)?);
            Ok(told(tx.insert_feature(&Feature {
                seq,
                ..feature.clone()
            })?))
        })
    }

    fn update_feature(&mut self) -> Command {
        let Some(found) = self.numbers.pick(&self.contents.features).cloned() else {
            return self.insert_feature();
        };
        let mut feature = self.feature_fields(found);
        if self.numbers.one_in(3) {
            feature.epic = self.any_epic();
        }
        let now = self.now;
        command(format!("update {feature:?}"), move |tx| {
            let stored = tx.feature(&feature.id)?;
            tx.update_feature(&feature)?;
            let from = stored.and_then(|it| it.epic);
            if from != feature.epic {
                for epic in [&from, &feature.epic].into_iter().flatten() {
                    touch_epic(tx, epic, now)?;
                }
            }
            Ok(String::new())
        })
    }

    fn remove_feature(&mut self) -> Command {
        let Some(id) = self
            .numbers
            .pick(&self.contents.features)
            .map(|it| it.id.clone())
        else {
            return self.insert_feature();
        };
        command(format!("remove {id}"), move |tx| {
            Ok(told(tx.remove_feature(&id)?))
        })
    }

    fn insert_task(&mut self) -> Command {
        let Some(feature) = self.numbers.pick(&self.contents.features) else {
            return self.insert_feature();
        };
        let plain = Task {
            seq: self.seq(),
            created_at: self.now,
            ..task(&self.fresh_id("TASK"), feature.id.as_str())
        };
        let mut task = self.definition(plain);
        if self.numbers.one_in(3) {
            task = self.life(task);
        }
        command(format!("insert {task:?}"), move |tx| {
            if tx.feature(&task.feature)?.is_none() {
                return Ok("no feature".to_owned());
            }
            let seq = given(task.seq, tx.task(&task.id)?);
            let inserted = tx.insert_task(&Task {
                seq,
                ..task.clone()
            })?;
            if let Inserted::At(_) = inserted {
                keep_attempts(tx, &task)?;
            }
            Ok(told(inserted))
        })
    }

    fn update_task(&mut self) -> Command {
        let Some(found) = self.numbers.pick(&self.contents.tasks).cloned() else {
            return self.insert_task();
        };
        let mut task = self.definition(found);
        if self.numbers.one_in(3) {
            task.feature = self.any_feature();
        }
        let life = self.numbers.one_in(3).then(|| self.life(task.clone()));
        let now = self.now;
        command(format!("update {task:?} and {life:?}"), move |tx| {
            let Some(stored) = tx.task(&task.id)? else {
                return Ok("gone".to_owned());
            };
            let life = life.as_ref().unwrap_or(&stored.task);
            let task = alive(&task, life, &stored.task);
            tx.update_task(&task)?;
            keep_attempts(tx, &task)?;
            if task.feature != stored.task.feature {
                for feature in [&task.feature, &stored.task.feature] {
                    touch(tx, feature, now)?;
                }
            }
            Ok(told(task.attempts))
        })
    }

    fn update_task_life(&mut self) -> Command {
        let Some(found) = self.numbers.pick(&self.contents.tasks).cloned() else {
            return self.insert_task();
        };
        // The rest must be as it is stored, also when a command of the same unit has just changed it.
        let life = self.life(found);
        command(format!("live {life:?}"), move |tx| {
            let Some(stored) = tx.task(&life.id)? else {
                return Ok("gone".to_owned());
            };
            let task = alive(&stored.task, &life, &stored.task);
            tx.update_task_life(&task)?;
            keep_attempts(tx, &task)?;
            Ok(told(task.attempts))
        })
    }

    fn remove_task(&mut self) -> Command {
        let Some(id) = self
            .numbers
            .pick(&self.contents.tasks)
            .map(|it| it.id.clone())
        else {
            return self.insert_task();
        };
        command(format!("remove {id}"), move |tx| {
            Ok(told(tx.remove_task(&id)?))
        })
    }

    fn insert_test(&mut self) -> Command {
        let owner = match self.numbers.pick(&self.contents.tasks) {
            Some(task) if self.numbers.one_in(2) => TestOwner::Task(task.id.clone()),
            _ => match self.numbers.pick(&self.contents.features) {
                Some(feature) => TestOwner::Feature(feature.id.clone()),
                None => return self.insert_feature(),
            },
        };
        let plain = TestCase {
            seq: self.seq(),
            created_at: self.now,
            ..test(&self.fresh_id("TEST"), owner)
        };
        let test = self.test_fields(plain);
        command(format!("insert {test:?}"), move |tx| {
            let owner = match &test.owner {
                TestOwner::Task(id) => tx.task(id)?.map(drop),
                TestOwner::Feature(id) => tx.feature(id)?.map(drop),
            };
            if owner.is_none() {
                return Ok("no owner".to_owned());
            }
            let seq = given(test.seq, tx.test(&test.id)?);
            Ok(told(tx.insert_test(&TestCase {
                seq,
                ..test.clone()
            })?))
        })
    }

    fn update_test(&mut self) -> Command {
        let Some(found) = self.numbers.pick(&self.contents.tests).cloned() else {
            return self.insert_test();
        };
        let test = self.test_fields(found);
        command(format!("update {test:?}"), move |tx| {
            Ok(told(tx.update_test(&test)?))
        })
    }

    fn remove_test(&mut self) -> Command {
        let Some(id) = self
            .numbers
            .pick(&self.contents.tests)
            .map(|it| it.id.clone())
        else {
            return self.insert_test();
        };
        command(format!("remove {id}"), move |tx| {
            Ok(told(tx.remove_test(&id)?))
        })
    }

    /// Backwards in the order of creation, so that there is never a cycle.
    fn dependency(&mut self) -> Command {
        let count = u32::try_from(self.contents.tasks.len()).expect("a test has few tasks");
        if count < 2 {
            return self.insert_task();
        }
        let later = 1 + self.numbers.below(count - 1);
        let earlier = self.numbers.below(later);
        let dependency = Dependency {
            task: self.contents.tasks[later as usize].id.clone(),
            on: self.contents.tasks[earlier as usize].id.clone(),
        };
        command(format!("insert {dependency:?}"), move |tx| {
            Ok(told(tx.insert_dependency(&dependency)?))
        })
    }

    fn no_dependency(&mut self) -> Command {
        let Some(dependency) = self.numbers.pick(&self.contents.dependencies).cloned() else {
            return self.dependency();
        };
        command(format!("remove {dependency:?}"), move |tx| {
            Ok(told(tx.remove_dependency(&dependency)?))
        })
    }

    fn claim(&mut self) -> Command {
        let scope = match self.numbers.pick(&self.contents.features) {
            Some(feature) if self.numbers.one_in(3) => Scope::Feature(feature.id.clone()),
            _ => Scope::Queue,
        };
        let by = self.numbers.maybe(|numbers| {
            let pid = numbers.below(4);
            process(place(numbers.below(3).into()), pid, numbers.next() >> 1)
        });
        command(format!("claim from {scope:?} by {by:?}"), move |tx| {
            let Some(found) = tx.next_ready(&scope)? else {
                return Ok("nothing".to_owned());
            };
            let mut task = claimed(found.task, "w1", tx.now());
            if let Some(by) = by {
                task = by_process(task, by);
            }
            tx.update_task_life(&task)?;
            keep_attempts(tx, &task)?;
            Ok(task.id.as_str().to_owned())
        })
    }

    fn reap(&mut self) -> Command {
        command("reap".to_owned(), |tx| {
            let expired = tx.expired(3)?;
            let mut ids = Vec::new();
            for record in expired {
                let now = tx.now();
                let task = in_status(record.task, Status::Pending, now);
                tx.update_task_life(&task)?;
                keep_attempts(tx, &task)?;
                ids.push(task.id);
            }
            Ok(told(ids))
        })
    }

    /// A closed attempt of the next number, or one that is there already, which ends the unit.
    fn insert_attempt(&mut self) -> Command {
        let Some(task) = self.numbers.pick(&self.contents.tasks) else {
            return self.insert_task();
        };
        let id = task.id.clone();
        let twice = self.numbers.one_in(6);
        let nonce = self.numbers.next();
        let said = format!("one more attempt at {id}, twice: {twice}");
        command(said, move |tx| {
            let Some(stored) = tx.task(&id)? else {
                return Ok("gone".to_owned());
            };
            let number = stored.task.attempts + 1;
            tx.update_task_life(&with_attempts(number, stored.task))?;
            let mut attempt = attempt(id.as_str(), number);
            attempt.token.nonce = nonce;
            tx.insert_attempt(&attempt)?;
            if twice {
                tx.insert_attempt(&attempt)?;
            }
            Ok(told(number))
        })
    }

    /// What an attempt tells may change at any time; only the end of its claim closes it.
    fn update_attempt(&mut self) -> Command {
        let Some(found) = self.numbers.pick(&self.contents.attempts).cloned() else {
            return self.claim();
        };
        let outcome = self.numbers.one(&Outcome::ALL);
        let exit_code = self
            .numbers
            .maybe(|numbers| numbers.below(300).cast_signed() - 150);
        let end = AttemptEnd {
            at: self.now.not_before(found.started_at),
            outcome,
            exit_code,
            message: self.numbers.maybe(|_| reason("é\n'said'")),
        };
        let attempt = Attempt {
            late_message: self.numbers.maybe(|_| reason("late")),
            log_path: self.numbers.maybe(|_| "logs/a b".to_owned()),
            result: self.numbers.maybe(|_| json("{\"b\":1.0,\"a\":[]}")),
            ..found
        };
        let ended_alone = self.numbers.below(3) == 0;
        let said = format!("update {attempt:?}, if closed to {end:?}, alone: {ended_alone}");
        command(said, move |tx| {
            let stored = tx.attempt(&attempt.task, attempt.token.attempt)?;
            let closed = stored.is_some_and(|it| it.end.is_some());
            if closed && ended_alone {
                tx.end_attempt(&attempt.task, attempt.token.attempt, &end)?;
                return Ok(told(closed));
            }
            tx.update_attempt(&Attempt {
                end: closed.then(|| end.clone()),
                ..attempt.clone()
            })?;
            Ok(told(closed))
        })
    }

    fn checkpoint(&mut self) -> Command {
        let Some(attempt) = self.numbers.pick(&self.contents.attempts) else {
            return self.claim();
        };
        let mut checkpoint = checkpoint(attempt.task.as_str(), attempt.token.attempt);
        checkpoint.at = self.now;
        checkpoint.next_steps = (0..self.numbers.below(3))
            .map(|number| format!("step {number}"))
            .collect();
        checkpoint.data = self.numbers.maybe(|_| json("{\"x\":null}"));
        command(format!("insert {checkpoint:?}"), move |tx| {
            Ok(told(tx.insert_checkpoint(&checkpoint)?))
        })
    }

    /// A question of an attempt, or an answer to it.
    fn question(&mut self) -> Command {
        let Some(attempt) = self.numbers.pick(&self.contents.attempts) else {
            return self.claim();
        };
        let asked = Question {
            at: self.now,
            ..question(attempt.task.as_str(), attempt.token.attempt)
        };
        let answer = self.numbers.maybe(|_| Answer {
            at: self.now,
            by: actor("ada@host"),
            text: reason("blue"),
        });
        command(format!("ask {asked:?}, or answer {answer:?}"), move |tx| {
            let known = tx.questions_of(&asked.task)?;
            let Some(known) = known.into_iter().find(|it| it.attempt == asked.attempt) else {
                return Ok(told(tx.insert_question(&asked)?));
            };
            let answer = answer.clone();
            Ok(told(tx.update_question(&Question { answer, ..known })?))
        })
    }

    fn event(&mut self) -> Command {
        let kind = self.numbers.one(EventKind::ALL);
        let entity = match self.numbers.pick(&self.contents.tasks) {
            Some(task) => AnyId::from(&task.id),
            None => AnyId::Task(TaskId::new("TASK-NONE").unwrap()),
        };
        let mut event = event(kind, entity);
        event.at = self.now;
        event.data = self.metadata();
        // Some choose a number, and leave a gap.
        let gap = self.numbers.maybe(|numbers| numbers.below(300));
        command(format!("append {event:?}, gap {gap:?}"), move |tx| {
            let seq = match gap {
                Some(gap) => tx.newest_event()? + 1 + i64::from(gap),
                None => 0,
            };
            let event = Event {
                seq,
                ..event.clone()
            };
            Ok(told(tx.append_event(&event)?))
        })
    }

    fn operation(&mut self) -> Command {
        let operation = Operation {
            id: OperationId::new(format!("op-{}", self.numbers.below(30))).unwrap(),
            use_case: "claim".to_owned(),
            digest: format!("{:x}", self.numbers.next()),
            answer: "{\"task\":null}".to_owned(),
        };
        command(format!("keep {operation:?}"), move |tx| {
            Ok(told(tx.insert_operation(&operation, 4)?))
        })
    }

    fn settings(&mut self) -> Command {
        let settings = Settings {
            name: format!("name {}", self.numbers.below(100)),
            require_tests: self.numbers.one_in(2),
            ..self.contents.settings.clone()
        };
        command(format!("set {settings:?}"), move |tx| {
            Ok(told(tx.set_settings(&settings)?))
        })
    }

    /// Something that is not there, which ends the unit.
    fn missing(&mut self) -> Command {
        let kind = self.numbers.one(&EntityKind::ALL);
        let missing = "MISSING";
        command(format!("change a missing {kind}"), move |tx| {
            Ok(match kind {
                EntityKind::Epic => told(tx.update_epic(&epic(missing))?),
                EntityKind::Feature => {
                    let id = FeatureId::new(missing).unwrap();
                    told(tx.remove_feature(&id)?)
                }
                EntityKind::Task => told(tx.insert_task(&task("TASK-NEW", missing))?),
                EntityKind::Test => {
                    let owner = TestOwner::Task(TaskId::new(missing).unwrap());
                    told(tx.insert_test(&test("TEST-NEW", owner))?)
                }
            })
        })
    }

    /// From a small pool, so that ids are taken now and then, and free again later.
    fn fresh_id(&mut self, prefix: &str) -> String {
        let number = self.numbers.below(120);
        match self.numbers.below(6) {
            0 => format!("{}_{number}", prefix.to_lowercase()),
            1 => format!("{prefix}%é-{number}"),
            _ => format!("{prefix}-{number}"),
        }
    }

    /// Mostly the next, now and then a given one, which may be in use.
    fn seq(&mut self) -> i64 {
        match self.numbers.below(25) {
            0 => i64::from(1 + self.numbers.below(400)),
            _ => 0,
        }
    }

    fn any_epic(&mut self) -> Option<EpicId> {
        let found = self
            .numbers
            .pick(&self.contents.epics)
            .map(|it| it.id.clone());
        found.filter(|_| self.numbers.below(5) > 0)
    }

    fn any_feature(&mut self) -> FeatureId {
        let found = self
            .numbers
            .pick(&self.contents.features)
            .map(|it| it.id.clone());
        found.unwrap_or_else(|| FeatureId::new("FEAT-NONE").unwrap())
    }

    fn hold(&mut self) -> Option<Hold> {
        self.numbers.one_in(5).then(hold)
    }

    fn metadata(&mut self) -> JsonObject {
        json(self.numbers.one(&[
            "{}",
            "{\"z\":1.50,\"a\":[1e3,-0.0]}",
            "{\"é\":\"\\n\",\"\":null}",
        ]))
    }

    fn source(&mut self) -> Option<Source> {
        self.numbers.one_in(4).then(|| Source {
            origin: "queue-file:é".to_owned(),
            digest: "00ff".to_owned(),
        })
    }

    /// Mostly now; sometimes what it was, sometimes earlier.
    fn updated(&mut self, before: Timestamp) -> Timestamp {
        match self.numbers.below(6) {
            0 => before,
            1 => Timestamp::from_micros(
                self.now.micros() - i64::from(self.numbers.below(90_000_000)),
            ),
            _ => self.now,
        }
    }

    fn epic_fields(&mut self, epic: Epic) -> Epic {
        Epic {
            name: Name::new(format!("epic {}", self.numbers.below(50))).unwrap(),
            description: self
                .numbers
                .maybe(|_| Description::new("é 'text'").unwrap()),
            own_status: self.numbers.one(Status::ALL),
            status: self.numbers.one(Status::ALL),
            hold: self.hold(),
            source: self.source(),
            updated_at: self.updated(epic.updated_at),
            metadata: self.metadata(),
            ..epic
        }
    }

    fn feature_fields(&mut self, feature: Feature) -> Feature {
        Feature {
            name: Name::new(format!("feature {}", self.numbers.below(50))).unwrap(),
            description: self
                .numbers
                .maybe(|_| Description::new("é 'text'").unwrap()),
            priority: priority(i64::from(self.numbers.below(4))),
            own_status: self.numbers.one(Status::ALL),
            status: self.numbers.one(Status::ALL),
            hold: self.hold(),
            source: self.source(),
            updated_at: self.updated(feature.updated_at),
            metadata: self.metadata(),
            ..feature
        }
    }

    fn definition(&mut self, task: Task) -> Task {
        let text = self.numbers.one(&["do it", "Do É_1", "100% of\nTASK", "x"]);
        let budget = RetryBudget::new(i64::from(task.retries_used + self.numbers.below(20)));
        Task {
            description: Description::new(text).unwrap(),
            own_priority: self
                .numbers
                .maybe(|numbers| Priority::new(i64::from(numbers.below(4))).unwrap()),
            retry_budget: budget.unwrap(),
            hold: self.hold(),
            source: self.source(),
            updated_at: self.updated(task.updated_at),
            metadata: self.metadata(),
            ..task
        }
    }

    fn life(&mut self, task: Task) -> Task {
        let time = self.updated(task.updated_at);
        let used = self.numbers.below(task.retry_budget.number() + 1);
        let status = match self.numbers.below(10) {
            0..=3 => Status::Pending,
            4..=5 => Status::InProgress,
            6..=8 => Status::Completed,
            _ => Status::Blocked,
        };
        let mut task = match status {
            Status::InProgress if self.numbers.below(4) > 0 => claimed(task, "w2", time),
            _ => in_status(task, status, time),
        };
        let lease = u64::from(self.numbers.below(100));
        if let Some(claim) = &mut task.claim {
            claim.token.nonce = self.numbers.next();
            claim.lease_expires_at = self.now.after(Duration::from_secs(lease));
        }
        if status == Status::Completed {
            task.proof = self.numbers.maybe(|numbers| match numbers.below(4) {
                0 => Proof::Tests,
                1 => Proof::Unproven,
                2 => Proof::Imported,
                _ => Proof::Override {
                    by: actor("ada"),
                    reason: reason("because"),
                },
            });
        }
        let wait = i64::from(self.numbers.below(120)) - 60;
        let until = Timestamp::from_micros(self.now.micros() + wait * 1_000_000);
        Task {
            retries_used: used,
            not_before: self.numbers.maybe(|_| until),
            lost_in_a_row: self.numbers.below(4),
            ..task
        }
    }

    fn test_fields(&mut self, test: TestCase) -> TestCase {
        let time = self.now;
        TestCase {
            description: Description::new("check é").unwrap(),
            command: self.numbers.maybe(|_| CommandLine::new("true").unwrap()),
            required: self.numbers.one_in(3),
            status: self.numbers.one(TestStatus::ALL),
            last: self.numbers.maybe(|numbers| TestResult {
                at: time,
                attempt: numbers.maybe(|numbers| numbers.below(5)),
                exit_code: numbers.maybe(|numbers| numbers.below(256).cast_signed()),
                duration_ms: numbers.maybe(Numbers::next).map(|it| it >> 1),
                output_tail: numbers.maybe(|_| "out\n".to_owned()),
                by: actor("ada"),
            }),
            source: self.source(),
            updated_at: self.updated(test.updated_at),
            metadata: self.metadata(),
            ..test
        }
    }
}
