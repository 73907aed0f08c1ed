//! Capabilities: the journeys of the workspace, as text and as pictures; and whether one that is not there yet would be taken.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::body::{Json, JsonBody, Named, Pages, Params, Who};
use super::problem::Problem;
use super::wire::Page;
use crate::check;
use crate::draw::{Drawing, draw};
use crate::model::Journey;
use crate::service::{ServiceError, Validate};
use crate::source::render::Format;

/// A journey.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Capability {
    slug: Arc<str>,
    /// Its human name.
    name: Arc<str>,
    description: Option<Arc<str>>,
    /// What the user wants who is led to it; `null`: only other journeys run it.
    goal: Option<Arc<str>>,
    /// What the user might say.
    examples: Vec<Arc<str>>,
    /// What may be passed in.
    inputs: Vec<Input>,
    /// How it may come out.
    outcomes: Vec<Arc<str>>,
    /// The digest of its text and of all that it refers to.
    version: Arc<str>,
}

/// What may be passed to a journey.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Input {
    name: String,
    required: bool,
}

/// A journey, and its text.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Whole {
    #[serde(flatten)]
    capability: Capability,
    /// As its author wrote it.
    text: Arc<str>,
}

impl Capability {
    fn of(journey: &Journey) -> Self {
        let trigger = journey.trigger.as_ref();
        Self {
            slug: journey.slug.shown.clone(),
            name: journey.name.clone(),
            description: journey.description.clone(),
            goal: trigger.map(|t| t.goal.clone()),
            examples: trigger.map(|t| t.examples.clone()).unwrap_or_default(),
            inputs: journey.inputs.iter().map(|i| Input { name: i.name.to_string(), required: i.required }).collect(),
            outcomes: journey.outcomes.iter().map(|o| o.shown.clone()).collect(),
            version: journey.hash.0.clone(),
        }
    }
}

pub(super) async fn list(State(app): State<App>, Who(_): Who, Pages(asked): Pages) -> Result<Json<Page<Capability>>, Problem> {
    let workspace = app.service.workspace();
    let after = asked.after.as_deref().unwrap_or_default();
    let mut journeys = workspace.journeys.values().filter(|j| *j.slug.shown > *after).collect::<Vec<_>>();
    journeys.sort_by(|a, b| a.slug.shown.cmp(&b.slug.shown));
    let more = journeys.len() > asked.limit;
    journeys.truncate(asked.limit);
    let next = journeys.last().filter(|_| more).map(|j| j.slug.shown.to_string());
    let items = journeys.into_iter().map(|j| Capability::of(j)).collect();
    Ok(Json(Page::of(crate::service::Page { items, next }, |c| c)))
}

pub(super) async fn one(State(app): State<App>, Who(_): Who, Named(slug): Named<String>) -> Result<Json<Whole>, Problem> {
    let workspace = app.service.workspace();
    let journey = workspace.journey(&slug).ok_or_else(|| ServiceError::NoJourney(slug.into()))?;
    let text = workspace.sources.file(journey.span.file).map(|f| f.text.clone()).unwrap_or_default();
    Ok(Json(Whole { capability: Capability::of(journey), text }))
}

/// What it is drawn as.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrawnAs {
    #[serde(default)]
    format: Drawn,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Drawn {
    #[default]
    Mermaid,
    Dot,
    Svg,
}

pub(super) async fn graph(
    State(app): State<App>,
    Who(_): Who,
    Named(slug): Named<String>,
    Params(DrawnAs { format }): Params<DrawnAs>,
) -> Result<Response, Problem> {
    let workspace = app.service.workspace();
    let journey = workspace.journey(&slug).ok_or_else(|| ServiceError::NoJourney(slug.into()))?;
    let (drawing, kind) = match format {
        Drawn::Mermaid => (Drawing::Mermaid, "text/vnd.mermaid; charset=utf-8"),
        Drawn::Dot => (Drawing::Dot, "text/vnd.graphviz; charset=utf-8"),
        Drawn::Svg => (Drawing::Svg, "image/svg+xml"),
    };
    let drawn = draw(journey, drawing).map_err(|e| Problem::unprocessable("too_large", e.to_string()))?;
    Ok(([(CONTENT_TYPE, kind)], drawn).into_response())
}

/// A journey that might be taken into the workspace.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposed {
    /// Its text.
    text: String,
    /// Its file; left out: one that is not there yet. That of a journey of the workspace: in its place.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    file: Option<String>,
}

/// What `waypost check` would say of the workspace with it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Findings {
    /// Whether it would be taken.
    valid: bool,
    /// What is wrong, as `waypost check --format json` has it.
    diagnostics: Vec<serde_json::Value>,
    /// How many errors and warnings there are.
    summary: serde_json::Value,
}

pub(super) async fn validate(
    State(app): State<App>,
    Who(caller): Who,
    JsonBody(proposed, _): JsonBody<Proposed>,
) -> Result<Json<Findings>, Problem> {
    let files = app.service.with_journey(&caller, Validate { text: proposed.text.into(), file: proposed.file })?;
    // Proving takes its time: not on a thread that serves others.
    let checked = tokio::task::spawn_blocking(move || {
        let checked = check::load(files);
        let text = checked.report().render(Format::Json, false);
        (checked.loaded().is_some(), text)
    });
    let (valid, text) = checked.await.map_err(|_| ServiceError::Internal("checking broke off".into()))?;
    let mut report: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let diagnostics = report.get_mut("diagnostics").and_then(|d| d.as_array_mut()).map(std::mem::take).unwrap_or_default();
    let summary = report.get_mut("summary").map(serde_json::Value::take).unwrap_or_default();
    Ok(Json(Findings { valid, diagnostics, summary }))
}
