//! How SQLite answers the hot questions: by the index meant for it, and without sorting where that would cost.

use diesel::prelude::*;
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::{Sqlite, SqliteQueryBuilder};
use tasq_domain::ready::Scope;
use tasq_domain::{FeatureId, Lane, Priority, Status};
use tasq_ports::{Cursor, Page, Sort, TaskFilter};

use super::{Fixture, at, epic};
use crate::tx::list::page_queries;
use crate::tx::ready::{
    PeekDue, Promote, ReadyInEpic, ReadyInFeature, ReadyInLane, ReadyInQueue, expired_query,
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

fn text(query: &impl QueryFragment<Sqlite>) -> String {
    let mut builder = SqliteQueryBuilder::new();
    query.to_sql(&mut builder, &Sqlite).unwrap();
    builder.finish()
}

#[test]
fn every_claim_is_one_walk_along_its_index() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    for (sql, index) in [
        (ReadyInQueue::TEXT, "idx_tasks_ready"),
        (ReadyInEpic::TEXT, "idx_tasks_epic"),
        (ReadyInFeature::TEXT, "idx_tasks_feature_ready"),
        (ReadyInLane::TEXT, "idx_tasks_feature_ready"),
        (PeekDue::TEXT, "idx_tasks_waits"),
        (Promote::TEXT, "idx_tasks_waits"),
    ] {
        let plan = plan(&mut conn, sql);
        assert!(
            plan.contains("SEARCH") && plan.contains(index),
            "{sql}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn leases_are_walked_by_their_end() {
    let fixture = Fixture::new();
    let sql = text(&expired_query(at(1), 10));
    let plan = plan(&mut fixture.plain(), &sql);
    assert!(
        plan.contains("SEARCH tasks USING INDEX idx_tasks_lease"),
        "{plan}"
    );
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn pages_of_the_whole_queue_go_on_where_the_last_one_ended() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    for (sort, index) in [
        (Sort::Claim, "idx_tasks_order"),
        (Sort::Seq, "INTEGER PRIMARY KEY"),
        (Sort::Updated, "idx_tasks_updated"),
    ] {
        let page = Page {
            sort,
            after: Some(Cursor { key: 1, seq: 1 }),
            limit: 50,
        };
        for query in page_queries(&TaskFilter::default(), &page, at(1)) {
            let plan = plan(&mut conn, &text(&query));
            assert!(
                plan.contains("SEARCH") && plan.contains(index),
                "{sort:?}: {plan}"
            );
            assert!(!plan.contains("TEMP B-TREE"), "{sort:?}: {plan}");
        }
    }
}

#[test]
fn a_filter_finds_its_index() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    let page = Page {
        sort: Sort::Seq,
        after: None,
        limit: 50,
    };
    let feature = FeatureId::new("F").unwrap();
    let lane = Lane {
        feature: feature.clone(),
        priority: Priority::default(),
    };
    let of = |scope| TaskFilter {
        scope,
        ..TaskFilter::default()
    };
    for (filter, index) in [
        (of(Scope::Feature(feature)), "idx_tasks_feature_id"),
        (of(Scope::Lane(lane)), "idx_tasks_feature_id"),
        (of(Scope::Epic(epic("E").id)), "idx_tasks_epic"),
        (
            TaskFilter {
                statuses: vec![Status::Blocked],
                ..TaskFilter::default()
            },
            "idx_tasks_status",
        ),
    ] {
        for query in page_queries(&filter, &page, at(1)) {
            let plan = plan(&mut conn, &text(&query));
            assert!(
                plan.contains("SEARCH") && plan.contains(index),
                "{filter:?}: {plan}"
            );
        }
    }
}

#[test]
fn ready_tasks_are_listed_without_looking_at_others() {
    let fixture = Fixture::new();
    let mut conn = fixture.plain();
    for sort in [Sort::Claim, Sort::Seq, Sort::Updated] {
        let page = Page {
            sort,
            after: None,
            limit: 50,
        };
        let filter = TaskFilter {
            ready: true,
            ..TaskFilter::default()
        };
        let plans: Vec<String> = page_queries(&filter, &page, at(1))
            .iter()
            .map(|query| plan(&mut conn, &text(query)))
            .collect();
        assert!(plans[0].contains("idx_tasks_ready"), "{sort:?}: {plans:?}");
        assert!(plans[1].contains("idx_tasks_waits"), "{sort:?}: {plans:?}");
    }
}
