//! Hosts, for people: a farm as it is written, what was found of its hosts, what was ordered.

use framewright_core::quantity::Bytes;

use super::{cell, sentence, table, text as table_text};
use crate::display::words::{bytes, time};
use crate::documents_hosts::{CheckReport, ChecksReport, FarmHost, FarmReport, OrdersReport};
use crate::printable::printable;

/// A farm.
pub(crate) fn list(report: &FarmReport, width: Option<u16>) -> String {
    let header = [
        "host", "link", "address", "slots", "memory", "speed", "storage", "tags", "hours", "paths",
    ];
    let mut rows = table(&header, width);
    for host in &report.hosts {
        let paths: Vec<String> = host
            .paths
            .iter()
            .map(|(here, there)| format!("{}={}", cell(here), cell(there)))
            .collect();
        rows.add_row([
            cell(&host.name),
            host.link.to_owned(),
            address(host),
            host.slots.to_string(),
            host.memory_bytes
                .map_or_else(nothing, |bytes| Bytes(bytes).to_string()),
            host.speed.to_string(),
            match host.storage {
                framewright_core::request::Storage::Shared => "shared".to_owned(),
                framewright_core::request::Storage::Staged => "staged".to_owned(),
            },
            or_nothing(cell(&host.tags.join(","))),
            host.available.clone().unwrap_or_else(nothing),
            or_nothing(paths.join(" ")),
        ]);
    }
    let mut text = table_text(rows, &[3, 4, 5]);
    text.push('\n');
    text.push_str(&sentence(&format!("from {}", report.file), width));
    text
}

/// By what a host is reached.
fn address(host: &FarmHost) -> String {
    match (&host.address, &host.command) {
        (Some(address), _) => cell(address),
        (None, Some(command)) => cell(&command.join(" ")),
        (None, None) => nothing(),
    }
}

/// For a cell that has nothing to say: a column of a pipe has to have something.
fn nothing() -> String {
    "-".to_owned()
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { nothing() } else { text }
}

/// What was found.
pub(crate) fn checks(report: &ChecksReport, width: Option<u16>) -> String {
    let any = |has: fn(&CheckReport) -> bool| report.hosts.iter().any(has);
    let shows_throughput = any(|host| host.send_bytes_s.is_some());
    let shows_slots = any(|host| host.slots_held.is_some());
    let shows_shared = any(|host| host.shared != "not-tested");
    let mut header = vec![
        "host", "usable", "connect", "latency", "clock", "cores", "memory", "disk",
    ];
    header.extend(
        shows_throughput
            .then_some(["send", "fetch"])
            .into_iter()
            .flatten(),
    );
    header.extend(shows_slots.then_some("slots free"));
    header.extend(shows_shared.then_some("shared"));
    header.push("renderers");
    let mut rows = table(&header, width);
    for host in &report.hosts {
        let mut row = vec![
            cell(&host.name),
            if host.usable { "yes" } else { "no" }.to_owned(),
            host.connect_s.map_or_else(nothing, short_time),
            host.latency_s.map_or_else(nothing, short_time),
            host.clock_ahead_s.map_or_else(nothing, clock),
            host.cores.map_or_else(nothing, |cores| cores.to_string()),
            host.memory_bytes.map_or_else(nothing, bytes),
            host.disk_bytes.map_or_else(nothing, bytes),
        ];
        if shows_throughput {
            let a_second = |rate: f64| format!("{}/s", bytes(rate as u64));
            row.push(host.send_bytes_s.map_or_else(nothing, a_second));
            row.push(host.fetch_bytes_s.map_or_else(nothing, a_second));
        }
        if shows_slots {
            let free = |held: u32| format!("{}/{}", host.slots.saturating_sub(held), host.slots);
            row.push(host.slots_held.map_or_else(nothing, free));
        }
        if shows_shared {
            row.push(if host.shared == "not-tested" {
                nothing()
            } else {
                host.shared.to_owned()
            });
        }
        let versions: Vec<String> = host
            .renderers
            .iter()
            .filter_map(|one| Some(with_version(&one.renderer, one.version.as_deref()?)))
            .collect();
        row.push(or_nothing(versions.join(", ")));
        rows.add_row(row);
    }
    let right_aligned: &[usize] = match shows_throughput {
        true => &[2, 3, 4, 5, 6, 7, 8, 9],
        false => &[2, 3, 4, 5, 6, 7],
    };
    let mut text = table_text(rows, right_aligned);
    let mut lines = Vec::new();
    for host in &report.hosts {
        for problem in &host.problems {
            lines.push(format!("{}: {}", host.name, printable(&problem.what)));
            lines.push(format!("  hint: {}", printable(&problem.hint)));
        }
        if !host.holders.is_empty() {
            let held = crate::display::standings::held_by(&host.holders);
            lines.push(format!("{}: slots are {held}", host.name));
        }
    }
    if !lines.is_empty() {
        text.push('\n');
    }
    for line in lines {
        text.push_str(&sentence(&line, width));
    }
    text
}

/// `Blender 4.2.1`; some print their name with the version.
fn with_version(renderer: &str, version: &str) -> String {
    let version = cell(version);
    let says_its_name = version.to_lowercase().starts_with(&renderer.to_lowercase());
    if says_its_name {
        version
    } else {
        format!("{} {version}", cell(renderer))
    }
}

/// Times down to microseconds: a link on one machine takes that long.
fn short_time(seconds: f64) -> String {
    if seconds < 0.001 {
        format!("{:.0}us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.0}ms", seconds * 1e3)
    } else {
        time(seconds)
    }
}

/// `0.0s`, `+1h00m`, `-3.2s`
fn clock(ahead_s: f64) -> String {
    let sign = match ahead_s {
        s if s >= 0.05 => "+",
        s if s <= -0.05 => "-",
        _ => "",
    };
    format!("{sign}{}", time(ahead_s.abs()))
}

/// What was ordered.
pub(crate) fn orders(report: &OrdersReport) -> String {
    let line = |host: &crate::documents_hosts::OrderReport| {
        let text = printable(&host.text);
        match host.done {
            true => format!("{text}\n"),
            false => format!("{}: refused: {text}\n", printable(&host.host)),
        }
    };
    report.hosts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents_hosts::{LimitsReport, OrderReport, ProblemReport, RendererReport};
    use framewright_core::request::Storage;

    fn host(name: &str) -> FarmHost {
        FarmHost {
            name: name.to_owned(),
            link: "local",
            address: None,
            ssh_options: None,
            command: None,
            slots: 2,
            memory_bytes: None,
            tags: Vec::new(),
            speed: 1.0,
            storage: Storage::Shared,
            grace_s: 0.0,
            lost_after_s: 0.0,
            lease: false,
            available: None,
            load_max: None,
            paths: Default::default(),
            cache_bytes: None,
            worker: None,
            programs: Default::default(),
            cost_per_hour: None,
        }
    }

    #[test]
    fn a_farm_is_a_line_a_host() {
        let mut node = host("node01");
        node.link = "ssh";
        node.address = Some("render@node01".to_owned());
        node.memory_bytes = Some(64 << 30);
        node.tags = vec!["gpu".to_owned(), "big".to_owned()];
        node.storage = Storage::Staged;
        node.available = Some("19:00-08:00".to_owned());
        node.paths
            .insert("/mnt".to_owned(), "/Volumes/x".to_owned());
        let report = FarmReport {
            file: "/f/farm.toml".to_owned(),
            limits: LimitsReport {
                dispatch_interval_s: 0.0,
                loads_max: None,
            },
            hosts: vec![node, host("here")],
        };
        insta::assert_snapshot!(list(&report, None), @r#"
        HOST    LINK   ADDRESS        SLOTS  MEMORY  SPEED  STORAGE  TAGS     HOURS        PATHS
        node01  ssh    render@node01      2   64GiB      1  staged   gpu,big  19:00-08:00  /mnt=/Volumes/x
        here    local  -                  2       -      1  shared   -        -            -

        from /f/farm.toml
        "#);
    }

    fn check(name: &str) -> CheckReport {
        CheckReport {
            name: name.to_owned(),
            link: "ssh",
            usable: false,
            connect_s: None,
            worker: None,
            clock_ahead_s: None,
            cores: None,
            memory_bytes: None,
            disk_bytes: None,
            load: None,
            latency_s: None,
            send_bytes_s: None,
            fetch_bytes_s: None,
            slots: 4,
            slots_held: None,
            holders: Vec::new(),
            renderers: Vec::new(),
            shared: "not-tested",
            problems: Vec::new(),
        }
    }

    #[test]
    fn what_is_wrong_stands_below_the_table() {
        let mut good = check("node01");
        good.usable = true;
        good.connect_s = Some(0.24);
        good.latency_s = Some(0.000_084);
        good.clock_ahead_s = Some(-3600.0);
        good.cores = Some(32);
        good.memory_bytes = Some(64 << 30);
        good.disk_bytes = Some(1_288_490_189);
        good.slots_held = Some(3);
        good.holders = vec!["anna (job x)".to_owned()];
        good.shared = "yes";
        let renderer = |renderer: &str, version: Option<&str>| RendererReport {
            adapter: renderer.to_lowercase(),
            renderer: renderer.to_owned(),
            version: version.map(str::to_owned),
            program: None,
            why: None,
        };
        good.renderers = vec![
            renderer("Blender", Some("Blender 4.2.1")),
            renderer("Arnold", None),
            renderer("Stub", Some("1")),
        ];
        good.problems = vec![ProblemReport {
            kind: "clock",
            fatal: false,
            what: "its clock is 1h00m behind".to_owned(),
            hint: "set it".to_owned(),
        }];
        let mut bad = check("node02");
        bad.problems = vec![ProblemReport {
            kind: "unreachable",
            fatal: true,
            what: "no answer from its worker within 20 s".to_owned(),
            hint: "try: ssh node02 true".to_owned(),
        }];
        let report = ChecksReport {
            hosts: vec![good, bad],
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(checks(&report, None), @r#"
        HOST    USABLE  CONNECT  LATENCY   CLOCK  CORES    MEMORY     DISK  SLOTS FREE  SHARED  RENDERERS
        node01  yes       240ms     84us  -1h00m     32  64.0 GiB  1.2 GiB  1/4         yes     Blender 4.2.1, Stub 1
        node02  no            -        -       -      -         -        -  -           -       -

        node01: its clock is 1h00m behind
          hint: set it
        node01: slots are held by anna (job x)
        node02: no answer from its worker within 20 s
          hint: try: ssh node02 true
        "#);
        // Nobody shares slots or storage: no columns for that.
        let report = ChecksReport {
            hosts: vec![check("node02")],
            warnings: Vec::new(),
        };
        let text = checks(&report, None);
        assert!(
            !text.contains("SLOTS") && !text.contains("SHARED"),
            "{text}"
        );
    }

    #[test]
    fn orders_say_what_is_done_and_what_is_refused() {
        let one = |host: &str, done, text: &str| OrderReport {
            host: host.to_owned(),
            done,
            text: text.to_owned(),
        };
        let report = OrdersReport {
            job: "j".to_owned(),
            hosts: vec![
                one("a", true, "host a joins with 2 slots"),
                one("b", false, "it is in the job already"),
            ],
        };
        assert_eq!(
            orders(&report),
            "host a joins with 2 slots\nb: refused: it is in the job already\n"
        );
    }
}
