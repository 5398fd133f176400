//! The group `peers`: other queues on SQLite, each in its own language, as its own documents use it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::measure::{Amount, Share, Spent, compare, median};
use crate::micro::{BATCH, batches};
use crate::plan::{Bench, Sync};
use crate::plot::Point;
use crate::queue::plain;
use crate::report::{Must, Row};
use crate::scale::{BASE, FEATURES, remove, tasks};
use crate::tasq::Tasq;

const GROUP: &str = "peers";
/// Names the folder that `benches/peers/install` filled.
const FOLDER: &str = "TASQ_BENCH_PEERS";

/// How our tasks lie; theirs have no features.
struct Shape {
    name: &'static str,
    features: u64,
    /// Whether the plot has theirs from here: it tells of our queues in this shape.
    plotted: bool,
}

/// Those of one feature are what their queues are. Over many, no two tasks that follow each other are of the same, so that a
/// batch counts in as many features as it has tasks.
const SHAPES: [Shape; 2] = [
    Shape {
        name: "one feature",
        features: 1,
        plotted: false,
    },
    Shape {
        name: "100 features",
        features: FEATURES,
        plotted: true,
    },
];

/// Another queue.
struct Peer {
    name: &'static str,
    script: &'static str,
    /// What must be there for it, in the folder of the peers.
    needs: &'static str,
    /// Whether the figures against it have bounds.
    bound: bool,
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "plainjob",
        script: "plainjob.mjs",
        needs: "node_modules/better-sqlite3/build/Release/better_sqlite3.node",
        bound: true,
    },
    Peer {
        name: "litequeue",
        script: "litequeue_peer.py",
        needs: "venv/bin/python3",
        bound: false,
    },
    Peer {
        name: "huey",
        script: "huey_peer.py",
        needs: "venv/bin/python3",
        bound: false,
    },
];

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    let installed = installed();
    for peer in PEERS {
        if !installed.join(peer.needs).is_file() {
            bench.report.note(format!(
                "peers: {} is left out, because {} is missing: benches/peers/install installs it",
                peer.name,
                installed.join(peer.needs).display()
            ))?;
            continue;
        }
        for size in [BASE, 1_000_000] {
            // One that looks at all of its rows for each step would take hours: litequeue takes 140 ms a step at a million.
            if size == BASE || peer.bound && size <= bench.plan.size {
                for shape in &SHAPES {
                    beside(bench, folder, &installed, &peer, size, shape)?;
                }
            }
        }
    }
    Ok(())
}

fn installed() -> PathBuf {
    let folder =
        std::env::var_os(FOLDER).map_or_else(|| PathBuf::from("target/peers"), PathBuf::from);
    // It is used from other folders.
    std::path::absolute(&folder).unwrap_or(folder)
}

fn beside(
    bench: &mut Bench,
    folder: &Path,
    installed: &Path,
    peer: &Peer,
    size: u64,
    shape: &Shape,
) -> anyhow::Result<()> {
    let slice = bench.plan.slice;
    let path = folder.join("ours.db");
    let filled = Tasq::filled(&path, Sync::Normal, &plain(size, shape.features)?)?;
    let ours = RefCell::new(filled);
    let their_path = folder.join("theirs.db");
    let theirs = RefCell::new(Running::start(installed, peer, &their_path)?);
    theirs.borrow_mut().ask("fill", u32::try_from(size)?)?;
    let portion = u32::try_from(size / 2)?;
    let our_refill = |n| ours.borrow_mut().refill(n, shape.features);
    let mut take = |n| {
        let refill = |n| theirs.borrow_mut().ask("fill", n).map(drop);
        kept_full(n, portion, refill, |n| theirs.borrow_mut().ask("cycle", n))
    };
    let cycle = compare(
        Share::Rate,
        Amount::same(bench.plan.rounds, slice),
        &mut |n| {
            kept_full(n, portion, our_refill, |n| {
                ours.borrow_mut().complete_next(n)
            })
        },
        &mut take,
    )?;
    let must = |bound| {
        if peer.bound {
            Must::AtLeast(bound)
        } else {
            Must::Free
        }
    };
    let name = format!("complete + next at {}, {}", tasks(size), shape.name);
    bench
        .report
        .tell(Row::ratio(GROUP, name, against(peer), &cycle, must(0.7)))?;
    if shape.plotted {
        bench.report.points.push(Point {
            series: format!("{}: take + done", peer.name),
            size,
            micros: median(&cycle.other),
        });
    }
    let batch = Amount {
        ours: batches(slice) * BATCH,
        ..Amount::same(bench.plan.rounds, slice)
    };
    let batches = compare(
        Share::Rate,
        batch,
        &mut |n| {
            kept_full(n, portion, our_refill, |n| {
                (0..n / BATCH).map(|_| ours.borrow_mut().batch(BATCH)).sum()
            })
        },
        &mut take,
    )?;
    let name = format!(
        "claim 100 and complete 100 at {}, {}, per task",
        tasks(size),
        shape.name
    );
    bench
        .report
        .tell(Row::ratio(GROUP, name, against(peer), &batches, must(3.0)))?;
    theirs.into_inner().end()?;
    drop(ours);
    remove(&path)?;
    remove(&their_path)
}

/// Takes so many tasks out of a queue, after as many were put into it, which is not measured: some at a time, so that a
/// small queue does not become a large one.
fn kept_full(
    count: u32,
    portion: u32,
    refill: impl Fn(u32) -> anyhow::Result<()>,
    take: impl Fn(u32) -> anyhow::Result<Spent>,
) -> anyhow::Result<Spent> {
    (0..count)
        .step_by(usize::try_from(portion)?)
        .map(|done| {
            let next = portion.min(count - done);
            refill(next)?;
            take(next)
        })
        .sum()
}

fn against(peer: &Peer) -> String {
    format!("{}, take + done, rate", peer.name)
}

/// A peer in a process of its own.
struct Running {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(installed: &Path, peer: &Peer, file: &Path) -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(peer.script);
        let mut command = if peer.script.ends_with(".py") {
            let mut command = Command::new(installed.join("venv/bin/python3"));
            command.arg(script).arg(file);
            command
        } else {
            let mut command = Command::new("node");
            command.arg(script).arg(installed).arg(file);
            command
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", peer.name))?;
        Ok(Self {
            name: peer.name,
            input: child.stdin.take().context("its input was asked for")?,
            answers: BufReader::new(child.stdout.take().context("its output was asked for")?),
            child,
        })
    }

    /// Lets it do something so many times; it measures the time itself.
    fn ask(&mut self, step: &str, count: u32) -> anyhow::Result<Spent> {
        writeln!(self.input, "{step} {count}")?;
        self.input.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let secs = answer.trim().parse();
        let secs =
            secs.with_context(|| format!("{} answered {answer:?} to {step} {count}", self.name))?;
        Ok(Duration::from_secs_f64(secs).into())
    }

    fn end(self) -> anyhow::Result<()> {
        let Self {
            name,
            mut child,
            input,
            answers: _answers,
        } = self;
        drop(input);
        let status = child.wait()?;
        ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }
}
