//! Waits for the disk, and writes to the log, on a connection that stays open.
//!
//! The test binary starts itself under strace, to carry out an operation once and eleven times; the difference is what ten
//! of them cost, without what opening and closing costs.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tasq_adapter_sqlite::{Migrate, NetworkFs, Options, SqliteStore, Sync};
use tasq_app::{
    AddTask, App, Caller, ClaimTasks, ClaimView, CompleteTask, FailTask, HolderRef, NewQueue,
    Report, ScopeRef, WhichTask,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::life::FailureKind;
use tasq_domain::{
    Actor, Description, JsonObject, Reason, RetryBudget, TaskId, Timestamp, Token, Worker,
};
use tasq_ports::{Clock, Ids};

use super::{WAITS, waits};

/// Names the store and the operation for the second process, and how often it carries it out.
const STORE: &str = "TASQ_COST_STORE";
const OPERATION: &str = "TASQ_COST_OPERATION";
const TIMES: &str = "TASQ_COST_TIMES";
/// Set where its commits do not wait for the disk.
const NORMAL: &str = "TASQ_COST_NORMAL";
const MORE: u32 = 10;
/// Enough for eleven batches, twice.
const TASKS: u32 = 2_500;

/// One step of an open queue.
type Operation = fn(&App<'_>, &mut Vec<(TaskId, Token)>);

const OPERATIONS: [(&str, u32, Operation); 8] = [
    ("add", 0, |app, _| drop(app.add_task(&new()).unwrap())),
    ("claim", 0, |app, _| drop(claim(app, 1))),
    ("claim a hundred", 0, |app, _| drop(claim(app, 100))),
    ("complete", 20, |app, held| {
        let done = completion(held.pop().unwrap());
        app.complete(&done).unwrap();
    }),
    ("complete and claim the next", 1, |app, held| {
        let done = CompleteTask {
            next: Some(ScopeRef::Queue),
            ..completion(held.pop().unwrap())
        };
        held.push(parts(&app.complete(&done).unwrap().next.unwrap()));
    }),
    ("complete a hundred", 1_100, |app, held| {
        let all: Vec<_> = held
            .split_off(held.len() - 100)
            .into_iter()
            .map(completion)
            .collect();
        app.complete_all(&all).unwrap();
    }),
    ("heartbeat", 1, |app, held| {
        let (task, token) = held[0].clone();
        app.heartbeat(&HolderRef { task, token }, None).unwrap();
    }),
    ("fail", 20, |app, held| {
        let (task, token) = held.pop().unwrap();
        let failed = FailTask {
            holder: HolderRef { task, token },
            kind: FailureKind::Failed,
            message: Reason::new("red").unwrap(),
            report: Report::default(),
        };
        app.fail(&failed).unwrap();
    }),
];

#[test]
fn every_step_on_an_open_connection_waits_for_the_disk_once() {
    for (name, ten) in ten_times(WAITS, waits) {
        assert_eq!(ten, usize::try_from(MORE).unwrap(), "ten times: {name}");
    }
}

/// What a hundred tasks change is more than is written at once.
#[test]
fn every_step_on_an_open_connection_is_written_to_the_log_at_once() {
    let to_the_log = |trace: &str| trace.lines().filter(|line| line.contains("-wal>")).count();
    for (name, ten) in ten_times("trace=write,pwrite64,writev,pwritev,pwritev2", to_the_log) {
        if name.contains("hundred") {
            assert!(ten > 10 && ten < 200, "ten times: {name}: {ten}");
        } else {
            assert_eq!(ten, usize::try_from(MORE).unwrap(), "ten times: {name}");
        }
    }
}

/// Where commits do not wait, a loop has the system begin with its log bit by bit, so that little is left to wait for when
/// it is folded. Where they do, nothing is left.
#[test]
fn steps_that_do_not_wait_for_the_disk_have_it_begin_with_their_log() {
    const HUNDREDS: u32 = 20;
    let folder = tempfile::tempdir().unwrap();
    let begun = |sync| {
        let store = folder.path().join(format!("{sync:?}.db"));
        make(&store);
        let calls = "trace=sync_file_range,pwrite64";
        let trace = trace_of(&store, calls, "claim a hundred", HUNDREDS, sync);
        let parts = |call: &str| -> Vec<(u64, u64)> {
            let lines = trace.lines().filter(|line| line.contains(call));
            let lines = lines.filter(|line| line.contains("-wal>"));
            lines.map(|line| part(call, line)).collect()
        };
        (parts("sync_file_range"), parts("pwrite64"))
    };
    let (parts, writes) = begun(Sync::Normal);
    let end = writes.into_iter().map(|(at, length)| at + length).max();
    assert!(parts.len() > 1, "{parts:?}");
    // Its header is on the disk before the first frame comes.
    let mut expected = 32;
    for (at, length) in parts {
        assert_eq!(at, expected);
        expected += length;
    }
    let left = end.unwrap().checked_sub(expected).unwrap();
    assert!(left < 600 * 1024, "{left} bytes are left");
    assert_eq!(begun(Sync::Full).0, []);
}

/// The place and the length that strace shows of a call.
fn part(call: &str, line: &str) -> (u64, u64) {
    let number = |word: &str| word.trim().parse::<u64>().unwrap();
    let (_, arguments) = line.split_once(call).unwrap();
    let (arguments, _) = arguments.rsplit_once(')').unwrap();
    let words: Vec<&str> = arguments.rsplit(',').collect();
    match words[..] {
        // …, length, place: of a write.
        [at, length, ..] if call == "pwrite64" => (number(at), number(length)),
        // …, place, length, how.
        [" SYNC_FILE_RANGE_WRITE", length, at, ..] => (number(at), number(length)),
        _ => panic!("{line}"),
    }
}

/// How often each operation makes certain calls when it is carried out ten times more.
fn ten_times(calls: &str, count: impl Fn(&str) -> usize) -> Vec<(&'static str, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("queue.db");
    make(&store);
    let operations = OPERATIONS.iter().map(|&(name, ..)| name);
    let counted = operations.map(|name| {
        let times = |times: u32| {
            let copy = folder.path().join("copy.db");
            let _ = fs::remove_file(copy.with_extension("db-wal"));
            let _ = fs::remove_file(copy.with_extension("db-shm"));
            fs::copy(&store, &copy).unwrap();
            count(&trace_of(&copy, calls, name, times, Sync::Full))
        };
        (name, times(1 + MORE) - times(1))
    });
    counted.collect()
}

/// What strace writes of these calls of a process that carries out an operation so often.
fn trace_of(store: &Path, calls: &str, operation: &str, times: u32, sync: Sync) -> String {
    let trace = store.with_extension("trace");
    let mut command = Command::new("strace");
    if matches!(sync, Sync::Normal) {
        command.env(NORMAL, "yes");
    }
    let output = command
        .args(["-f", "-y", "-qq", "-e", calls, "-o"])
        .arg(&trace)
        .arg("--")
        .arg(env::current_exe().unwrap())
        .args(["cost::open::role_of_a_worker", "--exact"])
        .env(STORE, store)
        .env(OPERATION, operation)
        .env(TIMES, times.to_string())
        .output()
        .expect("strace is needed: scripts/test installs it");
    assert!(output.status.success(), "{operation}: {output:?}");
    fs::read_to_string(trace).unwrap()
}

/// The part of a second process; nothing in the first.
#[test]
fn role_of_a_worker() {
    let Some(store) = env::var_os(STORE) else {
        return;
    };
    let (name, times) = (env::var(OPERATION).unwrap(), env::var(TIMES).unwrap());
    let found = OPERATIONS.iter().find(|(word, ..)| *word == name);
    let (_, claims, operation) = found.expect("an operation of the table");
    let sync = env::var_os(NORMAL).map_or(Sync::Full, |_| Sync::Normal);
    let store = SqliteStore::open(store.as_ref(), options(sync)).unwrap();
    let app = app(&store);
    let mut held = if *claims > 0 {
        claim(&app, *claims)
    } else {
        Vec::new()
    };
    for _ in 0..times.parse::<u32>().unwrap() {
        operation(&app, &mut held);
    }
}

/// A queue in one piece: closing it folds its log into the file.
pub(crate) fn make(path: &Path) {
    let queue = NewQueue {
        name: "cost".to_owned(),
        require_tests: false,
        backoff: Backoff::default(),
    };
    let settings = queue.settings(&Counted).unwrap();
    let store = SqliteStore::create(path, &settings, options(Sync::Normal)).unwrap();
    let tasks: Vec<AddTask> = (0..TASKS).map(|_| new()).collect();
    app(&store).add_tasks(&tasks).unwrap();
}

pub(crate) fn app(store: &SqliteStore) -> App<'_> {
    let actor = Actor::new("ada").unwrap();
    App::new(store, &Counted, Caller::Person { actor })
}

pub(crate) fn options(sync: Sync) -> Options {
    Options {
        clock: Arc::new(Fixed),
        wait: Duration::from_secs(30),
        sync,
        migrate: Migrate::Never,
        network_fs: NetworkFs::Refuse,
        fold_log_above: None,
    }
}

pub(crate) fn new() -> AddTask {
    AddTask {
        id: None,
        description: Description::new("work").unwrap(),
        feature: None,
        create_feature: false,
        priority: None,
        depends_on: Vec::new(),
        tests: Vec::new(),
        retry_budget: RetryBudget::default(),
        metadata: JsonObject::default(),
    }
}

fn claim(app: &App<'_>, count: u32) -> Vec<(TaskId, Token)> {
    let wanted = ClaimTasks {
        which: WhichTask::Next(ScopeRef::Queue),
        worker: Worker::new("w").unwrap(),
        lease: Duration::from_secs(1_800),
        count,
        pid: None,
    };
    let claims = app.claim(&wanted).unwrap();
    assert_eq!(claims.len(), usize::try_from(count).unwrap());
    claims.iter().map(parts).collect()
}

fn parts(claim: &ClaimView) -> (TaskId, Token) {
    (claim.task.record.task.id.clone(), claim.token)
}

fn completion((task, token): (TaskId, Token)) -> CompleteTask {
    CompleteTask {
        task,
        token: Some(token),
        summary: None,
        force: None,
        report: Report::default(),
        next: None,
    }
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

/// Another number each time, and in each process.
struct Counted;

impl Ids for Counted {
    fn random(&self) -> u64 {
        use std::hash::{BuildHasher as _, Hasher as _};
        // Every state of std's hash maps has fresh random keys.
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    }
}
