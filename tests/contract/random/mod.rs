//! The same random commands on the reference store and on the adapter: both must answer and look alike after each step.
//!
//! A step is one unit of work of one to four commands, some of which are wrong on purpose; now and then something is asked
//! between them, and now and then the unit is undone. Then both stores are asked for their contents and some questions. A
//! mismatch names the seed and the step; `TASQ_TEST_SEED=<seed>` repeats it.

mod command;
pub(crate) mod numbers;
mod question;

use std::fmt::Write as _;
use std::time::Duration;

use tasq_adapter_memory::MemoryStore;
use tasq_domain::Contents;
use tasq_ports::{Access, Store, StoreError, StoreExt, Verdict};

use self::command::Command;
use self::numbers::Numbers;
use super::Bench;
use super::make::at;

const STEPS: u32 = 500;

pub(crate) fn random_commands_mean_the_same_as_on_the_reference(bench: &Bench) {
    let seeds: Vec<u64> = match std::env::var("TASQ_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("TASQ_TEST_SEED is a number")],
        Err(_) if super::full() => (1..=40).collect(),
        Err(_) => (1..=3).collect(),
    };
    let kind = bench.store.info().kind;
    for seed in seeds {
        let subject = super::stores::one_more(kind);
        Run::new(seed, &subject).all_steps();
        subject.close();
    }
}

struct Run<'a> {
    seed: u64,
    numbers: Numbers,
    subject: &'a Bench,
    reference: MemoryStore,
}

/// What a unit of work answered: one line for each command, and the error that ended it.
type Answers = (Vec<String>, Option<&'static str>);

impl<'a> Run<'a> {
    fn new(seed: u64, subject: &'a Bench) -> Self {
        Self {
            seed,
            numbers: Numbers::new(seed),
            subject,
            reference: MemoryStore::new(&super::settings(), subject.clock.shared()),
        }
    }

    fn all_steps(mut self) {
        for step in 1..=STEPS {
            self.step(step);
            if step % 50 == 0 {
                super::consistent::assert_consistent(self.subject.store.as_ref());
            }
        }
    }

    fn step(&mut self, step: u32) {
        self.move_clock();
        let contents = self.reference.read(|tx| tx.contents()).unwrap();
        let mut commands: Vec<Command> = Vec::new();
        for _ in 0..=self.numbers.below(4) {
            let clock = self.subject.clock.clone();
            commands.push(command::any(&mut self.numbers, &contents, clock));
            if self.numbers.one_in(3) {
                commands.push(command::ask(&mut self.numbers, &contents));
            }
        }
        let undo = self.numbers.one_in(12);
        let told: String = commands
            .iter()
            .map(|command| format!("\n  {}", command.said))
            .collect();
        let place = format!(
            "seed {}, step {step}, commands{}:{told}\n",
            self.seed,
            if undo { " that are undone" } else { "" }
        );
        let expected = carry_out(&self.reference, &commands, undo);
        let mut found = carry_out(self.subject.store.as_ref(), &commands, undo);
        if expected.1.is_some() {
            // A store that writes things together may refuse one of them later than the reference does: at the end of the
            // unit at the latest, if that is not undone. What was answered until then must be the same.
            found.0.truncate(expected.0.len());
            if undo && found.1.is_none() {
                found.1 = expected.1;
            }
        }
        assert_eq!(found, expected, "the answers differ at {place}");
        let expected = self.reference.read(|tx| tx.contents()).unwrap();
        let found = self.subject.read(|tx| tx.contents());
        assert_same_contents(&expected, &found, &place);
        self.ask(&expected, &place);
    }

    /// Mostly a little on, sometimes a jump, sometimes back.
    fn move_clock(&mut self) {
        let clock = &self.subject.clock;
        match self.numbers.below(40) {
            0 => clock.set(at(i64::from(self.numbers.below(2_000)))),
            1..=3 => clock.advance(Duration::from_secs(u64::from(self.numbers.below(200)))),
            _ => clock.advance(Duration::from_millis(u64::from(self.numbers.below(2_000)))),
        }
    }

    fn ask(&mut self, contents: &Contents, place: &str) {
        let write = self.numbers.one_in(3);
        let access = if write { Access::Write } else { Access::Read };
        for _ in 0..6 {
            let question = question::any(&mut self.numbers, contents);
            let ask = |store: &dyn Store| {
                let mut answer = String::new();
                store
                    .run(access, &mut |tx| {
                        answer = question.ask(tx)?;
                        Ok(Verdict::Commit)
                    })
                    .unwrap();
                answer
            };
            let expected = ask(&self.reference);
            let found = ask(self.subject.store.as_ref());
            assert!(
                found == expected,
                "{access:?} {question:?} at {:?} is answered otherwise after {place}{}",
                tasq_ports::Clock::now(&self.subject.clock),
                difference(&expected, &found)
            );
        }
    }
}

fn carry_out(store: &dyn Store, commands: &[Command], undo: bool) -> Answers {
    let mut answers = Vec::new();
    let outcome = store.run(Access::Write, &mut |tx| {
        answers.clear();
        for command in commands {
            answers.push((command.carry_out)(tx)?);
        }
        Ok(if undo {
            Verdict::Rollback
        } else {
            Verdict::Commit
        })
    });
    let error = outcome.err().map(|error| match error {
        StoreError::Backend { .. } => "Backend",
        other => panic!("no command may fail so: {other:?}"),
    });
    (answers, error)
}

/// Fails with the first item that differs.
#[track_caller]
pub(crate) fn assert_same_contents(expected: &Contents, found: &Contents, place: &str) {
    if expected == found {
        return;
    }
    let lines = [
        list("epics", &expected.epics, &found.epics),
        list("features", &expected.features, &found.features),
        list("tasks", &expected.tasks, &found.tasks),
        list("tests", &expected.tests, &found.tests),
        list("dependencies", &expected.dependencies, &found.dependencies),
        list("questions", &expected.questions, &found.questions),
        list("attempts", &expected.attempts, &found.attempts),
        list("checkpoints", &expected.checkpoints, &found.checkpoints),
        list("events", &expected.events, &found.events),
        list("operations", &expected.operations, &found.operations),
        list(
            "settings",
            std::slice::from_ref(&expected.settings),
            std::slice::from_ref(&found.settings),
        ),
    ];
    panic!("the contents differ: {place}\n{}", lines.concat());
}

fn list<T: PartialEq + std::fmt::Debug>(what: &str, expected: &[T], found: &[T]) -> String {
    let mut text = String::new();
    if expected.len() != found.len() {
        let _ = writeln!(
            text,
            "{what}: {} expected, {} found",
            expected.len(),
            found.len()
        );
    }
    let pairs = expected.iter().zip(found);
    for (expected, found) in pairs.filter(|(expected, found)| expected != found).take(3) {
        let _ = writeln!(text, "{what}:");
        text.push_str(&difference(
            &format!("{expected:#?}"),
            &format!("{found:#?}"),
        ));
    }
    text
}

/// The lines of two texts that differ, the first dozen of them, with the line that begins each text.
fn difference(expected: &str, found: &str) -> String {
    let short = |line: &str| line.chars().take(300).collect::<String>();
    let mut text = String::new();
    let head = expected.lines().take(3).map(short);
    let _ = writeln!(text, "  {}", head.collect::<Vec<_>>().join(" "));
    let (mut left, mut right) = (expected.lines(), found.lines());
    let mut shown = 0;
    while shown < 12 {
        let (expected, found) = match (left.next(), right.next()) {
            (None, None) => break,
            (expected, found) => (expected.unwrap_or("—"), found.unwrap_or("—")),
        };
        if expected != found {
            let _ = writeln!(
                text,
                "    expected {}\n    found    {}",
                short(expected.trim()),
                short(found.trim())
            );
            shown += 1;
        }
    }
    text
}
