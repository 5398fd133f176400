//! Tasks as JSON Lines, for `task add --from`.

use std::ffi::OsStr;

use tasq_app::{AddTask, AddTest, AppError};
use tasq_domain::{CommandLine, Description, JsonObject, Priority, RetryBudget, TaskId, TextError};
use tasq_formats::json::{JsonError, Limits, Node, ObjectNode, Value, lines, to_text};

use crate::args::items;
use crate::failure::Failure;
use crate::input::{self, MAX_FILE_BYTES};

const KEYS: [&str; 9] = [
    "id",
    "description",
    "feature",
    "create_feature",
    "priority",
    "depends_on",
    "tests",
    "retry_budget",
    "metadata",
];
const TEST_KEYS: [&str; 4] = ["description", "command", "required", "metadata"];

/// The tasks in a file, one object a line; flags give what a line leaves out.
pub(super) fn read(file: &OsStr, args: &items::AddTask) -> Result<Vec<AddTask>, Failure> {
    let (place, bytes) = input::file(file, MAX_FILE_BYTES)?;
    let mut tasks = Vec::new();
    for line in lines(&bytes, Limits::default()) {
        let document = line.map_err(|error| AppError::json(&place, &error))?;
        tasks.push(task(document.root(), args).map_err(|error| AppError::json(&place, &error))?);
    }
    Ok(tasks)
}

fn task(node: Node<'_>, args: &items::AddTask) -> Result<AddTask, JsonError> {
    let object = node.object()?;
    known(object, &KEYS)?;
    let depends_on = object.opt("depends_on").map(texts).transpose()?;
    let tests = object
        .opt("tests")
        .map(|list| list.array()?.map(test).collect::<Result<_, _>>())
        .transpose()?;
    Ok(AddTask {
        id: object
            .opt("id")
            .map(|id| checked(id, TaskId::new))
            .transpose()?,
        description: checked(object.required("description")?, Description::new)?,
        feature: match object.opt("feature") {
            Some(feature) => Some(feature.str()?.to_owned()),
            None => args.feature.clone(),
        },
        create_feature: match object.opt("create_feature") {
            Some(flag) => flag.bool()?,
            None => args.create_feature,
        },
        priority: object.opt("priority").map(priority).transpose()?,
        depends_on: depends_on.unwrap_or_default(),
        tests: tests.unwrap_or_default(),
        retry_budget: match object.opt("retry_budget") {
            Some(budget) => {
                let number = budget.i64_in(i64::MIN..=i64::MAX)?;
                RetryBudget::new(number).map_err(|error| budget.shape(error.to_string()))?
            }
            None => args.retry_budget,
        },
        metadata: metadata(object)?,
    })
}

fn test(node: Node<'_>) -> Result<AddTest, JsonError> {
    let object = node.object()?;
    known(object, &TEST_KEYS)?;
    Ok(AddTest {
        id: None,
        description: checked(object.required("description")?, Description::new)?,
        command: object
            .opt("command")
            .map(|line| checked(line, CommandLine::new))
            .transpose()?,
        required: object.opt("required").map_or(Ok(false), Node::bool)?,
        metadata: metadata(object)?,
    })
}

fn priority(node: Node<'_>) -> Result<Priority, JsonError> {
    let found = match node.value() {
        Value::Text(text) => text.parse(),
        _ => Priority::new(node.i64_in(i64::MIN..=i64::MAX)?),
    };
    found.map_err(|error| node.shape(error.to_string()))
}

fn metadata(object: ObjectNode<'_>) -> Result<JsonObject, JsonError> {
    let Some(node) = object.opt("metadata") else {
        return Ok(JsonObject::default());
    };
    node.object()?;
    JsonObject::new(to_text(node.value())).map_err(|error: TextError| node.shape(error.to_string()))
}

fn texts(list: Node<'_>) -> Result<Vec<String>, JsonError> {
    list.array()?
        .map(|item| Ok(item.str()?.to_owned()))
        .collect()
}

fn checked<T, E: std::fmt::Display>(
    node: Node<'_>,
    make: impl Fn(String) -> Result<T, E>,
) -> Result<T, JsonError> {
    node.parsed(|text| make(text.to_owned()))
}

/// A misspelled key would silently lose what it says.
fn known(object: ObjectNode<'_>, keys: &[&str]) -> Result<(), JsonError> {
    match object.unknown(keys).iter().next() {
        Some((key, _)) => {
            let node = object.get(key).unwrap_or(object.node());
            Err(node.shape(format!(
                "unknown key {key:?}: it is one of {}",
                keys.join(", ")
            )))
        }
        None => Ok(()),
    }
}
