//! Finding what a typed text names.

use tasq_domain::lookup::{Lookup, MAX_CANDIDATES, pick};
use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, EntityKind, EpicId, FeatureId, Lane, TaskId, TestId};
use tasq_ports::{StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;

/// A part of the queue, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ScopeRef {
    /// All of it.
    #[default]
    Queue,
    /// An epic.
    Epic(String),
    /// A feature or a lane.
    Feature(String),
    /// A task.
    Task(String),
}

impl App<'_> {
    /// The item of any kind that `text` names; `kind:ID` where kinds share an id.
    ///
    /// # Errors
    /// [`AppError::NotFound`], or [`AppError::Ambiguous`] with the candidates.
    pub fn find_any(&self, text: &str) -> Result<AnyId, AppError> {
        self.store.read(|tx| any(tx, text))
    }

    /// The task that `text` names.
    ///
    /// # Errors
    /// As [`App::find_any`].
    pub fn find_task(&self, text: &str) -> Result<TaskId, AppError> {
        self.store.read(|tx| task(tx, text))
    }

    /// The feature that `text` names.
    ///
    /// # Errors
    /// As [`App::find_any`].
    pub fn find_feature(&self, text: &str) -> Result<FeatureId, AppError> {
        self.store.read(|tx| feature(tx, text))
    }

    /// The epic that `text` names.
    ///
    /// # Errors
    /// As [`App::find_any`].
    pub fn find_epic(&self, text: &str) -> Result<EpicId, AppError> {
        self.store.read(|tx| epic(tx, text))
    }

    /// The test case that `text` names.
    ///
    /// # Errors
    /// As [`App::find_any`].
    pub fn find_test(&self, text: &str) -> Result<TestId, AppError> {
        self.store.read(|tx| test(tx, text))
    }
}

/// The part of the queue that a reference names.
pub(crate) fn scope(tx: &mut dyn Tx, wanted: &ScopeRef) -> Result<Scope, AppError> {
    Ok(match wanted {
        ScopeRef::Queue => Scope::Queue,
        ScopeRef::Epic(text) => Scope::Epic(epic(tx, text)?),
        ScopeRef::Feature(text) => feature_or_lane(tx, text)?,
        ScopeRef::Task(text) => Scope::Task(task(tx, text)?),
    })
}

/// A feature, or a lane of one, by its whole name in any case: where a feature is made if there is none, the beginning of
/// another's id must not stand for it.
pub(crate) fn feature_or_lane_to_the_letter(
    tx: &mut dyn Tx,
    text: &str,
) -> Result<Scope, AppError> {
    let missing = || AppError::NotFound {
        kind: EntityKind::Feature.to_string(),
        id: text.to_owned(),
    };
    let scope = match feature_or_lane(tx, text) {
        Err(AppError::Ambiguous { candidates, .. })
            if !candidates.iter().any(|id| same(id.as_str(), text)) =>
        {
            return Err(missing());
        }
        found => found?,
    };
    let whole = match &scope {
        Scope::Lane(lane) => same(&lane.to_string(), text),
        Scope::Feature(id) => same(id.as_str(), text),
        Scope::Queue | Scope::Epic(_) | Scope::Task(_) => false,
    };
    if whole { Ok(scope) } else { Err(missing()) }
}

fn same(id: &str, text: &str) -> bool {
    id.eq_ignore_ascii_case(text)
        || id.eq_ignore_ascii_case(bare(EntityKind::Feature, text).unwrap_or(text))
}

/// A lane that is typed where any item may be named; `None` if an item has that very id, or the text is no lane.
pub(crate) fn lane(tx: &mut dyn Tx, text: &str) -> Result<Option<Lane>, AppError> {
    for kind in EntityKind::ALL {
        if let Ok(id) = kind.id(text)
            && exists(tx, &id)?
        {
            return Ok(None);
        }
    }
    Ok(match feature_or_lane(tx, text) {
        Ok(Scope::Lane(lane)) => Some(lane),
        Err(error @ AppError::Store(_)) => return Err(error),
        _ => None,
    })
}

/// A feature, or a lane of one: the exact id, then the lane, then the looser ways.
pub(crate) fn feature_or_lane(tx: &mut dyn Tx, text: &str) -> Result<Scope, AppError> {
    if let Ok(id) = FeatureId::new(text)
        && tx.standing(&id)?.is_some()
    {
        return Ok(Scope::Feature(id));
    }
    if let Some(lane) = Lane::parse(text) {
        match feature(tx, lane.feature.as_str()) {
            Ok(feature) => return Ok(Scope::Lane(Lane { feature, ..lane })),
            Err(AppError::NotFound { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    feature(tx, text).map(Scope::Feature)
}

macro_rules! finders {
    ($($(#[$doc:meta])* $name:ident: $kind:ident => $id:ty;)+) => {
        $($(#[$doc])*
        pub(crate) fn $name(tx: &mut dyn Tx, text: &str) -> Result<$id, AppError> {
            match with_or_without_kind(tx, EntityKind::$kind, text)? {
                Found::One(AnyId::$kind(id)) => Ok(id),
                Found::Many(candidates) => Err(AppError::Ambiguous { given: text.to_owned(), candidates }),
                Found::One(_) | Found::None => Err(missing(EntityKind::$kind, text)),
            }
        })+
    };
}

finders! {
    /// An epic.
    epic: Epic => EpicId;
    /// A feature.
    feature: Feature => FeatureId;
    /// A task.
    task: Task => TaskId;
    /// A test case.
    test: Test => TestId;
}

/// An item of one kind.
pub(crate) fn of(tx: &mut dyn Tx, kind: EntityKind, text: &str) -> Result<AnyId, AppError> {
    Ok(match kind {
        EntityKind::Epic => epic(tx, text)?.into(),
        EntityKind::Feature => feature(tx, text)?.into(),
        EntityKind::Task => task(tx, text)?.into(),
        EntityKind::Test => test(tx, text)?.into(),
    })
}

/// An item of any kind.
pub(crate) fn any(tx: &mut dyn Tx, text: &str) -> Result<AnyId, AppError> {
    // An exact id of one kind wins over looser matches of another, and over its kind before it.
    let exact: Vec<AnyId> = EntityKind::ALL
        .into_iter()
        .filter_map(|kind| kind.id(text).ok())
        .collect();
    let mut found = Vec::new();
    for id in exact {
        if exists(tx, &id)? {
            found.push(id);
        }
    }
    let kind = EntityKind::ALL
        .into_iter()
        .find(|kind| bare(*kind, text).is_some());
    if found.is_empty() {
        let kinds = kind.map_or(EntityKind::ALL.to_vec(), |kind| vec![kind]);
        for kind in kinds {
            match with_or_without_kind(tx, kind, text)? {
                Found::One(id) => found.push(id),
                Found::Many(ids) => found.extend(ids),
                Found::None => (),
            }
        }
    }
    found.truncate(MAX_CANDIDATES);
    match found.len() {
        0 => Err(match kind {
            Some(kind) => missing(kind, text),
            None => AppError::NotFound {
                kind: "item".to_owned(),
                id: text.to_owned(),
            },
        }),
        1 => Ok(found.remove(0)),
        _ => Err(AppError::Ambiguous {
            given: text.to_owned(),
            candidates: found,
        }),
    }
}

fn exists(tx: &mut dyn Tx, id: &AnyId) -> Result<bool, AppError> {
    Ok(match id {
        AnyId::Epic(id) => tx.epic(id)?.is_some(),
        AnyId::Feature(id) => tx.standing(id)?.is_some(),
        AnyId::Task(id) => tx.has_task(id)?,
        AnyId::Test(id) => tx.test(id)?.is_some(),
    })
}

/// There is no such item of this kind, by the id without the kind.
fn missing(kind: EntityKind, text: &str) -> AppError {
    AppError::NotFound {
        kind: kind.to_string(),
        id: bare(kind, text).unwrap_or(text).to_owned(),
    }
}

/// What follows the kind and a colon.
fn bare(kind: EntityKind, text: &str) -> Option<&str> {
    text.strip_prefix(kind.as_str())?.strip_prefix(':')
}

enum Found {
    One(AnyId),
    Many(Vec<AnyId>),
    None,
}

/// An item of one kind, which may stand before its id. An id may begin with such a word itself: as a whole it comes first,
/// and in the looser ways last.
fn with_or_without_kind(tx: &mut dyn Tx, kind: EntityKind, text: &str) -> Result<Found, AppError> {
    let Some(bare) = bare(kind, text) else {
        return of_kind(tx, kind, text);
    };
    if let Ok(id) = kind.id(text)
        && exists(tx, &id)?
    {
        return Ok(Found::One(id));
    }
    match of_kind(tx, kind, bare)? {
        Found::None => of_kind(tx, kind, text),
        found => Ok(found),
    }
}

fn of_kind(tx: &mut dyn Tx, kind: EntityKind, text: &str) -> Result<Found, AppError> {
    let Ok(id) = kind.id(text) else {
        return Ok(Found::None);
    };
    if exists(tx, &id)? {
        return Ok(Found::One(id));
    }
    let limit = u32::try_from(MAX_CANDIDATES + 1).unwrap_or(u32::MAX);
    let begin = tx.ids_with_prefix(kind, text, limit)?;
    let texts = begin.iter().map(|id| id.as_str().to_owned()).collect();
    Ok(match pick(text, texts) {
        Lookup::Found(id) => Found::One(kind.id(&id)?),
        Lookup::Ambiguous(ids) => {
            Found::Many(ids.iter().map(|id| kind.id(id)).collect::<Result<_, _>>()?)
        }
        Lookup::Unknown => Found::None,
    })
}
