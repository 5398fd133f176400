//! Running commands: each in a process group of its own, its output kept in a log and a bounded tail, and nothing of it
//! left behind.

mod interrupt;
mod tail;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tasq_ports::{CommandSpec, Exit, RunError, Runner, Running};

pub(crate) use interrupt::Interrupt;
use tail::Tail;

/// How long a group may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often a waiting supervisor looks whether it was interrupted itself.
const LOOK: Duration = Duration::from_millis(50);
/// How long output is still read after the command ended: a process that left the group may hold the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs commands on this machine.
#[derive(Debug, Clone)]
pub(crate) struct SystemRunner {
    interrupt: Interrupt,
    give_up: bool,
}

impl SystemRunner {
    pub(crate) const fn new(interrupt: Interrupt) -> Self {
        Self {
            interrupt,
            give_up: false,
        }
    }

    /// One whose waits fail when the program is asked to stop, for use cases that only wait for an end.
    pub(crate) fn giving_up_when_interrupted(self) -> Self {
        Self {
            give_up: true,
            ..self
        }
    }
}

impl Runner for SystemRunner {
    fn start(&self, command: &CommandSpec) -> Result<Box<dyn Running>, RunError> {
        let CommandSpec {
            argv,
            env,
            stdin,
            folder,
            log,
            label: _,
            limits: _,
        } = command;
        let program = argv.first().cloned().unwrap_or_default();
        let failed = |source| RunError::Start {
            program: program.clone(),
            source,
        };
        let log = log.as_deref().map(open_log).transpose().map_err(failed)?;
        // One pipe for both, so that lines stay in the order in which they were written.
        let (reader, writer) = io::pipe().map_err(failed)?;
        let mut child = Command::new(&program)
            .args(argv.iter().skip(1))
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer)
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = stdin.clone();
            // A command need not read what it is given; then the pipe breaks, which is fine.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let tail = Arc::new(Mutex::new(Tail::default()));
        let drained = drain(reader, log, Arc::clone(&tail));
        let ended = watch(&child);
        let interrupt = self.interrupt.clone();
        let started = Instant::now();
        let give_up = self.give_up;
        Ok(Box::new(Supervised {
            program,
            child,
            started,
            tail,
            drained,
            ended,
            interrupt,
            give_up,
            asked: 0,
            done: false,
        }))
    }
}

/// A command under way.
struct Supervised {
    program: String,
    child: Child,
    started: Instant,
    tail: Arc<Mutex<Tail>>,
    /// Says when all output was read.
    drained: Receiver<()>,
    /// Says when the command itself ended.
    ended: Receiver<io::Result<()>>,
    interrupt: Interrupt,
    give_up: bool,
    /// How often the program was asked to stop, as far as this was told.
    asked: usize,
    done: bool,
}

impl Running for Supervised {
    fn wait(&mut self, limit: Duration) -> Result<Option<Exit>, RunError> {
        let until = Instant::now().checked_add(limit);
        loop {
            let left = until.map_or(LOOK, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if self.has_ended(left.min(LOOK))? {
                return self.reap().map(Some);
            }
            let asked = self.interrupt.times();
            if asked > 0 && self.give_up {
                return Err(self.failed(io::ErrorKind::Interrupted.into()));
            }
            let again = std::mem::replace(&mut self.asked, asked) < asked;
            if again || left <= LOOK {
                return Ok(None);
            }
        }
    }

    fn stop(&mut self) -> Result<Exit, RunError> {
        self.signal_group(Signal::TERM);
        // A stopped process does not see the request until it goes on.
        self.signal_group(Signal::CONT);
        if !self.has_ended(GRACE)? {
            self.signal_group(Signal::KILL);
            while !self.has_ended(GRACE)? {}
        }
        self.reap()
    }
}

impl Supervised {
    fn has_ended(&self, within: Duration) -> Result<bool, RunError> {
        match self.ended.recv_timeout(within) {
            Ok(Ok(())) => Ok(true),
            Ok(Err(source)) => Err(self.failed(source)),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            // The watcher says one thing only; it said that the command has ended.
            Err(RecvTimeoutError::Disconnected) => Ok(true),
        }
    }

    /// Ends what the command left in its group, then collects it. In this order, because until then its number, which
    /// is the group's, belongs to nobody else.
    fn reap(&mut self) -> Result<Exit, RunError> {
        let duration = self.started.elapsed();
        self.signal_group(Signal::KILL);
        let status = self.child.wait().map_err(|source| self.failed(source))?;
        self.done = true;
        let _ = self.drained.recv_timeout(LAST_WORDS);
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(exit(status, duration, tail.text()))
    }

    fn signal_group(&self, signal: Signal) {
        if !self.done {
            // Whoever has ended already need not be asked.
            let _ = kill_process_group(pid(&self.child), signal);
        }
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
            let _ = self.stop();
        }
    }
}

fn exit(status: ExitStatus, duration: Duration, output_tail: String) -> Exit {
    Exit {
        code: status.code(),
        signal: status.signal(),
        duration,
        output_tail,
        ..Exit::default()
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Reads all output in a thread: into the log while that works, and into the tail. The command never waits for a full
/// disk.
fn drain(
    mut reader: io::PipeReader,
    mut log: Option<File>,
    tail: Arc<Mutex<Tail>>,
) -> Receiver<()> {
    let (done, drained) = channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let bytes = &buffer[..count];
            if log
                .as_mut()
                .is_some_and(|log| log.write_all(bytes).is_err())
            {
                log = None;
            }
            tail.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(bytes);
        }
        // Nobody waits any more if the command was given up.
        let _ = done.send(());
    });
    drained
}

/// Waits for the end of a command in a thread, without collecting it.
fn watch(child: &Child) -> Receiver<io::Result<()>> {
    let pid = pid(child);
    let (ended, receiver) = channel();
    thread::spawn(move || {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let result = loop {
            match waitid(WaitId::Pid(pid), how) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result.map(|_| ()).map_err(io::Error::from),
            }
        };
        let _ = ended.send(result);
    });
    receiver
}

/// Opens a log at its end; the folder above it and the file are this account's alone, and a link is not followed.
fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
}

#[cfg(test)]
mod tests;
