//! The rules around a task's life, against brute force: rollup, backoff, cycles, look-up, lanes, tokens.

use std::time::Duration;

use proptest::prelude::*;
use tasq_domain::backoff::Backoff;
use tasq_domain::graph::{any_cycle, cycle};
use tasq_domain::lookup::{Lookup, MAX_CANDIDATES, MIN_PREFIX_CHARS, pick};
use tasq_domain::rollup::roll_up;
use tasq_domain::{FeatureId, Lane, Present, Priority, Status, StatusCounts, TaskId, Token};

const STATUSES: [Status; 4] = [
    Status::Pending,
    Status::InProgress,
    Status::Completed,
    Status::Blocked,
];

fn of(children: &[Status]) -> Option<Status> {
    let counts: StatusCounts = children.iter().copied().collect();
    roll_up(counts.present(), false, false)
}

/// Every list of up to four children, so every set of statuses with every repetition.
fn families() -> Vec<Vec<Status>> {
    let mut all: Vec<Vec<Status>> = vec![vec![]];
    for _ in 0..4 {
        let longer = all.iter().flat_map(|family| {
            STATUSES.map(|status| family.iter().copied().chain([status]).collect())
        });
        all = std::iter::once(vec![]).chain(longer).collect();
    }
    all
}

#[test]
fn completing_a_child_never_sets_its_parent_back() {
    let rank = |status| match status {
        Status::Pending => 0,
        Status::InProgress => 1,
        Status::Completed => 2,
        Status::Blocked => panic!("not compared"),
    };
    let mut compared = 0;
    for family in families() {
        for place in 0..family.len() {
            let mut after = family.clone();
            after[place] = Status::Completed;
            let (Some(old), Some(new)) = (of(&family), of(&after)) else {
                panic!("children give a status");
            };
            if old != Status::Blocked && new != Status::Blocked {
                assert!(rank(new) >= rank(old), "{family:?} {place}");
                compared += 1;
            }
            let others_blocked = after.contains(&Status::Blocked)
                && after
                    .iter()
                    .all(|s| matches!(s, Status::Completed | Status::Blocked));
            assert_eq!(new == Status::Blocked, others_blocked, "{family:?} {place}");
        }
    }
    assert!(compared > 100);
}

#[test]
fn a_parent_is_completed_only_when_all_below_is_and_no_gate_is_open() {
    for family in families() {
        let counts: StatusCounts = family.iter().copied().collect();
        for (gate_open, on_hold) in [(false, false), (true, false), (false, true), (true, true)] {
            let status = roll_up(counts.present(), gate_open, on_hold);
            let all = !family.is_empty() && family.iter().all(|&s| s == Status::Completed);
            assert_eq!(
                status == Some(Status::Completed),
                all && !gate_open && !on_hold
            );
            assert_eq!(status.is_none(), family.is_empty() && !on_hold);
        }
        assert_eq!(counts.total(), family.len() as u64);
        let all = !family.is_empty() && of(&family) == Some(Status::Completed);
        assert_eq!(counts.percent() == 100, all, "{family:?}");
    }
}

#[test]
fn the_order_and_number_of_children_do_not_matter() {
    for family in families() {
        let reversed: Vec<Status> = family.iter().rev().copied().collect();
        let twice: Vec<Status> = family.iter().chain(&family).copied().collect();
        assert_eq!((of(&reversed), of(&twice)), (of(&family), of(&family)));
    }
    assert_eq!(roll_up(Present::default(), true, false), None);
}

fn id(n: usize) -> TaskId {
    TaskId::new(format!("T{n}")).unwrap()
}

/// Whether `from` reaches `to` over at least one edge, by closing the relation.
fn reaches(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut reached = [[false; 8]; 8];
    for &(a, b) in edges {
        reached[a][b] = true;
    }
    for via in 0..8 {
        for a in 0..8 {
            for b in 0..8 {
                reached[a][b] |= reached[a][via] && reached[via][b];
            }
        }
    }
    reached[from][to]
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_cycle_is_found_if_and_only_if_there_is_one(
        edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..14),
    ) {
        let owned: Vec<(TaskId, TaskId)> = edges.iter().map(|&(a, b)| (id(a), id(b))).collect();
        let found = any_cycle(owned.iter().map(|(a, b)| (a, b)));
        prop_assert_eq!(found.is_some(), (0..8).any(|n| reaches(&edges, n, n)));
        if let Some(found) = found {
            prop_assert!(found.len() > 1 && found.first() == found.last());
            for pair in found.windows(2) {
                prop_assert!(owned.contains(&(pair[0].clone(), pair[1].clone())), "{:?}", found);
            }
        }
    }

    #[test]
    fn an_edge_that_closes_a_cycle_is_named_with_its_way_back(
        edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..14),
        task in 0_usize..8,
        on in 0_usize..8,
    ) {
        let waits_for = |task: &TaskId| {
            let next = edges.iter().filter(|(a, _)| id(*a) == *task);
            Ok::<_, ()>(next.map(|&(_, b)| id(b)).collect())
        };
        let found = cycle(&id(task), &id(on), waits_for).unwrap();
        prop_assert_eq!(found.is_some(), task == on || reaches(&edges, on, task));
        if let Some(found) = found {
            prop_assert_eq!((&found[0], &found[1]), (&id(task), &id(on)));
            prop_assert_eq!(found.last(), Some(&id(task)));
            for pair in found[1..].windows(2) {
                prop_assert!(edges.iter().any(|&(a, b)| id(a) == pair[0] && id(b) == pair[1]));
            }
        }
    }

    #[test]
    fn a_wait_stays_within_a_fifth_of_the_plain_one(
        failures in 1_u32..2_000,
        attempt in any::<u32>(),
        name in "[A-Z0-9-]{1,20}",
        base in 0_u64..100_000,
        cap in 0_u64..10_000_000,
    ) {
        let backoff = Backoff { base: Duration::from_millis(base), cap: Duration::from_millis(cap) };
        let task = TaskId::new(name).unwrap();
        let wait = backoff.wait(failures, &task, attempt);
        let mut plain = u128::from(base) * 1_000;
        for _ in 1..failures.min(30) {
            plain *= 4;
        }
        let plain = plain.min(u128::from(cap) * 1_000);
        prop_assert!(wait.as_micros() >= plain * 8 / 10, "{:?} of {}", wait, plain);
        prop_assert!(wait.as_micros() <= plain * 12 / 10, "{:?} of {}", wait, plain);
        prop_assert_eq!(wait, backoff.wait(failures, &task, attempt));
    }

    #[test]
    fn a_look_up_takes_the_exact_then_any_case_then_a_unique_prefix(
        ids in prop::collection::btree_set("[Aa][Bb][01]{0,3}[Cc]{0,2}", 0..14),
        text in "[Aa][Bb][01]{0,3}[Cc]{0,2}",
    ) {
        let starts = |id: &&String| {
            id.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&text))
        };
        let candidates: Vec<String> = ids.iter().filter(starts).cloned().collect();
        let same: Vec<&String> = ids.iter().filter(|id| id.eq_ignore_ascii_case(&text)).collect();
        let listed = |found: &[&String]| match found {
            [] => Lookup::Unknown,
            [one] => Lookup::Found((*one).clone()),
            more => Lookup::Ambiguous(more.iter().take(MAX_CANDIDATES).map(|&id| id.clone()).collect()),
        };
        let expected = if ids.contains(&text) {
            Lookup::Found(text.clone())
        } else if !same.is_empty() {
            listed(&same)
        } else if text.len() < MIN_PREFIX_CHARS {
            Lookup::Unknown
        } else {
            listed(&candidates.iter().collect::<Vec<_>>())
        };
        prop_assert_eq!(pick(&text, candidates), expected);
    }

    #[test]
    fn a_lane_is_read_as_it_is_written(feature in "[A-Za-z0-9_-]{1,20}(-P[0-9]{1,2})?", number in 0_i64..100) {
        let lane = Lane {
            feature: FeatureId::new(feature).unwrap(),
            priority: Priority::new(number).unwrap(),
        };
        prop_assert_eq!(Lane::parse(&lane.to_string()), Some(lane.clone()));
        prop_assert_eq!(Lane::parse(&lane.to_string().replace("-P", "-p")).map(|lane| lane.priority), Some(lane.priority));
    }

    #[test]
    fn no_text_breaks_the_reading_of_lanes_and_tokens(text in any::<String>()) {
        if let Some(lane) = Lane::parse(&text) {
            prop_assert!(lane.to_string().eq_ignore_ascii_case(&text));
        }
        if let Ok(token) = text.parse::<Token>() {
            prop_assert_eq!(token.to_string(), text);
        }
    }

    #[test]
    fn a_token_is_read_as_it_is_written(attempt in any::<u32>(), nonce in any::<u64>()) {
        let token = Token { attempt, nonce };
        prop_assert_eq!(token.to_string().parse(), Ok(token));
    }
}
