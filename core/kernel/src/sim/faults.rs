//! What goes wrong in a world. Probabilities are per attempt unless said otherwise.

use super::Rng;
use crate::time::Span;

/// What goes wrong, and how often. The default is: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Where chance begins.
    pub seed: u64,
    /// An attempt fails somewhere on its way, for a reason that may pass.
    pub fails: f64,
    /// An attempt shows that the scene is wrong.
    pub unrenderable: f64,
    /// An attempt runs out of memory.
    pub out_of_memory: f64,
    /// A segment finds no licence, and fails as a whole.
    pub no_licence: f64,
    /// The renderer dies without a word, at the beginning of a segment or between two tasks.
    pub dies: f64,
    /// An attempt never ends.
    pub hangs: f64,
    /// An attempt takes longer,
    pub slow: f64,
    /// this many times as long; 0 = ten times.
    pub slow_times: f64,
    /// A rendered picture is told of again later, under the same segment.
    pub doubled: f64,
    /// A commit fails.
    pub commit_fails: f64,
    /// A commit finds the disk full.
    pub disk_full: f64,
    /// Hosts lost for each hour that a host is up.
    pub host_losses_per_hour: f64,
    /// How long it takes until the loss of a host is noticed.
    pub host_notice: Span,
    /// How long a lost host stays away after that.
    pub host_away: Span,
    /// A lost host never comes back.
    pub host_gone: f64,
    /// A host never comes up in the first place; the farm is told so, late.
    pub host_absent: f64,
    /// A lost host goes on for itself, and what it renders is told of later.
    pub host_goes_on: f64,
    /// A slot is closed for a while; each may be, several times.
    pub slot_closes: f64,
    /// Longest time that it stays closed.
    pub closed_max: Span,
    /// The connection to a host is lost for a while; each may be, several times.
    pub host_falls_silent: f64,
    /// Longest time that it is silent.
    pub silent_max: Span,
    /// A silent host breaks down, or comes up anew, before it is heard again.
    pub silence_breaks: f64,
    /// A host like one that is there joins; once for each at most.
    pub host_joins: f64,
    /// A host leaves: its slots are closed, and once they have run empty it is lost for good.
    pub host_leaves: f64,
    /// A committed picture turns out bad when it is put together with others, once.
    pub reopens: f64,
    /// Longest time until that is found.
    pub assembly_max: Span,
    /// How long after the start slots are closed, and hosts fall silent, join and leave.
    pub unrest: Span,
    /// Longest time that a message takes.
    pub message_s_max: f64,
    /// The user stops the job after so many seconds; 0 = never.
    pub drain_after_s: f64,
    /// The user stops the job now after so many seconds; 0 = never.
    pub cancel_after_s: f64,
}

impl Faults {
    /// Some kinds of faults, each strong or absent, as the seed wants: a world with everything at
    /// once hides what a few kinds do together.
    #[must_use]
    pub fn swarm(seed: u64, task: Span) -> Faults {
        let mut rng = Rng::new(seed);
        let mut some = |most: f64| {
            if rng.chance(0.4) {
                rng.between(0.0, most)
            } else {
                0.0
            }
        };
        let hour = 3600.0 / task.as_secs_f64().max(1e-6);
        Faults {
            seed,
            fails: some(0.3),
            unrenderable: some(0.03),
            out_of_memory: some(0.2),
            no_licence: some(0.3),
            dies: some(0.2),
            hangs: some(0.1),
            slow: some(0.2),
            slow_times: 0.0,
            doubled: some(0.5),
            commit_fails: some(0.2),
            disk_full: some(0.02),
            host_losses_per_hour: some(0.05) * hour,
            host_notice: Span::ZERO,
            host_away: Span::from_secs_f64(task.as_secs_f64() * some(20.0)),
            host_gone: some(0.3),
            host_absent: some(0.5),
            host_goes_on: some(1.0),
            message_s_max: task.as_secs_f64() * some(0.5),
            drain_after_s: task.as_secs_f64() * some(40.0),
            cancel_after_s: task.as_secs_f64() * some(40.0),
            slot_closes: some(0.5),
            closed_max: task.times(8),
            host_falls_silent: some(0.5),
            silent_max: task.times(15),
            silence_breaks: some(0.5),
            host_joins: some(0.7),
            host_leaves: some(0.5),
            unrest: task.times(30),
            reopens: some(0.2),
            assembly_max: task.times(3),
        }
    }
}
