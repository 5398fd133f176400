//! Everything derived, from scratch: what the triggers keep in step row by row, said once more for whole tables. First
//! the tasks, then their parents. The rows' times stay.

/// So many events are entered for their items at a time. Files depend on it: see `entity_events` in the schema.
macro_rules! entered_at_once {
    () => {
        256
    };
}
pub(crate) use entered_at_once;

/// Derives every derived value of every task.
pub(crate) const DERIVE_TASKS: &str = "
UPDATE tasks SET
    (feature_priority, epic_id, held_above) = (
        SELECT features.priority, features.epic_id, features.hold_at IS NOT NULL OR epics.hold_at IS NOT NULL
        FROM features LEFT JOIN epics ON epics.id = features.epic_id
        WHERE features.id = tasks.feature_id
    ),
    open_deps = (
        SELECT count(*)
        FROM dependencies JOIN tasks AS before ON before.id = dependencies.depends_on
        WHERE dependencies.task_id = tasks.id AND before.status <> 'completed'
    ),
    shelf = CASE status WHEN 'pending' THEN 1 WHEN 'blocked' THEN 3 ELSE 0 END;
";

/// Derives how many open dependencies the tasks that have dependencies have; the others have none.
pub(crate) const DERIVE_OPEN_DEPENDENCIES: &str = "
UPDATE tasks SET
    open_deps = (
        SELECT count(*)
        FROM dependencies JOIN tasks AS before ON before.id = dependencies.depends_on
        WHERE dependencies.task_id = tasks.id AND before.status <> 'completed'
    )
WHERE id IN (SELECT task_id FROM dependencies);
";

/// Counts the tasks of every feature.
pub(crate) const DERIVE_COUNTS: &str = "
UPDATE features SET
    (tasks_pending, tasks_in_progress, tasks_completed, tasks_blocked) = (
        SELECT
            coalesce(sum(tasks.status = 'pending'), 0),
            coalesce(sum(tasks.status = 'in_progress'), 0),
            coalesce(sum(tasks.status = 'completed'), 0),
            coalesce(sum(tasks.status = 'blocked'), 0)
        FROM tasks WHERE tasks.feature_id = features.id
    );
";

/// Derives every other derived value of every feature and epic from those counts; nothing
/// is being removed.
pub(crate) const DERIVE_PARENTS: &str = "
UPDATE features SET
    open_gates = (
        SELECT count(*) FROM test_cases WHERE test_cases.feature_id = features.id AND test_cases.open_gate
    );
UPDATE features SET status = rolled WHERE status <> rolled;

UPDATE epics SET
    (features_pending, features_in_progress, features_completed, features_blocked) = (
        SELECT
            coalesce(sum(features.status = 'pending'), 0),
            coalesce(sum(features.status = 'in_progress'), 0),
            coalesce(sum(features.status = 'completed'), 0),
            coalesce(sum(features.status = 'blocked'), 0)
        FROM features WHERE features.epic_id = epics.id
    );
UPDATE epics SET status = rolled WHERE status <> rolled;

DELETE FROM acting WHERE one <> 1 OR acting_at IS NOT NULL;
INSERT OR IGNORE INTO acting (one) VALUES (1);
";

/// The last event that is entered for its item.
macro_rules! last_entered {
    () => {
        concat!(
            "(SELECT coalesce(max(seq), 0) / ",
            entered_at_once!(),
            " * ",
            entered_at_once!(),
            " FROM events)"
        )
    };
}

/// Enters events for their items, as many as are to be; see `entity_events` in the schema.
pub(crate) const DERIVE_ENTITY_EVENTS: &str = concat!(
    "
DELETE FROM entity_events;
INSERT INTO entity_events
SELECT entity_seq, entity_kind, seq FROM events WHERE seq <= ",
    last_entered!(),
    " ORDER BY 1, 2, 3;
"
);

/// For each table the rows whose derived values are not what follows from the others, by id.
pub(crate) const DIFFERING: [(&str, &str); 5] = [
    (
        "tasks",
        "
SELECT id AS line FROM tasks
WHERE
    (feature_priority, epic_id, held_above) IS NOT (
        SELECT features.priority, features.epic_id, features.hold_at IS NOT NULL OR epics.hold_at IS NOT NULL
        FROM features LEFT JOIN epics ON epics.id = features.epic_id
        WHERE features.id = tasks.feature_id
    )
    OR open_deps <> (
        SELECT count(*)
        FROM dependencies JOIN tasks AS before ON before.id = dependencies.depends_on
        WHERE dependencies.task_id = tasks.id AND before.status <> 'completed'
    )
    OR shelf <> CASE status WHEN 'pending' THEN 1 WHEN 'blocked' THEN 3 ELSE 0 END
ORDER BY seq",
    ),
    (
        "features",
        "
SELECT id AS line FROM features
WHERE
    (tasks_pending, tasks_in_progress, tasks_completed, tasks_blocked) IS NOT (
        SELECT
            coalesce(sum(tasks.status = 'pending'), 0),
            coalesce(sum(tasks.status = 'in_progress'), 0),
            coalesce(sum(tasks.status = 'completed'), 0),
            coalesce(sum(tasks.status = 'blocked'), 0)
        FROM tasks WHERE tasks.feature_id = features.id
    )
    OR open_gates <> (
        SELECT count(*) FROM test_cases WHERE test_cases.feature_id = features.id AND test_cases.open_gate
    )
ORDER BY seq",
    ),
    (
        "epics",
        "
SELECT id AS line FROM epics
WHERE
    (features_pending, features_in_progress, features_completed, features_blocked) IS NOT (
        SELECT
            coalesce(sum(features.status = 'pending'), 0),
            coalesce(sum(features.status = 'in_progress'), 0),
            coalesce(sum(features.status = 'completed'), 0),
            coalesce(sum(features.status = 'blocked'), 0)
        FROM features WHERE features.epic_id = epics.id
    )
ORDER BY seq",
    ),
    (
        "entity_events",
        concat!(
            "
SELECT 'event ' || seq AS line FROM (
    SELECT seq FROM events
    WHERE seq <= ",
            last_entered!(),
            " AND NOT EXISTS (
        SELECT 1 FROM entity_events AS entered
        WHERE entered.entity_seq = events.entity_seq AND entered.entity_kind = events.entity_kind AND event_seq = seq
    )
    UNION
    SELECT event_seq FROM entity_events AS entered
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE seq = event_seq AND events.entity_seq = entered.entity_seq AND events.entity_kind = entered.entity_kind
    )
)
ORDER BY seq"
        ),
    ),
    (
        "acting",
        "
SELECT 'the whole queue' AS line
WHERE
    NOT EXISTS (SELECT 1 FROM acting WHERE one = 1)
    OR EXISTS (SELECT 1 FROM acting WHERE one <> 1 OR acting_at IS NOT NULL)",
    ),
];
