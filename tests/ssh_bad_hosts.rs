//! Hosts that something is wrong with, through the whole program: beside a good one the job is done
//! there and one sentence says what is the matter; alone they end the job with that sentence, what
//! to do, and exit code 3, within a stated time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use support::sshd::{Farm, Host, Setup};
use support::{Desk, Ended, LONG, Running, events, poll, small_scene, wait_for_event};

/// Within it a job whose hosts are all unusable has ended, those included that are tried again.
const ALONE_MAX: Duration = Duration::from_secs(110);

/// A host of a farm as `farm.toml` has it.
fn entry(farm: &Farm, index: usize, more: &str) -> String {
    let host = farm.host(index);
    at(farm, host.name(), host.address(), more)
}

fn at(farm: &Farm, name: &str, address: &str, more: &str) -> String {
    let config = farm.ssh_config();
    let config = config.display();
    let options = match more.contains("ssh_options") {
        true => String::new(),
        false => format!("ssh_options = [\"-F\", \"{config}\"]\n"),
    };
    format!(
        "[[host]]\nname = \"{name}\"\nlink = \"ssh\"\naddress = \"{address}\"\n{options}slots = 1\n{more}\n"
    )
}

/// A host that nothing is wrong with.
const GOOD: &str = "[[host]]\nname = \"good\"\nlink = \"local\"\nslots = 1\n";

struct Job {
    desk: Desk,
    events: PathBuf,
}

impl Job {
    /// Frames of half a second.
    fn new(farm: &str, frames: u32) -> Self {
        Self::at(Desk::new(), farm, frames)
    }

    fn at(desk: Desk, farm: &str, frames: u32) -> Self {
        let lines = format!("frames = \"1-{frames}\"\nframe = \"500ms\"\n");
        small_scene(&desk, "shot", &lines);
        desk.file("farm.toml", farm);
        let events = desk.work().join("events.jsonl");
        Self { desk, events }
    }

    fn start(&self) -> Running {
        self.desk.start([
            "render",
            "shot.stub.toml",
            "--hosts",
            "farm.toml",
            "-o",
            "out/####.png",
            "--events",
            "events.jsonl",
            "--no-history",
        ])
    }

    fn has(&self, event: &str, host: &str) -> bool {
        let all = events(&self.events);
        all.iter()
            .any(|one| one["event"] == event && one["host"] == host)
    }

    fn pictures(&self) -> usize {
        fs::read_dir(self.desk.work().join("out")).map_or(0, Iterator::count)
    }
}

/// A bad host beside a good one: done, and told once, in one line that says this.
#[track_caller]
fn expect_done_beside(good: &str, bad: &str, frames: u32, sentence: &str) -> (Job, Ended) {
    let job = Job::new(&format!("{good}{bad}"), frames);
    let ended = job.start().end(LONG).expect_code(0);
    assert_eq!(job.pictures(), frames as usize);
    expect_told_once(&job, &ended, sentence);
    (job, ended)
}

#[track_caller]
fn expect_told_once(job: &Job, ended: &Ended, sentence: &str) {
    let told: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.contains(sentence))
        .collect();
    assert_eq!(told.len(), 1, "of {sentence:?}: {ended:#?}");
    show(told[0]);
    let fits = |event: &Value| {
        let said = event["why"].as_str().or(event["text"].as_str());
        said.is_some_and(|said| said.contains(sentence))
    };
    let all = events(&job.events);
    assert!(all.iter().any(fits), "no event says {sentence:?}: {all:#?}");
}

/// Alone: exit code 3 in a bounded time, with the sentence and the hint.
#[track_caller]
fn expect_refused_alone(bad: &str, sentence: &str, hint: &str) {
    let job = Job::new(bad, 4);
    let began = Instant::now();
    let ended = job.start().end(ALONE_MAX).expect_code(3);
    show(&format!(
        "alone, {:.1} s: {}",
        began.elapsed().as_secs_f64(),
        ended.stderr
    ));
    let said = ended.stderr.matches(sentence).count();
    assert!(
        (1..=2).contains(&said),
        "{said} times {sentence:?}: {ended:#?}"
    );
    assert!(ended.stderr.contains(hint), "no {hint:?}: {ended:#?}");
    assert!(ended.stderr.contains("hint: "), "{ended:#?}");
}

#[track_caller]
fn expect_both_ways(good: &str, bad: &str, sentence: &str, hint: &str) {
    expect_done_beside(good, bad, 16, sentence);
    expect_refused_alone(bad, sentence, hint);
}

#[expect(clippy::print_stderr, reason = "sentences are for who runs it")]
fn show(what: &str) {
    eprintln!("{what}");
}

/// Puts a program of the user's own first on a host's PATH.
fn fake(host: &Host, name: &str, text: &str) {
    host.file(".bashrc", "PATH=$HOME/bin:$PATH\nexport PATH\n", 0o644);
    host.file(
        &format!("bin/{name}"),
        &format!("#!/bin/sh\n{text}\n"),
        0o755,
    );
}

#[track_caller]
fn expect_nothing_left_on(host: &Host) {
    let mut left = BTreeMap::new();
    let gone = poll(Duration::from_secs(15), || {
        left = host.processes("FRAMEWRIGHT_TEST_HOST", host.name());
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "on {}: {left:#?}", host.name());
    let jobs = fs::read_dir(host.cache_root().join("jobs"));
    let jobs: Vec<_> = jobs.into_iter().flatten().flatten().collect();
    assert!(jobs.is_empty(), "{jobs:?}");
    assert_eq!(host.locks(), Vec::<String>::new());
}

#[test]
fn a_host_whose_key_is_not_known() {
    let Some(farm) = Farm::up(2) else { return };
    let known = fs::read_to_string(farm.known_hosts()).unwrap();
    let kept: Vec<&str> = known
        .lines()
        .filter(|line| !line.starts_with("fw2 "))
        .collect();
    fs::write(farm.known_hosts(), kept.join("\n") + "\n").unwrap();
    let sentence = "its host key is not known here";
    let hint = "log in once by hand";
    expect_both_ways(&entry(&farm, 0, ""), &entry(&farm, 1, ""), sentence, hint);
}

#[test]
fn an_address_that_does_not_resolve() {
    let Some(farm) = Farm::up(1) else { return };
    let bad = at(&farm, "nowhere", "no-such-host.invalid", "");
    let sentence = "the address cannot be resolved";
    expect_both_ways(
        &entry(&farm, 0, ""),
        &bad,
        sentence,
        "check `address` in farm.toml",
    );
}

#[test]
fn a_host_that_accepts_and_says_nothing() {
    let Some(farm) = Farm::up(1) else { return };
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = mute.accept() {
            held.push(stream);
        }
    });
    let options = format!("ssh_options = [\"-p\", \"{port}\", \"-o\", \"ConnectTimeout=3\"]");
    let bad = at(&farm, "mute", "127.0.0.1", &options);
    let sentence = "it accepts connections and then says nothing";
    // It is waited for as long as ssh waits for it.
    expect_done_beside(&entry(&farm, 0, ""), &bad, 40, sentence);
    expect_refused_alone(&bad, sentence, "sshd hangs");
}

#[test]
fn a_host_that_asks_for_a_password() {
    let setup = Setup {
        sshd: vec![
            "PubkeyAuthentication no".to_owned(),
            "PasswordAuthentication yes".to_owned(),
        ],
        ..Setup::default()
    };
    let Some(farm) = Farm::with(1, &setup) else {
        return;
    };
    let sentence = "it asks for a password, and nobody can be asked during a job";
    expect_both_ways(GOOD, &entry(&farm, 0, ""), sentence, "ssh-copy-id");
}

#[test]
fn a_machine_of_another_kind() {
    let Some(farm) = Farm::up(1) else { return };
    let uname = "case $1 in -m) echo riscv64;; -s) echo Linux;; *) echo fw1;; esac";
    fake(farm.host(0), "uname", uname);
    let sentence = "it is a Linux riscv64 machine, and this framewright is built for";
    expect_both_ways(
        GOOD,
        &entry(&farm, 0, ""),
        sentence,
        "build the same version there",
    );
}

#[test]
fn a_host_without_the_renderer() {
    let Some(farm) = Farm::up(1) else { return };
    let bad = entry(&farm, 0, "programs = { stub = \"/no/such/renderer\" }");
    expect_both_ways(
        GOOD,
        &bad,
        "has no Stub renderer: there is no program /no/such/renderer",
        "programs = {",
    );
}

#[test]
fn shells_that_talk_or_are_no_posix_shells_are_no_hindrance() {
    let fish = ["/usr/bin/fish", "/bin/fish"].map(PathBuf::from);
    let fish = fish.into_iter().find(|path| path.exists());
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(fish.is_some() || !ci, "CI has no fish");
    for shell in [Some("/bin/bash".into()), fish] {
        let setup = Setup {
            shell: shell.clone(),
            ..Setup::default()
        };
        let Some(farm) = Farm::with(1, &setup) else {
            return;
        };
        let banner = "echo Welcome to the farm, do not FRAMEWRIGHT here!\necho ok\n";
        for start in [".bashrc", ".config/fish/config.fish"] {
            farm.host(0).file(start, banner, 0o644);
        }
        let job = Job::new(&entry(&farm, 0, ""), 4);
        let ended = job.start().end(LONG).expect_code(0);
        assert_eq!(job.pictures(), 4, "{shell:?}");
        assert!(!ended.stderr.contains("Welcome"), "{ended:#?}");
    }
}

#[test]
fn a_disk_that_is_full_before_the_start() {
    let Some(farm) = Farm::up(1) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    farm.host(0).fill_disk();
    let sentence = "the disk of its cache folder is full";
    expect_both_ways(GOOD, &entry(&farm, 0, ""), sentence, "make room there");
}

#[test]
fn a_disk_that_has_no_room_for_the_scene() {
    let Some(farm) = Farm::up(1) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let host = farm.host(0);
    let bad = entry(&farm, 0, "");
    // The program is there already.
    Job::new(&bad, 1).start().end(LONG).expect_code(0);
    let desk = || {
        let desk = Desk::new();
        // Noise: it does not become less by being packed.
        let mut noise = vec![0; 40 << 20];
        fs::File::open("/dev/urandom")
            .unwrap()
            .read_exact(&mut noise)
            .unwrap();
        desk.file("tex/wood.bin", noise);
        desk
    };
    let assets = "assets = [\"tex/wood.bin\"]\n";
    let with_asset = |farm: &str, frames: u32| {
        let job = Job::at(desk(), farm, frames);
        let lines = format!("frames = \"1-{frames}\"\nframe = \"500ms\"\n{assets}");
        small_scene(&job.desk, "shot", &lines);
        job
    };
    host.fill_disk();
    // Room for a little.
    let filler = host.home().parent().unwrap().join("filler");
    let file = fs::File::options().write(true).open(&filler).unwrap();
    file.set_len(file.metadata().unwrap().len() - (20 << 20))
        .unwrap();
    let job = with_asset(&format!("{GOOD}{bad}"), 16);
    let ended = job.start().end(LONG).expect_code(0);
    show(&ended.stderr);
    assert_eq!(job.pictures(), 16);
    // That it takes nothing, and that the scene could not be put there.
    for sentence in [
        "fw1 takes nothing new: its disk has only ",
        "host fw1 is lost: cannot write ",
    ] {
        let told = ended.stderr.matches(sentence).count();
        assert_eq!(told, 1, "{sentence}: {ended:#?}");
    }
    assert!(
        ended.stderr.contains("the disk is full (make room there)"),
        "{ended:#?}"
    );
    let job = with_asset(&bad, 2);
    let ended = job.start().end(ALONE_MAX).expect_code(3);
    show(&ended.stderr);
    assert!(ended.stderr.contains("disk"), "{ended:#?}");
    assert!(ended.stderr.contains("hint: "), "{ended:#?}");
    expect_nothing_left_on(host);
}

#[test]
fn a_disk_that_fills_up_in_the_middle() {
    let Some(farm) = Farm::up(1) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let host = farm.host(0);
    let bad = entry(&farm, 0, "");
    let job = Job::new(&format!("{GOOD}{bad}"), 40);
    let running = job.start();
    let is_there = |event: &Value| event["event"] == "task-done" && event["host"] == "fw1";
    wait_for_event(&job.events, "frame of the host", is_there);
    host.fill_disk();
    let ended = running.end(LONG).expect_code(0);
    show(&ended.stderr);
    assert_eq!(job.pictures(), 40);
    assert!(job.has("host-closed", "fw1"), "{:#?}", events(&job.events));
    expect_told_once(&job, &ended, "its disk ");
    expect_nothing_left_on(host);
    host.empty_disk();

    let job = Job::new(&bad, 200);
    let running = job.start();
    wait_for_event(&job.events, "frame of the host", is_there);
    host.fill_disk();
    let began = Instant::now();
    let ended = running.end(ALONE_MAX).expect_code(3);
    show(&format!(
        "{:.1} s: {}",
        began.elapsed().as_secs_f64(),
        ended.stderr
    ));
    assert!(ended.stderr.contains("host fw1: its disk "), "{ended:#?}");
    assert!(ended.stderr.contains("hint: "), "{ended:#?}");
    expect_nothing_left_on(host);
}

#[test]
fn a_cache_folder_that_is_read_only() {
    let Some(farm) = Farm::up(1) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let mount = "mkdir -p .cache && mount -t tmpfs -o ro none .cache";
    farm.host(0).run(mount).expect_code(0);
    let sentence = "its cache folder is not writable";
    expect_both_ways(GOOD, &entry(&farm, 0, ""), sentence, "XDG_CACHE_HOME");
}

#[test]
fn shared_storage_that_is_read_only_there() {
    let desk = Desk::new();
    let shared = desk.state().parent().unwrap().to_owned();
    let setup = Setup {
        shared: vec![shared.clone()],
        ..Setup::default()
    };
    let Some(farm) = Farm::with(1, &setup) else {
        return;
    };
    if !farm.is_isolated_or_say() {
        return;
    }
    let remount = format!("mount -o remount,bind,ro {}", shared.display());
    farm.host(0).run(&remount).expect_code(0);
    let bad = entry(&farm, 0, "storage = \"shared\"");
    let job = Job::at(desk, &format!("{GOOD}{bad}"), 16);
    let ended = job.start().end(LONG).expect_code(0);
    show(&ended.stderr);
    assert_eq!(job.pictures(), 16);
    expect_told_once(&job, &ended, "Read-only file system");
    let job = Job::at(job.desk, &bad, 16);
    fs::remove_dir_all(job.desk.work().join("out")).unwrap();
    let ended = job.start().end(ALONE_MAX);
    show(&ended.stderr);
    let ended = ended.expect_code(3);
    assert!(ended.stderr.contains("Read-only file system"), "{ended:#?}");
    assert!(ended.stderr.contains("hint: "), "{ended:#?}");
}

/// Where libfaketime is; that there is none is said, and fails under `CI=true`.
fn libfaketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let lib = |folder: fs::DirEntry| folder.path().join("faketime/libfaketime.so.1");
    let found = folders.map(lib).find(|path| path.exists());
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(found.is_some() || !ci, "CI has no libfaketime");
    if found.is_none() {
        show("SKIPPED: there is no libfaketime here, so no clock was put wrong");
    }
    found
}

#[test]
fn a_clock_that_is_an_hour_off() {
    let Some(lib) = libfaketime() else { return };
    let Some(farm) = Farm::up(1) else { return };
    let wrapper = format!(
        "#!/bin/sh\nLD_PRELOAD={} FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1 exec {} \"$@\"\n",
        lib.display(),
        support::PROGRAM
    );
    let host = farm.host(0);
    host.file("early", &wrapper, 0o755);
    let home = host.run("pwd").expect_code(0);
    let worker = format!("worker = \"{}/early\"", home.stdout.trim());
    let bad = entry(&farm, 0, &worker);
    let sentence = "the clock of host fw1 is 1h00m ahead of ours";
    let (job, _) = expect_done_beside(GOOD, &bad, 16, sentence);
    assert!(job.has("task-done", "fw1"), "{:#?}", events(&job.events));
    // Nothing depends on it: alone it does the job too.
    expect_done_beside("", &bad, 8, sentence);
}

#[test]
fn ctrl_c_once_and_twice() {
    let Some(farm) = Farm::up(2) else { return };
    for times in [1, 2] {
        let desk = Desk::new();
        let lines = "frames = \"1-400\"\nframe = \"3s\"\n";
        small_scene(&desk, "shot", lines);
        desk.file("farm.toml", entry(&farm, 0, "") + &entry(&farm, 1, ""));
        let events = desk.work().join("events.jsonl");
        let job = Job { desk, events };
        let running = job.start();
        for name in ["fw1", "fw2"] {
            let begun = |event: &Value| event["event"] == "task-started" && event["host"] == name;
            wait_for_event(&job.events, "frame that is begun", begun);
        }
        let began = Instant::now();
        running.signal(Signal::INT);
        if times == 2 {
            let stopping = |event: &Value| event["event"] == "stopping";
            wait_for_event(&job.events, "stop", stopping);
            running.signal(Signal::INT);
        }
        let ended = running.end(Duration::from_secs(30)).expect_code(130);
        let took = began.elapsed().as_secs_f64();
        show(&format!(
            "SIGINT {times} times: {took:.1} s: {}",
            ended.stderr
        ));
        assert!(ended.stderr.contains("--resume"), "{ended:#?}");
        for host in farm.hosts() {
            expect_nothing_left_on(host);
        }
        if times == 1 {
            // What had begun is kept.
            assert!(job.pictures() >= 2, "{} pictures", job.pictures());
        }
    }
}
