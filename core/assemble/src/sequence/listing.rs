//! From what was typed to the files that it means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::SequenceError;

/// What pictures are called.
const EXTENSIONS: [&str; 2] = ["exr", "png"];

/// A file name with its frame taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mould {
    before: String,
    after: String,
}

/// Files by frame, ascending.
pub(super) fn find(typed: &str) -> Result<Vec<(i32, PathBuf)>, SequenceError> {
    let path = Path::new(typed);
    if path.is_dir() {
        return of_folder(typed, path, |_| true);
    }
    let (folder, name) = match typed.rsplit_once('/') {
        Some(("", name)) => (Path::new("/"), name),
        Some((folder, name)) => (Path::new(folder), name),
        None => (Path::new(""), typed),
    };
    let name = from_printf(name);
    match name.split_once('#') {
        Some((before, rest)) => {
            let after = rest.trim_start_matches('#');
            if after.contains('#') {
                return Err(SequenceError::SeveralFrames(typed.to_owned()));
            }
            let digits = 1 + rest.len() - after.len();
            of_pattern(folder, before, digits, after)
        }
        None if name.contains(['*', '?']) => {
            of_folder(typed, folder, |candidate| fits(&name, candidate))
        }
        None => Err(SequenceError::NoFrame(typed.to_owned())),
    }
}

/// `%04d`, as compositors and ffmpeg write it, becomes `####`.
fn from_printf(name: &str) -> String {
    let Some((before, rest)) = name.split_once('%') else {
        return name.to_owned();
    };
    match rest.split_once('d') {
        Some((width, after)) if width.bytes().all(|byte| byte.is_ascii_digit()) => {
            let digits = width.parse::<usize>().unwrap_or(1).clamp(1, 10);
            format!("{before}{:#>digits$}{after}", "")
        }
        _ => name.to_owned(),
    }
}

/// Names of regular files of a folder that are text and not hidden, in order.
fn names(folder: &Path) -> Result<Vec<String>, SequenceError> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let failed = |source| SequenceError::List {
        folder: folder.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn of_pattern(
    folder: &Path,
    before: &str,
    digits: usize,
    after: &str,
) -> Result<Vec<(i32, PathBuf)>, SequenceError> {
    let mut stills: Vec<_> = names(folder)?
        .into_iter()
        .filter_map(|name| {
            let number = name.strip_prefix(before)?.strip_suffix(after)?;
            let (sign, figures) = match number.strip_prefix('-') {
                Some(figures) => (-1, figures),
                None => (1, number),
            };
            // The file of a frame has one name: `7` in four digits is `0007`, not `00007`.
            let right =
                figures.len() == digits || figures.len() > digits && !figures.starts_with('0');
            let figures: i32 = right.then(|| whole(figures))??;
            (sign > 0 || figures > 0).then(|| (sign * figures, folder.join(name)))
        })
        .collect();
    stills.sort_unstable();
    Ok(stills)
}

/// All figures, and not too many.
fn whole(figures: &str) -> Option<i32> {
    let all = !figures.is_empty() && figures.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| figures.parse().ok())?
}

fn of_folder(
    typed: &str,
    folder: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(i32, PathBuf)>, SequenceError> {
    let mut moulds: BTreeMap<Mould, (usize, BTreeMap<i32, PathBuf>)> = BTreeMap::new();
    for name in names(folder)?.into_iter().filter(|name| wanted(name)) {
        let Some((mould, frame, digits)) = numbered(&name) else {
            continue;
        };
        let (least, stills) = moulds.entry(mould).or_insert((digits, BTreeMap::new()));
        *least = digits.min(*least);
        let path = folder.join(name);
        if let Some(first) = stills.insert(frame, path.clone()) {
            return Err(SequenceError::Twice {
                frame,
                first,
                second: path,
            });
        }
    }
    if moulds.len() > 1 {
        let pattern = |(mould, (digits, _)): (&Mould, &(usize, _))| {
            let name = format!("{}{:#>digits$}{}", mould.before, "", mould.after);
            folder.join(name).display().to_string()
        };
        return Err(SequenceError::Several {
            typed: typed.to_owned(),
            patterns: moulds.iter().map(pattern).collect(),
        });
    }
    let stills = moulds.into_values().next().map(|(_, stills)| stills);
    Ok(stills.unwrap_or_default().into_iter().collect())
}

/// The last number in a picture's name is its frame. A minus is a sign where a separator stands
/// before it: `shot.-0004.exr`, but not `shot-0004.exr`.
fn numbered(name: &str) -> Option<(Mould, i32, usize)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_picture = EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension));
    if !is_picture {
        return None;
    }
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end]
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .len();
    let figures = &stem[start..end];
    let (before, sign) = match stem[..start].strip_suffix('-') {
        Some(before) if before.is_empty() || before.ends_with(['.', '_']) => (before, -1),
        _ => (&stem[..start], 1),
    };
    let mould = Mould {
        before: before.to_owned(),
        after: name[end..].to_owned(),
    };
    Some((mould, sign * whole(figures)?, figures.len()))
}

/// Wildcards in a file name: `*` is anything, `?` one character.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where the latest star stands, and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while of < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[of] => {
                at += 1;
                of += 1;
            }
            _ => match star {
                Some((stood, reached)) => {
                    star = Some((stood, reached + 1));
                    at = stood + 1;
                    of = reached + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, fit) in [
            ("shot.*.exr", "shot.0001.exr", true),
            ("shot.*.exr", "shot.0001.png", false),
            ("*", "", true),
            ("a*b*c", "a-bb-cc", true),
            ("a*b*c", "a-c", false),
            ("s???.png", "s001.png", true),
            ("s???.png", "s01.png", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn the_last_number_is_the_frame() {
        let frame = |name| numbered(name).map(|(mould, frame, _)| (mould.before, frame));
        assert_eq!(frame("sh010.0042.exr"), Some(("sh010.".to_owned(), 42)));
        assert_eq!(frame("shot-0004.exr"), Some(("shot-".to_owned(), 4)));
        assert_eq!(frame("shot.-0004.png"), Some(("shot.".to_owned(), -4)));
        assert_eq!(frame("0007_beauty.exr"), Some((String::new(), 7)));
        assert_eq!(frame("readme.txt"), None);
        assert_eq!(frame("poster.png"), None);
    }

    #[test]
    fn printf_is_understood() {
        assert_eq!(from_printf("a.%04d.exr"), "a.####.exr");
        assert_eq!(from_printf("a.%d.exr"), "a.#.exr");
        assert_eq!(from_printf("100%.exr"), "100%.exr");
    }
}
