//! The attempts at a task, and what they have written.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tasq_app::Code;
use tasq_domain::{Attempt, Status, TaskId};

use crate::args::views::{Attempts, OutputOf};
use crate::failure::Failure;
use crate::runner::{Interrupt, open_to_read};
use crate::session::{Queue, Session};
use crate::view::{self, Piece, WholeOutput};

/// How often `output --follow` looks for more.
const LOOK: Duration = Duration::from_millis(200);
/// How much is read at a time.
const PIECE: u64 = 1024 * 1024;

pub(super) fn attempts(session: &mut Session, args: Attempts) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.task_or_own(args.task.as_deref())?;
    let attempts = queue.app().task_detail(&task)?.attempts;
    session.out.answer(&view::Attempts { task, attempts })?;
    Ok(0)
}

pub(super) fn output(session: &mut Session, args: OutputOf) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.task_or_own(args.task.as_deref())?;
    if args.follow {
        return follow(session, &queue, &task, args.attempt);
    }
    let attempt = find(&queue, &task, args.attempt)?;
    let path = log_of(&queue, &task, &attempt)?;
    let mut file = open(&path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| Failure::io(&format!("cannot read {}", path.display()), &error))?;
    if as_they_are(session) {
        session.out.raw(&bytes)?;
        return Ok(0);
    }
    session.out.answer(&WholeOutput {
        task,
        attempt: attempt.token.attempt,
        open: attempt.end.is_none(),
        log: path.display().to_string(),
        bytes,
    })?;
    Ok(0)
}

/// Whether bytes are written as they are: where no terminal reads them and no program that asked for JSON.
fn as_they_are(session: &Session) -> bool {
    !session.out.is_json() && session.out.style().width.is_none()
}

fn find(queue: &Queue, task: &TaskId, number: Option<u32>) -> Result<Attempt, Failure> {
    let attempts = queue.app().task_detail(task)?.attempts;
    pick(attempts, number).ok_or_else(|| missing(task, number))
}

fn pick(attempts: Vec<Attempt>, number: Option<u32>) -> Option<Attempt> {
    match number {
        Some(number) => attempts.into_iter().find(|it| it.token.attempt == number),
        None => attempts.into_iter().next_back(),
    }
}

fn missing(task: &TaskId, number: Option<u32>) -> Failure {
    let what = match number {
        Some(number) => format!("there is no attempt {number} at {task}"),
        None => format!("nobody has tried {task} yet"),
    };
    Failure::new(Code::NotFound, what)
        .with_hint(format!("`tasq attempts {task}` lists the attempts"))
}

/// The log of an attempt. What the store says may come from anywhere, so only the name counts: logs are beside the store.
fn log_of(queue: &Queue, task: &TaskId, attempt: &Attempt) -> Result<PathBuf, Failure> {
    let number = attempt.token.attempt;
    // While it goes on, nothing is stored of its log yet.
    let host = crate::host::LoopHost::new(queue.place(), Interrupt::default());
    let now = tasq_app::Host::log(&host, task, attempt.token);
    let name = attempt.log_path.as_deref().map(Path::new);
    let name = name.and_then(Path::file_name);
    let path = match (now, name) {
        (Some(path), Some(name)) => Some(path.with_file_name(name)),
        (path, _) => path,
    };
    path.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("the output of attempt {number} at {task} was not kept"),
        )
        .with_hint("`tasq run` keeps it for a store in a .tasq folder")
    })
}

fn open(path: &Path) -> Result<File, Failure> {
    open_to_read(path).map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            return Failure::new(Code::NotFound, format!("{} is not there", path.display()))
                .with_hint("only commands that `tasq run` starts have their output kept");
        }
        Failure::io(&format!("cannot read {}", path.display()), &error)
    })
}

/// Writes what comes until the attempt is over, in whole lines; one that has not begun is waited for.
fn follow(
    session: &mut Session,
    queue: &Queue,
    task: &TaskId,
    number: Option<u32>,
) -> Result<u8, Failure> {
    let interrupt =
        Interrupt::listen().map_err(|error| Failure::io("cannot listen to signals", &error))?;
    let (number, mut file) = match begun(session, queue, task, number, &interrupt)? {
        Begun::Attempt(number, file) => (number, file),
        Begun::Interrupted(status) => return Ok(status),
    };
    let mut line = Vec::new();
    loop {
        // Looked at before the last read, so that nothing is written behind it.
        let over = find(queue, task, Some(number))?.end.is_some();
        while read_more(&mut file, &mut line)? {
            let end = line.iter().rposition(|&byte| byte == b'\n');
            if let Some(end) = end {
                let rest = line.split_off(end + 1);
                let lines = std::mem::replace(&mut line, rest);
                write(session, lines)?;
            }
        }
        if over {
            if !line.is_empty() {
                write(session, line)?;
            }
            return Ok(0);
        }
        interrupt.sleep(LOOK);
        if let Some(status) = interrupt.exit_status() {
            return Ok(status);
        }
    }
}

/// How waiting for an attempt ended.
enum Begun {
    /// It is there, and so is its log.
    Attempt(u32, File),
    /// With this exit status.
    Interrupted(u8),
}

/// Waits until there is an attempt with a log. At a task that is completed there will be no other, and none of a number
/// that was counted before.
fn begun(
    session: &Session,
    queue: &Queue,
    task: &TaskId,
    number: Option<u32>,
    interrupt: &Interrupt,
) -> Result<Begun, Failure> {
    let mut waited = false;
    loop {
        let detail = queue.app().task_detail(task)?;
        let record = &detail.task.record.task;
        let none_comes = record.status == Status::Completed
            || number.is_some_and(|number| number <= record.attempts);
        match pick(detail.attempts, number) {
            Some(attempt) => {
                let path = log_of(queue, task, &attempt)?;
                // Its log is made a moment after the attempt has begun.
                let soon = waited && attempt.end.is_none() && path.symlink_metadata().is_err();
                if !soon {
                    return Ok(Begun::Attempt(attempt.token.attempt, open(&path)?));
                }
            }
            None if none_comes => return Err(missing(task, number)),
            None if !waited => session
                .out
                .talk(&format!("waiting for an attempt at {task} to begin")),
            None => (),
        }
        waited = true;
        interrupt.sleep(LOOK);
        if let Some(status) = interrupt.exit_status() {
            return Ok(Begun::Interrupted(status));
        }
    }
}

fn read_more(file: &mut File, into: &mut Vec<u8>) -> Result<bool, Failure> {
    let read = file.take(PIECE).read_to_end(into);
    read.map(|count| count > 0)
        .map_err(|error| Failure::io("cannot read the log", &error))
}

fn write(session: &mut Session, bytes: Vec<u8>) -> Result<(), Failure> {
    if as_they_are(session) {
        return session.out.raw(&bytes);
    }
    session.out.item(&Piece(bytes))
}
