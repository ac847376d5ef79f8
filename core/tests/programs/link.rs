//! A launcher and a worker for the tests of links.
//!
//! `worker`, `detached`, `watch PID`: what the program's hidden commands are. `relay FOLDER`: a
//! launcher that can be cut: it writes its process id into `FOLDER/relay`, starts a worker in a
//! process group of its own, as on another machine, and carries bytes; while `FOLDER/closed`
//! exists it fails at once, and leaves `FOLDER/refused`. `RUN_FOLDER`: where doors find the worker that outlives them.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use framewright_worker::{WorkerOptions, claim_stdio, detached_main, watch_main, worker_main};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let me = std::env::current_exe().expect("this program");
    let options = WorkerOptions {
        watch: Some(vec![me.clone().into(), "watch".into()]),
        detach: Some(vec![me.into(), "detached".into()]),
        run_folder: std::env::var_os("RUN_FOLDER").map(Into::into),
        ..WorkerOptions::default()
    };
    let serve = match words[..] {
        ["worker"] => worker_main,
        ["detached"] => detached_main,
        ["watch", pid] => {
            watch_main(pid.parse().expect("a process id"), std::io::stdin());
            return ExitCode::SUCCESS;
        }
        ["relay", folder] => return relay(Path::new(folder)),
        _ => panic!("unknown words {words:?}"),
    };
    let (stdin, stdout) = claim_stdio().expect("descriptors");
    match serve(stdin, stdout, &options) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn relay(folder: &Path) -> ExitCode {
    if folder.join("closed").exists() {
        std::fs::write(folder.join("refused"), "").expect("the folder");
        return ExitCode::from(255);
    }
    let new = folder.join("relay.new");
    std::fs::write(&new, std::process::id().to_string()).expect("the folder");
    std::fs::rename(new, folder.join("relay")).expect("the folder");
    let mut worker = Command::new(std::env::current_exe().expect("this program"))
        .arg("worker")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let mut to = worker.stdin.take().expect("piped");
    let from = worker.stdout.take().expect("piped");
    std::thread::spawn(move || {
        carry(std::io::stdin(), &mut to);
    });
    carry(from, &mut std::io::stdout());
    worker.wait().expect("a child");
    ExitCode::SUCCESS
}

fn carry(mut from: impl Read, to: &mut impl Write) {
    let mut buffer = [0; 1 << 14];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() || to.flush().is_err() {
            return;
        }
    }
}
