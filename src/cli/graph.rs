//! `graph`: a journey as a picture, or as text that others draw.

use std::io::Write;
use std::path::PathBuf;

use super::terminal::Terminal;
use super::workspace;
use super::{Failure, Outcome, Status};
use crate::draw::{Drawing, draw};
use crate::source::did_you_mean;

/// Draw a journey
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost graph cancel-order shop > cancel-order.mmd
  waypost graph cancel-order shop --format svg > cancel-order.svg
  waypost graph cancel-order shop --format dot | dot -Tpng > cancel-order.png")]
pub(super) struct Args {
    /// The journey's slug
    journey: String,
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// What to draw it as
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A flowchart in Mermaid's language
    Mermaid,
    /// A graph in Graphviz's language
    Dot,
    /// A picture
    Svg,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
    let Some(journey) = loaded.journey(&args.journey) else {
        let known: Vec<&str> = loaded.journeys.values().map(|j| &*j.slug.shown).collect();
        let help = match did_you_mean(&args.journey, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", known.join(", ")),
        };
        return Err(Failure::new(format!("the workspace has no journey `{}`", args.journey)).help(help));
    };
    let drawing = match args.format {
        Format::Mermaid => Drawing::Mermaid,
        Format::Dot => Drawing::Dot,
        Format::Svg => Drawing::Svg,
    };
    let drawn = draw(journey, drawing).map_err(|e| {
        let message = format!("`{}` has {} steps, too many for a picture", args.journey, e.0);
        Failure::new(message).help("take `--format dot` and let Graphviz draw it")
    })?;
    terminal.out.write_all(drawn.as_bytes())?;
    Ok(Status::Fine)
}
