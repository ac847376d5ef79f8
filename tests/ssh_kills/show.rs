//! A scene on a desk, rendered once without hosts, and renders of it on a farm.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::pictures::compare;
use super::record::{Journal, Tail, is, text};
use super::support::sshd::Farm;
use super::support::{Desk, Running};

/// Frames that take a while, of which there are enough for several kills.
const FRAMES: usize = 300;

pub struct Stage {
    pub desk: Desk,
    hosts: String,
}

/// A render under way.
pub struct Show {
    pub name: String,
    pub program: Running,
    pub tail: Tail,
    lives: usize,
}

impl Show {
    /// Whether it has a job.
    pub fn has_begun(&self) -> bool {
        !self.tail.events.is_empty()
    }
}

impl Stage {
    pub fn new(farm: &Farm, grace: Duration) -> Self {
        let desk = Desk::new();
        let scene = format!(
            "frames = '1-{FRAMES}'\nwidth = 64\nheight = 36\nload = '150ms'\nframe = '60ms'\n\
             assets = ['tex/wood.bin']\n"
        );
        desk.file("shot/shot.stub.toml", scene);
        desk.file("shot/tex/wood.bin", vec![7; 300_000]);
        let grace_s = grace.as_secs();
        // What is no machine of its own has no slots of its own.
        let lease = farm.isolated();
        let more = format!("grace = \"{grace_s}s\"\nlost_after = \"{grace_s}s\"\nlease = {lease}");
        let hosts = farm.toml(&desk, 2, &more);
        let stage = Self { desk, hosts };
        let mut words = vec!["render", "shot/shot.stub.toml", "-o"];
        words.extend(["reference/f.####.exr", "--local", "8", "--no-history"]);
        stage.desk.run(words).expect_code(0);
        let reference = stage.output("reference");
        assert_eq!(compare(&reference, &reference), Ok(FRAMES));
        stage
    }

    pub fn output(&self, name: &str) -> PathBuf {
        self.desk.work().join(name)
    }

    pub fn home(&self) -> String {
        let work = self.desk.work();
        let desk = work.parent().expect("a desk is a folder");
        desk.join("home").display().to_string()
    }

    pub fn start(&self, name: &str) -> Show {
        let pattern = format!("{name}/f.####.exr");
        let mut words = vec!["render", "shot/shot.stub.toml", "-o", &pattern];
        words.extend(["--hosts", &self.hosts, "--no-history"]);
        self.show(name.to_owned(), 1, &words)
    }

    pub fn resume(&self, job: &str, before: Show) -> Show {
        let words = ["render", "--resume", job];
        self.show(before.name, before.lives + 1, &words)
    }

    fn show(&self, name: String, lives: usize, words: &[&str]) -> Show {
        let events = self.desk.work().join(format!("{name}-{lives}.events"));
        let mut command = self.desk.framewright(words);
        command.arg("--events").arg(&events);
        Show {
            name,
            program: Running::start(command),
            tail: Tail::of(&events),
            lives,
        }
    }

    pub fn journal(&self, job: &str) -> Journal {
        let jobs = self.desk.state().join("framewright/jobs");
        Journal::read(&jobs.join(job).join("journal"))
    }

    /// Fails unless every frame is there, committed once, and what is made without hosts.
    #[track_caller]
    pub fn expect_done(&self, job: &str, name: &str) {
        let journal = self.journal(job);
        let compared = compare(&self.output("reference"), &self.output(name));
        assert_eq!(compared, Ok(FRAMES), "the frames of {job}");
        let commits = journal.commits();
        assert_eq!(commits.len(), FRAMES, "each task has a commit in {job}");
        for (task, event) in &commits {
            let file = &event["file"];
            let bytes = fs::read(text(file, "path")).expect("a committed file is there");
            let hash = blake3::hash(&bytes).to_hex();
            assert_eq!(text(file, "hash"), hash.as_str(), "{task}");
        }
        // Who was killed in the middle of connecting is tried again, and not given up for good.
        for event in journal.events.iter().filter(|event| is(event, "host-lost")) {
            assert!(!text(event, "why").contains("login shell"), "{event}");
        }
        let last = journal.events.last().expect("a journal that ends");
        let end = (text(last, "event"), text(last, "state"));
        assert_eq!(end, ("job-ended", "done"));
    }
}
