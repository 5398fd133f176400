//! The JSON store on a real disk: what reaches the files, and what survives faults.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod care;
mod edits;
mod faults;
mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tasq_adapter_json::{JsonStore, Options, SideFiles};
use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, AnyId, Attempt, Claim, Description, Event, EventKind, Feature, FeatureId, JsonObject,
    Name, Operation, OperationId, Priority, Settings, Status, StoreId, Task, TaskId, Timestamp,
    Token, Worker,
};
use tasq_ports::{Clock, EventFilter, StoreError, StoreExt, Tx};
use tempfile::TempDir;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A queue with the feature F and the task A.
    fn planted() -> (Self, JsonStore) {
        let place = Self::new();
        let store = place.create().unwrap();
        store
            .write(|tx| {
                let _ = tx.insert_feature(&feature("F"))?;
                let _ = tx.insert_task(&task("A"))?;
                tx.append_event(&event(EventKind::Created, "A"))
            })
            .unwrap();
        (place, store)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("queue.json")
    }

    fn log(&self) -> PathBuf {
        SideFiles::of(&self.path()).log
    }

    fn create(&self) -> Result<JsonStore, StoreError> {
        let settings = Settings {
            store: StoreId::new("S").unwrap(),
            name: "q".into(),
            require_tests: false,
            backoff: Backoff::default(),
        };
        JsonStore::create(&self.path(), &settings, options())
    }

    fn open(&self) -> Result<JsonStore, StoreError> {
        JsonStore::open(&self.path(), options())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn write_text(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    /// The names in the folder, sorted.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn options() -> Options {
    let clock = TestClock(AtomicI64::new(1_700_000_000_000_000));
    Options {
        wait: Duration::from_secs(60),
        ..Options::new(Arc::new(clock))
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn feature(id: &str) -> Feature {
    Feature {
        seq: 0,
        id: FeatureId::new(id).unwrap(),
        epic: None,
        name: Name::new("a feature").unwrap(),
        description: None,
        priority: Priority::default(),
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    }
}

fn task(id: &str) -> Task {
    Task::new(
        task_id(id),
        FeatureId::new("F").unwrap(),
        Description::new("do it").unwrap(),
        at(1),
    )
}

fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

fn event(kind: EventKind, task: &str) -> Event {
    Event {
        seq: 0,
        at: at(1),
        actor: Actor::new("ada").unwrap(),
        kind,
        entity: AnyId::Task(task_id(task)),
        data: JsonObject::default(),
    }
}

fn operation(id: &str) -> Operation {
    Operation {
        id: OperationId::new(id).unwrap(),
        use_case: "claim".into(),
        digest: "d".into(),
        answer: "{}".into(),
    }
}

/// Claims A for the next attempt, as a use case would, and returns its token.
fn claim(tx: &mut dyn Tx) -> Result<Token, StoreError> {
    let mut task = tx.task(&task_id("A"))?.unwrap().task;
    let token = Token {
        attempt: task.attempts + 1,
        nonce: 7,
    };
    let worker = Worker::new("w").unwrap();
    task.attempts += 1;
    task.status = Status::InProgress;
    task.claim = Some(Claim {
        worker: worker.clone(),
        token,
        started_at: at(5),
        lease: Duration::from_secs(90),
        lease_expires_at: at(90_000_005),
        cancel: None,
        process: None,
    });
    tx.update_task_life(&task)?;
    tx.insert_attempt(&Attempt {
        task: task.id,
        token,
        worker,
        started_at: at(5),
        end: None,
        late_message: None,
        log_path: None,
        result: None,
    })?;
    tx.append_event(&event(EventKind::Claimed, "A"))?;
    Ok(token)
}

fn events(store: &JsonStore) -> Vec<EventKind> {
    let filter = EventFilter {
        limit: 1_000,
        ..EventFilter::default()
    };
    let events = store.read(|tx| tx.events(&filter)).unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

fn description(store: &JsonStore, id: &str) -> String {
    let found = store.read(|tx| tx.task(&task_id(id))).unwrap().unwrap();
    found.task.description.to_string()
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}
