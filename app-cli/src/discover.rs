//! Which store a command works on: the one that was named, or the nearest `.tasq/` upwards.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tasq_app::Code;
use tasq_files::check_private_dir;
use tasq_formats::json::WrittenObject;

use crate::failure::Failure;

/// The folder of a queue, next to the work it is about.
pub(crate) const FOLDER: &str = ".tasq";
/// The SQLite store in it.
pub(crate) const SQLITE_FILE: &str = "queue.db";
/// The JSON store in it.
pub(crate) const JSON_FILE: &str = "queue.json";

/// A store: its kind and its path, which is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// An SQLite database.
    Sqlite(PathBuf),
    /// A JSON file.
    Json(PathBuf),
}

/// How a store was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// `--store` named it.
    Flag,
    /// `TASQ_STORE` named it.
    Environment,
    /// It lies in the nearest `.tasq/`.
    Folder,
}

/// A store and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) place: Place,
    pub(crate) found_by: FoundBy,
}

impl FoundBy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Folder => "folder",
        }
    }
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Sqlite(path) | Self::Json(path) => path,
        }
    }

    /// The form that `--store` takes, whatever the name of the file.
    pub(crate) fn url(&self) -> String {
        let scheme = match self {
            Self::Sqlite(_) => "sqlite",
            Self::Json(_) => "json",
        };
        format!("{scheme}:{}", self.path().display())
    }

    /// The `.tasq/` that it lies in, if it does.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.path()
            .parent()
            .filter(|folder| folder.file_name() == Some(OsStr::new(FOLDER)))
    }

    /// Where the work is that the queue is about: the folder of its `.tasq/`, else the current one.
    pub(crate) fn project(&self) -> Result<PathBuf, Failure> {
        match self.folder().and_then(Path::parent) {
            Some(project) => Ok(project.to_path_buf()),
            None => current_dir(),
        }
    }
}

/// The store that a command works on.
pub(crate) fn locate(flag: Option<&OsStr>) -> Result<Located, Failure> {
    if let Some(text) = flag {
        return Ok(Located {
            place: named(text)?,
            found_by: FoundBy::Flag,
        });
    }
    if let Some(text) = env::var_os("TASQ_STORE").filter(|text| !text.is_empty()) {
        return Ok(Located {
            place: named(&text)?,
            found_by: FoundBy::Environment,
        });
    }
    Ok(Located {
        place: nearest()?,
        found_by: FoundBy::Folder,
    })
}

/// The store that `--store` or `TASQ_STORE` named, if any did.
pub(crate) fn named_place(flag: Option<&OsStr>) -> Result<Option<Place>, Failure> {
    let text = flag
        .map(OsStr::to_os_string)
        .or_else(|| env::var_os("TASQ_STORE"));
    text.filter(|text| !text.is_empty())
        .map(|text| named(&text))
        .transpose()
}

/// The store that a text names: `sqlite:PATH`, `json:PATH`, or a path by its ending or else its content.
pub(crate) fn named(text: &OsStr) -> Result<Place, Failure> {
    let shown = text.to_string_lossy();
    if shown.starts_with("postgres://") || shown.starts_with("postgresql://") {
        return Err(Failure::usage("PostgreSQL stores are not available yet")
            .with_hint("use sqlite:PATH or json:PATH"));
    }
    if let Some(path) = text.to_str().and_then(|text| text.strip_prefix("sqlite:")) {
        return Ok(Place::Sqlite(absolute(Path::new(path))?));
    }
    if let Some(path) = text.to_str().and_then(|text| text.strip_prefix("json:")) {
        return Ok(Place::Json(absolute(Path::new(path))?));
    }
    let path = absolute(Path::new(text))?;
    if path.is_dir() {
        return in_folder(&path)?.map_or_else(
            || match in_folder(&path.join(FOLDER)) {
                Ok(Some(place)) => Ok(place),
                Ok(None) => Err(none_at(&path)),
                Err(failure) => Err(failure),
            },
            Ok,
        );
    }
    match path.extension().and_then(OsStr::to_str) {
        Some("db" | "sqlite" | "sqlite3") => Ok(Place::Sqlite(path)),
        Some("json") => Ok(Place::Json(path)),
        _ => by_content(path),
    }
}

/// Where `init` makes a store when none is named: the `.tasq/` of the current folder or, in a work tree that git made
/// beside the main checkout, of the same folder there. The flag says whether it is that other place.
pub(crate) fn new_folder() -> Result<(PathBuf, bool), Failure> {
    let here = current_dir()?;
    let steps = upwards(&here);
    let first = steps.into_iter().next().unwrap_or_else(|| here.clone());
    let elsewhere = first != here && first.is_dir();
    let base = if elsewhere { first } else { here };
    Ok((base.join(FOLDER), elsewhere))
}

/// The store in a `.tasq/`, if it holds one.
pub(crate) fn in_folder(folder: &Path) -> Result<Option<Place>, Failure> {
    let (sqlite, json) = (folder.join(SQLITE_FILE), folder.join(JSON_FILE));
    let there = |path: &Path| path.symlink_metadata().is_ok();
    match (there(&sqlite), there(&json)) {
        (true, true) => {
            let both = [&sqlite, &json].map(|path| path.display().to_string());
            let details = WrittenObject::new().with_list("candidates", both.iter().cloned());
            Err(Failure::new(
                Code::Ambiguous,
                format!("there are two stores: {} and {}", both[0], both[1]),
            )
            .with_hint("name one with --store, or move the other away")
            .with_details(details))
        }
        (true, false) => Ok(Some(Place::Sqlite(sqlite))),
        (false, true) => Ok(Some(Place::Json(json))),
        (false, false) => Ok(None),
    }
}

/// Refuses a store whose `.tasq/` another account made, or that is reached by a link.
pub(crate) fn check_owner(place: &Place) -> Result<(), Failure> {
    match place.folder() {
        Some(folder) if folder.symlink_metadata().is_ok() => Ok(check_private_dir(folder)?),
        _ => Ok(()),
    }
}

fn nearest() -> Result<Place, Failure> {
    let here = current_dir()?;
    for folder in upwards(&here) {
        if let Some(place) = in_folder(&folder.join(FOLDER))? {
            return Ok(place);
        }
    }
    Err(none_at(&here))
}

fn none_at(path: &Path) -> Failure {
    let details = WrittenObject::new()
        .with("kind", "store")
        .with("id", path.display().to_string())
        .with_list("candidates", [""; 0]);
    Failure::new(
        Code::NotFound,
        format!("there is no store in {} or above it", path.display()),
    )
    .with_hint("make one with `tasq init`, or name one with --store")
    .with_details(details)
}

/// The folders to look in, nearest first: from here up to the root of the repository, or of the file system where
/// there is no repository. In a work tree of git, the same folders of the main checkout come first, so that all work
/// trees share one queue.
fn upwards(here: &Path) -> Vec<PathBuf> {
    let root = here
        .ancestors()
        .find(|folder| folder.join(".git").symlink_metadata().is_ok());
    let own = here
        .ancestors()
        .take_while(|folder| root.is_none_or(|root| folder.starts_with(root)));
    let own: Vec<PathBuf> = own.map(Path::to_path_buf).collect();
    let Some((root, main)) = root.and_then(|root| Some((root, main_checkout(root)?))) else {
        return own;
    };
    let there = own.iter().filter_map(|folder| {
        let below = folder.strip_prefix(root).ok()?;
        // Joining nothing would leave a trailing slash.
        Some(if below.as_os_str().is_empty() {
            main.clone()
        } else {
            main.join(below)
        })
    });
    there.chain(own.iter().cloned()).collect()
}

/// The main checkout of a work tree, whose `.git` is a file that says `gitdir: MAIN/.git/worktrees/NAME`.
fn main_checkout(root: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(root.join(".git")).ok()?;
    let target = Path::new(text.strip_prefix("gitdir:")?.trim());
    let target = fs::canonicalize(root.join(target)).ok()?;
    let trees = target
        .parent()
        .filter(|folder| folder.file_name() == Some(OsStr::new("worktrees")))?;
    let git = trees
        .parent()
        .filter(|folder| folder.file_name() == Some(OsStr::new(".git")))?;
    git.parent().map(Path::to_path_buf)
}

/// The kind of a store by its first bytes; done before the store is opened, because closing a database file that is
/// open elsewhere in this process would drop SQLite's locks.
fn by_content(path: PathBuf) -> Result<Place, Failure> {
    let unclear = || {
        Failure::new(
            Code::Damaged,
            format!("{} is not a store that tasq knows", path.display()),
        )
        .with_hint("say sqlite:PATH or json:PATH if you know better")
    };
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(none_at(&path).with_hint("make one with `tasq --store sqlite:PATH init`"));
        }
        Err(error) => {
            return Err(Failure::io(
                &format!("cannot read {}", path.display()),
                &error,
            ));
        }
    };
    let mut start = [0; 16];
    let count = file
        .read(&mut start)
        .map_err(|error| Failure::io("cannot read the store", &error))?;
    if start == *b"SQLite format 3\0" {
        return Ok(Place::Sqlite(path));
    }
    let text = String::from_utf8_lossy(&start[..count]);
    if text.trim_start().starts_with('{') {
        Ok(Place::Json(path))
    } else {
        Err(unclear())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if path.as_os_str().is_empty() {
        return Err(Failure::usage("the path of the store is empty"));
    }
    std::path::absolute(path).map_err(|error| Failure::io("cannot tell the current folder", &error))
}

fn current_dir() -> Result<PathBuf, Failure> {
    env::current_dir().map_err(|error| Failure::io("cannot tell the current folder", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        (folder, root)
    }

    #[test]
    fn the_repository_is_the_border() {
        let (_folder, root) = tree();
        let deep = root.join("outer/repo/a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(root.join("outer/repo/.git")).unwrap();
        let looked: Vec<PathBuf> = upwards(&deep);
        assert_eq!(
            looked,
            ["a/b", "a", ""].map(|p| root
                .join("outer/repo")
                .join(p)
                .components()
                .collect::<PathBuf>())
        );
    }

    #[test]
    fn a_work_tree_looks_in_the_main_checkout_first() {
        let (_folder, root) = tree();
        let (main, tree) = (root.join("main"), root.join("tree"));
        fs::create_dir_all(main.join(".git/worktrees/tree")).unwrap();
        fs::create_dir_all(tree.join("src")).unwrap();
        let line = format!("gitdir: {}\n", main.join(".git/worktrees/tree").display());
        fs::write(tree.join(".git"), line).unwrap();
        assert_eq!(
            upwards(&tree.join("src")),
            [main.join("src"), main.clone(), tree.join("src"), tree]
        );
    }

    #[test]
    fn a_submodule_is_a_repository_of_its_own() {
        let (_folder, root) = tree();
        let module = root.join("main/module");
        fs::create_dir_all(root.join("main/.git/modules/module")).unwrap();
        fs::create_dir_all(&module).unwrap();
        fs::write(module.join(".git"), "gitdir: ../.git/modules/module\n").unwrap();
        assert_eq!(upwards(&module), [module]);
    }

    #[test]
    fn a_store_is_known_by_its_scheme_its_ending_or_its_content() {
        let (_folder, root) = tree();
        let path = |name: &str| root.join(name).into_os_string();
        fs::write(path("one"), b"SQLite format 3\0and more").unwrap();
        fs::write(path("two"), "\n {\"format\": 1}").unwrap();
        fs::write(path("three"), "hello").unwrap();
        assert_eq!(
            named(&path("one")).unwrap(),
            Place::Sqlite(root.join("one"))
        );
        assert_eq!(named(&path("two")).unwrap(), Place::Json(root.join("two")));
        assert_eq!(named(&path("three")).unwrap_err().exit_status(), 8);
        assert_eq!(named(&path("four")).unwrap_err().exit_status(), 3);
        assert_eq!(
            named(&path("x.db")).unwrap(),
            Place::Sqlite(root.join("x.db"))
        );
        assert_eq!(
            named(&path("x.json")).unwrap(),
            Place::Json(root.join("x.json"))
        );
        let odd = format!("json:{}", root.join("odd.db").display());
        assert_eq!(
            named(OsStr::new(&odd)).unwrap(),
            Place::Json(root.join("odd.db"))
        );
        assert_eq!(
            named(OsStr::new("postgres://host/db"))
                .unwrap_err()
                .exit_status(),
            2
        );
    }

    #[test]
    fn two_stores_in_one_folder_are_named() {
        let (_folder, root) = tree();
        fs::write(root.join(SQLITE_FILE), "").unwrap();
        fs::write(root.join(JSON_FILE), "").unwrap();
        let Failure::Told(problem) = in_folder(&root).unwrap_err() else {
            panic!("it is told")
        };
        assert!(problem.message.contains(SQLITE_FILE) && problem.message.contains(JSON_FILE));
    }
}
