//! What ffmpeg is told.

use std::ffi::OsString;
use std::path::Path;

use super::{Codec, Container, Film, FilmError};
use crate::sequence::Alike;

/// The most that H.264's highest levels and players take; libx264 itself ends at 16384.
const H264_SIDE_MAX: usize = 16384;
/// What the frame header of ProRes can tell.
const PRORES_SIDE_MAX: usize = 65535;

/// The film's size: 4:2:0 wants even sides, 4:2:2 an even width.
pub(super) fn padded(codec: Codec, alike: &Alike) -> Result<(usize, usize), FilmError> {
    let (width, height) = (alike.width, alike.height);
    let (size, most) = match codec {
        Codec::H264 => ((even(width), even(height)), H264_SIDE_MAX),
        Codec::ProRes422 => ((even(width), height), PRORES_SIDE_MAX),
        Codec::ProRes4444 => ((width, height), PRORES_SIDE_MAX),
    };
    if size.0.max(size.1) > most {
        return Err(FilmError::TooLarge {
            width,
            height,
            most,
        });
    }
    Ok(size)
}

fn even(side: usize) -> usize {
    side.next_multiple_of(2)
}

/// Whether raw frames have alpha.
pub(super) fn has_alpha(codec: Codec) -> bool {
    match codec {
        Codec::ProRes4444 => true,
        Codec::H264 | Codec::ProRes422 => false,
    }
}

pub(super) fn of(
    film: &Film<'_>,
    container: Container,
    size: (usize, usize),
    place: &Path,
) -> Vec<OsString> {
    let pixels = if has_alpha(film.codec) {
        "rgba64le"
    } else {
        "rgb48le"
    };
    let (encoder, stored) = match film.codec {
        Codec::H264 => ("libx264", "yuv420p"),
        Codec::ProRes422 => ("prores_ks", "yuv422p10le"),
        Codec::ProRes4444 => ("prores_ks", "yuva444p10le"),
    };
    let mut arguments: Vec<OsString> = Vec::new();
    let mut say = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    say(&["-hide_banner", "-nostats", "-loglevel", "error", "-y"]);
    say(&["-f", "rawvideo", "-pixel_format", pixels]);
    say(&["-video_size", &format!("{}x{}", size.0, size.1)]);
    say(&["-framerate", &film.rate.to_string(), "-i", "pipe:0"]);
    // Without these ffmpeg makes BT.601 of RGB and tells nobody, and players show other colours. The
    // encoders of ProRes look at frames, those of H.264 at what stands below.
    let matrix = format!(
        "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,\
         format={stored},\
         setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    );
    say(&["-an", "-vf", &matrix, "-c:v", encoder]);
    match film.codec {
        Codec::H264 => say(&["-preset", "medium", "-crf", &film.crf.to_string()]),
        Codec::ProRes422 => say(&["-profile:v", "hq", "-vendor", "apl0"]),
        Codec::ProRes4444 => say(&["-profile:v", "4444", "-alpha_bits", "16", "-vendor", "apl0"]),
    }
    say(&["-color_primaries", "bt709", "-color_trc", "bt709"]);
    say(&["-colorspace", "bt709", "-color_range", "tv"]);
    // The index first, so that a film can be looked at while it comes.
    match container {
        Container::Mp4 => say(&["-movflags", "+faststart", "-f", "mp4"]),
        Container::QuickTime => say(&["-movflags", "+faststart+write_colr", "-f", "mov"]),
        Container::Matroska => say(&["-f", "matroska"]),
    }
    // A name that begins with a dash or looks like a protocol is a file nevertheless.
    let mut file = OsString::from("file:");
    file.push(place);
    arguments.push(file);
    arguments
}
