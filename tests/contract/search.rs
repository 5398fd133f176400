//! Finding ids by what they begin with.

use tasq_domain::EntityKind;

use super::Bench;
use super::make::{epic, feature, of_task, put, task, test};

/// The ids of tasks that begin with `prefix`, in order.
#[track_caller]
fn found(bench: &Bench, prefix: &str, limit: u32) -> Vec<String> {
    let read = bench.read(|tx| tx.ids_with_prefix(EntityKind::Task, prefix, limit));
    let written = bench.write(|tx| tx.ids_with_prefix(EntityKind::Task, prefix, limit));
    assert_eq!(read, written);
    assert!(read.iter().all(|id| id.kind() == EntityKind::Task));
    read.iter().map(|id| id.as_str().to_owned()).collect()
}

fn stocked(bench: &Bench, ids: &[&str]) {
    bench.write(|tx| {
        put(tx, &feature("FEAT-1", None))?;
        for id in ids {
            put(tx, &task(id, "FEAT-1"))?;
        }
        Ok(())
    });
}

pub(crate) fn a_prefix_finds_ids_in_any_case(bench: &Bench) {
    stocked(
        bench,
        &["TASK-2", "task-10", "Task-1", "TASK-1", "OTHER", "TAS"],
    );
    assert_eq!(
        found(bench, "task-", 10),
        ["TASK-1", "TASK-2", "Task-1", "task-10"]
    );
    assert_eq!(found(bench, "TASK-1", 10), ["TASK-1", "Task-1", "task-10"]);
    assert_eq!(found(bench, "tAsK-2", 10), ["TASK-2"]);
    assert_eq!(found(bench, "task-2x", 10), [""; 0]);
    assert_eq!(found(bench, "task-", 2), ["TASK-1", "TASK-2"]);
    assert_eq!(found(bench, "", 10).len(), 6);
    assert_eq!(found(bench, "o", 10), ["OTHER"]);
}

pub(crate) fn a_wildcard_in_a_prefix_is_only_a_character(bench: &Bench) {
    stocked(
        bench,
        &[
            "A_B-1", "AXB-2", "A%B-3", "A%", "A*B-4", "A?B", "A[B]", "A\\B", "A\\_", "_A", "%A",
            "a'b",
        ],
    );
    assert_eq!(found(bench, "A_", 10), ["A_B-1"]);
    assert_eq!(found(bench, "a_b", 10), ["A_B-1"]);
    assert_eq!(found(bench, "a%", 10), ["A%", "A%B-3"]);
    assert_eq!(found(bench, "A*", 10), ["A*B-4"]);
    assert_eq!(found(bench, "A?", 10), ["A?B"]);
    assert_eq!(found(bench, "A[", 10), ["A[B]"]);
    assert_eq!(found(bench, "a\\", 10), ["A\\B", "A\\_"]);
    assert_eq!(found(bench, "a\\_", 10), ["A\\_"]);
    assert_eq!(found(bench, "_", 10), ["_A"]);
    assert_eq!(found(bench, "%", 10), ["%A"]);
    assert_eq!(found(bench, "A'", 10), ["a'b"]);
}

pub(crate) fn letters_beyond_ascii_match_as_they_are(bench: &Bench) {
    stocked(
        bench,
        &[
            "É-1",
            "é-1",
            "é-2",
            "Straße",
            "日本-1",
            "𝄞a",
            "z",
            "\u{10ffff}x",
        ],
    );
    assert_eq!(found(bench, "é", 10), ["é-1", "é-2"]);
    assert_eq!(found(bench, "É", 10), ["É-1"]);
    assert_eq!(found(bench, "STRAß", 10), ["Straße"]);
    assert_eq!(found(bench, "日", 10), ["日本-1"]);
    assert_eq!(found(bench, "𝄞A", 10), ["𝄞a"]);
    assert_eq!(found(bench, "\u{10ffff}", 10), ["\u{10ffff}x"]);
    assert_eq!(found(bench, "\u{10ffff}X", 10), ["\u{10ffff}x"]);
    assert_eq!(found(bench, "Z", 10), ["z"]);
}

pub(crate) fn the_exact_id_is_found_whatever_the_limit(bench: &Bench) {
    stocked(
        bench,
        &[
            "TASK-1", "TASK-10", "TASK-11", "Task-1", "task-1", "task-12",
        ],
    );
    for exact in ["TASK-1", "Task-1", "task-1", "TASK-10"] {
        for limit in 1..=7 {
            let ids = found(bench, exact, limit);
            assert!(
                ids.iter().any(|id| id == exact),
                "{exact} by {limit}: {ids:?}"
            );
            assert!(ids.len() <= limit as usize, "{exact} by {limit}: {ids:?}");
            assert!(ids.is_sorted(), "{exact} by {limit}: {ids:?}");
        }
    }
}

pub(crate) fn each_kind_is_searched_alone(bench: &Bench) {
    bench.write(|tx| {
        put(tx, &epic("X-epic"))?;
        put(tx, &feature("X-feature", None))?;
        put(tx, &task("X-task", "X-feature"))?;
        put(tx, &test("X-test", of_task("X-task")))
    });
    for kind in EntityKind::ALL {
        let ids = bench.read(|tx| tx.ids_with_prefix(kind, "x-", 10));
        let expected = kind.id(&format!("X-{kind}")).unwrap();
        assert_eq!(ids, [expected]);
    }
}
