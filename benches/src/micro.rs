//! The group `micro`: single operations, one thread, one connection.

use std::io::Write;

use crate::floor::Floor;
use crate::measure::{Plan, compare};
use crate::tasq::Tasq;

/// How many tasks a bulk transaction adds.
const BULK: u32 = 1_000;

pub(crate) fn run(plan: &Plan, out: &mut dyn Write) -> anyhow::Result<()> {
    let parent = plan.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("tasq-bench-")
        .tempdir_in(parent)?;
    writeln!(
        out,
        "| {:<34} | share of the floor's rate: median, spread | ours | floor |",
        "figure"
    )?;
    for full in [false, true] {
        let sync = if full { "full" } else { "normal" };
        // A transaction that waits for the disk costs a hundred times as much.
        let slice = if full {
            (plan.slice / 4).max(1)
        } else {
            plan.slice
        };
        let mut ours = Tasq::new(&folder.path().join(format!("tasq-{sync}.db")), full)?;
        let mut floor = Floor::new(&folder.path().join(format!("floor-{sync}.db")), full)?;
        let name = |what: &str| format!("{what} ({sync})");

        compare(
            name("add"),
            plan.rounds,
            slice,
            &mut |n| ours.add(n),
            &mut |n| floor.add(n),
        )?
        .tell(out)?;
        let bulk = name("add, 1000 per transaction");
        compare(
            bulk,
            plan.rounds,
            BULK,
            &mut |n| ours.add_in_one(n),
            &mut |n| floor.add_in_one(n),
        )?
        .tell(out)?;
        let each = name("claim + complete");
        compare(
            each,
            plan.rounds,
            slice,
            &mut |n| ours.claim_complete(n),
            &mut |n| floor.claim_complete(n),
        )?
        .tell(out)?;
        // What the rounds below take must be there on both sides.
        let cycle = name("complete + next");
        compare(
            cycle,
            plan.rounds,
            slice,
            &mut |n| ours.complete_next(n),
            &mut |n| floor.cycle_in_one(n),
        )?
        .tell(out)?;
    }
    Ok(())
}
