//! `replay`: recorded conversations again, on the version of the workspace that they were made with, or on another.

mod report;
mod source;
mod versions;

use std::path::PathBuf;

use super::terminal::Terminal;
use super::{Failure, Outcome, Status, workspace};
use crate::engine::{Keys, Machine};
use crate::transcript::record::{Machines, Recording, Replayed, Tried, Unplayable, on_all_cores, parse, try_on};
use report::Report;
use source::{Bytes, Source};
use versions::{Versions, Why};

/// Recordings that are played at a time, and their bytes.
const TOGETHER: usize = 256;
const BYTES: usize = 16 << 20;

/// Play recorded conversations again: the same events, or the first difference
///
/// Everything that a conversation's user and services said is given to the machine again. With `--against`, to another version of the
/// workspace: a recorded answer goes only to the question that it answered, a result only to the same call.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost replay c-1.jsonl
  waypost replay recordings --workspace shop
  waypost replay recordings --against shop-next
  waypost replay --store sqlite:shop.db --against shop-next --format json

Each conversation is: same, text differs, path differs, new call (no result of it was recorded),
gate refused, or would fail. Exit status: 0 all the same, 1 differences, 2 usage, or a recording
that cannot be read or played.")]
pub(super) struct Args {
    /// A file of recordings, or a directory of `.jsonl` files; left out: the conversations of the store
    recordings: Option<PathBuf>,
    /// The workspace's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// Try them on this version of the workspace
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Where the versions are that they were made with, and the conversations if no file is named: `sqlite:FILE` or `postgres://…`;
    /// left out: `store.url` of `waypost.yaml`
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Only this tenant's conversations, of a store
    #[arg(long, value_name = "TENANT", conflicts_with = "recordings")]
    tenant: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Pretty,
    /// One JSON object
    Json,
}

/// What came of a recording.
enum Came {
    Replayed(Box<Replayed>),
    Tried(Box<Tried>),
    /// Only its transcript was kept.
    Partial,
    Broken(String),
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let executor = super::chat::session::executor()?;
    let against = match &args.against {
        None => None,
        Some(dir) => {
            let Some(loaded) = workspace::load(dir, terminal)? else {
                return Err(Failure::new(format!("`{}` does not pass the checker, so nothing can be tried on it", dir.display())));
            };
            Some(Machine::new(loaded, Keys::derive(b"recording")))
        }
    };
    let mut source = Source::open(args, &executor)?;
    let mut versions = Versions::new(args, source.store())?;
    let mut report = Report::new(args.format, against.is_some(), source.len());
    report.begin(terminal)?;
    loop {
        let batch = source.next(TOGETHER, BYTES, &executor)?;
        if batch.is_empty() {
            break;
        }
        let came = if let Some(machine) = &against {
            on_all_cores(&batch, |(_, bytes)| read(bytes).map_or_else(|e| e, |recording| tried(machine, &recording)))
        } else {
            let read = on_all_cores(&batch, |(_, bytes)| read(bytes));
            let ready = versions.ready(read, &executor);
            on_all_cores(&ready, |one| match one {
                Ok((recording, machines)) => replayed(machines, recording),
                Err(Why::Partial) => Came::Partial,
                Err(Why::Broken(why)) => Came::Broken(why.clone()),
            })
        };
        for ((name, _), came) in batch.iter().zip(came) {
            report.add(name, came, terminal)?;
        }
    }
    report.end(terminal)
}

fn read(bytes: &Bytes) -> Result<Recording, Came> {
    match bytes {
        Bytes::Chunk(bytes) => parse(bytes).map_err(|e| Came::Broken(e.to_string())),
        Bytes::Events(recording) => Ok((**recording).clone()),
        Bytes::Broken(why) => Err(Came::Broken(why.clone())),
    }
}

fn replayed(machines: &Machines, recording: &Recording) -> Came {
    match machines.replay(recording) {
        Ok(replayed) => Came::Replayed(Box::new(replayed)),
        Err(error) => unplayable(&error),
    }
}

fn tried(machine: &Machine, recording: &Recording) -> Came {
    match try_on(machine, recording) {
        Ok(tried) => Came::Tried(Box::new(tried)),
        Err(error) => unplayable(&error),
    }
}

fn unplayable(error: &Unplayable) -> Came {
    match error {
        Unplayable::Partial => Came::Partial,
        Unplayable::Unkept(_) | Unplayable::Provider(_) | Unplayable::Workspace(_) => Came::Broken(error.to_string()),
    }
}

/// Counts of things, as they are said.
fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// How a recording that is all the same ends the program, or one that is not.
const fn status(differs: bool) -> Status {
    if differs { Status::Findings } else { Status::Fine }
}
