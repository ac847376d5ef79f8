//! `assemble video`: pictures become a film.

use std::path::Path;

use framewright_assemble::Output;
use framewright_assemble::film::{Codec, Film, FilmError, Made, Rate, encode};
use serde::Serialize;

use super::{bar, without};
use crate::args::assemble::VideoArgs;
use crate::args::low::{Common, Format};
use crate::commands::{answer, warn};
use crate::display::words;
use crate::exit::Exit;
use crate::printable::printable;
use crate::problem::{Presentable, with_causes};
use crate::signals;

/// What makes films; looked for on the PATH.
const FFMPEG: &str = "ffmpeg";

/// `assemble video --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct VideoReport {
    output: String,
    width: usize,
    height: usize,
    /// Frames of the film.
    frames: u64,
    fps: f64,
    codec: &'static str,
    /// Frames that had no picture.
    holes: Vec<i32>,
    bytes: u64,
}

/// Carries it out.
pub(crate) fn run(args: &VideoArgs, common: &Common, format: Format) -> Result<Exit, Presentable> {
    let codec = codec(args)?;
    let rate = match &args.fps {
        Some(typed) => typed.parse().map_err(|error| {
            Presentable::usage(format!("--fps: {error}")).hint("--fps 25 is 25 frames a second")
        })?,
        None => Rate::DEFAULT,
    };
    let view = args.shown.view()?;
    let cells = args.shown.cells()?;
    let film = Film {
        cells: &cells,
        rate,
        codec,
        crf: args.crf,
        view: &view,
        layer: args.shown.layer.as_deref(),
        holes: args.holes.meant(),
        program: Path::new(FFMPEG),
    };
    let output = Output {
        path: args.output.clone(),
        overwrite: args.shown.overwrite,
    };
    let (stop, terminated) = signals::flag()?;
    let bar = bar(common, format);
    let made = encode(&film, &output, &stop, &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let Made {
        frames,
        width,
        height,
        holes,
        is_light,
        bytes,
    } = made.map_err(|error| match error {
        FilmError::Cancelled => Presentable {
            message: error.to_string(),
            hint: Some("nothing was written".to_owned()),
            exit: terminated.exit(),
        },
        error => error.into(),
    })?;
    let report = VideoReport {
        output: args.output.to_string_lossy().into_owned(),
        width,
        height,
        frames,
        fps: rate.as_f64(),
        codec: name(codec),
        holes,
        bytes,
    };
    let is_default = args.fps.is_none();
    if format == Format::Json || !common.quiet {
        answer(format, report, |report| text(report, rate, is_default))?;
    }
    if format == Format::Human && !is_light {
        warn(&args.shown.in_vain());
    }
    Ok(Exit::Done)
}

fn codec(args: &VideoArgs) -> Result<Codec, Presentable> {
    let name = printable(&args.output.to_string_lossy()).into_owned();
    let codec = Codec::of_name(&args.output, args.alpha).ok_or_else(|| {
        Presentable::usage(format!("{name} is no name of a film"))
            .hint("films end in .mp4 or .mkv (H.264), or in .mov (ProRes)")
    })?;
    if args.alpha && codec == Codec::H264 {
        return Err(
            Presentable::usage(format!("{name} would be H.264, which has no alpha"))
                .hint("name it .mov, or leave --alpha out"),
        );
    }
    Ok(codec)
}

fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::ProRes422 => "ProRes 422 HQ",
        Codec::ProRes4444 => "ProRes 4444",
    }
}

fn text(report: &VideoReport, rate: Rate, is_default: bool) -> String {
    format!(
        "{}: {}, {}x{}, {} at {rate} a second{}, {}{}\n",
        printable(&report.output),
        report.codec,
        report.width,
        report.height,
        words::count(report.frames, "frame", "frames"),
        if is_default {
            " (--fps sets another rate)"
        } else {
            ""
        },
        words::bytes(report.bytes),
        without(&report.holes),
    )
}

impl From<FilmError> for Presentable {
    fn from(error: FilmError) -> Self {
        let problem = Self {
            hint: error.hint(),
            ..Self::usage(with_causes(&error))
        };
        match error {
            FilmError::NoProgram(_) | FilmError::Start { .. } => Self {
                exit: Exit::NoHost,
                ..problem
            },
            FilmError::Failed { .. } => Self {
                exit: Exit::Failed,
                ..problem
            },
            FilmError::Write(error) => error.into(),
            FilmError::Nothing
            | FilmError::Holes(_)
            | FilmError::Sequence(_)
            | FilmError::Picture(_)
            | FilmError::TooLarge { .. }
            | FilmError::Cancelled => problem,
        }
    }
}
