//! Files that nobody wrote: the readers take them or refuse them, and nothing else happens.
//!
//! What is tried begins with files of every kind ([`corpus`]) and is changed byte by byte, token by token and value by
//! value ([`mutate`]). No reader panics or forgets what it read; a store that is refused stays as it is, to the byte; a
//! snapshot that is taken is written the same again and again.
//!
//! The quick run takes five seconds for each reader, with a fixed seed; `TASQ_TEST_SEED=…` takes another,
//! `TASQ_TEST_FULL=1` takes five minutes with a fresh one. A file that is not taken well is kept, and its place is told.

mod corpus;
mod mutate;
mod targets;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use self::mutate::Mutator;
use crate::contract::full;
use crate::contract::random::numbers::Numbers;
use crate::crash::amount;
use crate::figures::Figures;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused,
}

/// Tries the corpus as it is, and then changes of it until the time is over. `target` gets the file and numbers of its own.
fn fuzz(
    name: &'static str,
    promise: &'static str,
    corpus: &[Vec<u8>],
    target: impl Fn(&[u8], &mut Numbers) -> Fate,
) {
    let span = Duration::from_secs(amount(5, 300).into());
    let seed = match std::env::var("TASQ_TEST_SEED") {
        Err(_) if !full() => 1,
        _ => crate::crash::seed(),
    };
    let mut figures = Figures::of(name, "any", promise).seeded(seed);
    let mut numbers = Numbers::new(seed);
    let mutator = Mutator::new(corpus);
    let (mut taken, mut refused) = (0_u32, 0_u32);
    let mut originals = corpus.iter().cloned();
    let begun = Instant::now();
    loop {
        let input = match originals.next() {
            Some(original) => original,
            None if begun.elapsed() >= span => break,
            None => mutator.input(&mut numbers),
        };
        match catch_unwind(AssertUnwindSafe(|| target(&input, &mut numbers))) {
            Ok(Fate::Taken) => taken += 1,
            Ok(Fate::Refused) => refused += 1,
            Err(_) => {
                let round = taken + refused;
                panic!("{name}, seed {seed}, round {round}: {}", keep(name, &input));
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    figures.count("files", taken + refused);
    figures.count("taken", taken).count("refused", refused);
    figures.count("panics", 0).tell();
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
