//! Processes that claim again and again, each time at the opening of a gate.
//!
//! They are this test binary, started anew, so that a round costs no start of 64 programs: what they run is a use case
//! over a store, as in the command. There are two gates, lock files that the test holds in turn. A contender waits until
//! it shares the lock of the next one, which all get at once when the test lets go of it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tasq_app::{App, Caller, Code, ScopeRef, WhichTask};
use tasq_domain::Actor;
use tasq_ports::{Ids, Store};

use crate::crash::audit;
use crate::crash::place::Kind;
use crate::usecases::desk::claims;

/// A store for so many rounds: a store in JSON is read whole by each claim.
const ROUNDS_OF_A_STORE: u32 = 25;

/// Where contenders meet.
pub(super) struct Arena {
    folder: PathBuf,
    kind: Kind,
    contenders: Vec<Child>,
    arrivals: BufReader<PipeReader>,
    /// How many wait at the next gate.
    here: usize,
    closed: File,
}

/// What one of them was told in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Claimed,
    NothingReady,
    Conflict,
}

impl Arena {
    /// Starts so many contenders, who wait for the first round.
    pub(super) fn open(folder: &Path, kind: Kind, contenders: u32, rounds: u32) -> Self {
        let closed = gate(folder, 0);
        closed.lock().unwrap();
        let (arrivals, arrival) = std::io::pipe().unwrap();
        let contenders = (0..contenders).map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "race::contenders::contend", "--ignored"])
                .arg("--nocapture")
                .env("TASQ_RACE_FOLDER", folder)
                .env("TASQ_RACE_KIND", kind.name())
                .env("TASQ_RACE_ROUNDS", rounds.to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(arrival.try_clone().unwrap())
                .spawn()
                .unwrap()
        });
        Self {
            folder: folder.to_owned(),
            kind,
            contenders: contenders.collect(),
            arrivals: BufReader::new(arrivals),
            here: 0,
            closed,
        }
    }

    /// The store of a round.
    pub(super) fn store(&self, round: u32) -> PathBuf {
        store(&self.folder, self.kind, round)
    }

    /// Opens the gate once all are there, and tells what each was answered.
    pub(super) fn round(&mut self, round: u32) -> Vec<Answer> {
        while self.here < self.contenders.len() {
            let word = self.line();
            assert_eq!(word, "here", "round {round}");
            self.here += 1;
        }
        self.here = 0;
        let next = gate(&self.folder, round + 1);
        next.lock().unwrap();
        std::mem::replace(&mut self.closed, next).unlock().unwrap();
        let mut answers = Vec::new();
        while answers.len() < self.contenders.len() {
            match self.line().as_str() {
                "claimed" => answers.push(Answer::Claimed),
                "nothing_ready" => answers.push(Answer::NothingReady),
                "conflict" => answers.push(Answer::Conflict),
                // The quick ones are at the next gate already.
                "here" => self.here += 1,
                other => panic!("round {round}: {other}"),
            }
        }
        answers
    }

    /// After the last round all of them end well.
    pub(super) fn close(mut self) {
        for contender in &mut self.contenders {
            assert!(contender.wait().unwrap().success());
        }
    }

    /// The next line that is for us: test binaries talk much.
    fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.arrivals.read_line(&mut line).unwrap();
            assert!(read > 0, "all contenders are gone");
            if let Some(word) = line.strip_prefix("race: ") {
                return word.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Arena {
    /// Nobody goes on waiting for a round that does not come.
    fn drop(&mut self) {
        for contender in &mut self.contenders {
            // One that has ended is none that can be killed.
            let _ = contender.kill();
            let _ = contender.wait();
        }
    }
}

/// The task of a round, and whether it is asked for by its name.
pub(super) fn task(round: u32) -> (String, bool) {
    (format!("RACE-{round}"), round % 2 == 1)
}

fn store(folder: &Path, kind: Kind, round: u32) -> PathBuf {
    let name = round / ROUNDS_OF_A_STORE;
    let ending = Path::new(kind.file()).extension().unwrap();
    folder.join(format!("queue-{name}")).with_extension(ending)
}

fn gate(folder: &Path, round: u32) -> File {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(format!("gate-{}", round % 2)))
        .unwrap()
}

fn say(word: &str) {
    // One write, so that lines of many processes stay whole.
    let line = format!("race: {word}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What a contender does. It is started by the race, which says where.
#[test]
#[ignore = "the race starts it, many times at once"]
fn contend() {
    let variable = |name| std::env::var(name).expect("the race says where it takes place");
    let folder = PathBuf::from(variable("TASQ_RACE_FOLDER"));
    let rounds: u32 = variable("TASQ_RACE_ROUNDS").parse().unwrap();
    let kind = match variable("TASQ_RACE_KIND").as_str() {
        "sqlite" => Kind::Sqlite,
        _ => Kind::Json,
    };
    let contend = || {
        let mut open = None;
        for round in 0..rounds {
            let gate = gate(&folder, round);
            say("here");
            gate.lock_shared().unwrap();
            let path = store(&folder, kind, round);
            // Half of them keep the store open from round to round, half open it for each claim as commands do.
            let keeps =
                std::process::id().is_multiple_of(2) && !round.is_multiple_of(ROUNDS_OF_A_STORE);
            let store = match open.take() {
                Some(store) if keeps => store,
                _ => audit::open(kind, &path).unwrap(),
            };
            say(claim(store.as_ref(), round));
            open = Some(store);
            gate.unlock().unwrap();
        }
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(contend)) {
        say("a contender panicked");
        std::panic::resume_unwind(panic);
    }
}

fn claim(store: &dyn Store, round: u32) -> &'static str {
    let actor = Actor::new("ada").unwrap();
    let app = App::new(store, &Fresh, Caller::Person { actor });
    let (task, by_name) = task(round);
    let which = if by_name {
        WhichTask::This(task)
    } else {
        WhichTask::Next(ScopeRef::Queue)
    };
    match app.claim(&claims(which, 1)) {
        Ok(_) => "claimed",
        Err(error) => match error.code() {
            Code::NothingReady => "nothing_ready",
            Code::Conflict => "conflict",
            code => panic!("{code:?}: {error}"),
        },
    }
}

/// Numbers that no other process has.
pub(super) struct Fresh;

impl Ids for Fresh {
    fn random(&self) -> u64 {
        crate::crash::fresh_number()
    }
}
