//! How often a use case asks the store: as many statements, and the same however large the queue is.

use tasq_app::{App, ClaimView, CompleteTask, FailTask, ListTasks, Report, ScopeRef};
use tasq_domain::life::FailureKind;

use crate::desk::{Desk, claiming_next, completing, holder, new_task, reason};

/// A use case and the most calls it may make, of which one is the commit where it writes.
type Case = (&'static str, usize, fn(&App<'_>, &ClaimView));

const CASES: [Case; 9] = [
    ("add", 11, |app, _| {
        drop(app.add_task(&new_task("N")).unwrap())
    }),
    ("claim", 11, |app, _| {
        drop(app.claim(&claiming_next()).unwrap())
    }),
    ("heartbeat", 3, |app, claim| {
        app.heartbeat(&holder(claim), None).unwrap();
    }),
    ("complete", 14, |app, claim| {
        app.complete(&completing(id(claim), Some(claim.token)))
            .unwrap();
    }),
    ("complete and claim the next", 20, |app, claim| {
        let wanted = CompleteTask {
            next: Some(ScopeRef::Queue),
            ..completing(id(claim), Some(claim.token))
        };
        app.complete(&wanted).unwrap();
    }),
    ("fail", 15, |app, claim| {
        let failed = FailTask {
            holder: holder(claim),
            kind: FailureKind::Failed,
            message: reason("red"),
            report: Report::default(),
        };
        app.fail(&failed).unwrap();
    }),
    ("look at the next", 4, |app, _| {
        drop(app.next(&ScopeRef::Queue).unwrap())
    }),
    ("list ten", 12, |app, _| {
        let wanted = ListTasks {
            limit: 10,
            ..ListTasks::default()
        };
        app.list(&wanted).unwrap();
    }),
    ("progress", 7, |app, _| drop(app.progress(None).unwrap())),
];

fn id(claim: &ClaimView) -> &str {
    claim.task.record.task.id.as_str()
}

fn calls(case: &Case, tasks: usize) -> usize {
    let (_, _, ask) = case;
    let ids: Vec<String> = (0..tasks).map(|number| format!("T{number:05}")).collect();
    let desk = Desk::with_tasks(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let claim = desk.claim("T00000");
    desk.store.calls(|| ask(&desk.ada(), &claim))
}

#[test]
fn a_use_case_asks_the_store_a_few_times_and_no_more_in_a_larger_queue() {
    for case in &CASES {
        let (name, most, _) = case;
        let few = calls(case, 20);
        assert!(few <= *most, "{name} asks {few} times, at most {most}");
        assert!(few > 0, "{name} asks for nothing");
        assert_eq!(calls(case, 300), few, "{name} in a larger queue");
    }
}
