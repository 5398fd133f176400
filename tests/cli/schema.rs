//! The printed schema and the printed answers agree: every answer of every command, to the last key.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::{Kind, Ran, Sandbox, text};

/// Commands with answers of their own making, tried elsewhere or far too long for here.
const NOT_HERE: [&str; 2] = ["selftest", "demo"];

/// The schema that the command prints, and which commands were held to it.
struct Schema {
    whole: Value,
    tried: RefCell<BTreeSet<String>>,
}

impl Schema {
    fn printed() -> Self {
        let ran = Sandbox::bare().tasq(&["schema"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        Self {
            whole: serde_json::from_str(&ran.stdout).unwrap(),
            tried: RefCell::default(),
        }
    }

    /// Whether a value is what the schema says and has no key that the schema does not name.
    fn fits(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        if let Some(name) = schema["$ref"].as_str() {
            let target = self.whole.pointer(&name[1..]);
            let target = target.unwrap_or_else(|| panic!("{name} leads nowhere"));
            return self.fits(value, target, at);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let tried = choices.iter().map(|choice| self.fits(value, choice, at));
            let faults: Vec<String> = tried.filter_map(Result::err).collect();
            return if faults.len() < choices.len() {
                Ok(())
            } else {
                Err(faults.join(" | "))
            };
        }
        let is = |name: &Value| match name.as_str().unwrap() {
            "null" => value.is_null(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("unknown type {other}"),
        };
        let of_type = match &schema["type"] {
            Value::Array(several) => several.iter().any(is),
            Value::Null => true,
            one => is(one),
        };
        let listed = schema["enum"]
            .as_array()
            .is_none_or(|it| it.contains(value));
        let constant = schema.get("const").is_none_or(|it| it == value);
        let bounds = [("minimum", 1.0), ("maximum", -1.0)];
        let within = bounds.iter().all(|(key, sign)| {
            let bound = schema[*key].as_f64();
            bound
                .zip(value.as_f64())
                .is_none_or(|(bound, found)| (found - bound) * sign >= 0.0)
        });
        if !(of_type && listed && constant && within) {
            return Err(format!("{at}: {value} is not as {schema}"));
        }
        if schema["format"] == "date-time" && value.as_str().is_some_and(|at| !at.ends_with('Z')) {
            return Err(format!("{at}: {value} is no time"));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.fits(item, &schema["items"], &format!("{at}[{index}]"))?;
        }
        self.fits_keys(value, schema, at)
    }

    fn fits_keys(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        let Some(object) = value.as_object() else {
            return Ok(());
        };
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                return Err(format!("{at}: {name} is missing"));
            }
        }
        for (key, inner) in object {
            let at = format!("{at}.{key}");
            match (
                schema["properties"].get(key),
                &schema["additionalProperties"],
            ) {
                (Some(named), _) => self.fits(inner, named, &at)?,
                (None, Value::Bool(true)) => {}
                (None, other) if other.is_object() => self.fits(inner, other, &at)?,
                (None, _) if schema.get("properties").is_none() && schema.get("type").is_none() => {
                }
                (None, _) => return Err(format!("{at} is not in the schema")),
            }
        }
        Ok(())
    }

    #[track_caller]
    fn holds(&self, value: &Value, name: &str) {
        let schema = &self.whole["$defs"][name];
        assert!(schema.is_object(), "there is no {name}");
        self.fits(value, schema, "$")
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }

    /// Holds the answer of a command to its schema, and returns its data.
    #[track_caller]
    fn answer(&self, command: &str, ran: &Ran) -> Value {
        let line = ran.stdout.lines().last().unwrap_or_default();
        let envelope: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{command}: {error}: {ran:?}"));
        assert!(envelope.get("error").is_none(), "{command}: {envelope}");
        self.holds(&envelope, "answer");
        let schema = &self.whole["commands"][command];
        assert!(schema.is_object(), "{command} is not in the schema");
        let data = envelope["data"].clone();
        self.fits(&data, schema, "$.data")
            .unwrap_or_else(|fault| panic!("{command}: {fault}"));
        self.tried.borrow_mut().insert(command.to_owned());
        data
    }
}

/// A project whose commands are held to the schema.
struct Desk {
    sandbox: Sandbox,
    schema: Schema,
}

impl Desk {
    /// The command is the first word or the first two, whichever the schema knows.
    #[track_caller]
    fn tasq(&self, words: &[&str]) -> Value {
        let ran = self.sandbox.tasq(&[&["--json"], words].concat());
        let two = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let known = self.schema.whole["commands"].get(&two).is_some();
        self.schema
            .answer(if known { &two } else { words[0] }, &ran)
    }
}

fn everything(desk: &Desk) {
    desk.tasq(&["where"]);
    desk.tasq(&["epic", "add", "E", "--id", "E", "-d", "about"]);
    desk.tasq(&[
        "feature", "add", "F", "--id", "F", "--epic", "E", "--meta", "k=1",
    ]);
    desk.tasq(&["feature", "add", "G", "--id", "G"]);
    desk.tasq(&[
        "task",
        "add",
        "one",
        "--id",
        "A",
        "--feature",
        "F",
        "--test",
        "it :: test -s a",
    ]);
    desk.tasq(&[
        "task",
        "add",
        "two",
        "--id",
        "B",
        "--feature",
        "F",
        "--depends-on",
        "A",
    ]);
    desk.tasq(&["add", "three", "--id", "C"]);
    desk.tasq(&[
        "test",
        "add",
        "look",
        "--id",
        "T",
        "--feature",
        "F",
        "--required",
    ]);
    for kind in ["epic", "feature", "task", "test"] {
        desk.tasq(&[kind, "list"]);
    }
    for (kind, id) in [
        ("epic", "E"),
        ("feature", "F"),
        ("task", "A"),
        ("test", "T"),
    ] {
        desk.tasq(&[kind, "show", id]);
        desk.tasq(&["show", &format!("{kind}:{id}")]);
        desk.tasq(&[kind, "edit", id, "--meta", "k=2"]);
    }
    desk.tasq(&["test", "pass", "T", "--note", "seen"]);
    desk.tasq(&["test", "fail", "T"]);
    desk.tasq(&["move", "C", "--feature", "G"]);
    for looks in [
        "list", "ready", "next", "tree", "progress", "log", "inbox", "reap",
    ] {
        desk.tasq(&[looks]);
    }
    desk.tasq(&["why", "B"]);
    desk.tasq(&["undepend", "B", "--on", "A"]);
    desk.tasq(&["depend", "B", "--on", "A"]);
}

fn a_life(desk: &Desk) {
    let claim = desk.tasq(&["claim", "A", "--worker", "w"]);
    let token = text(&claim["token"]);
    desk.tasq(&["heartbeat", "A", "--token", &token]);
    desk.tasq(&[
        "checkpoint",
        "A",
        "--token",
        &token,
        "--summary",
        "half",
        "--data",
        "{\"a\":1}",
    ]);
    desk.tasq(&[
        "ask", "which?", "--choice", "this", "--task", "A", "--token", &token,
    ]);
    desk.tasq(&["inbox"]);
    desk.tasq(&["why", "A"]);
    desk.tasq(&["answer", "A", "--choice", "1"]);
    let again = desk.tasq(&["claim", "-n", "1", "--feature", "F"]);
    let token = text(&again[0]["token"]);
    desk.tasq(&["fail", "A", "--token", &token, "--message", "no"]);
    desk.tasq(&["retry", "A"]);
    let again = desk.tasq(&["claim", "A"]);
    desk.tasq(&["release", "A", "--token", &text(&again["token"])]);
    for words in [
        &["block", "A", "--reason", "no"][..],
        &["unblock", "A"],
        &["cancel", "A"],
        &["reopen", "A"],
        &["hold", "A", "--reason", "no"],
        &["unhold", "A"],
        &["hold", "F", "--reason", "no"],
        &["unhold", "F"],
        &["hold", "E", "--reason", "no"],
        &["unhold", "E"],
        &["verify", "A"],
        &["trust", "--list"],
        &["trust", "--revoke"],
        &["trust", "--yes"],
    ] {
        desk.tasq(words);
    }
    desk.tasq(&["complete", "C"]);
    desk.tasq(&["reopen", "C"]);
    let claim = desk.tasq(&["claim", "C"]);
    desk.sandbox.write("a", "x");
    let more = "{\"description\":\"four\",\"id\":\"D\",\"feature\":\"G\"}";
    let added = desk
        .sandbox
        .tasq_reading(&["--json", "task", "add", "--from", "-"], more);
    desk.schema.answer("task add", &added);
    desk.tasq(&["complete", "C", "--token", &text(&claim["token"]), "--next"]);
    desk.tasq(&["show", "A"]);
    desk.tasq(&["tree"]);
    desk.tasq(&["log"]);
}

#[test]
fn every_answer_is_as_the_schema_says() {
    for kind in Kind::ALL {
        let desk = Desk {
            sandbox: Sandbox::bare(),
            schema: Schema::printed(),
        };
        desk.schema.answer(
            "init",
            &desk
                .sandbox
                .tasq(&["--json", "--store", kind.file(), "init"]),
        );
        everything(&desk);
        a_life(&desk);
        desk.tasq(&["reopen", "A", "--force"]);
        let script = "test $TASQ_TASK = B && exit 1; echo done";
        let words = [
            "run",
            "--json",
            "--regress",
            "--max-wait",
            "1s",
            "--max",
            "3",
            "--",
            "sh",
            "-c",
            script,
        ];
        let ran = desk.sandbox.tasq(&words);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        for line in &lines[..lines.len() - 1] {
            desk.schema
                .holds(&serde_json::from_str(line).unwrap(), "run_event");
        }
        desk.schema.answer("run", &ran);
        desk.tasq(&["attempts", "A"]);
        desk.tasq(&["output", "A"]);
        desk.tasq(&["verify", "A", "--regress"]);
        moves(&desk, kind);
        for (kind, id) in [
            ("test", "T"),
            ("task", "B"),
            ("feature", "G"),
            ("epic", "E"),
        ] {
            desk.tasq(&[kind, "rm", id, "--force"]);
        }
        let error = desk.sandbox.tasq(&["--json", "show", "GONE"]);
        desk.schema
            .holds(&serde_json::from_str(&error.stdout).unwrap(), "failure");
        let commands = desk.schema.whole["commands"].as_object().unwrap();
        let tried = desk.schema.tried.borrow();
        let untried = commands
            .keys()
            .filter(|it| !tried.contains(*it) && !NOT_HERE.contains(&it.as_str()));
        assert_eq!(untried.collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

fn moves(desk: &Desk, kind: Kind) {
    desk.sandbox.write("out.json", desk.sandbox.export());
    desk.tasq(&["import", "out.json", "--to", "other.db"]);
    desk.tasq(&["copy", "--to", "copy.json"]);
    desk.tasq(&["migrate", "--dry-run"]);
    desk.tasq(&["doctor"]);
    let kept = match kind {
        Kind::Sqlite => "kept.db",
        Kind::Json => "kept.json",
    };
    desk.tasq(&["backup", kept]);
    desk.tasq(&["restore", kept, "--to", "sqlite:elsewhere.db"]);
    desk.tasq(&["version"]);
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let schema = Schema::printed();
    let fits = |value: &str| {
        let value = serde_json::from_str(value).unwrap();
        schema.fits(&value, &schema.whole["$defs"]["counts"], "$")
    };
    let counts = r#"{"pending":1,"in_progress":0,"completed":0,"blocked":0,"total":1}"#;
    fits(counts).unwrap();
    for bad in [
        counts.replace(",\"total\":1", ""),
        counts.replace("1}", "1,\"more\":1}"),
        counts.replace("1}", "\"1\"}"),
        counts.replace("1}", "-1}"),
    ] {
        assert!(fits(&bad).is_err(), "{bad}");
    }
}

#[test]
fn completions_pages_and_schemas_are_printed() {
    let sandbox = Sandbox::bare();
    let print = |words: &[&str]| {
        let ran = sandbox.tasq(words);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}");
        ran.stdout
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            print(&["completions", shell]).contains("checkpoint"),
            "{shell}"
        );
    }
    assert!(print(&["man"]).starts_with(".ie"), "it is roff");
    assert!(print(&["man", "task", "add"]).contains("tasq\\-task\\-add"));
    std::fs::create_dir(sandbox.project.join("man1")).unwrap();
    print(&["man", "--dir", "man1"]);
    for page in ["tasq.1", "tasq-task-add.1", "tasq-run.1"] {
        assert!(sandbox.project.join("man1").join(page).is_file(), "{page}");
    }
    let of_claim: Value = serde_json::from_str(&print(&["schema", "claim"])).unwrap();
    assert!(of_claim["properties"]["data"]["oneOf"].is_array());
    for words in [
        &["man", "nonsense"][..],
        &["schema", "nonsense"],
        &["completions", "tcsh"],
    ] {
        assert_eq!(sandbox.tasq(words).code, Some(2), "{words:?}");
    }
}
