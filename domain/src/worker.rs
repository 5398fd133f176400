//! What a worker's end says: its exit code, and what it reported about its own work.

use std::time::Duration;

use crate::attempt::{Attempt, Outcome};
use crate::backoff::Backoff;
use crate::life::FailureKind;
use crate::text::Reason;

/// The exit code of a worker that gives its task back (EX_TEMPFAIL of sysexits.h).
pub const EXIT_RELEASE: i32 = 75;
/// The exit code of a worker for which no further try can succeed (EX_DATAERR of sysexits.h).
pub const EXIT_PERMANENT: i32 = 65;
/// How often in a row workers may give one task back before it is blocked: each time costs a start, and nobody is
/// charged for it.
pub const RELEASES_IN_A_ROW: u32 = 10;

/// What an attempt says that was given back because its loop stopped, which is not its worker's doing.
pub const LOOP_STOPPED: &str = "the loop was stopped";

/// How many of the newest attempts, given in their order, were given back by their workers.
#[must_use]
pub fn releases_in_a_row(attempts: &[Attempt]) -> u32 {
    let ended = attempts.iter().rev().filter_map(|it| it.end.as_ref());
    let given_back = ended
        .take_while(|end| end.outcome == Outcome::Released)
        .filter(|end| {
            let message = end.message.as_ref();
            message.is_none_or(|said| said.as_str() != LOOP_STOPPED)
        });
    u32::try_from(given_back.count()).unwrap_or(u32::MAX)
}

/// When a task that its worker gives back is handed out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// After this wait.
    At(Duration),
    /// Not before a person has looked at it.
    Never(Reason),
}

/// What a worker's release costs: no retry. The first is handed out again at once; each further one in a row waits
/// longer, as after failures, up to [`RELEASES_IN_A_ROW`]. `attempts` are all of the task's, in order; the last is the one that is given back.
#[must_use]
pub fn again_after_release(attempts: &[Attempt], backoff: &Backoff) -> Again {
    let count = releases_in_a_row(attempts).saturating_add(1);
    if count >= RELEASES_IN_A_ROW {
        let text = format!("given back {count} times in a row by its workers");
        return Again::Never(Reason::new(text).expect("a short text is a reason"));
    }
    Again::At(match attempts.last() {
        Some(attempt) if count > 1 => backoff.wait(count - 1, &attempt.task, attempt.token.attempt),
        _ => Duration::ZERO,
    })
}

/// What a worker reports about its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is done; the test cases have the last word.
    Pass,
    /// This attempt failed.
    Fail,
    /// It cannot go on without a person.
    Blocked,
    /// It should be tried again later, through no fault of the task.
    RetryNeeded,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Blocked, Self::RetryNeeded];

    /// The word for the verdict.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Blocked => "BLOCKED",
            Self::RetryNeeded => "RETRY_NEEDED",
        }
    }

    /// The verdict that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }
}

/// How a worker's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// With this exit code.
    Code(i32),
    /// By a signal that was not ours.
    Killed,
}

/// What is to be done after a worker's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Run the test cases, then complete the task.
    Prove,
    /// The attempt failed in this way.
    Failed(FailureKind),
    /// Give the task back, uncharged.
    GiveBack,
    /// Block the task until a person looks at it.
    Block,
}

/// What a worker's end means. Of exit code and verdict the worse counts: nobody succeeds by words alone.
///
/// ```
/// use tasq_domain::life::FailureKind;
/// use tasq_domain::worker::{meaning, Ending, Meaning, Verdict};
/// assert_eq!(meaning(Ending::Code(0), None), Meaning::Prove);
/// assert_eq!(meaning(Ending::Code(1), Some(Verdict::Pass)), Meaning::Failed(FailureKind::Failed));
/// ```
#[must_use]
pub const fn meaning(ending: Ending, verdict: Option<Verdict>) -> Meaning {
    let code = match ending {
        Ending::Killed => return Meaning::Failed(FailureKind::Crashed),
        Ending::Code(code) => code,
    };
    match (code, verdict) {
        (EXIT_PERMANENT, _) => Meaning::Failed(FailureKind::Permanent),
        (_, Some(Verdict::Blocked)) => Meaning::Block,
        (EXIT_RELEASE, _) | (_, Some(Verdict::RetryNeeded)) => Meaning::GiveBack,
        (0, Some(Verdict::Pass) | None) => Meaning::Prove,
        (_, _) => Meaning::Failed(FailureKind::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_meaning() {
        let failed = Meaning::Failed(FailureKind::Failed);
        let permanent = Meaning::Failed(FailureKind::Permanent);
        for (code, verdict, expected) in [
            (0, None, Meaning::Prove),
            (0, Some(Verdict::Pass), Meaning::Prove),
            (0, Some(Verdict::Fail), failed),
            (0, Some(Verdict::Blocked), Meaning::Block),
            (0, Some(Verdict::RetryNeeded), Meaning::GiveBack),
            (1, None, failed),
            (1, Some(Verdict::Pass), failed),
            (1, Some(Verdict::Blocked), Meaning::Block),
            (1, Some(Verdict::RetryNeeded), Meaning::GiveBack),
            (75, None, Meaning::GiveBack),
            (75, Some(Verdict::Pass), Meaning::GiveBack),
            (75, Some(Verdict::Fail), Meaning::GiveBack),
            (65, None, permanent),
            (65, Some(Verdict::Pass), permanent),
            (137, None, failed),
        ] {
            assert_eq!(
                meaning(Ending::Code(code), verdict),
                expected,
                "{code} {verdict:?}"
            );
        }
        for verdict in Verdict::ALL {
            assert_eq!(
                meaning(Ending::Killed, Some(verdict)),
                Meaning::Failed(FailureKind::Crashed)
            );
        }
    }

    #[test]
    fn a_verdict_and_its_word_agree() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_word(verdict.as_str()), Some(verdict));
        }
        assert_eq!(Verdict::from_word("pass"), None);
    }
}
