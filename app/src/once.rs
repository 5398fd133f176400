//! Operations: a use case that is repeated under the same id gives its first answer and changes nothing.

use std::fmt::Debug;

use serde_json::{Value, json};
use tasq_domain::{Event, MAX_ANSWER_BYTES, OPERATIONS_KEPT, Operation, OperationId};
use tasq_formats::digest::sha256_hex;
use tasq_ports::{EventFilter, StoreError, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::unit::Unit;

/// What a use case answers, small enough to be kept: which items, and what cannot be read from them again.
pub(crate) trait Answer: Sized {
    /// What is kept.
    fn remember(&self) -> Value;

    /// The answer again. Items are shown as they are now; what was granted (a token, a lease) as it was granted.
    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError>;
}

/// The outcome of a unit that is committed either way: a value, or a refusal that still recorded something.
pub(crate) type Kept<T> = Result<T, AppError>;

impl App<'_> {
    /// One write unit, at most once per operation id.
    ///
    /// `args` must show everything that was asked for and nothing that differs between repeats.
    pub(crate) fn once<T: Answer>(
        &self,
        use_case: &'static str,
        args: &dyn Debug,
        mut body: impl FnMut(&mut Unit<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        self.once_kept(use_case, args, |unit| body(unit).map(Ok))
    }

    /// As [`App::once`], for use cases whose refusals record something (a late message, leases taken back). A refusal is
    /// never kept as an answer.
    pub(crate) fn once_kept<T: Answer>(
        &self,
        use_case: &'static str,
        args: &dyn Debug,
        mut body: impl FnMut(&mut Unit<'_>) -> Result<Kept<T>, AppError>,
    ) -> Result<T, AppError> {
        let Some(op) = &self.op else {
            return self.write(body)?;
        };
        let digest = sha256_hex(format!("{args:?}").as_bytes());
        self.write(|unit| {
            if let Some(done) = unit.tx.operation(op)? {
                return recall(unit, &done, use_case, &digest).map(Ok);
            }
            let kept = body(unit)?;
            if let Ok(value) = &kept {
                let answer = value.remember().to_string();
                debug_assert!(
                    answer.len() <= MAX_ANSWER_BYTES,
                    "an answer of {} bytes",
                    answer.len()
                );
                let operation = Operation {
                    id: op.clone(),
                    use_case: use_case.to_owned(),
                    digest: digest.clone(),
                    answer,
                };
                unit.tx.insert_operation(&operation, OPERATIONS_KEPT)?;
            }
            Ok(kept)
        })?
    }
}

/// How often a step of the loop is tried at the most.
const TRIES: u32 = 3;

impl App<'_> {
    /// Carries out a step of the loop under an operation id of its own, and again while the store is busy or cannot tell
    /// whether it was done: the id makes the repeat safe.
    pub(crate) fn surely<T>(
        &self,
        mut step: impl FnMut(&App<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        let id = format!("run-{:016x}", self.ids.random());
        let app = App {
            store: self.store,
            ids: self.ids,
            caller: self.caller.clone(),
            op: Some(OperationId::new(id).expect("a word and hex digits are an id")),
            processes: self.processes,
            trust: self.trust,
        };
        let mut tries = 1;
        loop {
            match step(&app) {
                Err(AppError::Store(
                    StoreError::Busy { .. } | StoreError::OutcomeUnknown { .. },
                )) if tries < TRIES => {
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

fn recall<T: Answer>(
    unit: &mut Unit<'_>,
    done: &Operation,
    use_case: &str,
    digest: &str,
) -> Result<T, AppError> {
    if done.use_case != use_case || done.digest != digest {
        return Err(AppError::conflict(
            format!(
                "the operation id {} was used for another request ({})",
                done.id, done.use_case
            ),
            "take a fresh operation id for a different request",
        )
        .telling(json!({ "op": done.id.as_str(), "used_for": done.use_case })));
    }
    let kept = serde_json::from_str(&done.answer).map_err(|error| {
        AppError::Store(tasq_ports::StoreError::Damaged {
            place: format!("operation {}", done.id),
            what: error.to_string(),
        })
    })?;
    T::recall(unit.tx, &kept)
}

/// The events that one unit appended, by the first and the last number.
pub(crate) fn events_between(
    tx: &mut dyn Tx,
    (first, last): (i64, i64),
) -> Result<Vec<Event>, AppError> {
    let filter = EventFilter {
        entity: None,
        after: first - 1,
        limit: u32::try_from(last - first + 1).unwrap_or(u32::MAX),
    };
    let found = tx.events(&filter)?.into_iter();
    Ok(found.filter(|event| event.seq <= last).collect())
}

/// A field of a kept answer.
pub(crate) fn field<'v>(kept: &'v Value, key: &str) -> Result<&'v Value, AppError> {
    kept.get(key).ok_or_else(|| {
        AppError::Store(tasq_ports::StoreError::Damaged {
            place: "a kept operation".to_owned(),
            what: format!("its answer has no {key:?}"),
        })
    })
}

/// A text field of a kept answer.
pub(crate) fn text<'v>(kept: &'v Value, key: &str) -> Result<&'v str, AppError> {
    Ok(field(kept, key)?.as_str().unwrap_or_default())
}

/// A whole number of a kept answer.
pub(crate) fn number(kept: &Value, key: &str) -> Result<i64, AppError> {
    Ok(field(kept, key)?.as_i64().unwrap_or_default())
}
