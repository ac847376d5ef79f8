//! What an adapter is in Rust: two traits, told inputs, answering effects.
//!
//! An adapter starts no process, keeps no thread, writes nothing and asks no clock; the one thing
//! that it may do itself is read the scene's files in an `inspect` session. Given the same inputs
//! it answers the same effects, because after a crash everything is told again.

use crate::data::{Description, Failure, Input, Open};
use crate::effects::Effects;

/// One renderer's adapter. It holds no state; sessions do.
pub trait Adapter {
    /// Who it is and what its renderer can do.
    fn describe(&self) -> Description;

    /// Begins a session. Effects put into `out` are done at once: a `probe` asks for its process
    /// here, an `inspect` that only reads a file concludes here.
    ///
    /// # Errors
    /// When the session cannot be opened at all, e.g. an activity that is not supported. A
    /// renderer that fails is no error, but the effect [`Failed`](crate::data::Effect::Failed).
    fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure>;
}

/// One session: a state machine over inputs.
pub trait Session {
    /// Is told what happened, in order, and says what shall be done. `at_s` counts from `open`
    /// and is the only clock.
    fn step(&mut self, at_s: f64, inputs: Vec<Input>, out: &mut Effects);
}
