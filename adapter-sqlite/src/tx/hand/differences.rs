//! Whether what is in hand is what is stored.

use diesel::SqliteConnection;

use super::{Held, InHand, Related, RowIds, text_of};
use crate::tx::{history, ready, tree, whole};

impl InHand {
    /// What is in hand and not stored like that.
    pub(crate) fn differences(&self, conn: &mut SqliteConnection) -> Vec<String> {
        let mut all = Vec::new();
        let mut compare = |held: String, stored: String| {
            if held != stored {
                all.push(format!("{held}\n  is stored as {stored}"));
            }
        };
        for (id, Held { record, related }) in self.tasks.iter().map(|(id, it)| (id, &**it)) {
            let stored = ready::task(conn, &RowIds::default(), id).unwrap();
            // There may be less around it than is thought, but not more.
            let more = |there: Related| Related {
                dependencies: there.dependencies || related.dependencies,
                dependents: there.dependents || related.dependents,
                tests: there.tests || related.tests,
            };
            let stored = stored.map(|(record, there)| (record, more(there)));
            compare(
                format!("{:?}", Some((record, related))),
                format!("{stored:?}"),
            );
        }
        for (id, parent) in &self.features {
            let mut afresh = Self::default();
            let stored = afresh.parent(conn, id).unwrap();
            compare(format!("{:?}", Some(parent)), format!("{stored:?}"));
        }
        for (id, epic) in &self.epics {
            let stored = tree::epic(conn, id).unwrap();
            compare(format!("{:?}", Some(epic)), format!("{stored:?}"));
        }
        if let Some(settings) = &self.settings {
            let stored = whole::settings(conn).unwrap();
            compare(format!("{settings:?}"), format!("{stored:?}"));
        }
        if let Some(next) = self.next_task {
            let stored = tree::next_task(conn).unwrap();
            compare(format!("next task {next}"), format!("next task {stored}"));
        }
        if let Some(next) = self.ledger.next_event() {
            let stored = history::newest_event(conn).unwrap() + 1;
            compare(format!("next event {next}"), format!("next event {stored}"));
        }
        let texts: usize = self.tasks.values().map(|it| text_of(&it.record.task)).sum();
        compare(format!("{} of text", self.text), format!("{texts} of text"));
        all
    }

    /// How long the texts of the tasks are, in bytes.
    pub(crate) const fn text(&self) -> usize {
        self.text
    }

    /// How many tasks, features and epics there are.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.tasks.len(), self.features.len(), self.epics.len()]
    }
}
