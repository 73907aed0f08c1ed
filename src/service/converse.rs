//! Turns: what a caller says or asks for, in a conversation that is theirs or a new one, and what they are told.

use std::sync::Arc;

use super::Service;
use super::access::{Caller, Role};
use super::error::ServiceError;
use super::token::Unbelieved;
use crate::driver::{DriverError, Sent, Turn, TurnResult};
use crate::engine::answer::{Question, Refusal};
use crate::engine::input::Open;
use crate::engine::{Actor, Answer, Case, Command, Expects, State, TraceLine, may_send, trace};
use crate::store::{ConversationKey, Store as _};
use crate::value::Json;

/// A turn as a caller sends it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The agent.
    pub agent: Arc<str>,
    /// The conversation; none: a new one.
    pub conversation: Option<Arc<str>>,
    /// What the host says of the user.
    pub context: Option<Json>,
    /// What is said or asked for; nothing only where a context comes.
    pub turn: Option<Turn>,
    /// For whom a host speaks.
    pub speaks: Option<Actor>,
    /// The caller's id of it: the same id is the same turn.
    pub id: Option<Arc<str>>,
    /// A digest of all that was sent, by which a repetition is told from something else under the same id.
    pub digest: Arc<str>,
    /// The version that the caller knows.
    pub at: Option<u64>,
    /// A host's signed word of who the user is.
    pub token: Option<Arc<str>>,
    /// Whether the trace is wanted.
    pub traced: bool,
}

/// What a caller is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The conversation; `None` where a new one was refused, and nothing was kept.
    pub conversation: Option<Arc<str>>,
    /// What the turn came to.
    pub answer: Answer,
    /// What may come next.
    pub expects: Expects,
    /// The question that stands, for whoever may show it.
    pub question: Option<Question>,
    /// What happened, step by step; sensitive values hidden.
    pub trace: Vec<TraceLine>,
    /// Whether this is the answer to an earlier turn with the same id.
    pub repeated: bool,
    /// The case, where somebody looks at the conversation: all of it to those of the company.
    pub case: Option<Box<Case>>,
}

impl Service {
    /// One turn.
    pub async fn converse(&self, caller: &Caller, request: Request) -> Result<Told, ServiceError> {
        self.agent(&request.agent)?;
        let speaker = speaks(caller, &request)?;
        let actor = speaker.actor;
        let named = request.context.as_ref().and_then(user_of);
        let caller = &Caller { user: named.or_else(|| caller.user.clone()), ..caller.clone() };
        let id = request.id.as_ref().map(|id| Arc::from(format!("{}:{id}", caller.key)));
        let sent = Sent { id, with: request.digest.clone(), at: request.at };
        let Some(id) = &request.conversation else {
            return self.begin(caller, speaker, request, sent).await;
        };
        let key = ConversationKey::new(caller.tenant.clone(), id.clone());
        let beside = self.comes_first(caller, &key, &request).await?;
        let mut sent = sent;
        if !beside.is_empty() && !self.is_answered(&key, &sent, &request).await? {
            if let Some(refusal) = self.refused_with(caller, &key, &beside, actor, &request).await? {
                let mut told = self.standing(caller, &key, speaker).await?;
                told.answer.refused = Some(refusal);
                return Ok(told);
            }
            for said in beside {
                match self.take_first(caller, &key, said, sent.at, &request).await? {
                    Some(moved) => sent.at = sent.at.and(Some(moved)),
                    None => return self.moved_on(caller, &key, speaker).await,
                }
            }
        }
        let Some(turn) = request.turn else { return self.standing(caller, &key, speaker).await };
        match self.runtime().turn_as(&key, actor, caller.principal(), sent, turn).await {
            Ok(result) => self.came(caller, key, speaker, result, request.traced).await,
            Err(DriverError::Stale) => self.moved_on(caller, &key, speaker).await,
            // By the name that the caller gave it.
            Err(DriverError::MessageReused(_)) => Err(ServiceError::Reused(request.id.unwrap_or_default())),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the turn has its answer already: then nothing of it is done again.
    async fn is_answered(&self, key: &ConversationKey, sent: &Sent, request: &Request) -> Result<bool, ServiceError> {
        match (&sent.id, &request.turn) {
            (Some(id), Some(_)) => {
                let now = self.runtime().clock().now();
                Ok(self.runtime().store().reply(key, id, now).await.map_err(DriverError::from)?.is_some())
            }
            (Some(_) | None, _) => Ok(false),
        }
    }

    /// Why the turn is not taken after what comes beside it: then neither is. What comes beside it is an error of its own where it is refused.
    async fn refused_with(
        &self,
        caller: &Caller,
        key: &ConversationKey,
        beside: &[Beside],
        actor: Actor,
        request: &Request,
    ) -> Result<Option<Refusal>, ServiceError> {
        let before = beside.iter().map(|b| (b.actor, Turn::Command(b.command.clone())));
        let turns = before.chain(request.turn.clone().map(|turn| (actor, turn))).collect();
        let refused = self.runtime().would_refuse(key, &caller.principal(), request.at, turns).await?;
        // Where the first of all is refused nothing has been done before it: it is, on record.
        let Some((n @ 1.., Refusal { code, reason })) = refused else { return Ok(None) };
        if let Some(said) = beside.get(n) {
            return said.refused(&Refusal { code, reason }).map_or(Ok(None), Err);
        }
        let reason = format!("{reason}; nothing was done, and what came beside it was not taken either: send that by itself").into();
        Ok(Some(Refusal { code, reason }))
    }

    /// The conversation is not as the caller knows it: nothing is done, and this is how it stands.
    async fn moved_on(&self, caller: &Caller, key: &ConversationKey, speaker: Speaker) -> Result<Told, ServiceError> {
        let mut told = self.standing(caller, key, speaker).await?;
        told.answer.refused = Some(stale(MOVED_ON));
        Ok(told)
    }

    /// What a caller is told of a turn.
    async fn came(
        &self,
        caller: &Caller,
        key: ConversationKey,
        speaker: Speaker,
        result: TurnResult,
        traced: bool,
    ) -> Result<Told, ServiceError> {
        let state = if result.repeated {
            let past = self.runtime().state_at(&key, result.answer.at).await?;
            Arc::new(past.unwrap_or_default())
        } else {
            result.state
        };
        let mut told = self.told(caller, &key, speaker, result.answer, &state).await?;
        told.trace = if traced && caller.role.sees_all() { trace(&result.events) } else { Vec::new() };
        told.repeated = result.repeated;
        Ok(told)
    }

    /// How a conversation stands.
    pub async fn present(&self, caller: &Caller, agent: &str, conversation: &Arc<str>) -> Result<Told, ServiceError> {
        self.agent(agent)?;
        let key = ConversationKey::new(caller.tenant.clone(), conversation.clone());
        let state = self.seen(caller, agent, &key).await?;
        let case = state.case().map(|c| Box::new(if caller.role.sees_all() { c.clone() } else { c.public() }));
        Ok(Told { case, ..self.standing(caller, &key, Speaker::looks(caller.role)).await? })
    }

    async fn standing(&self, caller: &Caller, key: &ConversationKey, speaker: Speaker) -> Result<Told, ServiceError> {
        let state = self.runtime().state(key).await?;
        let answer = self.runtime().present_of(&state, speaker.actor).await?;
        self.told(caller, key, speaker, answer, &state).await
    }

    async fn told(
        &self,
        caller: &Caller,
        key: &ConversationKey,
        speaker: Speaker,
        answer: Answer,
        state: &State,
    ) -> Result<Told, ServiceError> {
        let expects = self.runtime().expects_of(state, speaker.next, &caller.principal()).await?;
        // A host shows the question word for word, whoever it spoke for; a model never sees what names it.
        let question = match (caller.role, speaker.actor) {
            (Role::Runtime, Actor::Agent) => self.runtime().present_of(state, Actor::User).await?.question,
            _ => answer.question.clone(),
        };
        let conversation = Some(key.id.clone());
        Ok(Told { conversation, answer, expects, question, trace: Vec::new(), repeated: false, case: None })
    }

    /// The agent that the workspace is.
    pub(super) fn agent(&self, agent: &str) -> Result<(), ServiceError> {
        if *self.workspace().settings.agent_slug == *agent { Ok(()) } else { Err(ServiceError::NoAgent(agent.into())) }
    }

    /// The state of a conversation that the caller may know of; for anybody else there is none.
    pub(super) async fn seen(&self, caller: &Caller, agent: &str, key: &ConversationKey) -> Result<Arc<State>, ServiceError> {
        let state = self.runtime().state(key).await?;
        let theirs = state.opened().is_some_and(|open| is_theirs(caller, agent, open));
        if theirs { Ok(state) } else { Err(ServiceError::NoConversation(key.id.clone())) }
    }

    /// What comes beside a turn and is taken before it: what is said of the user, and a host's signed word of who that is.
    async fn comes_first(&self, caller: &Caller, key: &ConversationKey, request: &Request) -> Result<Vec<Beside>, ServiceError> {
        let mut beside = Vec::new();
        if let Some(context) = &request.context {
            let state = self.seen(caller, &request.agent, key).await?;
            beside.extend(claimed(caller, &state, context)?);
        } else {
            let open = self.runtime().opened(key).await?;
            if !is_theirs(caller, &request.agent, &open) {
                return Err(ServiceError::NoConversation(key.id.clone()));
            }
        }
        if let Some(token) = &request.token {
            beside.push(self.identified(caller, key, token)?);
        }
        Ok(beside)
    }

    /// Takes what came beside a turn, where the conversation is at that version; how far it is then. `None`: it is at another.
    async fn take_first(
        &self,
        caller: &Caller,
        key: &ConversationKey,
        said: Beside,
        at: Option<u64>,
        request: &Request,
    ) -> Result<Option<u64>, ServiceError> {
        let id = request.id.as_ref().filter(|_| said.once).map(|id| Arc::from(format!("{}:{id}:context", caller.key)));
        let sent = Sent { id, with: request.digest.clone(), at };
        let command = Turn::Command(said.command.clone());
        let result = match self.runtime().turn_as(key, said.actor, caller.principal(), sent, command).await {
            Err(DriverError::Stale) => return Ok(None),
            Err(DriverError::MessageReused(_)) => return Err(ServiceError::Reused(request.id.clone().unwrap_or_default())),
            result => result?,
        };
        match result.answer.refused.and_then(|refused| said.refused(&refused)) {
            Some(error) => Err(error),
            None => Ok(Some(result.answer.at)),
        }
    }

    /// A host's signed word of who the user is, for this conversation.
    fn identified(&self, caller: &Caller, key: &ConversationKey, token: &str) -> Result<Beside, ServiceError> {
        if caller.role != Role::Runtime || !caller.may("identity") {
            let why = "a signed token is taken from a key of the role `runtime` that has the scope `identity`";
            return Err(ServiceError::Forbidden(why.into()));
        }
        let unbelieved = |e: Unbelieved| ServiceError::Invalid("token", e.to_string());
        let live = self.live();
        let tokens = live.tokens.as_ref().ok_or_else(|| unbelieved(Unbelieved::Nobody))?;
        let identity = tokens.identity(token, &key.id, self.runtime().clock().now()).map_err(unbelieved)?;
        Ok(Beside { actor: Actor::Runtime, command: Command::Identified(identity), once: false })
    }

    /// A new conversation; nothing is kept of one whose first command is refused.
    async fn begin(&self, caller: &Caller, speaker: Speaker, request: Request, sent: Sent) -> Result<Told, ServiceError> {
        if request.token.is_some() {
            return Err(ServiceError::Invalid("token", "a token is for a conversation: begin one first".into()));
        }
        let user = caller.user.clone().unwrap_or_default();
        let mut claim = request.context.unwrap_or_else(|| serde_json::json!({}));
        if let Some(map) = claim.as_object_mut()
            && !user.is_empty()
        {
            let identity = map.entry("identity").or_insert_with(|| serde_json::json!({}));
            if let Some(identity) = identity.as_object_mut() {
                identity.insert("user_id".into(), Json::from(&*user));
            }
        }
        // The same id of another user, or of another key, begins another one.
        let name = request.id.as_ref().map(|id| {
            let parts: [&[u8]; 5] = [b"start", request.agent.as_bytes(), caller.key.as_bytes(), user.as_bytes(), id.as_bytes()];
            self.runtime().keys().digest(&parts)
        });
        let (tenant, agent) = (caller.tenant.clone(), request.agent);
        let open = Open { conversation: "".into(), tenant, agent, user_id: user, user: Arc::new(claim) };
        let Some(turn) = request.turn else {
            let key = match name {
                Some(name) => self.runtime().open_once(open, &name).await?.0,
                None => self.runtime().open(open).await?,
            };
            return self.standing(caller, &key, speaker).await;
        };
        let told = match self.runtime().begin(open, name.as_deref(), (speaker.actor, caller.principal()), sent, turn).await {
            Ok((Some(key), result)) => return self.came(caller, key, speaker, result, request.traced).await,
            Ok((None, result)) => result,
            Err(DriverError::Stale) => {
                let answer = Answer { refused: Some(stale(MOVED_ON)), ..Answer::default() };
                TurnResult { answer, ..TurnResult::default() }
            }
            Err(DriverError::MessageReused(_)) => return Err(ServiceError::Reused(request.id.unwrap_or_default())),
            Err(error) => return Err(error.into()),
        };
        let expects = self.runtime().expects_of(&told.state, speaker.next, &caller.principal()).await?;
        Ok(Told { conversation: None, answer: told.answer, expects, question: None, trace: Vec::new(), repeated: false, case: None })
    }
}

/// Something that comes beside a turn.
#[derive(Debug)]
struct Beside {
    actor: Actor,
    command: Command,
    /// Whether the id of its turn makes it one with a repetition.
    once: bool,
}

impl Beside {
    /// What the caller is told where it is refused.
    fn refused(&self, refused: &Refusal) -> Option<ServiceError> {
        match &self.command {
            Command::Identified(_) => Some(ServiceError::Invalid("token", refused.reason.to_string())),
            _ if &*refused.code == "forbidden" => Some(ServiceError::Forbidden(refused.reason.to_string())),
            _ => None,
        }
    }
}

/// A later claim of who the user is: the same one says nothing, another one needs the scope.
fn claimed(caller: &Caller, state: &State, context: &Json) -> Result<Option<Beside>, ServiceError> {
    // The case stands beside what is said of the user, and effects change it: the same case again says nothing.
    let mut user = context.clone();
    let case = user.as_object_mut().and_then(|map| map.remove("case")).filter(|c| !c.is_null());
    let id = |case: &Json| case.get("id").map(crate::value::display);
    let same_case = case.is_none_or(|given| state.case().is_some_and(|c| id(&given).as_deref() == Some(&*c.id)));
    if same_case && state.opened().is_some_and(|open| is_within(&user, &open.user)) {
        return Ok(None);
    }
    if !caller.may("context") {
        let why = "the context was fixed at the first turn, and this key has not the scope `context` to change it";
        return Err(ServiceError::Forbidden(why.into()));
    }
    Ok(Some(Beside { actor: caller.role.actor(), command: Command::Context(Arc::new(context.clone())), once: true }))
}

const MOVED_ON: &str = "the conversation has moved on since: this is how it stands now";

fn stale(reason: &str) -> Refusal {
    Refusal { code: "stale".into(), reason: reason.into() }
}

/// Who speaks, and whose next commands the answer tells.
#[derive(Debug, Clone, Copy)]
struct Speaker {
    actor: Actor,
    next: Actor,
}

impl Speaker {
    /// Somebody who looks at a conversation. What a model that a host runs may send next is what its host wants to know; the question comes
    /// beside.
    fn looks(role: Role) -> Self {
        let actor = if role == Role::Runtime { Actor::Agent } else { role.actor() };
        Self { actor, next: actor }
    }
}

/// Who speaks by a request, from the credential; only a host names somebody.
fn speaks(caller: &Caller, request: &Request) -> Result<Speaker, ServiceError> {
    let forbidden = |what: &str| Err(ServiceError::Forbidden(format!("a key of the role `{}` may not send {what}", caller.role.as_str())));
    let said = matches!(&request.turn, Some(Turn::Command(Command::Said(_))));
    let actor = match caller.role {
        Role::Runtime if said => Actor::Runtime,
        Role::Runtime => match (request.speaks, &request.turn) {
            (Some(actor @ (Actor::User | Actor::Agent)), _) => actor,
            (Some(_), _) => return forbidden("an `actor` other than `user` and `agent`"),
            (None, Some(Turn::Command(_))) => Actor::Agent,
            (None, Some(Turn::Message(_)) | None) => Actor::User,
        },
        Role::User | Role::Agent | Role::Operator | Role::Admin if request.speaks.is_some() => return forbidden("`actor`"),
        Role::User | Role::Agent | Role::Operator | Role::Admin => caller.role.actor(),
    };
    match &request.turn {
        Some(Turn::Message(_)) if !matches!(actor, Actor::User | Actor::Operator) => return forbidden("`message`"),
        Some(Turn::Command(Command::Said(_))) if actor != Actor::Runtime => return forbidden("`said`"),
        // On a conversation that is there, the engine refuses it and keeps a record of it.
        Some(Turn::Command(command)) if request.conversation.is_none() && !may_send(actor, command.name()) => {
            return forbidden(&format!("`{}`", command.name()));
        }
        _ => {}
    }
    if request.context.is_some() && caller.role == Role::Agent {
        return forbidden("`context`");
    }
    // A host that names nobody is told what its model may send.
    let next = if caller.role == Role::Runtime && (said || request.speaks.is_none()) { Actor::Agent } else { actor };
    Ok(Speaker { actor, next })
}

/// Whether the caller may know of a conversation that was opened like that.
fn is_theirs(caller: &Caller, agent: &str, open: &Open) -> bool {
    let named = caller.user.as_ref();
    let user = match caller.role {
        Role::User => named.map_or("", |u| u) == &*open.user_id,
        Role::Agent | Role::Operator | Role::Admin | Role::Runtime => named.is_none_or(|u| *u == open.user_id),
    };
    user && *open.agent == *agent
}

/// The user that a context names.
fn user_of(context: &Json) -> Option<Arc<str>> {
    context.pointer("/identity/user_id").and_then(Json::as_str).filter(|u| !u.is_empty()).map(Arc::from)
}

/// Whether everything that `claim` says is said by `known` already.
fn is_within(claim: &Json, known: &Json) -> bool {
    match (claim, known) {
        (Json::Object(claim), Json::Object(known)) => {
            claim.iter().all(|(k, v)| v.is_null() || known.get(k).is_some_and(|n| is_within(v, n)))
        }
        (claim, known) => claim == known,
    }
}

impl Caller {
    /// Whether it may look into how a conversation was decided.
    pub(super) fn looks_into(&self, what: &str) -> Result<(), ServiceError> {
        if self.role.sees_all() {
            return Ok(());
        }
        Err(ServiceError::Forbidden(format!("a key of the role `{}` may not see {what}", self.role.as_str())))
    }

    /// Whose conversations it may list; `None`: everybody's.
    pub(super) fn listed(&self) -> Option<Arc<str>> {
        match (&self.user, self.role) {
            (Some(user), _) => Some(user.clone()),
            (None, Role::User | Role::Agent) => Some("".into()),
            (None, Role::Operator | Role::Admin | Role::Runtime) => None,
        }
    }
}
