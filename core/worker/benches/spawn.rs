//! Spawn rate: 10,000 processes that do nothing, through a worker with two slots and over real
//! pipes, beside `xargs -P2 -n1` in the same run. Rounds alternate; the medians count.
//!
//! `cargo bench -p framewright-worker [-- TASKS [ROUNDS]]`. Goal: 1.7 times xargs' rate.
#![allow(clippy::print_stdout, reason = "a benchmark's result goes to stdout")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::message::{ControllerHello, FromWorker, RunId, RunOrder, SlotId, ToWorker};

const SLOTS: u64 = 2;

/// Runs under way or queued: one slot always finds its next run waiting.
const WINDOW: u64 = 16;

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let tasks = numbers.first().copied().unwrap_or(10_000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(through_xargs(tasks));
        ours.push(through_worker(tasks));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let rate = |time: Duration| tasks as f64 / time.as_secs_f64();
    println!("xargs  {:6.0} tasks/s", rate(theirs));
    println!("worker {:6.0} tasks/s", rate(ours));
    println!("ratio  {:6.2} (goal 1.7)", rate(ours) / rate(theirs));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn through_xargs(tasks: u64) -> Duration {
    let mut xargs = Command::new("xargs")
        .args(["-P2", "-n1", "/bin/true"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("xargs");
    let lines: String = (0..tasks).map(|task| format!("{task}\n")).collect();
    let began = Instant::now();
    let mut stdin = xargs.stdin.take().expect("piped");
    stdin.write_all(lines.as_bytes()).expect("xargs reads");
    drop(stdin);
    assert!(xargs.wait().expect("xargs ends").success());
    began.elapsed()
}

fn through_worker(tasks: u64) -> Duration {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_worker-for-tests"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the worker");
    let mut stdin = worker.stdin.take().expect("piped");
    let mut stdout = worker.stdout.take().expect("piped");
    let mut bytes = Vec::new();
    let hello = ControllerHello {
        build: build_id().to_owned(),
        job: "bench".to_owned(),
        host: "local".to_owned(),
        slots: SLOTS as u32,
        scratch_root: scratch.path().to_string_lossy().into_owned(),
        grace_ms: 0,
        heartbeat_ms: 1000,
    };
    Encoder::encode(&ToWorker::Hello(hello), &mut bytes).expect("short");

    let began = Instant::now();
    let (mut sent, mut done) = (0, 0);
    let mut finder = PreambleFinder::new();
    let mut decoder: Option<Decoder> = None;
    let mut buffer = vec![0; 64 << 10];
    while done < tasks {
        while sent < tasks && sent < done + WINDOW {
            let order = order(sent, &scratch.path().to_string_lossy());
            Encoder::encode(&ToWorker::Run(order), &mut bytes).expect("short");
            sent += 1;
        }
        stdin.write_all(&bytes).expect("the worker reads");
        bytes.clear();
        let read = stdout.read(&mut buffer).expect("the worker writes");
        assert!(read > 0, "the worker ended");
        match &mut decoder {
            Some(decoder) => decoder.push(&buffer[..read]),
            None => {
                finder.push(&buffer[..read]);
                decoder = finder
                    .find()
                    .expect("a preamble")
                    .map(|(_, decoder)| decoder);
            }
        }
        let Some(decoder) = &mut decoder else {
            continue;
        };
        while let Some(message) = decoder.next::<FromWorker>().expect("messages") {
            if let FromWorker::Exited { code, .. } = message {
                assert_eq!(code, Some(0));
                done += 1;
            }
        }
    }
    let time = began.elapsed();
    drop(stdin);
    std::io::copy(&mut stdout, &mut std::io::sink()).expect("the rest");
    assert!(worker.wait().expect("the worker ends").success());
    time
}

fn order(number: u64, scratch: &str) -> RunOrder {
    RunOrder {
        run: RunId(number),
        slot: SlotId((number % SLOTS) as u32),
        argv: vec!["/bin/true".to_owned(), number.to_string()],
        env: [].into(),
        inherit: vec![],
        cwd: String::new(),
        scratch: scratch.to_owned(),
        files: vec![],
        stdin: false,
    }
}
