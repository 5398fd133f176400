//! Power cuts.
//!
//! A sequence of commands is watched while it runs, and what it wrote is replayed to the states in which a power cut
//! may have left the disk: whatever was not followed by an fsync is there, or not, or in part. Every state must open
//! as what the queue was after some command, and no command that had answered may be missing.
//!
//! The model is harsher than most file systems: a name lasts only when its folder was synced, a file's length may last
//! without its content, and a write may last sector by sector. Names of one folder last in their order, as every
//! journal keeps them. The index of SQLite's log, which nobody syncs, is what it was after any of the commands, whatever is left
//! of the log.

mod disk;
mod trace;

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};

use tasq_domain::Contents;
use tasq_ports::StoreError;

use self::disk::{Disk, Op, State};
use super::place::{Kind, Place, copy_folder, text};
use super::{amount, audit, on_both_stores, seed};
use crate::contract::random::numbers::Numbers;
use crate::figures::Figures;

/// As many as make commands move the log into the database on the way.
const COMMANDS: usize = 70;

/// In every state that a power cut may leave, each command that had answered is there, the one that was
/// running is there as a whole or not at all, and the next command works by itself.
fn a_power_cut_loses_nothing_that_was_acknowledged(kind: Kind) {
    let seed = seed();
    let name = "a_power_cut_loses_nothing_that_was_acknowledged";
    let promise = "after a power cut, what was acknowledged is there, and nothing by half";
    let mut figures = Figures::of(name, kind.name(), promise).seeded(seed);
    let record = Record::of(kind, None);
    let states = amount(2_500, 125_000);
    let distinct = record
        .check(&record.ops, states, seed)
        .unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    figures.count("commands", COMMANDS);
    figures.count("recorded operations", record.ops.len());
    figures.count("states", states).count("distinct", distinct);
    figures.count("lost", 0).count("broken", 0).tell();
}

on_both_stores!(a_power_cut_loses_nothing_that_was_acknowledged);

/// The control run: with `TASQ_SYNC=normal` acknowledged commands are lost, and the check sees it.
#[test]
fn weaker_syncing_of_sqlite_is_caught() {
    let seed = seed();
    let record = Record::of(Kind::Sqlite, Some(("TASQ_SYNC", "normal")));
    expect_caught(&record, "TASQ_SYNC=normal", &record.ops, seed);
}

/// The control run for whatever syncs: without it, something acknowledged is lost, and the check sees it.
#[test]
fn each_fsync_of_sqlite_is_needed() {
    let record = Record::of(Kind::Sqlite, None);
    expect_needed(&record, "the log", |name| name == "queue.db-wal");
    expect_needed(&record, "the database", |name| name == "queue.db");
    expect_needed(&record, "the new database", |name| {
        name.starts_with(".queue.db.")
    });
    expect_needed_folders(&record);
}

/// As above: the new snapshot, the log, the folder.
#[test]
fn each_fsync_of_the_json_store_is_needed() {
    let record = Record::of(Kind::Json, None);
    expect_needed(&record, "the snapshot", |name| {
        name.starts_with(".queue.json.")
    });
    expect_needed(&record, "the log", |name| name == "queue.log.jsonl");
    expect_needed_folders(&record);
}

fn expect_needed(record: &Record, called: &str, is_one: impl Fn(&str) -> bool) {
    let ops = record.without(|op| matches!(op, Op::SyncFile { name, .. } if is_one(name)));
    expect_caught(record, &format!("without fsync of {called}"), &ops, seed());
}

fn expect_needed_folders(record: &Record) {
    let ops = record.without(|op| matches!(op, Op::SyncFolder { .. }));
    expect_caught(record, "without fsync of folders", &ops, seed());
}

fn expect_caught(record: &Record, control: &str, ops: &[Op], seed: u64) {
    assert!(
        control.contains('=') || ops.len() < record.ops.len(),
        "{control}: there was none"
    );
    let promise = "a control run with weaker syncing fails";
    let mut figures = Figures::of("power_cut_control", record.kind.name(), promise).seeded(seed);
    match record.check(ops, 2_000, seed) {
        Ok(distinct) => panic!("{control}: {distinct} states, and nothing was found"),
        Err(violation) => {
            figures.count("control", control);
            figures.count("caught", first_line(&violation)).tell();
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(150)
        .collect()
}

/// Commands that ran, what they wrote, and what was in the store after each.
struct Record {
    kind: Kind,
    ops: Vec<Op>,
    /// What was there after so many commands.
    after: Vec<Option<Contents>>,
    /// The index of SQLite's log after each.
    indexes: Vec<Vec<u8>>,
}

impl Record {
    fn of(kind: Kind, variable: Option<(&str, &str)>) -> Self {
        let place = Place::bare(kind);
        let mut recorder = trace::Recorder::new(&place, variable);
        let mut after = vec![None];
        let mut indexes = Vec::new();
        let mut held = None;
        for number in 0..COMMANDS {
            let words = command(number, held.as_ref());
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ran = recorder.run(&words);
            assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
            if words[0] == "claim" {
                let data = ran.data();
                held = Some((text(&data["task"]["id"]), text(&data["token"])));
            }
            indexes.extend(fs::read(index_of(&place)));
            // A copy is opened, because opening the store itself would tidy it up.
            let copy = Place::bare(kind);
            copy_folder(&place.project, &copy.project);
            after.push(Some(audit::contents(kind, &copy.store()).unwrap()));
        }
        // The first command closes what it has made, and nothing is left of it.
        assert!(kind != Kind::Sqlite || indexes.len() == COMMANDS - 1);
        Self {
            kind,
            ops: recorder.ops,
            after,
            indexes,
        }
    }

    /// The operations but for some.
    fn without(&self, left_out: impl Fn(&Op) -> bool) -> Vec<Op> {
        let ops = self.ops.iter().filter(|op| !left_out(op));
        ops.cloned().collect()
    }

    /// Makes so many states and looks at each that is new: how many those are, or the first that is wrong.
    fn check(&self, ops: &[Op], states: u32, seed: u64) -> Result<usize, String> {
        let mut numbers = Numbers::new(seed);
        let turning_points: Vec<usize> = ops
            .iter()
            .enumerate()
            .filter(|(_, op)| !matches!(op, Op::Data { .. }))
            .map(|(at, _)| at)
            .collect();
        let mut points: Vec<usize> = (0..states)
            .map(|_| {
                if numbers.one_in(2) {
                    numbers.below(u32::try_from(ops.len() + 1).unwrap()) as usize
                } else {
                    numbers.one(&turning_points) + numbers.below(2) as usize
                }
            })
            .collect();
        points.sort_unstable();
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let mut seen = HashSet::new();
        let mut disk = Disk::default();
        let mut done = 0;
        for point in points {
            for op in &ops[done..point] {
                disk.apply(op);
            }
            done = point;
            let acknowledged = disk.acknowledged;
            let files = disk.cut(&mut numbers);
            if seen.insert(hasher.hash_one((&files, acknowledged))) {
                let thorough = seen.len() % 20 == 1;
                let indexes: Vec<&[u8]> = self.indexes.iter().map(Vec::as_slice).collect();
                let index = (!indexes.is_empty()).then(|| numbers.one(&indexes));
                self.check_state(&files, index, acknowledged, thorough)
                    .map_err(|what| format!("cut after operation {point}, {acknowledged} commands acknowledged: {what}"))?;
            }
        }
        Ok(seen.len())
    }

    fn check_state(
        &self,
        files: &State,
        index: Option<&[u8]>,
        acknowledged: usize,
        thorough: bool,
    ) -> Result<(), String> {
        let place = Place::bare(self.kind);
        write_files(files, &place.project);
        if let Some(index) = index.filter(|_| place.store().exists()) {
            fs::write(index_of(&place), index).unwrap();
        }
        let found = match audit::contents(self.kind, &place.store()) {
            Ok(contents) => Some(contents),
            Err(StoreError::Missing { .. }) => None,
            Err(error) => return Err(format!("it cannot be opened: {error}")),
        };
        let running = self.after.get(acknowledged + 1);
        if found != self.after[acknowledged] && Some(&found) != running {
            let which = self.after.iter().position(|after| *after == found);
            return Err(match which {
                Some(which) => format!("it is what it was after {which} commands"),
                None => format!("it is what it never was: {found:?}"),
            });
        }
        if thorough {
            // The next command works by itself, also where the making was cut off.
            let ran = place.tasq(&["init"]);
            let expected = if found.is_none() { 0 } else { 4 };
            if ran.code != Some(expected) {
                return Err(format!("the next command: {ran:?}"));
            }
            let ran = place.tasq(&["add", "afterwards"]);
            if ran.code != Some(0) {
                return Err(format!("the next command: {ran:?}"));
            }
            audit::sound(self.kind, &place.store());
        }
        Ok(())
    }
}

/// The words of a command in the sequence: mostly tasks that are added, claimed and ended in turn.
fn command(number: usize, held: Option<&(String, String)>) -> Vec<String> {
    let words: Vec<String> = match number {
        0 => ["init", "--name", "power"].map(str::to_owned).to_vec(),
        1 => ["feature", "add", "F", "--id", "F"]
            .map(str::to_owned)
            .to_vec(),
        _ => match (number % 4, held) {
            (1, Some((task, token))) => {
                let ends: [&[&str]; 3] = [
                    &["complete", "--summary", "done"],
                    &["fail", "--message", "broken"],
                    &["release"],
                ];
                let end = ends[number / 4 % 3].iter().copied();
                let words = end.chain([task.as_str(), "--token", token.as_str()]);
                words.map(str::to_owned).collect()
            }
            (0, _) => vec!["claim".to_owned()],
            _ => {
                let id = format!("T-{number}");
                let words = ["task", "add", "some work", "--feature", "F", "--id", &id];
                words.map(str::to_owned).to_vec()
            }
        },
    };
    let operation = format!("op-{number}");
    let global = ["--json".to_owned()];
    let op = (number > 0).then(|| ["--op".to_owned(), operation]);
    [
        words,
        global.to_vec(),
        op.map(Vec::from).unwrap_or_default(),
    ]
    .concat()
}

/// Where the index of an SQLite store's log is.
fn index_of(place: &Place) -> PathBuf {
    let mut path = place.store().into_os_string();
    path.push("-shm");
    path.into()
}

fn write_files(files: &State, folder: &Path) {
    for (path, content) in files {
        let path = folder.join(path);
        match content {
            None => fs::create_dir(&path).unwrap(),
            Some(content) => fs::write(&path, content).unwrap(),
        }
    }
}
