//! Running the test cases of a task or a feature.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tasq_domain::life::Refusal;
use tasq_domain::{AnyId, EntityKind, TestCase, TestId, TestOwner, TestStatus};
use tasq_ports::{CommandSpec, Exit, Runner, StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::judge_test::{self, Ran};
use crate::once::{Answer, field, text};
use crate::regress;
use crate::unit::Unit;

/// How test cases are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Where their commands run: the project's folder.
    pub folder: PathBuf,
    /// How long each may take before it counts as failed.
    pub timeout: Duration,
    /// Variables added to their environment.
    pub env: Vec<(String, String)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whether every gating test case passes now.
    pub passed: bool,
    /// The test cases as they are now, those without a command unchanged.
    pub tests: Vec<TestCase>,
}

/// What goes on while commands run: a look now and then at whether they are still wanted.
pub(crate) trait Meanwhile {
    /// How long until the next look.
    fn until_next(&self) -> Duration;

    /// Whether to go on; `false` stops the command and runs no further one.
    fn look(&mut self) -> Result<bool, AppError>;
}

/// Nothing goes on meanwhile.
pub(crate) struct Nothing;

/// Test cases of one item, to run one after the other.
pub(crate) struct Batch {
    pub(crate) owner: TestOwner,
    pub(crate) tests: Vec<TestCase>,
    /// The attempt that they are evidence of.
    pub(crate) attempt: Option<u32>,
    /// Whether they passed before something else was changed.
    pub(crate) regression: bool,
}

impl Meanwhile for Nothing {
    fn until_next(&self) -> Duration {
        Duration::MAX
    }

    fn look(&mut self) -> Result<bool, AppError> {
        Ok(true)
    }
}

/// How it went with them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BatchEnd {
    /// All of them ran.
    Ran,
    /// This one broke what had passed; the others did not run any more.
    Broken(TestId),
    /// They were stopped.
    Stopped,
}

impl App<'_> {
    /// Runs every test case of a task or a feature that has a command, in the order of creation, and records each
    /// result as evidence of the attempt that was open when it began. The commands run outside of any unit of work. A
    /// result is recorded only while that attempt goes on, and only if the command is still the test case's own.
    ///
    /// With an operation id that was carried out, nothing runs again; `passed` is what it was then.
    ///
    /// # Errors
    /// [`AppError::Usage`] for an epic or a test case, [`AppError::Untrusted`] before anything runs if one of the commands
    /// is not trusted, [`AppError::Run`] if a shell cannot be started, [`AppError::Refused`] if the task was claimed, or
    /// the claim ended, meanwhile.
    pub fn verify(
        &self,
        id: &AnyId,
        runner: &dyn Runner,
        options: &VerifyOptions,
    ) -> Result<Verified, AppError> {
        let Some(op) = &self.op else {
            self.run_tests(id, runner, options, &mut Nothing)?;
            return self.store.read(|tx| Verified::load(tx, id));
        };
        let done = self.store.read(|tx| Ok::<_, AppError>(tx.operation(op)?))?;
        if done.is_none() {
            self.run_tests(id, runner, options, &mut Nothing)?;
        }
        let kept = self.once("verify", id, |unit| {
            let verified = Verified::load(unit.tx, id)?;
            let id = id.clone();
            Ok(Kept { id, verified })
        })?;
        Ok(kept.verified)
    }

    /// Runs the test cases; `false` if it was stopped by `meanwhile`.
    pub(crate) fn run_tests(
        &self,
        id: &AnyId,
        runner: &dyn Runner,
        options: &VerifyOptions,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<bool, AppError> {
        let owner = owner(id)?;
        let (tests, attempt) = self.store.read(|tx| {
            let attempt = judge_test::open_attempt(tx, &owner)?;
            Ok::<_, AppError>((tx.tests_of(&owner)?, attempt))
        })?;
        self.must_be_trusted(&tests)?;
        let batch = Batch {
            owner,
            tests,
            attempt,
            regression: false,
        };
        let ended = self.run_batch(batch, runner, options, meanwhile)?;
        Ok(ended != BatchEnd::Stopped)
    }

    /// Runs test cases whose commands are trusted.
    pub(crate) fn run_batch(
        &self,
        batch: Batch,
        runner: &dyn Runner,
        options: &VerifyOptions,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<BatchEnd, AppError> {
        let Batch {
            owner,
            tests,
            attempt,
            regression,
        } = batch;
        for test in tests {
            let Some(command) = &test.command else {
                continue;
            };
            if !meanwhile.look()? {
                return Ok(BatchEnd::Stopped);
            }
            let Some(ran) = run_one(runner, options, command.as_str(), meanwhile)? else {
                return Ok(BatchEnd::Stopped);
            };
            let broken = self.write(|unit| {
                let Some(current) = unit.tx.test(&test.id)? else {
                    return Ok(false);
                };
                if current.command != test.command {
                    return Ok(false);
                }
                same_attempt(unit, &owner, attempt)?;
                let ran = Ran {
                    passed: ran.passed,
                    attempt,
                    exit_code: ran.exit.code,
                    duration_ms: Some(
                        u64::try_from(ran.exit.duration.as_millis()).unwrap_or(u64::MAX),
                    ),
                    output: Some(ran.exit.output_tail.clone()),
                    by: self.caller.actor(),
                };
                let broken = regression && !ran.passed;
                judge_test::record(unit, &current, ran)?;
                if broken {
                    regress::settle(unit, &current)?;
                }
                Ok(broken)
            })?;
            // One is enough to reopen the item, and the others have to pass anew then.
            if broken {
                return Ok(BatchEnd::Broken(test.id));
            }
        }
        Ok(BatchEnd::Ran)
    }
}

fn owner(id: &AnyId) -> Result<TestOwner, AppError> {
    match id {
        AnyId::Task(id) => Ok(TestOwner::Task(id.clone())),
        AnyId::Feature(id) => Ok(TestOwner::Feature(id.clone())),
        AnyId::Epic(_) | AnyId::Test(_) => Err(AppError::usage(
            format!("{id} cannot be verified"),
            "name a task or a feature",
        )),
    }
}

/// Refuses a result of an attempt that is over, or of a time before the attempt that is under way now.
fn same_attempt(
    unit: &mut Unit<'_>,
    owner: &TestOwner,
    began_in: Option<u32>,
) -> Result<(), AppError> {
    let TestOwner::Task(id) = owner else {
        return Ok(());
    };
    let claim = unit.task(id)?.task.claim;
    let open = claim.as_ref().map(|claim| claim.token.attempt);
    match claim {
        _ if open == began_in => Ok(()),
        Some(claim) if began_in.is_none() => {
            let by = claim.worker;
            Err(AppError::refused(id, Refusal::Claimed { by }))
        }
        _ => Err(AppError::refused(id, Refusal::StaleClaim)),
    }
}

impl Verified {
    fn load(tx: &mut dyn Tx, id: &AnyId) -> Result<Self, AppError> {
        let tests = tx.tests_of(&owner(id)?)?;
        let passed = tests
            .iter()
            .filter(|test| test.gates())
            .all(|test| test.status == TestStatus::Passing);
        Ok(Self { passed, tests })
    }
}

/// A verification under an operation id.
struct Kept {
    id: AnyId,
    verified: Verified,
}

impl Answer for Kept {
    fn remember(&self) -> Value {
        json!({ "kind": self.id.kind().as_str(), "id": self.id.as_str(), "passed": self.verified.passed })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let kind = EntityKind::from_word(text(kept, "kind")?).unwrap_or(EntityKind::Task);
        let id = kind.id(text(kept, "id")?)?;
        let passed = field(kept, "passed")?.as_bool().unwrap_or_default();
        let tests = Verified::load(tx, &id)?.tests;
        let verified = Verified { passed, tests };
        Ok(Self { id, verified })
    }
}

struct RanOne {
    passed: bool,
    exit: Exit,
}

/// Runs one command; `None` if it was stopped by `meanwhile`.
fn run_one(
    runner: &dyn Runner,
    options: &VerifyOptions,
    command: &str,
    meanwhile: &mut dyn Meanwhile,
) -> Result<Option<RanOne>, AppError> {
    let mut running = runner.start(&CommandSpec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()],
        env: options.env.clone(),
        folder: options.folder.clone(),
        ..CommandSpec::default()
    })?;
    let began = Instant::now();
    loop {
        let left = options.timeout.saturating_sub(began.elapsed());
        if let Some(exit) = running.wait(left.min(meanwhile.until_next()))? {
            let passed = exit.code == Some(0);
            return Ok(Some(RanOne { passed, exit }));
        }
        if began.elapsed() >= options.timeout {
            let mut exit = running.stop()?;
            exit.code = None;
            exit.output_tail.push_str(&format!(
                "\n[stopped after {} s]",
                options.timeout.as_secs()
            ));
            let passed = false;
            return Ok(Some(RanOne { passed, exit }));
        }
        match meanwhile.look() {
            Ok(true) => (),
            Ok(false) => {
                running.stop()?;
                return Ok(None);
            }
            Err(error) => {
                running.stop()?;
                return Err(error);
            }
        }
    }
}
