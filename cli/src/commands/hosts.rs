//! `hosts`: the farm as it is written, what is found of its hosts, and orders to a running job.

use std::path::{Path, PathBuf};
use std::time::Duration;

use framewright_core::hosts::check::is_testable;
use framewright_core::hosts::order::Order;
use framewright_core::quantity::parse_duration;

use super::{answer, warn};
use crate::args::farm::{HostsAddArgs, HostsCheckArgs, HostsCommand, HostsListArgs};
use crate::args::hosts;
use crate::args::low::{Common, Format, JobArgs};
use crate::documents_hosts::{ChecksReport, FarmReport, OrdersReport};
use crate::engine::{self, ChecksWanted};
use crate::exit::Exit;
use crate::printable::shown;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;
use crate::tables;

/// Longest time for a host to answer: nobody waits longer at a table.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Carries it out.
pub(crate) fn run(
    what: HostsCommand,
    common: &Common,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    match what {
        HostsCommand::List(args) => list(&args, format, around),
        HostsCommand::Check(args) => check(args, common, format, around),
        HostsCommand::Add(args) => {
            let HostsAddArgs {
                job,
                host,
                hosts,
                local,
            } = args;
            let chosen = hosts::choose(
                &JobArgs {
                    hosts,
                    host,
                    local,
                    ..JobArgs::default()
                },
                around,
            )?;
            order(&job, Order::Add(chosen.hosts), format, around)
        }
        HostsCommand::Drain(args) => order(&args.job, Order::Drain(args.names), format, around),
    }
}

fn list(args: &HostsListArgs, format: Format, around: &Surroundings) -> Result<Exit, Presentable> {
    let Some(farm) = hosts::farm(args.hosts.as_deref(), around)? else {
        return Err(Presentable::usage("there is no farm.toml")
            .hint("name one with --hosts FILE; without a farm, jobs run on this machine"));
    };
    answer(format, FarmReport::of(&farm), |report| {
        tables::hosts::list(report, tables::stdout_width())
    })
}

fn check(
    args: HostsCheckArgs,
    common: &Common,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    let connect_max = timeout(&args.timeout)?;
    let write_test = args
        .write_test
        .map(|folder| write_test(&folder, around))
        .transpose()?;
    let chosen = hosts::choose(
        &JobArgs {
            hosts: args.hosts,
            host: args.names,
            ..JobArgs::default()
        },
        around,
    )?;
    let report = engine::check_hosts(
        &chosen.hosts,
        &ChecksWanted {
            adapter_path: &common.adapter_path,
            adapter: args.adapter.as_deref(),
            write_test,
            connect_max,
        },
        around,
    )?;
    if format == Format::Human {
        warn(&report.warnings);
    }
    let exit = exit_of(&report);
    answer(format, report, |report| {
        tables::hosts::checks(report, tables::stdout_width())
    })?;
    Ok(exit)
}

fn exit_of(report: &ChecksReport) -> Exit {
    let usable = report.hosts.iter().filter(|host| host.usable).count();
    match usable {
        0 => Exit::NoHost,
        some if some < report.hosts.len() => Exit::Failed,
        _ => Exit::Done,
    }
}

fn timeout(typed: &str) -> Result<Duration, Presentable> {
    let limit =
        parse_duration(typed).map_err(|error| Presentable::quantity("--timeout", &error))?;
    if limit.is_zero() || limit > TIMEOUT_MAX {
        return Err(Presentable::usage(format!(
            "--timeout {typed} makes no sense: it must be above 0 and at most 10m"
        )));
    }
    Ok(limit)
}

fn write_test(typed: &Path, around: &Surroundings) -> Result<PathBuf, Presentable> {
    let folder = around.working_folder.join(typed);
    if !is_testable(&folder) {
        return Err(Presentable::usage(format!(
            "--write-test: there is no folder {}",
            shown(typed)
        ))
        .hint("name a folder on the storage that the hosts share"));
    }
    Ok(folder)
}

fn order(
    job: &str,
    order: Order,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    let report = engine::order_hosts(around, job, order)?;
    let exit = match refused(&report) {
        0 => Exit::Done,
        some if some < report.hosts.len() => Exit::Failed,
        // Nothing was done: that is an error, not a result.
        _ => return Err(all_refused(&report)),
    };
    answer(format, report, tables::hosts::orders)?;
    Ok(exit)
}

fn refused(report: &OrdersReport) -> usize {
    report.hosts.iter().filter(|host| !host.done).count()
}

fn all_refused(report: &OrdersReport) -> Presentable {
    let whys: Vec<String> = report
        .hosts
        .iter()
        .map(|host| format!("{}: {}", host.host, host.text))
        .collect();
    let job = &report.job;
    Presentable::usage(format!("job {job} refuses: {}", whys.join("; ")))
        .hint(format!("framewright status {job} shows its hosts"))
}
