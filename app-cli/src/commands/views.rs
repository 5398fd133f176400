//! Looking at a queue.

use std::time::Duration;

use tasq_app::{Item, ListTasks};
use tasq_domain::{AnyId, EntityKind};
use tasq_ports::{Cursor, EventFilter, Sort};

use crate::args::views::{List, Log, Next, Part, Ready, SortBy, Why};
use crate::failure::Failure;
use crate::output::View;
use crate::runner::Interrupt;
use crate::session::{Queue, Session};
use crate::view;
use crate::view::{Detail, Found, ProgressView, Reasons, TaskPage, Tasks, TreeView};

/// How many events are read at a time.
const EVENTS_AT_ONCE: u32 = 1_000;
/// How often `log --follow` looks for more.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn whereabouts(session: &mut Session) -> Result<u8, Failure> {
    let queue = session.open()?;
    let info = queue.store.info();
    let found = Found {
        place: queue.located.place.clone(),
        found_by: queue.located.found_by,
        info,
    };
    session.out.answer(&found)?;
    Ok(0)
}

pub(super) fn list(session: &mut Session, args: List) -> Result<u8, Failure> {
    let queue = session.open()?;
    let sort = match args.sort {
        SortBy::Claim => Sort::Claim,
        SortBy::Seq => Sort::Seq,
        SortBy::Updated => Sort::Updated,
    };
    let wanted = ListTasks {
        scope: args.within.scope(),
        statuses: args.status,
        ready: args.ready,
        words: args
            .text
            .iter()
            .flat_map(|text| text.split_whitespace())
            .map(str::to_owned)
            .collect(),
        sort,
        after: args.after.map(|text| cursor(&text, sort)).transpose()?,
        limit: args.limit,
    };
    let page = queue.app().list(&wanted)?;
    let next_cursor = page.next.map(|next| cursor_text(next, sort));
    session.out.answer(&TaskPage {
        tasks: page.tasks,
        next_cursor,
    })?;
    Ok(0)
}

pub(super) fn ready(session: &mut Session, args: Ready) -> Result<u8, Failure> {
    let queue = session.open()?;
    let wanted = ListTasks {
        scope: args.within.scope(),
        ready: true,
        limit: args.limit,
        ..ListTasks::default()
    };
    session
        .out
        .answer(&Tasks(queue.app().list(&wanted)?.tasks))?;
    Ok(0)
}

pub(super) fn next(session: &mut Session, args: Next) -> Result<u8, Failure> {
    let queue = session.open()?;
    let view = queue.app().next(&args.within.scope())?;
    session.out.answer(&view)?;
    Ok(0)
}

pub(super) fn tree(session: &mut Session, args: Part) -> Result<u8, Failure> {
    let queue = session.open()?;
    let tree = queue.app().tree(args.id.as_deref())?;
    session.out.answer(&TreeView(tree))?;
    Ok(0)
}

pub(super) fn progress(session: &mut Session, args: Part) -> Result<u8, Failure> {
    let queue = session.open()?;
    let progress = queue.app().progress(args.id.as_deref())?;
    session.out.answer(&ProgressView(progress))?;
    Ok(0)
}

pub(super) fn show(session: &mut Session, id: &str) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_any(id)?;
    session.out.answer(whole(&queue, &id)?.as_ref())?;
    Ok(0)
}

/// `task show ID` and the like: the kind is known.
pub(super) fn show_kind(session: &mut Session, kind: EntityKind, id: &str) -> Result<u8, Failure> {
    let prefix = format!("{kind}:");
    let id = id.strip_prefix(prefix.as_str()).unwrap_or(id);
    show(session, &format!("{prefix}{id}"))
}

/// An item with all that belongs to it.
fn whole(queue: &Queue, id: &AnyId) -> Result<Box<dyn View>, Failure> {
    let app = queue.app();
    Ok(match id {
        AnyId::Task(id) => Box::new(Detail(app.task_detail(id)?)),
        AnyId::Epic(_) | AnyId::Feature(_) => {
            Box::new(view::Branch::of(app.tree(Some(&id.to_string()))?))
        }
        AnyId::Test(_) => match app.item(id)? {
            Item::Test(test) => Box::new(*test),
            other => Box::new(other),
        },
    })
}

pub(super) fn why(session: &mut Session, args: Why) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    session.out.answer(&Reasons(queue.app().why(&task)?))?;
    Ok(0)
}

pub(super) fn log(session: &mut Session, args: Log) -> Result<u8, Failure> {
    let queue = session.open()?;
    let entity = args.id.map(|id| queue.app().find_any(&id)).transpose()?;
    let mut filter = EventFilter {
        entity,
        after: args.since,
        limit: EVENTS_AT_ONCE,
    };
    if args.follow {
        return follow(session, &queue, filter);
    }
    let mut events = Vec::new();
    loop {
        let more = queue.app().events(&filter)?;
        let Some(last) = more.last() else { break };
        filter.after = last.seq;
        events.extend(more);
    }
    session.out.answer(&view::Log(events))?;
    Ok(0)
}

/// Tells what happens as it happens, until interrupted or until nobody reads any more.
fn follow(session: &mut Session, queue: &Queue, mut filter: EventFilter) -> Result<u8, Failure> {
    let interrupt =
        Interrupt::listen().map_err(|error| Failure::io("cannot listen to signals", &error))?;
    loop {
        let more = queue.app().events(&filter)?;
        for event in &more {
            session.out.item(event)?;
            filter.after = event.seq;
        }
        if more.is_empty() {
            interrupt.sleep(LOOK);
        }
        if let Some(status) = interrupt.exit_status() {
            return Ok(status);
        }
    }
}

/// The place in a list as text: the order it belongs to, and its two keys.
fn cursor_text(cursor: Cursor, sort: Sort) -> String {
    format!("{}:{}:{}", sort_word(sort), cursor.key, cursor.seq)
}

fn cursor(text: &str, sort: Sort) -> Result<Cursor, Failure> {
    let read = || {
        let mut parts = text.split(':');
        let word = parts.next()?;
        let cursor = Cursor {
            key: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
        };
        (word == sort_word(sort) && parts.next().is_none()).then_some(cursor)
    };
    read().ok_or_else(|| {
        Failure::usage(format!("{text:?} is not a cursor of a list in this order"))
            .with_hint("take the next_cursor of the list before, with the same --sort")
    })
}

const fn sort_word(sort: Sort) -> &'static str {
    match sort {
        Sort::Claim => "claim",
        Sort::Seq => "seq",
        Sort::Updated => "updated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for sort in [Sort::Claim, Sort::Seq, Sort::Updated] {
            let at = Cursor { key: -5, seq: 17 };
            assert_eq!(cursor(&cursor_text(at, sort), sort).unwrap(), at);
        }
        assert!(cursor("seq:0:1", Sort::Claim).is_err());
        assert!(cursor("claim:0:1:2", Sort::Claim).is_err());
    }
}
