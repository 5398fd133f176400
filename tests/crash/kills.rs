//! Workers that are killed at random instants.
//!
//! The test is the outside: it starts each command, kills some of them with `SIGKILL`, and keeps the log of what was
//! acknowledged, which no kill reaches. A command that was killed is repeated under its operation id until it answers,
//! as a worker would do.

use std::collections::{BTreeMap, HashSet};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tasq_domain::{Attempt, Contents, Outcome, Status, Task};

use super::place::{Kind, Place, Ran, text};
use super::{amount, audit, on_both_stores, seed};
use crate::contract::random::numbers::Numbers;
use crate::figures::Figures;

const WORKERS: u32 = 4;
/// The JSON store writes all of it at each change, so that a fresh one now and then saves time.
const TASKS_OF_A_STORE: u32 = 60;

/// Workers claim, complete, release, fail and add while they are killed at random. Whatever
/// was acknowledged is there, nothing happened twice, a repeated request gives the first answer, and the tree, the
/// attempts and the events agree.
fn random_kills_lose_nothing_and_double_nothing(kind: Kind) {
    let seed = seed();
    let promise =
        "what was acknowledged is there, nothing happened twice, nothing is there by half";
    let name = "random_kills_lose_nothing_and_double_nothing";
    let mut figures = Figures::of(name, kind.name(), promise).seeded(seed);
    let kills = amount(1_000, 20_000);
    let totals = Totals {
        kills_left: AtomicU32::new(kills),
        commands: AtomicU32::new(0),
        usual_micros: AtomicU32::new(20_000),
    };
    let (mut stores, mut acknowledged) = (0, 0);
    while totals.kills_left.load(Ordering::SeqCst) > 0 {
        stores += 1;
        acknowledged += siege(kind, seed.wrapping_add(stores), &totals);
    }
    let commands = totals.commands.load(Ordering::SeqCst);
    figures.count("kills", kills).count("workers", WORKERS);
    figures.count("commands", commands).count("stores", stores);
    figures.count("acknowledged", acknowledged);
    figures.count("lost", 0).count("twice", 0).tell();
}

on_both_stores!(random_kills_lose_nothing_and_double_nothing);

struct Totals {
    /// How many kills are still to hit.
    kills_left: AtomicU32,
    commands: AtomicU32,
    /// How long a command takes that is left alone.
    usual_micros: AtomicU32,
}

/// What a worker was told.
#[derive(Debug)]
enum Acknowledged {
    Claimed { task: String, token: String },
    Ended { task: String, how: Outcome },
    Added { task: String },
}

/// One store under siege until nothing is ready. How much was acknowledged.
fn siege(kind: Kind, seed: u64, totals: &Totals) -> usize {
    let place = Place::with_store(kind);
    place.add_tasks((0..TASKS_OF_A_STORE).map(|number| format!("TASK-{number:03}")));
    let log = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let mut worker = Worker {
                name: format!("worker-{number}"),
                numbers: Numbers::new(seed.wrapping_mul(31).wrapping_add(number.into())),
                operations: 0,
                place: &place,
                totals,
                log: &log,
            };
            scope.spawn(move || worker.work());
        }
    });
    let log = log.into_inner().unwrap();
    check(&place, &log);
    log.len()
}

struct Worker<'a> {
    name: String,
    numbers: Numbers,
    operations: u32,
    place: &'a Place,
    totals: &'a Totals,
    log: &'a Mutex<Vec<Acknowledged>>,
}

impl Worker<'_> {
    fn work(&mut self) {
        loop {
            let name = self.name.clone();
            let ran = self.insist(&["claim", "--worker", &name]);
            if ran.code == Some(5) {
                return;
            }
            let data = ran.data();
            let (task, token) = (text(&data["task"]["id"]), text(&data["token"]));
            self.log(Acknowledged::Claimed {
                task: task.clone(),
                token: token.clone(),
            });
            if self.numbers.one_in(8) {
                self.add();
            }
            let (how, words): (_, &[&str]) = match self.numbers.below(10) {
                0 => (Outcome::Released, &["release"]),
                1 => (Outcome::Failed, &["fail", "--message", "m", "--permanent"]),
                _ => (Outcome::Completed, &["complete", "--summary", "done"]),
            };
            let ran = self.insist(&[words, &[&task, "--token", &token]].concat());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            self.log(Acknowledged::Ended { task, how });
        }
    }

    /// Adds a task, or gives up when killed.
    fn add(&mut self) {
        let words = ["task", "add", "more work", "--feature", "F", "--json"];
        let ran = self.once(&words);
        if ran.signal.is_none() {
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let task = text(&ran.data()["id"]);
            self.log(Acknowledged::Added { task });
        }
    }

    /// Repeats a command under one operation id until it answers.
    fn insist(&mut self, words: &[&str]) -> Ran {
        self.operations += 1;
        let operation = format!("{}-{}", self.name, self.operations);
        let words = [words, &["--json", "--op", &operation]].concat();
        loop {
            let ran = self.once(&words);
            if ran.signal.is_none() {
                assert!(matches!(ran.code, Some(0 | 5)), "{words:?}: {ran:?}");
                return ran;
            }
        }
    }

    /// Runs a command, which is killed meanwhile, perhaps.
    fn once(&mut self, words: &[&str]) -> Ran {
        let usual = self.totals.usual_micros.load(Ordering::Relaxed);
        let left = self.totals.kills_left.load(Ordering::SeqCst) > 0;
        let delay = (left && !self.numbers.one_in(3)).then(|| self.numbers.below(usual * 5 / 4));
        let begun = Instant::now();
        let mut command = self.place.command(words);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(delay) = delay {
            // The instant is what is random here; nothing waits for anything.
            std::thread::sleep(Duration::from_micros(delay.into()));
            child.kill().unwrap();
        }
        let ran = Ran::from(child.wait_with_output().unwrap());
        self.totals.commands.fetch_add(1, Ordering::Relaxed);
        if delay.is_none() {
            let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
            let usual = (usual / 8 * 7 + took / 8).clamp(1_000, 1_000_000);
            self.totals.usual_micros.store(usual, Ordering::Relaxed);
        }
        if ran.signal.is_some() {
            assert_eq!(ran.signal, Some(9), "{ran:?}");
            let one_less = |left: u32| Some(left.saturating_sub(1));
            let _ =
                self.totals
                    .kills_left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        }
        ran
    }

    fn log(&self, acknowledged: Acknowledged) {
        self.log.lock().unwrap().push(acknowledged);
    }
}

/// Compares what is there with what was acknowledged.
fn check(place: &Place, log: &[Acknowledged]) {
    // The next command works by itself, and tidies up what the killed ones left.
    place.works(&["task", "add", "afterwards", "--feature", "F"]);
    let contents = audit::sound(place.kind, &place.store());
    let tasks: BTreeMap<&str, &Task> = contents
        .tasks
        .iter()
        .map(|task| (task.id.as_str(), task))
        .collect();
    let mut claims = HashSet::new();
    let mut completed = HashSet::new();
    for acknowledged in log {
        match acknowledged {
            Acknowledged::Claimed { task, token } => {
                assert!(
                    claims.insert((task, token)),
                    "{task} went out twice as {token}"
                );
                let attempt = of_task(&contents, task).find(|it| it.token.to_string() == *token);
                assert!(attempt.is_some(), "the claim {token} of {task} is lost");
            }
            Acknowledged::Ended { task, how } => {
                let closed = of_task(&contents, task).filter_map(|it| it.end.as_ref());
                assert!(
                    closed.into_iter().any(|end| end.outcome == *how),
                    "{task} has no attempt that was {how:?}"
                );
                let status = match how {
                    Outcome::Completed => {
                        assert!(completed.insert(task), "{task} was completed twice");
                        Status::Completed
                    }
                    Outcome::Failed => Status::Blocked,
                    _ => continue,
                };
                assert_eq!(tasks[task.as_str()].status, status, "{task}");
            }
            Acknowledged::Added { task } => {
                assert!(tasks.contains_key(task.as_str()), "{task} is lost");
            }
        }
    }
    let folder = place.store().parent().unwrap().to_owned();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".tmp"), "{name} was left behind");
    }
}

fn of_task<'a>(contents: &'a Contents, task: &'a str) -> impl Iterator<Item = &'a Attempt> {
    let attempts = contents.attempts.iter();
    attempts.filter(move |attempt| attempt.task.as_str() == task)
}
