//! tasq's side: the use cases as every face calls them, on a store.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tasq_adapter_json::JsonStore;
use tasq_adapter_sqlite::{Migrate, NetworkFs, Options, SqliteStore};
use tasq_app::{
    AddTask, App, Caller, ClaimTasks, ClaimView, CompleteTask, FailTask, HolderRef, NewQueue,
    Report, ScopeRef, WhichTask,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::life::FailureKind;
use tasq_domain::{
    Actor, Contents, Description, FeatureId, JsonObject, Reason, RetryBudget, Settings, TaskId,
    Timestamp, Token, Worker,
};
use tasq_ports::{Clock, Ids, Store, StoreExt};

use crate::measure::{Spent, time};
use crate::plan::Sync;
use crate::queue::feature_id;

/// What every task says.
pub(crate) const TEXT: &str = "write the file and say so";
/// No lease of a benchmark runs out by itself.
pub(crate) const LEASE: Duration = Duration::from_secs(86_400);

/// A queue, and the claims that are held.
pub(crate) struct Tasq {
    store: Box<dyn Store>,
    ids: Random,
    held: Vec<(TaskId, Token)>,
}

impl Tasq {
    /// An empty queue in a new SQLite file.
    pub(crate) fn create(path: &Path, sync: Sync) -> anyhow::Result<Self> {
        let store = SqliteStore::create(path, &settings()?, sqlite(sync))?;
        Ok(Self::on(Box::new(store)))
    }

    /// A queue with these contents in a new SQLite file, which is folded into one piece when this is dropped.
    pub(crate) fn filled(path: &Path, sync: Sync, contents: &Contents) -> anyhow::Result<Self> {
        let queue = Self::create(path, sync)?;
        queue.store.write(|tx| tx.load(contents))?;
        Ok(queue)
    }

    pub(crate) fn open(path: &Path, sync: Sync) -> anyhow::Result<Self> {
        Ok(Self::on(Box::new(SqliteStore::open(path, sqlite(sync))?)))
    }

    /// The queue in a JSON file, read once more.
    pub(crate) fn open_json(path: &Path) -> anyhow::Result<Self> {
        Ok(Self::on(Box::new(JsonStore::open(path, json())?)))
    }

    pub(crate) fn filled_json(path: &Path, contents: &Contents) -> anyhow::Result<Self> {
        let store = JsonStore::create(path, &settings()?, json())?;
        store.write(|tx| tx.load(contents))?;
        Ok(Self::on(Box::new(store)))
    }

    fn on(store: Box<dyn Store>) -> Self {
        Self {
            store,
            ids: Random::default(),
            held: Vec::new(),
        }
    }

    pub(crate) fn app(&self) -> App<'_> {
        let actor = Actor::new("bench").expect("a word is a name");
        App::new(&*self.store, &self.ids, Caller::Person { actor })
    }

    pub(crate) fn add(&mut self, count: u32) -> anyhow::Result<Spent> {
        let new = new_task();
        time(|| {
            for _ in 0..count {
                self.app().add_task(&new)?;
            }
            Ok(())
        })
    }

    pub(crate) fn add_in_one(&mut self, count: u32) -> anyhow::Result<Spent> {
        let tasks: Vec<AddTask> = (0..count).map(|_| new_task()).collect();
        time(|| {
            self.app().add_tasks(&tasks)?;
            Ok(())
        })
    }

    /// Adds so many in one transaction, by turns to the features of a queue of [`plain`](crate::queue::plain) contents.
    pub(crate) fn refill(&mut self, count: u32, features: u64) -> anyhow::Result<()> {
        let ids: Vec<FeatureId> = (0..features)
            .map(feature_id)
            .collect::<anyhow::Result<_>>()?;
        let turns = ids.iter().cycle().zip(0..count);
        let tasks: Vec<AddTask> = turns
            .map(|(id, _)| AddTask {
                feature: Some(id.to_string()),
                ..new_task()
            })
            .collect();
        self.app().add_tasks(&tasks)?;
        Ok(())
    }

    /// Each in a transaction of its own.
    pub(crate) fn claim(&mut self, count: u32) -> anyhow::Result<Spent> {
        self.claim_in(&ScopeRef::Queue, count)
    }

    pub(crate) fn claim_in(&mut self, scope: &ScopeRef, count: u32) -> anyhow::Result<Spent> {
        let wanted = wanted(scope.clone(), 1);
        time(|| {
            for _ in 0..count {
                let claims = self.app().claim(&wanted)?;
                self.held.extend(claims.iter().map(parts));
            }
            Ok(())
        })
    }

    /// Completes what was claimed before, each in a transaction of its own.
    pub(crate) fn complete(&mut self, count: u32) -> anyhow::Result<Spent> {
        self.complete_in(&ScopeRef::Queue, count)
    }

    pub(crate) fn complete_in(&mut self, scope: &ScopeRef, count: u32) -> anyhow::Result<Spent> {
        let held = self.take_held(scope, count)?;
        time(|| {
            for (task, token) in &held {
                self.app().complete(&completion(task, *token, None))?;
            }
            Ok(())
        })
    }

    /// Completes the claim that is held and claims the next, in one transaction.
    pub(crate) fn complete_next(&mut self, count: u32) -> anyhow::Result<Spent> {
        let (mut task, mut token) = self.take_held(&ScopeRef::Queue, 1)?.remove(0);
        let took = time(|| {
            for _ in 0..count {
                let wanted = completion(&task, token, Some(ScopeRef::Queue));
                let next = self.app().complete(&wanted)?.next;
                (task, token) = parts(&next.context("the queue ran empty")?);
            }
            Ok(())
        });
        self.held.push((task, token));
        took
    }

    /// Fails what was claimed before, each in a transaction of its own.
    pub(crate) fn fail(&mut self, count: u32) -> anyhow::Result<Spent> {
        let held = self.take_held(&ScopeRef::Queue, count)?;
        let message = Reason::new("red").expect("a word is a reason");
        time(|| {
            for (task, token) in held {
                self.app().fail(&FailTask {
                    holder: HolderRef { task, token },
                    kind: FailureKind::Failed,
                    message: message.clone(),
                    report: Report::default(),
                })?;
            }
            Ok(())
        })
    }

    pub(crate) fn heartbeat(&mut self, count: u32) -> anyhow::Result<Spent> {
        let (task, token) = self.take_held(&ScopeRef::Queue, 1)?.remove(0);
        self.held.push((task.clone(), token));
        let holder = HolderRef { task, token };
        time(|| {
            for _ in 0..count {
                self.app().heartbeat(&holder, None)?;
            }
            Ok(())
        })
    }

    /// Claims so many in one transaction and completes them in another.
    pub(crate) fn batch(&mut self, count: u32) -> anyhow::Result<Spent> {
        let wanted = wanted(ScopeRef::Queue, count);
        time(|| {
            let claims = self.app().claim(&wanted)?;
            anyhow::ensure!(
                claims.len() == usize::try_from(count)?,
                "the queue ran empty"
            );
            let done: Vec<CompleteTask> = claims
                .iter()
                .map(|claim| completion(&claim.task.record.task.id, claim.token, None))
                .collect();
            self.app().complete_all(&done)?;
            Ok(())
        })
    }

    /// Takes as many claims as it says, making those that are missing.
    pub(crate) fn take_held(
        &mut self,
        scope: &ScopeRef,
        count: u32,
    ) -> anyhow::Result<Vec<(TaskId, Token)>> {
        let wanted = usize::try_from(count)?;
        if self.held.len() < wanted {
            let missing = u32::try_from(wanted - self.held.len())?;
            let claims = self.app().claim(&self::wanted(scope.clone(), missing))?;
            self.held.extend(claims.iter().map(parts));
        }
        anyhow::ensure!(self.held.len() >= wanted, "the queue ran empty");
        Ok(self.held.split_off(self.held.len() - wanted))
    }
}

/// The settings of a new queue, with a fresh id.
pub(crate) fn settings() -> anyhow::Result<Settings> {
    let queue = NewQueue {
        name: "bench".to_owned(),
        require_tests: false,
        backoff: Backoff::default(),
    };
    Ok(queue.settings(&Random::default())?)
}

fn sqlite(sync: Sync) -> Options {
    Options {
        clock: Arc::new(System),
        sync: match sync {
            Sync::Full => tasq_adapter_sqlite::Sync::Full,
            Sync::Normal => tasq_adapter_sqlite::Sync::Normal,
        },
        wait: Duration::from_secs(30),
        migrate: Migrate::Auto,
        network_fs: NetworkFs::Refuse,
        fold_log_above: None,
    }
}

fn json() -> tasq_adapter_json::Options {
    tasq_adapter_json::Options {
        max_bytes: usize::MAX,
        ..tasq_adapter_json::Options::new(Arc::new(System))
    }
}

fn wanted(scope: ScopeRef, count: u32) -> ClaimTasks {
    ClaimTasks {
        which: WhichTask::Next(scope),
        worker: Worker::new("bench").expect("a word is a name"),
        lease: LEASE,
        count,
        pid: None,
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

fn new_task() -> AddTask {
    AddTask {
        id: None,
        description: Description::new(TEXT).expect("a sentence is a description"),
        feature: None,
        create_feature: false,
        priority: None,
        depends_on: Vec::new(),
        tests: Vec::new(),
        retry_budget: RetryBudget::default(),
        metadata: JsonObject::default(),
    }
}

/// Now, as the stores of a benchmark see it.
pub(crate) fn now() -> Timestamp {
    System.now()
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

/// As the command has it: much is fetched at once.
#[derive(Default)]
struct Random(Mutex<Vec<u8>>);

impl Ids for Random {
    fn random(&self) -> u64 {
        let mut fetched = self.0.lock().expect("nothing panics with it");
        if fetched.is_empty() {
            fetched.resize(256, 0);
            getrandom::fill(&mut fetched).expect("the system has randomness");
        }
        let (rest, last) = fetched.split_last_chunk().expect("eight are left");
        let (rest, last) = (rest.len(), *last);
        fetched.truncate(rest);
        u64::from_ne_bytes(last)
    }
}
