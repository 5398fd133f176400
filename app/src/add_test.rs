//! Adding a test case.

use tasq_domain::{
    CommandLine, Description, EventKind, JsonObject, TestCase, TestId, TestOwner, TestStatus,
};
use tasq_ports::Inserted;

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::find;
use crate::unit::Unit;

/// What a test case is to belong to, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerRef {
    /// A task.
    Task(String),
    /// A feature.
    Feature(String),
}

/// What a new test case is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddTest {
    /// Its id; a fresh one if absent.
    pub id: Option<TestId>,
    /// What is checked.
    pub description: Description,
    /// A `sh -c` line, or `None` for a manual check.
    pub command: Option<CommandLine>,
    /// Whether a manual check gates.
    pub required: bool,
    /// Any keys.
    pub metadata: JsonObject,
}

impl App<'_> {
    /// Adds a test case to a task or a feature.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for its owner, [`AppError::Conflict`] if its id is taken, [`AppError::Denied`] to a worker
    /// for its own task or feature.
    pub fn add_test(&self, owner: &OwnerRef, new: &AddTest) -> Result<TestCase, AppError> {
        self.once("test add", &(owner, new), |unit| {
            let owner = match owner {
                OwnerRef::Task(text) => TestOwner::Task(find::task(unit.tx, text)?),
                OwnerRef::Feature(text) => TestOwner::Feature(find::feature(unit.tx, text)?),
            };
            self.may_change_tests_of(unit, &owner)?;
            insert(unit, self, new, owner)
        })
    }
}

/// Inserts a test case with its event, under the id asked for or a fresh one.
pub(crate) fn insert(
    unit: &mut Unit<'_>,
    app: &App<'_>,
    new: &AddTest,
    owner: TestOwner,
) -> Result<TestCase, AppError> {
    let now = unit.now();
    if let TestOwner::Feature(feature) = &owner {
        unit.watch_feature(feature)?;
    }
    let mut test = TestCase {
        seq: 0,
        id: TestId::from_random(0),
        owner,
        description: new.description.clone(),
        command: new.command.clone(),
        required: new.required,
        status: TestStatus::Pending,
        last: None,
        source: None,
        created_at: now,
        updated_at: now,
        metadata: new.metadata.clone(),
    };
    loop {
        test.id = new
            .id
            .clone()
            .unwrap_or_else(|| TestId::from_random(app.random_u32()));
        match (unit.tx.insert_test(&test)?, &new.id) {
            (Inserted::At(seq), _) => {
                test.seq = seq;
                break;
            }
            (Inserted::Taken, Some(id)) => return Err(AppError::taken(id)),
            (Inserted::Taken, None) => (),
        }
    }
    let (kind, owner) = match &test.owner {
        TestOwner::Task(id) => ("task", id.as_str()),
        TestOwner::Feature(id) => ("feature", id.as_str()),
    };
    unit.event(
        EventKind::Created,
        &test.id,
        data!({ kind: owner, "gates": test.gates() }),
    )?;
    Ok(test)
}
