//! Actions of providers: offered, run, and looked up; and the forms in which they cross the wire.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::body::{Json, JsonBody, Named, PAGE, Params, Who, is_id, named};
use super::converse::digest;
use super::problem::Problem;
use super::wire::Page;
use crate::engine::{ExecutionStatus, LeftOut, Offer, Reflected};
use crate::service::{Asked, Caller, Offers, PAGE_MAX, Run, WantedExecutions};
use crate::store::Executed;
use crate::value::Json as Value;

type Object = serde_json::Map<String, Value>;

pub(super) async fn offered(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
) -> Result<Json<Actions>, Problem> {
    Ok(Json(app.service.offers(&caller, &agent, &id.into()).await?.into()))
}

pub(super) async fn offered_here(State(app): State<App>, Who(caller): Who, Named(id): Named<String>) -> Result<Json<Actions>, Problem> {
    let agent = app.service.only_agent();
    Ok(Json(app.service.offers(&caller, &agent, &id.into()).await?.into()))
}

pub(super) async fn run(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id, action)): Named<(String, String, String)>,
    headers: HeaderMap,
    JsonBody(body, bytes): JsonBody<Execute>,
) -> Result<Json<Execution>, Problem> {
    started(&app, &caller, &agent, id, asked(action, &headers, body, &bytes)?).await
}

pub(super) async fn run_here(
    State(app): State<App>,
    Who(caller): Who,
    Named((id, action)): Named<(String, String)>,
    headers: HeaderMap,
    JsonBody(body, bytes): JsonBody<Execute>,
) -> Result<Json<Execution>, Problem> {
    let agent = app.service.only_agent();
    started(&app, &caller, &agent, id, asked(action, &headers, body, &bytes)?).await
}

fn asked(action: String, headers: &HeaderMap, body: Execute, bytes: &[u8]) -> Result<Run, Problem> {
    let id = named(headers, "idempotency-key")?;
    let digest = if id.is_some() { digest(bytes).into() } else { "".into() };
    Ok(Run { action, inputs: body.inputs.into(), confirmed: body.confirmed, id: id.map(Into::into), digest })
}

async fn started(app: &App, caller: &Caller, agent: &str, id: String, run: Run) -> Result<Json<Execution>, Problem> {
    let ran = app.service.run_action(caller, agent, &id.into(), run).await?;
    match (ran.refused, ran.executed) {
        (Some(refused), _) => Err(Problem::new(status_of(&refused.code), &refused.code, &*refused.reason)),
        (None, Some(executed)) => Ok(Json(executed.into())),
        (None, None) => {
            Err(Problem::new(StatusCode::CONFLICT, "working", "the provider is still asked what it offers: look at `/executions`"))
        }
    }
}

fn status_of(code: &str) -> StatusCode {
    match code {
        "forbidden" | "actor" | "role" | "policy" => StatusCode::FORBIDDEN,
        "unknown_provider" => StatusCode::NOT_FOUND,
        "invalid_input" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    }
}

/// Which attempts are looked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    conversation: Option<String>,
    action: Option<String>,
    status: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Params(sought): Params<Sought>,
) -> Result<Json<Page<Execution>>, Problem> {
    let limit = sought.limit.map_or(PAGE, |n| n as usize);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::bad_request("query", format!("`limit` is from 1 to {PAGE_MAX}")));
    }
    if sought.cursor.as_deref().is_some_and(|c| !is_id(c)) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "cursor", "there is no such page of this list"));
    }
    let status = match sought.status.as_deref() {
        None => None,
        Some(name) => Some(ExecutionStatus::named(name).ok_or_else(|| {
            let known = ExecutionStatus::ALL.map(ExecutionStatus::as_str).join(", ");
            Problem::bad_request("query", format!("`status` is one of {known}"))
        })?),
    };
    let wanted = WantedExecutions { conversation: sought.conversation, action: sought.action, status };
    let asked = Asked { after: sought.cursor, limit };
    let page = app.service.executions(&caller, &wanted, &asked).await?;
    Ok(Json(Page::of(page, Execution::from)))
}

/// What providers offer for a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Actions {
    /// The actions; to hosts and people of the company also those that are locked for them.
    items: Vec<ActionBody>,
    /// Providers that are left out, in whole or in part, and why; for hosts and people of the company.
    left_out: Vec<LeftOutBody>,
}

/// An action that a provider offers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct ActionBody {
    /// `provider.action`: what it is run by.
    id: String,
    provider: Arc<str>,
    /// Its id, as the provider has it.
    action: Arc<str>,
    /// What a person reads.
    label: Arc<str>,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Arc<str>>,
    /// Whether somebody has to say yes to it first.
    requires_confirmation: bool,
    /// Whether it only looks.
    reads: bool,
    /// The JSON Schema of its inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<Value>,
    /// Why it cannot be run now.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<Arc<str>>,
    /// Why this caller may not run it.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<WhyBody>,
}

/// A provider that is left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct LeftOutBody {
    provider: Arc<str>,
    /// A stable code.
    code: Arc<str>,
    /// In words.
    reason: Arc<str>,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct WhyBody {
    /// A stable code.
    code: Arc<str>,
    /// In words.
    reason: Arc<str>,
}

impl From<Offers> for Actions {
    fn from(offers: Offers) -> Self {
        let left_out = |LeftOut { provider, code, why }| LeftOutBody { provider: provider.shown, code, reason: why };
        Self {
            items: offers.offers.into_iter().map(ActionBody::from).collect(),
            left_out: offers.left_out.into_iter().map(left_out).collect(),
        }
    }
}

impl From<Offer> for ActionBody {
    fn from(Offer { provider, offered, reads, locked }: Offer) -> Self {
        Self {
            id: format!("{provider}.{}", offered.id),
            provider: provider.shown,
            action: offered.id,
            label: offered.label,
            description: offered.description,
            requires_confirmation: offered.requires_confirmation,
            reads,
            input_schema: offered.input_schema.map(|s| (*s).clone()),
            disabled_reason: offered.disabled_reason,
            locked: locked.map(|r| WhyBody { code: r.code.unwrap_or_default(), reason: r.text }),
        }
    }
}

/// An action of a provider is to run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Execute {
    /// Its inputs.
    #[serde(default)]
    pub(super) inputs: Object,
    /// An operator's yes to an action that requires one.
    #[serde(default)]
    pub(super) confirmed: bool,
}

/// An attempt to run an action of a provider.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Execution {
    /// The attempt.
    id: Arc<str>,
    /// What the provider knows a repetition by: the same for every attempt at the same thing until there is a definite answer.
    #[serde(rename = "execution_id")]
    known_by: Arc<str>,
    conversation_id: Arc<str>,
    /// `provider.action`.
    action: Arc<str>,
    label: Arc<str>,
    inputs: Value,
    /// Who asked for it.
    by: Arc<str>,
    /// `denied`, `declined`, `sent`, `executed`, `failed` or `in_doubt`.
    status: &'static str,
    attempted_at: String,
    sent_at: Option<String>,
    returned_at: Option<String>,
    /// The status of the provider's answer.
    http_status: Option<u16>,
    /// Why it did not happen: a stable code.
    code: Option<Arc<str>>,
    /// Why it did not happen, in words.
    reason: Option<Arc<str>>,
    /// What the provider said.
    message: Option<Arc<str>>,
    /// What became of its effects.
    effects: Vec<EffectBody>,
}

/// What became of one effect.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct EffectBody {
    /// `add_comment`, `change_status`, `update_fields`, or what the provider called it.
    #[serde(rename = "type")]
    kind: Arc<str>,
    /// Whether it was done.
    applied: bool,
    /// Why not: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Arc<str>>,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
}

impl From<Executed> for Execution {
    fn from(Executed { key, row }: Executed) -> Self {
        let effect = |Reflected { kind, change, code, why }| EffectBody { kind, applied: change.is_some(), code, reason: why };
        Self {
            id: row.id,
            known_by: row.execution,
            conversation_id: key.id,
            action: row.action,
            label: row.label,
            inputs: (*row.inputs).clone(),
            by: row.by,
            status: row.status.as_str(),
            attempted_at: row.attempted.to_string(),
            sent_at: row.sent.map(|at| at.to_string()),
            returned_at: row.returned.map(|at| at.to_string()),
            http_status: row.http,
            code: row.code,
            reason: row.reason,
            message: row.message,
            effects: row.effects.into_iter().map(effect).collect(),
        }
    }
}
