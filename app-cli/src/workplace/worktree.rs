//! A git worktree and a branch of its own for each task: what a worker changes is committed there and nowhere else, and
//! brought onto a branch that nobody has checked out. The person's own tree and index are never touched.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tasq_ports::{Bench, Ids as _, Job, Kept, Leaving, Workplace, WorkplaceError};

use super::git::Git;
use super::{FOLDER_OF_WORKTREE, TaskFiles, failed, safe_name, utf8, worktrees};
use crate::failure::Failure;
use crate::session::IDS;

/// The name of commits where git has none for this account.
const NOBODY: [&str; 4] = ["-c", "user.name=tasq", "-c", "user.email=tasq@localhost"];

/// How finished work is brought onto the branch for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Merge {
    /// It stays on its own branch.
    #[default]
    None,
    /// Its commits, on top of what is there.
    Ff,
    /// All of it as one commit.
    Squash,
}

/// Which worktrees stay when their attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum KeepWorktree {
    /// That of an attempt that did not complete its task: the next one goes on in it.
    #[default]
    Failed,
    /// None: each attempt begins afresh.
    Never,
    /// All.
    Always,
}

/// What a person asked for.
#[derive(Debug, Clone)]
pub(crate) struct WorktreeOptions {
    pub(crate) merge: Merge,
    /// The branch that finished work is brought onto.
    pub(crate) into: Option<String>,
    pub(crate) keep: KeepWorktree,
    /// The message of commits, with {id}, {title} and {attempt}.
    pub(crate) message: String,
}

/// Worktrees of one repository.
pub(crate) struct Worktrees {
    files: TaskFiles,
    /// The repository as the person has it checked out: only looked at.
    home: Git,
    /// The project's folder as the person has it.
    project: PathBuf,
    /// The folder that has one folder for each task.
    root: PathBuf,
    /// Where the project is within the repository.
    prefix: PathBuf,
    merge: Merge,
    into: String,
    keep: KeepWorktree,
    message: String,
    desks: Mutex<HashMap<u64, Desk>>,
    /// Held while something is done that all worktrees share.
    shared: Mutex<()>,
}

/// One worktree under way.
#[derive(Debug, Clone)]
struct Desk {
    folder: PathBuf,
    git: Git,
    branch: String,
    /// The commit that it began with.
    base: String,
    /// Whether its work was brought onto the common branch.
    landed: bool,
}

impl Worktrees {
    /// Looks at the project's repository; nothing is made yet.
    pub(crate) fn of(
        project: &Path,
        queue: Option<&Path>,
        options: WorktreeOptions,
    ) -> Result<Self, Failure> {
        let queue = queue.ok_or_else(|| {
            Failure::usage("--worktree needs a queue that lies in a `.tasq/` folder")
        })?;
        let home = Git::at(project);
        let told = |error: WorkplaceError| {
            Failure::usage(error.what)
                .with_hint("--worktree works in a git repository that has a commit")
        };
        let prefix = home.ask(&["rev-parse", "--show-prefix"]).map_err(told)?;
        home.ask(&["rev-parse", "--verify", "-q", "HEAD^{commit}"])
            .map_err(told)?;
        let WorktreeOptions {
            merge,
            into,
            keep,
            message,
        } = options;
        let into = match into {
            Some(into) => into,
            None => {
                let branch = home.ask(&["rev-parse", "--abbrev-ref", "HEAD"]);
                format!("tasq/merged/{}", branch.map_err(told)?)
            }
        };
        let files = TaskFiles::in_folder(Some(queue))?;
        let root = worktrees(queue);
        tasq_files::create_private_dir(&root)?;
        let made = Self {
            files,
            home,
            project: project.to_path_buf(),
            root,
            prefix: prefix.into(),
            merge,
            into,
            keep,
            message,
            desks: Mutex::default(),
            shared: Mutex::default(),
        };
        if merge != Merge::None {
            made.home
                .ask(&["check-ref-format", "--branch", &made.into])
                .map_err(told)?;
            made.nobody_is_on_it().map_err(|error| {
                Failure::usage(error.what).with_hint("name another branch with --into")
            })?;
        }
        Ok(made)
    }

    /// Refuses a branch that is checked out somewhere: moving it would change that tree under a person's hands.
    fn nobody_is_on_it(&self) -> Result<(), WorkplaceError> {
        let wanted = format!("branch refs/heads/{}", self.into);
        let list = self.home.ask(&["worktree", "list", "--porcelain"])?;
        let mut place = "";
        for line in list.lines() {
            if let Some(path) = line.strip_prefix("worktree ") {
                place = path;
            } else if line == wanted {
                return Err(WorkplaceError {
                    what: format!("the branch {:?} is checked out in {place}", self.into),
                });
            }
        }
        Ok(())
    }

    fn common_ref(&self) -> String {
        format!("refs/heads/{}", self.into)
    }

    /// The newest commit on the common branch, if there is one.
    fn tip(&self) -> Result<Option<String>, WorkplaceError> {
        let name = format!("{}^{{commit}}", self.common_ref());
        if !self.home.says(&["rev-parse", "--verify", "-q", &name])? {
            return Ok(None);
        }
        self.home
            .ask(&["rev-parse", "--verify", "-q", &name])
            .map(Some)
    }

    /// What a new worktree begins with: what is finished, where that is brought together, else the person's commit.
    fn start(&self) -> Result<String, WorkplaceError> {
        let tip = match self.merge {
            Merge::None => None,
            Merge::Ff | Merge::Squash => self.tip()?,
        };
        match tip {
            Some(tip) => Ok(tip),
            None => self.home.ask(&["rev-parse", "--verify", "HEAD^{commit}"]),
        }
    }

    /// A branch of this name is free.
    fn branch(&self, job: &Job) -> Result<String, WorkplaceError> {
        let name = format!("tasq/task/{}/{}", safe_name(&job.task), job.token.attempt);
        let taken = format!("refs/heads/{name}");
        if self
            .home
            .says(&["show-ref", "--verify", "--quiet", &taken])?
        {
            // Another queue, or one that was restored, has used the number.
            return Ok(format!("{name}-{:016x}", job.token.nonce));
        }
        Ok(name)
    }

    /// Makes a worktree, or goes on in the one that an earlier attempt left.
    fn desk(&self, job: &Job) -> Result<Desk, WorkplaceError> {
        let folder = self.root.join(safe_name(&job.task));
        let _shared = lock(&self.shared);
        let branch = self.branch(job)?;
        if self.keep == KeepWorktree::Never || !self.is_ours(&folder)? {
            self.clear(&folder)?;
        }
        if !folder.exists() {
            let base = self.start()?;
            let words = ["worktree", "add", "-q", "--no-track", "-b", &branch, "--"];
            let place = [folder.as_os_str(), OsStr::new(&base)];
            self.home
                .ask(&[&words.map(OsStr::new)[..], &place].concat())?;
            let git = self.fixed(&folder)?;
            return Ok(Desk {
                folder,
                git,
                branch,
                base,
                landed: false,
            });
        }
        let git = self.fixed(&folder)?;
        // What was under way when the last attempt was killed.
        let unfinished = git.ask(&["rev-parse", "--git-path", "rebase-merge"])?;
        if folder.join(unfinished).is_dir() {
            git.ask(&["rebase", "--abort"])?;
        }
        let base = git.ask(&["merge-base", "HEAD", &self.start()?])?;
        let before = git.ask(&["rev-parse", "--symbolic-full-name", "HEAD"])?;
        git.ask(&["checkout", "-q", "-b", &branch])?;
        // All that the earlier attempt committed is on the new branch as well.
        if before.starts_with("refs/heads/tasq/task/") {
            git.ask(&["update-ref", "-d", &before])?;
        }
        Ok(Desk {
            folder,
            git,
            branch,
            base,
            landed: false,
        })
    }

    /// Git in a worktree of ours, by the directory that git itself keeps for it.
    fn fixed(&self, folder: &Path) -> Result<Git, WorkplaceError> {
        let git_dir = Git::at(folder).ask(&["rev-parse", "--absolute-git-dir"])?;
        Ok(Git::fixed(folder, Path::new(&git_dir)))
    }

    /// Whether a folder is a worktree that git knows.
    fn is_ours(&self, folder: &Path) -> Result<bool, WorkplaceError> {
        let Ok(real) = fs::canonicalize(folder) else {
            return Ok(false);
        };
        let list = self.home.ask(&["worktree", "list", "--porcelain"])?;
        let mut known = list.lines().filter_map(|it| it.strip_prefix("worktree "));
        Ok(known.any(|path| Path::new(path) == real) && real.join(".git").is_file())
    }

    /// Takes a worktree away, whatever is in it.
    fn clear(&self, folder: &Path) -> Result<(), WorkplaceError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(folder, &error));
            }
            _ => {}
        }
        self.home.ask(&["worktree", "prune"]).map(drop)
    }

    /// Commits what is in a worktree, and returns the commit it stands on then.
    fn commit(&self, desk: &Desk, job: &Job) -> Result<String, WorkplaceError> {
        let git = &desk.git;
        git.ask(&["add", "-A"])?;
        if !git.says(&["diff", "--cached", "--quiet"])? {
            let message = self.message(job);
            let commit = [
                "commit",
                "-q",
                "--no-verify",
                "--cleanup=whitespace",
                "-F",
                "-",
            ];
            self.named(git, &commit, &message)?;
        }
        let commit = git.ask(&["rev-parse", "--verify", "HEAD^{commit}"])?;
        // The worker may have gone elsewhere; its work is found under the branch's name all the same.
        let branch = format!("refs/heads/{}", desk.branch);
        git.ask(&["update-ref", &branch, &commit])?;
        Ok(commit)
    }

    /// A command that makes a commit, in this account's name, or in ours if it has none.
    fn named(&self, git: &Git, args: &[&str], input: &str) -> Result<String, WorkplaceError> {
        if self
            .home
            .says(&["var", "GIT_COMMITTER_IDENT"])
            .unwrap_or(false)
        {
            return git.ask_with(args, input);
        }
        let mut all = NOBODY.to_vec();
        all.extend(args);
        git.ask_with(&all, input)
    }

    fn message(&self, job: &Job) -> String {
        let plain = |text: &str| {
            let printable = |c: char| if c.is_control() { ' ' } else { c };
            text.chars().map(printable).collect::<String>()
        };
        let attempt = job.token.attempt.to_string();
        let (id, title) = (plain(job.task.as_str()), plain(&job.title));
        let mut message = String::new();
        let mut rest = self.message.as_str();
        // One pass, so that what a title says is never taken for a placeholder.
        while let Some(at) = rest.find('{') {
            message.push_str(&rest[..at]);
            rest = &rest[at..];
            let known = [("{id}", &id), ("{title}", &title), ("{attempt}", &attempt)];
            match known.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, text)) => {
                    message.push_str(text);
                    rest = &rest[name.len()..];
                }
                None => {
                    message.push('{');
                    rest = &rest[1..];
                }
            }
        }
        message + rest
    }

    /// Brings a commit onto the common branch.
    fn land(&self, desk: &Desk, job: &Job, commit: &str) -> Result<Kept, WorkplaceError> {
        let _shared = lock(&self.shared);
        self.nobody_is_on_it()?;
        let (tip, old) = match self.tip()? {
            Some(tip) => (tip.clone(), tip),
            None => (desk.base.clone(), "0".repeat(commit.len())),
        };
        let git = &desk.git;
        if !git.says(&["merge-base", "--is-ancestor", &tip, commit])? {
            return self.rebase(desk, &tip);
        }
        let new = match self.merge {
            Merge::Squash => {
                let tree = format!("{commit}^{{tree}}");
                let args = ["commit-tree", &tree, "-p", &tip, "-F", "-"];
                self.named(git, &args, &(self.message(job) + "\n"))?
            }
            Merge::Ff | Merge::None => commit.to_owned(),
        };
        // Only if nobody moved it since we looked.
        match self
            .home
            .ask(&["update-ref", &self.common_ref(), &new, &old])
        {
            Ok(_) => Ok(Kept::Commit(new)),
            Err(error) if self.tip()?.unwrap_or_default() == tip => Err(error),
            Err(_) => Ok(Kept::Moved),
        }
    }

    /// Puts a worktree's commits on top of what others finished meanwhile.
    fn rebase(&self, desk: &Desk, tip: &str) -> Result<Kept, WorkplaceError> {
        let git = &desk.git;
        let Err(error) = self.named(git, &["rebase", "-q", tip], "") else {
            let commit = git.ask(&["rev-parse", "--verify", "HEAD^{commit}"])?;
            let branch = format!("refs/heads/{}", desk.branch);
            git.ask(&["update-ref", &branch, &commit])?;
            return Ok(Kept::Moved);
        };
        let files = git.ask(&["diff", "--name-only", "--diff-filter=U"])?;
        git.ask(&["rebase", "--abort"])?;
        if files.is_empty() {
            return Err(error);
        }
        let files = files.lines().collect::<Vec<_>>().join(", ");
        Ok(Kept::Conflict(format!(
            "conflict with {} in {files}: the work is on the branch {}",
            self.into, desk.branch
        )))
    }
}

impl Workplace for Worktrees {
    fn open(&self, job: &Job, input: &[u8]) -> Result<Bench, WorkplaceError> {
        let file = self.files.write(job, input)?;
        let desk = match self.desk(job) {
            Ok(desk) => desk,
            Err(error) => {
                self.files.remove(job)?;
                return Err(error);
            }
        };
        let folder = desk.folder.join(&self.prefix);
        let env = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let bench = Bench {
            env: vec![
                file,
                env(FOLDER_OF_WORKTREE, &utf8(&folder)?),
                env("TASQ_BRANCH", &desk.branch),
                env("TASQ_BASE", &desk.base),
            ],
            folder,
        };
        lock(&self.desks).insert(job.token.nonce, desk);
        Ok(bench)
    }

    fn keep(&self, job: &Job, _: &Bench) -> Result<Kept, WorkplaceError> {
        let desk = self.under_way(job)?;
        let commit = self.commit(&desk, job)?;
        if commit == desk.base {
            return Ok(Kept::InPlace);
        }
        if self.merge == Merge::None {
            return Ok(Kept::Commit(commit));
        }
        let kept = self.land(&desk, job, &commit)?;
        if matches!(kept, Kept::Commit(_)) {
            let landed = Desk {
                landed: true,
                ..desk
            };
            lock(&self.desks).insert(job.token.nonce, landed);
        }
        Ok(kept)
    }

    fn leave(&self, job: &Job, _: &Bench, how: Leaving) -> Result<(), WorkplaceError> {
        let desk = self.under_way(job)?;
        lock(&self.desks).remove(&job.token.nonce);
        self.files.remove(job)?;
        let stays = match (self.keep, how) {
            (KeepWorktree::Always, _) | (KeepWorktree::Failed, Leaving::Undone) => true,
            (KeepWorktree::Failed, Leaving::Done) | (KeepWorktree::Never, _) => false,
        };
        if stays {
            return Ok(());
        }
        let _shared = lock(&self.shared);
        self.clear(&desk.folder)?;
        let branch = format!("refs/heads/{}", desk.branch);
        let commit = self.home.ask(&["rev-parse", "--verify", &branch])?;
        // A branch that has nothing of its own is in the way only.
        if desk.landed || commit == desk.base {
            self.home.ask(&["update-ref", "-d", &branch, &commit])?;
        }
        Ok(())
    }

    /// What was brought together so far, in a worktree of its own; the person's tree where nothing is.
    fn open_whole(&self) -> Result<Bench, WorkplaceError> {
        let tip = match self.merge {
            Merge::None => None,
            Merge::Ff | Merge::Squash => self.tip()?,
        };
        let env = Vec::new();
        let Some(tip) = tip else {
            let folder = self.project.clone();
            return Ok(Bench { folder, env });
        };
        // What a loop that is killed leaves there is tidied up by the next one.
        let name = format!("whole-{:016x}", IDS.random());
        let folder = self.files.folder().join(name);
        let _shared = lock(&self.shared);
        let words = ["worktree", "add", "-q", "--detach", "--"].map(OsStr::new);
        let place = [folder.as_os_str(), OsStr::new(&tip)];
        self.home.ask(&[&words[..], &place].concat())?;
        let folder = folder.join(&self.prefix);
        Ok(Bench { folder, env })
    }

    fn leave_whole(&self, bench: &Bench) -> Result<(), WorkplaceError> {
        let Some(folder) = self.tree_of(bench) else {
            return Ok(());
        };
        let _shared = lock(&self.shared);
        self.clear(&folder)
    }
}

impl Worktrees {
    /// The worktree of what was brought together that a place lies in.
    fn tree_of(&self, bench: &Bench) -> Option<PathBuf> {
        let all = self.files.folder();
        let inside = bench.folder.strip_prefix(all).ok()?;
        Some(all.join(inside.components().next()?))
    }

    fn under_way(&self, job: &Job) -> Result<Desk, WorkplaceError> {
        let desk = lock(&self.desks).get(&job.token.nonce).cloned();
        desk.ok_or_else(|| WorkplaceError {
            what: format!("{} has no worktree", job.task),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
