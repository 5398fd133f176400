//! The group `scale`: the same operations in queues of a thousand to ten million tasks.

use std::path::{Path, PathBuf};

use tasq_app::{ListTasks, ScopeRef};
use tasq_ports::Sort;

use crate::floor::Floor;
use crate::measure::{Amount, Rounds, Share, compare, median, time};
use crate::plan::{Bench, Sync};
use crate::plot::Point;
use crate::queue::{feature_id, plain};
use crate::report::{Must, Row};
use crate::tasq::Tasq;

const GROUP: &str = "scale";
/// The size that others are compared with.
pub(crate) const BASE: u64 = 10_000;
const SIZES: [u64; 4] = [1_000, BASE, 100_000, 1_000_000];
const HUGE: u64 = 10_000_000;
/// Features of every queue: each has the more tasks.
pub(crate) const FEATURES: u64 = 100;
const PAGE: u32 = 50;

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    let template = template(folder, "base", BASE)?;
    let mut sizes: Vec<u64> = SIZES
        .into_iter()
        .filter(|size| *size <= bench.plan.size)
        .collect();
    if !sizes.contains(&bench.plan.size) {
        sizes.push(bench.plan.size);
    }
    if bench.plan.huge {
        sizes.push(HUGE);
    }
    for size in sizes {
        let of_size = if size == BASE {
            copy(&template, folder, "ours")?
        } else {
            self::template(folder, "ours", size)?
        };
        let base = copy(&template, folder, "compared")?;
        measure(bench, folder, size, &of_size, &base)?;
        remove(&of_size)?;
        remove(&base)?;
    }
    Ok(())
}

/// Makes a queue in one file.
fn template(folder: &Path, name: &str, size: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}-{size}.db"));
    // Dropping the store folds its log into the file.
    drop(Tasq::filled(&path, Sync::Normal, &plain(size, FEATURES)?)?);
    Ok(path)
}

/// A copy of a file that nobody has open.
pub(crate) fn copy(template: &Path, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.db"));
    std::fs::copy(template, &path)?;
    Ok(path)
}

/// Removes a queue with all that lies beside it.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{stem}."))
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn measure(
    bench: &mut Bench,
    folder: &Path,
    size: u64,
    ours: &Path,
    base: &Path,
) -> anyhow::Result<()> {
    let mut ours = Tasq::open(ours, Sync::Normal)?;
    let mut base = Tasq::open(base, Sync::Normal)?;
    reads(bench, size, &mut ours, &mut base)?;
    steps(bench, size, &mut ours, &mut base)?;
    beside_the_floor(bench, folder, size, &mut ours)
}

/// What does not change the queue.
fn reads(bench: &mut Bench, size: u64, ours: &mut Tasq, base: &mut Tasq) -> anyhow::Result<()> {
    let amount = Amount::same(bench.plan.rounds, (bench.plan.slice / 8).max(1));
    let feature = feature_id(1)?.to_string();
    let mut tell = |name: &str, read: &mut dyn FnMut(&Tasq) -> anyhow::Result<()>| {
        let read = std::cell::RefCell::new(read);
        let repeat = |queue: &Tasq, count: u32| {
            time(|| (0..count).try_for_each(|_| (*read.borrow_mut())(queue)))
        };
        let rounds = compare(Share::Cost, amount, &mut |n| repeat(ours, n), &mut |n| {
            repeat(base, n)
        })?;
        tell_growth(bench, name, size, &rounds, 1.5)
    };
    tell("list a page of 50", &mut |queue| {
        page(queue, &ScopeRef::Queue, Sort::Claim)
    })?;
    tell("first page of a feature", &mut |queue| {
        page(queue, &ScopeRef::Feature(feature.clone()), Sort::Seq)
    })?;
    tell("progress of the whole queue", &mut |queue| {
        queue.app().progress(None)?;
        Ok(())
    })
}

/// One page of a part of a queue.
pub(crate) fn page(queue: &Tasq, scope: &ScopeRef, sort: Sort) -> anyhow::Result<()> {
    let found = queue.app().list(&ListTasks {
        scope: scope.clone(),
        sort,
        limit: PAGE,
        ..ListTasks::default()
    })?;
    anyhow::ensure!(!found.tasks.is_empty(), "the page is empty");
    Ok(())
}

/// Claims and completions, as many as the smaller queue has room for.
fn steps(bench: &mut Bench, size: u64, ours: &mut Tasq, base: &mut Tasq) -> anyhow::Result<()> {
    let amount = Amount::same(bench.plan.rounds, slice(bench, size.min(BASE))?);
    let claims = compare(Share::Cost, amount, &mut |n| ours.claim(n), &mut |n| {
        base.claim(n)
    })?;
    tell_growth(bench, "claim", size, &claims, 1.5)?;
    let done = compare(Share::Cost, amount, &mut |n| ours.complete(n), &mut |n| {
        base.complete(n)
    })?;
    tell_growth(bench, "complete", size, &done, 2.0)
}

/// How many operations a slice may have so that no queue runs empty.
fn slice(bench: &Bench, size: u64) -> anyhow::Result<u32> {
    let room = size / (u64::from(bench.plan.rounds + 1) * 3);
    Ok(bench.plan.slice.min(u32::try_from(room)?).max(1))
}

fn beside_the_floor(
    bench: &mut Bench,
    folder: &Path,
    size: u64,
    ours: &mut Tasq,
) -> anyhow::Result<()> {
    let path = folder.join("floor.db");
    let mut floor = Floor::create(&path, Sync::Normal)?;
    floor.fill(size)?;
    let amount = Amount::same(bench.plan.rounds, slice(bench, size)?);
    let rounds = compare(
        Share::Rate,
        amount,
        &mut |n| ours.complete_next(n),
        &mut |n| floor.cycle(n),
    )?;
    drop(floor);
    remove(&path)?;
    point(bench, "complete + next", size, &rounds.ours);
    point(bench, "bare SQLite: claim + complete", size, &rounds.other);
    bench.report.tell(Row::ratio(
        GROUP,
        format!("complete + next at {}", tasks(size)),
        "bare SQLite as large, rate",
        &rounds,
        Must::AtLeast(0.25),
    ))
}

fn tell_growth(
    bench: &mut Bench,
    name: &str,
    size: u64,
    rounds: &Rounds,
    bound: f64,
) -> anyhow::Result<()> {
    point(bench, name, size, &rounds.ours);
    if size == BASE {
        return Ok(());
    }
    let must = if size > BASE {
        Must::AtMost(bound)
    } else {
        Must::Free
    };
    bench.report.tell(Row::ratio(
        GROUP,
        format!("{name} at {}", tasks(size)),
        format!("at {}, time", tasks(BASE)),
        rounds,
        must,
    ))
}

fn point(bench: &mut Bench, series: &str, size: u64, micros: &[f64]) {
    bench.report.points.push(Point {
        series: series.to_owned(),
        size,
        micros: median(micros),
    });
}

/// A number of tasks in words.
pub(crate) fn tasks(size: u64) -> String {
    match size {
        1_000_000.. if size.is_multiple_of(1_000_000) => format!("{} M", size / 1_000_000),
        1_000.. if size.is_multiple_of(1_000) => format!("{} k", size / 1_000),
        _ => size.to_string(),
    }
}
