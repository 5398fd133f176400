//! The workers under way: started, watched, killed, and never left behind.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGTERM};

use super::acks::{self, Ack};
use super::check::{Promise, Violation};
use crate::discover::Place;
use crate::failure::Failure;
use crate::stores::Terms;

/// Workers wait at least so long for the store: the last of many waits for all others, and a slow disk, or a machine that
/// stood still, breaks no promise.
const WAIT: Duration = Duration::from_mins(10);

/// Workers on one store, with their logs in one folder. They end with this value.
pub(super) struct Crew {
    program: PathBuf,
    store: OsString,
    terms: Terms,
    folder: PathBuf,
    members: Vec<Member>,
    /// The names of all that were ever started.
    names: Vec<String>,
    /// How many bytes those noted that are gone.
    gone_bytes: u64,
}

/// What a worker is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Claim and complete, with choices from this seed.
    Claim(u64),
    /// Write as fast as it can.
    Write,
}

struct Member {
    name: String,
    child: Child,
    /// It ends when this is closed.
    life: Option<ChildStdin>,
}

impl Crew {
    /// Nobody yet; logs go into `folder`, which is there.
    pub(super) fn new(place: &Place, folder: &Path, terms: Terms) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::io("cannot find this program itself", &error))?;
        let mut store: OsString = match place {
            Place::Sqlite(_) => "sqlite:".into(),
            Place::Json(_) => "json:".into(),
        };
        store.push(place.path());
        Ok(Self {
            program,
            store,
            terms,
            folder: folder.to_owned(),
            members: Vec::new(),
            names: Vec::new(),
            gone_bytes: 0,
        })
    }

    /// Starts one more.
    pub(super) fn start(&mut self, duty: Duty) -> Result<(), Failure> {
        let name = format!("worker-{:05}", self.names.len() + 1);
        let failed = |error: io::Error| Failure::io("cannot start a worker", &error);
        let errors = File::create_new(self.file(&name, "err")).map_err(failed)?;
        let mut command = Command::new(&self.program);
        for (variable, _) in std::env::vars_os() {
            // What says on whose behalf to act is not for them; TASQ_SYNC is.
            if variable.to_string_lossy().starts_with("TASQ_") && variable != "TASQ_SYNC" {
                command.env_remove(variable);
            }
        }
        command
            .arg("--store")
            .arg(&self.store)
            .arg("--wait")
            .arg(format!("{}s", self.terms.wait.max(WAIT).as_secs()))
            .args(
                self.terms
                    .unsafe_network_fs
                    .then_some("--unsafe-network-fs"),
            )
            .arg("selftest-worker")
            .arg("--log")
            .arg(self.file(&name, "log"))
            .arg("--name")
            .arg(&name);
        match duty {
            Duty::Claim(seed) => command.arg("--seed").arg(seed.to_string()),
            Duty::Write => command.arg("--writes"),
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(failed)?;
        let life = child.stdin.take();
        self.names.push(name.clone());
        self.members.push(Member { name, child, life });
        Ok(())
    }

    /// How many are at work.
    pub(super) const fn len(&self) -> usize {
        self.members.len()
    }

    /// How many were ever started.
    pub(super) const fn started(&self) -> usize {
        self.names.len()
    }

    /// How much all of them have noted so far, in bytes.
    pub(super) fn noted(&self) -> u64 {
        let members = self.members.iter();
        self.gone_bytes + members.map(|it| self.bytes_of(&it.name)).sum::<u64>()
    }

    /// Kills one of those at work, which are numbered from 0; says whether it was still alive.
    pub(super) fn kill(&mut self, number: usize) -> Result<bool, Failure> {
        let mut member = self.members.swap_remove(number);
        // One that ended by itself meanwhile is not waited for yet, so its number is still its own.
        let killed = member
            .child
            .kill()
            .and_then(|()| member.child.wait())
            .map_err(|error| Failure::io("cannot kill a worker", &error))?;
        self.gone_bytes += self.bytes_of(&member.name);
        Ok(killed.signal() == Some(SIGKILL))
    }

    /// Lets those go who have ended, and says who met an error.
    pub(super) fn collect(&mut self) -> Result<Collected, Failure> {
        let mut collected = Collected::default();
        let mut number = 0;
        while let Some(member) = self.members.get_mut(number) {
            let ended = member
                .child
                .try_wait()
                .map_err(|error| Failure::io("cannot wait for a worker", &error))?;
            let Some(status) = ended else {
                number += 1;
                continue;
            };
            let member = self.members.swap_remove(number);
            self.gone_bytes += self.bytes_of(&member.name);
            match status.signal() {
                Some(SIGKILL | SIGTERM | SIGINT | SIGHUP) => collected.killed_by_others += 1,
                _ if status.success() => {}
                _ => collected.errors.push(self.error_of(&member.name, status)),
            }
        }
        Ok(collected)
    }

    /// Lets those who wait for it begin.
    pub(super) fn ring(&mut self) {
        for member in &mut self.members {
            if let Some(life) = &mut member.life {
                // Whoever has gone is collected later.
                let _ = life.write_all(b"\n");
            }
        }
    }

    /// Asks everybody to finish what they are doing and end.
    pub(super) fn ask_to_end(&mut self) {
        for member in &mut self.members {
            member.life = None;
        }
    }

    /// What each worker wrote into its log.
    pub(super) fn logs(&self) -> Vec<String> {
        let logs = self.names.iter();
        logs.map(|name| fs::read_to_string(self.file(name, "log")).unwrap_or_default())
            .collect()
    }

    /// Everything that the workers were told.
    pub(super) fn acks(&self) -> Result<Vec<Ack>, Failure> {
        let mut all = Vec::new();
        for name in &self.names {
            let acks = acks::read(&self.file(name, "log"), name);
            all.extend(acks.map_err(|error| Failure::io("cannot read a worker's log", &error))?);
        }
        Ok(all)
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ending}"))
    }

    fn bytes_of(&self, name: &str) -> u64 {
        fs::metadata(self.file(name, "log")).map_or(0, |facts| facts.len())
    }

    fn error_of(&self, name: &str, status: ExitStatus) -> Violation {
        let said = fs::read_to_string(self.file(name, "err")).unwrap_or_default();
        let said = said.lines().next().unwrap_or("it said nothing");
        Promise::NoErrors.broken(format!("{name} ended with {status}: {said}"))
    }
}

/// Those who have ended by themselves.
#[derive(Default)]
pub(super) struct Collected {
    /// How many somebody else killed: they are to be replaced.
    pub(super) killed_by_others: usize,
    /// Who met an error.
    pub(super) errors: Vec<Violation>,
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
        }
        for member in &mut self.members {
            let _ = member.child.wait();
        }
    }
}
