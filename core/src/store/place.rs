//! Where the state directory is when nobody says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// There is neither a home nor a state folder to be found.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell where to keep jobs: neither XDG_STATE_HOME nor a home folder is known")]
pub struct NoStateDir;

/// The user's state directory for framewright: `XDG_STATE_HOME/framewright`, else
/// `~/.local/state/framewright`. Both are passed in: the library does not read the environment.
/// As the XDG specification has it, a relative or empty `XDG_STATE_HOME` counts as absent.
pub fn state_dir_default(
    xdg_state_home: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<PathBuf, NoStateDir> {
    let absolute = |path: &Path| path.is_absolute().then(|| path.to_owned());
    xdg_state_home
        .and_then(|path| absolute(Path::new(path)))
        .or_else(|| {
            home.and_then(absolute)
                .map(|home| home.join(".local/state"))
        })
        .map(|base| base.join("framewright"))
        .ok_or(NoStateDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_state_home_counts_as_absent() {
        let home = Some(Path::new("/home/ana"));
        for (xdg, wanted) in [
            (Some("/var/state"), "/var/state/framewright"),
            (Some("state"), "/home/ana/.local/state/framewright"),
            (Some(""), "/home/ana/.local/state/framewright"),
            (None, "/home/ana/.local/state/framewright"),
        ] {
            let found = state_dir_default(xdg.map(OsStr::new), home).unwrap();
            assert_eq!(found, Path::new(wanted));
        }
        assert!(state_dir_default(None, None).is_err());
    }
}
