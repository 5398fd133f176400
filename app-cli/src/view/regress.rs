//! What broke that had passed before.

use tasq_app::{Regressed, Verified};
use tasq_formats::json::{Written, WrittenObject};

use super::items::test_json;
use super::work::Tests;
use crate::output::{Text, Tone, View};

/// The test cases of a task that were run, and those that ran again because of it.
pub(crate) struct Regressions(pub(crate) Verified, pub(crate) Regressed);

impl View for Regressions {
    fn json(&self) -> Written {
        let Self(Verified { passed, tests }, regressed) = self;
        let Regressed {
            tests: again,
            broken,
            reopened,
        } = regressed;
        let broken = broken.iter().map(|id| id.as_str());
        let reopened = reopened.iter().map(|id| id.as_str());
        let looked = WrittenObject::new()
            .with("passed", regressed.passed())
            .with_list("tests", again.iter().map(test_json))
            .with_list("broken", broken)
            .with_list("reopened", reopened);
        WrittenObject::new()
            .with("passed", *passed && regressed.passed())
            .with_list("tests", tests.iter().map(test_json))
            .with("regress", looked)
            .into()
    }

    fn text(&self, text: &mut Text) {
        let Self(verified, regressed) = self;
        Tests(verified.clone()).text(text);
        for test in &regressed.tests {
            test.text(text);
            let failed = test
                .last
                .as_ref()
                .filter(|_| regressed.broken.contains(&test.id));
            text.block(
                "    ",
                failed
                    .and_then(|last| last.output_tail.as_deref())
                    .unwrap_or(""),
            );
        }
        if regressed.passed() {
            let count = regressed.tests.len();
            text.paint(Tone::Good, &format!("{count} others still pass"))
                .end();
        }
        for task in &regressed.reopened {
            text.paint(Tone::Bad, "reopened ").line(task.as_str());
        }
    }
}
