//! What an adapter of framewright is written against.
//!
//! An adapter knows one renderer. It is a state machine: it is told inputs ([`data::Input`]) and
//! answers effects ([`data::Effect`]). It starts no process, keeps no thread, writes nothing; it is
//! tested on recorded logs ([`replay`]) with no renderer installed.
//!
//! * In Rust, as a dynamic library: implement [`Adapter`] and [`Session`], or the simpler
//!   [`command::CommandAdapter`] where a renderer is one command a segment or a task; then
//!   [`export_adapter!`].
//! * In Rust, as a program of its own: the same traits and [`stdio::serve`].
//! * In C or C++: `include/framewright_adapter.h`, whose comments are the manual ([`abi`] is its
//!   mirror).
//! * In any other language: a script that reads and prints JSON lines ([`stdio`] is the manual).
//!
//! ```
//! use framewright_plugin_api::data::{Activity, Description, Failure, Found, Input, Open, Run};
//! use framewright_plugin_api::{Adapter, Effects, Session};
//!
//! #[derive(Default)]
//! struct Toy;
//!
//! struct Probe;
//!
//! impl Adapter for Toy {
//!     fn describe(&self) -> Description {
//!         Description::new("toy", "0.1.0", "Toy")
//!     }
//!
//!     fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure> {
//!         if open.activity != Activity::Probe {
//!             return Err(Failure::new("unsupported", "the toy can only be probed"));
//!         }
//!         out.run(Run::new(1, [open.program.as_str(), "--version"]));
//!         Ok(Box::new(Probe))
//!     }
//! }
//!
//! impl Session for Probe {
//!     fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
//!         for input in inputs {
//!             if let Input::Line { text, .. } = input {
//!                 out.found(Found { version: text, notes: Vec::new() });
//!             }
//!         }
//!     }
//! }
//!
//! framewright_plugin_api::export_adapter!(Toy);
//! # fn main() {}
//! ```

pub mod abi;
pub mod command;
pub mod data;
pub mod export;
pub mod paths;
pub mod replay;
pub mod stdio;

mod adapter;
mod effects;
mod guard;

pub use adapter::{Adapter, Session};
pub use effects::Effects;
