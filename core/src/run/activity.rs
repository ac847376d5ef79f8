//! `probe` and `inspect`: run something, read its lines, conclude.
//!
//! Both are one adapter session on one short-lived worker with one slot. The same go-between as
//! for rendering carries them; what differs is that a conclusion ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewright_plugin_api::data::{
    Activity, Effect, FORMAT, Found, Input, Open, Scene, Shot, Task, Verdict,
};
use framewright_worker::message::{FromWorker, RequestId, RunId, SlotId, ToWorker};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant as Deadline, timeout_at};

use super::paths::PathMap;
use super::session::{FromSession, Place, SessionHandle, SessionNumber};
use super::{Surroundings, link_spec};
use crate::adapters::{AdapterFault, Loaded};
use crate::link::{self, FromLink, Link, LinkError, LinkLife, LinkNews};
use crate::request::{HostEntry, LinkKind};

/// Longest time for one probe or inspection: opening a scene of many gigabytes over a slow file
/// server is minutes, more than this is a renderer that hangs.
const ACTIVITY_MAX: Duration = Duration::from_secs(30 * 60);
/// How long a renderer that is no longer wanted may take to end by itself.
const POLITE_MS: u32 = 500;
/// How long an adapter may think after the last of its processes ended.
const THINK_MAX: Duration = Duration::from_secs(15);
/// How long to wait for a worker's last word.
const BYE_MAX: Duration = Duration::from_secs(5);

/// Why there is no conclusion.
#[derive(Debug, Error)]
pub enum ActivityError {
    /// The host's worker could not be reached.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The worker ended in the middle.
    #[error("{0}")]
    Lost(String),
    /// The renderer is not installed there.
    #[error("host {host} has no {renderer}: {}", not_there(names))]
    NoProgram {
        /// Host's name.
        host: String,
        /// The renderer, as people write it.
        renderer: String,
        /// The names looked for.
        names: Vec<String>,
    },
    /// The adapter broke.
    #[error(transparent)]
    Adapter(Box<AdapterFault>),
    /// The adapter concluded that there is nothing to tell.
    #[error("{why}")]
    Failed {
        /// As a class.
        verdict: Verdict,
        /// As a sentence.
        why: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// The adapter let everything end without a conclusion.
    #[error("adapter {adapter} came to no conclusion about {subject}")]
    NoConclusion {
        /// The adapter.
        adapter: String,
        /// Scene or renderer.
        subject: String,
    },
    /// It took too long.
    #[error("{subject}: no answer from the renderer within {minutes} minutes")]
    TooLong {
        /// Scene or renderer.
        subject: String,
        /// The limit.
        minutes: u64,
    },
    /// No room for the scratch folder.
    #[error("cannot make a scratch folder in {folder}: {source}")]
    Scratch {
        /// Where.
        folder: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl From<AdapterFault> for ActivityError {
    fn from(fault: AdapterFault) -> Self {
        Self::Adapter(Box::new(fault))
    }
}

/// Why none of these programs was found.
pub(super) fn not_there(names: &[String]) -> String {
    match names {
        [path] if path.starts_with('/') => format!("there is no program {path}"),
        [name] => format!("{name} is not on its PATH"),
        names => format!("none of {} is on its PATH", names.join(", ")),
    }
}

/// What an activity found, with the notes said on the way.
#[derive(Clone, Debug)]
pub struct Concluded<T> {
    /// The conclusion.
    pub what: T,
    /// Notes for people.
    pub notes: Vec<String>,
    /// The renderer's executable that was used.
    pub program: String,
}

/// What to ask, and of whom.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The adapter.
    pub adapter: &'a Arc<Loaded>,
    /// The host.
    pub host: &'a HostEntry,
    /// Settings, already checked.
    pub settings: &'a BTreeMap<String, serde_json::Value>,
    /// Picture format; empty = the scene's own.
    pub output: &'a str,
}

/// Asks which renderer is on a host.
pub async fn probe(
    around: &Surroundings,
    question: &Question<'_>,
) -> Result<Concluded<Found>, ActivityError> {
    let subject = question.adapter.description().renderer.clone();
    match conclude(around, question, Activity::Probe, None, &subject, true).await? {
        (Effect::Found(what), notes, program) => Ok(Concluded {
            what,
            notes,
            program,
        }),
        _ => Err(no_conclusion(question, subject)),
    }
}

/// Asks what is in a scene.
pub async fn inspect(
    around: &Surroundings,
    question: &Question<'_>,
    scene: &str,
) -> Result<Concluded<Scene>, ActivityError> {
    let paths = PathMap::new(&question.host.paths);
    let there = paths.there(scene);
    match conclude(
        around,
        question,
        Activity::Inspect,
        Some(&there),
        scene,
        true,
    )
    .await?
    {
        (Effect::Scene(mut what), notes, program) => {
            for asset in &mut what.assets {
                asset.path = paths.here(&asset.path);
            }
            Ok(Concluded {
                what,
                notes,
                program,
            })
        }
        _ => Err(no_conclusion(question, scene.to_owned())),
    }
}

/// What rendering took, task by task.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// From the start of the renderer to where the scene was loaded, where the adapter said so.
    pub load_s: Option<f64>,
    /// Each task's seconds, in order.
    pub tasks_s: Vec<f64>,
}

/// Renders tasks one after the other, for what they take. Their pictures are thrown away; where one
/// fails, that is the error.
pub async fn time(
    around: &Surroundings,
    question: &Question<'_>,
    scene: &Scene,
    path: &str,
    tasks: Vec<Task>,
) -> Result<Timed, ActivityError> {
    let scratch = scratch(around)?;
    let mut look = Look::open(around, question, scratch.path(), true).await?;
    let deadline = Deadline::now() + ACTIVITY_MAX;
    let timed = look.time(question, scene, path, tasks);
    let result = timeout_at(deadline, timed).await;
    look.close().await;
    result.unwrap_or_else(|_| {
        Err(ActivityError::TooLong {
            subject: path.to_owned(),
            minutes: ACTIVITY_MAX.as_secs() / 60,
        })
    })
}

/// A folder for a look, which is removed with its handle.
fn scratch(around: &Surroundings) -> Result<tempfile::TempDir, ActivityError> {
    let folder = around.state_dir.join("scratch");
    let scratch_error = |source| ActivityError::Scratch {
        folder: folder.display().to_string(),
        source,
    };
    std::fs::create_dir_all(&folder).map_err(scratch_error)?;
    tempfile::Builder::new()
        .prefix("look-")
        .tempdir_in(&folder)
        .map_err(scratch_error)
}

/// Has the adapter read a scene by itself, where nobody was found who has the renderer.
pub(super) async fn read_alone(
    around: &Surroundings,
    question: &Question<'_>,
    scene: &str,
) -> Result<Concluded<Scene>, ActivityError> {
    match conclude(
        around,
        question,
        Activity::Inspect,
        Some(scene),
        scene,
        false,
    )
    .await?
    {
        (Effect::Scene(what), notes, program) => Ok(Concluded {
            what,
            notes,
            program,
        }),
        _ => Err(no_conclusion(question, scene.to_owned())),
    }
}

fn no_conclusion(question: &Question<'_>, subject: String) -> ActivityError {
    ActivityError::NoConclusion {
        adapter: question.adapter.description().id.clone(),
        subject,
    }
}

async fn conclude(
    around: &Surroundings,
    question: &Question<'_>,
    activity: Activity,
    scene: Option<&str>,
    subject: &str,
    needs_program: bool,
) -> Result<(Effect, Vec<String>, String), ActivityError> {
    let scratch = scratch(around)?;
    let mut look = Look::open(around, question, scratch.path(), needs_program).await?;
    let deadline = Deadline::now() + ACTIVITY_MAX;
    let result = timeout_at(deadline, look.ask(question, activity, scene)).await;
    look.close().await;
    match result {
        Ok(Ok(Some(conclusion))) => Ok((conclusion, look.notes, look.program)),
        Ok(Ok(None)) => Err(no_conclusion(question, subject.to_owned())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ActivityError::TooLong {
            subject: subject.to_owned(),
            minutes: ACTIVITY_MAX.as_secs() / 60,
        }),
    }
}

/// One look: a worker with one slot, and a session on it.
struct Look {
    link: Box<Link>,
    from_link: mpsc::Receiver<FromLink>,
    live: BTreeSet<RunId>,
    notes: Vec<String>,
    program: String,
}

impl Look {
    const SESSION: SessionNumber = SessionNumber(1);

    async fn open(
        around: &Surroundings,
        question: &Question<'_>,
        scratch: &Path,
        needs_program: bool,
    ) -> Result<Self, ActivityError> {
        let (news, mut from_link) = mpsc::channel(64);
        // Another machine's worker has a folder of its own.
        let scratch = match question.host.link {
            LinkKind::Ssh { .. } => String::new(),
            LinkKind::Local | LinkKind::Command(_) => scratch.display().to_string(),
        };
        let mut spec = link_spec(around, question.host, scratch);
        "look".clone_into(&mut spec.job);
        spec.slots = 1;
        // Nothing of a look is worth going on with alone, nor waiting for others.
        spec.grace = Duration::ZERO;
        spec.leased = false;
        spec.vitals = false;
        link::open(spec, LinkLife(0), news);
        let link = loop {
            match from_link.recv().await.map(|from| from.news) {
                Some(LinkNews::Opened(opened)) => break opened?,
                Some(LinkNews::Lost { why }) => return Err(ActivityError::Lost(why)),
                Some(LinkNews::Said(_) | LinkNews::Silent { .. } | LinkNews::Heard) => {}
                None => return Err(ActivityError::Lost("the link ended unheard".to_owned())),
            }
        };
        let mut look = Self {
            link,
            from_link,
            live: BTreeSet::new(),
            notes: Vec::new(),
            program: String::new(),
        };
        if !needs_program {
            return Ok(look);
        }
        match look.find_program(question).await {
            Ok(program) => {
                look.program = program;
                Ok(look)
            }
            Err(error) => {
                look.close().await;
                Err(error)
            }
        }
    }

    async fn find_program(&mut self, question: &Question<'_>) -> Result<String, ActivityError> {
        let description = question.adapter.description();
        let names = program_names(question.adapter, question.host);
        let request = RequestId(1);
        self.link.say(ToWorker::Which {
            request,
            names: names.clone(),
        });
        loop {
            match self.hear().await? {
                FromWorker::Program {
                    path: Some(path), ..
                } => return Ok(path),
                FromWorker::Program { path: None, .. } => {
                    return Err(ActivityError::NoProgram {
                        host: question.host.name.clone(),
                        renderer: description.renderer.clone(),
                        names,
                    });
                }
                _ => {}
            }
        }
    }

    async fn hear(&mut self) -> Result<FromWorker, ActivityError> {
        loop {
            match self.from_link.recv().await.map(|from| from.news) {
                Some(LinkNews::Said(message)) => return Ok(message),
                Some(LinkNews::Lost { why }) => return Err(ActivityError::Lost(why)),
                Some(LinkNews::Opened(_) | LinkNews::Silent { .. } | LinkNews::Heard) => {}
                None => return Err(ActivityError::Lost("the link ended unheard".to_owned())),
            }
        }
    }

    /// Runs the session to its conclusion; `None` when it comes to none.
    async fn ask(
        &mut self,
        question: &Question<'_>,
        activity: Activity,
        scene: Option<&str>,
    ) -> Result<Option<Effect>, ActivityError> {
        let scratch = self.link.hello.scratch_root.clone();
        let open = self.open_for(question, activity, scene);
        let place = Place {
            session: Self::SESSION,
            slot: SlotId(0),
            scratch,
        };
        let (news, mut from_session) = mpsc::channel::<FromSession>(64);
        let mut session = SessionHandle::start(Self::SESSION, question.adapter, open, news);
        // Only a live process can lead to more: without one, and after a time to think about the
        // end of the last one, nothing more will come.
        loop {
            tokio::select! {
                biased;
                heard = from_session.recv() => {
                    let Some(heard) = heard else { return Ok(None) };
                    if let Some(conclusion) = self.act(&place, heard.news?)? {
                        return Ok(Some(conclusion));
                    }
                }
                said = self.from_link.recv() => match said.map(|from| from.news) {
                    Some(LinkNews::Said(message)) => {
                        if let FromWorker::Exited { run, .. }
                            | FromWorker::NotStarted { run, .. } = &message
                        {
                            self.live.remove(run);
                        }
                        session.tell_from_worker(message);
                    }
                    Some(LinkNews::Lost { why }) => return Err(ActivityError::Lost(why)),
                    Some(LinkNews::Opened(_) | LinkNews::Silent { .. } | LinkNews::Heard) => {}
                    None => return Ok(None),
                },
                () = tokio::time::sleep(THINK_MAX), if self.live.is_empty() => {
                    return Ok(None);
                }
            }
        }
    }

    /// What a session of this look is opened with.
    fn open_for(&self, question: &Question<'_>, activity: Activity, scene: Option<&str>) -> Open {
        Open {
            format: FORMAT,
            activity,
            program: self.program.clone(),
            scene: scene.map(ToOwned::to_owned),
            scratch: self.link.hello.scratch_root.clone(),
            host: question.host.name.clone(),
            slot: 0,
            threads: 0,
            memory_bytes: question.host.memory_bytes,
            settings: question.settings.clone(),
            output: question.output.to_owned(),
            shot: None,
            paths: PathMap::new(&question.host.paths).pairs(),
            carry: serde_json::Value::Null,
        }
    }

    /// Renders the tasks as one segment.
    async fn time(
        &mut self,
        question: &Question<'_>,
        scene: &Scene,
        path: &str,
        tasks: Vec<Task>,
    ) -> Result<Timed, ActivityError> {
        let count = tasks.len();
        let scratch = self.link.hello.scratch_root.clone();
        let frames = || tasks.iter().map(|task| task.frame);
        let open = Open {
            threads: self.link.hello.cores,
            shot: frames()
                .min()
                .zip(frames().max())
                .map(|(first, last)| Shot { first, last }),
            carry: scene.carry.clone(),
            ..self.open_for(question, Activity::Render, Some(path))
        };
        let place = Place {
            session: Self::SESSION,
            slot: SlotId(0),
            scratch: scratch.clone(),
        };
        let tasks = tasks
            .into_iter()
            .map(|task| Task {
                output: format!("{scratch}/{}", task.output),
                ..task
            })
            .collect();
        let (news, mut from_session) = mpsc::channel::<FromSession>(64);
        let mut session = SessionHandle::start(Self::SESSION, question.adapter, open, news);
        session.tell(Input::Segment { segment: 1, tasks });
        let started = Instant::now();
        let mut since = started;
        let mut timed = Timed {
            load_s: None,
            tasks_s: Vec::with_capacity(count),
        };
        while timed.tasks_s.len() < count {
            tokio::select! {
                biased;
                heard = from_session.recv() => {
                    let Some(heard) = heard else { break };
                    let effects = heard.news?;
                    for effect in &effects {
                        match effect {
                            Effect::Loaded => {
                                since = Instant::now();
                                timed.load_s.get_or_insert((since - started).as_secs_f64());
                            }
                            Effect::TaskDone { verdict: Verdict::Succeeded, .. } => {
                                let now = Instant::now();
                                timed.tasks_s.push((now - since).as_secs_f64());
                                since = now;
                            }
                            Effect::TaskDone { verdict, why, .. } => {
                                return Err(ActivityError::Failed {
                                    verdict: *verdict,
                                    why: why.clone(),
                                    hint: String::new(),
                                });
                            }
                            _ => {}
                        }
                    }
                    self.act(&place, effects)?;
                }
                said = self.from_link.recv() => match said.map(|from| from.news) {
                    Some(LinkNews::Said(message)) => {
                        if let FromWorker::Exited { run, .. }
                            | FromWorker::NotStarted { run, .. } = &message
                        {
                            self.live.remove(run);
                        }
                        session.tell_from_worker(message);
                    }
                    Some(LinkNews::Lost { why }) => return Err(ActivityError::Lost(why)),
                    Some(LinkNews::Opened(_) | LinkNews::Silent { .. } | LinkNews::Heard) => {}
                    None => break,
                },
                () = tokio::time::sleep(THINK_MAX), if self.live.is_empty() => break,
            }
        }
        match timed.tasks_s.len() == count {
            true => Ok(timed),
            false => Err(no_conclusion(question, path.to_owned())),
        }
    }

    /// Does what the adapter wants; a conclusion ends the look.
    fn act(
        &mut self,
        place: &Place,
        effects: Vec<Effect>,
    ) -> Result<Option<Effect>, ActivityError> {
        for effect in effects {
            match effect {
                Effect::Run(run) => {
                    self.live.insert(place.session.run_id(run.run));
                    self.link.say(place.order(run));
                }
                Effect::Write { run, text } => {
                    self.link.say(ToWorker::Write {
                        run: place.session.run_id(run),
                        text,
                    });
                }
                Effect::Close { run } => {
                    self.link.say(ToWorker::CloseStdin {
                        run: place.session.run_id(run),
                    });
                }
                Effect::Kill { run } => {
                    let run = place.session.run_id(run);
                    self.link.say(ToWorker::Kill {
                        run,
                        polite_ms: POLITE_MS,
                    });
                }
                Effect::Note { text } => self.notes.push(text),
                Effect::Failed { verdict, why, hint } => {
                    return Err(ActivityError::Failed { verdict, why, hint });
                }
                conclusion @ (Effect::Scene(_) | Effect::Found(_)) => return Ok(Some(conclusion)),
                Effect::Loaded
                | Effect::Progress { .. }
                | Effect::Wrote { .. }
                | Effect::TaskDone { .. }
                | Effect::Kept { .. }
                | Effect::Cooled => {}
            }
        }
        Ok(None)
    }

    /// Ends the worker and everything it started, and waits until that is so.
    async fn close(&mut self) {
        self.link.say(ToWorker::Bye);
        let deadline = Deadline::now() + BYE_MAX;
        while let Ok(Some(from)) = timeout_at(deadline, self.from_link.recv()).await {
            if matches!(from.news, LinkNews::Lost { .. }) {
                return;
            }
        }
    }
}

/// Names under which a host's renderer is looked for: what the farm file says, or what the
/// adapter knows.
pub(super) fn program_names(adapter: &Loaded, host: &HostEntry) -> Vec<String> {
    let description = adapter.description();
    match host.programs.get(&description.id) {
        Some(path) => vec![path.clone()],
        None => description.programs.clone(),
    }
}
