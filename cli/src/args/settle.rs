//! From what was typed to what is meant: [`Request`], in which nothing is left to guess.
//!
//! All that can be refused without opening an adapter is refused here, before anything starts.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use framewright_core::freight::{check_pattern, glob_escaped};
use framewright_core::policy::{POLICIES, Policy, PolicyError};
use framewright_core::quantity::{
    Bytes, QuantityError, parse_duration, parse_segment_size, parse_share,
};
use framewright_core::request::{Request, SegmentSize, Split, TilesWish};

use super::hosts::{self, Chosen};
use super::job_file::is_cube;
use super::low::{InspectArgs, JobArgs, SplitChoice};
use crate::engine;
use crate::printable::{printable, shown};
use crate::problem::Presentable;
use crate::surroundings::Surroundings;

/// Further attempts of a failed task, when nobody says: a fault of one machine or one moment is
/// got over, a broken scene is not rendered many times.
pub(crate) const RETRIES: u32 = 2;
/// Most further attempts that can be asked for.
const RETRIES_MAX: u32 = 100;
/// Longest note, in bytes: it travels with every segment.
const NOTE_BYTES_MAX: usize = 4096;

/// A request, and what people should know about it.
#[derive(Debug)]
pub(crate) struct Settled {
    /// What is meant.
    pub(crate) request: Request,
    /// Sentences.
    pub(crate) warnings: Vec<String>,
}

/// Settles the options of `render` and `plan`.
pub(crate) fn settle(
    args: &JobArgs,
    adapter_path: &[PathBuf],
    around: &Surroundings,
) -> Result<Settled, Presentable> {
    let scene = scene(args.scene.as_deref(), around)?;
    if let Some(frames) = &args.frames {
        frame_set("--frames", frames)?;
    }
    if let Some(priority) = &args.priority {
        frame_set("--priority", priority)?;
    }
    let Chosen { hosts, limits } = hosts::choose(args, around)?;
    let request = Request {
        scene,
        adapter: args.adapter.clone(),
        adapter_path: adapter_path
            .iter()
            .map(|path| around.working_folder.join(path))
            .collect(),
        frames: args.frames.clone(),
        layers: args.layers.clone(),
        split: match args.split {
            None | Some(SplitChoice::Auto) => Split::Auto,
            Some(SplitChoice::Frames) => Split::Frames,
            Some(SplitChoice::Tiles) => Split::Tiles,
            Some(SplitChoice::Layers) => Split::Layers,
        },
        tiles: args.tiles.as_deref().map(tiles).transpose()?,
        overlap: args.overlap,
        policy: args
            .policy
            .as_deref()
            .map(policy)
            .transpose()?
            .unwrap_or_default(),
        segment: args
            .segment
            .as_deref()
            .map(|text| in_option("--segment", parse_segment_size(text)))
            .transpose()?,
        priority: args.priority.clone(),
        output: args
            .output
            .as_deref()
            .map(|output| output_pattern(output, args, around))
            .transpose()?,
        video: reel(args.video.as_deref(), "the film", around)?,
        contact_sheet: reel(args.contact_sheet.as_deref(), "the contact sheet", around)?,
        view: args
            .view
            .as_deref()
            .map(|typed| view(typed, around))
            .transpose()?,
        working_folder: around.working_folder.clone(),
        overwrite: args.overwrite,
        tags: args.tags.clone(),
        memory_bytes: args
            .memory
            .as_deref()
            .map(|text| in_option("--memory", text.parse::<Bytes>()).map(|bytes| bytes.0))
            .transpose()?,
        hosts,
        limits,
        max_load_share: args.max_load_share.as_deref().map(load_share).transpose()?,
        settings: settings(&args.set)?,
        retries: retries(args.retries)?,
        task_limit_s: args.task_limit.as_deref().map(task_limit).transpose()?,
        keep_going: !args.fail_fast,
        note: args.note.as_deref().map(note).transpose()?,
        history: !args.no_history,
        assets: args
            .asset
            .iter()
            .map(|asset| asset_pattern(asset, around))
            .collect::<Result<_, _>>()?,
    };
    let warnings = Vec::from_iter(without_effect(request.policy, request.segment));
    Ok(Settled { request, warnings })
}

/// Settles the options of `inspect`: a request for this machine of which only scene, adapter and
/// settings are looked at.
pub(crate) fn settle_inspect(
    args: &InspectArgs,
    adapter_path: &[PathBuf],
    around: &Surroundings,
) -> Result<Request, Presentable> {
    let job = JobArgs {
        scene: Some(args.scene.clone()),
        adapter: args.adapter.clone(),
        set: args.set.clone(),
        local: Some(1),
        ..JobArgs::default()
    };
    Ok(settle(&job, adapter_path, around)?.request)
}

/// `--tiles`: a grid, or left to the kernel.
fn tiles(text: &str) -> Result<TilesWish, Presentable> {
    let wrong = || {
        Presentable::usage(format!(
            "--tiles `{}` is no number of tiles",
            printable(text)
        ))
        .hint("write COLSxROWS such as 4x4, or auto")
    };
    if text == "auto" {
        return Ok(TilesWish::Auto);
    }
    let count = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let (columns, rows) = text.split_once('x').ok_or_else(wrong)?;
    match (count(columns), count(rows)) {
        (Some(columns), Some(rows)) if columns > 0 && rows > 0 => {
            Ok(TilesWish::Grid { columns, rows })
        }
        _ => Err(wrong()),
    }
}

/// Where a film or a contact sheet goes, whole.
fn reel(
    typed: Option<&Path>,
    what: &str,
    around: &Surroundings,
) -> Result<Option<PathBuf>, Presentable> {
    let Some(typed) = typed else { return Ok(None) };
    if typed.as_os_str().is_empty() {
        return Err(Presentable::usage(format!("{what} is empty")).hint("name a file"));
    }
    let path = around.working_folder.join(typed);
    if path.is_dir() {
        return Err(
            Presentable::usage(format!("{} is a folder", shown(typed))).hint("name a file in it")
        );
    }
    utf8(&path, what)?;
    Ok(Some(path))
}

/// A view by its name, or by its file's whole path.
fn view(typed: &str, around: &Surroundings) -> Result<String, Presentable> {
    if !is_cube(typed) {
        return Ok(typed.to_owned());
    }
    let path = around.working_folder.join(typed);
    utf8(&path, "the view's path")?;
    Ok(path.to_string_lossy().into_owned())
}

fn scene(typed: Option<&Path>, around: &Surroundings) -> Result<PathBuf, Presentable> {
    let Some(typed) = typed.filter(|path| !path.as_os_str().is_empty()) else {
        return Err(Presentable::usage("no scene is named").hint(
            "framewright render SCENE, or a job file with the key `scene`, or --resume JOB",
        ));
    };
    let path = around.working_folder.join(typed);
    let name = shown(typed);
    let cannot = |why: std::io::Error| {
        Presentable::usage(format!("cannot read the scene {name}: {why}"))
            .hint("have it made readable for you, or check the path")
    };
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Presentable::usage(format!("there is no scene {name}"))
                .hint("check the path; it counts from the current folder"));
        }
        Err(error) => return Err(cannot(error)),
    };
    if metadata.is_dir() {
        return Err(
            Presentable::usage(format!("{name} is a folder, not a scene"))
                .hint("name the scene's file in it"),
        );
    }
    if !metadata.is_file() {
        return Err(
            Presentable::usage(format!("{name} is no file that a scene can be read from"))
                .hint("name the scene's file"),
        );
    }
    File::open(&path).map_err(cannot)?;
    let absolute = std::path::absolute(&path).map_err(cannot)?;
    utf8(&absolute, "the path of the scene")?;
    Ok(absolute)
}

/// Paths travel to adapters and hosts as text.
fn utf8(path: &Path, what: &str) -> Result<(), Presentable> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(
            Presentable::usage(format!("{what} is not UTF-8: {}", shown(path)))
                .hint("rename it, or reach it through a symbolic link with a UTF-8 name"),
        ),
    }
}

pub(super) fn frame_set(option: &str, text: &str) -> Result<(), Presentable> {
    if text.starts_with("--") {
        return Err(Presentable::usage(format!(
            "{option} wants frames, but `{}` follows it",
            printable(text)
        )));
    }
    engine::check_frame_set(text).map_err(|why| {
        let typed = if text.is_empty() { "\"\"" } else { text };
        Presentable::usage(format!("{option} {}: {why}", printable(typed)))
            .hint("frames are written like 1-300, 1-100x2, 1,5,9-20 or 1-100,!50")
    })
}

/// What the pattern says is looked at once the scene's frames are known; that a folder is none
/// can be said now.
fn output_pattern(
    typed: &Path,
    args: &JobArgs,
    around: &Surroundings,
) -> Result<PathBuf, Presentable> {
    let text = typed.to_string_lossy();
    let in_folder = around.working_folder.join(typed);
    if text.is_empty() || text.ends_with('/') || in_folder.is_dir() {
        let stem = args
            .scene
            .as_deref()
            .and_then(Path::file_stem)
            .map_or("name".into(), |stem| stem.to_string_lossy());
        let example = typed.join(format!("{stem}.####.png"));
        return Err(Presentable::usage(format!(
            "the output {} is a folder, not a file name pattern",
            shown(typed)
        ))
        .hint(format!("write -o '{}'", shown(&example))));
    }
    let absolute = std::path::absolute(&in_folder).map_err(|error| {
        Presentable::usage(format!("cannot use the output {}: {error}", shown(typed)))
    })?;
    utf8(&absolute, "the path of the output")?;
    Ok(absolute)
}

/// A policy, as `--policy` names it.
pub(super) fn policy(text: &str) -> Result<Policy, Presentable> {
    text.parse().map_err(|error: PolicyError| {
        let hint = format!("write {POLICIES}");
        match error {
            PolicyError::Unknown { .. } => {
                Presentable::usage(format!("--policy {} is not known", printable(text))).hint(hint)
            }
            PolicyError::Number { why, .. } => {
                Presentable::usage(format!("--policy {} is wrong: {why}", printable(text)))
                    .hint(hint)
            }
        }
    })
}

/// `--segment` is Royal Render's rule: another leaves nothing of it, but that 0 is undivided.
fn without_effect(policy: Policy, segment: Option<SegmentSize>) -> Option<String> {
    let SegmentSize { min, max } = segment.filter(|size| size.min > 0)?;
    (policy != Policy::Auto)
        .then(|| format!("--segment {min}..{max} has no effect beside --policy {policy}"))
}

fn load_share(text: &str) -> Result<f64, Presentable> {
    let share = in_option("--max-load-share", parse_share(text))?;
    if share <= 0.0 {
        return Err(
            Presentable::usage("--max-load-share 0 would let no host load the scene")
                .hint("leave it out to use every host that ends the job sooner"),
        );
    }
    Ok(share)
}

fn retries(typed: Option<u32>) -> Result<u32, Presentable> {
    match typed {
        None => Ok(RETRIES),
        Some(retries) if retries <= RETRIES_MAX => Ok(retries),
        Some(retries) => Err(Presentable::usage(format!(
            "--retries {retries} is too many: at most {RETRIES_MAX}"
        ))
        .hint(format!("leave it out for {RETRIES}"))),
    }
}

pub(super) fn in_option<T>(option: &str, read: Result<T, QuantityError>) -> Result<T, Presentable> {
    read.map_err(|error| Presentable::quantity(option, &error))
}

fn task_limit(text: &str) -> Result<f64, Presentable> {
    let limit = in_option("--task-limit", parse_duration(text))?;
    if limit.is_zero() {
        return Err(
            Presentable::usage("--task-limit 0 would let no task finish")
                .hint("leave it out to have it decided from the frames done so far"),
        );
    }
    Ok(limit.as_secs_f64())
}

fn settings(typed: &[String]) -> Result<BTreeMap<String, String>, Presentable> {
    let mut settings = BTreeMap::new();
    for pair in typed {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                settings.insert(key.trim().to_owned(), value.to_owned());
            }
            _ => {
                return Err(Presentable::usage(format!(
                    "--set {} is no KEY=VALUE",
                    printable(pair)
                ))
                .hint("write it like --set samples=64"));
            }
        }
    }
    Ok(settings)
}

/// A pattern of files to stage, absolute. Matching nothing, or being none, is refused now; what it
/// matches is looked for again when the job starts.
fn asset_pattern(typed: &str, around: &Surroundings) -> Result<String, Presentable> {
    if typed.is_empty() {
        return Err(
            Presentable::usage("--asset is empty").hint("name a file, a folder or a pattern")
        );
    }
    let absolute = if typed.starts_with('/') {
        typed.to_owned()
    } else {
        utf8(&around.working_folder, "the current folder")?;
        let folder = around.working_folder.to_string_lossy();
        // The folder's own name is no pattern, whatever it contains.
        let literal = around.working_folder.join(typed);
        if literal.exists() {
            literal.to_string_lossy().into_owned()
        } else {
            format!("{}/{typed}", glob_escaped(&folder))
        }
    };
    check_pattern(&absolute).map_err(|error| {
        Presentable::usage(printable(&error.to_string()).into_owned()).hint(
            "patterns count from the current folder; quote them, so that the shell leaves them alone",
        )
    })?;
    Ok(absolute)
}

fn note(text: &str) -> Result<String, Presentable> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(Presentable::usage(format!(
            "the note has {} bytes; at most {NOTE_BYTES_MAX} travel with a segment",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
