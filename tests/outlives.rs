//! The program's own worker outlives the connection through which it was started.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::{Duration, Instant};

use framewright_core::link::{self, FromLink, Launcher, LinkLife, LinkNews, LinkSpec};
use framewright_worker::message::{FromWorker, RunId, RunOrder, SlotId, ToWorker};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

async fn next(news: &mut Receiver<FromLink>) -> LinkNews {
    timeout(PATIENCE, news.recv()).await.unwrap().unwrap().news
}

fn run(run: u64, slot: u32, script: &str) -> ToWorker {
    ToWorker::Run(RunOrder {
        run: RunId(run),
        slot: SlotId(slot),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        env: [].into(),
        inherit: vec![],
        cwd: String::new(),
        scratch: String::new(),
        files: vec![],
        stdin: true,
    })
}

fn alive(job: &str) -> usize {
    let mark = format!("FRAMEWRIGHT_JOB={job}");
    let entries = std::fs::read_dir("/proc").unwrap();
    let environments =
        entries.filter_map(|entry| std::fs::read(entry.ok()?.path().join("environ")).ok());
    environments
        .filter(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == mark.as_bytes())
        })
        .count()
}

#[tokio::test(flavor = "current_thread")]
async fn door_is_killed_and_the_run_goes_on() {
    let cache = tempfile::tempdir().unwrap();
    let job = format!("outlives-{}", std::process::id());
    let (tell, mut news) = mpsc::channel(64);
    let spec = LinkSpec {
        host: framewright_kernel::ids::HostId(0),
        name: "node".to_owned(),
        launcher: Launcher::Command(vec![
            "/usr/bin/env".to_owned(),
            format!("XDG_CACHE_HOME={}", cache.path().display()),
            env!("CARGO_BIN_EXE_framewright").to_owned(),
            "worker".to_owned(),
        ]),
        job: job.clone(),
        slots: 1,
        scratch_root: String::new(),
        grace: Duration::from_secs(60),
        fence: 1,
        lost_after: PATIENCE,
        leased: false,
        vitals: false,
        heartbeat: Duration::from_millis(200),
        deadline: Duration::from_secs(30),
    };
    link::open(spec, LinkLife(1), tell);
    let LinkNews::Opened(Ok(link)) = next(&mut news).await else {
        panic!("it opens");
    };
    let scratch = Path::new(&link.hello.scratch_root).to_owned();
    assert!(scratch.starts_with(cache.path()) && scratch.is_dir());
    link.say(run(1, 0, "read x; echo $x; exit 4"));
    while !matches!(
        next(&mut news).await,
        LinkNews::Said(FromWorker::Started { .. })
    ) {}
    assert_eq!(alive(&job), 3, "the worker, its watch, the run");

    let door = Pid::from_raw(link.command_pid as i32).unwrap();
    kill_process(door, Signal::KILL).unwrap();
    while !matches!(next(&mut news).await, LinkNews::Silent { .. }) {}
    link.say(ToWorker::Write {
        run: RunId(1),
        text: "still here\n".to_owned(),
    });
    let mut printed = Vec::new();
    loop {
        match next(&mut news).await {
            LinkNews::Said(FromWorker::Lines { lines, .. }) => printed.extend(lines),
            LinkNews::Said(FromWorker::Exited { code, .. }) => {
                assert_eq!(code, Some(4));
                break;
            }
            LinkNews::Lost { why } => panic!("{why}"),
            _ => {}
        }
    }
    assert_eq!(printed, ["still here"]);
    link.say(ToWorker::Bye);
    while !matches!(next(&mut news).await, LinkNews::Lost { .. }) {}
    let deadline = Instant::now() + PATIENCE;
    while alive(&job) > 0 || scratch.exists() {
        assert!(Instant::now() < deadline, "left: {}", alive(&job));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
