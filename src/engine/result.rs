//! What an answer from outside means: first-wins outcomes, errors, tries after it, and the doubt of a write.

use std::sync::Arc;

use super::answer::ReadResult;
use super::call::Trouble;
use super::effect::{CallResult, Claim, EffectId, HttpAnswer, Recorded, retry_after};
use super::event::{Class, EventBody, Kept, Purpose};
use super::inputs::coerce;
use super::owner;
use super::redact;
use super::scope::View;
use super::state::{Flight, cut};
use super::steps;
use super::turn::{Go, Turn, later};
use crate::model::action::{Effects, ErrorKind};
use crate::model::step::{Call, StepKind};
use crate::model::{Action, ActionId, Step};
use crate::supervise::Owner;
use crate::value::{Json, Name, Slug, Value};

/// What was made of an answer.
struct Judged {
    /// The outcome that matched, or why none counts.
    outcome: Result<Arc<str>, Trouble>,
    /// Of a write.
    class: Option<Class>,
    /// Whether it may pass by itself.
    can_pass: bool,
    /// What the server asked to wait.
    asked_ms: Option<u64>,
    /// Conditions that failed to evaluate.
    notes: Vec<String>,
}

impl Turn<'_> {
    /// Takes the result of an effect. One that is not waited for moves nothing, but may settle doubt.
    pub fn result(&mut self, effect: &EffectId, result: CallResult) -> Go {
        let flight = self.state.flight.clone().filter(|f| f.effect.as_ref() == Some(effect) && f.result.is_none());
        let Some(flight) = flight else {
            self.late(effect, &result);
            return Go::Wait;
        };
        let Some(action) = self.action_in_flight(&flight) else {
            self.finish(None, effect, result, None, false);
            return self.trouble(Trouble::new(ErrorKind::Internal, "the action is not in this version of the workspace"));
        };
        let told = self.told(&action, &flight);
        let owner = (flight.purpose == Purpose::Owner).then(|| match &told {
            Some(told) => told.owner.clone().unwrap_or(Owner::Unknown),
            None => self.owner_of(&flight, &result),
        });
        let foreign = match &told {
            Some(told) => self.otherwise(&action).filter(|_| told.foreign),
            None => self.foreign(&action, &flight, &result),
        };
        let mut judged = self.judge(&action, &flight, &result);
        if let Some(outcome) = told.as_ref().and_then(|t| t.outcome.clone()) {
            judged.outcome = Ok(outcome);
        }
        if let (Some(otherwise), CallResult::Answered(answer)) = (&foreign, &result)
            && (200..300).contains(&answer.status)
        {
            judged.outcome = Ok(otherwise.shown.clone());
        }
        let drops = owner.is_some() || foreign.is_some();
        let result = if drops { owner::dropped(result) } else { result };
        if let (Some(Class::Applied), true, Some(key)) = (judged.class, flight.reserves, &flight.request.idempotency_key) {
            self.key_applied(&action, key.clone(), result.clone(), None);
        }
        let notes = drops || self.stands_on_hidden(&action, &flight, &result);
        let told = notes.then(|| self.telling(&action, &flight, judged.outcome.as_ref().ok(), owner.as_ref(), foreign.is_some()));
        self.finish_told(Some(&action), effect, result, judged.class, drops, told);
        for note in judged.notes {
            self.note(note);
        }
        match (judged.outcome, owner) {
            (Ok(outcome), Some(owner)) => {
                self.emit(EventBody::Matched { outcome });
                self.told_owner(&flight, if foreign.is_some() { Owner::Unknown } else { owner })
            }
            (Ok(outcome), None) => self.matched(&action, &flight, &outcome),
            (Err(mut trouble), _) => {
                let (max, delay) = self.tries(&action, flight.purpose);
                let again = judged.can_pass && flight.tries() <= max && self.may_resend(&action, &flight, judged.class);
                if again {
                    self.retry_later(flight.tries(), delay, judged.asked_ms);
                    return Go::Wait;
                }
                trouble.exhausted = judged.can_pass && max > 0;
                if judged.class == Some(Class::InDoubt) {
                    return self.in_doubt(&action, &flight);
                }
                self.failed_call(&action, &flight, trouble)
            }
        }
    }

    /// Takes the answer of an earlier request under the same key: nothing was sent.
    pub fn replay(&mut self, action: &Arc<Action>, recorded: Recorded) -> Go {
        self.emit(EventBody::Replayed(Box::new(recorded.clone())));
        let Some(flight) = self.state.flight.clone() else { return Go::Wait };
        let Recorded { result, outcome, .. } = recorded;
        let judged = self.judge(action, &flight, &result);
        match outcome.map_or(judged.outcome, Ok) {
            Ok(outcome) => self.matched(action, &flight, &outcome),
            Err(trouble) => self.failed_call(action, &flight, trouble),
        }
    }

    /// A result that nobody waits for: recorded, and if it is definite, it settles the doubt of its write.
    fn late(&mut self, effect: &EffectId, result: &CallResult) {
        self.late = Some(Box::new((effect.clone(), owner::dropped(result.clone()))));
        let doubtful = self.state.writes.iter().find(|(_, w)| w.doubt.as_ref() == Some(effect));
        let Some((digest, write)) = doubtful.map(|(d, w)| (d.clone(), w.clone())) else {
            return self.note("a result came that nothing waits for");
        };
        let class = classify(result, false, false);
        self.note("a late result of a write came");
        if !matches!(class, Class::Applied | Class::Refused) {
            return;
        }
        self.emit(EventBody::Settled { digest });
        let action = write.action.and_then(|a| self.machine.workspace.action(&a.to_string()).cloned());
        match (write.key, action) {
            (Some(key), Some(action)) if class == Class::Applied => self.key_applied(&action, key, result.clone(), None),
            (Some(key), _) if class == Class::Refused => self.claims.push(Claim::KeyFreed { key }),
            _ => {}
        }
    }

    /// Whether nobody knows what came of an earlier attempt of this write.
    pub fn is_doubtful(&self, flight: &Flight) -> bool {
        flight.digest.as_ref().and_then(|d| self.state.writes.get(d)).is_some_and(|w| w.doubt.is_some())
    }

    /// The action that is in flight.
    pub fn action_in_flight(&self, flight: &Flight) -> Option<Arc<Action>> {
        self.action_for(&flight.action, flight.purpose)
    }

    fn own_call(&self) -> Option<Call> {
        match &self.here()?.step()?.kind {
            StepKind::Action(call) => Some(call.clone()),
            StepKind::Verify(verify) => Some(verify.call.clone()),
            _ => None,
        }
    }

    /// Tries after the first, and the delay before the first of them.
    fn tries(&self, action: &Action, purpose: Purpose) -> (u32, u64) {
        let own = if purpose.is_step() { self.own_call().and_then(|c| c.retry) } else { None };
        let max = own.as_ref().and_then(|r| r.max).unwrap_or(action.settings.retries);
        let delay = own.as_ref().and_then(|r| r.delay_ms).unwrap_or(action.settings.retry_backoff_ms);
        (max, delay)
    }

    fn judge(&self, action: &Action, flight: &Flight, result: &CallResult) -> Judged {
        let write = action.effects == Effects::Write;
        let doubted = self.is_doubtful(flight);
        match result {
            CallResult::Failed(failure) => {
                let trouble = Trouble::coded(failure.kind, &failure.code, failure.detail.clone());
                Judged {
                    outcome: Err(trouble),
                    class: write.then(|| classify(result, doubted, false)),
                    can_pass: matches!(failure.kind, ErrorKind::Timeout | ErrorKind::Connect),
                    asked_ms: failure.retry_after_ms,
                    notes: Vec::new(),
                }
            }
            CallResult::Answered(answer) => {
                let mut notes = Vec::new();
                let (outcome, settles) = self.outcome(action, flight, answer, &mut notes);
                let class = write.then(|| classify(result, doubted, settles));
                let matched = outcome.is_ok();
                let outcome = if matched && class == Some(Class::InDoubt) {
                    Err(Trouble::new(ErrorKind::InDoubt, "the answer leaves open whether it was done"))
                } else {
                    outcome
                };
                Judged {
                    outcome,
                    class,
                    can_pass: !matched && (answer.status == 429 || answer.status >= 500),
                    asked_ms: asked_to_wait(answer, self.at),
                    notes,
                }
            }
        }
    }

    /// The first outcome whose condition is true, and whether it settles a write.
    fn outcome(&self, action: &Action, flight: &Flight, answer: &HttpAnswer, notes: &mut Vec<String>) -> (Result<Arc<str>, Trouble>, bool) {
        let good = (200..300).contains(&answer.status);
        let mut found: Option<(Arc<str>, bool)> = None;
        if action.outcomes.is_empty() {
            if good {
                found = Some(("success".into(), false));
            }
        } else {
            let taint = redact::of_response(&action.safety, &answer.body);
            let run = self.state.top().map(|r| &**r);
            let view = View::new(&self.state, run, self.at).inputs(&flight.inputs).response(answer, &taint);
            for outcome in &action.outcomes {
                match outcome.condition.as_ref().map_or(Ok(true), |c| c.test(&view)) {
                    Ok(true) => {
                        found = Some((outcome.name.shown.clone(), outcome.settles));
                        break;
                    }
                    Ok(false) => {}
                    Err(fault) => {
                        notes.push(format!("the condition of the outcome `{}` failed: {}", outcome.name, fault.message));
                    }
                }
            }
        }
        let settles = found.as_ref().is_some_and(|(_, s)| *s);
        let outcome = match found {
            None if action.outcomes.is_empty() => {
                Err(Trouble::coded(ErrorKind::HttpStatus, &answer.status.to_string(), format!("the status was {}", answer.status)))
            }
            None if good && answer.invalid_json => Err(Trouble::new(ErrorKind::InvalidOutput, "the answer is not valid JSON")),
            None => Err(Trouble::new(ErrorKind::Unmatched, format!("no outcome matched an answer of status {}", answer.status))),
            Some((outcome, _)) => match invalid_output(action, answer, good).filter(|_| !self.is_answer_hidden()) {
                None => Ok(outcome),
                Some(why) => Err(Trouble::new(ErrorKind::InvalidOutput, why)),
            },
        };
        (outcome, settles)
    }

    /// An outcome matched: the answer is kept, and the step goes where it says.
    fn matched(&mut self, action: &Arc<Action>, flight: &Flight, outcome: &Arc<str>) -> Go {
        match flight.purpose {
            Purpose::Step => {
                let Some(here) = self.here() else { return Go::Wait };
                match here.step() {
                    Some(step @ Step { kind: StepKind::Action(call), .. }) => {
                        steps::action::matched(self, step, call, action, flight, outcome)
                    }
                    Some(step @ Step { kind: StepKind::Verify(verify), .. }) => {
                        steps::verify::matched(self, step, verify, action, flight, outcome)
                    }
                    _ => Go::Fall("the run does not stand at its action".into()),
                }
            }
            Purpose::Read => {
                self.told_read(&action.id, Some(action), outcome);
                steps::investigate::kept(self, action, flight);
                self.emit(EventBody::Matched { outcome: outcome.clone() });
                steps::investigate::after_read(self)
            }
            Purpose::Reconcile => {
                self.emit(EventBody::Matched { outcome: outcome.clone() });
                self.reconciled(outcome)
            }
            // Its answer was taken where it came.
            Purpose::Owner => Go::Wait,
        }
    }

    /// What a read of an investigation answered, as its caller may see it.
    fn told_read(&mut self, id: &ActionId, answered: Option<&Action>, outcome: &Arc<str>) {
        let result = self.state.flight.as_ref().and_then(|f| f.result.clone());
        let body = match (result.as_deref(), answered) {
            (Some(CallResult::Answered(answer)), Some(action)) => {
                let fields: Vec<Arc<str>> = action.output.iter().map(|f| f.name.clone()).collect();
                let taint = redact::of_response(&action.safety, &answer.body);
                redact::shown(&Value { json: cut(&answer.body, &fields), taint })
            }
            _ => Json::Null,
        };
        self.read = Some(ReadResult { action: id.to_string().into(), outcome: outcome.clone(), body });
    }

    /// Keeps the answer under a variable.
    pub fn keep(&mut self, action: &Action, flight: &Flight, name: &Name, under: Option<Arc<str>>, each: bool) {
        let result = self.state.flight.as_ref().and_then(|f| f.result.clone());
        let Some(CallResult::Answered(answer)) = result.as_deref() else { return };
        let kept = Kept {
            name: name.clone(),
            fields: action.output.iter().map(|f| f.name.clone()).collect(),
            taint: redact::of_response(&action.safety, &answer.body),
            from: flight.sources.iter().filter(|s| s.root() != name.as_str()).cloned().collect(),
            under,
            each,
        };
        self.emit(EventBody::Kept(Box::new(kept)));
    }

    /// Nobody knows whether a write was done: the read that settles it, if there is one, a while later.
    pub fn in_doubt(&mut self, action: &Action, flight: &Flight) -> Go {
        match &action.safety.reconcile {
            Some(rule) => {
                let when = later(flight.until.max(self.at), rule.after_s.saturating_mul(1_000));
                self.emit(EventBody::RetryAt { when, reconcile: true });
                Go::Wait
            }
            None => self.doubt_remains("nobody knows whether it was done"),
        }
    }

    /// The read that settles doubt came to an outcome.
    fn reconciled(&mut self, outcome: &str) -> Go {
        let Some(write) = self.state.flight.clone() else { return Go::Wait };
        let Some(action) = self.action_in_flight(&write) else { return self.doubt_remains("the action is gone") };
        let Some(rule) = action.safety.reconcile.clone() else { return self.doubt_remains("nothing settles it") };
        let name = Slug::named(outcome).name;
        let applied = rule.applied.iter().find(|(read, _)| read.name == name).map(|(_, w)| w.shown.clone());
        let digest = write.digest.clone();
        if let Some(as_outcome) = applied {
            if let Some(digest) = digest {
                self.emit(EventBody::Settled { digest });
            }
            if let (true, Some(key), Some(result)) = (write.reserves, &write.request.idempotency_key, &write.result) {
                self.key_applied(&action, key.clone(), (**result).clone(), Some(as_outcome.clone()));
            }
            return self.matched(&action, &write, &as_outcome);
        }
        if rule.not_applied.iter().any(|r| r.name == name) {
            if let Some(digest) = digest {
                self.emit(EventBody::Settled { digest });
            }
            return self.failed_call(&action, &write, Trouble::new(ErrorKind::NotApplied, "it was not done"));
        }
        self.doubt_remains("the read that settles doubt left it open")
    }

    /// Doubt stays: error `in_doubt`, never a blind second send.
    pub fn doubt_remains(&mut self, why: &str) -> Go {
        self.trouble(Trouble::new(ErrorKind::InDoubt, why))
    }

    pub fn failed_call(&mut self, action: &Action, flight: &Flight, trouble: Trouble) -> Go {
        match flight.purpose {
            Purpose::Step => self.trouble(trouble),
            Purpose::Read => {
                self.told_read(&action.id, Some(action), &trouble.kind.as_str().into());
                self.emit(failed(&trouble));
                steps::investigate::after_read(self)
            }
            Purpose::Reconcile => {
                self.emit(failed(&trouble));
                self.doubt_remains("the read that settles doubt failed")
            }
            Purpose::Owner => {
                self.emit(failed(&trouble));
                self.told_owner(flight, Owner::Unknown)
            }
        }
    }

    /// An action was denied after its step had waited for something: for a read that told whose it is, or an approval.
    pub fn not_sent(&mut self, purpose: Purpose, action: &ActionId, trouble: Trouble) -> Go {
        match purpose {
            Purpose::Step => steps::action::not_sent(self, trouble),
            Purpose::Read => {
                self.told_read(action, None, &trouble.kind.as_str().into());
                self.emit(failed(&trouble));
                steps::investigate::after_read(self)
            }
            Purpose::Reconcile | Purpose::Owner => self.doubt_remains(&trouble.detail),
        }
    }

    /// The step's own call erred: `retry.on_exhausted`, `on_error`, or the fallback; an unhandled `denied` says why and ends the run.
    pub fn trouble(&mut self, trouble: Trouble) -> Go {
        self.emit(failed(&trouble));
        let kind = trouble.kind;
        let Some(call) = self.own_call() else { return Go::Fall(explain(&trouble)) };
        let exhausted = call.retry.as_ref().and_then(|r| r.on_exhausted).filter(|_| trouble.exhausted);
        if let Some(next) = exhausted {
            return Go::via(next, "exhausted");
        }
        let caught = call.on_error.iter().find(|(c, ..)| *c == crate::model::step::Catch::Kind(kind));
        let caught = caught.or_else(|| call.on_error.iter().find(|(c, ..)| *c == crate::model::step::Catch::Default));
        if let Some((catch, next, _)) = caught {
            let by_kind = matches!(catch, crate::model::step::Catch::Kind(_));
            let how = if by_kind { format!("error:{}", kind.as_str()) } else { "error:default".into() };
            return Go::via(*next, how);
        }
        if kind == ErrorKind::Denied {
            self.say(format!("I may not do that: {}.", trouble.detail));
            return Go::End("denied".into(), None);
        }
        Go::Fall(explain(&trouble))
    }
}

fn explain(trouble: &Trouble) -> String {
    format!("{}: {}", trouble.kind.as_str(), trouble.detail)
}

fn failed(trouble: &Trouble) -> EventBody {
    EventBody::Failed { kind: trouble.kind, code: trouble.code.clone(), detail: Some(trouble.detail.clone()) }
}

/// What an answer means for a write (supervision, 7). `doubted`: an earlier attempt may have been done.
pub(super) fn classify(result: &CallResult, doubted: bool, settles: bool) -> Class {
    let class = match result {
        CallResult::Failed(failure) if !failure.sent => return if doubted { Class::InDoubt } else { Class::NotSent },
        // Only what was answered with success has an output that can be invalid.
        CallResult::Failed(failure) if failure.kind == ErrorKind::InvalidOutput => return Class::Applied,
        CallResult::Failed(_) => return Class::InDoubt,
        CallResult::Answered(answer) if settles && (doubted || !is_refusal(answer.status)) => return Class::Applied,
        CallResult::Answered(answer) => match answer.status {
            200..=299 => Class::Applied,
            status if is_refusal(status) => Class::Refused,
            _ => Class::InDoubt,
        },
    };
    if doubted && class == Class::Refused { Class::InDoubt } else { class }
}

fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && status != 408
}

/// Why an answer is not what the action's `output_schema` says.
fn invalid_output(action: &Action, answer: &HttpAnswer, good: bool) -> Option<String> {
    if good && answer.invalid_json {
        return Some("the answer is not valid JSON".into());
    }
    if action.output.is_empty() {
        return None;
    }
    let Some(map) = answer.body.as_object() else {
        return (good && !answer.body.is_null()).then(|| "the answer is not a map".into());
    };
    let wrong = action.output.iter().find(|field| match map.get(&*field.name) {
        None | Some(Json::Null) => false,
        Some(value) => coerce(value, field.kind).is_none_or(|c| c != *value),
    });
    wrong.map(|field| format!("the field `{}` of the answer has another type", field.name))
}

fn asked_to_wait(answer: &HttpAnswer, now: jiff::Timestamp) -> Option<u64> {
    let (_, value) = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    retry_after(value, now)
}
