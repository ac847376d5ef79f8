//! What comes of pictures when they are put together: some turn out bad, once each.

use super::{Happening, Runner};
use crate::event::{Event, Outcome};
use crate::ids::TaskId;
use crate::time::Span;

impl Runner {
    /// A picture is in its place. Whoever puts it together may let the job wait for that or not.
    pub(super) fn put_together(&mut self, task: TaskId) {
        let faults = self.world.faults;
        if faults.reopens <= 0.0 {
            return;
        }
        let bad = self.chance(faults.reopens) && !self.reopened.contains(&task);
        let held = self.chance(0.5);
        if !bad && !held {
            return;
        }
        if bad {
            self.reopened.insert(task);
        }
        if held {
            self.tell(Event::AssemblyBegun);
        }
        let most = faults.assembly_max.as_secs_f64();
        let at = self.now + Span::from_secs_f64(self.rng.between(0.0, most));
        self.clock
            .push(at, Happening::Assembled { task, bad, held });
        self.assembling += 1;
    }

    pub(super) fn assembled(&mut self, task: TaskId, bad: bool, held: bool) {
        self.assembling -= 1;
        if bad {
            self.trace.reopened += 1;
            self.tell(Event::Reopened { task });
        }
        if held {
            self.tell(Event::AssemblyOver);
        }
    }

    /// Whether a job that ended so may be opened again.
    pub(super) fn may_go_on(&self, outcome: Outcome) -> bool {
        let whole = matches!(outcome, Outcome::Done | Outcome::Failed);
        whole && self.assembling > 0
    }
}
