//! Which of the adapters that were found is meant.

use std::path::{Path, PathBuf};

use super::search::{Candidate, CandidateError, Installed};
use crate::nearest::nearest;

/// What is known about the adapter that is wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// It was named.
    Id(&'a str),
    /// It shall render this scene.
    Scene(&'a Path),
}

/// Why there is no adapter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChooseError {
    /// No adapter has this id.
    #[error("there is no adapter {id}{}{}", suggestion(nearest.as_deref(), known), also_broken(broken))]
    UnknownId {
        /// As typed.
        id: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// All ids of adapters that can be started.
        known: Vec<String>,
        /// Adapters that cannot be, whose true ids may not be known, with the reasons.
        broken: Vec<Unusable>,
    },
    /// The adapter is there, and broke its contract while it was asked who it is.
    #[error("{0}")]
    Fault(String),
    /// The adapter is there and must not, or cannot, be started.
    #[error("adapter {id} cannot be used: {why}")]
    Broken {
        /// Its id.
        id: String,
        /// Its manifest or library.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No adapter renders such a file.
    #[error(
        "no adapter renders {scene}{}{}",
        extensions(known),
        also_broken(broken)
    )]
    UnknownExtension {
        /// The scene's file name.
        scene: String,
        /// `(extension, adapter)` of all adapters.
        known: Vec<(String, String)>,
        /// Adapters that cannot be started, of which the extensions are not known.
        broken: Vec<Unusable>,
    },
}

/// An adapter that cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its id, or the best guess.
    pub id: String,
    /// One sentence.
    pub why: String,
    /// Whether it broke its contract; else it is not to be started at all. The sentence of one
    /// that did names it.
    pub is_fault: bool,
}

fn suggestion(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!(", did you mean {nearest}?"),
        None if known.is_empty() => ", and no other".to_owned(),
        None => format!("; there are {}", known.join(", ")),
    }
}

fn extensions(known: &[(String, String)]) -> String {
    if known.is_empty() {
        return ": there are no adapters".to_owned();
    }
    let known: Vec<String> = known
        .iter()
        .map(|(extension, adapter)| format!(".{extension} ({adapter})"))
        .collect();
    format!(": they render {}", known.join(", "))
}

fn also_broken(broken: &[Unusable]) -> String {
    broken
        .iter()
        .map(|Unusable { id, why, is_fault }| match is_fault {
            true => format!("; {why}"),
            false => format!("; adapter {id} cannot be used: {why}"),
        })
        .collect()
}

/// The adapter that is meant. Of several whose extension fits, the one with the longest.
///
/// # Errors
/// Why there is none; the sentence says which there are.
pub fn choose<'a>(
    candidates: &'a [Candidate],
    wanted: Wanted<'_>,
) -> Result<&'a Installed, ChooseError> {
    let visible = || candidates.iter().filter(|c| c.shadowed_by.is_none());
    match wanted {
        Wanted::Id(id) => match visible().find(|candidate| candidate.id == id) {
            Some(candidate) => usable(candidate),
            None => {
                let known = || {
                    let usable = visible().filter(|candidate| candidate.state.is_ok());
                    usable.map(|candidate| candidate.id.as_str())
                };
                Err(ChooseError::UnknownId {
                    id: id.to_owned(),
                    nearest: nearest(id, known()).map(str::to_owned),
                    known: known().map(str::to_owned).collect(),
                    broken: unusable(candidates),
                })
            }
        },
        Wanted::Scene(scene) => {
            let name = scene
                .file_name()
                .map(|name| name.to_string_lossy().to_lowercase())
                .unwrap_or_default();
            let installed = || visible().filter_map(|candidate| candidate.state.as_ref().ok());
            installed()
                .filter_map(|installed| Some((longest_fit(&name, installed)?, installed)))
                // The first of the longest: `max_by_key` would take the last.
                .reduce(|best, next| if next.0 > best.0 { next } else { best })
                .map(|(_, installed)| installed)
                .ok_or_else(|| ChooseError::UnknownExtension {
                    scene: scene
                        .file_name()
                        .unwrap_or(scene.as_os_str())
                        .to_string_lossy()
                        .into_owned(),
                    known: installed()
                        .flat_map(|installed| {
                            let pair =
                                |extension: &String| (extension.clone(), installed.id.clone());
                            installed.extensions.iter().map(pair)
                        })
                        .collect(),
                    broken: unusable(candidates),
                })
        }
    }
}

fn usable(candidate: &Candidate) -> Result<&Installed, ChooseError> {
    candidate.state.as_ref().map_err(|error| match error {
        CandidateError::Fault(fault) => ChooseError::Fault(fault.to_string()),
        CandidateError::Trust(_)
        | CandidateError::Read { .. }
        | CandidateError::Manifest { .. }
        | CandidateError::Hash { .. }
        | CandidateError::Nothing { .. } => ChooseError::Broken {
            id: candidate.id.clone(),
            path: candidate.path.clone(),
            why: error.to_string(),
        },
    })
}

/// Those that nothing hides and that cannot be started.
fn unusable(candidates: &[Candidate]) -> Vec<Unusable> {
    let visible = candidates.iter().filter(|c| c.shadowed_by.is_none());
    visible
        .filter_map(|candidate| {
            let error = candidate.state.as_ref().err()?;
            Some(Unusable {
                id: candidate.id.clone(),
                why: error.to_string(),
                is_fault: matches!(error, CandidateError::Fault(_)),
            })
        })
        .collect()
}

/// Length of the longest extension that the file name ends with.
fn longest_fit(name: &str, installed: &Installed) -> Option<usize> {
    installed
        .extensions
        .iter()
        .filter(|extension| {
            name.strip_suffix(extension.as_str())
                .is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
        })
        .map(String::len)
        .max()
}

#[cfg(test)]
mod tests {
    use super::super::search::{Origin, Payload};
    use super::*;

    fn candidate(id: &str, extensions: &[&str]) -> Candidate {
        Candidate {
            id: id.to_owned(),
            path: PathBuf::from(format!("/adapters/{id}/adapter.toml")),
            origin: Origin::Installed,
            state: Ok(Installed {
                id: id.to_owned(),
                version: "1".to_owned(),
                extensions: extensions.iter().map(|e| (*e).to_owned()).collect(),
                payload: Payload::Library {
                    path: PathBuf::from(format!("/adapters/{id}/lib.so")),
                    hash: None,
                },
            }),
            shadowed_by: None,
        }
    }

    fn all() -> Vec<Candidate> {
        let mut broken = candidate("arnold", &[]);
        broken.state = Err(CandidateError::Nothing {
            path: PathBuf::from("/adapters/arnold"),
        });
        let mut shadowed = candidate("blender", &["ass"]);
        shadowed.shadowed_by = Some(PathBuf::from("/adapters/blender/adapter.toml"));
        vec![
            candidate("blender", &["blend"]),
            candidate("stub", &["stub.toml"]),
            candidate("toml", &["toml"]),
            broken,
            shadowed,
        ]
    }

    fn by_scene(scene: &str) -> Result<String, String> {
        choose(&all(), Wanted::Scene(Path::new(scene)))
            .map(|installed| installed.id.clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_longest_extension_wins_in_any_case() {
        assert_eq!(by_scene("/s/a.BLEND"), Ok("blender".to_owned()));
        assert_eq!(by_scene("/s/quick.stub.toml"), Ok("stub".to_owned()));
        assert_eq!(by_scene("/s/other.toml"), Ok("toml".to_owned()));
    }

    #[test]
    fn what_nobody_renders_is_told_with_what_is_rendered() {
        assert_eq!(
            by_scene("/s/a.ass").unwrap_err(),
            "no adapter renders a.ass: they render .blend (blender), .stub.toml (stub), \
             .toml (toml); adapter arnold cannot be used: /adapters/arnold is neither a folder of \
             adapters, nor an adapter.toml, nor a library"
        );
        assert!(
            by_scene("/s/.blend").is_err(),
            "a bare extension is no name"
        );
        assert_eq!(
            choose(&[], Wanted::Scene(Path::new("x.blend")))
                .unwrap_err()
                .to_string(),
            "no adapter renders x.blend: there are no adapters"
        );
    }

    #[test]
    fn ids_are_exact_and_slips_are_understood() {
        let by_id = |id: &str| {
            choose(&all(), Wanted::Id(id))
                .map(|installed| installed.id.clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(by_id("stub"), Ok("stub".to_owned()));
        assert_eq!(
            by_id("blendr").unwrap_err(),
            "there is no adapter blendr, did you mean blender?"
        );
        assert_eq!(
            by_id("houdini").unwrap_err(),
            "there is no adapter houdini; there are blender, stub, toml; adapter arnold cannot be \
             used: /adapters/arnold is neither a folder of adapters, nor an adapter.toml, nor a \
             library"
        );
        assert_eq!(
            by_id("arnold").unwrap_err(),
            "adapter arnold cannot be used: /adapters/arnold is neither a folder of adapters, \
             nor an adapter.toml, nor a library"
        );
    }
}
