//! Conversations and holds, looked at.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::{Json, Named, Pages, Who};
use super::problem::Problem;
use super::wire::{Answer, AuditRow, Conversation, Hold, Line, Page};

pub(super) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Named(agent): Named<String>,
    Pages(asked): Pages,
) -> Result<Json<Page<Conversation>>, Problem> {
    let page = app.service.conversations(&caller, &agent, &asked).await?;
    Ok(Json(Page::of(page, Conversation::from)))
}

pub(super) async fn one(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
) -> Result<Json<Answer>, Problem> {
    let told = app.service.present(&caller, &agent, &id.into()).await?;
    Ok(Json(Answer::new(told, false)))
}

pub(super) async fn history(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
    Pages(asked): Pages,
) -> Result<Json<Page<Line>>, Problem> {
    let page = app.service.history(&caller, &agent, &id.into(), &asked).await?;
    Ok(Json(Page::of(page, Line::from)))
}

/// As a test file.
pub(super) async fn transcript(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let text = app.service.transcript(&caller, &agent, &id.into()).await?;
    Ok(([(CONTENT_TYPE, "application/yaml")], text).into_response())
}

pub(super) async fn audit(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
    Pages(asked): Pages,
) -> Result<Json<Page<AuditRow>>, Problem> {
    let page = app.service.audit(&caller, &agent, &id.into(), &asked).await?;
    Ok(Json(Page::of(page, AuditRow::from)))
}

pub(super) async fn holds(
    State(app): State<App>,
    Who(caller): Who,
    Named(agent): Named<String>,
    Pages(asked): Pages,
) -> Result<Json<Page<Hold>>, Problem> {
    let page = app.service.holds(&caller, &agent, &asked).await?;
    Ok(Json(Page::of(page, Hold::from)))
}

pub(super) async fn hold(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
) -> Result<Json<Hold>, Problem> {
    Ok(Json(app.service.hold(&caller, &agent, &id).await?.into()))
}
