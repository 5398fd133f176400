//! Adding tasks, one or many in one unit.

use std::collections::HashSet;

use tasq_domain::ready::Scope;
use tasq_domain::{
    Dependency, Description, EventKind, FeatureId, JsonObject, Lane, Name, Priority, RetryBudget,
    Status, Task, TaskId, TestOwner, graph,
};
use tasq_ports::Inserted;

use crate::add_feature::{self, AddFeature};
use crate::add_test::{self, AddTest};
use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::find;
use crate::unit::Unit;
use crate::view::TaskView;

/// The feature of tasks that were added without one.
pub const INBOX: &str = "INBOX";

/// The test cases of a new task.
pub type AddTests = Vec<AddTest>;

/// What a new task is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddTask {
    /// Its id; a fresh one if absent.
    pub id: Option<TaskId>,
    /// What is to be done.
    pub description: Description,
    /// Its feature or lane, as typed; `None` puts it into [`INBOX`], which is made when it is missing.
    pub feature: Option<String>,
    /// Whether a feature that does not exist is made: id as given, default priority. A lane makes its feature.
    pub create_feature: bool,
    /// Its own priority; `None` for the lane's, or else its feature's.
    pub priority: Option<Priority>,
    /// The tasks it waits for, as typed; tasks added in the same unit count too.
    pub depends_on: Vec<String>,
    /// Its test cases.
    pub tests: AddTests,
    /// How many failures it may have.
    pub retry_budget: RetryBudget,
    /// Any keys.
    pub metadata: JsonObject,
}

impl App<'_> {
    /// Adds a task.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for its feature or a task it is to wait for (nothing is made then), [`AppError::Conflict`]
    /// if its id is taken, [`AppError::Cycle`] if it is to wait for itself.
    pub fn add_task(&self, new: &AddTask) -> Result<TaskView, AppError> {
        self.once("task add", new, |unit| {
            let id = self.insert_task(unit, new)?;
            depend_all(unit, &[(&id, &new.depends_on)])?;
            added(unit, &id, new)
        })
    }

    /// Adds many tasks, all or none. They may wait for each other in any order.
    ///
    /// # Errors
    /// As [`App::add_task`], and [`AppError::Cycle`].
    pub fn add_tasks(&self, new: &[AddTask]) -> Result<Vec<TaskView>, AppError> {
        self.once("tasks add", &new, |unit| {
            let ids = new
                .iter()
                .map(|new| self.insert_task(unit, new))
                .collect::<Result<Vec<_>, _>>()?;
            let wanted: Vec<_> = ids
                .iter()
                .zip(new)
                .map(|(id, new)| (id, &new.depends_on))
                .collect();
            depend_all(unit, &wanted)?;
            ids.iter()
                .zip(new)
                .map(|(id, new)| added(unit, id, new))
                .collect()
        })
    }

    fn insert_task(&self, unit: &mut Unit<'_>, new: &AddTask) -> Result<TaskId, AppError> {
        let (feature, own_priority) = self.place(unit, new)?;
        unit.watch_feature(&feature)?;
        unit.reopen_feature(&feature)?;
        let now = unit.now();
        let mut task = Task {
            seq: 0,
            id: TaskId::from_random(0),
            feature,
            description: new.description.clone(),
            own_priority,
            retry_budget: new.retry_budget,
            hold: None,
            source: None,
            metadata: new.metadata.clone(),
            created_at: now,
            updated_at: now,
            status: Status::Pending,
            blocked_reason: None,
            retries_used: 0,
            not_before: None,
            attempts: 0,
            lost_in_a_row: 0,
            claim: None,
            completed_at: None,
            proof: None,
        };
        loop {
            task.id = new
                .id
                .clone()
                .unwrap_or_else(|| TaskId::from_random(self.random_u32()));
            match (unit.tx.insert_task(&task)?, &new.id) {
                (Inserted::At(_), _) => break,
                (Inserted::Taken, Some(id)) => return Err(AppError::taken(id)),
                (Inserted::Taken, None) => (),
            }
        }
        let data = data!({
            "feature": task.feature.as_str(),
            "priority": task.own_priority.map(Priority::number),
            "status": task.status.as_str(),
        });
        unit.event(EventKind::Created, &task.id, data)?;
        for test in &new.tests {
            add_test::insert(unit, self, test, TestOwner::Task(task.id.clone()))?;
        }
        Ok(task.id)
    }

    /// The feature of a new task and the priority it carries.
    fn place(
        &self,
        unit: &mut Unit<'_>,
        new: &AddTask,
    ) -> Result<(FeatureId, Option<Priority>), AppError> {
        let Some(text) = &new.feature else {
            let inbox = FeatureId::new(INBOX).expect("a word is an id");
            if unit.tx.standing(&inbox)?.is_none() {
                self.make_feature(unit, &inbox, "Inbox")?;
            }
            return Ok((inbox, new.priority));
        };
        let found = if new.create_feature {
            find::feature_or_lane_to_the_letter(unit.tx, text)
        } else {
            find::feature_or_lane(unit.tx, text)
        };
        match found {
            Ok(Scope::Lane(lane)) => Ok((
                lane.feature.clone(),
                Some(lane_priority(&lane, new.priority)?),
            )),
            Ok(Scope::Feature(feature)) => Ok((feature, new.priority)),
            Ok(Scope::Queue | Scope::Epic(_) | Scope::Task(_)) => {
                unreachable!("a feature or a lane was looked for")
            }
            Err(AppError::NotFound { .. }) if new.create_feature => {
                let (id, priority) = match Lane::parse(text) {
                    Some(lane) => (
                        lane.feature.clone(),
                        Some(lane_priority(&lane, new.priority)?),
                    ),
                    None => (FeatureId::new(text.as_str())?, new.priority),
                };
                self.make_feature(unit, &id, id.as_str())?;
                Ok((id, priority))
            }
            Err(error) => Err(error),
        }
    }

    fn make_feature(
        &self,
        unit: &mut Unit<'_>,
        id: &FeatureId,
        name: &str,
    ) -> Result<(), AppError> {
        let new = AddFeature {
            id: Some(id.clone()),
            epic: None,
            name: Name::new(name)?,
            description: None,
            priority: Priority::default(),
            metadata: JsonObject::default(),
        };
        add_feature::insert(unit, self, &new, None)?;
        Ok(())
    }
}

/// A task that this unit added: what it waits for is known, and looked up only if there is something.
fn added(unit: &mut Unit<'_>, id: &TaskId, new: &AddTask) -> Result<TaskView, AppError> {
    if !new.depends_on.is_empty() {
        return TaskView::load(unit.tx, id);
    }
    Ok(TaskView {
        record: unit.task(id)?,
        depends_on: Vec::new(),
        waits_for: Vec::new(),
    })
}

fn lane_priority(lane: &Lane, asked: Option<Priority>) -> Result<Priority, AppError> {
    match asked {
        Some(asked) if asked != lane.priority => Err(AppError::usage(
            format!("priority {asked} does not go with the lane {lane}"),
            "leave --priority away, or name the feature itself",
        )),
        _ => Ok(lane.priority),
    }
}

/// Lets new tasks wait for others. Nothing older can wait for them yet, so a cycle would run through new tasks alone, and
/// one look at those finds it, however many they are.
fn depend_all(unit: &mut Unit<'_>, wanted: &[(&TaskId, &Vec<String>)]) -> Result<(), AppError> {
    let mut edges = Vec::new();
    for (task, on) in wanted {
        for text in *on {
            edges.push(((*task).clone(), find::task(unit.tx, text)?));
        }
    }
    let new: HashSet<&TaskId> = wanted.iter().map(|(task, _)| *task).collect();
    let among_new = edges.iter().filter(|(_, on)| new.contains(on));
    if let Some(path) = graph::any_cycle(among_new.map(|(task, on)| (task, on))) {
        return Err(AppError::Cycle(path));
    }
    for (task, on) in edges {
        unit.tx.insert_dependency(&Dependency { task, on })?;
    }
    Ok(())
}

/// Lets a task wait for another, unless that closes a cycle. `false` if it does already.
pub(crate) fn insert_dependency(
    unit: &mut Unit<'_>,
    task: &TaskId,
    on: &TaskId,
) -> Result<bool, AppError> {
    // A cycle runs through something that waits for `task`, so most edges need no search.
    if task == on || !unit.tx.dependents_of(task)?.is_empty() {
        let cycle = graph::cycle(task, on, |id| unit.tx.dependencies_of(id))?;
        if let Some(path) = cycle {
            return Err(AppError::Cycle(path));
        }
    }
    Ok(unit.tx.insert_dependency(&Dependency {
        task: task.clone(),
        on: on.clone(),
    })?)
}
