//! A scene on a desk of its own, rendered once undisturbed: what every other run is held against.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::moment::{Moment, Random};
use super::pictures::compare;
use super::record::{Journal, Tail, is, text};
use super::support::{Desk, LONG, Running, poll, processes_with, top};

/// How long everything may take to be gone after its controller was killed.
const GONE_MAX: Duration = Duration::from_secs(8);

/// Frames that take a while, so that most kills hit loading and rendering.
const STEADY: &str = "frames = '1-20'\nwidth = 64\nheight = 36\nload = '200ms'\nframe = '60ms'\n";
/// Frames that take no time, so that something is being committed nearly always.
const TINY: &str = "frames = '1-300'\nwidth = 16\nheight = 9\nload = '20ms'\nframe = '0ms'\n";

pub struct Stage {
    pub desk: Desk,
    scene: PathBuf,
    extension: &'static str,
    tasks: usize,
    load: Duration,
    render: Duration,
    /// How many events of each kind the undisturbed run had.
    counts: BTreeMap<String, usize>,
}

/// A render under way.
pub struct Show {
    pub program: Running,
    pub events: PathBuf,
    pub output: PathBuf,
}

/// What tells whether a file was touched: its inode, its time of change, and its bytes.
type Print = (u64, i64, i64, Vec<u8>);

impl Stage {
    pub fn steady(extension: &'static str) -> Self {
        Self::stub(STEADY, extension)
    }

    pub fn tiny(extension: &'static str) -> Self {
        Self::stub(TINY, extension)
    }

    fn stub(scene: &str, extension: &'static str) -> Self {
        let desk = Desk::new();
        let scene = desk.file("shot.stub.toml", scene);
        Self::bare(desk, scene, extension).rehearsed()
    }

    /// The shot of `tests/scenes`, if Blender is installed; says so if not, and panics under
    /// `CI=true`.
    pub fn blender(extension: &'static str) -> Option<Self> {
        Some(Self::blender_unrehearsed(extension)?.rehearsed())
    }

    /// The same without an undisturbed run.
    pub fn blender_unrehearsed(extension: &'static str) -> Option<Self> {
        let version = Command::new("blender")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !version.is_ok_and(|status| status.success()) {
            let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !is_ci,
                "Blender is not installed, and CI=true allows no skip"
            );
            eprintln!("SKIPPED: Blender is not installed");
            return None;
        }
        let desk = Desk::new();
        let mut make = desk.command("blender");
        make.args(["-b", "--factory-startup", "-P"])
            .arg(top().join("tests/scenes/make_shot.py"))
            .arg("--")
            .arg(desk.work());
        super::support::finish(make, LONG).expect_code(0);
        let scene = desk.work().join("shot.blend");
        Some(Self::bare(desk, scene, extension))
    }

    /// A scene of the stub renderer without an undisturbed run.
    pub fn unrehearsed(scene: &str) -> Self {
        let desk = Desk::new();
        let scene = desk.file("shot.stub.toml", scene);
        Self::bare(desk, scene, "png")
    }

    fn bare(desk: Desk, scene: PathBuf, extension: &'static str) -> Self {
        Self {
            desk,
            scene,
            extension,
            tasks: 0,
            load: Duration::ZERO,
            render: Duration::ZERO,
            counts: BTreeMap::new(),
        }
    }

    /// With the undisturbed run.
    fn rehearsed(self) -> Self {
        let mut stage = self;
        let show = stage.start("reference");
        let events = show.events.clone();
        show.program.end(LONG).expect_code(0);
        let mut tail = Tail::of(&events);
        let events = tail.read();
        for event in events {
            *stage
                .counts
                .entry(text(event, "event").to_owned())
                .or_default() += 1;
        }
        stage.load = mean(events, "loaded", "load_s");
        stage.render = mean(events, "task-done", "render_s");
        stage.tasks = stage.counts["task-done"];
        let alone = compare(&stage.output("reference"), &stage.output("reference"));
        assert_eq!(alone, Ok(stage.tasks));
        stage
    }

    pub fn output(&self, name: &str) -> PathBuf {
        self.desk.work().join(name)
    }

    pub fn tasks(&self) -> usize {
        self.tasks
    }

    pub fn start(&self, name: &str) -> Show {
        let output = self.output(name);
        let pattern = output.join(format!("f.####.{}", self.extension));
        let events = self.desk.work().join(format!("{name}.events"));
        let mut command = self.desk.framewright(["render", "--local", "2"]);
        command
            .arg(&self.scene)
            .arg("-o")
            .arg(pattern)
            .arg("--events")
            .arg(&events);
        Show {
            program: Running::start(command),
            events,
            output,
        }
    }

    pub fn resume(&self, job: &str, name: &str) -> Show {
        let events = self.desk.work().join(format!("{name}.resumed.events"));
        let mut command = self.desk.framewright(["render", "--resume", job]);
        command.arg("--events").arg(&events);
        Show {
            program: Running::start(command),
            events,
            output: self.output(name),
        }
    }

    /// While a scene is loaded, somewhere.
    pub fn while_loading(&self, random: &mut Random) -> Moment {
        let nth = 1 + random.below(self.counts["run-started"]);
        Moment {
            kind: "run-started",
            nth,
            later: random.up_to(self.load.mul_f64(0.9)),
        }
    }

    /// In mid-frame, somewhere in the first two thirds of the job.
    pub fn while_rendering(&self, random: &mut Random) -> Moment {
        self.draw("task-started", self.render, random)
    }

    /// While a picture is written and read again.
    pub fn while_verifying(&self, random: &mut Random) -> Moment {
        self.draw("task-verifying", Duration::from_millis(2), random)
    }

    /// Around the end of a group of commits.
    pub fn while_committing(&self, random: &mut Random) -> Moment {
        self.draw("task-done", Duration::from_millis(5), random)
    }

    fn draw(&self, kind: &'static str, longest: Duration, random: &mut Random) -> Moment {
        let nth = 1 + random.below((self.counts[kind] * 2 / 3).max(1));
        Moment {
            kind,
            nth,
            later: random.up_to(longest),
        }
    }

    pub fn journal_path(&self, job: &str) -> PathBuf {
        self.desk
            .state()
            .join("framewright/jobs")
            .join(job)
            .join("journal")
    }

    pub fn journal(&self, job: &str) -> Journal {
        Journal::read(&self.journal_path(job))
    }

    /// Everything that runs on this desk: programs, workers, adapters and renderers all have its
    /// home folder in their environment, and what a worker starts has the job's tag besides.
    pub fn processes(&self) -> BTreeMap<u32, String> {
        let home = self
            .desk
            .work()
            .parent()
            .expect("a desk is a folder")
            .join("home");
        processes_with("HOME", &home.display().to_string())
    }

    /// Fails unless everything is gone soon, by home, by tag and by process group.
    #[track_caller]
    pub fn expect_nothing_runs(&self, groups: &[i32]) {
        let mut left = BTreeMap::new();
        let gone = poll(GONE_MAX, || {
            left = self.processes();
            left.is_empty().then_some(())
        });
        if gone.is_none() {
            // What a failed test leaves would disturb the others, and whoever looks next.
            for pid in left.keys() {
                let pid = i32::try_from(*pid)
                    .ok()
                    .and_then(rustix::process::Pid::from_raw);
                let pid = pid.expect("a process id");
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            panic!("left behind: {left:#?}");
        }
        // A process that is ending has given its environment up already.
        let mut left = Vec::new();
        let gone = poll(GONE_MAX, || {
            left = living();
            left.retain(|(_, group)| groups.contains(group));
            left.is_empty().then_some(())
        });
        assert!(
            gone.is_some(),
            "left in the process groups of the job: {left:?}"
        );
    }

    /// Fails unless the job is done: every frame there, committed once, and what the undisturbed
    /// run made; nothing else left in the output folder; nothing left running.
    #[track_caller]
    pub fn expect_done(&self, job: &str, output: &Path) {
        let compared = compare(&self.output("reference"), output);
        assert_eq!(compared, Ok(self.tasks), "the frames of {job}");
        let journal = self.journal(job);
        let commits = journal.commits();
        assert_eq!(commits.len(), self.tasks, "each task has a commit in {job}");
        for (task, event) in &commits {
            let file = &event["file"];
            let bytes = fs::read(text(file, "path")).expect("a committed file is there");
            assert_eq!(
                text(file, "hash"),
                blake3::hash(&bytes).to_hex().as_str(),
                "{task}"
            );
        }
        assert!(!journal.is_torn);
        let last = journal.events.last().expect("a journal that ends");
        assert_eq!(
            (text(last, "event"), text(last, "state")),
            ("job-ended", "done")
        );
        self.expect_nothing_runs(&[]);
    }

    /// The files of these tasks that are in place.
    pub fn prints(&self, commits: &BTreeMap<String, Value>) -> BTreeMap<String, Print> {
        let mut prints = BTreeMap::new();
        for (task, event) in commits {
            let path = text(&event["file"], "path");
            if let Ok(about) = fs::metadata(path) {
                let bytes = fs::read(path).expect("a file that is there");
                let print = (about.ino(), about.mtime(), about.mtime_nsec(), bytes);
                prints.insert(task.clone(), print);
            }
        }
        prints
    }
}

/// Every process of this machine that is not a zombie (who adopts it reaps it when he likes), with
/// its process group.
fn living() -> Vec<(i32, i32)> {
    let read = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let is_living = !matches!(fields.next()?, "Z" | "X");
        let group = fields.nth(1)?.parse().ok()?;
        is_living.then_some((pid, group))
    };
    fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .filter_map(read)
        .collect()
}

fn mean(events: &[Value], kind: &str, field: &str) -> Duration {
    let times: Vec<f64> = events
        .iter()
        .filter(|event| is(event, kind))
        .filter_map(|e| e[field].as_f64())
        .collect();
    assert!(!times.is_empty(), "the undisturbed run has no {kind}");
    Duration::from_secs_f64(times.iter().sum::<f64>() / times.len() as f64)
}
