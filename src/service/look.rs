//! What a caller may see of conversations: lists, histories, audits, holds. Looking changes nothing.

use std::sync::Arc;

use jiff::Timestamp;

use super::access::Caller;
use super::error::ServiceError;
use super::{PAGE_MAX, Service};
use crate::engine::answer::{AnswerOption, Status};
use crate::engine::{Actor, AuditEntry, Event, EventBody, shown, trace};
use crate::model::Workspace;
use crate::store::{AuditRow, ConversationKey, Held, Store};
use crate::value::Json;

/// Characters that an id, a tenant or a user may have.
pub const ID_MAX: usize = 200;

/// Whether a text may name something: it is kept and shown as it is.
#[must_use]
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= ID_MAX && !text.chars().any(char::is_control)
}

/// What a sensitive text is shown as.
const REDACTED: &str = "[redacted]";
/// Events that are read at a time.
const CHUNK: usize = 500;
/// Events that one page of a history looks at.
const LOOKED_AT: u64 = 20_000;

/// A page of a list, and where the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask for the next one by; `None`: there is none.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The page of what was read: one item more than there is room for says that there is another.
    pub(super) fn cut(mut items: Vec<T>, limit: usize, place: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(place);
        Self { items, next }
    }
}

/// Which page is asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// After which item.
    pub after: Option<String>,
    /// How many items, at most [`PAGE_MAX`].
    pub limit: usize,
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Its id.
    pub id: Arc<str>,
    /// Its user.
    pub user: Arc<str>,
    /// When something last happened in it.
    pub updated: Timestamp,
    /// Its status.
    pub status: Status,
    /// The journey on top.
    pub journey: Option<Arc<str>>,
}

/// One thing in a history or a stream of events.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number in the conversation.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// `message said question options command began ended escalated taken_over handed_back abandoned paused resumed held hold_ended
    /// verified trace`.
    pub kind: &'static str,
    /// Who, if somebody did it.
    pub who: Option<Arc<str>>,
    /// What was said, or what happened in a word.
    pub text: Arc<str>,
    /// The id of a question or a hold.
    pub id: Option<Arc<str>>,
    /// Options that were offered.
    pub options: Vec<AnswerOption>,
}

/// A row of an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Audited {
    /// Its number, time and code.
    pub row: AuditRow,
    /// What it says; `None`: it was erased.
    pub entry: Option<AuditEntry>,
}

/// A held action, with what an approver has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldAction {
    /// As it is listed.
    pub held: Held,
    /// Its inputs; sensitive values hidden.
    pub inputs: Json,
}

/// How much of an event a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Who said what, and what became of the journeys.
    History,
    /// That, and what was decided and done, for whoever may know.
    All,
}

impl Service {
    /// Conversations, by id.
    pub async fn conversations(&self, caller: &Caller, agent: &str, asked: &Asked) -> Result<Page<Conversation>, ServiceError> {
        self.agent(agent)?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let user = caller.listed();
        let store = self.runtime().store();
        let listed = store.conversations(&caller.tenant, agent, user.as_deref(), asked.after.as_deref(), limit + 1).await?;
        let Page { items: listed, next } = Page::cut(listed, limit, |l| l.key.id.to_string());
        let mut items = Vec::with_capacity(listed.len());
        for one in listed {
            let state = self.runtime().state(&one.key).await?;
            let answer = self.runtime().present_of(&state, Actor::Agent).await?;
            let (status, journey) = (answer.status, answer.journey);
            items.push(Conversation { id: one.key.id, user: one.owner.user, updated: one.updated, status, journey });
        }
        Ok(Page { items, next })
    }

    /// Who said what in a conversation, and what became of its journeys.
    pub async fn history(&self, caller: &Caller, agent: &str, conversation: &Arc<str>, asked: &Asked) -> Result<Page<Line>, ServiceError> {
        let key = self.looked_at(caller, agent, conversation).await?;
        let mut from = number(asked.after.as_deref())?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let end = from.saturating_add(LOOKED_AT);
        let mut items: Vec<Line> = Vec::new();
        while from < end {
            let events = self.runtime().store().events(&key, from, CHUNK).await?;
            let (whole, last) = (events.len() == CHUNK, events.last().map_or(from, |(seq, _)| *seq));
            for line in lines(&self.workspace(), caller, Depth::History, &events) {
                if items.len() == limit {
                    let next = items.last().map(|l| l.seq.to_string());
                    return Ok(Page { items, next });
                }
                items.push(line);
            }
            from = last;
            if !whole {
                return Ok(Page { items, next: None });
            }
        }
        Ok(Page { items, next: Some(from.to_string()) })
    }

    /// The audit of a conversation.
    pub async fn audit(&self, caller: &Caller, agent: &str, conversation: &Arc<str>, asked: &Asked) -> Result<Page<Audited>, ServiceError> {
        caller.looks_into("audits")?;
        let key = self.looked_at(caller, agent, conversation).await?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let from = number(asked.after.as_deref())?;
        let rows = self.runtime().store().audit(&key, from.saturating_add(1), limit + 1).await?;
        let Page { items: rows, next } = Page::cut(rows, limit, |r| r.seq.to_string());
        let entry = |row: &AuditRow| if row.erased { None } else { serde_json::from_str(&row.text).ok() };
        Ok(Page { items: rows.into_iter().map(|row| Audited { entry: entry(&row), row }).collect(), next })
    }

    /// Actions that wait for an approval, by id.
    pub async fn holds(&self, caller: &Caller, agent: &str, asked: &Asked) -> Result<Page<Held>, ServiceError> {
        caller.looks_into("holds")?;
        self.agent(agent)?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let found = self.runtime().store().holds(&caller.tenant, agent, asked.after.as_deref(), limit + 1).await?;
        Ok(Page::cut(found, limit, |h| h.row.id.to_string()))
    }

    /// One action that waits for an approval.
    pub async fn hold(&self, caller: &Caller, agent: &str, id: &str) -> Result<HeldAction, ServiceError> {
        caller.looks_into("holds")?;
        self.agent(agent)?;
        let gone = || ServiceError::NoHold(id.into());
        let held = self.runtime().store().hold(&caller.tenant, id).await?.filter(|h| *h.row.agent == *agent).ok_or_else(gone)?;
        let state = self.seen(caller, agent, &held.key).await.map_err(|_| gone())?;
        let inputs = state.holds().find(|h| *h.id == *id).map(|h| shown(&h.draft.inputs)).ok_or_else(gone)?;
        Ok(HeldAction { held, inputs })
    }

    /// The events of a conversation after a number, as that caller may see them, and the number of the last that was looked at.
    pub async fn events(&self, caller: &Caller, key: &ConversationKey, from: u64) -> Result<(Vec<Line>, u64), ServiceError> {
        let events = self.runtime().store().events(key, from, CHUNK).await?;
        let depth = if caller.role.sees_all() { Depth::All } else { Depth::History };
        let last = events.last().map_or(from, |(seq, _)| *seq);
        Ok((lines(&self.workspace(), caller, depth, &events).collect(), last))
    }

    /// The key of a conversation that the caller may see.
    pub async fn looked_at(&self, caller: &Caller, agent: &str, conversation: &Arc<str>) -> Result<ConversationKey, ServiceError> {
        self.agent(agent)?;
        let key = ConversationKey::new(caller.tenant.clone(), conversation.clone());
        self.seen(caller, agent, &key).await?;
        Ok(key)
    }
}

fn number(after: Option<&str>) -> Result<u64, ServiceError> {
    let Some(after) = after else { return Ok(0) };
    after.parse().map_err(|_| ServiceError::Invalid("cursor", "there is no such page of this list".into()))
}

/// What a caller is told of events.
fn lines(workspace: &Workspace, caller: &Caller, depth: Depth, events: &[(u64, Event)]) -> impl Iterator<Item = Line> {
    let agent = caller.role.actor() == Actor::Agent;
    let mut operator_speaks = false;
    events.iter().flat_map(move |(seq, event)| {
        let seq = *seq;
        if let EventBody::Turn(turn) = event.body.plain() {
            operator_speaks = &*turn.what == "command:say";
        }
        let told = line(workspace, event, agent, operator_speaks);
        let line = |(kind, who, text, id): Told| Line { seq, at: event.at, kind, who, text, id, options: Vec::new() };
        let mut lines: Vec<Line> = told.into_iter().map(line).collect();
        if let (EventBody::Offered { options } | EventBody::Options { options, .. }, [line]) = (event.body.plain(), &mut *lines) {
            line.options.clone_from(options);
        }
        if lines.is_empty() && depth == Depth::All {
            lines.extend(trace(std::slice::from_ref(event)).into_iter().map(|t| {
                let text = t.step.as_ref().map_or_else(|| format!("{} {}", t.kind, t.text), |s| format!("{} {s} {}", t.kind, t.text));
                Line { seq, at: event.at, kind: "trace", who: None, text: text.into(), id: None, options: Vec::new() }
            }));
        }
        lines
    })
}

/// Kind, who, text and id.
type Told = (&'static str, Option<Arc<str>>, Arc<str>, Option<Arc<str>>);

/// What is told of an event to whoever may only know what was said and what became of it.
fn line(workspace: &Workspace, event: &Event, agent: bool, operator_speaks: bool) -> Option<Told> {
    let sealed = matches!(event.body, EventBody::Sealed { .. });
    let speaker = || Some(Arc::from(if operator_speaks { "operator" } else { "assistant" }));
    Some(match event.body.plain() {
        EventBody::Turn(turn) => {
            let who = Some(serde_json::to_value(turn.actor).ok()?.as_str()?.into());
            match (&turn.text, turn.what.strip_prefix("command:")) {
                (Some(_), _) if turn.sensitive && (agent || sealed) => ("message", who, REDACTED.into(), None),
                (Some(text), _) => ("message", Some("user".into()).filter(|_| turn.is_the_users()).or(who), text.clone(), None),
                (None, Some(command)) => ("command", who, command.into(), None),
                (None, None) => return None,
            }
        }
        EventBody::Said { text, redacted } => {
            let text = redacted.as_ref().filter(|_| agent || sealed).unwrap_or(text);
            ("said", speaker(), text.clone(), None)
        }
        EventBody::Question(question) => {
            let text = question.redacted.as_ref().filter(|_| agent || sealed).unwrap_or(&question.text);
            ("question", speaker(), text.clone(), (!agent).then(|| question.id.clone()))
        }
        EventBody::Offered { .. } => ("options", None, "".into(), None),
        EventBody::Options { options, .. } if !options.is_empty() => ("options", None, "".into(), None),
        EventBody::Began(began) => {
            // As its author wrote it, unless the journey is gone.
            let slug = workspace.journeys.get(&began.journey).map_or_else(|| began.journey.as_str().into(), |j| j.slug.shown.clone());
            ("began", None, slug, None)
        }
        EventBody::Ended(ended) => ("ended", None, ended.outcome.clone(), None),
        EventBody::Escalated(escalated) => ("escalated", None, escalated.to.clone(), None),
        EventBody::TakenOver => ("taken_over", None, "".into(), None),
        EventBody::HandedBack => ("handed_back", None, "".into(), None),
        EventBody::Abandoned => ("abandoned", None, "".into(), None),
        EventBody::Paused => ("paused", None, "".into(), None),
        EventBody::Resumed => ("resumed", None, "".into(), None),
        EventBody::Held(held) if !agent => ("held", None, held.draft.action.to_string().into(), Some(held.id.clone())),
        EventBody::HoldEnded(ended) if !agent => ("hold_ended", None, ended.how.as_str().into(), Some(ended.hold.clone())),
        EventBody::Verified { identity } => ("verified", None, format!("level {}", identity.level).into(), None),
        _ => return None,
    })
}
