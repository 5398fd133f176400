//! The group `procs`: several processes at one queue.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::floor::Floor;
use crate::measure::{Rounds, Spent, median};
use crate::plan::{Bench, Sync};
use crate::queue::plain;
use crate::report::{Must, Row};
use crate::tasq::Tasq;

const GROUP: &str = "procs";
/// The hidden word by which this program becomes one of the processes.
pub(crate) const WORKER: &str = "worker";
/// How long the processes of a slice work.
const SLICE: Duration = Duration::from_millis(400);
/// How many operations a process does between two looks at the clock.
const STEP: u32 = 4;
const COUNTS: [u32; 3] = [2, 4, 16];
/// More operations than a second sees, so that no queue runs empty.
const FASTEST_NORMAL: u64 = 25_000;
const FASTEST_FULL: u64 = 5_000;

/// Whose queue it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Floor,
}

impl Whose {
    const fn word(self) -> &'static str {
        match self {
            Self::Ours => "tasq",
            Self::Floor => "floor",
        }
    }
}

/// A queue that processes work at.
struct Arena {
    whose: Whose,
    sync: Sync,
    path: PathBuf,
}

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    for sync in Sync::BOTH {
        for count in COUNTS {
            let name =
                |whose: Whose| folder.join(format!("{}-{}-{count}.db", whose.word(), sync.word()));
            let ours = Arena::make(Whose::Ours, sync, name(Whose::Ours), bench.plan.rounds)?;
            let floor = Arena::make(Whose::Floor, sync, name(Whose::Floor), bench.plan.rounds)?;
            measure(bench, &ours, &floor, count)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, ours: &Arena, floor: &Arena, count: u32) -> anyhow::Result<()> {
    let (mut scaling, mut against) = (Rounds::default(), Rounds::default());
    for _ in 0..bench.plan.rounds {
        let many = ours.rate(count)?;
        let bare = floor.rate(count)?;
        let one = ours.rate(1)?;
        scaling.ratios.push(many / one);
        scaling.ours.push(1e6 / many);
        scaling.other.push(1e6 / one);
        against.ratios.push(many / bare);
        against.ours.push(1e6 / many);
        against.other.push(1e6 / bare);
    }
    let sync = ours.sync;
    let must = match (sync, count) {
        (Sync::Normal, 4) => Must::AtLeast(0.8),
        (Sync::Full, 4) => Must::AtLeast(0.6),
        _ => Must::Free,
    };
    let word = sync.word().to_uppercase();
    bench.report.tell(Row::ratio(
        GROUP,
        format!("{count} processes, total rate, {word}"),
        "1 process, rate",
        &scaling,
        must,
    ))?;
    bench.report.tell(Row::ratio(
        GROUP,
        format!("{count} processes, total rate, {word}"),
        "bare SQLite with as many",
        &against,
        Must::Free,
    ))?;
    if median(&scaling.ours) <= 0.0 {
        bail!("the processes did nothing");
    }
    Ok(())
}

impl Arena {
    fn make(whose: Whose, sync: Sync, path: PathBuf, rounds: u32) -> anyhow::Result<Self> {
        let slices = u64::from(rounds) * 2;
        let millis = u64::try_from(SLICE.as_millis())?;
        let fastest = match sync {
            Sync::Normal => FASTEST_NORMAL,
            Sync::Full => FASTEST_FULL,
        };
        let pending = slices * fastest * millis / 1_000;
        match whose {
            // The floor is several times as fast.
            Whose::Floor => Floor::create(&path, sync)?.fill(pending * 2)?,
            Whose::Ours => drop(Tasq::filled(&path, sync, &plain(pending, 10)?)?),
        }
        Ok(Self { whose, sync, path })
    }

    /// Operations in a second, of all processes together. They are open and waiting before the time begins.
    fn rate(&self, processes: u32) -> anyhow::Result<f64> {
        let mut crew: Vec<Worker> = (0..processes)
            .map(|_| Worker::start(self))
            .collect::<anyhow::Result<_>>()?;
        for worker in &mut crew {
            worker.wait_until_ready()?;
        }
        for worker in &mut crew {
            worker.go()?;
        }
        let mut rate = 0.0;
        for worker in crew {
            rate += worker.finish()?;
        }
        Ok(rate)
    }
}

struct Worker {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(arena: &Arena) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([WORKER, arena.whose.word(), arena.sync.word()])
            .arg(&arena.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("its output was asked for")?;
        Ok(Self {
            child,
            answers: BufReader::new(out),
        })
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.line()? == "ready", "a process did not get ready");
        Ok(())
    }

    fn go(&mut self) -> anyhow::Result<()> {
        let mut input = self.child.stdin.take().context("its input was asked for")?;
        Ok(input.write_all(b"go\n")?)
    }

    fn finish(mut self) -> anyhow::Result<f64> {
        let rate = self.line()?.parse().context("a process told no rate")?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "a process ended with {status}");
        Ok(rate)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

/// What one of the processes does: opens the queue, waits for the word, works, tells its rate.
pub(crate) fn work(arguments: &[String]) -> anyhow::Result<()> {
    let [whose, sync, path] = arguments else {
        bail!("a worker needs whose queue it is, the sync and the path");
    };
    let sync = Sync::from_word(sync).context("normal or full")?;
    let path = Path::new(path);
    if whose == Whose::Ours.word() {
        let mut queue = Tasq::open(path, sync)?;
        queue.complete_next(1)?;
        on_the_word(|| queue.complete_next(STEP))
    } else {
        let mut queue = Floor::open(path, sync)?;
        queue.cycle(1)?;
        on_the_word(|| queue.cycle(STEP))
    }
}

fn on_the_word(mut step: impl FnMut() -> anyhow::Result<Spent>) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()?;
    let mut word = String::new();
    std::io::stdin().read_line(&mut word)?;
    let began = Instant::now();
    let mut done = 0_u32;
    while began.elapsed() < SLICE {
        step()?;
        done += STEP;
    }
    let rate = f64::from(done) / began.elapsed().as_secs_f64();
    Ok(writeln!(out, "{rate}")?)
}
