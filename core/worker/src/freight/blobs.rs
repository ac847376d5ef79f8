//! Blobs: looking for them, and putting them together from pieces.
//!
//! A blob grows as a part in a folder that one depot has for itself (`seat`), is hashed as it
//! comes, and gets its name when size and hash are right. So two jobs that send the same blob at
//! once write two parts, and the second rename puts a file in place of its equal; trees keep what
//! they were linked to.

use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, statat};
use rustix::io::Errno;

use super::message::{Blob, BlobFact, Fault, FaultKind, PIECE_BYTES_MAX, Presence};
use super::seat::Seat;
use super::times;

/// Bytes hashed at once.
const CHUNK_BYTES: usize = 1 << 20;
const PARTS: &str = "parts";

/// The blobs of one cache folder, as one depot works on them.
pub(super) struct Blobs {
    folder: PathBuf,
    /// For calls relative to it: shorter walks for the kernel.
    at: OwnedFd,
    seat: Seat,
}

impl Blobs {
    /// Opens the blobs below a cache folder, for this owner.
    pub(super) fn open(cache_root: &Path, owner: &str) -> Result<Self, Fault> {
        let folder = cache_root.join("blobs");
        let cannot = |error: &io::Error| Fault::io("use the folder", &folder, error);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| cannot(&error))?;
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let at = rustix::fs::open(&folder, flags, Mode::empty())
            .map_err(|error| cannot(&error.into()))?;
        let seat = Seat::take(&folder.join(PARTS).join(owner)).map_err(|error| cannot(&error))?;
        Ok(Self { folder, at, seat })
    }

    /// The folder of all blobs.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn at(&self) -> &OwnedFd {
        &self.at
    }

    /// Folders in which parts lie, but our own.
    pub(super) fn other_parts(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.join(PARTS)) else {
            return Vec::new();
        };
        let mut folders: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path != self.seat.folder())
            .collect();
        folders.sort();
        folders
    }

    pub(super) fn close(self) {
        self.seat.leave();
    }

    /// What there is of a blob. What is there under its name and is something else is removed.
    pub(super) fn presence(&self, fact: &BlobFact) -> Result<Presence, Fault> {
        if self.whole(fact)? {
            let _ = times::touch(&self.at, &name(fact.blob));
            return Ok(Presence::Whole);
        }
        let part = self.part(fact.blob);
        if let Some(bytes) = part_bytes(&part) {
            return Ok(Presence::Part(bytes.min(fact.bytes)));
        }
        // One that another job left half way, if nobody goes on with it now.
        for folder in self.other_parts() {
            let theirs = folder.join(fact.blob.to_string());
            if part_bytes(&theirs).is_none() {
                continue;
            }
            if let Ok(Some(seat)) = Seat::try_take(&folder) {
                let taken = std::fs::rename(&theirs, &part).is_ok();
                seat.leave();
                if taken && let Some(bytes) = part_bytes(&part) {
                    return Ok(Presence::Part(bytes.min(fact.bytes)));
                }
            }
        }
        Ok(Presence::Part(0))
    }

    /// Whether a blob is there and is what its name says.
    fn whole(&self, fact: &BlobFact) -> Result<bool, Fault> {
        let Some(stat) = self.stat(fact.blob)? else {
            return Ok(false);
        };
        if is_file_of(&stat, fact.bytes)
            && (times::same_mtime(&stat, fact.mtime_ns) || self.confirm(fact, &stat)?)
        {
            return Ok(true);
        }
        self.remove(fact.blob)?;
        Ok(false)
    }

    /// Hashes a blob whose time is not the expected one. Where no tree has it, the time is set, so
    /// that this is not done again for the same file.
    pub(super) fn confirm(&self, fact: &BlobFact, stat: &Stat) -> Result<bool, Fault> {
        let path = self.folder.join(name(fact.blob));
        let cannot = |error: &io::Error| Fault::io("read the blob", &path, error);
        let mut file = open_nofollow(&path).map_err(|error| cannot(&error))?;
        let mut hasher = blake3::Hasher::new();
        hash_first(&mut file, stat.st_size.cast_unsigned(), &mut hasher)
            .map_err(|error| cannot(&error))?;
        if Blob::from(hasher.finalize()) != fact.blob {
            return Ok(false);
        }
        if stat.st_nlink == 1 {
            // Not being able to costs another hashing.
            let _ = rustix::fs::futimens(&file, &times::used_now(fact.mtime_ns));
        }
        Ok(true)
    }

    /// What is there under a blob's name.
    pub(super) fn stat(&self, blob: Blob) -> Result<Option<Stat>, Fault> {
        let name = name(blob);
        match statat(&self.at, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Fault::io(
                "look at the blob",
                &self.folder.join(name),
                &error.into(),
            )),
        }
    }

    /// Removes what is there under a blob's name.
    pub(super) fn remove(&self, blob: Blob) -> Result<(), Fault> {
        let path = self.folder.join(name(blob));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::io("remove the damaged blob", &path, &error))
            }
            _ => Ok(()),
        }
    }

    fn part(&self, blob: Blob) -> PathBuf {
        self.seat.folder().join(blob.to_string())
    }

    /// Begins to take a blob, or goes on with its part.
    pub(super) fn begin(&self, fact: BlobFact, from: u64) -> Result<Arriving, Fault> {
        let path = self.part(fact.blob);
        let cannot = |error: &io::Error| Fault::io("write", &path, error);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(from == 0)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|error| cannot(&error))?;
        let mut hasher = blake3::Hasher::new();
        if from > 0 {
            let hashed =
                hash_first(&mut file, from, &mut hasher).map_err(|error| cannot(&error))?;
            if hashed != from || from > fact.bytes {
                return Err(Fault::protocol("a blob goes on where nothing of it is"));
            }
            file.set_len(from)
                .and_then(|()| file.seek(SeekFrom::Start(from)))
                .map_err(|error| cannot(&error))?;
        }
        Ok(Arriving {
            fact,
            path,
            file,
            hasher,
            bytes: from,
        })
    }

    /// Gives a blob that has come whole its name.
    pub(super) fn finish(&self, arriving: Arriving) -> Result<(), Fault> {
        let Arriving {
            fact,
            path,
            file,
            hasher,
            ..
        } = arriving;
        if Blob::from(hasher.finalize()) != fact.blob {
            let _ = std::fs::remove_file(&path);
            return Err(Fault::new(
                FaultKind::Differs,
                format!("what came is not the blob {}", fact.blob),
            ));
        }
        let name = name(fact.blob);
        let cannot =
            |error: io::Error| Fault::io("store the blob", &self.folder.join(&name), &error);
        file.set_permissions(Permissions::from_mode(0o444))
            .map_err(cannot)?;
        rustix::fs::futimens(&file, &times::used_now(fact.mtime_ns))
            .map_err(|error| cannot(error.into()))?;
        match rustix::fs::renameat(rustix::fs::CWD, &path, &self.at, &name) {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(&self.at, &name[..2], Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(cannot(error.into())),
                }
                rustix::fs::renameat(rustix::fs::CWD, &path, &self.at, &name)
                    .map_err(|error| cannot(error.into()))
            }
            Err(error) => Err(cannot(error.into())),
        }
    }
}

/// A blob of which not everything has come.
pub(super) struct Arriving {
    fact: BlobFact,
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Arriving {
    pub(super) fn is_whole(&self) -> bool {
        self.bytes == self.fact.bytes
    }

    /// How many bytes are still to come.
    pub(super) fn missing_bytes(&self) -> u64 {
        self.fact.bytes - self.bytes
    }

    /// Writes the next bytes, all of them or, on an error, none that count.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Fault> {
        if data.len() as u64 > self.missing_bytes() {
            return Err(Fault::protocol("more of a blob came than there is"));
        }
        if let Err(error) = self.file.write_all(data) {
            // What was written of it must not be written twice.
            let _ = self.file.set_len(self.bytes);
            let _ = self.file.seek(SeekFrom::Start(self.bytes));
            return Err(Fault::io("write", &self.path, &error));
        }
        self.hasher.update(data);
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A blob's name below the folder of blobs.
pub(super) fn name(blob: Blob) -> String {
    let hex = blob.to_string();
    format!("{}/{}", &hex[..2], &hex[2..])
}

pub(super) fn is_file_of(stat: &Stat, bytes: u64) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_size.cast_unsigned() == bytes
}

/// Opens a file that must not be a symbolic link, to be read.
pub(super) fn open_nofollow(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

fn part_bytes(path: &Path) -> Option<u64> {
    let about = std::fs::symlink_metadata(path).ok()?;
    about.is_file().then_some(about.len())
}

/// Hashes at most so many bytes; says how many there were.
fn hash_first(file: &mut File, bytes: u64, hasher: &mut blake3::Hasher) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(bytes).unwrap_or(CHUNK_BYTES).max(1))];
    let mut limited = file.take(bytes);
    let mut hashed = 0;
    loop {
        match limited.read(&mut chunk) {
            Ok(0) => return Ok(hashed),
            Ok(count) => {
                hasher.update(&chunk[..count]);
                hashed += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Unpacks a piece.
pub(super) fn unpack(data: &[u8]) -> Result<Vec<u8>, Fault> {
    zstd::bulk::decompress(data, PIECE_BYTES_MAX)
        .map_err(|_| Fault::protocol("a piece cannot be unpacked"))
}

/// Whether a descriptor's folder is on a file system with room for so many bytes.
pub(super) fn free_bytes(folder: impl AsFd) -> u64 {
    rustix::fs::fstatvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
