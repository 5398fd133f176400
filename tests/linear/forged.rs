//! Histories that are made up: the checker takes those that can be, and no other.

use super::checker::{Answer, Ask, Call, Stands, Task, Ticket, linearizable};

const ONE: Ticket = (1, 11);
const TWO: Ticket = (2, 22);

fn call(begun: u64, ended: u64, ask: Ask, answer: Answer) -> Call {
    Call {
        begun,
        ended,
        ask,
        answer,
    }
}

/// Calls one after the other, in one thread.
fn in_turn(calls: &[(Ask, Answer)]) -> Vec<Vec<Call>> {
    let calls = (0_u64..).zip(calls);
    vec![
        calls
            .map(|(n, &(ask, answer))| call(2 * n, 2 * n + 1, ask, answer))
            .collect(),
    ]
}

const CLAIMED: (Ask, Answer) = (Ask::Claim, Answer::Granted(ONE));

#[test]
fn a_whole_life_in_turn_is_taken() {
    let end = Task {
        attempts: 2,
        stands: Stands::Completed,
    };
    assert!(linearizable(&in_turn(&[
        CLAIMED,
        (Ask::Claim, Answer::Refused),
        (Ask::Heartbeat(ONE), Answer::Done),
        (Ask::Fail(ONE), Answer::Done),
        (Ask::Claim, Answer::Refused),
        (Ask::Retry, Answer::Done),
        (Ask::Claim, Answer::Granted(TWO)),
        (Ask::Complete(ONE), Answer::Refused),
        (Ask::Complete(TWO), Answer::Done),
        (Ask::Look, Answer::Seen(end)),
    ])));
}

#[test]
fn calls_at_the_same_time_may_have_happened_in_any_order() {
    // The second claim is refused before the release, though it ended after it; the third comes after.
    let history = [
        vec![
            call(0, 1, Ask::Claim, Answer::Granted(ONE)),
            call(4, 6, Ask::Release(ONE), Answer::Done),
        ],
        vec![call(3, 9, Ask::Claim, Answer::Refused)],
        vec![call(2, 8, Ask::Claim, Answer::Granted(TWO))],
    ];
    assert!(linearizable(&history));
}

/// What no order explains.
#[test]
fn what_cannot_have_happened_is_refused() {
    let look = |attempts, stands| (Ask::Look, Answer::Seen(Task { attempts, stands }));
    let impossible: [(&str, &[(Ask, Answer)]); 12] = [
        (
            "handed out twice",
            &[CLAIMED, (Ask::Claim, Answer::Granted(TWO))],
        ),
        (
            "an attempt that is left out",
            &[(Ask::Claim, Answer::Granted(TWO))],
        ),
        ("ready and refused", &[(Ask::Claim, Answer::Refused)]),
        (
            "the same attempt twice",
            &[CLAIMED, (Ask::Release(ONE), Answer::Done), CLAIMED],
        ),
        (
            "a write with a token that was taken away",
            &[
                CLAIMED,
                (Ask::TakeOver, Answer::Done),
                (Ask::Complete(ONE), Answer::Done),
            ],
        ),
        (
            "a write with a token of another attempt",
            &[CLAIMED, (Ask::Heartbeat(TWO), Answer::Done)],
        ),
        (
            "completed twice",
            &[
                CLAIMED,
                (Ask::Complete(ONE), Answer::Done),
                (Ask::Complete(ONE), Answer::Done),
            ],
        ),
        (
            "the holder refused",
            &[CLAIMED, (Ask::Heartbeat(ONE), Answer::Refused)],
        ),
        (
            "claimed although completed",
            &[
                CLAIMED,
                (Ask::Complete(ONE), Answer::Done),
                (Ask::Claim, Answer::Granted(TWO)),
            ],
        ),
        (
            "claimed while it waits",
            &[
                CLAIMED,
                (Ask::Fail(ONE), Answer::Done),
                (Ask::Claim, Answer::Granted(TWO)),
            ],
        ),
        (
            "a completion that is lost",
            &[
                CLAIMED,
                (Ask::Complete(ONE), Answer::Done),
                look(1, Stands::Held(ONE)),
            ],
        ),
        ("a claim that is lost", &[CLAIMED, look(0, Stands::Ready)]),
    ];
    for (what, calls) in impossible {
        assert!(!linearizable(&in_turn(calls)), "{what}");
    }
}

#[test]
fn two_threads_are_not_granted_the_same_task() {
    let history = [
        vec![call(0, 3, Ask::Claim, Answer::Granted(ONE))],
        vec![call(1, 2, Ask::Claim, Answer::Granted(TWO))],
    ];
    assert!(!linearizable(&history));
}

#[test]
fn what_ended_before_another_began_comes_before_it() {
    let stale = |begun| {
        [
            vec![
                call(0, 1, Ask::Claim, Answer::Granted(ONE)),
                call(begun, 9, Ask::Heartbeat(ONE), Answer::Done),
            ],
            vec![call(2, 4, Ask::TakeOver, Answer::Done)],
        ]
    };
    assert!(linearizable(&stale(3)), "at the same time");
    assert!(!linearizable(&stale(5)), "afterwards");
}

#[test]
fn a_thread_keeps_its_own_order() {
    let history = [
        vec![
            call(0, 20, Ask::Release(ONE), Answer::Done),
            call(21, 30, Ask::Heartbeat(ONE), Answer::Done),
        ],
        vec![call(1, 2, Ask::Claim, Answer::Granted(ONE))],
    ];
    assert!(!linearizable(&history));
}
