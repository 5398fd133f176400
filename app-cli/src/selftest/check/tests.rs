//! Each kind of violation is found: in a true log of a true store nothing is, and each forgery is named.

use std::sync::Arc;
use std::time::Duration;

use tasq_adapter_json::{JsonStore, Options};
use tasq_app::{
    AddTask, App, Caller, ClaimTasks, CompleteTask, FailTask, HolderRef, NewQueue, ReleaseTask,
    Report, WhichTask,
};
use tasq_domain::backoff::Backoff;
use tasq_domain::life::FailureKind;
use tasq_domain::{Actor, AttemptEnd, Description, JsonObject, Reason, RetryBudget, Token, Worker};
use tasq_ports::{Check, StoreError, StoreExt as _};
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::session::IDS;

/// A store in which three tasks were completed: A by `ada` after she gave it back once, B by `bob` after he failed
/// once, C by `bob` after `ada` lost it; and the true log of that.
struct Truth {
    store: JsonStore,
    acks: Vec<Ack>,
    _folder: TempDir,
}

const TASKS: [&str; 3] = ["A", "B", "C"];

impl Truth {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let new = NewQueue {
            name: "forged".to_owned(),
            require_tests: false,
            backoff: Backoff {
                base: Duration::ZERO,
                cap: Duration::ZERO,
            },
        };
        let settings = new.settings(&IDS).unwrap();
        let path = folder.path().join("queue.json");
        let options = Options::new(Arc::new(SystemClock));
        let mut truth = Self {
            store: JsonStore::create(&path, &settings, options).unwrap(),
            acks: Vec::new(),
            _folder: folder,
        };
        for id in TASKS {
            truth.add(id);
        }
        let holder = truth.claim("A", "ada", Duration::from_mins(1));
        truth.end(&holder, "ada", Told::Released);
        let holder = truth.claim("A", "ada", Duration::from_mins(1));
        truth.end(&holder, "ada", Told::Completed);
        let holder = truth.claim("B", "bob", Duration::from_mins(1));
        truth.end(&holder, "bob", Told::Failed);
        let holder = truth.claim("B", "bob", Duration::from_mins(1));
        truth.end(&holder, "bob", Told::Completed);
        let lost = truth.claim("C", "ada", Duration::from_micros(1));
        while truth.app().reap().unwrap().tasks.is_empty() {}
        let holder = truth.claim("C", "bob", Duration::from_mins(1));
        truth.end(&holder, "bob", Told::Completed);
        truth.end(&lost, "ada", Told::Refused);
        truth
    }

    fn app(&self) -> App<'_> {
        let actor = Actor::new("test").unwrap();
        App::new(&self.store, &IDS, Caller::Person { actor })
    }

    fn add(&self, id: &str) {
        let task = AddTask {
            id: Some(TaskId::new(id).unwrap()),
            description: Description::new(id).unwrap(),
            feature: None,
            create_feature: false,
            priority: None,
            depends_on: Vec::new(),
            tests: Vec::new(),
            retry_budget: RetryBudget::default(),
            metadata: JsonObject::default(),
        };
        self.app().add_task(&task).unwrap();
    }

    fn claim(&mut self, id: &str, worker: &str, lease: Duration) -> HolderRef {
        let claims = self.app().claim(&ClaimTasks {
            which: WhichTask::This(id.to_owned()),
            worker: Worker::new(worker).unwrap(),
            lease,
            count: 1,
            pid: None,
        });
        let claim = claims.unwrap().remove(0);
        let holder = HolderRef {
            task: TaskId::new(id).unwrap(),
            token: claim.token,
        };
        self.note(&holder, worker, Told::Claimed);
        holder
    }

    fn end(&mut self, holder: &HolderRef, worker: &str, told: Told) {
        let message = Reason::new("because").unwrap();
        let report = Report::default();
        let app = self.app();
        let accepted = match told {
            Told::Completed | Told::Refused => app
                .complete(&CompleteTask {
                    task: holder.task.clone(),
                    token: Some(holder.token),
                    summary: None,
                    force: None,
                    report,
                    next: None,
                })
                .is_ok(),
            Told::Failed => app
                .fail(&FailTask {
                    holder: holder.clone(),
                    kind: FailureKind::Failed,
                    message,
                    report,
                })
                .is_ok(),
            Told::Released => app
                .release(&ReleaseTask {
                    holder: holder.clone(),
                    not_before: None,
                    message: None,
                    report,
                })
                .is_ok(),
            Told::Claimed => unreachable!("a claim is no end"),
        };
        assert_eq!(accepted, told != Told::Refused, "{told:?}");
        self.note(holder, worker, told);
    }

    fn note(&mut self, holder: &HolderRef, worker: &str, told: Told) {
        self.acks.push(Ack {
            worker: worker.to_owned(),
            told,
            task: holder.task.clone(),
            token: holder.token,
        });
    }

    fn contents(&self) -> Contents {
        let contents = self.store.read(|tx| tx.contents());
        contents.unwrap_or_else(|error: StoreError| panic!("{error}"))
    }

    fn findings(&self) -> Vec<Finding> {
        self.app().doctor(&self.store).unwrap().findings
    }

    /// The promises that are broken, when the log or what is in the store is forged.
    fn forged(&self, forge: impl FnOnce(&mut Vec<Ack>, &mut Contents)) -> Vec<Promise> {
        let (mut acks, mut contents) = (self.acks.clone(), self.contents());
        forge(&mut acks, &mut contents);
        judged(&acks, &contents, &self.findings())
    }
}

fn judged(acks: &[Ack], contents: &Contents, findings: &[Finding]) -> Vec<Promise> {
    let added: Vec<TaskId> = TASKS.iter().map(|id| TaskId::new(*id).unwrap()).collect();
    let violations = judge(&added, acks, contents, findings);
    violations.iter().map(|it| it.promise).collect()
}

fn ack<'a>(acks: &'a mut [Ack], task: &str, told: Told) -> &'a mut Ack {
    acks.iter_mut()
        .find(|ack| ack.task.as_str() == task && ack.told == told)
        .unwrap()
}

fn task<'a>(contents: &'a mut Contents, id: &str) -> &'a mut Task {
    let mut tasks = contents.tasks.iter_mut();
    tasks.find(|task| task.id.as_str() == id).unwrap()
}

fn attempt<'a>(contents: &'a mut Contents, id: &str, number: u32) -> &'a mut Attempt {
    let mut attempts = contents.attempts.iter_mut();
    let found = attempts.find(|it| it.task.as_str() == id && it.token.attempt == number);
    found.unwrap()
}

fn end<'a>(contents: &'a mut Contents, id: &str, number: u32) -> &'a mut AttemptEnd {
    attempt(contents, id, number).end.as_mut().unwrap()
}

#[test]
fn a_true_log_breaks_no_promise() {
    let truth = Truth::new();
    assert_eq!(truth.acks.len(), 12);
    assert_eq!(truth.forged(|_, _| ()), []);
}

#[test]
fn what_was_acknowledged_and_is_gone_is_lost() {
    let truth = Truth::new();
    // A claim whose attempt is gone, as after a rollback.
    let lost = truth.forged(|acks, _| {
        let claimed = ack(acks, "A", Told::Claimed);
        claimed.token = Token {
            attempt: 9,
            nonce: 9,
        };
    });
    assert_eq!(lost, [Promise::NothingLost]);
    // A completion, a failure and a release that the store does not know.
    for (id, number, told) in [
        ("A", 2, Told::Completed),
        ("B", 1, Told::Failed),
        ("A", 1, Told::Released),
    ] {
        let lost = truth.forged(|_, contents| {
            end(contents, id, number).outcome = Outcome::Lost;
        });
        assert!(lost.contains(&Promise::NothingLost), "{told:?}: {lost:?}");
    }
    // A completion that did not stay.
    let lost = truth.forged(|_, contents| task(contents, "A").status = Status::Pending);
    assert!(lost.contains(&Promise::NothingLost), "{lost:?}");
    assert!(lost.contains(&Promise::EverythingEnds), "{lost:?}");
    // A task that is gone with all that was said of it.
    let lost = truth.forged(|acks, contents| {
        acks.retain(|ack| ack.task.as_str() != "A");
        contents.tasks.retain(|task| task.id.as_str() != "A");
    });
    assert_eq!(lost, [Promise::NothingLost]);
}

#[test]
fn what_two_were_told_is_doubled() {
    let truth = Truth::new();
    // One attempt for two workers.
    let doubled = truth.forged(|acks, _| {
        let mut second = ack(acks, "A", Told::Claimed).clone();
        second.token.nonce += 1;
        acks.push(second);
    });
    assert!(doubled.contains(&Promise::NothingDoubled), "{doubled:?}");
    // One token for two tasks.
    let doubled = truth.forged(|acks, contents| {
        let nonce = ack(acks, "A", Told::Claimed).token.nonce;
        let forged = ack(acks, "C", Told::Claimed);
        forged.token.nonce = nonce;
        ack(acks, "C", Told::Refused).token.nonce = nonce;
        attempt(contents, "C", 1).token.nonce = nonce;
    });
    assert_eq!(doubled, [Promise::NothingDoubled]);
    // Another worker holds it than the one who was told so.
    let doubled = truth.forged(|acks, _| {
        ack(acks, "A", Told::Claimed).worker = "eve".to_owned();
    });
    assert_eq!(doubled, [Promise::NothingDoubled]);
    // One task, completed twice.
    let doubled = truth.forged(|acks, _| {
        let again = ack(acks, "A", Told::Completed).clone();
        acks.push(again);
    });
    assert_eq!(doubled, [Promise::NothingDoubled]);
    let doubled = truth.forged(|acks, contents| {
        acks.retain(|ack| ack.task.as_str() != "B");
        end(contents, "B", 1).outcome = Outcome::Completed;
    });
    assert_eq!(doubled, [Promise::NothingDoubled]);
    // Two attempts at a time.
    let doubled = truth.forged(|_, contents| {
        let begun = attempt(contents, "C", 2).started_at;
        end(contents, "C", 1).at = begun.after(Duration::from_secs(1));
    });
    assert_eq!(doubled, [Promise::NothingDoubled]);
}

#[test]
fn a_stale_write_that_counted_is_found() {
    let truth = Truth::new();
    let broken = truth.forged(|_, contents| {
        end(contents, "C", 1).outcome = Outcome::Completed;
        end(contents, "C", 2).outcome = Outcome::Lost;
    });
    assert!(broken.contains(&Promise::StaleRefused), "{broken:?}");
    let broken = truth.forged(|acks, _| ack(acks, "A", Told::Completed).told = Told::Refused);
    assert_eq!(broken, [Promise::StaleRefused]);
}

#[test]
fn attempts_that_are_not_counted_are_found() {
    let truth = Truth::new();
    let broken = truth.forged(|_, contents| task(contents, "A").attempts += 1);
    assert_eq!(broken, [Promise::AttemptsAgree]);
    let broken = truth.forged(|acks, contents| {
        acks.retain(|ack| ack.told != Told::Completed);
        end(contents, "A", 2).outcome = Outcome::Failed;
    });
    assert_eq!(broken, [Promise::AttemptsAgree]);
}

#[test]
fn a_task_that_breaks_a_rule_is_found_in_the_store_itself() {
    let truth = Truth::new();
    let id = TaskId::new("A").unwrap();
    let broke = truth.store.write(|tx| {
        let mut task = tx.task(&id)?.expect("it was added").task;
        task.retries_used = task.retry_budget.number() + 1;
        tx.update_task_life(&task)
    });
    broke.unwrap_or_else(|error: StoreError| panic!("{error}"));
    let findings = truth.findings();
    assert_eq!(
        judged(&truth.acks, &truth.contents(), &findings),
        [Promise::Sound]
    );
    let told: Vec<Check> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Problem)
        .map(|finding| finding.check)
        .collect();
    assert_eq!(told, [Check::Invariants]);
}
