//! `check`: everything that is wrong with a workspace, once or whenever it changes.

use std::io::Write;
use std::path::PathBuf;

use super::connect::{self, Connection};
use super::terminal::{BAD, CARE, DIM, GOOD, Terminal};
use super::watched::{self, Stand};
use super::workspace;
use super::{Failure, Outcome, Status};
use crate::check;
use crate::source::render;

/// Say what is wrong with a workspace, where, and what to type instead
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost check
  waypost check shop --watch
  waypost check shop --format json | jq '.diagnostics[].code'
  waypost check --format github --deny warnings      in CI
  waypost check --connect                            and ask each service whether it answers

`waypost explain CODE` says more about a finding.")]
pub(super) struct Args {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// How to show the findings
    #[arg(long, value_enum, default_value_t = Format::Full)]
    format: Format,
    /// What to fail on beside errors
    #[arg(long, value_enum, value_name = "LEVEL")]
    deny: Option<Deny>,
    /// Check again whenever a file changes
    #[arg(long)]
    watch: bool,
    /// Without errors, also ask each integration's `test_endpoint` whether it answers and takes its credentials
    #[arg(long, conflicts_with = "watch")]
    connect: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the lines of the file
    Full,
    /// One line each
    Concise,
    /// One JSON object
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    /// Any finding at all
    Warnings,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    if args.watch { watch(args, terminal) } else { once(args, terminal) }
}

fn once(args: &Args, terminal: &mut Terminal) -> Outcome {
    if args.connect && matches!(args.format, Format::Sarif | Format::Github) {
        return Err(Failure::new("`--connect` says nothing in this format").help("use `--format full`, `concise` or `json`"));
    }
    let checked = check::load(workspace::read(&args.workspace)?);
    let report = checked.report();
    let connected = match checked.loaded().filter(|_| args.connect) {
        Some(loaded) => connect::ask(&loaded, &args.workspace)?,
        None => Vec::new(),
    };
    let format = match args.format {
        Format::Full => render::Format::Full,
        Format::Concise => render::Format::Concise,
        Format::Json => render::Format::Json,
        Format::Sarif => render::Format::Sarif,
        Format::Github => render::Format::Github,
    };
    let mut text = report.render(format, terminal.colours_out());
    if args.connect && matches!(args.format, Format::Json) {
        text = with_connections(&text, &connected)?;
    }
    terminal.out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        writeln!(terminal.out)?;
    }
    terminal.out.flush()?;
    let (errors, warnings) = report.count();
    if matches!(args.format, Format::Full | Format::Concise) {
        let look = match (errors, warnings) {
            (0, 0) => GOOD,
            (0, _) => CARE,
            _ => BAD,
        };
        writeln!(terminal.err, "{look}{}{look:#}", report.summary())?;
        connect::show(&connected, terminal)?;
    }
    Ok(if errors > 0 || connected.iter().any(|c| !c.ok) || (warnings > 0 && args.deny.is_some()) { Status::Findings } else { Status::Fine })
}

/// The object of `--format json` with `connections` in it.
fn with_connections(text: &str, connected: &[Connection]) -> Result<String, Failure> {
    let wrong = |e: serde_json::Error| Failure::new(e.to_string());
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(wrong)?;
    object.insert("connections".to_owned(), serde_json::to_value(connected).map_err(wrong)?);
    serde_json::to_string_pretty(&object).map_err(wrong)
}

/// Checks until the program is stopped. A workspace that cannot be read now may be readable after the next change.
fn watch(args: &Args, terminal: &mut Terminal) -> Outcome {
    let read = Stand::of(&args.workspace);
    workspace::read(&args.workspace)?;
    let mut changes = watched::changes(&args.workspace, read);
    loop {
        if terminal.out.is_terminal() {
            write!(terminal.out, "\x1b[2J\x1b[3J\x1b[H")?;
        }
        if let Err(failure) = once(args, terminal) {
            if failure.quiet {
                return Err(failure);
            }
            terminal.complain(&failure.message, failure.help.as_deref());
        }
        writeln!(terminal.err, "{DIM}watching {}{DIM:#}", args.workspace.display())?;
        if changes.blocking_recv().is_none() {
            return Ok(Status::Fine);
        }
    }
}
