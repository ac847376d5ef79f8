//! What was typed, word for word: the option table that clap reads.
//!
//! Nothing is decided here. Help texts say first what an option does, then how the value is
//! decided when it is not given, then an example.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::assemble::AssembleCommand;
use super::farm::HostsCommand;
use super::history::HistoryCommand;
use super::simulate::SimulateArgs;

/// Splits one render job over processes and hosts, and hands back verified frames.
///
/// Inspects the scene, plans from what loading and rendering it costs, sends runs of frames to
/// every slot, checks each picture before it is put in place, and says how far from the best
/// possible schedule it was.
#[derive(Debug, Parser)]
#[command(
    name = "framewright",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Example:\n  framewright render shot010.blend -f 1-250 -o 'frames/shot010.####.exr'"
)]
pub(crate) struct Low {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Print results on stdout for people or as one JSON document.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        global = true,
        help_heading = "Output"
    )]
    pub(crate) format: Option<Format>,
    /// Say less: only failures. Given to `render`, there is no progress either.
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,
    /// Say more: also segments, loads and processes.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
    /// Keep jobs in this folder instead of the user's state folder.
    #[arg(long, value_name = "DIR", global = true, hide = true)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Search this folder for adapters first; may be given more than once.
    #[arg(long, value_name = "DIR", global = true, help_heading = "Renderer")]
    pub(crate) adapter_path: Vec<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences.
    #[default]
    Human,
    /// One JSON document.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Render a scene.
    #[command(after_help = "Examples:\n  \
        framewright render shot010.blend\n  \
        framewright render shot010.blend -f 1-100x2 --local 2 -o 'out/####.png'\n  \
        framewright render --job shot010.toml --format json\n  \
        framewright render --resume 0198c0de")]
    Render(Box<RenderArgs>),
    /// Say what `render` with the same options would do, without rendering.
    #[command(after_help = "Examples:\n  \
        framewright plan shot010.blend --hosts farm.toml\n  \
        framewright plan shot010.blend --hosts farm.toml --compare")]
    Plan(Box<PlanArgs>),
    /// Say what a job would take under several policies, on a farm that need not exist.
    ///
    /// The job comes from a scene or from numbers, the farm from a file or from numbers. Nothing
    /// is rendered: the dispatcher's own code runs in virtual time, in a world whose costs and
    /// faults it is not told.
    #[command(after_help = "Examples:\n  \
        framewright simulate --frames 1-200 --frame-cost 20s --load 60s \\\n    \
            --host-count 20 --policy auto --policy fixed:10\n  \
        framewright simulate --frames 1-4000 --frame-cost 20s --load 30s \\\n    \
            --start-delay 6s --dispatch-interval 5s --reload --host-count 200 \\\n    \
            --policy royal-render:2..2\n  \
        framewright simulate shot010.blend --hosts farm.toml --cost lognormal:0.6 \\\n    \
            --host-loss 0.02/h --seeds 20")]
    Simulate(Box<SimulateArgs>),
    /// Say what is in a scene and what it costs to render.
    #[command(after_help = "Example:\n  framewright inspect shot010.blend --format json")]
    Inspect(InspectArgs),
    /// List the jobs, oldest first.
    #[command(after_help = "Example:\n  framewright jobs")]
    Jobs,
    /// Say how far a job is.
    #[command(after_help = "Example:\n  framewright status 0198c0de")]
    Status(StatusArgs),
    /// Say why a task is where it is, or why it is not running.
    ///
    /// Asks the job's controller, or reads the journal of a job that does not run: where the task
    /// is and why it was sent there, when it is expected to begin and to end, what it costs and by
    /// what that is known; while it waits, one reason for each host; and what happened to it so far.
    #[command(
        after_help = "Examples:\n  framewright explain 0198c0de beauty:17\n  framewright explain 0198c0de 17 --format json"
    )]
    Explain(ExplainArgs),
    /// List a job's logs, or print those of one task.
    #[command(
        after_help = "Examples:\n  framewright logs 0198c0de\n  framewright logs 0198c0de beauty:17"
    )]
    Logs(LogsArgs),
    /// Put pictures together: tiles into a frame.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    Assemble {
        #[command(subcommand)]
        what: AssembleCommand,
    },
    /// Say what earlier renders cost, or forget it.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    History {
        #[command(subcommand)]
        what: HistoryCommand,
    },
    /// List hosts, look them over, or change those of a job that is running.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    Hosts {
        #[command(subcommand)]
        what: HostsCommand,
    },
    /// Ask what renderer adapters there are.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    Adapters {
        #[command(subcommand)]
        what: AdaptersCommand,
    },
    /// Print a script that teaches a shell to complete framewright's options.
    #[command(
        after_help = "Example:\n  framewright completions bash > ~/.local/share/bash-completion/completions/framewright"
    )]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a folder.
    #[command(
        after_help = "Examples:\n  framewright man | man -l -\n  framewright man --dir ~/.local/share/man/man1"
    )]
    Man {
        /// Write a page for every command into this folder, which is made if missing.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdaptersCommand {
    /// List the adapters that are found, and why one cannot be used.
    #[command(after_help = "Example:\n  framewright adapters list")]
    List,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InspectArgs {
    /// The scene.
    #[arg(value_name = "SCENE")]
    pub(crate) scene: PathBuf,
    /// Use this adapter; by default the one that knows the file's extension.
    #[arg(long, value_name = "ID", help_heading = "Renderer")]
    pub(crate) adapter: Option<String>,
    /// Set a renderer's setting; may be given more than once.
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Renderer")]
    pub(crate) set: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    /// The job: its id, or enough of its beginning.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The job: its id, or enough of its beginning.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The task, as LAYER:FRAME; a frame alone means any layer.
    #[arg(value_name = "TASK", allow_hyphen_values = true)]
    pub(crate) task: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    /// The job: its id, or enough of its beginning.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The task, as LAYER:FRAME; a frame alone means any layer.
    #[arg(value_name = "TASK", allow_hyphen_values = true)]
    pub(crate) task: Option<String>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Go on with a job that was interrupted; scene and options come from the job.
    #[arg(long, value_name = "JOB", conflicts_with_all = JobArgs::NOT_WITH_RESUME)]
    pub(crate) resume: Option<String>,
    /// Write every event as one JSON object a line; `-` is stdout.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) events: Option<PathBuf>,
}

/// `plan`: a job's options, and how much to say of it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Compare the same job under each policy, and on fewer and more hosts: time, host hours and
    /// cost.
    #[arg(long)]
    pub(crate) compare: bool,
}

/// Options that make up a job; `render` and `plan` take the same.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct JobArgs {
    /// The scene; its extension decides the adapter.
    #[arg(value_name = "SCENE")]
    pub(crate) scene: Option<PathBuf>,
    /// Take scene and options from a file whose keys are the long options; flags win.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) job: Option<PathBuf>,

    /// Render these frames: 1-300, 1-100x2, 1,5,9-20, 1-100,!50, -10..-1. By default the
    /// scene's own.
    #[arg(
        short,
        long,
        value_name = "SET",
        allow_hyphen_values = true,
        help_heading = "What"
    )]
    pub(crate) frames: Option<String>,
    /// Render these layers only. By default all that the scene uses, together.
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "What")]
    pub(crate) layers: Vec<String>,
    /// Split into frames, tiles or layers. By default decided from costs and hosts.
    #[arg(long, value_enum, value_name = "HOW", help_heading = "What")]
    pub(crate) split: Option<SplitChoice>,
    /// Split each frame into this many tiles, e.g. 4x4.
    #[arg(long, value_name = "COLSxROWS", help_heading = "What")]
    pub(crate) tiles: Option<String>,
    /// Let tiles overlap by this many pixels.
    #[arg(long, value_name = "PIXELS", help_heading = "What")]
    pub(crate) overlap: Option<u32>,

    /// Distribute by cost (auto), in equal shares (even), in runs of K frames (fixed:K), or by
    /// another rule: royal-render:MIN..MAX, guided, factoring, openjd:TIME.
    #[arg(long, value_name = "POLICY", help_heading = "How")]
    pub(crate) policy: Option<String>,
    /// Send between MIN and MAX frames at a time; 0 sends all to one slot. By default decided
    /// by cost.
    #[arg(long, value_name = "MIN..MAX", help_heading = "How")]
    pub(crate) segment: Option<String>,
    /// Use no more hosts than let loading take this part of their time, e.g. 30%: where the scene
    /// loads slowly, many hosts end little sooner than a few.
    #[arg(long, value_name = "SHARE", help_heading = "How")]
    pub(crate) max_load_share: Option<String>,
    /// Render these frames first, e.g. 1,150,300.
    #[arg(
        long,
        value_name = "SET",
        allow_hyphen_values = true,
        help_heading = "How"
    )]
    pub(crate) priority: Option<String>,
    /// Try a failed task this many times more.
    #[arg(long, value_name = "N", help_heading = "How")]
    pub(crate) retries: Option<u32>,
    /// Give one task at most this long, e.g. 2h. By default decided from the frames done so far.
    #[arg(long, value_name = "TIME", help_heading = "How")]
    pub(crate) task_limit: Option<String>,
    /// Go on with the other tasks when one is given up (the default).
    #[arg(long, conflicts_with = "fail_fast", help_heading = "How")]
    pub(crate) keep_going: bool,
    /// Stop when a task is given up.
    #[arg(long, help_heading = "How")]
    pub(crate) fail_fast: bool,
    /// Keep this text with every segment and log.
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "How"
    )]
    pub(crate) note: Option<String>,
    /// Plan from what the adapter says, as if the scene had never been rendered, and leave nothing
    /// for later renders. By default costs that were measured before are used, also of a scene
    /// that has changed since; the first frames correct them.
    #[arg(long, help_heading = "How")]
    pub(crate) no_history: bool,

    /// Put frames there: `####` is the frame, `{layer}` the layer; parents are created. By
    /// default ./STEM/STEM.####.EXT, named after the scene.
    #[arg(short, long, value_name = "PATTERN", help_heading = "Where")]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that this job did not write.
    #[arg(long, help_heading = "Where")]
    pub(crate) overwrite: bool,
    /// Make a film of all frames at the end, at the scene's rate: .mp4 (H.264) or .mov (ProRes).
    /// `{layer}` is the layer, where each has files of its own. Needs ffmpeg.
    #[arg(long, value_name = "FILE", help_heading = "Where")]
    pub(crate) video: Option<PathBuf>,
    /// Draw all frames into one .png at the end.
    #[arg(long, value_name = "FILE", help_heading = "Where")]
    pub(crate) contact_sheet: Option<PathBuf>,
    /// Show EXRs through this view in film and contact sheet: srgb, rec709, raw or a .cube file.
    /// By default srgb.
    #[arg(long, value_name = "VIEW", help_heading = "Where")]
    pub(crate) view: Option<String>,

    /// Use the hosts of this file. By default ./farm.toml, else the user's farm.toml, else this
    /// machine.
    #[arg(long, value_name = "farm.toml", help_heading = "Hosts")]
    pub(crate) hosts: Option<PathBuf>,
    /// Use only these hosts of the farm.
    #[arg(
        long,
        value_name = "NAME,NAME",
        value_delimiter = ',',
        help_heading = "Hosts"
    )]
    pub(crate) host: Vec<String>,
    /// Use this machine with N slots. By default one slot for each 8 cores: a renderer uses
    /// several cores by itself, but rarely all of a large machine. Each slot gets its share of
    /// the cores as threads. Alone it means this machine only; with --hosts or --host, this
    /// machine too.
    #[arg(long, value_name = "N", help_heading = "Hosts")]
    pub(crate) local: Option<u32>,
    /// Use only hosts that have all of these tags.
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        help_heading = "Hosts"
    )]
    pub(crate) tags: Vec<String>,
    /// Use only hosts with this much memory, e.g. 40GiB.
    #[arg(long, value_name = "SIZE", help_heading = "Hosts")]
    pub(crate) memory: Option<String>,

    /// Use this adapter; by default the one that knows the scene's extension.
    #[arg(long, value_name = "ID", help_heading = "Renderer")]
    pub(crate) adapter: Option<String>,
    /// Set a renderer's setting; may be given more than once.
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Renderer")]
    pub(crate) set: Vec<String>,
    /// Bring these files, too, to hosts that do not share ours; may be given more than once. What
    /// the adapter says the scene refers to goes by itself. A folder means all below it, e.g.
    /// 'tex/**/*.tx'.
    #[arg(long, value_name = "GLOB", help_heading = "Hosts")]
    pub(crate) asset: Vec<String>,
}

impl JobArgs {
    /// A resumed job brings all of these with it.
    const NOT_WITH_RESUME: [&'static str; 30] = [
        "scene",
        "job",
        "frames",
        "layers",
        "split",
        "tiles",
        "overlap",
        "policy",
        "segment",
        "max_load_share",
        "priority",
        "retries",
        "task_limit",
        "keep_going",
        "fail_fast",
        "note",
        "no_history",
        "output",
        "overwrite",
        "video",
        "contact_sheet",
        "view",
        "hosts",
        "host",
        "local",
        "tags",
        "memory",
        "adapter",
        "set",
        "asset",
    ];
}

/// `--split`, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitChoice {
    /// Decided from costs and hosts.
    Auto,
    /// One task a frame.
    Frames,
    /// Tiles of each frame.
    Tiles,
    /// One task a layer and frame.
    Layers,
}
