//! Measuring in alternating slices.

use std::iter::Sum;
use std::ops::Add;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// One side of a comparison: does something so many times, and says how long that took, preparations left out.
pub(crate) type Side<'a> = &'a mut dyn FnMut(u32) -> anyhow::Result<Spent>;

/// What something took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// By the clock on the wall.
    pub(crate) wall: Duration,
    /// Of the processor, by this thread; zero if others did the work. It hardly changes with the load of the machine, and
    /// leaves out waits for the disk.
    pub(crate) cpu: Duration,
}

impl Spent {
    /// Where other processes did the work.
    pub(crate) fn by_others(self) -> Self {
        self.wall.into()
    }
}

impl From<Duration> for Spent {
    fn from(wall: Duration) -> Self {
        Self {
            wall,
            cpu: Duration::ZERO,
        }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            cpu: self.cpu + other.cpu,
        }
    }
}

impl Sum for Spent {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// What a figure says of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Our rate as a share of the other's: 1 is as fast, more is faster.
    Rate,
    /// Our time as a multiple of the other's: 1 is as slow, more is slower.
    Cost,
}

/// How much each side does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Rounds, each with a slice of both sides.
    pub(crate) rounds: u32,
    /// What a slice is called with.
    pub(crate) ours: u32,
    pub(crate) other: u32,
    /// How many operations that is, where one call does several.
    pub(crate) ours_each: u32,
    pub(crate) other_each: u32,
}

impl Amount {
    /// As many operations on both sides.
    pub(crate) const fn same(rounds: u32, count: u32) -> Self {
        Self {
            rounds,
            ours: count,
            other: count,
            ours_each: 1,
            other_each: 1,
        }
    }

    fn operations(self) -> (f64, f64) {
        (
            f64::from(self.ours) * f64::from(self.ours_each),
            f64::from(self.other) * f64::from(self.other_each),
        )
    }
}

/// What the rounds showed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    pub(crate) ratios: Vec<f64>,
    /// Microseconds per operation, round by round.
    pub(crate) ours: Vec<f64>,
    pub(crate) other: Vec<f64>,
    /// The ratios of processor time, where it is known of both sides.
    pub(crate) cpu: Vec<f64>,
}

/// Measures both sides in alternating slices; which goes first alternates as well. One slice of each, which is not
/// counted, warms caches and statements.
pub(crate) fn compare(
    share: Share,
    amount: Amount,
    ours: Side<'_>,
    other: Side<'_>,
) -> anyhow::Result<Rounds> {
    let mut rounds = Rounds::default();
    ours(amount.ours)?;
    other(amount.other)?;
    let (our_count, other_count) = amount.operations();
    for round in 0..amount.rounds {
        let (mine, theirs) = if round % 2 == 0 {
            let mine = ours(amount.ours)?;
            (mine, other(amount.other)?)
        } else {
            let theirs = other(amount.other)?;
            (ours(amount.ours)?, theirs)
        };
        let each = |mine: Duration, theirs: Duration| {
            (
                mine.as_secs_f64() * 1e6 / our_count,
                theirs.as_secs_f64() * 1e6 / other_count,
            )
        };
        let ratio = |(mine, theirs): (f64, f64)| match share {
            Share::Rate => theirs / mine,
            Share::Cost => mine / theirs,
        };
        let wall = each(mine.wall, theirs.wall);
        rounds.ratios.push(ratio(wall));
        rounds.ours.push(wall.0);
        rounds.other.push(wall.1);
        if !mine.cpu.is_zero() && !theirs.cpu.is_zero() {
            rounds.cpu.push(ratio(each(mine.cpu, theirs.cpu)));
        }
    }
    Ok(rounds)
}

/// How long something takes.
pub(crate) fn time(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Spent> {
    let watch = Watch::start()?;
    work()?;
    watch.stop()
}

/// A clock that runs.
pub(crate) struct Watch {
    wall: Instant,
    cpu: Duration,
}

impl Watch {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let cpu = thread_cpu()?;
        Ok(Self {
            wall: Instant::now(),
            cpu,
        })
    }

    pub(crate) fn stop(self) -> anyhow::Result<Spent> {
        Ok(Spent {
            wall: self.wall.elapsed(),
            cpu: thread_cpu()?.saturating_sub(self.cpu),
        })
    }
}

fn thread_cpu() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn bounds(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), &value| {
            (low.min(value), high.max(value))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_value_in_the_middle() {
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn rounds_alternate_and_the_first_slices_do_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name: char, micros: u64| {
            let order = &order;
            move |count: u32| {
                order.borrow_mut().push(name);
                Ok(Duration::from_micros(micros * u64::from(count)).into())
            }
        };
        let amount = Amount {
            other: 10,
            other_each: 2,
            ..Amount::same(3, 5)
        };
        let rounds = compare(Share::Cost, amount, &mut side('a', 30), &mut side('b', 20))
            .expect("nothing fails");
        assert_eq!(order.into_inner(), "ababbaab");
        assert_eq!(rounds.ratios, [3.0, 3.0, 3.0]);
        assert_eq!((rounds.ours[0], rounds.other[0]), (30.0, 10.0));
    }
}
