//! The stub renderer's own command line.

use std::path::PathBuf;

use clap::Parser;
use framewright_core::data::PathPair;

use super::encode::ExrStyle;
use super::frames::Frames;
use super::task::Rectangle;

/// Render a stub scene: let the time pass that it declares, and draw its pictures.
///
/// Without --session or --tasks it renders --frames one after the other, as any renderer would:
///
///   framewright stub-render shot.stub.toml --frames 1-10 --output 'out/shot.####.png'
#[derive(Debug, Parser)]
#[command(
    name = "framewright stub renderer",
    bin_name = "framewright stub-render",
    version,
    verbatim_doc_comment
)]
pub struct Args {
    /// The scene, a *.stub.toml file.
    pub scene: PathBuf,
    /// Print one line of JSON about the scene and stop.
    #[arg(long, conflicts_with_all = ["session", "tasks"])]
    pub inspect: bool,
    /// Load once, then take orders from standard input.
    #[arg(long, conflicts_with = "tasks")]
    pub session: bool,
    /// Load, render the orders of this file (one JSON document a line), stop.
    #[arg(long, value_name = "FILE")]
    pub tasks: Option<PathBuf>,
    /// Which frames; default: the scene's own.
    #[arg(long, short, value_parser = Frames::parse, allow_hyphen_values = true)]
    pub frames: Option<Frames>,
    /// Which layers; default: the scene as it is.
    #[arg(long = "layer", value_name = "NAME", value_delimiter = ',')]
    pub layers: Vec<String>,
    /// Which part of the frame, from the top left.
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT", value_parser = rectangle)]
    pub tile: Option<Rectangle>,
    /// Where pictures go; #### is the frame, {layer} the layer.
    #[arg(long, short, visible_alias = "out", value_name = "PATTERN")]
    pub output: Option<String>,
    /// Which host this stands for: decides slowness and faults.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub host: String,
    /// Which try this is: a fault with `times = 1` strikes the first only.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub attempt: u32,
    /// Where assets are that the scene names below FROM, by an absolute path: below TO. The longest
    /// FROM counts.
    #[arg(long = "path", num_args = 2, value_names = ["FROM", "TO"], action = clap::ArgAction::Append)]
    paths: Vec<String>,
    /// sticky=true|false, pixels=half|float, channels=plain|layer.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<Setting>,
}

/// One `--set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Overrides the scene's `sticky`.
    Sticky(bool),
    /// Whether EXR files hold 32-bit floats.
    Float(bool),
    /// Whether EXR channels carry the layer's name.
    LayerNames(bool),
}

impl Args {
    /// Where absolute paths are on this host.
    pub fn paths(&self) -> Vec<PathPair> {
        let (pairs, _) = self.paths.as_chunks::<2>();
        let pair = |[from, to]: &[String; 2]| PathPair {
            from: from.clone(),
            to: to.clone(),
        };
        pairs.iter().map(pair).collect()
    }

    /// The scene's `sticky`, or what was set instead; the last one counts.
    pub fn sticky(&self, scenes_own: bool) -> bool {
        self.settings
            .iter()
            .fold(scenes_own, |sticky, setting| match setting {
                Setting::Sticky(set) => *set,
                Setting::Float(_) | Setting::LayerNames(_) => sticky,
            })
    }

    /// How EXR files are written.
    pub fn exr_style(&self) -> ExrStyle {
        let mut style = ExrStyle::default();
        for setting in &self.settings {
            match setting {
                Setting::Sticky(_) => {}
                Setting::Float(float) => style.float = *float,
                Setting::LayerNames(names) => style.layer_names = *names,
            }
        }
        style
    }
}

fn setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some(("sticky", "true")) => Ok(Setting::Sticky(true)),
        Some(("sticky", "false")) => Ok(Setting::Sticky(false)),
        Some(("pixels", "half")) => Ok(Setting::Float(false)),
        Some(("pixels", "float")) => Ok(Setting::Float(true)),
        Some(("channels", "plain")) => Ok(Setting::LayerNames(false)),
        Some(("channels", "layer")) => Ok(Setting::LayerNames(true)),
        _ => Err(
            "expected sticky=true, sticky=false, pixels=half, pixels=float, channels=plain or channels=layer"
                .to_owned(),
        ),
    }
}

fn rectangle(text: &str) -> Result<Rectangle, String> {
    let wrong = || format!("`{text}` is no rectangle, expected X,Y,WIDTH,HEIGHT in pixels");
    let numbers = text
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| wrong())?;
    match numbers[..] {
        [x, y, width, height] => Ok(Rectangle {
            x,
            y,
            width,
            height,
        }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn paths_come_in_pairs() {
        let args = ["x", "s", "--path", "/a", "/b=c", "--path", "/", "/t"];
        let paths = Args::try_parse_from(args).expect("right arguments").paths();
        let pairs: Vec<_> = paths.iter().map(|p| (&*p.from, &*p.to)).collect();
        assert_eq!(pairs, [("/a", "/b=c"), ("/", "/t")]);
        assert!(Args::try_parse_from(["x", "s", "--path", "/a"]).is_err());
    }

    #[test]
    fn the_last_setting_counts() {
        let args = Args::try_parse_from([
            "x",
            "s.stub.toml",
            "--set",
            "sticky=true",
            "--set",
            "sticky=false",
            "--set",
            "pixels=float",
        ])
        .expect("right arguments");
        assert!(!args.sticky(true));
        assert!(args.exr_style().float);
        assert!(Args::try_parse_from(["x", "s", "--set", "sticky=maybe"]).is_err());
    }
}
