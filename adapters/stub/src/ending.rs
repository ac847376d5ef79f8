//! What the end of a renderer process says about the task that was in flight.
//!
//! The stub renderer prints a line that begins with `Error: ` before it ends by itself; the last
//! such line decides the class, because out of memory and any other kill look the same from
//! outside.

use framewright_plugin_api::data::Verdict;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Exit code, when it exited.
    pub code: Option<i32>,
    /// Signal number, when a signal ended it.
    pub signal: Option<i32>,
    /// Whether framewright ended it.
    pub killed: bool,
}

/// The error text of a line, if it is one.
pub fn error_text(line: &str) -> Option<&str> {
    line.strip_prefix("Error: ")
}

/// Class and sentence. `said` is the last error text.
pub fn judge(ending: Ending, said: Option<&str>) -> (Verdict, String) {
    let verdict = match said {
        Some(text) if text.starts_with("out of memory") => Verdict::OutOfMemory,
        Some(text) if text.starts_with("no licence") => Verdict::NoLicence,
        _ => Verdict::MachineFault,
    };
    let how = match ending {
        Ending { killed: true, .. } => "the stub renderer was ended by framewright".to_owned(),
        Ending {
            signal: Some(signal),
            ..
        } => format!("the stub renderer was ended by {}", signal_name(signal)),
        Ending {
            code: Some(0) | None,
            ..
        } => "the stub renderer ended in mid-work without an error".to_owned(),
        Ending {
            code: Some(code), ..
        } => format!("the stub renderer ended with exit code {code}"),
    };
    match said {
        Some(text) => (verdict, format!("{how}: {text}")),
        None => (verdict, how),
    }
}

fn signal_name(signal: i32) -> String {
    // The numbers of Linux.
    let name = match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: Option<i32>, signal: Option<i32>, killed: bool) -> Ending {
        Ending {
            code,
            signal,
            killed,
        }
    }

    #[test]
    fn each_end_has_its_class_and_names_code_or_signal() {
        for (ending, said, verdict, words) in [
            (
                ended(None, Some(11), false),
                None,
                Verdict::MachineFault,
                "signal 11 (SIGSEGV)",
            ),
            (
                ended(None, Some(9), false),
                None,
                Verdict::MachineFault,
                "signal 9 (SIGKILL)",
            ),
            (
                ended(None, Some(9), false),
                Some("out of memory: cannot allocate 64 bytes"),
                Verdict::OutOfMemory,
                "cannot allocate 64 bytes",
            ),
            (
                ended(Some(4), None, false),
                Some("no licence: every seat is taken"),
                Verdict::NoLicence,
                "every seat is taken",
            ),
            (
                ended(Some(3), None, false),
                Some("frame 3 cannot go on"),
                Verdict::MachineFault,
                "exit code 3: frame 3",
            ),
            (
                ended(Some(0), None, false),
                None,
                Verdict::MachineFault,
                "without an error",
            ),
            (
                ended(None, Some(15), true),
                None,
                Verdict::MachineFault,
                "by framewright",
            ),
        ] {
            let (class, why) = judge(ending, said);
            assert_eq!(class, verdict, "{why}");
            assert!(why.contains(words), "{why}");
        }
    }
}
