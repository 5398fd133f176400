//! What a connection carries from one unit of work to the next.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tasq_ports::Access;

use crate::statement::statement;
use crate::tx::{InHand, RowIds};

statement! {
    /// Another number than before as soon as another connection, of whichever process, has committed anything.
    DataVersion {} -> BigInt = "PRAGMA data_version"
}

/// What the last write unit had in hand, if it was committed; it is what is stored, as long as nobody else commits anything.
///
/// Whether somebody has is known from SQLite, which goes by the same sign when it keeps pages of the file from one
/// transaction to the next; and it is asked within a transaction that writes, beside which nobody else can commit. Row ids
/// are carried whatever others do: they are hints.
#[derive(Default)]
pub(crate) struct Carried {
    row_ids: RowIds,
    /// Without row ids.
    hand: InHand,
    /// The number that the file has as long as the hand is right; `None`: the hand is empty.
    good_for: Option<i64>,
    /// The number that it had when the last write unit began, if that was asked.
    seen: Option<i64>,
    /// Whether there was a write unit. The first one has nothing to take over and mostly no successor, so it does not ask:
    /// a command has one.
    had_one: bool,
}

impl Carried {
    /// For a unit that has begun: what it has in hand from the start, and whether it is known that nobody has committed
    /// anything since the last write unit, so that nothing need be looked at again.
    pub(crate) fn take(
        &mut self,
        conn: &mut SqliteConnection,
        access: Access,
    ) -> QueryResult<(InHand, bool)> {
        let row_ids = std::mem::take(&mut self.row_ids);
        if access == Access::Read {
            return Ok((InHand::with(row_ids), false));
        }
        let hand = std::mem::take(&mut self.hand);
        let good_for = self.good_for.take();
        if !std::mem::replace(&mut self.had_one, true) {
            return Ok((InHand::with(row_ids), false));
        }
        let now: i64 = DataVersion::new().get_result(conn)?;
        self.seen = Some(now);
        let same = good_for == Some(now);
        let mut hand = if same { hand } else { InHand::default() };
        hand.row_ids = row_ids;
        Ok((hand, same))
    }

    /// The row ids of a unit that has ended, well or not.
    pub(crate) fn remember(&mut self, row_ids: RowIds) {
        self.row_ids = row_ids;
    }

    /// What the write unit that was committed just now had in hand.
    pub(crate) fn take_over(&mut self, mut hand: InHand) {
        if let Some(seen) = self.seen {
            hand.limit();
            self.hand = hand;
            self.good_for = Some(seen);
        }
    }

    /// Something else than a unit of work is about to write.
    pub(crate) fn forget(&mut self) {
        self.good_for = None;
        self.hand = InHand::default();
    }
}

#[cfg(test)]
impl Carried {
    pub(crate) const fn row_ids(&self) -> &RowIds {
        &self.row_ids
    }

    pub(crate) const fn hand(&self) -> &InHand {
        &self.hand
    }
}
