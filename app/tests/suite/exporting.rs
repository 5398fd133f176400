//! A queue as text: what it says, however many threads made it.

use tasq_app::{AddTask, Code};
use tasq_domain::{Description, Feature, FeatureId, JsonObject, Status, Task, TaskId};
use tasq_formats::snapshot::{Extra, encode};
use tasq_ports::{StoreError, StoreExt};

use crate::desk::{Desk, new_feature, new_task};
use crate::faulty::Fault;

/// So few that they are read at once, so many that they are not, and so many that two threads write them: 11 batches, of which
/// one is with the other thread and 8 wait for it when the tenth is read.
const SIZES: [usize; 3] = [3, 1_000, 2_600];
const MANY: usize = SIZES[2];
/// In the tenth batch.
const LATE: &str = "T2400";

/// A queue of so many tasks, 100 in a feature. Those of every other feature are completed, and it has its status from them.
fn desk(tasks: usize) -> Desk {
    let desk = Desk::with_tasks(&[]);
    let feature = |number: usize| format!("F{}", number / 100);
    for first in (0..tasks).step_by(100) {
        desk.ada()
            .add_feature(&new_feature(Some(&feature(first))))
            .unwrap();
    }
    desk.store
        .write(|tx| {
            for number in 0..tasks {
                let id = TaskId::new(format!("T{number}")).expect("an id");
                let feature = FeatureId::new(feature(number)).expect("an id");
                let text = Description::new("work").expect("a text");
                let task = Task::new(id, feature, text, tx.now());
                let completed = number / 100 % 2 == 1;
                let _ = tx.insert_task(&Task {
                    status: if completed {
                        Status::Completed
                    } else {
                        task.status
                    },
                    completed_at: completed.then_some(task.created_at),
                    ..task
                })?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    desk
}

/// The text of an export, on two threads if the queue is large.
fn exported(desk: &Desk, tasks: usize) -> Vec<u8> {
    if tasks == MANY {
        desk.store.show_tasks_to_two_threads();
    }
    let mut bytes = Vec::new();
    let text = desk.ada().export_text().unwrap();
    text.write_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_text_of_an_export_is_that_of_its_contents() {
    for tasks in SIZES {
        let desk = desk(tasks);
        desk.claim("T1");
        let bytes = exported(&desk, tasks);
        let contents = desk.ada().export().unwrap();
        assert_eq!(contents.tasks.len(), tasks);
        let completed = |feature: &&Feature| feature.status == Status::Completed;
        let completed = contents.features.iter().filter(completed).count();
        assert_eq!(completed, tasks / 200);
        let whole = encode(&contents, &Extra::default()).unwrap();
        assert!(bytes == whole.as_bytes(), "{tasks} tasks");
        assert!(!whole.contains("\"claim\""), "a claim does not move");
    }
}

#[test]
fn long_tasks_in_any_order_are_exported_by_their_ids() {
    let desk = Desk::with_tasks(&[]);
    let tasks: Vec<AddTask> = (0..MANY)
        .map(|number| {
            let long = format!("{number} {}", "long ".repeat(1_200));
            AddTask {
                description: Description::new(long).unwrap(),
                ..new_task(&format!("T{}", number * 37 % MANY))
            }
        })
        .collect();
    desk.ada().add_tasks(&tasks).unwrap();
    let bytes = exported(&desk, MANY);
    let contents = desk.ada().export().unwrap();
    assert_eq!(contents.tasks.len(), MANY);
    assert!(bytes == encode(&contents, &Extra::default()).unwrap().as_bytes());
}

#[test]
fn a_store_that_fails_half_way_ends_an_export() {
    for tasks in SIZES {
        let desk = desk(tasks);
        let calls = desk.store.calls(|| {
            desk.ada().export_text().unwrap();
        });
        assert!(calls > tasks, "each task is a call");
        // Before there is any task, the first batch being the last of these calls; then among the first tasks, in the middle,
        // and at the last task, after which only the end of the unit is a call. Which of two threads meets those is up to them.
        for n in (1..=4).chain([calls - tasks, calls - tasks / 2, calls - 1]) {
            desk.store.fail_at(n, Fault::Full);
            let error = desk.ada().export_text().unwrap_err();
            assert!(desk.store.fired());
            assert_eq!(error.code(), Code::Storage, "{tasks} tasks, call {n}");
        }
    }
}

/// Whichever thread meets it: it is in the first batch, which is with the other one if there are two, or it is in one that
/// the reading thread writes.
#[test]
fn metadata_that_is_no_json_ends_an_export() {
    for (tasks, bad) in SIZES
        .map(|tasks| (tasks, "T2"))
        .into_iter()
        .chain([(MANY, LATE)])
    {
        let desk = desk(tasks);
        desk.store
            .write(|tx| {
                let id = TaskId::new(bad).expect("an id");
                let mut task = tx.task(&id)?.expect("it was added").task;
                task.metadata = JsonObject::new("{no}").expect("it has braces");
                tx.update_task(&task)?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
        if tasks == MANY {
            desk.store.show_tasks_to_two_threads();
        }
        let error = desk.ada().export_text().unwrap_err();
        assert_eq!(error.code(), Code::Damaged, "{tasks} tasks");
        assert!(
            error.to_string().contains(&format!("task:{bad}")),
            "{error}"
        );
    }
}
