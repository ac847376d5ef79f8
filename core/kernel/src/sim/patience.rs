//! That nothing waits without a reason: the auditor knows what may not be done, this one knows what
//! may not be left undone.
//!
//! A layer is *owed* a send while a task of it is ready, an idle slot of a host that takes work may
//! take it, none of the slots that may take it is busy, and nothing stands against it: the job is
//! not being stopped, no licence is waited for, no more scenes are being loaded than may be, and of
//! a layer that is not to be divided nothing is blocked. While some slot is busy, leaving another
//! idle can be wise: it may not be worth its load.
//!
//! What is owed is paid within one dispatch interval for each slot that may be sent to first, and the
//! time that a cut takes to be answered. And in the end nothing renders any more.

use thiserror::Error;

use crate::Farm;
use crate::farm::{Phase, Presence, SlotView};
use crate::ids::{LayerId, SlotId, TaskId};
use crate::time::{Span, Time};

/// Something was left undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Neglect {
    /// A ready task was left waiting beside an idle slot that may take it.
    #[error("task {task} is ready since {since}, and slot {slot} idles that may take it")]
    Starved {
        /// The task.
        task: TaskId,
        /// Which slot.
        slot: SlotId,
        /// Since when that is so.
        since: Time,
    },
    /// The job is over, everything was heard out, and a renderer still runs.
    #[error("the job is over, and a renderer still runs on slot {slot}")]
    LostSlot {
        /// Which slot.
        slot: SlotId,
    },
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    task: TaskId,
    slot: SlotId,
    since: Time,
}

/// A slot that asked for a part of another one's segment is not free before the answer is there,
/// though it does nothing: a cut to the victim, its answer, and whatever of that host comes before.
const CUT_MESSAGES: u64 = 4;

/// Watches what is owed.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// What each layer is owed.
    owed: Vec<Option<Owed>>,
    limit: Span,
    message: Span,
}

impl Patience {
    /// For a world in which no message takes longer than this.
    pub fn new(farm: &Farm, message: Span) -> Patience {
        let mut patience = Patience {
            owed: vec![None; farm.job().layers().len()],
            limit: Span::ZERO,
            message,
        };
        patience.count_slots(farm);
        patience
    }

    /// To be asked when a host has joined: more slots have their turn.
    pub fn count_slots(&mut self, farm: &Farm) {
        let turns = farm.slots().count() as u64 + 1;
        let interval = farm.job().pace().dispatch_interval;
        self.limit = interval.times(turns) + self.message.times(CUT_MESSAGES);
    }

    /// To be asked when the farm wants nothing more at this moment.
    pub fn watch(&mut self, farm: &Farm) -> Result<(), Neglect> {
        let now = farm.now();
        for index in 0..self.owed.len() {
            // Whether it is paid at this moment or not: it was owed until now.
            if let Some(owed) = self.owed[index]
                && now.since(owed.since) > self.limit
            {
                let Owed { task, slot, since } = owed;
                return Err(Neglect::Starved { task, slot, since });
            }
            let debt = Patience::debt(farm, LayerId::at(index));
            self.owed[index] = debt.map(|(task, slot)| Owed {
                task,
                slot,
                since: self.owed[index].map_or(now, |owed| owed.since),
            });
        }
        Ok(())
    }

    /// A task of this layer that might run, and where.
    fn debt(farm: &Farm, layer: LayerId) -> Option<(TaskId, SlotId)> {
        if !farm.takes_work() || farm.waits_for_licence().is_some() {
            return None;
        }
        let loading = |slot: &SlotId| matches!(farm.slot(*slot), SlotView::Loading { .. });
        let loads_max = farm.job().pace().loads_max.unwrap_or(u32::MAX);
        if farm.slots().filter(loading).count() >= loads_max as usize {
            return None;
        }
        let spec = &farm.job().layers()[layer.index()];
        let mut tasks = spec.range().map(TaskId);
        let undivided = spec.is_undivided() || farm.job().policy().is_undivided();
        let blocked = |task: TaskId| farm.task(task).phase == Phase::Blocked;
        if undivided && tasks.clone().any(blocked) {
            return None;
        }
        let task = tasks.find(|task| farm.task(*task).phase == Phase::Ready)?;
        let able = |slot: &SlotId| {
            let host = farm.host_of(*slot);
            farm.spec(host).can_take(spec.memory(), spec.tags())
        };
        let mut idle = None;
        for slot in farm.slots().filter(able) {
            let host = farm.host(farm.host_of(slot));
            let takes = farm.is_open(slot) && host.presence == Presence::Up;
            match farm.slot(slot) {
                SlotView::Away => {}
                SlotView::Idle { .. } => {
                    if takes && host.rest_until.is_none() {
                        idle = Some(slot);
                    }
                }
                SlotView::Loading { .. } | SlotView::Rendering { .. } => {
                    // A slot that takes nothing more is nothing to wait for, unless it has a part
                    // of what has to stay together.
                    if takes || undivided {
                        return None;
                    }
                }
            }
        }
        idle.map(|slot| (task, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::frames::Frame;
    use crate::hosts::{HostSpec, TagSet};
    use crate::ids::{HostId, SegmentId};
    use crate::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
    use crate::policy::{Limits, Pace, Policy};

    /// Two layers, each for a host of its own; the second host is sent to 100 s after the first.
    fn farm() -> Farm {
        let tags = [TagSet(1), TagSet(2)];
        let job = Job::new(JobSpec {
            layers: tags
                .map(|tags| LayerSpec {
                    tags,
                    ..LayerSpec::default()
                })
                .to_vec(),
            tasks: [0, 1]
                .map(|layer| TaskSpec::new(LayerId(layer), Frame(1)))
                .to_vec(),
            costs: Costs {
                load: Span::ZERO,
                call: Span::ZERO,
                frame: Span::from_secs(1_000),
            },
            kept: true,
            policy: Policy::Auto,
            limits: Limits::default(),
            pace: Pace {
                dispatch_interval: Span::from_secs(100),
                ..Pace::default()
            },
            first_segment: SegmentId(1),
        })
        .unwrap();
        let host = |tags| HostSpec {
            tags,
            ..HostSpec::default()
        };
        let mut farm = Farm::new(job, tags.map(host).to_vec());
        for host in [0, 1] {
            farm.handle(Time::ZERO, &Event::HostUp { host: HostId(host) });
        }
        assert_eq!(farm.drain().len(), 1, "one send each 100 s");
        farm
    }

    #[test]
    fn a_slot_that_idles_beside_a_task_for_it_is_seen() {
        let mut farm = farm();
        let mut patience = Patience {
            limit: Span::from_secs(10),
            ..Patience::new(&farm, Span::ZERO)
        };
        patience.watch(&farm).unwrap();
        farm.handle(Time::from_secs_f64(50.0), &Event::Tick);
        assert_eq!(
            patience.watch(&farm),
            Err(Neglect::Starved {
                task: TaskId(1),
                slot: SlotId(1),
                since: Time::ZERO,
            })
        );
    }

    #[test]
    fn what_waits_for_its_turn_is_not_neglected() {
        let mut farm = farm();
        let mut patience = Patience::new(&farm, Span::ZERO);
        patience.watch(&farm).unwrap();
        farm.handle(Time::from_secs_f64(100.0), &Event::Tick);
        assert_eq!(farm.drain().len(), 1);
        patience.watch(&farm).unwrap();
    }
}
