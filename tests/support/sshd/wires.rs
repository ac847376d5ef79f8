//! What connects a host in namespaces to its farm.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use super::ground::run;

/// A network namespace, and a link from it to the bridge.
pub(super) struct Wires {
    pub bridge: String,
    pub netns: String,
    pub veth: String,
}

impl Wires {
    /// Lays both for a host.
    pub(super) fn lay(folder: &Path, bridge: &str, ip: Ipv4Addr, number: usize) -> Self {
        // The bridge is ours alone, so what is named after it is too.
        let place = bridge.trim_start_matches("fwb");
        let netns = format!("fwn{place}-{number}");
        let veth = format!("fwv{place}-{number}");
        // For who takes the farm down.
        fs::write(folder.join("netns"), &netns).expect("our own folder");
        fs::write(folder.join("veth"), &veth).expect("our own folder");
        // What an earlier farm of this name left when everything was killed.
        let _ = run("ip", &["link", "del", &veth]);
        let _ = run("ip", &["netns", "del", &netns]);
        let address = format!("{ip}/24");
        let steps: [&[&str]; 6] = [
            &["netns", "add", &netns],
            &[
                "link", "add", &veth, "type", "veth", "peer", "name", "eth0", "netns", &netns,
            ],
            &["link", "set", &veth, "master", bridge, "up"],
            &["-n", &netns, "addr", "add", &address, "dev", "eth0"],
            &["-n", &netns, "link", "set", "lo", "up"],
            &["-n", &netns, "link", "set", "eth0", "up"],
        ];
        for step in steps {
            run("ip", step).expect("root makes networks");
        }
        Self {
            bridge: bridge.to_owned(),
            netns,
            veth,
        }
    }
}
