//! The log outside of the store: what workers were told, a line each, on the disk before they go on.
//!
//! A line is `claimed TASK TOKEN`. Each worker has a file of its own, named after it. A last line without an end was
//! under way when the worker was killed; it was no acknowledgement yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tasq_domain::{TaskId, Token};

/// What a worker was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It holds the task.
    Claimed,
    /// Its completion was accepted.
    Completed,
    /// Its failure was accepted.
    Failed,
    /// The task was taken back from it as it asked.
    Released,
    /// Its write was refused, because it no longer holds the task.
    Refused,
}

impl Told {
    const ALL: [Self; 5] = [
        Self::Claimed,
        Self::Completed,
        Self::Failed,
        Self::Released,
        Self::Refused,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Released => "released",
            Self::Refused => "refused",
        }
    }
}

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) worker: String,
    pub(super) told: Told,
    pub(super) task: TaskId,
    pub(super) token: Token,
}

/// A worker's file.
pub(super) struct Logbook(File);

impl Logbook {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self(file))
    }

    /// Adds a line, and returns when it is on the disk.
    pub(super) fn note(&mut self, told: Told, task: &TaskId, token: Token) -> io::Result<()> {
        let line = format!("{} {task} {token}\n", told.as_str());
        self.0.write_all(line.as_bytes())?;
        self.0.sync_all()
    }
}

/// Every whole line of a worker's file; none if it was killed before it made one.
pub(super) fn read(path: &Path, worker: &str) -> io::Result<Vec<Ack>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let acks = text[..whole].lines().map(|line| {
        let ack = parse(line, worker);
        ack.ok_or_else(|| io::Error::other(format!("not a line of this log: {line:?}")))
    });
    acks.collect()
}

fn parse(line: &str, worker: &str) -> Option<Ack> {
    let mut words = line.split(' ');
    let told = words.next()?;
    let ack = Ack {
        worker: worker.to_owned(),
        told: Told::ALL.into_iter().find(|it| it.as_str() == told)?,
        task: TaskId::new(words.next()?).ok()?,
        token: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(ack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_but_for_a_torn_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.log");
        assert_eq!(read(&path, "w").unwrap(), []);
        let (task, token) = (
            TaskId::new("T").unwrap(),
            Token {
                attempt: 2,
                nonce: 7,
            },
        );
        let mut book = Logbook::create(&path).unwrap();
        for told in Told::ALL {
            book.note(told, &task, token).unwrap();
        }
        book.0.write_all(b"completed T 3-00000").unwrap();
        let acks = read(&path, "w").unwrap();
        assert_eq!(
            acks.iter().map(|ack| ack.told).collect::<Vec<_>>(),
            Told::ALL
        );
        assert!(
            acks.iter()
                .all(|ack| ack.task == task && ack.token == token)
        );
        book.0.write_all(b"\n").unwrap();
        assert!(read(&path, "w").is_err(), "that is no token");
    }
}
