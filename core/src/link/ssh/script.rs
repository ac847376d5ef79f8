//! What the far end's shell runs before there is a worker: find one, or take one in.
//!
//! The login shell may be anything (fish, csh), so it is given one short command that means the
//! same to all of them. That command's `sh` reads the script itself as the first line of its
//! standard input, byte by byte, so nothing behind that line is swallowed, and no shell's rules
//! for quotes, `!` or long words apply to it.
//!
//! The script answers in lines that begin with [`MARK`], wherever on the output they come: `go`
//! (from here on the program speaks), `need|…` (send it), `no|class|words` (it cannot be).
//! What is sent is verified before it gets its name, and the name is its hash: any number of
//! controllers may do this at once, and whoever has the name has the whole file. A good file of
//! that name is never replaced, not even by its like: a worker that runs from it starts more of
//! itself by its path.

/// What the login shell is asked to run.
pub(super) const COMMAND: &str = "sh -c 'read -r s && eval \"$s\"'";

/// What each of the script's lines begins with.
pub(super) const MARK: &str = "FRAMEWRIGHT-BOOT ";

/// What the script is told.
pub(super) struct Told<'a> {
    /// The hidden command to run.
    pub errand: &'a str,
    /// A program that is installed there, to be used as it is.
    pub installed: Option<&'a str>,
    /// SHA-256 of the program, 64 hex digits.
    pub sha256: &'a str,
    /// What POSIX `cksum` prints of it, for hosts that have nothing better.
    pub cksum: &'a str,
    /// How many bytes for the program come right behind the script. They are for a program that
    /// is there already, and dropped where it has to be sent first.
    pub first_bytes: usize,
}

/// The script as one line, its end included.
pub(super) fn line(told: &Told<'_>) -> String {
    let one_line = include_str!("script.sh").trim_end().replace('\n', " ");
    format!(
        "errand={}; installed={}; sha256={}; cksum={}; first={}; {one_line}\n",
        quoted(told.errand),
        quoted(told.installed.unwrap_or_default()),
        quoted(told.sha256),
        quoted(told.cksum),
        told.first_bytes,
    )
}

/// For the POSIX shell. A line end would end the script; no path that is told has one.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_one_line_and_the_command_safe_in_any_shell() {
        let told = Told {
            errand: "worker",
            installed: Some("/it's/here"),
            sha256: "00",
            cksum: "1 2",
            first_bytes: 3,
        };
        let line = line(&told);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        assert!(line.starts_with(r"errand='worker'; installed='/it'\''s/here'; sha256='00';"));
        let inner = COMMAND.strip_prefix("sh -c '").expect("sh");
        let inner = inner.strip_suffix('\'').expect("one quoted word");
        assert!(!inner.contains(['\'', '\\', '!', '\n']), "{inner}");
    }
}
