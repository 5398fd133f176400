//! Who acts, and on which store.

use tasq_domain::{Actor, OperationId, TaskId, TestOwner, Token, Worker};
use tasq_ports::{Ids, Processes, Store, Trust};

use crate::error::AppError;
use crate::unit::Unit;

/// On whose behalf a use case runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A person, or a program of theirs that holds no claim.
    Person {
        /// Their name.
        actor: Actor,
    },
    /// A worker, within the claim that it was started with.
    Worker {
        /// Its name.
        worker: Worker,
        /// The claim it was started with.
        holder: HolderRef,
    },
}

/// The task and the token with which a holder writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderRef {
    /// The task.
    pub task: TaskId,
    /// Its token.
    pub token: Token,
}

impl Caller {
    /// The name for events.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Person { actor } => actor.clone(),
            Self::Worker { worker, .. } => worker.clone().into(),
        }
    }

    /// Whether this is a worker, which may not decide about its own proof.
    #[must_use]
    pub const fn is_worker(&self) -> bool {
        matches!(self, Self::Worker { .. })
    }
}

/// The use cases: each is a method, in a file of its own.
pub struct App<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) ids: &'a dyn Ids,
    pub(crate) caller: Caller,
    pub(crate) op: Option<OperationId>,
    pub(crate) processes: Option<&'a dyn Processes>,
    pub(crate) trust: Option<&'a dyn Trust>,
}

impl<'a> App<'a> {
    /// Use cases on `store`, on behalf of `caller`.
    #[must_use]
    pub fn new(store: &'a dyn Store, ids: &'a dyn Ids, caller: Caller) -> Self {
        Self {
            store,
            ids,
            caller,
            op: None,
            processes: None,
            trust: None,
        }
    }

    /// The same, with an operation id: repeating a use case with the same id and arguments gives the first answer again
    /// and changes nothing.
    #[must_use]
    pub fn with_op(self, op: Option<OperationId>) -> Self {
        Self { op, ..self }
    }

    /// The same, where a claim may name its process and is lost once that is gone. Without, leases alone decide.
    #[must_use]
    pub fn with_processes(self, processes: &'a dyn Processes) -> Self {
        Self {
            processes: Some(processes),
            ..self
        }
    }

    /// The same, where the commands of test cases run only once this account trusts them. Without, all of them run: for
    /// programs that made the queue themselves.
    #[must_use]
    pub fn with_trust(self, trust: &'a dyn Trust) -> Self {
        Self {
            trust: Some(trust),
            ..self
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store
    }

    /// 32 fresh random bits, for an id.
    pub(crate) fn random_u32(&self) -> u32 {
        u32::try_from(self.ids.random() >> 32).expect("32 bits are left")
    }

    /// On whose behalf.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl App<'_> {
    /// Refuses a worker who would change what proves its own task.
    pub(crate) fn may_change_tests_of(
        &self,
        unit: &mut Unit<'_>,
        owner: &TestOwner,
    ) -> Result<(), AppError> {
        let Caller::Worker { holder, .. } = &self.caller else {
            return Ok(());
        };
        let own = match owner {
            TestOwner::Task(task) => *task == holder.task,
            TestOwner::Feature(feature) => unit.task(&holder.task)?.task.feature == *feature,
        };
        if own {
            Err(AppError::worker(
                "change the test cases of its own task or feature",
            ))
        } else {
            Ok(())
        }
    }

    /// Refuses a worker who would force something.
    pub(crate) fn may_force(&self, force: bool) -> Result<(), AppError> {
        if force && self.caller.is_worker() {
            Err(AppError::worker("force anything"))
        } else {
            Ok(())
        }
    }
}
