//! Whose files are loaded as code: root's and the user's own, where nobody else can swap them.
//!
//! A file is trusted when it and every folder above its canonical path belong to root or to the
//! user, are not writable by everyone, and not writable by a group that has other members. A
//! sticky folder (`/tmp`) passes as a *parent*: others can write into it, but not replace what is
//! ours. The file's own check is made on the opened file, and it is that file that is loaded.
//!
//! Refuses to reason about what it cannot see: a group that is not in the system's own tables
//! counts as having other members. The interpreter of a script (`python3`) is found through the
//! user's own PATH and is not checked.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that was opened, checked, and is still the one that was checked.
#[derive(Debug)]
pub struct Trusted {
    /// The opened file.
    pub file: File,
    /// Its canonical path.
    pub path: PathBuf,
}

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It is not there, or cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is a folder, a device, a pipe.
    #[error("{path} is no regular file", path = path.display())]
    NotAFile {
        /// What.
        path: PathBuf,
    },
    /// Somebody else could put other code there.
    #[error("{file} is not trusted: {offender} {problem}", file = file.display(), offender = named(offender, file))]
    Untrusted {
        /// The file that was to be loaded.
        file: PathBuf,
        /// It, or the folder above it that is the reason.
        offender: PathBuf,
        /// What is wrong with the offender.
        problem: Problem,
    },
}

/// The offender, where it is not the file that the sentence is about anyway.
fn named(offender: &Path, file: &Path) -> String {
    if offender == file {
        return "it".to_owned();
    }
    offender.display().to_string()
}

/// What is wrong with a file or folder. Reads as the end of a sentence, and says the cure.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Problem {
    /// It belongs to somebody else.
    #[error("belongs to user {0}, neither to you nor to root (put a copy of it elsewhere)")]
    Owner(u32),
    /// Everyone may write to it.
    #[error("can be written by everyone (chmod o-w it)")]
    World,
    /// A group that has other members may write to it.
    #[error("can be written by group {0}, which may have other members (chmod g-w it)")]
    Group(u32),
}

/// Opens a file that is to be run or believed, and checks it.
///
/// # Errors
/// Why it is not to be trusted, naming the file or folder at fault.
pub fn open_trusted(path: &Path) -> Result<Trusted, TrustError> {
    open_trusted_by(path, &Accounts::system())
}

fn open_trusted_by(path: &Path, accounts: &Accounts) -> Result<Trusted, TrustError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| TrustError::Unreadable { path, source }
    };
    let canonical = path.canonicalize().map_err(unreadable(path))?;
    let file = File::options()
        .read(true)
        // A pipe put there must not make us wait, a link put there in between is not followed.
        .custom_flags((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW).bits() as i32)
        .open(&canonical)
        .map_err(unreadable(&canonical))?;
    let metadata = file.metadata().map_err(unreadable(&canonical))?;
    if !metadata.is_file() {
        return Err(TrustError::NotAFile { path: canonical });
    }
    let untrusted = |offender: &Path, problem| TrustError::Untrusted {
        file: canonical.clone(),
        offender: offender.to_owned(),
        problem,
    };
    if let Some(problem) = accounts.judge(Facts::of(&metadata)) {
        return Err(untrusted(&canonical, problem));
    }
    for folder in canonical.ancestors().skip(1) {
        let metadata = folder.symlink_metadata().map_err(unreadable(folder))?;
        if let Some(problem) = accounts.judge(Facts::of(&metadata)) {
            return Err(untrusted(folder, problem));
        }
    }
    Ok(Trusted {
        file,
        path: canonical,
    })
}

/// What a decision needs to know about a file or folder.
#[derive(Clone, Copy, Debug)]
struct Facts {
    folder: bool,
    owner: u32,
    group: u32,
    mode: u32,
}

impl Facts {
    fn of(metadata: &std::fs::Metadata) -> Facts {
        Facts {
            folder: metadata.is_dir(),
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode(),
        }
    }
}

/// Who the user is, and who shares groups with whom.
struct Accounts {
    user: u32,
    passwd: String,
    group: String,
}

/// The system's tables are read up to this size; beyond it, groups count as shared.
const TABLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Accounts {
    fn system() -> Accounts {
        let read = |path: &str| {
            let mut text = String::new();
            let all = File::open(path)
                .and_then(|file| file.take(TABLE_BYTES_MAX).read_to_string(&mut text));
            all.map_or_else(|_| String::new(), |_| text)
        };
        Accounts {
            user: rustix::process::geteuid().as_raw(),
            passwd: read("/etc/passwd"),
            group: read("/etc/group"),
        }
    }

    fn judge(&self, facts: Facts) -> Option<Problem> {
        const STICKY: u32 = 0o1000;
        const GROUP_WRITE: u32 = 0o020;
        const WORLD_WRITE: u32 = 0o002;
        if facts.owner != 0 && facts.owner != self.user {
            return Some(Problem::Owner(facts.owner));
        }
        if facts.folder && facts.mode & STICKY != 0 {
            return None;
        }
        if facts.mode & WORLD_WRITE != 0 {
            return Some(Problem::World);
        }
        if facts.mode & GROUP_WRITE != 0 && !self.is_private(facts.group) {
            return Some(Problem::Group(facts.group));
        }
        None
    }

    /// Whether nobody but the user and root is in this group, as far as the tables tell.
    fn is_private(&self, group: u32) -> bool {
        let number = |field: Option<&&str>| field.and_then(|text| text.parse::<u32>().ok());
        let mut user_names = Vec::new();
        for line in self.passwd.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let user = number(fields.get(2));
            let ours = user == Some(0) || user == Some(self.user);
            if ours {
                user_names.extend(fields.first().copied());
            } else if number(fields.get(3)) == Some(group) {
                return false;
            }
        }
        let members = self.group.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (number(fields.get(2)) == Some(group))
                .then(|| fields.get(3).copied().unwrap_or_default().trim().to_owned())
        });
        members.is_some_and(|members| {
            members
                .split(',')
                .filter(|member| !member.is_empty())
                .all(|member| user_names.contains(&member))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            user: 1000,
            passwd: "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n\
                     bob:x:1001:1000::/home/bob:/bin/sh\ncid:x:1002:1002::/home/cid:/bin/sh\n"
                .to_owned(),
            group: "root:x:0:\nada:x:1000:\nfarm:x:2000:ada,cid\nmine:x:2001:ada\n".to_owned(),
        }
    }

    fn judge(folder: bool, owner: u32, group: u32, mode: u32) -> Option<Problem> {
        accounts().judge(Facts {
            folder,
            owner,
            group,
            mode,
        })
    }

    #[test]
    fn the_rule_as_a_table() {
        assert_eq!(judge(false, 1000, 1000, 0o100_755), None);
        assert_eq!(judge(false, 0, 0, 0o100_644), None);
        assert_eq!(
            judge(false, 1002, 1002, 0o100_755),
            Some(Problem::Owner(1002))
        );
        assert_eq!(judge(false, 1000, 1000, 0o100_666), Some(Problem::World));
        assert_eq!(judge(true, 1000, 1000, 0o040_777), Some(Problem::World));
        assert_eq!(judge(true, 0, 0, 0o041_777), None, "a sticky parent passes");
        assert_eq!(
            judge(false, 0, 0, 0o101_777),
            Some(Problem::World),
            "sticky means nothing on a file"
        );
        assert_eq!(
            judge(true, 1002, 0, 0o041_777),
            Some(Problem::Owner(1002)),
            "a sticky folder's owner may still swap what is in it"
        );
    }

    #[test]
    fn a_group_is_private_only_when_the_tables_say_so() {
        let by_group = |group| judge(false, 1000, group, 0o100_775);
        assert_eq!(by_group(2001), None);
        assert_eq!(by_group(0), None);
        assert_eq!(by_group(2000), Some(Problem::Group(2000)), "cid is in it");
        assert_eq!(
            by_group(1000),
            Some(Problem::Group(1000)),
            "it is bob's first group too"
        );
        assert_eq!(by_group(4711), Some(Problem::Group(4711)), "not known");
    }

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_writable_folder_anywhere_above_is_named() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        let inner = open.join("inner");
        let library = inner.join("libtoy.so");
        create_dir(&open).unwrap();
        create_dir(&inner).unwrap();
        write(&library, "x").unwrap();
        mode(&open, 0o755);
        mode(&inner, 0o755);
        mode(&library, 0o644);
        assert!(open_trusted(&library).is_ok(), "private folder below /tmp");

        mode(&open, 0o777);
        let error = open_trusted(&library).unwrap_err();
        let canonical = root.path().canonicalize().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "{0}/open/inner/libtoy.so is not trusted: {0}/open can be written by everyone (chmod o-w it)",
                canonical.display()
            )
        );

        let clean = root.path().join("clean");
        create_dir(&clean).unwrap();
        mode(&clean, 0o755);
        let link = clean.join("libtoy.so");
        symlink(&library, &link).unwrap();
        assert!(
            matches!(open_trusted(&link), Err(TrustError::Untrusted { offender, .. }) if offender.ends_with("open")),
            "a link is followed to where the file really lies"
        );

        mode(&open, 0o755);
        mode(&library, 0o666);
        assert!(
            matches!(open_trusted(&library), Err(TrustError::Untrusted { offender, problem: Problem::World, .. }) if offender.ends_with("libtoy.so"))
        );
    }

    #[test]
    fn folders_and_missing_files_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(
            open_trusted(root.path()),
            Err(TrustError::NotAFile { .. })
        ));
        assert!(matches!(
            open_trusted(&root.path().join("none")),
            Err(TrustError::Unreadable { .. })
        ));
    }
}
