//! A job's tree: its files under the paths that they have at the controller, below one folder.
//!
//! So what a scene refers to relative to itself is found. Files are hard links of blobs where that
//! is possible and the time of modification is the same, else clones or copies. Folders are opened
//! one by one and never through a symbolic link, whoever may have put one there.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Mode, OFlags, Stat, linkat, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::blobs::{self, Blobs};
use super::message::{Fault, FaultKind, Place};
use super::{names, times};

/// A copy that is not whole yet.
const COPY: &str = ".framewright-copy";

/// What laying a file out came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Laid {
    Done,
    /// Its blob is not there.
    Missing,
}

/// Where a job's tree is.
pub(super) fn folder(cache_root: &Path, job: &str) -> Result<PathBuf, Fault> {
    Ok(cache_root.join("jobs").join(names::job(job)?).join("tree"))
}

/// A tree that files are laid out in, one after the other.
pub(super) struct Tree {
    folder: PathBuf,
    at: OwnedFd,
    /// The folder of the last file: the next one is mostly in the same.
    last: Option<(Vec<String>, OwnedFd)>,
}

impl Tree {
    pub(super) fn open(cache_root: &Path, job: &str) -> Result<Self, Fault> {
        let folder = folder(cache_root, job)?;
        let cannot = |error: io::Error| Fault::io("make the folder", &folder, &error);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(cannot)?;
        let at = rustix::fs::open(&folder, folder_flags(), Mode::empty())
            .map_err(|error| cannot(error.into()))?;
        Ok(Self {
            folder,
            at,
            last: None,
        })
    }

    /// Lays a file out. What is there already is left if it is the same, else replaced.
    pub(super) fn lay(&mut self, blobs: &Blobs, place: &Place) -> Result<Laid, Fault> {
        let (folders, leaf) = names::path(&place.path)?;
        let Some(stat) = blobs.stat(place.fact.blob)? else {
            return Ok(Laid::Missing);
        };
        if !blobs::is_file_of(&stat, place.fact.bytes) {
            return Ok(Laid::Missing);
        }
        let path = self.folder.join(&place.path[1..]);
        let cannot = |error: Errno| Fault::io("lay out", &path, &error.into());
        let folder = self.folder_of(&folders, &path)?;
        if times::same_mtime(&stat, place.fact.mtime_ns) {
            let name = blobs::name(place.fact.blob);
            match link(blobs, &name, folder, leaf, &stat) {
                Ok(()) => return Ok(Laid::Done),
                // Gone since we looked.
                Err(Errno::NOENT) => return Ok(Laid::Missing),
                Err(Errno::ISDIR) => return Err(is_folder(&path)),
                // No links here: another file system's rule, or too many.
                Err(
                    Errno::PERM
                    | Errno::ACCESS
                    | Errno::MLINK
                    | Errno::XDEV
                    | Errno::NOTSUP
                    | Errno::NOSYS,
                ) => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        copy(blobs, place, &stat, folder, leaf, &path)
    }

    /// The folder with this name below the tree, made where missing.
    fn folder_of(&mut self, folders: &[&str], path: &Path) -> Result<&OwnedFd, Fault> {
        let same = self
            .last
            .as_ref()
            .is_some_and(|(last, _)| last.iter().eq(folders.iter()));
        if !same {
            self.last = None;
            let opened = descend(&self.at, folders).map_err(|error| match error {
                Errno::NOTDIR | Errno::LOOP => Fault::new(
                    FaultKind::BadName,
                    format!(
                        "cannot lay out {}: something on the way is no folder",
                        path.display()
                    ),
                ),
                error => Fault::io("make the folders of", path, &error.into()),
            })?;
            let names = folders.iter().map(|&name| name.to_owned()).collect();
            self.last = Some((names, opened));
        }
        Ok(self.last.as_ref().map_or(&self.at, |(_, folder)| folder))
    }
}

fn folder_flags() -> OFlags {
    OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY
}

fn descend(from: &OwnedFd, folders: &[&str]) -> rustix::io::Result<OwnedFd> {
    let mut at = openat(from, ".", folder_flags(), Mode::empty())?;
    for name in folders {
        at = match openat(&at, *name, folder_flags(), Mode::empty()) {
            Err(Errno::NOENT) => {
                match mkdirat(&at, *name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                openat(&at, *name, folder_flags(), Mode::empty())?
            }
            other => other?,
        };
    }
    Ok(at)
}

fn link(
    blobs: &Blobs,
    name: &str,
    folder: &OwnedFd,
    leaf: &str,
    blob: &Stat,
) -> rustix::io::Result<()> {
    match linkat(blobs.at(), name, folder, leaf, AtFlags::empty()) {
        Err(Errno::EXIST) => {}
        other => return other,
    }
    let there = statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW)?;
    if there.st_ino == blob.st_ino && there.st_dev == blob.st_dev {
        return Ok(());
    }
    unlinkat(folder, leaf, AtFlags::empty())?;
    linkat(blobs.at(), name, folder, leaf, AtFlags::empty())
}

/// Lays a file out with its own content and time: as a clone of the blob where the file system can.
fn copy(
    blobs: &Blobs,
    place: &Place,
    stat: &Stat,
    folder: &OwnedFd,
    leaf: &str,
    path: &Path,
) -> Result<Laid, Fault> {
    let fact = &place.fact;
    let cannot = |error: &io::Error| Fault::io("lay out", path, error);
    if let Ok(there) = statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW) {
        if rustix::fs::FileType::from_raw_mode(there.st_mode) == rustix::fs::FileType::Directory {
            return Err(is_folder(path));
        }
        // A copy of ours, of an earlier try: whoever changes it changes its time.
        if blobs::is_file_of(&there, fact.bytes) && times::same_mtime(&there, fact.mtime_ns) {
            return Ok(Laid::Done);
        }
    }
    // Another time than this file's: it belongs to another file of the same content, or it was
    // written to, which only its hash tells.
    if !times::same_mtime(stat, fact.mtime_ns) && !blobs.confirm(fact, stat)? {
        blobs.remove(fact.blob)?;
        return Ok(Laid::Missing);
    }
    let mut from = match blobs::open_nofollow(&blobs.folder().join(blobs::name(fact.blob))) {
        Ok(from) => from,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Laid::Missing),
        Err(error) => return Err(cannot(&error)),
    };
    let _ = unlinkat(folder, COPY, AtFlags::empty());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let to = openat(folder, COPY, flags, Mode::from_raw_mode(0o600))
        .map_err(|error| cannot(&error.into()))?;
    let filled = fill(&mut from, File::from(to), fact.mtime_ns);
    let placed = filled.and_then(|()| Ok(renameat(folder, COPY, folder, leaf)?));
    if placed.is_err() {
        let _ = unlinkat(folder, COPY, AtFlags::empty());
    }
    placed.map_err(|error| cannot(&error))?;
    Ok(Laid::Done)
}

fn fill(from: &mut File, mut to: File, mtime_ns: i64) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(&to, &*from).is_err() {
        io::copy(&mut from.by_ref().take(u64::MAX), &mut to)?;
    }
    to.set_permissions(Permissions::from_mode(0o444))?;
    rustix::fs::futimens(&to, &times::used_now(mtime_ns))?;
    Ok(())
}

fn is_folder(path: &Path) -> Fault {
    Fault::new(
        FaultKind::BadName,
        format!("cannot lay out {}: a folder is there", path.display()),
    )
}

/// Says that a tree's job lives.
pub(super) fn keep(cache_root: &Path, job: &str) {
    if let Ok(folder) = folder(cache_root, job)
        && let Ok(file) = rustix::fs::open(&folder, folder_flags(), Mode::empty())
    {
        let now = times::now_s().saturating_mul(1_000_000_000);
        let _ = rustix::fs::futimens(&file, &times::used_now(now));
    }
}

/// Removes a tree, and the job's folder when nothing else is in it.
pub(super) fn remove(tree: &Path) -> Result<(), Fault> {
    // The library's own walk follows no links.
    match std::fs::remove_dir_all(tree) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Fault::io("remove", tree, &error));
        }
        _ => {}
    }
    if let Some(job) = tree.parent() {
        let _ = std::fs::remove_dir(job);
    }
    Ok(())
}
