//! What a step of a task's life changes, as a statement.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::task::LifeRow;

/// What a step of a task's life changes, and nothing else: SQLite maintains every index on a column that is set.
///
/// Its text follows from which columns differ. The steps of every cycle are types of their own, whose text is never put
/// together again; of the others each kind has one or two, which stay prepared.
pub(crate) struct LifeChange {
    pub(crate) before: LifeRow,
    pub(crate) after: LifeRow,
    pub(crate) seq: i64,
}

impl LifeChange {
    /// Writes it; how many rows there were to write it to.
    pub(crate) fn execute(&self, conn: &mut SqliteConnection) -> QueryResult<usize> {
        match self.columns() {
            Columns::CLAIMED => SetColumns::<{ Columns::CLAIMED.0 }>(self).execute(conn),
            Columns::CLAIMED_BY_PROCESS => {
                SetColumns::<{ Columns::CLAIMED_BY_PROCESS.0 }>(self).execute(conn)
            }
            Columns::COMPLETED => SetColumns::<{ Columns::COMPLETED.0 }>(self).execute(conn),
            Columns::COMPLETED_BY_PROCESS => {
                SetColumns::<{ Columns::COMPLETED_BY_PROCESS.0 }>(self).execute(conn)
            }
            Columns::EXTENDED => SetColumns::<{ Columns::EXTENDED.0 }>(self).execute(conn),
            columns => SetAnyColumns(self, columns).execute(conn),
        }
    }
}

/// A set of columns of [`LifeRow`], a bit for each.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Columns(u32);

macro_rules! life_columns {
    ($($column:ident: $sql_type:ty),+ $(,)?) => {
        /// The number of each column's bit.
        #[expect(non_camel_case_types, reason = "they are called what the columns are called")]
        enum Bit { $($column),+ }

        impl LifeChange {
            /// Those that differ.
            fn columns(&self) -> Columns {
                let LifeRow { $($column),+ } = &self.after;
                let mut columns = 0;
                $(
                    if self.before.$column != *$column {
                        columns |= 1 << Bit::$column as u32;
                    }
                )+
                Columns(columns)
            }

            fn set<'b>(&'b self, columns: Columns, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql("UPDATE tasks SET rev = rev + 1");
                let LifeRow { $($column),+ } = &self.after;
                $(
                    if columns.0 & (1 << Bit::$column as u32) != 0 {
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
    const CLAIMED: Self = Self::CLAIM.and(columns![updated_at, status, shelf, attempts]);
    const CLAIMED_BY_PROCESS: Self = Self::CLAIMED.and(Self::PROCESS);
    const COMPLETED: Self = Self::CLAIM.and(columns![updated_at, status, completed_at, proof]);
    const COMPLETED_BY_PROCESS: Self = Self::COMPLETED.and(Self::PROCESS);
    const EXTENDED: Self = columns![lease_expires_at];

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Sets some columns, of which it is known which.
struct SetColumns<'a, const COLUMNS: u32>(&'a LifeChange);

impl<const COLUMNS: u32> QueryId for SetColumns<'_, COLUMNS> {
    type QueryId = SetColumns<'static, COLUMNS>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const COLUMNS: u32> RunQueryDsl<SqliteConnection> for SetColumns<'_, COLUMNS> {}

impl<const COLUMNS: u32> QueryFragment<Sqlite> for SetColumns<'_, COLUMNS> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.set(Columns(COLUMNS), out)
    }
}

/// Sets some columns.
struct SetAnyColumns<'a>(&'a LifeChange, Columns);

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
    fn differ(before: &Task, after: &Task) -> u32 {
        let change = LifeChange {
            before: LifeRow::of(before),
            after: LifeRow::of(after),
            seq: 1,
        };
        change.columns().0
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
            (None, Columns::CLAIMED, Columns::COMPLETED),
            (
                Some(process),
                Columns::CLAIMED_BY_PROCESS,
                Columns::COMPLETED_BY_PROCESS,
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
            assert_eq!(differ(&fresh.task, &held), claimed.0);
            let renewed = life::heartbeat(&held, attempt.token, None, at(3)).unwrap();
            assert_eq!(differ(&held, &renewed.task), Columns::EXTENDED.0);
            let done = Completion {
                summary: None,
                override_reason: None,
                exit_code: None,
            };
            let writer = Writer::Holder(attempt.token);
            let step = life::complete(&held, &writer, &[], Gate::TestsOptional, done, at(4));
            assert_eq!(differ(&held, &step.unwrap().task), completed.0);
        }
    }
}
