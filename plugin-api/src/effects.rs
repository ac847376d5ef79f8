//! Where a session puts its effects: a list with one method for each kind, so that adapter code
//! reads as what it does.

use crate::data::{Answer, Effect, Found, Run, Scene, Verdict};

/// The effects of one call, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    list: Vec<Effect>,
}

impl Effects {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Any effect.
    pub fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// Start a process when those asked for before have ended.
    pub fn run(&mut self, run: Run) {
        self.push(Effect::Run(run));
    }

    /// Write to a process's standard input.
    pub fn write(&mut self, run: u32, text: impl Into<String>) {
        self.push(Effect::Write {
            run,
            text: text.into(),
        });
    }

    /// Close a process's standard input.
    pub fn close(&mut self, run: u32) {
        self.push(Effect::Close { run });
    }

    /// End a process.
    pub fn kill(&mut self, run: u32) {
        self.push(Effect::Kill { run });
    }

    /// The scene is loaded.
    pub fn loaded(&mut self) {
        self.push(Effect::Loaded);
    }

    /// The renderer is no longer loaded.
    pub fn cooled(&mut self) {
        self.push(Effect::Cooled);
    }

    /// A task is being worked on; `fraction` is brought into 0 to 1.
    pub fn progress(&mut self, segment: u64, task: u32, fraction: f32) {
        let fraction = if fraction.is_nan() {
            0.0
        } else {
            fraction.clamp(0.0, 1.0)
        };
        self.push(Effect::Progress {
            segment,
            task,
            fraction,
        });
    }

    /// A task's picture is complete at `path`.
    pub fn wrote(&mut self, segment: u64, task: u32, path: impl Into<String>) {
        self.push(Effect::Wrote {
            segment,
            task,
            path: path.into(),
        });
    }

    /// A task has ended well.
    pub fn succeeded(&mut self, segment: u64, task: u32) {
        self.done(segment, task, Verdict::Succeeded, "");
    }

    /// A task has ended.
    pub fn done(&mut self, segment: u64, task: u32, verdict: Verdict, why: impl Into<String>) {
        self.push(Effect::TaskDone {
            segment,
            task,
            verdict,
            why: why.into(),
        });
    }

    /// How many tasks of a segment that was cut are or will be rendered.
    pub fn kept(&mut self, segment: u64, keep: u32) {
        self.push(Effect::Kept { segment, keep });
    }

    /// Conclusion of `inspect`.
    pub fn scene(&mut self, scene: Scene) {
        self.push(Effect::Scene(scene));
    }

    /// Conclusion of `probe`.
    pub fn found(&mut self, found: Found) {
        self.push(Effect::Found(found));
    }

    /// Nothing to tell, or every task not yet done fails.
    pub fn failed(&mut self, verdict: Verdict, why: impl Into<String>, hint: impl Into<String>) {
        self.push(Effect::Failed {
            verdict,
            why: why.into(),
            hint: hint.into(),
        });
    }

    /// Something people should know, which is no failure.
    pub fn note(&mut self, text: impl Into<String>) {
        self.push(Effect::Note { text: text.into() });
    }

    /// What was put in so far.
    #[must_use]
    pub fn as_slice(&self) -> &[Effect] {
        &self.list
    }

    /// Takes everything out and leaves the list empty.
    #[must_use]
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.list)
    }

    /// The document that carries them.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        Answer { effects: self.list }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_stays_a_fraction() {
        let mut out = Effects::new();
        for value in [f32::NAN, -1.0, 0.25, 7.0, f32::INFINITY] {
            out.progress(1, 2, value);
        }
        let seen: Vec<f32> = out
            .take()
            .into_iter()
            .map(|effect| match effect {
                Effect::Progress { fraction, .. } => fraction,
                other => panic!("unexpected {other:?}"),
            })
            .collect();
        assert_eq!(seen, [0.0, 0.0, 0.25, 1.0, 1.0]);
        assert!(out.as_slice().is_empty());
    }
}
