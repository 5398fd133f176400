//! Running the test cases of a task or a feature.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tasq_domain::{AnyId, TestCase, TestOwner, TestStatus};
use tasq_ports::{CommandSpec, Exit, Runner, StoreExt};

use crate::context::App;
use crate::error::AppError;
use crate::judge_test::{self, Ran};

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

impl App<'_> {
    /// Runs every test case of a task or a feature that has a command, in the order of creation, and records each
    /// result as evidence of the attempt that was open when it began. The commands run outside of any unit of work.
    ///
    /// # Errors
    /// [`AppError::Usage`] for an epic or a test case, [`AppError::Run`] if a shell cannot be started.
    pub fn verify(
        &self,
        id: &AnyId,
        runner: &dyn Runner,
        options: &VerifyOptions,
    ) -> Result<Verified, AppError> {
        let owner = match id {
            AnyId::Task(id) => TestOwner::Task(id.clone()),
            AnyId::Feature(id) => TestOwner::Feature(id.clone()),
            AnyId::Epic(_) | AnyId::Test(_) => {
                return Err(AppError::usage(
                    format!("{id} cannot be verified"),
                    "name a task or a feature",
                ));
            }
        };
        let (tests, attempt) = self.write(|unit| {
            let attempt = judge_test::open_attempt(unit, &owner)?;
            Ok((unit.tx.tests_of(&owner)?, attempt))
        })?;
        for test in tests {
            let Some(command) = &test.command else {
                continue;
            };
            let ran = run_one(runner, options, command.as_str())?;
            self.write(|unit| {
                let Some(current) = unit.tx.test(&test.id)? else {
                    return Ok(());
                };
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
                judge_test::record(unit, &current, ran).map(drop)
            })?;
        }
        let tests = self
            .store
            .read(|tx| Ok::<_, AppError>(tx.tests_of(&owner)?))?;
        let passed = tests
            .iter()
            .filter(|test| test.gates())
            .all(|test| test.status == TestStatus::Passing);
        Ok(Verified { passed, tests })
    }
}

struct RanOne {
    passed: bool,
    exit: Exit,
}

fn run_one(
    runner: &dyn Runner,
    options: &VerifyOptions,
    command: &str,
) -> Result<RanOne, AppError> {
    let mut running = runner.start(&CommandSpec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()],
        env: options.env.clone(),
        stdin: Vec::new(),
        folder: options.folder.clone(),
        log: None,
    })?;
    let began = Instant::now();
    loop {
        let left = options.timeout.saturating_sub(began.elapsed());
        if let Some(exit) = running.wait(left)? {
            return Ok(RanOne {
                passed: exit.code == Some(0),
                exit,
            });
        }
        if began.elapsed() >= options.timeout {
            let mut exit = running.stop()?;
            exit.code = None;
            exit.output_tail.push_str(&format!(
                "\n[stopped after {} s]",
                options.timeout.as_secs()
            ));
            return Ok(RanOne {
                passed: false,
                exit,
            });
        }
    }
}
