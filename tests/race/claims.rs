//! Nothing is handed out twice.

use std::collections::HashMap;

use tasq_app::{App, Caller};
use tasq_domain::Actor;
use tasq_ports::Store;

use super::Barrier;
use super::contenders::{Answer, Arena, Fresh, task};
use crate::crash::place::{Kind, Place, text};
use crate::crash::{amount, audit, on_both_stores};
use crate::figures::Figures;
use crate::usecases::desk::named;

const ONE_WINNER: &str = "of all claims of one task at once, one succeeds";

/// Eight workers empty a queue of 200 tasks; each task goes to one of them, and nobody meets an error.
fn eight_workers_claim_200_tasks(kind: Kind) {
    const WORKERS: u32 = 8;
    const TASKS: u32 = 200;
    let promise = "a task is handed out once, a token once";
    let mut figures = Figures::of("eight_workers_claim_200_tasks", kind.name(), promise);
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
    figures.count("processes", WORKERS).count("tasks", TASKS);
    figures.count("twice", 0).count("errors", 0).tell();
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

/// Of 64 processes that start at once for a single task, one gets it, and the others are told that nothing is ready.
/// Every second round, the task is asked for by name, which is a conflict for the others.
fn of_64_commands_one_gets_the_task(kind: Kind) {
    const PROCESSES: usize = 64;
    let rounds = amount(6, 200);
    let mut figures = Figures::of("of_64_commands_one_gets_the_task", kind.name(), ONE_WINNER);
    let place = Place::with_store(kind);
    place.works(&["feature", "add", "F", "--id", "F"]);
    for round in 0..rounds {
        let (id, by_name) = task(round);
        place.works(&["task", "add", "race", "--feature", "F", "--id", &id]);
        let mut barrier = Barrier::new();
        for _ in 0..PROCESSES {
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
        }
    }
    audit::sound(kind, &place.store());
    figures
        .count("processes", PROCESSES)
        .count("rounds", rounds);
    figures.count("winners", rounds).count("errors", 0).tell();
}

/// The same many times, with processes that go from round to round: a claim each, and nothing else between them.
fn of_64_processes_one_gets_the_task_each_round(kind: Kind) {
    const PROCESSES: u32 = 64;
    let name = "of_64_processes_one_gets_the_task_each_round";
    let rounds = amount(250, 5_000);
    let mut figures = Figures::of(name, kind.name(), ONE_WINNER);
    let place = Place::bare(kind);
    let mut arena = Arena::open(&place.project, kind, PROCESSES, rounds);
    let mut open = None;
    for round in 0..rounds {
        let path = arena.store(round);
        if !path.exists() {
            let file = path.file_name().unwrap().to_str().unwrap();
            place.works(&["--store", file, "init"]);
            place.works(&["--store", file, "feature", "add", "F", "--id", "F"]);
            open = Some(audit::open(kind, &path).unwrap());
        }
        let (id, by_name) = task(round);
        add_task(open.as_deref().expect("the first round opens one"), &id);
        let answers = arena.round(round);
        let winners = answers.iter().filter(|it| **it == Answer::Claimed).count();
        assert_eq!(winners, 1, "winners of {id}");
        let loss = if by_name {
            Answer::Conflict
        } else {
            Answer::NothingReady
        };
        let lost = answers.iter().filter(|it| **it == loss).count();
        assert_eq!(lost + winners, answers.len(), "{id}: {answers:?}");
    }
    for round in 0..rounds {
        let path = arena.store(round);
        if round + 1 == rounds || arena.store(round + 1) != path {
            audit::sound(kind, &path);
        }
    }
    arena.close();
    figures
        .count("processes", PROCESSES)
        .count("rounds", rounds);
    figures.count("winners", rounds).count("errors", 0).tell();
}

fn add_task(store: &dyn Store, id: &str) {
    let actor = Actor::new("ada").unwrap();
    let app = App::new(store, &Fresh, Caller::Person { actor });
    app.add_task(&named(id, "F")).unwrap();
}

/// Processes that all make the same store make it once, and their tasks are all in it.
fn of_many_makers_one_makes_the_store(kind: Kind) {
    const MAKERS: usize = 8;
    let rounds = amount(5, 200);
    let promise = "a store is made once, and no task is lost on its first use";
    let mut figures = Figures::of("of_many_makers_one_makes_the_store", kind.name(), promise);
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
    figures.count("processes", MAKERS).count("rounds", rounds);
    figures.count("lost", 0).tell();
}

on_both_stores!(
    eight_workers_claim_200_tasks,
    of_64_commands_one_gets_the_task,
    of_64_processes_one_gets_the_task_each_round,
    of_many_makers_one_makes_the_store,
);
