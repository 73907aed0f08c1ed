//! `chat`: a conversation in the terminal.

mod lines;
pub(super) mod services;
pub(super) mod session;
mod slash;
pub(super) mod watched;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::terminal::{BAD, BOLD, CARE, DIM, NAME, Terminal};
use super::{Failure, Outcome, Status};
use super::{storage, workspace};
use crate::check::Loaded;
use crate::driver::Clock;
use crate::engine::TraceLine;
use crate::model::Journey;
use crate::outbound::{HttpPerformer, Secrets};
use crate::source::render::{Format, Report};
use crate::source::{Diagnostics, SourceMap, did_you_mean};
use crate::syntax;
use crate::transcript::{self, Stubs};
use crate::value::Json;
use lines::Lines;
use services::{Notice, Services};
use session::{Flow, Session, Speaker};
use watched::Watch;

/// Talk to a workspace's journeys
///
/// What you type is the user's; `/fill`, `/read` and the like are the agent's. Services are called for real, with `${NAME}` from
/// the environment, unless `--stubs` answers for them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost chat shop
  waypost chat shop --journey cancel-order --trace
  waypost chat shop --store sqlite:shop.db --conversation nora-1
  waypost chat shop --stubs shop/stubs.yaml
  SHOP_URL=https://… waypost chat shop --dry-run
  waypost chat shop --record nora.jsonl
  printf 'where is my order A1?\\n' | waypost chat shop

Type /help for what can be typed beside messages.")]
pub(super) struct Args {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// The journey to begin in; left out: the first message finds one
    #[arg(long, value_name = "SLUG")]
    journey: Option<String>,
    /// What the host says of the user: YAML or JSON with `identity`, `preferences`, `entitlements`, `customAttributes`
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// How services answer, as under `stubs:` in a transcript; actions without a stub are called
    #[arg(long, value_name = "FILE")]
    stubs: Option<PathBuf>,
    /// Where the conversation is kept: `sqlite:FILE`, `postgres://…` or `memory`; left out: `store.url` of `waypost.yaml`, or memory
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The conversation to go on with, or the name of a new one; left out: a new one
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Send no writes: show what would be sent. Reads are sent
    #[arg(long)]
    dry_run: bool,
    /// Show each step, verdict and call as it happens
    #[arg(long)]
    trace: bool,
    /// Record it: `waypost replay FILE` plays it again, `waypost record convert FILE` makes a test of it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Put the texts of the workspace into the recording, so that it can be played anywhere
    #[arg(long, requires = "record")]
    bundle: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
    if let Some(journey) = &args.journey {
        known_journey(&loaded, journey)?;
    }
    let context = args.context.as_deref().map_or(Ok(Json::Null), |path| read_context(path, terminal))?;
    let clock = Clock::shiftable();
    let stubs = match &args.stubs {
        Some(path) => Some(read_stubs(path, &loaded, &clock, terminal)?),
        None => None,
    };
    let secrets = Secrets::environment(&args.workspace);
    let http = HttpPerformer::new(&loaded, &secrets, clock.as_fn());
    let stubbed = |integration: &str| {
        stubs
            .as_ref()
            .is_some_and(|s| loaded.actions.values().filter(|a| a.id.integration.name.as_str() == integration).all(|a| s.has(&a.id)))
    };
    for (integration, why) in http.problems().iter().filter(|(name, _)| !stubbed(name.as_str())) {
        writeln!(terminal.err, "{CARE}warning{CARE:#}: `{integration}` cannot be called: {why}")?;
    }
    let services = Services { stubs, http, dry_run: args.dry_run.then(|| dry_run(terminal)) };
    let name = loaded.settings.agent_name.clone().unwrap_or_else(|| loaded.settings.agent_slug.clone());
    let journeys = loaded.journeys.len();
    let executor = session::executor()?;
    let address = storage::address(args.store.as_deref(), &loaded.settings, &args.workspace, &secrets)?;
    let storage = storage::open(&address, &loaded.settings, &secrets, &executor, terminal)?;
    let place = storage.place.clone();
    let speaker = Speaker { conversation: args.conversation.clone(), context };
    let mut session = Session::open(loaded, services, clock, storage, executor, speaker, args.trace.then(|| watch(terminal)))?;
    if terminal.is_interactive() {
        writeln!(terminal.err, "{BOLD}{name}{BOLD:#} {DIM}· {journeys} journeys · /help says what can be typed, Ctrl-D ends{DIM:#}")?;
    }
    if let Some(path) = &args.record {
        session.record(path, args.bundle)?;
    }
    if let Some(place) = place {
        session.take_up(&place, terminal)?;
    }
    if let Some(journey) = &args.journey {
        session.start(journey, terminal)?;
    }
    talk(&mut session, terminal, |_| Ok(()))
}

/// Line by line, to the end; `after` each of them has its say.
pub(super) fn talk(session: &mut Session, terminal: &mut Terminal, mut after: impl FnMut(&mut Terminal) -> std::io::Result<()>) -> Outcome {
    let mut lines = Lines::new(terminal)?;
    while let Some(line) = lines.next(terminal)? {
        if session.hear(&line, terminal)? == Flow::End {
            break;
        }
        session.keep()?;
        after(terminal)?;
    }
    session.end()?;
    Ok(Status::Fine)
}

fn known_journey(loaded: &Loaded, journey: &str) -> Result<(), Failure> {
    let starts = |j: &Journey| !j.callable && j.trigger.is_some();
    let known: Vec<&str> = loaded.journeys.values().filter(|j| starts(j)).map(|j| &*j.slug.shown).collect();
    match loaded.journey(journey) {
        Some(found) if starts(found) => return Ok(()),
        Some(_) => {
            let help = format!("start one of those that run it, or another: {}", known.join(", "));
            return Err(Failure::new(format!("the journey `{journey}` is only run by other journeys")).help(help));
        }
        None => {}
    }
    let help = match did_you_mean(journey, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", known.join(", ")),
    };
    Err(Failure::new(format!("the workspace has no journey `{journey}`")).help(help))
}

fn read_file(path: &Path) -> Result<Arc<str>, Failure> {
    std::fs::read(path).map(|bytes| syntax::decode(&bytes)).map_err(|e| workspace::unreadable(path, &e))
}

/// As a host sends it: bare, or under `context` beside a version.
fn read_context(path: &Path, terminal: &mut Terminal) -> Result<Json, Failure> {
    let text = read_file(path)?;
    let mut sources = SourceMap::default();
    let parsed = syntax::parse(sources.add(&path.to_string_lossy(), text.clone()), &text);
    sound(path, &sources, &parsed.diagnostics, terminal)?;
    match parsed.documents.first() {
        Some(node) if node.is_map() => {
            let inner = if node.get("version").is_some() { node.get("context").unwrap_or(node) } else { node };
            Ok(inner.json())
        }
        _ => Err(Failure::new(format!("`{}` holds no context", path.display())).help("write `identity: {user_id: u-1}`")),
    }
}

fn read_stubs(path: &Path, loaded: &Loaded, clock: &Clock, terminal: &mut Terminal) -> Result<Stubs, Failure> {
    let text = read_file(path)?;
    let mut sources = SourceMap::default();
    let (lists, diagnostics) = transcript::read_stubs(sources.add(&path.to_string_lossy(), text.clone()), &text, Some(loaded));
    sound(path, &sources, &diagnostics, terminal)?;
    Ok(Stubs::new(lists, clock.clone()))
}

/// Shows what is wrong with a file that was given.
fn sound(path: &Path, sources: &SourceMap, diagnostics: &Diagnostics, terminal: &mut Terminal) -> Result<(), Failure> {
    if diagnostics.0.is_empty() {
        return Ok(());
    }
    let report = Report { diagnostics, sources, journeys: 0, integrations: 0 };
    writeln!(terminal.err, "{}", report.render(Format::Full, terminal.colours_err()))?;
    Err(Failure::new(format!("`{}` cannot be used as it is", path.display())))
}

/// Tells on standard error what a dry run does not send.
fn dry_run(terminal: &Terminal) -> Notice {
    let colour = terminal.choice_err();
    Arc::new(move |request| {
        let mut err = anstream::AutoStream::new(std::io::stderr(), colour);
        // Nobody is left to be told if standard error is gone.
        let _ = writeln!(err, "{CARE}not sent{CARE:#}: {}", request.replace('\n', "\n          "));
    })
}

/// Shows the trace on standard error.
pub(super) fn watch(terminal: &Terminal) -> Watch {
    let colour = terminal.choice_err();
    Arc::new(move |line: &TraceLine| {
        let mut err = anstream::AutoStream::new(std::io::stderr(), colour);
        let step = line.step.as_deref().filter(|s| !line.text.starts_with(*s)).map(|s| format!(" {NAME}{s}{NAME:#}")).unwrap_or_default();
        let look = if matches!(&*line.kind, "denied" | "fault" | "error") { BAD } else { DIM };
        let _ = writeln!(err, "  {look}{:<8}{look:#}{step} {}", line.kind, line.text);
    })
}
