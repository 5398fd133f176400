-- The first schema. Only what SQLite 3.37 knows, because people open the file with the client of their system.
--
-- Times are microseconds since 1970 in UTC. Columns marked as derived follow from others: triggers
-- write them, and tasq itself where it adds a task or takes a step with one. `rev` grows with each write of tasq, and
-- of the triggers where another would take it for an edit by hand; a plain client leaves it alone, which is how they know one.
--
-- Whoever opens the file parses all that is stored of this, word by word, which is most of what a short command does: so
-- it is said in few words and in few statements, and what several triggers do is one trigger, on a view if need be. The
-- pattern of texts is any character above the space: what has something that shows. A CHECK holds where it is NULL; that
-- `tasks` asks for `ISNULL` first saves a call for each column that has no value, whenever a task is written. What is
-- removed takes all below it with it by triggers, before the statement ends, which is when foreign keys are looked at.

PRAGMA application_id = 1952543601;
PRAGMA user_version = 1;

CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    applied_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    description TEXT NOT NULL
) STRICT;

INSERT INTO schema_version (version, description) VALUES (1, 'epics, features, tasks, test cases and their history');

CREATE TABLE settings (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store_id TEXT NOT NULL,
    name TEXT NOT NULL,
    require_tests INTEGER NOT NULL CHECK (require_tests IN (0, 1)),
    backoff_base INTEGER NOT NULL CHECK (backoff_base >= 0),
    backoff_cap INTEGER NOT NULL CHECK (backoff_cap >= 0)
) STRICT;

-- One row: the time of the unit of work that removes something, because removing shows triggers no new row from which to
-- read the writer's time. The name of its CHECK is what a REPLACE is told (see `…_come`).
CREATE TABLE acting (
    one INTEGER PRIMARY KEY
        CONSTRAINT "it is there already: use UPDATE, or INSERT with ON CONFLICT (id) DO UPDATE" CHECK (one = 1),
    acting_at INTEGER
) STRICT;

INSERT INTO acting (one) VALUES (1);

CREATE VIEW clock AS
SELECT coalesce(
    (SELECT acting_at FROM acting),
    julianday() * 86400000000 - 210866760000000000
) AS now;

-- Tasks are counted by their feature alone: one more place would be one more page for each step to write.
--
-- What a task that comes, goes or turns means to its feature is said to `task_turns`, and counted once, whoever says it:
-- there are `n` more with this status since `at`, or since now if that is NULL. Open gates are counted as well. The same of
-- features and their epics.
CREATE VIEW task_turns AS SELECT 1 AS feature_id, 1 AS status, 1 AS n, 1 AS at;
-- What a task has from above is read again by saying its number to `task_places`.
CREATE VIEW task_places AS SELECT 1 AS seq;
CREATE VIEW feature_turns AS SELECT 1 AS epic_id, 1 AS status, 1 AS n, 1 AS at;

CREATE TABLE epics (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
        CHECK (length(id) BETWEEN 1 AND 128 AND id NOT GLOB '*[^!-~¡-􏿿]*'),
    name TEXT NOT NULL CHECK (length(name) <= 1000 AND name GLOB '*[!-􏿿]*'),
    description TEXT CHECK (length(CAST(description AS BLOB)) <= 65536 AND description GLOB '*[!-􏿿]*'),
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed', 'blocked')),
    own_status TEXT NOT NULL DEFAULT 'pending' CHECK (own_status IN ('pending', 'in_progress', 'completed', 'blocked')),
    hold_by TEXT CHECK (length(hold_by) <= 1000 AND hold_by GLOB '*[!-􏿿]*'),
    hold_reason TEXT CHECK (length(CAST(hold_reason AS BLOB)) <= 65536 AND hold_reason GLOB '*[!-􏿿]*'),
    hold_at INTEGER,
    source_origin TEXT,
    source_digest TEXT,
    created_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    updated_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    metadata TEXT NOT NULL DEFAULT '{}' CHECK (length(CAST(metadata AS BLOB)) <= 1048576 AND metadata GLOB '{*}'),
    rev INTEGER NOT NULL DEFAULT 0,
    -- derived
    features_pending INTEGER NOT NULL DEFAULT 0,
    features_in_progress INTEGER NOT NULL DEFAULT 0,
    features_completed INTEGER NOT NULL DEFAULT 0,
    features_blocked INTEGER NOT NULL DEFAULT 0,
    touched_at INTEGER NOT NULL DEFAULT 0,
    rolled TEXT AS (
        CASE
            WHEN hold_at NOTNULL THEN 'blocked'
            WHEN features_pending + features_in_progress THEN iif(features_in_progress + features_completed, 'in_progress', 'pending')
            WHEN features_blocked THEN 'blocked'
            WHEN features_completed THEN 'completed'
            ELSE own_status
        END
    ),
    CHECK (hold_by ISNULL = (hold_at ISNULL) AND hold_reason ISNULL = (hold_at ISNULL)),
    CHECK (source_origin ISNULL = (source_digest ISNULL))
) STRICT;

CREATE TABLE features (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
        CHECK (length(id) BETWEEN 1 AND 128 AND id NOT GLOB '*[^!-~¡-􏿿]*'),
    epic_id TEXT REFERENCES epics (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) <= 1000 AND name GLOB '*[!-􏿿]*'),
    description TEXT CHECK (length(CAST(description AS BLOB)) <= 65536 AND description GLOB '*[!-􏿿]*'),
    priority INTEGER NOT NULL DEFAULT 2 CHECK (priority BETWEEN 0 AND 99),
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed', 'blocked')),
    own_status TEXT NOT NULL DEFAULT 'pending' CHECK (own_status IN ('pending', 'in_progress', 'completed', 'blocked')),
    hold_by TEXT CHECK (length(hold_by) <= 1000 AND hold_by GLOB '*[!-􏿿]*'),
    hold_reason TEXT CHECK (length(CAST(hold_reason AS BLOB)) <= 65536 AND hold_reason GLOB '*[!-􏿿]*'),
    hold_at INTEGER,
    source_origin TEXT,
    source_digest TEXT,
    created_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    updated_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    metadata TEXT NOT NULL DEFAULT '{}' CHECK (length(CAST(metadata AS BLOB)) <= 1048576 AND metadata GLOB '{*}'),
    rev INTEGER NOT NULL DEFAULT 0,
    -- derived
    tasks_pending INTEGER NOT NULL DEFAULT 0,
    tasks_in_progress INTEGER NOT NULL DEFAULT 0,
    tasks_completed INTEGER NOT NULL DEFAULT 0,
    tasks_blocked INTEGER NOT NULL DEFAULT 0,
    open_gates INTEGER NOT NULL DEFAULT 0,
    touched_at INTEGER NOT NULL DEFAULT 0,
    rolled TEXT AS (
        CASE
            WHEN hold_at NOTNULL THEN 'blocked'
            WHEN tasks_pending + tasks_in_progress THEN iif(tasks_in_progress + tasks_completed, 'in_progress', 'pending')
            WHEN tasks_blocked THEN 'blocked'
            WHEN tasks_completed THEN iif(open_gates > 0, 'in_progress', 'completed')
            ELSE own_status
        END
    ),
    CHECK (hold_by ISNULL = (hold_at ISNULL) AND hold_reason ISNULL = (hold_at ISNULL)),
    CHECK (source_origin ISNULL = (source_digest ISNULL))
) STRICT;

CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
        CHECK (length(id) BETWEEN 1 AND 128 AND id NOT GLOB '*[^!-~¡-􏿿]*'),
    feature_id TEXT NOT NULL REFERENCES features (id) ON DELETE CASCADE,
    description TEXT NOT NULL CHECK (length(CAST(description AS BLOB)) <= 65536 AND description GLOB '*[!-􏿿]*'),
    priority INTEGER CHECK (priority BETWEEN 0 AND 99),
    retry_budget INTEGER NOT NULL DEFAULT 15 CHECK (retry_budget BETWEEN 0 AND 1000),
    hold_by TEXT CHECK (hold_by ISNULL OR length(hold_by) <= 1000 AND hold_by GLOB '*[!-􏿿]*'),
    hold_reason TEXT CHECK (hold_reason ISNULL OR length(CAST(hold_reason AS BLOB)) <= 65536 AND hold_reason GLOB '*[!-􏿿]*'),
    hold_at INTEGER,
    source_origin TEXT,
    source_digest TEXT,
    created_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    updated_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    metadata TEXT NOT NULL DEFAULT '{}' CHECK (length(CAST(metadata AS BLOB)) <= 1048576 AND metadata GLOB '{*}'),
    rev INTEGER NOT NULL DEFAULT 0,
    -- a task's life
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status = 'pending' OR status = 'in_progress' OR status = 'completed' OR status = 'blocked'),
    blocked_reason TEXT CHECK (blocked_reason ISNULL OR length(CAST(blocked_reason AS BLOB)) <= 65536 AND blocked_reason GLOB '*[!-􏿿]*'),
    retries_used INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    lost_in_a_row INTEGER NOT NULL DEFAULT 0 CHECK (lost_in_a_row >= 0),
    claim_worker TEXT CHECK (claim_worker ISNULL OR length(claim_worker) <= 1000 AND claim_worker GLOB '*[!-􏿿]*'),
    claim_attempt INTEGER CHECK (claim_attempt >= 0),
    claim_nonce TEXT CHECK (length(claim_nonce) = 16),
    claim_started_at INTEGER,
    claim_lease INTEGER CHECK (claim_lease >= 0),
    lease_expires_at INTEGER,
    claim_place TEXT,
    claim_pid INTEGER CHECK (claim_pid BETWEEN 0 AND 4294967295),
    claim_started_ticks INTEGER CHECK (claim_started_ticks >= 0),
    cancel_by TEXT CHECK (cancel_by ISNULL OR length(cancel_by) <= 1000 AND cancel_by GLOB '*[!-􏿿]*'),
    cancel_at INTEGER,
    completed_at INTEGER,
    proof TEXT CHECK (proof = 'tests' OR proof = 'none' OR proof = 'override' OR proof = 'imported'),
    proof_by TEXT CHECK (proof_by ISNULL OR length(proof_by) <= 1000 AND proof_by GLOB '*[!-􏿿]*'),
    proof_reason TEXT CHECK (proof_reason ISNULL OR length(CAST(proof_reason AS BLOB)) <= 65536 AND proof_reason GLOB '*[!-􏿿]*'),
    -- derived; `promoted` is the `not_before` that is known to have passed
    feature_priority INTEGER NOT NULL DEFAULT 2,
    epic_id TEXT,
    open_deps INTEGER NOT NULL DEFAULT 0,
    held_above INTEGER NOT NULL DEFAULT 0,
    promoted INTEGER,
    -- 0 in progress or completed, 1 pending, 3 blocked: a task that is completed stays where it is in every index of `stage`.
    -- It is stored, because SQLite rewrites the entries of a column that follows from `status` whenever that is set.
    shelf INTEGER NOT NULL DEFAULT 1,
    effective_priority INTEGER AS (coalesce(priority, feature_priority)) STORED,
    -- Where a task stands among changes and leases: a task in progress by the end of its lease, which is said as 2^62
    -- later, any other by its last change. So what a step puts in for the task that it ends lies beside what it takes out
    -- and puts in for leases; and a task in progress, which will soon be changed again, is not moved twice.
    moment INTEGER AS (
        iif(status = 'in_progress', 4611686018427387904 + coalesce(lease_expires_at, 4000000000000000000), updated_at)
    ),
    waits_until INTEGER AS (
        CASE WHEN shelf = 1 AND not_before IS NOT promoted THEN not_before END
    ),
    -- 1 ready, 2 pending but not ready, the others as `shelf`: one index has the order of claims and of lists. The last that
    -- was started lies beside the next that is ready, so that a claim in the order of work writes one page of it.
    -- (Both are stored, because each index would have what they were computed anew.)
    stage INTEGER AS (
        shelf + (
            shelf = 1 AND (open_deps OR hold_at NOTNULL OR held_above OR not_before NOTNULL AND not_before IS NOT promoted)
        )
    ) STORED,
    CHECK (retries_used BETWEEN 0 AND retry_budget),
    CHECK (
        max(claim_nonce, claim_worker, claim_attempt, claim_started_at, claim_lease, lease_expires_at) ISNULL
        = (coalesce(claim_nonce, claim_worker, claim_attempt, claim_started_at, claim_lease, lease_expires_at) ISNULL)
    ),
    CHECK (
        claim_pid ISNULL = (claim_place ISNULL)
        AND claim_started_ticks ISNULL = (claim_place ISNULL)
        AND (claim_place ISNULL OR claim_nonce NOTNULL)
    ),
    CHECK (cancel_by ISNULL = (cancel_at ISNULL) AND (cancel_at ISNULL OR claim_nonce NOTNULL)),
    CHECK (proof_by ISNULL = (proof IS NOT 'override') AND proof_reason ISNULL = (proof IS NOT 'override')),
    CHECK (hold_by ISNULL = (hold_at ISNULL) AND hold_reason ISNULL = (hold_at ISNULL)),
    CHECK (source_origin ISNULL = (source_digest ISNULL))
) STRICT;

CREATE TABLE test_cases (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
        CHECK (length(id) BETWEEN 1 AND 128 AND id NOT GLOB '*[^!-~¡-􏿿]*'),
    task_id TEXT REFERENCES tasks (id) ON DELETE CASCADE,
    feature_id TEXT REFERENCES features (id) ON DELETE CASCADE,
    description TEXT NOT NULL CHECK (length(CAST(description AS BLOB)) <= 65536 AND description GLOB '*[!-􏿿]*'),
    command TEXT CHECK (length(CAST(command AS BLOB)) <= 65536 AND command GLOB '*[!-􏿿]*'),
    required INTEGER NOT NULL DEFAULT 0 CHECK (required IN (0, 1)),
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'passing', 'failing')),
    last_at INTEGER,
    last_attempt INTEGER CHECK (last_attempt >= 0),
    last_exit_code INTEGER,
    last_duration_ms INTEGER CHECK (last_duration_ms >= 0),
    last_output_tail TEXT,
    last_by TEXT CHECK (length(last_by) <= 1000 AND last_by GLOB '*[!-􏿿]*'),
    source_origin TEXT,
    source_digest TEXT,
    created_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    updated_at INTEGER NOT NULL DEFAULT (julianday() * 86400000000 - 210866760000000000),
    metadata TEXT NOT NULL DEFAULT '{}' CHECK (length(CAST(metadata AS BLOB)) <= 1048576 AND metadata GLOB '{*}'),
    rev INTEGER NOT NULL DEFAULT 0,
    -- derived
    open_gate INTEGER AS ((command NOTNULL OR required) AND status <> 'passing'),
    CHECK (task_id ISNULL <> (feature_id ISNULL)),
    CHECK (last_at ISNULL = (last_by ISNULL)),
    CHECK (source_origin ISNULL = (source_digest ISNULL))
) STRICT;

CREATE TABLE dependencies (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    depends_on TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    PRIMARY KEY (task_id, depends_on),
    CHECK (task_id <> depends_on)
) STRICT, WITHOUT ROWID;

-- By the task's number and not by its id, so that attempts that follow each other lie beside each other.
CREATE TABLE attempts (
    task_seq INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 0),
    nonce TEXT NOT NULL CHECK (length(nonce) = 16),
    worker TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT CHECK (outcome = 'completed' OR outcome = 'failed' OR outcome = 'timed_out' OR outcome = 'lost' OR outcome = 'released' OR outcome = 'blocked' OR outcome = 'cancelled'),
    exit_code INTEGER,
    message TEXT,
    late_message TEXT,
    log_path TEXT,
    result TEXT CHECK (length(CAST(result AS BLOB)) <= 1048576 AND result GLOB '{*}'),
    PRIMARY KEY (task_seq, number),
    CHECK (ended_at ISNULL = (outcome ISNULL)),
    CHECK (ended_at NOTNULL OR (exit_code ISNULL AND message ISNULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    at INTEGER NOT NULL,
    summary TEXT NOT NULL,
    next_steps TEXT NOT NULL DEFAULT '[]' CHECK (next_steps GLOB '[[]*]'),
    data TEXT CHECK (length(CAST(data AS BLOB)) <= 1048576 AND data GLOB '{*}')
) STRICT;

CREATE TABLE questions (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 0),
    asked_at INTEGER NOT NULL,
    asked_by TEXT NOT NULL CHECK (length(asked_by) <= 1000 AND asked_by GLOB '*[!-􏿿]*'),
    question TEXT NOT NULL CHECK (length(CAST(question AS BLOB)) <= 65536 AND question GLOB '*[!-􏿿]*'),
    choices TEXT NOT NULL DEFAULT '[]' CHECK (choices GLOB '[[]*]'),
    answered_at INTEGER,
    answered_by TEXT CHECK (length(answered_by) <= 1000 AND answered_by GLOB '*[!-􏿿]*'),
    answer TEXT CHECK (length(CAST(answer AS BLOB)) <= 65536 AND answer GLOB '*[!-􏿿]*'),
    PRIMARY KEY (task_id, number),
    CHECK (answered_by ISNULL = (answered_at ISNULL) AND answer ISNULL = (answered_at ISNULL))
) STRICT;

-- What happened outlives what it happened to: no foreign keys.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    entity_kind TEXT NOT NULL CHECK (entity_kind = 'epic' OR entity_kind = 'feature' OR entity_kind = 'task' OR entity_kind = 'test'),
    entity_id TEXT NOT NULL,
    entity_seq INTEGER NOT NULL,
    data TEXT NOT NULL DEFAULT '{}' CHECK (length(CAST(data AS BLOB)) <= 1048576 AND data GLOB '{*}')
) STRICT;

-- Derived: which events each item has, of the events 1 to 256 of the queue, of the next 256 and so on: they are entered so
-- many at a time, because each by itself would be one more page for a step to write. Those after them are few, and looked
-- through. Whoever adds or removes events by hand has `tasq doctor --fix` put this right.
CREATE TABLE entity_events (
    entity_seq INTEGER,
    entity_kind TEXT,
    event_seq INTEGER,
    PRIMARY KEY (entity_seq, entity_kind, event_seq)
) STRICT, WITHOUT ROWID;

-- The numbers of items that are no longer there, by which their events are found. Below zero: an item that this queue
-- never had, of which it was told with the history of another.
CREATE TABLE removed_items (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (kind, id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    use_case TEXT NOT NULL,
    digest TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;

CREATE INDEX idx_features_epic_id ON features (epic_id, status);
CREATE INDEX idx_features_status ON features (status);
CREATE INDEX idx_test_cases_task_id ON test_cases (task_id) WHERE task_id NOTNULL;
CREATE INDEX idx_test_cases_feature_id ON test_cases (feature_id) WHERE feature_id NOTNULL;

-- A claim is one walk along one of these, and so is each page of a list: `stage` says more than the status. An index ends
-- with the number of its row, `seq`, without being told.
CREATE INDEX idx_tasks_status ON tasks (stage, effective_priority);
CREATE INDEX idx_tasks_feature_id ON tasks (feature_id, stage, effective_priority);
CREATE INDEX idx_tasks_epic ON tasks (epic_id, stage, effective_priority) WHERE epic_id NOTNULL;
CREATE INDEX idx_tasks_waits ON tasks (waits_until) WHERE waits_until NOTNULL;
CREATE INDEX idx_tasks_process ON tasks (claim_place, seq, id, claim_pid, claim_started_ticks) WHERE claim_place NOTNULL;
CREATE INDEX idx_tasks_moment ON tasks (moment);

-- Ids are looked up in any case of ASCII letters. Those without small letters are found by their large ones.
CREATE INDEX idx_epics_id_any_case ON epics (id COLLATE NOCASE) WHERE id GLOB '*[a-z]*';
CREATE INDEX idx_features_id_any_case ON features (id COLLATE NOCASE) WHERE id GLOB '*[a-z]*';
CREATE INDEX idx_tasks_id_any_case ON tasks (id COLLATE NOCASE) WHERE id GLOB '*[a-z]*';
CREATE INDEX idx_test_cases_id_any_case ON test_cases (id COLLATE NOCASE) WHERE id GLOB '*[a-z]*';

CREATE INDEX idx_dependencies_depends_on ON dependencies (depends_on, task_id);
CREATE INDEX idx_checkpoints_task_id ON checkpoints (task_id);
CREATE INDEX idx_questions_open ON questions (asked_at, task_id, number) WHERE answered_at ISNULL;

-- What holds whether or not the client switched foreign keys on. One trigger for each event, as far as it goes: whoever
-- opens the file reads all of them. The names of the first version stay, and some of theirs do more than they say.
--
-- REPLACE takes the old row away without a word to the triggers that see to what belonged to it. What a trigger writes
-- fails in the way of the statement that it belongs to, and in its own where that has none: so a change of `acting` that
-- its CHECK forbids is passed over for an INSERT, for one OR IGNORE and for an upsert, and ends a REPLACE. A dependency that
-- replaces itself has nothing to lose.

CREATE TRIGGER epics_come BEFORE INSERT ON epics
BEGIN
    UPDATE OR IGNORE acting SET one = 2 FROM epics WHERE id = NEW.id OR seq = NEW.seq;
END;

CREATE TRIGGER features_come BEFORE INSERT ON features
BEGIN
    UPDATE OR IGNORE acting SET one = 2 FROM features WHERE id = NEW.id OR seq = NEW.seq;
END;

CREATE TRIGGER tasks_come BEFORE INSERT ON tasks
BEGIN
    UPDATE OR IGNORE acting SET one = 2 FROM tasks WHERE id = NEW.id OR seq = NEW.seq;
END;

CREATE TRIGGER test_cases_come BEFORE INSERT ON test_cases
BEGIN
    SELECT RAISE(ABORT, 'there is no such task or feature') WHERE NOT EXISTS (
        SELECT 1 FROM tasks WHERE id = NEW.task_id UNION ALL SELECT 1 FROM features WHERE id = NEW.feature_id
    );
    UPDATE OR IGNORE acting SET one = 2 FROM test_cases WHERE id = NEW.id OR seq = NEW.seq;
END;

CREATE TRIGGER dependencies_come BEFORE INSERT ON dependencies
BEGIN
    SELECT RAISE(ABORT, 'there is no such task')
    WHERE NEW.task_id NOT IN (SELECT id FROM tasks) OR NEW.depends_on NOT IN (SELECT id FROM tasks);
END;

-- Edits by hand get their time; always a later one than they had.
--
-- A parent's status: `rolled` wherever it says otherwise. A status that a plain client gives to a parent without
-- children and without a hold is its own from then on; any other is undone.

CREATE TRIGGER update_epics_timestamp AFTER UPDATE ON epics
BEGIN
    SELECT RAISE(ABORT, 'seq and id never change') WHERE NEW.id <> OLD.id OR NEW.seq <> OLD.seq;
    UPDATE epics SET updated_at = max(updated_at + 1, (SELECT * FROM clock))
    WHERE seq = NEW.seq AND rev = OLD.rev AND updated_at = OLD.updated_at;
    UPDATE epics SET own_status = NEW.status
    WHERE seq = NEW.seq AND NEW.status <> OLD.status AND hold_at ISNULL
        AND features_pending + features_in_progress + features_completed + features_blocked = 0;
    UPDATE epics SET status = rolled, updated_at = max(updated_at, touched_at)
    WHERE seq = NEW.seq AND status <> rolled;
    INSERT INTO task_places SELECT seq FROM tasks WHERE epic_id = NEW.id AND NEW.hold_at IS NOT OLD.hold_at;
END;

CREATE TRIGGER update_features_timestamp AFTER UPDATE ON features
BEGIN
    SELECT RAISE(ABORT, 'seq and id never change') WHERE NEW.id <> OLD.id OR NEW.seq <> OLD.seq;
    UPDATE features SET updated_at = max(updated_at + 1, (SELECT * FROM clock))
    WHERE seq = NEW.seq AND rev = OLD.rev AND updated_at = OLD.updated_at;
    UPDATE features SET own_status = NEW.status
    WHERE seq = NEW.seq AND NEW.status <> OLD.status AND hold_at ISNULL
        AND tasks_pending + tasks_in_progress + tasks_completed + tasks_blocked = 0;
    UPDATE features SET status = rolled, updated_at = max(updated_at, touched_at), rev = rev + 1
    WHERE seq = NEW.seq AND status <> rolled;
    INSERT INTO task_places SELECT seq FROM tasks
    WHERE feature_id = NEW.id
        AND (NEW.epic_id IS NOT OLD.epic_id OR NEW.priority <> OLD.priority OR NEW.hold_at IS NOT OLD.hold_at);
END;

-- Epics.

CREATE TRIGGER epics_added AFTER INSERT ON epics
WHEN NEW.rev = 0
BEGIN
    UPDATE epics SET own_status = NEW.status, rev = 1 WHERE seq = NEW.seq;
END;

CREATE TRIGGER epics_removed AFTER DELETE ON epics
BEGIN
    INSERT OR IGNORE INTO removed_items VALUES ('epic', OLD.id, OLD.seq);
    DELETE FROM features WHERE epic_id = OLD.id;
END;

-- Features.

CREATE TRIGGER count_feature INSTEAD OF INSERT ON feature_turns
BEGIN
    UPDATE epics SET
        rev = rev + 1,
        features_pending = features_pending + NEW.n * (NEW.status = 'pending'),
        features_in_progress = features_in_progress + NEW.n * (NEW.status = 'in_progress'),
        features_completed = features_completed + NEW.n * (NEW.status = 'completed'),
        features_blocked = features_blocked + NEW.n * (NEW.status = 'blocked'),
        touched_at = coalesce(NEW.at, (SELECT * FROM clock))
    WHERE id = NEW.epic_id;
    SELECT RAISE(ABORT, 'there is no such epic') WHERE NEW.n > changes() AND NEW.epic_id NOTNULL;
END;

CREATE TRIGGER features_added AFTER INSERT ON features
BEGIN
    INSERT INTO feature_turns VALUES (NEW.epic_id, NEW.status, 1, NEW.updated_at);
    UPDATE features SET own_status = NEW.status, rev = 1 WHERE seq = NEW.seq AND NEW.rev = 0;
END;

CREATE TRIGGER features_removed AFTER DELETE ON features
BEGIN
    INSERT OR IGNORE INTO removed_items VALUES ('feature', OLD.id, OLD.seq);
    DELETE FROM test_cases WHERE feature_id = OLD.id;
    DELETE FROM tasks WHERE feature_id = OLD.id;
    INSERT INTO feature_turns VALUES (OLD.epic_id, OLD.status, -1, NULL);
END;

-- A feature is counted as what it is before it is no longer counted as what it was, so that its epic never seems to be
-- something else between two that are the same.
CREATE TRIGGER update_epic_status_on_feature_complete AFTER UPDATE OF status, epic_id ON features
BEGIN
    INSERT INTO feature_turns VALUES
        (NEW.epic_id, NEW.status, 1, CASE WHEN NEW.rev > OLD.rev THEN NEW.updated_at END),
        (OLD.epic_id, OLD.status, -1, CASE WHEN NEW.rev > OLD.rev THEN NEW.updated_at END);
END;

-- Tasks. What tasq itself writes to them it has counted, with all triggers switched off: once per unit of work instead
-- of once per row. It moves and removes them by triggers, as everybody does.

CREATE TRIGGER count_task INSTEAD OF INSERT ON task_turns
BEGIN
    UPDATE features SET
        rev = rev + 1,
        tasks_pending = tasks_pending + NEW.n * (NEW.status = 'pending'),
        tasks_in_progress = tasks_in_progress + NEW.n * (NEW.status = 'in_progress'),
        tasks_completed = tasks_completed + NEW.n * (NEW.status = 'completed'),
        tasks_blocked = tasks_blocked + NEW.n * (NEW.status = 'blocked'),
        open_gates = open_gates + NEW.n * (NEW.status = 'gate'),
        touched_at = coalesce(NEW.at, (SELECT * FROM clock))
    WHERE id = NEW.feature_id AND NEW.n;
    SELECT RAISE(ABORT, 'there is no such feature') WHERE NEW.n > changes() AND NEW.feature_id NOTNULL;
END;

CREATE TRIGGER place_task INSTEAD OF INSERT ON task_places
BEGIN
    UPDATE tasks
    SET (feature_priority, epic_id, held_above) = (
        SELECT priority, epic_id, coalesce(hold_at, (SELECT hold_at FROM epics WHERE id = epic_id)) NOTNULL
        FROM features WHERE id = tasks.feature_id
    )
    WHERE seq = NEW.seq;
END;

CREATE TRIGGER tasks_added AFTER INSERT ON tasks
BEGIN
    INSERT INTO task_turns VALUES (NEW.feature_id, NEW.status, 1, NEW.updated_at);
    INSERT INTO task_places VALUES (NEW.seq);
    UPDATE tasks SET
        rev = rev + 1,
        shelf = (status = 'pending') + 3 * (status = 'blocked'),
        completed_at = coalesce(completed_at, CASE status WHEN 'completed' THEN updated_at END)
    WHERE seq = NEW.seq;
END;

CREATE TRIGGER tasks_removed AFTER DELETE ON tasks
BEGIN
    INSERT OR IGNORE INTO removed_items VALUES ('task', OLD.id, OLD.seq);
    DELETE FROM test_cases WHERE task_id = OLD.id;
    DELETE FROM dependencies WHERE task_id = OLD.id OR depends_on = OLD.id;
    DELETE FROM attempts WHERE task_seq = OLD.seq;
    DELETE FROM checkpoints WHERE task_id = OLD.id;
    DELETE FROM questions WHERE task_id = OLD.id;
    INSERT INTO task_turns VALUES (OLD.feature_id, OLD.status, -1, NULL);
END;

-- An edit by hand keeps the rest of the row in step with the status: the time of completion, and no claim, proof or
-- reason that the new status cannot have. An attempt whose claim goes was cancelled.

CREATE TRIGGER update_tasks_timestamp AFTER UPDATE OF
    seq, id, feature_id, description, priority, retry_budget, hold_by, hold_reason, hold_at, source_origin,
    source_digest, metadata, status, blocked_reason, retries_used, not_before, completed_at, proof, proof_by, proof_reason ON tasks
BEGIN
    SELECT RAISE(ABORT, 'seq and id never change') WHERE NEW.id <> OLD.id OR NEW.seq <> OLD.seq;
    UPDATE tasks SET updated_at = max(updated_at + 1, (SELECT * FROM clock))
    WHERE seq = NEW.seq AND NEW.rev = OLD.rev AND NEW.updated_at = OLD.updated_at;
END;

CREATE TRIGGER update_feature_status_on_task_complete AFTER UPDATE OF status, feature_id ON tasks
BEGIN
    INSERT INTO task_turns VALUES
        (NEW.feature_id, NEW.status, 1, CASE WHEN NEW.rev > OLD.rev THEN NEW.updated_at END),
        (OLD.feature_id, OLD.status, -1, CASE WHEN NEW.rev > OLD.rev THEN NEW.updated_at END);
    INSERT INTO task_places SELECT NEW.seq WHERE NEW.feature_id <> OLD.feature_id;
END;

CREATE TRIGGER set_task_completed_at AFTER UPDATE OF status ON tasks
WHEN NEW.rev = OLD.rev AND NEW.status <> OLD.status
BEGIN
    UPDATE attempts SET ended_at = max(started_at, (SELECT * FROM clock)), outcome = 'cancelled'
    WHERE task_seq = NEW.seq AND ended_at ISNULL AND NEW.status <> 'in_progress';
    UPDATE tasks SET claim_worker = NULL, claim_attempt = NULL, claim_nonce = NULL, claim_started_at = NULL,
        claim_lease = NULL, lease_expires_at = NULL, claim_place = NULL, claim_pid = NULL, claim_started_ticks = NULL, cancel_by = NULL, cancel_at = NULL
    WHERE seq = NEW.seq AND NEW.status <> 'in_progress';
    UPDATE tasks SET
        rev = rev + 1,
        shelf = (status = 'pending') + 3 * (status = 'blocked'),
        completed_at = CASE status WHEN 'completed' THEN coalesce(completed_at, max(updated_at, (SELECT * FROM clock))) END,
        blocked_reason = CASE status WHEN 'blocked' THEN blocked_reason END,
        (proof, proof_by, proof_reason) = (SELECT proof, proof_by, proof_reason WHERE status = 'completed')
    WHERE seq = NEW.seq;
    UPDATE tasks SET open_deps = open_deps + (OLD.status = 'completed') - (NEW.status = 'completed')
    WHERE id IN (SELECT task_id FROM dependencies WHERE depends_on = NEW.id);
END;

-- Dependencies. What is left is counted afresh: when one goes, its prerequisite may be gone already, and one that comes may
-- replace itself.

CREATE TRIGGER dependencies_added AFTER INSERT ON dependencies
BEGIN
    UPDATE tasks
    SET open_deps = (
        SELECT count(*) FROM dependencies JOIN tasks ON id = depends_on WHERE task_id = NEW.task_id AND status <> 'completed'
    )
    WHERE id = NEW.task_id;
END;

CREATE TRIGGER dependencies_removed AFTER DELETE ON dependencies
BEGIN
    UPDATE tasks
    SET open_deps = (
        SELECT count(*) FROM dependencies JOIN tasks ON id = depends_on WHERE task_id = OLD.task_id AND status <> 'completed'
    )
    WHERE id = OLD.task_id;
END;

CREATE TRIGGER dependencies_keep BEFORE UPDATE ON dependencies
BEGIN
    SELECT RAISE(ABORT, 'a dependency never changes: delete it and insert another');
END;

-- Test cases: a feature's gate is open while one that gates is not passing.

CREATE TRIGGER test_cases_added AFTER INSERT ON test_cases
BEGIN
    INSERT INTO task_turns SELECT NEW.feature_id, 'gate', 1, NEW.updated_at WHERE NEW.open_gate;
END;

CREATE TRIGGER test_cases_removed AFTER DELETE ON test_cases
BEGIN
    INSERT OR IGNORE INTO removed_items VALUES ('test', OLD.id, OLD.seq);
    INSERT INTO task_turns SELECT OLD.feature_id, 'gate', -1, NULL WHERE OLD.open_gate;
END;

CREATE TRIGGER update_test_cases_timestamp AFTER UPDATE ON test_cases
BEGIN
    SELECT RAISE(ABORT, 'seq and id never change, and its task or feature must be there')
    WHERE NEW.id <> OLD.id OR NEW.seq <> OLD.seq OR NOT EXISTS (
        SELECT 1 FROM tasks WHERE id = NEW.task_id UNION ALL SELECT 1 FROM features WHERE id = NEW.feature_id
    );
    UPDATE test_cases SET updated_at = max(updated_at + 1, (SELECT * FROM clock))
    WHERE seq = NEW.seq AND rev = OLD.rev AND updated_at = OLD.updated_at;
    INSERT INTO task_turns VALUES
        (NEW.feature_id, 'gate', NEW.open_gate, CASE WHEN NEW.rev > OLD.rev THEN NEW.updated_at END),
        (OLD.feature_id, 'gate', -OLD.open_gate, CASE WHEN NEW.rev > OLD.rev THEN NEW.updated_at END);
END;
