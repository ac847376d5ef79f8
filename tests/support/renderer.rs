//! Whether a renderer is on this machine.

use std::process::Command;

/// Whether this one is. Where it is not, that is said aloud, and fails in CI.
pub fn is_there(name: &str, program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "CI has no {name}");
        say_skip(name);
    }
    found
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
fn say_skip(name: &str) {
    eprintln!("SKIPPED: there is no {name} here, so nothing was tried with the real one");
}
