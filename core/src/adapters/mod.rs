//! Adapters: found, trusted, loaded in children, spoken to, and survived.
//!
//! The way through this room:
//!
//! 1. [`SearchPlan::new`] from the command line and the [`Surroundings`];
//!    [`find_adapters`] looks, and runs no adapter code where a manifest tells enough.
//! 2. [`choose`] by id or by the scene's extension.
//! 3. [`Loaded::load`] starts the adapter once and asks who it is; [`check_settings`] checks what
//!    the user wants set against its schema.
//! 4. [`Loaded::open`] opens an [`AdapterSession`]; [`AdapterSession::step`] tells it inputs and
//!    answers effects. Each session has a process of its own, so 500 slots are 500 small ones.
//!
//! The process is `framewright adapter-host …`, which calls [`adapter_host_main`]; how it is
//! started is the [`Launcher`]'s business, so that tests can use a program of their own.
//!
//! The runtime needs its process and time drivers (`enable_all`): children are reaped by it.
//!
//! What holds here: no adapter code runs in this process; every call has a deadline; every
//! process that was started is killed with its group and reaped; an [`AdapterFault`] is one
//! sentence. What is refused: doing anything that an effect says. That is the caller's part.

mod carrier;
mod choose;
mod fault;
mod host;
mod manifest;
mod search;
mod session;
mod settings;
mod trust;

pub use carrier::{Deadlines, Launcher};
pub use choose::{ChooseError, Unusable, Wanted, choose};
pub use fault::{AdapterFault, Doing, Misdeed};
pub use host::adapter_host_main;
pub use manifest::{Code, MANIFEST_NAME, Manifest, ManifestError};
pub use search::{
    Candidate, CandidateError, Installed, Origin, Payload, SearchPlan, Surroundings, find_adapters,
};
pub use session::{
    AdapterSession, Loaded, RECORD_BYTES_MAX, RECORD_INPUTS_MAX, RESPAWNS_MAX, STEP_BYTES_MAX,
};
pub use settings::{SettingsError, check_settings};
pub use trust::{Problem, TrustError, Trusted, open_trusted};

use search::hash_of;
