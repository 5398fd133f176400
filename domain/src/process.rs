//! Processes: who works on a claim, and from where one can tell that it is gone.
//!
//! A process id alone says little: ids are used again, and every machine, every restart of it and every container counts
//! for itself. So a process is known by its *place*, its id and its start, and only who stands at the same place may say
//! that it is gone. For everyone else the lease alone decides.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The groups of hex digits of a boot id, as the kernel writes it.
const BOOT_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// One start of one machine's kernel: the random number that it drew then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(u128);

/// Where process ids and their start times mean the same: one start of a machine, one pid namespace and one time
/// namespace.
///
/// ```
/// use tasq_domain::Place;
/// let text = "6f1c2b6e-1b7a-4d5e-8a70-0c1d2e3f4a5b/4026531836/4026531834";
/// let place: Place = text.parse().unwrap();
/// assert_eq!((place.pid_namespace, place.time_namespace), (4_026_531_836, 4_026_531_834));
/// assert_eq!(place.to_string(), text);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The start of the machine.
    pub boot: BootId,
    /// The number of the pid namespace.
    pub pid_namespace: u64,
    /// The number of the time namespace, by which start times are shifted.
    pub time_namespace: u64,
}

/// A text is not a place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found:?} is not a place of processes: it is <boot id>/<pid namespace>/<time namespace>")]
pub struct PlaceError {
    /// The text found.
    pub found: String,
}

/// One process, which no other is ever taken for.
///
/// ```
/// use tasq_domain::{Place, Process};
/// let place = |pid_namespace| Place { pid_namespace, ..PLACE.parse().unwrap() };
/// # const PLACE: &str = "6f1c2b6e-1b7a-4d5e-8a70-0c1d2e3f4a5b/4026531836/4026531834";
/// let worker = Process { place: place(1), pid: 300, started_ticks: 77_000 };
/// assert!(!worker.is_gone(&place(1), Some(77_000)), "it runs");
/// assert!(worker.is_gone(&place(1), None));
/// assert!(worker.is_gone(&place(1), Some(99_000)), "its id was used again");
/// assert!(!worker.is_gone(&place(2), None), "from a container nobody can tell");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Where its id and its start were seen.
    pub place: Place,
    /// Its id, as seen from there.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since the machine did, as seen from there.
    pub started_ticks: u64,
}

impl Process {
    /// Whether one who stands at `here` may judge that it is gone: only at the place where it was seen.
    #[must_use]
    pub fn judged_by(&self, here: &Place) -> bool {
        self.place == *here
    }

    /// Whether it is gone, as seen from `here`, where its pid now belongs to a process that started at `found`, or to
    /// none. A process that has ended and is only waited for is none.
    #[must_use]
    pub fn is_gone(&self, here: &Place, found: Option<u64>) -> bool {
        self.judged_by(here) && found != Some(self.started_ticks)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let mut rest = digits.as_str();
        for (nth, length) in BOOT_GROUPS.into_iter().enumerate() {
            let (group, after) = rest.split_at(length);
            let dash = if nth == 0 { "" } else { "-" };
            write!(f, "{dash}{group}")?;
            rest = after;
        }
        Ok(())
    }
}

impl FromStr for BootId {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let digits = text.replace('-', "");
        u128::from_str_radix(&digits, 16)
            .ok()
            .map(Self)
            .filter(|boot| boot.to_string() == text)
            .ok_or_else(|| PlaceError {
                found: text.to_owned(),
            })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            boot,
            pid_namespace,
            time_namespace,
        } = self;
        write!(f, "{boot}/{pid_namespace}/{time_namespace}")
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let read = || {
            let mut parts = text.splitn(3, '/');
            let place = Self {
                boot: parts.next()?.parse().ok()?,
                pid_namespace: parts.next()?.parse().ok()?,
                time_namespace: parts.next()?.parse().ok()?,
            };
            (place.to_string() == text).then_some(place)
        };
        read().ok_or_else(|| PlaceError {
            found: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "6f1c2b6e-1b7a-4d5e-8a70-0c1d2e3f4a5b";

    fn place(boot: &str, pid_namespace: u64, time_namespace: u64) -> Place {
        Place {
            boot: boot.parse().unwrap(),
            pid_namespace,
            time_namespace,
        }
    }

    #[test]
    fn only_the_same_boot_and_namespaces_may_judge() {
        let other_boot = "00000000-1b7a-4d5e-8a70-0c1d2e3f4a5b";
        let process = Process {
            place: place(BOOT, 1, 2),
            pid: 300,
            started_ticks: 5,
        };
        for (here, may) in [
            (place(BOOT, 1, 2), true),
            (place(other_boot, 1, 2), false),
            (place(BOOT, 3, 2), false),
            (place(BOOT, 1, 3), false),
            (place(BOOT, 2, 1), false),
        ] {
            assert_eq!(process.judged_by(&here), may, "{here}");
            for (found, gone) in [
                (None, true),
                (Some(4), true),
                (Some(6), true),
                (Some(5), false),
            ] {
                assert_eq!(
                    process.is_gone(&here, found),
                    may && gone,
                    "{here} {found:?}"
                );
            }
        }
    }

    #[test]
    fn only_the_exact_text_is_a_place() {
        let text = format!("{BOOT}/1/2");
        assert_eq!(text.parse(), Ok(place(BOOT, 1, 2)));
        let zeros = "00000000-0000-0000-0000-000000000000/0/0";
        assert_eq!(zeros.parse::<Place>().unwrap().to_string(), zeros);
        for bad in [
            "",
            BOOT,
            &format!("{BOOT}/1"),
            &format!("{BOOT}/1/2/3"),
            &format!("{BOOT}/01/2"),
            &format!("{BOOT}/+1/2"),
            &format!("{BOOT}/1/2\n"),
            &format!("{}/1/2", BOOT.to_ascii_uppercase()),
            &format!("{}/1/2", BOOT.replace('-', "")),
            &format!("{}/1/2", &BOOT[1..]),
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
