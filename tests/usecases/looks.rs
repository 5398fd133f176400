//! Looking: why, progress, tree, find, list, show.

use tasq_app::{AddTask, Code, Item, ListTasks, ScopeRef};
use tasq_domain::{AnyId, Status, TaskId};
use tasq_ports::Sort;

use super::desk::{
    Desk, any_epic, any_feature, any_task, code, manual, named, new_task, of_feature, of_task,
    reason, task_id, urgent,
};

pub(crate) fn why_names_every_reason(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    for id in ["A", "B", "C"] {
        desk.task(id, "FEAT-1");
    }
    let why = |id: &str| {
        let why = desk.unchanged(|| desk.ada().why(&task_id(id))).unwrap();
        let reasons = why.reasons.into_iter();
        reasons
            .map(|reason| (reason.reason.as_str().to_owned(), reason.text, reason.by))
            .collect::<Vec<_>>()
    };
    assert_eq!(why("A"), []);
    desk.fail(&desk.claim_this("A"), "red").unwrap();
    for on in ["B", "C"] {
        desk.ada()
            .depend(&task_id("A"), &task_id(on), false)
            .unwrap();
    }
    let bob = desk.person("bob");
    for id in [any_epic("EPIC-1"), any_feature("FEAT-1"), any_task("A")] {
        bob.hold(&id, &reason("audit"), false).unwrap();
    }
    let reasons = why("A");
    let codes: Vec<&str> = reasons.iter().map(|(code, _, _)| code.as_str()).collect();
    let expected = [
        "dependencies",
        "dependencies",
        "backoff",
        "held",
        "held",
        "held",
    ];
    assert_eq!(codes, expected);
    let by: Vec<Option<&str>> = reasons.iter().map(|(_, _, by)| by.as_deref()).collect();
    let bob = Some("bob");
    assert_eq!(by, [Some("B"), Some("C"), None, bob, bob, bob]);
    assert!(reasons.iter().all(|(_, text, _)| !text.is_empty()));
    desk.ada()
        .block(&task_id("B"), None, &reason("no key"), false)
        .unwrap();
    assert_eq!(why("B")[0].1, "blocked: no key");
    desk.complete("C");
    assert_eq!(why("C")[0].0, "completed");
    assert_eq!(code(desk.ada().why(&task_id("GONE"))), Code::NotFound);
}

pub(crate) fn progress_counts_every_part(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", Some("EPIC-1"));
    desk.feature("FEAT-3", None);
    for (id, feature) in [
        ("A", "FEAT-1"),
        ("B", "FEAT-1"),
        ("C", "FEAT-2"),
        ("D", "FEAT-3"),
    ] {
        desk.task(id, feature);
    }
    desk.complete("A");
    desk.claim_this("C");
    let counts = |of: Option<&str>| {
        let counts = desk.ada().progress(of).unwrap().counts;
        (
            counts.pending,
            counts.in_progress,
            counts.completed,
            counts.total(),
        )
    };
    assert_eq!(counts(None), (2, 1, 1, 4));
    assert_eq!(counts(Some("EPIC-1")), (1, 1, 1, 3));
    assert_eq!(counts(Some("FEAT-1")), (1, 0, 1, 2));
    assert_eq!(counts(Some("FEAT-1-P2")), (1, 0, 1, 2));
    assert_eq!(counts(Some("FEAT-1-P3")), (0, 0, 0, 0));
    assert_eq!(counts(Some("task:A")), (0, 0, 1, 1));
    let all = desk.ada().progress(None).unwrap();
    assert_eq!((all.epics.len(), all.features.len()), (1, 1));
    assert_eq!(all.epics[0].features.len(), 2);
    assert_eq!(code(desk.ada().progress(Some("EPIC-9"))), Code::NotFound);
}

pub(crate) fn a_tree_shows_everything_once(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", None);
    desk.task("A", "FEAT-1");
    desk.add(&urgent("B", "FEAT-2", 0));
    desk.task("C", "FEAT-2");
    desk.test("TEST-A", &of_task("A"), &manual("look"));
    desk.test("TEST-F", &of_feature("FEAT-2"), &manual("look"));
    let tree = desk.ada().tree(None).unwrap();
    let feature = &tree.epics[0].features[0];
    assert_eq!((feature.tasks[0].1.len(), feature.tests.len()), (1, 0));
    assert_eq!(
        (tree.features[0].tasks.len(), tree.features[0].tests.len()),
        (2, 1)
    );
    let epic = desk.ada().tree(Some("EPIC-1")).unwrap();
    assert_eq!(epic.epics, tree.epics);
    let lane = desk.ada().tree(Some("FEAT-2-P0")).unwrap();
    assert_eq!(lane.features[0].tasks.len(), 1);
    // Its tasks are counted, as `progress` does, and not those of its whole feature.
    let counts = desk.ada().progress(Some("FEAT-2-P0")).unwrap().counts;
    assert_eq!(lane.features[0].feature.counts, counts);
    assert_eq!(counts.total(), 1);
    assert_eq!(code(desk.ada().tree(Some("task:A"))), Code::Usage);
    assert_eq!(code(desk.ada().tree(Some("NOBODY"))), Code::NotFound);
}

pub(crate) fn an_id_may_begin_with_the_word_of_a_kind(desk: &Desk) {
    desk.feature("feature:F", None);
    desk.task("task:x", "feature:F");
    desk.task("task:x-long", "feature:F");
    desk.task("y", "feature:F");
    let ada = desk.ada();
    let task = |text: &str| ada.find_task(text).map(|id| id.to_string());
    let any = |text: &str| ada.find_any(text).map(|id| id.to_string());
    for (text, id) in [
        ("task:x", "task:x"),
        ("task:task:x", "task:x"),
        ("task:x-l", "task:x-long"),
        ("task:y", "y"),
    ] {
        assert_eq!(task(text).unwrap(), id, "{text}");
        assert_eq!(any(text).unwrap(), format!("task:{id}"), "{text}");
    }
    // Another task has that very id: `x` is found without its kind.
    desk.task("x", "feature:F");
    assert_eq!(task("task:x").unwrap(), "task:x");
    assert_eq!(task("x").unwrap(), "x");
    assert_eq!(task("task:z").unwrap_err().details()["id"], "z");
    assert_eq!(any("task:z").unwrap_err().details()["kind"], "task");
    // Asked for as what it is, the feature is not made a second time.
    desk.add(&AddTask {
        create_feature: true,
        ..named("w", "feature:F")
    });
    assert_eq!(ada.features(None).unwrap().len(), 1);
}

pub(crate) fn an_id_is_found_as_it_is_typed(desk: &Desk) {
    desk.epic("SAME");
    desk.feature("SAME", None);
    desk.task("TASK-ABCD1", "feature:SAME");
    desk.task("TASK-ABCD2", "SAME");
    desk.task("TASK-XYZ", "SAME");
    desk.task("task-xyz9", "SAME");
    let ada = desk.ada();
    let task = |text: &str| ada.find_task(text).map(|id| id.to_string());
    assert_eq!(task("TASK-ABCD1").unwrap(), "TASK-ABCD1");
    assert_eq!(task("task-abcd2").unwrap(), "TASK-ABCD2");
    assert_eq!(task("task:TASK-ABCD2").unwrap(), "TASK-ABCD2");
    assert_eq!(task("TASK-XYZ").unwrap(), "TASK-XYZ");
    assert_eq!(
        task("tasK-xYz").unwrap(),
        "TASK-XYZ",
        "whole before a beginning"
    );
    let error = task("TASK-ABCD").unwrap_err();
    assert_eq!(error.code(), Code::Ambiguous);
    assert_eq!(error.details()["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(task("TASK-ABCD1X").unwrap_err().code(), Code::NotFound);
    assert_eq!(task("TAS").unwrap_err().code(), Code::NotFound, "too short");
    assert_eq!(task("").unwrap_err().code(), Code::NotFound);
    let any = |text: &str| ada.find_any(text);
    assert_eq!(code(any("SAME")), Code::Ambiguous);
    assert_eq!(any("epic:SAME").unwrap(), any_epic("SAME"));
    assert_eq!(any("feature:same").unwrap(), any_feature("SAME"));
    assert_eq!(
        any("TASK-XY").map_err(|error| error.code()),
        Err(Code::Ambiguous)
    );
    assert_eq!(any("task-xyz9").unwrap(), any_task("task-xyz9"));
    let item = ada.item(&any_epic("SAME")).unwrap();
    assert!(matches!(&item, Item::Epic(view) if view.epic.id.as_str() == "SAME"));
    assert_eq!(item.id(), any_epic("SAME"));
    let gone: AnyId = tasq_domain::TestId::new("GONE").unwrap().into();
    assert_eq!(code(ada.item(&gone)), Code::NotFound);
}

pub(crate) fn a_list_filters_sorts_and_pages(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for (n, priority) in [3, 1, 2, 1, 0].into_iter().enumerate() {
        desk.pass_time(1);
        desk.add(&urgent(&format!("T{n}"), "FEAT-1", priority));
    }
    desk.pass_time(1);
    desk.complete("T0");
    desk.pass_time(1);
    desk.add(&new_task("Grüße an alle", "FEAT-1"));
    let list = |wanted: &ListTasks| -> Vec<String> {
        let mut ids = Vec::new();
        let mut wanted = wanted.clone();
        loop {
            let page = desk.ada().list(&wanted).unwrap();
            assert!(page.tasks.len() <= wanted.limit as usize);
            ids.extend(
                page.tasks
                    .iter()
                    .map(|view| view.record.task.id.to_string()),
            );
            match page.next {
                Some(next) => wanted.after = Some(next),
                None => return ids,
            }
        }
    };
    let all = ListTasks {
        scope: ScopeRef::Feature("FEAT-1".to_owned()),
        limit: 2,
        ..ListTasks::default()
    };
    let claim_order = list(&all);
    assert_eq!(claim_order[..4], ["T4", "T1", "T3", "T2"]);
    assert_eq!(claim_order.len(), 6);
    let by_seq = list(&ListTasks {
        sort: Sort::Seq,
        ..all.clone()
    });
    assert_eq!(by_seq[..5], ["T0", "T1", "T2", "T3", "T4"]);
    let updated = list(&ListTasks {
        sort: Sort::Updated,
        statuses: vec![Status::Completed, Status::Pending],
        ..all.clone()
    });
    assert_eq!(updated[1], "T0");
    let words = list(&ListTasks {
        words: vec!["grüße".to_owned()],
        ..all.clone()
    });
    assert_eq!(words.len(), 1);
    let completed = list(&ListTasks {
        statuses: vec![Status::Completed],
        ..all.clone()
    });
    assert_eq!(completed, ["T0"]);
    desk.claim();
    let ready = list(&ListTasks { ready: true, ..all });
    assert_eq!(ready[..3], ["T1", "T3", "T2"]);
}

pub(crate) fn details_tell_the_whole_story(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.task("A", "FEAT-1");
    desk.test("TEST-A", &of_task("A"), &manual("look"));
    desk.fail(&desk.claim(), "red").unwrap();
    let detail = desk.ada().task_detail(&task_id("A")).unwrap();
    assert_eq!(detail.task.record.epic.as_ref().unwrap().as_str(), "EPIC-1");
    assert_eq!((detail.tests.len(), detail.attempts.len()), (1, 1));
    assert_eq!(desk.ada().epics().unwrap()[0].counts.total(), 1);
    assert_eq!(desk.ada().features(Some("EPIC-1")).unwrap().len(), 1);
    assert_eq!(
        desk.ada().tests(Some(&of_task("A")), 0, 10).unwrap().len(),
        1
    );
    assert_eq!(desk.ada().tests(None, 0, 10).unwrap().len(), 1);
    let gone = desk.ada().task_detail(&TaskId::new("B").unwrap());
    assert_eq!(code(gone), Code::NotFound);
}
