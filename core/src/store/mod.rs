//! What framewright remembers: one folder a job, below one state directory.
//!
//! ```text
//! STATE/jobs/shot010-k3x9qa/job.json     what was asked for and how it was settled; never changes
//!                          /journal      every event, checksummed; the job's state is their fold
//!                          /lock         held by the controller as long as it lives
//!                          /logs/        what renderers printed, one file a segment
//! STATE/claims/HASH                      held while a job writes to one output pattern
//! STATE/history.sqlite                   what scenes cost; see [`crate::history`]
//! ```
//!
//! The store decides nothing about rendering and never reads the environment: the state directory
//! is an argument. It is the user's own and trusted as such; still no file in it, torn, damaged or
//! of a later version, may end a program otherwise than by a sentence.
//!
//! Invariant: nothing is acted upon before its record is on the disk (see [`journal`]).

mod claim;
mod durable;
mod folder;
mod job_id;
pub mod journal;
mod lock;
mod logs;
mod place;
mod record;
mod state;
mod survey;
#[cfg(test)]
pub(crate) mod test_plan;

pub use claim::{Claim, ClaimError};
pub(crate) use durable::is_disk_full;
pub use folder::{CreateError, FindError, JobFolder, JobFolderError, Listed, Listing, Store};
pub use job_id::JobId;
pub use lock::{JobLock, LockError};
pub use logs::{
    LogError, LogKind, LogLine, LogManifest, SegmentLog, SegmentText, Tries, read_logs,
};
pub use place::{NoStateDir, state_dir_default};
pub use record::{
    AdapterIdentity, JobPlan, JobRecord, SceneIdentity, Settled, StoredOutput, content_of,
};
pub use state::{
    End, Failure, HostState, JobState, PictureCounts, PicturePhase, PictureState, ReelPhase,
    ReelState, Standing, Status, TaskCounts, TaskPhase, TaskState, VERDICT_ASSEMBLY,
    VERDICT_COMMIT, VERDICT_LOST, takes_back,
};
pub use survey::{Kept, Lost, Survey, SurveyError, survey};
