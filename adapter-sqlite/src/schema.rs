//! The tables as Diesel sees them. A test compares each with the migrated database, column by column.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    schema_version (version) {
        version -> BigInt,
        applied_at -> BigInt,
        description -> Text,
    }
}

table! {
    settings (one) {
        one -> BigInt,
        store_id -> Text,
        name -> Text,
        require_tests -> BigInt,
        backoff_base -> BigInt,
        backoff_cap -> BigInt,
    }
}

table! {
    acting (one) {
        one -> BigInt,
        acting_at -> Nullable<BigInt>,
    }
}

table! {
    epics (seq) {
        seq -> BigInt,
        id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        status -> Text,
        own_status -> Text,
        hold_by -> Nullable<Text>,
        hold_reason -> Nullable<Text>,
        hold_at -> Nullable<BigInt>,
        source_origin -> Nullable<Text>,
        source_digest -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        metadata -> Text,
        rev -> BigInt,
        features_pending -> BigInt,
        features_in_progress -> BigInt,
        features_completed -> BigInt,
        features_blocked -> BigInt,
        touched_at -> BigInt,
        rolled -> Text,
    }
}

table! {
    features (seq) {
        seq -> BigInt,
        id -> Text,
        epic_id -> Nullable<Text>,
        name -> Text,
        description -> Nullable<Text>,
        priority -> BigInt,
        status -> Text,
        own_status -> Text,
        hold_by -> Nullable<Text>,
        hold_reason -> Nullable<Text>,
        hold_at -> Nullable<BigInt>,
        source_origin -> Nullable<Text>,
        source_digest -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        metadata -> Text,
        rev -> BigInt,
        tasks_pending -> BigInt,
        tasks_in_progress -> BigInt,
        tasks_completed -> BigInt,
        tasks_blocked -> BigInt,
        open_gates -> BigInt,
        touched_at -> BigInt,
        rolled -> Text,
    }
}

table! {
    tasks (seq) {
        seq -> BigInt,
        id -> Text,
        feature_id -> Text,
        description -> Text,
        priority -> Nullable<BigInt>,
        retry_budget -> BigInt,
        hold_by -> Nullable<Text>,
        hold_reason -> Nullable<Text>,
        hold_at -> Nullable<BigInt>,
        source_origin -> Nullable<Text>,
        source_digest -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        metadata -> Text,
        rev -> BigInt,
        status -> Text,
        blocked_reason -> Nullable<Text>,
        retries_used -> BigInt,
        not_before -> Nullable<BigInt>,
        attempts -> BigInt,
        lost_in_a_row -> BigInt,
        claim_worker -> Nullable<Text>,
        claim_attempt -> Nullable<BigInt>,
        claim_nonce -> Nullable<Text>,
        claim_started_at -> Nullable<BigInt>,
        claim_lease -> Nullable<BigInt>,
        lease_expires_at -> Nullable<BigInt>,
        claim_place -> Nullable<Text>,
        claim_pid -> Nullable<BigInt>,
        claim_started_ticks -> Nullable<BigInt>,
        cancel_by -> Nullable<Text>,
        cancel_at -> Nullable<BigInt>,
        completed_at -> Nullable<BigInt>,
        proof -> Nullable<Text>,
        proof_by -> Nullable<Text>,
        proof_reason -> Nullable<Text>,
        feature_priority -> BigInt,
        epic_id -> Nullable<Text>,
        open_deps -> BigInt,
        held_above -> BigInt,
        promoted -> Nullable<BigInt>,
        shelf -> BigInt,
        effective_priority -> BigInt,
        moment -> Nullable<BigInt>,
        waits_until -> Nullable<BigInt>,
        stage -> BigInt,
    }
}

table! {
    test_cases (seq) {
        seq -> BigInt,
        id -> Text,
        task_id -> Nullable<Text>,
        feature_id -> Nullable<Text>,
        description -> Text,
        command -> Nullable<Text>,
        required -> BigInt,
        status -> Text,
        last_at -> Nullable<BigInt>,
        last_attempt -> Nullable<BigInt>,
        last_exit_code -> Nullable<BigInt>,
        last_duration_ms -> Nullable<BigInt>,
        last_output_tail -> Nullable<Text>,
        last_by -> Nullable<Text>,
        source_origin -> Nullable<Text>,
        source_digest -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        metadata -> Text,
        rev -> BigInt,
        open_gate -> BigInt,
    }
}

table! {
    dependencies (task_id, depends_on) {
        task_id -> Text,
        depends_on -> Text,
    }
}

table! {
    attempts (task_seq, number) {
        task_seq -> BigInt,
        number -> BigInt,
        nonce -> Text,
        worker -> Text,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        exit_code -> Nullable<BigInt>,
        message -> Nullable<Text>,
        late_message -> Nullable<Text>,
        log_path -> Nullable<Text>,
        result -> Nullable<Text>,
    }
}

table! {
    checkpoints (seq) {
        seq -> BigInt,
        task_id -> Text,
        attempt -> BigInt,
        at -> BigInt,
        summary -> Text,
        next_steps -> Text,
        data -> Nullable<Text>,
    }
}

table! {
    questions (task_id, number) {
        task_id -> Text,
        number -> BigInt,
        asked_at -> BigInt,
        asked_by -> Text,
        question -> Text,
        choices -> Text,
        answered_at -> Nullable<BigInt>,
        answered_by -> Nullable<Text>,
        answer -> Nullable<Text>,
    }
}

table! {
    events (seq) {
        seq -> BigInt,
        at -> BigInt,
        actor -> Text,
        kind -> Text,
        entity_kind -> Text,
        entity_id -> Text,
        entity_seq -> BigInt,
        data -> Text,
    }
}

table! {
    entity_events (entity_seq, entity_kind, event_seq) {
        entity_seq -> BigInt,
        entity_kind -> Text,
        event_seq -> BigInt,
    }
}

table! {
    removed_items (kind, id, seq) {
        kind -> Text,
        id -> Text,
        seq -> BigInt,
    }
}

table! {
    operations (seq) {
        seq -> BigInt,
        id -> Text,
        use_case -> Text,
        digest -> Text,
        answer -> Text,
    }
}

joinable!(attempts -> tasks (task_seq));
allow_tables_to_appear_in_same_query!(tasks, test_cases);
allow_tables_to_appear_in_same_query!(tasks, attempts);
