//! What goes wrong, as a person or a script is told: one sentence, what to do about it, and the
//! exit code.
//!
//! Libraries say what failed; here the advice is added. Nothing else in the program prints an
//! error.

use std::io::Write;

use framewright_core::farm::FarmError;
use framewright_core::keys::KeysError;
use framewright_core::quantity::QuantityError;
use framewright_core::store::{
    ClaimError, CreateError, FindError, JobFolderError, LockError, LogError,
};
use serde::Serialize;

use crate::args::low::Format;
use crate::exit::Exit;
use crate::printable::printable;

/// An error as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presentable {
    /// One sentence without a full stop: what could not be done, to what, and why.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// How the program ends.
    pub(crate) exit: Exit,
}

impl Presentable {
    /// Bad usage or input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: Exit::Usage,
        }
    }

    /// A fault of this program.
    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: Exit::Fault,
        }
    }

    /// The same with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it where that format's readers look. Nothing is left to be done where that fails.
    pub(crate) fn print(&self, format: Format) {
        match format {
            Format::Human => {
                let _ = anstream::stderr().write_all(self.for_people().as_bytes());
            }
            Format::Json => {
                let mut line = self.as_json();
                line.push('\n');
                let _ = std::io::stdout().write_all(line.as_bytes());
            }
        }
    }

    /// Two lines at most, with colours that the terminal's stream takes out where they do not
    /// belong.
    fn for_people(&self) -> String {
        let red = anstyle::AnsiColor::Red.on_default().bold();
        let cyan = anstyle::AnsiColor::Cyan.on_default();
        let mut text = format!("{red}framewright:{red:#} {}\n", printable(&self.message));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{cyan}hint:{cyan:#} {}\n", printable(hint)));
        }
        text
    }

    /// `{"format":1,"error":{code,message,hint}}`
    fn as_json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            format: u32,
            error: Body<'a>,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            code: u8,
            message: &'a str,
            hint: Option<&'a str>,
        }
        let document = Document {
            format: 1,
            error: Body {
                code: self.exit.code(),
                message: &self.message,
                hint: self.hint.as_deref(),
            },
        };
        // Strings and numbers only: this cannot fail, and if it did there is nobody to tell.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl From<KeysError> for Presentable {
    fn from(error: KeysError) -> Self {
        let hint = keys_hint(&error);
        Self::usage(error.to_string()).hint(hint)
    }
}

fn keys_hint(error: &KeysError) -> &'static str {
    match error {
        KeysError::Read { .. } => "check the path; it counts from the current folder",
        KeysError::Syntax { .. } => {
            "the file is TOML: lines like key = \"text\" or key = 3, below headings like [set]"
        }
        KeysError::UnknownKey { .. } | KeysError::Value { .. } => {
            "correct that line, or take it out"
        }
    }
}

impl Presentable {
    /// A number with a unit that cannot be meant, and the option that it was given with.
    pub(crate) fn quantity(option: &str, error: &QuantityError) -> Self {
        let text = error.to_string();
        match text.split_once(": write ") {
            Some((what, right)) => {
                Self::usage(format!("{option}: {what}")).hint(format!("write {right}"))
            }
            None => Self::usage(format!("{option}: {text}")),
        }
    }
}

/// An error and its causes as one sentence.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat their cause already.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

impl From<FindError> for Presentable {
    fn from(error: FindError) -> Self {
        let problem = Self::usage(with_causes(&error));
        match error {
            FindError::Unknown { .. } | FindError::Ambiguous { .. } => {
                problem.hint("framewright jobs lists them")
            }
            FindError::Io { .. } => problem,
        }
    }
}

impl From<JobFolderError> for Presentable {
    fn from(error: JobFolderError) -> Self {
        Self::fault(with_causes(&error))
    }
}

impl From<LogError> for Presentable {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io { .. } => Self::fault(with_causes(&error)),
            LogError::UnknownTask { .. } => Self::usage(with_causes(&error)),
        }
    }
}

impl From<CreateError> for Presentable {
    fn from(error: CreateError) -> Self {
        Self::usage(with_causes(&error))
            .hint("jobs are kept in the user's state folder; set XDG_STATE_HOME to another one")
    }
}

impl From<ClaimError> for Presentable {
    fn from(error: ClaimError) -> Self {
        let problem = Self::usage(with_causes(&error));
        match error {
            ClaimError::Held { .. } => {
                problem.hint("name another output with -o, or wait for that job")
            }
            ClaimError::Io { .. } => problem,
        }
    }
}

impl From<LockError> for Presentable {
    fn from(error: LockError) -> Self {
        Self::usage(with_causes(&error))
    }
}

impl From<FarmError> for Presentable {
    fn from(error: FarmError) -> Self {
        let hint = match &error {
            FarmError::File(error) => Some(keys_hint(error)),
            FarmError::Empty { .. } => {
                Some("add a host: [[host]], name = \"here\", link = \"local\"")
            }
            FarmError::NoSuchHost { .. } => Some("--host takes the names of [[host]] tables"),
        };
        Self {
            message: error.to_string(),
            hint: hint.map(str::to_owned),
            exit: Exit::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_a_sentence_and_a_hint() {
        let problem = Presentable::usage("there is no scene a.blend").hint("check the path");
        let plain = anstream::adapter::strip_str(&problem.for_people()).to_string();
        assert_eq!(
            plain,
            "framewright: there is no scene a.blend\nhint: check the path\n"
        );
    }

    #[test]
    fn scripts_get_the_same_as_a_document() {
        let problem = Presentable::usage("there is no scene \"a\"");
        assert_eq!(
            problem.as_json(),
            r#"{"format":1,"error":{"code":2,"message":"there is no scene \"a\"","hint":null}}"#
        );
    }

    #[test]
    fn a_file_name_cannot_write_on_the_terminal() {
        let problem = Presentable::usage("no scene \u{1b}[2Jx\ny");
        let text = problem.for_people();
        assert!(!text.contains("\u{1b}[2J"), "{text:?}");
        assert_eq!(text.matches('\n').count(), 1);
    }
}
