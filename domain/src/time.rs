//! Instants.

use std::fmt;
use std::time::Duration;

/// An instant in UTC, in microseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates, so it is total.
///
/// ```
/// use std::time::Duration;
/// use tasq_domain::Timestamp;
/// let at = Timestamp::from_micros(1_000_000);
/// assert_eq!(at.after(Duration::from_secs(2)).micros(), 3_000_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after (or, if negative, before) the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The instant `span` later; saturates at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// How long after `earlier` this is; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This instant, but never before `other`: within one item time does not run backwards.
    #[must_use]
    pub fn not_before(self, other: Self) -> Self {
        self.max(other)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}
