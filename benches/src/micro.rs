//! The group `micro`: single operations, one thread, one connection.

use std::path::Path;

use crate::floor::Floor;
use crate::measure::{Amount, Share, Side, compare};
use crate::plan::{Bench, Sync};
use crate::report::{Must, Row};
use crate::tasq::Tasq;

const GROUP: &str = "micro";
/// How many tasks a bulk transaction adds.
const BULK: u32 = 1_000;
/// How many tasks a batch claims and completes.
pub(crate) const BATCH: u32 = 100;
/// How many times as many tasks as another slice has a slice of batches: they take a fraction of the time of single steps,
/// and of the log, which is to be folded a few times in each.
const LONGER: u32 = 10;

/// One figure: how it is told, and how much of it is done in a slice.
struct Kind<'a> {
    name: &'a str,
    amount: Amount,
    must: Must,
}

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    for sync in Sync::BOTH {
        let word = sync.word();
        let mut ours = Tasq::create(&folder.join(format!("tasq-{word}.db")), sync)?;
        let mut floor = Floor::create(&folder.join(format!("floor-{word}.db")), sync)?;
        one_by_one(bench, sync, &mut ours, &mut floor)?;
        many_at_once(bench, sync, &mut ours, &mut floor)?;
    }
    Ok(())
}

/// The bounds are of runs that do not wait for the disk.
fn must(sync: Sync, bound: f64) -> Must {
    match sync {
        Sync::Normal => Must::AtLeast(bound),
        Sync::Full => Must::Free,
    }
}

fn one_by_one(
    bench: &mut Bench,
    sync: Sync,
    ours: &mut Tasq,
    floor: &mut Floor,
) -> anyhow::Result<()> {
    let slice = Amount::same(bench.plan.rounds, bench.plan.slice_with(sync));
    let kind = |name, must| Kind {
        name,
        amount: slice,
        must,
    };
    let mut tell =
        |kind: Kind<'_>, ours: Side<'_>, floor: Side<'_>| tell(bench, sync, &kind, ours, floor);
    tell(
        kind("add, one per transaction", must(sync, 0.3)),
        &mut |n| ours.add(n),
        &mut |n| floor.add(n),
    )?;
    let bulk = Kind {
        amount: Amount {
            ours: BULK,
            other: BULK,
            ..slice
        },
        ..kind("add, 1000 per transaction", must(sync, 0.12))
    };
    tell(bulk, &mut |n| ours.add_in_one(n), &mut |n| {
        floor.add_in_one(n)
    })?;
    // What claiming and failing take, and what nobody is to find missing, must be there on both sides.
    let taken = (slice.rounds + 2) * slice.ours * 2;
    ours.add_in_one(taken)?;
    floor.add_in_one(taken)?;
    tell(
        kind("claim", Must::Free),
        &mut |n| ours.claim(n),
        &mut |n| floor.claim(n),
    )?;
    tell(
        kind("complete", Must::Free),
        &mut |n| ours.complete(n),
        &mut |n| floor.complete(n),
    )?;
    tell(
        kind("heartbeat", Must::Free),
        &mut |n| ours.heartbeat(n),
        &mut |n| floor.heartbeat(n),
    )?;
    tell(kind("fail", Must::Free), &mut |n| ours.fail(n), &mut |n| {
        floor.fail(n)
    })
}

/// How many batches are in a slice where another has so many operations.
pub(crate) fn batches(slice: u32) -> u32 {
    (slice.saturating_mul(LONGER) / BATCH).max(1)
}

fn many_at_once(
    bench: &mut Bench,
    sync: Sync,
    ours: &mut Tasq,
    floor: &mut Floor,
) -> anyhow::Result<()> {
    let rounds = bench.plan.rounds;
    let slice = bench.plan.slice_with(sync);
    let batches = batches(slice);
    // What the rounds take must be there on both sides.
    let taken = (rounds + 2) * (slice + batches * BATCH);
    ours.add_in_one(taken)?;
    floor.add_in_one(taken)?;
    let cycle = Kind {
        name: "complete + next (floor: claim + complete in one transaction)",
        amount: Amount::same(rounds, slice),
        must: must(sync, 0.25),
    };
    tell(
        bench,
        sync,
        &cycle,
        &mut |n| ours.complete_next(n),
        &mut |n| floor.cycle(n),
    )?;
    let batch = Kind {
        name: "claim 100 and complete 100, a transaction each",
        amount: Amount {
            ours_each: BATCH,
            other_each: BATCH,
            ..Amount::same(rounds, batches)
        },
        must: Must::Free,
    };
    tell(
        bench,
        sync,
        &batch,
        &mut |n| (0..n).map(|_| ours.batch(BATCH)).sum(),
        &mut |n| (0..n).map(|_| floor.batch(BATCH)).sum(),
    )
}

fn tell(
    bench: &mut Bench,
    sync: Sync,
    kind: &Kind<'_>,
    ours: Side<'_>,
    floor: Side<'_>,
) -> anyhow::Result<()> {
    let rounds = compare(Share::Rate, kind.amount, ours, floor)?;
    let name = format!("{}, {}", kind.name, sync.word().to_uppercase());
    bench.report.tell(Row::ratio(
        GROUP,
        name,
        "bare SQLite, rate",
        &rounds,
        kind.must,
    ))
}
