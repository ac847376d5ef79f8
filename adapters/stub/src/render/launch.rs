//! Starting the renderer: its command line, and everything that is left to render.

use framewright_plugin_api::Effects;
use framewright_plugin_api::data::{Run, TextFile};

use super::{Fate, Mode, Process, Render};
use crate::orders;

impl Render {
    /// Starts a renderer for what is left, if anything is.
    pub(super) fn start(&mut self, out: &mut Effects) {
        if self.segments.is_empty() {
            return;
        }
        self.last_run += 1;
        let run = self.last_run;
        let only = match self.mode {
            Mode::Sticky => {
                self.start_session(run, out);
                None
            }
            Mode::OneShot => Some(self.start_once(run, out)),
        };
        self.process = Some(Process {
            run,
            segment: only,
            begun: false,
            said: None,
            fate: Fate::Open,
        });
    }

    fn start_session(&mut self, run: u32, out: &mut Effects) {
        out.run(Run {
            stdin: true,
            ..Run::new(run, self.command(["--session".to_owned()]))
        });
        for segment in &mut self.segments {
            segment.sent_from = segment.done;
            for text in orders::tasks(segment.id, &segment.tasks[segment.done..]) {
                out.write(run, text);
            }
        }
    }

    fn start_once(&mut self, run: u32, out: &mut Effects) -> u64 {
        let file = format!("{}/orders-{run}.jsonl", self.open.scratch);
        let command = self.command(["--tasks".to_owned(), file.clone()]);
        let segment = &mut self.segments[0];
        segment.sent_from = segment.done;
        segment.trimmed = false;
        out.run(Run {
            files: vec![TextFile {
                path: file,
                text: orders::tasks(segment.id, &segment.tasks[segment.done..]).concat(),
            }],
            ..Run::new(run, command)
        });
        segment.id
    }

    fn command(&self, how: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut argv = vec![self.open.program.clone(), "stub-render".to_owned()];
        argv.extend(how);
        argv.push(format!("--host={}", self.open.host));
        for pair in &self.open.paths {
            argv.extend(["--path", &pair.from, &pair.to].map(str::to_owned));
        }
        for (key, value) in &self.open.settings {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            argv.push(format!("--set={key}={value}"));
        }
        argv.push("--".to_owned());
        argv.extend(self.open.scene.clone());
        argv
    }
}
