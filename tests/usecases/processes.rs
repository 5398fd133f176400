//! Claims that name their process, on every store. The processes are those of a [`Town`], so that they live and die as
//! a test wants.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tasq_app::{App, ClaimTasks, ClaimView, Code, CompleteTask, ScopeRef, WhichTask};
use tasq_domain::{OperationId, Outcome, Place, Process, Status};
use tasq_ports::Processes;

use super::desk::{Desk, LEASE, claims, code, completing, id_of, name_of, task_id};
use crate::contract::make::{place, process};

/// The processes at one place, each with its start.
struct Town {
    place: Option<Place>,
    lives: Mutex<BTreeMap<u32, u64>>,
}

impl Town {
    fn at(place: Place) -> Self {
        Self {
            place: Some(place),
            lives: Mutex::default(),
        }
    }

    fn start(&self, pid: u32, started_ticks: u64) {
        self.lives.lock().unwrap().insert(pid, started_ticks);
    }

    fn end(&self, pid: u32) {
        self.lives.lock().unwrap().remove(&pid);
    }
}

impl Processes for Town {
    fn place(&self) -> Option<Place> {
        self.place
    }

    fn identify(&self, pid: u32) -> Option<Process> {
        let started = *self.lives.lock().unwrap().get(&pid)?;
        Some(process(self.place?, pid, started))
    }

    fn is_gone(&self, process: &Process) -> bool {
        let found = self.lives.lock().unwrap().get(&process.pid).copied();
        let gone = |here: Place| process.is_gone(&here, found);
        self.place.is_some_and(gone)
    }
}

fn by(pid: u32) -> ClaimTasks {
    ClaimTasks {
        pid: Some(pid),
        ..claims(WhichTask::Next(ScopeRef::Queue), 1)
    }
}

fn someone<'a>(desk: &'a Desk, town: &'a Town) -> App<'a> {
    desk.ada().with_processes(town)
}

fn claimed(desk: &Desk, town: &Town, pid: u32) -> ClaimView {
    someone(desk, town).claim(&by(pid)).unwrap().remove(0)
}

fn process_of(desk: &Desk, task: &str) -> Option<Process> {
    desk.get(task).claim.unwrap().process
}

pub(crate) fn the_end_of_a_process_loses_its_claim_at_once(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    let first = claimed(desk, &town, 7);
    assert_eq!(process_of(desk, "A"), Some(process(place(1), 7, 100)));
    let ada = someone(desk, &town);
    assert_eq!(code(ada.claim(&by(7))), Code::NothingReady);
    town.end(7);
    town.start(8, 200);
    // Looking changes nothing, and sees what a claim would get.
    assert_eq!(
        desk.unchanged(|| ada.next(&ScopeRef::Queue))
            .unwrap()
            .record
            .task
            .id,
        task_id("A")
    );
    let told = desk.told(|| drop(claimed(desk, &town, 8)));
    assert_eq!(told, ["lost A", "claimed A"]);
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::InProgress, 1));
    let ends = desk.contents().attempts;
    let end = ends[0].end.as_ref().unwrap();
    assert_eq!(end.outcome, Outcome::Lost);
    assert_eq!(
        end.message.as_ref().unwrap().as_str(),
        "its process is gone"
    );
    assert_eq!(code(desk.finish(&first)), Code::Conflict);
}

pub(crate) fn an_id_that_is_used_again_is_another_process(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    claimed(desk, &town, 7);
    town.start(7, 101);
    let reaped = someone(desk, &town).reap().unwrap().tasks;
    assert_eq!(reaped.len(), 1);
    assert_eq!(desk.status("A"), Status::Pending);
}

pub(crate) fn from_another_place_the_lease_alone_decides(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    claimed(desk, &town, 7);
    town.end(7);
    let elsewhere = Town::at(place(2));
    let nowhere = Town {
        place: None,
        lives: Mutex::default(),
    };
    for judge in [
        desk.ada(),
        someone(desk, &elsewhere),
        someone(desk, &nowhere),
    ] {
        let wanted = claims(WhichTask::Next(ScopeRef::Queue), 1);
        assert_eq!(code(judge.claim(&wanted)), Code::NothingReady);
        assert!(judge.reap().unwrap().tasks.is_empty());
    }
    desk.pass_time(LEASE.as_secs());
    let other = someone(desk, &elsewhere).claim(&claims(WhichTask::Next(ScopeRef::Queue), 1));
    assert_eq!(name_of(&other.unwrap()[0]), "A");
}

pub(crate) fn a_lease_runs_out_though_the_process_lives(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    claimed(desk, &town, 7);
    desk.pass_time(LEASE.as_secs());
    let reaped = someone(desk, &town).reap().unwrap().tasks;
    assert_eq!(reaped.len(), 1);
    let lost = desk
        .events()
        .into_iter()
        .rev()
        .find(|event| event.kind.as_str() == "lost");
    assert!(lost.unwrap().data.as_str().contains("its lease ran out"));
}

pub(crate) fn a_gone_process_whose_lease_ran_out_is_lost_once(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    claimed(desk, &town, 7);
    town.end(7);
    desk.pass_time(LEASE.as_secs());
    let told = desk.told(|| drop(someone(desk, &town).reap().unwrap()));
    assert_eq!(told, ["lost A", "rolled_up FEAT-1"]);
    assert_eq!(desk.get("A").retries_used, 1);
}

pub(crate) fn who_claims_the_next_stays_the_same_process(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.task("B", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    let first = claimed(desk, &town, 7);
    let wanted = CompleteTask {
        next: Some(ScopeRef::Queue),
        ..completing(id_of(&first), Some(first.token))
    };
    // Its holder's command need not know of processes at all.
    let next = desk.worker(&first).complete(&wanted).unwrap().next.unwrap();
    assert_eq!(name_of(&next), "B");
    assert_eq!(process_of(desk, "B"), Some(process(place(1), 7, 100)));
}

pub(crate) fn a_process_that_is_not_there_cannot_claim(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    let refused = desk.unchanged(|| someone(desk, &town).claim(&by(7)));
    assert_eq!(code(refused), Code::Usage);
    // Where processes cannot be told apart there is nothing to record, and no reason to refuse.
    let nowhere = Town {
        place: None,
        lives: Mutex::default(),
    };
    claimed(desk, &nowhere, 7);
    assert_eq!(process_of(desk, "A"), None);
}

pub(crate) fn a_repeated_claim_is_answered_though_its_process_is_gone(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let town = Town::at(place(1));
    town.start(7, 100);
    let op = || Some(OperationId::new("claim-1").unwrap());
    let first = someone(desk, &town).with_op(op()).claim(&by(7)).unwrap();
    town.end(7);
    let again = someone(desk, &town).with_op(op()).claim(&by(7)).unwrap();
    assert_eq!(again[0].token, first[0].token);
    town.start(8, 100);
    let other = someone(desk, &town).with_op(op()).claim(&by(8));
    assert_eq!(code(other), Code::Conflict);
}
