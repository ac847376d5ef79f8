//! A small stand-in for the worker: starts what a session asks for and tells it what happened.
//!
//! With `FRAMEWRIGHT_RECORD=FOLDER` it writes what each session was told and answered there, as a
//! recording that the replay kit reads: that is how `logs/` was made.
//!
//! Refuses to wait for ever: a session that says nothing for [`SILENCE_MAX`] fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use framewright_plugin_api::data::{
    Activity, Effect, Input, Open, PathPair, Run, Stream, Task, Verdict,
};
use framewright_plugin_api::{Adapter, Effects, Session};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Blender;

const SILENCE_MAX: Duration = Duration::from_secs(90);

/// One session and what it did.
pub struct Bench {
    pub dir: TempDir,
    session: Box<dyn Session>,
    begun: Instant,
    tell: Sender<Input>,
    hear: Receiver<Input>,
    waiting: Vec<Run>,
    child: Option<(u32, Child, Option<ChildStdin>)>,
    killed: bool,
    /// Everything that the session wanted, in order.
    pub effects: Vec<Effect>,
    recording: Vec<String>,
    /// Tasks given, by number.
    tasks: BTreeMap<u32, Task>,
    /// Most processes at a time would be a fault; how many were started.
    pub started: u32,
}

impl Bench {
    /// Opens a session for a scene with `--set` pairs.
    pub fn open(activity: Activity, program: &str, scene: &Path, set: Value, output: &str) -> Self {
        Bench::open_with(activity, program, scene, set, output, &[])
    }

    /// The same on a host that has absolute paths elsewhere.
    pub fn open_with(
        activity: Activity,
        program: &str,
        scene: &Path,
        set: Value,
        output: &str,
        paths: &[PathPair],
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let scratch = dir.path().join("scratch");
        fs::create_dir(&scratch).expect("a scratch folder");
        fs::create_dir(dir.path().join("out")).expect("an output folder");
        let open = Open {
            scene: Some(scene.display().to_string()),
            scratch: scratch.display().to_string(),
            threads: 1,
            settings: serde_json::from_value(set).expect("settings are an object"),
            output: output.to_owned(),
            paths: paths.to_vec(),
            ..Open::new(activity, program)
        };
        let opened = json!({ "open": open }).to_string();
        let mut out = Effects::new();
        let session = Blender.open(open, &mut out).expect("it opens");
        let (tell, hear) = channel();
        let mut bench = Bench {
            dir,
            session,
            begun: Instant::now(),
            tell,
            hear,
            waiting: Vec::new(),
            child: None,
            killed: false,
            effects: Vec::new(),
            recording: vec![opened],
            tasks: BTreeMap::new(),
            started: 0,
        };
        bench.record_answer(out.as_slice());
        bench.act(out.take());
        bench
    }

    /// A render session that was given one segment with these frames.
    pub fn render(scene: &Path, set: Value, frames: &[i32]) -> Self {
        Bench::render_with("blender", scene, set, "png", frames)
    }

    pub fn render_with(program: &str, scene: &Path, set: Value, ext: &str, frames: &[i32]) -> Self {
        let mut bench = Bench::open(Activity::Render, program, scene, set, ext);
        let tasks = (1..)
            .zip(frames)
            .map(|(number, &frame)| Task::frame(number, frame, &bench.output(number, ext)))
            .collect();
        bench.give(1, tasks);
        bench
    }

    pub fn output(&self, number: u32, extension: &str) -> String {
        let name = format!("out/picture.{number:04}.{extension}");
        self.dir.path().join(name).display().to_string()
    }

    pub fn give(&mut self, segment: u64, tasks: Vec<Task>) {
        self.tasks
            .extend(tasks.iter().map(|one| (one.task, one.clone())));
        self.input(Input::Segment { segment, tasks });
    }

    pub fn input(&mut self, input: Input) {
        let mut out = Effects::new();
        let at_s = self.begun.elapsed().as_secs_f64();
        self.recording
            .push(json!({"at_s": at_s, "inputs": [&input]}).to_string());
        self.session.step(at_s, vec![input], &mut out);
        self.record_answer(out.as_slice());
        self.act(out.take());
    }

    /// Scripts are left out: a recording holds what they say, not what they are.
    fn record_answer(&mut self, effects: &[Effect]) {
        let mut said = json!(effects);
        for effect in said.as_array_mut().into_iter().flatten() {
            if let Some(run) = effect.as_object_mut().filter(|one| one["effect"] == "run") {
                run.remove("files");
                run.remove("env");
            }
        }
        if !effects.is_empty() {
            self.recording.push(json!({ "contains": said }).to_string());
        }
    }

    fn save_recording(&self) {
        let Some(folder) = std::env::var_os("FRAMEWRIGHT_RECORD") else {
            return;
        };
        let current = thread::current();
        let test = current
            .name()
            .unwrap_or("test")
            .rsplit("::")
            .next()
            .unwrap_or("test");
        let free = (1..).map(|n| Path::new(&folder).join(format!("{test}.{n}.jsonl")));
        let path = free
            .into_iter()
            .find(|path| !path.exists())
            .expect("endless names");
        let here = self.dir.path().display().to_string();
        let text = self.recording.join("\n").replace(&here, "/t") + "\n";
        fs::write(path, text).expect("a recording is written");
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match &effect {
                Effect::Run(run) => self.waiting.push(run.clone()),
                Effect::Write { text, .. } => {
                    if let Some((_, _, Some(stdin))) = &mut self.child {
                        // It may have died just now; the end is told by `exited`.
                        let _ = stdin.write_all(text.as_bytes());
                    }
                }
                Effect::Close { .. } => {
                    if let Some((_, _, stdin)) = &mut self.child {
                        *stdin = None;
                    }
                }
                Effect::Kill { .. } => self.kill(),
                _ => {}
            }
            self.effects.push(effect);
        }
        self.start();
    }

    /// As framewright would: the exit is told as `killed`.
    fn kill(&mut self) {
        self.killed = true;
        if let Some((_, child, _)) = &mut self.child {
            child.kill().expect("a child of ours can be killed");
        }
    }

    /// As somebody else would.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        if let Some((_, child, _)) = &self.child {
            let pid = rustix::process::Pid::from_child(child);
            rustix::process::kill_process(pid, signal).expect("a child of ours can be signalled");
        }
    }

    fn start(&mut self) {
        if self.child.is_some() || self.waiting.is_empty() {
            return;
        }
        let run = self.waiting.remove(0);
        let scratch = self.dir.path().join("scratch");
        for file in &run.files {
            let path = PathBuf::from(&file.path);
            assert!(path.starts_with(&scratch), "{} is outside", file.path);
            fs::create_dir_all(path.parent().expect("below scratch")).expect("folders");
            fs::write(path, &file.text).expect("a file of the run");
        }
        let tmp = scratch.join("tmp");
        fs::create_dir_all(&tmp).expect("a TMPDIR");
        let mut child = Command::new(&run.argv[0])
            .args(&run.argv[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("LANG", "C.UTF-8")
            .env("TMPDIR", &tmp)
            .envs(&run.env)
            .current_dir(&scratch)
            .stdin(if run.stdin {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        self.started += 1;
        let readers = [
            self.read(
                run.run,
                Stream::Stdout,
                child.stdout.take().expect("a pipe"),
            ),
            self.read(
                run.run,
                Stream::Stderr,
                child.stderr.take().expect("a pipe"),
            ),
        ];
        let tell = self.tell.clone();
        let number = run.run;
        thread::spawn(move || {
            for reader in readers {
                let _ = reader.join();
            }
            // The code is filled in by whoever holds the child.
            let _ = tell.send(Input::exited(number, 0));
        });
        let stdin = child.stdin.take();
        self.child = Some((run.run, child, stdin));
    }

    fn read(
        &self,
        run: u32,
        stream: Stream,
        from: impl Read + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let tell = self.tell.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if tell.send(Input::Line { run, stream, text }).is_err() {
                    return;
                }
            }
        })
    }

    /// Waits for the next thing that happens and tells the session.
    fn turn(&mut self) {
        let heard = self.hear.recv_timeout(SILENCE_MAX).unwrap_or_else(|_| {
            panic!(
                "nothing happened for {SILENCE_MAX:?}; so far: {:#?}",
                self.effects
            )
        });
        let input = match heard {
            Input::Exited { run, .. } => {
                use std::os::unix::process::ExitStatusExt;
                let (_, mut child, _) = self.child.take().expect("a child that ended was ours");
                let status = child.wait().expect("a child can be waited for");
                let killed = std::mem::take(&mut self.killed);
                Input::Exited {
                    run,
                    code: status.code(),
                    signal: status.signal(),
                    killed,
                }
            }
            other => other,
        };
        self.input(input);
    }

    /// Goes on until an effect fits.
    pub fn until(&mut self, fits: impl Fn(&Effect) -> bool) {
        let mut from = 0;
        loop {
            if self.effects[from..].iter().any(&fits) {
                return;
            }
            from = self.effects.len();
            self.turn();
        }
    }

    /// Goes on until each task has ended, or the session said that all of them have.
    pub fn settle(&mut self) -> Ended {
        while !self.is_settled() {
            self.turn();
        }
        self.ended()
    }

    fn is_settled(&self) -> bool {
        let over = self.effects.iter().any(|one| {
            matches!(
                one,
                Effect::Failed { .. } | Effect::Scene(_) | Effect::Found(_)
            )
        });
        let kept = self.effects.iter().rev().find_map(|one| match one {
            Effect::Kept { keep, .. } => Some(*keep as usize),
            _ => None,
        });
        let ended = self
            .effects
            .iter()
            .filter(|one| matches!(one, Effect::TaskDone { .. }))
            .count();
        let wanted = kept.unwrap_or(self.tasks.len());
        over || (wanted > 0 && ended >= wanted)
    }

    fn ended(&self) -> Ended {
        let mut ended = Ended::default();
        for effect in &self.effects {
            match effect {
                Effect::TaskDone {
                    task, verdict, why, ..
                } => {
                    let before = ended.tasks.insert(*task, (*verdict, why.clone()));
                    assert_eq!(before, None, "task {task} ended twice");
                    if *verdict == Verdict::Succeeded {
                        let path = ended.wrote.get(task).expect("it says where before");
                        assert!(path.is_file(), "{} is not there", path.display());
                    }
                }
                Effect::Wrote { task, path, .. } => {
                    ended.wrote.insert(*task, PathBuf::from(path));
                }
                Effect::Failed { verdict, why, .. } => {
                    ended.failed = Some((*verdict, why.clone()));
                }
                Effect::Loaded => ended.loads += 1,
                Effect::Cooled => ended.cooled += 1,
                _ => {}
            }
        }
        if let Some(failed) = &ended.failed {
            for task in self.tasks.keys() {
                ended.tasks.entry(*task).or_insert_with(|| failed.clone());
            }
        }
        ended
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.save_recording();
        if let Some((_, child, _)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How the tasks of a session ended.
#[derive(Debug, Default)]
pub struct Ended {
    pub tasks: BTreeMap<u32, (Verdict, String)>,
    pub wrote: BTreeMap<u32, PathBuf>,
    pub failed: Option<(Verdict, String)>,
    pub loads: u32,
    pub cooled: u32,
}

impl Ended {
    /// All tasks ended with this verdict and a sentence that holds this.
    pub fn all(&self, verdict: Verdict, part: &str) {
        assert!(!self.tasks.is_empty());
        for (task, (found, why)) in &self.tasks {
            assert_eq!(
                (*found, why.contains(part)),
                (verdict, true),
                "task {task}: {found:?}: {why}"
            );
        }
    }

    pub fn verdicts(&self) -> Vec<Verdict> {
        self.tasks.values().map(|(verdict, _)| *verdict).collect()
    }
}

/// No settings.
pub fn nothing() -> Value {
    json!({})
}
