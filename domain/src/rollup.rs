//! How a parent's status follows from its children: the only statement of the rule.

use crate::counts::Present;
use crate::status::Status;

/// The status that a parent's children give it, or `None` if they give none and the status a person gave it stands.
///
/// - `children`: which statuses occur among the children;
/// - `gate_open`: whether a gating test case of the parent's own is *not* passing (features only);
/// - `on_hold`: whether a person has put this very parent on hold.
///
/// The first match wins:
/// 1. on hold → blocked
/// 2. no children → nothing to derive
/// 3. all children completed → completed, or in progress while the gate is open
/// 4. every child that is not completed is blocked → blocked
/// 5. any child in progress or completed → in progress
/// 6. otherwise → pending
///
/// ```
/// use tasq_domain::{rollup::roll_up, Present, Status};
/// let half = Present { pending: true, completed: true, ..Present::default() };
/// assert_eq!(roll_up(half, false, false), Some(Status::InProgress));
/// assert_eq!(roll_up(half, false, true), Some(Status::Blocked));
/// assert_eq!(roll_up(Present::default(), false, false), None);
/// ```
#[must_use]
pub const fn roll_up(children: Present, gate_open: bool, on_hold: bool) -> Option<Status> {
    let Present {
        pending,
        in_progress,
        completed,
        blocked,
    } = children;
    if on_hold {
        Some(Status::Blocked)
    } else if !pending && !in_progress && !completed && !blocked {
        None
    } else if !pending && !in_progress && !blocked {
        Some(if gate_open {
            Status::InProgress
        } else {
            Status::Completed
        })
    } else if !pending && !in_progress {
        Some(Status::Blocked)
    } else if in_progress || completed {
        Some(Status::InProgress)
    } else {
        Some(Status::Pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Blocked, Completed, InProgress, Pending};

    fn present(statuses: &[Status]) -> Present {
        statuses
            .iter()
            .copied()
            .collect::<crate::StatusCounts>()
            .present()
    }

    #[test]
    fn every_set_of_children_has_its_status() {
        let table: [(&[Status], Option<Status>); 16] = [
            (&[], None),
            (&[Pending], Some(Pending)),
            (&[InProgress], Some(InProgress)),
            (&[Completed], Some(Completed)),
            (&[Blocked], Some(Blocked)),
            (&[Pending, InProgress], Some(InProgress)),
            (&[Pending, Completed], Some(InProgress)),
            (&[Pending, Blocked], Some(Pending)),
            (&[InProgress, Completed], Some(InProgress)),
            (&[InProgress, Blocked], Some(InProgress)),
            (&[Completed, Blocked], Some(Blocked)),
            (&[Pending, InProgress, Completed], Some(InProgress)),
            (&[Pending, InProgress, Blocked], Some(InProgress)),
            (&[Pending, Completed, Blocked], Some(InProgress)),
            (&[InProgress, Completed, Blocked], Some(InProgress)),
            (&[Pending, InProgress, Completed, Blocked], Some(InProgress)),
        ];
        for (children, expected) in table {
            assert_eq!(
                roll_up(present(children), false, false),
                expected,
                "{children:?}"
            );
            assert_eq!(
                roll_up(present(children), false, true),
                Some(Blocked),
                "{children:?} on hold"
            );
        }
    }

    #[test]
    fn an_open_gate_matters_only_when_all_children_are_completed() {
        for bits in 0_u8..16 {
            let children = Present {
                pending: bits & 1 != 0,
                in_progress: bits & 2 != 0,
                completed: bits & 4 != 0,
                blocked: bits & 8 != 0,
            };
            let expected = if bits == 4 {
                Some(InProgress)
            } else {
                roll_up(children, false, false)
            };
            assert_eq!(roll_up(children, true, false), expected, "{children:?}");
        }
    }
}
