//! What goes wrong, when, and what it looks like from outside.
//!
//! A fault happens when frame, layer and host match and the task's *attempt number* is at most
//! `times`. So nothing is counted on disk: the same attempt fails in the same way wherever and
//! whenever it is repeated, and attempt `times + 1` works.
//!
//! | kind | from outside |
//! |---|---|
//! | `crash` | half-way through the frame: SIGSEGV |
//! | `hang` | half-way: nothing happens any more; not even a closed standard input ends it |
//! | `exit` | half-way: an error line, exit code 3 |
//! | `licence` | at once: an error line that says so, exit code 4 |
//! | `oom` | half-way: an error line that says so, then SIGKILL, as the system would do it |
//! | `slow` | ten times the cost |
//! | `corrupt-output` | a third of the file is written, success is reported |
//! | `no-output` | nothing is written, success is reported |
//! | `wrong-pixels` | a whole file of the next frame's picture, success is reported |
//!
//! A fault with a place (`at = [x, y]`) happens only where the task renders that pixel: in one tile of
//! a frame, or in the whole of it.

use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

use super::scene::{Fault, FaultKind, LayerChoice, Scene};
use super::task::Task;

/// How many times dearer a slow frame is.
pub const SLOW_FACTOR: u32 = 10;
/// Exit code of the `exit` fault.
pub const EXIT_CODE: u8 = 3;
/// Exit code of the `licence` fault.
pub const LICENCE_EXIT_CODE: u8 = 4;

/// The fault that befalls this attempt, if any; the first in the scene wins.
pub fn of(scene: &Scene, host: &str, layer: LayerChoice<'_>, task: &Task) -> Option<FaultKind> {
    let renders = |[x, y]: [u32; 2]| {
        task.tile.is_none_or(|tile| {
            (tile.x..tile.x + tile.width).contains(&x)
                && (tile.y..tile.y + tile.height).contains(&y)
        })
    };
    let matches = |fault: &&Fault| {
        fault.frames.contains(task.frame)
            && fault.at.is_none_or(renders)
            && (fault.hosts.is_empty() || fault.hosts.iter().any(|h| h == host))
            && (fault.layers.is_empty()
                || match layer {
                    // All layers together also render the one that fails.
                    LayerChoice::All => true,
                    LayerChoice::One(layer) => fault.layers.contains(&layer.name),
                })
            && fault.times.is_none_or(|times| task.attempt <= times)
    };
    scene.faults.iter().find(matches).map(|fault| fault.kind)
}

/// Ends this process by a segmentation fault.
pub fn crash() -> ! {
    die_by(Signal::SEGV)
}

/// Ends this process as the system's out-of-memory killer does.
pub fn die_of_hunger() -> ! {
    die_by(Signal::KILL)
}

/// Does nothing any more.
pub fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn die_by(signal: Signal) -> ! {
    // A test that crashes on purpose leaves no core files behind.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Where this is refused, a core file is the worst that happens.
    let _ = setrlimit(Resource::Core, none);
    // Rust's own handler for stack overflows takes the first SIGSEGV, finds that it is none and
    // restores the default; the second one ends the process.
    for _ in 0..3 {
        let _ = kill_process(getpid(), signal);
        std::thread::yield_now();
    }
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::super::task::Rectangle;
    use super::*;
    use std::path::Path;

    fn attempt(frame: i32, layer: &str, attempt: u32) -> Task {
        Task {
            segment: 1,
            task: 1,
            layer: layer.to_owned(),
            frame,
            tile: None,
            attempt,
            output: Default::default(),
            needs: Vec::new(),
            reduced: 0,
        }
    }

    #[test]
    fn a_fault_strikes_its_frame_layer_host_and_attempts_only() {
        let scene = Scene::parse(
            "frames = \"1-20\"\nlayers = [{ name = \"x\" }, { name = \"y\" }]\n\
             [[fault]]\nframes = \"17\"\nkind = \"crash\"\ntimes = 2\nlayers = [\"x\"]\nhosts = [\"n1\"]\n\
             [[fault]]\nframes = \"3-4\"\nkind = \"slow\"\n",
            Path::new("t.stub.toml"),
        )
        .expect("a right scene");
        let of = |host, task: Task| {
            let layer = scene.layer(&task.layer).expect("a layer");
            of(&scene, host, layer, &task)
        };
        assert_eq!(of("n1", attempt(17, "x", 1)), Some(FaultKind::Crash));
        assert_eq!(of("n1", attempt(17, "x", 2)), Some(FaultKind::Crash));
        assert_eq!(of("n1", attempt(17, "", 1)), Some(FaultKind::Crash));
        assert_eq!(of("n1", attempt(17, "x", 3)), None);
        assert_eq!(of("n1", attempt(17, "y", 1)), None);
        assert_eq!(of("n2", attempt(17, "x", 1)), None);
        assert_eq!(of("n1", attempt(18, "x", 1)), None);
        assert_eq!(of("n1", attempt(4, "y", 99)), Some(FaultKind::Slow));
    }

    #[test]
    fn a_fault_with_a_place_strikes_the_tile_that_has_it() {
        let scene = Scene::parse(
            "frames = \"1\"\n[[fault]]\nframes = \"1\"\nkind = \"wrong-pixels\"\nat = [20, 5]\n",
            Path::new("t.stub.toml"),
        )
        .expect("a right scene");
        let of = |x: Option<u32>| {
            let mut task = attempt(1, "", 1);
            task.tile = x.map(|x| Rectangle {
                x,
                y: 0,
                width: 10,
                height: 6,
            });
            of(&scene, "n1", LayerChoice::All, &task)
        };
        assert_eq!(of(None), Some(FaultKind::WrongPixels));
        assert_eq!(of(Some(11)), Some(FaultKind::WrongPixels));
        assert_eq!(of(Some(10)), None);
        assert_eq!(of(Some(21)), None);
    }
}
