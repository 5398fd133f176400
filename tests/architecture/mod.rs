//! What the code is built like: who may depend on whom, on what from outside, and the rules of the house.
//!
//! Every rule is a pure function over what it judges, and each is fed something bad here to see that it fails.

mod edges;
mod externals;
mod graph;
mod house;
mod policy;
mod purity;

/// Fails the test with one line per broken rule.
#[track_caller]
fn assert_none<'a>(broken: impl IntoIterator<Item = &'a String>) {
    let lines: String = broken
        .into_iter()
        .map(|line| format!("\n  {line}"))
        .collect();
    assert!(lines.is_empty(), "broken rules:{lines}");
}
