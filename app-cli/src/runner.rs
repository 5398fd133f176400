//! Running commands: each under a keeper of its own (see [`child`]), its output kept in a log and a bounded tail, and
//! nothing of it left behind.
//!
//! The supervisor is this process. It counts the time, reads the output and asks the keeper to stop; the keeper ends
//! what the command started. If the supervisor is killed, the keepers see it at once. If a keeper is killed, the command
//! dies with it, and what that had started is re-parented to the supervisor, which ends it. If both are killed at a
//! time, the next start ends what carries the mark of this process: see [`crate::processes::remains`].

mod capture;
pub(crate) mod child;
mod control;
mod environment;
mod interrupt;
mod log;
mod redaction;
mod tail;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, set_child_subreaper, waitpid};
use tasq_ports::{CommandSpec, End, Exit, Limits, Processes as _, RunError, Runner, Running};

pub(crate) use capture::Outputs;
pub(crate) use interrupt::Interrupt;
pub(crate) use log::open_to_read;
pub(crate) use redaction::Redaction;

use crate::args::shared::Passed;
use crate::processes::remains::{MARK, mark};
use crate::processes::stat::Stat;
use crate::session::PROCESSES;
use capture::Capture;
use control::{Said, send_input, send_stop};
use log::Log;

/// The program that is running, even after its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How often a waiting supervisor looks whether it was interrupted itself.
const LOOK: Duration = Duration::from_millis(100);
/// How much longer than the grace time a keeper may take before it is taken for stuck.
const KEEPERS_TIME: Duration = Duration::from_secs(30);
/// How long output is still read after nothing is left that could write it.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long it is tried to start a command while there is no room for another process.
const ROOM_TIME: Duration = Duration::from_secs(30);
/// How often that is tried.
const ROOM_LOOK: Duration = Duration::from_millis(250);
/// How long it is tried to end what a killed keeper left.
const ORPHANS_TIME: Duration = Duration::from_secs(5);
/// How often it is looked whether that has ended.
const ORPHANS_LOOK: Duration = Duration::from_millis(5);

/// Runs commands on this machine.
#[derive(Debug, Clone)]
pub(crate) struct SystemRunner {
    program: PathBuf,
    interrupt: Interrupt,
    give_up: bool,
    environment: Vec<(OsString, OsString)>,
    /// The bounds of commands that bring none of their own.
    processes: Option<u32>,
    memory: Option<u64>,
    redaction: Arc<Redaction>,
    outputs: Outputs,
}

impl SystemRunner {
    /// One whose commands get of our environment what every program needs.
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self {
            program: PathBuf::from(OWN_PROGRAM),
            interrupt,
            give_up: false,
            environment: environment::passed_on(&[]),
            processes: None,
            memory: None,
            redaction: Arc::new(Redaction::of_variables(std::env::vars_os())),
            outputs: Outputs::default(),
        }
    }

    /// One whose waits fail when the program is asked to stop, for use cases that only wait for an end.
    pub(crate) fn giving_up_when_interrupted(self) -> Self {
        Self {
            give_up: true,
            ..self
        }
    }

    /// One whose commands get and may use what was asked for.
    pub(crate) fn granting(self, passed: &Passed) -> Self {
        let Passed {
            env,
            max_processes,
            max_memory,
        } = passed;
        Self {
            environment: environment::passed_on(env),
            processes: *max_processes,
            memory: max_memory.map(|mib| mib.saturating_mul(1 << 20)),
            ..self
        }
    }

    /// What the commands under way write, by their labels.
    pub(crate) fn outputs(&self) -> Outputs {
        self.outputs.clone()
    }
}

impl Runner for SystemRunner {
    fn start(&self, command: &CommandSpec) -> Result<Box<dyn Running>, RunError> {
        let until = Instant::now() + ROOM_TIME;
        loop {
            match self.try_to_start(command) {
                // Another command has taken all processes, and its keeper is about to end it.
                Err(RunError::Start { source, .. })
                    if source.kind() == io::ErrorKind::WouldBlock
                        && self.interrupt.signal().is_none()
                        && Instant::now() < until =>
                {
                    self.interrupt.sleep(ROOM_LOOK);
                }
                started => return started,
            }
        }
    }
}

impl SystemRunner {
    fn try_to_start(&self, command: &CommandSpec) -> Result<Box<dyn Running>, RunError> {
        let program = command.argv.first().cloned().unwrap_or_default();
        let failed = |source| RunError::Start {
            program: program.clone(),
            source,
        };
        adopt_orphans().map_err(failed)?;
        let log = command.log.as_deref().map(Log::open).transpose();
        let log = log.map_err(failed)?;
        // One pipe for both, so that lines stay in the order in which they were written.
        let (reader, writer) = io::pipe().map_err(failed)?;
        let (mut keeper, control) = self.start_keeper(command, writer).map_err(failed)?;
        let started = Instant::now();
        let capture = Arc::new(Capture::new(log, Arc::clone(&self.redaction)));
        let drained = Arc::clone(&capture)
            .drain(reader)
            .and_then(|drained| hand_over(&control, &command.stdin).map(|()| drained));
        let drained = drained.map_err(|source| {
            forget(&mut keeper);
            failed(source)
        })?;
        self.outputs.add(&command.label, &capture);
        Ok(Box::new(Supervised {
            program,
            label: command.label.clone(),
            limits: command.limits,
            keeper,
            control,
            received: Vec::new(),
            started,
            capture,
            drained,
            outputs: self.outputs.clone(),
            told: 0,
            interrupt: self.interrupt.clone(),
            give_up: self.give_up,
            end: End::Itself,
            done: false,
        }))
    }

    fn limits(&self, command: &CommandSpec) -> Limits {
        Limits {
            processes: command.limits.processes.or(self.processes),
            memory: command.limits.memory.or(self.memory),
            ..command.limits
        }
    }

    /// Starts the keeper of a command, and returns it with the socket to it.
    fn start_keeper(
        &self,
        command: &CommandSpec,
        writer: io::PipeWriter,
    ) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut keeper = Command::new(&self.program);
        keeper
            .arg0("tasq")
            .args(child::keeper_words(&self.limits(command)))
            .args(&command.argv)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&command.folder)
            .stdin(OwnedFd::from(theirs))
            .stdout(writer.try_clone()?)
            .stderr(writer);
        if let Some(us) = own_mark() {
            keeper.env(MARK, us);
        }
        // Nobody looks for orphans while there is a keeper that is not known yet.
        let keeper = keepers(|all| {
            let keeper = keeper.spawn()?;
            all.insert(keeper.id());
            Ok::<_, io::Error>(keeper)
        })?;
        Ok((keeper, ours))
    }
}

/// A command under way.
struct Supervised {
    program: String,
    label: String,
    limits: Limits,
    keeper: Child,
    control: UnixStream,
    /// What the keeper said that is not a whole line yet.
    received: Vec<u8>,
    started: Instant,
    capture: Arc<Capture>,
    /// Says when all output was read.
    drained: Receiver<()>,
    outputs: Outputs,
    /// How many interrupts the caller has seen.
    told: usize,
    interrupt: Interrupt,
    give_up: bool,
    /// Why it ends, as far as that is known.
    end: End,
    done: bool,
}

/// How a command ended: its exit code, or the signal.
type How = Result<i32, i32>;

impl Running for Supervised {
    fn wait(&mut self, limit: Duration) -> Result<Option<Exit>, RunError> {
        let until = Instant::now().checked_add(limit);
        loop {
            let left = until.map_or(LOOK, |until| {
                until.saturating_duration_since(Instant::now())
            });
            let (overdue, why) = self.left();
            if let Some(how) = self.hear(left.min(LOOK).min(overdue))? {
                return self.finish(how).map(Some);
            }
            if overdue.is_zero() {
                return self.stop_because(why).map(Some);
            }
            if self.is_interrupted() {
                if self.give_up {
                    return Err(self.failed(io::ErrorKind::Interrupted.into()));
                }
                return Ok(None);
            }
            if left <= LOOK {
                return Ok(None);
            }
        }
    }

    fn stop(&mut self) -> Result<Exit, RunError> {
        self.stop_because(End::Stopped)
    }
}

impl Supervised {
    /// How long it may go on, and what its end would be then.
    fn left(&self) -> (Duration, End) {
        let left = |limit: Option<Duration>, used: Duration| {
            limit.map_or(Duration::MAX, |limit| limit.saturating_sub(used))
        };
        let time = left(self.limits.time, self.started.elapsed());
        let silence = left(self.limits.silence, self.capture.silence());
        if time <= silence {
            (time, End::Time)
        } else {
            (silence, End::Silence)
        }
    }

    fn is_interrupted(&mut self) -> bool {
        let times = self.interrupt.times();
        let again = times > self.told;
        self.told = times;
        again
    }

    fn stop_because(&mut self, end: End) -> Result<Exit, RunError> {
        self.end = end;
        // A keeper that cannot be told has ended, which is heard next.
        let _ = send_stop(&mut &self.control, self.limits.grace);
        let patience = Instant::now() + self.limits.grace + KEEPERS_TIME;
        let how = loop {
            if let Some(how) = self.hear(LOOK)? {
                break how;
            }
            if Instant::now() >= patience {
                // It is stopped, or the machine is; its end takes the command with it.
                self.keeper.kill().map_err(|source| self.failed(source))?;
            }
        };
        self.finish(how)
    }

    /// Listens to the keeper; `None` if the command has not ended within the time.
    fn hear(&mut self, within: Duration) -> Result<Option<How>, RunError> {
        let mut buffer = [0; 256];
        // No time at all would be without end.
        let within = within.max(Duration::from_millis(1));
        let read = self
            .control
            .set_read_timeout(Some(within))
            .and_then(|()| self.control.read(&mut buffer));
        match read {
            Ok(0) => return Ok(Some(self.bury_keeper()?)),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if is_for_now(&error) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(Some(self.bury_keeper()?));
            }
            Err(error) => return Err(self.failed(error)),
        }
        loop {
            let said = Said::take(&mut self.received).map_err(|source| self.failed(source))?;
            match said {
                Some(Said::Code(code)) => return Ok(Some(Ok(code))),
                Some(Said::Signal(signal)) => return Ok(Some(Err(signal))),
                Some(Said::Crowded) => self.end = End::Processes,
                Some(Said::Started | Said::CannotStart(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// The keeper ended without a word: somebody killed it, and with it the command. Ends what that had started.
    fn bury_keeper(&mut self) -> Result<How, RunError> {
        let status = self.keeper.wait();
        let status = status.map_err(|source| self.failed(source))?;
        end_orphans().map_err(|source| self.failed(source))?;
        Ok(Err(status.signal().unwrap_or(Signal::KILL.as_raw())))
    }

    /// Nothing is left of the command: collects its keeper and the rest of its output.
    fn finish(&mut self, how: How) -> Result<Exit, RunError> {
        let duration = self.started.elapsed();
        let status = self.keeper.wait();
        status.map_err(|source| self.failed(source))?;
        self.leave();
        let _ = self.drained.recv_timeout(LAST_WORDS);
        let (output_tail, written) = self.capture.finish();
        Ok(Exit {
            code: how.ok(),
            signal: how.err(),
            duration,
            output_tail,
            end: self.end,
            written,
        })
    }

    fn leave(&mut self) {
        self.done = true;
        keepers(|all| all.remove(&self.keeper.id()));
        self.outputs.remove(&self.label, &self.capture);
    }

    fn failed(&self, source: io::Error) -> RunError {
        RunError::Supervise {
            program: self.program.clone(),
            source,
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if !self.done {
            // The keeper takes it for our end, and kills at once.
            let _ = self.control.shutdown(Shutdown::Both);
            let _ = self.keeper.wait();
            self.leave();
        }
    }
}

/// Gives the keeper what the command reads, and waits until the command runs. That a keeper was killed meanwhile, by the
/// command for one, is no error yet: it is the end of this command, which is heard of next.
fn hand_over(control: &UnixStream, stdin: &[u8]) -> io::Result<()> {
    let mut stream = control;
    if send_input(&mut stream, stdin).is_err() {
        return Ok(());
    }
    let mut received = Vec::new();
    let mut byte = [0];
    loop {
        match Said::take(&mut received)? {
            Some(Said::CannotStart(errno)) => return Err(io::Error::from_raw_os_error(errno)),
            Some(_) => return Ok(()),
            None => {}
        }
        // Byte by byte, so that nothing of the next line is taken.
        match stream.read(&mut byte) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => received.push(byte[0]),
        }
    }
}

/// Ends a keeper that has nothing to keep.
fn forget(keeper: &mut Child) {
    let _ = keeper.kill();
    let _ = keeper.wait();
    keepers(|all| all.remove(&keeper.id()));
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Makes this process the one to which orphans are re-parented, once.
fn adopt_orphans() -> io::Result<()> {
    static ADOPTS: OnceLock<Result<(), rustix::io::Errno>> = OnceLock::new();
    let adopts = ADOPTS.get_or_init(|| set_child_subreaper(Some(getpid())));
    Ok((*adopts)?)
}

/// The mark of what this process supervises; `None` where processes cannot be told apart.
fn own_mark() -> Option<&'static str> {
    static OWN: OnceLock<Option<String>> = OnceLock::new();
    let own = OWN.get_or_init(|| PROCESSES.identify(std::process::id()).map(|us| mark(&us)));
    own.as_deref()
}

/// The keepers of this process, to tell them from what it adopted.
fn keepers<T>(with: impl FnOnce(&mut BTreeSet<u32>) -> T) -> T {
    static KEEPERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    with(&mut KEEPERS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Kills what this process has adopted: children of ours that are no keepers, each in a session that is not ours.
/// Children of theirs become ours when they end, so it is repeated until there are none.
fn end_orphans() -> io::Result<()> {
    let until = Instant::now() + ORPHANS_TIME;
    loop {
        let orphans = orphans()?;
        if orphans.is_empty() || Instant::now() >= until {
            return Ok(());
        }
        for orphan in &orphans {
            orphan.signal(Signal::KILL);
            if let Some(pid) = Pid::from_raw(orphan.pid) {
                // Collected here or the next time.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        thread::sleep(ORPHANS_LOOK);
    }
}

fn orphans() -> io::Result<Vec<Stat>> {
    let us = Stat::of(i32::try_from(std::process::id()).unwrap_or_default())?;
    let (all, known) = keepers(|known| Stat::all().map(|all| (all, known.clone())))?;
    let is_known = |pid: i32| u32::try_from(pid).is_ok_and(|pid| known.contains(&pid));
    Ok(all
        .into_iter()
        .filter(|stat| stat.parent == us.pid && stat.session != us.session)
        .filter(|stat| !is_known(stat.pid))
        .collect())
}

#[cfg(test)]
mod tests;
