//! What is in a scene: one run of Blender, which tells it in messages.
//!
//! Without a Blender, or with one that is too old for the scene, the same messages come from the
//! scene's file (`file`). What a running Blender says holds.

use framewright_plugin_api::data::{
    Asset, Basis, Cost, Costs, Failure, Input, Layer, Open, Scene, Stream, Verdict,
};
use framewright_plugin_api::{Effects, Session};

use crate::clues::{Clues, End, Ruling};
use crate::file;
use crate::launch::{Launch, Purpose};
use crate::lines::{self, Facts, Line, Message};

/// The one run.
const RUN: u32 = 1;

/// Most lines of a kind that are kept.
const LIST_MAX: usize = 100_000;

/// An inspection under way.
pub struct Inspect {
    launch: Launch,
    clues: Clues,
    facts: Option<Box<Facts>>,
    /// The Blender that saved it, as in `3.4`.
    written_by: String,
    layers: Vec<Layer>,
    assets: Vec<Asset>,
    warnings: Vec<String>,
    complete: bool,
    started_s: f64,
    scene_s: f64,
    over: bool,
}

impl Inspect {
    /// Asks for the run.
    pub fn open(open: Open, out: &mut Effects) -> Result<Self, Failure> {
        let launch = Launch::of(open)?;
        let mut inspect = Inspect {
            launch,
            clues: Clues::default(),
            facts: None,
            written_by: String::new(),
            layers: Vec::new(),
            assets: Vec::new(),
            warnings: Vec::new(),
            complete: false,
            started_s: 0.0,
            scene_s: 0.0,
            over: false,
        };
        if inspect.launch.has_program() {
            out.run(inspect.launch.run(RUN, Purpose::Inspect));
        } else {
            inspect.alone(out);
        }
        Ok(inspect)
    }

    /// Reads the scene from its file, where there is no Blender.
    fn alone(&mut self, out: &mut Effects) {
        match self.read_file() {
            Ok(()) => {
                out.note(
                    "read from the scene's file, without Blender: what a load would change \
                     (scripts, drivers, missing data-blocks) is not known",
                );
                self.conclude(End::default(), out);
            }
            Err(why) => {
                self.over = true;
                let why = format!("cannot read {}: {why}", self.launch.scene());
                out.failed(Verdict::Unrenderable, why, "");
            }
        }
    }

    fn read_file(&mut self) -> Result<(), file::ReadError> {
        for message in self.launch.tell()? {
            self.message(0.0, message);
        }
        Ok(())
    }

    /// A Blender that is too old says nothing but that.
    fn read_newer(&mut self) {
        let newer = self.clues.refused.as_ref().filter(|one| one.0 == "newer");
        let Some((_, why)) = newer.cloned() else {
            return;
        };
        if self.read_file().is_ok() && self.complete {
            self.warnings
                .push(format!("{why}; it was read from its file alone"));
        }
    }

    fn line(&mut self, at_s: f64, stream: Stream, text: &str) {
        match lines::read(text) {
            Line::Ours(message) => self.message(at_s, message),
            Line::Text(text) => self.clues.hear(stream, text),
            Line::Garbled | Line::Render { .. } | Line::Saved(_) | Line::Chatter => {}
        }
    }

    fn message(&mut self, at_s: f64, message: Message) {
        match message {
            Message::Preflight {
                kind,
                memory_limit_bytes,
                written_by,
            } => {
                self.written_by = written_by;
                self.clues.file_kind = kind;
                self.clues.memory_limit_bytes = memory_limit_bytes;
            }
            Message::Refused { reason, why } => self.clues.refused = Some((reason, why)),
            Message::Scene(facts) => {
                self.scene_s = at_s;
                self.facts = Some(facts);
            }
            Message::Layer { name, used, passes } if self.layers.len() < LIST_MAX => {
                self.layers.push(Layer {
                    name,
                    used,
                    passes,
                    weight: 1.0,
                    ..Layer::default()
                });
            }
            Message::Asset {
                path,
                kind,
                bytes,
                missing,
                absolute,
            } if self.assets.len() < LIST_MAX => {
                if missing {
                    self.warnings.push(format!("{kind} {path} is missing"));
                }
                self.assets.push(Asset {
                    path,
                    bytes,
                    missing,
                    kind,
                    absolute,
                });
            }
            Message::Warning { text } if self.warnings.len() < LIST_MAX => self.warnings.push(text),
            Message::End => self.complete = true,
            Message::Layer { .. }
            | Message::Asset { .. }
            | Message::Warning { .. }
            | Message::Moved
            | Message::Ready { .. }
            | Message::Begin { .. }
            | Message::Done { .. } => {}
        }
    }

    fn conclude(&mut self, end: End, out: &mut Effects) {
        self.over = true;
        self.read_newer();
        if let Some(facts) = self.facts.take().filter(|_| self.complete) {
            out.scene(self.scene(*facts));
            return;
        }
        let ruling = self
            .clues
            .of_load(end)
            .unwrap_or_else(|| self.clues.of_end(end, true));
        let ruling = match self.clues.refused {
            // Here and now is where the scene is wanted.
            Some((ref reason, ref why)) if reason == "unreadable" => Ruling {
                verdict: Verdict::Unrenderable,
                why: format!("cannot read {}: {why}", self.launch.scene()),
                ..ruling
            },
            _ => ruling,
        };
        out.failed(ruling.verdict, ruling.why, ruling.hint);
    }

    fn scene(&mut self, facts: Facts) -> Scene {
        let load_s = match (facts.load_s, self.scene_s - self.started_s) {
            (Some(load_s), _) => Cost::new(load_s, Basis::Measured),
            (None, seen_s) if self.launch.has_program() && seen_s > 0.0 => {
                Cost::new(seen_s, Basis::Measured)
            }
            (None, _) => Cost::default(),
        };
        let mut layers = std::mem::take(&mut self.layers);
        for layer in &mut layers {
            layer.undivided = facts.undivided;
        }
        let mut warnings = std::mem::take(&mut self.warnings);
        // What is told by name already needs no second sentence in Blender's words.
        let is_told = |text: &String| {
            let mut missing = self.assets.iter().filter(|asset| asset.missing);
            missing.any(|asset| text.contains(&asset.path))
        };
        warnings.extend(
            self.clues
                .warnings()
                .into_iter()
                .filter(|text| !is_told(text)),
        );
        Scene {
            output: String::new(),
            channels: facts.channels,
            reloaded: false,
            frame_lists: false,
            first: facts.first,
            last: facts.last,
            step: facts.step,
            fps: facts.fps,
            width: facts.width,
            height: facts.height,
            camera: facts.camera,
            cameras: facts.cameras,
            scenes: facts.scenes,
            engine: Some(facts.engine),
            layers,
            costs: Costs {
                load_s,
                ..Costs::default()
            },
            memory_bytes: facts.memory_bytes.unwrap_or(0),
            assets: std::mem::take(&mut self.assets),
            tiles: facts.tiles,
            version_min: version_min(&self.written_by),
            layer_split: facts.layer_split,
            warnings,
            carry: serde_json::Value::Null,
        }
    }
}

/// The oldest Blender that loads what another one saved: a file of a later one of the same first
/// number loads with a warning, one of a later first number crashes or is refused.
fn version_min(written_by: &str) -> String {
    match written_by.split_once('.') {
        Some((major, _)) if major.parse().is_ok_and(|major: u32| major >= 3) => {
            format!("{major}.0")
        }
        _ => String::new(),
    }
}

impl Session for Inspect {
    fn step(&mut self, at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            if self.over {
                return;
            }
            match input {
                Input::Started { .. } => self.started_s = at_s,
                Input::Line { stream, text, .. } => self.line(at_s, stream, &text),
                Input::NotStarted { why, .. } => {
                    self.over = true;
                    out.failed(
                        Verdict::MachineFault,
                        format!("cannot start Blender: {why}"),
                        "",
                    );
                }
                Input::Exited {
                    code,
                    signal,
                    killed,
                    ..
                } => {
                    self.conclude(
                        End {
                            code,
                            signal,
                            killed,
                        },
                        out,
                    );
                }
                Input::Cancel => {
                    self.over = true;
                    out.kill(RUN);
                }
                Input::Segment { .. } | Input::Cut { .. } => {}
            }
        }
    }
}
