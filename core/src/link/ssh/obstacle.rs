//! Why a host could not be used over ssh: one sentence each, and what to do about it.
//!
//! ssh's exit code says nothing (255 stands for a refused connection, a refused key and a program
//! that ended with 255 alike), so what went wrong is read from what it printed. Its own words go
//! with a sentence where it says more than the sentence does.

use thiserror::Error;

/// What is in the way. A sentence follows `host NAME: `.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// The name is unknown.
    #[error("the address cannot be resolved{}", after(said))]
    Unresolved {
        /// ssh's words.
        said: String,
    },
    /// Nobody listens.
    #[error("it refuses connections: no ssh server listens there{}", after(said))]
    Refuses {
        /// ssh's words.
        said: String,
    },
    /// Nothing comes back, or there is no way.
    #[error("it cannot be reached{}", after(said))]
    Unreachable {
        /// ssh's words.
        said: String,
    },
    /// Connected, but no ssh server speaks.
    #[error("it accepts connections and then says nothing")]
    Mute,
    /// New connections are dropped before anything is said.
    #[error(
        "it drops new connections, as a server does that has too many at once{}",
        after(said)
    )]
    Crowded {
        /// ssh's words.
        said: String,
    },
    /// Never seen before.
    #[error("its host key is not known here, and nobody can be asked during a job")]
    KeyUnknown,
    /// Another machine, or a new key.
    #[error("its host key is another one than is known here")]
    KeyChanged,
    /// No key fits.
    #[error("it does not accept our keys{}", after(said))]
    Denied {
        /// ssh's words.
        said: String,
    },
    /// Only a person could log in.
    #[error(
        "it asks for a password, and nobody can be asked during a job{}",
        after(said)
    )]
    AsksPassword {
        /// ssh's words.
        said: String,
    },
    /// The shell is no shell, or its start files end it.
    #[error("its login shell ended before it ran anything{}", after(said))]
    ShellEnded {
        /// What was printed.
        said: String,
    },
    /// The shell runs nothing.
    #[error("its login shell has run nothing within {seconds} s{}", after(said))]
    ShellHangs {
        /// The deadline.
        seconds: u64,
        /// What was printed.
        said: String,
    },
    /// Start files that print and print.
    #[error("its login shell prints without end before it runs anything")]
    Noise,
    /// Where no cache folder can be.
    #[error("the user has no home folder there")]
    NoHome,
    /// The cache folder cannot be made or written.
    #[error(
        "framewright cannot be put there: its cache folder is not writable{}",
        after(said)
    )]
    NotWritable {
        /// The host's words.
        said: String,
    },
    /// No room.
    #[error(
        "framewright cannot be put there: the disk of its cache folder is full{}",
        after(said)
    )]
    DiskFull {
        /// The host's words, or figures.
        said: String,
    },
    /// Files on that disk are not run.
    #[error(
        "framewright cannot be run there: programs on the disk of {folder} may not be executed"
    )]
    NoExec {
        /// Where it was put.
        folder: String,
    },
    /// Another kind of machine.
    #[error("it is a {theirs} machine, and this framewright is built for {ours}")]
    OtherMachine {
        /// `Linux aarch64`.
        theirs: String,
        /// The same of us.
        ours: String,
    },
    /// Another C library.
    #[error("it has {theirs}, and this framewright needs {ours}")]
    OtherLibc {
        /// `glibc 2.17`.
        theirs: String,
        /// `glibc 2.34 or newer`.
        ours: String,
    },
    /// It fits by name and still does not start.
    #[error("framewright was put there and does not run{}", after(said))]
    WontRun {
        /// The host's words.
        said: String,
    },
    /// The hash is wrong.
    #[error("framewright did not arrive there whole{}", after(said))]
    Damaged {
        /// The host's words.
        said: String,
    },
    /// The connection ended or stood still in the middle of sending.
    #[error(
        "the connection failed while framewright was being put there{}",
        after(said)
    )]
    Interrupted {
        /// ssh's words.
        said: String,
    },
    /// The program that farm.toml names is not there.
    #[error("there is no program {path}, which `worker` in farm.toml names")]
    NotInstalled {
        /// Which.
        path: String,
    },
    /// An option that cannot be, found before anything starts.
    #[error("its ssh_options cannot be used: {why}")]
    Options {
        /// One sentence without a full stop.
        why: String,
    },
    /// Our own executable cannot be read.
    #[error("our own program cannot be read, so it cannot be put there: {why}")]
    NoProgram {
        /// The system's reason.
        why: String,
    },
    /// Something else.
    #[error("ssh could not connect{}", after(said))]
    Other {
        /// ssh's words.
        said: String,
    },
}

/// `: words`, where there are any.
fn after(said: &str) -> String {
    let said = said.trim();
    if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    }
}

impl Obstacle {
    /// Whether it stays until somebody does something about it.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::KeyUnknown
            | Self::KeyChanged
            | Self::Denied { .. }
            | Self::AsksPassword { .. }
            | Self::ShellEnded { .. }
            | Self::Noise
            | Self::NoHome
            | Self::NotWritable { .. }
            | Self::NoExec { .. }
            | Self::OtherMachine { .. }
            | Self::OtherLibc { .. }
            | Self::WontRun { .. }
            | Self::NotInstalled { .. }
            | Self::Options { .. }
            | Self::NoProgram { .. } => true,
            Self::Unresolved { .. }
            | Self::Refuses { .. }
            | Self::Unreachable { .. }
            | Self::Mute
            | Self::Crowded { .. }
            | Self::ShellHangs { .. }
            | Self::DiskFull { .. }
            | Self::Damaged { .. }
            | Self::Interrupted { .. }
            | Self::Other { .. } => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unresolved { .. } => {
                "check `address` in farm.toml; it is what `ssh ADDRESS` would be given"
            }
            Self::Refuses { .. } => "start sshd there, or name its port in ~/.ssh/config",
            Self::Unreachable { .. } => "is it switched on, and does `ssh ADDRESS` reach it?",
            Self::Mute => {
                "something listens on its port that is no ssh server, or its sshd hangs; try `ssh -v ADDRESS`"
            }
            Self::Crowded { .. } => "raise MaxStartups in its sshd_config",
            Self::KeyUnknown => {
                "log in once by hand (`ssh ADDRESS`) and compare the key, or add it with ssh-keyscan"
            }
            Self::KeyChanged => {
                "find out why; if the machine was set up anew, `ssh-keygen -R ADDRESS` and log in once by hand"
            }
            Self::Denied { .. } => {
                "`ssh-copy-id ADDRESS` puts your key there; is the agent running and the key in it (`ssh-add -l`)?"
            }
            Self::AsksPassword { .. } => "log in by key: `ssh-copy-id ADDRESS`",
            Self::ShellEnded { .. } | Self::ShellHangs { .. } | Self::Noise => {
                "`ssh ADDRESS true` must end by itself and print little; look at the user's shell and its start files"
            }
            Self::NoHome => {
                "give the user a home folder, or install framewright there and name it in farm.toml: worker = \"/path/framewright\""
            }
            Self::NotWritable { .. } | Self::NoExec { .. } => {
                "set XDG_CACHE_HOME there to another folder, or install framewright there and name it in farm.toml: worker = \"/path/framewright\""
            }
            Self::DiskFull { .. } => {
                "make room there; framewright itself needs a few dozen megabytes"
            }
            Self::OtherMachine { .. } | Self::OtherLibc { .. } | Self::WontRun { .. } => {
                "build the same version there, or statically (RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target TARGET), and name it in farm.toml: worker = \"/path/framewright\""
            }
            Self::Damaged { .. } | Self::Interrupted { .. } => {
                "is its disk or its network failing? Try again"
            }
            Self::NotInstalled { .. } => {
                "install framewright there, or remove `worker` and it is put there by itself"
            }
            Self::Options { .. } => {
                "put what all connections need into ~/.ssh/config, and only options of connecting into ssh_options"
            }
            Self::NoProgram { .. } => "start framewright by a path that stays readable",
            Self::Other { .. } => "try `ssh ADDRESS true` by hand",
        }
    }

    /// Whether it comes from haste alone: another attempt a moment later may find a place.
    pub(in crate::link) fn is_crowd(&self) -> bool {
        matches!(self, Self::Crowded { .. })
    }

    /// What an ssh that ended before anything ran died of. `printed`: what came on its standard
    /// output; `by_shell`: it ended as the shell there did, neither by a signal nor with 255, which
    /// is ssh's own.
    pub(in crate::link) fn of_ssh(stderr: &[String], printed: &str, by_shell: bool) -> Self {
        let has = |what: &str| stderr.iter().any(|line| line.contains(what));
        let line = |what: &str| {
            let found = stderr.iter().rev().find(|line| line.contains(what));
            found.cloned().unwrap_or_default()
        };
        // Most telling first: a changed key is also a failed verification.
        if has("IDENTIFICATION HAS CHANGED") || has("has changed and you have requested strict") {
            return Self::KeyChanged;
        }
        if has("Host key verification failed") || has("host key is known for") {
            return Self::KeyUnknown;
        }
        if has("Could not resolve hostname") {
            let said = line("Could not resolve hostname");
            return Self::Unresolved { said };
        }
        if has("during banner exchange") {
            return Self::Mute;
        }
        if has("Permission denied (") {
            let said = line("Permission denied (");
            let methods = said.rsplit_once('(').map_or("", |(_, methods)| methods);
            let by_person = ["password", "keyboard-interactive"]
                .iter()
                .any(|method| methods.contains(method));
            return if by_person && !methods.contains("publickey") {
                Self::AsksPassword { said }
            } else {
                Self::Denied { said }
            };
        }
        if has("Too many authentication failures") {
            let said = line("Too many authentication failures");
            return Self::Denied { said };
        }
        let drops = ["kex_exchange_identification", "ssh_exchange_identification"];
        let mid = [
            "Connection reset by",
            "Connection closed by",
            "Not allowed at this time",
        ];
        if let Some(drop) = drops.iter().chain(&mid).find(|drop| has(drop)) {
            return Self::Crowded { said: line(drop) };
        }
        if has("Connection refused") {
            let said = line("Connection refused");
            return Self::Refuses { said };
        }
        for lost in [
            "timed out",
            "No route to host",
            "Network is unreachable",
            "not responding",
        ] {
            if has(lost) {
                return Self::Unreachable { said: line(lost) };
            }
        }
        let mut lines = printed.lines();
        let last = lines.rfind(|line| !line.trim().is_empty());
        let printed = last.map(str::to_owned);
        if !by_shell {
            let said = stderr.last().cloned().or(printed).unwrap_or_default();
            return Self::Other { said };
        }
        if let Some(said) = printed {
            return Self::ShellEnded { said };
        }
        match stderr.last() {
            Some(said) => Self::Other { said: said.clone() },
            None => Self::ShellEnded {
                said: String::new(),
            },
        }
    }

    /// What the script found in the way: `class|words`.
    pub(super) fn of_script(text: &str, folder: &str) -> Self {
        let (class, said) = text.split_once('|').unwrap_or((text, ""));
        let said = said.trim().to_owned();
        let has = |what: &str| said.contains(what);
        match class {
            "home" => Self::NoHome,
            "installed" => Self::NotInstalled { path: said },
            "exec" => Self::NoExec { folder: said },
            "folder" | "write" if has("No space left") || has("quota exceeded") => Self::DiskFull {
                said: String::new(),
            },
            "folder" => Self::NotWritable { said },
            "write" if has("Read-only") || has("Permission denied") => Self::NotWritable { said },
            // 126: it is there and may not be executed.
            "run" if said.starts_with("126 ") && has("Permission denied") => Self::NoExec {
                folder: folder.to_owned(),
            },
            "run" => Self::WontRun {
                said: said
                    .split_once(' ')
                    .map_or(said.clone(), |(_, said)| said.to_owned()),
            },
            "damaged" | "write" => Self::Damaged { said },
            _ => Self::Other {
                said: text.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stderr: &[&str], printed: &str) -> String {
        let lines: Vec<String> = stderr.iter().map(ToString::to_string).collect();
        Obstacle::of_ssh(&lines, printed, true).to_string()
    }

    #[test]
    fn an_ssh_that_was_killed_is_no_fault_of_the_shell() {
        for printed in ["", "Welcome\n"] {
            let killed = Obstacle::of_ssh(&[], printed, false);
            assert!(!killed.is_permanent(), "{killed}");
            let ended = Obstacle::of_ssh(&[], printed, true);
            assert!(ended.is_permanent(), "{ended}");
        }
    }

    #[test]
    fn each_of_ssh_s_ends_is_one_sentence() {
        let refused = "ssh: connect to host 10.0.0.1 port 22: Connection refused";
        let told = [
            of(
                &["ssh: Could not resolve hostname nowhere: Name or service not known"],
                "",
            ),
            of(&[refused], ""),
            of(
                &["ssh: connect to host 10.0.0.1 port 22: Connection timed out"],
                "",
            ),
            of(
                &["ssh: connect to host 10.0.0.1 port 22: No route to host"],
                "",
            ),
            of(
                &[
                    "No ED25519 host key is known for a and you have requested strict checking.",
                    "Host key verification failed.",
                ],
                "",
            ),
            of(
                &[
                    "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
                    "Host key verification failed.",
                ],
                "",
            ),
            of(&["me@a: Permission denied (publickey)."], ""),
            of(&["me@a: Permission denied (publickey,password)."], ""),
            of(
                &["me@a: Permission denied (password,keyboard-interactive)."],
                "",
            ),
            of(
                &[
                    "Connection timed out during banner exchange",
                    "Connection to a port 22 timed out",
                ],
                "",
            ),
            of(
                &["kex_exchange_identification: read: Connection reset by peer"],
                "",
            ),
            of(&[], "Welcome\nThis account is currently not available.\n"),
            of(&[], ""),
            of(&["Bad owner or permissions on /home/me/.ssh/config"], ""),
        ];
        let starts = [
            "the address cannot be resolved: ",
            "it refuses connections: ",
            "it cannot be reached: ",
            "it cannot be reached: ",
            "its host key is not known here",
            "its host key is another one",
            "it does not accept our keys: me@a",
            "it does not accept our keys: me@a",
            "it asks for a password",
            "it accepts connections and then says nothing",
            "it drops new connections",
            "its login shell ended before it ran anything: This account is",
            "its login shell ended before it ran anything",
            "ssh could not connect: Bad owner",
        ];
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told:?}, not {start:?}");
        }
    }

    #[test]
    fn what_the_script_says_is_put_in_words() {
        let of = |text| Obstacle::of_script(text, "/c");
        let full = "write|gzip: stdout: No space left on device";
        assert!(matches!(of(full), Obstacle::DiskFull { .. }));
        let read_only = "folder|mkdir: cannot create directory '/r': Read-only file system";
        assert!(of(read_only).to_string().contains("is not writable: mkdir"));
        let noexec = of("run|126 sh: 1: /c/.new.a.1: Permission denied");
        assert!(
            noexec.to_string().contains("disk of /c may not"),
            "{noexec}"
        );
        let wont = of("run|1 /lib/libc.so.6: version `GLIBC_2.99' not found");
        assert!(
            wont.to_string()
                .ends_with("does not run: /lib/libc.so.6: version `GLIBC_2.99' not found")
        );
        assert_eq!(of("home|"), Obstacle::NoHome);
    }
}
