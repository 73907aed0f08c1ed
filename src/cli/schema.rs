//! `schema`: the JSON Schema of a kind of file, for editors, and the Cedar schema of a workspace's policies.

use std::io::Write;
use std::path::PathBuf;

use super::terminal::Terminal;
use super::{Failure, Outcome, Status, workspace};
use crate::policy;
use crate::syntax::{self, Kind};

/// What is no kind of YAML: its schema is a workspace's own.
const POLICY: &str = "policy";

/// Print the JSON Schema of a kind of file, or the Cedar schema of policies
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost schema journey > journey.schema.json
  waypost schema policy shop > shop.cedarschema

and at the top of a journey, for editors with a YAML language server:
  # yaml-language-server: $schema=../journey.schema.json")]
pub(super) struct Args {
    /// The kind of file
    #[arg(value_parser = kinds())]
    kind: String,
    /// For `policy`: the workspace whose actions it names [default: .]
    workspace: Option<PathBuf>,
}

fn kinds() -> clap::builder::PossibleValuesParser {
    Kind::ALL.iter().map(|kind| kind.name()).chain([POLICY]).collect::<Vec<_>>().into()
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    if args.kind == POLICY {
        let root = args.workspace.clone().unwrap_or_else(|| ".".into());
        write!(terminal.out, "{}", policy::schema(&workspace::open(&root)?.workspace))?;
        return Ok(Status::Fine);
    }
    if args.workspace.is_some() {
        let message = format!("the schema of a {} is the same in every workspace", args.kind);
        return Err(Failure::new(message).help(format!("type `waypost schema {}`", args.kind)));
    }
    for kind in Kind::ALL.iter().filter(|kind| kind.name() == args.kind) {
        writeln!(terminal.out, "{:#}", syntax::schema(*kind))?;
    }
    Ok(Status::Fine)
}
