//! What happened in a conversation as conditions are told of it: a pure function of its events, sensitive values hidden.

use serde_json::json;

use super::answer::Status;
use super::effect::CallResult;
use super::event::{Class, Event, EventBody, Finished};
use super::redact::shown;
use super::state::State;
use crate::registry::{EventKind, depth_of};
use crate::value::{Json, Value};

/// Bytes of an answer that goes along, at most.
const BODY_MAX: usize = 16 * 1024;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// What.
    pub event: EventKind,
    /// What there is to know of it.
    pub data: Json,
    /// How many decisions led to the conversation.
    pub depth: u32,
}

/// What happened by these events, after that state.
#[must_use]
pub fn happened(before: &State, events: &[Event]) -> Vec<Happened> {
    if may_happen(events).next().is_none() {
        return Vec::new();
    }
    let mut telling = Telling { state: before.clone(), answered: None, action: None, out: Vec::new() };
    for event in events {
        telling.event(event);
    }
    telling.out
}

/// What may have happened by these events, seen without a state: nothing else has.
pub fn may_happen(events: &[Event]) -> impl Iterator<Item = EventKind> {
    events.iter().filter_map(|event| match event.body.plain() {
        EventBody::Began(_) => Some(EventKind::JourneyStarted),
        EventBody::Matched { .. } => Some(EventKind::ActionFinished),
        EventBody::Failed { .. } => Some(EventKind::ActionFailed),
        EventBody::Ended(_) => Some(EventKind::Completed),
        EventBody::Escalated(_) => Some(EventKind::Escalated),
        EventBody::Abandoned => Some(EventKind::Abandoned),
        _ => None,
    })
}

struct Telling<'e> {
    state: State,
    // What came back, until it is said what it means.
    answered: Option<&'e Finished>,
    // The action that was decided on last.
    action: Option<String>,
    out: Vec<Happened>,
}

impl<'e> Telling<'e> {
    fn event(&mut self, event: &'e Event) {
        let was = self.state.status();
        let journey = self.state.journeys().last().cloned();
        self.state.apply(event);
        let ended = match event.body.plain() {
            EventBody::Decided(decided) => {
                self.action = Some(decided.action.to_string());
                None
            }
            EventBody::ActionFinished(finished) => {
                self.answered = Some(&**finished);
                None
            }
            EventBody::RetryAt { .. } => {
                self.answered = None;
                None
            }
            EventBody::Began(began) => {
                self.tell(event, EventKind::JourneyStarted, json!({"journey": began.journey.as_str(), "called": began.called}));
                None
            }
            EventBody::Matched { outcome } => {
                if let Some(finished) = self.answered.take() {
                    let mut data = answer(finished);
                    data.insert("outcome".into(), Json::from(&**outcome));
                    self.tell(event, EventKind::ActionFinished, data.into());
                }
                None
            }
            EventBody::Failed { kind, code, detail } => {
                let mut data = self.answered.take().map(answer).unwrap_or_default();
                if let (None, Some(action)) = (data.get("action"), self.action.as_deref()) {
                    data.insert("action".into(), Json::from(action));
                }
                data.insert("error".into(), json!({"kind": kind.as_str(), "code": code.as_deref(), "detail": detail.as_deref()}));
                self.tell(event, EventKind::ActionFailed, data.into());
                None
            }
            EventBody::Escalated(escalated) => {
                let doubt: Vec<String> = escalated.doubt.iter().map(ToString::to_string).collect();
                let data = json!({"queue": &*escalated.to, "reason": escalated.reason.as_deref(), "in_doubt": doubt});
                self.tell(event, EventKind::Escalated, data);
                None
            }
            EventBody::Abandoned => {
                self.tell(event, EventKind::Abandoned, json!({"journey": journey.as_ref().map(|j| j.as_str().to_owned())}));
                None
            }
            EventBody::Ended(ended) => Some(ended),
            _ => None,
        };
        if let Some(ended) = ended.filter(|_| was != Status::Completed && self.state.status() == Status::Completed) {
            let result = ended.result.as_ref().map(shown);
            let journey = journey.as_ref().map(|j| j.as_str().to_owned());
            let data = json!({"journey": journey, "outcome": &*ended.outcome, "result": result, "turns": self.state.turn});
            self.tell(event, EventKind::Completed, data);
        }
    }

    fn tell(&mut self, event: &Event, kind: EventKind, mut data: Json) {
        let opened = self.state.opened();
        if let Json::Object(map) = &mut data {
            map.insert("event".into(), kind.as_str().into());
            map.insert("at".into(), event.at.to_string().into());
            if let Some(open) = opened {
                map.insert("conversation_id".into(), Json::from(&*open.conversation));
                map.insert("agent".into(), Json::from(&*open.agent));
                map.insert("user_id".into(), Json::from(&*open.user_id));
            }
            if !map.contains_key("journey") {
                map.insert("journey".into(), self.state.journeys().last().map(crate::value::Name::as_str).into());
            }
        }
        let depth = opened.map_or(0, |o| depth_of(&o.conversation));
        self.out.push(Happened { event: kind, data, depth });
    }
}

/// What is told of what an action answered.
fn answer(finished: &Finished) -> serde_json::Map<String, Json> {
    let mut data = serde_json::Map::new();
    data.insert("action".into(), Json::from(&*finished.action));
    let class = finished.class.map(|c| match c {
        Class::NotSent => "not_sent",
        Class::Refused => "refused",
        Class::Applied => "applied",
        Class::InDoubt => "in_doubt",
    });
    data.insert("class".into(), class.unwrap_or("read").into());
    if let CallResult::Answered(answer) = &finished.result {
        data.insert("status".into(), answer.status.into());
        if !finished.dropped {
            let body = shown(&Value { json: answer.body.clone(), taint: finished.taint.clone() });
            let small = serde_json::to_string(&body).is_ok_and(|text| text.len() <= BODY_MAX);
            data.insert("body".into(), if small { body } else { Json::Null });
        }
    }
    data
}
