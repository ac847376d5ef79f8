//! What ssh is started with.
//!
//! The user's configuration, agent, jump hosts and known keys hold. Against configurations that
//! would break the pipe there are guards: ssh takes the first value that it meets for an option,
//! so the guards come first on its command line, before `ssh_options` of the farm and the files.
//! Options of patience are the other way round: ours come behind `ssh_options`, which therefore
//! win, and before the files.
//!
//! `ssh_options` that contradict a guard (a terminal, no command, a shared master) or would leave
//! host keys unchecked are refused before anything starts: to drop them silently would mislead,
//! to keep them would hang or let anybody in the middle in.

/// Nothing but a clean pipe, and nobody is asked anything.
const GUARDS: [&str; 9] = [
    "BatchMode=yes",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "EscapeChar=none",
    // One master in the hands of many would let them all fall together, and its socket's path
    // fails outright beyond ninety characters.
    "ControlMaster=no",
    "ControlPath=none",
    // Reasons are shown, banners are not.
    "LogLevel=ERROR",
];

/// A dead network is noticed; Debian's default is a quarter of an hour.
const PATIENCE: [&str; 3] = [
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ConnectTimeout=10",
];

/// Letters of ssh that take a value.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOopQRSWw";
/// Letters that take none and do no harm.
const HARMLESS: &str = "46CKkqTvXxYAay";
/// Letters that break the pipe.
const BREAKING: &str = "fGMNnOQSstVW";

/// ssh with these options, up to and without what it runs there.
pub(super) fn argv(address: &str, options: &[String]) -> Vec<String> {
    let option = |value: &&str| ["-o".to_owned(), (*value).to_owned()];
    let mut argv = vec!["ssh".to_owned()];
    argv.extend(GUARDS.iter().flat_map(option));
    argv.extend(options.iter().cloned());
    argv.extend(PATIENCE.iter().flat_map(option));
    // Of letters the last one wins: no terminal, no agent and no display there.
    argv.extend(["-T", "-a", "-x", "--"].map(str::to_owned));
    argv.push(address.to_owned());
    argv
}

/// Why these options cannot be used, if so.
pub(super) fn objection(address: &str, options: &[String]) -> Option<String> {
    if address.is_empty() || address.starts_with('-') {
        return Some(format!("`{address}` is no address"));
    }
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Some(format!(
                "`{word}` is no option; ssh would take it for the address"
            ));
        };
        for (at, letter) in letters.char_indices() {
            if BREAKING.contains(letter) {
                return Some(format!("-{letter} breaks the connection to a worker"));
            }
            if WITH_VALUE.contains(letter) {
                let rest = &letters[at + letter.len_utf8()..];
                let value = if rest.is_empty() {
                    words.next().map(String::as_str)
                } else {
                    Some(rest)
                };
                let Some(value) = value else {
                    return Some(format!("-{letter} needs a value"));
                };
                if let ('o', Some(why)) = (letter, objection_to_setting(value)) {
                    return Some(why);
                }
                break;
            }
            if !HARMLESS.contains(letter) {
                return Some(format!("ssh has no option -{letter}"));
            }
        }
    }
    None
}

/// The same for `KEY=VALUE`.
fn objection_to_setting(setting: &str) -> Option<String> {
    let key = setting.split(['=', ' ', '\t']).next().unwrap_or_default();
    let value = setting[key.len()..].trim_start_matches(['=', ' ', '\t']);
    let is = |name: &str| key.eq_ignore_ascii_case(name);
    let guarded = GUARDS.iter().filter_map(|guard| guard.split_once('='));
    for (name, ours) in guarded.filter(|(name, _)| *name != "LogLevel") {
        if is(name) && !value.eq_ignore_ascii_case(ours) {
            return Some(format!("{name} must be {ours} on the way to a worker"));
        }
    }
    for breaking in [
        "SessionType",
        "StdinNull",
        "ForkAfterAuthentication",
        "ControlPersist",
    ] {
        if is(breaking) {
            return Some(format!("{breaking} breaks the connection to a worker"));
        }
    }
    let unchecked = is("StrictHostKeyChecking")
        && ["no", "off"]
            .iter()
            .any(|no| value.eq_ignore_ascii_case(no));
    let forgotten = is("UserKnownHostsFile") && value == "/dev/null";
    if unchecked || forgotten {
        return Some(format!(
            "with {setting} anybody in between could take the host's place"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(options: &[&str]) -> Option<String> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        objection("host", &options)
    }

    #[test]
    fn options_of_connecting_pass() {
        for fine in [
            &[] as &[&str],
            &["-F", "/path/ssh_config"],
            &["-p", "2222", "-i", "~/.ssh/farm", "-4"],
            &["-p2222", "-vvJ", "jump"],
            &["-o", "ConnectTimeout=3", "-oCiphers=aes128-gcm@openssh.com"],
            &[
                "-o",
                "StrictHostKeyChecking=accept-new",
                "-o",
                "BatchMode yes",
            ],
        ] {
            assert_eq!(why(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn options_that_break_the_pipe_or_trust_anybody_are_refused() {
        for (bad, part) in [
            (&["-t"] as &[&str], "-t breaks"),
            (&["-vN"], "-N breaks"),
            (&["-W", "a:1"], "-W breaks"),
            (&["host2"], "is no option"),
            (&["-p"], "needs a value"),
            (&["-o", "requesttty=force"], "RequestTTY must be no"),
            (&["-oBatchMode=no"], "BatchMode must be yes"),
            (&["-o", "StrictHostKeyChecking=no"], "in between"),
            (&["-o", "UserKnownHostsFile /dev/null"], "in between"),
            (&["-Z"], "no option -Z"),
        ] {
            let told = why(bad).unwrap_or_default();
            assert!(told.contains(part), "{bad:?}: {told:?}");
        }
        assert!(objection("-oProxyCommand=x", &[]).is_some());
    }

    #[test]
    fn guards_come_before_the_user_s_options_and_patience_behind() {
        let argv = argv("me@host", &["-o".to_owned(), "ConnectTimeout=3".to_owned()]);
        let at = |what: &str| argv.iter().position(|word| word == what);
        assert!(at("BatchMode=yes") < at("ConnectTimeout=3"));
        assert!(at("ConnectTimeout=3") < at("ConnectTimeout=10"));
        assert!(argv.ends_with(&["-x".to_owned(), "--".to_owned(), "me@host".to_owned()]));
    }
}
