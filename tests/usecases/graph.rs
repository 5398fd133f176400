//! Dependencies, removals, moves and edits.

use tasq_app::{AddTask, AppError, Code, EditMetadata, EditTask, ScopeRef};
use tasq_domain::{Description, Priority, RetryBudget, Status, TaskId};

use super::desk::{
    Desk, any_epic, any_feature, any_task, budgeted, code, name_of, named, of_task, task_id,
    with_command,
};

fn some_tasks(desk: &Desk, ids: &[&str]) {
    desk.feature("FEAT-1", None);
    for id in ids {
        desk.task(id, "FEAT-1");
    }
}

fn depend(desk: &Desk, task: &str, on: &str) -> Result<(), AppError> {
    let done = desk.ada().depend(&task_id(task), &task_id(on), false);
    done.map(drop)
}

pub(crate) fn a_dependency_holds_a_task_back_until_it_is_completed(desk: &Desk) {
    some_tasks(desk, &["A", "B"]);
    depend(desk, "A", "B").unwrap();
    let told = desk.told(|| depend(desk, "A", "B").unwrap());
    assert_eq!(told, [""; 0], "it waits for it already");
    let claim = desk.claim();
    assert_eq!(name_of(&claim), "B");
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    desk.finish(&claim).unwrap();
    let running = desk.claim();
    assert_eq!(name_of(&running), "A");
    // A reopened prerequisite does not stop what runs already.
    desk.reopen("B");
    desk.finish(&running).unwrap();
    desk.reopen("A");
    assert_eq!(name_of(&desk.claim()), "B");
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    desk.ada()
        .undepend(&task_id("A"), &task_id("B"), false)
        .unwrap();
    assert_eq!(name_of(&desk.claim()), "A");
}

pub(crate) fn a_cycle_is_refused_with_its_path(desk: &Desk) {
    some_tasks(desk, &["A", "B", "C"]);
    depend(desk, "A", "B").unwrap();
    depend(desk, "B", "C").unwrap();
    for (task, on, path) in [("C", "A", "C → A → B → C"), ("A", "A", "A → A")] {
        let error = desk.unchanged(|| depend(desk, task, on)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidData);
        assert!(error.to_string().ends_with(path), "{error}");
        let named = error.details()["path"].as_array().unwrap().len();
        assert_eq!(named, path.split(" → ").count());
    }
}

pub(crate) fn a_completed_or_claimed_task_keeps_its_dependencies(desk: &Desk) {
    some_tasks(desk, &["A", "B"]);
    desk.complete("A");
    assert_eq!(
        code(desk.unchanged(|| depend(desk, "A", "B"))),
        Code::Conflict
    );
    // What is completed may be waited for.
    depend(desk, "B", "A").unwrap();
    desk.claim_this("B");
    let (a, b) = (task_id("A"), task_id("B"));
    let refused = desk.unchanged(|| desk.ada().undepend(&b, &a, false));
    assert_eq!(code(refused), Code::Conflict);
    desk.ada().undepend(&b, &a, true).unwrap();
    desk.task("C", "FEAT-1");
    assert_eq!(code(depend(desk, "C", "GONE")), Code::NotFound);
    assert_eq!(code(depend(desk, "GONE", "C")), Code::NotFound);
}

pub(crate) fn a_long_chain_is_no_trouble(desk: &Desk) {
    let length = if crate::contract::full() {
        10_000
    } else {
        2_000
    };
    desk.feature("FEAT-1", None);
    let chain: Vec<AddTask> = (0..length)
        .map(|n| AddTask {
            depends_on: (n > 0).then(|| format!("T{}", n - 1)).into_iter().collect(),
            ..named(&format!("T{n}"), "FEAT-1")
        })
        .collect();
    desk.ada().add_tasks(&chain).unwrap();
    let (first, last) = (task_id("T0"), task_id(&format!("T{}", length - 1)));
    let error = desk.ada().depend(&first, &last, false).unwrap_err();
    let AppError::Cycle(path) = error else {
        panic!("{error}");
    };
    assert_eq!(path.len(), length + 1);
    assert_eq!(name_of(&desk.claim()), "T0");
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    // The checks at the end look at every scope, which is long for so many.
    let feature = any_feature("FEAT-1");
    assert_eq!(code(desk.ada().remove(&feature, false)), Code::Conflict);
    desk.ada().remove(&feature, true).unwrap();
}

pub(crate) fn an_undepend_of_what_is_not_there_is_not_found(desk: &Desk) {
    some_tasks(desk, &["A", "B"]);
    let (a, b) = (task_id("A"), task_id("B"));
    let refused = desk.unchanged(|| desk.ada().undepend(&a, &b, false));
    assert_eq!(code(refused), Code::NotFound);
}

pub(crate) fn removing_what_is_claimed_or_waited_for_needs_force(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-2", Some("EPIC-1"));
    desk.task("WAITED", "FEAT-2");
    some_tasks(desk, &["WAITS"]);
    depend(desk, "WAITS", "WAITED").unwrap();
    let everything = [
        any_task("WAITED"),
        any_feature("FEAT-2"),
        any_epic("EPIC-1"),
    ];
    for id in &everything {
        let refused = desk.unchanged(|| desk.ada().remove(id, false));
        assert_eq!(code(refused), Code::Conflict, "{id}");
    }
    desk.ada()
        .undepend(&task_id("WAITS"), &task_id("WAITED"), false)
        .unwrap();
    desk.claim_this("WAITED");
    for id in &everything {
        let refused = desk.unchanged(|| desk.ada().remove(id, false));
        assert_eq!(code(refused), Code::Conflict, "{id}");
    }
    desk.ada()
        .depend(&task_id("WAITS"), &task_id("WAITED"), false)
        .unwrap();
    let told = desk.told(|| desk.remove(&any_feature("FEAT-2"), true));
    let expected = [
        "removed FEAT-2",
        "dependency_removed WAITS",
        "rolled_up EPIC-1",
    ];
    assert_eq!(told, expected);
    assert_eq!(name_of(&desk.claim()), "WAITS");
}

pub(crate) fn a_task_moves_with_its_rollup(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.epic("EPIC-2");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", Some("EPIC-2"));
    desk.task("A", "FEAT-1");
    desk.test("TEST-1", &of_task("A"), &with_command("C"));
    desk.claim();
    assert_eq!(desk.epic_status("EPIC-1"), Status::InProgress);
    let told = desk.told(|| {
        desk.ada().move_task(&task_id("A"), "FEAT-2", true).unwrap();
    });
    assert_eq!(told[0], "moved A");
    assert_eq!(
        desk.epic_status("EPIC-1"),
        Status::InProgress.min(desk.feature_status("FEAT-1"))
    );
    assert_eq!(desk.feature_status("FEAT-2"), Status::InProgress);
    assert_eq!(desk.epic_status("EPIC-2"), Status::InProgress);
    assert_eq!(
        code(desk.ada().move_task(&task_id("A"), "FEAT-9", true)),
        Code::NotFound
    );
}

pub(crate) fn an_edit_of_the_budget_keeps_its_rules(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&budgeted("A", "FEAT-1", 5));
    for _ in 0..3 {
        desk.fail(&desk.claim(), "red").unwrap();
        desk.pass_time(4_000);
    }
    let budget = |number| {
        let edit = EditTask {
            retry_budget: Some(RetryBudget::new(number).unwrap()),
            ..EditTask::default()
        };
        let view = desk.ada().edit_task(&task_id("A"), &edit, false);
        let task = view.unwrap().record.task;
        (task.status, task.retries_used)
    };
    assert_eq!(budget(4), (Status::Pending, 3));
    assert_eq!(budget(3), (Status::Blocked, 3));
    assert_eq!(budget(2), (Status::Blocked, 2));
    desk.ada().unblock(&task_id("A")).unwrap();
    assert_eq!(budget(0), (Status::Pending, 0));
}

pub(crate) fn an_edit_changes_what_was_asked_for_alone(desk: &Desk) {
    some_tasks(desk, &["A"]);
    let before = desk.get("A");
    desk.pass_time(1);
    let edit = EditTask {
        description: Some(Description::new("new\nwords").unwrap()),
        priority: Some(Some(Priority::new(7).unwrap())),
        metadata: EditMetadata {
            set: vec![("k".into(), Some("v".into()))],
        },
        retry_budget: None,
    };
    let after = desk.ada().edit_task(&task_id("A"), &edit, false).unwrap();
    let after = after.record.task;
    assert_eq!(after.description.as_str(), "new\nwords");
    assert_eq!(after.metadata.as_str(), r#"{"k":"v"}"#);
    assert_eq!(
        (after.seq, &after.id, after.created_at),
        (before.seq, &before.id, before.created_at)
    );
    assert_eq!(
        (after.retry_budget, after.status),
        (before.retry_budget, before.status)
    );
    assert!(after.updated_at > before.updated_at);
    let edit = EditTask {
        priority: Some(None),
        ..EditTask::default()
    };
    let cleared = desk.ada().edit_task(&task_id("A"), &edit, false).unwrap();
    assert_eq!(cleared.record.task.own_priority, None);
    let gone: Result<_, AppError> = desk
        .ada()
        .edit_task(&TaskId::new("B").unwrap(), &edit, false);
    assert_eq!(code(gone), Code::NotFound);
}
