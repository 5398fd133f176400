//! A queue with a person and workers at it, in few words.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tasq_app::{
    AddEpic, AddFeature, AddTask, AddTest, App, AppError, Caller, ClaimTasks, ClaimView, Code,
    CompleteTask, Completed, FailTask, HolderRef, OwnerRef, ReleaseTask, Report, ScopeRef,
    TaskView, WhichTask,
};
use tasq_domain::life::{FailureKind, broken_invariant};
use tasq_domain::{
    Actor, AnyId, CommandLine, Contents, Description, EpicId, Event, EventKind, FeatureId,
    JsonObject, Name, Priority, Reason, RetryBudget, Status, Task, TaskId, TestId, Token, Worker,
};
use tasq_ports::{EventFilter, Ids, Store};

use crate::contract::Bench;
use crate::contract::harness::{Harness, settings};

/// The lease of the claims that are made here.
pub(crate) const LEASE: Duration = Duration::from_secs(90);

/// Numbers that come in the same order in every run.
#[derive(Debug, Default)]
pub(crate) struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn random(&self) -> u64 {
        let count = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let mixed = count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 27)
    }
}

/// One store, and who works at it.
pub(crate) struct Desk {
    pub(crate) bench: Bench,
    pub(crate) ids: CountedIds,
}

impl Desk {
    pub(crate) fn fresh<H: Harness + 'static>() -> Self {
        Self::at(Bench::fresh::<H>())
    }

    pub(crate) fn at(bench: Bench) -> Self {
        Self {
            bench,
            ids: CountedIds::default(),
        }
    }

    /// A queue of the same kind in which every task must have a test case.
    pub(crate) fn require_tests(&self) {
        let settings = tasq_domain::Settings {
            require_tests: true,
            ..settings()
        };
        self.bench.write(|tx| tx.set_settings(&settings));
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.bench.store.as_ref()
    }

    /// What Ada does.
    pub(crate) fn ada(&self) -> App<'_> {
        self.person("ada")
    }

    pub(crate) fn person(&self, name: &str) -> App<'_> {
        let actor = Actor::new(name).unwrap();
        App::new(self.store(), &self.ids, Caller::Person { actor })
    }

    /// What a worker does within its claim.
    pub(crate) fn worker(&self, claim: &ClaimView) -> App<'_> {
        let worker = Worker::new("w1").unwrap();
        let holder = holder(claim);
        App::new(self.store(), &self.ids, Caller::Worker { worker, holder })
    }

    pub(crate) fn pass_time(&self, secs: u64) {
        self.bench.clock.advance(Duration::from_secs(secs));
    }

    pub(crate) fn contents(&self) -> Contents {
        self.bench.contents()
    }

    #[track_caller]
    pub(crate) fn epic(&self, id: &str) -> EpicId {
        let new = AddEpic {
            id: Some(EpicId::new(id).unwrap()),
            ..new_epic(id)
        };
        self.ada().add_epic(&new).unwrap().epic.id
    }

    #[track_caller]
    pub(crate) fn feature(&self, id: &str, epic: Option<&str>) -> FeatureId {
        let new = AddFeature {
            id: Some(FeatureId::new(id).unwrap()),
            epic: epic.map(str::to_owned),
            ..new_feature(id)
        };
        self.ada().add_feature(&new).unwrap().feature.id
    }

    /// A task with this id.
    #[track_caller]
    pub(crate) fn task(&self, id: &str, feature: &str) -> TaskId {
        self.add(&named(id, feature))
    }

    #[track_caller]
    pub(crate) fn add(&self, new: &AddTask) -> TaskId {
        self.ada().add_task(new).unwrap().record.task.id
    }

    #[track_caller]
    pub(crate) fn test(&self, id: &str, owner: &OwnerRef, new: &AddTest) -> TestId {
        let new = AddTest {
            id: Some(TestId::new(id).unwrap()),
            ..new.clone()
        };
        self.ada().add_test(owner, &new).unwrap().id
    }

    #[track_caller]
    pub(crate) fn claim(&self) -> ClaimView {
        self.try_claim(ScopeRef::Queue).unwrap()
    }

    pub(crate) fn try_claim(&self, scope: ScopeRef) -> Result<ClaimView, AppError> {
        let mut claims = self.ada().claim(&claims(WhichTask::Next(scope), 1))?;
        assert_eq!(claims.len(), 1);
        Ok(claims.remove(0))
    }

    #[track_caller]
    pub(crate) fn claim_this(&self, task: &str) -> ClaimView {
        let wanted = claims(WhichTask::This(task.to_owned()), 1);
        self.ada().claim(&wanted).unwrap().remove(0)
    }

    /// The holder completes.
    pub(crate) fn finish(&self, claim: &ClaimView) -> Result<Completed, AppError> {
        self.worker(claim)
            .complete(&completing(id_of(claim), Some(claim.token)))
    }

    /// A person completes a task that nobody holds.
    #[track_caller]
    pub(crate) fn complete(&self, task: &str) -> Task {
        let wanted = completing(&task_id(task), None);
        self.ada().complete(&wanted).unwrap().task.record.task
    }

    #[track_caller]
    pub(crate) fn reopen(&self, task: &str) -> Task {
        let view = self.ada().reopen(&task_id(task), false).unwrap();
        view.record.task
    }

    pub(crate) fn fail(&self, claim: &ClaimView, text: &str) -> Result<TaskView, AppError> {
        self.worker(claim)
            .fail(&failing(claim, FailureKind::Failed, text))
    }

    /// A test case passes or fails, as a command that ran.
    #[track_caller]
    pub(crate) fn ran(&self, test: &TestId, passed: bool) {
        let runner = super::proofs::Always(i32::from(!passed));
        let owner = self.bench.read(|tx| Ok(tx.test(test)?.unwrap().owner));
        let id: AnyId = match owner {
            tasq_domain::TestOwner::Task(id) => id.into(),
            tasq_domain::TestOwner::Feature(id) => id.into(),
        };
        let options = super::proofs::options();
        self.ada().verify(&id, &runner, &options).unwrap();
    }

    #[track_caller]
    pub(crate) fn remove(&self, id: &AnyId, force: bool) {
        let _ = self.ada().remove(id, force).unwrap();
    }

    #[track_caller]
    pub(crate) fn status(&self, task: &str) -> Status {
        self.get(task).status
    }

    #[track_caller]
    pub(crate) fn get(&self, task: &str) -> Task {
        self.ada().item_task(&task_id(task)).unwrap().record.task
    }

    #[track_caller]
    pub(crate) fn feature_status(&self, id: &str) -> Status {
        let id = FeatureId::new(id).unwrap();
        self.bench.read(|tx| tx.feature(&id)).unwrap().status
    }

    #[track_caller]
    pub(crate) fn epic_status(&self, id: &str) -> Status {
        let id = EpicId::new(id).unwrap();
        self.bench.read(|tx| tx.epic(&id)).unwrap().status
    }

    /// The events that something appends, as `kind id`.
    pub(crate) fn told(&self, what: impl FnOnce()) -> Vec<String> {
        let last = self.events().last().map_or(0, |event| event.seq);
        what();
        let new = self.events().into_iter().filter(|event| event.seq > last);
        new.map(|event| format!("{} {}", event.kind.as_str(), event.entity.as_str()))
            .collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let filter = EventFilter {
            limit: u32::MAX,
            ..EventFilter::default()
        };
        self.ada().events(&filter).unwrap()
    }

    /// Whether nothing changed.
    #[track_caller]
    pub(crate) fn unchanged<T>(&self, what: impl FnOnce() -> T) -> T {
        let before = self.contents();
        let value = what();
        crate::contract::random::assert_same_contents(&before, &self.contents(), "unchanged");
        value
    }

    /// Every rule that holds for every queue that nobody edited by hand.
    #[track_caller]
    pub(crate) fn check(&self) {
        self.bench.assert_consistent();
        check_contents(&self.contents());
    }

    pub(crate) fn close(self) {
        self.check();
        self.bench.close();
    }
}

/// The rules of tasks' lives, of attempts and of events.
#[track_caller]
pub(crate) fn check_contents(contents: &Contents) {
    let mut attempts: BTreeMap<&TaskId, Vec<_>> = BTreeMap::new();
    for attempt in &contents.attempts {
        attempts.entry(&attempt.task).or_default().push(attempt);
    }
    for task in &contents.tasks {
        assert_eq!(broken_invariant(task), None, "{task:?}");
        let attempts = attempts.remove(&task.id).unwrap_or_default();
        assert_eq!(task.attempts as usize, attempts.len(), "{}", task.id);
        let open: Vec<Token> = attempts
            .iter()
            .filter(|attempt| attempt.end.is_none())
            .map(|attempt| attempt.token)
            .collect();
        let claim: Vec<Token> = task.claim.iter().map(|claim| claim.token).collect();
        assert_eq!(open, claim, "the open attempt of {} is its claim", task.id);
    }
    for pair in contents.events.windows(2) {
        assert!(pair[0].seq < pair[1].seq, "event numbers rise");
    }
    for operation in &contents.operations {
        assert!(operation.answer.len() <= tasq_domain::MAX_ANSWER_BYTES);
    }
    let mut last: BTreeMap<&AnyId, &Event> = BTreeMap::new();
    // What is said about an item without changing it does not move its time.
    let said = [
        EventKind::DependencyAdded,
        EventKind::DependencyRemoved,
        EventKind::Checkpointed,
        EventKind::LateMessage,
    ];
    let changes = contents.events.iter().filter(|it| !said.contains(&it.kind));
    for event in changes {
        if let Some(earlier) = last.insert(&event.entity, event)
            && earlier.kind != EventKind::Removed
        {
            assert!(earlier.at <= event.at, "{earlier:?} comes before {event:?}");
        }
    }
}

pub(crate) fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

pub(crate) fn any_task(id: &str) -> AnyId {
    task_id(id).into()
}

pub(crate) fn any_feature(id: &str) -> AnyId {
    FeatureId::new(id).unwrap().into()
}

pub(crate) fn any_epic(id: &str) -> AnyId {
    EpicId::new(id).unwrap().into()
}

pub(crate) fn reason(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

pub(crate) fn id_of(claim: &ClaimView) -> &TaskId {
    &claim.task.record.task.id
}

pub(crate) fn name_of(claim: &ClaimView) -> &str {
    id_of(claim).as_str()
}

pub(crate) fn holder(claim: &ClaimView) -> HolderRef {
    HolderRef {
        task: id_of(claim).clone(),
        token: claim.token,
    }
}

pub(crate) fn new_epic(name: &str) -> AddEpic {
    AddEpic {
        id: None,
        name: Name::new(name).unwrap(),
        description: None,
        metadata: JsonObject::default(),
    }
}

pub(crate) fn new_feature(name: &str) -> AddFeature {
    AddFeature {
        id: None,
        epic: None,
        name: Name::new(name).unwrap(),
        description: None,
        priority: Priority::default(),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn new_task(text: &str, feature: &str) -> AddTask {
    AddTask {
        id: None,
        description: Description::new(text).unwrap(),
        feature: Some(feature.to_owned()),
        create_feature: false,
        priority: None,
        depends_on: Vec::new(),
        tests: Vec::new(),
        retry_budget: RetryBudget::default(),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn named(id: &str, feature: &str) -> AddTask {
    AddTask {
        id: Some(task_id(id)),
        ..new_task(&format!("do {id}"), feature)
    }
}

pub(crate) fn urgent(id: &str, feature: &str, priority: i64) -> AddTask {
    AddTask {
        priority: Some(Priority::new(priority).unwrap()),
        ..named(id, feature)
    }
}

pub(crate) fn budgeted(id: &str, feature: &str, budget: i64) -> AddTask {
    AddTask {
        retry_budget: RetryBudget::new(budget).unwrap(),
        ..named(id, feature)
    }
}

pub(crate) fn manual(text: &str) -> AddTest {
    AddTest {
        id: None,
        description: Description::new(text).unwrap(),
        command: None,
        required: false,
        metadata: JsonObject::default(),
    }
}

pub(crate) fn with_command(text: &str) -> AddTest {
    AddTest {
        command: Some(CommandLine::new("true").unwrap()),
        ..manual(text)
    }
}

pub(crate) fn of_task(id: &str) -> OwnerRef {
    OwnerRef::Task(id.to_owned())
}

pub(crate) fn of_feature(id: &str) -> OwnerRef {
    OwnerRef::Feature(id.to_owned())
}

pub(crate) fn claims(which: WhichTask, count: u32) -> ClaimTasks {
    ClaimTasks {
        which,
        worker: Worker::new("w1").unwrap(),
        lease: LEASE,
        count,
        pid: None,
    }
}

pub(crate) fn completing(task: &TaskId, token: Option<Token>) -> CompleteTask {
    CompleteTask {
        task: task.clone(),
        token,
        summary: None,
        force: None,
        report: Report::default(),
        next: None,
    }
}

pub(crate) fn failing(claim: &ClaimView, kind: FailureKind, text: &str) -> FailTask {
    FailTask {
        holder: holder(claim),
        kind,
        message: reason(text),
        report: Report::default(),
    }
}

pub(crate) fn releasing(claim: &ClaimView) -> ReleaseTask {
    ReleaseTask {
        holder: holder(claim),
        not_before: None,
        message: None,
        report: Report::default(),
    }
}

/// The code of an error that was due.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, AppError>) -> Code {
    outcome.expect_err("this had to be refused").code()
}
