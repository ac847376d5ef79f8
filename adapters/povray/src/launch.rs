//! The command line of a run.
//!
//! Options stand in the order in which they win: what holds where nobody says anything, the scene's
//! `.ini`, the user's settings, and last what this adapter must decide.

use framewright_plugin_api::command::{Command, Refusal};
use framewright_plugin_api::data::{Open, Task};
use framewright_plugin_api::paths::on_host;
use serde_json::Value;

use crate::describe::OURS;
use crate::plan::{Count, Plan};

/// Whether one process renders both: the next frame of the same part of the picture.
pub fn follows(before: &Task, next: &Task) -> bool {
    before.frame.checked_add(1) == Some(next.frame)
        && before.tile == next.tile
        && before.reduced == next.reduced
}

/// Whether a frame can be rendered, and if not, why.
pub fn refused(plan: &Plan, open: &Open, frame: i32) -> Option<Refusal> {
    let (first, last) = plan.shot(open.shot);
    if first < 0 || frame < 0 {
        // It would render frame 0 instead.
        return Some(Refusal::unrenderable("POV-Ray counts frames from 0"));
    }
    if frame < first || frame > last {
        // It would render another frame, or this one with a clock that is not the shot's.
        return Some(Refusal::unrenderable(format!(
            "the frame is not in the shot, which is {first} to {last}; `--set final_frame=N` makes it \
             longer, and its clock slower"
        )));
    }
    None
}

/// Where a run writes: a name that no other run of the session has.
fn stem(open: &Open, first: &Task) -> String {
    format!("{}/{}-{}_", open.scratch, first.task, first.attempt)
}

/// Where POV-Ray writes the picture of a task, the first of whose run is `first`.
pub fn file(open: &Open, plan: &Plan, first: &Task, task: &Task) -> String {
    let stem = stem(open, first);
    plan.file(plan.count(open.shot), &stem, extension(open), task.frame)
}

fn extension(open: &Open) -> &str {
    match open.output.as_str() {
        "exr" => "exr",
        _ => "png",
    }
}

/// The command that renders a run of frames.
pub fn command(open: &Open, tasks: &[Task]) -> Result<Command, Refusal> {
    let plan = Plan::carried(open);
    let possible = |task: &&Task| refused(&plan, open, task.frame).is_none();
    let (Some(first), Some(last)) = (
        tasks.iter().find(possible),
        tasks.iter().rev().find(possible),
    ) else {
        let why = tasks
            .first()
            .and_then(|task| refused(&plan, open, task.frame));
        return Err(why.unwrap_or_else(|| Refusal::unrenderable("there is nothing to render")));
    };
    let scene = open.scene.as_deref().unwrap_or_default();
    let (folder, name) = scene.rsplit_once('/').unwrap_or((".", scene));
    let mut argv = vec![open.program.clone()];

    // A host's own povray.ini may say otherwise; frames shall not depend on who renders them.
    argv.push("-A".to_owned());
    if !plan.ini.is_empty() {
        argv.push(quoted("", &plan.ini)?);
    }
    if !name.to_ascii_lowercase().ends_with(".ini") {
        argv.push(quoted("+I", name)?);
    }
    for library in &plan.libraries {
        if let Some(here) = on_host(&open.paths, library) {
            argv.push(quoted("+L", &here)?);
        }
    }
    for (key, value) in &open.settings {
        if !OURS.contains(&key.as_str()) {
            argv.push(format!("{key}={}", word(value)));
        }
    }
    let part = |size: u32| size.div_ceil(first.reduced.max(1)).max(1);
    argv.push(format!("+W{}", part(plan.width)));
    argv.push(format!("+H{}", part(plan.height)));
    if let Count::Frames {
        first: begin,
        last: end,
    } = plan.count(open.shot)
    {
        // The shot's frames and clock in every run, or names and clocks would change.
        argv.push(format!("+KFI{begin}"));
        argv.push(format!("+KFF{end}"));
        argv.push(format!("+KI{}", plan.clock.0));
        argv.push(format!("+KF{}", plan.clock.1));
        argv.push(if plan.cyclic { "+KC" } else { "-KC" }.to_owned());
        argv.push(format!("+SF{}", first.frame));
        argv.push(format!("+EF{}", last.frame));
        argv.push("+STP1".to_owned());
    }
    if let Some(tile) = first.tile {
        // Columns and rows count from 1, and both ends belong to it.
        argv.push(format!("+SC{}", tile.x + 1));
        argv.push(format!("+EC{}", tile.x + tile.width));
        argv.push(format!("+SR{}", tile.y + 1));
        argv.push(format!("+ER{}", tile.y + tile.height));
    }
    argv.push(match extension(open) {
        "exr" => "+FE".to_owned(),
        _ => format!("+FN{}", plan.bits),
    });
    let output = format!("{}.{}", stem(open, first), extension(open));
    argv.push(quoted("+O", &output)?);
    if open.threads > 0 {
        argv.push(format!("+WT{}", open.threads));
    }
    // No window, no key to press at the end, no old state to go on from, and progress lines.
    argv.extend(["-D", "-P", "-C", "+V"].map(str::to_owned));
    Ok(Command::new(argv).cwd(folder))
}

/// POV-Ray takes each argument apart at spaces once more, unless they are between quotes.
fn quoted(switch: &str, text: &str) -> Result<String, Refusal> {
    let quote = ['"', '\''].into_iter().find(|quote| !text.contains(*quote));
    let quote = quote.ok_or_else(|| {
        Refusal::unrenderable(format!(
            "POV-Ray cannot be told a name with both quotes: {text}"
        ))
    })?;
    Ok(format!("{switch}{quote}{text}{quote}"))
}

fn word(value: &Value) -> String {
    match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
