//! Random queue files: any mix of known keys and values, absent, null or odd.
//!
//! `TASQ_TEST_SEED=…` repeats one run.

use tasq_app::import::ImportOptions;
use tasq_domain::life;
use tasq_formats::json::{Document, Number, Object, Value, to_text};

use super::{contents, import, rebuilt, shown};
use crate::contract::consistent;
use crate::contract::stores::one_of_every_kind;

/// How many files are tried.
const ROUNDS: u64 = 100;

/// A small generator (splitmix64): the same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn pick<'v>(&mut self, values: &[&'v str]) -> &'v str {
        values[self.below(values.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn number(text: &str) -> Value {
    Number::parse(text).unwrap().into()
}

/// A text, a number or null, as spelled in JSON without quotes for texts: `#` marks a number.
fn scalar(spelled: &str) -> Value {
    match (spelled, spelled.strip_prefix('#')) {
        ("null", _) => Value::Null,
        (_, Some(digits)) => number(digits),
        (text, None) => text.into(),
    }
}

const STATUSES: [&str; 14] = [
    "complete",
    "completed",
    "pending",
    "in_progress",
    "blocked",
    "null",
    "Done",
    "todo",
    "parked",
    "in-progress",
    "review",
    "",
    "closed",
    "deferred",
];
const PRIORITIES: [&str; 13] = [
    "P0", "P1", "P2", "#0", "#1", "#12", "#99", "#100", "#-1", "#1.0", "high", "soon", "null",
];
const COUNTS: [&str; 9] = [
    "#0",
    "#1",
    "#3",
    "#15",
    "#50",
    "#1001",
    "#-2",
    "#99999999999999999999",
    "null",
];
const TIMES: [&str; 7] = [
    "2026-01-09",
    "2026-02-07T20:49:02.051202",
    "2026-01-07T23:41:59Z",
    "2026-01-07 23:41:59+02:00",
    "soon",
    "",
    "null",
];
const TEXTS: [&str; 7] = [
    "Do it",
    "A\n\nB",
    "null",
    "",
    " ",
    "\u{1b}[31m \u{202e}é\0",
    "C\n\n",
];
const GROUPS: [&str; 5] = ["E1", "E2", "#1", "null", ""];

fn record_of(random: &mut Random, at: usize) -> Object {
    let mut entries: Vec<(&str, Value)> = Vec::new();
    if random.chance(95) {
        entries.push((
            "id",
            if random.chance(5) {
                number(&at.to_string())
            } else {
                format!("T {at}")
                    .replace(' ', random.pick(&["-", "-", "-", " "]))
                    .into()
            },
        ));
    }
    for (key, values, percent) in [
        ("title", &TEXTS[..], 30),
        ("description", &TEXTS[..], 80),
        ("status", &STATUSES[..], 90),
        ("priority", &PRIORITIES[..], 70),
        ("attempts", &COUNTS[..], 50),
        ("retries_used", &COUNTS[..], 15),
        ("max_iterations", &COUNTS[..], 50),
        ("retry_budget", &COUNTS[..], 15),
        ("created_at", &TIMES[..], 30),
        ("completed_at", &TIMES[..], 60),
        ("last_attempt", &TIMES[..], 40),
        ("error", &TEXTS[..], 30),
        ("epic", &GROUPS[..], 40),
        ("_source", &TEXTS[..], 3),
        ("odd", &["#1e3", "#-0", "#0.10", "null"][..], 30),
    ] {
        if random.chance(percent) {
            entries.push((key, scalar(random.pick(values))));
        }
    }
    for key in ["dependencies", "depends_on"] {
        if random.chance(30) {
            let on = (0..at)
                .filter(|_| random.chance(20))
                .map(|on| Value::from(format!("T-{on}")));
            entries.push((key, on.collect()));
        }
    }
    if random.chance(30) {
        let paths =
            (0..random.below(4)).map(|_| Value::from(random.pick(&["a.ts", "b c.ts", "", "$(x)"])));
        entries.push(("tests", paths.collect()));
    }
    if random.chance(8) {
        entries.push(("type", "epic".into()));
        entries.push((
            "child_tasks",
            (0..6)
                .filter(|_| random.chance(30))
                .map(|child| format!("T-{child}"))
                .collect(),
        ));
    }
    for last in (1..entries.len()).rev() {
        entries.swap(last, random.below(last + 1));
    }
    entries.into_iter().collect()
}

fn file(random: &mut Random) -> String {
    let mut file = Object::new();
    for key in ["project", "description", "summary", "sequence"] {
        if random.chance(50) {
            file.insert(key, scalar(random.pick(&["shop", "null", "", " x "])));
        }
    }
    let count = random.below(12);
    let records = (0..count)
        .map(|at| record_of(random, at))
        .collect::<Vec<_>>();
    let (first, second) = records.split_at(if random.chance(20) { count / 2 } else { count });
    file.insert(
        random.pick(&["features", "tasks"]),
        first.iter().cloned().collect::<Value>(),
    );
    if !second.is_empty() {
        let other = if file.contains_key("tasks") {
            "features"
        } else {
            "tasks"
        };
        file.insert(other, second.iter().cloned().collect::<Value>());
    }
    to_text(&Value::Object(file))
}

/// The file with nothing done, because an update undoes no completion.
fn undone(text: &str) -> String {
    let words = ["complete", "completed", "Done", "closed"];
    let quoted = words.map(|word| format!("\"{word}\""));
    quoted
        .iter()
        .fold(text.to_owned(), |text, word| text.replace(word, "\"open\""))
}

/// The file with some values of some records drawn anew; what was done stays so.
fn changed(random: &mut Random, text: &str) -> String {
    let file = Document::parse(text.as_bytes()).unwrap().into_value();
    let change = |random: &mut Random, record: &Value, at: usize| {
        let mut record = record.as_object().unwrap().clone();
        let other = record_of(random, at);
        for (key, value) in other {
            let identity = [
                "id",
                "title",
                "description",
                "type",
                "child_tasks",
                "_source",
            ];
            if record.contains_key(&key) && !identity.contains(&key.as_str()) && random.chance(30) {
                record.insert(key, value);
            }
        }
        Value::from(record)
    };
    let mut out = Object::new();
    let mut at = 0;
    for (key, value) in file.as_object().unwrap().iter() {
        let value = match value {
            Value::Array(records) => records
                .iter()
                .map(|record| {
                    at += 1;
                    change(random, record, at - 1)
                })
                .collect(),
            other => other.clone(),
        };
        out.insert(key, value);
    }
    to_text(&Value::Object(out))
}

#[test]
fn an_update_brings_the_store_to_what_the_source_became() {
    let given = std::env::var("TASQ_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(0..ROUNDS, |seed| seed..seed + 1);
    let update = ImportOptions {
        update: true,
        ..ImportOptions::default()
    };
    for seed in seeds {
        let mut random = Random(seed);
        let text = undone(&file(&mut random));
        let later = changed(&mut random, &text);
        let bench = one_of_every_kind().swap_remove(0);
        let store = bench.store.as_ref();
        if import(
            store,
            "random.json",
            text.as_bytes(),
            &ImportOptions::default(),
        )
        .is_err()
        {
            continue;
        }
        let Ok(report) = import(store, "random.json", later.as_bytes(), &update) else {
            continue;
        };
        assert_eq!(
            rebuilt(store, &report),
            shown(later.as_bytes()),
            "seed {seed}"
        );
        for task in &contents(store).tasks {
            assert_eq!(
                life::broken_invariant(task),
                None,
                "seed {seed}: {}",
                task.id
            );
        }
        consistent::assert_consistent(store);
    }
}

#[test]
fn whatever_mix_of_keys_a_file_has_it_can_be_rebuilt_and_imported_again() {
    let given = std::env::var("TASQ_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(0..ROUNDS, |seed| seed..seed + 1);
    let mut refused = 0;
    for seed in seeds {
        let text = file(&mut Random(seed));
        // The reference store sees all of them, the others some.
        let benches = one_of_every_kind()
            .into_iter()
            .take(if seed % 20 == 0 { 3 } else { 1 });
        for bench in benches {
            let store = bench.store.as_ref();
            let report = match import(
                store,
                "random.json",
                text.as_bytes(),
                &ImportOptions::default(),
            ) {
                Ok(report) => report,
                // Dependencies on records whose ids are spelled otherwise or that hold others may close a circle.
                Err(error) => {
                    assert_eq!(
                        error.code(),
                        tasq_app::Code::InvalidData,
                        "seed {seed}: {error}\n{text}"
                    );
                    refused += 1;
                    continue;
                }
            };
            assert_eq!(
                rebuilt(store, &report),
                shown(text.as_bytes()),
                "seed {seed}"
            );
            let before = contents(store);
            for task in &before.tasks {
                assert_eq!(
                    life::broken_invariant(task),
                    None,
                    "seed {seed}: {}",
                    task.id
                );
            }
            let again = import(
                store,
                "random.json",
                text.as_bytes(),
                &ImportOptions::default(),
            )
            .unwrap();
            assert_eq!(again.tasks.unchanged, report.tasks.created, "seed {seed}");
            assert_eq!(contents(store), before, "seed {seed}");
            consistent::assert_consistent(store);
        }
    }
    assert!(
        given.is_some() || refused < ROUNDS / 2,
        "{refused} of {ROUNDS} files were refused"
    );
}
