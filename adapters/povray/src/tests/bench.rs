//! A small stand-in for the worker: starts what a session asks for and tells it what happened.
//!
//! With `FRAMEWRIGHT_RECORD=FOLDER` it writes what each session was told and answered there, as a
//! recording that the replay kit reads: that is how `logs/` was made.
//!
//! Refuses to wait for ever: a process that says nothing for [`SILENCE_MAX`] fails the test.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use framewright_plugin_api::command::Commanded;
use framewright_plugin_api::data::{
    Activity, Effect, Input, Open, Run, Scene, Shot, Stream, Task, Verdict,
};
use framewright_plugin_api::{Adapter, Effects, Session};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Povray;

const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What a test does when a line came.
pub enum Act {
    Nothing,
    Tell(Input),
    Signal(Signal),
}

/// A folder for scenes, and the sessions that were opened for them.
pub struct Bench {
    dir: TempDir,
    sessions: std::cell::Cell<u32>,
}

/// How a render session ended.
#[derive(Debug, Default)]
pub struct Ended {
    pub tasks: BTreeMap<u32, (Verdict, String)>,
    pub wrote: BTreeMap<u32, PathBuf>,
    /// Command lines, in order.
    pub runs: Vec<Vec<String>>,
    pub effects: Vec<Effect>,
}

impl Ended {
    /// All tasks ended with this verdict and a sentence that holds this.
    #[track_caller]
    pub fn all(&self, verdict: Verdict, part: &str) {
        assert!(!self.tasks.is_empty(), "no task ended");
        for (task, (found, why)) in &self.tasks {
            assert_eq!(
                (*found, why.contains(part)),
                (verdict, true),
                "task {task}: {found:?}: {why}"
            );
        }
    }
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("fw pov").tempdir();
        Bench {
            dir: dir.expect("a temporary folder"),
            sessions: std::cell::Cell::new(0),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file beside the scene.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("in our folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    fn open(&self, activity: Activity, scene: &str, set: &Value) -> Open {
        let number = self.sessions.get();
        self.sessions.set(number + 1);
        let scratch = self.path().join(format!("scratch {number}"));
        fs::create_dir_all(&scratch).expect("a scratch folder");
        Open {
            scene: Some(self.path().join(scene).display().to_string()),
            scratch: scratch.display().to_string(),
            threads: 1,
            settings: serde_json::from_value(set.clone()).expect("settings are an object"),
            ..Open::new(activity, "povray")
        }
    }

    /// What an `inspect` session concludes.
    pub fn conclude(&self, scene: &str, set: &Value) -> Effect {
        let mut out = Effects::new();
        let open = self.open(Activity::Inspect, scene, set);
        let opened = Commanded(Povray).open(open, &mut out).expect("it opens");
        drop(opened);
        let mut effects = out.take();
        assert_eq!(effects.len(), 1, "{effects:#?}");
        effects.remove(0)
    }

    #[track_caller]
    pub fn inspect(&self, scene: &str, set: &Value) -> Scene {
        match self.conclude(scene, set) {
            Effect::Scene(scene) => scene,
            other => panic!("no scene: {other:?}"),
        }
    }

    /// What a render session is opened with after an inspection, as framewright would.
    pub fn open_render(&self, scene: &str, set: &Value, shot: (i32, i32)) -> Open {
        Open {
            carry: self.inspect(scene, set).carry,
            shot: Some(Shot {
                first: shot.0,
                last: shot.1,
            }),
            ..self.open(Activity::Render, scene, set)
        }
    }

    /// Inspects, then renders these frames as one segment; the shot is from the first to the last.
    pub fn render(&self, scene: &str, set: &Value, frames: &[i32]) -> Ended {
        let first = frames.iter().min().copied().expect("a frame");
        let last = frames.iter().max().copied().expect("a frame");
        let open = self.open_render(scene, set, (first, last));
        self.session(open, self.tasks(frames, "png"), |_| Act::Nothing)
    }

    pub fn tasks(&self, frames: &[i32], extension: &str) -> Vec<Task> {
        let output = |frame| format!("{}/f.{frame:04}.{extension}", self.path().display());
        (1..)
            .zip(frames)
            .map(|(number, &frame)| Task::frame(number, frame, &output(frame)))
            .collect()
    }

    /// Renders a segment to its end; `act` sees each line before the session is told of it.
    pub fn session(&self, open: Open, tasks: Vec<Task>, mut act: impl FnMut(&str) -> Act) -> Ended {
        let mut live = Live::open(self, open);
        live.tell(Input::Segment { segment: 1, tasks });
        while let Some(run) = live.waiting.pop_front() {
            live.run(&run, &mut act);
        }
        live.save(self.path());
        live.ended()
    }

    /// `povray --version`.
    pub fn probe(&self) -> Vec<Effect> {
        let open = Open::new(Activity::Probe, "povray");
        let mut live = Live::open(self, open);
        while let Some(run) = live.waiting.pop_front() {
            live.run(&run, &mut |_| Act::Nothing);
        }
        live.save(self.path());
        std::mem::take(&mut live.effects)
    }
}

/// A session at work.
struct Live {
    session: Box<dyn Session>,
    home: PathBuf,
    waiting: VecDeque<Run>,
    running: Option<(u32, Child)>,
    killed: bool,
    effects: Vec<Effect>,
    recording: Vec<String>,
}

impl Live {
    fn open(bench: &Bench, open: Open) -> Self {
        let mut recording = vec![json!({ "open": open }).to_string()];
        let mut out = Effects::new();
        let session = Commanded(Povray).open(open, &mut out).expect("it opens");
        record(&mut recording, out.as_slice());
        let mut live = Live {
            session,
            home: bench.path().to_owned(),
            waiting: VecDeque::new(),
            running: None,
            killed: false,
            effects: Vec::new(),
            recording,
        };
        live.act(out.take());
        live
    }

    fn tell(&mut self, input: Input) {
        let mut out = Effects::new();
        let at_s = self.recording.len() as f64;
        self.recording
            .push(json!({"at_s": at_s, "inputs": [&input]}).to_string());
        self.session.step(at_s, vec![input], &mut out);
        record(&mut self.recording, out.as_slice());
        self.act(out.take());
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match &effect {
                Effect::Run(run) => self.waiting.push_back(run.clone()),
                Effect::Kill { run } => self.kill(*run),
                _ => {}
            }
            self.effects.push(effect);
        }
    }

    /// As framewright would: politely, and the end is told as `killed`.
    fn kill(&mut self, run: u32) {
        match &self.running {
            Some((number, child)) if *number == run => {
                self.killed = true;
                signal(child, Signal::TERM);
            }
            _ => {
                self.waiting.retain(|waiting| waiting.run != run);
                self.tell(Input::Exited {
                    run,
                    code: None,
                    signal: None,
                    killed: true,
                });
            }
        }
    }

    fn run(&mut self, run: &Run, act: &mut impl FnMut(&str) -> Act) {
        let mut child = Command::new(&run.argv[0])
            .args(&run.argv[1..])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .current_dir(if run.cwd.is_empty() { "." } else { &run.cwd })
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("POV-Ray starts");
        let lines = lines(child.stderr.take().expect("a pipe"));
        let pid = child.id();
        self.running = Some((run.run, child));
        self.tell(Input::Started { run: run.run, pid });
        loop {
            let text = match lines.recv_timeout(SILENCE_MAX) {
                Ok(text) => text,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("nothing was said for {SILENCE_MAX:?}: {:#?}", self.effects)
                }
            };
            match (act(&text), &self.running) {
                (Act::Tell(input), _) => self.tell(input),
                (Act::Signal(which), Some((_, child))) => signal(child, which),
                _ => {}
            }
            self.tell(Input::Line {
                run: run.run,
                stream: Stream::Stderr,
                text,
            });
        }
        let (_, mut child) = self.running.take().expect("it ran");
        let status = child.wait().expect("a child of ours");
        let killed = std::mem::take(&mut self.killed);
        self.tell(Input::Exited {
            run: run.run,
            code: status.code(),
            signal: status.signal(),
            killed,
        });
    }

    fn save(&self, folder: &Path) {
        let Some(into) = std::env::var_os("FRAMEWRIGHT_RECORD") else {
            return;
        };
        let current = thread::current();
        let test = current.name().unwrap_or("test").rsplit("::").next();
        let mut names =
            (1..).map(|n| Path::new(&into).join(format!("{}.{n}.jsonl", test.unwrap_or("test"))));
        let path = names.find(|path| !path.exists()).expect("endless names");
        let text = self.recording.join("\n") + "\n";
        let text = text.replace(&folder.display().to_string(), "/t");
        fs::write(path, text).expect("a recording is written");
    }

    fn ended(mut self) -> Ended {
        let mut ended = Ended::default();
        for effect in &self.effects {
            match effect {
                Effect::TaskDone {
                    task, verdict, why, ..
                } => {
                    let before = ended.tasks.insert(*task, (*verdict, why.clone()));
                    assert_eq!(before, None, "task {task} ended twice");
                    if *verdict == Verdict::Succeeded {
                        let path = &ended.wrote[task];
                        assert!(path.is_file(), "{} is not there", path.display());
                    }
                }
                Effect::Wrote { task, path, .. } => {
                    ended.wrote.insert(*task, PathBuf::from(path));
                }
                Effect::Run(run) => ended.runs.push(run.argv.clone()),
                _ => {}
            }
        }
        ended.effects = std::mem::take(&mut self.effects);
        ended
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some((_, child)) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, which: Signal) {
    // It may have ended just now.
    let _ = kill_process(Pid::from_child(child), which);
}

fn record(recording: &mut Vec<String>, effects: &[Effect]) {
    if !effects.is_empty() {
        recording.push(json!({ "effects": effects }).to_string());
    }
}

/// What a process prints, split at `\n` and at `\r`, as framewright does it.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, hear) = channel();
    thread::spawn(move || {
        let mut line = Vec::new();
        for byte in BufReader::new(from).bytes().map_while(Result::ok) {
            if byte != b'\n' && byte != b'\r' {
                line.push(byte);
            } else if !line.is_empty() || byte == b'\n' {
                let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                if tell.send(text).is_err() {
                    return;
                }
            }
        }
    });
    hear
}
