//! The sensitive parts of an event: hidden where it is shown, taken out where it is kept, put back where it is read.
//!
//! The one list of where an event can hold something that must not be shown. Knows nothing of keys and of stores.

use std::sync::Arc;

use super::effect::{CallResult, Request};
use super::event::{Draft, Event, EventBody, TurnBegun};
use super::redact;
use super::turn::REDACTED;
use crate::value::{Json, Taint, Value};

/// What was taken out of an event: a list for each of its sensitive parts.
pub type Taken = Vec<Vec<Json>>;

/// A sensitive part.
enum Part<'e> {
    /// Of a value, what its taint says.
    Json(&'e mut Arc<Json>, Taint),
    /// A text, all of it.
    Text(&'e mut Arc<str>),
    /// What is sent, all of it.
    Request(&'e mut Arc<Request>),
}

impl Event {
    /// Whether anything in it is sensitive.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        let tainted = |value: &Value| !value.taint.is_clean();
        match &self.body {
            EventBody::Turn(turn) => turn.sensitive || turn.brought.with.as_ref().is_some_and(tainted) || turn.brought.is_answered(),
            EventBody::Queued(queued) => queued.sensitive,
            EventBody::Began(began) => began.with.iter().any(|(_, v)| tainted(v)),
            EventBody::Filled(filled) => tainted(&filled.value),
            EventBody::Set(set) => tainted(&set.value),
            EventBody::Said { redacted, .. } => redacted.is_some(),
            EventBody::Question(question) => question.redacted.is_some(),
            EventBody::Decided(d) => {
                let sent = d.inputs.as_ref().is_some_and(tainted) || d.request.as_ref().is_some_and(|r| r.sensitive);
                sent || d.draft.as_ref().is_some_and(|d| d.is_sensitive())
            }
            EventBody::Held(held) => held.draft.is_sensitive(),
            EventBody::ActionFinished(finished) => !finished.taint.is_clean(),
            EventBody::Replayed(recorded) => recorded.is_sensitive(),
            EventBody::Ended(ended) => ended.result.as_ref().is_some_and(tainted),
            EventBody::Escalated(escalated) => escalated.include.iter().any(|(_, v)| tainted(v)),
            EventBody::Sealed { .. } => true,
            EventBody::Opened(_)
            | EventBody::Dequeued
            | EventBody::Routed { .. }
            | EventBody::Offered { .. }
            | EventBody::Entered { .. }
            | EventBody::Asked { .. }
            | EventBody::Skipped { .. }
            | EventBody::Options { .. }
            | EventBody::Instructed { .. }
            | EventBody::Investigating { .. }
            | EventBody::Missed
            | EventBody::Unset { .. }
            | EventBody::Kept(_)
            | EventBody::Reshown { .. }
            | EventBody::Granted { .. }
            | EventBody::GrantsEnded { .. }
            | EventBody::ActionStarted { .. }
            | EventBody::RetryAt { .. }
            | EventBody::Matched { .. }
            | EventBody::Failed { .. }
            | EventBody::EachDone
            | EventBody::HoldEnded(_)
            | EventBody::Settled { .. }
            | EventBody::Identifying
            | EventBody::VerifyTried
            | EventBody::Verified { .. }
            | EventBody::Corrected { .. }
            | EventBody::Paused
            | EventBody::Resumed
            | EventBody::TakenOver
            | EventBody::HandedBack
            | EventBody::Abandoned
            | EventBody::Context { .. }
            | EventBody::Case(_)
            | EventBody::Asking(_)
            | EventBody::Discovered(_)
            | EventBody::Picked(_)
            | EventBody::Executing(_)
            | EventBody::Executed(_)
            | EventBody::Fault { .. }
            | EventBody::Refused { .. }
            | EventBody::Lost(_)
            | EventBody::Noted { .. } => false,
        }
    }

    /// Takes out what is sensitive; what stays may be shown, and says where something was.
    #[must_use]
    pub fn take_sensitive(&mut self) -> Taken {
        parts(&mut self.body).into_iter().map(Part::take).collect()
    }

    /// Puts back what was taken out of it; `false` if that was taken out of another one.
    #[must_use]
    pub fn put_back(&mut self, taken: Taken) -> bool {
        let parts = parts(&mut self.body);
        parts.len() == taken.len() && parts.into_iter().zip(taken).all(|(part, taken)| part.put_back(taken))
    }
}

impl Draft {
    fn is_sensitive(&self) -> bool {
        !self.inputs.taint.is_clean() || self.request.sensitive
    }
}

fn of(value: &mut Value) -> Option<Part<'_>> {
    let Value { json, taint } = value;
    (!taint.is_clean()).then(|| Part::Json(json, taint.clone()))
}

fn of_draft(draft: &mut Draft) -> Vec<Part<'_>> {
    let request = Some(&mut draft.request).filter(|r| r.sensitive).map(Part::Request);
    of(&mut draft.inputs).into_iter().chain(request).collect()
}

/// The sensitive parts, always in the same order: whether there is one does not hang on what it holds.
fn parts(body: &mut EventBody) -> Vec<Part<'_>> {
    fn all<'v>(values: impl Iterator<Item = &'v mut Value>) -> Vec<Part<'v>> {
        values.filter_map(of).collect()
    }
    match body {
        EventBody::Turn(turn) => {
            let TurnBegun { text, sensitive, brought, .. } = &mut **turn;
            let text = text.as_mut().filter(|_| *sensitive).map(Part::Text);
            let refused = brought.refused.iter_mut().filter_map(|r| r.recorded.as_mut());
            let recorded = refused.flat_map(|r| answered(&mut r.result, &r.taint));
            text.into_iter().chain(brought.with.as_mut().and_then(of)).chain(recorded).collect()
        }
        EventBody::Queued(queued) if queued.sensitive => vec![Part::Text(&mut queued.text)],
        EventBody::Began(began) => all(began.with.iter_mut().map(|(_, v)| v)),
        EventBody::Filled(filled) => all([&mut filled.value].into_iter()),
        EventBody::Set(set) => all([&mut set.value].into_iter()),
        EventBody::Said { text, redacted: Some(_) } => vec![Part::Text(text)],
        EventBody::Question(question) if question.redacted.is_some() => vec![Part::Text(&mut question.text)],
        EventBody::Decided(decided) => {
            let inputs = decided.inputs.as_mut().and_then(of);
            let request = decided.request.as_mut().filter(|r| r.sensitive).map(Part::Request);
            let draft = decided.draft.as_mut().map(|d| of_draft(Arc::make_mut(d))).unwrap_or_default();
            inputs.into_iter().chain(request).chain(draft).collect()
        }
        EventBody::Held(held) => of_draft(&mut held.draft),
        EventBody::ActionFinished(finished) => answered(&mut finished.result, &finished.taint),
        EventBody::Replayed(recorded) => answered(&mut recorded.result, &recorded.taint),
        EventBody::Ended(ended) => all(ended.result.iter_mut()),
        EventBody::Escalated(escalated) => all(escalated.include.iter_mut().map(|(_, v)| v)),
        _ => Vec::new(),
    }
}

fn answered<'e>(result: &'e mut CallResult, taint: &Taint) -> Vec<Part<'e>> {
    match result {
        CallResult::Answered(answer) if !taint.is_clean() => vec![Part::Json(&mut answer.body, taint.clone())],
        CallResult::Answered(_) | CallResult::Failed(_) => Vec::new(),
    }
}

impl Part<'_> {
    fn take(self) -> Vec<Json> {
        match self {
            Self::Json(json, taint) => {
                let mut taken = Vec::new();
                redact::take(Arc::make_mut(json), &taint, &mut taken);
                taken
            }
            Self::Text(text) => vec![Json::String(std::mem::replace(text, REDACTED.into()).to_string())],
            Self::Request(request) => {
                let Request { path, query, headers, body, .. } = Arc::make_mut(request);
                let sent = serde_json::json!([&*path, &*query, &*headers, &*body]);
                (*path, *body) = (REDACTED.into(), None);
                query.clear();
                headers.clear();
                vec![sent]
            }
        }
    }

    fn put_back(self, taken: Vec<Json>) -> bool {
        match self {
            Self::Json(json, taint) => redact::put_back(Arc::make_mut(json), &taint, taken),
            Self::Text(text) => match taken.as_slice() {
                [Json::String(before)] => {
                    *text = before.as_str().into();
                    true
                }
                _ => false,
            },
            Self::Request(request) => {
                let Ok([sent]) = <[Json; 1]>::try_from(taken) else { return false };
                let Ok(sent) = serde_json::from_value(sent) else { return false };
                let request = Arc::make_mut(request);
                (request.path, request.query, request.headers, request.body) = sent;
                true
            }
        }
    }
}
