//! `POST /agents/{agent}/converse`: a turn.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::App;
use super::body::{Json, JsonBody, Named, Params, Who, is_id, named, typed};
use super::problem::{Problem, refused};
use super::wire::{Answer, CommandBody, Converse, Said, Speaker, context};
use crate::driver::Turn;
use crate::engine::{Actor, Command, input};
use crate::service::{Caller, Request, ServiceError};
use crate::value::hex;

/// What may be asked for beside.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Traced {
    #[serde(default)]
    trace: bool,
}

pub(super) async fn converse(
    State(app): State<App>,
    Who(caller): Who,
    Named(agent): Named<String>,
    Params(Traced { trace }): Params<Traced>,
    headers: HeaderMap,
    JsonBody(body, bytes): JsonBody<Converse>,
) -> Result<Response, Problem> {
    if trace && !caller.role.sees_all() {
        let why = format!("a key of the role `{}` may not see the trace", caller.role.as_str());
        return Err(ServiceError::Forbidden(why).into());
    }
    let header = named(&headers, "idempotency-key")?;
    let mut request = request(body, &caller)?;
    request.agent = agent.into();
    request.traced = trace;
    request.id = header.map(Into::into).or(request.id);
    if request.id.is_some() {
        request.digest = digest(&bytes).into();
    }
    // Boxed, to be moved no more: it is the largest part of what a request is handled with.
    let told = Box::pin(app.service.converse(&caller, request)).await?;
    let refusal = told.answer.refused.clone();
    let answer = Answer::new(told, trace);
    match refusal {
        None => Ok(Json(answer).into_response()),
        Some(refusal) => Err(Problem::new(refused(&refusal.code), &refusal.code, &*refusal.reason).with(answer)),
    }
}

fn request(body: Converse, caller: &Caller) -> Result<Request, Problem> {
    let Converse { message, command, conversation_id, context: claim, actor, said, at, id, identity_token } = body;
    let conversation = conversation_id.filter(|id| !id.is_empty());
    if conversation.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(ServiceError::NoConversation(conversation.unwrap_or_default().chars().take(200).collect::<String>().into()).into());
    }
    let mut request = Request {
        conversation: conversation.map(Into::into),
        context: claim.filter(|c| !c.is_null()).map(context).transpose()?,
        speaks: actor.map(|a| match a {
            Speaker::User => Actor::User,
            Speaker::Agent => Actor::Agent,
        }),
        id: id.map(Into::into),
        token: identity_token.map(Into::into),
        at,
        ..Request::default()
    };
    request.turn = match (message, command, said) {
        (Some(message), None, None) => Some(Turn::Message(message.into())),
        (None, Some(mut command), None) => {
            if let Some(id) = command.remove("id") {
                request.id = Some(typed::<String>(id, "command.id")?.into());
            }
            if let Some(at) = command.remove("at") {
                request.at = Some(typed(at, "command.at")?);
            }
            Some(Turn::Command(typed::<CommandBody>(command.into(), "command")?.into()))
        }
        (None, None, Some(said)) => {
            let Said { text, message_id, question } = typed(said.into(), "said")?;
            if !is_id(&message_id) {
                return Err(Problem::unprocessable("body", "`said.message_id` is plain text of at most 200 characters"));
            }
            let said = input::Said { text: text.into(), message_id: message_id.into(), question: question.map(Into::into) };
            Some(Turn::Command(Command::Said(said)))
        }
        (None, None, None) if request.context.is_some() || request.token.is_some() => None,
        (None, None, None) => return Err(Problem::unprocessable("empty", "say a `message` or send a `command`")),
        _ => return Err(Problem::unprocessable("body", "a turn is one of `message`, `command` and `said`")),
    };
    if request.id.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Problem::unprocessable("body", "`id` is plain text of at most 200 characters"));
    }
    // A model's own context would be a claim of who the user is: said before anything else is looked at.
    if request.context.is_some() && caller.role == crate::service::Role::Agent {
        return Err(ServiceError::Forbidden("a key of the role `agent` may not send `context`".into()).into());
    }
    Ok(request)
}

/// What tells a repetition from something else under the same id.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
