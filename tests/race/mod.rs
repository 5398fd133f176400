//! Races between processes, on stores that lie in files: the real command, started many times at once, and processes
//! that claim at each opening of a gate ([`contenders`]).
//!
//! Commands wait at a barrier: each is a shell that says that it is there, reads from a pipe that all share until
//! the test closes it, and then becomes the command.

mod claims;
mod contenders;
mod fairness;

use std::io::{PipeReader, PipeWriter, Read as _};
use std::process::{Child, Command, Stdio};

use crate::crash::place::{Place, Ran, binary};

/// A gate before which processes gather.
struct Barrier {
    gate: PipeReader,
    keeper: PipeWriter,
    arrivals: PipeReader,
    arrival: PipeWriter,
    waiting: Vec<Child>,
}

/// Says that it is there, waits until the gate is open, and becomes the command.
const WAITER: &str = "echo here >&2; read -r _; exec \"$@\" </dev/null 2>/dev/null";

impl Barrier {
    fn new() -> Self {
        let (gate, keeper) = std::io::pipe().unwrap();
        let (arrivals, arrival) = std::io::pipe().unwrap();
        Self {
            gate,
            keeper,
            arrivals,
            arrival,
            waiting: Vec::new(),
        }
    }

    /// Brings the command with these words to the gate.
    fn bring(&mut self, place: &Place, words: &[&str]) {
        let mut shell: Command = place.program("sh");
        let child = shell
            .args(["-c", WAITER, "sh"])
            .arg(binary())
            .args(words)
            .stdin(self.gate.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(self.arrival.try_clone().unwrap())
            .spawn();
        self.waiting.push(child.unwrap());
    }

    /// Opens the gate once all have come, and tells how each of them ended.
    fn open(self) -> Vec<Ran> {
        let Self {
            gate,
            keeper,
            mut arrivals,
            arrival,
            waiting,
        } = self;
        drop((gate, arrival));
        let mut here = [0; 5];
        for _ in &waiting {
            arrivals.read_exact(&mut here).unwrap();
            assert_eq!(&here, b"here\n");
        }
        drop(keeper);
        waiting
            .into_iter()
            .map(|child| Ran::from(child.wait_with_output().unwrap()))
            .collect()
    }
}
