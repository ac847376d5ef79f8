//! Links that outlive their connections, through a launcher that can be cut.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use framewright_core::link::{self, FromLink, Launcher, Link, LinkLife, LinkNews, LinkSpec};
use framewright_kernel::ids::HostId;
use framewright_worker::message::{FromWorker, RunId, RunOrder, SlotId, ToWorker};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_link-for-tests");
const PATIENCE: Duration = Duration::from_secs(60);

/// A host behind a launcher that can be cut.
struct Host {
    base: tempfile::TempDir,
    job: String,
}

impl Host {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let name = base.path().file_name().unwrap().to_str().unwrap();
        let job = format!(
            "links-{}-{}",
            std::process::id(),
            name.trim_start_matches('.')
        );
        Self { base, job }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn spec(&self) -> LinkSpec {
        let argv = [
            "/usr/bin/env".to_owned(),
            format!("RUN_FOLDER={}", self.path("run").display()),
            format!("XDG_CACHE_HOME={}", self.path("cache").display()),
            PROGRAM.to_owned(),
            "relay".to_owned(),
            self.base.path().display().to_string(),
        ];
        LinkSpec {
            host: HostId(3),
            name: "node".to_owned(),
            launcher: Launcher::Command(argv.into()),
            job: self.job.clone(),
            slots: 2,
            scratch_root: String::new(),
            grace: PATIENCE,
            fence: 1,
            lost_after: PATIENCE,
            leased: false,
            vitals: false,
            heartbeat: Duration::from_millis(100),
            deadline: Duration::from_secs(30),
        }
    }

    fn signal_relay(&self, signal: Signal) {
        let pid = std::fs::read_to_string(self.path("relay")).unwrap();
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
    }

    /// Cuts the connection, and lets no other be made until `open`.
    fn close(&self) {
        std::fs::write(self.path("closed"), "").unwrap();
        self.signal_relay(Signal::KILL);
    }

    fn open(&self) {
        std::fs::remove_file(self.path("closed")).unwrap();
    }

    /// Everything of this job that lives.
    fn alive(&self) -> Vec<u32> {
        tagged(&format!("FRAMEWRIGHT_JOB={}", self.job))
    }

    /// Nothing of this job lives, nothing lies about, and no launcher is a zombie.
    async fn assert_empty(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let jobs = std::fs::read_dir(self.path("cache/framewright/jobs"));
            let scratch = jobs.map_or(0, Iterator::count);
            let alive = self.alive();
            if alive.is_empty() && scratch == 0 && !self.path("run").exists() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "left: {alive:?}, {scratch} folders"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A test that failed must not leave its worker.
        framewright_worker::sweep_job(&self.job);
    }
}

fn tagged(variable: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(has)
        .collect()
}

/// A controller of one link.
struct Controller {
    news: mpsc::Receiver<FromLink>,
    link: Option<Box<Link>>,
    worker: u32,
    silences: u32,
    returns: u32,
}

impl Controller {
    async fn open(spec: LinkSpec) -> Self {
        let (tell, mut news) = mpsc::channel(64);
        link::open(spec, LinkLife(1), tell);
        let first = timeout(PATIENCE, news.recv()).await.unwrap().unwrap();
        assert_eq!((first.host, first.life), (HostId(3), LinkLife(1)));
        let LinkNews::Opened(Ok(link)) = first.news else {
            panic!("{first:?}");
        };
        Self {
            news,
            worker: link.hello.pid,
            link: Some(link),
            silences: 0,
            returns: 0,
        }
    }

    fn say(&self, message: ToWorker) {
        self.link.as_ref().unwrap().say(message);
    }

    fn run(&self, run: u64, slot: u32, script: &str) {
        self.say(ToWorker::Run(RunOrder {
            run: RunId(run),
            slot: SlotId(slot),
            argv: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            env: [].into(),
            inherit: vec![],
            cwd: String::new(),
            scratch: String::new(),
            files: vec![],
            stdin: true,
        }));
    }

    async fn next(&mut self) -> LinkNews {
        let from = timeout(PATIENCE, self.news.recv())
            .await
            .expect("news come");
        let news = from.expect("the link ends with Lost").news;
        match &news {
            LinkNews::Silent { .. } => self.silences += 1,
            LinkNews::Heard => self.returns += 1,
            _ => {}
        }
        assert!(
            (self.returns..=self.returns + 1).contains(&self.silences),
            "silent and heard take turns"
        );
        news
    }

    async fn said(&mut self) -> FromWorker {
        loop {
            match self.next().await {
                LinkNews::Said(message) => return message,
                LinkNews::Silent { .. } | LinkNews::Heard => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn line(&mut self, wanted: &str) {
        loop {
            if let FromWorker::Lines { lines, .. } = self.said().await
                && lines.iter().any(|line| line == wanted)
            {
                return;
            }
        }
    }

    async fn silent(&mut self) -> String {
        loop {
            match self.next().await {
                LinkNews::Silent { why } => return why,
                LinkNews::Said(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn lost(&mut self) -> String {
        loop {
            if let LinkNews::Lost { why } = self.next().await {
                assert!(self.news.recv().await.is_none(), "nothing comes behind it");
                return why;
            }
        }
    }

    /// Says bye and expects an orderly end.
    async fn bye(mut self, host: &Host) {
        self.say(ToWorker::Bye);
        assert_eq!(self.lost().await, "host node: its worker ended");
        host.assert_empty().await;
    }
}

/// A signal to the worker's process.
fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn five_cuts_lose_nothing_and_double_nothing() {
    const LINES: u64 = 100_000;
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    // So that its end comes after the last cut, a reader holds the writer up.
    let script = "i=0; while [ $i -lt 100 ]; do seq $((i * 1000 + 1)) $((i * 1000 + 1000)); \
                  i=$((i + 1)); sleep 0.03; done; read x; exit 7";
    controller.run(1, 0, script);
    controller.run(2, 1, "cat");
    // Fixed, so that a failure comes again: moments in lines received.
    let mut random = 0x5eed_u64;
    let mut moments: Vec<u64> = (0..5)
        .map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % (LINES - 1)
        })
        .collect();
    moments.sort_unstable();
    let mut cuts = 0;
    let (mut next_line, mut written, mut echoed) = (1, 0_u64, 0_u64);
    while next_line <= LINES {
        match controller.said().await {
            FromWorker::Lines {
                run: RunId(1),
                lines,
                dropped,
                ..
            } => {
                assert_eq!(dropped, 0);
                for line in lines {
                    assert_eq!(line.parse(), Ok(next_line));
                    next_line += 1;
                }
                for _ in 0..20 {
                    written += 1;
                    controller.say(ToWorker::Write {
                        run: RunId(2),
                        text: format!("{written}\n"),
                    });
                }
            }
            FromWorker::Lines {
                run: RunId(2),
                lines,
                dropped,
                ..
            } => {
                assert_eq!(dropped, 0);
                for line in lines {
                    echoed += 1;
                    assert_eq!(line.parse(), Ok(echoed));
                }
            }
            FromWorker::Started { .. } => {}
            other => panic!("{other:?}"),
        }
        while moments.first().is_some_and(|moment| *moment < next_line) {
            moments.remove(0);
            cuts += 1;
            // The second cut is a silent one.
            let signal = if cuts == 2 {
                Signal::STOP
            } else {
                Signal::KILL
            };
            host.signal_relay(signal);
            // What was under way comes first, then the silence: only then is the next one cut.
            let returns = controller.returns;
            while controller.returns == returns {
                match controller.next().await {
                    LinkNews::Said(FromWorker::Lines {
                        run,
                        lines,
                        dropped,
                        ..
                    }) => {
                        assert_eq!(dropped, 0);
                        let next = if run.0 == 1 {
                            &mut next_line
                        } else {
                            &mut echoed
                        };
                        for line in lines {
                            *next += 1;
                            assert_eq!(line.parse(), Ok(*next - u64::from(run.0 == 1)));
                        }
                    }
                    LinkNews::Said(_) | LinkNews::Silent { .. } | LinkNews::Heard => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!((next_line, cuts), (LINES + 1, 5));
    assert_eq!((controller.silences, controller.returns), (5, 5));
    controller.say(ToWorker::Write {
        run: RunId(1),
        text: "x\n".to_owned(),
    });
    controller.say(ToWorker::CloseStdin { run: RunId(2) });
    let mut ends = Vec::new();
    while ends.len() < 2 {
        match controller.said().await {
            FromWorker::Exited { run, code, .. } => ends.push((run.0, code)),
            FromWorker::Lines {
                run: RunId(2),
                lines,
                ..
            } => {
                for line in lines {
                    echoed += 1;
                    assert_eq!(line.parse(), Ok(echoed));
                }
            }
            other => panic!("{other:?}"),
        }
    }
    ends.sort_unstable();
    assert_eq!(ends, [(1, Some(7)), (2, Some(0))]);
    assert_eq!(echoed, written);
    controller.bye(&host).await;
}

#[tokio::test]
async fn what_ended_while_cut_arrives_when_heard_again() {
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    let (go, done) = (host.path("go"), host.path("done"));
    controller.run(
        1,
        0,
        &format!(
            "mkfifo {0}; echo up; read x < {0}; echo end; exit 5",
            go.display()
        ),
    );
    controller.line("up").await;
    host.close();
    let why = controller.silent().await;
    assert_eq!(why, "host node: the connection was closed");
    // Said while nobody hears it.
    controller.run(2, 1, &format!("echo second; : > {}", done.display()));
    tokio::task::spawn_blocking(move || std::fs::write(go, "x\n"))
        .await
        .unwrap()
        .unwrap();
    assert!(!done.exists());
    host.open();
    let mut heard = Vec::new();
    while heard.len() < 4 {
        match controller.said().await {
            FromWorker::Lines { lines, .. } => heard.extend(lines),
            FromWorker::Exited { code, .. } => heard.push(format!("{code:?}")),
            _ => {}
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, ["Some(0)", "Some(5)", "end", "second"]);
    assert_eq!((controller.silences, controller.returns), (1, 1));
    controller.bye(&host).await;
}

#[tokio::test]
async fn killed_worker_is_lost_at_once_with_its_renderers() {
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    controller.run(
        1,
        0,
        "trap '' TERM HUP; (setsid sleep 1000 &); echo up; while :; do sleep 1; done",
    );
    controller.line("up").await;
    let worker = controller.worker;
    assert!(tagged(&format!("FRAMEWRIGHT_WORKER={worker}")).len() >= 2);
    kill(worker);
    let began = Instant::now();
    let why = controller.lost().await;
    assert!(why.ends_with("is over"), "{why}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    drop(controller);
    host.assert_empty().await;
}

#[tokio::test]
async fn other_worker_in_its_place_is_told_to_end() {
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    // Nothing was said yet that the door could tell the difference by.
    kill(controller.worker);
    let why = controller.lost().await;
    assert_eq!(
        why,
        "host node: its worker is gone, and another answered in its place"
    );
    host.assert_empty().await;
}

#[tokio::test]
async fn link_that_stays_cut_is_lost_in_time() {
    let host = Host::new();
    let spec = LinkSpec {
        lost_after: Duration::from_millis(1500),
        grace: Duration::from_secs(3),
        ..host.spec()
    };
    let mut controller = Controller::open(spec).await;
    controller.run(1, 0, "trap '' TERM; echo up; while :; do sleep 1; done");
    controller.line("up").await;
    host.close();
    let cut = Instant::now();
    controller.silent().await;
    let why = controller.lost().await;
    let lasted = cut.elapsed();
    assert!(
        why.starts_with("host node: not reached again within 1.5 s: "),
        "{why}"
    );
    // Counted from when it was heard last, which is a heartbeat or two before the cut.
    assert!(
        lasted >= Duration::from_millis(1000) && lasted < Duration::from_secs(5),
        "{lasted:?}"
    );
    assert_eq!((controller.silences, controller.returns), (1, 0));
    // The worker sees to itself.
    host.assert_empty().await;
    assert!(cut.elapsed() >= Duration::from_secs(2), "grace was granted");
}

#[tokio::test]
async fn silent_cut_is_noticed_by_the_missing_heartbeats() {
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    controller.run(1, 0, "echo up; read x; exit 3");
    controller.line("up").await;
    host.signal_relay(Signal::STOP);
    let why = controller.silent().await;
    assert_eq!(why, "host node: its worker has said nothing for 0.6 s");
    controller.say(ToWorker::CloseStdin { run: RunId(1) });
    loop {
        if let FromWorker::Exited { code, .. } = controller.said().await {
            assert_eq!(code, Some(3));
            break;
        }
    }
    controller.bye(&host).await;
}

#[tokio::test]
async fn bye_reaches_a_worker_that_is_silent() {
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    controller.run(1, 0, "trap '' TERM; echo up; while :; do sleep 1; done");
    controller.line("up").await;
    host.close();
    controller.silent().await;
    controller.say(ToWorker::Bye);
    host.open();
    assert_eq!(controller.lost().await, "host node: its worker ended");
    host.assert_empty().await;
}

#[tokio::test]
async fn dropped_link_ends_its_worker_also_a_silent_one() {
    for silent in [false, true] {
        let host = Host::new();
        let mut controller = Controller::open(host.spec()).await;
        controller.run(1, 0, "echo up; while :; do sleep 1; done");
        controller.line("up").await;
        if silent {
            host.close();
            controller.silent().await;
        }
        drop(controller.link.take());
        if silent {
            host.open();
        }
        host.assert_empty().await;
    }
}

#[tokio::test]
async fn bye_that_cannot_be_brought_is_given_up_in_time() {
    let host = Host::new();
    let spec = LinkSpec {
        grace: Duration::from_secs(2),
        ..host.spec()
    };
    let mut controller = Controller::open(spec).await;
    host.close();
    controller.silent().await;
    controller.say(ToWorker::Bye);
    let began = Instant::now();
    let why = controller.lost().await;
    assert!(why.contains("could not be told to end"), "{why}");
    assert!(
        began.elapsed() < Duration::from_secs(14),
        "{:?}",
        began.elapsed()
    );
    host.assert_empty().await;
}

#[tokio::test]
async fn next_life_of_a_host_ends_the_one_before() {
    let host = Host::new();
    let spec = LinkSpec {
        lost_after: Duration::from_millis(300),
        ..host.spec()
    };
    let mut first = Controller::open(spec).await;
    first.run(1, 0, "trap '' TERM; echo up; while :; do sleep 1; done");
    first.line("up").await;
    host.close();
    first.lost().await;
    let left = host.alive();
    assert!(left.contains(&first.worker), "it goes on for its grace");
    host.open();
    let second = Controller::open(LinkSpec {
        fence: 2,
        ..host.spec()
    })
    .await;
    let alive = host.alive();
    assert!(
        !left.iter().any(|pid| alive.contains(pid)),
        "{left:?} {alive:?}"
    );
    second.bye(&host).await;
}

#[tokio::test]
async fn launchers_leave_no_zombie() {
    let host = Host::new();
    let mut controller = Controller::open(host.spec()).await;
    for _ in 0..3 {
        host.close();
        controller.silent().await;
        // Some attempts fail.
        let deadline = Instant::now() + PATIENCE;
        while std::fs::remove_file(host.path("refused")).is_err() {
            assert!(Instant::now() < deadline, "it is tried again");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        host.open();
        while !matches!(controller.next().await, LinkNews::Heard) {}
    }
    controller.bye(&host).await;
    let me = std::process::id();
    let marked = host.base.path().display().to_string();
    let ours =
        |stat: &str| stat.rsplit(')').next().unwrap().split(' ').nth(2) == Some(&me.to_string());
    let zombies = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let stat = std::fs::read_to_string(Path::new(&path).join("stat")).ok()?;
        let line = std::fs::read_to_string(Path::new(&path).join("cmdline")).ok()?;
        let zombie = stat.rsplit(')').next()?.starts_with(" Z");
        (ours(&stat) && (line.contains(&marked) || zombie)).then_some(stat)
    });
    // Other tests of this process may be ending theirs just now: none may stay.
    let first: Vec<String> = zombies.collect();
    let deadline = Instant::now() + PATIENCE;
    for stat in first {
        let pid = stat.split(' ').next().unwrap().to_owned();
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|now| now == stat) {
            assert!(Instant::now() < deadline, "stays: {stat}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
