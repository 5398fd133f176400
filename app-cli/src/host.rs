//! The program around the loop: signals, pauses, logs, and whether the store has news.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tasq_app::{Assignment, Host, Stop};
use tasq_domain::{TaskId, Token};

use crate::discover::Place;
use crate::runner::Interrupt;
use crate::view::worker_input;
use crate::workplace::safe_name;

/// This program, for a loop over one store.
pub(crate) struct LoopHost {
    interrupt: Interrupt,
    logs: Option<PathBuf>,
    /// The files that change when somebody writes to the store.
    watched: Vec<PathBuf>,
}

impl LoopHost {
    /// Logs go beside the store if it lies in a `.tasq/`, and nowhere otherwise.
    pub(crate) fn new(place: &Place, interrupt: Interrupt) -> Self {
        let path = place.path();
        let watched = match place {
            Place::Sqlite(_) => {
                let mut log = path.as_os_str().to_owned();
                log.push("-wal");
                vec![path.to_path_buf(), log.into()]
            }
            Place::Json(_) => vec![path.to_path_buf()],
        };
        Self {
            interrupt,
            logs: place.folder().map(|folder| folder.join("logs")),
            watched,
        }
    }
}

impl Host for LoopHost {
    fn input(&self, assignment: &Assignment) -> Vec<u8> {
        (worker_input(assignment).into_text() + "\n").into_bytes()
    }

    fn log(&self, task: &TaskId, token: Token) -> Option<PathBuf> {
        let name = format!("{}.{token}.log", safe_name(task));
        Some(self.logs.as_ref()?.join(name))
    }

    fn stop(&self) -> Stop {
        let Some(signal) = self.interrupt.signal().map(i32::from) else {
            return Stop::GoOn;
        };
        match self.interrupt.times() {
            0 | 1 => Stop::Drain(signal),
            _ => Stop::Now(signal),
        }
    }

    fn pause(&self, span: Duration) {
        self.interrupt.sleep(span);
    }

    /// Two calls of `stat`: a store's files have another time, size or number once they were written to.
    fn news(&self) -> Option<u64> {
        let mut stamp = 0xcbf2_9ce4_8422_2325_u64;
        for path in &self.watched {
            let facts = fs::symlink_metadata(path).ok();
            let facts = facts.map_or([0; 4], |it| {
                [
                    it.ino(),
                    it.size(),
                    it.mtime().cast_unsigned(),
                    it.mtime_nsec().cast_unsigned(),
                ]
            });
            for fact in facts {
                stamp = (stamp ^ fact)
                    .wrapping_mul(0x0100_0000_01b3)
                    .rotate_left(23);
            }
        }
        Some(stamp)
    }
}
