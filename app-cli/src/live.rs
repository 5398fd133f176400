//! What a person sees of the loop on a terminal: results that scroll by, and below them a picture of the present, drawn
//! over ten times a second: how far it is, and one line for each task under way with the last line of its output.
//!
//! Nothing of the terminal is changed that would have to be put back: the cursor stays visible and stands below the
//! picture, where a shell goes on if the loop is killed. There is no library for this here, because it comes to three
//! movements of the cursor, and what it must know when the window is resized is how lines were broken before.

mod model;
mod painter;
mod picture;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tasq_app::RunEvent;
use tasq_domain::StatusCounts;

use crate::output::{Output, Style, Text, View as _};
use crate::runner::Outputs;
use crate::view::RunLine;
use model::Model;
use painter::Painter;
use picture::{Size, picture};

/// How often the picture is drawn.
const EVERY: Duration = Duration::from_millis(100);
/// How often it is asked how far the queue is, while something happens.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// A view of a loop on standard error.
pub(crate) struct Live {
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
    counted: Option<Instant>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    outputs: Outputs,
}

struct State {
    model: Model,
    /// Lines that are to stay above the picture.
    lines: String,
    style: Style,
    over: bool,
}

impl Live {
    /// A view, if standard error is a terminal and somebody wants to read.
    pub(crate) fn on_terminal(out: &Output, outputs: Outputs) -> Option<Self> {
        let wanted = io::stderr().is_terminal() && !out.is_json() && !out.is_quiet();
        // A terminal that cannot move its cursor gets plain lines.
        let moves = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        (wanted && moves).then(|| Self::start(out.err_style(), outputs))
    }

    fn start(style: Style, outputs: Outputs) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                model: Model::new(Instant::now()),
                lines: String::new(),
                style,
                over: false,
            }),
            changed: Condvar::new(),
            outputs,
        });
        let seen = Arc::clone(&shared);
        let drawer = thread::Builder::new()
            .name("live view".to_owned())
            .spawn(move || seen.draw_until_over());
        Self {
            shared,
            // Without the thread there is nothing to see, which is no reason to stop the work.
            drawer: drawer.ok(),
            counted: None,
        }
    }

    /// Takes in what happened. `counts` is asked now and then.
    pub(crate) fn tell(&mut self, event: &RunEvent, counts: impl FnOnce() -> Option<StatusCounts>) {
        let now = Instant::now();
        let due = self.counted.is_none_or(|at| now - at >= COUNT_EVERY);
        let counts = due.then(counts).flatten();
        if due {
            self.counted = Some(now);
        }
        let mut state = self.shared.state();
        state.model.tell(event, now);
        if let Some(counts) = counts {
            state.model.count(counts);
        }
        if stays(event) {
            let mut text = Text::new(state.style);
            RunLine(event).text(&mut text);
            state.lines.push_str(&text.finish());
        }
    }

    /// Takes the picture away and leaves a table of what was done.
    pub(crate) fn end(mut self) {
        let mut table = Text::new(self.shared.state().style);
        self.shared.state().model.results(&mut table);
        self.shared.state().lines.push_str(&table.finish());
        self.stop();
    }

    fn stop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
        if let Some(drawer) = self.drawer.take() {
            // It panicked, which was told.
            let _ = drawer.join();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether an event leaves a line behind; the others are seen in the picture.
const fn stays(event: &RunEvent) -> bool {
    match event {
        RunEvent::Finished { .. } | RunEvent::Regressed { .. } | RunEvent::Draining { .. } => true,
        RunEvent::Started(_)
        | RunEvent::Verifying(_)
        | RunEvent::Waiting { .. }
        | RunEvent::Ended { .. } => false,
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw_until_over(&self) {
        let mut painter = Painter::default();
        let mut frame = 0;
        loop {
            let mut state = self.state();
            let lines = std::mem::take(&mut state.lines);
            let size = Size::of_terminal();
            let drawn = if state.over || state.model.is_empty() {
                Vec::new()
            } else {
                let last_line = |id: &str| self.outputs.last_line(id);
                picture(
                    &state.model,
                    size,
                    state.style,
                    Instant::now(),
                    frame,
                    &last_line,
                )
            };
            let (over, out) = (state.over, painter.paint(&lines, drawn, size.width));
            drop(state);
            // Whoever closed the terminal is told otherwise.
            let _ = io::stderr().write_all(out.as_bytes());
            if over {
                return;
            }
            frame += 1;
            let state = self.state();
            let waited = self
                .changed
                .wait_timeout_while(state, EVERY, |state| !state.over);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}
