//! The keeper of one command: see [`super`].

use std::collections::BTreeSet;
use std::ffi::{CStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgrp, getpid, kill_process_group, set_child_subreaper,
    setsid, wait,
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::{Bounds, LAUNCH, words};
use crate::processes::stat::Stat;
use crate::runner::OWN_PROGRAM;
use crate::runner::control::{Said, receive_input, receive_stop};

/// How long what a command leaves running may take to end after it was asked to.
const LEFTOVER_GRACE: Duration = Duration::from_secs(1);
/// How long the end of everything is waited for before anybody is looked for.
const AT_ONCE: Duration = Duration::from_millis(3);
/// How often it is looked whether all that was killed is gone, and killed again.
const AGAIN: Duration = Duration::from_millis(10);
/// The longest that it comes to.
const AGAIN_AT_MOST: Duration = Duration::from_secs(1);
/// How often processes are counted where their number is limited.
const COUNT_EVERY: Duration = Duration::from_millis(20);

/// What a keeper is called in lists of processes, where it would have the name of the link that it was started through.
const NAME: &CStr = c"tasq-keeper";
/// What an empty pipe takes without anybody reading it, in bytes.
const FITS_A_PIPE: usize = 4096;

/// What happens to a keeper.
enum News {
    /// A process below it has ended.
    Ended(Pid, WaitStatus),
    /// No process is left below it.
    Empty,
    /// It is to stop the command, within a grace time.
    Stop(Duration),
    /// The supervisor is gone.
    Abandoned,
}

/// Keeps one command to its end. Its standard input is the socket to the supervisor.
pub(super) fn keep(bounds: Bounds, command: &[OsString]) -> u8 {
    match try_to_keep(bounds, command) {
        Ok(()) => 0,
        // What was started dies with this process.
        Err(_) => 1,
    }
}

fn try_to_keep(bounds: Bounds, command: &[OsString]) -> io::Result<()> {
    rustix::thread::set_name(NAME)?;
    outlive_requests()?;
    // Neither the terminal nor what is sent to the supervisor's group reaches the command.
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    let mut supervisor = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let input = receive_input(&mut supervisor)?;
    let worker = match start(bounds, command) {
        Ok((worker, stdin)) => {
            Said::Started.write(&mut supervisor)?;
            feed(stdin, input);
            worker
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or_default();
            return Said::CannotStart(errno).write(&mut supervisor);
        }
    };
    let (tell, news) = channel();
    collect(tell.clone());
    listen(supervisor.try_clone()?, tell);
    let mut keeper = Keeper {
        worker,
        bounds,
        news,
        supervisor,
        how: None,
    };
    keeper.watch()
}

/// Asking this process to end is no way to end the command, whoever asks: a person who means the loop, or the command
/// itself. A handler does not reach the programs that are started, unlike ignoring the signals would.
fn outlive_requests() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Starts the launcher and waits until it is the command.
fn start(bounds: Bounds, command: &[OsString]) -> io::Result<(Pid, Option<ChildStdin>)> {
    let mut child = Command::new(OWN_PROGRAM)
        .arg0("tasq")
        .args(words(LAUNCH, bounds))
        .arg(std::process::id().to_string())
        .args(command)
        .process_group(0)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut why_not = Vec::new();
    if let Some(mut errors) = child.stderr.take() {
        errors.read_to_end(&mut why_not)?;
    }
    if let Ok(errno) = <[u8; 4]>::try_from(why_not.as_slice()) {
        child.wait()?;
        return Err(io::Error::from_raw_os_error(i32::from_le_bytes(errno)));
    }
    Ok((Pid::from_child(&child), child.stdin.take()))
}

/// Gives the command its input. It need not read it; then the pipe breaks, which is fine.
fn feed(stdin: Option<ChildStdin>, input: Vec<u8>) {
    let Some(mut stdin) = stdin else { return };
    if input.len() <= FITS_A_PIPE {
        drop(stdin.write_all(&input));
        return;
    }
    thread::spawn(move || drop(stdin.write_all(&input)));
}

/// Collects everything that ends below this process, and tells of it.
fn collect(tell: Sender<News>) {
    thread::spawn(move || {
        loop {
            let news = match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => News::Ended(pid, status),
                Ok(None) | Err(Errno::INTR) => continue,
                Err(_) => News::Empty,
            };
            let last = matches!(news, News::Empty);
            if tell.send(news).is_err() || last {
                return;
            }
        }
    });
}

fn listen(mut supervisor: UnixStream, tell: Sender<News>) {
    thread::spawn(move || {
        while let Some(grace) = receive_stop(&mut supervisor) {
            if tell.send(News::Stop(grace)).is_err() {
                return;
            }
        }
        // Nobody needs to know once everything has ended.
        let _ = tell.send(News::Abandoned);
    });
}

struct Keeper {
    worker: Pid,
    bounds: Bounds,
    news: Receiver<News>,
    supervisor: UnixStream,
    /// How the command itself ended.
    how: Option<WaitStatus>,
}

impl Keeper {
    /// Waits until the command has ended and nothing is left of it, and says how.
    fn watch(&mut self) -> io::Result<()> {
        let counting = self.bounds.processes.map(|_| COUNT_EVERY);
        loop {
            match self.next(counting) {
                Some(News::Empty) => break,
                Some(News::Ended(pid, how)) if pid == self.worker => {
                    self.how = Some(how);
                    if !self.is_empty_within(AT_ONCE) {
                        self.end(LEFTOVER_GRACE);
                    }
                    break;
                }
                Some(News::Ended(..)) => {}
                Some(News::Stop(grace)) => {
                    self.end(grace);
                    break;
                }
                Some(News::Abandoned) => {
                    self.end(Duration::ZERO);
                    break;
                }
                None if self.is_crowded() => {
                    Said::Crowded.write(&mut self.supervisor)?;
                    self.end(Duration::ZERO);
                    break;
                }
                None => {}
            }
        }
        let said = match self.how {
            Some(how) => how.terminating_signal().map_or_else(
                || Said::Code(how.exit_status().unwrap_or_default()),
                Said::Signal,
            ),
            None => Said::Signal(Signal::KILL.as_raw()),
        };
        said.write(&mut self.supervisor)
    }

    /// The next news; `None` if there are none in time.
    fn next(&self, within: Option<Duration>) -> Option<News> {
        let news = match within {
            Some(within) => self.news.recv_timeout(within),
            None => self.news.recv().map_err(RecvTimeoutError::from),
        };
        match news {
            Ok(news) => Some(news),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(News::Abandoned),
        }
    }

    /// Asks everything to end, waits for the grace time, then kills until nothing is left.
    fn end(&mut self, mut grace: Duration) {
        let began = Instant::now();
        if !grace.is_zero() {
            self.signal(Signal::TERM);
            // What is stopped does not see the request until it goes on.
            self.signal(Signal::CONT);
        }
        loop {
            let left = grace.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            match self.next(Some(left)) {
                Some(News::Empty) => return,
                Some(News::Ended(pid, how)) if pid == self.worker => {
                    self.how = Some(how);
                    grace = grace.min(began.elapsed() + LEFTOVER_GRACE);
                }
                Some(News::Stop(shorter)) => grace = grace.min(began.elapsed() + shorter),
                Some(News::Abandoned) => grace = Duration::ZERO,
                Some(News::Ended(..)) | None => {}
            }
        }
        let mut again = AGAIN;
        self.signal(Signal::KILL);
        while !self.is_empty_within(again) {
            self.signal(Signal::KILL);
            // What waits for a disk cannot even be killed before it is served.
            again = (again * 2).min(AGAIN_AT_MOST);
        }
    }

    fn is_empty_within(&mut self, span: Duration) -> bool {
        let until = Instant::now() + span;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.next(Some(left)) {
                Some(News::Empty) => return true,
                Some(News::Ended(pid, how)) if pid == self.worker => self.how = Some(how),
                Some(News::Ended(..) | News::Stop(_) | News::Abandoned) => {}
                None => return false,
            }
        }
    }

    /// Signals everything below this process: each group at once, so that none of it gets away by forking, and singly
    /// those that joined our own group.
    fn signal(&self, signal: Signal) {
        let below = below();
        if below.is_empty() && self.how.is_none() {
            // Its number is its own as long as it was not collected.
            let _ = kill_process_group(self.worker, signal);
        }
        let ours = getpgrp().as_raw_nonzero().get();
        let groups: BTreeSet<i32> = below.iter().map(|stat| stat.group).collect();
        for group in groups.into_iter().filter(|&group| group != ours) {
            if let Some(group) = Pid::from_raw(group) {
                // Whoever has ended already need not be asked.
                let _ = kill_process_group(group, signal);
            }
        }
        for stat in below.iter().filter(|stat| stat.group == ours) {
            stat.signal(signal);
        }
    }

    fn is_crowded(&self) -> bool {
        let most = self.bounds.processes.unwrap_or(u32::MAX);
        let count = below().len();
        u32::try_from(count).is_ok_and(|count| count > most)
    }
}

/// Everything that descends from this process and runs; nothing where the system does not show processes, and then the
/// command's own group is all that can be reached.
fn below() -> Vec<Stat> {
    let all = Stat::all().unwrap_or_default();
    let mut parents = BTreeSet::from([getpid().as_raw_nonzero().get()]);
    // A parent may come after its child, because numbers are used again.
    loop {
        let before = parents.len();
        for stat in &all {
            if parents.contains(&stat.parent) {
                parents.insert(stat.pid);
            }
        }
        if parents.len() == before {
            break;
        }
    }
    let us = getpid().as_raw_nonzero().get();
    all.into_iter()
        .filter(|stat| stat.pid != us && !stat.ended && parents.contains(&stat.pid))
        .collect()
}
