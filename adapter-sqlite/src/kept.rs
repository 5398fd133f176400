//! What a connection keeps from one unit of work to the next.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tasq_ports::Access;

use crate::statement::statement;
use crate::tx::InHand;

statement! {
    /// Another number than before as soon as another connection, of whichever process, has committed anything.
    DataVersion {} -> BigInt = "PRAGMA data_version"
}

/// What the last write unit had in hand, if it was committed and nobody has committed anything since: what is stored.
///
/// That is known from SQLite, which goes by the same sign when it keeps pages of the file from one transaction to the next;
/// and it is asked within a transaction that writes, beside which nobody else can commit. Row ids are kept in any case.
#[derive(Default)]
pub(crate) struct Kept {
    hand: InHand,
    /// The number that the file had when that was committed; `None` if it was not.
    good_for: Option<i64>,
    /// The number that it had when the last write unit began, if that was asked.
    seen: Option<i64>,
    /// Whether there was a write unit. The first one has nothing to take over and mostly no successor, so it does not ask:
    /// a command has one.
    had_one: bool,
}

impl Kept {
    /// For a unit that has begun: what it has in hand from the start, and whether it is known that nobody has committed
    /// anything since the last write unit, so that nothing need be looked at again.
    pub(crate) fn take(
        &mut self,
        conn: &mut SqliteConnection,
        access: Access,
    ) -> QueryResult<(InHand, bool)> {
        if access == Access::Read {
            return Ok((InHand::with(std::mem::take(&mut self.hand.row_ids)), false));
        }
        let good_for = self.good_for.take();
        if !std::mem::replace(&mut self.had_one, true) {
            return Ok((std::mem::take(&mut self.hand), false));
        }
        let now: i64 = DataVersion::new().get_result(conn)?;
        self.seen = Some(now);
        let same = good_for == Some(now);
        if !same {
            self.hand.forget();
        }
        Ok((std::mem::take(&mut self.hand), same))
    }

    /// What a unit had in hand when it ended. Of a write unit that is worth nothing but its row ids, unless it is committed.
    pub(crate) fn put_back(&mut self, hand: InHand, access: Access) {
        match access {
            Access::Read => self.hand.row_ids = hand.row_ids,
            Access::Write => self.hand = hand,
        }
    }

    /// What was put back last was committed.
    pub(crate) fn committed(&mut self) {
        self.hand.keep();
        self.good_for = self.seen;
    }

    /// Something else than a unit of work is about to write.
    pub(crate) fn forget(&mut self) {
        self.good_for = None;
        self.hand.forget();
    }
}

#[cfg(test)]
impl Kept {
    pub(crate) fn row_id_of(&self, id: &tasq_domain::TaskId) -> Option<i64> {
        self.hand.row_ids.of(id)
    }

    /// What is kept of what the last write unit had in hand, if it was committed.
    pub(crate) fn hand(&self) -> Option<&InHand> {
        self.good_for.map(|_| &self.hand)
    }
}
