//! `assemble stitch`: tiles become a picture.

use framewright_assemble::stitch::{PlanError, Seam, StitchError, Stitched, stitch};
use framewright_assemble::{Output, WriteError};
use serde::Serialize;

use crate::args::assemble::StitchArgs;
use crate::args::low::{Common, Format};
use crate::commands::{answer, warn};
use crate::display::words;
use crate::exit::Exit;
use crate::problem::{Presentable, with_causes};
use crate::signals;

/// `assemble stitch --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct StitchReport {
    output: String,
    width: u32,
    height: u32,
    tiles: usize,
    bytes: u64,
    /// Blocks of an EXR that were copied as they were.
    copied_blocks: u64,
    /// Blocks of an EXR that were made anew.
    encoded_blocks: u64,
    seams: Vec<SeamReport>,
}

/// Two tiles that differ where they overlap, and where they do most.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct SeamReport {
    between: [String; 2],
    x: u32,
    y: u32,
    channel: String,
    /// `null` = one has a number there and the other has none.
    difference: Option<f64>,
}

/// Carries it out.
pub(crate) fn run(args: &StitchArgs, common: &Common, format: Format) -> Result<Exit, Presentable> {
    let plan = args.plan()?;
    let output = Output {
        path: args.output.clone(),
        overwrite: args.overwrite,
    };
    let (stop, terminated) = signals::flag()?;
    let stitched = stitch(&plan, &output, &stop).map_err(|error| match error {
        StitchError::Cancelled => Presentable {
            message: error.to_string(),
            hint: Some("nothing was written".to_owned()),
            exit: terminated.exit(),
        },
        error => error.into(),
    })?;
    let Stitched {
        copied_blocks,
        encoded_blocks,
        bytes,
        seams,
    } = stitched;
    let report = StitchReport {
        output: args.output.to_string_lossy().into_owned(),
        width: plan.width,
        height: plan.height,
        tiles: plan.tiles.len(),
        bytes,
        copied_blocks,
        encoded_blocks,
        seams: seams.into_iter().map(SeamReport::from).collect(),
    };
    let told: Vec<String> = report.seams.iter().map(SeamReport::sentence).collect();
    if format == Format::Json || !common.quiet {
        answer(format, report, text)?;
    }
    if format == Format::Human {
        warn(&told);
    }
    Ok(if told.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn text(report: &StitchReport) -> String {
    let mut text = format!(
        "{}: {}x{}, {} from {}",
        crate::printable::printable(&report.output),
        report.width,
        report.height,
        words::bytes(report.bytes),
        words::count(report.tiles as u64, "tile", "tiles")
    );
    let copied = report.copied_blocks;
    if copied > 0 {
        let all = copied + report.encoded_blocks;
        text.push_str(&format!(", {copied} of {all} blocks copied as they were"));
    }
    text.push('\n');
    text
}

impl From<Seam> for SeamReport {
    fn from(seam: Seam) -> Self {
        Self {
            between: seam.between.into(),
            x: seam.place.0,
            y: seam.place.1,
            channel: seam.channel,
            difference: Some(seam.difference).filter(|difference| difference.is_finite()),
        }
    }
}

impl SeamReport {
    fn sentence(&self) -> String {
        let by = match self.difference {
            Some(difference) => format!("by up to {difference}"),
            None => "(a number, and none)".to_owned(),
        };
        let [one, other] = &self.between;
        format!(
            "tiles {one} and {other} differ {by} where they overlap, most in {} at {},{}",
            self.channel, self.x, self.y
        )
    }
}

impl From<StitchError> for Presentable {
    fn from(error: StitchError) -> Self {
        let problem = Self::usage(with_causes(&error));
        let again = "render that tile again";
        match error {
            StitchError::Plan(error) => problem.hint(match error {
                PlanError::Hole { .. } | PlanError::Twice { .. } | PlanError::Outside { .. } => {
                    "tiles must cover the picture, each pixel once; correct --at, --size or --overlap"
                }
                PlanError::Setting { .. } => "differences are numbers from 0 on",
                PlanError::NoTiles
                | PlanError::TooManyTiles { .. }
                | PlanError::TooManyOverlaps
                | PlanError::Size { .. } => "stitch parts of it first",
            }),
            StitchError::Missing { .. } => {
                problem.hint("render what is missing; the path counts from the current folder")
            }
            StitchError::Unreadable { .. } => problem.hint("check the path and its permissions"),
            StitchError::Broken { .. } => problem.hint(again),
            StitchError::Unsupported { .. } => {
                problem.hint("tiles may be EXR without deep samples, or PNG without interlacing")
            }
            StitchError::Size { .. } => {
                problem.hint("render that tile again, or correct --at, --overlap or --full-canvas")
            }
            StitchError::Elsewhere { .. } | StitchError::Unlike { .. } => {
                problem.hint("render that tile again, as the others")
            }
            StitchError::OtherFrame { .. } => problem.hint("take the tiles of one frame"),
            StitchError::OtherFormat { tiles, .. } => problem.hint(format!(
                "stitching does not convert; name the output *.{}",
                tiles.to_lowercase()
            )),
            StitchError::Encode { .. } => Self::fault(problem.message),
            StitchError::Write(error) => error.into(),
            StitchError::Cancelled => problem,
        }
    }
}

impl From<WriteError> for Presentable {
    fn from(error: WriteError) -> Self {
        let problem = Self::usage(with_causes(&error));
        match error {
            WriteError::Exists { .. } => problem.hint("--overwrite replaces it"),
            WriteError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self {
                    exit: Exit::Failed,
                    ..problem.hint("make room there, or write elsewhere with -o")
                }
            }
            WriteError::Io { .. } => {
                problem.hint("choose another -o, or have the folder made writable for you")
            }
        }
    }
}
