//! From an order to a process: its environment, its files, its program.
//!
//! A renderer sees a fixed environment, so that a host's login files do not decide what a frame
//! looks like. The program is looked up here and started by path in a process group of its own:
//! both keep the standard library on `posix_spawn`, which costs half of what a fork costs.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{Access, access};

use crate::kin::tag;
use crate::message::{ControllerHello, RunOrder};

/// Where programs are looked for unless the order says otherwise.
pub(crate) const FIXED_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Taken over from the worker where they are set.
const KEPT: [&str; 4] = ["HOME", "USER", "LOGNAME", "TZ"];

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("the order names no program")]
    NoProgram,
    #[error("program {program} was not found")]
    NotFound { program: String },
    #[error("program {program} cannot be executed: {reason}")]
    NotExecutable { program: String, reason: io::Error },
    #[error("cannot make folder {path}: {reason}")]
    Folder { path: String, reason: io::Error },
    #[error("working folder {path} is not there: {reason}")]
    WorkingFolder { path: String, reason: io::Error },
    #[error("cannot write file {path}: {reason}")]
    File { path: String, reason: io::Error },
    #[error("cannot start {program}: {reason}")]
    System { program: String, reason: io::Error },
}

impl LaunchError {
    /// Whether the program does not exist or may not be executed.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::NoProgram | Self::NotFound { .. } | Self::NotExecutable { .. }
        )
    }
}

/// What is the same for every process of this worker.
pub(crate) struct Launcher {
    own: BTreeMap<OsString, OsString>,
    fixed: Vec<(&'static str, OsString)>,
    marks: Vec<(&'static str, String)>,
}

impl Launcher {
    pub(crate) fn new(hello: &ControllerHello, own: BTreeMap<OsString, OsString>) -> Self {
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((*name, own.get(OsStr::new(name))?.clone())));
        let fixed = [("PATH", FIXED_PATH.into()), ("LANG", "C.UTF-8".into())];
        let worker = rustix::process::getpid().as_raw_nonzero().to_string();
        Self {
            fixed: fixed.into_iter().chain(kept).collect(),
            marks: vec![
                (tag::JOB, hello.job.clone()),
                (tag::HOST, hello.host.clone()),
                (tag::WORKER, worker),
            ],
            own,
        }
    }

    pub(crate) fn launch(&self, order: &RunOrder) -> Result<Child, LaunchError> {
        let program = order.argv.first().ok_or(LaunchError::NoProgram)?;
        prepare(order)?;
        let search = order.env.get("PATH").map_or(FIXED_PATH, String::as_str);
        let path = find_program(program, OsStr::new(search))?;
        let mut command = Command::new(path);
        command
            .arg0(program)
            .args(&order.argv[1..])
            .process_group(0)
            .stdin(if order.stdin {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let cwd = working_folder(order);
        if let Some(cwd) = cwd {
            command.current_dir(cwd);
        }
        self.set_environment(order, &mut command);
        command
            .spawn()
            .map_err(|reason| explain(program, cwd, reason))
    }

    fn set_environment(&self, order: &RunOrder, command: &mut Command) {
        command.env_clear();
        for (name, value) in &self.fixed {
            command.env(name, value);
        }
        if !order.scratch.is_empty() {
            command.env("TMPDIR", &order.scratch);
        }
        for pattern in &order.inherit {
            command.envs(self.inherited(pattern));
        }
        command.envs(&order.env);
        // Last: the tags are what a leftover is found by.
        for (name, value) in &self.marks {
            command.env(name, value);
        }
        command.env(tag::SLOT, order.slot.0.to_string());
        command.env(tag::RUN, order.run.0.to_string());
    }

    fn inherited(&self, pattern: &str) -> impl Iterator<Item = (&OsString, &OsString)> {
        let (prefix, open) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned(), true),
            None => (pattern.to_owned(), false),
        };
        self.own.iter().filter(move |(name, _)| {
            let name = name.as_bytes();
            name == prefix.as_bytes() || open && name.starts_with(prefix.as_bytes())
        })
    }
}

/// The order's working folder, else its scratch folder, else the worker's own.
fn working_folder(order: &RunOrder) -> Option<&str> {
    [&order.cwd, &order.scratch]
        .into_iter()
        .find(|path| !path.is_empty())
        .map(String::as_str)
}

/// Makes the scratch folder and writes the order's files; relative ones into the scratch folder.
fn prepare(order: &RunOrder) -> Result<(), LaunchError> {
    let scratch = Path::new(&order.scratch);
    if !order.scratch.is_empty() && !scratch.is_dir() {
        std::fs::create_dir_all(scratch).map_err(|reason| LaunchError::Folder {
            path: order.scratch.clone(),
            reason,
        })?;
    }
    for (path, content) in &order.files {
        let file = scratch.join(path);
        let parents = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        parents
            .and_then(|()| std::fs::write(&file, content))
            .map_err(|reason| LaunchError::File {
                path: path.clone(),
                reason,
            })?;
    }
    Ok(())
}

/// The first executable of that name on `search`; a name with a slash is a path.
fn find_program(program: &str, search: &OsStr) -> Result<PathBuf, LaunchError> {
    if program.contains('/') {
        return Ok(program.into());
    }
    find_on(program, search).ok_or_else(|| LaunchError::NotFound {
        program: program.to_owned(),
    })
}

/// The first executable file of that name in the folders of `search`.
pub(crate) fn find_on(name: &str, search: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// `posix_spawn` gives one error for the program and for the working folder.
fn explain(program: &str, cwd: Option<&str>, reason: io::Error) -> LaunchError {
    if let Some(cwd) = cwd
        && let Err(reason) = std::fs::read_dir(cwd)
    {
        return LaunchError::WorkingFolder {
            path: cwd.to_owned(),
            reason,
        };
    }
    let program = program.to_owned();
    match reason.raw_os_error() {
        Some(libc::ENOENT) if !Path::new(&program).exists() => LaunchError::NotFound { program },
        Some(libc::ENOENT | libc::EACCES | libc::ENOEXEC | libc::ENOTDIR | libc::EISDIR) => {
            LaunchError::NotExecutable { program, reason }
        }
        _ => LaunchError::System { program, reason },
    }
}
