//! Arguments: what is typed ([`low`]) is completed from `--job` ([`job_file`]) and becomes what
//! is meant ([`settle`]).

pub(crate) mod assemble;
pub(crate) mod farm;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod job_file;
pub(crate) mod low;
pub(crate) mod settle;
pub(crate) mod simulate;

use std::ffi::{OsStr, OsString};

use clap::{CommandFactory, FromArgMatches};

use crate::exit::{EXIT_CODES, Exit};
use crate::problem::Presentable;
use low::{Format, Low};

/// What reading the command line came to.
pub(crate) enum Parsed {
    /// A command to carry out.
    Command(Box<Low>),
    /// Help or the version was asked for; this is it, for stdout.
    Answer(clap::builder::StyledStr),
}

/// The command with everything that help, completions and manual are made from.
pub(crate) fn command() -> clap::Command {
    Low::command().after_long_help(format!(
        "Example:\n  framewright render shot010.blend -f 1-250 -o 'frames/shot010.####.exr'\n\n{EXIT_CODES}"
    ))
}

/// Reads the command line, program name first.
pub(crate) fn parse(words: &[OsString]) -> Result<Parsed, clap::Error> {
    let low = command()
        .try_get_matches_from(words)
        .and_then(|mut matches| Low::from_arg_matches_mut(&mut matches));
    match low {
        Ok(low) => Ok(Parsed::Command(Box::new(low))),
        Err(error) if !error.use_stderr() => Ok(Parsed::Answer(error.render())),
        Err(error) => Err(error),
    }
}

/// Whether the words ask for JSON, found out without understanding them: an error of usage has
/// to be told in the format that was asked for.
pub(crate) fn asks_for_json(words: &[OsString]) -> bool {
    let before_end = || words.iter().take_while(|word| *word != "--");
    let next = before_end().skip(1).map(OsString::as_os_str);
    before_end()
        .zip(next.chain([OsStr::new("")]))
        .any(|(word, next)| word == "--format=json" || (word == "--format" && next == "json"))
}

/// Whether nothing was asked for at all, which is answered by the help.
pub(crate) fn is_nothing_typed(error: &clap::Error) -> bool {
    error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// clap's own error as a sentence: its first paragraph is the sentence, its tip the hint.
pub(crate) fn usage_problem(error: &clap::Error) -> Presentable {
    let text = error.render().to_string();
    let mut paragraphs = text
        .split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let first = paragraphs.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    let tip = paragraphs.find_map(|part| part.strip_prefix("tip: ").map(str::to_owned));
    let hint = tip.unwrap_or_else(|| {
        "framewright --help lists commands, framewright COMMAND --help its options".to_owned()
    });
    Presentable {
        message,
        hint: Some(hint),
        exit: Exit::Usage,
    }
}

/// The format to use for a command, once everything is known.
pub(crate) fn format_of(low: &Low) -> Format {
    low.common.format.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use low::Command;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    fn render(line: &[&str]) -> low::RenderArgs {
        match parse(&words(line)) {
            Ok(Parsed::Command(low)) => match low.command {
                Command::Render(args) => *args,
                other => panic!("not render: {other:?}"),
            },
            Ok(Parsed::Answer(text)) => panic!("an answer: {text}"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_option_table_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn negative_frames_are_taken_with_and_without_an_equals_sign() {
        assert_eq!(
            render(&["framewright", "render", "a.blend", "-f=-10..-1"])
                .job
                .frames
                .as_deref(),
            Some("-10..-1")
        );
        assert_eq!(
            render(&["framewright", "render", "a.blend", "-f", "-10..-1"])
                .job
                .frames
                .as_deref(),
            Some("-10..-1")
        );
        assert_eq!(
            render(&["framewright", "render", "-f-5", "a.blend"])
                .job
                .frames
                .as_deref(),
            Some("-5")
        );
        assert_eq!(
            render(&["framewright", "render", "--frames", "-5", "a.blend"])
                .job
                .frames
                .as_deref(),
            Some("-5")
        );
    }

    #[test]
    fn a_scene_may_begin_with_a_dash_after_two_dashes() {
        let args = render(
            &["framewright", "render", "-q2", "--", "-odd.blend"]
                .map(|w| if w == "-q2" { "-q" } else { w }),
        );
        assert_eq!(args.job.scene.unwrap().as_os_str(), "-odd.blend");
    }

    #[test]
    fn resume_brings_its_own_options() {
        let error = parse(&words(&[
            "framewright",
            "render",
            "--resume",
            "j",
            "-f",
            "1-3",
        ]))
        .err()
        .unwrap();
        let problem = usage_problem(&error);
        assert_eq!(
            problem.message,
            "the argument '--resume <JOB>' cannot be used with '--frames <SET>'"
        );
        assert_eq!(problem.exit, Exit::Usage);
        assert_eq!(
            render(&["framewright", "render", "--resume", "j"])
                .resume
                .as_deref(),
            Some("j")
        );
    }

    #[test]
    fn json_is_asked_for_even_in_a_line_that_is_wrong() {
        assert!(asks_for_json(&words(&[
            "framewright",
            "--format",
            "json",
            "rendr"
        ])));
        assert!(asks_for_json(&words(&[
            "framewright",
            "rendr",
            "--format=json"
        ])));
        assert!(!asks_for_json(&words(&[
            "framewright",
            "render",
            "--",
            "--format=json"
        ])));
        assert!(!asks_for_json(&words(&[
            "framewright",
            "render",
            "--format"
        ])));
    }

    #[test]
    fn a_slip_in_an_option_gets_clap_s_tip_as_hint() {
        let error = parse(&words(&["framewright", "render", "a", "--frame", "1"]))
            .err()
            .unwrap();
        let problem = usage_problem(&error);
        assert!(problem.message.contains("--frame"), "{problem:?}");
        assert!(
            problem.hint.as_deref().unwrap().contains("--frames"),
            "{problem:?}"
        );
    }
}
