//! From a queue to its text.

use std::collections::BTreeMap;

use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Answer, AnyId, CancelRequest, Claim, Contents, Epic, Feature, Hold, Process, Proof, Question,
    Settings, Source, Status, Task, TaskId, TestCase, TestOwner, TestResult,
};

use super::fields::{FieldError, Json, QUESTIONS, Writer, secs, time_text, write_back};
use super::{Extra, MARK, VERSION};
use crate::json::{Layout, Object, Value, to_pretty};

/// Root, sections, items, and the keys of what is inside an item.
const LAYOUT: Layout = Layout::Levels(4);

/// Keys of items whose objects may have unknown keys inside, but which are not unknown themselves.
const OBJECTS: [&str; 4] = ["hold", "source", "claim", "last"];

pub(super) fn snapshot(contents: &Contents, extra: &Extra) -> Result<String, FieldError> {
    // The history has its own records.
    let Contents {
        settings,
        epics,
        features,
        tasks,
        tests,
        dependencies,
        questions,
        attempts: _,
        checkpoints: _,
        events: _,
        operations: _,
    } = contents;
    let mut waits_for: BTreeMap<&TaskId, Vec<&TaskId>> = BTreeMap::new();
    for dependency in dependencies {
        let list = waits_for.entry(&dependency.task).or_default();
        list.push(&dependency.on);
    }
    let mut asked: BTreeMap<&TaskId, Vec<&Question>> = BTreeMap::new();
    for question in questions {
        asked.entry(&question.task).or_default().push(question);
    }
    let items = |items: Vec<(AnyId, Object)>| section(items, extra);
    let epics: Result<_, FieldError> = epics.iter().map(epic).collect();
    let features: Result<_, FieldError> = features.iter().map(feature).collect();
    let tasks: Result<_, FieldError> = tasks
        .iter()
        .map(|one| {
            let mut on = waits_for.get(&one.id).cloned().unwrap_or_default();
            on.sort_unstable();
            on.dedup();
            let asked = asked.get(&one.id).map_or(&[][..], Vec::as_slice);
            task(one, &on, asked, extra)
        })
        .collect();
    let tests: Result<_, FieldError> = tests.iter().map(test).collect();

    let mut top = Writer::default();
    top.put(MARK, VERSION);
    top.put("store", settings.store.as_str());
    top.put(
        "settings",
        write_back(self::settings(settings), &extra.settings, &[]),
    );
    top.put("epics", items(epics?));
    top.put("features", items(features?));
    top.put("tasks", items(tasks?));
    top.put("tests", items(tests?));
    let mut top = top.done();
    for (key, value) in extra.top.iter() {
        if !top.contains_key(key) {
            top.insert(key, value.clone());
        }
    }
    Ok(to_pretty(&Value::Object(top), LAYOUT))
}

fn section(mut items: Vec<(AnyId, Object)>, extra: &Extra) -> Object {
    items.sort_by(|(a, _), (b, _)| a.cmp(b));
    items
        .into_iter()
        .map(|(id, object)| {
            let object = match extra.items.get(&id) {
                Some(extra) => write_back(object, extra, &OBJECTS),
                None => object,
            };
            (id.as_str().to_owned(), object)
        })
        .collect()
}

fn settings(settings: &Settings) -> Object {
    let Settings {
        store: _,
        name,
        require_tests,
        backoff: Backoff { base, cap },
    } = settings;
    Object::new()
        .with("name", name.as_str())
        .with("require_tests", *require_tests)
        .with("backoff_base_secs", secs(*base))
        .with("backoff_cap_secs", secs(*cap))
}

fn epic(epic: &Epic) -> Result<(AnyId, Object), FieldError> {
    let Epic {
        seq,
        id,
        name,
        description,
        own_status,
        status,
        hold,
        source,
        created_at,
        updated_at,
        metadata,
    } = epic;
    let id = AnyId::from(id);
    let mut out = Writer::default();
    out.put("seq", *seq);
    out.put("name", name.as_str());
    out.opt("description", description.as_ref().map(|it| it.as_str()));
    statuses(&mut out, *status, *own_status);
    out.opt("hold", hold.as_ref().map(self::hold));
    out.opt("source", source.as_ref().map(self::source));
    out.put("created_at", time_text(*created_at));
    out.put("updated_at", time_text(*updated_at));
    out.json(Json::METADATA, metadata, &id)?;
    Ok((id, out.done()))
}

fn feature(feature: &Feature) -> Result<(AnyId, Object), FieldError> {
    let Feature {
        seq,
        id,
        epic,
        name,
        description,
        priority,
        own_status,
        status,
        hold,
        source,
        created_at,
        updated_at,
        metadata,
    } = feature;
    let id = AnyId::from(id);
    let mut out = Writer::default();
    out.put("seq", *seq);
    out.opt("epic", epic.as_ref().map(|it| it.as_str()));
    out.put("name", name.as_str());
    out.opt("description", description.as_ref().map(|it| it.as_str()));
    out.put("priority", priority.number());
    statuses(&mut out, *status, *own_status);
    out.opt("hold", hold.as_ref().map(self::hold));
    out.opt("source", source.as_ref().map(self::source));
    out.put("created_at", time_text(*created_at));
    out.put("updated_at", time_text(*updated_at));
    out.json(Json::METADATA, metadata, &id)?;
    Ok((id, out.done()))
}

fn task(
    task: &Task,
    depends_on: &[&TaskId],
    asked: &[&Question],
    extra: &Extra,
) -> Result<(AnyId, Object), FieldError> {
    let Task {
        seq,
        id,
        feature,
        description,
        own_priority,
        retry_budget,
        hold,
        source,
        metadata,
        created_at,
        updated_at,
        status,
        blocked_reason,
        retries_used,
        not_before,
        attempts,
        lost_in_a_row,
        claim,
        completed_at,
        proof,
    } = task;
    let id = AnyId::from(id);
    let mut out = Writer::default();
    out.put("seq", *seq);
    out.put("feature", feature.as_str());
    out.put("description", description.as_str());
    out.opt("priority", own_priority.map(|it| it.number()));
    if !depends_on.is_empty() {
        out.put(
            "depends_on",
            depends_on.iter().map(|on| on.as_str()).collect::<Value>(),
        );
    }
    out.put("status", status.as_str());
    out.opt(
        "blocked_reason",
        blocked_reason.as_ref().map(|it| it.as_str()),
    );
    out.put("retry_budget", retry_budget.number());
    out.count("retries_used", *retries_used);
    out.count("attempts", *attempts);
    out.count("lost_in_a_row", *lost_in_a_row);
    out.opt("not_before", not_before.map(time_text));
    out.opt("claim", claim.as_ref().map(self::claim));
    out.opt("completed_at", completed_at.map(time_text));
    out.opt("proof", proof.as_ref().map(Proof::as_str));
    if let Some(Proof::Override { by, reason }) = proof {
        out.put("proof_by", by.as_str());
        out.put("proof_reason", reason.as_str());
    }
    if !asked.is_empty() {
        out.put(QUESTIONS, questions(asked, extra));
    }
    out.opt("hold", hold.as_ref().map(self::hold));
    out.opt("source", source.as_ref().map(self::source));
    out.put("created_at", time_text(*created_at));
    out.put("updated_at", time_text(*updated_at));
    out.json(Json::METADATA, metadata, &id)?;
    Ok((id, out.done()))
}

/// Questions under the numbers of the attempts that asked them.
fn questions(asked: &[&Question], extra: &Extra) -> Object {
    let one = |question: &&Question| {
        let Question {
            task,
            attempt,
            at,
            by,
            text,
            choices,
            answer,
        } = question;
        let mut out = Writer::default();
        out.put("at", time_text(*at));
        out.put("by", by.as_str());
        out.put("text", text.as_str());
        if !choices.is_empty() {
            let choices = choices.iter().map(|it| it.as_str()).collect::<Value>();
            out.put("choices", choices);
        }
        if let Some(Answer { at, by, text }) = answer {
            out.put("answer", text.as_str());
            out.put("answered_at", time_text(*at));
            out.put("answered_by", by.as_str());
        }
        let object = match extra.questions.get(&(task.clone(), *attempt)) {
            Some(extra) => write_back(out.done(), extra, &[]),
            None => out.done(),
        };
        (attempt.to_string(), object)
    };
    let mut asked = asked.to_vec();
    asked.sort_by_key(|question| question.attempt);
    asked.iter().map(one).collect()
}

fn test(test: &TestCase) -> Result<(AnyId, Object), FieldError> {
    let TestCase {
        seq,
        id,
        owner,
        description,
        command,
        required,
        status,
        last,
        source,
        created_at,
        updated_at,
        metadata,
    } = test;
    let id = AnyId::from(id);
    let mut out = Writer::default();
    out.put("seq", *seq);
    match owner {
        TestOwner::Task(task) => out.put("task", task.as_str()),
        TestOwner::Feature(feature) => out.put("feature", feature.as_str()),
    }
    out.put("description", description.as_str());
    out.opt("command", command.as_ref().map(|it| it.as_str()));
    out.opt("required", required.then_some(true));
    out.put("status", status.as_str());
    out.opt("last", last.as_ref().map(result));
    out.opt("source", source.as_ref().map(self::source));
    out.put("created_at", time_text(*created_at));
    out.put("updated_at", time_text(*updated_at));
    out.json(Json::METADATA, metadata, &id)?;
    Ok((id, out.done()))
}

fn statuses(out: &mut Writer, status: Status, own_status: Status) {
    out.put("status", status.as_str());
    let own = (own_status != status).then_some(own_status);
    out.opt("own_status", own.map(Status::as_str));
}

fn hold(hold: &Hold) -> Object {
    let Hold { by, reason, at } = hold;
    Object::new()
        .with("by", by.as_str())
        .with("reason", reason.as_str())
        .with("at", time_text(*at))
}

fn source(source: &Source) -> Object {
    let Source { origin, digest } = source;
    Object::new()
        .with("origin", origin.as_str())
        .with("digest", digest.as_str())
}

fn claim(claim: &Claim) -> Object {
    let Claim {
        worker,
        token,
        started_at,
        lease,
        lease_expires_at,
        cancel,
        process,
    } = claim;
    let mut out = Writer::default();
    out.put("worker", worker.as_str());
    out.put("token", token.to_string());
    out.put("started_at", time_text(*started_at));
    out.put("lease_secs", secs(*lease));
    out.put("lease_expires_at", time_text(*lease_expires_at));
    let cancel = cancel.as_ref().map(|CancelRequest { by, at }| {
        Object::new()
            .with("by", by.as_str())
            .with("at", time_text(*at))
    });
    out.opt(super::fields::CANCEL, cancel);
    out.opt(super::fields::PROCESS, process.as_ref().map(process_object));
    out.done()
}

fn process_object(process: &Process) -> Object {
    let Process {
        place,
        pid,
        started_ticks,
    } = process;
    Object::new()
        .with("place", place.to_string())
        .with("pid", *pid)
        .with("started_ticks", *started_ticks)
}

fn result(result: &TestResult) -> Object {
    let TestResult {
        at,
        attempt,
        exit_code,
        duration_ms,
        output_tail,
        by,
    } = result;
    let mut out = Writer::default();
    out.put("at", time_text(*at));
    out.put("by", by.as_str());
    out.opt("attempt", *attempt);
    out.opt("exit_code", *exit_code);
    out.opt("duration_ms", *duration_ms);
    out.opt("output_tail", output_tail.as_deref());
    out.done()
}
