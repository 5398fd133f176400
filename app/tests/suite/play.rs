//! A runner that plays a script instead of running commands.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tasq_app::VerifyOptions;
use tasq_ports::{CommandSpec, End, Exit, RunError, Runner, Running};

/// What becomes of a command.
pub(crate) enum Play {
    /// It ends by itself.
    Exit(i32),
    /// A signal ends it.
    Signal(i32),
    /// It does something, then ends.
    Does(Box<dyn Fn(&CommandSpec) + Send>, i32),
    /// It runs until it is stopped; something happens at the first look.
    Hangs(Box<dyn Fn() + Send>),
    /// It runs until a look says with which exit code it ends.
    Until(Box<dyn FnMut() -> Option<i32> + Send>),
    /// It writes something and ends.
    Says(String, i32),
    /// It runs for longer than it may.
    TimesOut,
    /// There is no such program.
    CannotStart,
}

/// Says what becomes of a command.
type Judge = dyn Fn(&CommandSpec) -> Play + Send + Sync;

/// Plays one piece after the other, then ends everything with success.
pub(crate) struct Player {
    pieces: Mutex<VecDeque<Play>>,
    judge: Option<Box<Judge>>,
    started: Mutex<Vec<CommandSpec>>,
    stopped: Arc<Mutex<u32>>,
    longest: Arc<Mutex<Duration>>,
}

/// How often a command is looked at before it is clear that nobody will ever stop it.
const LOOKS: u32 = 5_000_000;

impl Player {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Play>) -> Self {
        Self {
            pieces: Mutex::new(pieces.into_iter().collect()),
            judge: None,
            started: Mutex::default(),
            stopped: Arc::default(),
            longest: Arc::default(),
        }
    }

    /// One that plays what is said of each command.
    pub(crate) fn judging(judge: impl Fn(&CommandSpec) -> Play + Send + Sync + 'static) -> Self {
        Self {
            judge: Some(Box::new(judge)),
            ..Self::new([])
        }
    }

    /// The longest time that a command was left alone.
    pub(crate) fn longest_wait(&self) -> Duration {
        *self.longest.lock().unwrap()
    }

    /// The commands that were started.
    pub(crate) fn started(&self) -> Vec<CommandSpec> {
        self.started.lock().unwrap().clone()
    }

    /// How many commands were stopped.
    pub(crate) fn stopped(&self) -> u32 {
        *self.stopped.lock().unwrap()
    }
}

impl Runner for Player {
    fn start(&self, command: &CommandSpec) -> Result<Box<dyn Running>, RunError> {
        let play = self.pieces.lock().unwrap().pop_front();
        let play = match &self.judge {
            Some(judge) => judge(command),
            None => play.unwrap_or(Play::Exit(0)),
        };
        match &play {
            Play::CannotStart => {
                return Err(RunError::Start {
                    program: command.argv[0].clone(),
                    source: io::ErrorKind::NotFound.into(),
                });
            }
            Play::Does(what, _) => what(command),
            _ => {}
        }
        self.started.lock().unwrap().push(command.clone());
        Ok(Box::new(Piece {
            play: Some(play),
            stopped: Arc::clone(&self.stopped),
            longest: Arc::clone(&self.longest),
            looks: 0,
        }))
    }
}

struct Piece {
    /// `None` when what happens meanwhile has happened, and the command hangs.
    play: Option<Play>,
    stopped: Arc<Mutex<u32>>,
    longest: Arc<Mutex<Duration>>,
    looks: u32,
}

impl Running for Piece {
    fn wait(&mut self, limit: Duration) -> Result<Option<Exit>, RunError> {
        self.looks += 1;
        assert!(self.looks < LOOKS, "the command is never stopped");
        let mut longest = self.longest.lock().unwrap();
        *longest = limit.max(*longest);
        drop(longest);
        Ok(match &mut self.play {
            Some(Play::Exit(code) | Play::Does(_, code)) => Some(exit(Some(*code), None)),
            Some(Play::Signal(signal)) => Some(exit(None, Some(*signal))),
            Some(Play::Says(output, code)) => Some(Exit {
                output_tail: output.clone(),
                ..exit(Some(*code), None)
            }),
            Some(Play::TimesOut) => Some(Exit {
                end: End::Time,
                ..exit(None, Some(15))
            }),
            Some(Play::Until(look)) => look().map(|code| exit(Some(code), None)),
            Some(Play::Hangs(_)) => {
                if let Some(Play::Hangs(meanwhile)) = self.play.take() {
                    meanwhile();
                }
                None
            }
            Some(Play::CannotStart) | None => None,
        })
    }

    fn stop(&mut self) -> Result<Exit, RunError> {
        *self.stopped.lock().unwrap() += 1;
        Ok(exit(None, Some(15)))
    }
}

fn exit(code: Option<i32>, signal: Option<i32>) -> Exit {
    Exit {
        code,
        signal,
        duration: Duration::from_millis(7),
        output_tail: "the last words\n".to_owned(),
        ..Exit::default()
    }
}

pub(crate) fn options() -> VerifyOptions {
    VerifyOptions {
        folder: PathBuf::from("/project"),
        timeout: Duration::from_secs(600),
        env: Vec::new(),
    }
}
