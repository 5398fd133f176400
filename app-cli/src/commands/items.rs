//! Making and changing epics, features, tasks and test cases.

use tasq_app::{
    AddEpic, AddFeature, AddTask, AddTest, AppError, EditEpic, EditFeature, EditTask, EditTest,
    NewQueue, OwnerRef,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::{CommandLine, Description, EntityKind, JsonObject, Reason};

use super::{lines, views};
use crate::args::items::{self as args, EpicCommand, FeatureCommand, TaskCommand, TestCommand};
use crate::discover::{self, Place, SQLITE_FILE};
use crate::failure::Failure;
use crate::input;
use crate::session::{IDS, Session};
use crate::stores;
use crate::view::{Deleted, Made, Several};

/// How many test cases are read at a time.
const TESTS_AT_ONCE: u32 = 1_000;

pub(super) fn init(session: &mut Session, args: args::Init) -> Result<u8, Failure> {
    let place = match discover::named_place(session.global.store.as_deref())? {
        Some(place) => place,
        None => {
            let (folder, elsewhere) = discover::new_folder()?;
            if elsewhere {
                session.out.warn(format!(
                    "this is a work tree of git, and the queue is shared with its main checkout: {}",
                    folder.display()
                ));
            }
            Place::Sqlite(folder.join(SQLITE_FILE))
        }
    };
    let name = match args.name {
        Some(name) => name,
        None => stores::default_name(&place)?,
    };
    let new = NewQueue {
        name,
        require_tests: args.require_tests,
        backoff: Backoff::default(),
    };
    let settings = new.settings(&IDS)?;
    let name = settings.name.clone();
    stores::create(&place, &settings, session.terms())?;
    session.out.answer(&Made { place, name })?;
    Ok(0)
}

pub(super) fn epic(session: &mut Session, command: EpicCommand) -> Result<u8, Failure> {
    match command {
        EpicCommand::Add(args) => add_epic(session, args),
        EpicCommand::List => {
            let items = session.open()?.app().epics()?;
            session.out.answer(&Several {
                name: "epics",
                items,
            })?;
            Ok(0)
        }
        EpicCommand::Show(named) => views::show_kind(session, EntityKind::Epic, &named.id),
        EpicCommand::Edit(args) => edit_epic(session, args),
        EpicCommand::Rm(args) => remove(session, EntityKind::Epic, args),
    }
}

pub(super) fn feature(session: &mut Session, command: FeatureCommand) -> Result<u8, Failure> {
    match command {
        FeatureCommand::Add(args) => add_feature(session, args),
        FeatureCommand::List(args) => {
            let items = session.open()?.app().features(args.epic.as_deref())?;
            session.out.answer(&Several {
                name: "features",
                items,
            })?;
            Ok(0)
        }
        FeatureCommand::Show(named) => views::show_kind(session, EntityKind::Feature, &named.id),
        FeatureCommand::Edit(args) => edit_feature(session, args),
        FeatureCommand::Rm(args) => remove(session, EntityKind::Feature, args),
    }
}

pub(super) fn task(session: &mut Session, command: TaskCommand) -> Result<u8, Failure> {
    match command {
        TaskCommand::Add(args) => add_task(session, args),
        TaskCommand::List(args) => views::list(session, args),
        TaskCommand::Show(named) => views::show_kind(session, EntityKind::Task, &named.id),
        TaskCommand::Edit(args) => edit_task(session, args),
        TaskCommand::Rm(args) => remove(session, EntityKind::Task, args),
    }
}

pub(super) fn test(session: &mut Session, command: TestCommand) -> Result<u8, Failure> {
    match command {
        TestCommand::Add(args) => add_test(session, args),
        TestCommand::List(args) => list_tests(session, args),
        TestCommand::Show(named) => views::show_kind(session, EntityKind::Test, &named.id),
        TestCommand::Edit(args) => edit_test(session, args),
        TestCommand::Rm(args) => remove(session, EntityKind::Test, args),
        TestCommand::Pass(args) => judge(session, args, true),
        TestCommand::Fail(args) => judge(session, args, false),
    }
}

fn add_epic(session: &mut Session, args: args::AddEpic) -> Result<u8, Failure> {
    let new = AddEpic {
        id: args.id,
        name: args.name,
        description: args.description.map(description).transpose()?,
        metadata: input::edit_metadata(args.meta).apply(&JsonObject::default())?,
    };
    let queue = session.open()?;
    let view = queue.change(args.change).add_epic(&new)?;
    session.out.answer(&view)?;
    Ok(0)
}

fn add_feature(session: &mut Session, args: args::AddFeature) -> Result<u8, Failure> {
    let new = AddFeature {
        id: args.id,
        epic: args.epic,
        name: args.name,
        description: args.description.map(description).transpose()?,
        priority: args.priority,
        metadata: input::edit_metadata(args.meta).apply(&JsonObject::default())?,
    };
    let queue = session.open()?;
    let view = queue.change(args.change).add_feature(&new)?;
    session.out.answer(&view)?;
    Ok(0)
}

pub(super) fn add_task(session: &mut Session, args: args::AddTask) -> Result<u8, Failure> {
    if let Some(file) = &args.from {
        let new = lines::read(file, &args)?;
        let queue = session.open()?;
        let items = queue.change(args.change).add_tasks(&new)?;
        session.trust_typed(&queue, new.iter().flat_map(commands).collect());
        session.out.answer(&Several {
            name: "tasks",
            items,
        })?;
        return Ok(0);
    }
    let new = AddTask {
        id: args.id,
        description: description(args.text.unwrap_or_default())?,
        feature: args.feature,
        create_feature: args.create_feature,
        priority: args.priority,
        depends_on: args.depends_on,
        tests: args
            .test
            .iter()
            .map(|text| short_test(text))
            .collect::<Result<_, _>>()?,
        retry_budget: args.retry_budget,
        metadata: input::edit_metadata(args.meta).apply(&JsonObject::default())?,
    };
    let queue = session.open()?;
    let view = queue.change(args.change).add_task(&new)?;
    session.trust_typed(&queue, commands(&new).collect());
    session.out.answer(&view)?;
    Ok(0)
}

fn add_test(session: &mut Session, args: args::AddTest) -> Result<u8, Failure> {
    let owner = match (args.task, args.feature) {
        (Some(task), _) => OwnerRef::Task(task),
        (None, Some(feature)) => OwnerRef::Feature(feature),
        (None, None) => return Err(Failure::usage("a test case needs --task or --feature")),
    };
    let new = AddTest {
        id: args.id,
        description: description(args.text)?,
        command: args.command,
        required: args.required,
        metadata: input::edit_metadata(args.meta).apply(&JsonObject::default())?,
    };
    let queue = session.open()?;
    let test = queue.change(args.change).add_test(&owner, &new)?;
    session.trust_typed(&queue, new.command.into_iter().collect());
    session.out.answer(&test)?;
    Ok(0)
}

fn list_tests(session: &mut Session, args: args::ListTests) -> Result<u8, Failure> {
    let queue = session.open()?;
    let owner = match (args.task, args.feature) {
        (Some(task), _) => Some(OwnerRef::Task(task)),
        (None, feature) => feature.map(OwnerRef::Feature),
    };
    let mut items = queue.app().tests(owner.as_ref(), 0, TESTS_AT_ONCE)?;
    while let Some(last) = items.last().filter(|_| owner.is_none()) {
        let more = queue.app().tests(None, last.seq, TESTS_AT_ONCE)?;
        if more.is_empty() {
            break;
        }
        items.extend(more);
    }
    session.out.answer(&Several {
        name: "tests",
        items,
    })?;
    Ok(0)
}

fn judge(session: &mut Session, args: args::Judge, passed: bool) -> Result<u8, Failure> {
    let note = input::optional(args.note)?;
    let queue = session.open()?;
    let id = queue.app().find_test(&args.id)?;
    let test = queue
        .change(args.change)
        .judge_test(&id, passed, note.as_deref())?;
    session.out.answer(&test)?;
    Ok(0)
}

fn edit_epic(session: &mut Session, args: args::EditEpic) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_epic(&args.id)?;
    let edit = EditEpic {
        name: args.name,
        description: args.description.map(about).transpose()?,
        status: args.status,
        metadata: input::edit_metadata(args.meta),
    };
    let view = queue.change(args.change).edit_epic(&id, &edit)?;
    session.out.answer(&view)?;
    Ok(0)
}

fn edit_feature(session: &mut Session, args: args::EditFeature) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_feature(&args.id)?;
    let edit = EditFeature {
        name: args.name,
        description: args.description.map(about).transpose()?,
        epic: if args.no_epic {
            Some(None)
        } else {
            args.epic.map(Some)
        },
        priority: args.priority,
        status: args.status,
        metadata: input::edit_metadata(args.meta),
    };
    let view = queue.change(args.change).edit_feature(&id, &edit)?;
    session.out.answer(&view)?;
    Ok(0)
}

fn edit_task(session: &mut Session, args: args::EditTask) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_task(&args.id)?;
    let edit = EditTask {
        description: args.description.map(description).transpose()?,
        priority: if args.no_priority {
            Some(None)
        } else {
            args.priority.map(Some)
        },
        retry_budget: args.retry_budget,
        metadata: input::edit_metadata(args.meta),
    };
    let reason = args
        .reason
        .map(Reason::new)
        .transpose()
        .map_err(AppError::from)?;
    let nothing_else = edit == EditTask::default();
    let view = match args.status {
        Some(status) if nothing_else => {
            queue
                .change(args.change)
                .set_task_status(&id, status, reason.as_ref(), args.force)?
        }
        // An operation id stands for one use case, and a refused one must leave nothing half done.
        Some(_) => {
            return Err(Failure::usage(
                "a status is changed on its own, without other fields",
            ));
        }
        None => queue
            .change(args.change)
            .edit_task(&id, &edit, args.force)?,
    };
    session.out.answer(&view)?;
    Ok(0)
}

fn edit_test(session: &mut Session, args: args::EditTest) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_test(&args.id)?;
    let edit = EditTest {
        description: args.description.map(description).transpose()?,
        command: if args.no_command {
            Some(None)
        } else {
            args.command.map(Some)
        },
        required: args.required,
        metadata: input::edit_metadata(args.meta),
    };
    let test = queue.change(args.change).edit_test(&id, &edit)?;
    session.trust_typed(&queue, edit.command.flatten().into_iter().collect());
    session.out.answer(&test)?;
    Ok(0)
}

pub(super) fn move_task(session: &mut Session, args: args::Move) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    let view = queue
        .change(args.change)
        .move_task(&task, &args.feature, args.force)?;
    session.out.answer(&view)?;
    Ok(0)
}

fn remove(session: &mut Session, kind: EntityKind, args: args::Remove) -> Result<u8, Failure> {
    let queue = session.open()?;
    let removed = queue
        .change(args.change)
        .remove_named(kind, &args.id, args.force)?;
    session.out.answer(&Deleted(removed))?;
    Ok(0)
}

/// The commands of a new task's test cases.
fn commands(new: &AddTask) -> impl Iterator<Item = CommandLine> {
    new.tests.iter().filter_map(|test| test.command.clone())
}

fn description(argument: String) -> Result<Description, Failure> {
    Ok(Description::new(input::text(argument)?).map_err(AppError::from)?)
}

/// What an item is about; an empty text takes it away.
fn about(argument: String) -> Result<Option<Description>, Failure> {
    if argument.is_empty() {
        Ok(None)
    } else {
        description(argument).map(Some)
    }
}

/// A test case in short: `what is checked :: the command that checks it`.
fn short_test(text: &str) -> Result<AddTest, Failure> {
    let (what, command) = match text.split_once("::") {
        Some((what, command)) => (what.trim(), Some(command.trim())),
        None => (text.trim(), None),
    };
    Ok(AddTest {
        id: None,
        description: Description::new(what).map_err(AppError::from)?,
        command: command
            .map(CommandLine::new)
            .transpose()
            .map_err(AppError::from)?,
        required: false,
        metadata: JsonObject::default(),
    })
}
