//! Making values fit together again that a merge or a hand took apart.
//!
//! Two branches that git merges line by line, and a person who edits one value of two, leave a task that breaks a rule of
//! its life ([`broken_invariant`](tasq_domain::life::broken_invariant)). Each of those rules has one outcome here, whoever
//! applies it, so that all who read a text see the same queue; the status is believed before what belongs to it. Nothing
//! else is mended: what has a wrong type or names what is not there is refused. Every outcome is told, by an import and
//! by `tasq doctor`; `docs/RELIABILITY.md` lists them all.

use std::collections::BTreeSet;

use tasq_domain::life::{POISON_AFTER, import_budget};
use tasq_domain::{Epic, Feature, Status, Task, TestCase};

/// The largest number of creation order that is read.
pub(super) const MAX_SEQ: i64 = 1 << 53;

/// What has a number of creation order.
pub(super) trait Seq {
    fn set_seq(&mut self, seq: i64);
    fn seq(&self) -> i64;
    fn name(&self) -> &str;
}

macro_rules! seq {
    ($($item:ident),*) => {$(
        impl Seq for $item {
            fn set_seq(&mut self, seq: i64) {
                self.seq = seq;
            }

            fn seq(&self) -> i64 {
                self.seq
            }

            fn name(&self) -> &str {
                self.id.as_str()
            }
        }
    )*};
}

seq!(Epic, Feature, Task, TestCase);

/// Gives every item a number of its own and sorts by it. Of several with the same number the first in the order of ids
/// keeps it; they and those without one get the next free ones. Items come in the order of their ids.
pub(super) fn number<T: Seq>(items: Vec<(Option<i64>, T)>, mended: &mut Vec<String>) -> Vec<T> {
    let mut taken: BTreeSet<i64> = items.iter().filter_map(|(seq, _)| *seq).collect();
    let mut held = BTreeSet::new();
    let after = taken.last().map_or(1, |last| last + 1);
    let mut next = after;
    let mut numbered: Vec<T> = Vec::with_capacity(items.len());
    for (seq, mut item) in items {
        let own = seq.filter(|&seq| held.insert(seq));
        let seq = own.unwrap_or_else(|| {
            if next > MAX_SEQ {
                next = 1;
            }
            while taken.contains(&next) {
                next += 1;
            }
            taken.insert(next);
            next
        });
        if own.is_none() {
            mended.push(format!("{} is number {seq} now", item.name()));
        }
        item.set_seq(seq);
        numbered.push(item);
    }
    numbered.sort_by_key(Seq::seq);
    numbered
}

/// No more retries are used than there are, and a task that somebody made pending is to be tried once more. Only such a
/// task waits for a time.
fn pending(task: &mut Task, note: &mut impl FnMut(&str)) {
    let used = u64::from(task.retries_used);
    let (kept, changed) = import_budget(used, task.retry_budget, task.status);
    if changed {
        note(if task.retries_used > task.retry_budget.number() {
            "no more retries are used than there are"
        } else {
            "pending, so it gets one try back"
        });
        task.retries_used = kept;
    }
    if task.status != Status::Pending {
        if task.not_before.take().is_some() {
            note("not pending, so it waits for no time");
        }
    } else if task.lost_in_a_row >= POISON_AFTER {
        task.lost_in_a_row = POISON_AFTER - 1;
        note("pending, so it may be lost once more");
    }
}

/// Makes what belongs to a status agree with it: the status is what a person edits, and what a merge decides on.
pub(super) fn task(task: &mut Task, mended: &mut Vec<String>) {
    let id = task.id.clone();
    let mut note = |what: &str| mended.push(format!("{id}: {what}"));
    if task.claim.is_some() && task.status != Status::InProgress {
        task.claim = None;
        note("not in progress, so nobody holds it");
    }
    if let Some(claim) = &task.claim
        && claim.token.attempt > task.attempts
    {
        task.attempts = claim.token.attempt;
        note("the open attempt counts as one");
    }
    if let Some(claim) = &task.claim
        && claim.token.attempt < task.attempts
    {
        task.claim = None;
        note("its claim is of an older attempt, so nobody holds it");
    }
    if let Some(claim) = &mut task.claim
        && claim.lease_expires_at < claim.started_at
    {
        claim.lease_expires_at = claim.started_at;
        note("its lease does not end before it began");
    }
    pending(task, &mut note);
    if task.updated_at < task.created_at {
        task.updated_at = task.created_at;
        note("it was not changed before it was made");
    }
    if task.blocked_reason.is_some() && task.status != Status::Blocked {
        task.blocked_reason = None;
        note("not blocked, so there is no reason for it");
    }
    if task.status == Status::Completed {
        if task.completed_at.is_none() {
            task.completed_at = Some(task.updated_at);
            note("completed when it was last changed");
        }
    } else if task.completed_at.is_some() || task.proof.is_some() {
        task.completed_at = None;
        task.proof = None;
        note("not completed, so there is no proof of it");
    }
}
