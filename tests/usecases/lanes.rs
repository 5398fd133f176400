//! Lanes: the tasks of a feature that have one effective priority.

use tasq_app::{AddTask, Code, EditFeature, ListTasks, ScopeRef};
use tasq_domain::{FeatureId, Priority};

use super::desk::{Desk, code, name_of, named, task_id, urgent};

fn lane(text: &str) -> ScopeRef {
    ScopeRef::Feature(text.to_owned())
}

fn listed(desk: &Desk, scope: &str) -> Vec<String> {
    let wanted = ListTasks {
        scope: lane(scope),
        limit: 100,
        ..ListTasks::default()
    };
    let tasks = desk.ada().list(&wanted).unwrap().tasks;
    let ids = tasks.iter().map(|view| view.record.task.id.to_string());
    ids.collect()
}

/// FEAT-1 with tasks of priority 0, 2 (the feature's own) and 0.
fn stocked(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&urgent("A", "FEAT-1", 0));
    desk.add(&named("B", "FEAT-1"));
    desk.add(&urgent("C", "FEAT-1", 0));
}

pub(crate) fn a_lane_is_the_tasks_of_one_priority(desk: &Desk) {
    stocked(desk);
    assert_eq!(listed(desk, "FEAT-1-P0"), ["A", "C"]);
    assert_eq!(listed(desk, "FEAT-1-P2"), ["B"]);
    assert_eq!(listed(desk, "FEAT-1"), ["A", "C", "B"]);
    assert_eq!(listed(desk, "feat-1-p2"), ["B"]);
    let edit = EditFeature {
        priority: Some(Priority::new(0).unwrap()),
        ..EditFeature::default()
    };
    let feature = FeatureId::new("FEAT-1").unwrap();
    desk.ada().edit_feature(&feature, &edit).unwrap();
    assert_eq!(listed(desk, "FEAT-1-P0"), ["A", "B", "C"]);
    assert_eq!(listed(desk, "FEAT-1-P2"), [""; 0]);
    let progress = desk.ada().progress(Some("FEAT-1-P0")).unwrap();
    assert_eq!(progress.counts.total(), 3);
    let tree = desk.ada().tree(Some("FEAT-1-P0")).unwrap();
    assert_eq!(tree.features[0].tasks.len(), 3);
}

pub(crate) fn a_task_added_to_a_lane_stays_in_the_feature(desk: &Desk) {
    desk.feature("FEAT-1", None);
    let view = desk.ada().add_task(&named("A", "FEAT-1-P0")).unwrap();
    assert_eq!(view.record.task.feature.as_str(), "FEAT-1");
    assert_eq!(
        view.record.task.own_priority,
        Some(Priority::new(0).unwrap())
    );
    assert_eq!(desk.contents().features.len(), 1);
}

pub(crate) fn a_claim_drains_one_lane(desk: &Desk) {
    stocked(desk);
    let claims = ["A", "C"].map(|_| desk.try_claim(lane("FEAT-1-P0")).unwrap());
    assert_eq!(claims.each_ref().map(name_of), ["A", "C"]);
    let refused = desk.try_claim(lane("FEAT-1-P0"));
    assert_eq!(code(refused), Code::NothingReady);
    assert_eq!(name_of(&desk.try_claim(lane("FEAT-1-P2")).unwrap()), "B");
}

pub(crate) fn a_real_feature_with_such_an_id_wins(desk: &Desk) {
    stocked(desk);
    desk.feature("FEAT-1-P0", None);
    desk.add(&named("REAL", "FEAT-1-P0"));
    assert_eq!(listed(desk, "FEAT-1-P0"), ["REAL"]);
    assert_eq!(desk.get("REAL").feature.as_str(), "FEAT-1-P0");
    let claim = desk.try_claim(lane("FEAT-1-P0")).unwrap();
    assert_eq!(name_of(&claim), "REAL");
    let tree = desk.ada().tree(Some("FEAT-1-P0")).unwrap();
    assert_eq!(tree.features[0].feature.feature.id.as_str(), "FEAT-1-P0");
}

pub(crate) fn a_typo_creates_nothing(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for typo in ["FEAT-2", "FEAT-2-P0", "FAET-1", "FEAT-1-P100"] {
        let outcome = desk.unchanged(|| desk.ada().add_task(&named("A", typo)));
        assert_eq!(code(outcome), Code::NotFound, "{typo}");
        assert_eq!(code(desk.try_claim(lane(typo))), Code::NotFound, "{typo}");
    }
}

fn creating(id: &str, feature: &str) -> AddTask {
    AddTask {
        create_feature: true,
        ..named(id, feature)
    }
}

pub(crate) fn a_missing_feature_is_made_when_asked_for(desk: &Desk) {
    desk.add(&creating("A", "FEAT-7"));
    let view = desk.ada().add_task(&creating("B", "FEAT-8-P1")).unwrap();
    assert_eq!(view.record.task.feature.as_str(), "FEAT-8");
    assert_eq!(view.record.priority.number(), 1);
    desk.add(&creating("C", "feat-7"));
    desk.add(&creating("D", "FEAT-7-P0"));
    let features = desk.contents().features;
    let ids: Vec<&str> = features.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["FEAT-7", "FEAT-8"]);
    assert!(features.iter().all(|it| it.priority == Priority::default()));
    assert_eq!(desk.get("D").feature.as_str(), "FEAT-7");
}

pub(crate) fn a_missing_feature_is_not_mistaken_for_a_longer_one(desk: &Desk) {
    desk.feature("FEAT-10", None);
    desk.add(&creating("A", "FEAT-1"));
    assert_eq!(desk.get("A").feature.as_str(), "FEAT-1");
    desk.feature("FEAT-20", None);
    desk.feature("FEAT-21", None);
    desk.add(&creating("B", "FEAT-2"));
    assert_eq!(desk.get("B").feature.as_str(), "FEAT-2");
    desk.feature("FEAT-30", None);
    desk.add(&creating("C", "FEAT-3-P1"));
    assert_eq!(desk.get("C").feature.as_str(), "FEAT-3");
}

pub(crate) fn a_priority_that_is_not_the_lanes_is_refused(desk: &Desk) {
    desk.feature("FEAT-1", None);
    let outcome = desk.unchanged(|| desk.ada().add_task(&urgent("A", "FEAT-1-P0", 1)));
    assert_eq!(code(outcome), Code::Usage);
    desk.add(&urgent("A", "FEAT-1-P0", 0));
}

pub(crate) fn a_task_moves_into_a_lane(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.feature("FEAT-2", None);
    desk.task("A", "FEAT-1");
    let view = desk
        .ada()
        .move_task(&task_id("A"), "FEAT-2-P7", false)
        .unwrap();
    assert_eq!(view.record.task.feature.as_str(), "FEAT-2");
    assert_eq!(view.record.priority.number(), 7);
    let outcome = desk.unchanged(|| desk.ada().move_task(&task_id("A"), "FEAT-3-P7", false));
    assert_eq!(code(outcome), Code::NotFound);
}
