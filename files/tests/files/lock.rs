//! Locks between threads and between processes.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tasq_files::{FileError, LockFile};

/// Ends in no test: long enough for a machine under any load.
const LONG: Duration = Duration::from_secs(300);

/// Names the lock file in the environment of a second process.
const CHILD_LOCK: &str = "TASQ_FILES_TEST_LOCK";
/// How often the second process takes the lock and raises the counter beside it.
const CHILD_ROUNDS: &str = "TASQ_FILES_TEST_ROUNDS";

/// This test binary again, as another process that runs only `role`.
fn second_process(role: &str, lock: &Path, rounds: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", role, "--nocapture", "--test-threads=1"])
        .env(CHILD_LOCK, lock)
        .env(CHILD_ROUNDS, rounds.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts a process that has the lock once this returns, until the returned input is closed.
fn holder(lock: &Path) -> (Child, ChildStdin) {
    let mut child = second_process("lock::role_of_a_holder", lock, 0);
    let input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("locked")));
    (child, input)
}

/// The part of a second process; nothing in the first.
#[test]
fn role_of_a_holder() {
    let Some(lock) = std::env::var_os(CHILD_LOCK) else {
        return;
    };
    let _guard = LockFile::new(lock).acquire(LONG).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "locked").unwrap();
    out.flush().unwrap();
    std::io::stdin().lines().for_each(drop);
}

/// The part of a second process; nothing in the first.
#[test]
fn role_of_a_counter() {
    let Some(lock) = std::env::var_os(CHILD_LOCK) else {
        return;
    };
    let rounds: u32 = std::env::var(CHILD_ROUNDS).unwrap().parse().unwrap();
    let lock = LockFile::new(lock);
    for _ in 0..rounds {
        raise_counter(&lock);
    }
}

/// Reads, adds one and writes back: loses counts unless the lock excludes all others.
fn raise_counter(lock: &LockFile) {
    let counter = lock.path().with_extension("count");
    let _guard = lock.acquire(LONG).unwrap();
    let count: u32 = fs::read_to_string(&counter).map_or(0, |text| text.parse().unwrap());
    thread::yield_now();
    fs::write(&counter, (count + 1).to_string()).unwrap();
}

#[test]
fn a_lock_that_is_held_is_busy_and_names_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let _guard = lock.acquire(Duration::ZERO).unwrap();
    for wait in [Duration::ZERO, Duration::from_millis(20)] {
        match lock.acquire(wait).unwrap_err() {
            FileError::Busy { waited, holder, .. } => {
                assert!(waited >= wait);
                assert_eq!(holder.unwrap().pid, std::process::id());
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_lock_that_was_let_go_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    for _ in 0..3 {
        drop(lock.acquire(Duration::ZERO).unwrap());
    }
}

#[test]
fn an_attempt_that_ended_frees_the_lock_when_it_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let guard = lock.acquire(Duration::ZERO).unwrap();
    for _ in 0..4 {
        lock.acquire(Duration::from_millis(5)).unwrap_err();
    }
    drop(guard);
    // All that still sleep in the kernel get the lock at some time, and must not keep it. Often
    // enough for each to have had it.
    for _ in 0..1_000 {
        thread::yield_now();
        drop(lock.acquire(Duration::from_secs(30)).unwrap());
    }
}

#[test]
fn threads_of_one_process_exclude_each_other_and_all_progress() {
    const THREADS: u32 = 8;
    const ROUNDS: u32 = 100;
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                (0..ROUNDS).for_each(|_| raise_counter(&lock));
            });
        }
    });
    let count = fs::read_to_string(folder.path().join("lock.count")).unwrap();
    assert_eq!(count, (THREADS * ROUNDS).to_string());
}

#[test]
fn a_greedy_holder_lets_everyone_who_waits_have_a_turn() {
    const WAITERS: usize = 7;
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let barrier = Barrier::new(WAITERS + 1);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    drop(lock.acquire(LONG).unwrap());
                })
            })
            .collect();
        let mut first = Some(lock.acquire(LONG).unwrap());
        barrier.wait();
        // Takes the lock again at once, until all others had it; without fairness, for ever.
        let turns = Cell::new(0_u64);
        while waiters.iter().any(|waiter| !waiter.is_finished()) {
            drop(first.take());
            first = Some(lock.acquire(LONG).unwrap());
            turns.set(turns.get() + 1);
        }
        assert!(turns.get() > 0);
    });
}

#[test]
fn processes_exclude_each_other_and_all_progress() {
    const PROCESSES: u32 = 4;
    const ROUNDS: u32 = 50;
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| second_process("lock::role_of_a_counter", &lock, ROUNDS))
        .collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success());
    }
    let count = fs::read_to_string(folder.path().join("lock.count")).unwrap();
    assert_eq!(count, (PROCESSES * ROUNDS).to_string());
}

#[test]
fn another_process_that_holds_the_lock_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let (mut child, input) = holder(&path);
    match LockFile::new(&path).acquire(Duration::ZERO).unwrap_err() {
        FileError::Busy { holder, .. } => assert_eq!(holder.unwrap().pid, child.id()),
        other => panic!("{other}"),
    }
    drop(input);
    drop(LockFile::new(&path).acquire(LONG).unwrap());
    // Its output goes nowhere by now, so how it ends says nothing.
    child.wait().unwrap();
}

#[test]
fn a_killed_holder_frees_the_lock_and_is_no_longer_named() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let (mut child, _input) = holder(lock.path());
    child.kill().unwrap();
    child.wait().unwrap();
    // A reader signs nothing, so what the killed one wrote is still there; the kernel says that it has nothing.
    let _reader = lock.acquire_shared(Duration::ZERO).unwrap();
    match lock.acquire(Duration::ZERO).unwrap_err() {
        FileError::Busy { holder, .. } => assert_eq!(holder, None),
        other => panic!("{other}"),
    }
}

#[test]
fn readers_share_and_exclude_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let one = lock.acquire_shared(Duration::ZERO).unwrap();
    let two = lock.acquire_shared(Duration::ZERO).unwrap();
    assert!(lock.acquire(Duration::ZERO).is_err());
    drop((one, two));
    let _writer = lock.acquire(Duration::ZERO).unwrap();
    assert!(lock.acquire_shared(Duration::ZERO).is_err());
}

#[test]
fn a_lock_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockFile::new(folder.path().join("lock"));
    let _guard = lock.acquire(Duration::ZERO).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_lock_file_that_is_a_link_a_folder_or_a_pipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(at("elsewhere"), at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    super::open::make_fifo(&at("pipe"));
    let refused = |name: &str| LockFile::new(at(name)).acquire(Duration::ZERO).unwrap_err();
    assert!(matches!(refused("link"), FileError::Link { .. }));
    assert!(matches!(refused("folder"), FileError::NotRegular { .. }));
    assert!(matches!(refused("pipe"), FileError::NotRegular { .. }));
    assert!(!at("elsewhere").exists());
}

#[test]
fn a_lock_in_a_folder_that_is_not_there_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = LockFile::new(folder.path().join("no/lock"))
        .acquire(Duration::ZERO)
        .unwrap_err();
    assert!(matches!(missing, FileError::Missing { .. }), "{missing}");
}
