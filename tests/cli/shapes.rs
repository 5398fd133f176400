//! The keys of every answer, because other programs depend on them.

use serde_json::Value;

use super::harness::{Kind, Sandbox, keys, text};

const TASK: [&str; 23] = [
    "id",
    "feature_id",
    "epic_id",
    "description",
    "title",
    "status",
    "blocked_reason",
    "priority",
    "own_priority",
    "retry_budget",
    "retries_used",
    "not_before",
    "attempts",
    "claim",
    "proof",
    "hold",
    "depends_on",
    "waits_for",
    "created_at",
    "updated_at",
    "completed_at",
    "metadata",
    "seq",
];
const FEATURE: [&str; 11] = [
    "id",
    "epic_id",
    "name",
    "description",
    "status",
    "priority",
    "hold",
    "counts",
    "created_at",
    "updated_at",
    "metadata",
];
const EPIC: [&str; 9] = [
    "id",
    "name",
    "description",
    "status",
    "hold",
    "counts",
    "created_at",
    "updated_at",
    "metadata",
];
const TEST: [&str; 11] = [
    "id",
    "task_id",
    "feature_id",
    "description",
    "command",
    "required",
    "status",
    "last",
    "created_at",
    "updated_at",
    "metadata",
];
const COUNTS: [&str; 5] = ["pending", "in_progress", "completed", "blocked", "total"];
const DETAIL: [&str; 4] = ["override", "tests", "checkpoints", "questions"];
const CLAIM: [&str; 8] = [
    "task",
    "token",
    "attempt",
    "lease_expires_at",
    "last_failure",
    "checkpoint",
    "questions",
    "answer",
];
const EVENT: [&str; 6] = ["seq", "at", "actor", "kind", "entity", "data"];

fn on_each(test: impl Fn(&Sandbox)) {
    for kind in Kind::ALL {
        test(&Sandbox::with(kind));
    }
}

fn is_task(value: &Value) {
    assert_eq!(keys(value), TASK);
}

fn is_test(value: &Value) {
    assert_eq!(keys(value), TEST);
}

#[test]
fn init_and_where_name_the_store() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::bare();
        let made = sandbox.data(&["--store", kind.file(), "init", "--name", "mine"]);
        assert_eq!(keys(&made), ["store", "name"]);
        assert_eq!(made["name"], "mine");
        let found = sandbox.data(&["where"]);
        assert_eq!(
            keys(&found),
            ["store", "kind", "found_by", "schema_version"]
        );
        assert_eq!(found["store"], made["store"]);
        assert_eq!(found["found_by"], "folder");
        assert_eq!(found["schema_version"], 1);
        assert_eq!(
            found["kind"],
            if kind == Kind::Sqlite {
                "sqlite"
            } else {
                "json"
            }
        );
    }
}

#[test]
fn items_have_the_keys_that_are_promised() {
    on_each(|sandbox| {
        let epic = sandbox.data(&["epic", "add", "Shop", "-d", "All of it"]);
        assert_eq!(keys(&epic), EPIC);
        assert_eq!(keys(&epic["counts"]), COUNTS);
        let feature = sandbox.data(&[
            "feature",
            "add",
            "Cart",
            "--epic",
            &text(&epic["id"]),
            "--priority",
            "1",
        ]);
        assert_eq!(keys(&feature), FEATURE);
        assert_eq!(feature["epic_id"], epic["id"]);
        let task = sandbox.data(&[
            "task",
            "add",
            "Add to cart\nwith care",
            "--feature",
            &text(&feature["id"]),
            "--priority",
            "0",
            "--test",
            "it works :: true",
            "--meta",
            "size=L",
        ]);
        is_task(&task);
        assert_eq!(task["title"], "Add to cart");
        assert_eq!(task["description"], "Add to cart\nwith care");
        assert_eq!(
            (&task["priority"], &task["own_priority"]),
            (&0.into(), &0.into())
        );
        assert_eq!(task["epic_id"], epic["id"]);
        assert_eq!(task["metadata"]["size"], "L");
        let test = &sandbox.data(&["test", "list"])["tests"][0];
        is_test(test);
        assert_eq!(
            (test["command"].as_str(), &test["task_id"]),
            (Some("true"), &task["id"])
        );
        for (words, name) in [
            (["epic", "list"], "epics"),
            (["feature", "list"], "features"),
            (["task", "list"], "tasks"),
        ] {
            assert_eq!(sandbox.data(&words)[name].as_array().unwrap().len(), 1);
        }
    });
}

#[test]
fn lists_trees_and_progress_have_their_keys() {
    on_each(|sandbox| {
        let first = sandbox.id(&["add", "one"]);
        sandbox.id(&["add", "two"]);
        let page = sandbox.data(&["list", "--limit", "1"]);
        assert_eq!(keys(&page), ["tasks", "next_cursor"]);
        assert_eq!(page["tasks"][0]["id"], first.as_str());
        let rest = sandbox.data(&[
            "list",
            "--limit",
            "1",
            "--after",
            &text(&page["next_cursor"]),
        ]);
        assert_eq!(rest["tasks"][0]["title"], "two");
        assert_eq!(rest["next_cursor"], Value::Null);
        assert_eq!(keys(&sandbox.data(&["ready"])), ["tasks"]);
        assert_eq!(sandbox.data(&["next"])["id"], first.as_str());
        let tree = sandbox.data(&["tree"]);
        assert_eq!(keys(&tree), ["epics", "features"]);
        let feature = &tree["features"][0];
        assert_eq!(keys(feature), [&FEATURE[..], &["tests", "tasks"]].concat());
        assert_eq!(keys(&feature["tasks"][0]), [&TASK[..], &["tests"]].concat());
        let progress = sandbox.data(&["progress"]);
        assert_eq!(keys(&progress), ["counts", "percent", "epics", "features"]);
        assert_eq!(keys(&progress["counts"]), COUNTS);
    });
}

#[test]
fn a_task_s_life_has_its_keys() {
    on_each(|sandbox| {
        let id = sandbox.id(&["task", "add", "work", "--feature", "F", "--create-feature"]);
        let claim = sandbox.data(&["claim", "--worker", "w"]);
        assert_eq!(keys(&claim), CLAIM);
        is_task(&claim["task"]);
        let held = &claim["task"]["claim"];
        assert_eq!(
            keys(held),
            [
                "worker",
                "token",
                "attempt",
                "started_at",
                "lease_expires_at"
            ]
        );
        assert_eq!(held["token"], claim["token"]);
        let token = text(&claim["token"]);
        let beat = sandbox.data(&["heartbeat", &id, "--token", &token]);
        assert_eq!(keys(&beat), ["lease_expires_at", "cancel_requested"]);
        let note = sandbox.data(&[
            "checkpoint",
            &id,
            "--token",
            &token,
            "--summary",
            "half",
            "--next",
            "rest",
            "--data",
            "{\"a\":1.0}",
        ]);
        assert_eq!(
            keys(&note),
            [
                "seq",
                "task_id",
                "attempt",
                "at",
                "summary",
                "next_steps",
                "data"
            ]
        );
        let failed = sandbox.data(&["fail", &id, "--token", &token, "--message", "no luck"]);
        is_task(&failed);
        assert_eq!(
            (&failed["status"], &failed["retries_used"]),
            (&"pending".into(), &1.into())
        );
        is_task(&sandbox.data(&["retry", &id]));
        let again = sandbox.data(&["claim", &id]);
        assert_eq!(again["last_failure"]["message"], "no luck");
        assert_eq!(again["checkpoint"]["summary"], "half");
        assert_eq!(again["attempt"], 2);
        let done = sandbox.data(&["complete", &id, "--token", &text(&again["token"]), "--next"]);
        assert_eq!(keys(&done), ["task", "next"]);
        assert_eq!(
            (&done["task"]["proof"], &done["next"]),
            (&"none".into(), &Value::Null)
        );
        let shown = sandbox.data(&["show", &id]);
        assert_eq!(keys(&shown), [&TASK[..], &DETAIL].concat());
        assert_eq!(shown["attempts"].as_array().unwrap().len(), 2);
        assert_eq!(shown["attempts"][0]["outcome"], "failed");
    });
}

#[test]
fn several_claims_are_a_list() {
    on_each(|sandbox| {
        for title in ["one", "two", "three"] {
            sandbox.id(&["add", title]);
        }
        let claims = sandbox.data(&["claim", "-n", "2"]);
        let claims = claims.as_array().unwrap();
        assert_eq!(claims.len(), 2);
        assert_eq!(keys(&claims[1]), CLAIM);
    });
}

#[test]
fn what_persons_decide_answers_with_the_item() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let other = sandbox.id(&["add", "other"]);
        assert_eq!(
            sandbox.data(&["block", &id, "--reason", "why not"])["blocked_reason"],
            "why not"
        );
        assert_eq!(sandbox.data(&["unblock", &id])["status"], "pending");
        let held = sandbox.data(&["hold", &id, "--reason", "wait"]);
        assert_eq!(keys(&held["hold"]), ["by", "reason", "at"]);
        let why = sandbox.data(&["why", &id]);
        assert_eq!(keys(&why), ["ready", "reasons"]);
        assert_eq!(keys(&why["reasons"][0]), ["code", "text", "by"]);
        assert_eq!(why["reasons"][0]["code"], "held");
        assert_eq!(sandbox.data(&["unhold", &id])["hold"], Value::Null);
        assert_eq!(
            sandbox.data(&["depend", &id, "--on", &other])["waits_for"][0],
            other.as_str()
        );
        assert_eq!(
            sandbox.data(&["undepend", &id, "--on", &other])["depends_on"],
            Value::Array(Vec::new())
        );
        assert_eq!(
            sandbox.data(&["task", "edit", &id, "--status", "completed"])["status"],
            "completed"
        );
        assert_eq!(sandbox.data(&["reopen", &id])["status"], "pending");
        assert_eq!(keys(&sandbox.data(&["reap"])), ["tasks"]);
        assert_eq!(sandbox.data(&["cancel", &id])["status"], "blocked");
        let moved = sandbox.data(&["feature", "add", "Elsewhere"]);
        let moved = sandbox.data(&["move", &id, "--feature", &text(&moved["id"])]);
        is_task(&moved);
        let gone = sandbox.data(&["task", "rm", &id]);
        assert_eq!(keys(&gone), ["deleted"]);
        assert_eq!(
            keys(&gone["deleted"]),
            ["epics", "features", "tasks", "tests"]
        );
    });
}

#[test]
fn test_cases_are_judged_and_run() {
    on_each(|sandbox| {
        let id = sandbox.id(&[
            "task",
            "add",
            "work",
            "--feature",
            "F",
            "--create-feature",
            "--test",
            "fine :: true",
        ]);
        let manual = sandbox.id(&["test", "add", "looks good", "--task", &id, "--required"]);
        assert_eq!(
            sandbox.error(14, &["complete", &id])["details"]["tests"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let judged = sandbox.data(&["test", "pass", &manual, "--note", "seen"]);
        is_test(&judged);
        assert_eq!(
            keys(&judged["last"]),
            ["at", "exit_code", "duration_ms", "output_tail", "by"]
        );
        let verified = sandbox.data(&["verify", &id]);
        assert_eq!(keys(&verified), ["passed", "tests"]);
        assert_eq!(verified["passed"], true);
        assert_eq!(sandbox.data(&["complete", &id])["task"]["proof"], "tests");
        sandbox.data(&["test", "fail", &manual]);
        assert_eq!(
            sandbox.data(&["show", &id])["status"],
            "pending",
            "a regression reopens it"
        );
        let ran = sandbox.tasq(&["--json", "verify", &id]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(ran.data()["passed"], false);
    });
}

#[test]
fn the_log_tells_events() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let log = sandbox.data(&["log"]);
        let events = log.as_array().unwrap();
        assert!(events.iter().all(|event| keys(event) == EVENT));
        let created = events
            .iter()
            .find(|event| event["entity"] == format!("task:{id}"))
            .unwrap();
        assert_eq!(created["kind"], "created");
        assert_eq!(text(&created["actor"]).split('@').next(), Some("ada"));
        let since = created["seq"].to_string();
        assert_eq!(
            sandbox.data(&["log", "--since", &since]),
            Value::Array(Vec::new())
        );
    });
}

#[test]
fn an_export_over_the_store_itself_is_refused() {
    for (kind, may_be_missing) in [
        (
            Kind::Sqlite,
            ["queue.db-wal", "queue.db-shm", "queue.db-journal"].as_slice(),
        ),
        (
            Kind::Json,
            &["queue.log.jsonl", "queue.lock", "queue.lock.turn"],
        ),
    ] {
        let sandbox = Sandbox::with(kind);
        sandbox.id(&["add", "one"]);
        let before = sandbox.export();
        let folder = std::fs::read_dir(sandbox.project.join(".tasq")).unwrap();
        let there = folder.map(|it| it.unwrap().file_name().into_string().unwrap());
        let own = there.filter(|name| name.starts_with("queue."));
        for name in own.chain(may_be_missing.iter().map(|&it| it.to_owned())) {
            let path = format!("../project/.tasq/{name}");
            let error = sandbox.error(2, &["--store", kind.file(), "export", "-o", &path]);
            let message = text(&error["message"]);
            assert!(message.contains("belongs to the store itself"), "{message}");
            assert_eq!(sandbox.export(), before);
        }
    }
}

#[test]
fn an_export_is_read_back_and_a_copy_is_the_same() {
    on_each(|sandbox| {
        sandbox.id(&[
            "task",
            "add",
            "work",
            "--feature",
            "F",
            "--create-feature",
            "--test",
            "fine :: true",
        ]);
        let ran = sandbox.tasq(&["export", "-o", "out.json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
        let report = sandbox.data(&["import", "out.json", "--to", "other.json"]);
        assert_eq!(
            keys(&report),
            [
                "dry_run",
                "epics",
                "features",
                "tasks",
                "tests",
                "dependencies",
                "files"
            ]
        );
        assert_eq!(keys(&report["tasks"]), ["created", "updated", "unchanged"]);
        assert_eq!(
            (&report["tasks"]["created"], &report["tests"]["created"]),
            (&1.into(), &1.into())
        );
        let copied = sandbox.data(&["copy", "--to", "copy.db"]);
        assert_eq!(copied["tasks"], 1);
        let list = |store| sandbox.data(&["list", "--store", store])["tasks"].clone();
        assert_eq!(list("copy.db"), sandbox.data(&["list"])["tasks"]);
        assert_eq!(list("other.json"), list("copy.db"));
    });
}

#[test]
fn migrating_a_store_that_is_new_does_nothing() {
    on_each(|sandbox| {
        for words in [&["migrate", "--dry-run"][..], &["migrate"]] {
            let migrated = sandbox.data(words);
            assert_eq!(keys(&migrated)[..3], ["from", "to", "applied"]);
            assert_eq!(
                (&migrated["from"], &migrated["applied"]),
                (&migrated["to"], &Value::Array(Vec::new()))
            );
        }
    });
}

#[test]
fn tasks_come_as_json_lines_all_or_none() {
    on_each(|sandbox| {
        let lines = "{\"id\":\"A\",\"description\":\"first\",\"depends_on\":[\"B\"],\"priority\":1}\n\n{\"id\":\"B\",\"description\":\"second\",\"metadata\":{\"n\":1.0},\"tests\":[{\"description\":\"t\",\"command\":\"true\"}]}\n";
        let words = [
            "--json",
            "task",
            "add",
            "--feature",
            "F",
            "--create-feature",
            "--from",
            "-",
        ];
        let added = sandbox.tasq_reading(&words, lines);
        assert_eq!(added.code, Some(0), "{added:?}");
        let tasks = added.data()["tasks"].clone();
        assert_eq!(tasks[0]["waits_for"][0], "B");
        assert!(
            added.stdout.contains("\"metadata\":{\"n\":1.0}"),
            "numbers keep their spelling"
        );
        let broken = "{\"description\":\"third\"}\n{\"description\":\"fourth\",\"prioritty\":1}\n";
        let refused = sandbox.tasq_reading(&words, broken);
        assert_eq!(refused.code, Some(13), "{refused:?}");
        let message = text(&refused.error()["message"]);
        assert!(
            message.contains("line 2") && message.contains("prioritty"),
            "{message}"
        );
        assert_eq!(
            sandbox.data(&["list"])["tasks"].as_array().unwrap().len(),
            2
        );
    });
}

#[test]
fn an_operation_id_gives_the_first_answer_again() {
    on_each(|sandbox| {
        sandbox.id(&["add", "one"]);
        sandbox.id(&["add", "two"]);
        let first = sandbox.data(&["claim", "--op", "op-1"]);
        assert_eq!(
            sandbox.data(&["claim", "--op", "op-1"])["token"],
            first["token"]
        );
        assert_eq!(
            sandbox.error(4, &["claim", "-n", "3", "--op", "op-1"])["code"],
            "conflict"
        );
        assert_eq!(
            sandbox.data(&["list", "--status", "in_progress"])["tasks"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    });
}

#[test]
fn the_version_is_told_in_every_way_of_asking() {
    let sandbox = Sandbox::bare();
    let told = sandbox.tasq(&["version"]).stdout;
    assert!(told.starts_with("tasq "), "{told}");
    for flag in ["--version", "-V"] {
        let ran = sandbox.tasq(&[flag]);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), told.as_str()),
            "{flag}"
        );
    }
}
