//! `tasq selftest`: the race and the kills that the suites make, on the disk of whoever asks.
//!
//! `siege` lets workers, each a process of its own (`worker`, kept by `crew`), claim and complete while some are killed
//! at random; each notes outside of the store what it was told (`acks`), and `check` compares that with the store.
//! `fairness` lets many write at once. Times are told, and never judged: a slow disk breaks no promise.

mod acks;
mod check;
mod crew;
mod fairness;
mod numbers;
mod report;
mod siege;
mod worker;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tasq_app::Code;
use tasq_files::create_private_dir;
use tasq_ports::Ids as _;

use crate::args::care::{KindChoice, Selftest};
use crate::discover::{self, JSON_FILE, Place, SQLITE_FILE};
use crate::failure::{Failure, Problem};
use crate::output::Output;
use crate::runner::Interrupt;
use crate::scratch::Scratch;
use crate::session::{IDS, Session};
use crate::stores::Terms;
use check::Violation;
use fairness::Fairness;
use numbers::Numbers;
use report::Outcome;
use siege::Counts;

pub(crate) use worker::work;

/// How much is done to each store.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// How many workers there are at a time.
    workers: usize,
    /// How many tasks a round has.
    tasks: usize,
    /// Rounds begin until so much time has passed.
    siege: Duration,
    /// How long many write at once.
    fairness: Duration,
}

const QUICK: Amount = Amount {
    workers: 8,
    tasks: 60,
    siege: Duration::from_secs(6),
    fairness: Duration::from_secs(3),
};
const FULL: Amount = Amount {
    workers: 16,
    tasks: 400,
    siege: Duration::from_secs(60),
    fairness: Duration::from_secs(30),
};

/// The kinds of stores that lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Json,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Json => "json",
        }
    }

    fn place(self, folder: &Path) -> Place {
        match self {
            Self::Sqlite => Place::Sqlite(folder.join(SQLITE_FILE)),
            Self::Json => Place::Json(folder.join(JSON_FILE)),
        }
    }
}

/// What all parts of a test have in common.
struct Test<'a> {
    amount: Amount,
    terms: Terms,
    interrupt: &'a Interrupt,
    out: &'a Output,
}

impl Test<'_> {
    /// Tells a person who watches how far it is.
    fn tell(&self, line: &str) {
        if self.out.err_style().width.is_some() {
            self.out.talk(line);
        }
    }
}

/// What became of one store.
struct OfStore {
    kind: Kind,
    counts: Counts,
    fairness: Option<Fairness>,
    violations: Vec<Violation>,
}

pub(crate) fn selftest(session: &mut Session, args: Selftest) -> Result<u8, Failure> {
    let interrupt =
        Interrupt::listen().map_err(|error| Failure::io("cannot listen to signals", &error))?;
    let mut amount = if args.full { FULL } else { QUICK };
    amount.tasks = args.tasks.map_or(amount.tasks, |tasks| tasks as usize);
    if let Some(span) = args.span {
        amount.siege = span;
        amount.fairness = span;
    }
    // 32 bits are enough to tell runs apart, and short enough to be typed again.
    let seed = args.seed.unwrap_or_else(|| IDS.random() >> 32);
    let mut scratch = Scratch::make(&parent(session, args.dir)?, "tasq-selftest")?;
    let test = Test {
        amount,
        terms: session.terms(),
        interrupt: &interrupt,
        out: &session.out,
    };
    let kinds: &[Kind] = match args.store_kind {
        KindChoice::All => &[Kind::Sqlite, Kind::Json],
        KindChoice::Sqlite => &[Kind::Sqlite],
        KindChoice::Json => &[Kind::Json],
    };
    let mut stores = Vec::new();
    for &kind in kinds {
        if interrupt.signal().is_none() {
            stores.push(try_store(&test, kind, &scratch.path, seed)?);
        }
    }
    let failed = stores.iter().any(|store| !store.violations.is_empty());
    scratch.keep = failed;
    let outcome = Outcome {
        full: args.full,
        seed,
        folder: scratch.path.clone(),
        kept: failed,
        interrupted: interrupt.signal().is_some(),
        stores,
    };
    session.out.answer(&outcome)?;
    if failed {
        return Ok(Code::CheckFailed.exit_status());
    }
    Ok(interrupt.exit_status().unwrap_or(0))
}

/// Where the folder of the test is made: where it was asked for, else beside the store that other commands use, because
/// that is the disk to be tried, else where the system has temporary files.
fn parent(session: &Session, given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return std::path::absolute(&folder)
            .map_err(|error| Failure::io("cannot tell where this is", &error));
    }
    match discover::locate(session.global.store.as_deref()) {
        Ok(located) => match located.place.path().parent() {
            Some(folder) if folder.is_dir() => Ok(folder.to_owned()),
            _ => Ok(std::env::temp_dir()),
        },
        Err(Failure::Told(problem)) if is_missing(&problem) => Ok(std::env::temp_dir()),
        Err(failure) => Err(failure),
    }
}

fn is_missing(problem: &Problem) -> bool {
    problem.code == Code::NotFound
}

/// Rounds of the siege, then the many writers. The first round that finds something is the last.
fn try_store(test: &Test<'_>, kind: Kind, folder: &Path, seed: u64) -> Result<OfStore, Failure> {
    let mut numbers = Numbers::new(seed);
    let mut tried = OfStore {
        kind,
        counts: Counts::default(),
        fairness: None,
        violations: Vec::new(),
    };
    let began = Instant::now();
    loop {
        let round = tried.counts.rounds + 1;
        let place = make(folder, kind, &round.to_string())?;
        let found = siege::round(test, kind, &place, &mut numbers, &mut tried.counts)?;
        let Some(violations) = found else {
            return Ok(tried);
        };
        if !violations.is_empty() {
            tried.violations = violations;
            return Ok(tried);
        }
        // Kept until now for whoever wants to look; a long test would fill the disk with them.
        let _ = std::fs::remove_dir_all(&place);
        test.tell(&format!(
            "{}: round {round}, {} kills, {} claims",
            kind.as_str(),
            tried.counts.kills,
            tried.counts.claims
        ));
        if began.elapsed() >= test.amount.siege {
            break;
        }
    }
    test.tell(&format!(
        "{}: {} writers at once",
        kind.as_str(),
        fairness::WRITERS
    ));
    let place = make(folder, kind, "writers")?;
    if let Some((fairness, violations)) = fairness::measure(test, kind, &place)? {
        tried.fairness = fairness;
        tried.violations = violations;
    }
    Ok(tried)
}

fn make(folder: &Path, kind: Kind, what: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{}-{what}", kind.as_str()));
    create_private_dir(&path)?;
    Ok(path)
}
