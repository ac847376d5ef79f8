//! Settling a request: everything that can be known before the start is known here, and
//! everything that is wrong is refused here.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use framewright_kernel::frames::{FrameSet, FrameSetError};
use framewright_kernel::ids::TaskId;
use framewright_plugin_api::data::{Description, OutputFormat, Scene, Shot};
use thiserror::Error;

use super::Surroundings;
use super::activity::{self, ActivityError, Concluded, Question};
use super::assembly::reels::{self, Reel, ReelError};
use super::layout::{self, SplitError, Tiles, Wish};
use super::remembered::{Remembered, remember};
use super::tasks::TaskList;
use super::{farm, load_share};
use crate::adapters::{
    AdapterFault, ChooseError, Loaded, SettingsError, Wanted as WantedAdapter, check_settings,
    choose, find_adapters,
};
use crate::freight::PackageError;
use crate::output::{OutputError, OutputPattern, Wanted, scene_stem};
use crate::request::{HostEntry, LinkKind, Request, Storage};

/// Why a request cannot become a job. All of these are known before anything starts.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The scene cannot be read.
    #[error("cannot read scene {}: {source}", path.display())]
    Scene {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The scene is a folder, a device or the like.
    #[error("scene {} is {what}, not a file", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A path that adapters cannot be told.
    #[error("{what} {} is not valid UTF-8, which renderers' adapters need", path.display())]
    NotUtf8 {
        /// Scene or folder.
        what: &'static str,
        /// Which.
        path: PathBuf,
    },
    /// No adapter fits.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The adapter broke while it was asked who it is.
    #[error(transparent)]
    Adapter(Box<AdapterFault>),
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Looking into the scene failed.
    #[error(transparent)]
    Inspect(ActivityError),
    /// No host has the renderer.
    #[error("no host can render this job: {why}")]
    NoHost {
        /// The last host's reason.
        why: String,
        /// Whether the reason is that the renderer is not there.
        no_renderer: bool,
    },
    /// The frame set is wrong.
    #[error("frames `{typed}`: {source}")]
    Frames {
        /// As typed.
        typed: String,
        /// Why.
        source: FrameSetError,
    },
    /// It cannot be split so.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// What staged hosts would need cannot be gathered.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A film or a contact sheet could not be made in the end.
    #[error(transparent)]
    Reel(#[from] ReelError),
    /// The output pattern is wrong, or files are in the way.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl From<AdapterFault> for PrepareError {
    fn from(fault: AdapterFault) -> Self {
        Self::Adapter(Box::new(fault))
    }
}

/// What was found in a scene.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The adapter that looked.
    pub adapter: Arc<Loaded>,
    /// Its manifest, or its library where there is none.
    pub manifest: PathBuf,
    /// Who it is.
    pub description: Description,
    /// What it found.
    pub scene: Scene,
    /// The scene's path, as adapters are told.
    pub scene_path: String,
    /// Settings, checked.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// What it said on the way.
    pub notes: Vec<String>,
    /// The executable that was asked; empty where there was none.
    pub program: String,
    /// Why nobody who looked has the renderer, so that the adapter read the scene by itself.
    pub no_renderer: Option<String>,
}

/// A settled job, ready to be made and run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What was asked for.
    pub request: Request,
    /// What is in the scene.
    pub inspection: Inspection,
    /// Frames, settled.
    pub frames: FrameSet,
    /// Layers that are rendered apart; empty = the scene as it is.
    pub layers: Vec<String>,
    /// Why it is split as it is, in a sentence; empty where there was nothing to decide.
    pub why: String,
    /// Tasks.
    pub tasks: TaskList,
    /// Where pictures go; absent where the job writes none.
    pub output: Option<OutputPattern>,
    /// Picture format: an `OutputFormat::id`.
    pub format: String,
    /// Films and contact sheets, made at the end.
    pub reels: Vec<Reel>,
    /// First and last frame.
    pub shot: Shot,
    /// What people should know.
    pub warnings: Vec<String>,
    /// What earlier renders of the scene cost, where that is known and wanted.
    pub remembered: Option<Remembered>,
    /// Whether what this job costs is remembered.
    pub leaves_history: bool,
}

/// Looks into the request's scene on the first host that has the renderer.
pub async fn inspect_scene(
    around: &Surroundings,
    request: &Request,
) -> Result<Inspection, PrepareError> {
    let scene_path = readable(&request.scene)?;
    let (adapter, manifest) = load_adapter(around, request).await?;
    let description = adapter.description().clone();
    let settings = check_settings(&description.settings, &request.settings)?;
    let format = match formats(&description).is_empty() {
        true => String::new(),
        false => pattern(request, &description, None, &[])?
            .format()
            .to_owned(),
    };
    let mut reason = "the farm has no host".to_owned();
    let mut no_renderer = false;
    let lookers = who_looks(&request.hosts);
    for host in &lookers {
        let question = Question {
            adapter: &adapter,
            host,
            settings: &settings,
            output: &format,
        };
        match activity::inspect(around, &question, &scene_path).await {
            Ok(Concluded {
                what: scene,
                notes,
                program,
            }) => {
                return Ok(Inspection {
                    adapter,
                    manifest,
                    description,
                    scene,
                    scene_path,
                    settings,
                    notes,
                    program,
                    no_renderer: None,
                });
            }
            // Another host may have the renderer, or answer.
            Err(error @ (ActivityError::NoProgram { .. } | ActivityError::Link(_))) => {
                no_renderer = matches!(error, ActivityError::NoProgram { .. });
                reason = match no_renderer && host.name == THIS_MACHINE {
                    true => format!(
                        "this machine, which reads the scene for hosts whose files are staged, has no {}",
                        description.renderer
                    ),
                    false => error.to_string(),
                };
            }
            Err(error) => return Err(PrepareError::Inspect(error)),
        }
    }
    let here = lookers.first().filter(|host| host.link == LinkKind::Local);
    let Some(host) = here.filter(|_| description.can.reads_scenes) else {
        return Err(PrepareError::NoHost {
            why: reason,
            no_renderer,
        });
    };
    let question = Question {
        adapter: &adapter,
        host,
        settings: &settings,
        output: &format,
    };
    let read = activity::read_alone(around, &question, &scene_path).await;
    let read = read.map_err(PrepareError::Inspect)?;
    Ok(Inspection {
        adapter,
        manifest,
        description,
        scene: read.what,
        scene_path,
        settings,
        notes: read.notes,
        program: String::new(),
        no_renderer: Some(reason),
    })
}

/// Refuses a job whose hosts were all looked at and have no renderer. Staged ones are only looked at
/// when there is something to bring there.
pub(super) fn check_renderer(prepared: &Prepared) -> Result<(), PrepareError> {
    let hosts = &prepared.request.hosts;
    match &prepared.inspection.no_renderer {
        Some(why) if !hosts.iter().any(|host| host.storage == Storage::Staged) => {
            Err(PrepareError::NoHost {
                why: why.clone(),
                no_renderer: true,
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// Who looks into a scene where no host is this machine. No host of a farm can have this name.
const THIS_MACHINE: &str = "this machine";

/// Who may look into the scene, best first: this machine, where the file is and no connection is
/// needed, whether it renders or not; then hosts that see the same files. Staged hosts have the
/// scene only once it is known what belongs to it.
pub(super) fn who_looks(hosts: &[HostEntry]) -> Vec<HostEntry> {
    let is_here = |host: &&HostEntry| host.link == LinkKind::Local;
    let mut lookers: Vec<HostEntry> = hosts.iter().filter(is_here).cloned().collect();
    let is_command = |host: &HostEntry| matches!(host.link, LinkKind::Command(_));
    if lookers.is_empty() && !hosts.iter().all(is_command) {
        lookers.push(HostEntry::new(THIS_MACHINE, LinkKind::Local, 1));
    }
    let sees = |host: &&HostEntry| !is_here(host) && host.storage == Storage::Shared;
    lookers.extend(hosts.iter().filter(sees).cloned());
    lookers
}

/// The adapter that a request names, or that renders its scene; and where it is described.
pub(super) async fn load_adapter(
    around: &Surroundings,
    request: &Request,
) -> Result<(Arc<Loaded>, PathBuf), PrepareError> {
    let mut plan = around.adapters.clone();
    plan.explicit = request.adapter_path.clone();
    let found = find_adapters(&plan).await;
    let wanted = match &request.adapter {
        Some(id) => WantedAdapter::Id(id),
        None => WantedAdapter::Scene(&request.scene),
    };
    let installed = choose(&found, wanted)?;
    let loaded = Loaded::load(installed, &plan.launcher).await?;
    let named = found.iter().find(|candidate| candidate.id == installed.id);
    let manifest = named.map_or_else(PathBuf::new, |candidate| candidate.path.clone());
    Ok((Arc::new(loaded), manifest))
}

/// Formats that are files.
fn formats(description: &Description) -> Vec<&OutputFormat> {
    description
        .outputs
        .iter()
        .filter(|format| format.id != "none")
        .collect()
}

/// Where pictures go. Before the frames are known, whether the pattern tells them apart is not
/// checked.
pub(super) fn pattern(
    request: &Request,
    description: &Description,
    frames: Option<&FrameSet>,
    layers: &[String],
) -> Result<OutputPattern, OutputError> {
    OutputPattern::settle(&Wanted {
        typed: request.output.as_deref(),
        working_folder: &request.working_folder,
        stem: scene_stem(&request.scene, &description.extensions),
        formats: &description.outputs,
        frames: frames.map_or(1, |frames| {
            usize::try_from(frames.count()).unwrap_or(usize::MAX)
        }),
        layers,
    })
}

/// Settles a request.
pub async fn prepare(
    around: &Surroundings,
    mut request: Request,
) -> Result<Prepared, PrepareError> {
    know_own_memory(&mut request.hosts);
    // What is wrong with the words alone is said before a renderer is started.
    reels::check_words(&request)?;
    let typed_frames = request.frames.as_deref().map(frames).transpose()?;
    let inspection = inspect_scene(around, &request).await?;
    let mut prepared = settle(request, inspection, typed_frames)?;
    remember(around, &mut prepared);
    let glance = prepared.glance(around).await?;
    if prepared.decide(glance.as_ref())? {
        // By what is known of its layers, which are others now.
        prepared.remembered = None;
        remember(around, &mut prepared);
    }
    limit_load_share(&mut prepared);
    prepared.reels = reels::settle(
        &prepared.request,
        prepared.output.as_ref(),
        &prepared.layers,
        prepared.frames.count(),
    )?;
    Ok(prepared)
}

/// Settles an inspected request.
fn settle(
    request: Request,
    inspection: Inspection,
    typed_frames: Option<FrameSet>,
) -> Result<Prepared, PrepareError> {
    let scene = &inspection.scene;
    let frames = match typed_frames {
        Some(frames) => frames,
        None => scene_frames(scene)?,
    };
    let Wish { layers, tiles, .. } = layout::wish(&request, scene, &inspection.description)?;
    let tiling = match tiles {
        Tiles::Grid { columns, rows } => Some(layout::tiling(&request, scene, columns, rows)?),
        Tiles::Whole | Tiles::Auto => None,
    };
    let tasks = TaskList::tiled(&layers, &frames, tiling);
    let output =
        match writes_nothing(&request, scene) || formats(&inspection.description).is_empty() {
            true => None,
            false => Some(pattern(
                &request,
                &inspection.description,
                Some(&frames),
                &layers,
            )?),
        };
    let format = output
        .as_ref()
        .map_or_else(|| "none".to_owned(), |o| o.format().to_owned());
    let mut warnings = inspection.notes.clone();
    warnings.extend(scene.warnings.iter().cloned());
    warnings.extend(
        scene
            .assets
            .iter()
            .filter(|asset| asset.missing && !is_told(scene, &asset.path))
            .map(|asset| format!("{} is missing: {}", asset.kind, asset.path)),
    );
    let shot = Shot {
        first: frames.first().0,
        last: frames.last().0,
    };
    Ok(Prepared {
        request,
        frames,
        layers,
        why: String::new(),
        tasks,
        output,
        format,
        reels: Vec::new(),
        shot,
        warnings,
        inspection,
        remembered: None,
        leaves_history: false,
    })
}

/// Takes slots away that would spend more time on loading than the user wants, by what is known of
/// loads and costs, and says so.
fn limit_load_share(prepared: &mut Prepared) {
    let Some(share) = prepared.request.max_load_share else {
        return;
    };
    // What the kernel refuses is said by who asks it to plan or to render.
    let (Ok(spec), Ok(specs)) = (farm::job_spec(prepared), farm::hosts(prepared)) else {
        return;
    };
    let mut hosts = prepared.request.hosts.clone();
    let Some(told) = load_share::limit(share, spec, &specs, &mut hosts) else {
        return;
    };
    prepared.render_on(hosts);
    prepared.warnings.push(told);
}

/// Memory is a hard limit, and that of this machine need not be asked for over a link.
fn know_own_memory(hosts: &mut [HostEntry]) {
    let system = rustix::system::sysinfo();
    let bytes = system.totalram.saturating_mul(u64::from(system.mem_unit));
    for host in hosts.iter_mut().filter(|host| host.link == LinkKind::Local) {
        host.memory_bytes.get_or_insert(bytes);
    }
}

/// Whether the adapter has a sentence of its own about a file.
fn is_told(scene: &Scene, path: &str) -> bool {
    scene.warnings.iter().any(|text| text.contains(path))
}

fn frames(typed: &str) -> Result<FrameSet, PrepareError> {
    typed.parse().map_err(|source| PrepareError::Frames {
        typed: typed.to_owned(),
        source,
    })
}

fn scene_frames(scene: &Scene) -> Result<FrameSet, PrepareError> {
    let typed = if scene.step > 1 {
        format!("{}..{}x{}", scene.first, scene.last, scene.step)
    } else {
        format!("{}..{}", scene.first, scene.last)
    };
    frames(&typed)
}

/// The scene's path for adapters, if there is a file that can be read.
fn readable(scene: &Path) -> Result<String, PrepareError> {
    let fail = |source| PrepareError::Scene {
        path: scene.to_owned(),
        source,
    };
    let kind = std::fs::metadata(scene).map_err(fail)?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() {
            "a folder"
        } else {
            "no regular file"
        };
        return Err(PrepareError::NotAFile {
            path: scene.to_owned(),
            what,
        });
    }
    std::fs::File::open(scene).map_err(fail)?;
    scene
        .to_str()
        .map(ToOwned::to_owned)
        .ok_or_else(|| PrepareError::NotUtf8 {
            what: "scene",
            path: scene.to_owned(),
        })
}

/// The task numbers of priority frames.
pub(super) fn priority(request: &Request, tasks: &TaskList) -> Result<Vec<TaskId>, PrepareError> {
    let Some(typed) = request.priority.as_deref() else {
        return Ok(Vec::new());
    };
    let wanted = frames(typed)?;
    Ok(tasks
        .ids()
        .filter(|task| wanted.contains(framewright_kernel::frames::Frame(tasks.facts(*task).frame)))
        .collect())
}

/// Whether the job writes no files: the scene says so, and the user names none.
fn writes_nothing(request: &Request, scene: &Scene) -> bool {
    scene.output == "none" && request.output.is_none()
}
