//! Which item of the store each item of a draft is.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use tasq_domain::{AnyId, EntityKind, Epic, EpicId, Feature, FeatureId, Source, Task, TaskId};
use tasq_formats::import::{Draft, Key, On};
use tasq_ports::Tx;

use super::{Import, named};
use crate::error::AppError;

/// The item of the store that an item of the draft is, or is to become.
pub(super) enum Target<T, I> {
    /// It was imported before.
    Known(Box<T>, I),
    /// It is to have this id.
    New(I),
}

impl<T, I> Target<T, I> {
    pub(super) fn id(&self) -> &I {
        match self {
            Self::Known(_, id) | Self::New(id) => id,
        }
    }

    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(item, _) => Some(item),
            Self::New(_) => None,
        }
    }
}

/// An item that may have been imported.
pub(super) trait Imported: Sized {
    /// The type of its id.
    type Id: Clone + Into<AnyId>;
    const KIND: EntityKind;

    fn id_of(text: &str) -> Result<Self::Id, AppError>;
    fn load(tx: &mut dyn Tx, id: &Self::Id) -> Result<Option<Self>, AppError>;
    fn source(&self) -> Option<&Source>;
}

macro_rules! imported {
    ($type:ty, $id:ty, $kind:ident, |$tx:ident, $key:ident| $load:expr) => {
        impl Imported for $type {
            type Id = $id;
            const KIND: EntityKind = EntityKind::$kind;

            fn id_of(text: &str) -> Result<$id, AppError> {
                Ok(<$id>::new(text)?)
            }

            fn load($tx: &mut dyn Tx, $key: &$id) -> Result<Option<Self>, AppError> {
                Ok($load)
            }

            fn source(&self) -> Option<&Source> {
                self.source.as_ref()
            }
        }
    };
}

imported!(Epic, EpicId, Epic, |tx, id| tx.epic(id)?);
imported!(Feature, FeatureId, Feature, |tx, id| tx.feature(id)?);
imported!(Task, TaskId, Task, |tx, id| tx
    .task(id)?
    .map(|record| record.task));

/// Whether an item came from `origin`.
fn is_from<T: Imported>(item: &T, origin: &str) -> bool {
    item.source().is_some_and(|source| source.origin == origin)
}

/// The id that an item gets whose own is taken: always the same one, so that it is found again.
fn remapped_id(kind: EntityKind, origin: &str, key: &Key, round: u32) -> String {
    Key::made_id(kind, origin, &format!("remapped {round}\0{}", key.as_str()))
}

/// The origin of the draft's items in this store.
///
/// Several files may have the same project. The first has the plain origin; a file none of whose tasks came from there
/// is another one, and gets the first number that is free or whose tasks it has.
pub(super) fn origin(tx: &mut dyn Tx, draft: &Draft) -> Result<String, AppError> {
    let Some(epic) = draft.epics.first() else {
        return Ok(draft.origin.clone());
    };
    let mut origins: HashSet<String> = HashSet::new();
    for task in &draft.tasks {
        let id = TaskId::new(task.key.id(EntityKind::Task, &draft.origin))?;
        origins.extend(
            Task::load(tx, &id)?
                .and_then(|task| task.source)
                .map(|source| source.origin),
        );
    }
    for number in 1_u32.. {
        let origin = match number {
            1 => draft.origin.clone(),
            _ => format!("{}#{number}", draft.origin),
        };
        let id = EpicId::new(epic.key.id(EntityKind::Epic, &origin))?;
        let Some(stored) = tx.epic(&id)? else {
            return Ok(origin);
        };
        if !is_from(&stored, &origin) || draft.tasks.is_empty() || origins.contains(&origin) {
            return Ok(origin);
        }
        if is_remapped(tx, draft, &origin)? || is_empty(tx, &id)? {
            return Ok(origin);
        }
    }
    Ok(draft.origin.clone())
}

/// Whether any task of the draft is here from `origin` under another id.
fn is_remapped(tx: &mut dyn Tx, draft: &Draft, origin: &str) -> Result<bool, AppError> {
    for task in &draft.tasks {
        let id = match &task.key {
            Key::Given(_) => remapped_id(EntityKind::Task, origin, &task.key, 0),
            Key::Made(_) => task.key.id(EntityKind::Task, origin),
        };
        if Task::load(tx, &TaskId::new(id)?)?.is_some_and(|task| is_from(&task, origin)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_empty(tx: &mut dyn Tx, epic: &EpicId) -> Result<bool, AppError> {
    Ok(tx
        .task_counts(&tasq_domain::ready::Scope::Epic(epic.clone()))?
        .total()
        == 0)
}

impl Import<'_, '_> {
    /// Finds the target of every item, and refuses with all conflicts at once.
    pub(super) fn find_targets(&mut self) -> Result<(), AppError> {
        let draft = self.draft;
        let mut conflicts = Conflicts::default();
        for epic in &draft.epics {
            let target = self.target::<Epic>(&epic.key, &epic.digest, &mut conflicts)?;
            self.epics.push(target);
        }
        for feature in &draft.features {
            let target = self.target::<Feature>(&feature.key, &feature.digest, &mut conflicts)?;
            self.features.push(target);
        }
        for task in &draft.tasks {
            let target = self.target::<Task>(&task.key, &task.digest, &mut conflicts)?;
            if let Target::New(id) = &target {
                self.new_tasks.insert(id.clone());
            }
            self.tasks.push(target);
        }
        conflicts.refuse(&self.options.place)
    }

    fn target<T: Imported>(
        &mut self,
        key: &Key,
        digest: &str,
        conflicts: &mut Conflicts,
    ) -> Result<Target<T, T::Id>, AppError> {
        let id = T::id_of(&key.id(T::KIND, &self.origin))?;
        let Some(found) = T::load(self.unit.tx, &id)? else {
            return Ok(Target::New(id));
        };
        if is_from(&found, &self.origin) {
            return Ok(self.known(found, id, digest, conflicts));
        }
        // The id is taken by something else; what was remapped before is found again.
        for round in 0..u32::MAX {
            let other = T::id_of(&remapped_id(T::KIND, &self.origin, key, round))?;
            match T::load(self.unit.tx, &other)? {
                Some(found) if is_from(&found, &self.origin) => {
                    return Ok(self.known(found, other, digest, conflicts));
                }
                Some(_) => (),
                None if self.options.remap => {
                    let (from, to): (AnyId, AnyId) = (id.into(), other.clone().into());
                    self.report
                        .remapped
                        .push((from.to_string(), to.as_str().to_owned()));
                    return Ok(Target::New(other));
                }
                None => break,
            }
        }
        let elsewhere = found
            .source()
            .map_or("it was made here", |source| source.origin.as_str());
        let any: AnyId = id.clone().into();
        conflicts.taken.push((
            any.to_string(),
            format!("{any} (here: {elsewhere}, in the file: {})", self.origin),
        ));
        Ok(Target::New(id))
    }

    fn known<T: Imported>(
        &self,
        found: T,
        id: T::Id,
        digest: &str,
        conflicts: &mut Conflicts,
    ) -> Target<T, T::Id> {
        let same = found.source().is_some_and(|source| source.digest == digest);
        if !same && !self.options.update {
            let any: AnyId = id.clone().into();
            conflicts.changed.push(any.to_string());
        }
        Target::Known(Box::new(found), id)
    }

    /// What each task waits for, as ids of the store.
    pub(super) fn resolve_dependencies(&mut self) -> Result<Vec<Vec<TaskId>>, AppError> {
        let mut elsewhere: HashMap<&str, Option<TaskId>> = HashMap::new();
        let mut dangling = Vec::new();
        let mut all = Vec::with_capacity(self.draft.tasks.len());
        for (at, task) in self.draft.tasks.iter().enumerate() {
            let mut ids = Vec::with_capacity(task.depends_on.len());
            for on in &task.depends_on {
                let name = match on {
                    On::Task(place) => {
                        ids.push(self.tasks[*place].id().clone());
                        continue;
                    }
                    On::Elsewhere(name) => name,
                };
                if !elsewhere.contains_key(name.as_str()) {
                    let found = match TaskId::new(name.as_str()) {
                        Ok(id) => self.unit.tx.task(&id)?.map(|record| record.task.id),
                        Err(_) => None,
                    };
                    elsewhere.insert(name, found);
                }
                match &elsewhere[name.as_str()] {
                    Some(id) => ids.push(id.clone()),
                    None => dangling.push(format!(
                        "{} on {}",
                        self.tasks[at].id(),
                        tasq_formats::json::quoted(name),
                    )),
                }
            }
            all.push(ids);
        }
        if dangling.is_empty() {
            return Ok(all);
        }
        Err(AppError::InvalidData {
            place: self.options.place.clone(),
            message: format!(
                "dependencies on tasks that are neither in the file nor here: {}",
                named(&dangling)
            ),
        })
    }
}

/// What stands in the way: `kind:ID`, of what is taken with who has it.
#[derive(Default)]
struct Conflicts {
    taken: Vec<(String, String)>,
    changed: Vec<String>,
}

impl Conflicts {
    fn refuse(self, place: &str) -> Result<(), AppError> {
        let Self { taken, changed } = self;
        if !taken.is_empty() {
            let (taken, told): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
            return Err(AppError::conflict(
                format!("{place}: ids are taken by something else: {}", named(&told)),
                "--remap gives fresh ids to what comes; nothing was imported",
            )
            .telling(json!({ "file": place, "taken": taken })));
        }
        if !changed.is_empty() {
            return Err(AppError::conflict(
                format!(
                    "{place}: the file changed since its last import: {}",
                    named(&changed)
                ),
                "--update merges what the file changed; nothing was imported",
            )
            .telling(json!({ "file": place, "changed": changed })));
        }
        Ok(())
    }
}
