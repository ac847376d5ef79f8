//! Processes from start to end, over real pipes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use framewright_worker::message::{FromWorker, RunId, ToWorker};
use kit::{Controller, PATIENCE, UNRULY};
use std::time::Instant;

#[test]
fn hello_introduces_the_worker() {
    let mut controller = Controller::new(1);
    let hello = controller.hear("hello", |message| match message {
        FromWorker::Hello(hello) => Some(hello.clone()),
        _ => None,
    });
    assert_eq!(hello.build, framewright_worker::build_id());
    assert_eq!(hello.pid, controller.pid);
    assert_eq!(
        std::path::Path::new(&hello.executable),
        std::fs::canonicalize(kit::WORKER).unwrap()
    );
    assert!(hello.cores > 0 && hello.memory_bytes > 1 << 20 && !hello.hostname.is_empty());
    controller.say(&ToWorker::Ping { number: 7 });
    controller.hear("pong", |message| {
        matches!(message, FromWorker::Pong { number: 7 }).then_some(())
    });
    controller.bye();
}

#[test]
fn other_build_is_refused() {
    let mut controller = Controller::with(1, |hello| hello.build = "0.0.0-other".to_owned());
    let why = controller.hear("refusal", |message| match message {
        FromWorker::Refused { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("0.0.0-other"), "{why}");
    assert!(!kit::wait(&mut controller.worker).success());
}

#[test]
fn lines_and_exit_of_a_run() {
    let mut controller = Controller::new(1);
    controller.shell(
        1,
        0,
        "echo one; printf 'p 1%%\\rp 2%%\\r\\ntail' ; echo oops >&2; exit 3",
    );
    let pid = controller.started(1);
    assert!(pid > 0);
    let finished = controller.finish(1);
    assert_eq!(finished.out, ["one", "p 1%", "p 2%", "tail"]);
    assert_eq!(finished.err, ["oops"]);
    assert_eq!((finished.code(), finished.killed()), (Some(3), false));
    controller.bye();
}

#[test]
fn signal_and_resources_are_told() {
    let mut controller = Controller::new(1);
    controller.shell(
        1,
        0,
        "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; kill -SEGV $$",
    );
    let finished = controller.finish(1);
    let Some(FromWorker::Exited {
        code,
        signal,
        killed,
        cpu_s,
        rss_bytes,
        ..
    }) = finished.end
    else {
        panic!("{finished:?}")
    };
    assert_eq!((code, signal, killed), (None, Some(11), false));
    assert!(cpu_s > 0.0 && cpu_s < 30.0, "{cpu_s}");
    assert!(rss_bytes > 100 << 10, "{rss_bytes}");
    controller.bye();
}

#[test]
fn runs_of_a_slot_are_a_queue_and_slots_are_parallel() {
    let mut controller = Controller::new(2);
    let log = controller.scratch.path().join("log");
    let log = log.to_str().unwrap();
    // Run 1 waits for run 10, which is in the other slot: in one queue this would hang.
    let fifo = format!("{log}.fifo");
    controller.shell(
        1,
        0,
        &format!("mkfifo {fifo}; echo ready; read x < {fifo}; echo 1 >> {log}"),
    );
    controller.line(1, "ready");
    controller.shell(2, 0, &format!("echo 2 >> {log}"));
    controller.shell(3, 0, &format!("echo 3 >> {log}"));
    controller.shell(10, 1, &format!("echo go > {fifo}"));
    for run in [10, 1, 2, 3] {
        assert_eq!(controller.finish(run).code(), Some(0), "run {run}");
    }
    assert_eq!(std::fs::read_to_string(log).unwrap(), "1\n2\n3\n");
    controller.bye();
}

#[test]
fn standard_input_is_fed_and_closed() {
    let mut controller = Controller::new(1);
    let mut order = controller.order(1, 0, &[UNRULY, "echo", "exit", "0"]);
    order.stdin = true;
    controller.say(&ToWorker::Run(order));
    controller.say(&ToWorker::Write {
        run: RunId(1),
        text: "render 1\nrend".to_owned(),
    });
    controller.line(1, "got render 1");
    controller.say(&ToWorker::Write {
        run: RunId(1),
        text: "er 2\n".to_owned(),
    });
    controller.line(1, "got render 2");
    controller.say(&ToWorker::CloseStdin { run: RunId(1) });
    let finished = controller.finish(1);
    assert_eq!(finished.out, ["end of input"]);
    assert_eq!(finished.code(), Some(0));
    controller.bye();
}

#[test]
fn input_for_a_waiting_run_is_kept() {
    let mut controller = Controller::new(1);
    controller.run(1, 0, &[UNRULY, "say", "up", "hang"]);
    controller.line(1, "up");
    let mut order = controller.order(2, 0, &[UNRULY, "echo"]);
    order.stdin = true;
    controller.say(&ToWorker::Run(order));
    let text = "early\n".to_owned();
    controller.say(&ToWorker::Write {
        run: RunId(2),
        text,
    });
    controller.say(&ToWorker::CloseStdin { run: RunId(2) });
    controller.say(&ToWorker::Kill {
        run: RunId(1),
        polite_ms: 1000,
    });
    assert!(controller.finish(1).killed());
    assert_eq!(controller.finish(2).out, ["got early", "end of input"]);
    controller.bye();
}

#[test]
fn without_standard_input_there_is_nothing_to_read() {
    let mut controller = Controller::new(1);
    controller.run(1, 0, &[UNRULY, "eat", "say", "done"]);
    assert_eq!(controller.finish(1).out, ["done"]);
    controller.bye();
}

#[test]
fn process_that_does_not_read_is_ended_with_a_word() {
    let mut controller = Controller::new(1);
    let mut order = controller.order(1, 0, &[UNRULY, "say", "up", "hang"]);
    order.stdin = true;
    controller.say(&ToWorker::Run(order));
    controller.line(1, "up");
    for _ in 0..4 {
        controller.say(&ToWorker::Write {
            run: RunId(1),
            text: "x".repeat(7 << 20),
        });
    }
    let finished = controller.finish(1);
    assert!(finished.killed());
    assert!(
        finished.err[0].contains("does not read"),
        "{:?}",
        finished.err
    );
    controller.bye();
}

#[test]
fn missing_program_is_not_started() {
    let mut controller = Controller::new(1);
    let plain = controller.scratch.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    let plain = plain.to_str().unwrap();
    for (run, program) in [
        (1, "/nonexistent/renderer"),
        (2, "no-such-renderer"),
        (3, plain),
        (4, "/tmp"),
    ] {
        controller.run(run, 0, &[program]);
        match controller.finish(run).end {
            Some(FromWorker::NotStarted { why, missing, .. }) => {
                assert!(missing, "{why}");
                assert!(why.contains(program), "{why}");
            }
            other => panic!("{program}: {other:?}"),
        }
    }
    let mut order = controller.order(5, 0, &["/bin/true"]);
    order.cwd = "/nonexistent/folder".to_owned();
    controller.say(&ToWorker::Run(order));
    match controller.finish(5).end {
        Some(FromWorker::NotStarted { why, missing, .. }) => {
            assert!(!missing && why.contains("/nonexistent/folder"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    controller.bye();
}

#[test]
fn environment_is_fixed() {
    let mut controller = Controller::new(1);
    let mut order = controller.order(9, 0, &["env"]);
    order.env.insert("OWN".to_owned(), "a b".to_owned());
    order
        .env
        .insert("FRAMEWRIGHT_RUN".to_owned(), "forged".to_owned());
    order.inherit = vec!["CARGO_PKG_*".to_owned()];
    controller.say(&ToWorker::Run(order));
    let environment = controller.finish(9).out;
    let has = |entry: &str| environment.iter().any(|line| line == entry);
    assert!(has("OWN=a b") && has("LANG=C.UTF-8") && has("FRAMEWRIGHT_RUN=9"));
    assert!(has("FRAMEWRIGHT_JOB=test-job") && has("FRAMEWRIGHT_HOST=test-host"));
    assert!(has("FRAMEWRIGHT_SLOT=0") && has(&format!("FRAMEWRIGHT_WORKER={}", controller.pid)));
    assert!(has(&format!(
        "TMPDIR={}",
        controller.scratch.path().display()
    )));
    assert!(has("CARGO_PKG_NAME=framewright-worker"));
    assert!(has(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ));
    assert!(
        !environment
            .iter()
            .any(|line| line.starts_with("CARGO_MANIFEST_DIR="))
    );
    controller.bye();
}

#[test]
fn files_and_scratch_are_made_first() {
    let mut controller = Controller::new(1);
    let scratch = controller.scratch.path().join("attempt 1/deep");
    let mut order = controller.order(
        1,
        0,
        &["/bin/sh", "-c", "cat script; cat \"$TMPDIR/script\"; pwd"],
    );
    order.scratch = scratch.to_str().unwrap().to_owned();
    order.files = vec![("script".to_owned(), "print('hello')\n".to_owned())];
    controller.say(&ToWorker::Run(order));
    let out = controller.finish(1).out;
    assert_eq!(out[..2], ["print('hello')", "print('hello')"]);
    assert_eq!(
        std::path::Path::new(&out[2]),
        scratch.canonicalize().unwrap()
    );
    controller.bye();
}

#[test]
fn nobody_inherits_the_workers_own_descriptors() {
    let mut controller = Controller::new(1);
    controller.shell(
        1,
        0,
        "ls -l /proc/self/fd | grep -c -e pipe: -e eventfd -e socket:",
    );
    assert_eq!(
        controller.finish(1).out,
        ["2"],
        "its own two pipes, one of them grep's"
    );
    controller.bye();
}

#[test]
fn a_thousand_short_runs_each_end_once() {
    let mut controller = Controller::new(2);
    for run in 0..1000 {
        controller.run(run, (run % 2) as u32, &["/bin/true"]);
    }
    for run in 0..1000 {
        assert_eq!(controller.finish(run).code(), Some(0), "run {run}");
    }
    controller.bye();
}

#[test]
fn all_lines_of_a_flood_arrive_when_the_controller_reads() {
    let mut controller = Controller::new(1);
    let bytes = 20 << 20;
    controller.run(1, 0, &[UNRULY, "flood", &bytes.to_string()]);
    let began = Instant::now();
    let finished = controller.finish(1);
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(finished.dropped, 0);
    assert_eq!(finished.out.len(), bytes / 100);
    assert!(finished.out.iter().all(|line| line.len() == 99));
    controller.bye();
}
