//! What a connection to an SSH host costs: opening it, a question and its answer, a task and its end,
//! and moving a large file, each beside what plain `ssh` or a local host does in the same round.
//!
//! ```text
//! cargo bench -p framewright --bench link               five rounds
//! cargo bench -p framewright --bench link -- 9 512      nine rounds, a file of 512 MiB
//! ```
//!
//! The host is an sshd in namespaces of its own on this machine, so both ends share its cores and
//! the network is memory: ratios mean something, absolute figures are the machine's. Each round
//! does everything once, so that what else the machine does falls on all alike; the table shows
//! medians, and ratios are taken within each round. A file counts only if it arrived whole.

#![expect(clippy::print_stdout, reason = "its results are for people")]

#[path = "../../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use framewright_core::freight::{Fetch, FetchToken, Freight, FreightNews, FreightSpec};
use framewright_core::link::{self, Errand, Launcher, Link, LinkLife, LinkNews, LinkSpec};
use framewright_core::request::{HostEntry, LinkKind};
use framewright_kernel::ids::HostId;
use framewright_worker::message::{FromWorker, ToWorker};
use support::sshd::{Farm, Setup};
use support::{Desk, LONG, PROGRAM, number};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Questions of one round.
const PINGS: u64 = 2000;
const FILE: &str = "large";
/// Tasks of one round on one slot, each sent and committed by itself or many in a segment.
const TASKS: u32 = 2000;

/// Seconds of one round.
#[derive(Clone, Copy)]
struct Round {
    ssh_true: f64,
    open: f64,
    ping_local: f64,
    ping_ssh: f64,
    cat: f64,
    fetch: f64,
    /// Seconds a task, on the ssh host and on a local one.
    task: Task,
    task_local: Task,
}

/// Seconds a task of a whole job.
#[derive(Clone, Copy)]
struct Task {
    /// In segments of one, so that each waits for the news of the one before it.
    alone: f64,
    /// In segments as they come.
    auto: f64,
}

fn main() {
    let mut words = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse::<usize>().ok());
    let rounds = words.next().unwrap_or(5).max(1);
    let mib = words.next().unwrap_or(256).max(1);
    let setup = Setup {
        disk_bytes: (mib as u64 + 256) << 20,
        ..Setup::default()
    };
    let Some(farm) = Farm::with(1, &setup) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (content, hash) = noise(mib << 20);
    fs::write(farm.host(0).home().join(FILE), &content).expect("the host's disk");
    let folder = tempfile::tempdir().expect("a temp folder");
    let from = farm.host(0).run("pwd").stdout.trim().to_owned() + "/" + FILE;
    let large = Large {
        from,
        to: folder.path().join("here"),
        bytes: content.len() as u64,
        hash,
    };
    drop(content);

    let first = runtime.block_on(open(&ssh(&farm))).0;
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.push(runtime.block_on(round(&farm, &large)));
    }
    table(first, &all, mib);
}

async fn round(farm: &Farm, large: &Large) -> Round {
    let ssh_true = plain(farm, "true", Stdio::null());
    let (open_s, link, mut from) = open(&ssh(farm)).await;
    let ping_ssh = pings(&link, &mut from).await;
    close(link, from).await;
    let (_, link, mut from) = open(&HostEntry::new("here", LinkKind::Local, 1)).await;
    let ping_local = pings(&link, &mut from).await;
    close(link, from).await;
    let to = fs::File::create(&large.to).expect("our own folder");
    let cat = plain(farm, &format!("cat {}", large.from), Stdio::from(to));
    large.check_and_remove();
    let fetch = fetch(farm, large).await;
    large.check_and_remove();
    let desk = Desk::new();
    let hosts = farm.toml(&desk, 1, "");
    let task = Task::measure(&desk, &["--hosts", &hosts]);
    let task_local = Task::measure(&desk, &["--local", "1"]);
    Round {
        task,
        task_local,
        ssh_true,
        open: open_s,
        ping_local,
        ping_ssh,
        cat,
        fetch,
    }
}

impl Task {
    fn measure(desk: &Desk, hosts: &[&str]) -> Self {
        // What a job of one task takes is the opening, not the task.
        let opening = Self::job(desk, hosts, &[], 1);
        let each = |more: &[&str]| {
            let all = Self::job(desk, hosts, more, 1 + TASKS);
            (all - opening).max(0.0) / f64::from(TASKS)
        };
        Self {
            alone: each(&["--segment", "1"]),
            auto: each(&[]),
        }
    }

    /// Seconds of a whole job of tasks that do nothing on one kept slot; counts only if all are done.
    fn job(desk: &Desk, hosts: &[&str], more: &[&str], tasks: u32) -> f64 {
        let mut text = format!("frames = \"1-{tasks}\"\n");
        text += "load = \"0s\"\nframe = \"0s\"\noutput = \"none\"\n";
        desk.file("nothing.stub.toml", text);
        let mut words = vec!["render", "nothing.stub.toml", "--no-history"];
        words.extend(["--format", "json"]);
        words.extend(hosts);
        words.extend(more);
        let report = desk.run(words).expect_code(0).json();
        assert_eq!(report["tasks"]["done"], tasks, "{report:#}");
        assert_eq!(report["loads"], 1, "{report:#}");
        number(&report["makespan_s"])
    }
}

fn table(first: f64, all: &[Round], mib: usize) {
    let of = |pick: fn(&Round) -> f64| median(all.iter().map(pick).collect());
    let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    let us = |seconds: f64| format!("{:.0} us", seconds * 1e6);
    let rate = |seconds: f64| format!("{:.0} MB/s", (mib << 20) as f64 / 1e6 / seconds);
    println!("open, program not there yet   {}", ms(first));
    println!("open, program there           {}", ms(of(|r| r.open)));
    println!("  `ssh HOST true`             {}", ms(of(|r| r.ssh_true)));
    println!(
        "  ratio                       {:.2}",
        of(|r| r.open / r.ssh_true)
    );
    println!("question and answer, ssh      {}", us(of(|r| r.ping_ssh)));
    println!("  the same, local pipe        {}", us(of(|r| r.ping_local)));
    for (words, task, ratio) in [
        (
            "in segments of one",
            (|r| r.task.alone) as fn(&Round) -> f64,
            (|r| r.task.alone / r.task_local.alone) as fn(&Round) -> f64,
        ),
        (
            "in segments as they come",
            |r| r.task.auto,
            |r| r.task.auto / r.task_local.auto,
        ),
    ] {
        println!(
            "a task, {words}, ssh  {}; {:.2} x local",
            us(of(task)),
            of(ratio)
        );
    }
    println!("fetch of {mib} MiB, verified     {}", rate(of(|r| r.fetch)));
    println!("  `ssh HOST cat FILE >FILE`   {}", rate(of(|r| r.cat)));
    println!(
        "  ratio of times              {:.2}",
        of(|r| r.fetch / r.cat)
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A file on the host.
struct Large {
    from: String,
    to: PathBuf,
    bytes: u64,
    hash: String,
}

impl Large {
    fn check_and_remove(&self) {
        let content = fs::read(&self.to).expect("it arrived");
        assert_eq!(
            blake3::hash(&content).to_hex().as_str(),
            self.hash,
            "another file"
        );
        fs::remove_file(&self.to).expect("our own folder");
    }
}

/// Bytes that nothing compresses, as rendered pictures are; and their hash.
fn noise(size: usize) -> (Vec<u8>, String) {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let hash = blake3::hash(&bytes).to_hex().to_string();
    (bytes, hash)
}

fn ssh(farm: &Farm) -> HostEntry {
    let host = farm.host(0);
    let link = LinkKind::Ssh {
        address: host.address().to_owned(),
        options: vec!["-F".to_owned(), farm.ssh_config().display().to_string()],
    };
    HostEntry::new(host.name(), link, 1)
}

/// Seconds that plain ssh takes for a command.
fn plain(farm: &Farm, command: &str, stdout: Stdio) -> f64 {
    let begin = Instant::now();
    let status = Command::new("ssh")
        .arg("-F")
        .arg(farm.ssh_config())
        .args(["-T", farm.host(0).address(), command])
        .stdin(Stdio::null())
        .stdout(stdout)
        .status()
        .expect("ssh is there");
    assert!(status.success(), "{command}: {status}");
    begin.elapsed().as_secs_f64()
}

async fn open(entry: &HostEntry) -> (f64, Box<Link>, mpsc::Receiver<link::FromLink>) {
    let begin = Instant::now();
    let spec = LinkSpec {
        host: HostId(0),
        name: entry.name.clone(),
        launcher: Launcher::new(entry, Path::new(PROGRAM), Errand::Worker),
        job: "bench".to_owned(),
        slots: 1,
        scratch_root: "/tmp/framewright-bench".to_owned(),
        grace: Duration::ZERO,
        fence: 0,
        lost_after: Duration::ZERO,
        leased: false,
        vitals: false,
        heartbeat: Duration::from_secs(1),
        deadline: LONG,
    };
    let (news, mut from) = mpsc::channel(16);
    link::open(spec, LinkLife(1), news);
    match next(&mut from).await {
        LinkNews::Opened(Ok(link)) => (begin.elapsed().as_secs_f64(), link, from),
        other => panic!("{other:?}"),
    }
}

async fn next(from: &mut mpsc::Receiver<link::FromLink>) -> LinkNews {
    let news = timeout(LONG, from.recv()).await.expect("in time");
    news.expect("a link says how it ends").news
}

/// Median seconds of a question and its answer.
async fn pings(link: &Link, from: &mut mpsc::Receiver<link::FromLink>) -> f64 {
    let mut times = Vec::new();
    for number in 1..=PINGS {
        let begin = Instant::now();
        link.say(ToWorker::Ping { number });
        loop {
            match next(from).await {
                LinkNews::Said(FromWorker::Pong { number: got }) if got == number => break,
                LinkNews::Said(_) => {}
                other => panic!("{other:?}"),
            }
        }
        times.push(begin.elapsed().as_secs_f64());
    }
    median(times)
}

async fn close(link: Box<Link>, mut from: mpsc::Receiver<link::FromLink>) {
    link.say(ToWorker::Bye);
    while !matches!(next(&mut from).await, LinkNews::Lost { .. }) {}
}

/// Seconds until a file is here, from no connection on, as with plain ssh.
async fn fetch(farm: &Farm, large: &Large) -> f64 {
    let begin = Instant::now();
    let entry = ssh(farm);
    let spec = FreightSpec {
        host: HostId(0),
        name: entry.name.clone(),
        launcher: Launcher::new(&entry, Path::new(PROGRAM), Errand::Freight),
        job: "bench".to_owned(),
        cache_root: String::new(),
        cache_bytes: None,
        heartbeat: Duration::from_secs(1),
        deadline: LONG,
    };
    let (news, mut from) = mpsc::channel(16);
    let freight = Freight::open(spec, news);
    freight.fetch(Fetch {
        token: FetchToken(1),
        from: large.from.clone(),
        to: large.to.clone(),
        bytes: large.bytes,
        hash: large.hash.clone(),
    });
    loop {
        let news = timeout(LONG, from.recv()).await.expect("in time");
        match news.expect("a freight says how it ends").news {
            FreightNews::Fetched { .. } => return begin.elapsed().as_secs_f64(),
            FreightNews::Reached { .. } | FreightNews::Progress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
