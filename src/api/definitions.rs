//! What is registered in versions that never change, conditions and triggered actions: listed and looked at in one way.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::body::{Json, Named, PagesOf, Params, Who};
use super::problem::Problem;
use crate::service::Listing;
use crate::store::records::{Defines, Definition};
use crate::value::Json as Value;

/// A kind of what is registered, as it is told.
pub(super) trait Defined: From<Definition> {
    /// Which kind.
    const KIND: Defines;
}

/// All of a definition that is not said of every one.
pub(super) fn as_written(definition: &Definition) -> serde_json::Map<String, Value> {
    let mut rest: serde_json::Map<String, Value> = serde_json::from_str(&definition.body).unwrap_or_default();
    rest.retain(|key, _| !matches!(key.as_str(), "condition_id" | "action_id" | "version" | "namespace" | "registered_at"));
    rest
}

/// A page of what is registered, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Registered<T> {
    /// What is on it.
    items: Vec<T>,
    /// Whether there is more.
    has_more: bool,
    /// What to send as `cursor` for the next one; `null`: there is none.
    next_cursor: Option<String>,
    /// How many there are in all.
    total_count: u64,
}

impl<T: Defined> From<Listing> for Registered<T> {
    fn from(Listing { page, total }: Listing) -> Self {
        Self {
            has_more: page.next.is_some(),
            next_cursor: page.next,
            items: page.items.into_iter().map(T::from).collect(),
            total_count: total,
        }
    }
}

/// Which definitions are asked for, beside the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    namespace: Option<String>,
}

/// Which version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfVersion {
    version: Option<String>,
    namespace: Option<String>,
}

pub(super) async fn list<T: Defined>(
    State(app): State<App>,
    Who(caller): Who,
    PagesOf(asked, within): PagesOf<Within>,
) -> Result<Json<Registered<T>>, Problem> {
    Ok(Json(app.service.definitions(&caller, T::KIND, within.namespace.as_deref(), &asked).await?.into()))
}

pub(super) async fn one<T: Defined>(
    State(app): State<App>,
    Who(caller): Who,
    Named(id): Named<String>,
    Params(of): Params<OfVersion>,
) -> Result<Json<T>, Problem> {
    Ok(Json(app.service.definition_in(&caller, T::KIND, &id, of.version.as_deref(), of.namespace.as_deref()).await?.into()))
}
