//! Rows by creation order and by id, and the indexes between them.
//!
//! Everything lies behind `Arc`s: cloning a table costs nothing, and only what is then written is copied.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tasq_domain::{
    Epic, EpicId, Feature, FeatureId, Status, StatusCounts, Task, TaskId, TestCase, TestId,
};
use tasq_ports::StoreError;

/// What has a `seq` and an id.
pub(crate) trait Row: Clone {
    type Id: Ord + Clone + std::fmt::Display;

    fn seq(&self) -> i64;
    fn set_seq(&mut self, seq: i64);
    fn id(&self) -> &Self::Id;
    fn id_text(&self) -> &str;
}

/// What an id begins with, as one number, so that sorting many does not look for each of them whenever it compares two.
/// No id has a byte of 0, so a shorter one comes first, as it should.
fn beginning(row: &impl Row) -> u128 {
    let id = row.id_text().as_bytes();
    let mut beginning = [0; size_of::<u128>()];
    let len = id.len().min(beginning.len());
    beginning[..len].copy_from_slice(&id[..len]);
    u128::from_be_bytes(beginning)
}

macro_rules! row {
    ($($row:ident, $id:ident;)*) => {$(
        impl Row for $row {
            type Id = $id;

            fn seq(&self) -> i64 {
                self.seq
            }

            fn set_seq(&mut self, seq: i64) {
                self.seq = seq;
            }

            fn id(&self) -> &$id {
                &self.id
            }

            fn id_text(&self) -> &str {
                self.id.as_str()
            }
        }
    )*};
}

row! {
    Epic, EpicId;
    Feature, FeatureId;
    Task, TaskId;
    TestCase, TestId;
}

/// The rows of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Table<R: Row> {
    rows: Arc<BTreeMap<i64, Arc<R>>>,
    ids: Arc<BTreeMap<R::Id, i64>>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: Arc::default(),
            ids: Arc::default(),
        }
    }
}

impl<R: Row> Table<R> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<R>> {
        self.rows.values()
    }

    pub(crate) fn after(&self, seq: i64) -> impl Iterator<Item = &Arc<R>> {
        self.rows
            .range((std::ops::Bound::Excluded(seq), std::ops::Bound::Unbounded))
            .map(|(_, row)| row)
    }

    pub(crate) fn by_id(&self) -> impl Iterator<Item = &R> {
        self.ids.values().map(|&seq| self.at(seq).as_ref())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &R::Id> {
        self.ids.keys()
    }

    pub(crate) fn seq_of(&self, id: &R::Id) -> Option<i64> {
        self.ids.get(id).copied()
    }

    /// The row of a `seq` that an index names.
    pub(crate) fn at(&self, seq: i64) -> &Arc<R> {
        self.rows
            .get(&seq)
            .expect("an index names only rows that exist")
    }

    pub(crate) fn find(&self, id: &R::Id) -> Option<&Arc<R>> {
        self.seq_of(id).map(|seq| self.at(seq))
    }

    /// The row, which must be there.
    pub(crate) fn must(&self, id: &R::Id) -> Result<&Arc<R>, StoreError> {
        self.find(id)
            .ok_or_else(|| broken(format!("{id} is missing")))
    }

    /// A table of these rows; they come back if not each number is higher than the one before, or an id is there twice.
    pub(crate) fn of(rows: Vec<R>) -> Result<Self, Vec<R>> {
        let mut last = 0;
        let rising = rows.iter().all(|row| {
            let before = std::mem::replace(&mut last, row.seq());
            row.seq() > before
        });
        let mut ids: Vec<(u128, &R)> = rows.iter().map(|row| (beginning(row), row)).collect();
        ids.sort_unstable_by(|(a, one), (b, other)| {
            a.cmp(b).then_with(|| one.id().cmp(other.id()))
        });
        if !rising || ids.windows(2).any(|two| two[0].1.id() == two[1].1.id()) {
            return Err(rows);
        }
        let ids = ids
            .into_iter()
            .map(|(_, row)| (row.id().clone(), row.seq()));
        Ok(Self {
            ids: Arc::new(ids.collect()),
            rows: Arc::new(
                rows.into_iter()
                    .map(|row| (row.seq(), Arc::new(row)))
                    .collect(),
            ),
        })
    }

    /// Adds a row and says its `seq`, or `None` if its id is taken. A `seq` of 0 becomes the next.
    pub(crate) fn add(&mut self, mut row: R) -> Result<Option<i64>, StoreError> {
        // A whole queue is read by this, so an id is looked for once, and a number that is the next not at all.
        let Entry::Vacant(place) = Arc::make_mut(&mut self.ids).entry(row.id().clone()) else {
            return Ok(None);
        };
        let last = self.rows.last_key_value().map(|(&last, _)| last);
        if row.seq() == 0 {
            row.set_seq(last.map_or(1, |last| last + 1));
        }
        let seq = row.seq();
        if last.is_some_and(|last| seq <= last) && self.rows.contains_key(&seq) {
            return Err(broken(format!(
                "{} cannot have the number {seq}: it is taken",
                row.id()
            )));
        }
        place.insert(seq);
        Arc::make_mut(&mut self.rows).insert(seq, Arc::new(row));
        Ok(Some(seq))
    }

    /// Puts another version of a row in its place.
    pub(crate) fn replace(&mut self, row: R) {
        Arc::make_mut(&mut self.rows).insert(row.seq(), Arc::new(row));
    }

    pub(crate) fn remove(&mut self, seq: i64) {
        if let Some(row) = Arc::make_mut(&mut self.rows).remove(&seq) {
            Arc::make_mut(&mut self.ids).remove(row.id());
        }
    }
}

/// Which rows belong to which: pairs of numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs(Arc<BTreeSet<(i64, i64)>>);

impl Pairs {
    /// These pairs, in any order.
    pub(crate) fn of_all(pairs: impl Iterator<Item = (i64, i64)>) -> Self {
        Self(Arc::new(pairs.collect()))
    }

    pub(crate) fn of(&self, left: i64) -> impl Iterator<Item = i64> {
        self.0
            .range((left, i64::MIN)..=(left, i64::MAX))
            .map(|&(_, right)| right)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.iter().copied()
    }

    pub(crate) fn insert(&mut self, left: i64, right: i64) -> bool {
        // Where nobody shares it there is nothing to save by looking first.
        match Arc::get_mut(&mut self.0) {
            Some(own) => own.insert((left, right)),
            None => {
                !self.0.contains(&(left, right)) && Arc::make_mut(&mut self.0).insert((left, right))
            }
        }
    }

    pub(crate) fn remove(&mut self, left: i64, right: i64) -> bool {
        self.0.contains(&(left, right)) && Arc::make_mut(&mut self.0).remove(&(left, right))
    }
}

/// How many children of a parent have which status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Arc<BTreeMap<i64, StatusCounts>>);

impl Counts {
    pub(crate) fn of_all(counts: BTreeMap<i64, StatusCounts>) -> Self {
        Self(Arc::new(counts))
    }

    pub(crate) fn of(&self, parent: i64) -> StatusCounts {
        self.0.get(&parent).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, parent: i64, status: Status) {
        Arc::make_mut(&mut self.0)
            .entry(parent)
            .or_default()
            .add(status);
    }

    pub(crate) fn take(&mut self, parent: i64, status: Status) {
        let counts = Arc::make_mut(&mut self.0).entry(parent).or_default();
        *match status {
            Status::Pending => &mut counts.pending,
            Status::InProgress => &mut counts.in_progress,
            Status::Completed => &mut counts.completed,
            Status::Blocked => &mut counts.blocked,
        } -= 1;
    }

    pub(crate) fn forget(&mut self, parent: i64) {
        Arc::make_mut(&mut self.0).remove(&parent);
    }
}

/// A fault of the caller, not of the store: the port allows no such call.
pub(crate) fn broken(what: String) -> StoreError {
    StoreError::Backend { what }
}
