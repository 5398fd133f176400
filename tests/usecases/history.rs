//! Events: what happened, in order.

use tasq_app::ScopeRef;
use tasq_domain::Status;

use super::desk::{
    Desk, any_epic, any_feature, any_task, manual, of_feature, reason, releasing, task_id, urgent,
};

pub(crate) fn each_change_has_one_event_and_each_rolled_up_parent_its_own(desk: &Desk) {
    let told = desk.told(|| drop(desk.epic("EPIC-1")));
    assert_eq!(told, ["created EPIC-1"]);
    let told = desk.told(|| drop(desk.feature("FEAT-1", Some("EPIC-1"))));
    assert_eq!(told, ["created FEAT-1"]);
    let told = desk.told(|| drop(desk.task("A", "FEAT-1")));
    assert_eq!(told, ["created A"]);
    desk.task("B", "FEAT-1");
    let told = desk.told(|| drop(desk.claim()));
    assert_eq!(told, ["claimed A", "rolled_up FEAT-1", "rolled_up EPIC-1"]);
    let told = desk.told(|| drop(desk.claim()));
    assert_eq!(told, ["claimed B"]);
    desk.pass_time(1_000);
    let told = desk.told(|| drop(desk.try_claim(ScopeRef::Task("A".to_owned()))));
    // Taken back and handed out again within one step, so the parents are what they were.
    assert_eq!(told, ["lost A", "lost B", "claimed A"]);
    let told = desk.told(|| drop(desk.ada().reopen(&task_id("A"), true).unwrap()));
    assert_eq!(told, ["reopened A", "rolled_up FEAT-1", "rolled_up EPIC-1"]);
    let told = desk.told(|| {
        let feature = any_feature("FEAT-1");
        desk.ada().hold(&feature, &reason("audit"), false).unwrap();
    });
    assert_eq!(told, ["held FEAT-1", "rolled_up EPIC-1"]);
    let told = desk.told(|| drop(desk.ada().unhold(&any_feature("FEAT-1")).unwrap()));
    assert_eq!(told, ["unheld FEAT-1", "rolled_up EPIC-1"]);
    desk.complete("A");
    let told = desk.told(|| drop(desk.complete("B")));
    assert_eq!(
        told,
        ["completed B", "rolled_up FEAT-1", "rolled_up EPIC-1"]
    );
    let told = desk.told(|| {
        let mut gate = manual("sign it off");
        gate.required = true;
        desk.test("TEST-F", &of_feature("FEAT-1"), &gate);
    });
    assert_eq!(
        told,
        ["created TEST-F", "rolled_up FEAT-1", "rolled_up EPIC-1"]
    );
    let told = desk.told(|| desk.remove(&any_task("B"), false));
    assert_eq!(told, ["removed B"]);
    let told = desk.told(|| desk.remove(&any_epic("EPIC-1"), false));
    assert_eq!(told, ["removed EPIC-1"]);
}

pub(crate) fn event_numbers_rise(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let first = desk.events();
    desk.complete("A");
    let all = desk.events();
    assert_eq!(all[..first.len()], first, "what was told stays told");
    assert!(all.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert!(all.iter().all(|event| event.actor.as_str() == "ada"));
    let claimed = desk.told(|| {
        desk.reopen("A");
        let claim = desk.claim();
        desk.worker(&claim).release(&releasing(&claim)).unwrap();
    });
    assert_eq!(claimed.len(), 6, "{claimed:?}");
    assert_eq!(desk.events().last().unwrap().actor.as_str(), "w1");
}

pub(crate) fn time_never_runs_back_within_an_item(desk: &Desk) {
    let long_ago = crate::contract::make::at(-1_000_000);
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.task("A", "FEAT-1");
    desk.bench.clock.set(long_ago);
    desk.ada()
        .hold(&any_epic("EPIC-1"), &reason("audit"), false)
        .unwrap();
    desk.ada().unhold(&any_epic("EPIC-1")).unwrap();
    let claim = desk.claim();
    assert_eq!(claim.lease_expires_at, crate::contract::make::at(90));
    desk.fail(&claim, "red").unwrap();
    desk.bench.clock.set(crate::contract::make::at(1_000));
    let claim = desk.claim();
    desk.bench.clock.set(long_ago);
    desk.finish(&claim).unwrap();
    desk.reopen("A");
    let edit = tasq_app::EditTask::default();
    desk.ada().edit_task(&task_id("A"), &edit, false).unwrap();
    desk.add(&urgent("B", "FEAT-1", 0));
    desk.ada()
        .move_task(&task_id("A"), "FEAT-1-P1", false)
        .unwrap();
    assert_eq!(desk.status("A"), Status::Pending);
    // `Desk::check` compares the events of each item.
    let task = desk.get("A");
    assert_eq!(task.updated_at, crate::contract::make::at(1_000));
}
