//! Is POV-Ray here, and which version? `povray --version` says so on standard error, behind a
//! complaint about a configuration file that few people have.

use framewright_plugin_api::command::{Exit, Reader, Said};
use framewright_plugin_api::data::{Found, Stream, Verdict};

/// Reads `povray --version`.
pub struct Version;

impl Reader for Version {
    fn line(&mut self, _stream: Stream, text: &str, said: &mut Said) {
        let version = text.strip_prefix("POV-Ray ").unwrap_or_default().trim();
        if version.starts_with(|first: char| first.is_ascii_digit()) {
            said.found(Found {
                version: version.to_owned(),
                notes: Vec::new(),
            });
        }
    }

    fn ended(&mut self, exit: &Exit, said: &mut Said) {
        let why = format!("it {exit} and said no version of POV-Ray 3.7");
        said.blame_with_hint(Verdict::MachineFault, why, "install POV-Ray 3.7");
    }
}
