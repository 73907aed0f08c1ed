//! What a tool gives back: the message to relay, how the conversation stands, and what may come next.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Serialize;

use super::tools;
use crate::engine::Phase;
use crate::model::Workspace;
use crate::service::{ServiceError, Told};
use crate::value::Json;

/// What a model is told where only the user may answer.
const THEIRS: &str = "Only the user can answer this, in their own channel, not through you: relay the message word for word, and ask \
     `status` afterwards.";

/// The same, where there is a page for it.
const THEIRS_BY_LINK: &str = "Only the user can answer this, on the page of `question_url` after signing in, or in their own channel, not \
     through you: relay the message and the link word for word, and ask `status` afterwards.";

/// The result of a tool.
#[derive(Debug, Serialize, JsonSchema)]
struct Reply {
    /// The conversation; pass it to every call.
    conversation_id: Option<Arc<str>>,
    /// What to relay to the user, word for word.
    message: String,
    /// Where the conversation stands.
    phase: Json,
    /// `active`, `paused`, `completed`, `escalated`, `abandoned` or `cancelled`.
    status: Json,
    /// Whether the user, or you for them, is waited for.
    awaiting_input: bool,
    /// The conversation's version; pass it to the next call.
    at: u64,
    /// The journey on top, or the last that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    journey: Option<Arc<str>>,
    /// How the last journey ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Arc<str>>,
    /// Options to choose from.
    options: Vec<Choice>,
    /// What was wrong with values, by field.
    errors: Vec<Wrong>,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
    /// What a read answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<Answered>,
    /// Where the user answers the question: to relay with the message, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    question_url: Option<String>,
    /// What to mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    /// The tools that may be called next, each with the schema of its arguments.
    expects: BTreeMap<String, Json>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Choice {
    /// What to choose it by.
    id: Arc<str>,
    /// What the user reads.
    label: Arc<str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Wrong {
    field: String,
    code: Arc<str>,
    /// What to send instead.
    help: Arc<str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Refused {
    /// A stable code.
    code: Arc<str>,
    reason: Arc<str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Answered {
    action: Arc<str>,
    outcome: Arc<str>,
    body: Json,
}

/// Journeys that may be started.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "it is the contract's name")]
struct Journeys {
    journeys: Vec<Listed>,
    /// What to relay to the user, word for word; empty: nothing.
    message: String,
    /// Where the user answers the question that stands: to relay with the message, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    question_url: Option<String>,
    /// What to mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    /// The tools that may be called next, each with the schema of its arguments.
    expects: BTreeMap<String, Json>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// What to start it by.
    journey: Arc<str>,
    name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Arc<str>>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<Arc<str>>,
    /// What users say who want it.
    examples: Vec<Arc<str>>,
}

/// The result that tells how a conversation stands.
pub(super) fn told(told: &Told, link: Option<String>) -> CallToolResult {
    let answer = &told.answer;
    let refused = answer.refused.as_ref().map(|r| Refused { code: r.code.clone(), reason: r.reason.clone() });
    let is_error = refused.is_some();
    let reply = Reply {
        conversation_id: told.conversation.clone(),
        message: answer.text(),
        phase: serde_json::to_value(answer.phase).unwrap_or_default(),
        status: serde_json::to_value(answer.status).unwrap_or_default(),
        awaiting_input: answer.awaiting_input,
        at: answer.at,
        journey: answer.journey.clone(),
        outcome: answer.outcome.clone(),
        options: answer.options.iter().map(|o| Choice { id: o.id.clone(), label: o.label.clone() }).collect(),
        errors: answer.errors.iter().map(|e| Wrong { field: e.field.to_string(), code: e.code.clone(), help: e.help.clone() }).collect(),
        refused,
        read: answer.read.as_ref().map(|r| Answered { action: r.action.clone(), outcome: r.outcome.clone(), body: r.body.clone() }),
        hint: hint(told, link.as_ref()),
        question_url: link,
        expects: tools::expected(&told.expects, told.conversation.is_some()).into_iter().collect(),
    };
    result(&reply, is_error)
}

/// What to mind of a question that stands.
fn hint(told: &Told, link: Option<&String>) -> Option<&'static str> {
    (told.answer.phase == Phase::Confirm).then_some(if link.is_some() { THEIRS_BY_LINK } else { THEIRS })
}

/// The journeys; in a conversation, those that may be started there, and where the user answers its question.
pub(super) fn journeys(workspace: &Workspace, standing: Option<(&Told, Option<String>)>) -> CallToolResult {
    let (in_conversation, question_url) = standing.unzip();
    let question_url = question_url.flatten();
    let startable = in_conversation.map(|told| {
        let starts = tools::expected(&told.expects, true);
        let journey = starts.get("start_journey").and_then(|s| s.pointer("/properties/journey"));
        let listed = journey.and_then(|j| j.get("enum").and_then(Json::as_array).cloned());
        listed.or_else(|| Some(vec![journey?.get("const")?.clone()])).unwrap_or_default()
    });
    let may = |slug: &str| startable.as_ref().is_none_or(|s| s.iter().any(|j| j == slug));
    let journeys = workspace.journeys.values().filter(|j| !j.callable && may(&j.slug.shown)).map(|j| Listed {
        journey: j.slug.shown.clone(),
        name: j.name.clone(),
        description: j.description.clone(),
        goal: j.trigger.as_ref().map(|t| t.goal.clone()),
        examples: j.trigger.as_ref().map(|t| t.examples.clone()).unwrap_or_default(),
    });
    let expects = in_conversation.map_or_else(|| tools::at_first(workspace), |told| tools::expected(&told.expects, true));
    let message = in_conversation.map(|told| told.answer.text()).unwrap_or_default();
    let hint = in_conversation.and_then(|told| hint(told, question_url.as_ref()));
    result(&Journeys { journeys: journeys.collect(), message, question_url, hint, expects: expects.into_iter().collect() }, false)
}

/// Why nothing was done, where nothing else can be told.
pub(super) fn failed(error: &ServiceError) -> CallToolResult {
    wrong(error.code(), &error.to_string())
}

/// The same, of a call that means nothing.
pub(super) fn wrong(code: &str, reason: &str) -> CallToolResult {
    let refused = serde_json::json!({"refused": {"code": code, "reason": reason}});
    // What is told here is no reply, so it stands in the text alone: a structured result has to fit the tool's schema.
    CallToolResult::error(vec![rmcp::model::ContentBlock::text(refused.to_string())])
}

fn result(value: &impl Serialize, is_error: bool) -> CallToolResult {
    let value = serde_json::to_value(value).unwrap_or_default();
    if is_error { CallToolResult::structured_error(value) } else { CallToolResult::structured(value) }
}

pub(super) fn schema() -> Arc<JsonObject> {
    static SCHEMA: LazyLock<Arc<JsonObject>> = LazyLock::new(of::<Reply>);
    SCHEMA.clone()
}

pub(super) fn journeys_schema() -> Arc<JsonObject> {
    static SCHEMA: LazyLock<Arc<JsonObject>> = LazyLock::new(of::<Journeys>);
    SCHEMA.clone()
}

fn of<T: JsonSchema>() -> Arc<JsonObject> {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    match settings.into_generator().into_root_schema_for::<T>().to_value() {
        Json::Object(map) => Arc::new(map),
        _ => Arc::default(),
    }
}
