//! What the selftest tells in the end.

use std::path::PathBuf;

use tasq_formats::json::{Number, Written, WrittenObject};

use super::OfStore;
use super::check::Violation;
use super::fairness::{Fairness, WRITERS};
use super::siege::Counts;
use crate::duration::shown;
use crate::output::{Text, Tone, View};
use crate::view::millis;

/// How many violations of a store people are told of; programs get all.
const TOLD: usize = 10;

/// How the whole test went.
pub(super) struct Outcome {
    pub(super) full: bool,
    pub(super) seed: u64,
    pub(super) folder: PathBuf,
    pub(super) kept: bool,
    pub(super) interrupted: bool,
    pub(super) stores: Vec<OfStore>,
}

impl Outcome {
    const fn mode(&self) -> &'static str {
        if self.full { "full" } else { "quick" }
    }

    fn failed(&self) -> bool {
        self.stores.iter().any(|store| !store.violations.is_empty())
    }
}

impl View for Outcome {
    fn json(&self) -> Written {
        let folder = self.folder.display().to_string();
        let parent = self.folder.parent().map(|it| it.display().to_string());
        WrittenObject::new()
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("mode", self.mode())
            .with("seed", self.seed)
            .with("dir", parent)
            .with("passed", !self.failed() && !self.interrupted)
            .with("interrupted", self.interrupted)
            .with("kept", self.kept.then_some(folder))
            .with_list("stores", self.stores.iter().map(store_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let (mode, seed) = (self.mode(), self.seed);
        let parent = self.folder.parent().unwrap_or(&self.folder).display();
        let version = env!("CARGO_PKG_VERSION");
        text.line(&format!(
            "tasq {version}, {mode} selftest in {parent}, seed {seed}"
        ));
        for store in &self.stores {
            store_text(text, store);
        }
        if self.kept {
            text.line(&format!(
                "the stores and the logs are kept in {}",
                self.folder.display()
            ));
        }
        if self.interrupted {
            text.line("interrupted: the rest was not tried");
        }
    }
}

fn store_json(store: &OfStore) -> WrittenObject {
    let OfStore {
        kind,
        counts,
        fairness,
        violations,
    } = store;
    let Counts {
        rounds,
        tasks,
        workers,
        kills,
        claims,
        completions,
        failures,
        releases,
        refused,
    } = *counts;
    WrittenObject::new()
        .with("kind", kind.as_str())
        .with("passed", violations.is_empty())
        .with("rounds", rounds)
        .with("tasks", tasks)
        .with("workers", workers)
        .with("kills", kills)
        .with("claims", claims)
        .with("completions", completions)
        .with("failures", failures)
        .with("releases", releases)
        .with("stale_writes_refused", refused)
        .with("fairness", fairness.as_ref().map(fairness_json))
        .with_list("violations", violations.iter().map(violation))
}

fn fairness_json(fairness: &Fairness) -> WrittenObject {
    let share = Number::parse(&share(fairness)).expect("digits and a point are a number");
    WrittenObject::new()
        .with("writers", WRITERS)
        .with("duration_ms", millis(fairness.took))
        .with("writes", fairness.total())
        .with("longest_wait_ms", millis(fairness.longest_wait))
        .with("smallest_share", share)
}

fn violation(violation: &Violation) -> WrittenObject {
    WrittenObject::new()
        .with("promise", violation.promise.as_str())
        .with("what", violation.what.as_str())
}

fn store_text(text: &mut Text, store: &OfStore) {
    let violations = &store.violations;
    let Counts {
        rounds,
        tasks,
        workers,
        kills,
        claims,
        completions,
        failures,
        releases,
        refused,
    } = store.counts;
    if violations.is_empty() {
        text.paint(Tone::Good, "✓ ");
        text.paint(Tone::Strong, store.kind.as_str());
        text.line("  nothing lost, nothing doubled");
    } else {
        text.paint(Tone::Bad, "✗ ");
        text.paint(Tone::Strong, store.kind.as_str());
        text.line(&format!("  {} promises broken", violations.len()));
    }
    text.line(&format!(
        "    {rounds} rounds, {tasks} tasks, {workers} workers, {kills} of them killed"
    ));
    text.line(&format!(
        "    {claims} claims, {completions} completions, {failures} failures, {releases} releases, {refused} stale writes refused"
    ));
    if let Some(fairness) = &store.fairness {
        text.line(&format!(
            "    {WRITERS} writers at once: {} writes in {}, longest wait {}, smallest share {} of the mean",
            fairness.total(),
            shown(fairness.took),
            shown(fairness.longest_wait),
            share(fairness)
        ));
    }
    for Violation { promise, what } in violations.iter().take(TOLD) {
        text.push("    ").paint(Tone::Bad, promise.as_str());
        text.push(": ").line(what);
    }
    let more = violations.len().saturating_sub(TOLD);
    if more > 0 {
        text.line(&format!("    and {more} more, which --json tells"));
    }
}

/// `0.934`
fn share(fairness: &Fairness) -> String {
    let thousandths = fairness.smallest_share();
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}
