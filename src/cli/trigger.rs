//! `trigger`: does a triggered action by itself, of a workspace or of a service that runs, and prints what came of it.

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::place::Place;
use super::terminal::Terminal;
use super::{Failure, Outcome, Status, workspace};
use crate::outbound::segment;
use crate::service::Trigger;
use crate::value::Json;

/// Do a triggered action by itself, or show what it would send
///
/// It counts as a decision that holds. What came of it is printed as JSON. Exit status 1 if it failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost trigger tell-care --version 1 --entity c-1 --dry-run
  waypost trigger tell-care shop --version 1 --entity c-1
  waypost trigger tell-care --version 1 --entity c-1 --server http://127.0.0.1:8700

The key for `--server` is read from WAYPOST_KEY.")]
pub(super) struct Args {
    /// The action's id
    action: String,
    /// The workspace
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// Its version
    #[arg(long)]
    version: String,
    /// What it is done for
    #[arg(long)]
    entity: String,
    /// As of when [default: now]
    #[arg(long)]
    timestamp: Option<Timestamp>,
    /// Show what would be sent, send nothing, and record it as such
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = if let Some(server) = &args.place.server {
        executor.block_on(there(args, server))?
    } else {
        let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
        executor.block_on(here(args, loaded))?
    };
    writeln!(terminal.out, "{result:#}")?;
    let failed = result.get("status").and_then(Json::as_str) == Some("failed");
    Ok(if failed { Status::Findings } else { Status::Fine })
}

/// Asks the service that runs.
async fn there(args: &Args, server: &str) -> Result<Json, Failure> {
    let mut body = json!({"version": args.version, "entity": args.entity, "dry_run": args.dry_run});
    if let (Json::Object(map), Some(at)) = (&mut body, args.timestamp) {
        map.insert("timestamp".into(), at.to_string().into());
    }
    let path = format!("/actions/{}/trigger", segment(&args.action));
    args.place.there(server, &args.workspace)?.post(&path, &body, "status").await
}

/// Does it in this process.
async fn here(args: &Args, loaded: crate::check::Loaded) -> Result<Json, Failure> {
    let (service, caller) = args.place.defined(&args.workspace, loaded, args.dry_run).await?;
    let asked = Trigger {
        action: args.action.as_str().into(),
        version: args.version.as_str().into(),
        entity: args.entity.as_str().into(),
        timestamp: args.timestamp,
        dry_run: args.dry_run,
    };
    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let result = service.trigger(&caller, asked).await.map_err(|e| failed(&e))?;
    serde_json::to_value(result).map_err(|e| failed(&e))
}
