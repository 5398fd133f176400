//! A queue in memory whose store can be made to fail, with a clock that stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tasq_adapter_memory::MemoryStore;
use tasq_app::{
    AddEpic, AddFeature, AddTask, AddTest, App, AppError, Caller, ClaimTasks, ClaimView,
    CompleteTask, HolderRef, OwnerRef, Report, ScopeRef, WhichTask,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, CommandLine, Contents, Description, EpicId, FeatureId, JsonObject, Name, Priority,
    Reason, RetryBudget, Settings, StoreId, Task, TaskId, TestId, Timestamp, Token, Worker,
};
use tasq_ports::{Clock, Ids, StoreExt};

use crate::faulty::FaultyStore;

/// A clock that stands until it is moved.
#[derive(Debug, Clone, Default)]
pub(crate) struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    pub(crate) fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
pub(crate) struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn random(&self) -> u64 {
        let count = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        count.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

pub(crate) struct Desk {
    pub(crate) clock: FixedClock,
    pub(crate) store: FaultyStore,
    ids: CountedIds,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let clock = FixedClock::default();
        let settings = Settings {
            store: StoreId::new("STORE-1").unwrap(),
            name: "desk".to_owned(),
            require_tests: false,
            backoff: Backoff::default(),
        };
        let memory = MemoryStore::new(&settings, Arc::new(clock.clone()));
        Self {
            clock,
            store: FaultyStore::over(memory),
            ids: CountedIds::default(),
        }
    }

    /// A queue with EPIC-1, FEAT-1 and these tasks in it.
    pub(crate) fn with_tasks(ids: &[&str]) -> Self {
        let desk = Self::new();
        desk.ada().add_epic(&new_epic(Some("EPIC-1"))).unwrap();
        desk.ada()
            .add_feature(&new_feature(Some("FEAT-1")))
            .unwrap();
        for id in ids {
            desk.ada().add_task(&new_task(id)).unwrap();
        }
        desk
    }

    pub(crate) fn ada(&self) -> App<'_> {
        self.person("ada")
    }

    pub(crate) fn person(&self, name: &str) -> App<'_> {
        let actor = Actor::new(name).unwrap();
        App::new(&self.store, &self.ids, Caller::Person { actor })
    }

    pub(crate) fn contents(&self) -> Contents {
        self.store.read(|tx| tx.contents()).unwrap()
    }

    pub(crate) fn get(&self, id: &str) -> Task {
        self.ada().item_task(&task_id(id)).unwrap().record.task
    }

    pub(crate) fn claim(&self, id: &str) -> ClaimView {
        self.ada().claim(&claiming(id)).unwrap().remove(0)
    }

    /// A test case of a task, with this id and this command.
    pub(crate) fn test(&self, id: &str, task: &str, command: &str) -> TestId {
        let owner = OwnerRef::Task(task.to_owned());
        self.ada()
            .add_test(&owner, &new_test(id, command))
            .unwrap()
            .id
    }
}

pub(crate) fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

pub(crate) fn reason(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

pub(crate) fn holder(claim: &ClaimView) -> HolderRef {
    HolderRef {
        task: claim.task.record.task.id.clone(),
        token: claim.token,
    }
}

pub(crate) fn new_epic(id: Option<&str>) -> AddEpic {
    AddEpic {
        id: id.map(|id| EpicId::new(id).unwrap()),
        name: Name::new("E").unwrap(),
        description: None,
        metadata: JsonObject::default(),
    }
}

pub(crate) fn new_feature(id: Option<&str>) -> AddFeature {
    AddFeature {
        id: id.map(|id| FeatureId::new(id).unwrap()),
        epic: Some("EPIC-1".to_owned()),
        name: Name::new("F").unwrap(),
        description: None,
        priority: Priority::default(),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn new_task(id: &str) -> AddTask {
    AddTask {
        id: Some(task_id(id)),
        description: Description::new(format!("do {id}; rm -rf /")).unwrap(),
        feature: Some("FEAT-1".to_owned()),
        create_feature: false,
        priority: None,
        depends_on: Vec::new(),
        tests: Vec::new(),
        retry_budget: RetryBudget::default(),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn new_test(id: &str, command: &str) -> AddTest {
    AddTest {
        id: Some(TestId::new(id).unwrap()),
        description: Description::new("check it").unwrap(),
        command: Some(CommandLine::new(command).unwrap()),
        required: false,
        metadata: JsonObject::default(),
    }
}

pub(crate) fn claiming(id: &str) -> ClaimTasks {
    ClaimTasks {
        which: WhichTask::This(id.to_owned()),
        ..claiming_next()
    }
}

pub(crate) fn claiming_next() -> ClaimTasks {
    ClaimTasks {
        which: WhichTask::Next(ScopeRef::Queue),
        worker: Worker::new("w2").unwrap(),
        lease: Duration::from_secs(90),
        count: 1,
        pid: None,
    }
}

pub(crate) fn completing(id: &str, token: Option<Token>) -> CompleteTask {
    CompleteTask {
        task: task_id(id),
        token,
        summary: None,
        force: None,
        report: Report::default(),
        next: None,
    }
}

pub(crate) fn ok<T>(outcome: Result<T, AppError>) -> Result<(), AppError> {
    outcome.map(drop)
}
