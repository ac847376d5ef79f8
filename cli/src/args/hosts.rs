//! Where a job runs: `--hosts`, `--host`, `--local`, or what is found.

use std::path::{Path, PathBuf};

use framewright_core::farm::{Farm, Host, SLOTS_MAX};
use framewright_core::request::{FarmLimits, HostEntry, LinkKind};

use crate::args::low::JobArgs;
use crate::printable::shown;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;

/// Name of this machine as a host.
pub(crate) const LOCAL: &str = "local";

/// The hosts of a job, at least one, names unique.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The hosts.
    pub(crate) hosts: Vec<HostEntry>,
    /// Limits of the farm.
    pub(crate) limits: FarmLimits,
}

/// Decides where to run.
pub(crate) fn choose(args: &JobArgs, around: &Surroundings) -> Result<Chosen, Presentable> {
    if let Some(slots) = args.local
        && !(1..=SLOTS_MAX).contains(&slots)
    {
        return Err(Presentable::usage(format!(
            "--local {slots} makes no sense: it must be from 1 to {SLOTS_MAX}"
        )));
    }
    let farm_wanted = args.hosts.is_some() || !args.host.is_empty();
    let mut chosen = Chosen {
        hosts: Vec::new(),
        limits: FarmLimits::default(),
    };
    if farm_wanted || args.local.is_none() {
        match farm_file(args.hosts.as_deref(), around)? {
            Some(path) => from_farm(&Farm::read(&path)?, args, &mut chosen)?,
            None if farm_wanted => {
                return Err(Presentable::usage(
                    "--host names hosts of a farm, but there is no farm.toml",
                )
                .hint("name one with --hosts FILE, or use this machine with --local N"));
            }
            None => chosen.hosts.push(this_machine(around.default_slots())),
        }
    }
    if let Some(slots) = args.local {
        if chosen.hosts.iter().any(|host| host.name == LOCAL) {
            return Err(Presentable::usage(
                "--local adds this machine under the name `local`, which the farm already has",
            )
            .hint("leave --local out, or give that host another name"));
        }
        chosen.hosts.push(this_machine(slots));
    }
    Ok(chosen)
}

/// The farm that was named, else the one found, for a simulation: it may have hosts that nothing
/// reaches yet.
pub(super) fn simulated(
    named: Option<&Path>,
    around: &Surroundings,
) -> Result<Option<(Vec<HostEntry>, FarmLimits)>, Presentable> {
    let Some(path) = farm_file(named, around)? else {
        return Ok(None);
    };
    let farm = Farm::read(&path)?;
    let hosts = farm.hosts.iter().map(Host::simulated).collect();
    Ok(Some((hosts, limits(&farm))))
}

/// The farm that was named, else the one found, as it is written.
pub(crate) fn farm(
    named: Option<&Path>,
    around: &Surroundings,
) -> Result<Option<Farm>, Presentable> {
    let path = farm_file(named, around)?;
    Ok(path.map(|path| Farm::read(&path)).transpose()?)
}

/// The farm that was named, else the one found.
fn farm_file(named: Option<&Path>, around: &Surroundings) -> Result<Option<PathBuf>, Presentable> {
    if let Some(named) = named {
        let path = around.working_folder.join(named);
        if !path.exists() {
            return Err(Presentable::usage(format!(
                "there is no farm file {}",
                shown(named)
            )));
        }
        return Ok(Some(path));
    }
    // Shown as it would be typed.
    let here = Path::new("farm.toml");
    if around.working_folder.join(here).exists() {
        return Ok(Some(around.working_folder.join(here)));
    }
    Ok(around.user_farm.clone().filter(|path| path.exists()))
}

fn from_farm(farm: &Farm, args: &JobArgs, chosen: &mut Chosen) -> Result<(), Presentable> {
    for host in farm.named(&args.host)? {
        chosen.hosts.push(host.entry());
    }
    chosen.limits = limits(farm);
    Ok(())
}

fn limits(farm: &Farm) -> FarmLimits {
    FarmLimits {
        dispatch_interval_s: farm.limits.dispatch_interval.as_secs_f64(),
        loads_max: farm.limits.loads_max,
    }
}

fn this_machine(slots: u32) -> HostEntry {
    HostEntry::new(LOCAL, LinkKind::Local, slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(folder: &Path) -> Surroundings {
        Surroundings {
            working_folder: folder.to_owned(),
            state_dir: folder.join("state"),
            user_farm: Some(folder.join("config/farm.toml")),
            executable: "/bin/true".into(),
            adapters: Default::default(),
            cores: 16,
            terminal_moves: false,
        }
    }

    fn names(chosen: &Chosen) -> Vec<(&str, u32)> {
        chosen
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.slots))
            .collect()
    }

    const FARM: &str = "[[host]]\nname = 'a'\nlink = 'local'\n[[host]]\nname = 'b'\nlink = 'ssh'\n";

    #[test]
    fn without_a_farm_it_is_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = choose(&JobArgs::default(), &around(folder.path())).unwrap();
        assert_eq!(names(&chosen), [("local", 2)]);
    }

    #[test]
    fn the_folder_s_farm_comes_before_the_user_s() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(
            folder.path().join("config/farm.toml"),
            "[[host]]\nname = 'u'\nlink = 'local'\n",
        )
        .unwrap();
        let around = around(folder.path());
        assert_eq!(
            names(&choose(&JobArgs::default(), &around).unwrap()),
            [("u", 1)]
        );
        std::fs::write(
            folder.path().join("farm.toml"),
            "[[host]]\nname = 'f'\nlink = 'local'\nslots = 3\n",
        )
        .unwrap();
        assert_eq!(
            names(&choose(&JobArgs::default(), &around).unwrap()),
            [("f", 3)]
        );
        let local = JobArgs {
            local: Some(4),
            ..JobArgs::default()
        };
        assert_eq!(names(&choose(&local, &around).unwrap()), [("local", 4)]);
        let both = JobArgs {
            local: Some(4),
            host: vec!["f".into()],
            ..JobArgs::default()
        };
        assert_eq!(
            names(&choose(&both, &around).unwrap()),
            [("f", 3), ("local", 4)]
        );
    }

    #[test]
    fn only_hosts_that_are_wanted_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("farm.toml"), FARM).unwrap();
        let around = around(folder.path());
        let only_a = JobArgs {
            host: vec!["a".into()],
            ..JobArgs::default()
        };
        assert_eq!(names(&choose(&only_a, &around).unwrap()), [("a", 1)]);
        let all = choose(&JobArgs::default(), &around).unwrap();
        assert_eq!(names(&all), [("a", 1), ("b", 1)]);
    }

    #[test]
    fn a_farm_that_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let around = around(folder.path());
        let named = JobArgs {
            hosts: Some("none.toml".into()),
            ..JobArgs::default()
        };
        assert_eq!(
            choose(&named, &around).unwrap_err().message,
            "there is no farm file none.toml"
        );
        let host = JobArgs {
            host: vec!["a".into()],
            ..JobArgs::default()
        };
        assert_eq!(
            choose(&host, &around).unwrap_err().message,
            "--host names hosts of a farm, but there is no farm.toml"
        );
        let none = JobArgs {
            local: Some(0),
            ..JobArgs::default()
        };
        assert!(
            choose(&none, &around)
                .unwrap_err()
                .message
                .contains("--local 0")
        );
    }
}
