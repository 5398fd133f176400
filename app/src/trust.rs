//! Which commands of test cases may run: those that this account typed, or has looked at.

use std::collections::{BTreeSet, HashMap, HashSet};

use tasq_domain::{CommandLine, FeatureId, Status, TaskId, TestCase, TestId, TestOwner};
use tasq_ports::{Page, Sort, StoreExt, TaskFilter, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::find::{self, ScopeRef};
use crate::release::ReleaseTask;
use crate::unit::Report;
use crate::view::ClaimView;
use crate::{HolderRef, WhichTask};

/// How many unfinished tasks are looked at before the loop begins. What lies behind them is met before its own attempt.
const LOOK_AHEAD: u32 = 1_000;
/// How many test cases are read at once.
const AT_ONCE: u32 = 1_000;

/// A command of the queue's test cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCommand {
    /// A `sh -c` line.
    pub command: CommandLine,
    /// Whether it may run.
    pub trusted: bool,
    /// The test cases that have it, in the order of creation.
    pub tests: Vec<TestId>,
}

impl App<'_> {
    /// Every command of the queue's test cases, each once, in the order of the first test case that has it.
    ///
    /// # Errors
    /// What the store fails with, or [`AppError::Trust`].
    pub fn test_commands(&self) -> Result<Vec<TestCommand>, AppError> {
        let mut commands = self.store.read(every_command)?;
        let untrusted: HashSet<CommandLine> = self
            .untrusted_of(commands.iter().map(|it| it.command.clone()).collect())?
            .into_iter()
            .collect();
        for command in &mut commands {
            command.trusted = !untrusted.contains(&command.command);
        }
        Ok(commands)
    }

    /// Lets commands run that a person has looked at.
    ///
    /// # Errors
    /// [`AppError::Denied`] to a worker; [`AppError::Trust`] if it cannot be kept.
    pub fn trust(&self, commands: &[CommandLine]) -> Result<(), AppError> {
        self.not_for_workers()?;
        self.trust_typed(commands)
    }

    /// Lets commands run that this account has just typed, and so need nobody's look.
    ///
    /// # Errors
    /// [`AppError::Trust`] if it cannot be kept.
    pub fn trust_typed(&self, commands: &[CommandLine]) -> Result<(), AppError> {
        let Some(trust) = self.trust.filter(|_| !commands.is_empty()) else {
            return Ok(());
        };
        let store = self.store.read(|tx| tx.settings())?.store;
        Ok(trust.trust(&store, commands)?)
    }

    /// Lets no command run any more, and returns how many were trusted.
    ///
    /// # Errors
    /// [`AppError::Denied`] to a worker; [`AppError::Trust`] if it cannot be kept.
    pub fn revoke_trust(&self) -> Result<u64, AppError> {
        self.not_for_workers()?;
        let Some(trust) = self.trust else {
            return Ok(0);
        };
        let store = self.store.read(|tx| tx.settings())?.store;
        Ok(trust.revoke(&store)?)
    }

    fn not_for_workers(&self) -> Result<(), AppError> {
        if self.caller.is_worker() {
            return Err(AppError::worker("decide which commands are trusted"));
        }
        Ok(())
    }

    /// Refuses test cases of which one has a command that may not run.
    pub(crate) fn must_be_trusted(&self, tests: &[TestCase]) -> Result<(), AppError> {
        let with_command = |test: &TestCase| Some((test.id.clone(), test.command.clone()?));
        let commands: Vec<_> = tests.iter().filter_map(with_command).collect();
        let untrusted =
            self.untrusted_of(commands.iter().map(|(_, line)| line.clone()).collect())?;
        if untrusted.is_empty() {
            return Ok(());
        }
        let refused = commands
            .into_iter()
            .filter(|(_, line)| untrusted.contains(line))
            .collect();
        Err(AppError::Untrusted(refused))
    }

    /// Refuses a part of the queue if one of its next tasks, or a feature of theirs, has a command that may not run: so
    /// that a loop says so before it begins, and not in the middle of the night.
    ///
    /// # Errors
    /// [`AppError::Untrusted`] with the test cases.
    pub(crate) fn must_be_trusted_ahead(&self, scope: &ScopeRef) -> Result<(), AppError> {
        if self.trust.is_none() {
            return Ok(());
        }
        let tests = self.store.read(|tx| {
            let scope = find::scope(tx, scope)?;
            let filter = TaskFilter {
                scope,
                statuses: vec![Status::Pending, Status::InProgress],
                ..TaskFilter::default()
            };
            let page = Page {
                sort: Sort::Claim,
                after: None,
                limit: LOOK_AHEAD,
            };
            let mut features: BTreeSet<FeatureId> = BTreeSet::new();
            let mut tests = Vec::new();
            for record in tx.tasks(&filter, &page)?.tasks {
                tests.extend(tx.tests_of(&TestOwner::Task(record.task.id))?);
                features.insert(record.task.feature);
            }
            for feature in features {
                tests.extend(tx.tests_of(&TestOwner::Feature(feature))?);
            }
            Ok::<_, AppError>(tests)
        })?;
        self.must_be_trusted(&tests)
    }

    /// Refuses what a claim would get if a command of its test cases may not run. Nothing is claimed for it.
    ///
    /// # Errors
    /// [`AppError::Untrusted`] with the test cases.
    pub(crate) fn must_be_trusted_next(&self, which: &WhichTask) -> Result<(), AppError> {
        let (Some(_), WhichTask::Next(scope)) = (self.trust, which) else {
            return Ok(());
        };
        let tests = self.store.read(|tx| {
            let scope = find::scope(tx, scope)?;
            match tx.next_ready(&scope)? {
                Some(record) => Ok::<_, AppError>(tx.tests_of(&TestOwner::Task(record.task.id))?),
                None => Ok(Vec::new()),
            }
        })?;
        self.must_be_trusted(&tests)
    }

    /// As [`App::must_be_trusted_next`], for a task that is claimed already: it goes back uncharged if it is refused.
    ///
    /// # Errors
    /// [`AppError::Untrusted`] with the test cases.
    pub(crate) fn trusted_or_back(&self, claim: &ClaimView) -> Result<(), AppError> {
        if self.trust.is_none() {
            return Ok(());
        }
        let task = claim.task.record.task.id.clone();
        let tests = self.store.read(|tx| tx.tests_of(&task_owner(&task)))?;
        let Err(refused) = self.must_be_trusted(&tests) else {
            return Ok(());
        };
        let token = claim.token;
        let released = ReleaseTask {
            holder: HolderRef { task, token },
            not_before: None,
            message: None,
            report: Report::default(),
        };
        self.surely(|app| app.release(&released))?;
        Err(refused)
    }

    fn untrusted_of(&self, commands: Vec<CommandLine>) -> Result<Vec<CommandLine>, AppError> {
        let Some(trust) = self.trust.filter(|_| !commands.is_empty()) else {
            return Ok(Vec::new());
        };
        let store = self.store.read(|tx| tx.settings())?.store;
        Ok(trust.untrusted(&store, &commands)?)
    }
}

fn task_owner(task: &TaskId) -> TestOwner {
    TestOwner::Task(task.clone())
}

fn every_command(tx: &mut dyn Tx) -> Result<Vec<TestCommand>, AppError> {
    let mut commands: Vec<TestCommand> = Vec::new();
    let mut known: HashMap<CommandLine, usize> = HashMap::new();
    let mut after = 0;
    loop {
        let tests = tx.tests(after, AT_ONCE)?;
        let Some(last) = tests.last() else {
            return Ok(commands);
        };
        after = last.seq;
        for test in tests {
            let Some(command) = test.command else {
                continue;
            };
            let at = *known.entry(command.clone()).or_insert_with(|| {
                commands.push(TestCommand {
                    command,
                    trusted: false,
                    tests: Vec::new(),
                });
                commands.len() - 1
            });
            commands[at].tests.push(test.id);
        }
    }
}
