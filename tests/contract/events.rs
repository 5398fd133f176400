//! The log of events, and the operations that make repeating safe.

use std::collections::BTreeMap;

use tasq_domain::{
    AnyId, Attempt, Event, EventKind, JsonObject, Operation, OperationId, TaskId, Worker,
};
use tasq_ports::{Access, EventFilter, StoreError, Tx, Verdict};

use super::Bench;
use super::answers::assert_refused;
use super::make::{
    actor, at, attempt, epic_id, event, feature, feature_id, task, task_id, test_id, with_attempts,
};
use super::stores::one_of_every_kind;

fn append(bench: &Bench, event: &Event) -> i64 {
    bench.write(|tx| tx.append_event(event))
}

fn seqs(bench: &Bench, entity: Option<AnyId>, after: i64, limit: u32) -> Vec<i64> {
    let filter = EventFilter {
        entity,
        after,
        limit,
    };
    let events = bench.read(|tx| tx.events(&filter));
    assert_eq!(bench.write(|tx| tx.events(&filter)), events);
    events.iter().map(|it| it.seq).collect()
}

pub(crate) fn numbers_rise_and_are_answered(bench: &Bench) {
    let plain = event(EventKind::Created, task_id("TASK-1"));
    let newest = || bench.read(|tx| tx.newest_event());
    assert_eq!(newest(), 0);
    assert_eq!(append(bench, &plain), 1);
    assert_eq!(append(bench, &plain), 2);
    let given = Event {
        seq: 100,
        ..plain.clone()
    };
    assert_eq!(append(bench, &given), 100);
    assert_eq!(newest(), 100);
    let both = bench.write(|tx| Ok((tx.append_event(&plain)?, tx.append_event(&plain)?)));
    assert_eq!(both, (101, 102));
    assert_eq!(bench.write(|tx| tx.newest_event()), 102);
    assert_eq!(seqs(bench, None, 0, 10), [1, 2, 100, 101, 102]);
}

/// Of several times, actors and kinds of items, as many as no store writes in one piece.
pub(crate) fn events_of_one_unit_keep_their_order_however_many_there_are(bench: &Bench) {
    let mut said = Vec::new();
    for number in 0..75_i64 {
        let entity: AnyId = match number {
            20..=30 => feature_id("FEAT-1").into(),
            _ => task_id(&format!("TASK-{}", number % 7)).into(),
        };
        said.push(Event {
            at: at(number / 40),
            actor: actor(if number < 50 { "ada@host" } else { "bob@host" }),
            data: JsonObject::new(format!(r#"{{"n":{number}}}"#)).unwrap(),
            // Some choose a number, and leave a gap.
            seq: if number == 60 { 100 } else { 0 },
            ..event(
                EventKind::ALL[number as usize % EventKind::ALL.len()],
                entity,
            )
        });
    }
    for unit in said.chunks(37) {
        let first = bench.read(|tx| tx.newest_event()) + 1;
        let numbers: Vec<i64> = bench.write(|tx| {
            let appended = unit.iter().map(|it| tx.append_event(it));
            appended.collect()
        });
        assert_eq!(numbers[0], first);
        for (event, seq) in unit.iter().zip(&numbers) {
            let filter = EventFilter {
                entity: Some(event.entity.clone()),
                after: seq - 1,
                limit: 1,
            };
            let expected = Event {
                seq: *seq,
                ..event.clone()
            };
            assert_eq!(bench.read(|tx| tx.events(&filter)), [expected]);
        }
    }
    let expected: Vec<i64> = (1..=60).chain(100..=114).collect();
    assert_eq!(seqs(bench, None, 0, 200), expected);
}

/// However late a store writes them.
pub(crate) fn what_a_unit_appended_it_reads(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    for number in 0..20 {
        bench.put(&task(&format!("TASK-{number}"), "FEAT-1"));
    }
    let ids: Vec<_> = (0..20).map(|it| task_id(&format!("TASK-{it}"))).collect();
    let begins = |id: &TaskId, number: usize| Attempt {
        worker: Worker::new(if number < 9 { "w1" } else { "w2" }).unwrap(),
        end: None,
        ..attempt(id.as_str(), 1)
    };
    let end = attempt("TASK-0", 1).end.unwrap();
    bench.write(|tx| {
        let before = tx.newest_event()?;
        let mut begun = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            let task = tx.task(id)?.unwrap().task;
            tx.update_task(&with_attempts(1, task))?;
            begun.push(begins(id, number));
            tx.insert_attempt(&begun[number])?;
            let seq = tx.append_event(&event(EventKind::Claimed, id.clone()))?;
            assert_eq!(tx.newest_event()?, seq);
            let of_it = EventFilter {
                entity: Some(id.clone().into()),
                after: before,
                limit: 5,
            };
            assert_eq!(tx.events(&of_it)?.len(), 1);
        }
        let ended = |number: usize| Attempt {
            end: Some(end.clone()),
            ..begun[number].clone()
        };
        // Each of them is asked for after another one was begun.
        let begin_next = |tx: &mut dyn Tx, number: usize| {
            let next = Attempt {
                token: attempt("TASK-0", 2).token,
                ..begun[number].clone()
            };
            tx.update_attempt(&ended(number))?;
            let task = tx.task(&ids[number])?.unwrap().task;
            tx.update_task(&with_attempts(2, task))?;
            tx.insert_attempt(&next)?;
            Ok::<_, StoreError>(next)
        };
        let next = begin_next(tx, 0)?;
        assert_eq!(tx.attempt(&ids[0], 2)?, Some(next));
        let next = begin_next(tx, 1)?;
        assert_eq!(tx.attempts_of(&ids[1])?, [ended(1), next]);
        begin_next(tx, 2)?;
        assert!(tx.end_attempt(&ids[2], 2, &end)?);
        let next = begin_next(tx, 3)?;
        tx.update_attempt(&Attempt {
            end: Some(end.clone()),
            ..next
        })?;
        for number in [2, 3] {
            let attempts = tx.attempts_of(&ids[number])?;
            assert!(attempts.iter().all(|it| it.end.is_some()), "{attempts:?}");
        }
        // Nothing is left open without a claim.
        for (number, id) in ids.iter().enumerate() {
            if number >= 4 {
                tx.update_attempt(&ended(number))?;
            } else if number < 2 {
                assert!(tx.end_attempt(id, 2, &end)?);
            }
        }
        Ok(())
    });
    bench.assert_consistent();
}

pub(crate) fn a_number_in_an_undone_unit_is_not_seen(bench: &Bench) {
    let plain = event(EventKind::Created, task_id("TASK-1"));
    append(bench, &plain);
    bench
        .store
        .run(Access::Write, &mut |tx| {
            assert_eq!(tx.append_event(&plain)?, 2);
            Ok(Verdict::Rollback)
        })
        .unwrap();
    assert_eq!(seqs(bench, None, 0, 10), [1]);
    let next = append(bench, &plain);
    assert!(next > 1);
    assert_eq!(seqs(bench, None, 0, 10), [1, next]);
}

pub(crate) fn every_filter_of_events_holds(bench: &Bench) {
    let same = "SAME";
    for entity in [
        AnyId::from(task_id(same)),
        AnyId::from(feature_id(same)),
        AnyId::from(task_id(same)),
        AnyId::from(epic_id(same)),
        AnyId::from(test_id(same)),
        AnyId::from(task_id("same")),
        AnyId::from(task_id(same)),
    ] {
        append(bench, &event(EventKind::Edited, entity));
    }
    let task = || Some(AnyId::from(task_id(same)));
    assert_eq!(seqs(bench, None, 0, 100), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(seqs(bench, None, 0, 2), [1, 2]);
    assert_eq!(seqs(bench, None, 2, 2), [3, 4]);
    assert!(seqs(bench, None, 7, 2).is_empty());
    assert_eq!(seqs(bench, None, -1, 1), [1]);
    assert_eq!(seqs(bench, None, 0, u32::MAX).len(), 7);
    assert_eq!(seqs(bench, task(), 0, 100), [1, 3, 7]);
    assert_eq!(seqs(bench, task(), 1, 1), [3]);
    assert_eq!(seqs(bench, Some(feature_id(same).into()), 0, 100), [2]);
    assert_eq!(seqs(bench, Some(epic_id(same).into()), 0, 100), [4]);
    assert_eq!(seqs(bench, Some(test_id(same).into()), 0, 100), [5]);
    assert!(seqs(bench, Some(task_id("none").into()), 0, 100).is_empty());
    assert!(seqs(bench, None, 0, 0).is_empty());
}

/// However a store finds them: from the first to the last, from each number on, also of items of one name, and of one that
/// was removed and made again.
pub(crate) fn events_of_an_item_are_found_among_many(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    let again = task("TASK-0", "FEAT-1");
    let mut of_items: BTreeMap<AnyId, Vec<i64>> = BTreeMap::new();
    let mut entities: Vec<AnyId> = (0..5)
        .map(|number| task_id(&format!("TASK-{number}")).into())
        .collect();
    entities.extend([AnyId::from(epic_id("TASK-1")), feature_id("FEAT-1").into()]);
    let mut appended = 0_usize;
    // So that those that are not there get the same numbers here as where all of it is loaded.
    bench.put(&again);
    bench.write(|tx| tx.remove_task(&again.id));
    for (unit, size) in [1, 250, 3, 2, 1, 300, 0, 17, 600, 0, 9]
        .into_iter()
        .enumerate()
    {
        if unit % 3 == 1 {
            bench.put(&again);
        }
        // What was undone leaves nothing.
        let undone = bench.store.run(Access::Write, &mut |tx| {
            for _ in 0..size {
                tx.append_event(&event(EventKind::Edited, entities[0].clone()))?;
            }
            Ok(Verdict::Rollback)
        });
        undone.unwrap();
        bench.write(|tx| {
            for number in 0..size {
                // Each comes as often as any other.
                let entity = &entities[(appended + appended / entities.len()) % entities.len()];
                appended += 1;
                let seq = tx.append_event(&Event {
                    // Some choose a number, and leave a gap.
                    seq: match (unit, number) {
                        (5, 100) => 1_000,
                        (8, 300) => 2_047,
                        _ => 0,
                    },
                    ..event(EventKind::Edited, entity.clone())
                })?;
                of_items.entry(entity.clone()).or_default().push(seq);
            }
            // A unit finds its own.
            for entity in &entities[..2] {
                let found = tx.events(&EventFilter {
                    entity: Some(entity.clone()),
                    after: 0,
                    limit: u32::MAX,
                })?;
                let seqs = of_items.get(entity).cloned().unwrap_or_default();
                assert!(found.iter().map(|it| it.seq).eq(seqs), "unit {unit}");
            }
            Ok(())
        });
        if unit % 3 == 2 {
            bench.write(|tx| tx.remove_task(&again.id));
        }
    }
    assert_eq!(of_items.len(), entities.len());
    assert!(of_items.values().all(|seqs| seqs.len() > 50));
    // All of it in one piece, too.
    let contents = bench.contents();
    let loaded = one_of_every_kind();
    for other in &loaded {
        other.write(|tx| tx.load(&contents));
    }
    for bench in loaded.iter().chain([bench]) {
        assert_events_of(bench, &of_items);
    }
}

fn assert_events_of(bench: &Bench, of_items: &BTreeMap<AnyId, Vec<i64>>) {
    for (entity, all) in of_items {
        assert_eq!(&seqs(bench, Some(entity.clone()), 0, u32::MAX), all);
        for after in [
            1, 100, 254, 255, 256, 257, 511, 512, 513, 999, 1_000, 2_046, 2_047,
        ] {
            for limit in [1, 7, 200] {
                let later = all.iter().copied().filter(|&seq| seq > after);
                let expected: Vec<i64> = later.take(limit as usize).collect();
                let found = seqs(bench, Some(entity.clone()), after, limit);
                assert_eq!(found, expected, "{entity} after {after}, {limit} of them");
            }
        }
    }
}

pub(crate) fn every_kind_of_event_comes_back(bench: &Bench) {
    bench.write(|tx| {
        for &kind in EventKind::ALL {
            tx.append_event(&event(kind, task_id("TASK-1")))?;
        }
        Ok::<_, StoreError>(())
    });
    let kinds: Vec<EventKind> = bench.contents().events.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, EventKind::ALL);
}

fn operation(id: &str) -> Operation {
    Operation {
        id: OperationId::new(id).unwrap(),
        use_case: "claim".to_owned(),
        digest: "00ff".to_owned(),
        answer: format!("answer to {id}"),
    }
}

pub(crate) fn operations_are_kept_up_to_a_number(bench: &Bench) {
    let kept = || {
        let operations = bench.contents().operations;
        let ids: Vec<String> = operations.iter().map(|it| it.id.to_string()).collect();
        ids.join(" ")
    };
    // Against the order of their ids.
    for id in ["e", "d", "c"] {
        bench.write(|tx| tx.insert_operation(&operation(id), 3));
    }
    assert_eq!(kept(), "e d c");
    bench.write(|tx| tx.insert_operation(&operation("b"), 3));
    assert_eq!(kept(), "d c b");
    bench.write(|tx| {
        tx.insert_operation(&operation("a"), 3)?;
        assert_eq!(tx.operation(&operation("d").id)?, None);
        assert_eq!(tx.operation(&operation("a").id)?, Some(operation("a")));
        Ok(())
    });
    // A smaller number forgets more at once, and what was forgotten is new again.
    bench.write(|tx| tx.insert_operation(&operation("d"), 1));
    assert_eq!(kept(), "d");
    bench.write(|tx| tx.insert_operation(&operation("a"), 100));
    assert_eq!(kept(), "d a");
}

pub(crate) fn a_known_operation_id_is_refused(bench: &Bench) {
    bench.write(|tx| tx.insert_operation(&operation("a"), 10));
    assert_refused(bench, "the same id", |tx| {
        tx.insert_operation(&operation("a"), 10)
    });
    bench.write(|tx| tx.insert_operation(&operation("A"), 10));
    assert_eq!(bench.contents().operations.len(), 2);
}
