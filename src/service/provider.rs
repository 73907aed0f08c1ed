//! Actions of providers: what is offered for a conversation to whoever looks, running one, and the record of every attempt.

use std::sync::Arc;

use super::access::{Caller, Role};
use super::error::ServiceError;
use super::look::{Asked, Page};
use super::{PAGE_MAX, Service};
use crate::driver::{Sent, Turn};
use crate::engine::answer::Refusal;
use crate::engine::{Actor, Command, ExecutionStatus, LeftOut, Offer, may_send};
use crate::model::action::IntegrationType;
use crate::store::{ConversationKey, Executed, Sought, Store};
use crate::value::{Json, Name};

/// What is offered for a conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Offers {
    /// The actions.
    pub offers: Vec<Offer>,
    /// Who offers nothing, and why; for those of the company.
    pub left_out: Vec<LeftOut>,
}

/// An action that somebody wants to run.
#[derive(Debug, Clone)]
pub struct Run {
    /// `provider.action`.
    pub action: String,
    /// Its inputs.
    pub inputs: Json,
    /// Whether whoever asks says yes to it with that.
    pub confirmed: bool,
    /// The caller's id of it: the same id is the same attempt.
    pub id: Option<Arc<str>>,
    /// A digest of all that was sent.
    pub digest: Arc<str>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The attempt, if there was one.
    pub executed: Option<Executed>,
    /// Why it was refused.
    pub refused: Option<Refusal>,
}

/// Which attempts are looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In that conversation.
    pub conversation: Option<String>,
    /// At that action.
    pub action: Option<String>,
    /// That stand so.
    pub status: Option<ExecutionStatus>,
}

impl Service {
    /// The agent that the workspace is, for routes that name none.
    #[must_use]
    pub fn only_agent(&self) -> Arc<str> {
        self.workspace().settings.agent_slug.clone()
    }

    /// What providers offer for a conversation, to whoever looks. What they may not run is not shown, or shown locked to those of the
    /// company.
    pub async fn offers(&self, caller: &Caller, agent: &str, conversation: &Arc<str>) -> Result<Offers, ServiceError> {
        let key = self.looked_at(caller, agent, conversation).await?;
        let actor = actor(caller);
        if !may_send(actor, "discover") {
            return Ok(Offers::default());
        }
        let result = self.runtime().turn_as(&key, actor, caller.principal(), Sent::default(), Turn::Command(Command::Discover)).await?;
        if let Some(refused) = result.answer.refused {
            return Err(ServiceError::Unrunnable(refused.reason.to_string()));
        }
        self.known_offers(caller, &key, actor).await
    }

    async fn known_offers(&self, caller: &Caller, key: &ConversationKey, actor: Actor) -> Result<Offers, ServiceError> {
        let state = self.runtime().state(key).await?;
        let (mut offers, mut left_out) = self.runtime().offers_of(&state, actor, &caller.principal()).await?;
        if !caller.role.sees_all() {
            offers.retain(|offer| offer.locked.is_none());
            left_out.clear();
        }
        Ok(Offers { offers, left_out })
    }

    /// Runs an action of a provider.
    pub async fn run_action(&self, caller: &Caller, agent: &str, conversation: &Arc<str>, run: Run) -> Result<Ran, ServiceError> {
        let key = self.looked_at(caller, agent, conversation).await?;
        let Some((provider, action)) = run.action.split_once('.') else {
            return Err(ServiceError::Invalid("action", "an action is named `provider.action`".into()));
        };
        let provider = Name::new(provider);
        let known = self.workspace().integrations.get(&provider).is_some_and(|i| i.kind == IntegrationType::Provider);
        if !known {
            return Err(ServiceError::NoProvider(provider.as_str().into()));
        }
        let id = run.id.as_ref().map(|id| Arc::from(format!("{}:execute:{id}", caller.key)));
        let sent = Sent { id, with: run.digest.clone(), at: None };
        let inputs = Arc::new(run.inputs);
        let command = Command::Execute { provider, action: action.into(), inputs, confirmed: run.confirmed };
        let result = self.runtime().turn_as(&key, actor(caller), caller.principal(), sent, Turn::Command(command)).await?;
        let executed = match &result.answer.execution {
            Some(id) => self.execution(&key, id).await?,
            None => None,
        };
        Ok(Ran { executed, refused: result.answer.refused })
    }

    async fn execution(&self, key: &ConversationKey, id: &str) -> Result<Option<Executed>, ServiceError> {
        let after = format!("{id}~");
        let sought = Sought { conversation: Some(&key.id), before: Some(&after), ..Sought::default() };
        let found = self.runtime().store().executions(&key.tenant, sought, 1).await?;
        Ok(found.into_iter().find(|e| *e.row.id == *id))
    }

    /// Attempts to run actions of providers, the newest first.
    pub async fn executions(&self, caller: &Caller, wanted: &Wanted, asked: &Asked) -> Result<Page<Executed>, ServiceError> {
        caller.looks_into("executions")?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let user = caller.listed();
        let sought = Sought {
            conversation: wanted.conversation.as_deref(),
            user: user.as_deref(),
            action: wanted.action.as_deref(),
            status: wanted.status,
            before: asked.after.as_deref(),
        };
        let mut items = self.runtime().store().executions(&caller.tenant, sought, limit + 1).await?;
        let next = (items.len() > limit).then(|| items.get(limit - 1).map(|e| e.row.id.to_string())).flatten();
        items.truncate(limit);
        Ok(Page { items, next })
    }
}

/// Who asks for it.
fn actor(caller: &Caller) -> Actor {
    match caller.role {
        Role::User | Role::Agent | Role::Operator | Role::Admin | Role::Runtime => caller.role.actor(),
    }
}
