//! The user's own answer to a question, by an elicitation of a client that the workspace trusts to put it to them. The only place here that
//! speaks as the user; no other client's word, and nothing that a model sends, comes here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    BooleanSchema, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequiredResult, ProtocolVersion, RequestStateCodec, SealOptions,
};
use rmcp::service::RequestContext;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::engine::answer::Question;
use crate::engine::{EventBody, Phase};
use crate::service::{Caller, Role, Service, ServiceError, Told};
use crate::store::ConversationKey;

/// Questions that one call may put, one after the other.
pub(super) const QUESTIONS: usize = 8;
/// How long a client may take to bring an answer.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long an answer may be brought to a question whose state the client holds.
const KEPT: Duration = Duration::from_mins(15);
/// The name of a question among what is asked of a client.
const ASKED: &str = "confirm";
/// The one field of its form.
const YES: &str = "yes";

/// What became of a question.
pub(super) enum Put {
    /// It was answered, and the conversation went on.
    Answered(Box<Told>),
    /// It stands.
    Open,
    /// The client is to ask, and to call again with the answer.
    Ask(Box<InputRequiredResult>),
}

/// A client that may bring the user's answers, in one of its calls.
pub(super) struct Asking<'a> {
    pub(super) service: &'a Service,
    pub(super) caller: &'a Caller,
    pub(super) context: &'a RequestContext<RoleServer>,
    client: Arc<str>,
    // What the state that a client holds is bound to: who calls, and with what.
    bound: Vec<u8>,
}

/// What a client holds of a question. It says nothing by which anybody could answer.
#[derive(Serialize, Deserialize)]
struct Held {
    conversation: Arc<str>,
    question: String,
}

impl<'a> Asking<'a> {
    /// Whoever calls, if it is a client that is trusted with questions and can put them.
    pub(super) fn trusted(service: &'a Service, caller: &'a Caller, context: &'a RequestContext<RoleServer>, call: &str) -> Option<Self> {
        let client = context.client_info()?.name;
        let can = context.client_capabilities().and_then(|c| c.elicitation)?;
        // A client that says no mode can put forms.
        let forms = can.form.is_some() || can.url.is_none();
        let bound = serde_json::to_vec(&(&caller.tenant, &caller.key, &caller.user, &client, call)).ok()?;
        let asking = Self { service, caller, context, client: client.into(), bound };
        (forms && asking.is_trusted()).then_some(asking)
    }

    /// Whether it is trusted now: a reload may withdraw that while its user thinks.
    fn is_trusted(&self) -> bool {
        self.service.workspace().settings.mcp_trusted_clients.iter().any(|t| **t == *self.client)
    }

    /// Puts the question that stands to the user, or takes their answer to it where the client brings one.
    /// Whoever thinks about one when the service is `closing` is not waited for, nor does a call that was cancelled take an answer any more: it
    /// stands.
    pub(super) async fn put(&self, told: &Told, brought: Option<Brought>, closing: &CancellationToken) -> Result<Put, ServiceError> {
        let (Phase::Confirm, Some(conversation), true) = (told.answer.phase, &told.conversation, self.is_trusted()) else {
            return Ok(Put::Open);
        };
        let Some(question) = self.question(conversation).await? else { return Ok(Put::Open) };
        if let Some(Brought { held, answer }) = brought {
            let fits = held.conversation == *conversation && held.question == self.name(&question);
            return match answer.filter(|_| fits) {
                Some(answer) => self.take(conversation, &question, answer).await,
                None => Ok(Put::Open),
            };
        }
        let modern = self.context.protocol_version().is_some_and(|v| v >= ProtocolVersion::NO_INITIALIZE);
        if modern {
            return Ok(self.ask_later(conversation, &question).map_or(Put::Open, |r| Put::Ask(Box::new(r))));
        }
        let answered = tokio::select! {
            biased;
            () = self.context.ct.cancelled() => return Ok(Put::Open),
            () = closing.cancelled() => return Ok(Put::Open),
            answered = self.context.peer.create_elicitation_with_timeout(form(&question), Some(PATIENCE)) => answered,
        };
        match answered {
            Ok(answer) => self.take(conversation, &question, answer).await,
            Err(error) => {
                tracing::debug!(%error, "a question was not answered");
                Ok(Put::Open)
            }
        }
    }

    /// The question that stands, as a host that shows it may see it.
    async fn question(&self, conversation: &Arc<str>) -> Result<Option<Question>, ServiceError> {
        let host = Caller { role: Role::Runtime, scopes: Vec::new(), ..self.caller.clone() };
        let agent = self.service.workspace().settings.agent_slug.clone();
        Ok(self.service.present(&host, &agent, conversation).await?.question)
    }

    fn name(&self, question: &Question) -> String {
        self.service.runtime().keys().digest(&[b"mcp question", question.id.as_bytes()])
    }

    fn codec(&self) -> Option<RequestStateCodec> {
        RequestStateCodec::try_new(self.service.runtime().keys().digest(&[b"mcp request state"])).ok()
    }

    fn ask_later(&self, conversation: &Arc<str>, question: &Question) -> Option<InputRequiredResult> {
        let held = Held { conversation: conversation.clone(), question: self.name(question) };
        let options = SealOptions::new().associated_data(&self.bound).ttl(KEPT);
        let state = self.codec()?.seal_json_with(&held, &options).ok()?;
        let request = InputRequest::Elicitation(ElicitRequest::new(form(question)));
        Some(InputRequiredResult::new(Some(BTreeMap::from([(ASKED.to_owned(), request)])), Some(state)))
    }

    /// Opens what a client sends back; `None`: it is not ours, of another caller or call, or too old.
    pub(super) fn open(&self, state: &str, answer: Option<&serde_json::Value>) -> Option<Brought> {
        let held = self.codec()?.open_json_with(state, &self.bound).ok()?;
        Some(Brought { held, answer: answer.and_then(|a| serde_json::from_value(a.clone()).ok()) })
    }

    /// The user's answer: a yes only where the form was accepted and says so.
    async fn take(&self, conversation: &Arc<str>, question: &Question, answer: ElicitResult) -> Result<Put, ServiceError> {
        let says = answer.content.as_ref().and_then(|c| c.get(YES)).and_then(serde_json::Value::as_bool);
        let yes = match (answer.action, says) {
            (ElicitationAction::Accept, Some(yes)) => yes,
            (ElicitationAction::Decline, _) => false,
            _ => return Ok(Put::Open),
        };
        if !self.is_trusted() {
            return Ok(Put::Open);
        }
        let key = ConversationKey::new(self.caller.tenant.clone(), conversation.clone());
        let by = ("mcp", format!("mcp:{}", self.client).into());
        let result = self.service.answered(&key, question, yes, by, &self.name(question)).await?;
        let agent = self.service.workspace().settings.agent_slug.clone();
        let mut told = self.service.present(self.caller, &agent, conversation).await?;
        if !result.repeated {
            // What was said goes to a model: sensitive values stay hidden.
            let said = result.events.iter().filter_map(|e| match e.body.plain() {
                EventBody::Said { text, redacted } => Some(redacted.as_ref().unwrap_or(text).clone()),
                EventBody::Question(question) => Some(question.redacted.as_ref().unwrap_or(&question.text).clone()),
                _ => None,
            });
            told.answer.messages = said.collect();
        }
        told.answer.refused = result.answer.refused;
        Ok(Put::Answered(Box::new(told)))
    }
}

/// An answer that a client brings with the state of its question.
pub(super) struct Brought {
    held: Held,
    answer: Option<ElicitResult>,
}

impl Brought {
    /// The conversation that it is about.
    pub(super) fn conversation(&self) -> &Arc<str> {
        &self.held.conversation
    }
}

/// The answer that a client brings, as it brings it.
pub(super) fn answer_of(responses: Option<&rmcp::model::InputResponses>) -> Option<&serde_json::Value> {
    responses?.get(ASKED)
}

fn form(question: &Question) -> ElicitRequestParams {
    let yes = |schema: BooleanSchema| schema.title("Yes, do it");
    let schema = ElicitationSchema::builder().required_bool_property(YES, yes).build_unchecked();
    ElicitRequestParams::FormElicitationParams { meta: None, message: question.text.to_string(), requested_schema: schema }
}
