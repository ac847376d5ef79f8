//! From what Blender said and how it ended to a verdict.
//!
//! Clues are gathered from lines of both streams. Some hold for the process (a driver that may
//! not run leaves a wrong picture on every frame, but is told once), some only for the task that
//! is being rendered (a full disk). Nothing here believes an exit code.

use framewright_plugin_api::data::{Stream, Verdict};

use crate::launch::EXIT_PYTHON;
use crate::settings::Settings;

/// A verdict in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The class.
    pub verdict: Verdict,
    /// One sentence.
    pub why: String,
    /// What to do about it; may be empty.
    pub hint: &'static str,
}

impl Ruling {
    /// A ruling without a hint.
    pub fn new(verdict: Verdict, why: impl Into<String>) -> Self {
        Ruling {
            verdict,
            why: why.into(),
            hint: "",
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The sentence with what to do about it.
    pub fn sentence(&self) -> String {
        if self.hint.is_empty() {
            self.why.clone()
        } else {
            format!("{} ({})", self.why, self.hint)
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Its exit code, when it exited.
    pub code: Option<i32>,
    /// The signal, when one ended it.
    pub signal: Option<i32>,
    /// framewright ended it.
    pub killed: bool,
}

impl End {
    /// The signal that ended it, also where a shell made a code of it.
    fn signal(self) -> Option<i32> {
        self.signal.or(match self.code {
            Some(code @ 129..=159) => Some(code - 128),
            _ => None,
        })
    }
}

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;

/// Longest line that is kept to be shown.
const LINE_CHARS_MAX: usize = 300;

/// Most scenes of a file whose engine is not there that are kept in mind.
const ENGINES_MAX: usize = 1000;

const HINT_WHOLE: &str = "`--set missing=warn` renders it all the same";
const HINT_SCRIPTS: &str =
    "`--set scripts=true` lets it run, `--set missing=warn` renders without it";
const HINT_DENOISE: &str = "`--set denoise=false` renders without";
const HINT_NEWER: &str = "render it with the Blender that saved it, or a newer one";

/// What was heard of a process.
#[derive(Clone, Debug, Default)]
pub struct Clues {
    /// First bytes of the scene, by the preflight: `blend`, `zstd`, `unknown`.
    pub file_kind: String,
    /// What the process may hold at most, where it has such a limit.
    pub memory_limit_bytes: Option<u64>,
    /// A script refused the scene: reason and sentence.
    pub refused: Option<(String, String)>,
    /// A Python driver that may not run.
    driver: Option<String>,
    /// Engines that are not there: engine, scene.
    engines: Vec<(String, String)>,
    /// Why the file was not read.
    unread: Option<String>,
    /// A library that was not found, as it was said on a stream first.
    libraries: Vec<(Stream, String)>,
    /// A script inside the scene that failed when it was loaded.
    script: Option<String>,
    out: Heard,
    err: Heard,
}

/// What was heard on a stream since the last task ended there.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    disk_full: bool,
    write_error: Option<String>,
    memory: bool,
    crash_log: bool,
    error: Option<String>,
    /// A Python error that is not ours; empty between its first line and its last.
    script: Option<String>,
}

impl Heard {
    /// Both together.
    pub fn join(self, other: Heard) -> Heard {
        Heard {
            disk_full: self.disk_full || other.disk_full,
            write_error: self.write_error.or(other.write_error),
            memory: self.memory || other.memory,
            crash_log: self.crash_log || other.crash_log,
            error: self.error.or(other.error),
            script: self.script.or(other.script),
        }
    }

    fn hear(&mut self, text: &str) {
        let has = |part: &str| text.contains(part);
        if let Some(said) = self.script.as_mut().filter(|said| said.is_empty()) {
            if !text.starts_with(' ') {
                *said = cut(text);
            }
            return;
        }
        if has("Traceback (most recent call last)") {
            self.script.get_or_insert_default();
        } else if has("No space left on device") {
            self.disk_full = true;
        } else if has("Failed to write pixel data") || has("cannot save: '") {
            self.write_error = Some(cut(text));
        } else if is_memory(text) {
            self.memory = true;
        } else if text.starts_with("Writing: ") && text.ends_with(".crash.txt") {
            self.crash_log = true;
        } else if text.starts_with("Error") {
            self.error = Some(cut(text));
        }
    }
}

fn cut(text: &str) -> String {
    text.trim().chars().take(LINE_CHARS_MAX).collect()
}

impl Clues {
    /// Takes note of a line that is neither ours nor mere chatter.
    pub fn hear(&mut self, stream: Stream, text: &str) {
        let has = |part: &str| text.contains(part);
        let unread = [
            "Failed to read blend file",
            "File format is not supported",
            "Cannot read file",
        ];
        if has("restricted access disallows name") || has("Error in PyDriver") {
            self.driver.get_or_insert_with(|| cut(text));
        } else if let Some(found) = missing_engine(text) {
            if self.engines.len() < ENGINES_MAX {
                self.engines.push(found);
            }
        } else if text.starts_with("Warning: Unable to open '")
            || has("linked data-blocks are missing")
        {
            if !self.libraries.iter().any(|(on, _)| *on == stream) {
                self.libraries.push((stream, cut(text)));
            }
        } else if unread.iter().any(|part| has(part)) {
            self.unread = Some(cut(text));
        } else {
            self.stream(stream).hear(text);
        }
    }

    /// Libraries that Blender missed on this stream so far were moved to where they are; those that
    /// were not, the scripts name.
    pub fn files_moved(&mut self, stream: Stream) {
        self.libraries.retain(|(on, _)| *on != stream);
    }

    fn stream(&mut self, stream: Stream) -> &mut Heard {
        match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        }
    }

    /// What was heard on a stream since the last task ended there. What comes now belongs to the
    /// next task.
    pub fn task_ends(&mut self, stream: Stream) -> Heard {
        std::mem::take(self.stream(stream))
    }

    /// What was heard on both streams since the last task ended.
    pub fn since(&self) -> Heard {
        self.out.clone().join(self.err.clone())
    }

    /// The scene is loaded: scripts inside it that failed will not have done their part.
    pub fn scene_loaded(&mut self) {
        self.script = self.task_ends(Stream::Stdout).script;
    }

    /// Why nothing of this scene will come out right, although it was loaded.
    pub fn of_loaded(&self, scene: &str, settings: Settings) -> Option<Ruling> {
        let missing = self.engines.iter().find(|(_, of)| of == scene);
        let (engine, _) = missing.filter(|_| !settings.engine)?;
        // Blender would quietly take another engine.
        let why = format!("render engine {engine} of scene {scene} is not available");
        Some(if settings.user_config {
            Ruling::new(Verdict::MachineFault, why)
        } else {
            Ruling::new(Verdict::Unrenderable, why)
                .hint("`--set user_config=true` allows the add-ons that each host has")
        })
    }

    /// What is wrong with a picture that was written.
    pub fn of_written(&self, heard: &Heard, settings: Settings) -> Option<Ruling> {
        if heard.disk_full {
            return Some(disk_full());
        }
        if let Some(line) = &heard.write_error {
            return Some(Ruling::new(
                Verdict::MachineFault,
                format!("the picture could not be written: {line}"),
            ));
        }
        if !settings.whole {
            return None;
        }
        if let Some(line) = &self.driver {
            let why = format!("a driver of the scene may not run, so the picture is wrong: {line}");
            return Some(Ruling::new(Verdict::Unrenderable, why).hint(HINT_SCRIPTS));
        }
        if let Some(line) = heard.script.as_ref().or(self.script.as_ref()) {
            let why = format!("a script of the scene failed: {line}");
            return Some(Ruling::new(Verdict::Unrenderable, why).hint(HINT_WHOLE));
        }
        self.libraries.first().map(|(_, line)| {
            let why = format!("a library of the scene is missing: {line}");
            Ruling::new(Verdict::Unrenderable, why).hint(HINT_WHOLE)
        })
    }

    /// What a script's error means.
    pub fn of_error(heard: &Heard, error: &str, blame: &str) -> Ruling {
        if blame == "scene" {
            return Ruling::new(Verdict::Unrenderable, error);
        }
        if heard.disk_full || error.contains("No space left on device") {
            return disk_full();
        }
        if is_memory(error) {
            return Ruling::new(Verdict::OutOfMemory, cut(error));
        }
        if error.contains("no camera") || error.contains("No camera") {
            return Ruling::new(Verdict::Unrenderable, "the scene has no camera")
                .hint("`--set camera=NAME` chooses one");
        }
        if error.contains("OpenImageDenois") || error.contains("wants denoising") {
            let why = "the scene wants denoising, which this build of Blender cannot do";
            return Ruling::new(Verdict::MachineFault, why).hint(HINT_DENOISE);
        }
        if error.contains("cannot save") || error.contains("wrote no file") {
            let why = format!("the picture could not be written: {}", cut(error));
            return Ruling::new(Verdict::MachineFault, why);
        }
        Ruling::new(Verdict::MachineFault, cut(error))
    }

    /// Why a process that ended did not come as far as a loaded scene, where no attempt more
    /// would change that.
    pub fn of_load(&self, end: End) -> Option<Ruling> {
        if let Some((reason, why)) = &self.refused {
            return Some(match reason.as_str() {
                "unreadable" => Ruling::new(
                    Verdict::MachineFault,
                    format!("the scene cannot be read here: {why}"),
                ),
                "build" => Ruling::new(Verdict::MachineFault, why).hint(HINT_DENOISE),
                "newer" => Ruling::new(Verdict::Unrenderable, why).hint(HINT_NEWER),
                _ => Ruling::new(Verdict::Unrenderable, why).hint(if why.contains("missing") {
                    HINT_WHOLE
                } else {
                    ""
                }),
            });
        }
        if self.since().memory {
            return None;
        }
        let line = self.unread.as_ref()?;
        if line.contains("No such file") || line.contains("Permission denied") {
            return Some(Ruling::new(Verdict::MachineFault, line));
        }
        if line.contains("not a blend file") && self.file_kind == "blend" && end.code == Some(1) {
            // The first bytes were right a moment ago: this is what Blender says when it gets
            // no memory for its read buffer.
            let why = "Blender has not enough memory to read the scene";
            return Some(Ruling::new(Verdict::OutOfMemory, why));
        }
        let why = format!("the scene is damaged, or of a Blender newer than this one: {line}");
        Some(Ruling::new(Verdict::Unrenderable, why))
    }

    /// Why a process ended before its work was done.
    pub fn of_end(&self, end: End, loading: bool) -> Ruling {
        let doing = if loading {
            "while it loaded the scene"
        } else {
            "while it rendered"
        };
        if end.killed {
            let why = format!("Blender was ended by framewright {doing}");
            return Ruling::new(Verdict::MachineFault, why);
        }
        let heard = self.since();
        if heard.memory {
            let why = format!("Blender ran out of memory {doing}");
            return Ruling::new(Verdict::OutOfMemory, why);
        }
        match end.signal() {
            Some(SIGKILL) => Ruling::new(
                Verdict::OutOfMemory,
                format!(
                    "Blender was killed from outside {doing}, as the system does when memory runs out"
                ),
            ),
            Some(SIGSEGV | SIGABRT) if self.memory_limit_bytes.is_some() => {
                // Blender rarely says that it got no memory; it uses what it did not get.
                let mebibytes = self.memory_limit_bytes.unwrap_or(0) >> 20;
                let why =
                    format!("Blender crashed {doing}, under a memory limit of {mebibytes} MiB");
                Ruling::new(Verdict::OutOfMemory, why)
            }
            Some(signal @ (SIGSEGV | SIGABRT)) => {
                let why = format!("Blender crashed {doing} (signal {signal})");
                Ruling::new(Verdict::MachineFault, why)
            }
            Some(signal) => Ruling::new(
                Verdict::MachineFault,
                format!("signal {signal} ended Blender {doing}"),
            ),
            None => of_exit(&heard, end.code.unwrap_or(0), doing),
        }
    }

    /// What people should know about a scene that was inspected.
    pub fn warnings(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (engine, scene) in &self.engines {
            told.push(format!(
                "render engine {engine} of scene {scene} is not available"
            ));
        }
        if let Some(line) = &self.driver {
            told.push(format!("a driver may not run: {line}; {HINT_SCRIPTS}"));
        }
        if let Some((_, line)) = self.libraries.first() {
            told.push(format!("a library is missing: {line}"));
        }
        told
    }
}

fn of_exit(heard: &Heard, code: i32, doing: &str) -> Ruling {
    if code == EXIT_PYTHON {
        let why = "a script of the adapter failed inside Blender";
        return Ruling::new(Verdict::AdapterFault, why);
    }
    if heard.crash_log {
        return Ruling::new(Verdict::MachineFault, format!("Blender crashed {doing}"));
    }
    if let Some(line) = &heard.error {
        return Clues::of_error(heard, line, "");
    }
    let why = format!("Blender exited with code {code} {doing}, and without the picture");
    Ruling::new(Verdict::MachineFault, why)
}

fn disk_full() -> Ruling {
    Ruling::new(
        Verdict::MachineFault,
        "the disk is full, so the picture is not complete",
    )
}

fn is_memory(text: &str) -> bool {
    [
        "Malloc returns null",
        "Calloc returns null",
        "std::bad_alloc",
        "Out of memory",
        "out of memory",
        "Cannot allocate memory",
        "std::system_error",
    ]
    .iter()
    .any(|part| text.contains(part))
}

/// `Error: Engine 'X' not available for scene 'Y' (an add-on may need …`.
fn missing_engine(text: &str) -> Option<(String, String)> {
    let rest = text.strip_prefix("Error: Engine '")?;
    let (engine, rest) = rest.split_once("' not available for scene '")?;
    let (scene, _) = rest.rsplit_once("' (").or_else(|| rest.rsplit_once('\''))?;
    Some((engine.to_owned(), scene.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Clues {
        let mut clues = Clues::default();
        for line in lines {
            clues.hear(Stream::Stderr, line);
        }
        clues
    }

    fn end(code: Option<i32>, signal: Option<i32>) -> End {
        End {
            code,
            signal,
            killed: false,
        }
    }

    fn settings() -> Settings {
        Settings::of(&std::collections::BTreeMap::new())
    }

    #[test]
    fn memory_is_known_by_words_by_the_kernels_kill_and_by_the_limit() {
        let words = [
            "Malloc returns null: len=268435456 in imbuf, total 4031",
            "terminate called after throwing an instance of 'std::bad_alloc'",
        ];
        for line in words {
            let ruling = heard(&[line]).of_end(end(None, Some(SIGABRT)), false);
            assert_eq!(ruling.verdict, Verdict::OutOfMemory, "{line}");
        }
        for killed in [end(None, Some(9)), end(Some(137), None)] {
            assert_eq!(
                heard(&[]).of_end(killed, true).verdict,
                Verdict::OutOfMemory
            );
        }
        let mut limited = heard(&["Writing: /tmp/x.crash.txt"]);
        let crash = end(Some(139), None);
        assert_eq!(limited.of_end(crash, false).verdict, Verdict::MachineFault);
        limited.memory_limit_bytes = Some(1 << 30);
        assert_eq!(limited.of_end(crash, false).verdict, Verdict::OutOfMemory);
    }

    #[test]
    fn a_scene_that_reads_as_damaged_for_want_of_memory_is_told_apart() {
        let line = "Error: Failed to read blend file '/a.blend', not a blend file";
        let mut clues = heard(&[line]);
        let verdict = |clues: &Clues| clues.of_load(end(Some(1), None)).map(|one| one.verdict);
        assert_eq!(verdict(&clues), Some(Verdict::Unrenderable));
        clues.file_kind = "blend".to_owned();
        assert_eq!(verdict(&clues), Some(Verdict::OutOfMemory));
        let cut = heard(&["Error: Failed to read blend file '/a.blend': Missing DNA block"]);
        assert_eq!(verdict(&cut), Some(Verdict::Unrenderable));
        assert_eq!(verdict(&heard(&[])), None);
    }

    #[test]
    fn a_library_that_was_moved_is_not_missing_any_more() {
        let mut clues = heard(&["Warning: Unable to open '/lib/a.blend': No such file"]);
        let ruling = |clues: &Clues| clues.of_written(&Heard::default(), settings());
        clues.files_moved(Stream::Stdout);
        assert!(ruling(&clues).is_some(), "the other stream may lag behind");
        clues.files_moved(Stream::Stderr);
        assert_eq!(ruling(&clues), None);
        clues.hear(Stream::Stderr, "Warning: Unable to open '/lib/b.blend': x");
        assert!(ruling(&clues).is_some());
    }

    #[test]
    fn what_framewright_ended_is_never_the_memorys_fault() {
        let ours = End {
            code: None,
            signal: Some(9),
            killed: true,
        };
        assert_eq!(
            heard(&[]).of_end(ours, false).verdict,
            Verdict::MachineFault
        );
    }

    #[test]
    fn no_exit_code_makes_a_picture() {
        for code in [0, 1, 5, 255] {
            let ruling = heard(&[]).of_end(end(Some(code), None), false);
            assert_eq!(ruling.verdict, Verdict::MachineFault, "{code}");
        }
        let python = heard(&[]).of_end(end(Some(EXIT_PYTHON), None), true);
        assert_eq!(python.verdict, Verdict::AdapterFault);
    }

    #[test]
    fn errors_of_scripts_are_sorted() {
        let verdict = |text: &str| Clues::of_error(&Heard::default(), text, "").verdict;
        assert_eq!(
            verdict("Error: Cannot render, no camera"),
            Verdict::Unrenderable
        );
        assert_eq!(
            verdict("Error: Build without OpenImageDenoiser"),
            Verdict::MachineFault
        );
        assert_eq!(
            verdict("Error: Render error (No space left on device) cannot save: '/o.png'"),
            Verdict::MachineFault
        );
        assert_eq!(
            verdict("Error: System is out of GPU and shared host memory: Out of memory"),
            Verdict::OutOfMemory
        );
    }

    #[test]
    fn the_last_line_of_a_python_error_is_the_one_shown() {
        let clues = heard(&[
            "Traceback (most recent call last):",
            "  File \"/a.blend/auto.py\", line 3, in h",
            "    No space left on device",
            "ValueError: boom",
        ]);
        let ruling = clues
            .of_written(&clues.since(), settings())
            .expect("a ruling");
        assert_eq!(ruling.why, "a script of the scene failed: ValueError: boom");
    }

    #[test]
    fn an_engine_is_missed_only_by_its_own_scene() {
        let line = "Error: Engine 'X' not available for scene 'It's (a) 'B'' (an add-on may need to be installed or enabled)";
        let clues = heard(&[line]);
        assert!(clues.of_loaded("It's (a) 'B'", settings()).is_some());
        assert!(clues.of_loaded("Other", settings()).is_none());
    }
}
