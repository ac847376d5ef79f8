//! Is Blender here, and which one?

use framewright_plugin_api::data::{Found, Input, Open, Run, Verdict};
use framewright_plugin_api::{Effects, Session};

/// The oldest Blender whose Python the scripts can speak.
const OLDEST: (u32, u32) = (2, 80);

/// One `blender --version`.
pub struct Probe {
    program: String,
    version: Option<String>,
    last: String,
    over: bool,
}

impl Probe {
    /// Asks for the run.
    pub fn open(open: &Open, out: &mut Effects) -> Self {
        out.run(Run::new(1, [open.program.as_str(), "-b", "--version"]));
        Probe {
            program: open.program.clone(),
            version: None,
            last: String::new(),
            over: false,
        }
    }

    fn conclude(&mut self, out: &mut Effects) {
        self.over = true;
        let Some(version) = self.version.take() else {
            let why = format!(
                "{} does not say a Blender version{}",
                self.program,
                self.said()
            );
            out.failed(Verdict::MachineFault, why, "");
            return;
        };
        if numbers(&version).is_some_and(|found| found < OLDEST) {
            let why = format!("{} is Blender {version}, which is too old", self.program);
            out.failed(Verdict::MachineFault, why, "install Blender 2.80 or newer");
            return;
        }
        out.found(Found {
            version,
            notes: Vec::new(),
        });
    }

    fn said(&self) -> String {
        if self.last.is_empty() {
            String::new()
        } else {
            format!("; it said: {}", self.last)
        }
    }
}

/// `3.4.1` → (3, 4).
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl Session for Probe {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            if self.over {
                return;
            }
            match input {
                Input::Line { text, .. } => {
                    let version = text
                        .strip_prefix("Blender ")
                        .filter(|rest| numbers(rest).is_some());
                    match version {
                        Some(version) if self.version.is_none() => {
                            self.version = Some(version.trim().to_owned());
                        }
                        _ if !text.trim().is_empty() => self.last = text,
                        _ => {}
                    }
                }
                Input::NotStarted { why, .. } => {
                    self.over = true;
                    let why = format!("cannot start {}: {why}", self.program);
                    out.failed(Verdict::MachineFault, why, "");
                }
                Input::Exited { .. } => self.conclude(out),
                Input::Cancel => {
                    self.over = true;
                    out.kill(1);
                }
                Input::Segment { .. } | Input::Cut { .. } | Input::Started { .. } => {}
            }
        }
    }
}
