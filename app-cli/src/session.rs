//! One run of the program: where it writes, on whose behalf it acts, which store it opened.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::{env, fs};

use tasq_app::{App, Caller, HolderRef, NewQueue};
use tasq_domain::{Actor, CommandLine, TaskId, Token, Worker};
use tasq_ports::Store;

use crate::args::Global;
use crate::args::shared::{Change, Held};
use crate::discover::{self, Located, Place};
use crate::failure::Failure;
use crate::ids::SystemIds;
use crate::output::Output;
use crate::processes::SystemProcesses;
use crate::stores;
use crate::trust::StateTrust;
use crate::workplace::{FOLDER_OF_WORKTREE, safe_name, worktrees};

/// The source of ids for every use case.
pub(crate) static IDS: SystemIds = SystemIds::new();
/// The processes that claims may name.
pub(crate) static PROCESSES: SystemProcesses = SystemProcesses::new();

/// What every command has.
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) out: Output,
}

/// A store that is open, and on whose behalf it is used.
pub(crate) struct Queue {
    /// Never closed: a command ends with the process, and closing a database costs more waits for the disk than most
    /// commands do.
    pub(crate) store: &'static dyn Store,
    pub(crate) located: Located,
    pub(crate) caller: Caller,
    /// Which commands may run.
    trust: StateTrust,
}

impl Session {
    /// Opens the store that this command works on.
    pub(crate) fn open(&mut self) -> Result<Queue, Failure> {
        let located = discover::locate(self.global.store.as_deref())?;
        self.open_at(located)
    }

    /// Opens the store that a text names.
    pub(crate) fn open_named(&mut self, text: &OsStr) -> Result<Queue, Failure> {
        let place = discover::named(text)?;
        self.open_at(Located {
            place,
            found_by: discover::FoundBy::Flag,
        })
    }

    /// Opens a store for writing a whole queue into it, or makes it.
    pub(crate) fn open_or_create(
        &mut self,
        place: Place,
        new: NewQueue,
        dry_run: bool,
    ) -> Result<Queue, Failure> {
        let caller = self.caller()?;
        let store = stores::open_or_create(&place, new, self.terms(), dry_run)?;
        let located = Located {
            place,
            found_by: discover::FoundBy::Flag,
        };
        Ok(Queue {
            store: Box::leak(store),
            trust: StateTrust::of(located.place.path()),
            located,
            caller,
        })
    }

    /// On which terms stores are opened and made.
    pub(crate) const fn terms(&self) -> stores::Terms {
        stores::Terms {
            wait: self.global.wait,
            unsafe_network_fs: self.global.unsafe_network_fs,
        }
    }

    fn open_at(&mut self, located: Located) -> Result<Queue, Failure> {
        let caller = self.caller()?;
        let store = stores::open(&located.place, self.terms())?;
        let store: &'static dyn Store = Box::leak(store);
        if let Some(warning) = stores::size_warning(&located.place, store)? {
            self.out.warn(warning);
        }
        Ok(Queue {
            store,
            trust: StateTrust::of(located.place.path()),
            located,
            caller,
        })
    }

    /// On whose behalf: a worker's environment names its claim, else it is a person.
    pub(crate) fn caller(&self) -> Result<Caller, Failure> {
        let actor = self.actor()?;
        let Some(token) = variable("TASQ_TOKEN") else {
            return Ok(Caller::Person { actor });
        };
        let token = Token::shown(&token);
        let task = variable("TASQ_TASK")
            .ok_or_else(|| Failure::usage("TASQ_TOKEN is set, but TASQ_TASK is not"))?;
        let task =
            TaskId::new(task).map_err(|error| Failure::usage(format!("TASQ_TASK: {error}")))?;
        let worker = variable("TASQ_WORKER").unwrap_or_else(|| actor.as_str().to_owned());
        let worker =
            Worker::new(worker).map_err(|error| Failure::usage(format!("TASQ_WORKER: {error}")))?;
        Ok(Caller::Worker {
            worker,
            holder: HolderRef { task, token },
        })
    }

    /// The name under which tasks are claimed.
    pub(crate) fn worker(&self, given: Option<Worker>) -> Result<Worker, Failure> {
        if let Some(worker) = given {
            return Ok(worker);
        }
        let name = match variable("TASQ_WORKER") {
            Some(name) => name,
            None => self.actor()?.as_str().to_owned(),
        };
        Worker::new(name).map_err(|error| Failure::usage(error.to_string()))
    }

    fn actor(&self) -> Result<Actor, Failure> {
        if let Some(actor) = &self.global.actor {
            return Ok(actor.clone());
        }
        let name = variable("TASQ_ACTOR").unwrap_or_else(user_at_host);
        Actor::new(name).map_err(|error| Failure::usage(format!("TASQ_ACTOR: {error}")))
    }
}

impl Session {
    /// Lets commands run that were typed just now. What was asked for is done, so that this fails is only told.
    pub(crate) fn trust_typed(&mut self, queue: &Queue, commands: Vec<CommandLine>) {
        if let Err(error) = queue.app().trust_typed(&commands) {
            self.out
                .warn(format!("{error}; let it run with `tasq trust`"));
        }
    }
}

impl Queue {
    /// Its use cases.
    pub(crate) fn app(&self) -> App<'_> {
        App::new(self.store, &IDS, self.caller.clone())
            .with_processes(&PROCESSES)
            .with_trust(&self.trust)
    }

    /// Its use cases, under the operation id of a request.
    pub(crate) fn change(&self, change: Change) -> App<'_> {
        self.app().with_op(change.op)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.located.place
    }

    /// The task that a holder's command is about.
    pub(crate) fn task_or_own(&self, task: Option<&str>) -> Result<TaskId, Failure> {
        match (task, &self.caller) {
            (Some(text), _) => Ok(self.app().find_task(text)?),
            (None, Caller::Worker { holder, .. }) => Ok(holder.task.clone()),
            (None, Caller::Person { .. }) => Err(Failure::usage("no task was named")
                .with_hint("name one; TASQ_TASK names it only together with TASQ_TOKEN")),
        }
    }

    /// The worktree in which the caller works on this task, if it is its worker under `run --worktree`.
    pub(crate) fn own_worktree(&self, task: &TaskId) -> Option<PathBuf> {
        let Caller::Worker { holder, .. } = &self.caller else {
            return None;
        };
        let folder = variable(FOLDER_OF_WORKTREE).filter(|_| holder.task == *task)?;
        let folder = fs::canonicalize(folder).ok()?;
        let desk = worktrees(self.place().folder()?).join(safe_name(task));
        // A folder of the worker's own choice proves nothing.
        let within = folder.starts_with(fs::canonicalize(desk).ok()?);
        within.then_some(folder)
    }

    /// The token for a task: the one given, else the worker's own if this is its task.
    pub(crate) fn token_for(&self, task: &TaskId, token: Option<Token>) -> Option<Token> {
        match (token, &self.caller) {
            (Some(token), _) => Some(token),
            (None, Caller::Worker { holder, .. }) if holder.task == *task => Some(holder.token),
            (None, _) => None,
        }
    }

    /// The claim that a holder's command writes under.
    pub(crate) fn holder(&self, held: &Held) -> Result<HolderRef, Failure> {
        let task = self.task_or_own(held.task.as_deref())?;
        let token = self.token_for(&task, held.token).ok_or_else(|| {
            Failure::usage(format!("the token of the claim of {task} is missing"))
                .with_hint("give the one that `tasq claim` printed with --token")
        })?;
        Ok(HolderRef { task, token })
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `user@host`; neither a home nor a password file is needed for it.
fn user_at_host() -> String {
    let user = variable("USER")
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname();
    format!("{user}@{}", host.nodename().to_string_lossy())
}
