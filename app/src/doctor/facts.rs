//! What can be told from facts alone: the rules of the domain, held against everything in a store.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tasq_domain::life::broken_invariant;
use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, Attempt, Contents, EntityKind, EpicId, Event, EventKind, Feature, FeatureId, Outcome,
    Status, StatusCounts, Task, TaskId, TaskRecord, TestId, TestOwner, Timestamp, graph,
};
use tasq_ports::{Check, Finding, Severity, StoreError, Tx};

/// How many items are named in a sentence.
const NAMED: usize = 5;

/// Judges everything that the contents and the derived facts of their tasks show.
pub(super) fn judge(contents: &Contents, records: &[TaskRecord], now: Timestamp) -> Vec<Finding> {
    let index = Index::of(contents);
    let mut findings = references(contents, &index);
    findings.extend(cycles(contents));
    findings.extend(invariants(contents, &index));
    findings.extend(parents(contents, now));
    findings.extend(tasks(contents, records, &index));
    findings.extend(edited_outside(contents, &index));
    findings.extend(expired(contents, now));
    findings
}

struct Index<'a> {
    epics: HashSet<&'a EpicId>,
    features: HashMap<&'a FeatureId, &'a Feature>,
    tasks: HashMap<&'a TaskId, &'a Task>,
    attempts: HashMap<&'a TaskId, Vec<&'a Attempt>>,
}

impl<'a> Index<'a> {
    fn of(contents: &'a Contents) -> Self {
        let mut attempts: HashMap<&TaskId, Vec<&Attempt>> = HashMap::new();
        for attempt in &contents.attempts {
            attempts.entry(&attempt.task).or_default().push(attempt);
        }
        Self {
            epics: contents.epics.iter().map(|epic| &epic.id).collect(),
            features: contents.features.iter().map(|it| (&it.id, it)).collect(),
            tasks: contents.tasks.iter().map(|it| (&it.id, it)).collect(),
            attempts,
        }
    }
}

fn place(id: impl Into<AnyId>) -> String {
    let id = id.into();
    format!("{}:{}", id.kind(), id.as_str())
}

fn references(contents: &Contents, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut dangling = |place: String, what: &str, id: &str| {
        let what = format!("it names the {what} {id}, which is not there");
        findings.push(
            Finding::new(Check::References, Severity::Problem, place, what)
                .hint("remove it, or go back to a backup with `tasq restore FILE`"),
        );
    };
    for feature in &contents.features {
        if let Some(epic) = feature.epic.as_ref().filter(|it| !index.epics.contains(it)) {
            dangling(place(&feature.id), "epic", epic.as_str());
        }
    }
    for task in &contents.tasks {
        if !index.features.contains_key(&task.feature) {
            dangling(place(&task.id), "feature", task.feature.as_str());
        }
    }
    for test in &contents.tests {
        match &test.owner {
            TestOwner::Task(task) if !index.tasks.contains_key(task) => {
                dangling(place(&test.id), "task", task.as_str());
            }
            TestOwner::Feature(feature) if !index.features.contains_key(feature) => {
                dangling(place(&test.id), "feature", feature.as_str());
            }
            TestOwner::Task(_) | TestOwner::Feature(_) => {}
        }
    }
    for dependency in &contents.dependencies {
        for end in [&dependency.task, &dependency.on] {
            if !index.tasks.contains_key(end) {
                let place = format!("dependency {} → {}", dependency.task, dependency.on);
                dangling(place, "task", end.as_str());
            }
        }
    }
    for attempt in &contents.attempts {
        if !index.tasks.contains_key(&attempt.task) {
            let place = format!("attempt {} of {}", attempt.token.attempt, attempt.task);
            dangling(place, "task", attempt.task.as_str());
        }
    }
    for checkpoint in &contents.checkpoints {
        if !index.tasks.contains_key(&checkpoint.task) {
            let place = format!("checkpoint {}", checkpoint.seq);
            dangling(place, "task", checkpoint.task.as_str());
        }
    }
    for question in &contents.questions {
        if !index.tasks.contains_key(&question.task) {
            let place = format!(
                "question of attempt {} of {}",
                question.attempt, question.task
            );
            dangling(place, "task", question.task.as_str());
        }
    }
    findings
}

fn cycles(contents: &Contents) -> Option<Finding> {
    let edges = contents.dependencies.iter().map(|it| (&it.task, &it.on));
    let cycle = graph::any_cycle(edges)?;
    let names: Vec<&str> = cycle.iter().map(TaskId::as_str).collect();
    let what = format!("tasks wait for each other: {}", names.join(" → "));
    let hint = format!(
        "take one of them out with `tasq undepend {} --on {}`",
        names[0], names[1]
    );
    let place = place(cycle.first()?);
    Some(Finding::new(Check::Cycles, Severity::Problem, place, what).hint(hint))
}

fn invariants(contents: &Contents, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for task in &contents.tasks {
        let problem = |what: String| {
            Finding::new(Check::Invariants, Severity::Problem, place(&task.id), what).hint(format!(
                "`tasq reopen {}` makes it pending; `tasq log {}` tells what happened",
                task.id, task.id
            ))
        };
        if let Some(broken) = broken_invariant(task) {
            findings.push(problem(format!("it breaks a rule: {broken}")));
        }
        let attempts = index.attempts.get(&task.id).map_or(&[][..], Vec::as_slice);
        findings.extend(attempts_of(task, attempts).map(problem));
        if task.status == Status::InProgress && task.claim.is_none() {
            let what = "held by hand: it is in progress, and nobody has claimed it";
            let finding = Finding::new(Check::Invariants, Severity::Note, place(&task.id), what);
            findings.push(finding.hint(format!("`tasq reopen {}` ends that", task.id)));
        }
    }
    findings.extend(tokens(contents));
    let numbers = contents.events.windows(2);
    if let Some(pair) = numbers.into_iter().find(|pair| pair[0].seq >= pair[1].seq) {
        let place = format!("event {}", pair[1].seq);
        let what = format!("its number does not follow on {}", pair[0].seq);
        findings.push(Finding::new(
            Check::Invariants,
            Severity::Problem,
            place,
            what,
        ));
    }
    findings
}

/// What a task and its attempts do not agree on.
fn attempts_of(task: &Task, attempts: &[&Attempt]) -> impl Iterator<Item = String> {
    let mut wrong = Vec::new();
    for attempt in attempts {
        let number = attempt.token.attempt;
        if number > task.attempts {
            wrong.push(format!(
                "it counts {} attempts, but there is one with the number {number}",
                task.attempts
            ));
        }
        let held = task.claim.as_ref().map(|claim| claim.token) == Some(attempt.token);
        match &attempt.end {
            None if !held => wrong.push(format!("attempt {number} is open, but is not its claim")),
            Some(_) if held => wrong.push(format!("attempt {number} has ended, but is its claim")),
            Some(end) if end.at < attempt.started_at => {
                wrong.push(format!("attempt {number} ended before it began"));
            }
            _ => {}
        }
    }
    let claimed = task.claim.as_ref().map(|claim| claim.token);
    if let Some(token) = claimed
        && !attempts.iter().any(|attempt| attempt.token == token)
    {
        wrong.push(format!("its claim has no attempt {}", token.attempt));
    }
    wrong.into_iter()
}

/// A token that was issued twice.
fn tokens(contents: &Contents) -> Option<Finding> {
    let mut seen: HashMap<u64, &Attempt> = HashMap::new();
    // A snapshot written by hand may have no randomness in it.
    let attempts = contents.attempts.iter().filter(|it| it.token.nonce != 0);
    for attempt in attempts {
        if let Some(first) = seen.insert(attempt.token.nonce, attempt) {
            let what = format!(
                "attempt {} of {} has the same randomness in its token as attempt {} of {}",
                attempt.token.attempt, attempt.task, first.token.attempt, first.task
            );
            let place = place(&attempt.task);
            return Some(Finding::new(
                Check::Invariants,
                Severity::Problem,
                place,
                what,
            ));
        }
    }
    None
}

fn derived(place: String, what: String) -> Finding {
    Finding::new(Check::Derived, Severity::Problem, place, what)
        .fixable()
        .hint("`tasq doctor --fix` derives it afresh")
}

/// Parents whose status is not what follows from what is below them.
fn parents(contents: &Contents, now: Timestamp) -> Vec<Finding> {
    let mut rolled = contents.clone();
    rolled.roll_up_parents(now);
    let mut findings = Vec::new();
    let mut compare = |id: AnyId, stored: Status, right: Status| {
        if stored != right {
            let what = format!(
                "its status is {}, but {} follows from what is below it",
                stored.as_str(),
                right.as_str()
            );
            findings.push(derived(place(id), what));
        }
    };
    for (stored, right) in contents.features.iter().zip(&rolled.features) {
        compare((&stored.id).into(), stored.status, right.status);
    }
    for (stored, right) in contents.epics.iter().zip(&rolled.epics) {
        compare((&stored.id).into(), stored.status, right.status);
    }
    findings
}

/// What a store derives for each task.
fn tasks(contents: &Contents, records: &[TaskRecord], index: &Index<'_>) -> Vec<Finding> {
    let mut open: HashMap<&TaskId, u32> = HashMap::new();
    for dependency in &contents.dependencies {
        let on = index.tasks.get(&dependency.on);
        if on.is_some_and(|on| on.status != Status::Completed) {
            *open.entry(&dependency.task).or_default() += 1;
        }
    }
    let held: HashSet<&EpicId> = contents
        .epics
        .iter()
        .filter(|epic| epic.hold.is_some())
        .map(|epic| &epic.id)
        .collect();
    let mut findings = Vec::new();
    for record in records {
        let task = &record.task;
        let Some(feature) = index.features.get(&task.feature) else {
            continue;
        };
        let mut compare = |what: &str, stored: String, right: String| {
            if stored != right {
                let what = format!("{what} is stored as {stored}, but {right} follows");
                findings.push(derived(place(&task.id), what));
            }
        };
        let priority = task.own_priority.unwrap_or(feature.priority);
        compare(
            "its effective priority",
            record.priority.number().to_string(),
            priority.number().to_string(),
        );
        let open = open.get(&task.id).copied().unwrap_or_default();
        compare(
            "the number of tasks it waits for",
            record.open_dependencies.to_string(),
            open.to_string(),
        );
        let above = feature.hold.is_some()
            || feature
                .epic
                .as_ref()
                .is_some_and(|epic| held.contains(epic));
        compare(
            "whether something above it is on hold",
            record.held_above.to_string(),
            above.to_string(),
        );
        let name = |epic: Option<&EpicId>| epic.map_or("none".to_owned(), ToString::to_string);
        compare(
            "its epic",
            name(record.epic.as_ref()),
            name(feature.epic.as_ref()),
        );
    }
    findings
}

/// The counts that a store keeps, against what there is.
pub(super) fn judge_counts(
    tx: &mut dyn Tx,
    contents: &Contents,
) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let mut compare = |place: String, what: &str, stored: u64, right: u64| {
        if stored != right {
            let what = format!("{what} are counted as {stored}, but there are {right}");
            findings.push(derived(place, what));
        }
    };
    for (kind, what, right) in [
        (EntityKind::Epic, "its epics", contents.epics.len()),
        (EntityKind::Feature, "its features", contents.features.len()),
        (EntityKind::Task, "its tasks", contents.tasks.len()),
        (EntityKind::Test, "its test cases", contents.tests.len()),
    ] {
        compare(
            "the whole queue".to_owned(),
            what,
            tx.count(kind)?,
            right as u64,
        );
    }
    let mut below: HashMap<&FeatureId, StatusCounts> = HashMap::new();
    for task in &contents.tasks {
        below.entry(&task.feature).or_default().add(task.status);
    }
    for feature in &contents.features {
        let stored = tx.task_counts(&Scope::Feature(feature.id.clone()))?;
        let right = below.get(&feature.id).copied().unwrap_or_default();
        for (what, stored, right) in [
            ("its pending tasks", stored.pending, right.pending),
            (
                "its tasks in progress",
                stored.in_progress,
                right.in_progress,
            ),
            ("its completed tasks", stored.completed, right.completed),
            ("its blocked tasks", stored.blocked, right.blocked),
        ] {
            compare(place(&feature.id), what, stored, right);
        }
    }
    Ok(findings)
}

/// The last word of the events on an item.
struct LastWord<'a> {
    event: &'a Event,
    status: Option<String>,
}

/// Tasks and test cases whose status is not the one that tasq itself gave them last.
fn edited_outside(contents: &Contents, index: &Index<'_>) -> Vec<Finding> {
    let mut words: HashMap<&AnyId, LastWord<'_>> = HashMap::new();
    for event in contents.events.iter().rev() {
        let known = words.get(&event.entity);
        if known.is_some_and(|word| word.status.is_some() || word.event.kind == EventKind::Removed)
        {
            continue;
        }
        let status = said_status(event);
        let word = words.entry(&event.entity);
        let word = word.or_insert(LastWord {
            event,
            status: None,
        });
        if word.event.kind != EventKind::Removed {
            word.status = status;
        }
    }
    let mut findings = Vec::new();
    let mut unheard = Vec::new();
    let mut judge = |id: AnyId, status: &str, moved: bool| match words.get(&id) {
        None => unheard.push(place(id)),
        Some(word) => {
            let differs = word.status.as_deref().is_some_and(|said| said != status) && !moved;
            let removed = word.event.kind == EventKind::Removed;
            let what = match &word.status {
                Some(said) if differs => format!("it is {status}, but tasq last left it {said}"),
                _ if removed => "tasq removed it, and it is there again".to_owned(),
                _ => return,
            };
            let hint = format!(
                "something other than tasq wrote to the store; `tasq log {}` tells what tasq did",
                id.as_str()
            );
            findings.push(
                Finding::new(Check::EditedOutside, Severity::Warning, place(id), what).hint(hint),
            );
        }
    };
    for task in &contents.tasks {
        judge(
            (&task.id).into(),
            task.status.as_str(),
            was_moved(task, index, &words),
        );
    }
    for test in &contents.tests {
        let id: &TestId = &test.id;
        judge(id.into(), test.status.as_str(), false);
    }
    if !unheard.is_empty() {
        let count = unheard.len();
        unheard.truncate(NAMED);
        let mut named = unheard.join(", ");
        if count > NAMED {
            named.push_str(", …");
        }
        let what = format!(
            "{count} items came without an event, as from a snapshot or a plain SQL client: {named}"
        );
        findings.push(Finding::new(
            Check::EditedOutside,
            Severity::Note,
            "the whole queue",
            what,
        ));
    }
    findings
}

/// Whether a task was last told to be in progress and its attempt was closed without a word, as a copy of the queue
/// does.
fn was_moved(task: &Task, index: &Index<'_>, words: &HashMap<&AnyId, LastWord<'_>>) -> bool {
    let told = words
        .get(&AnyId::from(&task.id))
        .and_then(|word| word.status.as_deref());
    let last = index.attempts.get(&task.id).and_then(|attempts| {
        attempts
            .iter()
            .find(|attempt| attempt.token.attempt == task.attempts)
    });
    told == Some(Status::InProgress.as_str())
        && matches!(task.status, Status::Pending | Status::Blocked)
        && last
            .and_then(|attempt| attempt.end.as_ref())
            .is_some_and(|end| end.outcome == Outcome::Lost)
}

fn said_status(event: &Event) -> Option<String> {
    let data: Value = serde_json::from_str(event.data.as_str()).ok()?;
    Some(data.get("status")?.as_str()?.to_owned())
}

fn expired(contents: &Contents, now: Timestamp) -> Option<Finding> {
    let lost: Vec<&str> = contents
        .tasks
        .iter()
        .filter(|task| {
            let claim = task.claim.as_ref();
            claim.is_some_and(|claim| claim.lease_expires_at <= now)
        })
        .map(|task| task.id.as_str())
        .collect();
    if lost.is_empty() {
        return None;
    }
    let mut named = lost[..lost.len().min(NAMED)].join(", ");
    if lost.len() > NAMED {
        named.push_str(", …");
    }
    let what = format!(
        "{} tasks are held under a lease that has run out: {named}",
        lost.len()
    );
    let finding = Finding::new(
        Check::ExpiredLeases,
        Severity::Note,
        "the whole queue",
        what,
    );
    Some(
        finding
            .fixable()
            .hint("the next claim takes them back; `tasq reap` does it now"),
    )
}
