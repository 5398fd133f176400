//! A snapshot that is put together task by task, so that of the tasks of a large queue only their text is ever there as a
//! whole.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

use tasq_domain::{Contents, Dependency, Question, Task};

use super::Extra;
use super::fields::{FieldError, ITEM_DEPTH, Writer};
use super::write::{Around, BEGINNING, around_tasks, beginning};
use crate::json::{push_line, push_quoted};

/// How much is handed over at once where pieces are put in order, in bytes.
const CHUNK: usize = 1 << 20;

/// The tasks of a snapshot as texts, in the order in which they came.
#[derive(Debug, Default)]
pub struct TaskTexts {
    text: String,
    pieces: Vec<Piece>,
    /// The ids that are longer than what is compared first.
    long_ids: String,
    /// Whether any came before one with a smaller id.
    unsorted: bool,
}

/// The text of one task.
#[derive(Debug, Clone)]
struct Piece {
    beginning: u128,
    /// Where its id is among the long ones.
    long_id: Range<usize>,
    place: Range<usize>,
}

/// What tasks are written with.
#[derive(Debug)]
pub struct TaskWriter<'a> {
    around: Around<'a>,
    texts: TaskTexts,
}

impl<'a> TaskWriter<'a> {
    /// For the tasks of a queue with these dependencies and questions.
    #[must_use]
    pub fn new(dependencies: &'a [Dependency], questions: &'a [Question]) -> Self {
        let dependencies = dependencies
            .iter()
            .map(|Dependency { task, on }| (task, on));
        Self {
            around: Around::new(dependencies, questions.iter()),
            texts: TaskTexts::default(),
        }
    }

    /// Writes a task, whose id must be another than those before.
    ///
    /// # Errors
    /// As [`encode`](super::encode). Nothing more is to be made of what was written.
    pub fn add(&mut self, task: &Task) -> Result<(), FieldError> {
        let Self { around, texts } = self;
        let TaskTexts {
            text,
            pieces,
            long_ids,
            unsorted,
        } = texts;
        if !pieces.is_empty() {
            text.push(',');
        }
        let start = text.len();
        push_line(text, 0, ITEM_DEPTH);
        push_quoted(text, task.id.as_str());
        text.push_str(": ");
        let mut fields = Writer::into_lines();
        fields.object_into(text, |out| around.task(out, task, &Extra::default()))?;
        let id = task.id.as_str();
        let long_start = long_ids.len();
        if id.len() > BEGINNING {
            long_ids.push_str(id);
        }
        let piece = Piece {
            beginning: beginning(id),
            long_id: long_start..long_ids.len(),
            place: start..text.len(),
        };
        let last = pieces.last();
        *unsorted |= last.is_some_and(|last| last.key(long_ids) > piece.key(long_ids));
        pieces.push(piece);
        Ok(())
    }

    /// What was written.
    #[must_use]
    pub fn done(self) -> TaskTexts {
        let Self {
            around: _,
            mut texts,
        } = self;
        if texts.unsorted {
            let TaskTexts {
                pieces, long_ids, ..
            } = &mut texts;
            pieces.sort_unstable_by(|a, b| {
                let beginnings = a.beginning.cmp(&b.beginning);
                beginnings.then_with(|| a.key(long_ids).cmp(&b.key(long_ids)))
            });
        }
        texts
    }
}

impl Piece {
    /// What sorts as the id does: what it begins with, and all of it where that is not all.
    fn key<'i>(&self, long_ids: &'i str) -> (u128, &'i str) {
        (self.beginning, &long_ids[self.long_id.clone()])
    }
}

/// A whole snapshot, in parts: the bytes that [`encode`](super::encode) gives.
pub struct SnapshotText {
    before: String,
    tasks: TaskTexts,
    after: String,
}

impl fmt::Debug for SnapshotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotText")
            .field("tasks", &self.tasks.pieces.len())
            .finish_non_exhaustive()
    }
}

impl SnapshotText {
    /// The text of a queue whose tasks were written before. The tasks, dependencies and questions of `contents` are not
    /// looked at.
    ///
    /// # Errors
    /// As [`encode`](super::encode).
    pub fn new(contents: &Contents, tasks: TaskTexts) -> Result<Self, FieldError> {
        let (before, after) = around_tasks(contents)?;
        Ok(Self {
            before,
            tasks,
            after,
        })
    }

    /// Writes it, in few large writes.
    ///
    /// # Errors
    /// The writer's first.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            before,
            tasks,
            after,
        } = self;
        out.write_all(before.as_bytes())?;
        tasks.write_to(out)?;
        out.write_all(after.as_bytes())
    }
}

impl TaskTexts {
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            text,
            pieces,
            long_ids: _,
            unsorted,
        } = self;
        if pieces.is_empty() {
            return out.write_all(b"{}");
        }
        let mut chunk = String::with_capacity(CHUNK);
        chunk.push('{');
        if *unsorted {
            for (at, piece) in pieces.iter().enumerate() {
                if at > 0 {
                    chunk.push(',');
                }
                let piece = &text[piece.place.clone()];
                if chunk.len() + piece.len() > CHUNK {
                    out.write_all(chunk.as_bytes())?;
                    chunk.clear();
                }
                chunk.push_str(piece);
            }
        } else {
            out.write_all(chunk.as_bytes())?;
            chunk.clear();
            out.write_all(text.as_bytes())?;
        }
        push_line(&mut chunk, 0, ITEM_DEPTH - 1);
        chunk.push('}');
        out.write_all(chunk.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use tasq_domain::backoff::Backoff;
    use tasq_domain::{Description, FeatureId, JsonObject, Settings, StoreId, TaskId, Timestamp};

    use super::super::encode;
    use super::*;

    /// How long the pieces are that a writer gets.
    #[derive(Default)]
    struct Pieces(Vec<u8>, Vec<usize>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            self.1.push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Tasks of 60 KB, and one that alone is larger than a chunk, each number given to another id.
    fn tasks(count: u32) -> Vec<Task> {
        let feature = FeatureId::new("F").unwrap();
        let task = |number: u32| {
            let id = TaskId::new(format!("TASK-{:04}", number * 37 % count)).unwrap();
            let long = format!("{number} {}", "long ".repeat(12_000));
            let text = Description::new(long).unwrap();
            let mut task = Task::new(id, feature.clone(), text, Timestamp::from_micros(0));
            task.seq = i64::from(number) + 1;
            if number == count / 2 {
                let long = "x".repeat(CHUNK - 100);
                task.metadata = JsonObject::new(format!("{{\"k\":\"{long}\"}}")).unwrap();
            }
            task
        };
        (0..count).map(task).collect()
    }

    fn queue_of(tasks: Vec<Task>) -> Contents {
        Contents {
            settings: Settings {
                store: StoreId::new("S").unwrap(),
                name: "s".to_owned(),
                require_tests: false,
                backoff: Backoff::default(),
            },
            epics: Vec::new(),
            features: Vec::new(),
            tasks,
            tests: Vec::new(),
            dependencies: Vec::new(),
            questions: Vec::new(),
            attempts: Vec::new(),
            checkpoints: Vec::new(),
            events: Vec::new(),
            operations: Vec::new(),
        }
    }

    #[test]
    fn a_text_of_many_chunks_is_that_of_one_piece() {
        let tasks = tasks(100);
        let mut texts = TaskWriter::new(&[], &[]);
        tasks.iter().for_each(|task| texts.add(task).unwrap());
        let texts = texts.done();
        let contents = queue_of(tasks);
        assert!(texts.unsorted);
        let mut written = Pieces::default();
        let text = SnapshotText::new(&contents, texts).unwrap();
        text.write_to(&mut written).unwrap();
        let Pieces(bytes, pieces) = written;
        let whole = encode(&contents, &Extra::default()).unwrap();
        assert!(bytes == whole.as_bytes());
        assert!(pieces.len() > 6 && pieces.len() < 20, "{pieces:?}");
    }
}
