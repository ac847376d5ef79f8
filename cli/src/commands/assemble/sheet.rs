//! `assemble sheet`: pictures become a contact sheet.

use framewright_assemble::Output;
use framewright_assemble::sheet::{Made, Sheet, SheetError, make};
use serde::Serialize;

use super::{bar, without};
use crate::args::assemble::SheetArgs;
use crate::args::low::{Common, Format};
use crate::commands::answer;
use crate::display::words;
use crate::exit::Exit;
use crate::printable::printable;
use crate::problem::{Presentable, with_causes};
use crate::signals;

/// `assemble sheet --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct SheetReport {
    output: String,
    width: usize,
    height: usize,
    columns: usize,
    rows: usize,
    /// Cells that have a picture.
    frames: usize,
    /// Frames that have none.
    holes: Vec<i32>,
    bytes: u64,
}

/// Carries it out.
pub(crate) fn run(args: &SheetArgs, common: &Common, format: Format) -> Result<Exit, Presentable> {
    let is_png = args
        .output
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if !is_png {
        let name = printable(&args.output.to_string_lossy()).into_owned();
        return Err(
            Presentable::usage(format!("{name} is no name of a contact sheet"))
                .hint("contact sheets end in .png"),
        );
    }
    let view = args.shown.view()?;
    let cells = args.shown.cells()?;
    let sheet = Sheet {
        cells: &cells,
        columns: args.columns,
        thumb_width: args.width,
        view: &view,
        layer: args.shown.layer.as_deref(),
    };
    let output = Output {
        path: args.output.clone(),
        overwrite: args.shown.overwrite,
    };
    let (stop, terminated) = signals::flag()?;
    let bar = bar(common, format);
    let made = make(&sheet, &output, &stop, &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let Made {
        columns,
        rows,
        width,
        height,
        holes,
        bytes,
    } = made.map_err(|error| match error {
        SheetError::Cancelled => Presentable {
            message: error.to_string(),
            hint: Some("nothing was written".to_owned()),
            exit: terminated.exit(),
        },
        error => error.into(),
    })?;
    let report = SheetReport {
        output: args.output.to_string_lossy().into_owned(),
        width,
        height,
        columns,
        rows,
        frames: cells.len() - holes.len(),
        holes,
        bytes,
    };
    if format == Format::Json || !common.quiet {
        answer(format, report, text)?;
    }
    Ok(Exit::Done)
}

fn text(report: &SheetReport) -> String {
    format!(
        "{}: {} in {} columns, {}x{}, {}{}\n",
        printable(&report.output),
        words::count(report.frames as u64, "frame", "frames"),
        report.columns,
        report.width,
        report.height,
        words::bytes(report.bytes),
        without(&report.holes),
    )
}

impl From<SheetError> for Presentable {
    fn from(error: SheetError) -> Self {
        match error {
            SheetError::Write(error) => error.into(),
            error => Self {
                hint: error.hint(),
                ..Self::usage(with_causes(&error))
            },
        }
    }
}
