//! What a farm stands on: a bridge with a subnet of its own, or the loopback address.

use std::net::Ipv4Addr;
use std::process::Command;

use super::{missing, say};

/// What hosts are connected by.
pub(super) enum Ground {
    /// Hosts are namespaces on a bridge; the test has the first address.
    Bridge { bridge: String, net: [u8; 3] },
    /// Hosts are ports.
    Loopback,
}

/// Private subnets that farms are taken from: 10.FIRST.0.0 and the fifteen after it.
const FIRST: u16 = 224;
const SUBNETS: u32 = 16 * 256;

impl Ground {
    /// Takes a subnet that nobody has, or says why hosts have to share this machine.
    #[track_caller]
    pub(super) fn find(number: u32) -> Self {
        if !rustix::process::geteuid().is_root() {
            say("namespaces need root; hosts are loopback ports");
            return Self::Loopback;
        }
        for program in ["ip", "tc", "unshare", "nsenter"] {
            if Command::new(program).arg("--version").output().is_err() {
                missing(&format!("no {program}"));
                return Self::Loopback;
            }
        }
        let probe = ["--net", "--uts", "--mount", "--pid", "--fork", "true"];
        if let Err(why) = run("unshare", &probe) {
            say(&format!(
                "namespaces are not allowed ({why}); hosts are loopback ports"
            ));
            return Self::Loopback;
        }
        let mut last = String::new();
        for attempt in 0..SUBNETS {
            // Farms of other processes mostly begin elsewhere.
            let start = std::process::id().wrapping_mul(37).wrapping_add(number * 7);
            let subnet = start.wrapping_add(attempt) % SUBNETS;
            let [high, low] = (FIRST * 256 + u16::try_from(subnet).unwrap_or(0)).to_be_bytes();
            match take([10, high, low]) {
                Ok(ground) => return ground,
                Err(why) => last = why,
            }
            if attempt > 64 && last.contains("not permitted") {
                break;
            }
        }
        say(&format!(
            "no bridge can be made ({last}); hosts are loopback ports"
        ));
        Self::Loopback
    }

    /// The address of a host, from 1, on a bridge.
    pub(super) fn address(net: [u8; 3], number: usize) -> Ipv4Addr {
        let last = u8::try_from(10 + number).expect("few hosts");
        Ipv4Addr::new(net[0], net[1], net[2], last)
    }
}

/// The bridge's name says the subnet, so of two that want it the kernel gives it to one.
fn take(net: [u8; 3]) -> Result<Ground, String> {
    let prefix = format!("{}.{}.{}.", net[0], net[1], net[2]);
    let known = run("ip", &["-4", "-o", "addr"])? + &run("ip", &["-4", "route"])?;
    if known.contains(&prefix) {
        return Err(format!("{prefix}0 is taken"));
    }
    let bridge = format!("fwb{}-{}", net[1], net[2]);
    // A fixed address: else the bridge's changes with each link that is plugged in, and what is
    // sent meanwhile is lost.
    let mac = format!("02:fe:00:00:{:02x}:{:02x}", net[1], net[2]);
    run(
        "ip",
        &["link", "add", &bridge, "address", &mac, "type", "bridge"],
    )?;
    let own = format!("{prefix}1/24");
    let up = run("ip", &["addr", "add", &own, "dev", &bridge])
        .and_then(|_| run("ip", &["link", "set", &bridge, "up"]));
    if let Err(why) = up {
        let _ = run("ip", &["link", "del", &bridge]);
        return Err(why);
    }
    Ok(Ground::Bridge { bridge, net })
}

/// Runs a command; its output, or what it complained of.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!("{program} {}: {said}", arguments.join(" ")))
    }
}
