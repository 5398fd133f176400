//! Dependencies: exact refusal of cycles.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::id::TaskId;

/// The shortest path of dependencies from `from` to `to`, both included, or `None` if there is none.
///
/// `dependencies` gives what a task waits for. Breadth first and without recursion, so a chain of any length is fine;
/// each task is asked for once.
///
/// # Errors
/// Whatever `dependencies` fails with.
///
/// ```
/// use tasq_domain::{graph::path, TaskId};
/// let id = |text: &str| TaskId::new(text).unwrap();
/// let on = |task: &TaskId| Ok::<_, ()>(if task.as_str() == "a" { vec![id("b")] } else { vec![] });
/// assert_eq!(path(&id("a"), &id("b"), on), Ok(Some(vec![id("a"), id("b")])));
/// ```
pub fn path<E>(
    from: &TaskId,
    to: &TaskId,
    mut dependencies: impl FnMut(&TaskId) -> Result<Vec<TaskId>, E>,
) -> Result<Option<Vec<TaskId>>, E> {
    let mut came_from: HashMap<TaskId, TaskId> = HashMap::new();
    let mut seen: HashSet<TaskId> = HashSet::from([from.clone()]);
    let mut queue = VecDeque::from([from.clone()]);
    while let Some(task) = queue.pop_front() {
        if task == *to {
            return Ok(Some(walk_back(task, &came_from)));
        }
        for next in dependencies(&task)? {
            if seen.insert(next.clone()) {
                came_from.insert(next.clone(), task.clone());
                queue.push_back(next);
            }
        }
    }
    Ok(None)
}

/// The cycle that letting `task` wait for `on` would close, from `task` back to `task`, or `None` if it closes none.
///
/// # Errors
/// Whatever `dependencies` fails with.
pub fn cycle<E>(
    task: &TaskId,
    on: &TaskId,
    dependencies: impl FnMut(&TaskId) -> Result<Vec<TaskId>, E>,
) -> Result<Option<Vec<TaskId>>, E> {
    let back = path(on, task, dependencies)?;
    Ok(back.map(|back| std::iter::once(task.clone()).chain(back).collect()))
}

/// Some cycle in a whole graph, first task repeated at the end, or `None` if there is none.
///
/// Removes tasks that wait for nothing until only cycles and what leads to them is left, so it takes time in
/// proportion to the graph.
#[must_use]
pub fn any_cycle<'a>(
    edges: impl IntoIterator<Item = (&'a TaskId, &'a TaskId)>,
) -> Option<Vec<TaskId>> {
    let mut on: HashMap<&TaskId, Vec<&TaskId>> = HashMap::new();
    let mut waiting: HashMap<&TaskId, Vec<&TaskId>> = HashMap::new();
    for (task, prerequisite) in edges {
        on.entry(task).or_default().push(prerequisite);
        on.entry(prerequisite).or_default();
        waiting.entry(prerequisite).or_default().push(task);
    }
    let mut open: HashMap<&TaskId, usize> =
        on.iter().map(|(&task, list)| (task, list.len())).collect();
    let mut free: Vec<&TaskId> = open
        .iter()
        .filter(|&(_, &count)| count == 0)
        .map(|(&task, _)| task)
        .collect();
    while let Some(task) = free.pop() {
        open.remove(task);
        for &waiter in waiting.get(task).into_iter().flatten() {
            if let Some(count) = open.get_mut(waiter) {
                *count -= 1;
                if *count == 0 {
                    free.push(waiter);
                }
            }
        }
    }
    // Every task left waits for another that is left, so walking on must come round.
    let mut task = *open.keys().min()?;
    let mut walked: Vec<&TaskId> = Vec::new();
    let mut place: HashMap<&TaskId, usize> = HashMap::new();
    loop {
        if let Some(&start) = place.get(task) {
            let cycle = walked[start..].iter().copied().chain([task]).cloned();
            return Some(cycle.collect());
        }
        place.insert(task, walked.len());
        walked.push(task);
        task = on
            .get(task)?
            .iter()
            .copied()
            .filter(|next| open.contains_key(next))
            .min()?;
    }
}

fn walk_back(end: TaskId, came_from: &HashMap<TaskId, TaskId>) -> Vec<TaskId> {
    let mut path = vec![end];
    while let Some(previous) = path.last().and_then(|task| came_from.get(task)) {
        path.push(previous.clone());
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> TaskId {
        TaskId::new(format!("T{n}")).unwrap()
    }

    #[test]
    fn a_task_that_waits_for_itself_is_the_shortest_cycle() {
        let found = cycle(&id(1), &id(1), |_| Ok::<_, ()>(vec![])).unwrap();
        assert_eq!(found, Some(vec![id(1), id(1)]));
    }

    #[test]
    fn a_chain_of_100_000_is_walked_on_a_small_stack() {
        let walk = || {
            let next = |task: &TaskId| {
                let n: usize = task.as_str()[1..].parse().unwrap();
                Ok::<_, ()>(if n < 100_000 { vec![id(n + 1)] } else { vec![] })
            };
            cycle(&id(100_000), &id(0), next).unwrap().unwrap().len()
        };
        let length = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(walk)
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(length, 100_002);
    }

    #[test]
    fn the_shortest_of_two_cycles_is_named() {
        let on = |task: &TaskId| {
            Ok::<_, ()>(match task.as_str() {
                "T2" => vec![id(3), id(1)],
                "T3" => vec![id(1)],
                _ => vec![],
            })
        };
        assert_eq!(
            cycle(&id(1), &id(2), on).unwrap(),
            Some(vec![id(1), id(2), id(1)])
        );
    }

    #[test]
    fn a_cycle_in_a_whole_graph_is_found_and_a_diamond_is_none() {
        let diamond = [
            (id(1), id(2)),
            (id(1), id(3)),
            (id(2), id(4)),
            (id(3), id(4)),
        ];
        assert_eq!(any_cycle(diamond.iter().map(|(a, b)| (a, b))), None);
        let ring = [
            (id(1), id(2)),
            (id(2), id(3)),
            (id(3), id(2)),
            (id(4), id(1)),
        ];
        assert_eq!(
            any_cycle(ring.iter().map(|(a, b)| (a, b))),
            Some(vec![id(2), id(3), id(2)])
        );
        assert_eq!(any_cycle([(&id(1), &id(1))]), Some(vec![id(1), id(1)]));
    }
}
