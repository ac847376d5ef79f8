//! `adapter.toml`: what is known about an adapter before any of its code runs.
//!
//! Discovery reads manifests and nothing else, so listing adapters runs no adapter. A key that is
//! not known is an error, because in a file of six lines it is a slip of the pen.

use serde::Deserialize;

/// The only manifest file name.
pub const MANIFEST_NAME: &str = "adapter.toml";

/// Longest manifest that is read.
pub const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// A manifest that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Short name, as in `--adapter ID`.
    pub id: String,
    /// The adapter's own version.
    pub version: String,
    /// What is started or loaded.
    pub code: Code,
    /// BLAKE3 of the library or script, in lower-case hex; checked whenever it is given.
    pub hash: Option<String>,
    /// What a scene file's name ends with, in lower case, without the leading dot.
    pub extensions: Vec<String>,
}

/// What a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A dynamic library's file name, relative to the manifest.
    Library(String),
    /// A program and its arguments; files beside the manifest may be named without a folder.
    Command(Vec<String>),
}

/// What is wrong with a manifest. Reads as the end of a sentence about the file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    /// It is no TOML, or has unknown, missing or mistyped keys.
    #[error("{0}")]
    Syntax(String),
    /// Its id is no id.
    #[error("id {0:?} may only have lower-case letters, digits and -, and not be longer than 40")]
    Id(String),
    /// Made for another framewright.
    #[error("it is for adapter ABI {0}, and this framewright speaks ABI {ours}", ours = framewright_plugin_api::abi::ABI_MAJOR)]
    Abi(u32),
    /// Both, or neither.
    #[error("it must name either a library or a command")]
    Code,
    /// The library leaves the folder.
    #[error("library {0:?} must be a file name in the manifest's folder")]
    Library(String),
    /// Not 64 hex digits.
    #[error("hash {0:?} is no BLAKE3 hash (64 hex digits)")]
    Hash(String),
    /// Empty, or with a leading dot or a slash.
    #[error("extension {0:?} is none (write \"blend\", not \".blend\")")]
    Extension(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    id: String,
    version: String,
    abi: u32,
    library: Option<String>,
    command: Option<Vec<String>>,
    hash: Option<String>,
    #[serde(default)]
    extensions: Vec<String>,
}

impl Manifest {
    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let typed: Typed = toml::from_str(text)
            .map_err(|error| ManifestError::Syntax(error.message().trim().to_owned()))?;
        if !is_id(&typed.id) {
            return Err(ManifestError::Id(typed.id));
        }
        if typed.abi != u32::from(framewright_plugin_api::abi::ABI_MAJOR) {
            return Err(ManifestError::Abi(typed.abi));
        }
        let code = match (typed.library, typed.command) {
            (Some(library), None) => {
                if library.is_empty() || library.contains('/') || library == ".." {
                    return Err(ManifestError::Library(library));
                }
                Code::Library(library)
            }
            (None, Some(command)) if !command.is_empty() => Code::Command(command),
            _ => return Err(ManifestError::Code),
        };
        let hash = match typed.hash.map(|hash| hash.to_ascii_lowercase()) {
            Some(hash) if hash.len() != 64 || hash.contains(|c: char| !c.is_ascii_hexdigit()) => {
                return Err(ManifestError::Hash(hash));
            }
            hash => hash,
        };
        let mut extensions = Vec::new();
        for extension in typed.extensions {
            if extension.is_empty() || extension.starts_with('.') || extension.contains('/') {
                return Err(ManifestError::Extension(extension));
            }
            extensions.push(extension.to_lowercase());
        }
        Ok(Manifest {
            id: typed.id,
            version: typed.version,
            code,
            hash,
            extensions,
        })
    }
}

/// Whether this may be an adapter's id.
pub(super) fn is_id(id: &str) -> bool {
    (1..=40).contains(&id.len())
        && !id.starts_with('-')
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id = \"toy\"\nversion = \"1\"\nabi = 1\n";

    #[test]
    fn a_library_and_a_command_are_understood() {
        let library = Manifest::parse(&format!(
            "{GOOD}library = \"libtoy.so\"\nextensions = [\"TOY\"]\n"
        ))
        .unwrap();
        assert_eq!(library.code, Code::Library("libtoy.so".to_owned()));
        assert_eq!(library.extensions, ["toy"]);
        let command =
            Manifest::parse(&format!("{GOOD}command = [\"python3\", \"toy.py\"]\n")).unwrap();
        assert_eq!(
            command.code,
            Code::Command(vec!["python3".to_owned(), "toy.py".to_owned()])
        );
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        for (text, sentence) in [
            (
                "id = 3".to_owned(),
                "invalid type: integer `3`, expected a string",
            ),
            (
                "id = \"toy\"\nversion = \"1\"\nabi = 2\nlibrary = \"l.so\"".to_owned(),
                "it is for adapter ABI 2, and this framewright speaks ABI 1",
            ),
            (
                format!("{GOOD}libary = \"libtoy.so\""),
                "unknown field `libary`, expected one of `id`, `version`, `abi`, `library`, `command`, `hash`, `extensions`",
            ),
            (
                GOOD.to_owned(),
                "it must name either a library or a command",
            ),
            (
                format!("{GOOD}library = \"l.so\"\ncommand = [\"x\"]"),
                "it must name either a library or a command",
            ),
            (
                format!("{GOOD}library = \"../l.so\""),
                "library \"../l.so\" must be a file name in the manifest's folder",
            ),
            (
                format!("{GOOD}library = \"l.so\"\nhash = \"12\""),
                "hash \"12\" is no BLAKE3 hash (64 hex digits)",
            ),
            (
                format!("{GOOD}library = \"l.so\"\nextensions = [\".blend\"]"),
                "extension \".blend\" is none (write \"blend\", not \".blend\")",
            ),
            (
                "id = \"My Toy\"\nversion = \"1\"\nabi = 1\nlibrary = \"l.so\"".to_owned(),
                "id \"My Toy\" may only have lower-case letters, digits and -, and not be longer than 40",
            ),
        ] {
            assert_eq!(Manifest::parse(&text).unwrap_err().to_string(), sentence);
        }
    }
}
