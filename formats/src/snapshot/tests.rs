mod unknown;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, Answer, CancelRequest, Claim, CommandLine, Contents, Dependency, Description, Epic,
    EpicId, Feature, FeatureId, Hold, JsonObject, Name, Priority, Process, Proof, Question, Reason,
    RetryBudget, Settings, Source, Status, StoreId, Task, TaskId, TestCase, TestId, TestOwner,
    TestResult, TestStatus, Timestamp, Token, Worker,
};

use super::{
    Extra, Fallback, Snapshot, SnapshotError, SnapshotText, TaskWriter, decode, decode_own, encode,
};
use crate::json::{JsonErrorKind, Limits, Object};

fn fallback() -> Fallback {
    Fallback {
        settings: Settings {
            store: StoreId::new("by-hand").unwrap(),
            name: "by hand".into(),
            require_tests: false,
            backoff: Backoff::default(),
        },
        at: Timestamp::from_micros(1_000_000),
    }
}

fn read(text: &str) -> Result<Snapshot, SnapshotError> {
    decode(text.as_bytes(), &fallback())
}

fn text_of(snapshot: &Snapshot) -> String {
    encode(&snapshot.contents, &snapshot.extra).unwrap()
}

const MINIMAL: &str = r#"{
  "tasq_snapshot": 1,
  "epics": {"E": {"name": "an epic"}},
  "features": {"F": {"name": "a feature", "epic": "E"}, "G": {"name": "alone", "status": "completed"}},
  "tasks": {
    "B": {"feature": "F", "description": "second", "depends_on": ["A"]},
    "A": {"feature": "F", "description": "first"}
  },
  "tests": {"T": {"task": "A", "description": "works", "command": "true"}}
}"#;

#[test]
fn a_file_written_by_hand_needs_only_names_descriptions_and_references() {
    let Snapshot {
        contents, mended, ..
    } = read(MINIMAL).unwrap();
    let ids: Vec<(i64, &str)> = contents
        .tasks
        .iter()
        .map(|task| (task.seq, task.id.as_str()))
        .collect();
    assert_eq!(ids, [(1, "A"), (2, "B")]);
    assert_eq!(contents.settings, fallback().settings);
    let feature = &contents.features[0];
    assert_eq!(
        (feature.priority, feature.status),
        (Priority::default(), Status::Pending)
    );
    assert_eq!(contents.features[1].own_status, Status::Completed);
    let task = &contents.tasks[0];
    assert_eq!(task.retry_budget.number(), 15);
    assert_eq!(task.created_at, fallback().at);
    assert_eq!(contents.tests[0].status, TestStatus::Pending);
    assert_eq!(contents.dependencies.len(), 1);
    assert_eq!(mended.len(), 6, "{mended:?}");
}

#[test]
fn an_item_is_a_block_with_one_key_per_line() {
    let text = text_of(&read(MINIMAL).unwrap());
    let expected = r#"  "tasks": {
    "A": {
      "seq": 1,
      "feature": "F",
      "description": "first",
      "status": "pending",
      "retry_budget": 15,
      "created_at": "1970-01-01T00:00:01Z",
      "updated_at": "1970-01-01T00:00:01Z"
    },
    "B": {
      "seq": 2,
      "feature": "F",
      "description": "second",
      "depends_on": [
        "A"
      ],
      "status": "pending",
"#;
    assert!(text.contains(expected), "{text}");
    assert!(text.ends_with("}\n"));
}

#[test]
fn a_question_stands_under_the_number_of_its_attempt() {
    let text = r#"{
  "tasq_snapshot": 1, "features": {"F": {"name": "f"}},
  "tasks": {"A": {"feature": "F", "description": "d", "attempts": 10, "questions": {
    "10": {"at": "2026-01-01T00:00:00Z", "by": "w", "text": "which?", "choices": ["this"], "mood": "bad"},
    "2": {"at": "2026-01-01T00:00:00Z", "by": "w", "text": "when?",
      "answer": "now", "answered_at": "2026-01-02T00:00:00Z", "answered_by": "ada"}}}}
}"#;
    let first = read(text).unwrap();
    let asked: Vec<(u32, bool)> = (first.contents.questions.iter())
        .map(|it| (it.attempt, it.answer.is_some()))
        .collect();
    assert_eq!(asked, [(2, true), (10, false)]);
    let written = text_of(&first);
    assert!(written.contains(r#""mood":"bad""#), "{written}");
    let again = read(&written).unwrap();
    assert_eq!(again.contents.questions, first.contents.questions);
    assert_eq!(text_of(&again), written);
    for (broken, place) in [
        (text.replace("\"10\"", "\"010\""), "$.tasks.A.questions"),
        (
            text.replace("\"answered_by\"", "\"by_whom\""),
            "answered_by",
        ),
        (text.replace("[\"this\"]", "[\" \"]"), "choices"),
    ] {
        let fault = read(&broken).unwrap_err().to_string();
        assert!(fault.contains(place), "{fault}");
    }
}

#[test]
fn every_fault_is_told_with_its_place() {
    let error = read(
        r#"{"tasq_snapshot": 1,
"features": {"F": {"name": "f", "epic": "E9"}},
"tasks": {"A": {"feature": "F9", "description": "d"},
 "B": {"feature": "F", "description": "d", "depends_on": ["A", "Z"]}},
"tests": {"T": {"feature": "F8", "description": "d"}}}"#,
    )
    .unwrap_err();
    let SnapshotError::Invalid(faults) = &error else {
        unreachable!("{error}")
    };
    let told: Vec<(usize, &str, &str)> = faults
        .iter()
        .map(|fault| (fault.line, fault.path.as_str(), fault.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (2, "$.features.F.epic", "there is no epic \"E9\""),
            (3, "$.tasks.A.feature", "there is no feature \"F9\""),
            (4, "$.tasks.B.depends_on[1]", "there is no task \"Z\""),
            (5, "$.tests.T.feature", "there is no feature \"F8\""),
        ]
    );
    assert!(error.to_string().contains("line 2, column"), "{error}");
}

#[test]
fn wrong_types_and_values_out_of_bounds_are_told_together() {
    let error = read(
        r#"{"tasq_snapshot": 1, "settings": {"require_tests": "yes"},
"features": {"F": {"name": "f", "priority": 100}, "G": {"name": ""}, "H": []},
"tasks": {"A": {"feature": "F", "description": "d", "status": "done"}, "a b": {}}}"#,
    )
    .unwrap_err();
    let SnapshotError::Invalid(faults) = error else {
        unreachable!("{error}")
    };
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "$.settings.require_tests",
            "$.features.F.priority",
            "$.features.G.name",
            "$.features.H",
            "$.tasks.A.status",
            "$.tasks[\"a b\"]"
        ]
    );
}

#[test]
fn tasks_that_wait_for_each_other_are_refused_by_name() {
    let error = read(
        r#"{"tasq_snapshot": 1, "features": {"F": {"name": "f"}}, "tasks": {
"A": {"feature": "F", "description": "d", "depends_on": ["B"]},
"B": {"feature": "F", "description": "d", "depends_on": ["A"]}}}"#,
    )
    .unwrap_err();
    assert!(error.to_string().contains("A → B → A"), "{error}");
}

#[test]
fn what_is_no_snapshot_or_a_newer_one_is_said_so() {
    assert_eq!(read("{}").unwrap_err(), SnapshotError::NotASnapshot);
    assert_eq!(read("[]").unwrap_err(), SnapshotError::NotASnapshot);
    let newer = read(r#"{"tasq_snapshot": 2, "tasks": "anything"}"#).unwrap_err();
    assert_eq!(newer, SnapshotError::TooNew { found: 2, known: 1 });
    for (broken, kind) in [
        ("{\"tasq_snapshot\": 1", JsonErrorKind::Syntax),
        ("<<<<<<< HEAD\n{}", JsonErrorKind::Conflict),
        (
            r#"{"tasq_snapshot": 1, "tasq_snapshot": 1}"#,
            JsonErrorKind::Duplicate,
        ),
        ("\u{feff}{\"tasq_snapshot\": 1}", JsonErrorKind::Encoding),
    ] {
        let error = read(broken).unwrap_err();
        assert!(
            matches!(&error, SnapshotError::Text(text) if text.kind == kind),
            "{error:?}"
        );
    }
}

#[test]
fn a_number_that_two_branches_gave_is_given_anew_to_the_later_id() {
    let Snapshot {
        contents, mended, ..
    } = read(
        r#"{"tasq_snapshot": 1, "features": {"F": {"name": "f", "seq": 1}}, "tasks": {
"C": {"feature": "F", "description": "d", "seq": 7},
"B": {"feature": "F", "description": "d", "seq": 7},
"A": {"feature": "F", "description": "d", "seq": 8}}}"#,
    )
    .unwrap();
    let numbers: Vec<(i64, &str)> = contents
        .tasks
        .iter()
        .map(|task| (task.seq, task.id.as_str()))
        .collect();
    assert_eq!(numbers, [(7, "B"), (8, "A"), (9, "C")]);
    assert_eq!(mended, ["C is number 9 now"]);
}

#[test]
fn a_status_changed_by_hand_takes_along_what_belongs_to_it() {
    let task = |status: &str, rest: &str| {
        let text = format!(
            r#"{{"tasq_snapshot": 1, "features": {{"F": {{"name": "f"}}}}, "tasks": {{
"A": {{"feature": "F", "description": "d", "status": "{status}", {rest}}}}}}}"#
        );
        read(&text).unwrap().contents.tasks.remove(0)
    };
    let claim = r#""claim": {"worker": "w", "token": "3-00000000000000ab", "started_at": "2026-01-01",
      "lease_secs": 90, "lease_expires_at": "2026-01-02"}"#;
    let completed = task("completed", claim);
    assert_eq!(completed.claim, None);
    assert_eq!(completed.completed_at, Some(completed.updated_at));
    assert_eq!(task("in_progress", claim).attempts, 3);
    let reopened = task(
        "pending",
        r#""completed_at": "2026-01-01", "proof": "tests""#,
    );
    assert_eq!((reopened.completed_at, reopened.proof), (None, None));
    assert_eq!(
        task("pending", r#""blocked_reason": "r""#).blocked_reason,
        None
    );
    let spent = task("blocked", r#""retry_budget": 2, "retries_used": 9"#);
    assert_eq!(spent.retries_used, 2);
    let again = task(
        "pending",
        r#""retry_budget": 2, "retries_used": 2, "lost_in_a_row": 3"#,
    );
    assert_eq!((again.retries_used, again.lost_in_a_row), (1, 2));
    let over = task("pending", r#""retry_budget": 2, "retries_used": 9"#);
    assert_eq!(over.retries_used, 1, "one try back");
    let single = task("pending", r#""retry_budget": 0, "retries_used": 1"#);
    assert_eq!(single.retries_used, 0);
    let waiting = task("blocked", r#""not_before": "2026-01-01""#);
    assert_eq!(waiting.not_before, None);
    let old = claim.replace("\"claim\"", "\"attempts\": 4, \"claim\"");
    let old = task("in_progress", &old);
    assert_eq!(
        (old.attempts, old.claim),
        (4, None),
        "nobody holds an older attempt"
    );
    let dates = r#""created_at": "2026-01-02", "updated_at": "2026-01-01""#;
    let dated = task("pending", dates);
    assert_eq!(dated.updated_at, dated.created_at);
}

#[test]
fn metadata_that_is_no_json_is_not_written() {
    let mut snapshot = read(MINIMAL).unwrap();
    snapshot.contents.tasks[0].metadata = JsonObject::new("{nonsense}").unwrap();
    let error = encode(&snapshot.contents, &snapshot.extra).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the metadata of task:A cannot be written as JSON"
    );
}

#[test]
fn metadata_edited_beside_its_text_is_believed() {
    let item = |rest: &str| {
        let text = format!(r#"{{"tasq_snapshot": 1, "epics": {{"E": {{"name": "e", {rest}}}}}}}"#);
        read(&text).unwrap().contents.epics[0]
            .metadata
            .as_str()
            .to_owned()
    };
    let spelled = r#""metadata_text": "{ \"a\": 1 }""#;
    assert_eq!(
        item(&format!(r#""metadata": {{"a": 1}}, {spelled}"#)),
        r#"{ "a": 1 }"#
    );
    assert_eq!(
        item(&format!(r#""metadata": {{"a": 2}}, {spelled}"#)),
        r#"{"a":2}"#
    );
    assert_eq!(item(spelled), "{}");
}

#[test]
fn what_we_wrote_ourselves_is_taken_as_it_is() {
    let mut snapshot = read(MINIMAL).unwrap();
    let contents = &mut snapshot.contents;
    contents.tasks[0].status = Status::Completed;
    contents.dependencies = vec![
        Dependency {
            task: contents.tasks[0].id.clone(),
            on: contents.tasks[1].id.clone(),
        },
        Dependency {
            task: contents.tasks[1].id.clone(),
            on: contents.tasks[0].id.clone(),
        },
    ];
    let text = encode(contents, &Extra::default()).unwrap();
    let own = decode_own(text.as_bytes(), Limits::OWN, &fallback()).unwrap();
    assert_eq!(own.contents, *contents);
    assert!(matches!(read(&text), Err(SnapshotError::Invalid(_))));
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß→\u{202e}\\n\"\\\\]{0,12}x"
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_000_i64).prop_map(Timestamp::from_micros)
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL)
}

fn metadata() -> impl Strategy<Value = JsonObject> {
    prop::sample::select(vec![
        "{}",
        r#"{"b":1.0,"a":-0,"n":12345678901234567890123}"#,
        "{ }",
        "{\n  \"a\": \"\\u00e9\"\n}",
        r#"{"deep":{"x":[1,[],{}],"":null},"t":"\u2028\u001b[2J"}"#,
    ])
    .prop_map(|text| JsonObject::new(text).unwrap())
}

prop_compose! {
    fn hold()(by in text(), reason in text(), at in time()) -> Hold {
        Hold { by: Actor::new(by).unwrap(), reason: Reason::new(reason).unwrap(), at }
    }
}

prop_compose! {
    fn source()(origin in text(), digest in text()) -> Source {
        Source { origin, digest }
    }
}

prop_compose! {
    fn epic()(name in text(), description in prop::option::of(text()), own_status in status(), status in status(),
        hold in prop::option::of(hold()), source in prop::option::of(source()), created_at in time(),
        updated_at in time(), metadata in metadata()) -> Epic {
        Epic {
            seq: 0, id: EpicId::new("x").unwrap(), name: Name::new(name).unwrap(),
            description: description.map(|text| Description::new(text).unwrap()),
            own_status, status, hold, source, created_at, updated_at, metadata,
        }
    }
}

prop_compose! {
    fn feature(epics: usize)(base in epic(), priority in 0..100_i64, epic in prop::option::of(0..epics.max(1)))
        -> Feature {
        let Epic { seq, id: _, name, description, own_status, status, hold, source, created_at, updated_at, metadata } =
            base;
        Feature {
            seq, id: FeatureId::new("x").unwrap(),
            epic: epic.filter(|_| epics > 0).map(|n| EpicId::new(format!("E{n}")).unwrap()),
            name, description, priority: Priority::new(priority).unwrap(), own_status, status, hold, source,
            created_at, updated_at, metadata,
        }
    }
}

prop_compose! {
    fn process()(boot: u128, pid_namespace: u64, time_namespace: u64, pid: u32, started_ticks in 0..=i64::MAX as u64) -> Process {
        let boot = format!("{boot:032x}");
        let groups = [&boot[..8], &boot[8..12], &boot[12..16], &boot[16..20], &boot[20..]];
        let place = format!("{}/{pid_namespace}/{time_namespace}", groups.join("-"));
        Process { place: place.parse().unwrap(), pid, started_ticks }
    }
}

/// How many attempts there were at each task.
const ATTEMPTS: u32 = 9;

prop_compose! {
    fn claim()(worker in text(), nonce: u64, started_at in time(), micros in 0..u64::from(u32::MAX),
        lease_expires_at in time(), cancel in prop::option::of((text(), time())),
        process in prop::option::of(process())) -> Claim {
        Claim {
            worker: Worker::new(worker).unwrap(), token: Token { attempt: ATTEMPTS, nonce }, started_at,
            lease: Duration::from_micros(micros), lease_expires_at: lease_expires_at.max(started_at),
            cancel: cancel.map(|(by, at)| CancelRequest { by: Actor::new(by).unwrap(), at }), process,
        }
    }
}

fn proof() -> impl Strategy<Value = Proof> {
    prop_oneof![
        Just(Proof::Tests),
        Just(Proof::Unproven),
        Just(Proof::Imported),
        (text(), text()).prop_map(|(by, reason)| Proof::Override {
            by: Actor::new(by).unwrap(),
            reason: Reason::new(reason).unwrap(),
        }),
    ]
}

prop_compose! {
    fn task(features: usize)(base in epic(), description in text(), feature in 0..features, own_priority in
        prop::option::of(0..100_i64), budget in 0..=1000_u32, blocked_reason in text(),
        not_before in prop::option::of(time()), lost_in_a_row in 0..3_u32, claim in prop::option::of(claim()),
        completed_at in time(), proof in prop::option::of(proof())) -> Task {
        let status = base.status;
        Task {
            seq: 0, id: TaskId::new("x").unwrap(), feature: FeatureId::new(format!("F{feature}")).unwrap(),
            description: Description::new(description).unwrap(),
            own_priority: own_priority.map(|n| Priority::new(n).unwrap()),
            retry_budget: RetryBudget::new(budget.into()).unwrap(), hold: base.hold, source: base.source,
            metadata: base.metadata, created_at: base.created_at,
            updated_at: base.updated_at.max(base.created_at), status,
            blocked_reason: (status == Status::Blocked).then(|| Reason::new(blocked_reason).unwrap()),
            retries_used: budget / 2, not_before: not_before.filter(|_| status == Status::Pending),
            attempts: ATTEMPTS, lost_in_a_row,
            claim: claim.filter(|_| status == Status::InProgress),
            completed_at: (status == Status::Completed).then_some(completed_at),
            proof: proof.filter(|_| status == Status::Completed),
        }
    }
}

prop_compose! {
    fn result()(at in time(), attempt in prop::option::of(any::<u32>()), exit_code in prop::option::of(any::<i32>()),
        duration_ms in prop::option::of(any::<u64>()), output_tail in prop::option::of(".{0,20}"), by in text())
        -> TestResult {
        TestResult { at, attempt, exit_code, duration_ms, output_tail, by: Actor::new(by).unwrap() }
    }
}

prop_compose! {
    fn test(features: usize, tasks: usize)(base in epic(), description in text(), command in
        prop::option::of(text()), required: bool, on_task: bool, n in 0..1000_usize,
        status in prop::sample::select(TestStatus::ALL), last in prop::option::of(result())) -> TestCase {
        let owner = if on_task && tasks > 0 {
            TestOwner::Task(TaskId::new(format!("T{}", n % tasks)).unwrap())
        } else {
            TestOwner::Feature(FeatureId::new(format!("F{}", n % features)).unwrap())
        };
        TestCase {
            seq: 0, id: TestId::new("x").unwrap(), owner, description: Description::new(description).unwrap(),
            command: command.map(|line| CommandLine::new(line).unwrap()), required, status, last,
            source: base.source, created_at: base.created_at, updated_at: base.updated_at, metadata: base.metadata,
        }
    }
}

prop_compose! {
    fn question()(task in 0..6_usize, attempt in 0..20_u32, at in time(), by in text(), asked in text(),
        choices in prop::collection::vec(text(), 0..3), answer in prop::option::of((time(), text(), text())))
        -> Question {
        Question {
            task: TaskId::new(format!("T{task}")).unwrap(), attempt, at, by: Worker::new(by).unwrap(),
            text: Reason::new(asked).unwrap(),
            choices: choices.into_iter().map(|choice| Name::new(choice).unwrap()).collect(),
            answer: answer.map(|(at, by, text)| Answer {
                at, by: Actor::new(by).unwrap(), text: Reason::new(text).unwrap(),
            }),
        }
    }
}

/// Numbers that are out of the order of ids.
fn shuffled(at: usize, len: usize) -> i64 {
    i64::try_from((at + len / 2) % len).unwrap() * 3 + 1
}

/// One question to an attempt, of tasks that are there, in their order.
fn of_tasks(mut questions: Vec<Question>, tasks: &[Task]) -> Vec<Question> {
    questions.retain(|it| tasks.iter().any(|task| task.id == it.task));
    questions.sort_by_key(|it| (it.task.clone(), it.attempt));
    questions.dedup_by_key(|it| (it.task.clone(), it.attempt));
    questions
}

/// Later tasks wait for earlier ones, so that there is no cycle.
fn waits(edges: BTreeSet<(usize, usize)>, tasks: usize) -> Vec<Dependency> {
    let id = |n: usize| TaskId::new(format!("T{n}")).unwrap();
    edges
        .into_iter()
        .filter(|&(task, on)| on < task && task < tasks)
        .map(|(task, on)| Dependency {
            task: id(task),
            on: id(on),
        })
        .collect()
}

fn contents() -> impl Strategy<Value = Contents> {
    (0..3_usize, 1..4_usize, 0..6_usize, 0..4_usize).prop_flat_map(
        |(epics, features, tasks, tests)| {
            (
                prop::collection::vec(epic(), epics),
                prop::collection::vec(feature(epics), features),
                prop::collection::vec(task(features), tasks),
                prop::collection::vec(test(features, tasks), tests),
                prop::collection::btree_set((0..6_usize, 0..6_usize), 0..6),
                prop::collection::vec(question(), 0..6),
                (text(), any::<bool>(), 1..9_999_u64),
            )
                .prop_map(
                    |(
                        mut epics,
                        mut features,
                        mut tasks,
                        mut tests,
                        edges,
                        questions,
                        (name, require_tests, millis),
                    )| {
                        macro_rules! name_all {
                            ($items:ident, $prefix:literal, $id:ident) => {
                                let len = $items.len();
                                for (at, item) in $items.iter_mut().enumerate() {
                                    item.id =
                                        $id::new(format!(concat!($prefix, "{}"), at)).unwrap();
                                    item.seq = shuffled(at, len);
                                }
                                $items.sort_by_key(|item| item.seq);
                            };
                        }
                        let len = tasks.len();
                        name_all!(epics, "E", EpicId);
                        name_all!(features, "F", FeatureId);
                        name_all!(tasks, "T", TaskId);
                        name_all!(tests, "C", TestId);
                        let dependencies = waits(edges, len);
                        let questions = of_tasks(questions, &tasks);
                        Contents {
                            settings: Settings {
                                store: StoreId::new("S").unwrap(),
                                name,
                                require_tests,
                                backoff: Backoff {
                                    base: Duration::from_millis(millis),
                                    cap: Duration::from_secs(millis),
                                },
                            },
                            epics,
                            features,
                            tasks,
                            tests,
                            dependencies,
                            questions,
                            attempts: Vec::new(),
                            checkpoints: Vec::new(),
                            events: Vec::new(),
                            operations: Vec::new(),
                        }
                    },
                )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_queue_survives_its_text(contents in contents()) {
        let text = encode(&contents, &Extra::default()).unwrap();
        let snapshot = decode(text.as_bytes(), &fallback()).unwrap();
        prop_assert_eq!(&snapshot.mended, &Vec::<String>::new());
        prop_assert_eq!(&snapshot.contents, &contents);
        prop_assert_eq!(&snapshot.extra, &Extra::default());
        prop_assert_eq!(&encode(&snapshot.contents, &snapshot.extra).unwrap(), &text);
        let own = decode_own(text.as_bytes(), Limits::OWN, &fallback());
        prop_assert_eq!(own.as_ref(), Ok(&snapshot));
        prop_assert_eq!(super::own::snapshot(text.as_bytes(), Limits::OWN), Some(snapshot));
    }

    #[test]
    fn a_text_put_together_task_by_task_is_the_same(contents in contents(), turn in any::<bool>(), longer in "[a-z]{0,20}", several in 1_usize..4) {
        let mut contents = contents;
        // Ids that only differ far behind, in any order.
        let ids: Vec<(TaskId, TaskId)> = contents.tasks.iter().map(|task| {
            (task.id.clone(), TaskId::new(format!("{longer}{}", task.id)).unwrap())
        }).collect();
        let renamed = |id: &TaskId| ids.iter().find(|(old, _)| old == id).unwrap().1.clone();
        contents.tasks.iter_mut().for_each(|task| task.id = renamed(&task.id));
        contents.dependencies.iter_mut().for_each(|one| *one = Dependency { task: renamed(&one.task), on: renamed(&one.on) });
        contents.questions.iter_mut().for_each(|one| one.task = renamed(&one.task));
        let mut writers = vec![TaskWriter::new(&contents.dependencies, &contents.questions)];
        while writers.len() < several {
            writers.push(writers[0].another());
        }
        let mut tasks: Vec<&Task> = contents.tasks.iter().collect();
        if turn {
            tasks.reverse();
        }
        for (number, task) in tasks.into_iter().enumerate() {
            writers[number * number % several].add(task).unwrap();
        }
        let texts = writers.into_iter().map(TaskWriter::done).collect();
        let mut bytes = Vec::new();
        SnapshotText::new(&contents, texts).unwrap().write_to(&mut bytes).unwrap();
        let whole = encode(&contents, &Extra::default()).unwrap();
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), whole);
    }

    #[test]
    fn unknown_keys_survive_in_every_item(contents in contents(), key in "[a-z]{1,6}_x", number in any::<i64>()) {
        let extra = |n: i64| Object::new().with(key.as_str(), n);
        let mut expected = Extra { top: extra(number), settings: extra(1), ..Extra::default() };
        expected.items.extend(contents.epics.iter().map(|item| ((&item.id).into(), extra(2))));
        expected.items.extend(contents.features.iter().map(|item| ((&item.id).into(), extra(3))));
        expected.items.extend(contents.tasks.iter().map(|item| ((&item.id).into(), extra(4))));
        expected.items.extend(contents.tests.iter().map(|item| ((&item.id).into(), extra(5))));
        let text = encode(&contents, &expected).unwrap();
        let snapshot = decode(text.as_bytes(), &fallback()).unwrap();
        prop_assert_eq!(&snapshot.extra, &expected);
        prop_assert_eq!(encode(&snapshot.contents, &snapshot.extra).unwrap(), text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(cut in 0..2_000_usize, byte: u8) {
        let mut bytes = text_of(&read(MINIMAL).unwrap()).into_bytes();
        let at = cut % bytes.len();
        bytes[at] = byte;
        let _ = decode(&bytes, &fallback());
        let _ = decode(&bytes[..at], &fallback());
    }
}

mod history_records {
    use tasq_domain::{
        Actor, Attempt, AttemptEnd, Checkpoint, Event, EventKind, JsonObject, Operation,
        OperationId, Outcome, Reason, TaskId, Timestamp, Token, Worker,
    };

    use crate::json::{Document, Object, Value, to_text};
    use crate::snapshot::history;

    fn reread<T>(
        record: Object,
        read: impl Fn(crate::json::Node<'_>) -> Result<T, crate::json::JsonError>,
    ) -> T {
        let text = to_text(&Value::Object(record));
        read(Document::parse(text.as_bytes()).unwrap().root()).unwrap()
    }

    #[test]
    fn every_record_survives_its_text() {
        let at = Timestamp::from_micros(1_700_000_000_000_001);
        let task = TaskId::new("A").unwrap();
        let reason = || Reason::new("so\nit is").unwrap();
        let open = Attempt {
            task: task.clone(),
            token: Token {
                attempt: 2,
                nonce: 9,
            },
            worker: Worker::new("w").unwrap(),
            started_at: at,
            end: None,
            late_message: None,
            log_path: None,
            result: None,
        };
        let closed = Attempt {
            end: Some(AttemptEnd {
                at,
                outcome: Outcome::Failed,
                exit_code: Some(-1),
                message: Some(reason()),
            }),
            late_message: Some(reason()),
            log_path: Some("/l".into()),
            result: Some(JsonObject::default()),
            ..open.clone()
        };
        for attempt in [open, closed] {
            let record = history::attempt(&attempt).unwrap();
            let quick = history::read_own_attempt(&to_text(&record.clone().into()));
            // One with a result is left to the thorough way.
            assert_eq!(
                quick,
                Some(attempt.clone()).filter(|it| it.result.is_none())
            );
            assert_eq!(reread(record, history::read_attempt), attempt);
        }
        let bare = Checkpoint {
            seq: 4,
            task: task.clone(),
            attempt: 2,
            at,
            summary: reason(),
            next_steps: Vec::new(),
            data: None,
        };
        let full = Checkpoint {
            next_steps: vec!["one".into(), String::new()],
            data: Some(JsonObject::new(r#"{"b":1.0,"a":2}"#).unwrap()),
            ..bare.clone()
        };
        for checkpoint in [bare, full] {
            let record = history::checkpoint(&checkpoint).unwrap();
            assert_eq!(reread(record, history::read_checkpoint), checkpoint);
        }
    }

    #[test]
    fn the_records_of_events_and_operations_survive_their_text() {
        let at = Timestamp::from_micros(1);
        let task = TaskId::new("A").unwrap();
        let event = Event {
            seq: 1,
            at,
            actor: Actor::new("ada").unwrap(),
            kind: EventKind::Claimed,
            entity: (&task).into(),
            data: JsonObject::new(r#"{"x":1}"#).unwrap(),
        };
        assert_eq!(
            reread(history::event(&event).unwrap(), history::read_event),
            event
        );
        let text = to_text(&history::event(&event).unwrap().into());
        assert_eq!(
            history::read_own_event(&text, &mut Default::default()),
            Some(event)
        );
        let operation = Operation {
            id: OperationId::new("op").unwrap(),
            use_case: "claim".into(),
            digest: "d".into(),
            answer: "{}".into(),
        };
        assert_eq!(
            reread(history::operation(&operation), history::read_operation),
            operation
        );
        let text = to_text(&history::operation(&operation).into());
        assert_eq!(history::read_own_operation(&text), Some(operation));
    }
}
