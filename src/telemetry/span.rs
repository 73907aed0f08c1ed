//! A turn as spans: itself, and in it each step, verdict and call. A pure function of its events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Seen;
use crate::engine::event::EventBody;
use crate::engine::{CallResult, EffectId, ExecutionStatus, actor_name};
use crate::model::provider::DISCOVER;
use crate::model::{StepKey, Workspace};
use crate::supervise::Decision;
use crate::value::Name;

/// What a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A turn.
    Turn,
    /// A step, from its entry until the next one's, or the end of the turn.
    Step,
    /// A verdict.
    Verdict,
    /// A call, from its start until its answer.
    Call,
}

impl What {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Step => "step",
            Self::Verdict => "verdict",
            Self::Call => "call",
        }
    }
}

/// A part of a turn, with when it was. Its attributes are names, codes and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it is of.
    pub what: What,
    /// The span that it is in, by its place.
    pub parent: Option<usize>,
    /// The step, the action, or what the turn brought.
    pub name: String,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Cow<'static, str>)>,
    /// Whether it went wrong.
    pub failed: bool,
}

impl Span {
    /// How long it took.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.to.as_millisecond().saturating_sub(self.from.as_millisecond())
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.found(name).map(|value| &**value)
    }

    pub(super) fn found(&self, name: &str) -> Option<&Cow<'static, str>> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The attributes in a line.
    pub(super) const fn facts(&self) -> Facts<'_> {
        Facts(self)
    }

    fn is(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.attributes.push((name, value.into()));
    }
}

/// The attributes of a span in a line, but whose it is.
pub(super) struct Facts<'s>(&'s Span);

impl std::fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = self.0.attributes.iter().filter(|(name, _)| !matches!(*name, "tenant" | "conversation"));
        told.enumerate().try_for_each(|(n, (name, value))| write!(f, "{}{name}={value}", if n == 0 { "" } else { " " }))
    }
}

/// The spans of a turn, itself first.
#[must_use]
pub fn spans(seen: &Seen<'_>) -> Vec<Span> {
    let mut turn = Span {
        what: What::Turn,
        parent: None,
        name: seen.what.to_owned(),
        from: seen.began,
        to: seen.ended,
        attributes: Vec::new(),
        failed: seen.failed.is_some(),
    };
    turn.is("tenant", seen.tenant.to_owned());
    turn.is("conversation", seen.conversation.to_owned());
    if let Some(failed) = seen.failed {
        turn.is("error", failed);
    }
    let mut walk = Walk {
        workspace: seen.workspace,
        journeys: seen.journeys.to_vec(),
        step: None,
        action: String::new(),
        calls: BTreeMap::new(),
        spans: vec![turn],
    };
    for event in seen.events {
        walk.event(&event.body, event.at.max(seen.began));
    }
    walk.leave(seen.ended);
    walk.spans
}

struct Walk<'t> {
    workspace: &'t Workspace,
    journeys: Vec<Name>,
    step: Option<usize>,
    action: String,
    calls: BTreeMap<EffectId, usize>,
    spans: Vec<Span>,
}

impl Walk<'_> {
    /// What a provider was asked came to something. Of a call that began in an earlier turn only its end is known here.
    fn came(&mut self, effect: &EffectId, at: Timestamp, code: Option<&Arc<str>>) {
        let place = self.calls.remove(effect).unwrap_or_else(|| {
            let span = self.span(What::Call, at);
            self.spans.push(span);
            self.spans.len() - 1
        });
        if let Some(span) = self.spans.get_mut(place) {
            span.to = at;
            span.failed = code.is_some();
            if let Some(code) = code {
                span.is("error", code.to_string());
            }
        }
    }

    fn event(&mut self, body: &EventBody, at: Timestamp) {
        match body {
            EventBody::Sealed { body, .. } => self.event(body, at),
            EventBody::Turn(begun) => self.turn(|turn| {
                turn.is("actor", actor_name(begun.actor));
                turn.is("does", String::from(&*begun.what));
            }),
            EventBody::Routed { journey, score } => {
                let journey = self.shown(journey);
                self.turn(|turn| {
                    turn.is("routed", journey);
                    turn.is("score", score.to_string());
                });
            }
            EventBody::Offered { .. } => self.turn(|turn| turn.is("routed", "nowhere")),
            EventBody::Refused { code } => self.turn(|turn| turn.is("refused", code.to_string())),
            EventBody::Escalated(escalated) => self.turn(|turn| turn.is("escalated", escalated.to.to_string())),
            EventBody::Began(began) => {
                self.leave(at);
                self.journeys.push(began.journey.clone());
            }
            EventBody::Ended(ended) => {
                self.leave(at);
                let journey = self.journeys.pop().map(|j| self.shown(&j)).unwrap_or_default();
                self.turn(|turn| turn.is("ended", format!("{journey}:{}", ended.outcome)));
            }
            EventBody::Entered { step, .. } => self.enter(step, at),
            EventBody::Decided(decided) => {
                self.action = decided.action.to_string();
                let decision = match decided.verdict.decision {
                    Decision::Allow => "allow",
                    Decision::Hold => "hold",
                    Decision::Deny => "deny",
                };
                let mut span = self.span(What::Verdict, at);
                span.failed = decided.verdict.decision == Decision::Deny;
                span.is("decision", decision);
                if let Some(code) = decided.verdict.code() {
                    span.is("code", code.to_string());
                }
                self.spans.push(span);
            }
            EventBody::ActionStarted { effect, attempt, .. } => {
                let mut span = self.span(What::Call, at);
                span.is("attempt", attempt.to_string());
                self.calls.insert(effect.clone(), self.spans.len());
                self.spans.push(span);
            }
            EventBody::ActionFinished(finished) => {
                if !finished.action.is_empty() {
                    self.action = finished.action.to_string();
                }
                // Of a call that began in an earlier turn only its end is known here.
                let place = self.calls.remove(&finished.effect).unwrap_or_else(|| {
                    let span = self.span(What::Call, at);
                    self.spans.push(span);
                    self.spans.len() - 1
                });
                if let Some(span) = self.spans.get_mut(place) {
                    span.to = at;
                    match &finished.result {
                        CallResult::Answered(answer) => span.is("status", answer.status.to_string()),
                        CallResult::Failed(failure) => {
                            span.failed = true;
                            span.is("error", failure.kind.as_str());
                        }
                    }
                }
            }
            EventBody::Asking(asking) => {
                self.action = format!("{}.{DISCOVER}", self.shown(&asking.provider));
                let span = self.span(What::Call, at);
                self.calls.insert(asking.effect.clone(), self.spans.len());
                self.spans.push(span);
            }
            EventBody::Discovered(discovered) => {
                self.action = format!("{}.{DISCOVER}", self.shown(&discovered.provider));
                self.came(&discovered.effect, at, discovered.failed.as_ref().map(|(code, _)| code));
            }
            EventBody::Executing(executing) if executing.attempt.status == ExecutionStatus::Sent => {
                self.action = executing.attempt.action.to_string();
                let span = self.span(What::Call, at);
                self.calls.insert(EffectId(executing.attempt.id.clone()), self.spans.len());
                self.spans.push(span);
            }
            EventBody::Executed(executed) => {
                self.action = executed.attempt.action.to_string();
                self.came(&EffectId(executed.attempt.id.clone()), at, executed.attempt.code.as_ref());
            }
            EventBody::Opened(_)
            | EventBody::Case(_)
            | EventBody::Picked(_)
            | EventBody::Executing(_)
            | EventBody::Queued(_)
            | EventBody::Dequeued
            | EventBody::Asked { .. }
            | EventBody::Skipped { .. }
            | EventBody::Options { .. }
            | EventBody::Instructed { .. }
            | EventBody::Investigating { .. }
            | EventBody::Filled(_)
            | EventBody::Missed
            | EventBody::Set(_)
            | EventBody::Unset { .. }
            | EventBody::Kept(_)
            | EventBody::Said { .. }
            | EventBody::Question(_)
            | EventBody::Reshown { .. }
            | EventBody::Granted { .. }
            | EventBody::GrantsEnded { .. }
            | EventBody::Replayed(_)
            | EventBody::RetryAt { .. }
            | EventBody::Matched { .. }
            | EventBody::Failed { .. }
            | EventBody::Held(_)
            | EventBody::HoldEnded(_)
            | EventBody::EachDone
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
            | EventBody::Fault { .. }
            | EventBody::Noted { .. }
            | EventBody::Lost(_) => {}
        }
    }

    /// A journey as its author writes it.
    fn shown(&self, journey: &Name) -> String {
        self.workspace.journeys.get(journey).map_or_else(|| journey.to_string(), |j| String::from(&*j.slug.shown))
    }

    fn turn(&mut self, tell: impl FnOnce(&mut Span)) {
        if let Some(turn) = self.spans.first_mut() {
            tell(turn);
        }
    }

    fn enter(&mut self, step: &StepKey, at: Timestamp) {
        self.leave(at);
        let journey = self.journeys.last().and_then(|name| self.workspace.journeys.get(name));
        let kind = journey.and_then(|j| j.step_by_key(step)).map_or("unknown", |(_, step)| step.kind.as_str());
        let mut span =
            Span { what: What::Step, parent: Some(0), name: step.to_string(), from: at, to: at, attributes: Vec::new(), failed: false };
        span.is("kind", kind);
        if let Some(journey) = journey {
            span.is("journey", String::from(&*journey.slug.shown));
        }
        self.step = Some(self.spans.len());
        self.spans.push(span);
    }

    fn leave(&mut self, at: Timestamp) {
        if let Some(span) = self.step.take().and_then(|place| self.spans.get_mut(place)) {
            span.to = at.max(span.from);
        }
    }

    /// Of the action that is at hand, in the step at hand.
    fn span(&self, what: What, at: Timestamp) -> Span {
        let name = self.action.clone();
        Span { what, parent: self.step.or(Some(0)), name, from: at, to: at, attributes: Vec::new(), failed: false }
    }
}
