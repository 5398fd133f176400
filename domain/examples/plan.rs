//! A queue without any store: a release plan in a `Vec`, worked through with the rules of this crate alone.
//!
//! `cargo run -p tasq-domain --example plan` prints who did what and the tree, and fails if the plan does not end as it
//! should.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use tasq_domain::backoff::Backoff;
use tasq_domain::life::{
    Completion, Failure, FailureKind, Gate, Grant, LEASE_UNDER_RUN_SECS, Writer, claim, complete,
    fail,
};
use tasq_domain::ready::{claim_order, is_ready};
use tasq_domain::rollup::roll_up;
use tasq_domain::{
    Attempt, Description, FeatureId, Priority, Reason, Status, StatusCounts, Task, TaskId,
    TaskRecord, Timestamp, Worker,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The whole store: tasks, and which waits for which (by place).
struct Plan {
    tasks: Vec<Task>,
    waits: Vec<(usize, usize)>,
    now: Timestamp,
}

impl Plan {
    fn add(&mut self, feature: &str, text: &str, priority: i64, after: &[usize]) -> Outcome<usize> {
        let place = self.tasks.len();
        let id = TaskId::new(format!("TASK-{}", place + 1))?;
        let text = Description::new(text)?;
        self.tasks.push(Task {
            seq: i64::try_from(place)? + 1,
            own_priority: Some(Priority::new(priority)?),
            ..Task::new(id, FeatureId::new(feature)?, text, self.now)
        });
        self.waits.extend(after.iter().map(|&on| (place, on)));
        Ok(place)
    }

    fn record(&self, place: usize) -> TaskRecord {
        let task = self.tasks[place].clone();
        let open = |&&(waiter, on): &&(usize, usize)| {
            waiter == place && self.tasks[on].status != Status::Completed
        };
        TaskRecord {
            priority: task.own_priority.unwrap_or_default(),
            open_dependencies: u32::try_from(self.waits.iter().filter(open).count())
                .unwrap_or(u32::MAX),
            task,
            epic: None,
            held_above: false,
        }
    }

    /// Claims the first ready task; time goes on to the next retry if there is none.
    fn claim_next(&mut self, worker: &Worker) -> Outcome<Option<(usize, Attempt)>> {
        let ready = |plan: &Self| {
            let records = (0..plan.tasks.len()).map(|place| (place, plan.record(place)));
            records
                .filter(|(_, record)| is_ready(record, plan.now))
                .min_by_key(|(_, record)| claim_order(record))
        };
        let Some((place, record)) = ready(self).or_else(|| {
            self.now = self.tasks.iter().filter_map(|task| task.not_before).min()?;
            ready(self)
        }) else {
            return Ok(None);
        };
        let grant = Grant {
            worker: worker.clone(),
            // A real queue draws this at random.
            nonce: self.now.micros().unsigned_abs(),
            lease: Duration::from_secs(LEASE_UNDER_RUN_SECS),
            process: None,
        };
        let (step, attempt) = claim(&record, grant, self.now)?;
        self.tasks[place] = step.task;
        Ok(Some((place, attempt)))
    }

    fn print(&self) {
        let counts: StatusCounts = self.tasks.iter().map(|task| task.status).collect();
        let status = roll_up(counts.present(), false, false).map_or("empty", Status::as_str);
        println!("FEAT-RELEASE  {status}  {}%", counts.percent());
        for task in &self.tasks {
            let title = task.description.title();
            println!(
                "  {}  {}  {title}  (attempts: {})",
                task.id, task.status, task.attempts
            );
        }
    }
}

fn main() -> Outcome<()> {
    let mut plan = Plan {
        tasks: Vec::new(),
        waits: Vec::new(),
        now: Timestamp::from_micros(0),
    };
    let tag = plan.add("FEAT-RELEASE", "tag the release", 2, &[])?;
    let build = plan.add("FEAT-RELEASE", "build the binaries", 2, &[tag])?;
    plan.add("FEAT-RELEASE", "announce it", 0, &[build])?;
    plan.add("FEAT-RELEASE", "close the milestone", 3, &[])?;
    plan.print();

    let worker = Worker::new("ada")?;
    let mut order = Vec::new();
    while let Some((place, attempt)) = plan.claim_next(&worker)? {
        plan.now = plan.now.after(Duration::from_secs(1));
        let (task, token) = (&plan.tasks[place], attempt.token);
        let flaky = place == build && token.attempt == 1;
        let step = if flaky {
            let failure = Failure {
                kind: FailureKind::Failed,
                message: Reason::new("the linker ran out of memory")?,
                exit_code: Some(1),
            };
            fail(
                &plan.record(place),
                token,
                failure,
                &Backoff::default(),
                plan.now,
            )?
        } else {
            let (writer, done) = (Writer::Holder(token), Completion::default());
            complete(task, &writer, &[], Gate::TestsOptional, done, plan.now)?
        };
        println!("{worker}: {} {}", step.event.as_str(), step.task.id);
        order.push(step.task.id.to_string());
        plan.tasks[place] = step.task;
    }
    plan.print();

    // The build failed once; meanwhile what does not wait for it was done.
    assert_eq!(order, ["TASK-1", "TASK-2", "TASK-4", "TASK-2", "TASK-3"]);
    assert!(
        plan.tasks
            .iter()
            .all(|task| task.status == Status::Completed)
    );
    Ok(())
}
