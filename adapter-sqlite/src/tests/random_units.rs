//! Random units of work, after each of which what it leaves to the next is compared with what is stored.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use tasq_domain::ready::Scope;
use tasq_domain::{
    Actor, CancelRequest, Claim, Dependency, EpicId, Event, EventKind, FeatureId, JsonObject,
    Proof, Reason, Source, Task, TestOwner, TestStatus, Token, Worker,
};
use tasq_ports::{StoreError, StoreExt, Tx};

use super::random::{
    EPICS, FEATURES, Random, TASKS, TESTS, check_derived, random_sql, random_write,
};
use super::{Fixture, at, task, test_case};

const UNITS: usize = 3_000;
const UNDONE: &str = "undone, as it was to be";

#[test]
fn whatever_is_written_what_is_carried_is_right() {
    let seed = 0x6361_7272_u64;
    println!("seed {seed}");
    let mut random = Random(seed);
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    let (mut committed, mut carried) = (0, [0; 3]);
    for number in 0..UNITS {
        let now = i64::try_from(number).unwrap();
        match random.below(16) {
            0 => {
                // Others write meanwhile, if they may.
                let _ = plain.batch_execute(&random_sql(&mut random));
                continue;
            }
            1 => {
                fixture.store.read(|tx| tx.contents()).unwrap();
                continue;
            }
            _ => {}
        }
        let undone = random.below(6) == 0;
        let mut parts = Vec::new();
        let ended: Result<(), StoreError> = fixture.store.write(|tx| {
            for part in 0..=random.below(4) {
                // Larger than any that was given so far.
                let seq = 10_000 * (now + 1) + 1_000 * i64::try_from(part).unwrap();
                parts.push(random_part(&mut random, tx, now, seq)?);
            }
            if undone {
                let what = UNDONE.to_owned();
                return Err(StoreError::Backend { what });
            }
            Ok(())
        });
        match ended {
            Ok(()) => committed += 1,
            Err(StoreError::Backend { what }) if what == UNDONE => {}
            Err(error) => panic!("unit {number}: {parts:?}: {error}"),
        }
        let wrongly = fixture.carried_wrongly();
        assert_eq!(wrongly, [""; 0], "after unit {number}: {parts:?}");
        let now = fixture.carried();
        carried = [0, 1, 2].map(|at| carried[at] + now[at]);
    }
    // Or nothing was compared.
    assert!(committed > UNITS / 2, "{committed}");
    let enough = carried.iter().all(|&sum| sum > UNITS / 4);
    assert!(enough, "{carried:?}");
    check_derived(&fixture);
}

/// A part of a unit: mostly one that leaves what is in hand, now and then any other write.
fn random_part(
    random: &mut Random,
    tx: &mut dyn Tx,
    now: i64,
    seq: i64,
) -> Result<String, StoreError> {
    let id = task(&random.id("T", TASKS), "F").id;
    let what = random.below(24);
    if what >= 19 {
        return random_write(random, tx, now);
    }
    let Some(record) = tx.task(&id)? else {
        let there = tx.feature(&FeatureId::new(random.id("F", FEATURES)).unwrap())?;
        if let Some(feature) = there {
            let _ = tx.insert_task(&Task {
                // A number of the caller's choice, or the next.
                seq: if random.maybe() { 0 } else { seq },
                ..task(id.as_str(), feature.id.as_str())
            })?;
        }
        return Ok(format!("add {id}"));
    };
    let on = task(&random.id("T", TASKS), "F").id;
    match what {
        0..=9 => {
            let _ = tx.standing(&record.task.feature)?;
            tx.update_task_life(&random_life(random, record.task, now))?;
        }
        10 | 11 => {
            let owner = TestOwner::Task(id.clone());
            let test = test_case(&random.id("X", TESTS), owner, TestStatus::Pending);
            let _ = tx.insert_test(&test)?;
        }
        12 if id != on && tx.has_task(&on)? => {
            tx.insert_dependency(&Dependency {
                task: id.clone(),
                on,
            })?;
        }
        13 => {
            tx.remove_dependency(&Dependency {
                task: id.clone(),
                on,
            })?;
        }
        14 => {
            let mut settings = tx.settings()?;
            settings.require_tests = random.maybe();
            tx.set_settings(&settings)?;
        }
        15 => {
            tx.append_event(&Event {
                seq: 0,
                at: at(now),
                actor: Actor::new("ada").unwrap(),
                kind: EventKind::Edited,
                entity: id.clone().into(),
                data: JsonObject::default(),
            })?;
        }
        16 => {
            let _ = tx.ready(&Scope::Queue, 3)?;
            tx.foresee(&[id.clone(), on])?;
        }
        _ => {
            for number in 0..EPICS {
                let _ = tx.epic(&EpicId::new(format!("E{number}")).unwrap())?;
            }
            let _ = tx.settings()?;
        }
    }
    Ok(format!("part {what} of {id}"))
}

/// The task with another life, of which every column is another now and then. It need not be one that a rule gives.
fn random_life(random: &mut Random, before: Task, now: i64) -> Task {
    let count = |random: &mut Random| u32::try_from(random.below(9)).unwrap();
    let actor = |name: String| Actor::new(name).unwrap();
    Task {
        updated_at: at(now),
        status: random.status(),
        blocked_reason: random
            .maybe()
            .then(|| Reason::new(random.id("why", 9)).unwrap()),
        retries_used: count(random),
        not_before: random.maybe().then(|| at(now + 5)),
        attempts: count(random),
        lost_in_a_row: count(random),
        claim: random.maybe().then(|| Claim {
            worker: Worker::new(random.id("w", 9)).unwrap(),
            token: Token {
                attempt: count(random),
                nonce: 7,
            },
            started_at: at(now),
            lease: Duration::from_micros(50),
            lease_expires_at: at(now + 50),
            process: None,
            cancel: random.maybe().then(|| CancelRequest {
                by: actor(random.id("p", 9)),
                at: at(now),
            }),
        }),
        completed_at: random.maybe().then(|| at(now)),
        proof: match random.below(4) {
            0 => None,
            1 => Some(Proof::Tests),
            2 => Some(Proof::Imported),
            _ => Some(Proof::Override {
                by: actor(random.id("p", 9)),
                reason: Reason::new(random.id("because", 9)).unwrap(),
            }),
        },
        // What a step does not change is not stored by it, whatever it is given.
        source: Some(Source {
            origin: "elsewhere".to_owned(),
            digest: "0".to_owned(),
        }),
        ..before
    }
}
