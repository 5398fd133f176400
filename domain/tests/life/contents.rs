//! What becomes of running work when a queue moves.

use tasq_domain::backoff::Backoff;
use tasq_domain::life::{self, broken_invariant};
use tasq_domain::{
    Attempt, Contents, Feature, FeatureId, JsonObject, Name, Outcome, Priority, RetryBudget,
    Settings, Status, StoreId, Tally, Task, Timestamp,
};

use crate::fixture::{
    ada, at, blocked, completed, grant, held_by_hand, pending, record, why, with_budget,
};

fn moved(tasks: Vec<Task>, attempts: Vec<Attempt>, now: Timestamp) -> Contents {
    let mut contents = Contents {
        settings: Settings {
            store: StoreId::new("S").unwrap(),
            name: "queue".into(),
            require_tests: false,
            backoff: Backoff::default(),
        },
        epics: Vec::new(),
        features: Vec::new(),
        tasks,
        tests: Vec::new(),
        dependencies: Vec::new(),
        questions: Vec::new(),
        attempts,
        checkpoints: Vec::new(),
        events: Vec::new(),
        operations: Vec::new(),
    };
    contents.close_open_attempts(now);
    contents
}

fn running(task: &Task) -> (Task, Attempt) {
    let (step, attempt) = life::claim(&record(task), grant(7), at(10)).unwrap();
    (step.task, attempt)
}

#[test]
fn open_attempts_are_lost_uncharged_and_their_tasks_ready_at_once() {
    let task = Task {
        retries_used: 2,
        lost_in_a_row: 1,
        ..pending()
    };
    let (task, attempt) = running(&task);
    let contents = moved(vec![task], vec![attempt], at(20));
    let end = contents.attempts[0].end.clone().unwrap();
    assert_eq!((end.outcome, end.at), (Outcome::Lost, at(20)));
    let task = &contents.tasks[0];
    assert_eq!(
        (task.status, task.retries_used, task.lost_in_a_row),
        (Status::Pending, 2, 1)
    );
    assert_eq!((task.attempts, task.updated_at), (1, at(20)));
    assert!(life::claim(&record(task), grant(8), at(20)).is_ok());
}

#[test]
fn what_nobody_holds_and_what_has_ended_stays_as_it_is() {
    let tasks = vec![pending(), blocked(), completed(), held_by_hand()];
    let (running, mut attempt) = running(&pending());
    let (_, end) = life::expire(&record(&running), at(100))
        .unwrap()
        .closed
        .unwrap();
    attempt.end = Some(end);
    let contents = moved(tasks.clone(), vec![attempt.clone()], at(500));
    assert_eq!((contents.tasks, contents.attempts), (tasks, vec![attempt]));
}

#[test]
fn a_clock_behind_turns_no_time_back() {
    let (task, attempt) = running(&pending());
    let contents = moved(vec![task], vec![attempt], at(-500));
    assert_eq!(contents.tasks[0].updated_at, at(10));
    assert_eq!(contents.attempts[0].end.as_ref().unwrap().at, at(10));
}

#[test]
fn a_running_task_that_was_to_stop_or_has_no_retry_left_is_blocked() {
    let (task, attempt) = running(&pending());
    let asked = life::cancel(&task, &ada(), at(15)).unwrap().task;
    let (task, _) = running(&with_budget(15, 3));
    let cut = life::edit_budget(&task, RetryBudget::new(3).unwrap(), at(15));
    let contents = moved(vec![asked, cut], vec![attempt], at(20));
    for (task, reason) in contents
        .tasks
        .iter()
        .zip(["cancelled by ada", "retry budget spent (3)"])
    {
        assert_eq!(
            (task.status, &task.blocked_reason),
            (Status::Blocked, &Some(why(reason)))
        );
        assert_eq!(broken_invariant(task), None);
    }
}

#[test]
fn a_status_given_by_hand_stands() {
    for status in [Status::Completed, Status::Blocked] {
        let (task, attempt) = running(&pending());
        let contents = moved(vec![Task { status, ..task }], vec![attempt], at(20));
        assert_eq!(
            (contents.tasks[0].status, &contents.tasks[0].claim),
            (status, &None)
        );
    }
}

#[test]
fn parents_roll_up_when_what_ran_below_them_is_taken_back() {
    let (task, attempt) = running(&pending());
    let feature = Feature {
        seq: 1,
        id: task.feature.clone(),
        epic: None,
        name: Name::new("feature").unwrap(),
        description: None,
        priority: Priority::default(),
        own_status: Status::Pending,
        status: Status::InProgress,
        hold: None,
        source: None,
        created_at: at(0),
        updated_at: at(10),
        metadata: JsonObject::default(),
    };
    let mut contents = moved(vec![task], vec![attempt], at(20));
    contents.features.push(feature);
    contents.close_open_attempts(at(30));
    let feature = &contents.features[0];
    assert_eq!(
        (feature.status, feature.updated_at),
        (Status::Pending, at(30))
    );
    let once = contents.clone();
    contents.close_open_attempts(at(40));
    assert_eq!(contents, once, "what has moved once moves on as it is");
}

#[test]
fn tasks_that_are_counted_apart_count_together() {
    let elsewhere = Task {
        feature: FeatureId::new("FEAT-2").unwrap(),
        ..completed()
    };
    let tasks = [
        pending(),
        blocked(),
        completed(),
        elsewhere,
        held_by_hand(),
        completed(),
    ];
    let counted = |tasks: &[Task]| {
        let mut tally = Tally::default();
        tasks.iter().for_each(|task| tally.add(task));
        tally
    };
    let all = counted(&tasks);
    for split in 0..=tasks.len() {
        let (some, others) = tasks.split_at(split);
        let mut tally = counted(some);
        assert_eq!(tally == all, split == tasks.len());
        tally.join(counted(others));
        assert_eq!(tally, all, "{split}");
    }
}
