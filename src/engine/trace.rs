//! Events as lines that a person reads: who, what and why, with sensitive values as `[redacted]`.

use std::sync::Arc;

use super::answer::TraceLine;
use super::effect::CallResult;
use super::event::{Event, EventBody};
use super::inputs;
use super::redact;
use super::turn::{REDACTED, actor_name};
use crate::supervise::Decision;
use crate::value::{Value, display};

/// The lines of a list of events. Pure: a part of a conversation's events gives that part's lines.
#[must_use]
pub fn trace(events: &[Event]) -> Vec<TraceLine> {
    let mut tracer = Tracer { step: None, lines: Vec::new() };
    for event in events {
        tracer.line(&event.body);
    }
    tracer.lines
}

struct Tracer {
    step: Option<Arc<str>>,
    lines: Vec<TraceLine>,
}

impl Tracer {
    fn push(&mut self, kind: &str, text: impl Into<Arc<str>>) {
        self.lines.push(TraceLine { kind: kind.into(), step: self.step.clone(), text: text.into() });
    }

    fn line(&mut self, body: &EventBody) {
        match body {
            EventBody::Opened(open) => self.push("open", format!("conversation {} of {}", open.conversation, open.user_id)),
            EventBody::Turn(turn) => {
                let text = match (&turn.text, turn.sensitive) {
                    (None, _) => String::new(),
                    (Some(_), true) => format!(": {REDACTED}"),
                    (Some(text), false) => format!(": {text}"),
                };
                self.push("turn", format!("{} {}{text}", actor_name(turn.actor), turn.what));
            }
            EventBody::Queued(_) => self.push("note", "the message waits for the action under way"),
            EventBody::Dequeued => self.push("note", "the message that waited is taken up"),
            EventBody::Routed { journey, score } => {
                self.push("route", format!("{journey} (score {}.{:03})", score / 1_000, score % 1_000));
            }
            EventBody::Offered { .. } => self.push("route", "no journey is near enough: what can be done is offered"),
            EventBody::Began(began) => {
                self.step = None;
                let how = if began.called { "called" } else { "begins" };
                self.push("run", format!("{} {how}", began.journey));
            }
            EventBody::Entered { step, via } => {
                self.step = Some(step.0.clone());
                let via = via.as_ref().map(|v| format!(" by {v}")).unwrap_or_default();
                self.push("step", format!("{step}{via}"));
            }
            EventBody::Asked { fields, .. } => self.push("ask", names(fields)),
            EventBody::Skipped { fields } => self.push("skip", format!("{}: filled already", names(fields))),
            EventBody::Options { .. } => self.push("ask", "a choice"),
            EventBody::Instructed { index } => self.push("ask", format!("instruction {}", index + 1)),
            EventBody::Investigating { until } => self.push("ask", format!("reads and a finding, until {until}")),
            EventBody::Filled(filled) => self.push("fill", format!("{} = {}", filled.name, value(&filled.value))),
            EventBody::Missed => self.push("note", "that was no answer"),
            EventBody::Set(set) => self.push("set", format!("{} = {}", set.name, value(&set.value))),
            EventBody::Unset { name } => self.push("set", format!("{name} is unset")),
            EventBody::Kept(kept) => self.push("set", format!("{} = the answer", kept.name)),
            EventBody::Said { text, redacted } => self.push("say", redacted.clone().unwrap_or_else(|| text.clone())),
            EventBody::Question(question) => {
                let text = question.redacted.clone().unwrap_or_else(|| question.text.clone());
                self.push("question", format!("{}: {text}", question.id));
            }
            EventBody::Reshown { .. } => self.push("question", "shown again"),
            EventBody::Granted { grant } => self.push("grant", format!("{} said yes to {}", grant.by, grant.question)),
            EventBody::GrantsEnded { why, .. } => self.push("grant", format!("ended: {why}")),
            EventBody::Decided(decided) => {
                let decision = match decided.verdict.decision {
                    Decision::Allow => "allow",
                    Decision::Hold => "hold",
                    Decision::Deny => "deny",
                };
                let reasons: Vec<String> = decided.verdict.reasons.iter().map(|r| r.text.to_string()).collect();
                let code = decided.verdict.code().map(|c| format!(" ({c})")).unwrap_or_default();
                let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
                self.push("verdict", format!("{decision} {}{code}{why}", decided.action));
                if let Some(inputs) = &decided.inputs {
                    self.push("call", format!("{} {}", decided.action, inputs::shown(inputs)));
                }
            }
            EventBody::ActionStarted { attempt, .. } if *attempt > 1 => self.push("call", format!("attempt {attempt}")),
            EventBody::ActionStarted { .. } => {}
            EventBody::ActionFinished(finished) => {
                let text = match &finished.result {
                    CallResult::Answered(answer) if finished.dropped => format!("status {}, dropped", answer.status),
                    CallResult::Answered(answer) => format!("status {}", answer.status),
                    CallResult::Failed(failure) => format!("{} ({}): {}", failure.kind.as_str(), failure.code, failure.detail),
                };
                self.push("answer", text);
            }
            EventBody::Replayed(_) => self.push("answer", "the one recorded under its idempotency key: nothing is sent"),
            EventBody::RetryAt { when, reconcile: false } => self.push("retry", format!("again at {when}")),
            EventBody::RetryAt { when, reconcile: true } => self.push("retry", format!("asks what came of it at {when}")),
            EventBody::Matched { outcome } => self.push("outcome", outcome.clone()),
            EventBody::Failed { kind, code, detail } => {
                let code = code.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
                let detail = detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default();
                self.push("error", format!("{}{code}{detail}", kind.as_str()));
            }
            EventBody::Held(held) => {
                self.push(
                    "hold",
                    format!("{} waits as {} for `{}` until {}", held.draft.action, held.id, held.roles.join("` and `"), held.until),
                );
            }
            EventBody::HoldEnded(ended) => {
                let by = ended.by.as_ref().map(|b| format!(" by {b}")).unwrap_or_default();
                let note = ended.note.as_ref().map(|n| format!(": {n}")).unwrap_or_default();
                self.push("hold", format!("{} {}{by}{note}", ended.hold, ended.how.as_str()));
            }
            EventBody::EachDone => self.push("outcome", "on to the next element"),
            EventBody::Settled { .. } => self.push("note", "the doubt of a write is settled"),
            EventBody::Identifying => self.push("note", "the identity journey runs first"),
            EventBody::VerifyTried => self.push("note", "a try of a verification"),
            EventBody::Verified { identity } => {
                self.push("identity", format!("verified at level {} until {}", identity.level, identity.expires));
            }
            EventBody::Corrected { field, step } => self.push("correct", format!("{field}: back to {step}")),
            EventBody::Paused => self.push("run", "waits for the next message"),
            EventBody::Resumed => self.push("run", "goes on"),
            EventBody::Ended(ended) => {
                self.push("run", format!("ended: {}", ended.outcome));
                self.step = None;
            }
            EventBody::Escalated(escalated) => {
                let reason = escalated.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
                self.push("escalate", format!("to {}{reason}", escalated.to));
            }
            EventBody::TakenOver => self.push("escalate", "an operator took over"),
            EventBody::HandedBack => self.push("escalate", "an operator handed back"),
            EventBody::Context { .. } => self.push("note", "the caller's claim is another"),
            EventBody::Case(case) => self.push("case", format!("{} is {}", case.id, case.status)),
            EventBody::Asking(asking) => self.push("call", format!("{} is asked what it offers", asking.provider)),
            EventBody::Discovered(discovered) => {
                let ids: Vec<&str> = discovered.actions.iter().map(|a| &*a.id).collect();
                let text = match &discovered.failed {
                    Some((code, why)) => format!("{} is left out ({code}): {why}", discovered.provider),
                    None if ids.is_empty() => format!("{} offers nothing", discovered.provider),
                    None => format!("{} offers {}", discovered.provider, ids.join(", ")),
                };
                self.push("answer", text);
            }
            EventBody::Picked(picked) => self.push("ask", format!("the inputs of {}", picked.offered.id)),
            EventBody::Executing(executing) => {
                let attempt = &executing.attempt;
                let why = attempt.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
                self.push("execution", format!("{} {}{why}", attempt.action, attempt.status.as_str()));
            }
            EventBody::Executed(executed) => {
                let attempt = &executed.attempt;
                let why = attempt.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
                self.push("execution", format!("{} {}{why}", attempt.action, attempt.status.as_str()));
                for effect in &attempt.effects {
                    let how = effect.code.as_ref().map_or_else(|| "done".to_owned(), |code| format!("refused ({code})"));
                    self.push("effect", format!("{} {how}", effect.kind));
                }
            }
            EventBody::Abandoned => self.push("run", "nobody came back in time"),
            EventBody::Fault { code, text } => self.push("fault", format!("{code}: {text}")),
            EventBody::Noted { text } => self.push("note", text.clone()),
            EventBody::Sealed { body, .. } => self.line(body),
            EventBody::Refused { code } => self.push("refused", code.clone()),
            EventBody::Lost(_) => self.push("note", "sensitive values cannot be opened any more: what can be is asked for again"),
        }
    }
}

fn names(fields: &[crate::value::Name]) -> String {
    fields.iter().map(crate::value::Name::as_str).collect::<Vec<_>>().join(", ")
}

fn value(value: &Value) -> String {
    display(&redact::shown(value))
}
