//! `hosts`: what was typed. Kept beside the option table, of which it is a part.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the hosts of a farm, or of a job.
#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// List the hosts of the farm, as the file says. Nothing is asked of them.
    #[command(after_help = "Examples:\n  \
        framewright hosts list\n  \
        framewright hosts list --hosts farm.toml --format json")]
    List(HostsListArgs),
    /// Look hosts over: is each there, what is it, what can it render.
    ///
    /// All hosts are looked at beside each other. Each is reached as a job would reach it; then
    /// its clock, cores, memory, free disk, latency and renderers are looked at, and its shared
    /// storage with --write-test. Below the table is one line for each thing that is wrong, and
    /// what to do about it.
    ///
    /// Exits with 0 when all hosts can be used, 1 when some can, 3 when none can.
    #[command(after_help = "Examples:\n  \
        framewright hosts check\n  \
        framewright hosts check node01 node02 --adapter blender\n  \
        framewright hosts check --write-test /mnt/projects --format json")]
    Check(HostsCheckArgs),
    /// Add hosts to a job that is running.
    #[command(after_help = "Examples:\n  \
        framewright hosts add 0198c0de --host node07,node08\n  \
        framewright hosts add 0198c0de --local 2")]
    Add(HostsAddArgs),
    /// Take hosts from a job that is running, when what they render is done.
    #[command(after_help = "Example:\n  framewright hosts drain 0198c0de node07")]
    Drain(HostsDrainArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HostsListArgs {
    /// List the hosts of this file. By default ./farm.toml, else the user's farm.toml.
    #[arg(long, value_name = "farm.toml", help_heading = "Hosts")]
    pub(crate) hosts: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HostsCheckArgs {
    /// Look at these hosts only. By default all of the farm; without a farm, this machine.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The hosts are those of this file. By default ./farm.toml, else the user's farm.toml.
    #[arg(long, value_name = "farm.toml", help_heading = "Hosts")]
    pub(crate) hosts: Option<PathBuf>,
    /// Look for this adapter's renderer, which has to be there. By default for those of all
    /// adapters, of which one has to be there.
    #[arg(long, value_name = "ID", help_heading = "What")]
    pub(crate) adapter: Option<String>,
    /// Write a file into this folder here, which each host has to see, and have it write one back.
    /// A host's `paths` are followed; hosts that files travel to are left out.
    #[arg(long, value_name = "DIR", help_heading = "What")]
    pub(crate) write_test: Option<PathBuf>,
    /// Give a host at most this long until it answers.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20s",
        help_heading = "What"
    )]
    pub(crate) timeout: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HostsAddArgs {
    /// The job: its id, or enough of its beginning.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// Add these hosts of the farm.
    #[arg(
        long,
        value_name = "NAME,NAME",
        value_delimiter = ',',
        required_unless_present = "local",
        help_heading = "Hosts"
    )]
    pub(crate) host: Vec<String>,
    /// The farm is that of this file. By default ./farm.toml, else the user's farm.toml.
    #[arg(long, value_name = "farm.toml", help_heading = "Hosts")]
    pub(crate) hosts: Option<PathBuf>,
    /// Add this machine with N slots, under the name `local`.
    #[arg(long, value_name = "N", help_heading = "Hosts")]
    pub(crate) local: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HostsDrainArgs {
    /// The job: its id, or enough of its beginning.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The hosts, as `framewright status JOB` names them.
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}
