//! What counts as proof.

use tasq_domain::life::{Gate, Refusal, proof_of, reset_test};
use tasq_domain::{Actor, Proof, TestCase, TestId, TestResult, TestStatus};

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
fn a_command_that_was_judged_by_word_is_an_override_by_whoever_said_so() {
    let bob = Actor::new("bob").unwrap();
    let by_word = |id, command| {
        let test = judged(&test_case(id, command, true), true, None, at(5));
        let last = test.last.clone().map(|last| TestResult {
            exit_code: None,
            by: bob.clone(),
            ..last
        });
        TestCase { last, ..test }
    };
    let ran = || judged(&test_case("RAN", true, false), true, None, at(5));
    let bob_says = || Proof::Override {
        by: bob.clone(),
        reason: why("test case SAID was passed by hand"),
    };
    let ada_says = || Proof::Override {
        by: ada(),
        reason: why("I looked"),
    };
    let over = || Some((ada(), why("I looked")));
    for (tests, override_by, proof) in [
        (vec![ran()], None, Proof::Tests),
        (vec![ran()], over(), Proof::Tests),
        (vec![by_word("SAID", true)], None, bob_says()),
        (vec![ran(), by_word("SAID", true)], None, bob_says()),
        (vec![by_word("SAID", true)], over(), ada_says()),
        // A required check without a command has no other way to pass.
        (vec![by_word("SAID", false)], None, Proof::Tests),
        (vec![ran(), by_word("SAID", false)], None, Proof::Tests),
    ] {
        for gate in [Gate::TestsOptional, Gate::TestsRequired] {
            let found = proof_of(&tests, None, gate, override_by.clone());
            assert_eq!(found, Ok(proof.clone()), "{tests:?}");
        }
    }
    let open = [by_word("SAID", true), test_case("OPEN", true, false)];
    let named = vec![TestId::new("OPEN").unwrap()];
    assert_eq!(
        proof_of(&open, None, Gate::TestsOptional, None),
        Err(Refusal::NotVerified(named))
    );
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
