//! `assemble layers`: the layers of a frame become one EXR.

use framewright_assemble::Output;
use framewright_assemble::layers::{MergeError, MergeOptions, Merged, merge_unless};
use serde::Serialize;

use crate::args::assemble::LayersArgs;
use crate::args::low::{Common, Format};
use crate::commands::{answer, warn};
use crate::display::words;
use crate::exit::Exit;
use crate::printable::printable;
use crate::problem::{Presentable, with_causes};
use crate::signals;

/// `assemble layers --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct LayersReport {
    output: String,
    width: u32,
    height: u32,
    layers: usize,
    /// `name:type`.
    channels: Vec<String>,
    /// Channels that the compositor made of single layers, with their files.
    left_out: Vec<String>,
    bytes: u64,
}

/// Carries it out.
pub(crate) fn run(args: &LayersArgs, common: &Common, format: Format) -> Result<Exit, Presentable> {
    let files = args.files()?;
    let output = Output {
        path: args.output.clone(),
        overwrite: args.overwrite,
    };
    let options = MergeOptions { parts: args.parts };
    let (stop, terminated) = signals::flag()?;
    let made = merge_unless(&files, &output, &options, &stop);
    let Merged {
        width,
        height,
        channels,
        left_out,
        bytes,
    } = made.map_err(|error| match error {
        MergeError::Cancelled => Presentable {
            message: error.to_string(),
            hint: Some("nothing was written".to_owned()),
            exit: terminated.exit(),
        },
        error => error.into(),
    })?;
    let report = LayersReport {
        output: args.output.to_string_lossy().into_owned(),
        width,
        height,
        layers: files.len(),
        channels,
        left_out,
        bytes,
    };
    let told: Vec<String> = report
        .left_out
        .first()
        .map(|first| {
            let rest = match report.left_out.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("what was composited of one layer alone is left out: {first}{rest}")
        })
        .into_iter()
        .collect();
    if format == Format::Json || !common.quiet {
        answer(format, report, text)?;
    }
    if format == Format::Human {
        warn(&told);
    }
    Ok(Exit::Done)
}

fn text(report: &LayersReport) -> String {
    format!(
        "{}: {}x{}, {} from {}, {}\n",
        printable(&report.output),
        report.width,
        report.height,
        words::count(report.channels.len() as u64, "channel", "channels"),
        words::count(report.layers as u64, "layer", "layers"),
        words::bytes(report.bytes),
    )
}

impl From<MergeError> for Presentable {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Write(error) => error.into(),
            error => Self {
                hint: error.hint(),
                ..Self::usage(with_causes(&error))
            },
        }
    }
}
