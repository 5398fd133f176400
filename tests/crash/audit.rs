//! What is in a store, seen through its adapter, and whether it all belongs together.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use tasq_adapter_json::JsonStore;
use tasq_adapter_sqlite::{Migrate, NetworkFs, SqliteStore, Sync};
use tasq_domain::life::broken_invariant;
use tasq_domain::{Contents, EventKind, Outcome, Proof, Status, Timestamp};
use tasq_ports::{Store, StoreError, StoreExt as _};

use super::place::Kind;
use crate::contract::consistent::assert_consistent;
use crate::contract::harness::TestClock;

/// Opens a store that is there.
pub(crate) fn open(kind: Kind, path: &Path) -> Result<Box<dyn Store>, StoreError> {
    let clock = TestClock::at(Timestamp::from_micros(4_000_000_000_000_000)).shared();
    Ok(match kind {
        Kind::Sqlite => {
            let options = tasq_adapter_sqlite::Options {
                clock,
                wait: Duration::from_mins(1),
                sync: Sync::Full,
                migrate: Migrate::Never,
                network_fs: NetworkFs::Refuse,
                fold_log_above: None,
            };
            Box::new(SqliteStore::open(path, options)?)
        }
        Kind::Json => Box::new(JsonStore::open(
            path,
            tasq_adapter_json::Options::new(clock),
        )?),
    })
}

/// Everything in a store.
pub(crate) fn contents(kind: Kind, path: &Path) -> Result<Contents, StoreError> {
    open(kind, path)?.read(|tx| tx.contents())
}

/// Everything in a store that is there and sound: what it derives follows from what it holds, there is no cycle, event
/// numbers rise, and every task has a life that can have been.
#[track_caller]
pub(crate) fn sound(kind: Kind, path: &Path) -> Contents {
    let store = match open(kind, path) {
        Ok(store) => store,
        Err(error) => panic!("{} cannot be opened: {error}", path.display()),
    };
    assert_consistent(store.as_ref());
    let contents = store.read(|tx| tx.contents());
    let contents =
        contents.unwrap_or_else(|error: StoreError| panic!("it cannot be read: {error}"));
    assert_lives(&contents);
    contents
}

/// Fails unless tasks, attempts and events tell the same of every task. Nobody has reset a budget or reopened a task.
#[track_caller]
pub(crate) fn assert_lives(contents: &Contents) {
    let mut nonces = HashSet::new();
    let mut attempts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for attempt in &contents.attempts {
        assert!(
            nonces.insert(attempt.token.nonce),
            "a token was issued twice: {}",
            attempt.token
        );
        attempts.entry(&attempt.task).or_default().push(attempt);
    }
    let mut events: BTreeMap<(&str, EventKind), u32> = BTreeMap::new();
    for event in &contents.events {
        *events
            .entry((event.entity.as_str(), event.kind))
            .or_default() += 1;
    }
    for task in &contents.tasks {
        let id = &task.id;
        assert_eq!(broken_invariant(task), None, "{id}");
        let of_task = attempts.remove(id).unwrap_or_default();
        let numbers: Vec<u32> = of_task.iter().map(|it| it.token.attempt).collect();
        let expected: Vec<u32> = (1..=task.attempts).collect();
        assert_eq!(numbers, expected, "the attempts at {id}");
        let open: Vec<_> = of_task.iter().filter(|it| it.end.is_none()).collect();
        assert_eq!(
            open.iter().map(|it| it.token).collect::<Vec<_>>(),
            task.claim.iter().map(|it| it.token).collect::<Vec<_>>(),
            "the open attempts at {id} are those of its claim"
        );
        assert_eq!(
            task.status == Status::InProgress,
            task.claim.is_some(),
            "{id} is in progress exactly if somebody holds it"
        );
        let ended = |outcomes: &[Outcome]| {
            let ends = of_task.iter().filter_map(|it| it.end.as_ref());
            let count = ends.filter(|end| outcomes.contains(&end.outcome)).count();
            u32::try_from(count).expect("a test has few attempts")
        };
        // An attempt that a copy or an import closed is lost and not charged.
        let charged = ended(&[Outcome::Failed, Outcome::TimedOut]);
        let at_most = charged + ended(&[Outcome::Lost]);
        assert!(
            (charged..=at_most).contains(&task.retries_used),
            "{id} has used {} retries, not {charged} to {at_most}",
            task.retries_used
        );
        let by_worker = matches!(task.proof, Some(Proof::Tests | Proof::Unproven));
        assert_eq!(
            ended(&[Outcome::Completed]),
            u32::from(task.status == Status::Completed && by_worker),
            "the accepting attempts at {id}"
        );
        let told = |kind| events.get(&(id.as_str(), kind)).copied().unwrap_or(0);
        assert_eq!(
            told(EventKind::Claimed),
            task.attempts,
            "claims of {id} told"
        );
        assert_eq!(
            told(EventKind::Completed),
            u32::from(task.status == Status::Completed && by_worker),
            "completions of {id} told"
        );
    }
    assert!(attempts.is_empty(), "attempts at tasks that are not there");
}

/// A store's content as text without what differs from run to run: times, random ids, nonces and digests of them.
pub(crate) fn normal(mut contents: Contents) -> String {
    for operation in &mut contents.operations {
        operation.answer.clear();
    }
    normal_text(&format!("{contents:?}"))
}

fn normal_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let time = time_at(rest);
        // Nonces are of any length; ids and digests have at least eight hex digits.
        let (run, least) = match out.ends_with("nonce: ") || out.ends_with("Timestamp(") {
            true => (digits(rest, |it| it.is_ascii_digit() || it == '-'), 1),
            false => (digits(rest, |it| it.is_ascii_hexdigit()), 8),
        };
        let skip = time.unwrap_or(run);
        if time.is_some() || run >= least {
            out.push('#');
            rest = &rest[skip..];
        } else {
            let word = run.max(first.len_utf8());
            out.push_str(&rest[..word]);
            rest = &rest[word..];
        }
    }
    out
}

fn digits(text: &str, one: impl Fn(char) -> bool) -> usize {
    text.find(|it| !one(it)).unwrap_or(text.len())
}

/// The length of the RFC 3339 time that a text begins with.
fn time_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 20
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':';
    is_time
        .then(|| bytes.iter().take(40).position(|byte| *byte == b'Z'))
        .flatten()
        .map(|end| end + 1)
}

#[test]
fn what_differs_from_run_to_run_is_left_out() {
    let text =
        "Timestamp(17), nonce: 3, \"at\": 2026-11-22T11:31:11.059431Z, TEST-0A1B2C3D, attempt: 12";
    assert_eq!(
        normal_text(text),
        "Timestamp(#), nonce: #, \"at\": #, TEST-#, attempt: 12"
    );
}
