//! A launcher whose link is cut at a given byte: `relay-for-tests FOLDER COMMAND…`.
//!
//! Each start takes the first line of `FOLDER/cuts`: `up BYTES` (the link breaks when so many went
//! to the command), `down BYTES` (when so many came from it), `silent BYTES` (when so many went to
//! it nothing passes any more, and nothing ends). Without a line nothing is cut. How many bytes went to
//! the command is added to `FOLDER/up` as a line, at the latest when the link breaks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Held while this process counts and while it ends, so that no byte passes uncounted.
static GATE: Mutex<u64> = Mutex::new(0);

fn main() {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().expect("a folder"));
    let program = words.next().expect("a command");
    let cut = take_cut(&folder);
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut to = child.stdin.take().expect("piped");
    let mut from = child.stdout.take().expect("piped");
    let limit = |kind: &str| {
        cut.as_ref()
            .filter(|(k, _)| k == kind)
            .map(|(_, bytes)| *bytes)
    };
    let (up, down, silent) = (limit("up"), limit("down"), limit("silent"));
    let there = folder.clone();
    std::thread::spawn(move || {
        pass(
            &mut io::stdin(),
            &mut to,
            up.or(silent),
            &there,
            silent.is_some(),
            true,
        );
        drop(to);
    });
    pass(&mut from, &mut io::stdout(), down, &folder, false, false);
    let _ = child.wait();
    end(&folder);
}

fn take_cut(folder: &Path) -> Option<(String, u64)> {
    let path = folder.join("cuts");
    let text = std::fs::read_to_string(&path).ok()?;
    let (first, rest) = text.split_once('\n')?;
    std::fs::write(&path, rest).expect("the list is ours");
    let (kind, bytes) = first.split_once(' ')?;
    Some((kind.to_owned(), bytes.parse().expect("a number")))
}

fn pass(
    from: &mut impl Read,
    to: &mut impl Write,
    limit: Option<u64>,
    folder: &Path,
    hold: bool,
    counted: bool,
) {
    let mut chunk = vec![0; 64 << 10];
    let mut passed = 0_u64;
    loop {
        let room = limit.map_or(u64::MAX, |limit| limit - passed);
        if room == 0 {
            if hold {
                // Now, because this process may be killed; and not again, should it end by itself.
                let told = std::mem::take(&mut *GATE.lock().expect("nobody panics"));
                report(folder, told);
                loop {
                    std::thread::park();
                }
            }
            end(folder);
        }
        let most = chunk.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let Ok(count @ 1..) = from.read(&mut chunk[..most]) else {
            return;
        };
        let mut gate = GATE.lock().expect("nobody panics");
        if to
            .write_all(&chunk[..count])
            .and_then(|()| to.flush())
            .is_err()
        {
            return;
        }
        passed += count as u64;
        if counted {
            *gate += count as u64;
        }
    }
}

fn report(folder: &Path, bytes: u64) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("up"))
        .expect("the folder is ours");
    writeln!(file, "{bytes}").expect("there is room");
}

/// Breaks both ways at once.
#[expect(
    clippy::disallowed_methods,
    reason = "a launcher that is killed runs no destructors either"
)]
fn end(folder: &Path) -> ! {
    let gate = GATE.lock().expect("nobody panics");
    report(folder, *gate);
    std::process::exit(0)
}
