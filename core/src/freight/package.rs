//! What a scene needs, file by file, each with its hash.
//!
//! A [`Package`] is made before anything starts, and making it is where missing files are named:
//! all of them, not the first one that a renderer stumbles on an hour later. A folder means every
//! file below it; symbolic links are followed, and what they lead to travels under the name that
//! the scene uses.
//!
//! Invariant: paths are absolute, without `.` and `..`, sorted, each once. A file that changed
//! while it was hashed is not in a package: the package is refused.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use framewright_plugin_api::data::Asset;
use framewright_worker::freight::message::{Blob, BlobFact};
use thiserror::Error;

use super::hashes::{HashCache, Stamp};

/// Most files of a package.
pub const FILES_MAX: usize = 1_000_000;
/// Missing files that are named; the others are counted.
const NAMED_MAX: usize = 10;
/// Threads that hash. More do not help: one reads as fast as most disks, and renders need the rest.
const THREADS_MAX: usize = 4;
/// Bytes hashed at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What is to be in a package.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// The scene.
    pub scene: &'a Path,
    /// What the adapter says it refers to.
    pub assets: &'a [Asset],
    /// What the user adds: paths and patterns (`--asset`), absolute.
    pub patterns: &'a [String],
}

/// Why there is no package. Each is one sentence.
#[derive(Debug, Error)]
pub enum PackageError {
    /// Files that the scene needs are not there.
    #[error("{}", missing(paths, *more))]
    Missing {
        /// The first few.
        paths: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// A pattern that matches nothing.
    #[error("--asset {pattern} matches no file")]
    NoMatch {
        /// Which.
        pattern: String,
    },
    /// A pattern that is none.
    #[error("--asset {pattern} is no pattern: {why}")]
    Pattern {
        /// Which.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A path that cannot travel as text.
    #[error("the path of an asset is not UTF-8: {}", path.display())]
    NotUtf8 {
        /// Which.
        path: PathBuf,
    },
    /// Neither a file nor a folder.
    #[error("the asset {} is neither a file nor a folder", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// It changed while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// Too much.
    #[error("the scene has more than {FILES_MAX} files")]
    TooMany,
    /// It cannot be read.
    #[error("cannot read the asset {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn missing(paths: &[String], more: usize) -> String {
    let count = paths.len() + more;
    let files = if count == 1 {
        "file that the scene needs is"
    } else {
        "files that the scene needs are"
    };
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{count} {files} missing: {}{rest}", paths.join(", "))
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Where it is here: what is opened.
    pub source: PathBuf,
    /// Its absolute path without `.` and `..`: where it lies below a tree.
    pub path: String,
    /// Hash, size and time.
    pub fact: BlobFact,
    /// What tells that it is still the file that was hashed.
    pub stamp: Stamp,
}

/// All that a scene needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    scene: String,
    files: Vec<Packed>,
    bytes: u64,
}

/// A package, and what people should know about how it came about.
#[derive(Debug)]
pub struct Gathered {
    /// The package.
    pub package: Package,
    /// How many of its files had to be read.
    pub hashed: usize,
    /// Sentences.
    pub warnings: Vec<String>,
}

impl Package {
    /// Finds and hashes everything. Reads files and blocks: for a thread of its own. `cancelled`
    /// is looked at now and then; what is returned then is not to be used.
    ///
    /// # Errors
    /// When something is missing, cannot be read, or changes meanwhile.
    pub fn gather(
        wishes: Wishes<'_>,
        cache: Option<&HashCache>,
        cancelled: &AtomicBool,
    ) -> Result<Gathered, PackageError> {
        let found = find(wishes)?;
        Self::of(place(wishes.scene)?, found, cache, cancelled)
    }

    /// These files and nothing else; a package without a scene.
    ///
    /// # Errors
    /// As [`Package::gather`].
    pub fn of_files(
        paths: &[PathBuf],
        cache: Option<&HashCache>,
        cancelled: &AtomicBool,
    ) -> Result<Gathered, PackageError> {
        Self::of(
            String::new(),
            find_all(paths.iter().cloned())?,
            cache,
            cancelled,
        )
    }

    fn of(
        scene: String,
        found: BTreeMap<String, Found>,
        cache: Option<&HashCache>,
        cancelled: &AtomicBool,
    ) -> Result<Gathered, PackageError> {
        let mut warnings = Vec::new();
        let (known, note) = match cache {
            Some(cache) => cache.recall(found.values().map(|file| &file.stamp)),
            None => (BTreeMap::new(), None),
        };
        warnings.extend(note);
        let wanted: Vec<&Found> = found
            .values()
            .filter(|file| !known.contains_key(&file.stamp))
            .collect();
        let fresh = hash_all(&wanted, cancelled)?;
        if let Some(cache) = cache {
            warnings.extend(cache.learn(&fresh));
        }
        let mut files = Vec::with_capacity(found.len());
        for (path, file) in found {
            let blob = known.get(&file.stamp).or_else(|| fresh.get(&file.stamp));
            let Some(blob) = blob.copied() else {
                // Only a cancelled search leaves one out.
                continue;
            };
            files.push(Packed {
                fact: BlobFact {
                    blob,
                    bytes: file.stamp.bytes,
                    mtime_ns: file.stamp.mtime_ns,
                },
                source: file.source,
                path,
                stamp: file.stamp,
            });
        }
        let package = Self {
            scene,
            bytes: files.iter().map(|file| file.fact.bytes).sum(),
            files,
        };
        Ok(Gathered {
            package,
            hashed: fresh.len(),
            warnings,
        })
    }

    /// The files, by path.
    #[must_use]
    pub fn files(&self) -> &[Packed] {
        &self.files
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the scene is in a tree.
    #[must_use]
    pub fn scene_on(&self, tree: &str) -> String {
        format!("{}{}", tree.trim_end_matches('/'), self.scene)
    }

    /// Where a file of this machine is in a tree; nothing for one that is not packed.
    #[must_use]
    pub fn path_on(&self, tree: &str, path: &Path) -> Option<String> {
        let path = place(path).ok()?;
        self.files
            .binary_search_by(|file| file.path.as_str().cmp(&path))
            .ok()?;
        Some(format!("{}{path}", tree.trim_end_matches('/')))
    }
}

/// A file before it is hashed.
struct Found {
    source: PathBuf,
    stamp: Stamp,
}

fn find_all(named: impl Iterator<Item = PathBuf>) -> Result<BTreeMap<String, Found>, PackageError> {
    let mut found = BTreeMap::new();
    let mut lost = Vec::new();
    for path in named {
        match std::fs::metadata(&path) {
            Ok(about) => add(&mut found, path, &about)?,
            Err(error) if is_missing(&error) => lost.push(path.to_string_lossy().into_owned()),
            Err(source) => return Err(PackageError::Read { path, source }),
        }
    }
    if !lost.is_empty() {
        lost.sort();
        lost.dedup();
        let more = lost.len().saturating_sub(NAMED_MAX);
        lost.truncate(NAMED_MAX);
        return Err(PackageError::Missing { paths: lost, more });
    }
    Ok(found)
}

fn find(wishes: Wishes<'_>) -> Result<BTreeMap<String, Found>, PackageError> {
    let named = std::iter::once(wishes.scene.to_path_buf())
        .chain(wishes.assets.iter().map(|asset| PathBuf::from(&asset.path)));
    let mut found = find_all(named)?;
    for pattern in wishes.patterns {
        for path in matches(pattern)? {
            let about = std::fs::metadata(&path).map_err(|source| PackageError::Read {
                path: path.clone(),
                source,
            })?;
            add(&mut found, path, &about)?;
        }
    }
    Ok(found)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether a pattern (`--asset`, absolute) matches anything now.
///
/// # Errors
/// When it is no pattern, or matches nothing.
pub fn check_pattern(pattern: &str) -> Result<(), PackageError> {
    matches(pattern).map(drop)
}

/// Text that as a pattern means itself.
#[must_use]
pub fn glob_escaped(text: &str) -> String {
    glob::Pattern::escape(text)
}

/// What a pattern means: the file or folder of that very name, else what it matches.
fn matches(pattern: &str) -> Result<Vec<PathBuf>, PackageError> {
    let literal = Path::new(pattern);
    if literal.exists() {
        return Ok(vec![literal.to_path_buf()]);
    }
    let paths = glob::glob(pattern).map_err(|error| PackageError::Pattern {
        pattern: pattern.to_owned(),
        why: error.msg.to_owned(),
    })?;
    let mut matched = Vec::new();
    for path in paths {
        let path = path.map_err(|error| PackageError::Read {
            path: error.path().to_path_buf(),
            source: error.into(),
        })?;
        if matched.len() == FILES_MAX {
            return Err(PackageError::TooMany);
        }
        matched.push(path);
    }
    if matched.is_empty() {
        return Err(PackageError::NoMatch {
            pattern: pattern.to_owned(),
        });
    }
    Ok(matched)
}

fn add(
    found: &mut BTreeMap<String, Found>,
    path: PathBuf,
    about: &Metadata,
) -> Result<(), PackageError> {
    if about.is_file() {
        let place = place(&path)?;
        let stamp = Stamp::of(&path, about)?;
        found.insert(
            place,
            Found {
                source: path,
                stamp,
            },
        );
        if found.len() > FILES_MAX {
            return Err(PackageError::TooMany);
        }
        return Ok(());
    }
    if !about.is_dir() {
        return Err(PackageError::NotAFile { path });
    }
    // Loops of links are found and reported by the walk.
    for entry in walkdir::WalkDir::new(&path).follow_links(true) {
        let entry = entry.map_err(|error| PackageError::Read {
            path: error.path().unwrap_or(&path).to_path_buf(),
            source: error.into(),
        })?;
        let kind = entry.file_type();
        if kind.is_file() {
            let about = entry.metadata().map_err(|error| PackageError::Read {
                path: entry.path().to_path_buf(),
                source: error.into(),
            })?;
            add(found, entry.into_path(), &about)?;
        }
        // Sockets and pipes below a folder are nobody's assets.
    }
    Ok(())
}

/// Where a file lies below a tree. `..` is taken off by name: on the host there are no links, so
/// what the scene's own text says leads there.
fn place(path: &Path) -> Result<String, PackageError> {
    let not_utf8 = || PackageError::NotUtf8 {
        path: path.to_path_buf(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(not_utf8)?),
            Component::ParentDir => {
                parts.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(parts.iter().fold(String::new(), |mut path, part| {
        path.push('/');
        path.push_str(part);
        path
    }))
}

/// Hashes files on a few threads.
fn hash_all(
    wanted: &[&Found],
    cancelled: &AtomicBool,
) -> Result<BTreeMap<Stamp, Blob>, PackageError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS_MAX).min(wanted.len());
    let next = AtomicUsize::new(0);
    let hashed = Mutex::new(BTreeMap::new());
    // Of several failures the one of the first file is told, whichever thread was sooner.
    let failed: Mutex<BTreeMap<usize, PackageError>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut chunk = vec![0; CHUNK_BYTES];
                while !cancelled.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = wanted.get(at) else { return };
                    match hash(file, &mut chunk, cancelled) {
                        Ok(Some(blob)) => {
                            let mut hashed = hashed.lock().unwrap_or_else(PoisonError::into_inner);
                            hashed.insert(file.stamp.clone(), blob);
                        }
                        Ok(None) => return,
                        Err(error) => {
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            failed.insert(at, error);
                            // Files before this one are all taken by now; later ones need not be.
                            next.store(wanted.len(), Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failed.pop_first() {
        Some((_, error)) => Err(error),
        None => Ok(hashed.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn hash(
    file: &Found,
    chunk: &mut [u8],
    cancelled: &AtomicBool,
) -> Result<Option<Blob>, PackageError> {
    let path = &file.source;
    let unreadable = |source| PackageError::Read {
        path: path.clone(),
        source,
    };
    let mut opened = File::open(path).map_err(unreadable)?;
    let mut hasher = blake3::Hasher::new();
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match opened.read(chunk) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&chunk[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    // Looked at before and after: what was written in between shows in one of them.
    let now = Stamp::of(path, &opened.metadata().map_err(unreadable)?)?;
    if now != file.stamp || hasher.count() != file.stamp.bytes {
        return Err(PackageError::Changed { path: path.clone() });
    }
    Ok(Some(hasher.finalize().into()))
}

impl Stamp {
    pub(super) fn of(path: &Path, about: &Metadata) -> Result<Self, PackageError> {
        let text = path.to_str().ok_or_else(|| PackageError::NotUtf8 {
            path: path.to_path_buf(),
        })?;
        Ok(Self {
            path: text.to_owned(),
            bytes: about.len(),
            mtime_ns: about
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(about.mtime_nsec()),
            inode: about.ino(),
        })
    }
}
