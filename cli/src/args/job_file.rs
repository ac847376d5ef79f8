//! `--job FILE.toml`: the long options as keys.
//!
//! The file fills in what was not typed; what was typed wins. Relative paths in it count from
//! the file's own folder, so that a job means the same wherever it is started from.

use std::path::{Path, PathBuf};

use framewright_core::keys::{Document, KeysError, Table, beside};

use super::low::{Common, Format, JobArgs, RenderArgs, SplitChoice};

/// Fills `args` and `common` from the file that `--job` names.
pub(crate) fn fill_render(args: &mut RenderArgs, common: &mut Common) -> Result<(), KeysError> {
    let Some(path) = args.job.job.clone() else {
        return Ok(());
    };
    let document = Document::read(&path)?;
    let mut table = document.table()?;
    // `events = "-"` is stdout, not a file beside the job.
    let events = table.text("events")?.map(|name| {
        if name == "-" {
            PathBuf::from(name)
        } else {
            beside(&path, &name)
        }
    });
    args.events = args.events.take().or(events);
    fill(&mut args.job, common, table, &path)
}

/// Fills `args` and `common` from the file that `--job` names; what only `render` uses is read
/// and left alone, because one file serves both.
pub(crate) fn fill_plan(args: &mut JobArgs, common: &mut Common) -> Result<(), KeysError> {
    let Some(path) = args.job.clone() else {
        return Ok(());
    };
    let document = Document::read(&path)?;
    let mut table = document.table()?;
    table.text("events")?;
    fill(args, common, table, &path)
}

fn fill(
    args: &mut JobArgs,
    common: &mut Common,
    mut table: Table<'_>,
    file: &Path,
) -> Result<(), KeysError> {
    let path = |table: &mut Table<'_>, key: &'static str, typed: &mut Option<PathBuf>| {
        let written = table.text(key)?.map(|text| beside(file, &text));
        *typed = typed.take().or(written);
        Ok::<_, KeysError>(())
    };
    path(&mut table, "scene", &mut args.scene)?;
    path(&mut table, "output", &mut args.output)?;
    path(&mut table, "video", &mut args.video)?;
    path(&mut table, "contact-sheet", &mut args.contact_sheet)?;
    // A name, or a file beside the job.
    let view = table.text("view")?.map(|view| match is_cube(&view) {
        true => beside(file, &view).to_string_lossy().into_owned(),
        false => view,
    });
    or(&mut args.view, view);

    // Where to run is one choice: typing any part of it sets the file's aside.
    let hosts_typed = args.hosts.is_some() || !args.host.is_empty() || args.local.is_some();
    let mut hosts = None;
    path(&mut table, "hosts", &mut hosts)?;
    let host = table.words("host")?;
    let local = table.count("local", 0, u32::MAX)?;
    if !hosts_typed {
        args.hosts = hosts;
        args.host = host.unwrap_or_default();
        args.local = local;
    }

    or(&mut args.frames, table.text_or_number("frames")?);
    or(&mut args.priority, table.text_or_number("priority")?);
    or(&mut args.segment, table.text_or_number("segment")?);
    or(&mut args.tiles, table.text("tiles")?);
    or(&mut args.overlap, table.count("overlap", 0, u32::MAX)?);
    or(&mut args.policy, table.text("policy")?);
    or(
        &mut args.max_load_share,
        table.text_or_number("max-load-share")?,
    );
    or(&mut args.split, table.parsed("split", split)?);
    or(&mut args.retries, table.count("retries", 0, u32::MAX)?);
    or(&mut args.task_limit, table.text("task-limit")?);
    or(&mut args.note, table.text("note")?);
    or(&mut args.memory, table.text("memory")?);
    or(&mut args.adapter, table.text("adapter")?);
    list(&mut args.layers, table.words("layers")?);
    list(&mut args.tags, table.words("tags")?);
    let overwrite = table.flag("overwrite")?.unwrap_or_default();
    args.overwrite |= overwrite;
    args.no_history |= table.flag("history")? == Some(false);

    let keep_going = table.flag("keep-going")?.unwrap_or_default();
    let fail_fast = table.flag("fail-fast")?.unwrap_or_default();
    if keep_going && fail_fast {
        return Err(table.error("keep-going", "and `fail-fast` exclude each other"));
    }
    if !args.keep_going && !args.fail_fast {
        args.keep_going = keep_going;
        args.fail_fast = fail_fast;
    }

    // Settings are merged key by key. The file's come first: of two, the later one holds.
    let settings = table.scalar_map("set")?.unwrap_or_default();
    let written = settings
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"));
    args.set = written.chain(std::mem::take(&mut args.set)).collect();

    // Like the other paths of a file they count from its folder, so they are settled here; what
    // was typed counts from where it was typed.
    let assets = table.words("asset")?.unwrap_or_default();
    let written = assets
        .iter()
        .map(|asset| beside(file, asset).to_string_lossy().into_owned());
    args.asset = written.chain(std::mem::take(&mut args.asset)).collect();

    let folders = table.words("adapter-path")?.unwrap_or_default();
    common
        .adapter_path
        .extend(folders.iter().map(|folder| beside(file, folder)));
    or(&mut common.format, table.parsed("format", format)?);
    table.end()
}

/// Whether a view is a file.
pub(super) fn is_cube(view: &str) -> bool {
    let extension = Path::new(view).extension();
    extension.is_some_and(|it| it.eq_ignore_ascii_case("cube"))
}

fn or<T>(typed: &mut Option<T>, written: Option<T>) {
    if typed.is_none() {
        *typed = written;
    }
}

fn list(typed: &mut Vec<String>, written: Option<Vec<String>>) {
    if typed.is_empty() {
        *typed = written.unwrap_or_default();
    }
}

fn split(text: &str) -> Result<SplitChoice, String> {
    <SplitChoice as clap::ValueEnum>::from_str(text, false)
        .map_err(|_| format!("`{text}` is not known: write auto, frames, tiles or layers"))
}

fn format(text: &str) -> Result<Format, String> {
    <Format as clap::ValueEnum>::from_str(text, false)
        .map_err(|_| format!("`{text}` is not known: write human or json"))
}
