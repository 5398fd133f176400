//! The group `shape`: queues that are not even.

use std::path::{Path, PathBuf};

use tasq_app::{EditFeature, ScopeRef};
use tasq_domain::{AnyId, Contents, FeatureId, Priority, Reason};

use crate::measure::{Amount, Share, Spent, compare, time};
use crate::plan::{Bench, Sync};
use crate::queue::{chain, fan_in, feature_id, half_waiting, plain, with_lost_leases};
use crate::report::{Must, Row};
use crate::scale::{BASE, FEATURES, copy, remove, tasks};
use crate::tasq::Tasq;

const GROUP: &str = "shape";
/// A small feature and a large one.
const SMALL: u64 = 100;
const LARGE: u64 = 10_000;
const CHAIN: u64 = 100_000;
const FAN_IN: u64 = 10_000;
const LOST: u64 = 50_000;
const FEW_LOST: u64 = 500;

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    let shapes = Shapes { folder };
    large_features(bench, &shapes)?;
    settings_of_features(bench, &shapes)?;
    whole_queues(bench, &shapes)?;
    lost_leases(bench, &shapes)
}

struct Shapes<'a> {
    folder: &'a Path,
}

impl Shapes<'_> {
    fn file(&self, name: &str, contents: &Contents) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(format!("{name}.db"));
        remove(&path)?;
        drop(Tasq::filled(&path, Sync::Normal, contents)?);
        Ok(path)
    }

    fn open(&self, name: &str, contents: &Contents) -> anyhow::Result<Tasq> {
        Tasq::open(&self.file(name, contents)?, Sync::Normal)
    }
}

/// Claims and completions in a feature of ten thousand tasks, beside one of a hundred.
fn large_features(bench: &mut Bench, shapes: &Shapes<'_>) -> anyhow::Result<()> {
    let all = 2 * LARGE;
    let mut large = shapes.open("large", &plain(all, all / LARGE)?)?;
    let mut small = shapes.open("small", &plain(all, all / SMALL)?)?;
    let slice = bench.plan.slice.min(1_000);
    let amount = Amount::same(bench.plan.rounds, slice);
    // A small feature has no room for a slice: each task is taken from the next one.
    let mut turn = 0;
    let mut next = |count: u32| -> anyhow::Result<Vec<ScopeRef>> {
        (0..count)
            .map(|_| {
                turn = (turn + 1) % (all / SMALL);
                Ok(ScopeRef::Feature(feature_id(turn)?.to_string()))
            })
            .collect()
    };
    let wide = ScopeRef::Feature(feature_id(0)?.to_string());
    let claims = compare(
        Share::Cost,
        amount,
        &mut |n| (0..n).map(|_| large.claim_in(&wide, 1)).sum(),
        &mut |n| next(n)?.iter().map(|scope| small.claim_in(scope, 1)).sum(),
    )?;
    tell(
        bench,
        "claim in a feature of 10 k",
        "in one of 100, time",
        &claims,
        Must::AtMost(1.5),
    )?;
    let done = compare(
        Share::Cost,
        amount,
        &mut |n| large.complete_in(&wide, n),
        &mut |n| small.complete(n),
    )?;
    tell(
        bench,
        "complete in a feature of 10 k",
        "in one of 100, time",
        &done,
        Must::AtMost(1.5),
    )
}

/// What changes every task of a feature at once, by the task.
fn settings_of_features(bench: &mut Bench, shapes: &Shapes<'_>) -> anyhow::Result<()> {
    let large = shapes.open("large", &plain(2 * LARGE, 2)?)?;
    let small = shapes.open("small", &plain(2 * LARGE, 2 * LARGE / SMALL)?)?;
    let feature = feature_id(0)?;
    let (large_each, small_each) = (u32::try_from(LARGE)?, u32::try_from(SMALL)?);
    let amount = Amount {
        rounds: bench.plan.rounds,
        ours: 2,
        other: 200,
        ours_each: large_each,
        other_each: small_each,
    };
    type Change = fn(&Tasq, &FeatureId, bool) -> anyhow::Result<()>;
    let changes: [(&str, Change); 2] = [
        (
            "reprioritise a feature of 10 k, per task",
            |queue, id, odd| {
                let priority = Priority::new(if odd { 1 } else { 3 })?;
                let edit = EditFeature {
                    priority: Some(priority),
                    ..EditFeature::default()
                };
                queue.app().edit_feature(id, &edit)?;
                Ok(())
            },
        ),
        (
            "hold or unhold a feature of 10 k, per task",
            |queue, id, odd| {
                let id = AnyId::Feature(id.clone());
                if odd {
                    queue.app().hold(&id, &Reason::new("wait")?, false)?;
                } else {
                    queue.app().unhold(&id)?;
                }
                Ok(())
            },
        ),
    ];
    for (name, change) in changes {
        let repeat = |queue: &Tasq, count: u32| -> anyhow::Result<Spent> {
            time(|| (0..count).try_for_each(|at| change(queue, &feature, at % 2 == 0)))
        };
        let rounds = compare(Share::Cost, amount, &mut |n| repeat(&large, n), &mut |n| {
            repeat(&small, n)
        })?;
        tell(
            bench,
            name,
            "one of 100, per task, time",
            &rounds,
            Must::AtMost(1.5),
        )?;
    }
    Ok(())
}

/// Queues whose shape may make every step slow, beside an even one of ten thousand tasks.
fn whole_queues(bench: &mut Bench, shapes: &Shapes<'_>) -> anyhow::Result<()> {
    let size = bench.plan.size;
    let chain_size = CHAIN.min(size);
    let cases: [(String, Contents); 5] = [
        (format!("one feature of {}", tasks(size)), plain(size, 1)?),
        (
            format!("{} features of 10", tasks(size / 10)),
            plain(size, size / 10)?,
        ),
        (
            format!("a chain of {}", tasks(chain_size)),
            chain(chain_size)?,
        ),
        (format!("one waits for {}", tasks(FAN_IN)), fan_in(FAN_IN)?),
        (
            format!("half of {} wait for a retry", tasks(size)),
            half_waiting(size, FEATURES)?,
        ),
    ];
    for (name, contents) in cases {
        let mut ours = shapes.open("shaped", &contents)?;
        drop(contents);
        let mut even = shapes.open("even", &plain(BASE, FEATURES)?)?;
        let rounds = bench.plan.rounds;
        let slice = bench
            .plan
            .slice
            .min(u32::try_from(BASE)? / (rounds + 1) / 2);
        let steps = compare(
            Share::Cost,
            Amount::same(rounds, slice),
            &mut |n| one_by_one(&mut ours, n),
            &mut |n| one_by_one(&mut even, n),
        )?;
        let against = "an even queue of 10 k, time";
        tell(
            bench,
            &format!("claim + complete, {name}"),
            against,
            &steps,
            Must::AtMost(1.5),
        )?;
        let repeat = |queue: &Tasq, count: u32| {
            time(|| {
                for _ in 0..count {
                    queue.app().progress(None)?;
                }
                Ok(())
            })
        };
        let looks = compare(
            Share::Cost,
            Amount::same(rounds, 3),
            &mut |n| repeat(&ours, n),
            &mut |n| repeat(&even, n),
        )?;
        tell(
            bench,
            &format!("progress, {name}"),
            against,
            &looks,
            Must::Free,
        )?;
    }
    Ok(())
}

/// Each task is completed before the next is claimed, as a chain needs it.
fn one_by_one(queue: &mut Tasq, count: u32) -> anyhow::Result<Spent> {
    (0..count)
        .map(|_| Ok(queue.claim(1)? + queue.complete(1)?))
        .sum()
}

/// The claim that finds fifty thousand lost leases takes all of them back.
fn lost_leases(bench: &mut Bench, shapes: &Shapes<'_>) -> anyhow::Result<()> {
    let many_lost = LOST.min(bench.plan.size / 2);
    let many = shapes.file(
        "many-lost",
        &with_lost_leases(2 * many_lost, many_lost, FEATURES)?,
    )?;
    let few = shapes.file(
        "few-lost",
        &with_lost_leases(2 * many_lost, FEW_LOST, FEATURES)?,
    )?;
    let amount = Amount {
        rounds: bench.plan.rounds,
        ours: 1,
        other: 1,
        ours_each: u32::try_from(many_lost)?,
        other_each: u32::try_from(FEW_LOST)?,
    };
    let first_claim = |template: &Path| -> anyhow::Result<Spent> {
        let path = copy(template, shapes.folder, "claimed")?;
        let mut queue = Tasq::open(&path, Sync::Normal)?;
        let took = queue.claim(1)?;
        drop(queue);
        remove(&path)?;
        Ok(took)
    };
    let rounds = compare(
        Share::Cost,
        amount,
        &mut |_| first_claim(&many),
        &mut |_| first_claim(&few),
    )?;
    let name = format!(
        "the claim that takes {} lost leases back, per lease",
        tasks(many_lost)
    );
    tell(
        bench,
        &name,
        "one that takes 500 back, per lease",
        &rounds,
        Must::Free,
    )
}

fn tell(
    bench: &mut Bench,
    name: &str,
    against: &str,
    rounds: &crate::measure::Rounds,
    must: Must,
) -> anyhow::Result<()> {
    bench
        .report
        .tell(Row::ratio(GROUP, name, against, rounds, must))
}
