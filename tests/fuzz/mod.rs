//! Files that nobody wrote: the readers take them or refuse them, and nothing else happens.
//!
//! What is tried begins with files of every kind ([`corpus`]) and is changed byte by byte, token by token and value by
//! value ([`mutate`]). No reader panics or forgets what it read; a store that is refused stays as it is, to the byte; a
//! snapshot that is taken is written the same again and again.
//!
//! The quick run tries a fixed number with a fixed seed; `TASQ_TEST_SEED=…` takes another, `TASQ_TEST_FULL=1` tries
//! fifty times as many with a fresh one. A file that is not taken well is kept, and its place is told.

mod corpus;
mod mutate;
mod targets;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::mutate::Mutator;
use crate::contract::full;
use crate::contract::random::numbers::Numbers;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused,
}

/// Tries the corpus as it is, and then so many changes of it. `target` gets the file and numbers of its own.
fn fuzz(name: &str, corpus: &[Vec<u8>], quick: u32, target: impl Fn(&[u8], &mut Numbers) -> Fate) {
    let rounds = if full() { quick * 50 } else { quick };
    let seed = match std::env::var("TASQ_TEST_SEED") {
        Err(_) if !full() => 1,
        _ => crate::crash::seed(),
    };
    let mut numbers = Numbers::new(seed);
    let mutator = Mutator::new(corpus);
    let (mut taken, mut refused) = (0_u32, 0_u32);
    let originals = corpus.iter().cloned();
    let mut inputs = originals.collect::<Vec<_>>().into_iter();
    for round in 0..rounds {
        let input = inputs.next().unwrap_or_else(|| mutator.input(&mut numbers));
        let fate = catch_unwind(AssertUnwindSafe(|| target(&input, &mut numbers)));
        match fate {
            Ok(Fate::Taken) => taken += 1,
            Ok(Fate::Refused) => refused += 1,
            Err(_) => panic!("{name}, seed {seed}, round {round}: {}", keep(name, &input)),
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    report(&format!(
        "fuzz: {name}, seed {seed}: {rounds} files, {taken} taken, {refused} refused, 0 panics"
    ));
}

/// Keeps a file that was not taken well, and tells where and what it is.
fn keep(name: &str, input: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("tasq-fuzz-{}", name.replace(' ', "-")));
    let mut text = match std::fs::write(&path, input) {
        Ok(()) => format!("kept in {}", path.display()),
        Err(error) => format!("not kept: {error}"),
    };
    let shown: String = String::from_utf8_lossy(input).chars().take(2_000).collect();
    write!(text, "\n{shown}").expect("a text can be written to");
    text
}

fn report(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
