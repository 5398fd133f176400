//! The tasks of a snapshot: by what is known to stand between the values of most of them.
//!
//! Nothing needs to have read the text before: what stands between the values is compared, each value is read strictly,
//! and a task that is not as most are goes through `serde_json`, which lets no line end inside of a text.

use serde_json::Deserializer;
use tasq_domain::{
    Description, FeatureId, JsonObject, Priority, Proof, RetryBudget, Task, TaskId, Timestamp,
};

use super::records::{Moments, Rest};
use super::{Below, Record as _, Section, TaskRecord, moment, section};

/// How every item ends, and nothing else does.
const END: &str = "\n    }";

/// The tasks; `None` if [`super::super::encode`] cannot have written them.
pub(super) fn tasks(text: &str) -> Option<Section<Task>> {
    let mut from = Deserializer::from_str(text);
    section::<TaskRecord<'_>, _>(&mut from).ok()
}

/// The tasks at the beginning of a text that are laid out as our writer does, and what comes after them.
pub(super) fn as_laid_out(text: &str) -> Option<(Section<Task>, &str)> {
    let (mut items, mut below) = (Vec::new(), Below::default());
    let mut last = "";
    let mut moments = Moments::default();
    let nothing = JsonObject::default();
    let mut rest = Rest(text);
    rest.after("{")?;
    loop {
        let id = rest.after("\n    ")?.plain()?;
        if last >= id {
            return None;
        }
        last = id;
        rest.after(": ")?;
        let mut tried = Rest(rest.0);
        match plain(id, &mut tried, &mut moments, &nothing) {
            Some(task) => {
                items.push(task);
                rest = tried;
            }
            None => {
                let (record, after) = rest.0.split_at(rest.0.find(END)? + END.len());
                let record: TaskRecord<'_> = serde_json::from_str(record).ok()?;
                items.push(record.item(id, &mut below)?);
                rest = Rest(after);
            }
        }
        if rest.after(",").is_none() {
            rest.after("\n  }")?;
            return Some((Section { items, below }, rest.0));
        }
    }
}

/// A task as most are, in the order of its keys.
fn plain<'t>(
    id: &str,
    rest: &mut Rest<'t>,
    moments: &mut Moments<'t>,
    nothing: &JsonObject,
) -> Option<Task> {
    let seq = rest.after("{\n      \"seq\": ")?.count()?;
    let feature = rest.after(",\n      \"feature\": ")?.plain()?;
    let description = rest.after(",\n      \"description\": ")?.plain()?;
    let own_priority = match rest.after(",\n      \"priority\": ") {
        None => None,
        Some(rest) => Some(Priority::new(rest.count()?).ok()?),
    };
    let status = rest.after(",\n      \"status\": ")?.plain()?;
    let retry_budget = rest.after(",\n      \"retry_budget\": ")?.count()?;
    let retries_used = counted(rest, ",\n      \"retries_used\": ")?;
    let attempts = counted(rest, ",\n      \"attempts\": ")?;
    let lost_in_a_row = counted(rest, ",\n      \"lost_in_a_row\": ")?;
    let not_before = instant(rest, ",\n      \"not_before\": ")?;
    let completed_at = instant(rest, ",\n      \"completed_at\": ")?;
    let proof = match rest.after(",\n      \"proof\": ") {
        None => None,
        Some(rest) => match rest.plain()? {
            "tests" => Some(Proof::Tests),
            "none" => Some(Proof::Unproven),
            "imported" => Some(Proof::Imported),
            _ => return None,
        },
    };
    let created_at = rest.after(",\n      \"created_at\": ")?.plain()?;
    let updated_at = rest.after(",\n      \"updated_at\": ")?.plain()?;
    rest.after(END)?;
    Some(Task {
        seq,
        id: TaskId::new(id).ok()?,
        feature: FeatureId::new(feature).ok()?,
        description: Description::new(description).ok()?,
        own_priority,
        retry_budget: RetryBudget::new(retry_budget).ok()?,
        hold: None,
        source: None,
        metadata: nothing.clone(),
        created_at: moments.moment(created_at)?,
        updated_at: moments.moment(updated_at)?,
        status: status.parse().ok()?,
        blocked_reason: None,
        retries_used,
        not_before,
        attempts,
        lost_in_a_row,
        claim: None,
        completed_at,
        proof,
    })
}

/// A count that is left out where it is 0. `None` is a fault.
fn counted(rest: &mut Rest<'_>, key: &str) -> Option<u32> {
    match rest.after(key) {
        None => Some(0),
        Some(rest) => u32::try_from(rest.count()?).ok(),
    }
}

/// A time that may be left out. The outer `None` is a fault.
fn instant(rest: &mut Rest<'_>, key: &str) -> Option<Option<Timestamp>> {
    match rest.after(key) {
        None => Some(None),
        Some(rest) => moment(rest.plain()?).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
    "A": {
      "seq": 2,
      "feature": "F",
      "description": "say \"hi\"",
      "status": "pending",
      "retry_budget": 15,
      "created_at": "2026-01-01T00:00:00Z",
      "updated_at": "2026-01-01T00:00:00Z"
    },
    "B": {
      "seq": 1,
      "feature": "F",
      "description": "a {\n",
      "depends_on": [
        "A"
      ],
      "status": "pending",
      "retry_budget": 15,
      "hold": {
        "by": "ada",
        "reason": "}",
        "at": "2026-01-01T00:00:00Z"
      },
      "created_at": "2026-01-01T00:00:00Z",
      "updated_at": "2026-01-01T00:00:00Z",
      "metadata": {
        "k": [1.0]
      }
    },
    "C": {
      "seq": 3,
      "feature": "F",
      "description": "plain",
      "priority": 7,
      "status": "completed",
      "retry_budget": 9,
      "retries_used": 3,
      "attempts": 5,
      "lost_in_a_row": 1,
      "not_before": "2026-01-02T00:00:00Z",
      "completed_at": "2026-01-03T00:00:00.000001Z",
      "proof": "tests",
      "created_at": "2026-01-01T00:00:00Z",
      "updated_at": "2026-01-03T00:00:00Z"
    }
  }"#;

    fn one_by_one(text: &str) -> Option<Vec<Task>> {
        let mut from = Deserializer::from_str(text);
        let read = section::<TaskRecord<'_>, _>(&mut from).ok()?;
        Some(read.items)
    }

    #[test]
    fn what_is_laid_out_as_ours_reads_as_it_does_key_by_key() {
        let (read, after) = as_laid_out(TEXT).unwrap();
        assert_eq!(after, "");
        assert_eq!(read.below.waits.len(), 1);
        assert_eq!(Some(read.items), one_by_one(TEXT));
        let mut rest = Rest(TEXT.rsplit_once("\"C\": ").unwrap().1);
        assert!(
            plain(
                "C",
                &mut rest,
                &mut Moments::default(),
                &JsonObject::default()
            )
            .is_some(),
            "most are read like this"
        );
        for (from, to) in [
            ("\"seq\": 3", "\"seq\": -3"),
            ("\"seq\": 3", "\"seq\": 03"),
            ("\"seq\": 3", "\"seq\": 3.0"),
            ("\"retries_used\": 3", "\"retries_used\": -0"),
            ("\"attempts\": 5", "\"attempts\": 5000000000"),
            ("\"attempts\": 5", "\"attempts\": 5, \"attempts\": 5"),
            ("\"attempts\": 5", "\"colour\": 5"),
            ("\"priority\": 7", "\"priority\": 100"),
            ("\"priority\": 7", "\"priority\": null"),
            ("\"retry_budget\": 9", "\"retry_budget\": 1001"),
            ("\"proof\": \"tests\"", "\"proof\": \"override\""),
            ("\"proof\": \"tests\"", "\"proof\": \"magic\""),
            ("2026-01-02", "2026-02-30"),
            ("\"C\"", "\"B\""),
            ("\"C\"", "\"\\u0043\""),
            ("\"C\"", "\"C D\""),
            ("\"plain\"", "\" \""),
            ("\"plain\"", "\"p\\u006cain\""),
            ("\"completed\"", "\"done\""),
            ("    },\n    \"C\"", "    },\n\n    \"C\""),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let text = TEXT.replacen(from, to, 1);
            if let Some((read, _)) = as_laid_out(&text) {
                assert_eq!(Some(read.items), one_by_one(&text), "{from} → {to}");
            }
        }
    }
}
