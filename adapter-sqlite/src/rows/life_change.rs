//! What a step of a task's life changes, as a statement.

use std::borrow::Cow;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::task::LifeRow;

/// What a step of a task's life changes, and nothing else: SQLite maintains every index on a column that is set.
///
/// Its text follows from which columns differ, and which of them become NULL. The steps of every cycle are types of
/// their own, whose text is never put together again; of the others each kind has one or two, which stay prepared.
pub(crate) struct LifeChange<'a> {
    pub(crate) before: LifeRow<'a>,
    pub(crate) after: LifeRow<'a>,
    pub(crate) seq: i64,
}

impl LifeChange<'_> {
    /// Writes it; how many rows there were to write it to.
    pub(crate) fn execute(&self, conn: &mut SqliteConnection) -> QueryResult<usize> {
        macro_rules! usual {
            ($($step:ident),+ $(,)?) => {
                match self.what_is_set() {
                    $(
                        Set::$step => {
                            const COLUMNS: u32 = Set::$step.columns.0;
                            const NULLS: u32 = Set::$step.nulls.0;
                            SetColumns::<COLUMNS, NULLS>(self).execute(conn)
                        }
                    )+
                    set => SetAnyColumns(self, set).execute(conn),
                }
            };
        }
        usual!(
            CLAIMED,
            CLAIMED_BY_PROCESS,
            COMPLETED,
            COMPLETED_BY_PROCESS,
            EXTENDED
        )
    }
}

/// A set of columns of [`LifeRow`], a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns(u32);

/// What a change sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    /// The columns.
    columns: Columns,
    /// Those of them that become NULL, which the text says and nobody binds.
    nulls: Columns,
}

/// What a column holds, which may be NULL.
trait Value {
    fn is_null(&self) -> bool;
}

impl Value for i64 {
    fn is_null(&self) -> bool {
        false
    }
}

impl Value for Cow<'_, str> {
    fn is_null(&self) -> bool {
        false
    }
}

impl<T> Value for Option<T> {
    fn is_null(&self) -> bool {
        self.is_none()
    }
}

macro_rules! life_columns {
    ($($column:ident: $sql_type:ty),+ $(,)?) => {
        /// The number of each column's bit.
        #[expect(non_camel_case_types, reason = "they are called what the columns are called")]
        enum Bit { $($column),+ }

        impl LifeChange<'_> {
            fn what_is_set(&self) -> Set {
                let LifeRow { $($column),+ } = &self.after;
                let (mut columns, mut nulls) = (0, 0);
                $(
                    if self.before.$column != *$column {
                        let bit = 1 << Bit::$column as u32;
                        columns |= bit;
                        if $column.is_null() {
                            nulls |= bit;
                        }
                    }
                )+
                Set { columns: Columns(columns), nulls: Columns(nulls) }
            }

            fn set<'b>(&'b self, set: Set, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql("UPDATE tasks SET rev = rev + 1");
                let LifeRow { $($column),+ } = &self.after;
                $(
                    let bit = 1 << Bit::$column as u32;
                    if set.nulls.0 & bit != 0 {
                        out.push_sql(concat!(", ", stringify!($column), " = NULL"));
                    } else if set.columns.0 & bit != 0 {
                        out.push_sql(concat!(", ", stringify!($column), " = "));
                        out.push_bind_param::<$sql_type, _>($column)?;
                    }
                )+
                out.push_sql(" WHERE seq = ");
                out.push_bind_param::<BigInt, _>(&self.seq)
            }
        }
    };
}

life_columns! {
    updated_at: BigInt,
    status: Text,
    shelf: BigInt,
    blocked_reason: Nullable<Text>,
    retries_used: BigInt,
    not_before: Nullable<BigInt>,
    attempts: BigInt,
    lost_in_a_row: BigInt,
    claim_worker: Nullable<Text>,
    claim_attempt: Nullable<BigInt>,
    claim_nonce: Nullable<Text>,
    claim_started_at: Nullable<BigInt>,
    claim_lease: Nullable<BigInt>,
    lease_expires_at: Nullable<BigInt>,
    claim_place: Nullable<Text>,
    claim_pid: Nullable<BigInt>,
    claim_started_ticks: Nullable<BigInt>,
    cancel_by: Nullable<Text>,
    cancel_at: Nullable<BigInt>,
    completed_at: Nullable<BigInt>,
    proof: Nullable<Text>,
    proof_by: Nullable<Text>,
    proof_reason: Nullable<Text>,
}

macro_rules! columns {
    ($($column:ident),+ $(,)?) => { Columns($(1 << Bit::$column as u32)|+) };
}

impl Columns {
    const CLAIM: Self = columns![
        claim_worker,
        claim_attempt,
        claim_nonce,
        claim_started_at,
        claim_lease,
        lease_expires_at,
    ];
    const PROCESS: Self = columns![claim_place, claim_pid, claim_started_ticks];
    const NONE: Self = Self(0);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Set {
    const CLAIMED: Self = Self {
        columns: Columns::CLAIM.and(columns![updated_at, status, shelf, attempts]),
        nulls: Columns::NONE,
    };
    const CLAIMED_BY_PROCESS: Self = Self {
        columns: Self::CLAIMED.columns.and(Columns::PROCESS),
        nulls: Columns::NONE,
    };
    const COMPLETED: Self = Self {
        columns: Columns::CLAIM.and(columns![updated_at, status, completed_at, proof]),
        nulls: Columns::CLAIM,
    };
    const COMPLETED_BY_PROCESS: Self = Self {
        columns: Self::COMPLETED.columns.and(Columns::PROCESS),
        nulls: Columns::CLAIM.and(Columns::PROCESS),
    };
    const EXTENDED: Self = Self {
        columns: columns![lease_expires_at],
        nulls: Columns::NONE,
    };
}

/// Sets some columns, of which it is known which, and which of them become NULL.
struct SetColumns<'a, const COLUMNS: u32, const NULLS: u32>(&'a LifeChange<'a>);

impl<const COLUMNS: u32, const NULLS: u32> QueryId for SetColumns<'_, COLUMNS, NULLS> {
    type QueryId = SetColumns<'static, COLUMNS, NULLS>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const COLUMNS: u32, const NULLS: u32> RunQueryDsl<SqliteConnection>
    for SetColumns<'_, COLUMNS, NULLS>
{
}

impl<const COLUMNS: u32, const NULLS: u32> QueryFragment<Sqlite>
    for SetColumns<'_, COLUMNS, NULLS>
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let set = Set {
            columns: Columns(COLUMNS),
            nulls: Columns(NULLS),
        };
        self.0.set(set, out)
    }
}

/// Sets some columns.
struct SetAnyColumns<'a>(&'a LifeChange<'a>, Set);

impl QueryId for SetAnyColumns<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<SqliteConnection> for SetAnyColumns<'_> {}

impl QueryFragment<Sqlite> for SetAnyColumns<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.set(self.1, out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tasq_domain::life::{self, Completion, Gate, Grant, Writer};
    use tasq_domain::{Priority, Process, Task, TaskRecord, Worker};

    use super::*;
    use crate::tests::{at, task};

    /// What differs, as the store asks.
    fn differ(before: &Task, after: &Task) -> Set {
        let change = LifeChange {
            before: LifeRow::of(before),
            after: LifeRow::of(after),
            seq: 1,
        };
        change.what_is_set()
    }

    /// A rule that begins to change one more column takes a step off the fast way, and nothing else would tell.
    #[test]
    fn the_usual_steps_change_what_is_known_of_them() {
        let process = Process {
            place: "6f1c2b6e-1b7a-4d5e-8a70-0c1d2e3f4a5b/1/2".parse().unwrap(),
            pid: 3,
            started_ticks: 4,
        };
        for (process, claimed, completed) in [
            (None, Set::CLAIMED, Set::COMPLETED),
            (
                Some(process),
                Set::CLAIMED_BY_PROCESS,
                Set::COMPLETED_BY_PROCESS,
            ),
        ] {
            let fresh = TaskRecord {
                task: task("T", "F"),
                epic: None,
                priority: Priority::default(),
                open_dependencies: 0,
                held_above: false,
            };
            let grant = Grant {
                worker: Worker::new("ada").unwrap(),
                nonce: 5,
                lease: Duration::from_secs(60),
                process,
            };
            let (step, attempt) = life::claim(&fresh, grant, at(2)).unwrap();
            let held = step.task;
            assert_eq!(differ(&fresh.task, &held), claimed);
            let renewed = life::heartbeat(&held, attempt.token, None, at(3)).unwrap();
            assert_eq!(differ(&held, &renewed.task), Set::EXTENDED);
            let done = Completion {
                summary: None,
                override_reason: None,
                exit_code: None,
            };
            let writer = Writer::Holder(attempt.token);
            let step = life::complete(&held, &writer, &[], Gate::TestsOptional, done, at(4));
            assert_eq!(differ(&held, &step.unwrap().task), completed);
        }
    }
}
