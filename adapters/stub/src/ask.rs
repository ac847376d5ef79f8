//! Probe and inspect: start the program, read one line, conclude once.

use framewright_plugin_api::data::{Asset, Found, Input, Open, Run, Stream, Verdict};
use framewright_plugin_api::{Effects, Session};

use crate::reports::{self, Report};
use crate::scene::{AssetFacts, Inspection};

/// The only process of these sessions.
const RUN: u32 = 1;

/// Is the renderer here, and which version?
pub struct Probe {
    concluded: bool,
}

impl Probe {
    /// Asks for the process.
    pub fn begin(open: &Open, out: &mut Effects) -> Self {
        out.run(Run::new(RUN, [&open.program, "stub-render", "--version"]));
        Self { concluded: false }
    }
}

impl Session for Probe {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            if self.concluded {
                return;
            }
            match input {
                Input::Line {
                    stream: Stream::Stdout,
                    text,
                    ..
                } => {
                    self.concluded = true;
                    let version = text.rsplit(' ').next().unwrap_or(&text).to_owned();
                    out.found(Found {
                        version,
                        notes: Vec::new(),
                    });
                }
                Input::NotStarted { why, .. } => {
                    self.concluded = true;
                    out.failed(
                        Verdict::MachineFault,
                        format!("cannot start the stub renderer: {why}"),
                        "",
                    );
                }
                Input::Exited { .. } => {
                    self.concluded = true;
                    out.failed(
                        Verdict::MachineFault,
                        "the stub renderer ended without telling its version",
                        "check which `framewright` this host finds",
                    );
                }
                _ => {}
            }
        }
    }
}

/// What is in this scene?
pub struct Inspect {
    scene: String,
    layer_names: bool,
    assets: Vec<Asset>,
    concluded: bool,
}

impl Inspect {
    /// Asks for the process.
    pub fn begin(open: &Open, scene: &str, out: &mut Effects) -> Self {
        let argv = [&open.program, "stub-render", "--inspect", "--", scene];
        out.run(Run::new(RUN, argv));
        Self {
            scene: scene.to_owned(),
            layer_names: open
                .settings
                .get("channels")
                .is_some_and(|how| how == "layer"),
            assets: Vec::new(),
            concluded: false,
        }
    }

    fn line(&mut self, text: &str, out: &mut Effects) {
        let Some(text) = reports::marked(text) else {
            return;
        };
        if let Some(asset) = text.strip_prefix("asset ") {
            match serde_json::from_str::<AssetFacts>(asset) {
                Ok(facts) => self.assets.push(facts.into_asset()),
                Err(error) => self.misunderstood(&error, out),
            }
            return;
        }
        self.concluded = true;
        if let Some(Report::Refused(refusal)) = reports::read(text) {
            out.failed(Verdict::Unrenderable, refusal.message, refusal.hint);
            return;
        }
        match serde_json::from_str::<Inspection>(text) {
            Ok(inspection) => {
                let assets = std::mem::take(&mut self.assets);
                out.scene(inspection.into_scene(&self.scene, self.layer_names, assets));
            }
            Err(error) => self.misunderstood(&error, out),
        }
    }

    fn misunderstood(&mut self, error: &serde_json::Error, out: &mut Effects) {
        self.concluded = true;
        out.failed(
            Verdict::AdapterFault,
            format!("the stub renderer told of its scene what is not understood: {error}"),
            "use the adapter and the program of one build",
        );
    }
}

impl Session for Inspect {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            if self.concluded {
                return;
            }
            match input {
                Input::Line {
                    stream: Stream::Stdout,
                    text,
                    ..
                } => self.line(&text, out),
                Input::NotStarted { why, .. } => {
                    self.concluded = true;
                    out.failed(
                        Verdict::MachineFault,
                        format!("cannot start the stub renderer: {why}"),
                        "",
                    );
                }
                Input::Exited { .. } => {
                    self.concluded = true;
                    out.failed(
                        Verdict::MachineFault,
                        "the stub renderer ended without telling what is in the scene",
                        "",
                    );
                }
                _ => {}
            }
        }
    }
}
