//! Whose worker this is and where it may keep things: the user, the cache folder, a scratch
//! folder of the worker's own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::message::ControllerHello;

/// Longest part of a job's name in a folder's.
const JOB_BYTES_MAX: usize = 64;

/// The user whom this process runs as, by name where the machine knows one.
pub(crate) fn user() -> String {
    let from = |name: &str| std::env::var(name).ok().filter(|user| !user.is_empty());
    passwd_field(0)
        .or_else(|| from("USER"))
        .or_else(|| from("LOGNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::geteuid().as_raw()))
}

/// `$XDG_CACHE_HOME/framewright` or `~/.cache/framewright`; `None` where there is no home.
pub(crate) fn cache_root() -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    let home = || {
        std::env::var_os("HOME")
            .and_then(absolute)
            .or_else(|| absolute(passwd_field(5)?.into()))
    };
    std::env::var_os("XDG_CACHE_HOME")
        .and_then(absolute)
        .or_else(|| Some(home()?.join(".cache")))
        .map(|cache| cache.join("framewright"))
}

/// A field of this user's line in `/etc/passwd`. Read as a file: a statically linked worker
/// cannot ask the name services, and who is not in it has his variables.
fn passwd_field(field: usize) -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let ours = fields.get(2) == Some(&uid.as_str());
        let value = fields.get(field).filter(|value| !value.is_empty())?;
        ours.then(|| (*value).to_owned())
    })
}

/// The machine's clock, in milliseconds since 1970.
pub(crate) fn clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Where a worker's scratch folders lie.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    pub(crate) root: PathBuf,
    /// The worker made it, and removes it.
    pub(crate) is_own: bool,
}

impl Scratch {
    /// The hello's, or one of the worker's own below the cache folder. `mark` makes it this
    /// worker's.
    pub(crate) fn of(hello: &ControllerHello, mark: &str) -> io::Result<Self> {
        if !hello.scratch_root.is_empty() {
            return Ok(Self {
                root: PathBuf::from(&hello.scratch_root),
                is_own: false,
            });
        }
        let cache = cache_root().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no home folder for scratch",
            )
        })?;
        let name = format!("{}-{mark}", plain(&hello.job));
        let root = cache.join("jobs").join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", root.display()))
            })?;
        Ok(Self { root, is_own: true })
    }

    /// Removes it, if it is the worker's own.
    pub(crate) fn remove(&self) {
        if self.is_own {
            remove_own(&self.root);
        }
    }
}

/// Removes a scratch folder that a worker made: one directly below a folder `jobs`.
pub(crate) fn remove_own(root: &Path) {
    const TRIES: usize = 3;
    let below_jobs = root.parent().and_then(Path::file_name) == Some("jobs".as_ref());
    if !root.is_absolute() || !below_jobs {
        return;
    }
    // What was killed a moment ago may still have put a file in while we looked.
    for _ in 0..TRIES {
        match fs::remove_dir_all(root) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
    }
}

/// Removes the scratch folders of earlier workers of this job and this place, which a machine
/// that lost its power could not.
pub(crate) fn remove_leftovers(job: &str, place: &str) {
    let Some(jobs) = cache_root().map(|root| root.join("jobs")) else {
        return;
    };
    let start = format!("{}-{place}-", plain(job));
    for entry in fs::read_dir(jobs).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&start) {
            remove_own(&entry.path());
        }
    }
}

/// A name that is one plain part of a path, whatever it was.
fn plain(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => letter,
            _ => '_',
        })
        .take(JOB_BYTES_MAX)
        .collect();
    if kept.is_empty() {
        "job".to_owned()
    } else {
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_job_is_one_plain_part() {
        assert_eq!(plain("shot010-x7"), "shot010-x7");
        assert_eq!(plain("../../etc"), "______etc");
        assert_eq!(plain("a/b\nc"), "a_b_c");
        assert_eq!(plain(""), "job");
        assert_eq!(plain(&"é".repeat(500)).len(), JOB_BYTES_MAX);
    }

    #[test]
    fn only_a_folder_of_jobs_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let (own, other) = (base.path().join("jobs/a"), base.path().join("other/a"));
        for folder in [&own, &other] {
            fs::create_dir_all(folder.join("deep")).unwrap();
        }
        remove_own(&own);
        remove_own(&other);
        assert!(!own.exists() && other.exists());
    }
}
