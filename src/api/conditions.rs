//! Conditions, decisions and primitives over HTTP.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::body::{Json, Named, PagesOf, Params, Plain, Who};
use super::definitions::{Defined, as_written};
use super::problem::Problem;
use crate::registry;
use crate::service::{Evaluate, Explained};
use crate::store::records::{Defines, Definition, PrimitiveWrite};
use crate::value::Json as Value;

type Object = serde_json::Map<String, Value>;

/// A condition to be registered.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: a definition is read by hand, for better words")]
pub(super) struct NewCondition {
    /// Its id.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 200))]
    condition_id: String,
    /// Its version: what is registered under it never changes.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*$"), length(max = 200))]
    version: String,
    /// Whose it is.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 200))]
    namespace: String,
    /// What it is for.
    description: Option<String>,
    /// Events of conversations that evaluate it by themselves.
    on: Option<Vec<EventName>>,
    /// On an event: what it is evaluated for, an expression over `data`; left out: the conversation.
    entity: Option<String>,
    /// What it decides over: a primitive, `billing.balance`, or an expression, `data.amount`.
    input: Option<InputBody>,
    /// How it decides.
    strategy: StrategyBody,
}

/// An event of a conversation.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum EventName {
    #[serde(rename = "conversation.completed")]
    Completed,
    #[serde(rename = "conversation.escalated")]
    Escalated,
    #[serde(rename = "conversation.abandoned")]
    Abandoned,
    #[serde(rename = "action.finished")]
    ActionFinished,
    #[serde(rename = "action.failed")]
    ActionFailed,
    #[serde(rename = "journey.started")]
    JourneyStarted,
}

/// A primitive or an expression.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum InputBody {
    Text(String),
    Primitive { primitive: String },
    Expression { expression: String },
}

/// How a condition decides.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
pub(super) struct StrategyBody {
    /// `expression`, `threshold`, `equals`, `composite`, `change`, `z_score` or `percentile`.
    r#type: String,
    /// Its parameters.
    params: Option<Object>,
}

/// A registered condition.
#[expect(clippy::struct_field_names, reason = "they are named as on the wire")]
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Condition {
    /// Its id.
    condition_id: Arc<str>,
    /// Its version.
    version: Arc<str>,
    /// Whose it is.
    namespace: Arc<str>,
    /// When it was registered.
    registered_at: String,
    /// All else, as it was written.
    #[serde(flatten)]
    #[schemars(with = "Object")]
    rest: Object,
}

impl From<Definition> for Condition {
    fn from(definition: Definition) -> Self {
        let rest = as_written(&definition);
        Self {
            condition_id: definition.id,
            version: definition.version,
            namespace: definition.namespace,
            registered_at: definition.at.to_string(),
            rest,
        }
    }
}

impl Defined for Condition {
    const KIND: Defines = Defines::Condition;
}

/// What a condition is to be evaluated over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluateBody {
    /// The condition's version.
    version: String,
    /// For what.
    #[schemars(length(min = 1, max = 200))]
    entity: String,
    /// As of when; left out: now. Nothing later counts.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    timestamp: Option<Timestamp>,
    /// `data` in its expressions.
    #[serde(default)]
    data: Option<Object>,
    /// Send nothing, and record the decision as such.
    #[serde(default)]
    dry_run: bool,
    /// Answer before the actions are done: what they came to is in the decision afterwards.
    #[serde(default, rename = "async")]
    later: bool,
}

/// A decision.
#[expect(clippy::struct_field_names, reason = "they are named as on the wire")]
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Decision {
    decision_id: Arc<str>,
    condition_id: Arc<str>,
    condition_version: Arc<str>,
    /// For what.
    entity: Arc<str>,
    /// As of when.
    timestamp: String,
    /// Whether the condition holds; `null`: nobody can say, for this `reason`.
    value: Option<bool>,
    /// `missing_input`, `type_mismatch`, `insufficient_history`, `zero_variance`, `infinite_change`, `failing_expression` or
    /// `unknown_condition`.
    reason: Option<&'static str>,
    /// Why, in a sentence.
    detail: Arc<str>,
    /// What it was decided over.
    inputs: Value,
    /// What its actions came to.
    actions: Vec<ActionResult>,
    /// Whether nothing was to be sent.
    dry_run: bool,
    /// How many decisions led to it.
    depth: u32,
    /// The event that it was evaluated on.
    event: Option<Arc<str>>,
    /// The conversation of that event.
    conversation_id: Option<Arc<str>>,
}

impl From<registry::Decision> for Decision {
    fn from(decision: registry::Decision) -> Self {
        Self {
            decision_id: decision.decision_id,
            condition_id: decision.condition_id,
            condition_version: decision.condition_version,
            entity: decision.entity,
            timestamp: decision.timestamp.to_string(),
            value: decision.value.as_bool(),
            reason: decision.reason.map(registry::Reason::as_str),
            detail: decision.detail,
            inputs: decision.inputs,
            actions: decision.actions.into_iter().map(ActionResult::from).collect(),
            dry_run: decision.dry_run,
            depth: decision.depth,
            event: decision.event,
            conversation_id: decision.conversation_id,
        }
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct ActionResult {
    action_id: Arc<str>,
    action_version: Arc<str>,
    /// `triggered`, `skipped`, `failed`, `would_trigger`, or `pending` while it is under way.
    status: &'static str,
    /// What was really delivered, secrets as `[redacted]`.
    payload_sent: Option<Value>,
    /// What would have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_preview: Option<Value>,
    /// Why it was not done.
    error: Option<ActionError>,
    /// The decision that it was done for.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<Arc<str>>,
    /// The conversation in which its journey runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<Arc<str>>,
    /// How often it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
}

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct ActionError {
    /// A stable code.
    code: Arc<str>,
    /// One sentence.
    message: Arc<str>,
}

impl From<registry::ActionResult> for ActionResult {
    fn from(result: registry::ActionResult) -> Self {
        Self {
            action_id: result.action_id,
            action_version: result.action_version,
            status: result.status.as_str(),
            payload_sent: result.payload_sent,
            payload_preview: result.payload_preview,
            error: result.error.map(|e| ActionError { code: e.code, message: e.message }),
            decision_id: result.decision_id,
            conversation_id: result.conversation_id,
            attempts: Some(result.attempts).filter(|n| *n > 0),
        }
    }
}

/// A decision, and why.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Explanation {
    decision_id: Arc<str>,
    /// What it came to.
    value: Option<bool>,
    /// Why nobody can say.
    reason: Option<&'static str>,
    /// Why, in a sentence.
    why: String,
    /// What it was decided over: values, and numbers on the way.
    inputs: Value,
    /// The condition, as it is registered.
    condition: Option<Value>,
    /// Of each bound action: what became of it, and why.
    actions: Vec<ExplainedAction>,
    /// The whole record.
    decision: Decision,
}

/// What became of an action, and why.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct ExplainedAction {
    action_id: Arc<str>,
    action_version: Arc<str>,
    /// Whether it was fired.
    fired: bool,
    status: &'static str,
    /// Why it was fired or not, and what came of it.
    why: String,
}

impl From<Explained> for Explanation {
    fn from(explained: Explained) -> Self {
        let Explained { decision, condition, why, actions } = explained;
        let action = |(result, why): (registry::ActionResult, String)| ExplainedAction {
            fired: result.status != registry::ActionStatus::Skipped,
            status: result.status.as_str(),
            action_id: result.action_id,
            action_version: result.action_version,
            why,
        };
        Self {
            decision_id: decision.decision_id.clone(),
            value: decision.value.as_bool(),
            reason: decision.reason.map(registry::Reason::as_str),
            why,
            inputs: decision.inputs.clone(),
            condition,
            actions: actions.into_iter().map(action).collect(),
            decision: decision.into(),
        }
    }
}

/// A value of a primitive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrimitiveBody {
    /// The value; `null` takes it away.
    value: Value,
    /// Since when; left out: now.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    timestamp: Option<Timestamp>,
}

/// What is known of an entity.
#[expect(clippy::struct_field_names, reason = "they are named as on the wire")]
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Primitive {
    /// `namespace.field`.
    primitive_id: String,
    /// Of what.
    entity: Arc<str>,
    /// The value.
    value: Value,
    /// Since when.
    timestamp: String,
    /// The decision that wrote it, if one did.
    decision_id: Option<Arc<str>>,
}

impl From<PrimitiveWrite> for Primitive {
    fn from(write: PrimitiveWrite) -> Self {
        Self {
            primitive_id: write.primitive.to_string(),
            entity: write.entity,
            value: write.value,
            timestamp: write.at.to_string(),
            decision_id: write.by,
        }
    }
}

/// Which decisions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    entity: Option<String>,
    condition_id: Option<String>,
}

/// Of what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    entity: String,
    timestamp: Option<Timestamp>,
}

pub(super) async fn register(State(app): State<App>, Who(caller): Who, Plain(body): Plain<Value>) -> Result<Json<Condition>, Problem> {
    Ok(Json(app.service.register_condition(&caller, &body).await?.into()))
}

pub(super) async fn evaluate(
    State(app): State<App>,
    Who(caller): Who,
    Named(id): Named<String>,
    Plain(body): Plain<EvaluateBody>,
) -> Result<Json<Decision>, Problem> {
    let EvaluateBody { version, entity, timestamp, data, dry_run, later } = body;
    let asked = Evaluate {
        condition: id.into(),
        version: version.into(),
        entity: entity.into(),
        timestamp,
        data: data.unwrap_or_default().into(),
        dry_run,
        later,
    };
    Ok(Json(app.service.evaluate(&caller, asked).await?.into()))
}

pub(super) async fn decision(State(app): State<App>, Who(caller): Who, Named(id): Named<String>) -> Result<Json<Decision>, Problem> {
    Ok(Json(app.service.decision(&caller, &id).await?.into()))
}

pub(super) async fn decisions(
    State(app): State<App>,
    Who(caller): Who,
    PagesOf(asked, which): PagesOf<Which>,
) -> Result<Json<super::wire::Page<Decision>>, Problem> {
    let Which { entity, condition_id } = which;
    let page = app.service.decisions(&caller, entity.map(Into::into), condition_id.map(Into::into), &asked).await?;
    Ok(Json(super::wire::Page::of(page, Decision::from)))
}

pub(super) async fn explain(State(app): State<App>, Who(caller): Who, Named(id): Named<String>) -> Result<Json<Explanation>, Problem> {
    Ok(Json(app.service.explain(&caller, &id).await?.into()))
}

pub(super) async fn primitive(
    State(app): State<App>,
    Who(caller): Who,
    Named(id): Named<String>,
    Params(of): Params<Of>,
) -> Result<Json<Primitive>, Problem> {
    Ok(Json(app.service.primitive(&caller, &id, &of.entity, of.timestamp).await?.into()))
}

pub(super) async fn put_primitive(
    State(app): State<App>,
    Who(caller): Who,
    Named(id): Named<String>,
    Params(of): Params<Of>,
    Plain(body): Plain<PrimitiveBody>,
) -> Result<Json<Primitive>, Problem> {
    let at = body.timestamp.or(of.timestamp);
    Ok(Json(app.service.put_primitive(&caller, &id, &of.entity, body.value, at).await?.into()))
}
