//! Whatever call of the store fails: the error comes out with its code, and nothing was changed.

use std::sync::Arc;
use std::time::Duration;

use tasq_adapter_memory::MemoryStore;
use tasq_app::{
    AddCheckpoint, App, AppError, Code, CompleteTask, EditEpic, EditFeature, EditTask, EditTest,
    FailTask, OwnerRef, ReleaseTask, Report, ScopeRef,
};
use tasq_domain::life::{self, FailureKind};
use tasq_domain::{AnyId, EpicId, FeatureId, OperationId, TestId};

use crate::desk::{
    Desk, FixedClock, claiming, claiming_next, completing, holder, new_epic, new_feature, new_task,
    new_test, ok, reason, task_id,
};
use crate::faulty::{Fault, FaultyStore};
use crate::play::{Play, Player, options};

/// Makes every call of the store fail in every way, one after the other, until the request is carried out.
#[track_caller]
fn at_every_call(what: &str, desk: &Desk, ask: impl Fn(&App<'_>) -> Result<(), AppError>) {
    let before = desk.contents();
    let with_op = |n: usize| Some(OperationId::new(format!("{what}-{n}")).unwrap());
    for n in 1.. {
        for (fault, code) in [
            (Fault::Full, Code::Storage),
            (Fault::Busy, Code::Busy),
            (Fault::OutcomeUnknown, Code::OutcomeUnknown),
        ] {
            desk.store.fail_at(n, fault);
            let outcome = ask(&desk.ada().with_op(with_op(n)));
            if !desk.store.fired() {
                outcome.unwrap_or_else(|error| panic!("{what} is refused: {error}"));
                assert!(n > 2, "{what} asks the store for more than that");
                assert!(desk.contents() != before, "{what} does something");
                return;
            }
            let error = outcome.expect_err("a call failed");
            assert_eq!(error.code(), code, "{what}, call {n}");
            let same = desk.contents() == before;
            assert!(same, "{what} changed something: call {n}, {fault:?}");
        }
    }
}

/// Tasks A (claimed), B (waits for A), C (completed), D (blocked) and LOST, whose lease has run out.
fn stocked() -> (Desk, tasq_app::ClaimView) {
    let desk = Desk::with_tasks(&["LOST", "A", "B", "C", "D"]);
    desk.claim("LOST");
    desk.clock.advance(Duration::from_secs(80));
    desk.test("TEST-C", "C", "true");
    let player = Player::new([]);
    let c = task_id("C").into();
    desk.ada().verify(&c, &player, &options()).unwrap();
    desk.ada().complete(&completing("C", None)).unwrap();
    let (a, b) = (task_id("A"), task_id("B"));
    desk.ada().depend(&b, &a, false).unwrap();
    desk.ada()
        .block(&task_id("D"), None, &reason("no"), false)
        .unwrap();
    let claim = desk.claim("A");
    desk.clock.advance(Duration::from_secs(20));
    (desk, claim)
}

#[test]
fn additions_are_whole_or_not_at_all() {
    let check = |what: &str, ask: &dyn Fn(&App<'_>) -> Result<(), AppError>| {
        at_every_call(what, &stocked().0, ask);
    };
    check("add_epic", &|app| ok(app.add_epic(&new_epic(None))));
    check(
        "add_feature",
        &|app| ok(app.add_feature(&new_feature(None))),
    );
    check("add_task", &|app| {
        let mut new = new_task("N");
        new.depends_on = vec!["A".to_owned()];
        new.tests = vec![new_test("TEST-N", "true")];
        ok(app.add_task(&new))
    });
    check("add_tasks", &|app| {
        let mut last = new_task("N2");
        last.depends_on = vec!["N1".to_owned()];
        ok(app.add_tasks(&[new_task("N1"), last]))
    });
    check("add_test", &|app| {
        let owner = OwnerRef::Feature("FEAT-1".to_owned());
        ok(app.add_test(&owner, &new_test("TEST-F", "true")))
    });
}

#[test]
fn what_holders_do_is_whole_or_not_at_all() {
    type Ask<'a> = &'a dyn Fn(&App<'_>, &tasq_app::ClaimView) -> Result<(), AppError>;
    let check = |what: &str, ask: Ask<'_>| {
        let (desk, claim) = stocked();
        at_every_call(what, &desk, |app| ask(app, &claim));
    };
    check("claim", &|app, _| ok(app.claim(&claiming_next())));
    check("claim_this", &|app, _| ok(app.claim(&claiming("LOST"))));
    check("heartbeat", &|app, claim| {
        ok(app.heartbeat(&holder(claim), None))
    });
    check("checkpoint", &|app, claim| {
        let new = AddCheckpoint {
            summary: reason("half"),
            next_steps: Vec::new(),
            data: None,
        };
        ok(app.checkpoint(&holder(claim), &new))
    });
    check("ask", &|app, claim| {
        let ask = life::Ask {
            text: reason("which?"),
            choices: Vec::new(),
        };
        ok(app.ask(&holder(claim), &ask))
    });
    check("complete_all", &|app, claim| {
        let all = [completing("A", Some(claim.token)), completing("B", None)];
        ok(app.complete_all(&all))
    });
    check("complete", &|app, claim| {
        let wanted = CompleteTask {
            next: Some(ScopeRef::Queue),
            ..completing("A", Some(claim.token))
        };
        ok(app.complete(&wanted))
    });
    check("fail", &|app, claim| {
        ok(app.fail(&FailTask {
            holder: holder(claim),
            kind: FailureKind::Failed,
            message: reason("red"),
            report: Report {
                log_path: Some("log".to_owned()),
                ..Report::default()
            },
        }))
    });
    check("release", &|app, claim| {
        ok(app.release(&ReleaseTask {
            holder: holder(claim),
            not_before: None,
            message: None,
            report: Report::default(),
        }))
    });
    check("block_own", &|app, claim| {
        ok(app.block(&task_id("A"), Some(claim.token), &reason("no"), false))
    });
}

#[test]
fn what_persons_do_is_whole_or_not_at_all() {
    let check = |what: &str, ask: &dyn Fn(&App<'_>) -> Result<(), AppError>| {
        at_every_call(what, &stocked().0, ask);
    };
    let (a, b, c, d) = (task_id("A"), task_id("B"), task_id("C"), task_id("D"));
    let epic: AnyId = EpicId::new("EPIC-1").unwrap().into();
    let feature = FeatureId::new("FEAT-1").unwrap();
    let test = TestId::new("TEST-C").unwrap();
    check("reap", &|app| ok(app.reap()));
    check(
        "complete_b",
        &|app| ok(app.complete(&completing("B", None))),
    );
    check("block", &|app| {
        ok(app.block(&b, None, &reason("no"), false))
    });
    check("unblock", &|app| ok(app.unblock(&d)));
    check("reopen", &|app| ok(app.reopen(&c, false)));
    check("retry", &|app| ok(app.retry(&d, false)));
    check("cancel", &|app| ok(app.cancel(&a)));
    check("hold", &|app| ok(app.hold(&epic, &reason("audit"), true)));
    check("depend", &|app| ok(app.depend(&a, &d, true)));
    check("undepend", &|app| ok(app.undepend(&b, &a, false)));
    check("remove", &|app| ok(app.remove(&epic, true)));
    check("remove_task", &|app| ok(app.remove(&(&a).into(), true)));
    check("remove_test", &|app| ok(app.remove(&(&test).into(), false)));
    check("move", &|app| ok(app.move_task(&b, "FEAT-1-P0", false)));
    check("judge", &|app| ok(app.judge_test(&test, false, Some("no"))));
    let id = EpicId::new("EPIC-1").unwrap();
    let status = tasq_domain::Status::Completed;
    let new = Some(tasq_domain::Name::new("renamed").unwrap());
    check("edit_epic", &|app| {
        let name = new.clone();
        ok(app.edit_epic(
            &id,
            &EditEpic {
                name,
                ..EditEpic::default()
            },
        ))
    });
    check("edit_feature", &|app| {
        let epic = Some(None);
        ok(app.edit_feature(
            &feature,
            &EditFeature {
                epic,
                ..EditFeature::default()
            },
        ))
    });
    check("edit_task", &|app| {
        ok(app.edit_task(&b, &EditTask::default(), false))
    });
    check("edit_test", &|app| {
        ok(app.edit_test(&test, &EditTest::default()))
    });
    check("status", &|app| {
        ok(app.set_task_status(&b, status, None, false))
    });
}

#[test]
fn a_lifted_hold_is_lifted_whole_or_not_at_all() {
    let (desk, _) = stocked();
    let feature: AnyId = FeatureId::new("FEAT-1").unwrap().into();
    desk.ada().hold(&feature, &reason("audit"), false).unwrap();
    at_every_call("unhold", &desk, |app| ok(app.unhold(&feature)));
}

#[test]
fn a_result_is_kept_whole_or_not_at_all() {
    let verify = |desk: &Desk| {
        let player = Player::new([Play::Exit(1)]);
        let c = task_id("C").into();
        desk.ada().verify(&c, &player, &options())
    };
    let (expected, _) = stocked();
    verify(&expected).unwrap();
    let (mut kept, mut lost) = (0, 0);
    for n in 1.. {
        let (desk, _) = stocked();
        let before = desk.contents();
        desk.store.fail_at(n, Fault::Full);
        let outcome = verify(&desk);
        if !desk.store.fired() {
            assert!(outcome.is_ok() && kept > 0 && lost > 0);
            return;
        }
        assert_eq!(outcome.unwrap_err().code(), Code::Storage, "call {n}");
        let after = desk.contents();
        // The command has run, so its result stays even if the answer cannot be read any more.
        if after == before {
            lost += 1;
        } else {
            assert!(after == expected.contents(), "half a result: call {n}");
            kept += 1;
        }
    }
}

#[test]
fn a_copy_is_whole_or_not_at_all() {
    let (source, _) = stocked();
    let settings = source.contents().settings;
    let clock = FixedClock::default();
    let empty = || FaultyStore::over(MemoryStore::new(&settings, Arc::new(clock.clone())));
    for n in 1.. {
        let target = empty();
        target.fail_at(n, Fault::Full);
        let outcome = source.ada().copy_to(&target);
        if !target.fired() {
            assert_eq!(outcome.unwrap().tasks, 5);
            return;
        }
        assert_eq!(outcome.unwrap_err().code(), Code::Storage, "call {n}");
        let items = tasq_ports::StoreExt::read(&target, |tx| tx.contents()).unwrap();
        assert!(items.epics.is_empty() && items.events.is_empty());
    }
}
