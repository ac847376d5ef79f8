//! The renderer as people and reference tests use it: frames and a file pattern on the command
//! line, lines for people on standard output.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::render::{Desk, Leave, Renderer, Report};
use super::task::{Rectangle, Task};

/// What the command line asked for.
pub struct Wish {
    /// Which frames.
    pub frames: Vec<i32>,
    /// Which layers, one after the other in each frame; the empty name is the scene as it is.
    pub layers: Vec<String>,
    /// Which part of the frame.
    pub tile: Option<Rectangle>,
    /// Which try this is.
    pub attempt: u32,
    /// Where pictures go; absent = nowhere.
    pub output: Option<String>,
}

/// Prints for people.
pub struct Hand<W: Write> {
    out: W,
    failed: bool,
}

impl<W: Write> Hand<W> {
    /// Reports go to `out`.
    pub fn new(out: W) -> Self {
        Self { out, failed: false }
    }

    /// Loads and renders everything. Leaves with 1 where a frame failed.
    pub fn serve(&mut self, renderer: &Renderer, wish: &Wish, begin: Instant) -> Leave {
        match self.work(renderer, wish, begin) {
            Ok(()) => Leave(u8::from(self.failed)),
            Err(leave) => leave,
        }
    }

    fn work(&mut self, renderer: &Renderer, wish: &Wish, begin: Instant) -> Result<(), Leave> {
        renderer.load(begin, self)?;
        for &frame in &wish.frames {
            for layer in &wish.layers {
                let output = match &wish.output {
                    Some(pattern) => PathBuf::from(file_name(pattern, frame, layer)),
                    None => PathBuf::new(),
                };
                if let Some(folder) = output.parent() {
                    // What goes wrong here is said when the picture is written.
                    let _ = std::fs::create_dir_all(folder);
                }
                let task = Task {
                    segment: 0,
                    task: 0,
                    layer: layer.clone(),
                    frame,
                    tile: wish.tile,
                    attempt: wish.attempt,
                    output,
                    needs: Vec::new(),
                    reduced: 0,
                };
                renderer.render(&task, self)?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Desk for Hand<W> {
    fn report(&mut self, report: Report<'_>) -> Result<(), Leave> {
        let out = &mut self.out;
        match report {
            Report::Loaded => writeln!(out, "Loaded")?,
            Report::Begun(task) => writeln!(out, "Frame {} {}", task.frame, task.layer)?,
            Report::Progress(task, fraction) => {
                writeln!(
                    out,
                    "Frame {} {} {:.0} %",
                    task.frame,
                    task.layer,
                    fraction * 100.0
                )?;
            }
            Report::Wrote(task) => writeln!(out, "Saved: '{}'", task.output.display())?,
            Report::Done(task) => writeln!(out, "Done: frame {} {}", task.frame, task.layer)?,
            Report::Failed(task, _, why) => {
                self.failed = true;
                writeln!(out, "Error: frame {}: {why}", task.frame)?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, text: &str) -> Result<(), Leave> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a stub renderer stands for work that takes time; nothing can happen meanwhile"
    )]
    fn wait_until(&mut self, when: Instant) -> Result<(), Leave> {
        self.out.flush()?;
        let left = when.saturating_duration_since(Instant::now());
        if left > Duration::ZERO {
            std::thread::sleep(left);
        }
        Ok(())
    }
}

/// Fills `####` with the frame, padded to as many digits as there are, and `{layer}` with the
/// layer. A pattern without `#` names one file.
fn file_name(pattern: &str, frame: i32, layer: &str) -> String {
    let named = pattern.replace("{layer}", layer);
    let Some(start) = named.rfind('#') else {
        return named;
    };
    let first = named[..start].trim_end_matches('#').len();
    let width = start + 1 - first;
    format!("{}{frame:0width$}{}", &named[..first], &named[start + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        assert_eq!(file_name("a/b.####.png", 17, ""), "a/b.0017.png");
        assert_eq!(file_name("a/{layer}.##.exr", 123, "fog"), "a/fog.123.exr");
        assert_eq!(file_name("one.png", 3, ""), "one.png");
        assert_eq!(file_name("b.####.png", -3, ""), "b.-003.png");
    }
}
