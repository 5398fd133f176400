//! Why a task is not handed out.

use tasq_domain::ready::{NotReady, not_ready};
use tasq_domain::{Hold, TaskId};
use tasq_ports::{StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::view::TaskView;

/// Whether a task is ready, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The task.
    pub task: TaskView,
    /// No reasons mean ready.
    pub reasons: Vec<ReasonView>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonView {
    /// Which.
    pub reason: NotReady,
    /// The reason in words.
    pub text: String,
    /// Who or what stands behind it: a worker, a person, a task.
    pub by: Option<String>,
}

impl App<'_> {
    /// Why a task is not handed out now.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn why(&self, id: &TaskId) -> Result<Why, AppError> {
        self.store.read(|tx| {
            let task = TaskView::load(tx, id)?;
            let now = tx.now();
            let mut reasons = Vec::new();
            for reason in not_ready(&task.record, now) {
                explain(tx, &task, reason, &mut reasons)?;
            }
            Ok(Why { task, reasons })
        })
    }
}

fn explain(
    tx: &mut dyn Tx,
    view: &TaskView,
    reason: NotReady,
    out: &mut Vec<ReasonView>,
) -> Result<(), AppError> {
    let task = &view.record.task;
    let mut say = |text: String, by: Option<String>| out.push(ReasonView { reason, text, by });
    match reason {
        NotReady::Completed => say("it is completed".to_owned(), None),
        NotReady::Blocked => {
            let why = task
                .blocked_reason
                .as_ref()
                .map_or("no reason was given", |reason| reason.as_str());
            say(format!("blocked: {why}"), None);
        }
        NotReady::Claimed => {
            let worker = task
                .claim
                .as_ref()
                .map(|claim| claim.worker.as_str().to_owned());
            let until = task
                .claim
                .as_ref()
                .map(|claim| rfc3339(claim.lease_expires_at));
            say(
                format!(
                    "claimed by {} until {}",
                    worker.as_deref().unwrap_or("?"),
                    until.as_deref().unwrap_or("?")
                ),
                worker,
            );
        }
        NotReady::HeldByHand => say(
            "set in progress by hand; `tasq reopen` makes it pending".to_owned(),
            None,
        ),
        NotReady::Dependencies => {
            for on in &view.waits_for {
                let status = tx.task(on)?.map_or("gone", |on| on.task.status.as_str());
                say(
                    format!("waits for {on}, which is {status}"),
                    Some(on.as_str().to_owned()),
                );
            }
        }
        NotReady::NotBefore(at) => say(format!("not before {}", rfc3339(at)), None),
        NotReady::OnHold => held("the task", task.hold.as_ref(), &mut say),
        NotReady::HeldAbove => {
            let feature = tx.feature(&task.feature)?;
            let hold = feature.as_ref().and_then(|feature| feature.hold.as_ref());
            if hold.is_some() {
                held(&format!("feature {}", task.feature), hold, &mut say);
            }
            if let Some(epic) = &view.record.epic
                && let Some(epic) = tx.epic(epic)?
                && epic.hold.is_some()
            {
                held(&format!("epic {}", epic.id), epic.hold.as_ref(), &mut say);
            }
        }
    }
    Ok(())
}

fn held(what: &str, hold: Option<&Hold>, say: &mut impl FnMut(String, Option<String>)) {
    if let Some(Hold { by, reason, at: _ }) = hold {
        say(
            format!("{what} is on hold: {reason}"),
            Some(by.as_str().to_owned()),
        );
    }
}

fn rfc3339(at: tasq_domain::Timestamp) -> String {
    tasq_formats::time::to_rfc3339_clamped(at.micros())
}
