//! How Blender is started: command line, environment, and the scripts that go along.
//!
//! The environment decides about pictures (preferences, add-ons, Python's path, colour
//! configuration), so it is set whole. By default `BLENDER_USER_*` point below the scratch folder,
//! where nothing is: Blender then has its factory preferences and the add-ons that it ships with
//! switched on. `--factory-startup` would do that too, but it cannot be taken back for people who
//! need their own add-ons or GPU devices (`user_config`), and two ways would be one too many.

use std::collections::BTreeMap;

use framewright_plugin_api::data::{Failure, Open, PathPair, Run, TextFile};
use serde_json::{Value, json};

use crate::file;
use crate::lines::Message;
use crate::settings::Settings;

/// Exit code of a script that raised.
pub const EXIT_PYTHON: i32 = 90;

/// A script, by its file name.
const SCRIPTS: [(&str, &str); 11] = [
    ("fw_wire.py", include_str!("../scripts/fw_wire.py")),
    (
        "fw_preflight.py",
        include_str!("../scripts/fw_preflight.py"),
    ),
    ("fw_files.py", include_str!("../scripts/fw_files.py")),
    ("fw_assets.py", include_str!("../scripts/fw_assets.py")),
    ("fw_paths.py", include_str!("../scripts/fw_paths.py")),
    ("fw_prepare.py", include_str!("../scripts/fw_prepare.py")),
    ("fw_look.py", include_str!("../scripts/fw_look.py")),
    (
        "fw_simulation.py",
        include_str!("../scripts/fw_simulation.py"),
    ),
    ("fw_inspect.py", include_str!("../scripts/fw_inspect.py")),
    ("fw_driver.py", include_str!("../scripts/fw_driver.py")),
    ("fw_oneshot.py", include_str!("../scripts/fw_oneshot.py")),
];

/// What is true for every run of a session.
#[derive(Clone, Debug)]
pub struct Launch {
    program: String,
    scene: String,
    scratch: String,
    threads: u32,
    output: String,
    given: BTreeMap<String, Value>,
    paths: Vec<PathPair>,
    /// The settings.
    pub settings: Settings,
}

/// What a process is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Tell what is in the scene.
    Inspect,
    /// Render tasks from standard input.
    Session,
    /// Render one range of frames.
    Range(&'a Range),
    /// The same with nothing but Blender's own options.
    Bare(&'a Range),
}

/// Frames that share layer, tile and size, and are rendered by one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which, in their order; none below 0, which the command line cannot say.
    pub frames: Vec<i32>,
    /// Which view layer; empty = the scene as it is.
    pub layer: String,
    /// Which part of the frame.
    pub tile: Option<framewright_plugin_api::data::Tile>,
    /// At one in so many of its width and height.
    pub reduced: u32,
    /// What the files end with, without the dot.
    pub extension: String,
}

impl Range {
    /// As Blender's `-f` takes them: `1..4,9,7`. It renders them in this order, with one load.
    fn list(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        let follows = |a: &i32, b: &i32| a.checked_add(1) == Some(*b);
        for run in self.frames.chunk_by(follows) {
            match run {
                [first, _, .., last] => parts.push(format!("{first}..{last}")),
                few => parts.extend(few.iter().map(i32::to_string)),
            }
        }
        parts.join(",")
    }
}

impl Launch {
    /// From what is true on the host.
    ///
    /// # Errors
    /// When there is no scene.
    pub fn of(open: Open) -> Result<Self, Failure> {
        let Some(scene) = open.scene else {
            return Err(Failure::new("bad-document", "the session names no scene"));
        };
        let settings = Settings::of(&open.settings);
        Ok(Launch {
            settings: Settings {
                // What Blender's own options cannot say needs the scripts.
                plain: settings.plain && open.paths.is_empty(),
                ..settings
            },
            program: open.program,
            scene,
            scratch: open.scratch,
            threads: open.threads,
            output: open.output,
            given: open.settings,
            paths: open.paths,
        })
    }

    /// Whether there is a Blender to start.
    pub fn has_program(&self) -> bool {
        !self.program.is_empty()
    }

    /// What the scene's file says by itself.
    pub fn tell(&self) -> Result<Vec<Message>, file::ReadError> {
        file::tell(&self.scene, &self.given, &self.output)
    }

    /// The scene's path.
    pub fn scene(&self) -> &str {
        &self.scene
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.scratch.trim_end_matches('/'))
    }

    /// Where a run's range writes: Blender puts the frame number in place of the marks.
    pub fn pattern(&self, run: u32) -> String {
        self.below(&format!("fw{run}_######"))
    }

    /// The process number `run` of the session.
    pub fn run(&self, run: u32, purpose: Purpose<'_>) -> Run {
        let setup = self.below(&format!("setup{run}.json"));
        Run {
            run,
            argv: self.argv(run, purpose),
            env: self.environment(&setup),
            inherit: self.inherited(),
            cwd: String::new(),
            files: self.files(run, &setup, purpose),
            stdin: purpose == Purpose::Session,
        }
    }

    /// Blender takes its arguments in order: what guards the load stands before the scene, what
    /// changes it after.
    fn argv(&self, run: u32, purpose: Purpose<'_>) -> Vec<String> {
        let mut argv: Vec<String> = vec![self.program.clone(), "-b".to_owned()];
        let mut say = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        say(&[if self.settings.scripts {
            "--enable-autoexec"
        } else {
            "--disable-autoexec"
        }]);
        if self.threads > 0 {
            say(&["-t", &self.threads.to_string()]);
        }
        let script = |name: &str| self.below(&format!("scripts/{name}"));
        let code = EXIT_PYTHON.to_string();
        if !matches!(purpose, Purpose::Bare(_)) {
            say(&[
                "--python-exit-code",
                &code,
                "-P",
                &script("fw_preflight.py"),
            ]);
        }
        say(&[&self.scene]);
        match purpose {
            Purpose::Inspect => say(&["-P", &script("fw_inspect.py")]),
            Purpose::Session => say(&["-P", &script("fw_driver.py")]),
            Purpose::Range(range) => {
                say(&["-P", &script("fw_oneshot.py"), "-f", &range.list()]);
            }
            Purpose::Bare(range) => {
                let format = if range.extension == "exr" {
                    "OPEN_EXR"
                } else {
                    "PNG"
                };
                say(&["-o", &self.pattern(run), "-F", format, "-x", "1"]);
                say(&["-f", &range.list()]);
            }
        }
        argv
    }

    fn environment(&self, setup: &str) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> = [
            ("FRAMEWRIGHT_SETUP", setup),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("PYTHONNOUSERSITE", "1"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        if !self.settings.user_config {
            for kind in ["config", "scripts", "datafiles", "extensions", "resources"] {
                env.insert(
                    format!("BLENDER_USER_{}", kind.to_uppercase()),
                    self.below(&format!("user/{kind}")),
                );
            }
        }
        env
    }

    fn inherited(&self) -> Vec<String> {
        if !self.settings.user_config {
            return Vec::new();
        }
        [
            "BLENDER_USER_*",
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "OCIO",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn files(&self, run: u32, setup: &str, purpose: Purpose<'_>) -> Vec<TextFile> {
        let mut document = json!({
            "scene": self.scene,
            "settings": self.given,
            "output": self.output,
            "scratch": self.scratch,
        });
        if !self.paths.is_empty() {
            document["paths"] = json!(self.paths);
        }
        if let Purpose::Range(range) = purpose {
            document["burst"] = json!({
                "layer": range.layer, "tile": range.tile, "reduced": range.reduced,
                "extension": range.extension,
                "pattern": self.pattern(run),
            });
        }
        let scripts = SCRIPTS.map(|(name, text)| TextFile {
            path: self.below(&format!("scripts/{name}")),
            text: text.to_owned(),
        });
        let mut files = scripts.to_vec();
        files.push(TextFile {
            path: setup.to_owned(),
            text: document.to_string(),
        });
        files
    }
}
