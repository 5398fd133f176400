//! `tasq demo`: a small real project in a temporary folder, and the loop at work on it.
//!
//! Nothing is staged: the queue is a store like any other, the loop is the one behind `tasq run`, the worker is a shell
//! script that really writes the files, and the test cases are commands that look at them. One task's first attempt
//! writes something wrong; its test case catches it, and the next attempt, told why, gets it right.

mod plan;
mod screen;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tasq_app::{
    App, Caller, Code, NewQueue, RunEnd, RunEvent, RunOptions, RunSummary, ScopeRef, Tree,
    VerifyOptions,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::brakes::Brakes;
use tasq_domain::life::LEASE_UNDER_RUN_SECS;
use tasq_domain::{Actor, Proof, StatusCounts, Worker};
use tasq_formats::json::{Written, WrittenObject};
use tasq_ports::Store;

use crate::args::moving::Demo;
use crate::discover::{FOLDER, Place, SQLITE_FILE};
use crate::failure::Failure;
use crate::host::LoopHost;
use crate::output::{Text, Tone, View};
use crate::runner::{Interrupt, SystemRunner};
use crate::scratch::Scratch;
use crate::session::{IDS, Session};
use crate::stores;
use crate::view::{RunLine, counts_in_words, millis};
use crate::workplace::{ProjectFolder, TaskFiles};
use screen::Screen;

/// How long the failed task waits; the usual 5 s would be dull to watch.
const BACKOFF: Duration = Duration::from_secs(1);
/// How long the worker dawdles over a task, where somebody watches.
const PACE: &str = "0.3";
/// How long a test case may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn demo(session: &mut Session, args: Demo) -> Result<u8, Failure> {
    let interrupt =
        Interrupt::listen().map_err(|error| Failure::io("cannot listen to signals", &error))?;
    let mut folder = Scratch::make(&std::env::temp_dir(), "tasq-demo")?;
    folder.keep = args.keep;
    let store = make_store(session, &folder.path)?;
    let app = App::new(store.as_ref(), &IDS, person());
    plan::fill(&app)?;
    fs::write(folder.path.join(plan::WORKER_FILE), plan::WORKER)
        .map_err(|error| Failure::io("cannot write the worker", &error))?;
    let (summary, tree) = work(session, &app, &folder.path, &interrupt)?;
    let proven = proven(&tree);
    let status = match &summary.end {
        RunEnd::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
        RunEnd::AllCompleted if proven == summary.counts.total() => 0,
        _ => Code::CheckFailed.exit_status(),
    };
    let kept = args.keep.then(|| folder.path.clone());
    session.out.answer(&Outcome {
        summary,
        proven,
        kept,
    })?;
    Ok(status)
}

/// Runs the loop over the whole queue, and tells about it.
fn work(
    session: &mut Session,
    app: &App<'_>,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<(RunSummary, Tree), Failure> {
    let runner = SystemRunner::new(interrupt.clone());
    let mut screen = Screen::new(&session.out);
    let pace = if screen.is_live() { PACE } else { "0" };
    let place = place(folder);
    let host = LoopHost::new(&place, interrupt.clone());
    let workplace = ProjectFolder {
        folder: folder.to_path_buf(),
        files: TaskFiles::in_folder(place.folder())?,
    };
    let options = RunOptions {
        scope: ScopeRef::Queue,
        command: ["sh", plan::WORKER_FILE, pace].map(str::to_owned).to_vec(),
        jobs: 1,
        worker: Worker::new("demo-worker").expect("a word is a name"),
        lease: Duration::from_secs(LEASE_UNDER_RUN_SECS),
        timeout: None,
        idle_timeout: None,
        pid: None,
        max: None,
        max_time: None,
        brakes: Brakes::default(),
        forgiving: false,
        max_wait: Duration::ZERO,
        watch: false,
        promise: None,
        regress: false,
        verify: VerifyOptions {
            folder: folder.to_path_buf(),
            timeout: TEST_TIMEOUT,
            env: Vec::new(),
        },
        workplace: &workplace,
        store: place.url(),
        host: &host,
    };
    screen.draw(&app.tree(None)?, "");
    let mut told = Ok(());
    let mut waiting = false;
    let summary = app.run(&runner, &options, &mut |event| {
        let again = matches!(event, RunEvent::Waiting { .. }) && waiting;
        waiting = matches!(event, RunEvent::Waiting { .. });
        if told.is_ok() && !again {
            told = tell(session, app, &mut screen, event);
        }
        if told.is_err() {
            interrupt.ask_to_stop();
        }
    });
    told?;
    Ok((summary?, app.tree(None)?))
}

fn tell(
    session: &mut Session,
    app: &App<'_>,
    screen: &mut Screen,
    event: &RunEvent,
) -> Result<(), Failure> {
    let line = RunLine(event);
    if !screen.is_live() {
        if session.out.is_json() {
            return session.out.item(&line);
        }
        let mut text = Text::new(session.out.err_style());
        line.text(&mut text);
        session.out.progress(&text.finish());
        return Ok(());
    }
    let mut text = Text::new(screen.style());
    line.text(&mut text);
    screen.draw(&app.tree(None)?, &text.finish());
    Ok(())
}

fn make_store(session: &Session, folder: &Path) -> Result<Box<dyn Store>, Failure> {
    let backoff = Backoff {
        base: BACKOFF,
        cap: BACKOFF,
    };
    let new = NewQueue {
        name: "demo".to_owned(),
        require_tests: true,
        backoff,
    };
    stores::create(&place(folder), &new.settings(&IDS)?, session.terms())
}

fn place(folder: &Path) -> Place {
    Place::Sqlite(folder.join(FOLDER).join(SQLITE_FILE))
}

fn person() -> Caller {
    Caller::Person {
        actor: Actor::new("demo").expect("a word is a name"),
    }
}

/// How many tasks were completed and proven by their tests.
fn proven(tree: &Tree) -> u64 {
    let features = tree
        .epics
        .iter()
        .flat_map(|epic| &epic.features)
        .chain(&tree.features);
    let tasks = features.flat_map(|feature| &feature.tasks);
    let proven = tasks.filter(|(task, _)| task.record.task.proof == Some(Proof::Tests));
    u64::try_from(proven.count()).unwrap_or(u64::MAX)
}

/// How it went.
struct Outcome {
    summary: RunSummary,
    proven: u64,
    kept: Option<PathBuf>,
}

impl Outcome {
    fn retries(&self) -> u64 {
        u64::from(self.summary.failed)
    }
}

impl View for Outcome {
    fn json(&self) -> Written {
        let RunSummary {
            attempts,
            took,
            counts,
            ..
        } = &self.summary;
        let StatusCounts { completed, .. } = *counts;
        WrittenObject::new()
            .with("tasks", counts.total())
            .with("completed", completed)
            .with("proven", self.proven)
            .with("attempts", *attempts)
            .with("retries", self.retries())
            .with("duration_ms", millis(*took))
            .with(
                "folder",
                self.kept.as_ref().map(|path| path.display().to_string()),
            )
            .into()
    }

    fn text(&self, text: &mut Text) {
        let RunSummary {
            attempts,
            took,
            counts,
            ..
        } = &self.summary;
        let all = self.proven == counts.total();
        text.paint(
            if all { Tone::Good } else { Tone::Bad },
            if all { "✓ " } else { "✗ " },
        );
        text.line(&format!(
            "{}, {} proven by their tests; {attempts} attempts, {} {}, {}",
            counts_in_words(*counts),
            self.proven,
            self.retries(),
            if self.retries() == 1 {
                "retry"
            } else {
                "retries"
            },
            crate::duration::shown(*took)
        ));
        if let Some(path) = &self.kept {
            text.line(&format!(
                "the project and its queue are in {}",
                path.display()
            ));
            text.line(&format!("look around: cd {} && tasq tree", path.display()));
        }
    }
}
