//! `history`: what was typed. Kept beside the option table, of which it is a part.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the history of costs.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List the scenes whose costs are known, or what is known of one.
    ///
    /// Without SCENE one line a scene, the last rendered first: its renders, frames, their mean
    /// cost and spread. With SCENE what each layer and host was measured at, and the dearest and
    /// cheapest frame; as JSON, the cost of every frame. Costs are seconds on a host of speed 1.
    #[command(after_help = "Examples:\n  \
        framewright history show\n  \
        framewright history show shot010.blend\n  \
        framewright history show shot010.blend --format json")]
    Show(HistoryShowArgs),
    /// Forget what a scene cost, or everything.
    ///
    /// The next render of it starts from what its adapter says. `--all` also removes a history
    /// that cannot be read.
    #[command(after_help = "Examples:\n  \
        framewright history forget shot010.blend\n  \
        framewright history forget --all")]
    Forget(HistoryForgetArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HistoryShowArgs {
    /// The scene; it need not exist any more. By default all of them.
    #[arg(value_name = "SCENE")]
    pub(crate) scene: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HistoryForgetArgs {
    /// The scene; it need not exist any more.
    #[arg(value_name = "SCENE", required_unless_present = "all")]
    pub(crate) scene: Option<PathBuf>,
    /// Forget every scene.
    #[arg(long, conflicts_with = "scene")]
    pub(crate) all: bool,
}
