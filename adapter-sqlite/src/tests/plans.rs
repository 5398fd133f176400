//! How SQLite answers the hot questions: by the index meant for it, and without sorting where that would cost.

use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use tasq_domain::ready::Scope;
use tasq_domain::{FeatureId, Lane, Priority, Status};
use tasq_ports::{Cursor, Inserted, Page, Sort, StoreError, StoreExt as _, TaskFilter};

use super::{Fixture, at, epic, feature, task};
use crate::statement::text;
use crate::tx::history::{EventsEntered, NewerEvents};
use crate::tx::list::page_walks;
use crate::tx::ready::{
    AnyDue, LookAhead, ProcessesAt, Promote, ReadyInEpic, ReadyInFeature, ReadyInLane,
    ReadyInQueue, TaskByRowId, TaskIsThere, TasksByRowIds, expired_query,
};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Integer)]
    #[expect(dead_code, reason = "a plan has four columns")]
    id: i32,
    #[diesel(sql_type = Text)]
    detail: String,
}

fn plan(conn: &mut SqliteConnection, sql: &str) -> String {
    let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
        .load(conn)
        .unwrap();
    let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
    steps.join("; ")
}

#[test]
fn every_claim_is_one_walk_along_its_index() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    for (sql, index) in [
        (text(&ReadyInQueue::new(0, 1)), "idx_tasks_status (stage=?"),
        (
            text(&ReadyInEpic::new("E", 0, 1)),
            "idx_tasks_epic (epic_id=? AND stage=?",
        ),
        (
            text(&ReadyInFeature::new("F", 0, 1)),
            "idx_tasks_feature_id (feature_id=? AND stage=?",
        ),
        (
            text(&ReadyInLane::new("F", 2, 0, 1)),
            "idx_tasks_feature_id (feature_id=? AND stage=? AND effective_priority=?",
        ),
        (Promote::TEXT.to_owned(), "idx_tasks_waits"),
    ] {
        let plan = plan(&mut conn, &sql);
        assert!(
            plan.contains("SEARCH") && plan.contains(index),
            "{sql}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

/// Each part ends with the first row that it finds.
#[test]
fn what_is_to_be_seen_to_before_a_claim_is_found_by_three_indexes() {
    let fixture = Fixture::new();
    let plan = plan(&mut fixture.plain(), LookAhead::TEXT);
    for walk in [
        "SEARCH tasks USING COVERING INDEX idx_tasks_process (claim_place>?)",
        "SEARCH tasks USING INDEX idx_tasks_moment (moment>? AND moment<?)",
        "SEARCH tasks USING INDEX idx_tasks_waits (waits_until<?)",
    ] {
        assert!(plan.contains(walk), "{walk}: {plan}");
    }
    assert_eq!(plan.matches(" tasks ").count(), 3, "{plan}");
}

#[test]
fn a_reader_looks_for_waits_that_are_over_by_their_index() {
    let fixture = Fixture::new();
    let plan = plan(&mut fixture.plain(), AnyDue::TEXT);
    assert!(
        plan.contains("SEARCH tasks USING INDEX idx_tasks_waits (waits_until<?)"),
        "{plan}"
    );
    assert_eq!(plan.matches(" tasks ").count(), 1, "{plan}");
}

#[test]
fn whether_a_task_is_there_is_read_from_the_index_of_ids() {
    let fixture = Fixture::new();
    let plan = plan(&mut fixture.plain(), TaskIsThere::TEXT);
    assert!(
        plan.contains("SEARCH tasks USING COVERING INDEX sqlite_autoindex_tasks_1 (id=?)"),
        "{plan}"
    );
}

#[test]
fn a_task_is_read_by_its_row_id_without_the_index_of_ids() {
    let fixture = Fixture::new();
    for sql in [
        TaskByRowId::TEXT.to_owned(),
        text(&TasksByRowIds(&[1, 2, 3, 4])),
    ] {
        let plan = plan(&mut fixture.plain(), &sql);
        assert!(
            plan.contains("SEARCH tasks USING INTEGER PRIMARY KEY (rowid=?)"),
            "{sql}: {plan}"
        );
        assert_eq!(plan.matches(" tasks ").count(), 1, "{sql}: {plan}");
    }
}

#[test]
fn leases_are_walked_by_their_end() {
    let fixture = Fixture::new();
    let sql = text(&expired_query(at(1), 10));
    let plan = plan(&mut fixture.plain(), &sql);
    assert!(
        plan.contains("SEARCH tasks USING INDEX idx_tasks_moment (moment>? AND moment<?)"),
        "{plan}"
    );
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn the_events_of_an_item_are_walked_by_their_number() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    let entered = plan(&mut conn, EventsEntered::TEXT);
    let table = "SEARCH found USING PRIMARY KEY (entity_seq=? AND entity_kind=? AND event_seq>? AND event_seq<?); \
                 SEARCH events USING INTEGER PRIMARY KEY (rowid=?)";
    assert_eq!(entered, table);
    let newer = plan(&mut conn, NewerEvents::TEXT);
    assert_eq!(newer, "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)");
}

#[test]
fn processes_are_walked_within_their_index_by_place() {
    let fixture = Fixture::new();
    let plan = plan(&mut fixture.plain(), ProcessesAt::TEXT);
    let index = "SEARCH tasks USING COVERING INDEX idx_tasks_process (claim_place=?)";
    assert!(plan.contains(index), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

fn plans(
    conn: &mut SqliteConnection,
    filter: &TaskFilter,
    sort: Sort,
    after: Option<Cursor>,
) -> Vec<String> {
    let page = Page {
        sort,
        after,
        limit: 50,
    };
    let texts: Vec<String> = page_walks(conn, filter, &page, at(1))
        .unwrap_or_else(|_| panic!("{filter:?} has no walks"))
        .iter()
        .map(text)
        .collect();
    texts.iter().map(|text| plan(conn, text)).collect()
}

const AFTER: Option<Cursor> = Some(Cursor { key: 1, seq: 1 });
const SORTS: [Sort; 3] = [Sort::Claim, Sort::Seq, Sort::Updated];

fn of_status(statuses: &[Status]) -> TaskFilter {
    TaskFilter {
        statuses: statuses.to_vec(),
        ..TaskFilter::default()
    }
}

/// The walk over what is in progress begins where leases do, and has no end.
const IN_PROGRESS_BY_LEASE: &str = "SEARCH tasks USING INDEX idx_tasks_moment (moment>?)";

/// Those but the one over what is in progress, which is little, and sorted.
fn long_walks(mut plans: Vec<String>) -> Vec<String> {
    plans.retain(|plan| !plan.contains(IN_PROGRESS_BY_LEASE));
    assert!(!plans.is_empty());
    plans
}

#[test]
fn pages_of_the_whole_queue_go_on_where_the_last_one_ended() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    for (sort, index) in [
        (
            Sort::Claim,
            "idx_tasks_status (stage=? AND effective_priority",
        ),
        (Sort::Seq, "INTEGER PRIMARY KEY"),
        (Sort::Updated, "idx_tasks_moment"),
    ] {
        for plan in long_walks(plans(&mut conn, &TaskFilter::default(), sort, AFTER)) {
            assert!(
                plan.contains("SEARCH") && plan.contains(index),
                "{sort:?}: {plan}"
            );
            assert!(!plan.contains("TEMP B-TREE"), "{sort:?}: {plan}");
        }
    }
}

/// Of two places where a walk may end SQLite takes the first that it is told of, and its plan does not say which.
#[test]
fn a_later_page_of_changes_is_told_of_one_place_to_begin_at() {
    let fixture = Fixture::new();
    let page = Page {
        sort: Sort::Updated,
        after: AFTER,
        limit: 50,
    };
    let filter = TaskFilter::default();
    let walks = page_walks(&mut fixture.plain(), &filter, &page, at(1)).unwrap_or_default();
    let later: Vec<String> = walks.iter().map(text).collect();
    let later: Vec<&String> = later.iter().filter(|it| it.contains("moment < ")).collect();
    assert_eq!(later.len(), 2);
    for text in later {
        let bounds = text.matches("moment < ").count() - text.matches("+moment < ").count();
        assert!(bounds <= 1 && text.contains("+moment < "), "{text}");
    }
}

#[test]
fn the_first_page_of_the_whole_queue_is_not_sorted() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    for sort in SORTS {
        for plan in long_walks(plans(&mut conn, &TaskFilter::default(), sort, None)) {
            assert!(!plan.contains("TEMP B-TREE"), "{sort:?}: {plan}");
        }
    }
}

/// A queue with one task, because the order of creation has a walk for each priority that there is.
fn one_task() -> Fixture {
    let fixture = Fixture::new();
    let inserted = fixture.store.write::<_, StoreError>(|tx| {
        assert_eq!(tx.insert_feature(&feature("F", None))?, Inserted::At(1));
        tx.insert_task(&task("T1", "F"))
    });
    assert_eq!(inserted.unwrap(), Inserted::At(1));
    fixture
}

#[test]
fn pages_by_status_are_walked_stage_by_stage() {
    let fixture = one_task();
    let mut conn = fixture.plain();
    let filter = of_status(&[Status::Blocked, Status::Pending]);
    for (sort, walks, index) in [
        (
            Sort::Claim,
            6,
            "idx_tasks_status (stage=? AND effective_priority",
        ),
        (
            Sort::Seq,
            1,
            "idx_tasks_status (stage=? AND effective_priority=? AND rowid>?)",
        ),
    ] {
        let plans = plans(&mut conn, &filter, sort, AFTER);
        assert_eq!(plans.len(), walks, "{plans:?}");
        for plan in plans {
            assert!(plan.contains(index), "{sort:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sort:?}: {plan}");
        }
    }
}

#[test]
fn what_is_in_progress_is_walked_by_leases_in_every_scope() {
    let fixture = one_task();
    let mut conn = fixture.plain();
    let feature = FeatureId::new("F").unwrap();
    let lane = Lane {
        feature: feature.clone(),
        priority: Priority::default(),
    };
    for scope in [
        Scope::Queue,
        Scope::Feature(feature),
        Scope::Lane(lane),
        Scope::Epic(epic("E").id),
    ] {
        let filter = TaskFilter {
            scope,
            ..of_status(&[Status::InProgress])
        };
        for sort in [Sort::Claim, Sort::Seq] {
            for plan in plans(&mut conn, &filter, sort, AFTER) {
                let by_lease = plan.starts_with(IN_PROGRESS_BY_LEASE);
                assert!(by_lease, "{filter:?} {sort:?}: {plan}");
            }
        }
    }
    // Nothing that rests is walked along for it.
    let walks = |conn: &mut SqliteConnection, statuses| {
        plans(conn, &of_status(statuses), Sort::Updated, AFTER)
    };
    let running = walks(&mut conn, &[Status::InProgress]);
    assert!(!running.is_empty());
    assert!(
        running
            .iter()
            .all(|plan| plan.starts_with(IN_PROGRESS_BY_LEASE)),
        "{running:?}"
    );
    let both = walks(&mut conn, &[Status::InProgress, Status::Completed]);
    assert!(both.len() > running.len(), "{both:?}");
}

#[test]
fn much_in_progress_is_walked_by_its_scope_unless_more_is_completed() {
    let fixture = one_task();
    let mut conn = fixture.plain();
    let of_f = || TaskFilter {
        scope: Scope::Feature(FeatureId::new("F").unwrap()),
        ..of_status(&[Status::InProgress])
    };
    let add = |conn: &mut SqliteConnection, status: &str, from: u32, to: u32| {
        let numbers = format!(
            "WITH RECURSIVE some(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM some WHERE n < {to})"
        );
        let insert = "INSERT INTO tasks (id, feature_id, description, status)";
        diesel::sql_query(format!(
            "{insert} {numbers} SELECT 'N' || n, 'F', 'some', '{status}' FROM some"
        ))
        .execute(conn)
        .unwrap();
    };
    add(&mut conn, "in_progress", 1, 1_000);
    let listed = || {
        let page = Page {
            sort: Sort::Claim,
            after: None,
            limit: 3,
        };
        let page = fixture
            .store
            .read::<_, StoreError>(|tx| tx.tasks(&of_f(), &page));
        let ids = page.unwrap().tasks.into_iter();
        ids.map(|record| record.task.id.to_string())
            .collect::<Vec<_>>()
    };
    let before = plans(&mut conn, &of_f(), Sort::Claim, None);
    assert!(before[0].contains("idx_tasks_feature_id"), "{before:?}");
    assert_eq!(listed(), ["N1", "N2", "N3"]);
    add(&mut conn, "completed", 1_001, 5_001);
    let after = plans(&mut conn, &of_f(), Sort::Claim, None);
    assert!(after[0].contains(IN_PROGRESS_BY_LEASE), "{after:?}");
    assert_eq!(listed(), ["N1", "N2", "N3"]);
}

#[test]
fn a_part_of_the_queue_is_found_by_its_index() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    let feature = FeatureId::new("F").unwrap();
    let lane = Lane {
        feature: feature.clone(),
        priority: Priority::default(),
    };
    for (scope, index) in [
        (Scope::Feature(feature), "idx_tasks_feature_id"),
        (Scope::Lane(lane), "idx_tasks_feature_id"),
        (Scope::Epic(epic("E").id), "idx_tasks_epic"),
    ] {
        let filter = TaskFilter {
            scope,
            ..TaskFilter::default()
        };
        for sort in SORTS {
            for plan in plans(&mut conn, &filter, sort, AFTER) {
                assert!(
                    plan.contains("SEARCH") && plan.contains(index),
                    "{filter:?} {sort:?}: {plan}"
                );
            }
        }
    }
}

#[test]
fn ready_tasks_are_listed_without_looking_at_what_is_done() {
    let fixture = one_task();
    let mut conn = fixture.plain();
    let filter = TaskFilter {
        ready: true,
        ..TaskFilter::default()
    };
    for sort in SORTS {
        for after in [None, AFTER] {
            let plans = plans(&mut conn, &filter, sort, after);
            let known = match sort {
                Sort::Claim | Sort::Seq => "idx_tasks_status (stage=?",
                Sort::Updated => "SEARCH",
            };
            assert!(plans[0].contains(known), "{sort:?}: {plans:?}");
            let last = plans.last().unwrap();
            assert!(last.contains("idx_tasks_waits"), "{sort:?}: {plans:?}");
            let sorts = plans[0].contains("TEMP B-TREE");
            assert!(sort == Sort::Updated || !sorts, "{sort:?}: {plans:?}");
        }
    }
}
