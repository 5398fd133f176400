//! What commands do to the files in the project, as strace tells it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::super::place::{Place, Ran, binary};
use super::disk::{Change, Op};

const CALLS: &str = "?open,openat,?creat,close,write,pwrite64,writev,pwritev,?pwritev2,lseek,fsync,fdatasync,ftruncate,\
     fallocate,?rename,renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,?link,linkat,fcntl,?dup2,dup3,dup,\
     copy_file_range,sendfile,sync_file_range,?sync,?syncfs";

/// Runs commands in a place and keeps what they do.
pub(super) struct Recorder<'a> {
    place: &'a Place,
    variable: Option<(String, String)>,
    pub(super) ops: Vec<Op>,
    /// The files and folders that are there, by their path in the project.
    names: BTreeMap<PathBuf, Option<usize>>,
    /// How long each file is.
    lengths: Vec<usize>,
}

/// An open file, or an open folder.
#[derive(Clone)]
enum Handle {
    File {
        file: usize,
        name: String,
        append: bool,
        at: usize,
    },
    Folder(PathBuf),
}

impl<'a> Recorder<'a> {
    pub(super) fn new(place: &'a Place, variable: Option<(&str, &str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            place,
            variable: variable.map(own),
            ops: Vec::new(),
            names: BTreeMap::from([(PathBuf::new(), None)]),
            lengths: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, words: &[&str]) -> Ran {
        let output = self.place.project.with_file_name("trace");
        let mut command = self.place.program("strace");
        command
            .args(["-f", "-qq", "-xx", "-s", "100000000", "-e"])
            .arg(format!("trace={CALLS}"))
            .arg("-e")
            .arg("signal=none")
            .arg("-o")
            .arg(&output)
            .arg("--")
            .arg(binary())
            .args(words);
        command.envs(self.variable.iter().map(|(name, value)| (name, value)));
        let ran = Ran::of(&mut command);
        let mut handles = HashMap::new();
        for line in std::fs::read_to_string(&output).unwrap().lines() {
            assert!(!line.contains("<unfinished"), "one thread writes: {line}");
            let call = line.split_once(' ').map(|(_, call)| call.trim_start());
            if let Some(call) = call.and_then(Call::parse) {
                self.call(&call, &mut handles);
            }
        }
        self.ops.push(Op::Acknowledged);
        ran
    }

    fn call(&mut self, call: &Call<'_>, handles: &mut HashMap<usize, Handle>) {
        let Some(result) = call.result else {
            return;
        };
        match call.name {
            "open" | "openat" | "creat" => {
                handles.remove(&result);
                if let Some(handle) = self.open(call) {
                    handles.insert(result, handle);
                }
            }
            "fcntl" | "dup" | "dup2" | "dup3" => {
                let duplicates = call.name != "fcntl" || call.text.contains("F_DUPFD");
                if let Some(handle) = handles.get(&call.fd()).filter(|_| duplicates).cloned() {
                    handles.insert(result, handle);
                }
            }
            "close" => {
                handles.remove(&call.fd());
            }
            "rename" | "renameat" | "renameat2" => self.rename(call),
            "unlink" | "unlinkat" => {
                if let Some(path) = self.inside(&call.strings()[0]) {
                    self.names.remove(&path);
                    self.name(Change::Gone { path: path.clone() }, &path);
                }
            }
            "mkdir" | "mkdirat" => {
                if let Some(path) = self.inside(&call.strings()[0]) {
                    self.names.insert(path.clone(), None);
                    self.name(Change::Folder { path: path.clone() }, &path);
                }
            }
            _ => {
                if let Some(handle) = handles.get_mut(&call.fd()) {
                    self.use_handle(handle, call, result);
                }
            }
        }
    }

    fn open(&mut self, call: &Call<'_>) -> Option<Handle> {
        let path = self.inside(&call.strings()[0])?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Locks mean nothing after a power cut. Of shared memory little is written by calls: it is put into the states as a whole.
        if name.ends_with(".lock") || name.ends_with(".turn") || name.ends_with("-shm") {
            return None;
        }
        let file = match self.names.get(&path) {
            Some(Some(file)) => *file,
            Some(None) => return Some(Handle::Folder(path)),
            None if self.place.project.join(&path).is_dir() => return None,
            None => {
                let file = self.lengths.len();
                self.lengths.push(0);
                self.names.insert(path.clone(), Some(file));
                let change = Change::File {
                    path: path.clone(),
                    file,
                };
                self.name(change, &path);
                file
            }
        };
        if call.name == "creat" || call.text.contains("O_TRUNC") {
            self.set_length(file, 0);
        }
        let append = call.text.contains("O_APPEND");
        Some(Handle::File {
            file,
            name,
            append,
            at: 0,
        })
    }

    /// A call on an open file.
    fn use_handle(&mut self, handle: &mut Handle, call: &Call<'_>, result: usize) {
        let sync = matches!(call.name, "fsync" | "fdatasync");
        let (file, name, append, position) = match handle {
            Handle::Folder(folder) => {
                let folder = folder.clone();
                self.ops.extend(sync.then_some(Op::SyncFolder { folder }));
                return;
            }
            Handle::File {
                file,
                name,
                append,
                at,
            } => (*file, name.clone(), *append, at),
        };
        match call.name {
            _ if sync => self.ops.push(Op::SyncFile { file, name }),
            "lseek" => *position = result,
            "ftruncate" => self.set_length(file, call.last_number()),
            "write" | "pwrite64" => {
                let bytes = call.bytes(result);
                let at = match call.name {
                    "pwrite64" => call.last_number(),
                    _ if append => self.lengths[file],
                    _ => *position,
                };
                let end = at + bytes.len();
                if call.name == "write" {
                    *position = end;
                }
                self.lengths[file] = self.lengths[file].max(end);
                self.ops.push(Op::Data { file, at, bytes });
            }
            other => panic!("the replay does not know {other}: {}", call.text),
        }
    }

    fn set_length(&mut self, file: usize, length: usize) {
        self.lengths[file] = length;
        self.ops.push(Op::Length { file, length });
    }

    fn rename(&mut self, call: &Call<'_>) {
        let strings = call.strings();
        let (from, to) = (self.inside(&strings[0]), self.inside(&strings[1]));
        let (Some(from), Some(to)) = (from, to) else {
            panic!("a file left the project or came into it: {}", call.text);
        };
        assert_eq!(from.parent(), to.parent(), "renamed within a folder");
        let file = self.names.remove(&from).expect("what is renamed is known");
        self.names.insert(to.clone(), file);
        self.name(
            Change::Rename {
                from,
                to: to.clone(),
            },
            &to,
        );
    }

    fn name(&mut self, change: Change, path: &Path) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        self.ops.push(Op::Name { folder, change });
    }

    /// A path below the project.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let path = self.place.project.join(path);
        path.strip_prefix(&self.place.project)
            .ok()
            .map(Path::to_owned)
    }
}

/// A call as strace writes it.
struct Call<'a> {
    name: &'a str,
    /// Its arguments.
    text: &'a str,
    /// `None` if it failed or did not return.
    result: Option<usize>,
}

impl<'a> Call<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (text, result) = rest.rsplit_once(" = ")?;
        let text = text.trim_end().trim_end_matches(')');
        let result = result.split([' ', '<']).next()?.parse().ok();
        Some(Self { name, text, result })
    }

    /// The first argument, an open file.
    fn fd(&self) -> usize {
        let first = self.text.split(',').next().unwrap_or_default();
        first.trim().parse().unwrap_or(usize::MAX)
    }

    fn last_number(&self) -> usize {
        let last = self.text.rsplit(", ").next().unwrap_or_default();
        last.parse()
            .unwrap_or_else(|_| panic!("no number: {}", self.text))
    }

    /// The paths among the arguments.
    fn strings(&self) -> Vec<String> {
        let quoted = self.text.split('"').skip(1).step_by(2);
        quoted
            .map(|text| String::from_utf8(unescape(text)).unwrap())
            .collect()
    }

    /// As many bytes as were written.
    fn bytes(&self, written: usize) -> Vec<u8> {
        let quoted = self.text.split('"').nth(1).unwrap_or_default();
        let mut bytes = unescape(quoted);
        assert!(bytes.len() >= written, "all bytes are in the trace");
        bytes.truncate(written);
        bytes
    }
}

/// `\x0a\x0b` as bytes.
fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hex digit");
    let pairs = text.as_bytes().chunks_exact(4);
    pairs
        .map(|escape| u8::try_from(digit(escape[2]) * 16 + digit(escape[3])).expect("two digits"))
        .collect()
}
