//! tasq's side: the use cases as every face calls them, on the SQLite store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tasq_adapter_sqlite::{Migrate, Options, SqliteStore, Sync};
use tasq_app::{
    AddTask, App, Caller, ClaimTasks, ClaimView, CompleteTask, NewQueue, Report, ScopeRef,
    WhichTask,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::{Actor, Description, JsonObject, RetryBudget, TaskId, Timestamp, Token, Worker};
use tasq_ports::{Clock, Ids};

/// A queue with one feature, and the claim that complete + next holds.
pub(crate) struct Tasq {
    store: SqliteStore,
    ids: Random,
    held: Option<(TaskId, Token)>,
}

impl Tasq {
    pub(crate) fn new(path: &Path, full: bool) -> anyhow::Result<Self> {
        let queue = NewQueue {
            name: "bench".to_owned(),
            require_tests: false,
            backoff: Backoff::default(),
        };
        let options = Options {
            clock: Arc::new(System),
            sync: if full { Sync::Full } else { Sync::Normal },
            wait: Duration::from_secs(30),
            migrate: Migrate::Auto,
        };
        let store = SqliteStore::create(path, &queue.settings(&Random)?, options)?;
        Ok(Self {
            store,
            ids: Random,
            held: None,
        })
    }

    fn app(&self) -> App<'_> {
        let actor = Actor::new("bench").expect("a word is a name");
        App::new(&self.store, &self.ids, Caller::Person { actor })
    }

    pub(crate) fn add(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            self.app().add_task(&task())?;
        }
        Ok(())
    }

    pub(crate) fn add_in_one(&mut self, count: u32) -> anyhow::Result<()> {
        let tasks: Vec<AddTask> = (0..count).map(|_| task()).collect();
        self.app().add_tasks(&tasks)?;
        Ok(())
    }

    /// Claim and complete, each in a transaction of its own.
    pub(crate) fn claim_complete(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            let claim = self.claim()?;
            self.app().complete(&completion(&claim.0, claim.1, None))?;
        }
        Ok(())
    }

    /// Complete the claim that is held and claim the next, in one transaction.
    pub(crate) fn complete_next(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            let (task, token) = match self.held.take() {
                Some(held) => held,
                None => self.claim()?,
            };
            let next = self
                .app()
                .complete(&completion(&task, token, Some(ScopeRef::Queue)))?
                .next;
            self.held = next.map(|claim| parts(&claim));
        }
        Ok(())
    }

    fn claim(&self) -> anyhow::Result<(TaskId, Token)> {
        let wanted = ClaimTasks {
            which: WhichTask::Next(ScopeRef::Queue),
            worker: Worker::new("bench").expect("a word is a name"),
            lease: Duration::from_secs(1_800),
            count: 1,
            pid: None,
        };
        let claims = self.app().claim(&wanted)?;
        Ok(parts(&claims[0]))
    }
}

fn parts(claim: &ClaimView) -> (TaskId, Token) {
    (claim.task.record.task.id.clone(), claim.token)
}

fn completion(task: &TaskId, token: Token, next: Option<ScopeRef>) -> CompleteTask {
    CompleteTask {
        task: task.clone(),
        token: Some(token),
        summary: None,
        force: None,
        report: Report::default(),
        next,
    }
}

fn task() -> AddTask {
    AddTask {
        id: None,
        description: Description::new("write the file and say so")
            .expect("a sentence is a description"),
        feature: None,
        create_feature: false,
        priority: None,
        depends_on: Vec::new(),
        tests: Vec::new(),
        retry_budget: RetryBudget::default(),
        metadata: JsonObject::default(),
    }
}

struct System;

impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the benchmark's clock adapter"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

struct Random;

impl Ids for Random {
    fn random(&self) -> u64 {
        getrandom::u64().expect("the system has randomness")
    }
}
