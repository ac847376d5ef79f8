//! Adding hosts to a running job, and draining them, by asking its controller.
//!
//! Each host is an order of its own, and each answer is kept: of several hosts some may be taken
//! and others not. A job that does not run is left as it is.

use std::collections::BTreeSet;

use crate::control::{self, Answer, Request};
use crate::nearest::nearest;
use crate::request::HostEntry;
use crate::store::{JobFolder, JobFolderError, Standing, Status};

/// What a running job is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Take these hosts.
    Add(Vec<HostEntry>),
    /// Send these hosts nothing new, and let them go when what they have is done.
    Drain(Vec<String>),
}

/// What came of it for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The host.
    pub host: String,
    /// What the controller says; why not, where it refuses.
    pub answer: Result<String, String>,
}

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The job's folder cannot be understood.
    #[error(transparent)]
    Folder(#[from] JobFolderError),
    /// No controller works on the job.
    #[error("job {job} is not running, it is {}", status.as_str())]
    NotRunning {
        /// The job.
        job: String,
        /// How it is.
        status: Status,
    },
    /// A host that was taken from the job.
    #[error("host {name} has left job {job} already")]
    HasLeft {
        /// The job.
        job: String,
        /// The host.
        name: String,
    },
    /// A host that the job does not have.
    #[error("job {job} has no host `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    NoSuchHost {
        /// The job.
        job: String,
        /// As typed.
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The controller cannot be asked.
    #[error("job {job}: {why}")]
    Unanswered {
        /// The job.
        job: String,
        /// Why not.
        why: String,
    },
}

/// Gives an order to the job's controller; one answer a host, in the order's order.
///
/// # Errors
/// Where nothing, or no more, could be ordered.
pub async fn order(folder: &JobFolder, order: Order) -> Result<Vec<Told>, OrderError> {
    // The lock is looked at first: a controller that ends in between has then written its end.
    let is_held = folder.holder()?.is_some();
    let (listed, _) = folder.open()?;
    if !is_held || listed.status != Status::Running {
        return Err(OrderError::NotRunning {
            job: folder.id().to_string(),
            status: listed.status,
        });
    }
    let requests: Vec<(String, Request)> = match order {
        Order::Add(entries) => entries
            .into_iter()
            .map(|entry| {
                let entry = Box::new(entry);
                (entry.name.clone(), Request::HostAdd { entry })
            })
            .collect(),
        Order::Drain(names) => {
            let declared = listed.record.plan.request.hosts.iter();
            let mut known: BTreeSet<&str> = declared.map(|host| host.name.as_str()).collect();
            known.extend(listed.state.hosts().keys().map(String::as_str));
            known.retain(|name| listed.state.standing(name) != Some(Standing::Drained));
            for name in &names {
                if listed.state.standing(name) == Some(Standing::Drained) {
                    return Err(OrderError::HasLeft {
                        job: folder.id().to_string(),
                        name: name.clone(),
                    });
                }
                if !known.contains(name.as_str()) {
                    return Err(OrderError::NoSuchHost {
                        job: folder.id().to_string(),
                        name: name.clone(),
                        nearest: nearest(name, known.iter().copied()).map(str::to_owned),
                        known: known.iter().map(|name| (*name).to_owned()).collect(),
                    });
                }
            }
            names
                .into_iter()
                .map(|host| (host.clone(), Request::HostDrain { host }))
                .collect()
        }
    };
    let mut told = Vec::with_capacity(requests.len());
    for (host, request) in requests {
        let answer = match control::ask(folder.path(), &request).await {
            Ok(Answer::Done { text }) => Ok(text),
            Ok(Answer::Refused { why }) => Err(why),
            Ok(Answer::Explained(_)) => {
                return Err(unanswered(folder, "its controller answered something else"));
            }
            // What was ordered before stays ordered, and is said.
            Err(error) if !told.is_empty() => Err(error.to_string()),
            Err(error) => return Err(unanswered(folder, error.to_string())),
        };
        told.push(Told { host, answer });
    }
    Ok(told)
}

fn unanswered(folder: &JobFolder, why: impl Into<String>) -> OrderError {
    OrderError::Unanswered {
        job: folder.id().to_string(),
        why: why.into(),
    }
}
