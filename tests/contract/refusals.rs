//! What a store refuses to open or to make, without touching it.

use tasq_ports::{StoreError, StoreExt};

use super::Bench;
use super::harness::{Spoil, Spoiled};
use super::make::epic;

pub(crate) fn a_store_says_what_it_is(bench: &Bench) {
    let info = bench.store.info();
    assert!(["memory", "sqlite", "json"].contains(&info.kind));
    assert!(!info.place.is_empty() && info.schema_version >= 1);
    assert_eq!(bench.harness.open().info(), info);
}

/// The refusal, or `None` for the one kind of store that lies nowhere and cannot be spoiled.
#[track_caller]
fn refusal(bench: &Bench, what: &str, spoiled: Spoiled) -> Option<StoreError> {
    match spoiled {
        Spoiled::NoSuchNotion(kind) => {
            assert_eq!(kind, bench.store.info().kind);
            assert_eq!(kind, "memory", "a store that lies somewhere can be spoiled");
            None
        }
        Spoiled::Opened { outcome, changed } => {
            assert!(!changed, "{what}: bytes have changed");
            match outcome {
                Ok(_) => panic!("{what}: it was opened"),
                Err(error) => Some(error),
            }
        }
    }
}

/// Spoils a second store of the same kind, so that the one under test stays whole.
#[track_caller]
fn spoiled(bench: &Bench, how: Spoil) -> Option<StoreError> {
    let kind = bench.store.info().kind;
    let other = super::stores::one_of_every_kind()
        .into_iter()
        .find(|it| it.store.info().kind == kind)
        .expect("the store under test is of a known kind");
    other.put(&epic("EPIC-1"));
    let Bench { store, harness, .. } = other;
    drop(store);
    refusal(bench, &format!("{how:?}"), harness.spoil(how))
}

pub(crate) fn a_newer_format_is_refused_untouched(bench: &Bench) {
    if let Some(error) = spoiled(bench, Spoil::Newer) {
        assert!(
            matches!(error, StoreError::TooNew { ref found, ref known, .. } if found != known),
            "{error:?}"
        );
    }
}

pub(crate) fn what_is_no_store_is_refused_untouched(bench: &Bench) {
    if let Some(error) = spoiled(bench, Spoil::Garbage) {
        assert!(
            matches!(
                error,
                StoreError::Damaged { .. } | StoreError::Invalid { .. }
            ),
            "{error:?}"
        );
    }
}

pub(crate) fn a_missing_store_is_not_made_by_opening(bench: &Bench) {
    if let Some(error) = spoiled(bench, Spoil::Missing) {
        assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
    }
}

pub(crate) fn a_store_is_not_made_over_another(bench: &Bench) {
    bench.put(&epic("EPIC-1"));
    if let Some(error) = refusal(bench, "made again", bench.harness.create_again()) {
        assert!(matches!(error, StoreError::Exists { .. }), "{error:?}");
    }
    assert_eq!(bench.store.read(|tx| tx.epics()).unwrap().len(), 1);
}
