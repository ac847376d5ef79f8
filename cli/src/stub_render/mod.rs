//! The stub renderer: a program that behaves like a renderer and needs none.
//!
//! For whom: studios that test their submissions in CI, and this project's own tests of
//! scheduling. It loads a scene (time passes), renders frames (time passes, a picture is drawn
//! whose every pixel tells which layer, frame and place it belongs to), and goes wrong where the
//! scene says so. It refuses to guess: a scene that is not understood is an error with its line.
//!
//! Three ways to use it, one engine ([`render`]): `--session` is spoken to over standard input
//! ([`session`]), `--tasks FILE` has all its orders given, and plain `--frames` is for people
//! ([`hand`]). `--inspect` tells what a scene declares ([`inspect`]).
//!
//! Exit codes: 0 all done · 1 a frame failed or nobody listens · 2 bad usage, scene or order ·
//! 3 and 4 the faults `exit` and `licence` ([`fault`]).
//!
//! All knowledge of the scene format is here; the stub adapter asks this program.

mod args;
mod assets;
mod cost;
mod encode;
mod fault;
mod frames;
mod glyphs;
mod hand;
mod hash;
mod inspect;
mod picture;
mod render;
mod scene;
mod session;
mod task;
mod units;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;

use args::Args;
use hand::{Hand, Wish};
use render::{Leave, Renderer};
use scene::Scene;
use session::{MARK, Session, write_error};
use task::{Order, Task};

/// Bytes of reports that are gathered before they are passed on.
const OUT_BUFFER: usize = 64 * 1024;

/// Runs the stub renderer. `args` are those after `stub-render`.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let begin = Instant::now();
    let name = OsString::from("framewright stub-render");
    let args = match Args::try_parse_from(std::iter::once(name).chain(args)) {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too, and are printed on standard output.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut out = BufWriter::with_capacity(OUT_BUFFER, io::stdout());
    let leave = match Scene::read(&args.scene) {
        Ok(scene) => run(args, scene, begin, &mut out),
        Err(error) => refuse(&args, &mut out, &error.to_string(), error.hint()),
    };
    // Where nobody listens, there is nobody to tell.
    let _ = out.flush();
    ExitCode::from(leave.0)
}

fn run(args: Args, scene: Scene, begin: Instant, out: &mut impl Write) -> Leave {
    if args.inspect {
        return match inspect::document(&scene) {
            Ok(document) => written(tell(&args, &scene, &document, out)),
            Err(why) => refuse(&args, out, &why, "use fewer layers or shorter names"),
        };
    }
    if args.session && !args.sticky(scene.sticky) {
        return written(writeln!(out, "{MARK} not-sticky"));
    }
    let assets = match assets::read(&scene, &args.scene, &args.paths()) {
        Ok(assets) => assets,
        Err(why) => return refuse(&args, out, &why, "bring the scene's assets to this host"),
    };
    let style = args.exr_style();
    let errors = Box::new(io::stderr());
    if args.session {
        let renderer = Renderer {
            scene,
            host: args.host,
            style,
            assets,
        };
        return Session::reading(io::stdin(), out, errors).serve(&renderer, begin);
    }
    if let Some(file) = &args.tasks {
        return match read_tasks(file) {
            Ok(tasks) => {
                let renderer = Renderer {
                    scene,
                    host: args.host,
                    style,
                    assets,
                };
                Session::given(tasks, out, errors).serve(&renderer, begin)
            }
            Err(why) => refuse(&args, out, &why, "give one order a line"),
        };
    }
    let wish = Wish {
        frames: match &args.frames {
            Some(frames) => frames.iter().collect(),
            None => scene.frames.iter().collect(),
        },
        layers: if args.layers.is_empty() {
            vec![String::new()]
        } else {
            args.layers
        },
        tile: args.tile,
        attempt: args.attempt,
        output: args.output,
    };
    let renderer = Renderer {
        scene,
        host: args.host,
        style,
        assets,
    };
    Hand::new(out).serve(&renderer, &wish, begin)
}

/// What is in the scene: its assets, one a line, then all else.
fn tell(args: &Args, scene: &Scene, document: &str, out: &mut impl Write) -> io::Result<()> {
    for facts in assets::facts(scene, &args.scene)? {
        writeln!(out, "{MARK} asset {}", serde_json::to_string(&facts)?)?;
    }
    writeln!(out, "{MARK} {document}")
}

/// Says why nothing is rendered: to a program where one asked, else to people.
fn refuse(args: &Args, out: &mut impl Write, message: &str, hint: &str) -> Leave {
    if args.inspect || args.session || args.tasks.is_some() {
        let _ = write_error(out, message, hint);
    } else {
        let mut errors = io::stderr().lock();
        let _ = writeln!(errors, "error: {message}");
        if !hint.is_empty() {
            let _ = writeln!(errors, "hint: {hint}");
        }
    }
    Leave(2)
}

fn written(result: io::Result<()>) -> Leave {
    match result {
        Ok(()) => Leave(0),
        Err(error) => error.into(),
    }
}

/// The orders of a `--tasks` file.
fn read_tasks(path: &Path) -> Result<Vec<Task>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read orders {}: {error}", path.display()))?;
    text.lines()
        .map(|line| match task::parse(line)? {
            Order::Task(task) => Ok(task),
            Order::Cut(_) => Err("a cut cannot be given in advance".to_owned()),
        })
        .collect()
}
