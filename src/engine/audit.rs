//! What an audit says of events: who did what, which way the conversation took, what was decided and why, what was sent and what came
//! of it. A pure function of the events of one input; without values, but for the redacted inputs and outputs of actions that ask for them.

use std::sync::Arc;

use super::effect::CallResult;
use super::event::{Class, Event, EventBody, Purpose};
use super::execution::Attempt;
use super::redact;
use super::turn::actor_name;
use crate::supervise::Decision;
use crate::value::{Json, Name, Value};

/// The version of the form of entries.
const VERSION: u16 = 1;

/// What one input led to.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct AuditEntry {
    /// The version of its form.
    pub v: u16,
    /// Who, by the credential that sent it: `user`, `agent:web`, `system`.
    pub who: Arc<str>,
    /// `open`, `message`, `command:confirm`, `result`, `wake`, …
    pub what: Arc<str>,
    /// The sender's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Arc<str>>,
    /// What followed, in order.
    pub lines: Vec<AuditLine>,
}

/// One thing that followed from an input.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct AuditLine {
    /// `run`, `step`, `fill`, `set`, `question`, `grant`, `verdict`, `call`, `result`, `outcome`, `error`, `identity`, `hold`, `refused`, …
    pub kind: Arc<str>,
    /// What it is about: a step, a field, an action, a question, an effect.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub what: Arc<str>,
    /// How it came out: `allow`, `deny`, `applied`, the name of an outcome.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub outcome: Arc<str>,
    /// Why, in codes and words without values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Arc<str>>,
    /// Who, if it is another than the entry's.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub by: Arc<str>,
    /// Redacted inputs or outputs, of an action whose `audit_level` is `detailed`.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub data: Json,
}

impl AuditEntry {
    /// Its words: `turn user message`, and those of its lines.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        let turn = format!("turn {} {}", self.who, self.what);
        std::iter::once(turn).chain(self.lines.iter().map(AuditLine::text))
    }
}

impl AuditLine {
    fn came_to(self, outcome: impl Into<Arc<str>>) -> Self {
        Self { outcome: outcome.into(), ..self }
    }

    fn because(mut self, why: impl Into<Arc<str>>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Its words, without why: `verdict shop.cancel-order deny`.
    #[must_use]
    pub fn text(&self) -> String {
        let parts = [&self.kind, &self.what, &self.outcome];
        parts.into_iter().filter(|p| !p.is_empty()).map(|p| &**p).collect::<Vec<_>>().join(" ")
    }
}

/// The entry of the events of one input; `None` if there are none.
#[must_use]
pub fn audit(events: &[Event]) -> Option<AuditEntry> {
    let mut entry = AuditEntry { v: VERSION, who: "system".into(), what: "more".into(), ..AuditEntry::default() };
    let mut decided: Arc<str> = "".into();
    for event in events {
        match &event.body {
            EventBody::ActionStarted { effect, attempt, until, .. } => {
                let why = [effect.0.clone(), format!("attempt {attempt}").into(), format!("until {until}").into()];
                entry.lines.push(AuditLine { why: why.into(), ..new("call", decided.clone()) });
            }
            EventBody::Executed(executed) => entry.lines.extend(executed_lines(&executed.attempt)),
            EventBody::Opened(open) => {
                entry.what = "open".into();
                entry.lines.push(new("open", open.agent.clone()));
            }
            EventBody::Turn(turn) => {
                entry.who = who(actor_name(turn.actor), &turn.by);
                entry.what = turn.what.clone();
                entry.id.clone_from(&turn.id);
            }
            body => {
                if let EventBody::Decided(d) = body {
                    decided = d.action.to_string().into();
                }
                entry.lines.extend(line(body));
            }
        }
    }
    (!events.is_empty()).then_some(entry)
}

fn who(actor: &str, by: &str) -> Arc<str> {
    if by.is_empty() { actor.into() } else { format!("{actor}:{by}").into() }
}

fn new(kind: &str, what: impl Into<Arc<str>>) -> AuditLine {
    AuditLine { kind: kind.into(), what: what.into(), ..AuditLine::default() }
}

/// What an action of a provider came to, and what became of each of its effects.
fn executed_lines(attempt: &Attempt) -> Vec<AuditLine> {
    let line = new("execution", attempt.action.clone()).came_to(attempt.status.as_str()).because(attempt.execution.clone());
    let line = attempt.code.iter().chain(&attempt.reason).fold(line, |line, why| line.because(why.clone()));
    let effects = attempt.effects.iter().map(|effect| {
        let line = new("effect", effect.kind.clone()).came_to(if effect.change.is_some() { "done" } else { "refused" });
        effect.code.iter().chain(&effect.why).fold(line, |line, why| line.because(why.clone()))
    });
    std::iter::once(line).chain(effects).collect()
}

/// The line of an event; none of what a question or a text only prepares.
fn line(body: &EventBody) -> Option<AuditLine> {
    Some(match body {
        EventBody::Queued(_) => new("queued", ""),
        EventBody::Dequeued => new("dequeued", ""),
        EventBody::Routed { journey, score } => new("route", journey.as_str()).because(format!("score {score}")),
        EventBody::Offered { .. } => new("route", "").came_to("offered"),
        EventBody::Began(began) => new("run", began.journey.as_str()).came_to("began").because(began.hash.0.clone()),
        EventBody::Entered { step, via } => {
            let line = new("step", step.0.clone());
            via.iter().fold(line, |line, via| line.because(via.clone()))
        }
        EventBody::Filled(filled) => new("fill", filled.name.as_str()),
        EventBody::Set(set) => new("set", set.name.as_str()),
        EventBody::Unset { name } => new("unset", name.as_str()),
        EventBody::Kept(kept) => new("set", kept.name.as_str()).because("the answer"),
        EventBody::Question(question) => new("question", question.id.clone()).because(question.digest.clone()),
        EventBody::Granted { grant } => AuditLine { by: grant.by.clone(), ..new("grant", grant.question.clone()) },
        EventBody::GrantsEnded { run, why, .. } => new("grant", format!("run {run}")).came_to("ended").because(why.clone()),
        EventBody::Decided(decided) => {
            let outcome = match decided.verdict.decision {
                Decision::Allow => "allow",
                Decision::Hold => "hold",
                Decision::Deny => "deny",
            };
            let why = decided.verdict.reasons.iter().map(|r| match &r.code {
                Some(code) => format!("{code}: {}", r.text).into(),
                None => r.text.clone(),
            });
            let purpose = match decided.purpose {
                Purpose::Step => None,
                Purpose::Read => Some("a read of an investigation".into()),
                Purpose::Reconcile => Some("the read that settles doubt".into()),
                Purpose::Owner => Some("the read that tells whose it is".into()),
            };
            let again = decided.again.then(|| Arc::from("again"));
            let question = decided.verdict.question.iter().map(|q| Arc::from(format!("question {q}")));
            AuditLine {
                why: purpose.into_iter().chain(again).chain(question).chain(why).collect(),
                data: if decided.detailed { decided.inputs.as_ref().map(redact::shown).unwrap_or_default() } else { Json::Null },
                ..new("verdict", decided.action.to_string()).came_to(outcome)
            }
        }
        EventBody::ActionFinished(finished) => {
            let class = finished.class.map(|c| match c {
                Class::NotSent => "not_sent",
                Class::Refused => "refused",
                Class::Applied => "applied",
                Class::InDoubt => "in_doubt",
            });
            let (came, body) = match &finished.result {
                CallResult::Answered(answer) => (format!("status {}", answer.status), Some(answer.body.clone())),
                CallResult::Failed(failure) => (format!("{} ({}): {}", failure.kind.as_str(), failure.code, failure.detail), None),
            };
            let data = body.filter(|_| finished.detailed).map(|json| redact::shown(&Value { json, taint: finished.taint.clone() }));
            let line =
                new("result", finished.action.clone()).came_to(class.unwrap_or("read")).because(finished.effect.0.clone()).because(came);
            AuditLine { data: data.unwrap_or_default(), ..line }
        }
        EventBody::Replayed(_) => new("result", "").came_to("replayed").because("it was done before under the same key"),
        EventBody::RetryAt { when, reconcile } => {
            new("wait", when.to_string()).because(if *reconcile { "to settle doubt" } else { "to try again" })
        }
        EventBody::Matched { outcome } => new("outcome", outcome.clone()),
        EventBody::Failed { kind, code, detail } => {
            let why = code.iter().chain(detail).cloned().collect();
            AuditLine { why, ..new("error", kind.as_str()) }
        }
        EventBody::Held(held) => {
            let why = held.roles.iter().map(|r| format!("role {r}").into());
            let why = why.chain([format!("asked by {}", held.asked_by).into(), format!("until {}", held.until).into()]);
            AuditLine { why: why.collect(), ..new("hold", held.id.clone()).came_to("waits") }
        }
        EventBody::HoldEnded(ended) => AuditLine {
            by: ended.by.clone().unwrap_or_default(),
            why: ended.note.iter().cloned().collect(),
            ..new("hold", ended.hold.clone()).came_to(ended.how.as_str())
        },
        EventBody::EachDone => new("outcome", "each"),
        EventBody::Settled { .. } => new("doubt", "").came_to("settled"),
        EventBody::Identifying => new("identity", "").came_to("asked"),
        EventBody::VerifyTried => new("identity", "").came_to("tried"),
        EventBody::Verified { identity } => {
            new("identity", identity.subject.clone()).came_to("verified").because(format!("level {}", identity.level))
        }
        EventBody::Corrected { field, step } => new("correct", field.as_str()).because(format!("back to {step}")),
        EventBody::Refused { code } => new("refused", code.clone()),
        EventBody::Paused => new("run", "").came_to("paused"),
        EventBody::Resumed => new("run", "").came_to("resumed"),
        EventBody::Ended(ended) => new("run", format!("{}", ended.run)).came_to(ended.outcome.clone()),
        EventBody::Escalated(escalated) => {
            let why = escalated.reason.iter().cloned().chain(escalated.doubt.iter().map(|a| format!("in doubt: {a}").into()));
            AuditLine { why: why.collect(), ..new("escalate", escalated.to.clone()) }
        }
        EventBody::TakenOver => new("escalate", "").came_to("taken_over"),
        EventBody::HandedBack => new("escalate", "").came_to("handed_back"),
        EventBody::Context { .. } => new("context", "$user").came_to("set"),
        EventBody::Case(case) => new("case", case.id.clone()).came_to("given"),
        EventBody::Asking(asking) => new("discover", asking.provider.as_str()).came_to("asked").because(asking.effect.0.clone()),
        EventBody::Discovered(discovered) => {
            let line = new("discover", discovered.provider.as_str());
            if let Some((code, why)) = &discovered.failed {
                line.came_to("left_out").because(code.clone()).because(why.clone())
            } else {
                let line = discovered.actions.iter().fold(line, |line, a| line.because(a.id.clone()));
                discovered.left_out.iter().fold(line.came_to("offers"), |line, why| line.because(format!("left out: {why}")))
            }
        }
        EventBody::Picked(picked) => new("pick", picked.offered.id.clone()),
        EventBody::Executing(executing) => {
            let attempt = &executing.attempt;
            let line = new("execution", attempt.action.clone()).came_to(attempt.status.as_str()).because(attempt.execution.clone());
            let why = executing.verdict.reasons.iter().map(|r| match &r.code {
                Some(code) => Arc::from(format!("{code}: {}", r.text)),
                None => r.text.clone(),
            });
            why.fold(AuditLine { by: attempt.by.clone(), ..line }, AuditLine::because)
        }
        EventBody::Abandoned => new("run", "").came_to("abandoned"),
        EventBody::Fault { code, text } => new("fault", code.clone()).because(text.clone()),
        EventBody::Lost(lost) => AuditLine { why: lost.variables.iter().map(|(_, n)| Name::shared(n)).collect(), ..new("lost", "") },
        EventBody::Sealed { body, .. } => return line(body),
        EventBody::Opened(_)
        | EventBody::Turn(_)
        | EventBody::Executed(_)
        | EventBody::ActionStarted { .. }
        | EventBody::Asked { .. }
        | EventBody::Skipped { .. }
        | EventBody::Options { .. }
        | EventBody::Instructed { .. }
        | EventBody::Investigating { .. }
        | EventBody::Missed
        | EventBody::Said { .. }
        | EventBody::Reshown { .. }
        | EventBody::Noted { .. } => return None,
    })
}
