//! How many children have which status.

use std::ops::AddAssign;

use crate::status::Status;

/// The number of items in each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StatusCounts {
    /// Items that are pending.
    pub pending: u64,
    /// Items that are in progress.
    pub in_progress: u64,
    /// Items that are completed.
    pub completed: u64,
    /// Items that are blocked.
    pub blocked: u64,
}

/// Which statuses occur at all, which is what rollup needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Present {
    /// An item is pending.
    pub pending: bool,
    /// An item is in progress.
    pub in_progress: bool,
    /// An item is completed.
    pub completed: bool,
    /// An item is blocked.
    pub blocked: bool,
}

impl StatusCounts {
    /// All items.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pending + self.in_progress + self.completed + self.blocked
    }

    /// Counts one more item.
    pub fn add(&mut self, status: Status) {
        *self.of(status) += 1;
    }

    /// Which statuses occur.
    #[must_use]
    pub const fn present(&self) -> Present {
        Present {
            pending: self.pending > 0,
            in_progress: self.in_progress > 0,
            completed: self.completed > 0,
            blocked: self.blocked > 0,
        }
    }

    /// The completed share in percent, 0–100, rounded down so that 100 means all; 0 of nothing.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let total = u128::from(self.total());
        let percent = (u128::from(self.completed) * 100)
            .checked_div(total)
            .unwrap_or(0);
        u8::try_from(percent).unwrap_or(100)
    }

    fn of(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Pending => &mut self.pending,
            Status::InProgress => &mut self.in_progress,
            Status::Completed => &mut self.completed,
            Status::Blocked => &mut self.blocked,
        }
    }
}

impl AddAssign for StatusCounts {
    fn add_assign(&mut self, more: Self) {
        let Self {
            pending,
            in_progress,
            completed,
            blocked,
        } = more;
        self.pending += pending;
        self.in_progress += in_progress;
        self.completed += completed;
        self.blocked += blocked;
    }
}

impl FromIterator<Status> for StatusCounts {
    fn from_iter<I: IntoIterator<Item = Status>>(statuses: I) -> Self {
        let mut counts = Self::default();
        statuses.into_iter().for_each(|status| counts.add(status));
        counts
    }
}
