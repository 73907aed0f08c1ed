//! Triggered actions and their deliveries over HTTP.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::body::{Json, Named, PagesOf, Plain, Who};
use super::conditions::ActionResult;
use super::definitions::{Defined, as_written};
use super::problem::Problem;
use super::wire::Page;
use crate::registry::Config;
use crate::service::Trigger;
use crate::store::records;
use crate::store::records::{Defines, Definition};
use crate::value::Json as Value;

type Object = serde_json::Map<String, Value>;

/// A triggered action to be registered.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: a definition is read by hand, for better words")]
pub(super) struct NewAction {
    /// Its id.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 200))]
    action_id: String,
    /// Its version: what is registered under it never changes.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*$"), length(max = 200))]
    version: String,
    /// Whose it is.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), length(max = 200))]
    namespace: String,
    /// What it is for.
    description: Option<String>,
    /// What it does.
    config: ConfigBody,
    /// When.
    trigger: TriggeredBy,
    /// Delivery at least once; one try if left out.
    delivery: Option<DeliveryBody>,
}

/// What an action does, by its `type`.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum ConfigBody {
    /// Tells people.
    Notification {
        /// A channel of `waypost.yaml`.
        channel: String,
        /// What is told; a summary of the decision if left out.
        message_template: Option<String>,
    },
    /// Calls a service.
    Webhook {
        /// Where.
        endpoint: String,
        /// `POST` if left out.
        method: Option<MethodName>,
        /// Headers, with `${NAME}` of `secrets:`.
        headers: Option<Object>,
        /// What; the whole decision if left out.
        payload_template: Option<Value>,
        /// The channel whose secret signs it.
        channel: Option<String>,
    },
    /// Starts a workflow.
    Workflow {
        /// A workflow of `waypost.yaml`, or a journey.
        workflow_id: String,
        /// Its input; the whole decision if left out.
        input_mapping: Option<Object>,
    },
    /// Writes the decision back.
    Register {
        /// `namespace.field`.
        primitive_id: String,
        /// The field of the decision that says whose; `entity` if left out.
        entity_field: Option<String>,
    },
}

/// A method.
#[derive(JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum MethodName {
    Post,
    Put,
    Patch,
    Delete,
    Get,
}

/// On which decisions an action is done.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
pub(super) struct TriggeredBy {
    /// Those that hold, those that do not, or every one, unknown ones too.
    fire_on: FireOn,
    /// Of which condition.
    condition_id: String,
    /// Of which version of it.
    condition_version: String,
}

/// On which decisions.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is only described")]
pub(super) enum FireOn {
    True,
    False,
    Any,
}

/// How often an action is tried again, and how soon.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
pub(super) struct DeliveryBody {
    /// Tries after the first.
    #[schemars(range(max = 20))]
    retries: u32,
    /// Milliseconds before the first of them, twice as long before each further one; 1,000 if left out.
    #[schemars(range(max = 86_400_000))]
    backoff_ms: Option<u64>,
}

/// A registered action.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Action {
    /// Its id.
    #[serde(rename = "action_id")]
    id: Arc<str>,
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

impl From<Definition> for Action {
    fn from(definition: Definition) -> Self {
        let mut rest = as_written(&definition);
        if let Some(config) = rest.get_mut("config") {
            *config = Config::shown(config);
        }
        Self {
            id: definition.id,
            version: definition.version,
            namespace: definition.namespace,
            registered_at: definition.at.to_string(),
            rest,
        }
    }
}

impl Defined for Action {
    const KIND: Defines = Defines::Action;
}

/// What an action is to be done for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerBody {
    /// The action's version.
    version: String,
    /// For what.
    #[schemars(length(min = 1, max = 200))]
    entity: String,
    /// As of when; left out: now.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    timestamp: Option<Timestamp>,
    /// Show what would be sent, send nothing, and record it as such.
    #[serde(default)]
    dry_run: bool,
}

/// An action that is still tried, or was given up.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Delivery {
    #[serde(rename = "delivery_id")]
    id: String,
    /// For which decision.
    decision_id: Arc<str>,
    action_id: Arc<str>,
    action_version: Arc<str>,
    /// `pending`, or `dead`: given up.
    status: &'static str,
    /// How often it was tried.
    tries: u32,
    /// When it is tried next.
    due: Option<String>,
    /// Why the last try failed.
    error: Option<Arc<str>>,
}

impl From<records::Delivery> for Delivery {
    fn from(delivery: records::Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            decision_id: delivery.decision,
            action_id: delivery.action_id,
            action_version: delivery.action_version,
            status: if delivery.dead { "dead" } else { "pending" },
            tries: delivery.tries,
            due: (!delivery.dead).then(|| delivery.due.to_string()),
            error: delivery.error.filter(|e| !e.is_empty()),
        }
    }
}

/// Which deliveries, beside the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichDeliveries {
    dead: Option<Flag>,
}

/// `true` or `false`, in a query.
#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Flag {
    True,
    False,
}

pub(super) async fn register(State(app): State<App>, Who(caller): Who, Plain(body): Plain<Value>) -> Result<Json<Action>, Problem> {
    Ok(Json(app.service.register_action(&caller, &body).await?.into()))
}

pub(super) async fn trigger(
    State(app): State<App>,
    Who(caller): Who,
    Named(id): Named<String>,
    Plain(body): Plain<TriggerBody>,
) -> Result<Json<ActionResult>, Problem> {
    let TriggerBody { version, entity, timestamp, dry_run } = body;
    let asked = Trigger { action: id.into(), version: version.into(), entity: entity.into(), timestamp, dry_run };
    Ok(Json(app.service.trigger(&caller, asked).await?.into()))
}

pub(super) async fn deliveries(
    State(app): State<App>,
    Who(caller): Who,
    PagesOf(asked, which): PagesOf<WhichDeliveries>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let found = app.service.deliveries(&caller, which.dead == Some(Flag::True), &asked).await?;
    Ok(Json(Page::of(found, Delivery::from)))
}

pub(super) async fn delivery(State(app): State<App>, Who(caller): Who, Named(id): Named<String>) -> Result<Json<Delivery>, Problem> {
    Ok(Json(app.service.delivery(&caller, &id).await?.into()))
}

pub(super) async fn retry(State(app): State<App>, Who(caller): Who, Named(id): Named<String>) -> Result<Json<Delivery>, Problem> {
    Ok(Json(app.service.send_again(&caller, &id).await?.into()))
}
