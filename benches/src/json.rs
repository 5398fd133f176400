//! The group `json`: one change of a JSON store.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use crate::measure::{Amount, Share, Spent, Watch, compare, time};
use crate::plan::Bench;
use crate::queue::plain;
use crate::report::{Must, Row};
use crate::scale::tasks;
use crate::tasq::Tasq;

const GROUP: &str = "json";
const SIZES: [u64; 2] = [1_000, 10_000];
const FEATURES: u64 = 20;
/// How many changes a slice has.
const CHANGES: u32 = 5;

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    for size in SIZES {
        let path = folder.join(format!("queue-{size}.json"));
        drop(Tasq::filled_json(&path, &plain(size, FEATURES)?)?);
        let raw = folder.join(format!("raw-{size}.json"));
        let amount = Amount::same(bench.plan.rounds, CHANGES);
        let mut floor = |count: u32| -> anyhow::Result<Spent> {
            fs::copy(&path, &raw)?;
            time(|| (0..count).try_for_each(|_| load_and_save(&raw)))
        };
        // What a command does: it finds a store that it has never read.
        let fresh = compare(
            Share::Cost,
            amount,
            &mut |n| (0..n).map(|_| open_and_change(&path)).sum(),
            &mut floor,
        )?;
        let against = "load + raw save of the same bytes";
        bench.report.tell(Row::ratio(
            GROUP,
            format!("open and change once, {} tasks", tasks(size)),
            against,
            &fresh,
            Must::AtMost(1.5),
        ))?;
        // What a server does: nobody else wrote since its last change.
        let mut open = Tasq::open_json(&path)?;
        let kept = compare(Share::Cost, amount, &mut |n| open.claim(n), &mut floor)?;
        bench.report.tell(Row::ratio(
            GROUP,
            format!("one change of an open store, {} tasks", tasks(size)),
            against,
            &kept,
            Must::AtMost(1.5),
        ))?;
    }
    Ok(())
}

fn open_and_change(path: &Path) -> anyhow::Result<Spent> {
    let watch = Watch::start()?;
    let mut queue = Tasq::open_json(path)?;
    queue.claim(1)?;
    // A command ends without tearing down what it read.
    watch.stop()
}

/// The least that replaces a JSON file safely: read, parse, serialise, write beside it, sync, rename, sync the folder.
fn load_and_save(path: &Path) -> anyhow::Result<()> {
    let loaded: Value = serde_json::from_slice(&fs::read(path)?)?;
    let bytes = serde_json::to_vec_pretty(&loaded)?;
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().context("it lies in a folder")?;
    Ok(File::open(folder)?.sync_all()?)
}
