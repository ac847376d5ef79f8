//! The command line of framewright: arguments become a settled request, one `match` carries it
//! out, readers of the event stream show it.
//!
//! stdout carries results and nothing else; everything said to people goes to stderr. Every way
//! out is an [`exit::Exit`].

mod advice;
mod args;
mod commands;
mod display;
mod documents;
mod documents_hosts;
mod documents_simulate;
mod engine;
mod exit;
mod hidden;
mod history;
mod printable;
mod problem;
mod scenes;
mod signals;
mod stored;
mod stream;
mod stub_render;
mod surroundings;
mod tables;

use std::ffi::OsString;
use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;

use args::Parsed;
use args::low::Format;
use exit::Exit;
use problem::Presentable;

/// What the latest panic said, for the sentence that is printed instead of it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = hidden::dispatch(&words) {
        return code;
    }
    panic::set_hook(Box::new(keep_panic));
    let mut format = if args::asks_for_json(&words) {
        Format::Json
    } else {
        Format::Human
    };
    let ended = panic::catch_unwind(panic::AssertUnwindSafe(|| run(&words, &mut format)));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(problem)) => {
            problem.print(format);
            problem.exit
        }
        Err(_) => {
            let problem = panicked();
            problem.print(format);
            problem.exit
        }
    };
    exit.into()
}

fn run(words: &[OsString], format: &mut Format) -> Result<Exit, Presentable> {
    match args::parse(words) {
        Ok(Parsed::Command(low)) => {
            *format = args::format_of(&low);
            commands::run(*low, format)
        }
        Ok(Parsed::Answer(text)) => {
            let text = if anstream::AutoStream::choice(&std::io::stdout())
                == anstream::ColorChoice::Never
            {
                text.to_string()
            } else {
                text.ansi().to_string()
            };
            commands::print(text.as_bytes())?;
            Ok(Exit::Done)
        }
        // Without a command, what there is to choose from is what helps.
        Err(error) if *format == Format::Human && args::is_nothing_typed(&error) => {
            let _ = error.print();
            Ok(Exit::Usage)
        }
        Err(error) => Err(args::usage_problem(&error)),
    }
}

/// Keeps what a panic says. Those of other threads come out as the error of who waits for them.
fn keep_panic(info: &panic::PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("no reason is given");
    let place = info
        .location()
        .map(|place| format!(" ({}:{})", place.file(), place.line()))
        .unwrap_or_default();
    if let Ok(mut kept) = PANIC.lock() {
        kept.get_or_insert(format!("{what}{place}"));
    }
}

/// The sentence for a fault of this program.
fn panicked() -> Presentable {
    let what = PANIC
        .lock()
        .ok()
        .and_then(|mut kept| kept.take())
        .unwrap_or_default();
    Presentable::fault(format!("framewright itself failed: {what}")).hint(
        "this is a bug; what was committed is safe, and `framewright render --resume JOB` goes on",
    )
}
