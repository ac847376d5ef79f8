//! `hosts`: the farm as it is written, what is found of its hosts, and orders to a running job.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use support::{Desk, LONG, PROGRAM, expect_nothing_left, finish, small_scene, wait_for_event};

/// A host that the test's own program is the worker of, after some words.
fn behind(name: &str, words: &str) -> String {
    format!(
        "[[host]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", '{words} exec {PROGRAM} worker']\n"
    )
}

fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hosts = report["hosts"].as_array().expect("hosts");
    let found = hosts.iter().find(|host| host["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn problems(host: &Value) -> Vec<(&str, &str)> {
    let problems = host["problems"].as_array().expect("problems");
    let pair = |problem| -> (&str, &str) {
        let problem: &Value = problem;
        (
            problem["kind"].as_str().expect("a word"),
            problem["what"].as_str().expect("a sentence"),
        )
    };
    problems.iter().map(pair).collect()
}

/// Each host costs the controller a few open files; systems give a process a thousand, here less.
#[test]
fn more_hosts_than_a_process_has_open_files_for_at_first_all_work() {
    const HOSTS: usize = 16;
    let desk = Desk::new();
    let farm: String = (0..HOSTS).map(|n| behind(&format!("n{n}"), "")).collect();
    desk.file("farm.toml", farm);
    let lines = format!("frames = \"1-{HOSTS}\"\nframe = \"1s\"\noutput = \"none\"\n");
    let scene = small_scene(&desk, "x", &lines);
    let mut render = desk.command("sh");
    render.args(["-c", "ulimit -Sn 64 && exec \"$@\"", "sh", PROGRAM]);
    render.args(["render", &scene, "--hosts", "farm.toml", "--segment", "1"]);
    render.args(["--format", "json", "--no-history"]);
    let report = finish(render, LONG).expect_code(0).json();
    assert_eq!(report["tasks"]["done"], HOSTS, "{report:#}");
    expect_nothing_left(report["job"].as_str().expect("a report names its job"));
}

#[test]
fn a_farm_is_listed_without_a_word_to_its_hosts() {
    let desk = Desk::new();
    desk.file(
        "farm.toml",
        "[[host]]\nname = \"node01\"\naddress = \"me@no.such.host.invalid\"\nmemory = \"64GiB\"\n\
         available = \"19:00-08:00\"\npaths = { \"/mnt\" = \"/net\" }\n\
         [[host]]\nname = \"here\"\nlink = \"local\"\nslots = 3\n",
    );
    let text = desk.run(["hosts", "list"]).expect_code(0).stdout;
    assert!(text.contains("me@no.such.host.invalid"), "{text}");
    assert!(text.contains("19:00-08:00"), "{text}");
    let report = desk.run(["hosts", "list", "--format", "json"]);
    let report = report.expect_code(0).json();
    assert_eq!(report["format"], 1);
    let node = host(&report, "node01");
    assert_eq!(node["link"], "ssh");
    assert_eq!(node["storage"], "staged");
    assert_eq!(
        (&node["grace_s"], &node["lost_after_s"]),
        (&600.0.into(), &120.0.into())
    );
    assert_eq!(node["memory_bytes"], 64_u64 << 30);
    assert_eq!(node["paths"]["/mnt"], "/net");
    assert_eq!(host(&report, "here")["slots"], 3);
}

#[test]
fn without_a_farm_there_is_nothing_to_list() {
    let desk = Desk::new();
    let ended = desk.run(["hosts", "list"]).expect_code(2);
    assert_eq!(
        ended.stderr,
        "framewright: there is no farm.toml\n\
         hint: name one with --hosts FILE; without a farm, jobs run on this machine\n"
    );
}

#[test]
fn a_host_that_says_nothing_holds_nobody_up() {
    let desk = Desk::new();
    let farm = [
        behind("good", ""),
        behind("chatty", "echo Welcome; echo to this machine;"),
        "[[host]]\nname = \"mute\"\ncommand = [\"sleep\", \"60\"]\n".to_owned(),
        "[[host]]\nname = \"shut\"\ncommand = [\"sh\", \"-c\", \"echo no route to host >&2; exit 255\"]\n".to_owned(),
        "[[host]]\nname = \"none\"\ncommand = [\"no-such-launcher\"]\n".to_owned(),
    ];
    desk.file("farm.toml", farm.concat());
    let began = Instant::now();
    let check = ["hosts", "check", "--adapter", "stub", "--timeout", "3s"];
    let ended = desk.run([&check[..], &["--format", "json"]].concat());
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    let report = ended.expect_code(1).json();
    for name in ["good", "chatty"] {
        let good = host(&report, name);
        assert_eq!(good["usable"], true, "{good:#}");
        assert_eq!(problems(good), []);
        for known in [
            "connect_s",
            "latency_s",
            "disk_bytes",
            "cores",
            "memory_bytes",
        ] {
            let number = good[known].as_f64().expect("a number");
            assert!(number > 0.0, "{known} of {good:#}");
        }
        assert_eq!(good["renderers"][0]["adapter"], "stub");
        assert!(good["renderers"][0]["version"].is_string(), "{good:#}");
        assert_eq!(good["worker"]["path"], PROGRAM);
    }
    assert_eq!(
        problems(host(&report, "mute")),
        [("unreachable", "no answer from its worker within 3 s")]
    );
    assert_eq!(
        problems(host(&report, "shut")),
        [(
            "unreachable",
            "the link ended before its worker answered: no route to host"
        )]
    );
    let none = problems(host(&report, "none"));
    assert!(
        none[0].1.starts_with("cannot start `no-such-launcher`"),
        "{none:?}"
    );
    assert_eq!(host(&report, "mute")["usable"], false);
    expect_nothing_left("check");

    let text = desk.run(check).expect_code(1).stdout;
    assert!(
        text.contains("mute: no answer from its worker within 3 s\n  hint: try `sleep 60` by hand"),
        "{text}"
    );
    let only = |names: &[&str]| desk.run([&check[..], names].concat());
    only(&["good", "chatty"]).expect_code(0);
    only(&["shut", "none"]).expect_code(3);
    let slip = only(&["chaty"]).expect_code(2);
    assert!(
        slip.stderr.contains("did you mean `chatty`?"),
        "{}",
        slip.stderr
    );
}

#[test]
fn a_renderer_that_is_wanted_has_to_be_there_and_one_of_many_is_enough() {
    let desk = Desk::new();
    let programs = "programs = { stub = \"/no/such/renderer\" }\n";
    desk.file("farm.toml", behind("bare", "") + programs);
    let check = |more: &[&str]| {
        let arguments = [&["hosts", "check", "--format", "json"], more].concat();
        desk.run(arguments)
    };
    let named = check(&["--adapter", "stub"]).expect_code(3).json();
    let why = "it has no Stub renderer: there is no program /no/such/renderer";
    assert_eq!(problems(host(&named, "bare")), [("renderer", why)]);
    // Of all adapters, one that is not there is not worth a word where another one is.
    let adapters = desk.run(["adapters", "list", "--format", "json"]);
    let adapters = adapters.expect_code(0).json();
    let adapters = adapters["adapters"].as_array().expect("adapters").clone();
    let missing = |except: &str| {
        let ids = adapters.iter().filter_map(|adapter| adapter["id"].as_str());
        let ids: Vec<String> = ids
            .filter(|id| *id != except)
            .map(|id| format!("{id} = \"/no/such/{id}\""))
            .collect();
        format!("programs = {{ {} }}\n", ids.join(", "))
    };
    desk.file("farm.toml", behind("bare", "") + &missing("stub"));
    let one = check(&[]).expect_code(0).json();
    assert_eq!(problems(host(&one, "bare")), []);
    desk.file("farm.toml", behind("bare", "") + &missing(""));
    let none = check(&[]).expect_code(3).json();
    let none = problems(host(&none, "bare"));
    assert_eq!((none.len(), none[0].0), (1, "renderer"));
    assert!(
        none[0]
            .1
            .contains("it has no Stub renderer: there is no program /no/such/stub"),
        "{none:?}"
    );
    let slip = check(&["--adapter", "stbu"]).expect_code(2).json();
    let message = slip["error"]["message"].as_str().expect("a sentence");
    assert!(message.contains("did you mean stub?"), "{message}");
}

#[test]
fn shared_storage_is_written_and_read_from_both_sides() {
    let desk = Desk::new();
    let shared = desk.work().join("shared");
    fs::create_dir(&shared).expect("a folder in our own folder");
    std::os::unix::fs::symlink(&shared, desk.work().join("there")).expect("a link");
    let path = |name: &str| desk.work().join(name).display().to_string();
    let paths = |there: &str| {
        format!(
            "paths = {{ \"{}\" = \"{}\" }}\n",
            path("shared"),
            path(there)
        )
    };
    let staged = "storage = \"staged\"\n";
    let farm = [
        behind("plain", ""),
        behind("mapped", "") + &paths("there"),
        behind("apart", "") + &paths("elsewhere"),
        behind("staged", "") + staged,
    ];
    desk.file("farm.toml", farm.concat());
    let check = [
        "hosts",
        "check",
        "--adapter",
        "stub",
        "--write-test",
        "shared",
    ];
    let report = desk.run([&check[..], &["--format", "json"]].concat());
    let report = report.expect_code(1).json();
    for (name, is) in [
        ("plain", "yes"),
        ("mapped", "yes"),
        ("apart", "no"),
        ("staged", "staged"),
    ] {
        assert_eq!(host(&report, name)["shared"], is, "{report:#}");
    }
    let apart = problems(host(&report, "apart"));
    assert_eq!(apart[0].0, "storage");
    let begins = format!("it does not see {}/.framewright-check-", path("elsewhere"));
    assert!(apart[0].1.starts_with(&begins), "{apart:?}");
    let left = fs::read_dir(&shared).expect("our own folder").count();
    assert_eq!(left, 0, "files of the test stay behind");

    let none = desk
        .run(["hosts", "check", "--write-test", "none"])
        .expect_code(2);
    assert!(
        none.stderr
            .contains("--write-test: there is no folder none"),
        "{}",
        none.stderr
    );
}

#[test]
fn only_a_running_job_takes_or_gives_up_hosts() {
    let desk = Desk::new();
    let scene = small_scene(
        &desk,
        "a",
        "frames = \"1-2\"\nframe = \"10m\"\noutput = \"none\"\n",
    );
    desk.file("farm.toml", "[[host]]\nname = \"node01\"\nlink = \"local\"\n[[host]]\nname = \"node02\"\nlink = \"local\"\n");
    let events = desk.work().join("events.jsonl");
    let running = desk.start([
        "render",
        &scene,
        "--host",
        "node01",
        "--events",
        "events.jsonl",
    ]);
    let started = wait_for_event(&events, "start", |event| event["event"] == "task-started");
    assert_eq!(started["host"], "node01");
    let begun = wait_for_event(&events, "job", |event| event["event"] == "job-started");
    let job = begun["job"].as_str().expect("an id").to_owned();

    let slip = desk.run(["hosts", "drain", &job, "nod01"]).expect_code(2);
    assert_eq!(
        slip.stderr,
        format!(
            "framewright: job {job} has no host `nod01`; did you mean `node01`?\nhint: its hosts are node01\n"
        )
    );
    let nothing = desk.run(["hosts", "add", &job]).expect_code(2);
    assert!(nothing.stderr.contains("--host"), "{}", nothing.stderr);
    let unknown = desk
        .run(["hosts", "add", &job, "--host", "node03"])
        .expect_code(2);
    assert!(
        unknown.stderr.contains("has no host `node03`"),
        "{}",
        unknown.stderr
    );
    end(running);

    for arguments in [
        ["hosts", "drain", &job, "node01", "--format=human"],
        ["hosts", "add", &job, "--host", "node02"],
    ] {
        let ended = desk.run(arguments).expect_code(2);
        assert_eq!(
            ended.stderr,
            format!(
                "framewright: job {job} is not running, it is interrupted\n\
                 hint: hosts can be changed while it runs; go on with: framewright render --resume {job}\n"
            )
        );
    }
    desk.run(["hosts", "add", "nosuchjob", "--local", "1"])
        .expect_code(2);
}

#[test]
fn a_running_job_takes_a_host_and_lets_another_go() {
    let desk = Desk::new();
    let lines = "frames = \"1-400\"\nframe = \"200ms\"\noutput = \"none\"\n";
    let scene = small_scene(&desk, "a", lines);
    let host = |name| format!("[[host]]\nname = \"{name}\"\nlink = \"local\"\n");
    desk.file("farm.toml", host("node01") + &host("node02"));
    let log = desk.work().join("events.jsonl");
    let running = desk.start([
        "render",
        &scene,
        "--host",
        "node01",
        "--events",
        "events.jsonl",
    ]);
    let begun = wait_for_event(&log, "job", |event| event["event"] == "job-started");
    let job = begun["job"].as_str().expect("an id").to_owned();
    let on = |host: &'static str| {
        move |event: &Value| event["event"] == "task-done" && event["host"] == host
    };
    wait_for_event(&log, "frame of node01", on("node01"));

    let last = desk.run(["hosts", "drain", &job, "node01"]).expect_code(2);
    assert!(last.stderr.contains("refuses: node01: "), "{}", last.stderr);
    let added = desk.run(["hosts", "add", &job, "--host", "node02", "--format", "json"]);
    let added = added.expect_code(0).json();
    assert_eq!(
        (&added["job"], &added["hosts"][0]["done"]),
        (&begun["job"], &true.into())
    );
    wait_for_event(&log, "frame of node02", on("node02"));
    let twice = desk
        .run(["hosts", "add", &job, "--host", "node02"])
        .expect_code(2);
    assert!(
        twice.stderr.contains("refuses: node02: "),
        "{}",
        twice.stderr
    );

    desk.run(["hosts", "drain", &job, "node01"]).expect_code(0);
    wait_for_event(&log, "end of node01", |event| {
        event["event"] == "host-drained"
    });
    let status = desk
        .run(["status", &job, "--format", "json"])
        .expect_code(0)
        .json();
    let state = |name: &str| {
        status["hosts"]
            .as_array()
            .and_then(|hosts| hosts.iter().find(|host| host["name"] == name))
            .map(|host| host["state"].clone())
    };
    assert_eq!(state("node01"), Some("drained".into()));
    assert_eq!(state("node02"), Some("up".into()));
    end(running);
}

#[test]
fn the_way_of_files_is_measured_where_files_may_travel() {
    let desk = Desk::new();
    desk.file(
        "farm.toml",
        "[[host]]\nname = \"here\"\nlink = \"local\"\n".to_owned() + &behind("there", ""),
    );
    let report = desk.run(["hosts", "check", "--adapter", "stub", "--format", "json"]);
    let report = report.expect_code(0).json();
    for way in ["send_bytes_s", "fetch_bytes_s"] {
        let rate = host(&report, "here")[way].as_f64().expect("a number");
        assert!(rate > 1e6, "{way}: {report:#}");
        assert!(host(&report, "there")[way].is_null());
    }
    let ahead = host(&report, "here")["clock_ahead_s"]
        .as_f64()
        .expect("a number");
    assert!(ahead.abs() < 1.0, "{report:#}");
}

fn end(running: support::Running) {
    running.signal(Signal::TERM);
    running.end(LONG).expect_code(143);
}
