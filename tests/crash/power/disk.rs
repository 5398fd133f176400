//! A disk on which writes wait until an fsync, and what a power cut makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::contract::random::numbers::Numbers;

/// The least that a disk writes at once, in bytes.
const SECTOR: usize = 512;

/// What a command did to files. Paths are below the watched folder.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Bytes were written to a file.
    Data {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    /// A file was cut or made longer.
    Length { file: usize, length: usize },
    /// A name was given or taken away.
    Name { folder: PathBuf, change: Change },
    /// A file's content was synced. The name is for choosing only.
    SyncFile { file: usize, name: String },
    /// A folder's names were synced.
    SyncFolder { folder: PathBuf },
    /// A command has answered.
    Acknowledged,
}

/// A change of one folder's names.
#[derive(Debug, Clone)]
pub(super) enum Change {
    File { path: PathBuf, file: usize },
    Folder { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Gone { path: PathBuf },
}

/// The files of a state with their content, and the folders.
pub(super) type State = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A file (its number) or a folder.
type Names = BTreeMap<PathBuf, Option<usize>>;

#[derive(Debug, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    /// The names that last.
    names: Names,
    /// The changes of names that may last, by folder.
    waiting: BTreeMap<PathBuf, Vec<Change>>,
    /// How many commands have answered.
    pub(super) acknowledged: usize,
}

#[derive(Debug, Default, Clone)]
struct File {
    /// The content that lasts.
    content: Vec<u8>,
    /// The changes that may last.
    waiting: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Data { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Disk {
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Data { file, at, bytes } => {
                let (at, bytes) = (*at, bytes.clone());
                self.file(*file).waiting.push(Write::Data { at, bytes });
            }
            Op::Length { file, length } => self.file(*file).waiting.push(Write::Length(*length)),
            Op::Name { folder, change } => {
                let waiting = self.waiting.entry(folder.clone()).or_default();
                waiting.push(change.clone());
            }
            Op::SyncFile { file, .. } => {
                let file = self.file(*file);
                for write in std::mem::take(&mut file.waiting) {
                    write.reach(&mut file.content);
                }
            }
            Op::SyncFolder { folder } => {
                for change in self.waiting.remove(folder).unwrap_or_default() {
                    change.reach(&mut self.names);
                }
            }
            Op::Acknowledged => self.acknowledged += 1,
        }
    }

    fn file(&mut self, number: usize) -> &mut File {
        if self.files.len() <= number {
            self.files.resize_with(number + 1, File::default);
        }
        &mut self.files[number]
    }

    /// What is left when power is cut now: one of the many possibilities.
    pub(super) fn cut(&self, numbers: &mut Numbers) -> State {
        let data = numbers.below(5);
        let names = numbers.below(3);
        let mut last = self.names.clone();
        for changes in self.waiting.values() {
            let count = match names {
                0 => 0,
                1 => changes.len(),
                _ => numbers.below(u32::try_from(changes.len() + 1).unwrap()) as usize,
            };
            for change in &changes[..count] {
                change.reach(&mut last);
            }
        }
        let there = |path: &Path| {
            let above = path.parent().unwrap_or(Path::new(""));
            above == Path::new("") || last.contains_key(above)
        };
        let mut files = State::new();
        for (path, file) in last.iter().filter(|(path, _)| there(path)) {
            let empty = File::default();
            let content = file.map(|number| {
                let file = self.files.get(number).unwrap_or(&empty);
                file.cut(data, numbers)
            });
            files.insert(path.clone(), content);
        }
        files
    }
}

impl File {
    fn cut(&self, how: u32, numbers: &mut Numbers) -> Vec<u8> {
        let mut content = self.content.clone();
        let count = u32::try_from(self.waiting.len()).unwrap();
        let prefix = numbers.below(count + 1) as usize;
        for (at, write) in self.waiting.iter().enumerate() {
            match how {
                0 => {}
                1 => write.reach(&mut content),
                // In order, the last one torn.
                2 if at < prefix => write.reach(&mut content),
                2 if at == prefix => write.tear(&mut content, numbers),
                2 => {}
                // Any of them, in any part.
                3 if numbers.one_in(2) => write.reach(&mut content),
                3 => {}
                _ => write.tear(&mut content, numbers),
            }
        }
        content
    }
}

impl Write {
    fn reach(&self, content: &mut Vec<u8>) {
        match self {
            Self::Data { at, bytes } => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length, 0),
        }
    }

    /// Some sectors are written; the others hold what they did, or garbage where the file grew.
    fn tear(&self, content: &mut Vec<u8>, numbers: &mut Numbers) {
        let Self::Data { at, bytes } = self else {
            return;
        };
        let old = content.len();
        let mut from = *at;
        while from < at + bytes.len() {
            let end = ((from / SECTOR + 1) * SECTOR).min(at + bytes.len());
            match numbers.below(3) {
                0 => {}
                1 => {
                    let part = bytes[from - at..end - at].to_vec();
                    Self::Data {
                        at: from,
                        bytes: part,
                    }
                    .reach(content);
                }
                _ if from >= old => {
                    let bytes = (from..end)
                        .map(|_| numbers.next().to_le_bytes()[0])
                        .collect();
                    Self::Data { at: from, bytes }.reach(content);
                }
                _ => {}
            }
            from = end;
        }
    }
}

impl Change {
    fn reach(&self, names: &mut Names) {
        match self {
            Self::File { path, file } => {
                names.insert(path.clone(), Some(*file));
            }
            Self::Folder { path } => {
                names.insert(path.clone(), None);
            }
            Self::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Gone { path } => {
                names.remove(path);
            }
        }
    }
}

#[test]
fn only_what_was_synced_lasts_for_sure() {
    let (mut disk, path) = (Disk::default(), PathBuf::from("a"));
    let data = |at: usize, text: &str| Op::Data {
        file: 0,
        at,
        bytes: text.as_bytes().to_vec(),
    };
    disk.apply(&Op::Name {
        folder: PathBuf::new(),
        change: Change::File {
            path: path.clone(),
            file: 0,
        },
    });
    disk.apply(&data(0, "first"));
    let mut numbers = Numbers::new(1);
    let seen = |disk: &Disk, numbers: &mut Numbers| {
        let states = (0..200).map(|_| disk.cut(numbers).remove(&path).flatten());
        states.collect::<std::collections::BTreeSet<_>>()
    };
    assert!(
        seen(&disk, &mut numbers).contains(&None),
        "the name may be lost"
    );
    disk.apply(&Op::SyncFolder {
        folder: PathBuf::new(),
    });
    assert!(
        seen(&disk, &mut numbers).contains(&Some(Vec::new())),
        "the content may be lost"
    );
    disk.apply(&Op::SyncFile {
        file: 0,
        name: String::new(),
    });
    disk.apply(&data(5, " and second"));
    let states = seen(&disk, &mut numbers);
    assert!(states.len() >= 2, "{states:?}");
    for state in states {
        assert!(state.is_some_and(|content| content.starts_with(b"first")));
    }
}
