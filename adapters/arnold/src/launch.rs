//! The command line of a task.
//!
//! Only options that `kick --help` of some version lists are used. The plain case is `kick -i SCENE -o
//! PICTURE`: `-o` sets the file of the scene's first driver, whose type then decides the format. Where
//! that is not enough (several drivers, another format, one group alone) a second, small scene file goes
//! along, which sets `options.outputs` to drivers of our own; the scene's drivers are then in no output
//! and write nothing. `-set` cannot do that: it takes one value, and outputs are an array.
//!
//! `kick` runs in the scene's folder, as relative names in scene files want it.

use framewright_plugin_api::command::{Command, Refusal};
use framewright_plugin_api::data::{Open, PathPair, Task, Verdict};
use framewright_plugin_api::paths::on_host;

use crate::memo::{GroupMemo, Memo};
use crate::scene::outputs::Output;
use crate::settings::{Aovs, Settings};

/// Our driver's name in the second scene file. No exporter makes such a name.
const DRIVER: &str = "framewright/picture";

/// Variables of the worker that `kick` needs: licence, plug-ins, colours.
const INHERITED: [&str; 8] = [
    "ARNOLD_*",
    "ADSK*",
    "LM_LICENSE_FILE",
    "RLM_LICENSE",
    "solidangle_LICENSE",
    "KICK_SEARCHPATH",
    "OCIO",
    "LD_LIBRARY_PATH",
];

/// What is true for every task of a session.
pub struct Launch<'a> {
    open: &'a Open,
    settings: &'a Settings,
    memo: Option<Memo>,
}

/// How the picture is written.
#[derive(Clone, Debug, PartialEq)]
enum Writing {
    /// By the scene's first driver.
    Plain,
    /// By a driver of ours.
    Own(String),
}

impl<'a> Launch<'a> {
    pub fn of(open: &'a Open, settings: &'a Settings, memo: Option<Memo>) -> Self {
        Launch {
            open,
            settings,
            memo,
        }
    }

    /// The command line of a task.
    ///
    /// # Errors
    /// When there is none: no file of that frame, no such group, no way to that format.
    pub fn command(&self, task: &Task) -> Result<Command, Refusal> {
        let Some(scene) = &self.open.scene else {
            return Err(Refusal::unrenderable("the session names no scene"));
        };
        let (folder, _) = scene.rsplit_once('/').unwrap_or(("", scene));
        let file = self.file(scene, folder, task)?;
        let mut argv = vec![self.open.program.clone()];
        let mut say = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        say(&["-i", &file]);
        let mut with = None;
        match self.writing(task)? {
            Writing::Plain => say(&["-o", &task.output]),
            Writing::Own(text) => {
                let path = self.below(&format!("outputs-{}-{}.ass", task.task, task.attempt));
                say(&["-i", &path]);
                with = Some((path, text));
            }
        }
        // No window, no passes of rising quality, and a log that tells progress.
        say(&["-dw", "-dp", "-v", &self.settings.verbose.to_string()]);
        if self.settings.nstdin {
            say(&["-nstdin"]);
        }
        if self.open.threads > 0 {
            say(&["-t", &self.open.threads.to_string()]);
        }
        if let Some((width, height)) = self.resolution(task)? {
            say(&["-r", &width.to_string(), &height.to_string()]);
        }
        if let Some(tile) = task.tile {
            // Both ends included, counted from the top left.
            let right = tile.x + tile.width.saturating_sub(1);
            let bottom = tile.y + tile.height.saturating_sub(1);
            let region = [tile.x, tile.y, right, bottom].map(|edge| edge.to_string());
            say(&["-rg", &region[0], &region[1], &region[2], &region[3]]);
        }
        if let Some(camera) = &self.settings.camera {
            say(&["-c", camera]);
        }
        if let Some(samples) = self.settings.samples {
            say(&["-as", &samples.to_string()]);
        }
        for folder in &self.settings.plugins {
            say(&["-l", folder]);
        }
        for (name, value) in &self.settings.set {
            say(&["-set", name]);
            say(&value.split_whitespace().collect::<Vec<&str>>());
        }
        if self.settings.license_check {
            say(&["-set", "options.abort_on_license_fail", "on"]);
        }
        let inherited = INHERITED.map(str::to_owned).into_iter();
        let variables = self.memo.iter().flat_map(|memo| memo.variables.clone());
        let mut command = Command::new(argv)
            .cwd(folder)
            .inherit(inherited.chain(variables));
        if let Some((path, text)) = with {
            command = command.file(path, text);
        }
        if let Some(map) = self.path_map() {
            let path = self.below("pathmap.json");
            let env = [("ARNOLD_PATHMAP".to_owned(), path.clone())];
            command = command.env(env.into_iter().collect()).file(path, map);
        }
        Ok(command)
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.open.scratch.trim_end_matches('/'))
    }

    /// The scene file of a task's frame.
    fn file(&self, scene: &str, folder: &str, task: &Task) -> Result<String, Refusal> {
        let Some(memo) = &self.memo else {
            return Ok(scene.to_owned());
        };
        match memo.file_of(task.frame) {
            Some(Some(name)) => Ok(format!("{folder}/{name}")),
            Some(None) => Ok(scene.to_owned()),
            None => Err(Refusal {
                hint: "a scene file of Arnold holds one frame: name one of a sequence of them"
                    .to_owned(),
                ..Refusal::unrenderable(match &memo.sequence {
                    Some((naming, _)) => format!("there is no {}", naming.name(task.frame)),
                    None => format!(
                        "the scene file holds frame {}, not {}",
                        memo.frame, task.frame
                    ),
                })
            }),
        }
    }

    /// Width and height to ask for, where they are not the scene's own.
    fn resolution(&self, task: &Task) -> Result<Option<(u32, u32)>, Refusal> {
        if task.reduced <= 1 {
            return Ok(self.settings.resolution);
        }
        let known = self.memo.as_ref().map(|memo| memo.size);
        let Some((width, height)) = self.settings.resolution.or(known) else {
            return Err(Refusal {
                verdict: Verdict::AdapterFault,
                ..Refusal::unrenderable("the size of the picture is not known, so no part of it")
            });
        };
        let by = task.reduced;
        Ok(Some((width.div_ceil(by), height.div_ceil(by))))
    }

    fn writing(&self, task: &Task) -> Result<Writing, Refusal> {
        let groups = self.memo.as_ref().map_or(&[][..], |memo| &memo.groups);
        if groups.is_empty() {
            if task.layer.is_empty() {
                return Ok(Writing::Plain);
            }
            let why = format!("the scene has no AOV group `{}`", task.layer);
            return Err(Refusal::unrenderable(why));
        }
        let format = match task.output.rsplit_once('.') {
            Some((_, "png")) => "png",
            _ => "exr",
        };
        let kind = format!("driver_{format}");
        let chosen = self.chosen(groups, task, format)?;
        if let Some(deep) = chosen.iter().find(|group| group.kind.contains("deep")) {
            let why = format!(
                "`{}` is a deep picture, which is not put together here",
                deep.name
            );
            return Err(Refusal::unrenderable(why));
        }
        if groups.len() == 1 && groups[0].kind == kind {
            return Ok(Writing::Plain);
        }
        if let Some(group) = chosen.iter().find(|group| group.outputs.is_empty()) {
            return Err(Refusal {
                hint: "let the scene have output strings, or one driver of the wanted format"
                    .to_owned(),
                ..Refusal::unrenderable(format!(
                    "the scene writes `{}` by render_output nodes, which cannot be sent elsewhere",
                    group.name
                ))
            });
        }
        let outputs = chosen.iter().flat_map(|group| &group.outputs);
        let outputs: Vec<&Output> = match format {
            // A PNG holds one AOV.
            "png" => outputs.take(1).collect(),
            _ => outputs.collect(),
        };
        let like = chosen.iter().find(|group| group.kind == kind);
        let params = like.map_or(&[][..], |group| &group.params);
        Ok(Writing::Own(own(&kind, &task.output, &outputs, params)))
    }

    /// Groups that a task's picture holds.
    fn chosen<'g>(
        &self,
        groups: &'g [GroupMemo],
        task: &Task,
        format: &str,
    ) -> Result<Vec<&'g GroupMemo>, Refusal> {
        if task.layer.is_empty() {
            let merges = format == "exr" && self.settings.aovs == Aovs::Merge;
            let flat = groups.iter().filter(|group| !group.kind.contains("deep"));
            let most = if merges { groups.len() } else { 1 };
            let chosen: Vec<&GroupMemo> = flat.take(most).collect();
            // Only deep pictures: what is said of the first is said of all.
            return Ok(if chosen.is_empty() {
                vec![&groups[0]]
            } else {
                chosen
            });
        }
        let found = groups.iter().find(|group| group.name == task.layer);
        let unknown =
            || Refusal::unrenderable(format!("the scene has no AOV group `{}`", task.layer));
        found.map(|group| vec![group]).ok_or_else(unknown)
    }

    /// Where this host has the folders that the scene names, as Arnold reads it. A rule is one folder, and
    /// none is wider than what the scene names: pictures and scratch files must stay where they are.
    fn path_map(&self) -> Option<String> {
        let folders = self.memo.iter().flat_map(|memo| &memo.folders);
        let mut rules: Vec<PathPair> = folders
            .filter_map(|from| {
                let to = on_host(&self.open.paths, from)?;
                let slash = |path: &str| format!("{}/", path.trim_end_matches('/'));
                (to != *from).then(|| PathPair {
                    from: slash(from),
                    to: slash(&to),
                })
            })
            .collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let lines: Vec<String> = rules
            .iter()
            .map(|rule| format!("    {}: {}", quoted(&rule.from), quoted(&rule.to)))
            .collect();
        let platform = if cfg!(target_os = "macos") {
            "mac"
        } else {
            "linux"
        };
        (!lines.is_empty()).then(|| {
            format!(
                "{{\n  \"{platform}\": {{\n{}\n  }}\n}}\n",
                lines.join(",\n")
            )
        })
    }
}

/// The second scene file.
fn own(kind: &str, path: &str, outputs: &[&Output], params: &[String]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let strings: Vec<String> = outputs
        .iter()
        .map(|output| format!("  {}", quoted(&output.to(DRIVER))))
        .collect();
    let params: String = params.iter().map(|param| format!(" {param}\n")).collect();
    format!(
        "# Written by framewright: where the picture of this task goes.\n\n\
         options\n{{\n outputs {} 1 STRING\n{}\n}}\n\n\
         {kind}\n{{\n name {DRIVER}\n filename {}\n{params}}}\n",
        strings.len(),
        strings.join("\n"),
        quoted(path),
    )
}
