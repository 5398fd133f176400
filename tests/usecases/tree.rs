//! The tree: adding, removing and moving items, and the statuses that follow by themselves.

use tasq_app::{AddTask, Code, EditEpic, EditFeature};
use tasq_domain::{EpicId, FeatureId, Name, Status, TaskId};

use super::desk::with_command;
use super::desk::{
    Desk, any_epic, any_task, code, manual, name_of, named, new_epic, new_feature, new_task,
    of_feature, of_task, task_id, urgent,
};

pub(crate) fn a_fresh_id_tells_its_kind(desk: &Desk) {
    let epic = desk.ada().add_epic(&new_epic("E")).unwrap().epic.id;
    let feature = desk.ada().add_feature(&new_feature("F")).unwrap();
    let feature = feature.feature.id;
    let task = desk.add(&new_task("T", feature.as_str()));
    let test = desk.ada().add_test(&of_task(task.as_str()), &manual("C"));
    let test = test.unwrap().id;
    for (id, start) in [
        (epic.as_str(), "EPIC-"),
        (feature.as_str(), "FEAT-"),
        (task.as_str(), "TASK-"),
        (test.as_str(), "TEST-"),
    ] {
        let digits = id.strip_prefix(start).unwrap();
        let hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        assert!(digits.len() == 8 && digits.chars().all(hex), "{id}");
    }
}

pub(crate) fn defaults_are_as_they_always_were(desk: &Desk) {
    let feature = desk.feature("FEAT-1", None);
    let view = desk
        .ada()
        .add_task(&new_task("T", feature.as_str()))
        .unwrap();
    let task = view.record.task;
    assert_eq!(view.record.priority.number(), 2);
    assert_eq!(task.own_priority, None);
    assert_eq!((task.retry_budget.number(), task.retries_used), (15, 0));
    assert_eq!((task.status, task.attempts), (Status::Pending, 0));
    assert_eq!((task.claim, task.completed_at), (None, None));
}

pub(crate) fn three_tasks_come_back_by_priority(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for priority in [2, 0, 1] {
        desk.add(&urgent(&format!("TASK-{priority}"), "FEAT-1", priority));
    }
    let claims = [desk.claim(), desk.claim(), desk.claim()];
    assert_eq!(
        claims.each_ref().map(name_of),
        ["TASK-0", "TASK-1", "TASK-2"]
    );
}

pub(crate) fn removing_an_epic_removes_all_below_it(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.epic("EPIC-2");
    for (feature, epic) in [
        ("FEAT-1", "EPIC-1"),
        ("FEAT-2", "EPIC-1"),
        ("FEAT-3", "EPIC-2"),
    ] {
        desk.feature(feature, Some(epic));
        let task = format!("TASK-{feature}");
        desk.task(&task, feature);
        desk.test(
            &format!("TEST-{feature}"),
            &of_task(&task),
            &with_command("C"),
        );
    }
    desk.test("TEST-F", &of_feature("FEAT-1"), &manual("F"));
    let removed = desk.ada().remove(&any_epic("EPIC-1"), false).unwrap();
    assert_eq!((removed.epics, removed.features), (1, 2));
    assert_eq!((removed.tasks, removed.tests), (2, 3));
    let left = desk.contents();
    assert_eq!((left.epics.len(), left.features.len()), (1, 1));
    assert_eq!((left.tasks.len(), left.tests.len()), (1, 1));
    assert_eq!(left.tasks[0].id, task_id("TASK-FEAT-3"));
    let again = desk.ada().remove(&any_epic("EPIC-1"), false);
    assert_eq!(code(again), Code::NotFound);
}

pub(crate) fn parents_follow_their_tasks_there_and_back(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", Some("EPIC-1"));
    for (task, feature) in [("T1", "FEAT-1"), ("T2", "FEAT-1"), ("T3", "FEAT-2")] {
        desk.task(task, feature);
    }
    let statuses = || {
        let features = (desk.feature_status("FEAT-1"), desk.feature_status("FEAT-2"));
        (features.0, features.1, desk.epic_status("EPIC-1"))
    };
    use Status::{Completed, InProgress, Pending};
    assert_eq!(statuses(), (Pending, Pending, Pending));
    desk.complete("T1");
    assert_eq!(statuses(), (InProgress, Pending, InProgress));
    desk.complete("T2");
    assert_eq!(statuses(), (Completed, Pending, InProgress));
    desk.complete("T3");
    assert_eq!(statuses(), (Completed, Completed, Completed));
    desk.reopen("T1");
    assert_eq!(statuses(), (InProgress, Completed, InProgress));
    desk.reopen("T2");
    assert_eq!(statuses(), (Pending, Completed, InProgress));
    desk.reopen("T3");
    assert_eq!(statuses(), (Pending, Pending, Pending));
}

fn completed_feature(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.task("T1", "FEAT-1");
    desk.complete("T1");
    assert_eq!(desk.epic_status("EPIC-1"), Status::Completed);
}

pub(crate) fn a_new_task_reopens_its_parents(desk: &Desk) {
    completed_feature(desk);
    desk.task("T2", "FEAT-1");
    assert_eq!(desk.feature_status("FEAT-1"), Status::InProgress);
    assert_eq!(desk.epic_status("EPIC-1"), Status::InProgress);
}

pub(crate) fn moving_the_last_open_task_away_completes_the_feature(desk: &Desk) {
    completed_feature(desk);
    desk.task("T2", "FEAT-1");
    desk.feature("FEAT-2", None);
    desk.ada()
        .move_task(&task_id("T2"), "FEAT-2", false)
        .unwrap();
    assert_eq!(desk.feature_status("FEAT-1"), Status::Completed);
    assert_eq!(desk.epic_status("EPIC-1"), Status::Completed);
    assert_eq!(desk.feature_status("FEAT-2"), Status::Pending);
    desk.ada()
        .move_task(&task_id("T2"), "FEAT-1", false)
        .unwrap();
    assert_eq!(desk.epic_status("EPIC-1"), Status::InProgress);
}

pub(crate) fn removing_the_last_open_task_completes_the_feature(desk: &Desk) {
    completed_feature(desk);
    desk.task("T2", "FEAT-1");
    desk.ada().remove(&any_task("T2"), false).unwrap();
    assert_eq!(desk.feature_status("FEAT-1"), Status::Completed);
    assert_eq!(desk.epic_status("EPIC-1"), Status::Completed);
}

pub(crate) fn a_given_id_is_kept_and_refused_twice(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&named("LINT-__INIT__-12", "FEAT-1"));
    let again = || desk.ada().add_task(&named("LINT-__INIT__-12", "FEAT-1"));
    assert_eq!(code(desk.unchanged(again)), Code::Conflict);
    // The same text may name another kind of item.
    desk.epic("LINT-__INIT__-12");
}

pub(crate) fn a_task_without_a_feature_goes_to_the_inbox(desk: &Desk) {
    for text in ["one", "two"] {
        let new = AddTask {
            feature: None,
            ..new_task(text, "")
        };
        let view = desk.ada().add_task(&new).unwrap();
        assert_eq!(view.record.task.feature.as_str(), tasq_app::INBOX);
    }
    assert_eq!(desk.contents().features.len(), 1);
}

fn waits(id: &str, on: &[&str]) -> AddTask {
    AddTask {
        depends_on: on.iter().map(|&on| on.to_owned()).collect(),
        ..named(id, "FEAT-1")
    }
}

pub(crate) fn tasks_of_one_batch_wait_for_each_other_in_any_order(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("OLD", "FEAT-1");
    let batch = [
        waits("A", &["B", "OLD"]),
        waits("B", &["C"]),
        waits("C", &[]),
    ];
    let views = desk.ada().add_tasks(&batch).unwrap();
    let waits_for: Vec<Vec<&str>> = views
        .iter()
        .map(|view| view.waits_for.iter().map(TaskId::as_str).collect())
        .collect();
    assert_eq!(waits_for, [vec!["B", "OLD"], vec!["C"], vec![]]);
    assert!(desk.ada().add_tasks(&[]).unwrap().is_empty());
}

pub(crate) fn a_batch_with_a_cycle_adds_nothing(desk: &Desk) {
    desk.feature("FEAT-1", None);
    let batch = [waits("A", &["B"]), waits("B", &["C"]), waits("C", &["A"])];
    let outcome = desk.unchanged(|| desk.ada().add_tasks(&batch));
    assert_eq!(code(outcome), Code::InvalidData);
    let outcome = desk.unchanged(|| desk.ada().add_task(&waits("A", &["A"])));
    assert_eq!(code(outcome), Code::InvalidData);
}

pub(crate) fn a_batch_with_one_bad_task_adds_nothing(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for (bad, expected) in [
        (named("B", "FEAT-9"), Code::NotFound),
        (named("A", "FEAT-1"), Code::Conflict),
        (waits("B", &["GONE"]), Code::NotFound),
    ] {
        let batch = [named("A", "FEAT-1"), bad];
        let outcome = desk.unchanged(|| desk.ada().add_tasks(&batch));
        assert_eq!(code(outcome), expected);
    }
}

pub(crate) fn only_a_parent_without_children_takes_a_status(desk: &Desk) {
    desk.epic("EPIC-1");
    let (epic, feature) = (
        EpicId::new("EPIC-1").unwrap(),
        FeatureId::new("FEAT-1").unwrap(),
    );
    let done = EditEpic {
        status: Some(Status::Completed),
        ..EditEpic::default()
    };
    let view = desk.ada().edit_epic(&epic, &done).unwrap();
    assert_eq!(view.epic.status, Status::Completed);
    desk.feature("FEAT-1", Some("EPIC-1"));
    assert_eq!(desk.epic_status("EPIC-1"), Status::Pending);
    let outcome = desk.unchanged(|| desk.ada().edit_epic(&epic, &done));
    assert_eq!(code(outcome), Code::Usage);
    let done = EditFeature {
        status: Some(Status::Completed),
        ..EditFeature::default()
    };
    desk.ada().edit_feature(&feature, &done).unwrap();
    assert_eq!(desk.epic_status("EPIC-1"), Status::Completed);
    desk.task("T1", "FEAT-1");
    let outcome = desk.unchanged(|| desk.ada().edit_feature(&feature, &done));
    assert_eq!(code(outcome), Code::Usage);
}

pub(crate) fn a_feature_moves_between_epics(desk: &Desk) {
    completed_feature(desk);
    desk.epic("EPIC-2");
    let feature = FeatureId::new("FEAT-1").unwrap();
    let to = |epic: Option<&str>| EditFeature {
        epic: Some(epic.map(str::to_owned)),
        name: Some(Name::new("renamed").unwrap()),
        ..EditFeature::default()
    };
    let told = desk.told(|| {
        let view = desk
            .ada()
            .edit_feature(&feature, &to(Some("EPIC-2")))
            .unwrap();
        assert_eq!(view.feature.name.as_str(), "renamed");
    });
    assert_eq!(told[0], "moved FEAT-1");
    assert_eq!(desk.epic_status("EPIC-2"), Status::Completed);
    desk.ada().edit_feature(&feature, &to(None)).unwrap();
    let outcome = desk.unchanged(|| desk.ada().edit_feature(&feature, &to(Some("EPIC-9"))));
    assert_eq!(code(outcome), Code::NotFound);
}
