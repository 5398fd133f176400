//! Files in, drafts out: what each key becomes, what is noted, and what is refused.

use tasq_domain::{Priority, Status};

use super::*;

fn try_read(text: &str) -> Result<Draft, ImportError> {
    read(text.as_bytes(), &ReadOptions::default())
}

fn draft(text: &str) -> Draft {
    try_read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    try_read(text).unwrap_err().to_string()
}

/// The draft of a file whose only record has `fields` besides its id.
fn one(fields: &str) -> Draft {
    let draft = draft(&format!(
        r#"{{"project": "shop", "features": [{{"id": "T-1", "description": "Do it", {fields}}}]}}"#
    ));
    assert_eq!(draft.tasks.len(), 1);
    draft
}

#[test]
fn every_shape_of_queue_file_is_told_by_its_keys() {
    for (keys, shape) in [
        (r#""features": []"#, QueueShape::Features),
        (r#""sequence": 1, "features": []"#, QueueShape::Sequenced),
        (
            r#""sequence": 1, "summary": {}, "features": []"#,
            QueueShape::Sprint,
        ),
        (
            r#""target_repo": "x", "features": []"#,
            QueueShape::Repository,
        ),
        (
            r#""queue_name": "x", "last_updated": "", "features": []"#,
            QueueShape::Named,
        ),
        (
            r#""features": [], "archived": [], "sync_notes": ""#,
            QueueShape::Features,
        ),
        (r#""tasks": []"#, QueueShape::Tasks),
        (r#""exported_at": "x", "tasks": []"#, QueueShape::Export),
        (
            r#""version": "3", "adr": "A", "phases": [], "tasks": []"#,
            QueueShape::Plan,
        ),
        (r#""generated_at": "x", "tasks": []"#, QueueShape::Generated),
        (
            r#""queue_type": "e", "created": "x", "tasks": []"#,
            QueueShape::Editorial,
        ),
        (r#""tasks": [], "metadata": {}"#, QueueShape::Tasks),
    ] {
        let quote = if keys.ends_with(": \"") { "\"" } else { "" };
        let text = format!(r#"{{"project": "p", {keys}{quote}}}"#);
        assert_eq!(draft(&text).format, Format::QueueFile(shape), "{text}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (text, name) in [
        (
            r#"{"id": "b-1", "title": "x", "issue_type": "bug"}"#,
            "a beads issue file",
        ),
        (
            "{\"id\": \"b-1\", \"title\": \"x\", \"issue_type\": \"bug\"}\n{\"id\": 2}\n",
            "a beads issue file",
        ),
        (
            r#"{"master": {"tasks": [{"id": 1}], "metadata": {}}}"#,
            "a Task Master file",
        ),
        (
            r#"{"tasks": [{"id": 1, "title": "x", "subtasks": []}]}"#,
            "a Task Master file",
        ),
        (
            r#"{"features": [{"id": "F", "tasks": [{"id": "T"}]}]}"#,
            "a queue file with tasks inside of features",
        ),
        ("\u{1f}\u{8b}", ""),
        ("SQLite format 3\0 CREATE TABLE epics (", "a queue database"),
        (
            "SQLite format 3\0 needs_human_input",
            "an AutoForge database",
        ),
        ("SQLite format 3\0", "an SQLite database"),
        ("PK\u{3}\u{4}", "a compressed file"),
        (r#"{"tasq_snapshot": 1}"#, "a snapshot of tasq"),
        ("[]", "\"features\" or \"tasks\""),
        ("{}", "\"features\" or \"tasks\""),
        (r#"{"features": {}}"#, "\"features\" or \"tasks\""),
    ] {
        let message = refusal(text);
        assert!(message.contains(name), "{text}: {message}");
    }
}

#[test]
fn broken_files_are_refused_with_line_column_and_path() {
    for (text, expected) in [
        (
            "{\n \"features\": [\n  {\"id\": \"A\",}\n ]\n}",
            "line 3, column 14, at $.features[0]",
        ),
        (
            r#"{"features": [{"id": "A", "description": 5}]}"#,
            "line 1, column 42, at $.features[0].description: expected text, found number",
        ),
        (
            r#"{"features": [{"id": "A", "status": []}]}"#,
            "$.features[0].status: expected text, found array",
        ),
        (
            r#"{"features": [{"id": ["A"]}]}"#,
            "$.features[0].id: expected text, found array",
        ),
        (
            r#"{"tasks": [{"id": "A", "attempts": "3"}]}"#,
            "$.tasks[0].attempts: expected a number, found text",
        ),
        (
            r#"{"tasks": [{"id": "A", "priority": true}]}"#,
            "$.tasks[0].priority: expected a number or text, found bool",
        ),
        (
            r#"{"tasks": [{"id": "A", "dependencies": [{}]}]}"#,
            "$.tasks[0].dependencies: expected a list of texts, found array",
        ),
        (
            r#"{"tasks": [{"id": "A", "created_at": 5}]}"#,
            "$.tasks[0].created_at: expected a time as text, found number",
        ),
        (
            r#"{"tasks": ["A"]}"#,
            "$.tasks[0]: expected an object, found text",
        ),
        (
            r#"{"project": 5, "tasks": []}"#,
            "$.project: expected text, found number",
        ),
        (r#"{"tasks": [{"id": "A", "id": "B"}]}"#, "duplicate key"),
        ("<<<<<<< ours\n{}", "conflict marker"),
        ("", "the text is empty"),
    ] {
        let message = refusal(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn an_id_that_occurs_twice_is_refused_with_both_places() {
    let text =
        r#"{"features": [{"id": "A", "description": "x"}], "tasks": [{"id": "B"}, {"id": "A"}]}"#;
    assert_eq!(
        refusal(text),
        "the id \"A\" occurs twice: at $.features[0] and at $.tasks[1]"
    );
}

#[test]
fn tasks_that_wait_for_each_other_are_refused_with_the_path() {
    let text = r#"{"tasks": [{"id": "A", "depends_on": ["C"]}, {"id": "B", "dependencies": ["A"]},
                  {"id": "C", "dependencies": ["B"]}]}"#;
    assert_eq!(
        refusal(text),
        "the tasks wait for each other: A → C → B → A"
    );
    let own = refusal(r#"{"tasks": [{"id": "A", "depends_on": "A"}]}"#);
    assert_eq!(own, "the tasks wait for each other: A → A");
}

#[test]
fn statuses_are_normalised_counted_and_never_lost() {
    let draft = draft(
        r#"{"features": [{"id": "A", "status": "complete"}, {"id": "B", "status": "completed"},
            {"id": "C", "status": "complete"}, {"id": "D", "status": "parked"}, {"id": "E", "status": "review"},
            {"id": "F", "status": "in-progress"}, {"id": "G"}, {"id": "H", "status": null},
            {"id": "I", "status": "blocked", "error": "no branch"}]}"#,
    );
    let statuses: Vec<Status> = draft.tasks.iter().map(|task| task.state.status()).collect();
    assert_eq!(
        statuses,
        [
            Status::Completed,
            Status::Completed,
            Status::Completed,
            Status::Blocked,
            Status::Blocked,
            Status::Pending,
            Status::Pending,
            Status::Pending,
            Status::Blocked,
        ]
    );
    let reasons = draft.tasks.iter().filter_map(|task| match &task.state {
        StateDraft::Blocked { reason } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        ["parked", "review", "blocked: no branch"]
    );
    assert_eq!(draft.notes.normalised["status complete → completed"], 2);
    assert_eq!(draft.notes.guesses["no status: pending"], 2);
    assert!(
        draft
            .notes
            .warnings
            .contains(&"\"E\": unknown status \"review\": blocked".to_owned())
    );
}

#[test]
fn what_was_in_progress_stays_so_only_if_asked() {
    let text = br#"{"tasks": [{"id": "A", "status": "in_progress"}]}"#;
    let state = |keep_in_progress| {
        let options = ReadOptions {
            keep_in_progress,
            ..ReadOptions::default()
        };
        read(text, &options).unwrap().tasks.remove(0).state
    };
    assert_eq!(state(false), StateDraft::Pending);
    assert_eq!(state(true), StateDraft::InProgress);
}

#[test]
fn one_file_may_mix_every_spelling_of_a_priority() {
    let draft = draft(
        r#"{"features": [{"id": "A", "priority": "P0"}, {"id": "B", "priority": 1}, {"id": "C", "priority": 12},
            {"id": "D", "priority": null}, {"id": "E", "priority": "low"}, {"id": "F", "priority": -1},
            {"id": "G", "priority": 100}, {"id": "H", "priority": "soon"}, {"id": "I"}]}"#,
    );
    let priorities = draft
        .tasks
        .iter()
        .map(|task| task.priority.map(Priority::number));
    assert_eq!(
        priorities.collect::<Vec<_>>(),
        [
            Some(0),
            Some(1),
            Some(12),
            None,
            Some(3),
            None,
            None,
            None,
            None
        ]
    );
    assert_eq!(draft.notes.warnings.len(), 3, "{:?}", draft.notes.warnings);
}

#[test]
fn retries_stay_within_the_budget() {
    for (fields, budget, used, warnings) in [
        (r#""attempts": 0"#, 15, 0, 0),
        (r#""attempts": 3, "max_iterations": 20"#, 20, 3, 0),
        (r#""attempts": 3, "max_iterations": null"#, 15, 3, 0),
        (
            r#""retries_used": 2, "attempts": 9, "retry_budget": 4, "max_iterations": 50"#,
            4,
            2,
            0,
        ),
        // Pending with nothing left: one try is given back.
        (r#""attempts": 20, "max_iterations": 5"#, 5, 4, 0),
        (
            r#""attempts": 5, "max_iterations": 5, "status": "blocked""#,
            5,
            5,
            0,
        ),
        (
            r#""attempts": 99999999999999999999, "max_iterations": 5000, "status": "done""#,
            1_000,
            1_000,
            2,
        ),
        (r#""attempts": -1, "max_iterations": -5"#, 0, 0, 2),
        (r#""attempts": 1.5, "max_iterations": 2.0"#, 15, 0, 2),
    ] {
        let draft = one(fields);
        let task = &draft.tasks[0];
        assert_eq!(task.retry_budget.number(), budget, "{fields}");
        assert_eq!(task.retries_used, used, "{fields}");
        assert_eq!(
            draft.notes.warnings.len(),
            warnings,
            "{fields}: {:?}",
            draft.notes.warnings
        );
    }
}

#[test]
fn title_and_description_make_one_text() {
    for (record, expected) in [
        (r#""title": "T", "description": "D""#, "T\n\nD"),
        (r#""title": "T""#, "T"),
        (r#""title": null, "description": "D""#, "D"),
        (r#""title": " ", "description": "D""#, "D"),
        (r#""name": "N""#, "N"),
        (r#""title": "\u0001", "name": "N""#, "N"),
        (r#""description": null"#, "A"),
    ] {
        let draft = draft(&format!(r#"{{"tasks": [{{"id": "A", {record}}}]}}"#));
        assert_eq!(draft.tasks[0].description.as_str(), expected, "{record}");
    }
    let long = draft(&format!(
        r#"{{"tasks": [{{"id": "A", "description": "{}\u0000"}}]}}"#,
        "é".repeat(40_000)
    ));
    assert_eq!(long.tasks[0].description.as_str().len(), 64 * 1024);
    assert_eq!(long.notes.warnings.len(), 1);
}

#[test]
fn an_id_that_cannot_be_one_is_replaced_and_still_found_by_its_name() {
    let draft = draft(
        r#"{"tasks": [{"id": "Task 1", "description": "x"}, {"id": 7, "depends_on": ["Task 1"]},
            {"description": "y", "dependencies": [7]}, {"description": "y"}]}"#,
    );
    let keys: Vec<&Key> = draft.tasks.iter().map(|task| &task.key).collect();
    assert_eq!(keys[0], &Key::Made("Task 1".into()));
    assert_eq!(keys[1], &Key::Given("7".into()));
    assert!(matches!(keys[2], Key::Made(_)) && keys[2] != keys[3]);
    assert_eq!(draft.tasks[1].depends_on, [On::Task(0)]);
    assert_eq!(draft.tasks[2].depends_on, [On::Task(1)]);
    assert_eq!(draft.notes.warnings.len(), 3);
}

#[test]
fn dependencies_come_from_either_key_and_may_point_elsewhere() {
    let draft = draft(
        r#"{"archived": [{"id": "OLD"}, "OLDER"], "tasks": [{"id": "A"},
            {"id": "B", "dependencies": ["A", "X", "OLD"], "depends_on": ["A", "OLDER"]}, {"id": "C", "depends_on": null}]}"#,
    );
    assert_eq!(
        draft.tasks[1].depends_on,
        [On::Task(0), On::Elsewhere("X".into())]
    );
    assert_eq!(draft.tasks[2].depends_on, []);
    assert_eq!(
        draft.notes.guesses["waits for an archived task: counted as done"],
        2
    );
}

#[test]
fn groups_become_features_in_the_order_in_which_they_come() {
    let names = |text: &str, group_by: Option<&str>| {
        let options = ReadOptions {
            group_by: group_by.map(str::to_owned),
            ..ReadOptions::default()
        };
        let draft = read(text.as_bytes(), &options).unwrap();
        let features = draft
            .features
            .iter()
            .map(|feature| feature.name.as_str().to_owned());
        (
            features.collect::<Vec<_>>(),
            draft
                .tasks
                .iter()
                .map(|task| task.feature)
                .collect::<Vec<_>>(),
        )
    };
    let text = r#"{"project": "p", "phases": [{"phase": 2, "name": "Build"}], "tasks": [
        {"id": "A", "epic": "E2", "phase": 1, "owner": "x"}, {"id": "B", "epic": "E1", "phase": 2, "owner": "x"},
        {"id": "C", "phase": 2}, {"id": "D", "epic": "E2", "phase": null}]}"#;
    assert_eq!(
        names(text, None),
        (vec!["E2".into(), "E1".into(), "p".into()], vec![0, 1, 2, 0])
    );
    assert_eq!(
        names(text, Some("phase")),
        (
            vec!["phase 1".into(), "Build".into(), "p".into()],
            vec![0, 1, 1, 2]
        )
    );
    assert_eq!(
        names(text, Some("owner")),
        (vec!["x".into(), "p".into()], vec![0, 0, 1, 1])
    );
    assert_eq!(names(text, Some("none")).0, ["p"]);
    let plain = r#"{"tasks": [{"id": "A"}, {"id": "B"}]}"#;
    assert_eq!(names(plain, None), (vec!["queue".into()], vec![0, 0]));
}

#[test]
fn a_feature_id_is_kept_as_the_id() {
    let draft = draft(
        r#"{"project": "p", "exported_at": "2026-01-01", "tasks": [{"id": "A", "feature_id": "FEAT-9"}]}"#,
    );
    assert_eq!(draft.features[0].key, Key::Given("FEAT-9".into()));
}

#[test]
fn a_record_that_holds_tasks_becomes_their_feature() {
    let draft = draft(
        r#"{"project": "p", "features": [
            {"id": "E", "type": "epic", "title": "All", "status": "complete", "child_tasks": ["A", "B", "X"], "depends_on": ["C"]},
            {"id": "A"}, {"id": "B", "dependencies": ["E"]}, {"id": "C"}, {"id": "D", "dependencies": ["E"]},
            {"id": "F", "type": "epic", "child_tasks": ["Y"]}]}"#,
    );
    assert_eq!(draft.records, 6);
    let features: Vec<_> = draft
        .features
        .iter()
        .map(|feature| (feature.key.as_str(), feature.own_status))
        .collect();
    assert_eq!(features, [("E", Status::Completed), ("", Status::Pending)]);
    let tasks = draft
        .tasks
        .iter()
        .map(|task| (task.key.as_str(), task.feature, task.depends_on.clone()));
    assert_eq!(
        tasks.collect::<Vec<_>>(),
        [
            ("A", 0, vec![On::Task(2)]),
            ("B", 0, vec![On::Task(2)]),
            ("C", 1, vec![]),
            ("D", 1, vec![On::Task(0), On::Task(1)]),
            ("F", 1, vec![]),
        ]
    );
}

#[test]
fn paths_of_tests_become_checks_and_with_a_template_commands() {
    let text = br#"{"tasks": [{"id": "A", "tests": ["a b.ts", "a b.ts", "$(id).ts"]}, {"id": "B", "tests": "one.ts"}]}"#;
    let options = ReadOptions {
        test_command: Some(CommandTemplate::new("t {}").unwrap()),
        ..ReadOptions::default()
    };
    let draft = read(text, &options).unwrap();
    let commands = draft.tasks[0]
        .tests
        .iter()
        .map(|test| test.command.as_ref().unwrap().as_str());
    assert_eq!(commands.collect::<Vec<_>>(), ["t 'a b.ts'", "t '$(id).ts'"]);
    assert_eq!(draft.tasks[1].tests.len(), 1);
    assert_eq!(
        draft.notes.warnings,
        ["\"A\": 1 of its tests are empty, too long or listed twice"]
    );
    let manual = read(text, &ReadOptions::default()).unwrap();
    assert_eq!(manual.tasks[0].tests[0].command, None);
}

#[test]
fn times_without_a_zone_are_utc_and_a_bad_one_is_a_warning() {
    let draft = one(
        r#""status": "done", "created_at": "2026-01-09", "completed_at": "2026-02-07T20:49:02.051202""#,
    );
    let task = &draft.tasks[0];
    assert_eq!(
        task.state,
        StateDraft::Completed {
            at: Some(tasq_domain::Timestamp::from_micros(1_770_497_342_051_202))
        }
    );
    assert_eq!(
        draft.notes.normalised["completed_at without a zone: read as UTC"],
        1
    );
    let odd = one(
        r#""status": "done", "completed_at": "yesterday", "last_attempt": "2026-02-07T20:49:02Z""#,
    );
    assert_eq!(
        odd.notes.warnings,
        ["\"T-1\": completed_at \"yesterday\" is not a time"]
    );
    assert!(matches!(
        odd.tasks[0].state,
        StateDraft::Completed { at: Some(_) }
    ));
}

#[test]
fn the_last_failure_is_kept_for_the_next_worker() {
    let draft = one(
        r#""status": "pending", "error": "boom", "attempts": 2, "verification_verdict": "FAIL", "agent": "fixer""#,
    );
    let failure = draft.tasks[0].failure.as_ref().unwrap();
    assert_eq!(failure.message.as_str(), "boom");
    assert_eq!(failure.worker.as_str(), "fixer");
    assert_eq!(
        failure.result.as_ref().unwrap().as_str(),
        r#"{"verification_verdict":"FAIL","error":"boom"}"#
    );
    assert_eq!(
        one(r#""status": "done", "error": "boom""#).tasks[0].failure,
        None
    );
}

#[test]
fn keys_without_a_field_stay_as_they_are_and_the_others_keep_their_original() {
    let draft =
        one(r#""zeta": 1.0, "status": "done", "alpha": {"b": [1e3], "a": null}, "_source": 7"#);
    assert_eq!(
        draft.tasks[0].metadata.as_str(),
        r#"{"zeta":1.0,"alpha":{"b":[1e3],"a":null},"_source":{"list":"features","at":0,"group":"","keys":["id","description","zeta","status","alpha","_source"],"record":{"id":"T-1","description":"Do it","status":"done","_source":7}}}"#
    );
}

#[test]
fn too_much_metadata_is_a_limit_with_its_place() {
    let text = format!(
        r#"{{"tasks": [{{"id": "A", "x": "{}"}}]}}"#,
        "x".repeat(1024 * 1024)
    );
    let ImportError::Json(error) = try_read(&text).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(
        (error.kind, error.path.as_str()),
        (crate::json::JsonErrorKind::Limit, "$.tasks[0]")
    );
}

#[test]
fn what_would_be_too_deep_as_metadata_is_refused_before_it_is_kept() {
    let deep = |levels: usize| {
        let text = format!(
            "{{\"_source\": {}1{}, \"tasks\": []}}",
            "[".repeat(levels),
            "]".repeat(levels)
        );
        try_read(&text)
    };
    assert!(deep(61).is_ok());
    let ImportError::Json(error) = deep(62).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(error.kind, crate::json::JsonErrorKind::Limit);
}

#[test]
fn made_ids_depend_on_kind_origin_and_text_alone() {
    let id = |kind, origin: &str, text: &str| Key::Made(text.into()).id(kind, origin);
    use tasq_domain::EntityKind::{Epic, Feature};
    assert_eq!(id(Epic, "o", "a"), id(Epic, "o", "a"));
    assert!(id(Epic, "o", "a").starts_with("EPIC-") && id(Epic, "o", "a").len() == 13);
    assert_ne!(id(Feature, "o", "a"), id(Feature, "p", "a"));
    assert_ne!(id(Feature, "o", "a"), id(Feature, "o", "b"));
}

#[test]
fn what_the_source_changed_is_told_from_what_was_changed_here() {
    let metadata = |fields: &str| {
        let draft = one(fields);
        let task = draft.tasks.into_iter().next().unwrap();
        (task.metadata, task.digest)
    };
    let (base, digest) = metadata(r#""status": "pending", "owner": "ada", "x": 1"#);
    let edited = tasq_domain::JsonObject::new(base.as_str().replace("\"ada\"", "\"bob\"")).unwrap();
    let merged = |stored: &tasq_domain::JsonObject, incoming: &str| {
        let (incoming, _) = metadata(incoming);
        let (merged, conflicts) = merged_metadata(stored, &digest, &incoming).unwrap();
        let rest = merged
            .as_str()
            .split(",\"_source\"")
            .next()
            .unwrap()
            .to_owned();
        (rest, conflicts, changes(stored, &incoming))
    };
    // Only a field changed there, only a key here: both stay.
    let (rest, conflicts, changes) = merged(&edited, r#""status": "done", "owner": "ada", "x": 1"#);
    assert_eq!(
        (rest.as_str(), conflicts.len()),
        (r#"{"owner":"bob","x":1"#, 0)
    );
    assert!(changes.status && !changes.description && !changes.priority);
    // Only a key changed there.
    let (rest, conflicts, changes) =
        merged(&base, r#""status": "pending", "owner": "eve", "x": 2"#);
    assert_eq!(
        (rest.as_str(), conflicts.len()),
        (r#"{"owner":"eve","x":2"#, 0)
    );
    assert_eq!(changes, Changes::default());
    // A key changed in both: what is here stays, and it is told.
    let (rest, conflicts, _) = merged(
        &edited,
        r#""status": "pending", "owner": "eve", "x": 1, "new": 3"#,
    );
    assert_eq!(rest, r#"{"owner":"bob","x":1,"new":3"#);
    assert_eq!(conflicts, ["owner"]);
}
