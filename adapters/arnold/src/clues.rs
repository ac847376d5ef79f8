//! From what `kick` said and how it ended to a verdict.
//!
//! Its exit codes are not documented: 0 is believed to be no proof of success, and anything else to be a
//! failure. What Arnold writes in complaints is known only in part, so they are sorted by the words that
//! complaints of that kind have, and what is not known is the machine's fault, which is tried elsewhere.

use framewright_plugin_api::command::Exit;
use framewright_plugin_api::data::Verdict;

use crate::log::{Level, Line};

/// Longest complaint that is shown.
const CHARS_MAX: usize = 300;

const HINT_WHOLE: &str = "`--set missing=warn` renders it all the same";

/// A verdict in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub verdict: Verdict,
    pub why: String,
}

impl Ruling {
    fn new(verdict: Verdict, why: impl Into<String>) -> Self {
        Ruling {
            verdict,
            why: why.into(),
        }
    }
}

/// What kind of thing a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Memory,
    Disk,
    /// A node whose plug-in is not installed.
    Plugin,
    Camera,
    Syntax,
    /// A file that is not there.
    Missing,
}

/// What was heard of a process.
#[derive(Clone, Debug, Default)]
pub struct Clues {
    no_licence: Option<String>,
    memory: Option<String>,
    disk: Option<String>,
    plugin: Option<String>,
    camera: Option<String>,
    syntax: Option<String>,
    missing: Option<String>,
    /// The last error of any other kind.
    error: Option<String>,
    /// The last line that is not Arnold's.
    foreign: Option<String>,
    /// A crash was told of.
    crash: Option<String>,
}

fn cut(text: &str) -> String {
    text.trim().chars().take(CHARS_MAX).collect()
}

fn kind(level: Level, text: &str) -> Option<Kind> {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&[
        "out of memory",
        "bad_alloc",
        "cannot allocate",
        "malloc failed",
        "out of host memory",
    ]) {
        return Some(Kind::Memory);
    }
    if has(&[
        "no space left",
        "disk quota",
        "disk full",
        "read-only file system",
        "permission denied",
    ]) || (lower.starts_with("[driver_") && level == Level::Error)
    {
        return Some(Kind::Disk);
    }
    if has(&[
        "is not installed",
        "unknown node type",
        "node entry not found",
    ]) {
        return Some(Kind::Plugin);
    }
    if level == Level::Error && has(&["no camera", "camera not found", "has no camera"])
        || lower.starts_with("[kick] camera ")
    {
        return Some(Kind::Camera);
    }
    let absent = [
        "no such file",
        "does not exist",
        "could not open",
        "couldn't open",
        "cannot open",
        "can't open",
        "can't read",
        "could not read",
        "couldn't read",
        "could not find file",
        "file not found",
        "failed to open",
        "could not load",
        "unable to open",
    ];
    if has(&absent) {
        return Some(Kind::Missing);
    }
    if level == Level::Error
        && lower.starts_with("[ass]")
        && has(&["parse error", "syntax error", "unexpected", "parsing"])
    {
        return Some(Kind::Syntax);
    }
    None
}

impl Clues {
    /// Takes note of a line.
    pub fn hear(&mut self, line: &Line<'_>) {
        match line {
            Line::NoLicence(text) => {
                self.no_licence.get_or_insert_with(|| cut(text));
            }
            Line::Complaint(level, text) => self.complaint(*level, text),
            Line::Foreign(text) => self.foreign(text),
            Line::Version(_)
            | Line::Begins
            | Line::Done(_)
            | Line::PassDone
            | Line::Writes(_)
            | Line::Chatter => {}
        }
    }

    fn complaint(&mut self, level: Level, text: &str) {
        let kept = match kind(level, text) {
            Some(Kind::Memory) => &mut self.memory,
            Some(Kind::Disk) => &mut self.disk,
            Some(Kind::Plugin) => &mut self.plugin,
            Some(Kind::Camera) => &mut self.camera,
            Some(Kind::Syntax) => &mut self.syntax,
            Some(Kind::Missing) => &mut self.missing,
            None if level == Level::Error => {
                self.error = Some(cut(text));
                return;
            }
            None => return,
        };
        kept.get_or_insert_with(|| cut(text));
    }

    /// Lines of the loader, of libraries, of `kick` before its log begins.
    fn foreign(&mut self, text: &str) {
        let lower = text.to_ascii_lowercase();
        if lower.contains("bad_alloc") || lower.contains("cannot allocate memory") {
            self.memory.get_or_insert_with(|| cut(text));
        } else if lower.contains("signal caught") || lower.contains("arnold crash") {
            self.crash.get_or_insert_with(|| cut(text));
        } else if !text.trim().is_empty() {
            self.foreign = Some(cut(text));
        }
    }

    /// Why a process that should render did not succeed; `None` where it did, as far as its log and its
    /// end tell.
    pub fn of_end(&self, exit: &Exit, whole: bool) -> Option<Ruling> {
        if exit.killed {
            return Some(Ruling::new(Verdict::MachineFault, format!("kick {exit}")));
        }
        if let Some(text) = &self.no_licence {
            let why = format!("Arnold got no licence: {text}");
            return Some(Ruling::new(Verdict::NoLicence, why));
        }
        if let Some(text) = &self.memory {
            let why = format!("Arnold ran out of memory: {text}");
            return Some(Ruling::new(Verdict::OutOfMemory, why));
        }
        let failed = !exit.succeeded();
        if let Some(text) = &self.disk {
            let why = format!("the picture could not be written: {text}");
            return Some(Ruling::new(Verdict::MachineFault, why));
        }
        if let Some(text) = &self.syntax {
            let why = format!("the scene cannot be read: {text}");
            return Some(Ruling::new(Verdict::Unrenderable, why));
        }
        if let Some(text) = &self.camera {
            let why = format!("the scene cannot be rendered: {text}");
            return Some(Ruling::new(Verdict::Unrenderable, why));
        }
        let told = |text: &String, what: &str| match whole && !failed {
            true => format!("{what}: {text} ({HINT_WHOLE})"),
            false => format!("{what}: {text}"),
        };
        if let Some(text) = self.missing.as_ref().filter(|_| whole || failed) {
            let why = told(text, "the scene is not whole");
            return Some(Ruling::new(Verdict::Unrenderable, why));
        }
        if let Some(text) = self.plugin.as_ref().filter(|_| whole || failed) {
            // Another host may have it.
            let why = told(text, "a plug-in is missing here");
            return Some(Ruling::new(Verdict::MachineFault, why));
        }
        if let Some(signal) = signal(exit) {
            return Some(of_signal(signal, self.crash.as_ref()));
        }
        if let Some(text) = self.error.as_ref().or(self.crash.as_ref()) {
            let why = format!("Arnold failed: {text}");
            return Some(Ruling::new(Verdict::MachineFault, why));
        }
        failed.then(|| {
            let said = self
                .foreign
                .as_ref()
                .map(|text| format!("; it said: {text}"));
            let why = format!("kick {exit}{}", said.unwrap_or_default());
            Ruling::new(Verdict::MachineFault, why)
        })
    }
}

/// The signal that ended it, also where a shell made a code of it.
fn signal(exit: &Exit) -> Option<i32> {
    exit.signal.or(match exit.code {
        Some(code @ 129..=159) => Some(code - 128),
        _ => None,
    })
}

fn of_signal(signal: i32, crash: Option<&String>) -> Ruling {
    const SIGKILL: i32 = 9;
    if signal == SIGKILL {
        let why = "kick was killed from outside, as the system does when memory runs out";
        return Ruling::new(Verdict::OutOfMemory, why);
    }
    let name = match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    };
    let said = crash.map(|text| format!(": {text}")).unwrap_or_default();
    let why = format!("kick was ended by signal {signal}{name}{said}");
    Ruling::new(Verdict::MachineFault, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::read;

    fn exit(code: i32) -> Exit {
        Exit {
            code: Some(code),
            signal: None,
            killed: false,
        }
    }

    fn heard(lines: &[&str]) -> Clues {
        let mut clues = Clues::default();
        for line in lines {
            clues.hear(&read(line));
        }
        clues
    }

    fn error(text: &str) -> String {
        format!("00:00:01   200MB  ERROR  | {text}")
    }

    fn warning(text: &str) -> String {
        format!("00:00:01   200MB WARNING | {text}")
    }

    #[test]
    fn each_complaint_has_its_class() {
        for (line, verdict) in [
            (
                warning("rendering with watermarks because of failed authorization:"),
                Some(Verdict::NoLicence),
            ),
            (
                error("[ass] can't read in usd_proc.ass: No such file or directory"),
                Some(Verdict::Unrenderable),
            ),
            (
                warning("[texturesys] /tex/a.tx: could not open \"/tex/a.tx\""),
                Some(Verdict::Unrenderable),
            ),
            (
                warning("[ass] line 35: node \"alSurface\" is not installed"),
                Some(Verdict::MachineFault),
            ),
            (
                error("[ass] line 35: parse error"),
                Some(Verdict::Unrenderable),
            ),
            (error("no camera in the scene"), Some(Verdict::Unrenderable)),
            (
                error("[driver_exr] /o/a.exr: No space left on device"),
                Some(Verdict::MachineFault),
            ),
            (error("std::bad_alloc"), Some(Verdict::OutOfMemory)),
            (error("something new"), Some(Verdict::MachineFault)),
            (warning("node entry \"standard\" is deprecated"), None),
            (warning("[aov] more than one output driver"), None),
        ] {
            let ruling = heard(&[&line]).of_end(&exit(0), true);
            assert_eq!(ruling.map(|one| one.verdict), verdict, "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_let_pass_only_where_it_is_wanted_and_kick_went_on() {
        for line in [
            warning("[texturesys] could not open /tex/a.tx"),
            warning("[ass] line 35: node \"alSurface\" is not installed"),
        ] {
            let clues = heard(&[&line]);
            assert_eq!(clues.of_end(&exit(0), false), None);
            assert!(clues.of_end(&exit(1), false).is_some());
            assert!(clues.of_end(&exit(0), true).is_some());
        }
    }

    #[test]
    fn a_licence_that_is_not_there_outweighs_everything() {
        let lines = [
            error("[driver_exr] No space left on device"),
            warning("rendering with watermarks because the skip_license_check option was enabled"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for whole in [true, false] {
            let ruling = heard(&lines).of_end(&exit(1), whole).expect("a ruling");
            assert_eq!(ruling.verdict, Verdict::NoLicence);
        }
    }

    #[test]
    fn signals_and_codes_have_their_class() {
        let signalled = |signal| Exit {
            code: None,
            signal: Some(signal),
            killed: false,
        };
        let verdict = |exit: &Exit| heard(&[]).of_end(exit, true).map(|one| one.verdict);
        assert_eq!(verdict(&signalled(9)), Some(Verdict::OutOfMemory));
        assert_eq!(verdict(&exit(137)), Some(Verdict::OutOfMemory));
        assert_eq!(verdict(&signalled(11)), Some(Verdict::MachineFault));
        assert_eq!(verdict(&exit(1)), Some(Verdict::MachineFault));
        assert_eq!(verdict(&exit(0)), None);
        let ours = Exit {
            killed: true,
            ..signalled(9)
        };
        assert_eq!(verdict(&ours), Some(Verdict::MachineFault));
        let why = heard(&["libai.so: cannot open shared object file"]).of_end(&exit(127), true);
        assert!(why.expect("a ruling").why.contains("libai.so"));
    }
}
