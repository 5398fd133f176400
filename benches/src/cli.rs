//! The group `cli`: whole commands, as a shell sees them.

mod cost;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::measure::{Amount, Share, Spent, compare, time};
use crate::plan::{Bench, Sync};
use crate::queue::plain;
use crate::report::{Must, Row};
use crate::scale::{FEATURES, tasks};
use crate::tasq::Tasq;

pub(crate) use cost::{PEAK, tell_peak};

const GROUP: &str = "cli";
/// The hidden word by which this program opens a database, reads one row and ends.
pub(crate) const BARE: &str = "bare";
/// How many runs a slice has.
const RUNS: u32 = 20;

/// The tasq command and the store that it works on.
struct Commands {
    tasq: PathBuf,
    store: PathBuf,
    sync: Sync,
}

pub(crate) fn run(bench: &mut Bench, folder: &Path) -> anyhow::Result<()> {
    let size = bench.plan.size;
    let store = folder.join("queue.db");
    drop(Tasq::filled(&store, Sync::Normal, &plain(size, FEATURES)?)?);
    let commands = Commands {
        tasq: bench.plan.tasq()?,
        store,
        sync: Sync::Full,
    };
    wall(bench, &commands, folder)?;
    cost::run(bench, &commands, folder)
}

/// A command with its words, some of which are different each time.
type Words<'a> = &'a mut dyn FnMut() -> Vec<String>;

fn wall(bench: &mut Bench, commands: &Commands, folder: &Path) -> anyhow::Result<()> {
    let size = tasks(bench.plan.size);
    let at = |what: &str| format!("tasq {what} at {size}");
    let version = || vec!["--version".to_owned()];
    beside_true(
        bench,
        commands,
        "tasq --version",
        &mut { version },
        Must::AtMost(2.0),
    )?;
    let bare = folder.join("queue.db");
    let own = std::env::current_exe()?;
    let rounds = compare(
        Share::Cost,
        Amount::same(bench.plan.rounds, RUNS),
        &mut |n| repeat(n, || Ok(quiet(Command::new(&own).arg(BARE).arg(&bare)))),
        &mut |n| repeat(n, || Ok(quiet(&mut Command::new("true")))),
    )?;
    let name = format!("a program that opens the file and reads a row, at {size}");
    bench
        .report
        .tell(Row::ratio(GROUP, name, "true, wall", &rounds, Must::Free))?;
    for what in ["next", "list"] {
        let mut words = || vec![what.to_owned()];
        beside_true(bench, commands, &at(what), &mut words, Must::AtMost(4.0))?;
    }
    for sync in Sync::BOTH {
        writes(bench, &commands.waiting(sync), sync)?;
    }
    Ok(())
}

/// Commands that write, which take longer where they wait for the disk.
fn writes(bench: &mut Bench, commands: &Commands, sync: Sync) -> anyhow::Result<()> {
    let size = tasks(bench.plan.size);
    let at = |what: &str| format!("tasq {what} at {size}, {}", sync.word().to_uppercase());
    let must = match sync {
        Sync::Normal => Must::AtMost(4.0),
        Sync::Full => Must::Free,
    };
    for (what, words, must) in [
        ("claim", &["claim", "--worker", "bench"][..], must),
        ("add", &["add", "write the file and say so"], Must::Free),
    ] {
        let mut words = || words.iter().map(|word| (*word).to_owned()).collect();
        beside_true(bench, commands, &at(what), &mut words, must)?;
    }
    let many = (bench.plan.rounds + 1) * RUNS;
    let mut claims = commands.claim(many)?.into_iter();
    let mut complete = || {
        let (task, token) = claims.next().unwrap_or_default();
        vec!["complete".to_owned(), task, "--token".to_owned(), token]
    };
    beside_true(bench, commands, &at("complete"), &mut complete, must)
}

fn beside_true(
    bench: &mut Bench,
    commands: &Commands,
    name: &str,
    words: Words<'_>,
    must: Must,
) -> anyhow::Result<()> {
    let rounds = compare(
        Share::Cost,
        Amount::same(bench.plan.rounds, RUNS),
        &mut |n| {
            let commands: Vec<Command> = (0..n).map(|_| commands.with(&words())).collect();
            let mut commands = commands.into_iter();
            repeat(n, || {
                Ok(quiet(&mut commands.next().context("one for each run")?))
            })
        },
        &mut |n| repeat(n, || Ok(quiet(&mut Command::new("true")))),
    )?;
    bench
        .report
        .tell(Row::ratio(GROUP, name, "true, wall", &rounds, must))
}

/// Starts something so many times, one after the other, and waits for it.
fn repeat(
    count: u32,
    mut run: impl FnMut() -> anyhow::Result<std::io::Result<Output>>,
) -> anyhow::Result<Spent> {
    let spent = time(|| {
        for _ in 0..count {
            let output = run()??;
            ensure!(
                output.status.success(),
                "a command ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    })?;
    Ok(spent.by_others())
}

/// Runs a command that is not shown.
fn quiet(command: &mut Command) -> std::io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
}

impl Commands {
    /// The same, where a commit waits for so much.
    fn waiting(&self, sync: Sync) -> Self {
        Self {
            tasq: self.tasq.clone(),
            store: self.store.clone(),
            sync,
        }
    }

    fn with(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.tasq);
        command
            .args(words)
            .arg("--json")
            .env("TASQ_STORE", &self.store)
            .env("TASQ_SYNC", self.sync.word());
        if words == ["--version"] {
            command = Command::new(&self.tasq);
            command.arg("--version");
        }
        command
    }

    /// Claims tasks for commands that need one: their ids and tokens.
    fn claim(&self, count: u32) -> anyhow::Result<Vec<(String, String)>> {
        let words = ["claim", "-n", &count.to_string(), "--worker", "bench"].map(str::to_owned);
        let output = self.with(&words).output()?;
        ensure!(
            output.status.success(),
            "claiming ended with {}",
            output.status
        );
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let claims = match &told["data"] {
            Value::Array(claims) => claims.clone(),
            one => vec![one.clone()],
        };
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        claims
            .iter()
            .map(|claim| Some((text(&claim["task"]["id"])?, text(&claim["token"])?)))
            .collect::<Option<_>>()
            .context("a claim has a task and a token")
    }
}
