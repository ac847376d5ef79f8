//! Where adapters are looked for, and which of them is meant.
//!
//! Folders, in this order (the first adapter with an id wins, later ones are listed as shadowed):
//!
//! 1. what was named explicitly (`--adapter-path`): folders, manifests or libraries;
//! 2. `FRAMEWRIGHT_ADAPTER_PATH`, separated by `:`, the same way;
//! 3. the project: `.framewright/adapters` in the working folder;
//! 4. `framewright/adapters` in `XDG_DATA_HOME`, then in each of `XDG_DATA_DIRS`;
//! 5. `../lib/framewright/adapters` beside the executable's folder;
//! 6. the build's own folder: `libframewright_ID.so` beside the executable.
//!
//! A folder holds adapters as subfolders with an `adapter.toml` each, or is one itself. Where a
//! manifest is missing (a library named explicitly, the build's own folder), the adapter's own
//! description takes its place, asked for in a child; elsewhere discovery runs no adapter code.
//! An entry that is broken is kept with its reason, so that it can be shown, and still shadows
//! what comes after it: another adapter must not step in unnoticed.
//!
//! Refuses to read the environment: whoever calls says what is in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::carrier::{AdapterProcess, Launcher};
use super::fault::AdapterFault;
use super::manifest::{Code, MANIFEST_BYTES_MAX, MANIFEST_NAME, Manifest, ManifestError};
use super::trust::{TrustError, Trusted, open_trusted};

/// Most entries that one folder may have; the rest is not looked at.
const ENTRIES_MAX: usize = 1000;

/// Where to look, and how to start what is found.
#[derive(Clone, Debug)]
pub struct SearchPlan {
    /// How adapters are started.
    pub launcher: Launcher,
    /// Folders, manifests and libraries, first.
    pub explicit: Vec<PathBuf>,
    /// From the environment variable.
    pub variable: Vec<PathBuf>,
    /// The project's folder.
    pub project: Option<PathBuf>,
    /// Folders of installed adapters.
    pub installed: Vec<PathBuf>,
    /// The folder of the executable.
    pub build: Option<PathBuf>,
}

/// What the environment says, as far as adapters are concerned.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `FRAMEWRIGHT_ADAPTER_PATH`.
    pub adapter_path: Option<OsString>,
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<OsString>,
    /// `XDG_DATA_DIRS`.
    pub xdg_data_dirs: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
    /// The working folder.
    pub working_folder: Option<PathBuf>,
    /// This executable.
    pub executable: Option<PathBuf>,
}

impl Surroundings {
    /// Asks for each variable by its name; `std::env::var_os` fits.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Surroundings {
            adapter_path: variable("FRAMEWRIGHT_ADAPTER_PATH"),
            xdg_data_home: variable("XDG_DATA_HOME"),
            xdg_data_dirs: variable("XDG_DATA_DIRS"),
            home: variable("HOME"),
            working_folder: None,
            executable: None,
        }
    }
}

impl SearchPlan {
    /// The folders that follow from the surroundings.
    #[must_use]
    pub fn new(launcher: Launcher, explicit: Vec<PathBuf>, around: &Surroundings) -> Self {
        let list = |text: &OsStr| -> Vec<PathBuf> {
            std::env::split_paths(text)
                .filter(|path| path.is_absolute())
                .collect()
        };
        let absolute = |text: &Option<OsString>| text.as_deref().and_then(|t| list(t).pop());
        let data_home = absolute(&around.xdg_data_home)
            .or_else(|| absolute(&around.home).map(|home| home.join(".local/share")));
        let data_dirs = around
            .xdg_data_dirs
            .as_deref()
            .map(list)
            .filter(|dirs| !dirs.is_empty())
            .unwrap_or_else(|| list(OsStr::new("/usr/local/share:/usr/share")));
        let executable_folder = around.executable.as_deref().and_then(Path::parent);
        let installed = data_home
            .into_iter()
            .chain(data_dirs)
            .map(|folder| folder.join("framewright/adapters"))
            .chain(
                executable_folder
                    .and_then(Path::parent)
                    .map(|prefix| prefix.join("lib/framewright/adapters")),
            )
            .collect();
        SearchPlan {
            launcher,
            explicit,
            variable: around
                .adapter_path
                .as_deref()
                .map(|text| std::env::split_paths(text).collect())
                .unwrap_or_default(),
            project: around
                .working_folder
                .as_deref()
                .map(|folder| folder.join(".framewright/adapters")),
            installed,
            build: executable_folder.map(Path::to_owned),
        }
    }
}

/// Something that is, or was meant to be, an adapter.
#[derive(Debug)]
pub struct Candidate {
    /// Its id; of a broken one, the best guess.
    pub id: String,
    /// Its manifest, or its library where there is none.
    pub path: PathBuf,
    /// Which part of the search found it.
    pub origin: Origin,
    /// What is needed to start it, or why it cannot be.
    pub state: Result<Installed, CandidateError>,
    /// The candidate of the same id that was found first.
    pub shadowed_by: Option<PathBuf>,
}

/// Which part of the search found an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Named explicitly.
    Explicit,
    /// Named by the environment variable.
    Variable,
    /// The project's.
    Project,
    /// Installed for the user or the machine.
    Installed,
    /// Built beside the executable.
    Build,
}

/// An adapter that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What a scene file's name ends with, in lower case.
    pub extensions: Vec<String>,
    /// What is started.
    pub payload: Payload,
}

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A dynamic library, in a host child.
    Library {
        /// Its canonical path.
        path: PathBuf,
        /// Its BLAKE3 by the manifest, which the host child compares.
        hash: Option<String>,
    },
    /// A program that speaks the carrier itself.
    Command {
        /// Program and arguments; files of the adapter's folder by their canonical path.
        argv: Vec<OsString>,
        /// The manifest's folder, in which it runs.
        folder: PathBuf,
    },
}

/// Why a candidate cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// Its manifest or code could be somebody else's, or is not there.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Its manifest cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Its manifest makes no sense.
    #[error("{path} is no adapter manifest: {source}", path = path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// Its script is not the one that the manifest means.
    #[error("{path} has another hash than its manifest says: {found}", path = path.display())]
    Hash {
        /// The script.
        path: PathBuf,
        /// Its hash.
        found: String,
    },
    /// It could not describe itself.
    #[error(transparent)]
    Fault(#[from] Box<AdapterFault>),
    /// A path that was named holds nothing of the kind.
    #[error("{path} is neither a folder of adapters, nor an adapter.toml, nor a library", path = path.display())]
    Nothing {
        /// As named.
        path: PathBuf,
    },
}

/// Looks everywhere. The result is in the order of the search; broken and shadowed ones are in it.
pub async fn find_adapters(plan: &SearchPlan) -> Vec<Candidate> {
    let mut places = Vec::new();
    for (origin, paths) in [
        (Origin::Explicit, &plan.explicit),
        (Origin::Variable, &plan.variable),
    ] {
        for path in paths {
            places.extend(named(path).into_iter().map(|place| (origin, place)));
        }
    }
    let folders = plan
        .project
        .iter()
        .map(|folder| (Origin::Project, folder))
        .chain(
            plan.installed
                .iter()
                .map(|folder| (Origin::Installed, folder)),
        );
    for (origin, folder) in folders {
        places.extend(manifests(folder).into_iter().map(|place| (origin, place)));
    }
    if let Some(folder) = &plan.build {
        places.extend(libraries(folder).into_iter().map(|p| (Origin::Build, p)));
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for (origin, place) in places {
        let mut candidate = look_at(origin, place, &plan.launcher).await;
        let earlier = candidates
            .iter()
            .find(|known| known.shadowed_by.is_none() && known.id == candidate.id);
        if earlier.is_some_and(|known| known.path == candidate.path) {
            continue;
        }
        candidate.shadowed_by = earlier.map(|known| known.path.clone());
        candidates.push(candidate);
    }
    candidates
}

/// A place where an adapter seems to be.
enum Place {
    Manifest(PathBuf),
    Library(PathBuf),
    Nothing(PathBuf),
}

/// What lies at a path that a person named: never nothing.
fn named(path: &Path) -> Vec<Place> {
    let is_named = |name: &str| path.file_name() == Some(OsStr::new(name));
    if path.is_dir() {
        let mut places = manifests(path);
        places.extend(libraries(path));
        if !places.is_empty() {
            return places;
        }
    } else if is_named(MANIFEST_NAME) {
        return vec![Place::Manifest(path.to_owned())];
    } else if path.extension() == Some(OsStr::new("so")) {
        return vec![Place::Library(path.to_owned())];
    }
    vec![Place::Nothing(path.to_owned())]
}

/// The manifests of a folder of adapters, by name.
fn manifests(folder: &Path) -> Vec<Place> {
    let own = folder.join(MANIFEST_NAME);
    if own.exists() {
        return vec![Place::Manifest(own)];
    }
    entries(folder)
        .into_iter()
        .map(|entry| entry.join(MANIFEST_NAME))
        .filter(|manifest| manifest.exists())
        .map(Place::Manifest)
        .collect()
}

/// The adapters that a build left in a folder, by name; none where the folder has a manifest.
fn libraries(folder: &Path) -> Vec<Place> {
    if folder.join(MANIFEST_NAME).exists() {
        return Vec::new();
    }
    entries(folder)
        .into_iter()
        .filter(|entry| library_id(entry).is_some())
        .map(Place::Library)
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .take(ENTRIES_MAX)
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    paths
}

/// `toy` for `libframewright_toy.so`.
fn library_id(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let id = name.strip_prefix("libframewright_")?.strip_suffix(".so")?;
    Some(id.replace('_', "-"))
}

async fn look_at(origin: Origin, place: Place, launcher: &Launcher) -> Candidate {
    let (path, guess, state) = match place {
        Place::Manifest(path) => {
            let folder = path.parent().and_then(Path::file_name);
            let mut guess = folder.map(|name| name.to_string_lossy().into_owned());
            let state = read_manifest(&path).and_then(|(manifest, path)| {
                guess = Some(manifest.id.clone());
                installed(manifest, &path)
            });
            (path, guess, state)
        }
        Place::Library(path) => {
            let stem = || Some(path.file_stem()?.to_string_lossy().into_owned());
            let guess = library_id(&path).or_else(stem);
            let state = ask_library(&path, guess.as_deref(), launcher).await;
            (path, guess, state)
        }
        Place::Nothing(path) => {
            let state = Err(CandidateError::Nothing { path: path.clone() });
            (path, None, state)
        }
    };
    let id = match &state {
        Ok(installed) => installed.id.clone(),
        Err(_) => guess.unwrap_or_else(|| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default()
        }),
    };
    Candidate {
        id,
        path,
        origin,
        state,
        shadowed_by: None,
    }
}

/// A manifest that is trusted, and its canonical path.
fn read_manifest(path: &Path) -> Result<(Manifest, PathBuf), CandidateError> {
    let Trusted { file, path } = open_trusted(path)?;
    let read = |source| CandidateError::Read {
        path: path.clone(),
        source,
    };
    let mut text = String::new();
    file.take(MANIFEST_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(read)?;
    let manifest = Manifest::parse(&text).map_err(|source| CandidateError::Manifest {
        path: path.clone(),
        source,
    })?;
    Ok((manifest, path))
}

/// What a manifest says, with its code looked at.
fn installed(manifest: Manifest, path: &Path) -> Result<Installed, CandidateError> {
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let payload = match manifest.code {
        Code::Library(name) => Payload::Library {
            // The host child checks again, on the file that it loads.
            path: open_trusted(&folder.join(name))?.path,
            hash: manifest.hash,
        },
        Code::Command(argv) => Payload::Command {
            argv: resolve(&folder, &argv, manifest.hash.as_deref())?,
            folder,
        },
    };
    Ok(Installed {
        id: manifest.id,
        version: manifest.version,
        extensions: manifest.extensions,
        payload,
    })
}

/// Replaces the words of a command that are files in the adapter's folder by their checked paths.
/// The hash is that of the last such file.
fn resolve(
    folder: &Path,
    argv: &[String],
    hash: Option<&str>,
) -> Result<Vec<OsString>, CandidateError> {
    let mut script: Option<Trusted> = None;
    let mut resolved = Vec::new();
    for word in argv {
        let path = folder.join(word);
        if path.is_file() {
            let trusted = open_trusted(&path)?;
            resolved.push(trusted.path.clone().into_os_string());
            script = Some(trusted);
        } else {
            resolved.push(OsString::from(word));
        }
    }
    if let (Some(wanted), Some(script)) = (hash, script) {
        let found = hash_of(&script.file).map_err(|source| CandidateError::Read {
            path: script.path.clone(),
            source,
        })?;
        if found != wanted {
            return Err(CandidateError::Hash {
                path: script.path,
                found,
            });
        }
    }
    Ok(resolved)
}

/// What a manifest would say about a library that has none.
async fn ask_library(
    path: &Path,
    id: Option<&str>,
    launcher: &Launcher,
) -> Result<Installed, CandidateError> {
    let mut installed = Installed {
        id: id.unwrap_or("library").to_owned(),
        version: String::new(),
        extensions: Vec::new(),
        payload: Payload::Library {
            path: open_trusted(path)?.path,
            hash: None,
        },
    };
    let mut process = AdapterProcess::spawn(&installed, launcher)
        .await
        .map_err(Box::new)?;
    let description = process.describe().await.map_err(Box::new)?;
    installed.id = description.id;
    installed.version = description.version;
    installed.extensions = description
        .extensions
        .iter()
        .map(|extension| extension.to_lowercase())
        .collect();
    Ok(installed)
}

/// BLAKE3 of a file, in hex.
pub(super) fn hash_of(file: &File) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize().to_hex().to_string())
}
