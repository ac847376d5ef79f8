//! Nothing outlives its run, its controller or its worker.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use framewright_worker::codec::Encoder;
use framewright_worker::message::{FromWorker, RunId, ToWorker};
use framewright_worker::sweep_tagged;
use kit::{Controller, PATIENCE, UNRULY, WORKER, assert_gone, tagged, wait};

/// What ignores SIGTERM, left its group and session, and lost its parent; and what only holds
/// the output.
const STUBBORN: [&str; 8] = [
    UNRULY,
    "leave",
    "leave-quiet",
    "helper",
    "ignore-term",
    "say",
    "up",
    "hang",
];

fn kill(controller: &mut Controller, run: u64, polite_ms: u32) {
    controller.say(&ToWorker::Kill {
        run: RunId(run),
        polite_ms,
    });
}

fn in_run(worker: u32, run: u64) -> usize {
    let of_worker = tagged(&format!("FRAMEWRIGHT_WORKER={worker}"));
    let of_run = tagged(&format!("FRAMEWRIGHT_RUN={run}"));
    of_run.iter().filter(|pid| of_worker.contains(pid)).count()
}

/// Waits until so many processes of a run live: one that has just been forked shows its tags only
/// once it has become another program.
fn expect_in_run(worker: u32, run: u64, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while in_run(worker, run) != count {
        assert!(
            Instant::now() < deadline,
            "{} processes, not {count}",
            in_run(worker, run)
        );
        std::thread::yield_now();
    }
}

/// Waits until everybody who has the write end is gone.
fn wait_for_end_of(mut pipe: impl Read + AsFd) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = rustix::event::Timespec::try_from(left).unwrap();
        let mut fds = [rustix::event::PollFd::new(
            &pipe,
            rustix::event::PollFlags::IN,
        )];
        assert!(
            rustix::event::poll(&mut fds, Some(&timeout)).unwrap() > 0,
            "still held"
        );
        if pipe.read(&mut [0; 4096]).unwrap() == 0 {
            return;
        }
    }
}

#[test]
fn polite_end_lets_a_process_finish() {
    let mut controller = Controller::new(1);
    controller.shell(
        1,
        0,
        "trap 'echo saved; exit 7' TERM; echo up; while :; do sleep 0.02; done",
    );
    controller.line(1, "up");
    kill(&mut controller, 1, 20_000);
    let finished = controller.finish(1);
    assert_eq!(finished.out, ["saved"]);
    assert_eq!((finished.code(), finished.killed()), (Some(7), true));
    controller.bye();
}

#[test]
fn sure_end_leaves_nothing() {
    let mut controller = Controller::new(2);
    controller.run(2, 1, &[UNRULY, "leave", "say", "up", "hang"]);
    controller.line(2, "up");
    controller.run(1, 0, &STUBBORN);
    controller.line(1, "up");
    expect_in_run(controller.pid, 1, 4);
    let began = Instant::now();
    kill(&mut controller, 1, 100);
    let finished = controller.finish(1);
    assert!(
        began.elapsed() >= Duration::from_millis(100),
        "it was asked politely first"
    );
    assert!(matches!(
        finished.end,
        Some(FromWorker::Exited {
            signal: Some(9),
            killed: true,
            ..
        })
    ));
    assert_eq!(in_run(controller.pid, 1), 0);
    assert_eq!(
        in_run(controller.pid, 2),
        2,
        "another run's orphan lives on"
    );
    controller.bye();
}

#[test]
fn run_that_ends_by_itself_leaves_nothing() {
    let mut controller = Controller::new(1);
    controller.run(
        1,
        0,
        &[
            UNRULY,
            "leave",
            "leave-quiet",
            "helper",
            "say",
            "last",
            "exit",
            "5",
        ],
    );
    let finished = controller.finish(1);
    assert_eq!(finished.out, ["last"]);
    assert_eq!((finished.code(), finished.killed()), (Some(5), false));
    assert_eq!(in_run(controller.pid, 1), 0);
    controller.bye();
}

#[test]
fn orphan_without_tags_is_ended_with_its_run() {
    let mut controller = Controller::new(1);
    let script = format!("env -i setsid {UNRULY} hang >/dev/null 2>&1 & echo $!");
    controller.shell(1, 0, &script);
    let pid: u32 = controller.finish(1).out[0].parse().unwrap();
    assert!(!kit::is_alive(pid));
    controller.bye();
}

#[test]
fn family_without_tags_is_ended_by_kill_while_others_run() {
    let mut controller = Controller::new(2);
    controller.run(2, 1, &[UNRULY, "say", "up", "hang"]);
    controller.line(2, "up");
    let script = format!("env -i setsid {UNRULY} hang >/dev/null 2>&1 & echo $!; wait");
    controller.shell(1, 0, &script);
    let pid: u32 = controller.hear("its process id", |message| match message {
        FromWorker::Lines { lines, .. } => lines[0].parse().ok(),
        _ => None,
    });
    kill(&mut controller, 1, 5000);
    controller.finish(1);
    assert!(!kit::is_alive(pid));
    controller.bye();
}

#[test]
fn process_that_closed_its_output_is_waited_for() {
    let mut controller = Controller::new(1);
    let mut order = controller.order(1, 0, &[UNRULY, "say", "bye", "close", "eat", "exit", "4"]);
    order.stdin = true;
    controller.say(&ToWorker::Run(order));
    controller.line(1, "bye");
    controller.say(&ToWorker::CloseStdin { run: RunId(1) });
    assert_eq!(controller.finish(1).code(), Some(4));
    controller.bye();
}

#[test]
fn waiting_run_is_dropped() {
    let mut controller = Controller::new(1);
    controller.run(1, 0, &[UNRULY, "say", "up", "hang"]);
    controller.line(1, "up");
    controller.run(2, 0, &["/bin/true"]);
    controller.run(3, 0, &["/bin/true"]);
    kill(&mut controller, 2, 1000);
    let finished = controller.finish(2);
    assert_eq!((finished.code(), finished.killed()), (None, true));
    kill(&mut controller, 1, 1000);
    assert!(controller.finish(1).killed());
    assert_eq!(controller.finish(3).code(), Some(0));
    // Late news for what has ended is no trouble.
    kill(&mut controller, 1, 0);
    controller.say(&ToWorker::CloseStdin { run: RunId(3) });
    controller.bye();
}

#[test]
fn bye_ends_all_slots_in_parallel() {
    let mut controller = Controller::new(4);
    for slot in 0..4 {
        controller.run(slot.into(), slot, &STUBBORN);
        controller.line(slot.into(), "up");
        controller.run(u64::from(slot) + 10, slot, &["/bin/true"]);
    }
    let began = Instant::now();
    controller.say(&ToWorker::Bye);
    for run in 0..4 {
        assert!(controller.finish(run).killed());
        assert!(controller.finish(run + 10).killed());
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "one after the other?"
    );
    controller.hear("bye", |message| {
        matches!(message, FromWorker::Bye).then_some(())
    });
    assert!(wait(&mut controller.worker).success());
    assert_gone(controller.pid);
}

#[test]
fn closed_link_ends_everything() {
    let mut controller = Controller::new(2);
    controller.run(1, 0, &STUBBORN);
    controller.line(1, "up");
    drop(controller.stdin.take());
    assert!(wait(&mut controller.worker).success());
    assert_gone(controller.pid);
}

#[test]
fn signals_end_everything() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut controller = Controller::new(1);
        controller.run(1, 0, &STUBBORN);
        controller.line(1, "up");
        kill_process(Pid::from_child(&controller.worker), signal).unwrap();
        controller.hear("bye", |message| {
            matches!(message, FromWorker::Bye).then_some(())
        });
        assert!(wait(&mut controller.worker).success());
        assert_gone(controller.pid);
    }
}

#[test]
fn killed_controller_takes_everything_along() {
    let mut bytes = Vec::new();
    let scratch = tempfile::tempdir().unwrap();
    Encoder::encode(&ToWorker::Hello(kit::hello(1, scratch.path())), &mut bytes).unwrap();
    let order = framewright_worker::message::RunOrder {
        run: RunId(1),
        slot: framewright_worker::message::SlotId(0),
        argv: STUBBORN.iter().map(|arg| (*arg).to_owned()).collect(),
        env: [].into(),
        inherit: vec![],
        cwd: String::new(),
        scratch: scratch.path().to_str().unwrap().to_owned(),
        files: vec![],
        stdin: false,
    };
    Encoder::encode(&ToWorker::Run(order), &mut bytes).unwrap();
    let said = scratch.path().join("said");
    std::fs::write(&said, bytes).unwrap();
    let mut stand_in = Command::new(UNRULY)
        .args(["control", WORKER])
        .arg(&said)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The worker's own end of this pipe came from the stand-in and outlives it.
    let mut stdout = stand_in.stdout.take().unwrap();
    let mut worker = 0;
    kit::read_messages(&mut stdout, |message| {
        if let FromWorker::Hello(hello) = &message {
            worker = hello.pid;
        }
        !matches!(message, FromWorker::Lines { .. })
    });
    expect_in_run(worker, 1, 4);
    stand_in.kill().unwrap();
    stand_in.wait().unwrap();
    wait_for_end_of(stdout);
    assert_gone(worker);
}

#[test]
fn killed_worker_leaves_what_the_sweep_finds() {
    let mut controller = Controller::new(1);
    controller.run(1, 0, &STUBBORN);
    controller.line(1, "up");
    controller.worker.kill().unwrap();
    wait(&mut controller.worker);
    // Nobody else ends them.
    expect_in_run(controller.pid, 1, 4);
    assert_eq!(sweep_tagged(controller.pid), 4);
    assert_gone(controller.pid);
    assert_eq!(sweep_tagged(controller.pid), 0);
}

#[test]
fn ended_orphans_do_not_stay_as_zombies() {
    let mut controller = Controller::new(1);
    // The shell in the middle ends first, so the worker inherits the last one, which then ends.
    let script = "sh -c '(read x < /dev/null; echo $$) & exec sleep 0' ; echo up; exec sleep 1000";
    controller.shell(1, 0, script);
    controller.line(1, "up");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let children = format!("/proc/{0}/task/{0}/children", controller.pid);
        if std::fs::read_to_string(children).unwrap().trim().is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "zombies stay");
        std::thread::yield_now();
    }
    controller.bye();
}

#[test]
fn controller_that_does_not_read_bounds_the_worker_and_loses_lines_only() {
    let scratch = tempfile::tempdir().unwrap();
    let mut worker = kit::spawn_worker(&["200"]);
    let mut stdin = worker.stdin.take().unwrap();
    let stdout = worker.stdout.take().unwrap();
    let mut bytes = Vec::new();
    Encoder::encode(&ToWorker::Hello(kit::hello(2, scratch.path())), &mut bytes).unwrap();
    let flood = 40 << 20;
    let done = scratch.path().join("done");
    for (run, argv) in [
        (
            1,
            vec![UNRULY.to_owned(), "flood".to_owned(), flood.to_string()],
        ),
        (
            2,
            vec![
                "/bin/sh".to_owned(),
                "-c".to_owned(),
                format!("mkfifo {0}; read x < {0}", done.display()),
            ],
        ),
    ] {
        let order = framewright_worker::message::RunOrder {
            run: RunId(run),
            slot: framewright_worker::message::SlotId(run as u32 - 1),
            argv,
            env: [].into(),
            inherit: vec![],
            cwd: String::new(),
            scratch: scratch.path().to_str().unwrap().to_owned(),
            files: vec![],
            stdin: false,
        };
        Encoder::encode(&ToWorker::Run(order), &mut bytes).unwrap();
    }
    // The next run of the flood's slot tells that the flood has ended: nobody read a byte.
    let next = framewright_worker::message::RunOrder {
        run: RunId(3),
        slot: framewright_worker::message::SlotId(0),
        argv: vec![
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            format!(
                "until test -p {0}; do sleep 0.01; done; echo x > {0}",
                done.display()
            ),
        ],
        env: [].into(),
        inherit: vec![],
        cwd: String::new(),
        scratch: scratch.path().to_str().unwrap().to_owned(),
        files: vec![],
        stdin: false,
    };
    Encoder::encode(&ToWorker::Run(next), &mut bytes).unwrap();
    std::io::Write::write_all(&mut stdin, &bytes).unwrap();

    // Run 2 ends when run 3 has written; run 3 starts when the flood is over.
    let deadline = Instant::now() + PATIENCE;
    let pid = worker.id();
    while !(done.exists() && in_run(pid, 2) == 0 && in_run(pid, 3) == 0) {
        assert!(Instant::now() < deadline, "the flood does not end");
        std::thread::yield_now();
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 40 << 10, "{peak}");

    // Now it is read: every line came or was counted, and every control message is there.
    let (mut lines, mut dropped, mut ended) = (0, 0, vec![]);
    drop(stdin);
    kit::read_messages(stdout, |message| {
        match message {
            FromWorker::Lines {
                run: RunId(1),
                lines: got,
                dropped: lost,
                ..
            } => {
                lines += got.len() as u64;
                dropped += lost;
            }
            FromWorker::Exited { run, code, .. } => ended.push((run.0, code)),
            _ => {}
        }
        true
    });
    assert_eq!(lines + dropped, flood / 100);
    assert!(dropped > 0);
    ended.sort_unstable();
    assert_eq!(ended, [(1, Some(0)), (2, Some(0)), (3, Some(0))]);
    wait(&mut worker);
    assert_gone(pid);
}
