use std::path::Path;
use std::time::Duration;

use super::*;
use crate::quantity::Bytes;
use crate::request::{LinkKind, Storage};

fn parse(text: &str) -> Result<Farm, FarmError> {
    Farm::parse(Path::new("farm.toml"), &Document::new("farm.toml", text))
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn every_key_is_read() {
    let farm = parse(
        r#"
        [limits]
        dispatch_interval = "5s"
        loads_max = 8

        [[host]]
        name = "node01"
        link = "ssh"
        address = "render@node01"
        ssh_options = ["-F", "/path/ssh_config"]
        slots = 2
        memory = "64GiB"
        tags = ["gpu"]
        speed = 1.5
        storage = "staged"
        grace = "20m"
    lost_after = "90s"
    lease = false
    cache = "50GiB"
    worker = "/opt/framewright/bin/framewright"
        available = "19:00-08:00"
        load_max = 4.0
        paths = { "/mnt/projects/" = "/Volumes/projects" }
        programs = { blender = "/opt/blender/blender" }
        cost_per_hour = 0.85

        [[host]]
        name = "here"
        link = "local"

        [[host]]
        name = "odd"
        link = "command"
        command = ["sh", "-c", "exec framewright worker"]
        "#,
    )
    .unwrap();
    assert_eq!(
        farm.limits,
        Limits {
            dispatch_interval: Duration::from_secs(5),
            loads_max: Some(8)
        }
    );
    let node = &farm.hosts[0];
    assert_eq!(
        (node.slots, node.memory, node.speed),
        (2, Some(Bytes(64 << 30)), 1.5)
    );
    assert_eq!(node.programs["blender"], "/opt/blender/blender");
    let entry = node.entry();
    assert_eq!(
        entry.link,
        LinkKind::Ssh {
            address: "render@node01".to_owned(),
            options: vec!["-F".to_owned(), "/path/ssh_config".to_owned()],
        }
    );
    assert_eq!(entry.storage, Storage::Staged);
    assert_eq!((entry.grace_s, entry.lost_after_s), (1200.0, 90.0));
    assert!(!entry.leased);
    assert_eq!(entry.available.as_deref(), Some("19:00-08:00"));
    assert_eq!(entry.load_max, Some(4.0));
    assert_eq!(entry.paths["/mnt/projects"], "/Volumes/projects");
    assert_eq!(entry.cache_bytes, Some(50 << 30));
    assert_eq!(
        entry.worker.as_deref(),
        Some("/opt/framewright/bin/framewright")
    );
    assert_eq!((entry.memory_bytes, entry.speed), (Some(64 << 30), 1.5));
    assert_eq!(entry.cost_per_hour, Some(0.85));
    assert_eq!(node.simulated().link, LinkKind::Local);
    assert_eq!(farm.hosts[1].entry().link, LinkKind::Local);
    assert_eq!(farm.hosts[1].slots, 1);
    assert!(matches!(farm.hosts[2].entry().link, LinkKind::Command(command) if command.len() == 3));
}

fn entry(text: &str) -> crate::request::HostEntry {
    parse(&format!("[[host]]\nname = 'a'\n{text}"))
        .unwrap()
        .hosts[0]
        .entry()
}

#[test]
fn only_a_host_behind_ssh_outlives_its_connection_and_is_shared_by_itself() {
    let ssh = entry("");
    assert_eq!(
        ssh.link,
        LinkKind::Ssh {
            address: "a".to_owned(),
            options: Vec::new()
        }
    );
    assert_eq!((ssh.grace_s, ssh.lost_after_s), (600.0, 120.0));
    assert_eq!((ssh.leased, ssh.storage), (true, Storage::Staged));
    for link in ["link = 'local'", "command = ['x']"] {
        let host = entry(link);
        assert_eq!((host.grace_s, host.lost_after_s), (0.0, 0.0), "{link}");
        assert_eq!((host.leased, host.storage), (false, Storage::Shared));
    }
}

#[test]
fn nobody_waits_longer_for_a_host_than_its_worker_goes_on() {
    let times = |text: &str| {
        let host = entry(text);
        (host.grace_s, host.lost_after_s)
    };
    assert_eq!(times("grace = '1m'"), (60.0, 60.0));
    assert_eq!(times("grace = '0'"), (0.0, 0.0));
    assert_eq!(times("command = ['x']\ngrace = '1h'"), (3600.0, 120.0));
    assert_eq!(times("lost_after = '10m'"), (600.0, 600.0));
    assert_eq!(times("lost_after = '0'"), (600.0, 0.0));
}

#[test]
fn a_local_host_may_be_staged_and_leased_to_try_it() {
    let host = entry("link = 'local'\nstorage = 'staged'\nlease = true\ncache = '1GiB'");
    assert_eq!((host.storage, host.leased), (Storage::Staged, true));
    assert_eq!(host.cache_bytes, Some(1 << 30));
}

#[test]
fn what_is_wrong_gets_a_sentence_with_its_line() {
    let cases = [
        ("", "farm.toml names no host"),
        (
            "[[host]]\nlink = 'local'\n",
            "farm.toml, line 1: `host` has no `name`",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\nslots = 0\n",
            "farm.toml, line 4: `slots` must be from 1 to 1024, not 0",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\nslot = 1\n",
            "farm.toml, line 4: `slot` is not known here; did you mean `slots`?",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\n[[host]]\nname = 'a'\n",
            "farm.toml, line 4: `host` is the second one named a: each host has a name of its own",
        ),
        (
            "[[host]]\nname = 'a b'\n",
            "farm.toml, line 2: `name` is wrong: `a b` is no host name (letters, digits, `.`, `-`, `_`; at most 64)",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'command'\n",
            "farm.toml, line 1: `link` of host a is \"command\", but no `command` says which",
        ),
        (
            "[[host]]\nname = 'a'\naddress = '-oProxyCommand=x'\n",
            "farm.toml, line 1: `address` of host a is `-oProxyCommand=x`, which is no address",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\nspeed = -1\n",
            "farm.toml, line 4: `speed` must be a number above 0",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\navailable = '9-17'\n",
            "farm.toml, line 4: `available` is wrong: `9-17` are no hours: write them like 19:00-08:00",
        ),
        (
            "[[host]]\nname = 'a'\ngrace = '1m'\nlost_after = '2m'\n",
            "farm.toml, line 1: `lost_after` of host a is longer than its `grace`: its worker would have ended before",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\nlost_after = '2m'\n",
            "farm.toml, line 1: `lost_after` of host a needs a `grace`: without one its worker ends with the connection",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\ncache = '1GiB'\n",
            "farm.toml, line 1: `cache` of host a needs storage = \"staged\": nothing is kept there otherwise",
        ),
        (
            "[[host]]\nname = 'a'\nlink = 'local'\nworker = '/opt/fw'\n",
            "farm.toml, line 1: `worker` of host a needs link = \"ssh\"",
        ),
        (
            "[[host]]\nname = 'a'\nworker = 'bin/fw'\n",
            "farm.toml, line 3: `worker` is wrong: `bin/fw` is no absolute path: it has to begin with `/`",
        ),
        (
            "[[host]]\nname = 'a'\npaths = { '/mnt' = 'D:/mnt' }\n",
            "farm.toml, line 1: `paths` of host a: `D:/mnt` is no absolute path: it has to begin with `/`",
        ),
        (
            "[[host]]\nname = 'a'\npaths = { '/mnt/../x' = '/x' }\n",
            "farm.toml, line 1: `paths` of host a: `/mnt/../x` has `.` or `..` in it: write it out",
        ),
        (
            "[[host]]\nname = 'a'\npaths = { '/mnt' = '/x', '/mnt/' = '/y' }\n",
            "farm.toml, line 1: `paths` of host a: `/mnt` is there twice",
        ),
        (
            "[[host]]\nname = 'a'\nlease = 'yes'\n",
            "farm.toml, line 3: `lease` wants true or false, not a text",
        ),
        (
            "[[host]]\nname = 'a'\nstorage = 'nfs'\n",
            "farm.toml, line 3: `storage` is wrong: `nfs` is not known: write \"shared\" or \"staged\"",
        ),
        (
            "host = 3\n",
            "farm.toml, line 1: `host` wants [[host]] before each entry, not a whole number",
        ),
        (
            "[limits]\ndispatch_interval = '5'\n",
            "farm.toml, line 2: `dispatch_interval` is wrong: `5` is no duration: write a number and its unit, like 600ms, 90s, 10m or 2h30m",
        ),
    ];
    for (text, sentence) in cases {
        assert_eq!(refusal(text), sentence, "for {text:?}");
    }
}

#[test]
fn a_host_that_is_not_there_names_the_nearest() {
    let farm = parse("[[host]]\nname = 'node01'\nlink = 'local'\n").unwrap();
    let error = farm.named(&["nod01".to_owned()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "farm.toml has no host `nod01`; did you mean `node01`?"
    );
    assert_eq!(farm.named(&[]).unwrap().len(), 1);
}
