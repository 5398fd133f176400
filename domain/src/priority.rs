//! Priorities, and the lanes they make.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::id::FeatureId;

/// How urgent something is: 0 is the most urgent, 99 the least, 2 the default.
///
/// ```
/// use tasq_domain::Priority;
/// assert!(Priority::new(0).unwrap() < Priority::default());
/// assert!(Priority::new(100).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

/// A number or text is not a priority.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found} is not a priority: it is a number from 0 (most urgent) to 99")]
pub struct PriorityError {
    /// What was found.
    pub found: String,
}

impl Priority {
    /// The least urgent priority.
    pub const MAX: Self = Self(99);

    /// The priority with this number.
    ///
    /// # Errors
    /// If the number is not in 0–99.
    pub fn new(number: i64) -> Result<Self, PriorityError> {
        u8::try_from(number)
            .ok()
            .filter(|&number| number <= Self::MAX.0)
            .map(Self)
            .ok_or_else(|| PriorityError {
                found: number.to_string(),
            })
    }

    /// The number, 0–99.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(2)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Priority {
    type Err = PriorityError;

    /// Reads a number, with or without a leading `P`.
    fn from_str(text: &str) -> Result<Self, PriorityError> {
        let digits = text.strip_prefix(['P', 'p']).unwrap_or(text);
        let known = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        known
            .then(|| digits.parse().ok())
            .flatten()
            .and_then(|number| Self::new(number).ok())
            .ok_or_else(|| PriorityError {
                found: format!("{text:?}"),
            })
    }
}

/// The tasks of one feature that have one effective priority, named `FEATURE-P0`. Derived, never stored.
///
/// ```
/// use tasq_domain::Lane;
/// let lane = Lane::parse("FEAT-001-P0").unwrap();
/// assert_eq!((lane.feature.as_str(), lane.priority.number()), ("FEAT-001", 0));
/// assert!(Lane::parse("FEAT-001").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The feature.
    pub feature: FeatureId,
    /// The effective priority.
    pub priority: Priority,
}

impl Lane {
    /// Reads a lane's name; `None` if the text does not have the form of one. A real feature of that id wins over the
    /// lane, which is for the caller to see to.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at = text
            .len()
            .checked_sub(text.bytes().rev().take_while(u8::is_ascii_digit).count())?;
        let digits = &text[at..];
        let feature = text[..at]
            .strip_suffix("-P")
            .or_else(|| text[..at].strip_suffix("-p"))?;
        let canonical = digits == "0" || !digits.starts_with('0');
        let priority = canonical.then(|| digits.parse().ok()).flatten()?;
        Some(Self {
            feature: FeatureId::new(feature).ok()?,
            priority,
        })
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-P{}", self.feature, self.priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_numbers_from_0_to_99() {
        for good in ["0", "99", "P0", "p7"] {
            assert!(good.parse::<Priority>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "P",
            "-1",
            "100",
            "1.0",
            "high",
            "+1",
            " 1",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<Priority>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lane_and_its_name_agree() {
        for name in ["FEAT-001-P0", "x-P99", "A-P1-P2"] {
            assert_eq!(Lane::parse(name).unwrap().to_string(), name);
        }
        for not in [
            "FEAT-001", "-P0", "F-P", "F-P100", "F-P00", "F-P07", "FP0", "P0", "",
        ] {
            assert_eq!(Lane::parse(not), None, "{not}");
        }
    }
}
