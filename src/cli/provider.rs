//! `provider`: what an outside service offers, asked as the engine asks it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::chat::session::executor;
use super::place::There;
use super::terminal::Terminal;
use super::{Failure, Outcome, Status, workspace};
use crate::driver::Clock;
use crate::engine::{CallEffect, CallResult, EffectId, Request};
use crate::model::action::{Effects, IntegrationType, Method};
use crate::model::provider::{self, Offered};
use crate::outbound::{HttpPerformer, Secrets, segment};
use crate::supervise::provider::ask;
use crate::value::{Json, Name};

/// Ask outside services what they offer for a case
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost provider discover payments shop --context case.json
  waypost provider discover payments --server http://127.0.0.1:8700 --conversation c-1")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print what a provider offers, as JSON. Exit status 1 if it does not say
    #[command(after_help = "Examples:
  waypost provider discover payments shop --context case.json
  waypost provider discover payments --server http://127.0.0.1:8700 --conversation c-1

A context is a JSON file as a host sends it with a turn: `identity` and the rest of what is said of the
user, and `case`. The key for `--server` is read from WAYPOST_KEY.")]
    Discover(Discover),
}

#[derive(Debug, clap::Args)]
struct Discover {
    /// The provider's slug
    slug: String,
    /// The workspace's directory
    #[arg(default_value = ".", conflicts_with = "server")]
    workspace: PathBuf,
    /// What the provider is told: a JSON file
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    context: Option<PathBuf>,
    /// A server's address: it asks for one of its conversations
    #[arg(long, value_name = "URL", requires = "conversation")]
    server: Option<String>,
    /// The conversation that the server asks for
    #[arg(long, value_name = "ID", requires = "server")]
    conversation: Option<String>,
    /// The tenant
    #[arg(long, value_name = "NAME", requires = "server")]
    tenant: Option<String>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let Command::Discover(discover) = &args.command;
    let found = match (&discover.server, &discover.conversation) {
        (Some(server), Some(conversation)) => executor()?.block_on(remote(discover, server, conversation))?,
        _ => match here(discover, terminal)? {
            Some(found) => found,
            None => return Ok(Status::Findings),
        },
    };
    let empty = |key: &str| found.get(key).and_then(Json::as_array).is_none_or(Vec::is_empty);
    let failed = empty("items") && !empty("left_out");
    writeln!(terminal.out, "{}", serde_json::to_string_pretty(&found).unwrap_or_default())?;
    Ok(if failed { Status::Findings } else { Status::Fine })
}

/// Asks it from here, as the engine would.
fn here(discover: &Discover, terminal: &mut Terminal) -> Result<Option<Json>, Failure> {
    let root = &discover.workspace;
    let Some(loaded) = workspace::load(root, terminal)? else { return Ok(None) };
    let providers = || loaded.integrations.values().filter(|i| i.kind == IntegrationType::Provider);
    let name = Name::new(&discover.slug);
    let Some(integration) = providers().find(|i| i.slug.name == name).cloned() else {
        let known: Vec<String> = providers().map(|i| format!("`{}`", i.slug)).collect();
        let help =
            if known.is_empty() { "an integration of `type: provider` is one".into() } else { format!("there is {}", known.join(", ")) };
        return Err(Failure::new(format!("the workspace has no provider `{}`", discover.slug)).help(help));
    };
    let context = discover.context.as_deref().map_or(Ok(json!({})), context)?;
    let clock = Clock::System;
    let http = HttpPerformer::new(&loaded, &Secrets::environment(root), clock.as_fn());
    let action = provider::discover(&integration);
    let until = clock.now().checked_add(Duration::from_millis(action.settings.timeout_ms)).unwrap_or(clock.now());
    let inputs = Arc::new(json!({"context": told(context)}));
    let request = Request {
        action: action.id.clone(),
        method: Method::Post,
        path: "/discover".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Some(inputs.to_string().into()),
        idempotency_key: None,
        effects: Effects::Read,
        sensitive: false,
    };
    let effect = CallEffect {
        id: EffectId(format!("cli-{}", clock.now().as_nanosecond()).into()),
        permit: ask(until),
        request: Arc::new(request),
        action: Arc::new(action),
        inputs: inputs.clone(),
        shown: inputs,
        attempt: 1,
        until,
    };
    let slug = &integration.slug.shown;
    let left_out = |code: &str, reason: &str| json!({"provider": slug, "code": code, "reason": reason});
    let (items, out) = match executor()?.block_on(http.call(effect)) {
        CallResult::Failed(failure) => (Vec::new(), vec![left_out(&failure.code, &failure.detail)]),
        CallResult::Answered(answer) if !(200..300).contains(&answer.status) => {
            (Vec::new(), vec![left_out("http_status", &format!("it answered with the status {}", answer.status))])
        }
        CallResult::Answered(answer) => match Offered::list(&answer.body).filter(|_| !answer.invalid_json) {
            None => (Vec::new(), vec![left_out("malformed", "its answer is no list of actions")]),
            Some((offered, out)) => {
                let items = offered.iter().map(|o| item(slug, o)).collect();
                (items, out.iter().map(|why| left_out("malformed", why)).collect())
            }
        },
    };
    Ok(Some(json!({"items": items, "left_out": out})))
}

/// An action in the form that the API has.
fn item(slug: &str, offered: &Offered) -> Json {
    let mut item = serde_json::to_value(offered).unwrap_or_default();
    if let Some(map) = item.as_object_mut() {
        map.insert("id".into(), format!("{slug}.{}", offered.id).into());
        map.insert("provider".into(), slug.into());
        map.insert("action".into(), (*offered.id).into());
    }
    item
}

fn context(path: &Path) -> Result<Json, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| workspace::unreadable(path, &e))?;
    let json: Json = serde_json::from_str(&text).map_err(|e| Failure::new(format!("`{}` is not JSON: {e}", path.display())))?;
    if json.is_object() { Ok(json) } else { Err(Failure::new(format!("`{}` is no JSON object", path.display()))) }
}

/// What a host says, as a provider is told of it.
fn told(mut context: Json) -> Json {
    let case = context.as_object_mut().and_then(|map| map.remove("case"));
    json!({"ticket": case, "user": context, "conversation": null})
}

/// Has a server ask it for one of its conversations.
async fn remote(discover: &Discover, server: &str, conversation: &str) -> Result<Json, Failure> {
    let there = There::at(server, discover.tenant.as_deref(), &discover.workspace)?;
    let body = there.get(&format!("/conversations/{}/actions", segment(conversation)), "items").await?;
    let name = Name::new(&discover.slug);
    let own = |key: &str| {
        let of = |item: &&Json| item.get("provider").and_then(Json::as_str).is_some_and(|p| Name::new(p) == name);
        let items = body.get(key).and_then(Json::as_array).into_iter().flatten();
        items.filter(of).cloned().collect::<Vec<Json>>()
    };
    Ok(json!({"items": own("items"), "left_out": own("left_out")}))
}
