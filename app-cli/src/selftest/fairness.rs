//! Many writers at once: none of them meets an error, and none of them is left out.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::check::{Promise, Violation};
use super::crew::{Crew, Duty};
use super::{Kind, Test, siege};
use crate::failure::Failure;

/// How many write at once.
pub(super) const WRITERS: usize = 32;
/// They go on until each of them has written; after so many writes for each, and so long, one without any counts as left
/// out. Time alone says nothing, because a busy machine may not even have let it begin; nor do writes, of which a fast disk
/// has hundreds in one turn.
const WRITES_EACH: usize = 200;
const LEFT_OUT_AFTER: Duration = Duration::from_secs(10);
/// How often the writers are looked after.
const LOOK: Duration = Duration::from_millis(20);

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fairness {
    /// How long they wrote.
    pub(super) took: Duration,
    /// How many writes each of them made in that time.
    pub(super) writes: Vec<usize>,
    /// The longest that one waited for a write.
    pub(super) longest_wait: Duration,
}

impl Fairness {
    /// All writes.
    pub(super) fn total(&self) -> usize {
        self.writes.iter().sum()
    }

    /// What the least of them got, in thousandths of what they got on average.
    pub(super) fn smallest_share(&self) -> u64 {
        let least = self.writes.iter().min().copied().unwrap_or_default();
        let thousandths = (least * self.writes.len() * 1_000).checked_div(self.total());
        thousandths.unwrap_or_default() as u64
    }

    fn left_out(&self) -> Option<Violation> {
        let left_out = self.writes.iter().filter(|&&writes| writes == 0).count();
        (left_out > 0).then(|| {
            Promise::Fair.broken(format!(
                "{left_out} of {} writers got nothing written while the others wrote {} times",
                self.writes.len(),
                self.total()
            ))
        })
    }
}

/// What a measurement found; `None` if it was interrupted.
pub(super) type Measured = Option<(Option<Fairness>, Vec<Violation>)>;

/// Lets them write into a fresh store in this folder.
pub(super) fn measure(test: &Test<'_>, kind: Kind, folder: &Path) -> Result<Measured, Failure> {
    let place = kind.place(folder);
    siege::fill(test, &place, WRITERS)?;
    let mut crew = Crew::new(&place, folder, test.terms)?;
    for _ in 0..WRITERS {
        crew.start(Duty::Write)?;
    }
    let mut began: Option<Instant> = None;
    let (took, writes) = loop {
        if test.interrupt.signal().is_some() {
            return Ok(None);
        }
        let errors = crew.collect()?.errors;
        if !errors.is_empty() || crew.len() < WRITERS {
            return Ok(Some((None, errors_or_gone(errors))));
        }
        let logs = crew.logs();
        match began {
            None if logs.iter().all(|log| log.ends_with('\n')) => {
                crew.ring();
                began = Some(Instant::now());
            }
            None => {}
            Some(began) => {
                let writes: Vec<usize> = logs.iter().map(|log| waits(log).count()).collect();
                let took = began.elapsed();
                let enough = writes.iter().all(|&writes| writes > 0)
                    || writes.iter().sum::<usize>() >= WRITERS * WRITES_EACH
                        && took >= LEFT_OUT_AFTER;
                if took >= test.amount.fairness && enough {
                    break (took, writes);
                }
            }
        }
        thread::sleep(LOOK);
    };
    crew.ask_to_end();
    let mut violations = Vec::new();
    while crew.len() > 0 {
        if test.interrupt.signal().is_some() {
            return Ok(None);
        }
        violations.extend(crew.collect()?.errors);
        thread::sleep(LOOK);
    }
    // The waits that were under way when they were asked to end count as well.
    let logs = crew.logs();
    let longest = logs.iter().filter_map(|log| waits(log).max()).max();
    let fairness = Fairness {
        took,
        writes,
        longest_wait: Duration::from_micros(longest.unwrap_or_default()),
    };
    violations.extend(fairness.left_out());
    violations.extend(siege::examine(test, &place)?);
    Ok(Some((Some(fairness), violations)))
}

fn errors_or_gone(errors: Vec<Violation>) -> Vec<Violation> {
    if errors.is_empty() {
        vec![Promise::NoErrors.broken("a writer ended before it was asked to")]
    } else {
        errors
    }
}

/// How long each write took that a log tells of, in microseconds.
fn waits(log: &str) -> impl Iterator<Item = u64> {
    log.lines().filter_map(|line| line.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fairness(writes: &[usize]) -> Fairness {
        Fairness {
            took: Duration::from_secs(1),
            writes: writes.to_vec(),
            longest_wait: Duration::ZERO,
        }
    }

    #[test]
    fn a_writer_without_a_write_is_left_out() {
        assert_eq!(fairness(&[1, 7, 9]).left_out(), None);
        let left_out = fairness(&[0, 8, 8]).left_out().unwrap();
        assert_eq!(left_out.promise, Promise::Fair);
    }

    #[test]
    fn the_smallest_share_is_told_of_the_mean() {
        assert_eq!(fairness(&[10, 10]).smallest_share(), 1_000);
        assert_eq!(fairness(&[5, 15]).smallest_share(), 500);
        assert_eq!(fairness(&[0, 3]).smallest_share(), 0);
        assert_eq!(fairness(&[0, 0]).smallest_share(), 0);
    }
}
