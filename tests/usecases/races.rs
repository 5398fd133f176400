//! Many workers at once, each with an opener of its own.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use tasq_app::{App, AppError, Caller, CompleteTask, ScopeRef, WhichTask};
use tasq_domain::{Actor, EventKind, Status};

use super::desk::{Desk, claims, completing, id_of, named};

const THREADS: usize = 8;
const TASKS: usize = 200;

pub(crate) fn eight_threads_complete_each_task_once(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", Some("EPIC-1"));
    let batch: Vec<_> = (0..TASKS)
        .map(|n| named(&format!("T{n}"), ["FEAT-1", "FEAT-2"][n % 2]))
        .collect();
    desk.ada().add_tasks(&batch).unwrap();
    let barrier = Barrier::new(THREADS);
    let openers: Vec<_> = (0..THREADS).map(|_| desk.bench.harness.open()).collect();
    let completed: Vec<Vec<String>> = thread::scope(|scope| {
        let workers: Vec<_> = openers
            .iter()
            .enumerate()
            .map(|(n, opener)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let actor = Actor::new(format!("worker {n}")).unwrap();
                    let app = App::new(opener.as_ref(), &desk.ids, Caller::Person { actor });
                    barrier.wait();
                    work(&app, n % 2 == 0)
                })
            })
            .collect();
        let done = workers.into_iter().map(|worker| worker.join().unwrap());
        done.collect()
    });
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for id in completed.into_iter().flatten() {
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), TASKS);
    assert!(times.values().all(|&times| times == 1), "{times:?}");
    let contents = desk.contents();
    assert!(contents.tasks.iter().all(|task| task.attempts == 1));
    assert_eq!(desk.epic_status("EPIC-1"), Status::Completed);
    let finished = contents.events.iter();
    let finished = finished.filter(|event| event.kind == EventKind::Completed);
    assert_eq!(finished.count(), TASKS);
}

/// Claims and completes until nothing is ready; what was completed.
fn work(app: &App<'_>, at_once: bool) -> Vec<String> {
    let mut done = Vec::new();
    let mut held = None;
    loop {
        let claim = match held.take() {
            Some(claim) => claim,
            None => match app.claim(&claims(WhichTask::Next(ScopeRef::Queue), 1)) {
                Ok(mut claims) => claims.remove(0),
                Err(AppError::NothingReady(_)) => return done,
                Err(error) => panic!("{error}"),
            },
        };
        let wanted = CompleteTask {
            next: at_once.then_some(ScopeRef::Queue),
            ..completing(id_of(&claim), Some(claim.token))
        };
        held = app.complete(&wanted).unwrap().next;
        done.push(id_of(&claim).to_string());
    }
}
