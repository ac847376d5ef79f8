//! What a line of `kick`'s log says.
//!
//! `HH:MM:SS  NNNMB LEVEL  | text`, and lines of libraries without that head. Names of nodes and files
//! stand in the text as they are, so a line is read by its level and how its text begins; words inside it
//! count only where the level says that something is wrong.

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Told by the way.
    Info,
    /// Arnold goes on.
    Warning,
    /// Arnold may go on.
    Error,
}

/// A line, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a> {
    /// `Arnold 7.5.0.0 [2a538adb] linux …`: the version.
    Version(&'a str),
    /// A scene is about to be rendered: it is loaded.
    Begins,
    /// So much of the current pass is done.
    Done(f32),
    /// The current pass is complete.
    PassDone,
    /// A driver is about to write a file.
    Writes(&'a str),
    /// The picture will have, or would have had, a watermark.
    NoLicence(&'a str),
    /// Something is wrong.
    Complaint(Level, &'a str),
    /// Anything else of Arnold's.
    Chatter,
    /// What does not come from Arnold's log.
    Foreign(&'a str),
}

/// Reads a line.
pub fn read(text: &str) -> Line<'_> {
    let Some((level, said)) = split(text) else {
        return match version(text) {
            Some(version) => Line::Version(version),
            None => Line::Foreign(text),
        };
    };
    let said = said.trim();
    if said.starts_with("rendering with watermarks because")
        || said.starts_with("aborting render because the abort_on_license_fail option was enabled")
    {
        return Line::NoLicence(said);
    }
    if level > Level::Info {
        return Line::Complaint(level, said);
    }
    if let Some(fraction) = fraction(said) {
        return Line::Done(fraction);
    }
    if said.starts_with("rendering image at ") {
        return Line::Begins;
    }
    if said.starts_with("render done") {
        return Line::PassDone;
    }
    if let Some(path) = written(said) {
        return Line::Writes(path);
    }
    match version(said) {
        Some(version) => Line::Version(version),
        None => Line::Chatter,
    }
}

/// Level and text of a line of Arnold's.
fn split(text: &str) -> Option<(Level, &str)> {
    let (head, said) = text.split_once('|')?;
    let mut words = head.split_whitespace();
    let time = words.next()?;
    let is_time = time.len() >= 8 && time.chars().all(|c| c.is_ascii_digit() || c == ':');
    let memory = words.next()?.strip_suffix("MB")?;
    if !is_time || memory.parse::<u64>().is_err() {
        return None;
    }
    let level = match words.next() {
        None => Level::Info,
        Some("WARNING") => Level::Warning,
        Some("ERROR" | "FATAL") => Level::Error,
        Some(_) => return None,
    };
    words.next().is_none().then_some((level, said))
}

/// `45% done - 10 rays/pixel`, `5% done -- estimated remaining time = 1.0s`.
fn fraction(said: &str) -> Option<f32> {
    let (percent, rest) = said.split_once('%')?;
    let percent: u8 = percent.parse().ok()?;
    (percent <= 100 && rest.starts_with(" done")).then(|| f32::from(percent) / 100.0)
}

/// ``[driver_exr] writing file `/p/a.exr'``.
fn written(said: &str) -> Option<&str> {
    let (name, rest) = said.strip_prefix('[')?.split_once("] writing file `")?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| rest.strip_suffix('\''))?
}

/// `Arnold 7.5.0.0 [2a538adb] windows …`.
fn version(said: &str) -> Option<&str> {
    let (number, rest) = said.strip_prefix("Arnold ")?.split_once(' ')?;
    let is_number =
        number.split('.').count() >= 2 && number.split('.').all(|part| part.parse::<u32>().is_ok());
    (is_number && rest.starts_with('[')).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(said: &str) -> Line<'_> {
        read(said)
    }

    #[test]
    fn both_forms_of_progress_are_read() {
        assert_eq!(
            info("00:00:00   265MB         |    1% done - 10 rays/pixel"),
            Line::Done(0.01)
        );
        assert_eq!(
            info("00:01:07  1399MB         |   75% done -- estimated remaining time = 1.0s"),
            Line::Done(0.75)
        );
        assert_eq!(info("00:00:00   1MB  |  101% done - 1"), Line::Chatter);
        assert_eq!(info("00:00:00   1MB  |  5% donex"), Line::Done(0.05));
    }

    #[test]
    fn a_written_file_is_named_as_it_is() {
        assert_eq!(
            info("00:00:00   315MB         | [driver_exr] writing file `/p/it's a.exr'"),
            Line::Writes("/p/it's a.exr")
        );
        assert_eq!(
            info("00:00:00   315MB         |  [proc] writing file `x'"),
            Line::Writes("x")
        );
        assert_eq!(
            info("00:00:00   315MB         | node a] writing file `x'"),
            Line::Chatter
        );
    }

    #[test]
    fn no_licence_is_known_at_any_level() {
        for line in [
            "00:00:00   136MB WARNING | rendering with watermarks because of failed authorization:",
            "00:00:00   136MB WARNING | rendering with watermarks because the skip_license_check option was enabled",
            "00:00:00   136MB  ERROR  | aborting render because the abort_on_license_fail option was enabled",
            "00:00:00   136MB         | aborting render because the abort_on_license_fail option was enabled",
        ] {
            assert!(matches!(read(line), Line::NoLicence(_)), "{line}");
        }
        // The statistics say it again, as a count.
        let count =
            "00:00:00   267MB         |     1:  rendering with watermarks because of failed";
        assert_eq!(read(count), Line::Chatter);
    }

    #[test]
    fn a_node_that_is_called_like_a_complaint_is_none() {
        let line = "00:00:00   191MB         |  ERROR | No such file or directory: loaded 3 nodes";
        assert_eq!(read(line), Line::Chatter);
        let line = "00:00:00   191MB ERROR   | [ass] can't read in usd_proc.ass: No such file";
        assert!(matches!(read(line), Line::Complaint(Level::Error, _)));
    }

    #[test]
    fn the_version_is_read_with_and_without_a_head() {
        let said = "Arnold 7.5.0.0 [2a538adb] linux x86_64 clang-20.1.8 oiio-2.6.3";
        assert_eq!(read(said), Line::Version("7.5.0.0"));
        let line = format!("00:00:00    96MB         | {said}");
        assert_eq!(read(&line), Line::Version("7.5.0.0"));
        assert_eq!(read("Arnold shutdown"), Line::Foreign("Arnold shutdown"));
    }
}
