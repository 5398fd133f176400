//! Tests of the schema and the store, each subject in its own file.

mod care;
mod carried;
mod facts;
mod follow;
mod opening;
mod plain;
mod plans;
mod random;
mod random_units;
mod rollup;
mod schema;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::Text;
use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, Description, Epic, EpicId, Feature, FeatureId, Hold, JsonObject, Name, Priority, Reason,
    RetryBudget, Settings, Status, StoreId, Task, TaskId, TestCase, TestId, TestOwner, TestStatus,
    Timestamp,
};
use tasq_ports::Clock;
use tempfile::TempDir;

use crate::connect::Opened;
use crate::error::Place;
use crate::{Migrate, NetworkFs, Options, SqliteStore, Sync};

/// A clock that stands still until it is set.
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A store in a folder of its own.
pub(crate) struct Fixture {
    pub(crate) store: SqliteStore,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) path: PathBuf,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let clock = clock(1_000);
        let store = SqliteStore::create(&path, &settings(), options(&clock)).unwrap();
        Self {
            store,
            clock,
            path,
            folder,
        }
    }

    pub(crate) fn set_now(&self, micros: i64) {
        self.clock.0.store(micros, Ordering::SeqCst);
    }

    /// A connection like a plain client's, but through the SQLite that is built in.
    pub(crate) fn plain(&self) -> SqliteConnection {
        let place = Place {
            path: self.path.clone(),
            wait: Duration::from_secs(30),
        };
        crate::connect::establish(&place, "mode=rw").unwrap()
    }

    /// Runs a script in the system's Python, with its old SQLite; `db` is an open connection. Returns what it prints.
    pub(crate) fn python(&self, script: &str) -> String {
        let prelude = "import sqlite3, sys\n\
             db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n";
        let mut child = Command::new("python3")
            .arg("-")
            .arg(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this test needs python3 with its sqlite3 module, as a plain SQL client");
        let mut stdin = child.stdin.take().unwrap();
        stdin
            .write_all(format!("{prelude}{script}").as_bytes())
            .unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The texts of the statements that the store gets from something.
    pub(crate) fn statements(&self, what: impl FnOnce()) -> Vec<String> {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let teller = Arc::clone(&told);
        let tell = move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                teller.lock().unwrap().push(query.to_string());
            }
        };
        let listen = |opened: &mut Opened| opened.conn.set_instrumentation(tell);
        self.store.inspect(listen);
        what();
        let nobody = |_: InstrumentationEvent<'_>| ();
        self.store
            .inspect(|opened| opened.conn.set_instrumentation(nobody));
        std::mem::take(&mut told.lock().unwrap())
    }

    /// How many tasks, features and epics are carried to the next write unit.
    pub(crate) fn carried(&self) -> [usize; 3] {
        self.store.inspect(|opened| opened.carried.hand().sizes())
    }

    /// What is carried to the next write unit and is not stored like that; nobody has written since the last one.
    pub(crate) fn carried_wrongly(&self) -> Vec<String> {
        let mut conn = self.plain();
        self.store
            .inspect(|opened| opened.carried.hand().differences(&mut conn))
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

pub(crate) fn clock(micros: i64) -> Arc<TestClock> {
    Arc::new(TestClock(AtomicI64::new(micros)))
}

pub(crate) fn options(clock: &Arc<TestClock>) -> Options {
    Options {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        wait: Duration::from_secs(30),
        sync: Sync::Normal,
        migrate: Migrate::Auto,
        network_fs: NetworkFs::Refuse,
        fold_log_above: None,
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        store: StoreId::new("STORE-1").unwrap(),
        name: "test".to_owned(),
        require_tests: false,
        backoff: Backoff::default(),
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The rows of a query whose one column is a text called `line`.
pub(crate) fn lines(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows: Vec<Line> = diesel::sql_query(sql).load(conn).unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn hold(micros: i64) -> Hold {
    Hold {
        by: Actor::new("ada").unwrap(),
        reason: Reason::new("wait").unwrap(),
        at: at(micros),
    }
}

pub(crate) fn epic(id: &str) -> Epic {
    Epic {
        seq: 0,
        id: EpicId::new(id).unwrap(),
        name: Name::new(id).unwrap(),
        description: None,
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn feature(id: &str, epic: Option<&str>) -> Feature {
    Feature {
        seq: 0,
        id: FeatureId::new(id).unwrap(),
        epic: epic.map(|epic| EpicId::new(epic).unwrap()),
        name: Name::new(id).unwrap(),
        description: None,
        priority: Priority::default(),
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    }
}

pub(crate) fn task(id: &str, feature: &str) -> Task {
    Task {
        seq: 0,
        id: TaskId::new(id).unwrap(),
        feature: FeatureId::new(feature).unwrap(),
        description: Description::new(id).unwrap(),
        own_priority: None,
        retry_budget: RetryBudget::default(),
        hold: None,
        source: None,
        metadata: JsonObject::default(),
        created_at: at(1),
        updated_at: at(1),
        status: Status::Pending,
        blocked_reason: None,
        retries_used: 0,
        not_before: None,
        attempts: 0,
        lost_in_a_row: 0,
        claim: None,
        completed_at: None,
        proof: None,
    }
}

pub(crate) fn test_case(id: &str, owner: TestOwner, status: TestStatus) -> TestCase {
    TestCase {
        seq: 0,
        id: TestId::new(id).unwrap(),
        owner,
        description: Description::new(id).unwrap(),
        command: None,
        required: true,
        status,
        last: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    }
}
