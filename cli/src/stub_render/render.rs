//! Rendering one task: time passes, a picture is written, things go wrong as the scene says.
//!
//! Knows nothing of how orders come in and reports go out; that is a [`Desk`]. The picture is
//! drawn while the frame's time passes, not on top of it, and written at its end, straight to
//! its path as real renderers do: whoever needs whole files must check and rename them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::encode::{ExrStyle, FileFormat, Subject, encode};
use super::scene::{FaultKind, LayerChoice, Output, Scene};
use super::task::{Rectangle, Task};
use super::{cost, fault};

/// Tasks shorter than this report no progress.
const PROGRESS_FROM: Duration = Duration::from_millis(50);
/// Parts of a frame after each of which progress is reported, the last one excepted.
const PROGRESS_PARTS: u32 = 5;

/// What the renderer says while it works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Report<'a> {
    /// The scene is loaded.
    Loaded,
    /// The task is worked on now. Left out for tasks that neither take time nor draw.
    Begun(&'a Task),
    /// How much of it is done, 0 to 1.
    Progress(&'a Task, f32),
    /// Its picture is written; the task is done.
    Wrote(&'a Task),
    /// The task is done, and there is no picture.
    Done(&'a Task),
    /// The task failed, the renderer goes on.
    Failed(&'a Task, Blame, &'a str),
}

/// Whose fault it is that a task failed; the words are those of the adapter's verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The scene, or what was asked of it.
    Unrenderable,
    /// This machine.
    MachineFault,
    /// Whoever gave the order.
    AdapterFault,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unrenderable => "unrenderable",
            Self::MachineFault => "machine-fault",
            Self::AdapterFault => "adapter-fault",
        })
    }
}

/// The process shall end with this exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave(pub u8);

impl From<io::Error> for Leave {
    /// Nobody listens any more.
    fn from(_: io::Error) -> Self {
        Self(1)
    }
}

/// Where orders come in and reports go out.
pub trait Desk {
    /// Passes a report on; it may lie in a buffer until the next wait.
    fn report(&mut self, report: Report<'_>) -> Result<(), Leave>;
    /// Passes an error text on, as a renderer prints it. All reports before it are passed on too.
    fn complain(&mut self, text: &str) -> Result<(), Leave>;
    /// Returns when the time has come. Everything reported is passed on before.
    fn wait_until(&mut self, when: Instant) -> Result<(), Leave>;
}

/// A loaded scene on a host.
pub struct Renderer {
    /// The scene.
    pub scene: Scene,
    /// The host's name in the farm, for its slowness and its faults.
    pub host: String,
    /// How EXR files are written.
    pub style: ExrStyle,
    /// What belongs to the content of the scene's assets; see [`super::assets`].
    pub assets: u64,
}

impl Renderer {
    /// Takes as long as loading takes on this host, then reports it.
    pub fn load(&self, begin: Instant, desk: &mut impl Desk) -> Result<(), Leave> {
        let load = self.scene.load.mul_f64(self.scene.slowness(&self.host));
        desk.wait_until(begin + load)?;
        desk.report(Report::Loaded)
    }

    /// Renders one task. An error ends the process; a task that merely fails is reported.
    pub fn render(&self, task: &Task, desk: &mut impl Desk) -> Result<(), Leave> {
        let begin = Instant::now();
        let (layer, part) = match self.subject(task) {
            Ok(found) => found,
            Err(why) => return desk.report(Report::Failed(task, Blame::Unrenderable, &why)),
        };
        let fault = fault::of(&self.scene, &self.host, layer, task);
        let draws = self.scene.output == Output::Image && !task.output.as_os_str().is_empty();
        let area = self.share(task, part);
        let mut cost = cost::task(&self.scene, &self.host, layer, task.frame, area);
        if fault == Some(FaultKind::Slow) {
            cost *= fault::SLOW_FACTOR;
        }
        if cost.is_zero() && !draws && fault.is_none() {
            return desk.report(Report::Done(task));
        }
        desk.report(Report::Begun(task))?;
        if let Some(kind) = fault {
            self.break_down(kind, task, begin, cost, desk)?;
        }
        if !draws {
            self.pass(task, begin, cost, 1.0, desk)?;
            return desk.report(Report::Done(task));
        }
        let bytes = task.needs.iter().try_for_each(|path| look_at(path));
        let bytes = bytes.and_then(|()| match fault {
            Some(FaultKind::WrongPixels) => {
                let mut other = task.clone();
                other.frame = other.frame.wrapping_add(1);
                self.picture(&other, layer, part)
            }
            _ => self.picture(task, layer, part),
        });
        self.pass(task, begin, cost, 1.0, desk)?;
        let written = bytes.and_then(|bytes| match fault {
            Some(FaultKind::NoOutput) => Ok(()),
            Some(FaultKind::CorruptOutput) => write(&task.output, &bytes[..bytes.len() / 3]),
            _ => write(&task.output, &bytes),
        });
        match written {
            Ok(()) => desk.report(Report::Wrote(task)),
            Err((blame, why)) => desk.report(Report::Failed(task, blame, &why)),
        }
    }

    /// The layer and the part of the frame that a task means.
    fn subject(&self, task: &Task) -> Result<(LayerChoice<'_>, Rectangle), String> {
        let (width, height) = self.size(task);
        let layer = self
            .scene
            .layer(&task.layer)
            .ok_or_else(|| format!("the scene has no layer `{}`", task.layer))?;
        let part = task.tile.unwrap_or(Rectangle {
            x: 0,
            y: 0,
            width,
            height,
        });
        if !part.fits(width, height) {
            return Err(format!(
                "the tile {},{} {}x{} does not lie in the frame of {width}x{height}",
                part.x, part.y, part.width, part.height
            ));
        }
        Ok((layer, part))
    }

    /// The size of the whole frame, as the task wants it.
    fn size(&self, task: &Task) -> (u32, u32) {
        let by = task.reduced.max(1);
        (
            self.scene.width.div_ceil(by),
            self.scene.height.div_ceil(by),
        )
    }

    /// How much of a whole frame's time a part of it takes.
    fn share(&self, task: &Task, part: Rectangle) -> f64 {
        let by = task.reduced.max(1);
        let whole = Rectangle {
            x: 0,
            y: 0,
            width: self.scene.width,
            height: self.scene.height,
        };
        let meant = Rectangle {
            x: part.x * by,
            y: part.y * by,
            width: part.width * by,
            height: part.height * by,
        };
        let cost = |part: &Rectangle| cost::pixels(&self.scene, part);
        cost(&meant) / cost(&whole) / (f64::from(by) * f64::from(by))
    }

    /// Lets the given share of the task's time pass, with progress on the way.
    fn pass(
        &self,
        task: &Task,
        begin: Instant,
        cost: Duration,
        share: f32,
        desk: &mut impl Desk,
    ) -> Result<(), Leave> {
        if cost >= PROGRESS_FROM {
            for step in 1..PROGRESS_PARTS {
                let fraction = step as f32 / PROGRESS_PARTS as f32;
                if fraction >= share {
                    break;
                }
                desk.wait_until(begin + cost.mul_f32(fraction))?;
                desk.report(Report::Progress(task, fraction))?;
            }
        }
        desk.wait_until(begin + cost.mul_f32(share))
    }

    /// Ends this process, if that is what the fault does.
    fn break_down(
        &self,
        kind: FaultKind,
        task: &Task,
        begin: Instant,
        cost: Duration,
        desk: &mut impl Desk,
    ) -> Result<(), Leave> {
        match kind {
            FaultKind::Licence => {
                desk.complain("Error: no licence: every seat of the stub renderer is taken")?;
                Err(Leave(fault::LICENCE_EXIT_CODE))
            }
            FaultKind::Crash => {
                self.pass(task, begin, cost, 0.5, desk)?;
                fault::crash()
            }
            FaultKind::Hang => {
                self.pass(task, begin, cost, 0.5, desk)?;
                fault::hang()
            }
            FaultKind::Oom => {
                self.pass(task, begin, cost, 0.5, desk)?;
                let bytes = self.scene.memory_bytes;
                let frame = task.frame;
                desk.complain(&format!(
                    "Error: out of memory: cannot allocate {bytes} bytes for frame {frame}"
                ))?;
                fault::die_of_hunger()
            }
            FaultKind::Exit => {
                self.pass(task, begin, cost, 0.5, desk)?;
                desk.complain(&format!("Error: frame {} cannot go on", task.frame))?;
                Err(Leave(fault::EXIT_CODE))
            }
            FaultKind::CorruptOutput
            | FaultKind::NoOutput
            | FaultKind::WrongPixels
            | FaultKind::Slow => Ok(()),
        }
    }

    fn picture(
        &self,
        task: &Task,
        layer: LayerChoice<'_>,
        part: Rectangle,
    ) -> Result<Vec<u8>, (Blame, String)> {
        let format = FileFormat::of(&task.output).ok_or_else(|| {
            let why = format!(
                "cannot tell the format of {}, expected a name that ends in .png or .exr",
                task.output.display()
            );
            (Blame::AdapterFault, why)
        })?;
        let all_layers: Vec<&str> = self.scene.layers.iter().map(|l| l.name.as_str()).collect();
        let (width, height) = self.size(task);
        let subject = Subject {
            width,
            height,
            margin: self.scene.tiles.margin,
            part,
            frame: task.frame,
            layer: layer.name(),
            all_layers: &all_layers,
            assets: self.assets,
        };
        encode(&subject, format, self.style).map_err(|why| (Blame::MachineFault, why))
    }
}

/// Whether a picture that a task stands on is there, and is one.
fn look_at(path: &Path) -> Result<(), (Blame, String)> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    let why = match read {
        Ok(()) if matches!(&magic, b"\x89PNG" | b"\x76\x2f\x31\x01") => return Ok(()),
        Ok(()) => "it is no picture".to_owned(),
        Err(error) => error.to_string(),
    };
    let why = format!(
        "cannot use {}, on which the task stands: {why}",
        path.display()
    );
    Err((Blame::MachineFault, why))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), (Blame, String)> {
    std::fs::write(path, bytes).map_err(|error| {
        let why = format!("cannot write {}: {error}", path.display());
        (Blame::MachineFault, why)
    })
}

#[cfg(test)]
mod tests;
