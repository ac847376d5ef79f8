//! What is in a scene: one run of Blender, which tells it in messages.

use framewright_plugin_api::data::{
    Asset, Basis, Cost, Costs, Failure, Input, Layer, Open, Scene, Stream, Verdict,
};
use framewright_plugin_api::{Effects, Session};

use crate::clues::{Clues, End, Ruling};
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
        out.run(launch.run(RUN, Purpose::Inspect));
        Ok(Inspect {
            launch,
            clues: Clues::default(),
            facts: None,
            layers: Vec::new(),
            assets: Vec::new(),
            warnings: Vec::new(),
            complete: false,
            started_s: 0.0,
            scene_s: 0.0,
            over: false,
        })
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
            } => {
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
        let load_s = facts.load_s.unwrap_or(self.scene_s - self.started_s);
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
                load_s: Cost::new(load_s, Basis::Measured),
                ..Costs::default()
            },
            memory_bytes: facts.memory_bytes.unwrap_or(0),
            assets: std::mem::take(&mut self.assets),
            tiles: facts.tiles,
            version_min: String::new(),
            carry: serde_json::Value::Null,
            layer_split: facts.layer_split,
            warnings,
        }
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
