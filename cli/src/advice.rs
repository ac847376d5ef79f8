//! What the library refuses or cannot do, with what to do about it and the exit code.

use framewright_core::adapters::{AdapterFault, ChooseError, SettingsError};
use framewright_core::data::Verdict;
use framewright_core::explain::LookError;
use framewright_core::freight::PackageError;
use framewright_core::hosts::check::{AdaptersError, Problem, WriteTestError};
use framewright_core::hosts::order::OrderError;
use framewright_core::output::OutputError;
use framewright_core::request::{HostEntry, LinkKind};
use framewright_core::run::{ActivityError, PlanError, PrepareError, RenderError, RunError};
use framewright_core::simulate::SimulateError;

use framewright_core::store::Status;

use crate::exit::Exit;
use crate::printable::for_shell;
use crate::problem::{Presentable, with_causes};

fn no_host(message: impl Into<String>) -> Presentable {
    Presentable {
        message: message.into(),
        hint: None,
        exit: Exit::NoHost,
    }
}

fn adapter_fault(message: impl Into<String>) -> Presentable {
    Presentable::fault(message)
        .hint("this is a fault of the adapter, not of your scene; tell whoever wrote it")
}

/// What to do where no host is left, by what was the last one's reason.
fn host_advice(no_renderer: bool) -> &'static str {
    if no_renderer {
        "install the renderer there, or name it in farm.toml: programs = { ADAPTER = \"/path\" }"
    } else {
        "try by hand what farm.toml reaches the host by; it must lead to `framewright worker`"
    }
}

impl From<PrepareError> for Presentable {
    fn from(error: PrepareError) -> Self {
        let text = with_causes(&error);
        match error {
            PrepareError::Scene { .. } => {
                Self::usage(text).hint("check the path and its permissions")
            }
            PrepareError::NotAFile { .. } => Self::usage(text).hint("name the scene file itself"),
            PrepareError::NotUtf8 { .. } => {
                Self::usage(text).hint("rename it, or make a link with another name")
            }
            PrepareError::Choose(error) => error.into(),
            PrepareError::Adapter(error) => (*error).into(),
            PrepareError::Settings(error) => error.into(),
            PrepareError::Inspect(error) => error.into(),
            PrepareError::NoHost { no_renderer, .. } => {
                no_host(text).hint(host_advice(no_renderer))
            }
            PrepareError::Frames { .. } => {
                Self::usage(text).hint("frames are written 1-300, 1-100x2, 1,5,9-20 or 1-100,!50")
            }
            PrepareError::Split(error) => match error.hint() {
                Some(hint) => Self::usage(text).hint(hint),
                None => Self::usage(text),
            },
            PrepareError::Reel(error) => Self {
                message: text,
                hint: error.hint(),
                exit: match error.is_of_this_machine() {
                    true => Exit::NoHost,
                    false => Exit::Usage,
                },
            },
            PrepareError::Package(error) => {
                let hint = match error {
                    PackageError::Missing { .. } => "restore what is missing, or correct its path",
                    PackageError::NoMatch { .. } | PackageError::Pattern { .. } => {
                        "patterns are like tex/*.png; quote them, so that the shell leaves them"
                    }
                    PackageError::NotUtf8 { .. } => "rename it, or make a link with another name",
                    PackageError::NotAFile { .. } => "name files and folders",
                    PackageError::Changed { .. } => "wait until it is written, then try again",
                    PackageError::TooMany => "put what the scene does not need elsewhere",
                    PackageError::Read { .. } => "check its permissions",
                };
                Self::usage(text).hint(hint)
            }
            PrepareError::Output(error) => error.into(),
        }
    }
}

impl From<ChooseError> for Presentable {
    fn from(error: ChooseError) -> Self {
        let text = with_causes(&error);
        let list = "`framewright adapters list` shows all adapters and where each was found";
        match error {
            ChooseError::Fault(_) => adapter_fault(text),
            // One that could not say what it is may be the one that is wanted.
            ChooseError::UnknownId { broken, .. }
            | ChooseError::UnknownExtension { broken, .. }
                if broken.iter().any(|adapter| adapter.is_fault) =>
            {
                adapter_fault(text)
            }
            ChooseError::UnknownId { .. } | ChooseError::Broken { .. } => {
                Self::usage(text).hint(list)
            }
            ChooseError::UnknownExtension { broken, .. } if !broken.is_empty() => {
                Self::usage(text).hint(list)
            }
            ChooseError::UnknownExtension { .. } => {
                Self::usage(text).hint("name the adapter with --adapter ID")
            }
        }
    }
}

impl From<AdapterFault> for Presentable {
    fn from(error: AdapterFault) -> Self {
        adapter_fault(with_causes(&error))
    }
}

impl From<SettingsError> for Presentable {
    fn from(error: SettingsError) -> Self {
        Self::usage(with_causes(&error)).hint("settings are given as --set KEY=VALUE")
    }
}

impl From<OutputError> for Presentable {
    fn from(error: OutputError) -> Self {
        let hint = error.hint();
        let problem = Self::usage(with_causes(&error));
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl From<ActivityError> for Presentable {
    fn from(error: ActivityError) -> Self {
        let text = with_causes(&error);
        match error {
            ActivityError::Link(error) => {
                no_host(text).hint(error.hint().unwrap_or(host_advice(false)))
            }
            ActivityError::Lost(_) | ActivityError::TooLong { .. } => {
                no_host(text).hint(host_advice(false))
            }
            ActivityError::NoProgram { .. } => no_host(text).hint(host_advice(true)),
            ActivityError::Adapter(error) => (*error).into(),
            ActivityError::Failed { verdict, hint, .. } => {
                let exit = match verdict {
                    Verdict::Succeeded | Verdict::Unrenderable => Exit::Usage,
                    Verdict::MachineFault | Verdict::OutOfMemory | Verdict::NoLicence => {
                        Exit::NoHost
                    }
                    Verdict::AdapterFault => Exit::Fault,
                };
                Self {
                    message: text,
                    hint: Some(hint).filter(|hint| !hint.is_empty()),
                    exit,
                }
            }
            ActivityError::NoConclusion { .. } => Self::fault(text),
            ActivityError::Scratch { .. } => Self::usage(text)
                .hint("scratch files are kept in the user's state folder; set XDG_STATE_HOME to another one"),
        }
    }
}

impl From<PlanError> for Presentable {
    fn from(error: PlanError) -> Self {
        let text = with_causes(&error);
        match error {
            PlanError::Job(_) => Self::usage(text),
            PlanError::NoHost => no_host(text),
            PlanError::Sim(_) => Self::fault(text),
        }
    }
}

impl From<SimulateError> for Presentable {
    fn from(error: SimulateError) -> Self {
        let text = with_causes(&error);
        match error {
            SimulateError::Job(_)
            | SimulateError::TooManyTasks { .. }
            | SimulateError::TooManySlots { .. }
            | SimulateError::Speed { .. } => Self::usage(text),
            SimulateError::NoHost => no_host(text),
            SimulateError::Sim { .. } => Self::fault(text),
        }
    }
}

impl From<RenderError> for Presentable {
    fn from(error: RenderError) -> Self {
        let text = with_causes(&error);
        match error {
            RenderError::Prepare(error) => error.into(),
            RenderError::Output(error) => error.into(),
            RenderError::Claim(error) => error.into(),
            RenderError::Create(error) => error.into(),
            RenderError::Find(error) => error.into(),
            RenderError::Folder(error) => error.into(),
            RenderError::Lock(error) => error.into(),
            RenderError::Survey(_) | RenderError::Scene { .. } | RenderError::Record { .. } => {
                Self::usage(text)
            }
            RenderError::Journal(_) => Self::fault(text),
            RenderError::Run(RunError::NoHost { .. }) => no_host(text)
                .hint("what was committed is safe; `framewright render --resume JOB` goes on"),
            RenderError::Run(RunError::Journal { .. }) => Self::fault(text).hint(
                "what was committed is safe; make room and `framewright render --resume JOB`",
            ),
        }
    }
}

/// What to do about something that is wrong with a host.
pub(crate) fn host_problem_advice(problem: &Problem, host: &HostEntry) -> String {
    let name = &host.name;
    match problem {
        Problem::Unreachable {
            hint: Some(hint), ..
        } => hint.clone(),
        Problem::Unreachable { is_silent, .. } => match &host.link {
            LinkKind::Ssh { address, options } => {
                let mut words = vec!["ssh".to_owned()];
                words.extend(options.iter().map(|option| for_shell(option)));
                words.extend([for_shell(address), "true".to_owned()]);
                let by_hand = words.join(" ");
                match is_silent {
                    true => format!("see whether this ends by itself and asks nothing: {by_hand}"),
                    false => format!("try by hand: {by_hand}"),
                }
            }
            LinkKind::Command(command) => format!(
                "try `{}` by hand; it must lead to `framewright worker`",
                command.join(" ")
            ),
            LinkKind::Local => "this is a fault of framewright or of this machine".to_owned(),
        },
        Problem::Gone { .. } => {
            "look whether somebody ends processes there, or it restarts".to_owned()
        }
        Problem::Stuck { what, .. } if *what == "shared storage" => {
            "look whether its file server answers there".to_owned()
        }
        Problem::Stuck { .. } => {
            "look whether the machine is overloaded, or its disk hangs".to_owned()
        }
        Problem::Clock { .. } => {
            "have it keep time by NTP; renders are right all the same, times in its logs are not"
                .to_owned()
        }
        Problem::DiskLow { .. } => {
            "make room there; a host whose disk is full takes nothing".to_owned()
        }
        Problem::Memory { .. } => {
            format!("correct `memory` of host {name}, or leave it out to have the host asked")
        }
        Problem::Freight { .. } => {
            "see that its cache folder (~/.cache/framewright there) can be written".to_owned()
        }
        Problem::NoRenderer { .. } => host_advice(true).to_owned(),
        Problem::Renderer {
            is_missing: true,
            adapter,
            ..
        } => format!(
            "install it there, or name it in farm.toml: programs = {{ {adapter} = \"/path\" }}"
        ),
        Problem::Renderer { adapter, .. } => format!(
            "start it by hand there; `framewright hosts check {name} --adapter {adapter}` tries again"
        ),
        Problem::NotShared(error) => match error {
            WriteTestError::Here { .. } => "name a folder that you may write into".to_owned(),
            WriteTestError::NotSeen { .. } | WriteTestError::Differs { .. } => format!(
                "mount it there, say in farm.toml where it is there (paths = {{ \"/here\" = \"/there\" }}), or set storage = \"staged\" for host {name}"
            ),
            WriteTestError::NotWritten { .. } => {
                "let the user that it runs as write there, or mount it for writing".to_owned()
            }
            WriteTestError::NotBack { .. } => {
                "see that both paths are the same folder of the file server".to_owned()
            }
        },
    }
}

impl From<AdaptersError> for Presentable {
    fn from(error: AdaptersError) -> Self {
        match error {
            AdaptersError::Choose(error) => error.into(),
            AdaptersError::Fault(error) => (*error).into(),
        }
    }
}

impl From<OrderError> for Presentable {
    fn from(error: OrderError) -> Self {
        let text = with_causes(&error);
        match error {
            OrderError::Folder(error) => error.into(),
            OrderError::NotRunning { job, status } => {
                let hint = match status {
                    Status::Interrupted | Status::Paused | Status::Running => format!(
                        "hosts can be changed while it runs; go on with: framewright render --resume {}",
                        for_shell(&job)
                    ),
                    Status::Failed => format!(
                        "try what failed again with: framewright render --resume {}",
                        for_shell(&job)
                    ),
                    Status::Done | Status::Cancelled => {
                        "framewright jobs lists all; only those that are running take or give up hosts".to_owned()
                    }
                };
                Self::usage(text).hint(hint)
            }
            OrderError::HasLeft { job, name } => Self::usage(text).hint(format!(
                "it can be added again: framewright hosts add {} --host {}",
                for_shell(&job),
                for_shell(&name)
            )),
            OrderError::NoSuchHost { known, .. } => {
                Self::usage(text).hint(format!("its hosts are {}", known.join(", ")))
            }
            OrderError::Unanswered { .. } => {
                Self::fault(text).hint("it may be ending; framewright jobs says how it is")
            }
        }
    }
}

impl From<LookError> for Presentable {
    fn from(error: LookError) -> Self {
        let text = with_causes(&error);
        match error {
            LookError::Folder(error) => error.into(),
            LookError::Record { .. } => Self::fault(text),
            LookError::UnknownTask { frames, layers, .. } => {
                let layers = match layers.as_slice() {
                    [only] => format!("{only}:FRAME"),
                    several => format!("LAYER:FRAME, LAYER one of {}", several.join(", ")),
                };
                Self::usage(text).hint(format!("its tasks are {layers}, FRAME one of {frames}"))
            }
        }
    }
}
