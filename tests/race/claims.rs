//! Nothing is handed out twice.

use std::collections::HashMap;

use super::Barrier;
use crate::crash::place::{Kind, Place, text};
use crate::crash::{amount, audit, on_both_stores, report};

/// I1, I2: eight workers empty a queue of 200 tasks; each task goes to one of them, and nobody meets an error.
fn eight_workers_claim_200_tasks(kind: Kind) {
    const WORKERS: u32 = 8;
    const TASKS: u32 = 200;
    let place = Place::with_store(kind);
    place.add_tasks((0..TASKS).map(|number| format!("TASK-{number:04}")));
    let claimed: Vec<(String, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                let place = &place;
                scope.spawn(move || empty_queue(place, &format!("worker-{number}")))
            })
            .collect();
        let claims = workers.into_iter().map(|worker| worker.join().unwrap());
        claims.flatten().collect()
    });
    let mut holders: HashMap<&str, &str> = HashMap::new();
    for (task, token) in &claimed {
        let twice = holders.insert(task, token);
        assert_eq!(twice, None, "{task} was handed out twice");
    }
    assert_eq!(holders.len(), TASKS as usize);
    let contents = audit::sound(kind, &place.store());
    for task in &contents.tasks {
        let claim = task.claim.as_ref().expect("every task is claimed");
        assert_eq!(claim.token.to_string(), holders[task.id.as_str()]);
    }
    report(
        "eight_workers_claim_200_tasks",
        kind,
        0,
        &format!("{WORKERS} processes at a time, {TASKS} tasks, 0 twice, 0 errors"),
    );
}

/// Claims until there is nothing more.
fn empty_queue(place: &Place, worker: &str) -> Vec<(String, String)> {
    let mut claimed = Vec::new();
    loop {
        let ran = place.tasq(&["claim", "--json", "--worker", worker]);
        match ran.code {
            Some(0) => {
                let data = ran.data();
                claimed.push((text(&data["task"]["id"]), text(&data["token"])));
            }
            Some(5) => return claimed,
            _ => panic!("{ran:?}"),
        }
    }
}

/// I1: of many processes that start at once for a single task, one gets it, and the others are told that nothing is
/// ready. Every second round, the task is asked for by name, which is a conflict for the others.
fn of_many_claims_of_one_task_one_succeeds(kind: Kind) {
    let rounds = [(16, amount(60, 2_000)), (64, amount(8, 10_000))];
    let mut refused = 0;
    for (processes, rounds) in rounds {
        let place = Place::with_store(kind);
        place.works(&["feature", "add", "F", "--id", "F"]);
        for round in 0..rounds {
            let id = format!("RACE-{round}");
            place.works(&["task", "add", "race", "--feature", "F", "--id", &id]);
            let by_name = round % 2 == 1;
            let mut barrier = Barrier::new();
            for _ in 0..processes {
                let words: &[&str] = if by_name {
                    &["claim", &id, "--json"]
                } else {
                    &["claim", "--json"]
                };
                barrier.bring(&place, words);
            }
            let ran = barrier.open();
            let winners: Vec<_> = ran.iter().filter(|ran| ran.code == Some(0)).collect();
            assert_eq!(winners.len(), 1, "winners of {id}: {winners:?}");
            assert_eq!(text(&winners[0].data()["task"]["id"]), id);
            let loss = if by_name { 4 } else { 5 };
            for ran in ran.iter().filter(|ran| ran.code != Some(0)) {
                assert_eq!(ran.code, Some(loss), "{ran:?}");
                refused += 1;
            }
        }
        audit::sound(kind, &place.store());
    }
    report(
        "of_many_claims_of_one_task_one_succeeds",
        kind,
        0,
        &format!(
            "rounds of (processes, rounds) {rounds:?}: one winner each, {refused} refused, 0 errors"
        ),
    );
}

/// I1 on the first use: processes that all make the same store make it once, and their tasks are all in it.
fn of_many_makers_one_makes_the_store(kind: Kind) {
    const MAKERS: usize = 8;
    let rounds = amount(5, 200);
    for _ in 0..rounds {
        let place = Place::bare(kind);
        let mut barrier = Barrier::new();
        for _ in 0..MAKERS {
            barrier.bring(&place, &["init", "--name", "race", "--json"]);
        }
        let ran = barrier.open();
        let made = ran.iter().filter(|ran| ran.code == Some(0)).count();
        assert_eq!(made, 1, "{ran:?}");
        for ran in ran.iter().filter(|ran| ran.code != Some(0)) {
            assert_eq!(ran.code, Some(4), "{ran:?}");
        }
        let mut barrier = Barrier::new();
        for _ in 0..MAKERS {
            barrier.bring(&place, &["add", "work", "--json"]);
        }
        for ran in barrier.open() {
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let contents = audit::sound(kind, &place.store());
        assert_eq!(contents.tasks.len(), MAKERS);
    }
    report(
        "of_many_makers_one_makes_the_store",
        kind,
        0,
        &format!("{rounds} rounds of {MAKERS} processes"),
    );
}

on_both_stores!(
    eight_workers_claim_200_tasks,
    of_many_claims_of_one_task_one_succeeds,
    of_many_makers_one_makes_the_store,
);
