//! A queue as text: what it says, however many threads made it.

use tasq_app::{AddTask, Code};
use tasq_domain::{Description, JsonObject, TaskId};
use tasq_formats::snapshot::{Extra, encode};
use tasq_ports::{StoreError, StoreExt};

use crate::desk::{Desk, completing, new_task};
use crate::faulty::Fault;

/// So few that one thread does it, and so many that two do.
const SIZES: [usize; 2] = [3, 2_600];

fn desk(tasks: usize) -> Desk {
    let ids: Vec<String> = (0..tasks).map(|number| format!("T{number}")).collect();
    Desk::with_tasks(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_text_of_an_export_is_that_of_its_contents() {
    for tasks in SIZES {
        let desk = desk(tasks);
        desk.claim("T1");
        desk.ada().complete(&completing("T2", None)).unwrap();
        let mut bytes = Vec::new();
        let text = desk.ada().export_text().unwrap();
        text.write_to(&mut bytes).unwrap();
        let contents = desk.ada().export().unwrap();
        assert_eq!(contents.tasks.len(), tasks);
        let whole = encode(&contents, &Extra::default()).unwrap();
        assert!(bytes == whole.as_bytes(), "{tasks} tasks");
        assert!(!whole.contains("\"claim\""), "a claim does not move");
    }
}

#[test]
fn long_tasks_in_any_order_are_exported_by_their_ids() {
    let desk = desk(0);
    let count = SIZES[1];
    let tasks: Vec<AddTask> = (0..count)
        .map(|number| {
            let long = format!("{number} {}", "long ".repeat(1_200));
            AddTask {
                description: Description::new(long).unwrap(),
                ..new_task(&format!("T{}", number * 37 % count))
            }
        })
        .collect();
    desk.ada().add_tasks(&tasks).unwrap();
    let mut bytes = Vec::new();
    let text = desk.ada().export_text().unwrap();
    text.write_to(&mut bytes).unwrap();
    let contents = desk.ada().export().unwrap();
    assert_eq!(contents.tasks.len(), count);
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

#[test]
fn metadata_that_is_no_json_ends_an_export() {
    for tasks in SIZES {
        let desk = desk(tasks);
        desk.store
            .write(|tx| {
                let id = TaskId::new("T2").expect("an id");
                let mut task = tx.task(&id)?.expect("it was added").task;
                task.metadata = JsonObject::new("{no}").expect("it has braces");
                tx.update_task(&task)?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
        let error = desk.ada().export_text().unwrap_err();
        assert_eq!(error.code(), Code::Damaged, "{tasks} tasks");
        assert!(error.to_string().contains("task:T2"), "{error}");
    }
}
