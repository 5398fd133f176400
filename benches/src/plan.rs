//! What is measured, how much of it, and where: the arguments, and what the groups share.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::machine::Ground;
use crate::report::Report;

pub(crate) const USAGE: &str = "usage: tasq-bench GROUP… [--rounds N] [--slice N] [--size N] [--huge] [--dir DIR] [--tasq FILE] [--out DIR]

  micro   single operations, one thread, against bare SQLite
  procs   1, 2, 4 and 16 processes at one queue
  scale   the same operations in queues of 1k to 1M tasks
  shape   large features, many features, chains, fan-ins, waits, lost leases
  cli     whole commands, their waits for the disk, memory and instructions
  json    one change of a JSON store
  bulk    adding, importing, exporting and copying whole queues
  peers   other queues, where benches/peers/install put them
  all     all of these; writes RESULTS.md and plot.svg into --out
  quick   a little of micro, scale, cli and json, in less than a minute

  --rounds N  rounds, at least 5 (default 7, quick 5)
  --slice N   operations in a slice, with one transaction each (default 2000, quick 100)
  --size N    the largest queue of scale, shape, cli and bulk (default 1000000, quick 10000)
  --huge      scale also measures ten million tasks
  --dir DIR   where files are made (default: the system's temporary folder); its disk is what FULL measures
  --tasq FILE the tasq command (default: the one beside this program)
  --out DIR   where `all` writes its pages (default: benches)
";

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Micro,
    Procs,
    Scale,
    Shape,
    Cli,
    Json,
    Bulk,
    Peers,
}

impl Group {
    pub(crate) const ALL: [Self; 8] = [
        Self::Micro,
        Self::Procs,
        Self::Scale,
        Self::Shape,
        Self::Cli,
        Self::Json,
        Self::Bulk,
        Self::Peers,
    ];
    const QUICK: [Self; 4] = [Self::Micro, Self::Scale, Self::Cli, Self::Json];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Micro => "micro",
            Self::Procs => "procs",
            Self::Scale => "scale",
            Self::Shape => "shape",
            Self::Cli => "cli",
            Self::Json => "json",
            Self::Bulk => "bulk",
            Self::Peers => "peers",
        }
    }
}

/// What a commit waits for, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Normal,
    Full,
}

impl Sync {
    pub(crate) const BOTH: [Self; 2] = [Self::Normal, Self::Full];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Full => "full",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|sync| sync.word() == word)
    }
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) groups: Vec<Group>,
    /// Whether it is a full run, whose results are kept.
    pub(crate) full: bool,
    pub(crate) rounds: u32,
    pub(crate) slice: u32,
    pub(crate) size: u64,
    pub(crate) huge: bool,
    pub(crate) dir: PathBuf,
    pub(crate) out: PathBuf,
    tasq: Option<PathBuf>,
}

impl Plan {
    /// Reads the arguments; `None` if the usage was asked for.
    pub(crate) fn read(
        mut arguments: impl Iterator<Item = String>,
    ) -> anyhow::Result<Option<Self>> {
        let mut plan = Self {
            groups: Vec::new(),
            full: false,
            rounds: 7,
            slice: 2_000,
            size: 1_000_000,
            huge: false,
            dir: std::env::temp_dir(),
            out: PathBuf::from("benches"),
            tasq: None,
        };
        let mut given = Vec::new();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value\n{USAGE}"))
            };
            match argument.as_str() {
                "--rounds" => plan.rounds = value()?.parse().context("--rounds takes a number")?,
                "--slice" => plan.slice = value()?.parse().context("--slice takes a number")?,
                "--size" => plan.size = value()?.parse().context("--size takes a number")?,
                "--huge" => plan.huge = true,
                "--dir" => plan.dir = value()?.into(),
                "--tasq" => plan.tasq = Some(value()?.into()),
                "--out" => plan.out = value()?.into(),
                "--help" | "-h" => return Ok(None),
                "all" => {
                    plan.groups = Group::ALL.to_vec();
                    plan.full = true;
                }
                "quick" => plan.be_quick(&given),
                word => match Group::ALL.into_iter().find(|group| group.word() == word) {
                    Some(group) => plan.groups.push(group),
                    None => bail!("unknown argument {word}\n{USAGE}"),
                },
            }
            given.push(argument);
        }
        plan.check()?;
        Ok(Some(plan))
    }

    /// What was given before the word counts.
    fn be_quick(&mut self, given: &[String]) {
        let was_given = |flag: &str| given.iter().any(|word| word == flag);
        self.groups = Group::QUICK.to_vec();
        if !was_given("--rounds") {
            self.rounds = 5;
        }
        if !was_given("--slice") {
            self.slice = 100;
        }
        if !was_given("--size") {
            self.size = 10_000;
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.groups.is_empty() {
            bail!("name a group\n{USAGE}");
        }
        if self.rounds < 5 || self.slice == 0 {
            bail!("a median needs at least 5 rounds of at least 1 operation\n{USAGE}");
        }
        if self.size < 10_000 {
            bail!("sizes are compared with a queue of 10,000 tasks, so --size is at least that");
        }
        Ok(())
    }

    /// The slice of an operation that waits for the disk is smaller: it costs a hundred times as much.
    pub(crate) fn slice_with(&self, sync: Sync) -> u32 {
        match sync {
            Sync::Normal => self.slice,
            Sync::Full => (self.slice / 4).max(1),
        }
    }

    /// The tasq command.
    pub(crate) fn tasq(&self) -> anyhow::Result<PathBuf> {
        let file = match &self.tasq {
            Some(file) => file.clone(),
            None => std::env::current_exe()?.with_file_name("tasq"),
        };
        if !file.is_file() {
            bail!(
                "there is no tasq at {}: `cargo build --release -p tasq-app-cli` builds it, or name it with --tasq",
                file.display()
            );
        }
        Ok(file.canonicalize()?)
    }
}

/// A run: the plan, what it told so far, and a folder on the disk that is measured.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    pub(crate) report: Report,
}

impl Bench {
    /// Runs a group in a folder of its own, and says whether the machine let it.
    pub(crate) fn group(
        &mut self,
        group: Group,
        body: impl FnOnce(&mut Self, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let folder = self.folder()?;
        let before = Ground::look(folder.path())?;
        body(self, folder.path()).with_context(|| format!("the group {}", group.word()))?;
        let after = Ground::look(folder.path())?;
        self.report.judge(group.word(), &before, &after)
    }

    fn folder(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::Builder::new()
            .prefix("tasq-bench-")
            .tempdir_in(&self.plan.dir)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> anyhow::Result<Option<Plan>> {
        Plan::read(words.split(' ').map(str::to_owned))
    }

    #[test]
    fn quick_is_small_unless_told_otherwise() {
        let plan = read("quick").expect("it reads").expect("a plan");
        assert_eq!((plan.rounds, plan.slice, plan.size), (5, 100, 10_000));
        let plan = read("--size 20000 quick --rounds 9")
            .expect("it reads")
            .expect("a plan");
        assert_eq!((plan.rounds, plan.size), (9, 20_000));
        assert!(!plan.full);
    }

    #[test]
    fn too_little_to_say_anything_is_refused() {
        for words in [
            "micro --rounds 4",
            "micro --slice 0",
            "scale --size 9999",
            "--rounds 7",
            "nothing",
        ] {
            assert!(read(words).is_err(), "{words}");
        }
        assert!(read("--help").expect("it reads").is_none());
    }
}
