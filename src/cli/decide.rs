//! `decide`: evaluates a condition of a workspace, or of a service that runs, and says what it decided and why.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use super::place::Place;
use super::terminal::{BOLD, DIM, Terminal};
use super::{Failure, Outcome, Status, workspace};
use crate::outbound::segment;
use crate::registry::Decision;
use crate::service::Evaluate;
use crate::value::Json;

/// Evaluate a condition of a workspace, or of a service that runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost decide large-refund --version 1 --entity c-1 --data '{\"amount\": 12}' --dry-run
  waypost decide in-debt --version 1.2 --entity c-1 --server http://127.0.0.1:8700

The key for `--server` is read from WAYPOST_KEY.")]
pub(super) struct Args {
    /// The condition's id
    condition: String,
    /// The workspace
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// Its version
    #[arg(long)]
    version: String,
    /// What it is evaluated for
    #[arg(long)]
    entity: String,
    /// `data` in its expressions: JSON, or `@FILE`
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// As of when [default: now]
    #[arg(long)]
    timestamp: Option<Timestamp>,
    /// Send nothing, and record the decision as such
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    /// `pretty` or `json`
    #[arg(long, value_parser = ["pretty", "json"], default_value = "pretty")]
    format: String,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let data = args.data.as_deref().map(read).transpose()?.unwrap_or_else(|| json!({}));
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let decided = if let Some(server) = &args.place.server {
        executor.block_on(there(args, server, data))?
    } else {
        let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
        executor.block_on(here(args, loaded, data))?
    };
    if args.format == "json" {
        writeln!(terminal.out, "{decided:#}")?;
    } else {
        show(&decided, terminal)?;
    }
    Ok(Status::Fine)
}

/// `data`, as it is given: an object.
fn read(given: &str) -> Result<Json, Failure> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|e| workspace::unreadable(Path::new(file), &e))?,
        None => given.to_owned(),
    };
    let help = "write an object, such as `--data '{\"amount\": 12}'`";
    let data: Json = serde_json::from_str(&text).map_err(|e| Failure::new(format!("`--data` is not JSON: {e}")).help(help))?;
    if data.is_object() { Ok(data) } else { Err(Failure::new("`--data` is no object").help(help)) }
}

/// Asks the service that runs.
async fn there(args: &Args, server: &str, data: Json) -> Result<Json, Failure> {
    let mut body = json!({"version": args.version, "entity": args.entity, "data": data, "dry_run": args.dry_run});
    if let (Json::Object(map), Some(at)) = (&mut body, args.timestamp) {
        map.insert("timestamp".into(), at.to_string().into());
    }
    let path = format!("/conditions/{}/evaluate", segment(&args.condition));
    args.place.there(server, &args.workspace)?.post(&path, &body, "decision_id").await
}

/// Evaluates it in this process.
async fn here(args: &Args, loaded: crate::check::Loaded, data: Json) -> Result<Json, Failure> {
    let (service, caller) = args.place.defined(&args.workspace, loaded, args.dry_run).await?;
    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let asked = Evaluate {
        condition: args.condition.as_str().into(),
        version: args.version.as_str().into(),
        entity: args.entity.as_str().into(),
        timestamp: args.timestamp,
        data,
        dry_run: args.dry_run,
        later: false,
    };
    let decision: Decision = service.evaluate(&caller, asked).await.map_err(|e| failed(&e))?;
    serde_json::to_value(decision).map_err(|e| failed(&e))
}

fn show(decided: &Json, terminal: &mut Terminal) -> std::io::Result<()> {
    let text = |key: &str| decided.get(key).and_then(Json::as_str).unwrap_or_default();
    let value = decided.get("value").and_then(Json::as_bool).map_or("unknown", |v| if v { "true" } else { "false" });
    let dry = if decided.get("dry_run").and_then(Json::as_bool) == Some(true) { ", a dry run" } else { "" };
    let (id, version, entity) = (text("condition_id"), text("condition_version"), text("entity"));
    writeln!(terminal.out, "{BOLD}{value}{BOLD:#} {id} {version} for {entity} at {}{dry}", text("timestamp"))?;
    let reason = decided.get("reason").and_then(Json::as_str).map(|r| format!("{r}: ")).unwrap_or_default();
    writeln!(terminal.out, "  {reason}{}", text("detail"))?;
    for action in decided.get("actions").and_then(Json::as_array).into_iter().flatten() {
        let part = |key: &str| action.get(key).and_then(Json::as_str).unwrap_or_default();
        let why = action.get("error").and_then(|e| e.get("message")).and_then(Json::as_str).map(|m| format!(": {m}")).unwrap_or_default();
        writeln!(terminal.out, "  {} {}: {}{why}", part("action_id"), part("action_version"), part("status"))?;
    }
    writeln!(terminal.out, "{DIM}  decision {}{DIM:#}", text("decision_id"))
}
