//! Writers queue: nobody meets an error, nobody starves.

use std::sync::Barrier;
use std::time::{Duration, Instant};

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
