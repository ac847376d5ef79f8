//! Sessions on recorded logs: what a real Blender said once is judged in the same way again, and
//! no death at any line of it loses a task.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use framewright_plugin_api::data::{Effect, Input, Open, Step, Task, Verdict};
use framewright_plugin_api::{Adapter, Effects, replay};
use serde_json::Value;

use crate::Blender;

/// Recordings, by name.
fn recordings() -> BTreeMap<String, String> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/logs"));
    let files = fs::read_dir(folder).expect("the folder of recordings");
    let texts = files.map(|file| {
        let path = file.expect("a recording").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, fs::read_to_string(path).expect("its text"))
    });
    texts.filter(|(name, _)| name.ends_with(".jsonl")).collect()
}

#[test]
fn recorded_sessions_are_answered_as_they_were() {
    let all = recordings();
    assert!(all.len() >= 8, "recordings are missing: {:?}", all.keys());
    for (name, text) in &all {
        if let Err(error) = replay::session(&Blender, text) {
            panic!("{name}: {error}");
        }
    }
}

/// The documents of a recording that the session is told.
fn told(text: &str) -> (Open, Vec<Step>) {
    let documents = text.lines().filter(|line| !line.starts_with('#'));
    let mut documents = documents.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let first = documents.next().expect("an open document");
    let open = serde_json::from_value(first["open"].clone()).expect("an open document");
    let steps = documents.filter(|one| one.get("inputs").is_some());
    (
        open,
        steps
            .map(|one| serde_json::from_value(one).expect("a step"))
            .collect(),
    )
}

/// Feeds the first `count` steps, then lets every process die by SIGSEGV until none is asked for.
fn die_after(open: &Open, steps: &[Step], count: usize) -> Vec<Effect> {
    let mut out = Effects::new();
    let mut session = Blender.open(open.clone(), &mut out).expect("it opens");
    for step in &steps[..count] {
        session.step(step.at_s, step.inputs.clone(), &mut out);
    }
    let ended = |step: &Step| {
        step.inputs
            .iter()
            .filter(|one| matches!(one, Input::Exited { .. }))
            .count()
    };
    let mut run = steps[..count].iter().map(ended).sum::<usize>() as u32;
    let asked = |out: &Effects| {
        out.as_slice()
            .iter()
            .filter(|one| matches!(one, Effect::Run(_)))
            .count() as u32
    };
    while asked(&out) > run {
        run += 1;
        assert!(run < 100, "it starts Blender again and again");
        let died = Input::Exited {
            run,
            code: None,
            signal: Some(11),
            killed: false,
        };
        session.step(1e6, vec![died], &mut out);
    }
    out.take()
}

#[test]
fn no_death_at_any_line_loses_a_task_or_ends_one_twice() {
    for (name, text) in recordings() {
        let (open, steps) = told(&text);
        for count in 0..=steps.len() {
            let given: Vec<&Task> = steps[..count]
                .iter()
                .flat_map(|step| &step.inputs)
                .filter_map(|input| match input {
                    Input::Segment { tasks, .. } => Some(tasks),
                    _ => None,
                })
                .flatten()
                .collect();
            let effects = die_after(&open, &steps, count);
            let mut ends = BTreeMap::new();
            let mut failed = false;
            let mut kept = usize::MAX;
            for effect in &effects {
                match effect {
                    Effect::TaskDone { task, verdict, .. } => {
                        assert_eq!(
                            ends.insert(*task, *verdict),
                            None,
                            "{name}, step {count}: {task}"
                        );
                        assert!(!failed, "{name}, step {count}: a task ended after all had");
                    }
                    Effect::Failed { verdict, .. } => {
                        assert_ne!(*verdict, Verdict::Succeeded);
                        failed = true;
                    }
                    Effect::Kept { keep, .. } => kept = *keep as usize,
                    _ => {}
                }
            }
            let wanted = given.len().min(kept);
            assert!(
                failed || ends.len() >= wanted,
                "{name}, step {count}: {ends:?} of {wanted}"
            );
        }
    }
}
