//! A queue as text: what it says, however many threads made it.

use tasq_app::Code;
use tasq_domain::{JsonObject, TaskId};
use tasq_formats::snapshot::{Extra, encode};
use tasq_ports::{StoreError, StoreExt};

use crate::desk::Desk;

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
