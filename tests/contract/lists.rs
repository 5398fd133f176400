//! Listing tasks: filters, orders, pages.

use tasq_domain::ready::Scope;
use tasq_domain::{Description, Epic, Lane, Status, Task};
use tasq_ports::{Cursor, Page, Sort, StoreError, TaskFilter, Tx};

use super::Bench;
use super::make::{
    at, claimed, epic, epic_id, feature, feature_id, hold, in_status, keep_attempts, priority, put,
    task, task_id, waits_for,
};

const SORTS: [Sort; 3] = [Sort::Claim, Sort::Seq, Sort::Updated];

/// Three features, eleven tasks of many kinds, in no order of anything.
fn stocked(bench: &Bench) {
    let of = |id: &str, feature: &str, number: Option<i64>, secs: i64| Task {
        own_priority: number.map(priority),
        updated_at: at(secs),
        ..task(id, feature)
    };
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(
            tx,
            &Epic {
                hold: Some(hold()),
                ..epic("EPIC-2")
            },
        )?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &feature("FEAT-2", Some("EPIC-2")))?;
        put(tx, &feature("FEAT-3", None))?;
        put(tx, &of("K", "FEAT-1", Some(3), 50))?;
        put(tx, &of("J", "FEAT-1", Some(10), 10))?;
        put(tx, &of("I", "FEAT-2", None, 40))?;
        put(tx, &of("H", "FEAT-3", Some(0), 40))?;
        put(
            tx,
            &in_status(of("G", "FEAT-1", None, 0), Status::Blocked, at(30)),
        )?;
        put(
            tx,
            &in_status(of("F", "FEAT-3", None, 0), Status::Completed, at(30)),
        )?;
        let running = claimed(of("E", "FEAT-1", Some(2), 0), "w1", at(20));
        put(tx, &running)?;
        keep_attempts(tx, &running)?;
        put(
            tx,
            &Task {
                not_before: Some(at(100)),
                ..of("D", "FEAT-1", Some(2), 60)
            },
        )?;
        put(
            tx,
            &Task {
                hold: Some(hold()),
                ..of("C", "FEAT-3", Some(2), -5)
            },
        )?;
        put(tx, &of("B", "FEAT-3", Some(2), 70))?;
        put(tx, &of("A", "FEAT-1", Some(2), 30))?;
        tx.insert_dependency(&waits_for("B", "A"))
    });
}

fn ids(tasks: &[tasq_domain::TaskRecord]) -> String {
    tasks.iter().map(|it| it.task.id.as_str()).collect()
}

/// The ids of all that passes the filter, one letter each, in the given order.
#[track_caller]
fn listed(bench: &Bench, filter: &TaskFilter, sort: Sort) -> String {
    let page = Page {
        sort,
        after: None,
        limit: 1_000,
    };
    let read = bench.read(|tx| tx.tasks(filter, &page));
    assert_eq!(bench.write(|tx| tx.tasks(filter, &page)), read);
    ids(&read.tasks)
}

pub(crate) fn every_filter_holds(bench: &Bench) {
    stocked(bench);
    let filter = |scope: Scope, statuses: &[Status], ready: bool| TaskFilter {
        scope,
        statuses: statuses.to_vec(),
        ready,
        words: Vec::new(),
    };
    let feature_1 = || Scope::Feature(feature_id("FEAT-1"));
    let lane = || {
        Scope::Lane(Lane {
            feature: feature_id("FEAT-1"),
            priority: priority(2),
        })
    };
    use Status::{Blocked, Completed, InProgress, Pending};
    for (filter, expected) in [
        (filter(Scope::Queue, &[], false), "KJIHGFEDCBA"),
        (filter(Scope::Queue, &[Pending], false), "KJIHDCBA"),
        (filter(Scope::Queue, &[InProgress], false), "E"),
        (filter(Scope::Queue, &[InProgress, Completed], false), "FE"),
        (
            filter(Scope::Queue, &[Pending, InProgress], false),
            "KJIHEDCBA",
        ),
        (filter(Scope::Queue, &[Completed], false), "F"),
        (filter(Scope::Queue, &[Completed, Blocked], false), "GF"),
        (filter(Scope::Queue, &[Blocked, Completed], false), "GF"),
        (filter(Scope::Queue, &[Blocked, Blocked], false), "G"),
        (filter(Scope::Queue, Status::ALL, false), "KJIHGFEDCBA"),
        (filter(Scope::Queue, &[], true), "KJHA"),
        (filter(Scope::Queue, &[Completed], true), ""),
        (filter(Scope::Queue, &[Completed, Pending], true), "KJHA"),
        (filter(Scope::Epic(epic_id("EPIC-1")), &[], false), "KJGEDA"),
        (
            filter(Scope::Epic(epic_id("EPIC-1")), &[InProgress], false),
            "E",
        ),
        (filter(Scope::Epic(epic_id("EPIC-2")), &[], true), ""),
        (filter(feature_1(), &[], false), "KJGEDA"),
        (filter(feature_1(), &[Pending], true), "KJA"),
        (filter(feature_1(), &[InProgress, Blocked], false), "GE"),
        (filter(lane(), &[], false), "GEDA"),
        (filter(lane(), &[Pending], false), "DA"),
        (filter(lane(), &[InProgress], false), "E"),
        (filter(lane(), &[], true), "A"),
        (filter(Scope::Task(task_id("D")), &[], false), "D"),
        (filter(Scope::Task(task_id("D")), &[], true), ""),
        (filter(Scope::Task(task_id("d")), &[], false), ""),
    ] {
        assert_eq!(listed(bench, &filter, Sort::Seq), expected, "{filter:?}");
        for sort in [Sort::Claim, Sort::Updated] {
            let mut letters: Vec<char> = listed(bench, &filter, sort).chars().collect();
            letters.sort_unstable_by(|one, other| other.cmp(one));
            let letters: String = letters.into_iter().collect();
            assert_eq!(letters, expected, "{filter:?} {sort:?}");
        }
    }
    bench.clock.set(at(100));
    let ready = filter(feature_1(), &[], true);
    assert_eq!(listed(bench, &ready, Sort::Seq), "KJDA");
    bench.clock.set(at(0));
}

pub(crate) fn words_match_as_the_description_says(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    let texts = [
        ("A", "Fix the Login page"),
        ("B", "login_page: 100% done"),
        ("C", "loginXpage ÜBER alles"),
        ("D", "LOGIN\nüber\\alles [a-z]* 'quoted' \"x\""),
    ];
    for (id, text) in texts {
        bench.put(&Task {
            description: Description::new(text).unwrap(),
            ..task(id, "FEAT-1")
        });
    }
    for words in [
        &["login"][..],
        &["LOGIN", "page"],
        &["page", "login"],
        &["login page"],
        &["login_page"],
        &["_"],
        &["%"],
        &["0% d"],
        &["\\"],
        &["\\a"],
        &["[a-z]*"],
        &["*"],
        &["?"],
        &["'quoted'"],
        &["\""],
        &["ü"],
        &["Ü"],
        &["über"],
        &["ÜBER"],
        &["Über"],
        &["\n"],
        &[""],
        &["", "fix"],
        &["fix", "nothing of that"],
        &["e"],
        &["K"],
        &["k"],
        // KELVIN SIGN and LONG S, which lose their strangeness in other kinds of lower case.
        &["\u{212a}"],
        &["\u{17f}"],
    ] {
        let filter = TaskFilter {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            ..TaskFilter::default()
        };
        let expected: String = texts
            .iter()
            .filter(|(_, text)| Description::new(*text).unwrap().has_words(&filter.words))
            .map(|&(id, _)| id)
            .collect();
        assert_eq!(listed(bench, &filter, Sort::Seq), expected, "{words:?}");
    }
    // With the other conditions, all must hold.
    bench.write(|tx| {
        let task = tx.task(&task_id("A"))?.unwrap().task;
        tx.update_task_life(&in_status(task, Status::Completed, at(1)))
    });
    let filter = TaskFilter {
        words: vec!["login".to_owned()],
        statuses: vec![Status::Completed],
        ..TaskFilter::default()
    };
    assert_eq!(listed(bench, &filter, Sort::Seq), "A");
}

pub(crate) fn every_sort_has_its_order(bench: &Bench) {
    stocked(bench);
    let all = TaskFilter::default();
    assert_eq!(listed(bench, &all, Sort::Seq), "KJIHGFEDCBA");
    assert_eq!(listed(bench, &all, Sort::Claim), "HIGFEDCBAKJ");
    assert_eq!(listed(bench, &all, Sort::Updated), "BDKHIAFGEJC");
}

pub(crate) fn pages_of_every_size_give_the_whole_list(bench: &Bench) {
    stocked(bench);
    let filters = [
        TaskFilter::default(),
        TaskFilter {
            statuses: vec![Status::Pending],
            ..TaskFilter::default()
        },
        TaskFilter {
            ready: true,
            ..TaskFilter::default()
        },
        TaskFilter {
            scope: Scope::Feature(feature_id("FEAT-1")),
            ..TaskFilter::default()
        },
        TaskFilter {
            words: vec!["DO".to_owned()],
            ..TaskFilter::default()
        },
    ];
    for filter in filters {
        for sort in SORTS {
            let whole = listed(bench, &filter, sort);
            for limit in 1..=12 {
                let mut found = String::new();
                let mut after = None;
                loop {
                    let page = Page { sort, after, limit };
                    let page = bench.read(|tx| tx.tasks(&filter, &page));
                    found.push_str(&ids(&page.tasks));
                    let place = page.tasks.last().map(|it| Cursor::of(it, sort));
                    if found.len() == whole.len() {
                        assert_eq!(page.next, None);
                        break;
                    }
                    assert_eq!(page.tasks.len(), limit as usize);
                    assert!(page.next.is_some() && page.next == place);
                    after = page.next;
                }
                assert_eq!(found, whole, "{sort:?} by {limit}");
            }
        }
    }
}

pub(crate) fn a_page_goes_on_after_an_item_that_has_gone(bench: &Bench) {
    for sort in SORTS {
        stocked(bench);
        let whole = listed(bench, &TaskFilter::default(), sort);
        let filter = TaskFilter::default();
        let mut after = None;
        let mut found = String::new();
        loop {
            let page = Page {
                sort,
                after,
                limit: 3,
            };
            let page = bench.read(|tx| tx.tasks(&filter, &page));
            found.push_str(&ids(&page.tasks));
            after = page.next;
            let Some(last) = page.tasks.last() else { break };
            bench.write(|tx| tx.remove_task(&last.task.id));
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, whole, "{sort:?}");
        bench.write(|tx| {
            tx.remove_epic(&epic_id("EPIC-1"))?;
            tx.remove_epic(&epic_id("EPIC-2"))?;
            tx.remove_feature(&feature_id("FEAT-3"))
        });
    }
}

pub(crate) fn the_last_page_has_no_next(bench: &Bench) {
    let page = |after, limit| Page {
        sort: Sort::Claim,
        after,
        limit,
    };
    let all = TaskFilter::default();
    let empty = bench.read(|tx| tx.tasks(&all, &page(None, 1)));
    assert_eq!((empty.tasks.len(), empty.next), (0, None));
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("A", "FEAT-1"));
    bench.put(&task("B", "FEAT-1"));
    let both = bench.read(|tx| tx.tasks(&all, &page(None, 2)));
    assert_eq!((ids(&both.tasks).as_str(), both.next), ("AB", None));
    let first = bench.read(|tx| tx.tasks(&all, &page(None, 1)));
    assert_eq!(ids(&first.tasks), "A");
    let after_b = Cursor::of(&both.tasks[1], Sort::Claim);
    let beyond = bench.read(|tx| tx.tasks(&all, &page(Some(after_b), 2)));
    assert_eq!((beyond.tasks.len(), beyond.next), (0, None));
}

pub(crate) fn what_listed_tasks_wait_for_is_told_in_the_same_unit(bench: &Bench) {
    stocked(bench);
    let page = Page {
        sort: Sort::Claim,
        after: None,
        limit: 1_000,
    };
    let waits = |tx: &mut dyn Tx| -> Result<Vec<(String, String)>, StoreError> {
        let mut found = Vec::new();
        for record in tx.tasks(&TaskFilter::default(), &page)?.tasks {
            for on in tx.dependencies_of(&record.task.id)? {
                found.push((record.task.id.as_str().to_owned(), on.as_str().to_owned()));
            }
        }
        Ok(found)
    };
    let pair = |task: &str, on: &str| (task.to_owned(), on.to_owned());
    assert_eq!(bench.read(waits), [pair("B", "A")]);
    bench.write(|tx| {
        assert_eq!(waits(tx)?, [pair("B", "A")]);
        tx.insert_dependency(&waits_for("K", "J"))?;
        assert_eq!(waits(tx)?, [pair("B", "A"), pair("K", "J")]);
        tx.remove_dependency(&waits_for("B", "A"))?;
        assert_eq!(waits(tx)?, [pair("K", "J")]);
        Ok(())
    });
    assert_eq!(bench.read(waits), [pair("K", "J")]);
}
