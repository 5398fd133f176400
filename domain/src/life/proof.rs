//! Test cases: what counts as proof.

use super::Refusal;
use crate::id::TestId;
use crate::status::TestStatus;
use crate::task::Proof;
use crate::test_case::{TestCase, TestResult};
use crate::text::{Actor, Reason};
use crate::time::Timestamp;

/// Whether a task without gating test cases may be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// It may, and is shown as unproven.
    TestsOptional,
    /// It may not, but for a person's override.
    TestsRequired,
}

/// How a task would be proven if it were completed now.
///
/// A test case that has a command but passes by somebody's word, because it was judged instead of run, makes the whole
/// completion an override by that person: *tests* means that the commands ran.
///
/// # Errors
/// [`Refusal::NotVerified`] with the gating test cases that do not pass in `attempt`, or [`Refusal::NoTests`].
pub fn proof_of(
    tests: &[TestCase],
    attempt: Option<u32>,
    gate: Gate,
    override_by: Option<(Actor, Reason)>,
) -> Result<Proof, Refusal> {
    let mut gating = tests.iter().filter(|test| test.gates()).peekable();
    let none = gating.peek().is_none();
    let open: Vec<TestId> = gating
        .filter(|test| !test.passes_in(attempt))
        .map(|test| test.id.clone())
        .collect();
    let proven = !none && open.is_empty();
    let by_hand = tests.iter().find_map(passed_by_hand).filter(|_| proven);
    match override_by {
        Some((by, reason)) if !proven || by_hand.is_some() => Ok(Proof::Override { by, reason }),
        _ if proven => Ok(by_hand.unwrap_or(Proof::Tests)),
        _ if !none => Err(Refusal::NotVerified(open)),
        _ if gate == Gate::TestsRequired => Err(Refusal::NoTests),
        _ => Ok(Proof::Unproven),
    }
}

/// The override that a test case stands for if it has a command and yet was judged by word. A command that ran and
/// passed has left an exit code.
fn passed_by_hand(test: &TestCase) -> Option<Proof> {
    let last = test.last.as_ref()?;
    (test.command.is_some() && last.exit_code.is_none()).then(|| Proof::Override {
        by: last.by.clone(),
        reason: super::reason(&format!("test case {} was passed by hand", test.id)),
    })
}

/// A test case with a new result.
#[must_use]
pub fn judge(test: &TestCase, passed: bool, result: TestResult) -> TestCase {
    let updated_at = result.at.not_before(test.updated_at);
    let status = if passed {
        TestStatus::Passing
    } else {
        TestStatus::Failing
    };
    TestCase {
        status,
        updated_at,
        last: Some(TestResult {
            at: updated_at,
            ..result
        }),
        ..test.clone()
    }
}

/// A test case whose result no longer counts: pending again, with its last result still shown. `None` if it is pending
/// already.
#[must_use]
pub fn reset_test(test: &TestCase, now: Timestamp) -> Option<TestCase> {
    (test.status != TestStatus::Pending).then(|| TestCase {
        status: TestStatus::Pending,
        updated_at: now.not_before(test.updated_at),
        ..test.clone()
    })
}
