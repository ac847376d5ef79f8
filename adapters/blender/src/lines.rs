//! What a line of Blender's output says.
//!
//! Two kinds matter: messages of our own scripts (`@@FW {json}`), and a few of Blender's own.
//! Object, layer and file names stand in Blender's lines as they are, so a line is read by how it
//! begins, never by a word somewhere in it.

use serde::Deserialize;

/// A message of our scripts. Fields that a kind does not use are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "ev", rename_all = "kebab-case")]
pub enum Message {
    /// Before the scene is read.
    Preflight {
        /// What the file is by its first bytes: `blend`, `zstd` or `unknown`.
        kind: String,
        /// What the process may hold at most.
        #[serde(default)]
        memory_limit_bytes: Option<u64>,
        /// The Blender that saved it, as in `3.4`; empty where that cannot be told.
        #[serde(default)]
        written_by: String,
    },
    /// The scene will not be rendered.
    Refused {
        /// `unreadable`, `newer`, `scene` or `build`.
        reason: String,
        /// A sentence.
        why: String,
    },
    /// The scene is loaded and prepared.
    Ready {
        /// Its name.
        scene: String,
        /// View layers in use, where frames follow at once.
        #[serde(default)]
        layers: Option<u32>,
    },
    /// A task was taken.
    Begin {
        /// Which.
        task: u32,
        /// How many view layers its render goes through.
        layers: u32,
    },
    /// A task has ended. Said on both streams; on standard error with nothing but the number.
    Done {
        /// Which.
        task: u32,
        /// Whether its file is there.
        #[serde(default)]
        ok: bool,
        /// The file.
        #[serde(default)]
        path: String,
        /// What went wrong.
        #[serde(default)]
        error: String,
        /// What is to blame: `scene`, `build`, or nothing that a script knows.
        #[serde(default)]
        blame: String,
        /// How long it took.
        #[serde(default)]
        seconds: f64,
    },
    /// Files were taken from where this host has them, so what was said of them before no longer
    /// holds. Said on both streams.
    Moved,
    /// Facts of an inspection.
    Scene(Box<Facts>),
    /// One view layer.
    Layer {
        /// Its name.
        name: String,
        /// Whether the scene renders it.
        used: bool,
        /// What it holds.
        passes: Vec<String>,
    },
    /// One file that the scene needs.
    Asset {
        /// Where.
        path: String,
        /// `library`, `image`, …
        kind: String,
        /// Its size.
        bytes: u64,
        /// Whether it is not there.
        missing: bool,
        /// Whether the scene names it by an absolute path.
        #[serde(default)]
        absolute: bool,
    },
    /// Something people should know.
    Warning {
        /// The sentence.
        text: String,
    },
    /// The inspection is complete.
    End,
}

/// Facts of an inspection, apart from its lists.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Facts {
    pub load_s: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub scene: String,
    pub scenes: Vec<String>,
    pub first: i32,
    pub last: i32,
    pub step: u32,
    pub fps: f64,
    pub width: u32,
    pub height: u32,
    pub camera: Option<String>,
    pub cameras: Vec<String>,
    pub engine: String,
    pub undivided: bool,
    pub channels: Vec<String>,
    pub tiles: framewright_plugin_api::data::Tiling,
    pub layer_split: framewright_plugin_api::data::LayerSplit,
}

/// A line, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a> {
    /// A message of ours.
    Ours(Message),
    /// Something that claims to be ours and cannot be read.
    Garbled,
    /// A step of a render: how much of the current layer is done, where it says so.
    Render {
        /// Which frame.
        frame: i32,
        /// What the layer is at.
        at: LayerAt,
    },
    /// A picture was written.
    Saved(&'a str),
    /// Anything else that Blender said about what it reads: holds names, says nothing.
    Chatter,
    /// Any other line.
    Text(&'a str),
}

/// How far a view layer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerAt {
    /// Not told.
    Somewhere,
    /// This part of its samples.
    Fraction(f32),
    /// Done.
    Finished,
}

const MARK: &str = "@@FW ";

/// Reads a line.
pub fn read(text: &str) -> Line<'_> {
    if let Some(json) = text.strip_prefix(MARK) {
        return serde_json::from_str(json).map_or(Line::Garbled, Line::Ours);
    }
    let said = without_stamp(text);
    if let Some(rest) = said.strip_prefix("Fra:") {
        return render_step(rest).unwrap_or(Line::Chatter);
    }
    if let Some(path) = said
        .strip_prefix("Saved: '")
        .and_then(|rest| rest.strip_suffix('\''))
    {
        return Line::Saved(path);
    }
    let names = ["Saved: ", "Read blend: ", "Info: ", " Time: "];
    if names.iter().any(|start| said.starts_with(start)) {
        return Line::Chatter;
    }
    Line::Text(said)
}

/// Newer Blenders put time and source before their lines: `00:04.974  render  | Saved: …`.
fn without_stamp(text: &str) -> &str {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return text;
    }
    let Some((stamp, said)) = text.split_once(" | ") else {
        return text;
    };
    let mut words = stamp.split_whitespace();
    let time = words.next().unwrap_or_default();
    let is_time =
        time.contains(':') && time.chars().all(|c| c.is_ascii_digit() || ":.".contains(c));
    if is_time && words.count() <= 1 {
        said
    } else {
        text
    }
}

/// `17 Mem:… | Time:… | Scene, layer | Sample 3/16`.
fn render_step(rest: &str) -> Option<Line<'static>> {
    let number = rest.split([' ', '|']).next()?;
    let frame = number.parse().ok()?;
    let last = rest.rsplit(" | ").next().unwrap_or_default();
    let at = if last.trim_end() == "Finished" {
        LayerAt::Finished
    } else {
        match fraction(last) {
            Some(fraction) => LayerAt::Fraction(fraction),
            None => LayerAt::Somewhere,
        }
    };
    Some(Line::Render { frame, at })
}

/// Of `Sample 3/16`, or of `Rendered 2/6 Tiles, Sample 1/16`.
fn fraction(text: &str) -> Option<f32> {
    let ratio = |text: &str| -> Option<(f32, f32)> {
        let (done, all) = text.split_once('/')?;
        let (done, all): (f32, f32) = (done.trim().parse().ok()?, all.trim().parse().ok()?);
        (all > 0.0 && done >= 0.0 && done <= all).then_some((done, all))
    };
    if let Some(samples) = text.strip_prefix("Sample ") {
        return ratio(samples).map(|(done, all)| done / all);
    }
    let (tiles, samples) = text
        .strip_prefix("Rendered ")?
        .split_once(" Tiles, Sample ")?;
    let ((tile, tiles), (done, all)) = (ratio(tiles)?, ratio(samples)?);
    Some(((tile + done / all) / tiles).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> LayerAt {
        match read(text) {
            Line::Render { at, .. } => at,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn samples_are_read_with_and_without_the_remaining_time() {
        let head = "Fra:7 Mem:16.33M (Peak 16.58M) | Time:00:00.15 |";
        assert_eq!(
            at(&format!(
                "{head} Mem:4.43M, Peak:4.43M | Shot, beauty | Sample 4/16"
            )),
            LayerAt::Fraction(0.25)
        );
        assert_eq!(
            at(&format!(
                "{head} Remaining:00:04 | Mem:4M, Peak:4M | Shot, a | Sample 8/16"
            )),
            LayerAt::Fraction(0.5)
        );
        assert_eq!(
            at(&format!(
                "{head} Mem:4M, Peak:4M | S, a | Rendered 1/2 Tiles, Sample 1/2"
            )),
            LayerAt::Fraction(0.75)
        );
        assert_eq!(
            at(&format!("{head} Mem:4M | S, a | Finished")),
            LayerAt::Finished
        );
        assert_eq!(at("Fra:-3 Mem:1M | S, a | Sample 9/0"), LayerAt::Somewhere);
    }

    #[test]
    fn an_objects_name_is_no_news() {
        let name = "Fra:7 Mem:1M | Shot, a | Synchronizing object | Error: No space left on device";
        assert_eq!(
            read(name),
            Line::Render {
                frame: 7,
                at: LayerAt::Somewhere
            }
        );
        assert_eq!(read("Read blend: /a/Malloc returns null"), Line::Chatter);
    }

    #[test]
    fn saved_lines_of_old_and_new_blenders_are_read() {
        assert_eq!(
            read("Saved: '/a/it's_0001.png'"),
            Line::Saved("/a/it's_0001.png")
        );
        assert_eq!(
            read("00:04.974  render           | Saved: '/p.png'"),
            Line::Saved("/p.png")
        );
        assert_eq!(read("Saved: /passes/AO_0001.exr"), Line::Chatter);
    }

    #[test]
    fn a_message_that_cannot_be_read_is_told_apart() {
        assert_eq!(read("@@FW {\"ev\": \"end\"}"), Line::Ours(Message::End));
        assert_eq!(read("@@FW {\"ev\": \"e"), Line::Garbled);
        assert_eq!(read("@@FW {\"ev\": \"unheard-of\"}"), Line::Garbled);
    }
}
