//! What a unit of work only adds: events, and attempts that begin. They are kept in order and written several at a time,
//! because what a statement costs beside its rows is more than a row; at the latest before anybody reads them, and
//! before the commit.

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};
use tasq_domain::{AnyId, Attempt, Event};

use super::history::{self, NextEvent};
use crate::error::Fault;
use crate::rows::history::AttemptRow;

/// What is not written yet.
#[derive(Default)]
pub(crate) struct Ledger {
    events: Vec<EventLine>,
    attempts: Vec<AttemptRow>,
    /// The next event's number, once it is known.
    next_event: Option<i64>,
    /// The newest event that is found by its item or among those that are looked through, if others came since.
    entered: Option<i64>,
}

struct EventLine {
    seq: i64,
    at: i64,
    entity_seq: i64,
    event: Event,
}

/// How many lines one statement writes at the most.
const MOST: usize = 16;

impl Ledger {
    pub(crate) const fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    #[cfg(test)]
    pub(crate) const fn next_event(&self) -> Option<i64> {
        self.next_event
    }

    pub(crate) const fn is_written_out(&self) -> bool {
        self.events.is_empty() && self.attempts.is_empty()
    }

    pub(crate) fn write_out(&mut self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        self.write_events(conn)?;
        self.write_attempts(conn)
    }

    /// Appends an event, whose item has the number `entity_seq`, and returns its number.
    pub(crate) fn append_event(
        &mut self,
        conn: &mut SqliteConnection,
        entity_seq: i64,
        event: &Event,
    ) -> Result<i64, Fault> {
        let free: i64 = match self.next_event {
            Some(free) => free,
            None => {
                self.write_events(conn)?;
                NextEvent::new().get_result(conn)?
            }
        };
        self.entered.get_or_insert(free - 1);
        let seq = match event.seq {
            0 => free,
            seq if seq >= free => seq,
            seq => {
                return Err(Fault::misuse(format!(
                    "event {seq} cannot be appended after event {}",
                    free - 1
                )));
            }
        };
        if self.events.len() == MOST {
            self.append_events(conn)?;
        }
        self.events.push(EventLine {
            seq,
            at: event.at.micros(),
            entity_seq,
            event: event.clone(),
        });
        self.next_event = seq.checked_add(1);
        Ok(seq)
    }

    /// Inserts an attempt at the task of this number.
    pub(crate) fn insert_attempt(
        &mut self,
        conn: &mut SqliteConnection,
        task_seq: i64,
        attempt: &Attempt,
    ) -> Result<(), Fault> {
        let row = AttemptRow::of(attempt, task_seq);
        if !row.is_open() {
            self.write_attempts(conn)?;
            return history::insert_attempt(conn, &row);
        }
        if self.attempts.len() == MOST {
            self.write_attempts(conn)?;
        }
        self.attempts.push(row);
        Ok(())
    }

    /// Writes the events, to which it does not matter who follows them.
    pub(crate) fn write_events(&mut self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        let newest = self.events.last().map(|line| line.seq);
        self.append_events(conn)?;
        if let (Some(before), Some(newest)) = (self.entered, newest) {
            history::enter_events(conn, before, newest)?;
            self.entered = Some(newest);
        }
        Ok(())
    }

    fn append_events(&mut self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        let alike = |one: &EventLine, next: &EventLine| {
            one.seq.checked_add(1) == Some(next.seq)
                && (next.at, &next.event.actor) == (one.at, &one.event.actor)
                && next.event.entity.kind() == one.event.entity.kind()
        };
        for run in self.events.chunk_by(alike) {
            in_pieces(run, |piece| match piece {
                Piece::Sixteen(lines) => AppendEvents(lines).execute(conn),
                Piece::Four(lines) => AppendEvents(lines).execute(conn),
                Piece::Two(lines) => AppendEvents(lines).execute(conn),
                Piece::One(lines) => AppendEvents(lines).execute(conn),
            })?;
        }
        self.events.clear();
        Ok(())
    }

    /// Writes the attempts.
    pub(crate) fn write_attempts(&mut self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        let alike = |one: &AttemptRow, next: &AttemptRow| {
            (next.started_at, &next.worker) == (one.started_at, &one.worker)
        };
        for run in self.attempts.chunk_by(alike) {
            in_pieces(run, |piece| match piece {
                Piece::Sixteen(rows) => OpenAttempts(rows).execute(conn),
                Piece::Four(rows) => OpenAttempts(rows).execute(conn),
                Piece::Two(rows) => OpenAttempts(rows).execute(conn),
                Piece::One(rows) => OpenAttempts(rows).execute(conn),
            })?;
        }
        self.attempts.clear();
        Ok(())
    }
}

/// So many lines as there are statements for: a text for each number of them would be prepared once and hardly ever used.
enum Piece<'a, T> {
    Sixteen(&'a [T; MOST]),
    Four(&'a [T; 4]),
    Two(&'a [T; 2]),
    One(&'a [T; 1]),
}

fn in_pieces<T>(
    lines: &[T],
    mut write: impl FnMut(Piece<'_, T>) -> QueryResult<usize>,
) -> QueryResult<()> {
    let mut rest = lines;
    loop {
        let piece;
        (piece, rest) = if let Some((first, rest)) = rest.split_first_chunk() {
            (Piece::Sixteen(first), rest)
        } else if let Some((first, rest)) = rest.split_first_chunk() {
            (Piece::Four(first), rest)
        } else if let Some((first, rest)) = rest.split_first_chunk() {
            (Piece::Two(first), rest)
        } else if let Some((first, rest)) = rest.split_first_chunk() {
            (Piece::One(first), rest)
        } else {
            return Ok(());
        };
        write(piece)?;
    }
}

/// Appends events that follow each other, of one time and one actor, about items of one kind: each after the first binds
/// only what is its own.
struct AppendEvents<'a, const N: usize>(&'a [EventLine; N]);

/// How each line after the first begins: with its number, counted from the first one's.
const FOLLOWING_EVENT: [&str; MOST - 1] = following_events();

const fn following_events() -> [&'static str; MOST - 1] {
    macro_rules! lines {
        ($($number:literal)*) => { [$(concat!("), (?1 + ", $number, ", ?2, ?3, ?4, ")),*] };
    }
    lines!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}

impl<const N: usize> QueryId for AppendEvents<'_, N> {
    type QueryId = AppendEvents<'static, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize> RunQueryDsl<SqliteConnection> for AppendEvents<'_, N> {}

impl<const N: usize> QueryFragment<Sqlite> for AppendEvents<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO events (seq, at, actor, entity_kind, kind, entity_id, entity_seq, data) VALUES (",
        );
        for (number, line) in self.0.iter().enumerate() {
            let Event {
                seq: _,
                at: _,
                actor,
                kind,
                entity,
                data,
            } = &line.event;
            if let Some(before) = number.checked_sub(1) {
                out.push_sql(FOLLOWING_EVENT[before]);
            } else {
                out.push_bind_param::<BigInt, _>(&line.seq)?;
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(&line.at)?;
                out.push_sql(", ");
                out.push_bind_param::<Text, _>(actor.as_str())?;
                out.push_sql(", ");
                out.push_bind_param::<Text, _>(entity.kind().as_str())?;
                out.push_sql(", ");
            }
            out.push_bind_param::<Text, _>(kind.as_str())?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(AnyId::as_str(entity))?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&line.entity_seq)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(data.as_str())?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Opens attempts of one worker that begin at one time.
struct OpenAttempts<'a, const N: usize>(&'a [AttemptRow; N]);

impl<const N: usize> QueryId for OpenAttempts<'_, N> {
    type QueryId = OpenAttempts<'static, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize> RunQueryDsl<SqliteConnection> for OpenAttempts<'_, N> {}

impl<const N: usize> QueryFragment<Sqlite> for OpenAttempts<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("INSERT INTO attempts (worker, started_at, task_seq, number, nonce) VALUES (");
        for (number, row) in self.0.iter().enumerate() {
            if number > 0 {
                out.push_sql("), (?1, ?2, ");
            } else {
                out.push_bind_param::<Text, _>(&row.worker)?;
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(&row.started_at)?;
                out.push_sql(", ");
            }
            out.push_bind_param::<BigInt, _>(&row.task_seq)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.number)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&row.nonce)?;
        }
        out.push_sql(")");
        Ok(())
    }
}
