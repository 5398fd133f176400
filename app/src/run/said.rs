//! What a worker reports about its own work: a JSON object as the last line of its output.

use tasq_domain::JsonObject;
use tasq_domain::brakes::Cost;
use tasq_domain::worker::Verdict;
use tasq_formats::json::{Document, JsonError, ObjectNode, Value, to_text};

/// What a worker reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// How it judges its work.
    pub(super) verdict: Option<Verdict>,
    /// What it did, or why it could not.
    pub(super) summary: Option<String>,
    /// What is to be done next.
    pub(super) next_steps: Vec<String>,
    /// All of it, to the letter.
    pub(super) whole: Option<JsonObject>,
}

/// The keys of a report; an object that has none of them is output like any other.
const KEYS: [&str; 4] = ["verdict", "summary", "next_steps", "cost_usd"];

/// Reads the report at the end of an output; nothing was reported if the last line that is not blank is no JSON object
/// with one of the keys of a report.
///
/// # Errors
/// What is wrong with a report, in words for the next attempt.
pub(super) fn read(output: &str) -> Result<Said, String> {
    let Some(line) = output
        .lines()
        .rev()
        .map(str::trim)
        .find(|it| !it.is_empty())
    else {
        return Ok(Said::default());
    };
    if !line.starts_with('{') {
        return Ok(Said::default());
    }
    let Ok(document) = Document::parse(line.as_bytes()) else {
        return Ok(Said::default());
    };
    let Ok(object) = document.root().object() else {
        return Ok(Said::default());
    };
    if !KEYS.iter().any(|key| object.get(key).is_some()) {
        return Ok(Said::default());
    }
    report(object).map_err(|error| {
        // The line number within a report of one line says nothing.
        let text = error.to_string();
        let what = text.split_once("at $").map_or(&*text, |(_, what)| what);
        format!("the report in its last line is broken: ${what}")
    })
}

fn report(object: ObjectNode<'_>) -> Result<Said, JsonError> {
    let text = |key| object.opt(key).map(|node| node.str()).transpose();
    let verdict = match object.opt("verdict") {
        None => None,
        Some(node) => {
            let word = node.str()?;
            let known = Verdict::from_word(word).ok_or_else(|| {
                let words = Verdict::ALL.map(Verdict::as_str).join(", ");
                node.shape(format!("expected one of {words}, found {word:?}"))
            })?;
            Some(known)
        }
    };
    let mut next_steps = Vec::new();
    if let Some(node) = object.opt("next_steps") {
        for step in node.array()? {
            next_steps.push(step.str()?.to_owned());
        }
    }
    if let Some(node) = object.opt("cost_usd") {
        cost(node.number()?.as_str())
            .ok_or_else(|| node.shape("expected a number of dollars, 0 or more"))?;
    }
    Ok(Said {
        verdict,
        summary: text("summary")?.map(str::to_owned),
        next_steps,
        whole: JsonObject::new(to_text(&Value::Object(object.value().clone()))).ok(),
    })
}

/// The cost that a kept report names.
pub(crate) fn cost_of(result: &JsonObject) -> Option<Cost> {
    let document = Document::parse(result.as_str().as_bytes()).ok()?;
    let object = document.root().object().ok()?;
    cost(object.opt("cost_usd")?.number().ok()?.as_str())
}

fn cost(number: &str) -> Option<Cost> {
    Cost::from_dollars(number.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read_if_it_is_a_report() {
        let said = read(
            "working…\n{\"verdict\":\"PASS\",\"summary\":\"did it\",\"next_steps\":[\"ship\"],\"cost_usd\":0.25,\"x\":1.0}\n\n",
        )
        .unwrap();
        assert_eq!(said.verdict, Some(Verdict::Pass));
        assert_eq!(said.summary.as_deref(), Some("did it"));
        assert_eq!(said.next_steps, ["ship"]);
        let whole = said.whole.unwrap();
        assert!(whole.as_str().contains("\"x\":1.0"));
        assert_eq!(cost_of(&whole), Cost::from_dollars(0.25));
    }

    #[test]
    fn what_is_no_report_is_output() {
        for output in [
            "",
            "done",
            "{\"verdict\":\"PASS\"}\nand one more line",
            "{\"other\":1}",
            "{not json",
            "[1]",
            "{\"verdict\":null}",
        ] {
            let said = read(output).unwrap();
            assert_eq!((said.verdict, said.summary), (None, None), "{output}");
        }
    }

    #[test]
    fn a_broken_report_is_told() {
        for (output, said) in [
            ("{\"verdict\":\"DONE\"}", "expected one of PASS"),
            ("{\"verdict\":1}", ".verdict"),
            ("{\"summary\":[]}", ".summary"),
            ("{\"next_steps\":[1]}", ".next_steps[0]"),
            ("{\"cost_usd\":-1}", "dollars"),
            ("{\"cost_usd\":\"1\"}", ".cost_usd"),
        ] {
            let error = read(output).unwrap_err();
            assert!(error.contains(said), "{output}: {error}");
        }
    }
}
