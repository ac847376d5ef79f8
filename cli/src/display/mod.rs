//! What people see of a render: readers of the event stream, and nothing else.
//!
//! A thread of its own folds the events into a [`Tally`], writes `--events`, and draws bars on a
//! terminal or lines elsewhere. The run loop never waits for it.

mod assembly;
mod bars;
mod events_file;
mod lines;
mod notices;
mod predicted;
#[cfg(test)]
pub(crate) mod script;
pub(crate) mod standings;
pub(crate) mod summary;
pub(crate) mod tally;
pub(crate) mod words;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use framewright_core::event::Stamped;
use indicatif::ProgressDrawTarget;
use jiff::Timestamp;

use crate::args::low::{Common, Format};
use crate::problem::Presentable;
use crate::stream::{EventSink, EventSource, Next, channel};
pub(crate) use bars::DRAWS_A_SECOND;
use bars::{Bars, Opening};
use events_file::EventsFile;
use lines::Lines;
pub(crate) use notices::{Loudness, Notice};
use tally::Tally;

/// How it is shown.
enum Reporter {
    Bars(Bars),
    Lines(Lines<Box<dyn Write + Send>>),
    /// stdout will get one document; nothing is said before.
    Silent,
}

/// A display that runs beside a render.
pub(crate) struct Display {
    thread: JoinHandle<Tally>,
}

/// How loud, from what was typed.
pub(crate) fn loudness(common: &Common) -> Loudness {
    match (common.quiet, common.verbose) {
        (true, _) => Loudness::Quiet,
        (false, true) => Loudness::Verbose,
        (false, false) => Loudness::Normal,
    }
}

/// Whether stderr takes colours.
pub(crate) fn colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

impl Display {
    /// Starts it. `warnings` are told first; `opening` is what is done until there is a job.
    pub(crate) fn start(
        common: &Common,
        events: Option<&Path>,
        opening: String,
        warnings: Vec<String>,
        terminal_moves: bool,
    ) -> Result<(Self, EventSink), Presentable> {
        let format = common.format.unwrap_or_default();
        let file = events
            .map(|path| EventsFile::open(path, format))
            .transpose()?;
        let mut reporter = Reporter::choose(format, loudness(common), terminal_moves, opening);
        for warning in warnings {
            reporter.warn(format!("warning: {warning}"));
        }
        let (sink, source) = channel();
        let thread = std::thread::Builder::new()
            .name("display".to_owned())
            .spawn(move || run(source, reporter, file))
            .map_err(|error| Presentable::fault(format!("cannot start the display: {error}")))?;
        Ok((Self { thread }, sink))
    }

    /// Waits until everything is shown, and hands back the account. All sinks must be dropped.
    pub(crate) fn end(self) -> Result<Tally, Presentable> {
        self.thread.join().map_err(|_| {
            Presentable::fault("the display broke down; the job itself is not affected")
        })
    }
}

impl Reporter {
    fn choose(format: Format, loudness: Loudness, terminal_moves: bool, what: String) -> Self {
        if format == Format::Json {
            return Self::Silent;
        }
        if io::stderr().is_terminal() && terminal_moves && loudness != Loudness::Quiet {
            Self::Bars(Bars::new(
                ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND),
                loudness,
                colours(),
                Opening {
                    what,
                    since: Timestamp::now(),
                },
            ))
        } else {
            // Lines are read afterwards: there, what was being read when nothing is yet known
            // says nothing.
            Self::Lines(Lines::new(Box::new(io::stderr()), loudness, colours()))
        }
    }

    fn event(&mut self, event: &Stamped, tally: &Tally) {
        match self {
            Self::Bars(bars) => bars.event(event, tally),
            Self::Lines(lines) => lines.event(event, tally),
            Self::Silent => {}
        }
    }

    fn warn(&mut self, text: String) {
        match self {
            Self::Bars(bars) => bars.tell(&Notice::Warning(text)),
            Self::Lines(lines) => lines.tell(&Notice::Warning(text)),
            Self::Silent => {}
        }
    }

    fn draw(&mut self, tally: &Tally) {
        if let Self::Bars(bars) = self {
            let (columns, rows) = terminal_size();
            bars.draw(tally, Timestamp::now(), columns, rows);
        }
    }

    fn end(self) {
        if let Self::Bars(bars) = self {
            bars.end();
        }
    }
}

fn run(mut source: EventSource, mut reporter: Reporter, mut file: Option<EventsFile>) -> Tally {
    let between = Duration::from_secs(1) / u32::from(DRAWS_A_SECOND);
    let mut tally = Tally::default();
    let mut next_draw = Instant::now();
    loop {
        match source.next(next_draw.saturating_duration_since(Instant::now())) {
            Next::Event(event) => {
                tally.apply(&event);
                let trouble = file.as_mut().and_then(|file| file.write(&event));
                reporter.event(&event, &tally);
                trouble.into_iter().for_each(|text| reporter.warn(text));
            }
            Next::Quiet => {}
            Next::Over => break,
        }
        if Instant::now() >= next_draw {
            reporter.draw(&tally);
            next_draw = Instant::now() + between;
        }
    }
    reporter.end();
    tally
}

/// Columns and rows of the terminal that stderr is.
fn terminal_size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}
