//! `deliveries`: triggered actions that are still tried, and those that were given up, which can be sent again.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::place::Place;
use super::terminal::Terminal;
use super::{Failure, Outcome, Status, workspace};
use crate::api;
use crate::outbound::segment;
use crate::service::{Asked, PAGE_MAX};
use crate::store::records::Delivery;
use crate::value::Json;

/// Show triggered actions that are still tried or were given up, and send one again
///
/// Only actions with `delivery` are tried more than once. Prints one JSON object a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost deliveries shop
  waypost deliveries shop --dead
  waypost deliveries shop --retry 17
  waypost deliveries --dead --server http://127.0.0.1:8700

The key for `--server` is read from WAYPOST_KEY.")]
pub(super) struct Args {
    /// The workspace
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// Those that were given up
    #[arg(long, conflicts_with = "retry")]
    dead: bool,
    /// Send this one once more, with all its tries before it: in a workspace at once, and no other
    #[arg(long, value_name = "ID")]
    retry: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let found = if let Some(server) = &args.place.server {
        executor.block_on(there(args, server))?
    } else {
        let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
        executor.block_on(here(args, loaded))?
    };
    if found.is_empty() {
        writeln!(terminal.err, "there are none")?;
    }
    for one in found {
        writeln!(terminal.out, "{one}")?;
    }
    Ok(Status::Fine)
}

async fn there(args: &Args, server: &str) -> Result<Vec<Json>, Failure> {
    let there = args.place.there(server, &args.workspace)?;
    if let Some(id) = &args.retry {
        return Ok(vec![there.post(&format!("/deliveries/{}/retry", segment(id)), &json!({}), "delivery_id").await?]);
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = there.get(&format!("/deliveries?dead={}&limit={PAGE_MAX}{cursor}", args.dead), "items").await?;
        found.extend(page.get("items").and_then(Json::as_array).cloned().unwrap_or_default());
        match page.get("next_cursor").and_then(Json::as_str) {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => return Ok(found),
        }
    }
}

async fn here(args: &Args, loaded: crate::check::Loaded) -> Result<Vec<Json>, Failure> {
    let (service, caller) = args.place.service(&args.workspace, loaded, false).await?;
    let failed = |e: crate::service::ServiceError| Failure::new(e.to_string());
    if let Some(id) = &args.retry {
        let left = service.send_now(&caller, id).await.map_err(failed)?;
        return Ok(vec![left.map_or_else(|| json!({"delivery_id": id, "status": "delivered"}), shown)]);
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = service.deliveries(&caller, args.dead, &Asked { after, limit: PAGE_MAX }).await.map_err(failed)?;
        found.extend(page.items.into_iter().map(shown));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

fn shown(delivery: Delivery) -> Json {
    serde_json::to_value(api::Delivery::from(delivery)).unwrap_or_default()
}
