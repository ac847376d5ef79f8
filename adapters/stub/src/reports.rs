//! What the stub renderer's lines mean.
//!
//! Lines that begin with `@@FW ` are its protocol; of the others only errors are of interest.

use serde::Deserialize;

use framewright_plugin_api::data::Verdict;

/// A line of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Report<'a> {
    /// The scene is loaded.
    Loaded,
    /// A task has begun.
    Begun(Place),
    /// How much of a task is done.
    Progress(Place, f32),
    /// A task is done and its picture written.
    Wrote(Place),
    /// A task is done, there is no picture.
    Done(Place),
    /// A task failed, the renderer goes on.
    Failed(Place, Verdict, &'a str),
    /// Answer to a cut: so many of the tasks that this process was sent.
    Kept {
        /// Which segment.
        segment: u64,
        /// How many.
        keep: u32,
    },
    /// The scene does not stay loaded.
    NotSticky,
    /// The renderer refuses and ends.
    Refused(Refusal),
}

/// Which task a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its segment.
    pub segment: u64,
    /// The task.
    pub task: u32,
}

/// Why the renderer does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// One sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub hint: String,
}

/// What follows the mark of a protocol line; `None` for any other line.
pub fn marked(line: &str) -> Option<&str> {
    line.strip_prefix("@@FW ")
}

/// Reads what follows the mark; `None` where it is not understood.
pub fn read(text: &str) -> Option<Report<'_>> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "loaded" => Some(Report::Loaded),
        "not-sticky" => Some(Report::NotSticky),
        "error" => serde_json::from_str(rest).ok().map(Report::Refused),
        "kept" => {
            let (segment, keep) = rest.split_once(' ')?;
            Some(Report::Kept {
                segment: segment.parse().ok()?,
                keep: keep.parse().ok()?,
            })
        }
        "begun" | "progress" | "wrote" | "done" | "failed" => {
            let mut parts = rest.splitn(3, ' ');
            let place = Place {
                segment: parts.next()?.parse().ok()?,
                task: parts.next()?.parse().ok()?,
            };
            let rest = parts.next().unwrap_or("");
            match word {
                "begun" => Some(Report::Begun(place)),
                "progress" => Some(Report::Progress(place, rest.parse().ok()?)),
                "wrote" => Some(Report::Wrote(place)),
                "done" => Some(Report::Done(place)),
                _ => {
                    let (verdict, why) = rest.split_once(' ')?;
                    Some(Report::Failed(place, self::verdict(verdict)?, why))
                }
            }
        }
        _ => None,
    }
}

fn verdict(word: &str) -> Option<Verdict> {
    match word {
        "unrenderable" => Some(Verdict::Unrenderable),
        "machine-fault" => Some(Verdict::MachineFault),
        "adapter-fault" => Some(Verdict::AdapterFault),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_protocol_is_understood() {
        let place = Place {
            segment: 3,
            task: 17,
        };
        for (line, report) in [
            ("@@FW loaded", Report::Loaded),
            ("@@FW begun 3 17", Report::Begun(place)),
            ("@@FW progress 3 17 0.40", Report::Progress(place, 0.4)),
            ("@@FW wrote 3 17", Report::Wrote(place)),
            ("@@FW done 3 17", Report::Done(place)),
            (
                "@@FW failed 3 17 machine-fault cannot write /a b: No space left",
                Report::Failed(
                    place,
                    Verdict::MachineFault,
                    "cannot write /a b: No space left",
                ),
            ),
            (
                "@@FW kept 3 5",
                Report::Kept {
                    segment: 3,
                    keep: 5,
                },
            ),
            ("@@FW not-sticky", Report::NotSticky),
            (
                "@@FW error {\"message\":\"m\",\"hint\":\"h\"}",
                Report::Refused(Refusal {
                    message: "m".to_owned(),
                    hint: "h".to_owned(),
                }),
            ),
        ] {
            assert_eq!(marked(line).and_then(read), Some(report), "{line}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        assert_eq!(marked("Saved: '/x'"), None);
        for text in [
            "",
            "hello",
            "begun",
            "begun 3",
            "begun x 1",
            "progress 1 1 much",
            "kept 1",
            "failed 1 1",
            "failed 1 1 bad-luck x",
            "error {",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
