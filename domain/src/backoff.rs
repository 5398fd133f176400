//! How long a failed task waits before it is handed out again.

use std::time::Duration;

use crate::id::TaskId;

/// Exponential backoff: `min(cap, base · 4^(n-1))` after the n-th failure, spread by ± 20 %.
///
/// The spread comes from a hash of the task and the attempt, so it is the same on every machine and store, yet tasks
/// that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait before spreading.
    pub cap: Duration,
}

impl Default for Backoff {
    /// 5 seconds, up to an hour.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(5),
            cap: Duration::from_secs(3_600),
        }
    }
}

impl Backoff {
    /// The wait after the `failures`-th failure (from 1) of a task, in its attempt of the given number.
    ///
    /// ```
    /// use tasq_domain::{backoff::Backoff, TaskId};
    /// let task = TaskId::new("TASK-1").unwrap();
    /// let wait = Backoff::default().wait(1, &task, 1);
    /// assert!((4.0..=6.0).contains(&wait.as_secs_f64()));
    /// ```
    #[must_use]
    pub fn wait(&self, failures: u32, task: &TaskId, attempt: u32) -> Duration {
        let doublings = failures.saturating_sub(1).saturating_mul(2).min(63);
        let base = u64::try_from(self.base.as_micros()).unwrap_or(u64::MAX);
        let cap = u64::try_from(self.cap.as_micros()).unwrap_or(u64::MAX);
        let plain = base.saturating_mul(1 << doublings).min(cap);
        // 80.0 % to 120.0 %, in thousandths.
        let thousandths = 800 + u128::from(spread(task, attempt) % 401);
        let micros = u128::from(plain) * thousandths / 1_000;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// FNV-1a over the task's id and the attempt, then a final mix so that neighbouring attempts differ in every bit.
fn spread(task: &TaskId, attempt: u32) -> u64 {
    let bytes = task.as_str().bytes().chain(attempt.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_fourfold_up_to_the_cap() {
        let task = TaskId::new("TASK-1").unwrap();
        for (failures, plain) in [
            (1, 5.0),
            (2, 20.0),
            (3, 80.0),
            (4, 320.0),
            (5, 1_280.0),
            (6, 3_600.0),
            (1_000, 3_600.0),
        ] {
            for attempt in 1..50 {
                let wait = Backoff::default()
                    .wait(failures, &task, attempt)
                    .as_secs_f64();
                assert!(
                    (plain * 0.8..=plain * 1.2).contains(&wait),
                    "{failures}: {wait}"
                );
            }
        }
    }

    #[test]
    fn the_spread_uses_its_whole_range_and_never_changes() {
        let waits: Vec<u128> = (0..400)
            .map(|n| {
                Backoff::default()
                    .wait(1, &TaskId::new(format!("TASK-{n}")).unwrap(), 1)
                    .as_millis()
            })
            .collect();
        assert!(waits.iter().any(|&wait| wait < 4_200) && waits.iter().any(|&wait| wait > 5_800));
        assert_eq!(
            waits[0],
            Backoff::default()
                .wait(1, &TaskId::new("TASK-0").unwrap(), 1)
                .as_millis()
        );
    }

    #[test]
    fn no_base_and_huge_numbers_are_fine() {
        let task = TaskId::new("x").unwrap();
        let none = Backoff {
            base: Duration::ZERO,
            cap: Duration::ZERO,
        };
        assert_eq!(none.wait(u32::MAX, &task, u32::MAX), Duration::ZERO);
        let huge = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
        };
        assert!(huge.wait(u32::MAX, &task, 1) > Duration::from_secs(1));
    }
}
