//! `explain`: the page of a diagnostic code.

use std::io::Write;

use super::terminal::{BOLD, NAME, Terminal};
use super::{Failure, Outcome, Status};
use crate::source::{CODES, CodeInfo, Severity, did_you_mean};

/// Explain a diagnostic code, with an example of the fault and of its repair
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  waypost explain WP0401\n  waypost explain 0401\n  waypost explain               every code, one a line"
)]
pub(super) struct Args {
    /// The code, as `check` shows it; left out: all of them, one a line
    code: Option<String>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    match &args.code {
        None => {
            for info in CODES {
                let level = if info.severity == Severity::Error { "" } else { " (warning)" };
                writeln!(terminal.out, "{NAME}{}{NAME:#}  {}{level}", info.code, info.title)?;
            }
        }
        Some(code) => page(find(code)?, terminal)?,
    }
    Ok(Status::Fine)
}

fn find(written: &str) -> Result<&'static CodeInfo, Failure> {
    let wanted = written.to_ascii_uppercase();
    let wanted = if wanted.starts_with("WP") { wanted } else { format!("WP{wanted:0>4}") };
    CODES.iter().find(|info| info.code.as_str() == wanted).ok_or_else(|| {
        let near = did_you_mean(&wanted, CODES.iter().map(|info| info.code.as_str()));
        let help = match near {
            Some(near) => format!("did you mean `{near}`? `waypost explain` lists every code"),
            None => "`waypost explain` lists every code".into(),
        };
        Failure::new(format!("there is no code `{written}`")).help(help)
    })
}

/// The page as it is written, its headings made to stand out.
fn page(info: &CodeInfo, terminal: &mut Terminal) -> std::io::Result<()> {
    let mut in_example = false;
    for line in info.page.trim_end().lines() {
        in_example ^= line.starts_with("```");
        if line.starts_with('#') && !in_example {
            writeln!(terminal.out, "{BOLD}{line}{BOLD:#}")?;
        } else {
            writeln!(terminal.out, "{line}")?;
        }
    }
    Ok(())
}
