//! What the program finds around it: environment, folders, machine.
//!
//! This is the only place that reads the environment; everything else is handed what it needs,
//! so that a test can hand it something else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use framewright_core::adapters;
use framewright_core::store::{NoStateDir, state_dir_default};

use crate::problem::Presentable;

/// Where things are, and what this machine is.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The folder the program was started in.
    pub(crate) working_folder: PathBuf,
    /// Where jobs are kept.
    pub(crate) state_dir: PathBuf,
    /// The user's own `farm.toml`, whether it exists or not.
    pub(crate) user_farm: Option<PathBuf>,
    /// This program.
    pub(crate) executable: PathBuf,
    /// Where adapters are looked for.
    pub(crate) adapters: adapters::Surroundings,
    /// Processor cores that this process may use.
    pub(crate) cores: u32,
    /// Whether the terminal, if there is one, can move its cursor.
    pub(crate) terminal_moves: bool,
}

impl Surroundings {
    /// Looks around. `state_dir` is what was typed.
    pub(crate) fn look(state_dir: Option<&Path>) -> Result<Self, Presentable> {
        let working_folder = std::env::current_dir().map_err(|error| {
            Presentable::usage(format!("the current folder cannot be used: {error}"))
        })?;
        let state_dir = match state_dir {
            Some(typed) => working_folder.join(typed),
            None => found_state_dir(&|name| std::env::var_os(name))
                .map(|found| working_folder.join(found))
                .map_err(|error| {
                    Presentable::usage(error.to_string())
                        .hint("set HOME, or FRAMEWRIGHT_STATE_DIR to a folder")
                })?,
        };
        let variable = |name: &str| std::env::var_os(name);
        let executable = std::env::current_exe().map_err(|error| {
            Presentable::fault(format!("cannot find framewright's own executable: {error}"))
        })?;
        Ok(Self {
            user_farm: base(&variable, "XDG_CONFIG_HOME", ".config")
                .map(|dir| dir.join("framewright/farm.toml")),
            adapters: adapters::Surroundings {
                working_folder: Some(working_folder.clone()),
                executable: Some(executable.clone()),
                ..adapters::Surroundings::from_variables(variable)
            },
            executable,
            cores: std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            terminal_moves: variable("TERM").is_some_and(|term| !term.is_empty() && term != "dumb"),
            working_folder,
            state_dir,
        })
    }

    /// Slots of this machine when nobody says: renderers use several cores by themselves, but
    /// the parts of their work that do not (loading, scene synchronisation, writing) leave most
    /// of a large machine idle, so it gets a slot for each eight cores.
    pub(crate) fn default_slots(&self) -> u32 {
        (self.cores / 8).max(1)
    }
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A base folder of the XDG specification: relative values do not count.
fn base(variable: Variable<'_>, name: &str, below_home: &str) -> Option<PathBuf> {
    let set = variable(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    set.or_else(|| {
        let home = variable("HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())?;
        Some(home.join(below_home))
    })
}

fn found_state_dir(variable: Variable<'_>) -> Result<PathBuf, NoStateDir> {
    if let Some(own) = variable("FRAMEWRIGHT_STATE_DIR").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(own));
    }
    let home = variable("HOME").map(PathBuf::from);
    state_dir_default(variable("XDG_STATE_HOME").as_deref(), home.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn the_state_folder_follows_the_base_folders() {
        let found = |set: &[(&str, &str)]| found_state_dir(&variables(set)).ok();
        assert_eq!(
            found(&[("HOME", "/h")]),
            Some("/h/.local/state/framewright".into())
        );
        assert_eq!(
            found(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]),
            Some("/s/framewright".into())
        );
        assert_eq!(
            found(&[("HOME", "/h"), ("XDG_STATE_HOME", "rel")]),
            Some("/h/.local/state/framewright".into())
        );
        assert_eq!(
            found(&[("FRAMEWRIGHT_STATE_DIR", "/own")]),
            Some("/own".into())
        );
        assert_eq!(found(&[]), None);
    }
}
