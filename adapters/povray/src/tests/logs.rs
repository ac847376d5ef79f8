//! Sessions on recorded logs: what a real POV-Ray said once is judged in the same way again, and no
//! death at any line of it loses a task or ends one twice.

use std::collections::BTreeMap;
use std::fs;

use framewright_plugin_api::command::Commanded;
use framewright_plugin_api::data::{Effect, Input, Open, Step, Verdict};
use framewright_plugin_api::{Adapter, Effects, replay};
use serde_json::Value;

use crate::Povray;

/// Recordings, by name.
fn recordings() -> BTreeMap<String, String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/logs");
    let files = fs::read_dir(folder).expect("the folder of recordings");
    let texts = files.map(|file| {
        let path = file.expect("a recording").path();
        let text = fs::read_to_string(&path).expect("its text");
        (path.display().to_string(), text)
    });
    texts.filter(|(name, _)| name.ends_with(".jsonl")).collect()
}

#[test]
fn recorded_sessions_are_answered_as_they_were() {
    let all = recordings();
    assert!(all.len() >= 8, "recordings are missing: {:?}", all.keys());
    for (name, text) in &all {
        if let Err(error) = replay::session(&Commanded(Povray), text) {
            panic!("{name}: {error}");
        }
    }
}

/// The documents of a recording that the session is told.
fn told(text: &str) -> (Open, Vec<Step>) {
    let documents = text.lines().filter(|line| !line.starts_with('#'));
    let mut documents = documents.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut first = documents.next().expect("an open document");
    let open = serde_json::from_value(first["open"].take()).expect("an open document");
    let steps = documents.filter(|one| one.get("inputs").is_some());
    let steps = steps.map(|one| serde_json::from_value(one).expect("a step"));
    (open, steps.collect())
}

#[test]
fn no_death_at_any_line_loses_a_task_or_ends_one_twice() {
    for (name, text) in recordings() {
        let (open, steps) = told(&text);
        for count in 0..=steps.len() {
            let mut out = Effects::new();
            let mut session = Commanded(Povray)
                .open(open.clone(), &mut out)
                .expect("it opens");
            let mut given = 0;
            let mut over = 0;
            for step in &steps[..count] {
                for input in &step.inputs {
                    match input {
                        Input::Segment { tasks, .. } => given += tasks.len(),
                        Input::Exited { .. } => over += 1,
                        _ => {}
                    }
                }
                session.step(step.at_s, step.inputs.clone(), &mut out);
            }
            // Every process that was asked for dies, those too that are asked for on that.
            let asked = |out: &Effects| {
                let runs = out.as_slice().iter();
                runs.filter(|one| matches!(one, Effect::Run(_))).count()
            };
            while asked(&out) > over {
                over += 1;
                let died = Input::Exited {
                    run: over as u32,
                    code: None,
                    signal: Some(11),
                    killed: false,
                };
                session.step(1e6, vec![died], &mut out);
            }
            let mut ends = BTreeMap::new();
            let mut kept = given;
            for effect in out.take() {
                match effect {
                    Effect::TaskDone { task, verdict, .. } => {
                        let before = ends.insert(task, verdict);
                        assert_eq!(before, None, "{name}, step {count}: task {task}");
                    }
                    Effect::Kept { keep, .. } => kept = kept.min(keep as usize),
                    _ => {}
                }
            }
            assert_eq!(ends.len(), kept, "{name}, step {count}");
            let failed = ends.values().any(|one| *one != Verdict::Succeeded);
            assert!(failed || count > 1 || given == 0, "{name}, step {count}");
        }
    }
}
