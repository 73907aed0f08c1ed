//! `explore`: every path of a journey, and a transcript for each that no transcript takes yet.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::progress::Progress;
use super::terminal::{BOLD, CARE, DIM, GOOD, Terminal};
use super::test::transcripts_of;
use super::workspace;
use super::written;
use super::{Failure, Outcome, Status};
use crate::check::Loaded;
use crate::source::{FileId, did_you_mean};
use crate::transcript::cover::{Covered, Point};
use crate::transcript::explore::{Bounds, Explored, explore, write};
use crate::transcript::{Options, Runner, read};
use crate::value::{Json, Name};

/// The first line of a file that may be written over.
const MARK: &str = "# Written by `waypost explore`";

/// Find every path of a journey, and write transcripts for what no transcript comes to
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost explore refund
  waypost explore refund shop --write shop/tests
  waypost explore refund shop --format json | jq '.unreached'

A user, an agent and the services say whatever the journey tells apart: values from datapoints, guards and the conditions of outcomes,
each answer that a service may give, a connection that is refused. States that are alike are gone on from once. Nothing is sent.")]
pub(super) struct Args {
    /// The journey's slug
    journey: String,
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// Write a transcript for each path that comes to something new into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Every path, not only those that come to something new
    #[arg(long)]
    all: bool,
    /// What the host says of the caller: a file with a `context`
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// States to look at, at most
    #[arg(long, default_value_t = Bounds::default().states)]
    states: usize,
    /// Things said and answered on one path, at most
    #[arg(long, default_value_t = Bounds::default().length)]
    length: usize,
    /// Times that a path may come to the same step
    #[arg(long, default_value_t = Bounds::default().visits)]
    visits: usize,
    /// How to show what was found
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

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
    let Some(journey) = loaded.journey(&args.journey).cloned() else {
        let known: Vec<&str> = loaded.journeys.values().map(|j| &*j.slug.shown).collect();
        let help = match did_you_mean(&args.journey, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", known.join(", ")),
        };
        return Err(Failure::new(format!("the workspace has no journey `{}`", args.journey)).help(help));
    };
    if journey.callable || journey.trigger.is_none() {
        return Err(Failure::new(format!("`{}` is callable: nothing starts it but `run`", journey.slug))
            .help("explore a journey that runs it: what it calls is explored with it"));
    }
    let context = args.context.as_ref().map_or(Ok(Json::Null), |file| context(file))?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runner = Runner::new(loaded.clone(), Options { root: args.workspace.clone(), ..Options::default() });
    let covered = executor.block_on(covered(&args.workspace, &loaded, &runner))?;
    let bounds = Bounds { states: args.states, length: args.length, visits: args.visits };
    let progress = Progress::new("states", bounds.states, terminal);
    let explored = explore(&loaded, &journey, &context, &bounds, &|| progress.one());
    progress.done();
    let new = explored.new_paths(&covered);
    let chosen: Vec<(usize, Vec<(Name, Point)>)> =
        if args.all { explored.paths.iter().enumerate().map(|(n, _)| (n, of(&new, n))).collect() } else { new };
    let mut failed = Vec::new();
    let mut file = None;
    if let Some(directory) = args.write.as_ref().filter(|_| !chosen.is_empty()) {
        let mut text = format!("{MARK} {}. Read what it says, and keep what is right.\n", journey.slug);
        let mut names = BTreeSet::new();
        let progress = Progress::new("transcripts", chosen.len(), terminal);
        for (number, points) in &chosen {
            let Some(path) = explored.paths.get(*number) else { continue };
            let name = named(&explored, points, &path.ends, &mut names);
            let written = executor.block_on(write(&runner, &journey, &context, &name, path));
            progress.one();
            match written.fails {
                None => {
                    if text.lines().count() > 1 {
                        text.push_str("---\n");
                    }
                    text.push_str(&written.text);
                }
                Some(why) => failed.push((name, why)),
            }
        }
        progress.done();
        file = Some(save(directory, &journey.slug.shown, &text)?);
    }
    let text = match args.format {
        Format::Pretty => pretty(&explored, &loaded, &chosen, args.all),
        Format::Json => format!("{:#}\n", object(&explored, &loaded, &chosen, file.as_deref(), &failed)),
    };
    terminal.out.write_all(text.as_bytes())?;
    if let Some(file) = &file {
        writeln!(terminal.err, "{GOOD}wrote{GOOD:#} {} transcripts into {}", chosen.len() - failed.len(), file.display())?;
    }
    for (name, why) in &failed {
        writeln!(terminal.err, "{CARE}not written{CARE:#} {name}: it does not go as it was explored: {why}")?;
    }
    Ok(Status::Fine)
}

fn of(new: &[(usize, Vec<(Name, Point)>)], number: usize) -> Vec<(Name, Point)> {
    new.iter().find(|(n, _)| *n == number).map(|(_, points)| points.clone()).unwrap_or_default()
}

/// What the workspace's transcripts come to.
async fn covered(workspace: &Path, loaded: &Loaded, runner: &Runner) -> Result<Covered, Failure> {
    let mut covered = Covered::default();
    for (_, text) in transcripts_of(workspace, &loaded.settings.tests)? {
        for document in read(FileId(0), &text, Some(loaded)) {
            if let Some(script) = &document.script {
                covered.add(&runner.watched(script).await.covered);
            }
        }
    }
    Ok(covered)
}

fn context(file: &Path) -> Result<Json, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| workspace::unreadable(file, &e))?;
    let parsed = crate::syntax::parse(FileId(0), &text);
    let json = parsed.documents.first().map(crate::syntax::Node::json).filter(|_| parsed.diagnostics.0.is_empty());
    let json = json.ok_or_else(|| Failure::new(format!("`{}` is no YAML or JSON", file.display())))?;
    Ok(json.get("context").cloned().unwrap_or(json))
}

/// After what it is the first to come to.
fn named(explored: &Explored, points: &[(Name, Point)], ends: &str, taken: &mut BTreeSet<String>) -> String {
    let own = |(journey, _): &&(Name, Point)| *journey == explored.journey.slug.name;
    // What is decided says more than the step that it leads to.
    let telling = |list: &[&(Name, Point)]| list.iter().find(|(_, p)| !p.by.is_empty()).or(list.first()).map(|(_, p)| told(p));
    let first: Vec<&(Name, Point)> = points.iter().filter(own).collect();
    let all: Vec<&(Name, Point)> = points.iter().collect();
    let name = telling(&first).or_else(|| telling(&all)).unwrap_or_else(|| ends.to_owned());
    let name = format!("{}: {name}", explored.journey.slug);
    let mut unique = name.clone();
    let mut number = 1;
    while !taken.insert(unique.clone()) {
        number += 1;
        unique = format!("{name} ({number})");
    }
    unique
}

fn told(point: &Point) -> String {
    if point.by.is_empty() { format!("to {}", point.key) } else { format!("{}, {}", point.key, point.what) }
}

fn save(directory: &Path, journey: &str, text: &str) -> Result<PathBuf, Failure> {
    let file = directory.join(format!("explored-{journey}.yaml"));
    let cannot = |e: std::io::Error| Failure::new(format!("cannot write `{}`: {e}", file.display()));
    if let Ok(old) = std::fs::read_to_string(&file)
        && !old.starts_with(MARK)
    {
        return Err(Failure::new(format!("`{}` is somebody's own", file.display())).help("name another directory, or move it away"));
    }
    std::fs::create_dir_all(directory).map_err(cannot)?;
    written::whole(&file, text).map_err(cannot)?;
    Ok(file)
}

fn pretty(explored: &Explored, loaded: &Loaded, chosen: &[(usize, Vec<(Name, Point)>)], all: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let (paths, states) = (explored.paths.len(), explored.states);
    let _ = writeln!(out, "{BOLD}{}{BOLD:#}: {paths} paths over {states} states", explored.journey.slug);
    if explored.cut {
        let _ = writeln!(out, "{CARE}a bound ended it{CARE:#}: there may be more (`--states`, `--length`)");
    }
    if chosen.is_empty() {
        let _ = writeln!(out, "{GOOD}the workspace's transcripts come to all that they come to{GOOD:#}");
    } else if !all {
        let _ = writeln!(out, "{} of them come to something that no transcript does:", chosen.len());
    }
    for (number, points) in chosen {
        let Some(path) = explored.paths.get(*number) else { continue };
        let _ = writeln!(out, "\n  {BOLD}{}{BOLD:#} {DIM}{} things said, {}{DIM:#}", number + 1, path.moves.len(), path.ends);
        for (journey, point) in points {
            let _ = writeln!(out, "    {journey}: {}", told(point));
        }
    }
    if !explored.unreached.is_empty() {
        let _ = writeln!(out, "\n{CARE}no path comes to{CARE:#}");
        for left in &explored.unreached {
            let (file, line) = place(loaded, &left.point);
            let _ = writeln!(out, "  {DIM}{file}:{line}{DIM:#}  {}: {}", told(&left.point), left.why);
        }
    }
    out
}

fn place(loaded: &Loaded, point: &Point) -> (String, u32) {
    let file = loaded.sources.file(point.span.file).map(|f| f.name.to_string()).unwrap_or_default();
    (file, loaded.sources.position(point.span.file, point.span.start).line)
}

fn object(
    explored: &Explored,
    loaded: &Loaded,
    chosen: &[(usize, Vec<(Name, Point)>)],
    file: Option<&Path>,
    failed: &[(String, String)],
) -> Json {
    let point = |journey: &Name, p: &Point| {
        let (file, line) = place(loaded, p);
        json!({"journey": journey, "kind": p.kind.one(), "step": p.key, "what": p.what, "file": file, "line": line})
    };
    let one = |(number, points): &(usize, Vec<(Name, Point)>)| {
        let path = explored.paths.get(*number);
        let new: Vec<Json> = points.iter().map(|(journey, p)| point(journey, p)).collect();
        json!({"number": number + 1, "said": path.map(|p| p.moves.len()), "ends": path.map(|p| &p.ends), "new": new})
    };
    let unreached: Vec<Json> = explored
        .unreached
        .iter()
        .map(|left| {
            let mut json = point(&left.journey, &left.point);
            if let Some(map) = json.as_object_mut() {
                map.insert("why".into(), left.why.as_str().into());
            }
            json
        })
        .collect();
    let failed: Vec<Json> = failed.iter().map(|(name, why)| json!({"name": name, "why": why})).collect();
    json!({
        "journey": explored.journey.slug.shown,
        "paths": chosen.iter().map(one).collect::<Vec<_>>(),
        "unreached": unreached,
        "written": file.map(|f| f.display().to_string()),
        "not_written": failed,
        "summary": {"paths": explored.paths.len(), "states": explored.states, "cut": explored.cut, "new": chosen.len()},
    })
}
