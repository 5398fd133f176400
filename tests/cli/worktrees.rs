//! Isolation: `run --worktree` in a real git repository whose own tree and index nobody may touch.

use std::fs;

use serde_json::Value;

use super::harness::{Kind, Ran, Sandbox, binary, text};

/// A repository with a commit, something staged, something changed, something new, and a queue.
struct Repository {
    sandbox: Sandbox,
}

impl Repository {
    fn new() -> Self {
        let sandbox = Sandbox::bare();
        // The border of the sandbox is no repository.
        fs::remove_dir(sandbox.project.join(".git")).unwrap();
        let repository = Self { sandbox };
        repository.git(&["init", "-q", "-b", "main", "."]);
        repository.git(&["config", "user.name", "Ada"]);
        repository.git(&["config", "user.email", "ada@example.org"]);
        repository.sandbox.write("shared", "one\n");
        repository.git(&["add", "shared"]);
        repository.git(&["commit", "-q", "-m", "first"]);
        repository.sandbox.init(Kind::Sqlite);
        repository.sandbox.write("staged", "not committed\n");
        repository.git(&["add", "staged"]);
        repository.sandbox.write("shared", "one\nunder my hands\n");
        repository.sandbox.write("untracked", "mine\n");
        repository
    }

    fn git(&self, args: &[&str]) -> String {
        let ran = Ran::of(self.sandbox.program("git").args(args));
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.stdout
    }

    /// Everything of the person's tree and index, and what they have checked out.
    fn state(&self) -> (String, String, Vec<u8>, String) {
        let index = fs::read(self.sandbox.project.join(".git/index")).unwrap();
        // Looked at without refreshing the index.
        let status = [
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch",
            "-uall",
        ];
        let shared = fs::read_to_string(self.sandbox.project.join("shared")).unwrap();
        let head = fs::read_to_string(self.sandbox.project.join(".git/HEAD")).unwrap();
        (self.git(&status), shared, index, head)
    }

    fn run(&self, flags: &[&str], worker: &str) -> Ran {
        let command = ["--", "sh", "-c", worker];
        let words = [&["run", "--json", "--worktree"], flags, &command].concat();
        self.sandbox.tasq(&words)
    }

    fn task(&self, id: &str) -> Value {
        self.sandbox.data(&["show", id])
    }

    fn files(&self, commit: &str) -> Vec<String> {
        let names = self.git(&["diff", "--name-only", &format!("{commit}^"), commit]);
        names.lines().map(str::to_owned).collect()
    }

    /// The branches beside the person's own.
    fn branches(&self) -> Vec<String> {
        let names = self.git(&[
            "for-each-ref",
            "--format=%(refname:short)",
            "refs/heads/tasq",
        ]);
        names.lines().map(str::to_owned).collect()
    }

    fn worktrees(&self) -> usize {
        fs::read_dir(self.sandbox.project.join(".tasq/worktrees"))
            .unwrap()
            .count()
    }
}

/// The commit that an attempt's result names.
fn commit(task: &Value, attempt: usize) -> String {
    text(&task["attempts"][attempt]["result"]["commit"])
}

#[test]
fn a_worker_changes_its_own_tree_and_only_what_is_in_it_is_committed() {
    let repository = Repository::new();
    let hostile = "../-rf;$(touch${IFS}pwned)`id`/.lock";
    let add = [
        "task",
        "add",
        "Fix the {id} page\n\nwith care",
        "--feature",
        "F",
    ];
    let add = [&add[..], &["--create-feature", "--id", hostile]].concat();
    let id = repository.sandbox.id(&add);
    let before = repository.state();
    let worker =
        "echo work > made && git rev-parse --abbrev-ref HEAD > branch && test ! -e untracked";
    let ran = repository.run(&[], worker);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(repository.state(), before);
    let commit = commit(&repository.task(&id), 0);
    assert_eq!(repository.files(&commit), ["branch", "made"]);
    let message = repository.git(&["log", "-1", "--format=%an%n%B", &commit]);
    let expected = format!("Ada\nFix the {{id}} page\n\nTask: {id}\nAttempt: 1\n");
    assert_eq!(message.trim_end(), expected.trim_end());
    let branches = repository.branches();
    assert_eq!(branches.len(), 1, "{branches:?}");
    let known = repository.git(&["rev-parse", &branches[0]]);
    assert_eq!((known.trim(), repository.worktrees()), (&*commit, 0));
    assert!(!repository.sandbox.project.join("pwned").exists());
    assert_eq!(
        repository.git(&["rev-parse", "main"]),
        repository.git(&["rev-parse", &format!("{commit}^")])
    );
}

#[test]
fn what_several_workers_finish_comes_together_on_one_branch() {
    for (merge, per_task) in [("ff", 2), ("squash", 1)] {
        let repository = Repository::new();
        let ids: Vec<String> = (0..4)
            .map(|_| {
                repository
                    .sandbox
                    .id(&["add", "work", "--test", "whole :: test -e first"])
            })
            .collect();
        let before = repository.state();
        let worker = "touch first; echo x > $TASQ_TASK; git add $TASQ_TASK; git commit -qm 'my own'; echo y > more-$TASQ_TASK";
        let ran = repository.run(&["--jobs", "3", "--merge", merge], worker);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(repository.state(), before);
        assert_eq!(repository.branches(), ["tasq/merged/main"]);
        let count = repository.git(&["rev-list", "--count", "main..tasq/merged/main"]);
        assert_eq!(count.trim(), (4 * per_task).to_string(), "{merge}");
        let tree = repository.git(&["ls-tree", "--name-only", "tasq/merged/main"]);
        for id in &ids {
            assert!(
                tree.contains(id) && tree.contains(&format!("more-{id}")),
                "{tree}"
            );
            let landed = commit(&repository.task(id), 0);
            repository.git(&["merge-base", "--is-ancestor", &landed, "tasq/merged/main"]);
        }
        repository.git(&["fsck", "--strict"]);
    }
}

#[test]
fn a_conflict_blocks_the_task_with_the_reason_and_keeps_the_work() {
    let repository = Repository::new();
    let first = repository.sandbox.id(&["add", "first"]);
    let second = repository.sandbox.id(&["add", "second"]);
    let before = repository.state();
    // Both begin at the same commit: each waits until the other has begun.
    let meet = repository.sandbox.project.join(".tasq/met");
    fs::create_dir(&meet).unwrap();
    let worker = format!(
        "touch {0}/$TASQ_TASK; while [ $(ls {0} | wc -l) -lt 2 ]; do sleep 0.01; done; echo $TASQ_TASK > shared",
        meet.display()
    );
    let ran = repository.run(&["--jobs", "2", "--merge", "ff"], &worker);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(repository.state(), before);
    let tasks = [repository.task(&first), repository.task(&second)];
    let blocked: Vec<&Value> = tasks
        .iter()
        .filter(|task| task["status"] == "blocked")
        .collect();
    assert_eq!(blocked.len(), 1, "{tasks:?}");
    let reason = text(&blocked[0]["blocked_reason"]);
    let branch = format!("tasq/task/{}/1", text(&blocked[0]["id"]));
    assert!(
        reason.contains("shared")
            && reason.contains("tasq/merged/main")
            && reason.contains(&branch),
        "{reason}"
    );
    let kept = repository.git(&["show", &format!("{branch}:shared")]);
    assert_eq!(kept.trim(), text(&blocked[0]["id"]));
    // Whoever tries next, after a person has looked, reads it too.
    let id = text(&blocked[0]["id"]);
    repository.sandbox.data(&["unblock", &id]);
    let claim = repository.sandbox.data(&["claim", &id]);
    assert_eq!(
        claim["last_failure"]["message"],
        blocked[0]["blocked_reason"]
    );
}

#[test]
fn a_failed_attempt_s_tree_is_there_for_the_next_one_or_goes_as_asked() {
    for (flags, expected) in [
        (&[][..], "half\nwhole\n"),
        (&["--keep-worktree", "never"], "whole\n"),
    ] {
        let repository = Repository::new();
        let id = repository.sandbox.id(&["add", "work"]);
        let before = repository.state();
        let failed = repository.run(
            &[&["--max", "1"], flags].concat(),
            "echo half >> made; git add made; exit 1",
        );
        assert_eq!(failed.code, Some(12), "{failed:?}");
        assert_eq!(repository.worktrees(), usize::from(flags.is_empty()));
        repository.sandbox.data(&["retry", &id]);
        let done = repository.run(flags, "echo whole >> made");
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!((repository.state(), repository.worktrees()), (before, 0));
        let commit = commit(&repository.task(&id), 1);
        let made = repository.git(&["show", &format!("{commit}:made")]);
        assert_eq!(made, expected);
        assert_eq!(repository.branches(), [format!("tasq/task/{id}/2")]);
    }
}

#[test]
fn a_worker_that_points_git_elsewhere_does_not_reach_the_person_s_index() {
    let repository = Repository::new();
    let id = repository.sandbox.id(&["add", "work"]);
    let before = repository.state();
    let worker = format!(
        "echo mine > made; echo 'gitdir: {}/.git' > .git",
        repository.sandbox.project.display()
    );
    let ran = repository.run(&[], &worker);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(repository.state(), before);
    let commit = commit(&repository.task(&id), 0);
    assert_eq!(repository.files(&commit), ["made"]);
}

#[test]
fn a_worker_that_completes_its_task_itself_has_its_work_proven_and_committed() {
    let repository = Repository::new();
    let test = "right :: test -e made && test ! -e untracked";
    let proven = repository.sandbox.id(&["add", "work", "--test", test]);
    let free = repository.sandbox.id(&["add", "more work"]);
    let before = repository.state();
    let tasq = binary().display().to_string();
    let worker = format!(
        "touch made; echo x > $TASQ_TASK; '{tasq}' verify && '{tasq}' complete --summary 'made it'"
    );
    let ran = repository.run(&["--merge", "ff", "--max", "2"], &worker);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(repository.state(), before);
    for id in [&proven, &free] {
        let task = repository.task(id);
        let attempt = &task["attempts"][0];
        assert_eq!(
            (&attempt["outcome"], &attempt["message"]),
            (&"completed".into(), &"made it".into()),
            "{task}"
        );
        let files = repository.files(&commit(&task, 0));
        assert!(files.contains(id), "{files:?}");
    }
    assert_eq!(repository.worktrees(), 0);
}

#[test]
fn a_folder_of_the_worker_s_own_choice_proves_nothing() {
    let repository = Repository::new();
    let test = "right :: test -e made";
    let id = repository
        .sandbox
        .id(&["add", "work", "--retry-budget", "0", "--test", test]);
    let tasq = binary().display().to_string();
    let worker =
        format!("mkdir fake; touch fake/made; TASQ_FOLDER=$PWD/fake '{tasq}' verify; exit 3");
    let ran = repository.sandbox.tasq(&["run", "--", "sh", "-c", &worker]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(repository.task(&id)["tests"][0]["status"], "failing");
}

#[test]
fn what_cannot_be_isolated_is_refused_before_anything_is_claimed() {
    let repository = Repository::new();
    let id = repository.sandbox.id(&["add", "work"]);
    let checked_out = ["--merge", "ff", "--into", "main"];
    let refused = repository.run(&checked_out, "true");
    assert_eq!(
        (refused.code, &refused.error()["code"]),
        (Some(2), &"usage".into())
    );
    assert!(text(&refused.error()["message"]).contains("is checked out"));
    assert_eq!(repository.task(&id)["attempts"], Value::Array(Vec::new()));

    let sandbox = Sandbox::with(Kind::Sqlite);
    sandbox.id(&["add", "work"]);
    let error = sandbox.error(2, &["run", "--worktree", "--", "true"]);
    assert!(text(&error["hint"]).contains("git repository"), "{error}");
}

#[test]
fn work_that_does_not_prove_itself_is_not_committed() {
    let repository = Repository::new();
    let id = repository.sandbox.id(&[
        "add",
        "work",
        "--retry-budget",
        "1",
        "--test",
        "right :: grep -q right made",
    ]);
    let before = repository.state();
    let ran = repository.run(&["--merge", "ff"], "echo wrong > made");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(repository.state(), before);
    let task = repository.task(&id);
    assert_eq!(
        (&task["status"], &task["attempts"][0]["result"]),
        (&"blocked".into(), &Value::Null)
    );
    let main = repository.git(&["rev-parse", "main"]);
    assert_eq!(
        repository.git(&["rev-parse", &format!("tasq/task/{id}/1")]),
        main
    );
}

#[test]
fn a_feature_s_own_test_cases_see_what_was_brought_together() {
    let repository = Repository::new();
    for name in ["a", "b"] {
        let add = [
            "task",
            "add",
            "work",
            "--feature",
            "F",
            "--create-feature",
            "--id",
            name,
        ];
        repository.sandbox.id(&add);
    }
    let whole = "test -e a && test -e b && test ! -e untracked";
    let test = ["test", "add", "both", "--feature", "F", "--command", whole];
    let test = repository.sandbox.id(&test);
    let before = repository.state();
    let ran = repository.run(&["--merge", "ff"], "touch $TASQ_TASK");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((repository.state(), repository.worktrees()), (before, 0));
    assert_eq!(
        repository.sandbox.data(&["show", &test])["status"],
        "passing"
    );
    assert_eq!(
        repository.sandbox.data(&["show", "F"])["status"],
        "completed"
    );
}
