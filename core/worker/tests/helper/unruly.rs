//! A renderer that misbehaves: each argument is done in turn.
//!
//! `ignore-term`; `leave` (become a process that left the group, the session and its tags, and
//! lost its parent: the first process goes on with the remaining arguments, the one that left
//! sleeps); `leave-quiet` (the same, with its output closed); `helper` (a child in the same
//! group that holds the output and sleeps); `say TEXT`; `flood BYTES`; `exit CODE`; `hang`;
//! `eat` (read standard input to its end); `echo` (the same, printing each line); `close` (close
//! its output); `control WORKER FILE` (a controller: start the worker, say what the file holds);
//! `knock SOCKET FILE` (say there what the file holds, and print all that is answered).

#![allow(
    clippy::zombie_processes,
    reason = "leaving processes behind is its business"
)]

use std::io::{BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut stdout = std::io::stdout().lock();
    while let Some(deed) = args.next() {
        match deed.as_str() {
            "ignore-term" => ignore_term(),
            "leave" => start("gone", true),
            "leave-quiet" => start("gone-quiet", true),
            "helper" => start("hang", false),
            "gone" | "gone-quiet" => {
                rustix::process::setsid().expect("not a group's leader");
                ignore_term();
                if deed == "gone-quiet" {
                    close_output();
                }
                hang();
            }
            "say" => writeln!(stdout, "{}", args.next().expect("a text")).expect("a reader"),
            "flood" => {
                let bytes: usize = args.next().expect("a size").parse().expect("a size");
                let line = [b"x".repeat(99), b"\n".to_vec()].concat();
                for _ in 0..bytes / line.len() {
                    stdout.write_all(&line).expect("a reader");
                }
            }
            "eat" => {
                std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).expect("stdin");
            }
            "echo" => {
                for line in std::io::stdin().lock().lines() {
                    writeln!(stdout, "got {}", line.expect("a line")).expect("a reader");
                }
                writeln!(stdout, "end of input").expect("a reader");
            }
            "close" => close_output(),
            "control" => {
                let worker = args.next().expect("a worker");
                let said = std::fs::read(args.next().expect("a file")).expect("the file");
                let mut worker = Command::new(worker)
                    .stdin(Stdio::piped())
                    .spawn()
                    .expect("the worker");
                let mut stdin = worker.stdin.take().expect("piped");
                stdin.write_all(&said).expect("the worker reads");
                hang();
            }
            "knock" => {
                let socket = args.next().expect("a socket");
                let said = std::fs::read(args.next().expect("a file")).expect("the file");
                let mut socket = UnixStream::connect(socket).expect("a listener");
                writeln!(stdout, "knocked").expect("a reader");
                // Refused at the door, it may be closed before anything is said.
                let _ = socket.write_all(&said);
                let _ = std::io::copy(&mut socket, &mut stdout);
            }
            "exit" => {
                let code: u8 = args.next().expect("a code").parse().expect("a code");
                return ExitCode::from(code);
            }
            "hang" => {
                stdout.flush().expect("a reader");
                hang();
            }
            other => panic!("unknown deed {other}"),
        }
        stdout.flush().ok();
    }
    ExitCode::SUCCESS
}

/// Starts this program again; with `orphan` through a process that ends at once.
fn start(deed: &str, orphan: bool) {
    let me = std::env::current_exe().expect("this program");
    if orphan {
        // A shell in between, which ends at once, so that the new process loses its parent.
        let status = Command::new("/bin/sh")
            .args(["-c", "\"$0\" \"$1\" & exit 0"])
            .arg(me)
            .arg(deed)
            .status()
            .expect("a shell");
        assert!(status.success());
    } else {
        Command::new(me)
            .arg(deed)
            .stdin(Stdio::null())
            .spawn()
            .expect("this program");
    }
}

fn ignore_term() {
    // SAFETY: setting a signal to be ignored runs no code of ours.
    unsafe {
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

fn close_output() {
    let null = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .expect("/dev/null");
    rustix::stdio::dup2_stdout(&null).expect("a descriptor");
    rustix::stdio::dup2_stderr(&null).expect("a descriptor");
}

/// Reads a pipe that nobody writes to or closes.
fn hang() -> ! {
    let (mut reader, _writer) = std::io::pipe().expect("a pipe");
    loop {
        let _ = reader.read(&mut [0]);
    }
}
