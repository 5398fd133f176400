//! Results of test cases.

use tasq_domain::{
    Actor, EventKind, MAX_OUTPUT_TAIL_BYTES, Status, TestCase, TestId, TestOwner, TestResult, life,
};
use tasq_ports::Tx;

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::reopen;
use crate::unit::Unit;

/// What came out of a test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) passed: bool,
    pub(crate) attempt: Option<u32>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) output: Option<String>,
    pub(crate) by: Actor,
}

impl App<'_> {
    /// Records a judgement about a test case, by word. A failing one reopens a completed task (a regression).
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Denied`] to a worker for a test case that has a command: that one is judged
    /// by running it.
    pub fn judge_test(
        &self,
        id: &TestId,
        passed: bool,
        note: Option<&str>,
    ) -> Result<TestCase, AppError> {
        self.once("test judge", &(id, passed, note), |unit| {
            let test = unit.test(id)?;
            if self.caller.is_worker() && test.command.is_some() {
                return Err(AppError::worker(
                    "judge a test case that has a command; run it with `tasq verify`",
                ));
            }
            let ran = Ran {
                passed,
                attempt: open_attempt(unit.tx, &test.owner)?,
                exit_code: None,
                duration_ms: None,
                output: note.map(str::to_owned),
                by: self.caller.actor(),
            };
            record(unit, &test, ran)
        })
    }
}

/// The number of the open attempt at a test case's task.
pub(crate) fn open_attempt(tx: &mut dyn Tx, owner: &TestOwner) -> Result<Option<u32>, AppError> {
    match owner {
        TestOwner::Task(id) => {
            let record = tx
                .task(id)?
                .ok_or_else(|| AppError::not_found(&id.into()))?;
            Ok(record.task.claim.map(|claim| claim.token.attempt))
        }
        TestOwner::Feature(id) => match tx.feature(id)? {
            Some(_) => Ok(None),
            None => Err(AppError::not_found(&id.into())),
        },
    }
}

/// Stores a result with its event; a failing one on a completed task reopens it.
pub(crate) fn record(unit: &mut Unit<'_>, test: &TestCase, ran: Ran) -> Result<TestCase, AppError> {
    let Ran {
        passed,
        attempt,
        exit_code,
        duration_ms,
        output,
        by,
    } = ran;
    if let TestOwner::Feature(feature) = &test.owner {
        unit.watch_feature(feature)?;
    }
    let output_tail = output.map(|text| tail(&text, MAX_OUTPUT_TAIL_BYTES).to_owned());
    let result = TestResult {
        at: unit.now(),
        attempt,
        exit_code,
        duration_ms,
        output_tail,
        by,
    };
    let judged = life::judge(test, passed, result);
    unit.tx.update_test(&judged)?;
    let data = data!({
        "from": test.status.as_str(), "status": judged.status.as_str(), "exit_code": exit_code, "attempt": attempt,
    });
    unit.event_at(EventKind::Tested, &judged.id, judged.updated_at, data)?;
    if let TestOwner::Task(task) = &judged.owner
        && !passed
        && judged.gates()
        && unit.task(task)?.task.status == Status::Completed
    {
        // A claim that a hand edit left on a completed task is nobody's work, so it is no reason to refuse.
        reopen::reopen(unit, task, true, Some(judged.id.as_str()))?;
        return unit.test(&judged.id);
    }
    Ok(judged)
}

/// The end of a text, at most `limit` bytes, cut at a character.
fn tail(text: &str, limit: usize) -> &str {
    let mut at = text.len().saturating_sub(limit);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    &text[at..]
}
