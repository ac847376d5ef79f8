//! `man`: the manual's pages, made from the option table.

use std::io;
use std::path::Path;

use clap_mangen::Man;

use super::print;
use crate::args;
use crate::exit::Exit;
use crate::printable::shown;
use crate::problem::Presentable;

/// Prints the main page, or writes every page into a folder.
pub(crate) fn run(dir: Option<&Path>) -> Result<Exit, Presentable> {
    let command = args::command().disable_help_subcommand(true);
    let cannot = |error: io::Error| Presentable::fault(format!("cannot write the manual: {error}"));
    match dir {
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page).map_err(cannot)?;
            print(&page)?;
        }
        Some(dir) => {
            let cannot = |error: io::Error| {
                Presentable::usage(format!(
                    "cannot write the manual into {}: {error}",
                    shown(dir)
                ))
            };
            std::fs::create_dir_all(dir).map_err(cannot)?;
            clap_mangen::generate_to(command, dir).map_err(cannot)?;
        }
    }
    Ok(Exit::Done)
}
