//! A store that fails at a chosen call.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tasq_adapter_memory::MemoryStore;
use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, Attempt, Checkpoint, Contents, Dependency, EntityKind, Epic, EpicId, Event, Feature,
    FeatureId, Operation, OperationId, Place, Process, Question, Settings, StatusCounts, Task,
    TaskId, TaskRecord, TestCase, TestId, TestOwner, Timestamp,
};
use tasq_ports::{
    Access, BatchVisitor, EventFilter, Inserted, Page, Removed, Store, StoreError, StoreInfo,
    TaskBatch, TaskFilter, TaskPage, TaskVisitor, Tx, Verdict,
};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Full,
    Busy,
    OutcomeUnknown,
}

impl Fault {
    fn error(self) -> StoreError {
        match self {
            Self::Full => StoreError::Full {
                path: "queue.db".into(),
                free: Some(0),
            },
            Self::Busy => StoreError::Busy {
                waited: Duration::from_secs(30),
                holder: None,
            },
            Self::OutcomeUnknown => StoreError::OutcomeUnknown {
                what: "fsync failed".to_owned(),
            },
        }
    }
}

/// A memory store that fails at the n-th call within its units, or at a commit.
pub(crate) struct FaultyStore {
    memory: MemoryStore,
    calls: Arc<Calls>,
    /// Commits left until the one that is carried out but not acknowledged; 0 means that all are.
    unanswered: AtomicUsize,
}

/// Which call fails, and how; calls may come from several threads.
struct Calls {
    fault: Mutex<Fault>,
    /// Calls left until the one that fails; 0 means that none does.
    left: AtomicUsize,
    fired: AtomicBool,
    gate: Gate,
}

/// Has two threads make tasks, however fast one of them is: the second batch is given when another thread has begun with the
/// first, which goes on when the giving thread has a batch to make itself.
#[derive(Default)]
struct Gate {
    is_there: AtomicBool,
    /// Whether another thread has begun, and whether the giving one has.
    begun: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    fn begin(&self, giving: ThreadId) {
        if !self.is_there.load(Ordering::SeqCst) {
            return;
        }
        let mut begun = self.begun.lock().unwrap();
        if thread::current().id() == giving {
            begun.1 = true;
        } else {
            begun.0 = true;
        }
        self.changed.notify_all();
        if thread::current().id() != giving {
            self.wait(begun, |begun| begun.1);
        }
    }

    fn has_begun_elsewhere(&self) {
        if self.is_there.load(Ordering::SeqCst) {
            self.wait(self.begun.lock().unwrap(), |begun| begun.0);
        }
    }

    fn wait(&self, begun: MutexGuard<'_, (bool, bool)>, is_so: fn(&(bool, bool)) -> bool) {
        let long = Duration::from_secs(60);
        let waited = self
            .changed
            .wait_timeout_while(begun, long, |begun| !is_so(begun));
        let (begun, timeout) = waited.unwrap();
        drop(begun);
        assert!(!timeout.timed_out(), "one of two threads did nothing");
    }
}

impl Calls {
    fn count(&self) -> Result<(), StoreError> {
        let less = |left: usize| left.checked_sub(1);
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if left == Ok(1) {
            self.fired.store(true, Ordering::SeqCst);
            return Err(self.fault.lock().unwrap().error());
        }
        Ok(())
    }
}

impl FaultyStore {
    pub(crate) fn over(memory: MemoryStore) -> Self {
        Self {
            memory,
            calls: Arc::new(Calls {
                fault: Mutex::new(Fault::Full),
                left: AtomicUsize::new(0),
                fired: AtomicBool::new(false),
                gate: Gate::default(),
            }),
            unanswered: AtomicUsize::new(0),
        }
    }

    /// Lets the n-th write from now be committed without an acknowledgement.
    pub(crate) fn lose_answer_of(&self, n: usize) {
        self.calls.fired.store(false, Ordering::SeqCst);
        self.unanswered.store(n, Ordering::SeqCst);
    }

    /// Has two threads make the tasks that are asked for next.
    pub(crate) fn show_tasks_to_two_threads(&self) {
        *self.calls.gate.begun.lock().unwrap() = (false, false);
        self.calls.gate.is_there.store(true, Ordering::SeqCst);
    }

    /// Lets the n-th call from now fail; a commit counts as one.
    pub(crate) fn fail_at(&self, n: usize, fault: Fault) {
        *self.calls.fault.lock().unwrap() = fault;
        self.calls.fired.store(false, Ordering::SeqCst);
        self.calls.left.store(n, Ordering::SeqCst);
    }

    /// Whether it failed; from now on it does not.
    pub(crate) fn fired(&self) -> bool {
        self.calls.left.store(0, Ordering::SeqCst);
        self.calls.fired.swap(false, Ordering::SeqCst)
    }

    /// How many calls a body makes; a commit counts as one.
    pub(crate) fn calls(&self, body: impl FnOnce()) -> usize {
        self.fail_at(usize::MAX, Fault::Full);
        body();
        let left = self.calls.left.swap(0, Ordering::SeqCst);
        usize::MAX - left
    }
}

impl Store for FaultyStore {
    fn run(
        &self,
        access: Access,
        body: &mut dyn FnMut(&mut dyn Tx) -> Result<Verdict, StoreError>,
    ) -> Result<(), StoreError> {
        self.memory.run(access, &mut |tx| {
            let mut faulty = FaultyTx { tx, store: self };
            let verdict = body(&mut faulty)?;
            self.calls.count()?;
            Ok(verdict)
        })?;
        let left = self.unanswered.load(Ordering::SeqCst);
        if access == Access::Write && left > 0 {
            self.unanswered.store(left - 1, Ordering::SeqCst);
            if left == 1 {
                self.calls.fired.store(true, Ordering::SeqCst);
                return Err(Fault::OutcomeUnknown.error());
            }
        }
        Ok(())
    }

    fn info(&self) -> StoreInfo {
        self.memory.info()
    }
}

struct FaultyTx<'t> {
    tx: &'t mut dyn Tx,
    store: &'t FaultyStore,
}

macro_rules! pass_on {
    ($(fn $name:ident($($arg:ident: $of:ty),*) -> $back:ty;)+) => {
        $(fn $name(&mut self, $($arg: $of),*) -> Result<$back, StoreError> {
            self.store.calls.count()?;
            self.tx.$name($($arg),*)
        })+
    };
}

struct FaultyBatch {
    batch: Box<dyn TaskBatch>,
    calls: Arc<Calls>,
    giving: ThreadId,
}

impl TaskBatch for FaultyBatch {
    fn show(self: Box<Self>, visit: &mut dyn TaskVisitor) -> Result<(), StoreError> {
        let Self {
            batch,
            calls,
            giving,
        } = *self;
        calls.gate.begin(giving);
        let mut made = Ok(());
        batch.show(&mut |task: Task| {
            made = calls.count();
            match made {
                Ok(()) => visit.visit(task),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        made
    }
}

impl Tx for FaultyTx<'_> {
    fn now(&self) -> Timestamp {
        self.tx.now()
    }

    fn features_of(&mut self, epic: Option<&EpicId>) -> Result<Vec<Feature>, StoreError> {
        self.store.calls.count()?;
        self.tx.features_of(epic)
    }

    fn counted_features(
        &mut self,
        epic: Option<&EpicId>,
    ) -> Result<Vec<(Feature, StatusCounts)>, StoreError> {
        self.store.calls.count()?;
        self.tx.counted_features(epic)
    }

    /// Each batch counts as a call, and each task of it as well when it is made.
    fn task_batches(&mut self, visit: &mut dyn BatchVisitor) -> Result<(), StoreError> {
        self.store.calls.count()?;
        let mut given = Ok(());
        let mut is_first = true;
        self.tx.task_batches(&mut |batch: Box<dyn TaskBatch>| {
            if !is_first {
                self.store.calls.gate.has_begun_elsewhere();
            }
            is_first = false;
            given = self.store.calls.count();
            let calls = Arc::clone(&self.store.calls);
            let giving = thread::current().id();
            match given {
                Ok(()) => visit.visit(Box::new(FaultyBatch {
                    batch,
                    calls,
                    giving,
                })),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        given
    }

    pass_on! {
        fn settings() -> Settings;
        fn set_settings(settings: &Settings) -> ();
        fn epic(id: &EpicId) -> Option<Epic>;
        fn epics() -> Vec<Epic>;
        fn counted_epics() -> Vec<(Epic, StatusCounts)>;
        fn insert_epic(epic: &Epic) -> Inserted;
        fn update_epic(epic: &Epic) -> ();
        fn remove_epic(id: &EpicId) -> Removed;
        fn feature(id: &FeatureId) -> Option<Feature>;
        fn features() -> Vec<Feature>;
        fn insert_feature(feature: &Feature) -> Inserted;
        fn update_feature(feature: &Feature) -> ();
        fn remove_feature(id: &FeatureId) -> Removed;
        fn task(id: &TaskId) -> Option<TaskRecord>;
        fn next_ready(scope: &Scope) -> Option<TaskRecord>;
        fn ready(scope: &Scope, limit: u32) -> Vec<TaskRecord>;
        fn foresee(tasks: &[TaskId]) -> ();
        fn expired(limit: u32) -> Vec<TaskRecord>;
        fn any_process() -> bool;
        fn has_task(id: &TaskId) -> bool;
        fn processes_at(place: &Place) -> Vec<(TaskId, Process)>;
        fn tasks(filter: &TaskFilter, page: &Page) -> TaskPage;
        fn task_counts(scope: &Scope) -> StatusCounts;
        fn insert_task(task: &Task) -> Inserted;
        fn update_task(task: &Task) -> ();
        fn update_task_life(task: &Task) -> ();
        fn remove_task(id: &TaskId) -> Removed;
        fn test(id: &TestId) -> Option<TestCase>;
        fn tests_of(owner: &TestOwner) -> Vec<TestCase>;
        fn tests(after: i64, limit: u32) -> Vec<TestCase>;
        fn insert_test(test: &TestCase) -> Inserted;
        fn update_test(test: &TestCase) -> ();
        fn remove_test(id: &TestId) -> Removed;
        fn dependencies_of(task: &TaskId) -> Vec<TaskId>;
        fn dependents_of(task: &TaskId) -> Vec<TaskId>;
        fn insert_dependency(dependency: &Dependency) -> bool;
        fn remove_dependency(dependency: &Dependency) -> bool;
        fn attempts_of(task: &TaskId) -> Vec<Attempt>;
        fn attempt(task: &TaskId, number: u32) -> Option<Attempt>;
        fn insert_attempt(attempt: &Attempt) -> ();
        fn update_attempt(attempt: &Attempt) -> ();
        fn checkpoints_of(task: &TaskId) -> Vec<Checkpoint>;
        fn insert_checkpoint(checkpoint: &Checkpoint) -> i64;
        fn questions_of(task: &TaskId) -> Vec<Question>;
        fn unanswered() -> Vec<Question>;
        fn insert_question(question: &Question) -> ();
        fn update_question(question: &Question) -> ();
        fn append_event(event: &Event) -> i64;
        fn newest_event() -> i64;
        fn events(filter: &EventFilter) -> Vec<Event>;
        fn operation(id: &OperationId) -> Option<Operation>;
        fn insert_operation(operation: &Operation, keep: u64) -> ();
        fn ids_with_prefix(kind: EntityKind, prefix: &str, limit: u32) -> Vec<AnyId>;
        fn count(kind: EntityKind) -> u64;
        fn contents() -> Contents;
        fn tree() -> Contents;
        fn tree_without_tasks() -> Contents;
        fn load(contents: &Contents) -> ();
        fn rederive() -> ();
    }
}
