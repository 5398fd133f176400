//! On which terms a task is worked on: what its metadata asks for, else what the loop was told.

use std::time::Duration;

use tasq_domain::Task;
use tasq_domain::life::MAX_LEASE_SECS;
use tasq_formats::duration;
use tasq_formats::json::{Document, Node};

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// The whole attempt, its test cases not included.
    pub(super) timeout: Option<Duration>,
    /// Without a word of output.
    pub(super) idle_timeout: Option<Duration>,
    /// The lease.
    pub(super) lease: Duration,
}

impl Terms {
    /// The terms of a task, or why its metadata makes none. `timeout`, `idle_timeout` and `lease` are durations such as
    /// `"15m"`, or whole numbers of seconds; never is a command taken from there.
    pub(super) fn of(task: &Task, usual: Self) -> Result<Self, String> {
        if task.metadata.is_empty() {
            return Ok(usual);
        }
        let wrong = |error: &dyn std::fmt::Display| format!("metadata: {error}");
        let text = task.metadata.as_str();
        let document = Document::parse(text.as_bytes()).map_err(|error| wrong(&error))?;
        let object = document.root().object().map_err(|error| wrong(&error))?;
        let read = |key: &str, most: Option<Duration>| {
            object
                .opt(key)
                .map(|node| span(key, node, most))
                .transpose()
        };
        Ok(Self {
            timeout: read("timeout", None)?.or(usual.timeout),
            idle_timeout: read("idle_timeout", None)?.or(usual.idle_timeout),
            lease: read("lease", Some(Duration::from_secs(MAX_LEASE_SECS)))?.unwrap_or(usual.lease),
        })
    }
}

fn span(key: &str, node: Node<'_>, most: Option<Duration>) -> Result<Duration, String> {
    let value = node.value();
    let text = value.as_str().map(str::to_owned);
    let secs = value.as_number().and_then(|number| number.as_u64());
    let span = match (text, secs) {
        (Some(text), _) => duration::parse(&text),
        (None, Some(secs)) => Ok(Duration::from_secs(secs)),
        (None, None) => Err(format!(
            "it is {}, not a duration such as \"15m\" or a number of seconds",
            value.kind()
        )),
    };
    let span = span.map_err(|error| format!("metadata: {key}: {error}"))?;
    if span.is_zero() {
        return Err(format!("metadata: {key}: no time at all is no {key}"));
    }
    match most.filter(|most| span > *most) {
        Some(most) => Err(format!(
            "metadata: {key}: {} is more than {}",
            duration::shown(span),
            duration::shown(most)
        )),
        None => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use tasq_domain::{Description, FeatureId, JsonObject, TaskId, Timestamp};

    use super::*;

    fn terms(metadata: &str) -> Result<Terms, String> {
        let usual = Terms {
            timeout: Some(Duration::from_secs(9)),
            idle_timeout: None,
            lease: Duration::from_secs(90),
        };
        let task = Task {
            metadata: JsonObject::new(metadata).unwrap(),
            ..Task::new(
                TaskId::new("A").unwrap(),
                FeatureId::new("F").unwrap(),
                Description::new("do it").unwrap(),
                Timestamp::default(),
            )
        };
        Terms::of(&task, usual)
    }

    #[test]
    fn what_a_task_asks_for_comes_before_what_the_loop_was_told() {
        let told = terms("{}").unwrap();
        assert_eq!(told.timeout, Some(Duration::from_secs(9)));
        let asked = terms(r#"{"timeout":"2m","idle_timeout":30,"lease":"1h","x":[]}"#).unwrap();
        let secs = Duration::from_secs;
        assert_eq!(
            (asked.timeout, asked.idle_timeout, asked.lease),
            (Some(secs(120)), Some(secs(30)), secs(3_600))
        );
        assert_eq!(terms(r#"{"timeout":null}"#), terms("{}"));
    }

    #[test]
    fn what_is_no_duration_is_told_with_its_key() {
        for (metadata, said) in [
            (r#"{"timeout":"soon"}"#, "timeout: \"soon\" is not"),
            (r#"{"timeout":-1}"#, "timeout: it is"),
            (r#"{"idle_timeout":1.5}"#, "idle_timeout: it is"),
            (r#"{"idle_timeout":{}}"#, "idle_timeout: it is"),
            (r#"{"lease":0}"#, "lease: no time"),
            (r#"{"lease":"8d"}"#, "lease: 8d is more than 7d"),
        ] {
            let error = terms(metadata).unwrap_err();
            assert!(error.contains(said), "{metadata}: {error}");
        }
    }
}
