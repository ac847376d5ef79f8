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
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// What the script needs of a host, apart from what computes hashes.
    const TOOLS: [&str; 17] = [
        "sh", "mkdir", "find", "head", "tail", "dd", "df", "uname", "chmod", "ln", "mv", "rm",
        "ls", "touch", "tr", "id", "cat",
    ];
    /// A program that answers as ours does.
    const PROGRAM: &str =
        "#!/bin/sh\ncase $1 in --version) echo 1;; *) echo \"ran $1\"; cat;; esac\n";
    const SHA256: &str = "2b1b8ad3a0b6ee2b0e8ab2a5f0ab5e8ab1a4d7b8ae9e9b3cf0c6f8a5cf9a0000";

    /// Runs it as a login shell would, on a machine that has these tools more.
    fn run(home: &Path, tools: &[&str], told: &Told<'_>, sent: &str) -> String {
        let bin = home.join("bin");
        let _ = std::fs::remove_dir_all(&bin);
        std::fs::create_dir(&bin).expect("our own folder");
        for tool in TOOLS.iter().chain(tools) {
            let found = ["/usr/bin", "/bin"]
                .map(|folder| Path::new(folder).join(tool))
                .into_iter()
                .find(|path| path.exists());
            symlink(found.expect("a usual tool"), bin.join(tool)).expect("our own folder");
        }
        let mut child = Command::new("/bin/sh")
            .args(["-c", COMMAND])
            .env_clear()
            .env("PATH", &bin)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("piped");
        let text = line(told) + sent;
        // One that refuses stops to read.
        let _ = stdin.write_all(text.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("our own child");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn told<'a>(sha256: &'a str, cksum: &'a str) -> Told<'a> {
        Told {
            errand: "worker",
            installed: None,
            sha256,
            cksum,
            first_bytes: 5,
        }
    }

    #[test]
    fn any_tool_that_computes_hashes_will_do() {
        let parcel = super::super::parcel::Parcel::new(PROGRAM.as_bytes().to_vec());
        let told = told(&parcel.sha256, &parcel.cksum);
        for tool in ["sha256sum", "cksum"] {
            let home = tempfile::tempdir().expect("a temp folder");
            let sent = format!("firstplain {}\n{PROGRAM}first", PROGRAM.len());
            let said = run(home.path(), &[tool], &told, &sent);
            assert!(said.contains("BOOT need|"), "{tool}: {said}");
            assert!(
                said.ends_with("\nFRAMEWRIGHT-BOOT go\nran worker\nfirst"),
                "{tool}: {said}"
            );
            let said = run(home.path(), &[tool], &told, "first");
            assert_eq!(said, "\nFRAMEWRIGHT-BOOT go\nran worker\nfirst", "{tool}");
            // What does not fit its hash is refused by all of them, and leaves nothing.
            let program = home
                .path()
                .join(".cache/framewright/worker")
                .join(&parcel.sha256);
            std::fs::remove_file(program.join("framewright")).expect("it was put there");
            let bad = sent.replace("--version", "--versiom");
            let said = run(home.path(), &[tool], &told, &bad);
            assert!(said.contains("BOOT no|damaged|"), "{tool}: {said}");
            let left = std::fs::read_dir(&program).expect("a folder").count();
            assert_eq!(left, 0, "{tool}");
        }
    }

    #[test]
    fn a_user_without_a_home_is_said() {
        let home = tempfile::tempdir().expect("a temp folder");
        let nobody = home.path().join("nobody");
        std::fs::write(&nobody, "#!/bin/sh\necho no-such-user-here\n").expect("our own folder");
        std::fs::set_permissions(&nobody, std::fs::Permissions::from_mode(0o755)).expect("ours");
        // `HOME=` and an `id` that knows nobody, by a script in front of the script.
        let line = line(&told(SHA256, "1 1"));
        let text = format!("HOME=; id() {{ {}; }}; {line}", nobody.display());
        let mut child = Command::new("/bin/sh")
            .args(["-c", COMMAND])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env_remove("XDG_CACHE_HOME")
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(text.as_bytes()).expect("it reads a line");
        drop(stdin);
        let output = child.wait_with_output().expect("our own child");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "\nFRAMEWRIGHT-BOOT no|home|\n"
        );
    }

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
