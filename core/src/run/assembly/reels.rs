//! What all frames of a job are made into: a film (`--video`), a contact sheet (`--contact-sheet`).
//!
//! Settled before the job begins, and refused then where it could not be made in the end: the ending
//! of a name, the view, ffmpeg, a folder. Looks at no frame. Where each layer has pictures of its own
//! there is a film of each, told apart by `{layer}` in its name; one film of several is refused.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use framewright_assemble::film::Codec;
use framewright_assemble::sheet::CELLS_MAX;
use framewright_assemble::view::{View, ViewError};

use crate::event::ReelKind;
use crate::output::{OutputPattern, layer_in_name, see_writable};
use crate::request::Request;
use crate::run::pieces::merges_layers;

/// What makes films; looked for on the PATH.
pub(super) const FFMPEG: &str = "ffmpeg";
const LAYER: &str = "{layer}";

/// A film or a sheet that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reel {
    /// Which of them.
    pub kind: ReelKind,
    /// Whose pictures it shows; empty = those that hold all.
    pub layer: String,
    /// Where it goes: absolute.
    pub path: PathBuf,
}

/// Why a film or a sheet could not be made in the end.
#[derive(Debug, thiserror::Error)]
pub enum ReelError {
    /// There will be no pictures.
    #[error("a {0} is asked for, and this job writes no pictures")]
    NoPictures(ReelKind),
    /// An ending that says nothing of what to make.
    #[error("{} is no name of a {kind}: it ends in {}", path.display(), endings(*kind))]
    Ending {
        /// Which.
        kind: ReelKind,
        /// What was asked for.
        path: PathBuf,
    },
    /// Which layer?
    #[error(
        "each of {layers} layers has pictures of its own, and one {kind} cannot show them: {}",
        path.display()
    )]
    Layers {
        /// Which.
        kind: ReelKind,
        /// What was asked for.
        path: PathBuf,
        /// How many layers.
        layers: usize,
    },
    /// No such view.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A view of nothing.
    #[error("a view is asked for, and neither a film nor a contact sheet")]
    ViewOfNothing,
    /// ffmpeg is not there, or does not run.
    #[error("{FFMPEG}, which makes films, cannot be started: {0}")]
    NoFfmpeg(io::Error),
    /// Its folder cannot be written to.
    #[error("cannot write a {kind} into {}: {source}", folder.display())]
    Folder {
        /// Which.
        kind: ReelKind,
        /// Where.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Two files of one name.
    #[error("{} is asked for twice", .0.display())]
    Twice(PathBuf),
    /// More frames than anybody can look at.
    #[error("{frames} frames are more than a contact sheet has cells, {CELLS_MAX}")]
    TooMany {
        /// How many.
        frames: u64,
    },
}

impl ReelError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPictures(_) => Some("name files with -o, or leave it out".to_owned()),
            Self::Layers { path, .. } => {
                let path = path.display().to_string();
                let (stem, ending) = path.rsplit_once('.').unwrap_or((&path, ""));
                Some(format!("write `{stem}.{LAYER}.{ending}`: one for each"))
            }
            Self::NoFfmpeg(_) => Some(
                "install ffmpeg (Debian: apt install ffmpeg), or put it on the PATH".to_owned(),
            ),
            Self::Folder { .. } => {
                Some("choose another folder, or have it made writable for you".to_owned())
            }
            Self::Twice(_) => Some("choose two names".to_owned()),
            Self::TooMany { .. } => Some("choose fewer frames, or leave it out".to_owned()),
            Self::ViewOfNothing => Some("add --video or --contact-sheet".to_owned()),
            Self::Ending { kind, .. } => Some(match kind {
                ReelKind::Film => "name it like film.mp4".to_owned(),
                ReelKind::ContactSheet => "name it like sheet.png".to_owned(),
            }),
            Self::View(_) => Some("leave it out: EXRs go through srgb then".to_owned()),
        }
    }

    /// Whether something is missing here, rather than asked for in the wrong way.
    #[must_use]
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::NoFfmpeg(_))
    }
}

fn endings(kind: ReelKind) -> &'static str {
    match kind {
        ReelKind::Film => ".mp4, .mkv or .mov",
        ReelKind::ContactSheet => ".png",
    }
}

/// What is asked for, as it was typed.
fn wishes(request: &Request) -> impl Iterator<Item = (ReelKind, &Path)> {
    let film = request.video.as_deref();
    let sheet = request.contact_sheet.as_deref();
    let film = film.map(|path| (ReelKind::Film, path));
    film.into_iter()
        .chain(sheet.map(|path| (ReelKind::ContactSheet, path)))
}

/// Refuses what is wrong with the words, and films where nothing makes them. To be asked before a
/// scene is looked into, which may take minutes.
pub(in crate::run) fn check_words(request: &Request) -> Result<(), ReelError> {
    for (kind, path) in wishes(request) {
        let fits = match kind {
            ReelKind::Film => codec(path).is_some(),
            ReelKind::ContactSheet => ends_in(path, "png"),
        };
        if !fits {
            let path = path.to_owned();
            return Err(ReelError::Ending { kind, path });
        }
    }
    view(request)?;
    if request.view.is_some() && wishes(request).next().is_none() {
        return Err(ReelError::ViewOfNothing);
    }
    if request.video.is_some() {
        let mut ffmpeg = Command::new(FFMPEG);
        ffmpeg.arg("-version").stdin(Stdio::null());
        ffmpeg.stdout(Stdio::null()).stderr(Stdio::null());
        match ffmpeg.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(ReelError::NoFfmpeg(io::Error::other(status.to_string()))),
            Err(error) => return Err(ReelError::NoFfmpeg(error)),
        }
    }
    Ok(())
}

/// How EXRs are shown.
pub(super) fn view(request: &Request) -> Result<View, ViewError> {
    match &request.view {
        None => Ok(View::default()),
        Some(view) => View::named(view, 0.0),
    }
}

/// What a film is encoded with, by the ending of its name.
pub(super) fn codec(path: &Path) -> Option<Codec> {
    Codec::of_name(path, false)
}

fn ends_in(path: &Path, ending: &str) -> bool {
    let extension = path.extension().and_then(|it| it.to_str());
    let stem = path.file_stem().is_some_and(|stem| !stem.is_empty());
    stem && extension.is_some_and(|it| it.eq_ignore_ascii_case(ending))
}

/// What will be made, of a job with this output and these layers.
pub(in crate::run) fn settle(
    request: &Request,
    output: Option<&OutputPattern>,
    layers: &[String],
    frames: u64,
) -> Result<Vec<Reel>, ReelError> {
    let mut reels = Vec::new();
    for (kind, path) in wishes(request) {
        let Some(output) = output else {
            return Err(ReelError::NoPictures(kind));
        };
        if kind == ReelKind::ContactSheet && frames > CELLS_MAX as u64 {
            return Err(ReelError::TooMany { frames });
        }
        let of = |layer: &str, path: PathBuf| Reel {
            kind,
            layer: layer.to_owned(),
            path,
        };
        if layers.is_empty() || merges_layers(output, layers) {
            reels.push(of("", named(path, "")));
            continue;
        }
        if layers.len() > 1 && !path.to_string_lossy().contains(LAYER) {
            return Err(ReelError::Layers {
                kind,
                path: path.to_owned(),
                layers: layers.len(),
            });
        }
        for layer in layers {
            reels.push(of(layer, named(path, layer)));
        }
    }
    let mut seen = BTreeSet::new();
    match reels.iter().find(|reel| !seen.insert(&reel.path)) {
        Some(twice) => Err(ReelError::Twice(twice.path.clone())),
        None => Ok(reels),
    }
}

/// Paths are checked to be UTF-8 where they are typed.
fn named(path: &Path, layer: &str) -> PathBuf {
    let path = path.to_string_lossy();
    PathBuf::from(path.replace(LAYER, &layer_in_name(layer)))
}

/// Makes the folders of reels and sees that files can be made in them.
pub(in crate::run) fn make_folders(reels: &[Reel]) -> Result<(), ReelError> {
    for reel in reels {
        let folder = reel.path.parent().unwrap_or(Path::new("/"));
        let made = std::fs::create_dir_all(folder).and_then(|()| see_writable(folder));
        made.map_err(|source| ReelError::Folder {
            kind: reel.kind,
            folder: folder.to_owned(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use framewright_plugin_api::data::OutputFormat;

    use super::*;
    use crate::output::Wanted;
    use crate::store::test_plan;

    fn request(video: Option<&str>, sheet: Option<&str>) -> Request {
        let mut request = test_plan::plan(Path::new("/dev/null")).request;
        request.video = video.map(PathBuf::from);
        request.contact_sheet = sheet.map(PathBuf::from);
        request
    }

    fn output(typed: &str) -> OutputPattern {
        let formats = ["exr", "png"].map(|id| OutputFormat {
            id: id.to_owned(),
            extension: id.to_owned(),
        });
        OutputPattern::settle(&Wanted {
            typed: Some(Path::new(typed)),
            working_folder: Path::new("/work"),
            stem: OsStr::new("shot"),
            formats: &formats,
            frames: 2,
            layers: &[],
        })
        .unwrap()
    }

    fn settled(request: &Request, output: &str, layers: &[&str]) -> Result<Vec<String>, String> {
        let layers: Vec<String> = layers.iter().map(|&layer| layer.to_owned()).collect();
        let reels = settle(request, Some(&self::output(output)), &layers, 2);
        let told =
            |reel: Reel| format!("{} of `{}`: {}", reel.kind, reel.layer, reel.path.display());
        reels
            .map(|reels| reels.into_iter().map(told).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_set_of_pictures_has_a_film() {
        let both = request(Some("/f/a.mp4"), Some("/f/a.png"));
        let one = ["film of ``: /f/a.mp4", "contact sheet of ``: /f/a.png"];
        let one: Vec<String> = one.map(str::to_owned).to_vec();
        assert_eq!(settled(&both, "/o/a.####.png", &[]), Ok(one.clone()));
        // Several layers in one file are one picture.
        assert_eq!(settled(&both, "/o/a.####.exr", &["x", "y"]), Ok(one));
        let film = request(Some("/f/{layer}.mov"), None);
        let each = ["film of `x/1`: /f/x_1.mov", "film of `y`: /f/y.mov"];
        assert_eq!(
            settled(&film, "/o/{layer}.####.png", &["x/1", "y"]),
            Ok(each.map(str::to_owned).to_vec())
        );
        let alone = request(Some("/f/a.mov"), None);
        let single = vec!["film of `x`: /f/a.mov".to_owned()];
        assert_eq!(settled(&alone, "/o/{layer}.####.png", &["x"]), Ok(single));
    }

    #[test]
    fn one_film_of_several_layers_is_refused() {
        let film = request(Some("/f/a.mp4"), None);
        let error = settled(&film, "/o/{layer}.####.png", &["x", "y"]).unwrap_err();
        assert_eq!(
            error,
            "each of 2 layers has pictures of its own, and one film cannot show them: /f/a.mp4"
        );
        let twice = request(Some("/f/a.mp4"), Some("/f/a.mp4"));
        let error = settled(&twice, "/o/a.####.png", &[]).unwrap_err();
        assert_eq!(error, "/f/a.mp4 is asked for twice");
        let error = settle(&film, None, &[], 2).unwrap_err();
        let hint = error.hint().unwrap();
        assert_eq!(
            (error.to_string().as_str(), hint.as_str()),
            (
                "a film is asked for, and this job writes no pictures",
                "name files with -o, or leave it out"
            )
        );
    }

    #[test]
    fn words_that_are_wrong_are_refused_before_a_scene_is_read() {
        let said = |request: &Request| check_words(request).unwrap_err().to_string();
        assert_eq!(
            said(&request(Some("/f/a.avi"), None)),
            "/f/a.avi is no name of a film: it ends in .mp4, .mkv or .mov"
        );
        assert_eq!(
            said(&request(Some("/f/.mp4"), None)),
            "/f/.mp4 is no name of a film: it ends in .mp4, .mkv or .mov"
        );
        assert_eq!(
            said(&request(None, Some("/f/a.jpg"))),
            "/f/a.jpg is no name of a contact sheet: it ends in .png"
        );
        let mut view = request(None, Some("/f/a.PNG"));
        assert!(check_words(&view).is_ok());
        view.view = Some("aces".to_owned());
        assert!(said(&view).starts_with("`aces` is no view"));
        view.contact_sheet = None;
        view.view = Some("srgb".to_owned());
        assert_eq!(
            said(&view),
            "a view is asked for, and neither a film nor a contact sheet"
        );
    }
}
