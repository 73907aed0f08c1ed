//! `new`: a workspace to begin with, that checks, tests and runs.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::terminal::{BOLD, GOOD, Terminal};
use super::{Failure, Outcome, Status};

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("new/workspace/", $name)))),*] };
}

/// What a new workspace holds.
const FILES: &[(&str, &str)] = files! {
    "README.md"
    "waypost.yaml"
    "journeys/track-parcel.yaml"
    "journeys/redirect-parcel.yaml"
    "integrations/parcels.yaml"
    "datapoints/parcels.yaml"
    "tests/parcels.yaml"
    "stubs.yaml"
};

/// Start a workspace: two journeys, a service, tests
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  waypost new parcels\n  waypost test parcels\n  waypost chat parcels --stubs parcels/stubs.yaml")]
pub(super) struct Args {
    /// The directory to make; it may be there already if it is empty
    directory: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let directory = &args.directory;
    let shown = directory.display();
    match std::fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Failure::new(format!("`{shown}` is not empty")).help("name a directory that is not there yet"));
            }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) if e.kind() == ErrorKind::NotADirectory => {
            return Err(Failure::new(format!("`{shown}` is a file")).help("name a directory that is not there yet"));
        }
        Err(e) => return Err(Failure::new(format!("cannot read `{shown}`: {e}"))),
    }
    for (name, text) in FILES {
        write_file(&directory.join(name), text)?;
    }
    let typed = match directory.to_str() {
        Some(plain) if plain.chars().all(|c| c.is_alphanumeric() || "/._-~".contains(c)) => plain.to_owned(),
        _ => format!("'{}'", shown.to_string().replace('\'', "'\\''")),
    };
    writeln!(terminal.err, "{GOOD}made{GOOD:#} {BOLD}{shown}{BOLD:#}: {} files. Next:", FILES.len())?;
    writeln!(terminal.err, "  waypost check {typed}")?;
    writeln!(terminal.err, "  waypost test {typed}")?;
    writeln!(terminal.err, "  waypost chat {typed} --stubs {}", stubs_of(&typed))?;
    Ok(Status::Fine)
}

/// The stubs of the new workspace, quoted as its directory is.
fn stubs_of(typed: &str) -> String {
    match typed.strip_suffix('\'') {
        Some(open) => format!("{open}/stubs.yaml'"),
        None => format!("{}/stubs.yaml", typed.trim_end_matches('/')),
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot =
        |e: std::io::Error| Failure::new(format!("cannot write `{}`: {e}", path.display())).help("name a directory that you may write to");
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(cannot)?;
    }
    std::fs::OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut f| f.write_all(text.as_bytes())).map_err(cannot)
}
