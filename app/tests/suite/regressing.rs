//! What passed before a change runs again after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tasq_adapter_memory::MemoryTrust;
use tasq_app::{AppError, Code, OwnerRef, Regressed};
use tasq_domain::life::REGRESSIONS_ALLOWED;
use tasq_domain::{AnyId, FeatureId, Status, TestStatus};

use crate::desk::{Desk, completing, new_test, task_id};
use crate::house::{Wish, run};
use crate::play::{Play, Player, options};

/// A, which B waits for, which C waits for; D beside them, and E in another feature. All but A are completed, each by a
/// test case of its own, and their features have one as well.
fn stocked() -> Desk {
    let desk = Desk::with_tasks(&["A", "B", "C", "D"]);
    let mut new = crate::desk::new_feature(Some("FEAT-2"));
    new.epic = None;
    desk.ada().add_feature(&new).unwrap();
    let mut other = crate::desk::new_task("E");
    other.feature = Some("FEAT-2".to_owned());
    desk.ada().add_task(&other).unwrap();
    for id in ["A", "B", "C", "D", "E"] {
        desk.test(&format!("TEST-{id}"), id, &format!("test {id}"));
    }
    let owner = OwnerRef::Feature("FEAT-1".to_owned());
    desk.ada()
        .add_test(&owner, &new_test("TEST-F", "test F"))
        .unwrap();
    for id in ["A", "B", "C", "D", "E"] {
        finish(&desk, id);
    }
    let feature = AnyId::from(FeatureId::new("FEAT-1").unwrap());
    desk.ada()
        .verify(&feature, &Player::new([]), &options())
        .unwrap();
    for (task, on) in [("B", "A"), ("C", "B")] {
        let on = tasq_domain::Dependency {
            task: task_id(task),
            on: task_id(on),
        };
        tasq_ports::StoreExt::write(&desk.store, |tx| tx.insert_dependency(&on)).unwrap();
    }
    desk
}

fn finish(desk: &Desk, id: &str) {
    let claim = desk.claim(id);
    let player = Player::new([]);
    desk.ada()
        .verify(&task_id(id).into(), &player, &options())
        .unwrap();
    desk.ada()
        .complete(&completing(id, Some(claim.token)))
        .unwrap();
}

fn regress(desk: &Desk, player: &Player) -> Regressed {
    desk.ada()
        .regress(&task_id("A"), player, &options())
        .unwrap()
}

fn commands(player: &Player) -> Vec<String> {
    let specs = player.started().into_iter();
    specs.map(|mut spec| spec.argv.remove(2)).collect()
}

fn statuses(desk: &Desk) -> Vec<Status> {
    ["A", "B", "C", "D", "E"]
        .iter()
        .map(|id| desk.get(id).status)
        .collect()
}

#[test]
fn what_depends_on_a_task_and_its_feature_run_again() {
    let desk = stocked();
    let player = Player::new([]);
    let looked = regress(&desk, &player);
    assert_eq!(commands(&player), ["test B", "test C", "test D", "test F"]);
    assert!(looked.passed() && looked.reopened.is_empty());
    assert_eq!(looked.tests.len(), 4);
    assert!(
        statuses(&desk)
            .iter()
            .all(|status| *status == Status::Completed)
    );
}

#[test]
fn what_broke_is_reopened_and_the_rest_stays() {
    let desk = stocked();
    let player = Player::new([Play::Exit(0), Play::Exit(1), Play::Exit(0), Play::Exit(0)]);
    let looked = regress(&desk, &player);
    assert_eq!(looked.reopened, [task_id("C")]);
    assert_eq!(looked.broken[0].as_str(), "TEST-C");
    assert_eq!(desk.get("C").status, Status::Pending);
    let others: Vec<Status> = ["A", "B", "D", "E"]
        .iter()
        .map(|id| desk.get(id).status)
        .collect();
    assert_eq!(others, [Status::Completed; 4]);
    // A feature that has something to do again has its own test cases to pass again.
    let of_feature = desk
        .contents()
        .tests
        .into_iter()
        .find(|it| it.id.as_str() == "TEST-F");
    assert_ne!(of_feature.unwrap().status, TestStatus::Failing);
}

#[test]
fn only_what_passed_runs_again() {
    let desk = stocked();
    desk.ada().reopen(&task_id("B"), false).unwrap();
    let player = Player::new([]);
    regress(&desk, &player);
    assert_eq!(
        commands(&player),
        ["test C", "test D"],
        "B is open, and so is its feature"
    );
}

#[test]
fn a_task_that_breaks_again_and_again_is_blocked() {
    let desk = stocked();
    for time in 1..=REGRESSIONS_ALLOWED {
        let looked = regress(&desk, &Player::new([Play::Exit(1)]));
        assert_eq!(looked.reopened, [task_id("B")], "{time}");
        assert_eq!(desk.get("B").status, Status::Pending, "{time}");
        finish(&desk, "B");
    }
    regress(&desk, &Player::new([Play::Exit(1)]));
    let task = desk.get("B");
    assert_eq!(task.status, Status::Blocked);
    let why = task.blocked_reason.unwrap();
    assert!(why.as_str().contains("3 repairs: TEST-B"), "{why}");
    // Whoever unblocks it has looked at it.
    desk.ada().unblock(&task_id("B")).unwrap();
    finish(&desk, "B");
    regress(&desk, &Player::new([Play::Exit(1)]));
    assert_eq!(desk.get("B").status, Status::Pending);
}

#[test]
fn what_somebody_works_on_meanwhile_is_left_alone() {
    let desk = Arc::new(stocked());
    let there = Arc::clone(&desk);
    let meanwhile = move |_: &_| {
        there.ada().reopen(&task_id("B"), false).unwrap();
        drop(there.claim("B"));
    };
    let player = Player::new([Play::Does(Box::new(meanwhile), 1)]);
    let looked = regress(&desk, &player);
    assert_eq!(
        desk.get("B").status,
        Status::InProgress,
        "its holder keeps it"
    );
    assert_eq!(commands(&player)[..3], ["test B", "test C", "test D"]);
    assert!(looked.broken.is_empty());
}

#[test]
fn an_untrusted_command_is_refused_before_any_runs() {
    let desk = stocked();
    let (player, trust) = (Player::new([]), MemoryTrust::default());
    let refused = desk
        .ada()
        .with_trust(&trust)
        .regress(&task_id("A"), &player, &options());
    assert!(matches!(refused, Err(AppError::Untrusted(_))));
    assert!(player.started().is_empty());
    let unknown = desk.ada().regress(&task_id("GONE"), &player, &options());
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[test]
fn the_loop_reopens_what_a_task_broke_and_repairs_it() {
    let desk = stocked();
    desk.ada().reopen(&task_id("A"), false).unwrap();
    let starts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&starts);
    let agent = move |_: &_| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    // A's worker and test; B's test breaks, C, D and (none of the feature, which is open); B's worker and test.
    let player = Player::new([
        Play::Does(Box::new(agent), 0),
        Play::Exit(0),
        Play::Exit(0),
        Play::Exit(1),
    ]);
    let wish = Wish {
        regress: true,
        ..Wish::default()
    };
    let done = run(&desk, &player, &wish).0.unwrap();
    assert_eq!(done.completed, 2, "{:?}", commands_or_agents(&player));
    assert!(
        statuses(&desk)
            .iter()
            .all(|status| *status == Status::Completed)
    );
    assert_eq!(starts.load(Ordering::SeqCst), 1);
}

fn commands_or_agents(player: &Player) -> Vec<String> {
    let specs = player.started().into_iter();
    specs.map(|spec| spec.argv.join(" ")).collect()
}
