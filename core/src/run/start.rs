//! Making a job, or taking one up again, and handing it to the controller.

use std::collections::BTreeSet;
use std::path::PathBuf;

use framewright_kernel::frames::FrameSet;
use framewright_plugin_api::data::{Scene, Shot};
use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::mpsc;

use super::assembly::reels;
use super::controller::{Controller, Opened};
use super::farm;
use super::job::Job;
use super::pieces::merges_layers;
use super::plan::predicted_makespan;
use super::prepare::{Inspection, PrepareError, Prepared, check_renderer, load_adapter};
use super::remembered::remember;
use super::tasks::TaskList;
use super::transfer::package_if_staged;
use super::{RunEnd, RunError, Stop, Surroundings, versions};
use crate::adapters::check_settings;
use crate::event::{Event, Stamped};
use crate::output::{OutputError, OutputPattern, scene_stem};
use crate::request::Request;
use crate::split::Tiling;
use crate::store::journal::{JournalWriter, OpenError, Replace};
use crate::store::{
    AdapterIdentity, Claim, ClaimError, CreateError, FindError, JobFolder, JobFolderError, JobPlan,
    JobState, LockError, SceneIdentity, Settled, Store, SurveyError, TaskPhase, survey,
};

/// Why a job could not be started or did not end.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The request is wrong.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Files or folders of the output are in the way.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Another job writes there.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The job's folder cannot be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// There is no such job.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The job's folder cannot be read.
    #[error(transparent)]
    Folder(#[from] JobFolderError),
    /// Another controller has the job.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// Finished files cannot be checked.
    #[error(transparent)]
    Survey(#[from] SurveyError),
    /// The scene cannot be read any more.
    #[error("cannot read scene {}: {source}", path.display())]
    Scene {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The job's record does not fit this build.
    #[error("job {job} cannot be resumed: {why}")]
    Record {
        /// Which job.
        job: String,
        /// Why.
        why: String,
    },
    /// The run broke.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Makes a job of a settled request and renders it.
pub async fn render(
    around: &Surroundings,
    mut prepared: Prepared,
    stops: mpsc::UnboundedReceiver<Stop>,
    sink: &mut dyn FnMut(&Stamped),
) -> Result<RunEnd, RenderError> {
    check_renderer(&prepared)?;
    versions::check_here(around, &prepared).await?;
    let store = Store::at(&around.state_dir);
    reels::make_folders(&prepared.reels).map_err(PrepareError::from)?;
    if let Some(output) = &prepared.output {
        output.make_folders(&prepared.layers)?;
        let paths = names_wanted(output, &prepared);
        let paths = paths.iter().map(PathBuf::as_path);
        OutputPattern::check_free(paths, &BTreeSet::new(), replace(&prepared.request))?;
    }
    let package = package_if_staged(around, &mut prepared).await?;
    let scene = prepared.request.scene.clone();
    let identity =
        SceneIdentity::read(&scene, summary(&prepared.inspection.scene)).map_err(|source| {
            RenderError::Scene {
                path: scene.clone(),
                source,
            }
        })?;
    let read = identity.without_summary();
    let plan = JobPlan {
        request: prepared.request.clone(),
        adapter: adapter_identity(&prepared.inspection),
        scene: identity,
        settled: Settled {
            frames: prepared.frames.to_string(),
            layers: prepared.layers.clone(),
            tiling: prepared.tasks.tiling().map(Tiling::to_stored),
            output: prepared.output.as_ref().map(OutputPattern::to_stored),
        },
    };
    let stem = scene_stem(&scene, &prepared.inspection.description.extensions).to_owned();
    let (folder, _) = store.create_job(&stem, Timestamp::now(), plan)?;
    let lock = folder.lock()?;
    let claim = match claim(&store, &folder, &prepared) {
        Ok(claim) => claim,
        Err(error) => {
            // It never began, so nothing of it is worth keeping.
            let _ = std::fs::remove_dir_all(folder.path());
            return Err(error);
        }
    };
    let mut warnings = prepared.warnings.clone();
    if farm::policy(&prepared.request).is_sized() {
        // Where no plan can be made, the kernel will say so.
        let planned = super::plan::plan(&prepared);
        warnings.extend(planned.into_iter().flat_map(|plan| plan.warnings));
    }
    let job = Job {
        scratch: scratch(around, &folder, &prepared),
        prepared,
        folder,
        scene: read,
        own_paths: BTreeSet::new(),
        already_done: 0,
        warnings,
        package,
        _lock: lock,
        _claim: claim,
    };
    start(around, job, Vec::new(), stops, sink).await
}

/// Every name that a file of the job gets in the end.
fn names_wanted(output: &OutputPattern, prepared: &Prepared) -> Vec<PathBuf> {
    let tasks = &prepared.tasks;
    // Several layers in one file have one name a frame, whatever the layer.
    let merged = merges_layers(output, &prepared.layers);
    let layers: Vec<&str> = tasks
        .layers()
        .take(if merged { 1 } else { usize::MAX })
        .collect();
    let frames = tasks.frames();
    let pictures = layers
        .iter()
        .flat_map(|layer| frames.iter().map(|frame| output.path(layer, *frame)));
    let reels = prepared.reels.iter().map(|reel| reel.path.clone());
    pictures.chain(reels).collect()
}

/// Takes up a job that was interrupted.
pub async fn resume(
    around: &Surroundings,
    typed: &str,
    stops: mpsc::UnboundedReceiver<Stop>,
    sink: &mut dyn FnMut(&Stamped),
) -> Result<RunEnd, RenderError> {
    let store = Store::at(&around.state_dir);
    let folder = store.find_job(typed)?;
    let record = folder.record()?;
    let lock = folder.lock()?;
    // A controller that was killed may have left renderers of a worker that was killed with it.
    framewright_worker::sweep_job(folder.id().as_str());
    let (state, _) = folder.state()?;
    let plan = record.plan;
    let mut warnings = Vec::new();
    let unreadable = |source| RenderError::Scene {
        path: plan.scene.path.clone(),
        source,
    };
    let scene = if plan.scene.is_unchanged().map_err(unreadable)? {
        plan.scene.without_summary()
    } else {
        warnings.push(format!(
            "scene {} was changed since this job began; frames that are done are kept as they are",
            plan.scene.path.display()
        ));
        SceneIdentity::read(&plan.scene.path, serde_json::Value::Null).map_err(unreadable)?
    };
    let mut prepared = prepare_again(around, folder.id().as_str(), plan).await?;
    remember(around, &mut prepared);
    warnings.append(&mut prepared.warnings);
    reels::make_folders(&prepared.reels).map_err(PrepareError::from)?;
    if let Some(output) = &prepared.output {
        output.make_folders(&prepared.layers)?;
    }
    let package = package_if_staged(around, &mut prepared).await?;
    let survey = survey(&state, replace(&prepared.request))?;
    let claim = claim(&store, &folder, &prepared)?;
    let own_paths = survey.own_paths(&state);
    let job = Job {
        scratch: scratch(around, &folder, &prepared),
        prepared,
        folder,
        scene,
        own_paths,
        already_done: u32::try_from(survey.kept.len()).unwrap_or(u32::MAX),
        warnings,
        package,
        _lock: lock,
        _claim: claim,
    };
    // Attempts that nobody waits for any more.
    let _ = std::fs::remove_dir_all(&job.scratch);
    let lost = survey.events().cloned().collect();
    start(around, job, lost, stops, sink).await
}

/// Opens the journal, makes the kernel, runs the controller. `lost` takes commits back whose
/// files are gone.
async fn start(
    around: &Surroundings,
    job: Job,
    lost: Vec<Event>,
    stops: mpsc::UnboundedReceiver<Stop>,
    sink: &mut dyn FnMut(&Stamped),
) -> Result<RunEnd, RenderError> {
    let (report, done) = mpsc::unbounded_channel();
    let mut state = JobState::default();
    let (mut journal, found) = JournalWriter::open(
        &job.folder.journal_path(),
        |stamped| state.apply(&stamped),
        // The controller may be gone already when the last group is written.
        move |done| drop(report.send(done)),
    )?;
    let mut job = job;
    job.warnings.extend(found.warnings());
    for event in lost {
        let stamped = Stamped {
            time: Timestamp::now(),
            event,
        };
        state.apply(&stamped);
        journal.append(stamped).map_err(|error| RunError::Journal {
            why: error.to_string(),
        })?;
    }
    let done_tasks = done_tasks(&job, &state);
    let farm = farm::make(&job, &state, &done_tasks).map_err(|why| RenderError::Record {
        job: job.id().to_owned(),
        why,
    })?;
    let opened = Opened {
        predicted_makespan_s: predicted_makespan(&job.prepared, &farm),
        farm,
        journal,
        done,
        state,
    };
    Ok(Controller::run(around, &job, opened, stops, sink).await?)
}

/// Which tasks are committed, by number.
fn done_tasks(job: &Job, state: &JobState) -> Vec<bool> {
    job.tasks()
        .ids()
        .map(|task| {
            state
                .tasks()
                .get(&job.task_name(task))
                .is_some_and(|task| matches!(task.phase, TaskPhase::Done { .. }))
        })
        .collect()
}

/// What [`super::prepare()`] settled when the job was made.
async fn prepare_again(
    around: &Surroundings,
    job: &str,
    plan: JobPlan,
) -> Result<Prepared, RenderError> {
    let JobPlan {
        request,
        adapter,
        scene,
        settled,
    } = plan;
    let broken = |why: String| RenderError::Record {
        job: job.to_owned(),
        why,
    };
    let named = Request {
        adapter: Some(adapter.id),
        ..request.clone()
    };
    let (adapter, manifest) = load_adapter(around, &named).await?;
    let description = adapter.description().clone();
    let settings =
        check_settings(&description.settings, &request.settings).map_err(PrepareError::from)?;
    let summary: Scene = serde_json::from_value(scene.summary)
        .map_err(|error| broken(format!("its record of the scene is unreadable: {error}")))?;
    let frames: FrameSet = settled
        .frames
        .parse()
        .map_err(|error| broken(format!("its record of the frames is unreadable: {error}")))?;
    let tiling = settled.tiling.map(Tiling::from_stored).transpose();
    let tiling = tiling
        .map_err(|error| broken(format!("its record of the tiles is unreadable: {error}")))?;
    let output = settled
        .output
        .map(|output| OutputPattern::from_stored(&output))
        .transpose()?;
    let format = output
        .as_ref()
        .map_or_else(|| "none".to_owned(), |o| o.format().to_owned());
    let scene_path = request
        .scene
        .to_str()
        .ok_or_else(|| broken("its scene's path is not UTF-8".to_owned()))?
        .to_owned();
    let reels = reels::settle(&request, output.as_ref(), &settled.layers, frames.count());
    Ok(Prepared {
        reels: reels.map_err(PrepareError::from)?,
        tasks: TaskList::tiled(&settled.layers, &frames, tiling),
        why: String::new(),
        shot: Shot {
            first: frames.first().0,
            last: frames.last().0,
        },
        frames,
        layers: settled.layers,
        output,
        format,
        warnings: Vec::new(),
        inspection: Inspection {
            adapter,
            manifest,
            description,
            scene: summary,
            scene_path,
            settings,
            notes: Vec::new(),
            program: String::new(),
            no_renderer: None,
        },
        request,
        remembered: None,
        leaves_history: false,
    })
}

fn adapter_identity(inspection: &Inspection) -> AdapterIdentity {
    AdapterIdentity {
        id: inspection.description.id.clone(),
        version: inspection.description.version.clone(),
        manifest: inspection.manifest.clone(),
    }
}

fn summary(scene: &Scene) -> serde_json::Value {
    serde_json::to_value(scene).unwrap_or(serde_json::Value::Null)
}

fn claim(
    store: &Store,
    folder: &JobFolder,
    prepared: &Prepared,
) -> Result<Option<Claim>, RenderError> {
    match &prepared.output {
        Some(output) => Ok(Some(store.claim_output(&output.claim_key()?, folder.id())?)),
        None => Ok(None),
    }
}

/// Whether the user allows files to be replaced that this job did not write.
fn replace(request: &Request) -> Replace {
    if request.overwrite {
        Replace::Allowed
    } else {
        Replace::Never
    }
}

fn scratch(around: &Surroundings, folder: &JobFolder, prepared: &Prepared) -> PathBuf {
    match &prepared.output {
        Some(output) => output.scratch(folder.id()),
        None => around.state_dir.join("scratch").join(folder.id().as_str()),
    }
}
