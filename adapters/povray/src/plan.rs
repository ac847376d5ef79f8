//! What render sessions need to know of a scene's options: its size, its frames, its clock.
//!
//! An `inspect` session makes it from files; `render` sessions, which read none, are told it in
//! [`Open::carry`]. Settings are options that come last, so they are in it already.
//!
//! Invariant: frames that are in a shot get the same clock and the same name, whichever part of the
//! shot is rendered.

use framewright_plugin_api::data::{Open, Shot};
use serde::{Deserialize, Serialize};

use crate::options::Options;

/// The size where nothing says one: that of the `povray.ini` that is installed with POV-Ray on Debian.
/// Hosts may have others there, so it is always told.
pub const SIZE: (u32, u32) = (800, 600);

/// What the options of a scene come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The `.ini` file in the scene's folder, with its section: `shot.ini[low]`. Empty = none.
    pub ini: String,
    /// Width of the picture.
    pub width: u32,
    /// Height of it.
    pub height: u32,
    /// Bits a channel of PNG files.
    pub bits: u8,
    /// First and last frame; none = the scene says nothing of frames.
    pub frames: Option<(i32, i32)>,
    /// The clock at the first and the last frame.
    pub clock: (f64, f64),
    /// Whether the last frame comes just before the first again.
    pub cyclic: bool,
    /// Library paths that are absolute, so that they may be elsewhere on a host.
    pub libraries: Vec<String>,
    /// Names of files that were not found where the scene was read.
    pub missing: Vec<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            ini: String::new(),
            width: SIZE.0,
            height: SIZE.1,
            bits: 8,
            frames: None,
            clock: (0.0, 1.0),
            cyclic: false,
            libraries: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// How POV-Ray counts in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// No animation: one picture, its name without a number.
    Still,
    /// Frames from `first` to `last`, whichever of them are rendered.
    Frames {
        /// `+KFI`.
        first: i32,
        /// `+KFF`.
        last: i32,
    },
}

impl Plan {
    /// From options.
    pub fn of(options: &Options) -> Self {
        let size = |key, default| {
            let wanted = options.number(key).filter(|size| *size >= 1.0);
            wanted.map_or(default, |size| size as u32)
        };
        let (first, last) = (
            options.integer("initial_frame"),
            options.integer("final_frame"),
        );
        Plan {
            width: size("width", SIZE.0),
            height: size("height", SIZE.1),
            bits: match options.integer("bits_per_color") {
                Some(bits) if bits > 8 => 16,
                _ => 8,
            },
            frames: match (first.unwrap_or(1), last.unwrap_or(1)) {
                (1, 1) => None,
                frames => Some(frames),
            },
            clock: (
                options.number("initial_clock").unwrap_or(0.0),
                options.number("final_clock").unwrap_or(1.0),
            ),
            cyclic: options.is_on("cyclic_animation"),
            libraries: options.libraries.clone(),
            ..Plan::default()
        }
    }

    /// The plan that a render session was told.
    pub fn carried(open: &Open) -> Self {
        serde_json::from_value(open.carry.clone()).unwrap_or_default()
    }

    /// First and last frame of the shot. A scene that says nothing of frames has those of the job.
    pub fn shot(&self, job: Option<Shot>) -> (i32, i32) {
        self.frames
            .or(job.map(|shot| (shot.first, shot.last)))
            .unwrap_or((1, 1))
    }

    /// How POV-Ray has to count to give each frame of the shot its clock.
    pub fn count(&self, job: Option<Shot>) -> Count {
        match self.shot(job) {
            // Here POV-Ray itself takes the animation for off.
            (0, 0) | (1, 1) => Count::Still,
            // From 5 to 5 the clock would be 0 divided by 0; from 5 to 6 it is right for 5.
            (first, last) if first == last => Count::Frames {
                first,
                last: last + 1,
            },
            (first, last) => Count::Frames { first, last },
        }
    }

    /// The file that POV-Ray makes of `+O"stem.extension"` for a frame. It pads the number to the digits
    /// of the shot's last frame; a cyclic shot has one more in its eyes.
    pub fn file(&self, count: Count, stem: &str, extension: &str, frame: i32) -> String {
        match count {
            Count::Still => format!("{stem}.{extension}"),
            Count::Frames { last, .. } => {
                let digits = (last + i32::from(self.cyclic)).to_string().len();
                format!("{stem}{frame:0digits$}.{extension}")
            }
        }
    }
}
