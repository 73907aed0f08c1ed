//! `schema`: the JSON Schema of a kind of file, for editors.

use std::io::Write;

use super::terminal::Terminal;
use super::{Outcome, Status};
use crate::syntax::{self, Kind};

/// Print the JSON Schema of a kind of file, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost schema journey > journey.schema.json

and at the top of a journey, for editors with a YAML language server:
  # yaml-language-server: $schema=../journey.schema.json")]
pub(super) struct Args {
    /// The kind of file
    #[arg(value_parser = kinds())]
    kind: String,
}

fn kinds() -> clap::builder::PossibleValuesParser {
    Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().into()
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    for kind in Kind::ALL.iter().filter(|kind| kind.name() == args.kind) {
        writeln!(terminal.out, "{:#}", syntax::schema(*kind))?;
    }
    Ok(Status::Fine)
}
