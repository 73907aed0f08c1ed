//! Whether the service lives, and whether it can do its work.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::Json;
use super::guard;
use super::openapi;
use super::problem::Problem;
use super::wire::Health;
use crate::service::ServiceError;
use crate::store::Store;

pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Ready is who may be sent turns: the store answers, it has kept what was last committed or that was a while ago, and nobody asked the
/// process to stop.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if app.closing.is_cancelled() {
        return Err(ServiceError::Unavailable("the service is stopping".into()).into());
    }
    let looked = app.service.runtime().store().due(jiff::Timestamp::MIN, 1);
    match tokio::time::timeout(app.admission.limits().wait, looked).await {
        // Why not is for whoever runs it, on standard error: anybody may ask here.
        Ok(Ok(_)) if app.service.runtime().would_not_keep() => {
            Err(ServiceError::Unavailable("the store did not keep what was last committed".into()).into())
        }
        Ok(Ok(_)) => Ok(Json(Health { status: "ok" })),
        Ok(Err(error)) => Err(ServiceError::from(error).into()),
        Err(_) => Err(ServiceError::Unavailable("the store does not answer".into()).into()),
    }
}

/// The media type of metrics.
pub(super) const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Looked at even when there is no room for turns.
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = guard::caller(&app, &headers)?;
    let text = app.service.metrics(&caller).await?;
    Ok(([(CONTENT_TYPE, METRICS)], text).into_response())
}

pub(super) async fn described() -> Json<serde_json::Value> {
    Json(openapi::document())
}
