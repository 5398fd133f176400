//! Writers queue: nobody meets an error, nobody starves.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tasq_adapter_sqlite::{SqliteStore, Sync};
use tasq_ports::StoreExt as _;

use crate::cost::open::{app, make, new, options};
use crate::crash::place::{Kind, Place};
use crate::crash::{amount, audit, on_both_stores};
use crate::figures::Figures;

const WRITERS: u32 = 32;

/// 32 writers at once all get on, without an error. How long one waited and how small the smallest share was is
/// said, not asserted.
fn thirty_two_writers_all_make_progress(kind: Kind) {
    let span = Duration::from_secs(amount(10, 60).into());
    let promise = "every writer gets on, without an error";
    let mut figures = Figures::of("thirty_two_writers_all_make_progress", kind.name(), promise);
    let place = Place::with_store(kind);
    place.works(&["feature", "add", "F", "--id", "F"]);
    let start = Barrier::new(WRITERS as usize);
    let shares: Vec<(u32, Duration)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    write_for(&place, span)
                })
            })
            .collect();
        let shares = writers.into_iter().map(|writer| writer.join().unwrap());
        shares.collect()
    });
    let written: u32 = shares.iter().map(|(written, _)| written).sum();
    let smallest = shares.iter().map(|(written, _)| *written).min().unwrap();
    let longest = shares.iter().map(|(_, longest)| *longest).max().unwrap();
    assert!(smallest > 0, "a writer got nothing done: {shares:?}");
    let contents = audit::sound(kind, &place.store());
    assert_eq!(
        contents.tasks.len(),
        written as usize,
        "all that was acknowledged is there"
    );
    let mean = f64::from(written) / f64::from(WRITERS);
    figures.count("writers", WRITERS).count("commands", written);
    figures.count("errors", 0).count("smallest share", smallest);
    figures.count("mean share", format!("{mean:.1}"));
    figures.count("longest command", format!("{longest:.1?}"));
    figures.tell();
}

/// Adds tasks until the time is over, at least one; how many, and how long the longest command took.
fn write_for(place: &Place, span: Duration) -> (u32, Duration) {
    let begun = Instant::now();
    let (mut written, mut longest) = (0, Duration::ZERO);
    loop {
        let before = Instant::now();
        place.works(&["task", "add", "work", "--feature", "F"]);
        longest = longest.max(before.elapsed());
        written += 1;
        if begun.elapsed() >= span {
            return (written, longest);
        }
    }
}

on_both_stores!(thirty_two_writers_all_make_progress);

/// Names the store and how many milliseconds a second process writes to it.
const STORE: &str = "TASQ_RACE_STAYING_STORE";
const SPAN: &str = "TASQ_RACE_STAYING_MILLIS";
const STAYING: usize = 4;

/// A writer goes on for a turn past those who wait; every one that stays gets about as many turns as the others.
#[test]
fn writers_that_stay_share_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("queue.db");
    make(&store);
    let before = tasks_in(&store);
    let promise = "writers that stay open get about the same share";
    let mut figures = Figures::of("writers_that_stay_share_the_store", "sqlite", promise);
    let span = amount(1_500, 30_000);
    let mut writers: Vec<Staying> = (0..STAYING).map(|_| Staying::start(&store, span)).collect();
    for writer in &mut writers {
        assert_eq!(writer.hear("ready"), 0);
    }
    for writer in &mut writers {
        writer
            .process
            .stdin
            .take()
            .unwrap()
            .write_all(b"\n")
            .unwrap();
    }
    let written: Vec<u64> = writers.into_iter().map(Staying::end).collect();
    let all: u64 = written.iter().sum();
    assert_eq!(
        tasks_in(&store) - before,
        all,
        "all that was acknowledged is there"
    );
    let mean = all / STAYING as u64;
    let smallest = *written.iter().min().unwrap();
    assert!(smallest > mean / 4, "{written:?}");
    figures.count("writers", STAYING).count("added", all);
    figures
        .count("smallest share", smallest)
        .count("mean share", mean);
    figures.tell();
}

fn tasks_in(store: &Path) -> u64 {
    let store = SqliteStore::open(store, options(Sync::Normal)).unwrap();
    store
        .read(|tx| tx.count(tasq_domain::EntityKind::Task))
        .unwrap()
}

/// A process that writes to a store as long as it is told.
struct Staying {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Staying {
    fn start(store: &Path, span: u32) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["race::fairness::role_of_a_writer_that_stays", "--exact"])
            .env(STORE, store)
            .env(SPAN, span.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// The number behind a word that begins a line.
    fn hear(&mut self, word: &str) -> u64 {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some(number) = line.trim_end().strip_prefix(word) {
                return number.trim().parse().unwrap();
            }
            line.clear();
        }
        panic!("it ended without a word of {word}");
    }

    fn end(mut self) -> u64 {
        let written = self.hear("wrote");
        assert!(self.process.wait().unwrap().success());
        written
    }
}

/// The part of a second process; nothing in the first.
#[test]
fn role_of_a_writer_that_stays() {
    let Some(store) = env::var_os(STORE) else {
        return;
    };
    let span = Duration::from_millis(env::var(SPAN).unwrap().parse().unwrap());
    let store = SqliteStore::open(store.as_ref(), options(Sync::Normal)).unwrap();
    let app = app(&store);
    let say = |word: &str, number: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{word} {number}").unwrap();
        out.flush().unwrap();
    };
    say("ready", 0);
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let begun = Instant::now();
    let mut written = 0;
    while begun.elapsed() < span {
        app.add_task(&new()).unwrap();
        written += 1;
    }
    say("wrote", written);
}
