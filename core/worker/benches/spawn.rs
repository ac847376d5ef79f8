//! What a task costs on its way through a worker.
//!
//! Spawn rate: 10,000 processes that do nothing, through a worker with two slots and over real
//! pipes, beside `xargs -P2 -n1` in the same run. Rounds alternate; the medians count. The time
//! of the processors, everybody's children included, says how it would be on an idle machine.
//!
//! Kept session: lines to a process that answers each with a line, some in flight.
//!
//! `cargo bench -p framewright-worker [-- TASKS [ROUNDS]]`. Goal: 1.7 times xargs' rate; 40,000
//! lines a second.
#![allow(clippy::print_stdout, reason = "a benchmark's result goes to stdout")]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::message::{ControllerHello, FromWorker, RunId, RunOrder, SlotId, ToWorker};

const SLOTS: u64 = 2;

/// Runs under way or queued, at most; more are sent when half of them have ended, so that a slot
/// always finds its next run waiting.
const WINDOW: u64 = 32;

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let tasks = numbers.first().copied().unwrap_or(10_000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(measured(|| through_xargs(tasks)));
        ours.push(measured(|| through_worker(tasks)));
    }
    let (our_wall, our_cpu) = medians(&ours);
    let (their_wall, their_cpu) = medians(&theirs);
    let rate = |wall: f64| tasks as f64 / wall;
    let cost = |cpu: f64| cpu * 1e3 / tasks as f64;
    println!(
        "xargs  {:6.0} tasks/s  {:.3} ms CPU",
        rate(their_wall),
        cost(their_cpu)
    );
    println!(
        "worker {:6.0} tasks/s  {:.3} ms CPU",
        rate(our_wall),
        cost(our_cpu)
    );
    println!(
        "ratio  {:6.2} (goal 1.7)  {:.2} of the CPU (goal 0.65)",
        their_wall / our_wall,
        our_cpu / their_cpu
    );
    println!(
        "kept   {:6.0} tasks/s (goal 40,000)",
        through_kept_session(tasks * 10)
    );
}

/// Wall seconds, and CPU seconds of the children that ended meanwhile.
fn measured(work: impl FnOnce()) -> (f64, f64) {
    let (began, before) = (Instant::now(), children_cpu_s());
    work();
    (began.elapsed().as_secs_f64(), children_cpu_s() - before)
}

fn children_cpu_s() -> f64 {
    // SAFETY: rusage is a struct of integers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live variable of the type that getrusage writes.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn medians(rounds: &[(f64, f64)]) -> (f64, f64) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (
        median(rounds.iter().map(|round| round.0).collect()),
        median(rounds.iter().map(|round| round.1).collect()),
    )
}

fn through_xargs(tasks: u64) {
    let mut xargs = Command::new("xargs")
        .args(["-P2", "-n1", "/bin/true"])
        // As for the worker's runs: what a program loads for its locale is not the dispatcher's.
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("xargs");
    let lines: String = (0..tasks).map(|task| format!("{task}\n")).collect();
    let mut stdin = xargs.stdin.take().expect("piped");
    stdin.write_all(lines.as_bytes()).expect("xargs reads");
    drop(stdin);
    assert!(xargs.wait().expect("xargs ends").success());
}

fn through_worker(tasks: u64) {
    let mut link = Link::open();
    let (mut sent, mut done) = (0, 0);
    while done < tasks {
        let refill = sent < done + WINDOW / 2;
        while refill && sent < tasks && sent < done + WINDOW {
            let argv = vec!["/bin/true".to_owned(), sent.to_string()];
            link.say(&ToWorker::Run(order(sent, argv)));
            sent += 1;
        }
        link.exchange(|message| {
            if let FromWorker::Exited { code, .. } = message {
                assert_eq!(code, Some(0));
                done += 1;
            }
        });
    }
    link.close();
}

/// Tasks a second through one process that is kept.
fn through_kept_session(tasks: u64) -> f64 {
    const IN_FLIGHT: u64 = 256;
    let mut link = Link::open();
    link.say(&ToWorker::Run(RunOrder {
        stdin: true,
        ..order(0, vec!["/bin/cat".to_owned()])
    }));
    let (mut sent, mut done) = (0, 0);
    let began = Instant::now();
    while done < tasks {
        while sent < tasks && sent < done + IN_FLIGHT {
            link.say(&ToWorker::Write {
                run: RunId(0),
                text: format!("render {sent}\n"),
            });
            sent += 1;
        }
        link.exchange(|message| {
            if let FromWorker::Lines { lines, .. } = message {
                done += lines.len() as u64;
            }
        });
    }
    let rate = tasks as f64 / began.elapsed().as_secs_f64();
    link.close();
    rate
}

/// A worker and the way to it.
struct Link {
    worker: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    said: Vec<u8>,
    finder: PreambleFinder,
    decoder: Option<Decoder>,
    buffer: Vec<u8>,
}

impl Link {
    fn open() -> Self {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_worker-for-tests"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker");
        let mut link = Self {
            stdin: worker.stdin.take().expect("piped"),
            stdout: worker.stdout.take().expect("piped"),
            worker,
            said: Vec::new(),
            finder: PreambleFinder::new(),
            decoder: None,
            buffer: vec![0; 64 << 10],
        };
        link.say(&ToWorker::Hello(ControllerHello {
            build: build_id().to_owned(),
            job: "bench".to_owned(),
            host: "local".to_owned(),
            slots: SLOTS as u32,
            scratch_root: "/tmp".to_owned(),
            grace_ms: 0,
            heartbeat_ms: 1000,
            fence: 0,
            received: 0,
            leased: false,
            vitals: false,
        }));
        link
    }

    fn say(&mut self, message: &ToWorker) {
        Encoder::encode(message, &mut self.said).expect("short");
    }

    /// Sends what was said, waits for an answer and takes what is there.
    fn exchange(&mut self, mut each: impl FnMut(FromWorker)) {
        self.stdin.write_all(&self.said).expect("the worker reads");
        self.said.clear();
        let read = self
            .stdout
            .read(&mut self.buffer)
            .expect("the worker writes");
        assert!(read > 0, "the worker ended");
        match &mut self.decoder {
            Some(decoder) => decoder.push(&self.buffer[..read]),
            None => {
                self.finder.push(&self.buffer[..read]);
                let found = self.finder.find().expect("a preamble");
                self.decoder = found.map(|(_, decoder)| decoder);
            }
        }
        if let Some(decoder) = &mut self.decoder {
            while let Some(message) = decoder.next::<FromWorker>().expect("messages") {
                each(message);
            }
        }
    }

    fn close(mut self) {
        drop(self.stdin);
        std::io::copy(&mut self.stdout, &mut std::io::sink()).expect("the rest");
        assert!(self.worker.wait().expect("the worker ends").success());
    }
}

fn order(number: u64, argv: Vec<String>) -> RunOrder {
    RunOrder {
        run: RunId(number),
        slot: SlotId((number % SLOTS) as u32),
        argv,
        env: [].into(),
        inherit: vec![],
        cwd: String::new(),
        scratch: "/tmp".to_owned(),
        files: vec![],
        stdin: false,
    }
}
