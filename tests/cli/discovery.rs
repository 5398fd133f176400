//! Which store a command finds.

use std::fs;

use super::harness::{Kind, Ran, Sandbox, text};

#[test]
fn the_nearest_folder_upwards_is_found() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let deep = sandbox.project.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let ran = Ran::of(sandbox.command(&["--json", "where"]).current_dir(&deep));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(text(&ran.data()["store"]).ends_with(kind.file()));
    }
}

#[test]
fn a_repository_does_not_see_the_store_above_it() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let inner = sandbox.project.join("inner");
    fs::create_dir_all(inner.join(".git")).unwrap();
    let ran = Ran::of(sandbox.command(&["--json", "where"]).current_dir(&inner));
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[test]
fn a_work_tree_shares_the_queue_of_its_main_checkout() {
    let sandbox = Sandbox::bare();
    let git = sandbox.project.join(".git/worktrees/tree");
    fs::create_dir_all(&git).unwrap();
    let tree = sandbox.folder().join("tree");
    fs::create_dir_all(tree.join("src")).unwrap();
    fs::write(tree.join(".git"), format!("gitdir: {}\n", git.display())).unwrap();
    let in_tree = |words: &[&str]| Ran::of(sandbox.command(words).current_dir(tree.join("src")));
    sandbox.init(Kind::Sqlite);
    let added = in_tree(&["--json", "add", "from the tree"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert_eq!(
        sandbox.data(&["list"])["tasks"][0]["title"],
        "from the tree"
    );
    assert!(!tree.join(".tasq").exists());
}

#[test]
fn two_stores_in_one_folder_are_both_named() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    fs::write(sandbox.project.join(Kind::Json.file()), "{}").unwrap();
    let error = sandbox.error(3, &["list"]);
    assert_eq!(error["code"], "ambiguous");
    let message = text(&error["message"]);
    assert!(
        message.contains("queue.db") && message.contains("queue.json"),
        "{message}"
    );
}

#[test]
fn the_flag_goes_before_the_environment() {
    let sandbox = Sandbox::bare();
    sandbox.data(&["--store", "one.db", "init"]);
    sandbox.data(&["--store", "two.json", "init"]);
    let with =
        |words: &[&str]| Ran::of(sandbox.command(words).env("TASQ_STORE", "two.json")).data();
    let found = with(&["--json", "where"]);
    assert_eq!(
        (&found["kind"], &found["found_by"]),
        (&"json".into(), &"environment".into())
    );
    let found = with(&["--json", "where", "--store", "one.db"]);
    assert_eq!(
        (&found["kind"], &found["found_by"]),
        (&"sqlite".into(), &"flag".into())
    );
}

#[test]
fn a_new_store_is_for_its_owner_alone_and_git_sees_only_the_readable_one() {
    use std::os::unix::fs::PermissionsExt as _;
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let mode = |name: &str| {
            fs::metadata(sandbox.project.join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode(".tasq"), mode(kind.file())), (0o700, 0o600));
        let ignored = fs::read_to_string(sandbox.project.join(".tasq/.gitignore")).unwrap();
        let lines: Vec<&str> = ignored.lines().collect();
        assert_eq!((lines[0], lines.contains(&"!queue.json")), ("*", true));
    }
}
