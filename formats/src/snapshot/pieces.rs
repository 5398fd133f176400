//! A snapshot that is put together task by task, by one thread or several, so that of the tasks of a large queue only their
//! text is ever there as a whole.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::{slice, thread};

use tasq_domain::{Contents, Dependency, Question, Task};

use super::Extra;
use super::fields::{FieldError, ITEM_DEPTH, Writer};
use super::write::{Around, BEGINNING, around_tasks, beginning};
use crate::json::{push_line, push_quoted};

/// How much is handed over at once where pieces are put in order, in bytes.
const CHUNK: usize = 1 << 20;
/// How many of such chunks may wait to be written. Those that were written are filled again, so there are hardly more.
const WAITING: usize = 4;

/// Tasks of a snapshot as texts.
#[derive(Debug, Default)]
pub struct TaskTexts {
    /// In the order in which they came.
    text: String,
    /// In the order of their ids, once that is all.
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
    around: Arc<Around<'a>>,
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
            around: Arc::new(Around::new(dependencies, questions.iter())),
            texts: TaskTexts::default(),
        }
    }

    /// One for other tasks of the same queue, that has written none.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            around: Arc::clone(&self.around),
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

    /// What was written, put in order.
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
    tasks: Vec<TaskTexts>,
    after: String,
}

impl fmt::Debug for SnapshotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks: usize = self.tasks.iter().map(|texts| texts.pieces.len()).sum();
        f.debug_struct("SnapshotText")
            .field("tasks", &tasks)
            .finish_non_exhaustive()
    }
}

impl SnapshotText {
    /// The text of a queue whose tasks were written before, by writers of the same queue, each task by one of them. The
    /// tasks, dependencies and questions of `contents` are not looked at.
    ///
    /// # Errors
    /// As [`encode`](super::encode).
    pub fn new(contents: &Contents, tasks: Vec<TaskTexts>) -> Result<Self, FieldError> {
        let (mut before, mut after) = around_tasks(contents)?;
        if tasks.iter().all(|texts| texts.pieces.is_empty()) {
            before.push_str("{}");
        } else {
            before.push('{');
            let mut end = String::new();
            push_line(&mut end, 0, ITEM_DEPTH - 1);
            end.push('}');
            after.insert_str(0, &end);
        }
        Ok(Self {
            before,
            tasks,
            after,
        })
    }

    /// How long it is, in bytes, short of a comma for each writer beyond the first.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.before.len() + self.tasks_byte_len() + self.after.len()
    }

    fn tasks_byte_len(&self) -> usize {
        self.tasks.iter().map(|texts| texts.text.len()).sum()
    }

    /// Writes it, in few large writes. Of a long one the next part is put together by another thread meanwhile.
    ///
    /// # Errors
    /// The writer's first.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.before.as_bytes())?;
        self.write_tasks(out)?;
        out.write_all(self.after.as_bytes())
    }

    fn write_tasks(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut parts = self.tasks.iter().filter(|texts| !texts.pieces.is_empty());
        match (parts.next(), parts.next()) {
            (None, _) => Ok(()),
            (Some(only), None) if !only.unsorted => out.write_all(only.text.as_bytes()),
            _ if self.tasks_byte_len() <= CHUNK => self.write_in_order(out),
            _ => self.write_meanwhile(out),
        }
    }

    fn write_in_order(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut chunks = Chunks::of(&self.tasks);
        let mut chunk = String::new();
        while chunks.fill(&mut chunk) {
            out.write_all(chunk.as_bytes())?;
        }
        Ok(())
    }

    /// [`write_in_order`](Self::write_in_order), with the next chunks put together by another thread, if there is one to be
    /// had.
    fn write_meanwhile(&self, out: &mut dyn Write) -> io::Result<()> {
        thread::scope(|scope| {
            let (hand_over, filled) = mpsc::sync_channel::<String>(WAITING);
            let (give_back, written) = mpsc::channel::<String>();
            let put_together = move || {
                let mut chunks = Chunks::of(&self.tasks);
                let mut chunk = String::new();
                // Nobody takes more where writing has failed, which is told there.
                while chunks.fill(&mut chunk) && hand_over.send(chunk).is_ok() {
                    chunk = written.try_recv().unwrap_or_default();
                }
            };
            let thread = thread::Builder::new().name("texts in order".to_owned());
            if thread.spawn_scoped(scope, put_together).is_err() {
                return self.write_in_order(out);
            }
            for chunk in filled {
                out.write_all(chunk.as_bytes())?;
                let _ = give_back.send(chunk);
            }
            Ok(())
        })
    }
}

/// The texts of tasks in the order of their ids, many at a time.
struct Chunks<'a> {
    /// Those of each writer, which are in order, and what of them is still to come.
    parts: Vec<(&'a TaskTexts, slice::Iter<'a, Piece>)>,
    next: Option<&'a str>,
    begun: bool,
}

impl<'a> Chunks<'a> {
    fn of(tasks: &'a [TaskTexts]) -> Self {
        let parts = tasks.iter().map(|texts| (texts, texts.pieces.iter()));
        let mut chunks = Self {
            parts: parts.collect(),
            next: None,
            begun: false,
        };
        chunks.next = chunks.piece();
        chunks
    }

    /// The text of the task that comes next.
    fn piece(&mut self) -> Option<&'a str> {
        let first = |(texts, pieces): &(&'a TaskTexts, slice::Iter<'a, Piece>)| {
            let piece = pieces.as_slice().first()?;
            Some(piece.key(&texts.long_ids))
        };
        let ahead = self.parts.iter().enumerate();
        let (_, at) = ahead
            .filter_map(|(at, part)| Some((first(part)?, at)))
            .min()?;
        let (texts, pieces) = &mut self.parts[at];
        Some(&texts.text[pieces.next()?.place.clone()])
    }

    /// Puts the next texts into `chunk` instead of what is in it; whether there were any.
    fn fill(&mut self, chunk: &mut String) -> bool {
        chunk.clear();
        while let Some(piece) = self.next {
            if !chunk.is_empty() && chunk.len() + 1 + piece.len() > CHUNK {
                break;
            }
            if chunk.is_empty() {
                chunk.reserve(CHUNK);
            }
            if self.begun {
                chunk.push(',');
            }
            self.begun = true;
            chunk.push_str(piece);
            self.next = self.piece();
        }
        !chunk.is_empty()
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
        let contents = queue_of(tasks.clone());
        let whole = encode(&contents, &Extra::default()).unwrap();
        // All by one; by several, of whom one has nothing to write; and by two, of whom one gets them in order.
        for (writers, writing) in [(1, 1), (4, 3), (2, 2)] {
            let first = TaskWriter::new(&[], &[]);
            let mut texts: Vec<_> = (0..writers).map(|_| first.another()).collect();
            for (at, task) in tasks.iter().enumerate() {
                let by = if writing == 2 {
                    at.min(1)
                } else {
                    at % writing
                };
                texts[by].add(task).unwrap();
            }
            let texts: Vec<_> = texts.into_iter().map(TaskWriter::done).collect();
            assert!(texts.iter().any(|texts| texts.unsorted));
            let text = SnapshotText::new(&contents, texts).unwrap();
            // By another thread, and as it is done without one.
            let alone = |out: &mut Pieces| {
                out.write_all(text.before.as_bytes())?;
                text.write_in_order(out)?;
                out.write_all(text.after.as_bytes())
            };
            let mut written = [Pieces::default(), Pieces::default()];
            text.write_to(&mut written[0]).unwrap();
            alone(&mut written[1]).unwrap();
            for Pieces(bytes, pieces) in written {
                assert!(bytes == whole.as_bytes());
                assert!(pieces.len() > 6 && pieces.len() < 20, "{pieces:?}");
            }
            assert_eq!(text.byte_len(), whole.len() - (writing - 1));
        }
    }

    /// Takes so many writes, and then no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.0.checked_sub(1);
            self.0 = left.ok_or_else(|| io::Error::other("full"))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_write_that_fails_ends_a_long_text() {
        let tasks = tasks(100);
        let mut texts = TaskWriter::new(&[], &[]);
        tasks.iter().for_each(|task| texts.add(task).unwrap());
        let text = SnapshotText::new(&queue_of(tasks), vec![texts.done()]).unwrap();
        let mut pieces = Pieces::default();
        text.write_to(&mut pieces).unwrap();
        let writes = pieces.1.len();
        for enough in 0..writes {
            let error = text.write_to(&mut Full(enough)).unwrap_err();
            assert_eq!(error.to_string(), "full");
        }
        text.write_to(&mut Full(writes)).unwrap();
    }
}
