//! What counts as proof.

use tasq_domain::life::{Gate, Refusal, proof_of, reset_test};
use tasq_domain::{Proof, TestCase, TestId, TestStatus};

use crate::fixture::{ada, at, judged, test_case, why};

#[test]
fn a_test_gates_if_it_has_a_command_or_is_required() {
    for (command, required, gates) in [
        (false, false, false),
        (true, false, true),
        (false, true, true),
        (true, true, true),
    ] {
        assert_eq!(test_case("T", command, required).gates(), gates);
    }
}

#[test]
fn every_gating_test_that_does_not_pass_is_named_and_manual_checks_are_not() {
    let passed = |id| judged(&test_case(id, true, false), true, Some(2), at(5));
    let tests: Vec<TestCase> = vec![
        passed("A"),
        test_case("B", true, false),
        test_case("C", false, false),
        judged(&test_case("D", false, true), false, Some(2), at(5)),
        judged(&test_case("E", true, true), true, Some(1), at(5)),
    ];
    let named = ["B", "D", "E"].map(|id| TestId::new(id).unwrap()).to_vec();
    let found = proof_of(&tests, Some(2), Gate::TestsOptional, None);
    assert_eq!(found, Err(Refusal::NotVerified(named)));
    assert_eq!(
        proof_of(&tests[..1], Some(2), Gate::TestsRequired, None),
        Ok(Proof::Tests)
    );
}

#[test]
fn an_override_is_recorded_only_where_it_was_needed() {
    let over = || Some((ada(), why("I looked")));
    let test = test_case("T", true, false);
    let passed = [judged(&test, true, None, at(5))];
    assert_eq!(
        proof_of(&passed, None, Gate::TestsOptional, over()),
        Ok(Proof::Tests)
    );
    for tests in [&[test][..], &[]] {
        let proof = proof_of(tests, None, Gate::TestsRequired, over()).unwrap();
        assert_eq!(proof.as_str(), "override");
    }
}

#[test]
fn a_result_is_kept_with_the_status_it_gives() {
    let test = test_case("T", true, false);
    for (passed, status) in [(true, TestStatus::Passing), (false, TestStatus::Failing)] {
        let after = judged(&test, passed, Some(3), at(5));
        assert_eq!((after.status, after.updated_at), (status, at(5)));
        assert_eq!(after.last.unwrap().attempt, Some(3));
    }
}

#[test]
fn a_reset_test_still_shows_its_last_result_and_a_pending_one_is_left_alone() {
    let test = test_case("T", true, false);
    assert_eq!(reset_test(&test, at(9)), None);
    for passed in [true, false] {
        let before = judged(&test, passed, Some(1), at(5));
        let after = reset_test(&before, at(9)).unwrap();
        assert_eq!(
            (after.status, after.updated_at),
            (TestStatus::Pending, at(9))
        );
        assert_eq!(after.last, before.last);
        assert!(!after.passes_in(Some(1)) && !after.passes_in(None));
    }
}
