//! The same random requests on the reference store and on another one: both must answer and look alike after each step.
//!
//! A mismatch names the seed and the step; `TASQ_TEST_SEED=<seed>` repeats it.

use std::fmt::Debug;
use std::time::Duration;

use tasq_app::{
    AddCheckpoint, AddTask, App, AppError, CompleteTask, EditFeature, EditTask, HolderRef,
    ReleaseTask, Reply, Report, ScopeRef, WhichTask,
};
use tasq_domain::life::{Ask, FailureKind};
use tasq_domain::{
    AnyId, Attempt, Contents, Epic, FeatureId, Name, OperationId, Priority, RetryBudget, Status,
    TaskId, TestId, Timestamp,
};

use super::desk::{
    CountedIds, Desk, check_contents, claims, completing, manual, new_epic, new_feature, new_task,
    of_feature, of_task, reason, with_command,
};
use super::proofs::{Always, options};
use crate::contract::consistent::assert_consistent;
use crate::contract::harness::settings;
use crate::contract::make::at;
use crate::contract::random::{assert_same_contents, numbers::Numbers};
use crate::contract::stores::{MemoryHarness, one_more};
use crate::contract::{Bench, full};
use crate::figures::Figures;
use tasq_adapter_memory::MemoryStore;
use tasq_ports::Clock;

/// A long life now and then: what comes of many steps on one queue.
const LONG: u32 = 300;
/// How many steps a usual run has.
const STEPS: u32 = 50;

pub(crate) fn random_requests_mean_the_same_as_on_the_reference(desk: &Desk) {
    let kind = desk.store().info().kind;
    let promise = "each store answers and looks as the model does, after every step";
    let name = "random_requests_mean_the_same_as_on_the_reference";
    let mut figures = Figures::of(name, kind, promise);
    if let Ok(seed) = std::env::var("TASQ_TEST_SEED") {
        let seed = seed.parse().expect("TASQ_TEST_SEED is a number");
        all_steps(seed, LONG, kind);
        return;
    }
    let (long, runs) = match (kind, full()) {
        // The model against itself tells that requests are carried out in the same way twice, and no more.
        ("memory", _) => (2, 20),
        (_, false) => (2, 500),
        (_, true) => (50, 100_000),
    };
    for seed in 1..=long {
        all_steps(seed, LONG, kind);
    }
    for seed in 1..=runs {
        all_steps(seed, STEPS, kind);
    }
    figures.count("runs", runs).count("steps of each", STEPS);
    figures.count("runs of 300 steps", long);
    figures.count("seeds", format!("1 to {runs}"));
    figures.count("differences", 0).tell();
}

fn all_steps(seed: u64, steps: u32, kind: &str) {
    let subject = Desk::at(one_more(kind));
    let reference = MemoryStore::new(&settings(), subject.bench.clock.shared());
    let reference = Desk {
        bench: Bench {
            clock: subject.bench.clock.clone(),
            harness: Box::new(MemoryHarness::over(reference.clone())),
            store: Box::new(reference),
        },
        ids: CountedIds::default(),
    };
    let mut numbers = Numbers::new(seed);
    for step in 1..=steps {
        match numbers.below(30) {
            0 => subject.bench.clock.set(at(i64::from(numbers.below(3_000)))),
            1..=4 => subject.pass_time(u64::from(numbers.below(200))),
            _ => subject
                .bench
                .clock
                .advance(Duration::from_millis(u64::from(numbers.below(2_000)))),
        }
        let contents = reference.contents();
        let request = Request::any(&mut numbers, &contents);
        let place = format!("seed {seed}, step {step} of {steps}: {request:?}");
        let expected = request.ask(&reference);
        let found = request.ask(&subject);
        assert_eq!(found, expected, "the answers differ at {place}");
        if request.moves() {
            same_times_after_a_move(&reference, &subject, &contents);
        }
        let expected = reference.contents();
        check_contents(&expected);
        // Mostly as the opener sees it that wrote, now and then as one that has just come.
        let found = match step % 10 {
            0 => subject.contents(),
            _ => subject.bench.read(|tx| tx.contents()),
        };
        assert_same_contents(&expected, &found, &place);
        if step % STEPS == 0 {
            assert_consistent(subject.bench.harness.open().as_ref());
        }
    }
}

/// When an item moves, an epic that ends in the status that it had may get the time of the move, which is no earlier than
/// that of the feature that changed, or keep its own (see [`Tx`](tasq_ports::Tx)): it gets it in both stores.
fn same_times_after_a_move(reference: &Desk, subject: &Desk, before: &Contents) {
    let now = Clock::now(&reference.bench.clock);
    let (contents, found) = (reference.contents(), subject.contents());
    for ((expected, found), before) in contents.epics.iter().zip(&found.epics).zip(&before.epics) {
        let told = [expected.updated_at, found.updated_at];
        let of_the_move = |time: Timestamp| {
            let mut features = contents.features.iter();
            time == now.not_before(before.updated_at)
                || features.any(|it| it.updated_at == time && time > before.updated_at)
        };
        let stayed = [expected.status, found.status] == [before.status; 2];
        let may_be = |&time: &Timestamp| time == before.updated_at || of_the_move(time);
        if stayed && told[0] != told[1] && told.iter().all(may_be) {
            let epic = Epic {
                updated_at: told[0].max(told[1]),
                ..expected.clone()
            };
            for desk in [reference, subject] {
                desk.bench.write(|tx| tx.update_epic(&epic));
            }
        }
    }
}

/// One request, as data, so that it can be told and asked twice.
#[derive(Debug)]
struct Request {
    op: Option<OperationId>,
    what: u32,
    task: TaskId,
    other: TaskId,
    feature: FeatureId,
    test: TestId,
    any: AnyId,
    attempt: Option<Attempt>,
    number: u32,
    yes: bool,
    scope: ScopeRef,
}

impl Request {
    /// Whether it may bring a task to another feature, or a feature to another epic.
    const fn moves(&self) -> bool {
        match self.what {
            29 => !self.by_force(),
            what => what == 30,
        }
    }

    const fn by_force(&self) -> bool {
        self.number == 0
    }

    fn any(numbers: &mut Numbers, contents: &Contents) -> Self {
        let gone = TaskId::new("GONE").unwrap();
        let task = |numbers: &mut Numbers| {
            let task = numbers.pick(&contents.tasks);
            task.map_or(gone.clone(), |task| task.id.clone())
        };
        let feature = numbers.pick(&contents.features);
        let feature = feature.map_or(FeatureId::new("GONE").unwrap(), |it| it.id.clone());
        let test = numbers.pick(&contents.tests).map(|it| it.id.clone());
        let open: Vec<Attempt> = contents
            .attempts
            .iter()
            .filter(|attempt| attempt.end.is_none())
            .cloned()
            .collect();
        let attempt = if numbers.one_in(5) {
            numbers.pick(&contents.attempts)
        } else {
            numbers.pick(&open)
        };
        let named = task(numbers);
        let epic = numbers.pick(&contents.epics).map(|it| it.id.clone());
        let any: AnyId = match (numbers.below(3), epic) {
            (0, Some(epic)) => epic.into(),
            (1, _) => (&feature).into(),
            _ => (&named).into(),
        };
        let scope = match numbers.below(4) {
            0 => ScopeRef::Feature(feature.to_string()),
            1 => ScopeRef::Feature(format!("{feature}-P{}", numbers.below(3))),
            _ => ScopeRef::Queue,
        };
        let op = numbers
            .one_in(4)
            .then(|| format!("op-{}", numbers.below(40)));
        Self {
            op: op.map(|op| OperationId::new(op).unwrap()),
            what: numbers.below(34),
            other: task(numbers),
            test: test.unwrap_or(TestId::new("GONE").unwrap()),
            attempt: attempt.cloned(),
            number: numbers.below(4),
            yes: numbers.one_in(2),
            task: named,
            feature,
            any,
            scope,
        }
    }

    /// The answer, or the code of the refusal.
    fn ask(&self, desk: &Desk) -> String {
        let app = desk.ada().with_op(self.op.clone());
        match self.what {
            0..=7 => self.ask_to_add(&app),
            8..=18 => self.ask_as_holder(&app),
            _ => self.ask_as_person(&app),
        }
    }

    fn ask_to_add(&self, app: &App<'_>) -> String {
        let Self {
            feature, number, ..
        } = self;
        match self.what {
            0 => say(app.add_epic(&new_epic("E"))),
            1 => {
                let epic = matches!(self.any, AnyId::Epic(_)).then(|| self.any.as_str().to_owned());
                let priority = Priority::new(i64::from(*number)).unwrap();
                say(app.add_feature(&tasq_app::AddFeature {
                    epic,
                    priority,
                    ..new_feature("F")
                }))
            }
            2 => say(app.add_test(&of_feature(feature.as_str()), &with_command("C"))),
            3 if self.yes => say(app.add_test(&of_task(self.task.as_str()), &with_command("C"))),
            3 => say(app.add_test(&of_task(self.task.as_str()), &manual("look"))),
            4 => {
                let batch: Vec<AddTask> = (0..*number)
                    .map(|_| new_task("many", feature.as_str()))
                    .collect();
                say(app.add_tasks(&batch))
            }
            _ => say(app.add_task(&AddTask {
                priority: self.yes.then(|| Priority::new(i64::from(*number)).unwrap()),
                depends_on: if *number == 0 {
                    vec![self.other.to_string()]
                } else {
                    Vec::new()
                },
                retry_budget: RetryBudget::new(i64::from(*number)).unwrap(),
                ..new_task("do it", feature.as_str())
            })),
        }
    }

    fn ask_as_holder(&self, app: &App<'_>) -> String {
        if self.what <= 11 {
            let wanted = claims(WhichTask::Next(self.scope.clone()), self.number + 1);
            return say(app.claim(&wanted));
        }
        let Some(attempt) = &self.attempt else {
            return say(app.claim(&claims(WhichTask::This(self.task.to_string()), 1)));
        };
        let holder = HolderRef {
            task: attempt.task.clone(),
            token: attempt.token,
        };
        match self.what {
            12 => say(app.heartbeat(&holder, self.yes.then_some(Duration::from_secs(300)))),
            13 => {
                let new = AddCheckpoint {
                    summary: reason("half"),
                    next_steps: vec!["more".to_owned()],
                    data: None,
                };
                say(app.checkpoint(&holder, &new))
            }
            14 | 15 => {
                let next = self.yes.then(|| self.scope.clone());
                let wanted = completing(&holder.task, Some(holder.token));
                say(app.complete(&CompleteTask { next, ..wanted }))
            }
            16 => {
                let kinds = [
                    FailureKind::Failed,
                    FailureKind::TimedOut,
                    FailureKind::Failed,
                    FailureKind::Permanent,
                ];
                say(app.fail(&tasq_app::FailTask {
                    holder,
                    kind: kinds[self.number as usize],
                    message: reason("red"),
                    report: Report::default(),
                }))
            }
            17 if self.number == 0 => say(app.ask(&holder, &asking())),
            17 => say(app.release(&ReleaseTask {
                holder,
                not_before: self.yes.then(|| at(1_000)),
                message: None,
                report: Report::default(),
            })),
            _ => say(app.block(&holder.task, Some(holder.token), &reason("no key"), false)),
        }
    }

    fn ask_as_person(&self, app: &App<'_>) -> String {
        let Self {
            task, other, yes, ..
        } = self;
        let force = self.by_force();
        match self.what {
            19 => say(app.reap()),
            20 => say(app.block(task, None, &reason("no"), force)),
            21 if *yes => say(app.answer(task, &Reply::Choice((self.number + 1).to_string()))),
            21 => say(app.unblock(task)),
            22 => say(app.reopen(task, force)),
            23 => say(app.retry(task, *yes)),
            24 => say(app.cancel(task)),
            25 => say(app.hold(&self.any, &reason("audit"), *yes)),
            26 => say(app.unhold(&self.any)),
            27 => say(app.depend(task, other, force)),
            28 => say(app.undepend(task, other, force)),
            29 if force => say(app.remove(&self.any, *yes)),
            29 => say(app.move_task(task, self.feature.as_str(), *yes)),
            30 => say(app.edit_feature(
                &self.feature,
                &EditFeature {
                    priority: Some(Priority::new(i64::from(self.number)).unwrap()),
                    epic: (*yes && matches!(self.any, AnyId::Epic(_)))
                        .then(|| Some(self.any.as_str().to_owned())),
                    ..EditFeature::default()
                },
            )),
            31 => say(app.edit_task(
                task,
                &EditTask {
                    retry_budget: Some(RetryBudget::new(i64::from(self.number)).unwrap()),
                    ..EditTask::default()
                },
                force,
            )),
            32 if *yes => say(app.judge_test(&self.test, self.number > 1, Some("by word"))),
            32 => {
                let id: AnyId = if force {
                    (&self.feature).into()
                } else {
                    task.into()
                };
                say(app.verify(&id, &Always(i32::from(self.number == 1)), &options()))
            }
            _ => {
                let why = reason("I looked");
                say(app.set_task_status(task, Status::Completed, Some(&why), *yes))
            }
        }
    }
}

fn asking() -> Ask {
    Ask {
        text: reason("which?"),
        choices: vec![Name::new("this").unwrap(), Name::new("that").unwrap()],
    }
}

fn say<T: Debug>(outcome: Result<T, AppError>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{}: {error}", error.code().as_str()),
    }
}
