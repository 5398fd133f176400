//! One task under random histories: every transition, with the right, an old or a made-up token, a clock that jumps both
//! ways, tests that pass, fail and are reset. After each step the task is compared with a small model that keeps its own
//! books of the attempts, the retries and the tests. A refused transition cannot change the task, which it only borrows;
//! the books say which ones must be refused.

use std::time::Duration;

use proptest::prelude::*;
use tasq_domain::backoff::Backoff;
use tasq_domain::life::{
    self, Completion, Failure, FailureKind, Gate, Grant, MAX_LEASE_SECS, Refusal, Step, Writer,
    broken_invariant,
};
use tasq_domain::{
    Attempt, AttemptEnd, Outcome, Proof, RetryBudget, Status, Task, TaskRecord, TestCase,
    TestStatus, Timestamp, Token, Worker,
};

use crate::fixture::{ada, at, hold, judged, person, process, record, test_case, why, with_budget};

/// Who shows which token.
#[derive(Debug, Clone, Copy)]
enum Key {
    Right,
    /// That of an earlier attempt, counted back from the newest.
    Old(usize),
    MadeUp(u64),
}

#[derive(Debug, Clone)]
enum Op {
    Wait(i64),
    Claim {
        lease: u64,
        /// When the worker's process started, if it is recorded.
        process: Option<u64>,
    },
    Heartbeat(Key, Option<u64>),
    /// Expires what is due, having waited for the lease's end or not.
    Expire {
        wait: bool,
    },
    /// The process with this start time is gone: that of the claim, or another.
    Die(u64),
    Complete(Key, bool),
    PersonCompletes {
        force: bool,
        over: bool,
    },
    Fail(Key, FailureKind),
    Release(Key, Option<i64>),
    HolderBlocks(Key),
    PersonBlocks {
        force: bool,
    },
    Unblock,
    Reopen {
        force: bool,
    },
    Retry {
        keep: bool,
    },
    Cancel,
    Budget(i64),
    Hold(bool),
    Wall {
        dependencies: u32,
        above: bool,
    },
    Judge {
        test: usize,
        passed: bool,
    },
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => Just(Key::Right),
        2 => (0_usize..4).prop_map(Key::Old),
        1 => any::<u64>().prop_map(Key::MadeUp),
    ]
}

fn kind() -> impl Strategy<Value = FailureKind> {
    prop_oneof![
        6 => Just(FailureKind::Failed),
        3 => Just(FailureKind::TimedOut),
        1 => Just(FailureKind::Permanent),
    ]
}

/// Mostly a little later, at times hours later, and at times far back.
fn jump() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0_i64..60, 2 => 0_i64..8_000, 2 => -200_000_i64..200_000]
}

fn by_worker() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1_u64..120, prop::option::of(0_u64..3))
            .prop_map(|(lease, process)| Op::Claim { lease, process }),
        1 => Just(Op::Claim { lease: u64::MAX, process: None }),
        2 => (key(), prop::option::of(0_u64..1_000)).prop_map(|(key, lease)| Op::Heartbeat(key, lease)),
        6 => any::<bool>().prop_map(|wait| Op::Expire { wait }),
        2 => (0_u64..3).prop_map(Op::Die),
        4 => (key(), prop::bool::weighted(0.1)).prop_map(|(key, over)| Op::Complete(key, over)),
        5 => (key(), kind()).prop_map(|(key, kind)| Op::Fail(key, kind)),
        2 => (key(), prop::option::of(-50_i64..50)).prop_map(|(key, at)| Op::Release(key, at)),
        1 => key().prop_map(Op::HolderBlocks),
    ]
}

fn by_person() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => any::<(bool, bool)>().prop_map(|(force, over)| Op::PersonCompletes { force, over }),
        1 => any::<bool>().prop_map(|force| Op::PersonBlocks { force }),
        2 => Just(Op::Unblock),
        2 => any::<bool>().prop_map(|force| Op::Reopen { force }),
        2 => any::<bool>().prop_map(|keep| Op::Retry { keep }),
        1 => Just(Op::Cancel),
        2 => (0_i64..9).prop_map(Op::Budget),
        1 => prop::bool::weighted(0.1).prop_map(Op::Hold),
        1 => (prop::bool::weighted(0.1).prop_map(u32::from), prop::bool::weighted(0.1))
            .prop_map(|(dependencies, above)| Op::Wall { dependencies, above }),
    ]
}

fn by_clock_or_tests() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => jump().prop_map(Op::Wait),
        4 => (0_usize..3, prop::bool::weighted(0.8)).prop_map(|(test, passed)| Op::Judge { test, passed }),
    ]
}

/// Workers among themselves, who get further, or with persons in between.
fn history() -> impl Strategy<Value = Vec<Op>> {
    let alone = prop_oneof![10 => by_worker(), 1 => by_clock_or_tests()];
    let mixed = prop_oneof![10 => by_worker(), 4 => by_person(), 7 => by_clock_or_tests()];
    prop_oneof![
        prop::collection::vec(alone, 1..80),
        prop::collection::vec(mixed, 1..80),
    ]
}

/// The books: what the history says, kept without asking the code under test.
#[derive(Debug, Default)]
struct Model {
    /// Every attempt: its token, and how it was closed.
    attempts: Vec<(Token, Option<Outcome>)>,
    used: u32,
    budget: u32,
    lost_in_a_row: u32,
    /// Per test, whether it passed and in which attempt, since the last reset.
    results: [Option<(bool, Option<u32>)>; 3],
    completed: bool,
    /// The start of the process that claimed last, if it was recorded.
    process: Option<u64>,
    /// Attempts that were accepted as completed since the last reopening.
    accepting: u32,
}

impl Model {
    fn open(&self) -> Option<Token> {
        self.attempts
            .last()
            .filter(|(_, end)| end.is_none())
            .map(|(token, _)| *token)
    }

    fn token(&self, key: Key) -> Token {
        let newest = self.attempts.last().map_or(
            Token {
                attempt: 0,
                nonce: 0,
            },
            |(token, _)| *token,
        );
        match key {
            Key::Right => newest,
            Key::Old(back) => {
                let old = self.attempts.iter().rev().nth(back + 1);
                old.map_or(newest, |(token, _)| *token)
            }
            Key::MadeUp(nonce) => Token { nonce, ..newest },
        }
    }

    /// Gating tests (0 has a command, 1 is required, 2 is a manual check) that a completion waits for.
    fn proven(&self, attempt: Option<u32>) -> bool {
        self.results[..2].iter().all(|result| {
            result.is_some_and(|(passed, by)| passed && (attempt.is_none() || by == attempt))
        })
    }

    fn closes(&mut self, token: Token, outcome: Outcome) {
        let (newest, end) = self
            .attempts
            .last_mut()
            .expect("only a claim can be closed");
        assert_eq!((*newest, *end), (token, None), "an attempt is closed once");
        *end = Some(outcome);
        if matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Lost) {
            self.used = (self.used + 1).min(self.budget);
        }
        self.lost_in_a_row = match outcome {
            Outcome::Lost => self.lost_in_a_row + 1,
            _ => 0,
        };
        self.accepting += u32::from(outcome == Outcome::Completed);
    }

    fn reset(&mut self) {
        self.used = 0;
        self.lost_in_a_row = 0;
    }
}

/// The task, what is around it, and the attempts as a store would keep them.
struct World {
    now: Timestamp,
    record: TaskRecord,
    tests: Vec<TestCase>,
    stored: Vec<Attempt>,
    model: Model,
    nonce: u64,
}

impl World {
    fn new(budget: i64) -> Self {
        let task = with_budget(budget, 0);
        Self {
            now: at(1_000),
            record: crate::fixture::record(&task),
            tests: vec![
                test_case("A", true, false),
                test_case("B", false, true),
                test_case("C", false, false),
            ],
            stored: Vec::new(),
            model: Model {
                budget: task.retry_budget.number(),
                ..Model::default()
            },
            nonce: 0,
        }
    }

    fn task(&self) -> &Task {
        &self.record.task
    }

    /// A transition under test, without carrying it out. `None` for what is none.
    fn attempt_step(&self, op: &Op, now: Timestamp) -> Option<Result<Step, Refusal>> {
        let task = self.task();
        let token = |key: &Key| self.model.token(*key);
        let over = |yes: bool| Completion {
            override_reason: yes.then(|| why("I looked")),
            ..Completion::default()
        };
        let complete = |writer: Writer, done| {
            life::complete(task, &writer, &self.tests, Gate::TestsOptional, done, now)
        };
        Some(match op {
            Op::Expire { .. } => Ok(life::expire(&record(task), now)?),
            Op::Die(started) => Ok(life::abandon(&record(task), &process(*started), now)?),
            Op::Complete(key, yes) => complete(Writer::Holder(token(key)), over(*yes)),
            Op::PersonCompletes { force, over: yes } => complete(person(*force), over(*yes)),
            Op::Fail(key, kind) => {
                let failure = Failure {
                    kind: *kind,
                    message: why("red"),
                    exit_code: Some(1),
                };
                life::fail(&record(task), token(key), failure, &Backoff::default(), now)
            }
            Op::Release(key, later) => {
                let not_before = later.map(|secs| Timestamp::from_micros(now.micros() + secs));
                life::release(&record(task), token(key), not_before, None, None, now)
            }
            Op::HolderBlocks(key) => {
                life::block(task, &Writer::Holder(token(key)), why("stuck"), now)
            }
            Op::PersonBlocks { force } => life::block(task, &person(*force), why("wait"), now),
            Op::Unblock => life::unblock(task, now),
            Op::Reopen { force } => life::reopen(task, *force, now),
            Op::Retry { keep } => life::retry(task, *keep, now),
            Op::Cancel => life::cancel(task, &ada(), now),
            _ => return None,
        })
    }

    fn apply(&mut self, op: &Op) {
        let before = self.task().clone();
        self.wait_for(op);
        match op {
            Op::Wait(secs) => {
                self.now = Timestamp::from_micros(self.now.micros() + secs * 1_000_000)
            }
            Op::Claim { lease, process } => self.claim(*lease, *process),
            Op::Heartbeat(key, lease) => self.heartbeat(*key, *lease),
            Op::Budget(number) => {
                let budget = RetryBudget::new(*number).unwrap();
                self.record.task = life::edit_budget(&before, budget, self.now);
                self.model.budget = budget.number();
                self.model.used = self.model.used.min(budget.number());
            }
            Op::Hold(on) => self.record.task.hold = on.then(hold),
            Op::Wall {
                dependencies,
                above,
            } => {
                self.record.open_dependencies = *dependencies;
                self.record.held_above = *above;
            }
            Op::Judge { test, passed } => {
                let attempt = self.model.open().map(|token| token.attempt);
                self.tests[*test] = judged(&self.tests[*test], *passed, attempt, self.now);
                self.model.results[*test] = Some((*passed, attempt));
            }
            _ => {
                if let Some(result) = self.attempt_step(op, self.now) {
                    self.check_answer(op, &result);
                    self.check_clock(op, &result);
                    if let Ok(step) = result {
                        self.take(op, step);
                    }
                } else if let Op::Die(started) = op {
                    let held = self.model.open().and(self.model.process);
                    assert_ne!(held, Some(*started), "whose process is gone is lost");
                } else {
                    let due = |at: Timestamp| at <= self.now;
                    let lease = before.claim.as_ref().map(|claim| claim.lease_expires_at);
                    assert!(!lease.is_some_and(due), "a lease that ran out is lost");
                }
            }
        }
        self.check(&before, op);
    }

    /// Lets the time come that a patient caller waits for.
    fn wait_for(&mut self, op: &Op) {
        let time = match op {
            Op::Claim { .. } => self
                .task()
                .not_before
                .filter(|_| !self.nonce.is_multiple_of(4)),
            Op::Expire { wait: true } => {
                let claim = self.task().claim.as_ref();
                claim.map(|claim| claim.lease_expires_at)
            }
            _ => None,
        };
        self.now = time.map_or(self.now, |time| time.max(self.now));
    }

    fn claim(&mut self, lease: u64, started: Option<u64>) {
        self.nonce += 1;
        let grant = Grant {
            worker: Worker::new("w").unwrap(),
            nonce: self.nonce % 3,
            lease: Duration::from_secs(lease),
            process: started.map(process),
        };
        let task = self.task();
        let free = task.status == Status::Pending
            && self.record.open_dependencies == 0
            && !self.record.held_above
            && task.hold.is_none()
            && task.not_before.is_none_or(|time| time <= self.now);
        let answer = life::claim(&self.record, grant, self.now);
        assert_eq!(
            answer.is_ok(),
            free,
            "what is ready, and only that, is claimed"
        );
        let Ok((step, attempt)) = answer else { return };
        let number = u32::try_from(self.model.attempts.len()).unwrap() + 1;
        assert_eq!(
            (attempt.token.attempt, step.task.attempts),
            (number, number)
        );
        assert_eq!(step.closed, None, "nothing was open");
        let held = step.task.claim.as_ref().unwrap();
        assert_eq!(
            (held.token, held.process),
            (attempt.token, started.map(process))
        );
        self.model.process = started;
        assert!(held.lease <= Duration::from_secs(MAX_LEASE_SECS));
        self.model.attempts.push((attempt.token, None));
        self.stored.push(attempt);
        self.record.task = step.task;
    }

    fn heartbeat(&mut self, key: Key, lease: Option<u64>) {
        let token = self.model.token(key);
        let before = self.task().clone();
        let answer = life::heartbeat(&before, token, lease.map(Duration::from_secs), self.now);
        assert_eq!(answer.is_ok(), self.model.open() == Some(token));
        let Ok(renewed) = answer else { return };
        let ends = |task: &Task| task.claim.as_ref().map(|claim| claim.lease_expires_at);
        assert!(
            ends(&renewed.task) >= ends(&before),
            "no lease is shortened"
        );
        assert_eq!(
            timeless(&renewed.task),
            timeless(&before),
            "a lease is all that moves"
        );
        assert_eq!(renewed.task.updated_at, before.updated_at);
        self.record.task = renewed.task;
    }

    /// What must be accepted and what must be refused, by the books.
    fn check_answer(&self, op: &Op, answer: &Result<Step, Refusal>) {
        let (open, status) = (self.model.open(), self.task().status);
        let done = status == Status::Completed;
        let free = |force: &bool| open.is_none() || *force;
        let mine = |key: &Key| open == Some(self.model.token(*key));
        let expected = match op {
            Op::Complete(key, over) => {
                let attempt = open.map(|token| token.attempt);
                mine(key) && !over && self.model.proven(attempt)
            }
            Op::Fail(key, _) | Op::Release(key, _) | Op::HolderBlocks(key) => mine(key),
            Op::PersonCompletes { force, over } => {
                free(force) && !done && (*over || self.model.proven(None))
            }
            Op::PersonBlocks { force } => free(force) && !done,
            Op::Unblock => status == Status::Blocked,
            Op::Reopen { force } => free(force) && status != Status::Pending,
            Op::Retry { keep } => {
                let left = self.model.used < self.model.budget || self.model.used == 0;
                matches!(status, Status::Pending | Status::Blocked) && (left || !keep)
            }
            Op::Cancel => !done,
            Op::Die(started) => open.and(self.model.process) == Some(*started),
            _ => answer.is_ok(),
        };
        assert_eq!(answer.is_ok(), expected, "{op:?} gave {answer:?}");
        if let Op::Complete(key, _)
        | Op::Fail(key, _)
        | Op::Release(key, _)
        | Op::HolderBlocks(key) = op
        {
            let stale = answer.as_ref().err() == Some(&Refusal::StaleClaim);
            assert_eq!(
                stale,
                !mine(key),
                "a token is stale unless its attempt is open"
            );
        }
    }

    /// A clock that jumped changes the times, the lease and the wait, and nothing else.
    fn check_clock(&self, op: &Op, answer: &Result<Step, Refusal>) {
        if matches!(op, Op::Expire { .. }) {
            return;
        }
        let day = 86_400_000_000;
        for jump in [-400 * day, 400 * day] {
            let then = Timestamp::from_micros(self.now.micros() + jump);
            let other = self.attempt_step(op, then).expect("it is a transition");
            match (answer, other) {
                (Ok(one), Ok(other)) => {
                    assert_eq!(timeless(&one.task), timeless(&other.task), "{op:?}");
                    let ends = |step: &Step| {
                        step.closed
                            .clone()
                            .map(|(token, end)| (token, undated(end)))
                    };
                    assert_eq!((ends(one), one.event), (ends(&other), other.event));
                }
                (Err(one), Err(other)) => assert_eq!(*one, other),
                (one, other) => panic!("{op:?} gave {one:?}, and after a jump {other:?}"),
            }
        }
    }

    /// Stores an accepted transition, as a store would.
    fn take(&mut self, op: &Op, step: Step) {
        let held = self.task().claim.is_some();
        let taken = held && step.task.claim.is_none();
        assert_eq!(
            step.closed.is_some(),
            taken,
            "an end is told if a claim was taken away"
        );
        if let Some((token, end)) = step.closed {
            self.model.closes(token, end.outcome);
            let attempt = self.stored.last_mut().unwrap();
            assert!(end.at >= attempt.started_at, "no end before the beginning");
            attempt.end = Some(end);
        }
        match op {
            Op::Unblock | Op::Reopen { .. } | Op::Retry { keep: false } => self.model.reset(),
            Op::Retry { keep: true } | Op::Complete(..) | Op::PersonCompletes { .. } => {
                self.model.lost_in_a_row = 0;
            }
            _ => {}
        }
        if matches!(op, Op::Reopen { .. }) {
            self.model.completed = false;
            self.model.accepting = 0;
            self.model.results = Default::default();
            for test in &mut self.tests {
                *test = life::reset_test(test, self.now).unwrap_or_else(|| test.clone());
                assert_eq!(test.status, TestStatus::Pending);
            }
        }
        if matches!(op, Op::Complete(..) | Op::PersonCompletes { .. }) {
            self.model.completed = true;
            let by_holder = u32::from(matches!(op, Op::Complete(..)));
            assert_eq!(
                self.model.accepting, by_holder,
                "one attempt is accepted, or a person's word"
            );
            match step.task.proof.as_ref().unwrap() {
                Proof::Tests => assert!(self.model.proven(None)),
                Proof::Override { by, .. } => assert!(by_holder == 0 && *by == ada()),
                other => panic!("{other:?} although tests gate"),
            }
        }
        self.record.task = step.task;
    }

    /// What holds after every step.
    fn check(&self, before: &Task, op: &Op) {
        let (task, model) = (self.task(), &self.model);
        assert_eq!(broken_invariant(task), None, "after {op:?}");
        assert!(task.updated_at >= before.updated_at, "time runs forwards");
        let claim = task.claim.as_ref().map(|claim| claim.token);
        assert_eq!(claim, model.open(), "the claim is the open attempt's");
        assert_eq!(task.status == Status::InProgress, claim.is_some());
        assert_eq!(task.attempts as usize, model.attempts.len());
        assert!(task.attempts >= before.attempts, "attempts count up");
        assert_eq!(
            (task.retries_used, task.retry_budget.number()),
            (model.used, model.budget)
        );
        assert!(model.used <= model.budget);
        let spent = model.used > 0 && model.used == model.budget;
        assert!(
            !(spent && task.status == Status::Pending),
            "no retry left, yet pending"
        );
        assert_eq!(task.lost_in_a_row, model.lost_in_a_row);
        let poisoned = model.lost_in_a_row >= 3;
        assert!(
            !poisoned || task.status == Status::Blocked,
            "three lost in a row block"
        );
        assert_eq!(
            task.status == Status::Completed,
            model.completed,
            "only reopening leaves it"
        );
        let ends: Vec<Option<Outcome>> = model.attempts.iter().map(|(_, end)| *end).collect();
        let stored = self
            .stored
            .iter()
            .map(|attempt| attempt.end.as_ref().map(|end| end.outcome));
        assert!(stored.eq(ends.iter().copied()));
        let open = ends.iter().filter(|end| end.is_none()).count();
        assert_eq!(
            open,
            usize::from(claim.is_some()),
            "at most one attempt is open"
        );
        self.check_late();
    }

    /// A late message goes to its own closed attempt, and to no other.
    fn check_late(&self) {
        let Some(newest) = self.stored.last() else {
            return;
        };
        for attempt in &self.stored {
            let late = life::late(attempt, newest.token, Some(why("late")));
            let own = attempt.token == newest.token && attempt.end.is_some();
            assert_eq!(late.is_some(), own);
            let restored = late.map(|late| Attempt {
                late_message: None,
                ..late
            });
            assert!(restored.is_none_or(|restored| restored == *attempt));
        }
    }
}

/// The task without its times.
fn timeless(task: &Task) -> Task {
    let mut task = task.clone();
    task.updated_at = Timestamp::default();
    task.not_before = None;
    task.completed_at = task.completed_at.map(|_| Timestamp::default());
    if let Some(claim) = &mut task.claim {
        claim.lease_expires_at = Timestamp::default();
        claim.lease = Duration::ZERO;
        if let Some(cancel) = &mut claim.cancel {
            cancel.at = Timestamp::default();
        }
    }
    task
}

fn undated(end: AttemptEnd) -> AttemptEnd {
    AttemptEnd {
        at: Timestamp::default(),
        ..end
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn every_history_keeps_the_invariants(budget in 0_i64..9, ops in history()) {
        let mut world = World::new(budget);
        for op in &ops {
            world.apply(op);
        }
    }
}
