//! What a test tried, in figures: told on standard error, also when it passes, and kept where `TASQ_TEST_FIGURES` says.
//!
//! That file gets one line of JSON for each test that ended well; `scripts/full` makes it, and `scripts/figures` makes
//! the table of docs/RELIABILITY.md of it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::contract::full;

/// What one test tried on one store.
pub(crate) struct Figures {
    test: &'static str,
    store: &'static str,
    /// What must hold, in one sentence.
    promise: &'static str,
    seed: Option<u64>,
    begun: Instant,
    counts: Map<String, Value>,
}

impl Figures {
    /// Begins with the test, so that the time that it takes is told, too.
    pub(crate) fn of(test: &'static str, store: &'static str, promise: &'static str) -> Self {
        Self {
            test,
            store,
            promise,
            seed: None,
            begun: Instant::now(),
            counts: Map::new(),
        }
    }

    /// What repeats the test.
    pub(crate) fn seeded(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    pub(crate) fn count(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.counts.insert(name.to_owned(), value.into());
        self
    }

    /// Says it all: the test ended well.
    pub(crate) fn tell(&self) {
        let line = format!("{self}\n");
        std::io::stderr()
            .write_all(line.as_bytes())
            .expect("standard error is open");
        let Some(path) = std::env::var_os("TASQ_TEST_FIGURES") else {
            return;
        };
        // One write to the end of the file: tests that end at once have a line each.
        let line = format!("{}\n", self.record());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.write_all(line.as_bytes())
            .expect("the file of figures can be written");
    }

    fn record(&self) -> Value {
        json!({
            "test": self.test,
            "store": self.store,
            "promise": self.promise,
            "version": env!("CARGO_PKG_VERSION"),
            "size": if full() { "full" } else { "quick" },
            "seed": self.seed,
            "secs": self.begun.elapsed().as_secs(),
            "counts": self.counts,
        })
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        write!(f, "{}: tasq {version}, {}", self.test, self.store)?;
        if let Some(seed) = self.seed {
            write!(f, ", seed {seed}")?;
        }
        write!(f, ", {:.0?}", self.begun.elapsed())?;
        for (name, value) in &self.counts {
            match value {
                Value::String(text) => write!(f, "; {name}: {text}")?,
                value => write!(f, "; {name}: {value}")?,
            }
        }
        write!(f, ". Held: {}", self.promise)
    }
}

#[test]
fn a_line_has_all_that_a_table_needs() {
    let mut figures = Figures::of("a_test", "sqlite", "nothing is lost").seeded(7);
    figures.count("kills", 3).count("lost", 0);
    let record = figures.record();
    assert_eq!(record["counts"], json!({"kills": 3, "lost": 0}));
    assert_eq!(record["seed"], 7);
    assert_eq!(record["promise"], "nothing is lost");
    let said = figures.to_string();
    assert!(said.contains("seed 7"), "{said}");
    assert!(said.contains("kills: 3; lost: 0"), "{said}");
}
