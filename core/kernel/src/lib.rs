//! The farm as a deterministic function of its events.
//!
//! This crate decides: what is sent where, what is cut, what is tried again, what wins, what is
//! given up, and how far the whole is from the best that any schedule could do. It has no clock,
//! no files, no threads, no environment and no chance; all that comes in as arguments. So the real
//! run, `plan`, `simulate` and a replay are the same function of the same events.
//!
//! # How to drive it
//! ```
//! use framewright_kernel::event::{Action, Event, Outcome};
//! use framewright_kernel::frames::FrameSet;
//! use framewright_kernel::hosts::HostSpec;
//! use framewright_kernel::ids::{HostId, LayerId, SegmentId};
//! use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
//! use framewright_kernel::policy::{Limits, Pace, Policy};
//! use framewright_kernel::time::{Span, Time};
//! use framewright_kernel::Farm;
//!
//! let frames: FrameSet = "1-3".parse()?;
//! let job = Job::new(JobSpec {
//!     layers: vec![LayerSpec { weight: 1.0, ..LayerSpec::default() }],
//!     tasks: frames.iter().map(|frame| TaskSpec::new(LayerId(0), frame)).collect(),
//!     costs: Costs { load: Span::from_secs(60), call: Span::ZERO, frame: Span::from_secs(20) },
//!     kept: true,
//!     policy: Policy::Auto,
//!     limits: Limits::default(),
//!     pace: Pace::default(),
//!     first_segment: SegmentId(1),
//! })?;
//! let mut farm = Farm::new(job, vec![HostSpec::default()]);
//!
//! let mut now = Time::ZERO;
//! let mut inbox = vec![Event::HostUp { host: HostId(0) }];
//! while farm.outcome().is_none() {
//!     for event in inbox.drain(..) {
//!         farm.handle(now, &event);
//!     }
//!     for action in farm.drain() {
//!         match action {
//!             // A renderer that needs no time.
//!             Action::Send { segment, leases, .. } => {
//!                 for (task, _attempt) in leases {
//!                     inbox.push(Event::TaskBegun { segment, task });
//!                     inbox.push(Event::Rendered { segment, task, took: Span::ZERO });
//!                 }
//!                 inbox.push(Event::SegmentOver { segment });
//!             }
//!             Action::Commit { segment, task } => inbox.push(Event::Committed { segment, task }),
//!             Action::Finished { outcome } => assert_eq!(outcome, Outcome::Done),
//!             other => panic!("unexpected: {other:?}"),
//!         }
//!     }
//!     // A real caller waits for the next event, at most until `farm.next_alarm()`, and then
//!     // handles `Event::Tick`.
//!     now = now + Span::from_secs(1);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//! | module | what is there |
//! |---|---|
//! | [`frames`] | `--frames`: [`frames::FrameSet`], parsed and printed |
//! | [`ids`], [`time`] | numbers with a meaning |
//! | [`job`], [`hosts`], [`policy`] | what is to be done, where, and how |
//! | [`event`] | [`event::Event`] in, [`event::Action`] out, and the caller's side of the contract |
//! | [`farm`] | [`Farm`]: `handle`, `drain`, `next_alarm`, and what readers may ask |
//! | [`bound`] | [`bound::lower_bound`]: no schedule ends sooner |
//! | [`sim`] | the same farm in virtual time: `plan`, `simulate`, seeded worlds with faults |

pub mod bound;
pub mod event;
pub mod farm;
pub mod frames;
pub mod hosts;
pub mod ids;
pub mod job;
pub mod policy;
pub mod sim;
pub mod time;

pub use farm::Farm;
