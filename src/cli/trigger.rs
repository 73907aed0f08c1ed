//! `trigger`: does a triggered action by itself, of a workspace or of a service that runs, and prints what came of it.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use super::terminal::Terminal;
use super::{Failure, Outcome, Status, workspace};
use crate::driver::Clock;
use crate::outbound::{Remote, Secrets, segment};
use crate::service::access::DEFAULT_TENANT;
use crate::service::{Caller, Role, Service, Setup, Trigger, storage};
use crate::store::Address;
use crate::value::Json;

/// The store of a workspace that names none, if it is there.
const STORE: &str = "waypost.db";

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

/// Where actions and what came of them are kept.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The service that runs, instead of the workspace
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Where decisions are kept: `sqlite:FILE`, `postgres://…` or `memory`
    #[arg(long, value_name = "STORE", conflicts_with = "server")]
    pub(super) store: Option<String>,
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
    let remote = args.place.remote(server, &args.workspace)?;
    told(remote.post(&path, &body).await.map_err(|e| Failure::new(e.to_string()))?)
}

/// Does it in this process.
async fn here(args: &Args, loaded: crate::check::Loaded) -> Result<Json, Failure> {
    let (service, caller) = args.place.service(&args.workspace, loaded).await?;
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

impl Place {
    /// The service at an address, with the key of the environment.
    pub(super) fn remote(&self, server: &str, root: &Path) -> Result<Remote, Failure> {
        let key = Secrets::environment(root).resolve("${WAYPOST_KEY}").ok();
        Remote::new(server, key, self.tenant.clone()).map_err(|e| Failure::new(e.to_string()))
    }

    /// The workspace in service in this process, and who calls it.
    pub(super) async fn service(&self, root: &Path, loaded: crate::check::Loaded) -> Result<(Service, Caller), Failure> {
        let secrets = Secrets::environment(root);
        let settings = loaded.settings.clone();
        let kept = root.join(STORE);
        let default = if kept.is_file() { Address::Sqlite(kept) } else { Address::Memory };
        let address = storage::address(self.store.as_deref(), &settings, root, &secrets, default)?;
        let storage = storage::open(&address, &settings, &secrets).await?;
        let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
        // Whoever may read the workspace and its secrets may call where it says.
        let setup = Setup { insecure: true };
        let service = Service::open(loaded, storage, secrets, Clock::System, setup).map_err(|e| failed(&e))?;
        service.define_files().await.map_err(|e| failed(&e))?;
        let tenant = self.tenant.as_deref().unwrap_or(DEFAULT_TENANT).into();
        let caller = Caller { key: "program".into(), role: Role::Admin, tenant, user: None, scopes: Vec::new(), elevated: true };
        Ok((service, caller))
    }
}

/// What a service answered, or why it did not do it.
pub(super) fn told((status, answer): (u16, Json)) -> Result<Json, Failure> {
    if status == 200 {
        return Ok(answer);
    }
    let why = answer.get("detail").and_then(Json::as_str).unwrap_or("it does not say why");
    let failure = Failure::new(format!("the service refused ({status}): {why}"));
    Err(if matches!(status, 401 | 403) { failure.help("put an elevated key into WAYPOST_KEY, or say `--dry-run`") } else { failure })
}
