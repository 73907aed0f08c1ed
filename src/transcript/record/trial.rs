//! A recording, tried on another version of the workspace: what the users and the services said then is given to the new journeys, each
//! answer only where it answers the same, each result only to the same call.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::alike::{Alike, Compared, Difference, Found};
use super::input::{Unplayable, feed, give, is_hidden, turn_of};
use super::play::{is_of_lost_keys, place};
use super::{Recording, redacted};
use crate::engine::effect::EffectId;
use crate::engine::state::Standing;
use crate::engine::way_of;
use crate::engine::{CallEffect, Claim, Effect, Event, EventBody, ExecutionStatus, Hidden, InputBody, Machine, Progress, Request, State};
use crate::model::action::IntegrationType;
use crate::supervise::{Decision, Verdict};
use crate::value::{Json, Name, Value};

/// Inputs that may follow on one, once the way is another.
const FOLLOW: usize = 256;

/// What another version of the workspace makes of a conversation, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The same events.
    Same,
    /// Something is worded otherwise.
    TextDiffers,
    /// It goes another way.
    PathDiffers,
    /// It makes a call that was not made then: what a service says to it nobody knows.
    NewCall,
    /// An action is not allowed that was.
    GateRefused,
    /// It comes to a fault, a refusal or a person where it did not.
    WouldFail,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Same, Self::TextDiffers, Self::PathDiffers, Self::NewCall, Self::GateRefused, Self::WouldFail];

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::TextDiffers => "text differs",
            Self::PathDiffers => "path differs",
            Self::NewCall => "new call",
            Self::GateRefused => "gate refused",
            Self::WouldFail => "would fail",
        }
    }
}

/// What came of trying a recording.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tried {
    /// The worst that was found.
    pub class: Class,
    /// The first difference of each kind, in the order in which they came.
    pub differences: Vec<(Class, Difference)>,
    /// How many decisions stood on values that the recording does not hold: taken over, and not judged again.
    pub not_judged: u32,
}

impl Tried {
    fn find(&mut self, class: Class, difference: Difference) {
        self.class = self.class.max(class);
        if !self.differences.iter().any(|(c, _)| *c == class) {
            self.differences.push((class, difference));
        }
    }
}

/// Tokens of rates that a conversation took on this version: what is counted, and when. What others took nobody knows here.
#[derive(Default)]
struct Taken(Vec<(Arc<str>, Timestamp)>);

impl Taken {
    /// Takes what an input claims; the limit that is passed by it, if one is.
    fn take(&mut self, claims: &[Claim], at: Timestamp) -> Option<Json> {
        for claim in claims {
            match claim {
                Claim::Rate { bucket, max, per_s } => {
                    let since = at.checked_sub(SignedDuration::from_secs(i64::try_from(*per_s).unwrap_or(i64::MAX)));
                    let since = since.unwrap_or(Timestamp::MIN);
                    let taken = self.0.iter().filter(|(b, t)| b == bucket && *t > since).count();
                    if taken >= *max as usize {
                        return Some(serde_json::json!({"max": max, "per_s": per_s}));
                    }
                    self.0.push((bucket.clone(), at));
                }
                Claim::RateCleared { bucket } => self.0.retain(|(b, _)| b != bucket),
                Claim::Message { .. } | Claim::Key { .. } | Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::Other { .. } => {}
            }
        }
        None
    }
}

/// Tries a recording on another version of its workspace.
pub fn try_on(machine: &Machine, recording: &Recording) -> Result<Tried, Unplayable> {
    if recording.header.partial {
        return Err(Unplayable::Partial);
    }
    if recording.inputs.len() > 1 && recording.workspaces().next().is_none() {
        return Err(Unplayable::Unkept(1));
    }
    let mut tried = Tried { class: Class::Same, differences: Vec::new(), not_judged: 0 };
    let mut alike = Alike::with_another_version();
    let mut state = State::default();
    let mut hidden = false;
    let (mut taken, mut wake_at) = (Taken::default(), None);
    for (number, events) in recording.inputs.iter().enumerate() {
        if number > 0 && turn_of(events).is_none() {
            return Err(Unplayable::Unkept(number));
        }
        hidden |= is_hidden(events);
        let (progress, was) = feed(machine, &state, events, number, hidden, None)?;
        tried.not_judged += was.taken;
        let at = |found: Found| Difference { turn: number, step: place(&state), field: found.field, old: found.old, new: found.new };
        let unknown = was.blind || is_of_lost_keys(events);
        let overdue = |events: &[Event]| turn_of(events).is_some_and(|t| t.brought.overdue);
        if overdue(&progress.events) && !overdue(events) {
            // It had moved on by itself before this was said.
            let new = serde_json::to_value(wake_at).unwrap_or_default();
            tried.find(Class::PathDiffers, at(Found { field: "wake".into(), old: Json::Null, new }));
            return Ok(tried);
        }
        let due = |events: &[Event]| turn_of(events).map(|t| (&*t.what == "wake", t.brought.due));
        if let (Some((true, Some(then))), Some((true, now))) = (due(events), due(&progress.events))
            && now != Some(then)
        {
            // Time would have come earlier, or later.
            let new = serde_json::to_value(now).unwrap_or_default();
            let old = serde_json::to_value(then).unwrap_or_default();
            tried.find(Class::PathDiffers, at(Found { field: "wake".into(), old, new }));
            return Ok(tried);
        }
        wake_at = progress.wake_at;
        let came = events.first().map_or(Timestamp::UNIX_EPOCH, |e| e.at);
        if let Some(limit) = taken.take(&progress.claims, came) {
            tried.find(Class::WouldFail, at(Found { field: "claims.rate".into(), old: Json::Null, new: limit }));
            return Ok(tried);
        }
        let on_hidden = |compared: &Compared| match compared {
            Compared::Same => true,
            Compared::Text(found) | Compared::Path(found) => found.field.starts_with("turn.in.judged"),
        };
        let compared = alike.compare(events, &progress.events);
        if unknown && on_hidden(&compared) {
            // The events may be alike, and yet what was decided stood on something that nobody knows here.
            tried.find(Class::PathDiffers, at(Found { field: "hidden".into(), old: Json::Null, new: Json::Null }));
            return Ok(tried);
        }
        match compared {
            Compared::Same => {
                if was.reworded {
                    tried.find(Class::TextDiffers, at(Found { field: "hidden".into(), old: Json::Null, new: Json::Null }));
                }
                state = progress.state;
            }
            Compared::Text(found) if !unknown => {
                tried.find(Class::TextDiffers, at(*found));
                state = progress.state;
            }
            Compared::Text(found) | Compared::Path(found) => {
                let difference = at(*found);
                tried.find(Class::PathDiffers, difference.clone());
                if unknown {
                    return Ok(tried);
                }
                Another {
                    machine,
                    recording,
                    number,
                    hidden,
                    difference,
                    used: BTreeSet::new(),
                    state: State::default(),
                    tried: &mut tried,
                }
                .go_on(progress)?;
                return Ok(tried);
            }
        }
    }
    Ok(tried)
}

/// A conversation that has taken another way.
struct Another<'r> {
    machine: &'r Machine,
    recording: &'r Recording,
    /// The input at which the ways parted.
    number: usize,
    hidden: bool,
    difference: Difference,
    /// Recorded results that were given to a call.
    used: BTreeSet<usize>,
    state: State,
    tried: &'r mut Tried,
}

/// A recorded answer: the input that brought it, where the conversation stood, and for a result the call that it answers.
struct Answer {
    number: usize,
    stood: Standing,
    call: Option<Call>,
}

/// A call that was made.
#[derive(Clone)]
enum Call {
    /// Of an action of the workspace, with its inputs, and the way that it went.
    Action(Arc<Request>, Value, Option<Arc<str>>),
    /// Of a provider of actions: what it was told, but for the name of the attempt; and the way that it went.
    Provider(Name, Json, Option<Arc<str>>),
}

impl Another<'_> {
    /// Follows the other way as far as recorded answers lead, to see how bad it is.
    fn go_on(mut self, progress: Progress) -> Result<(), Unplayable> {
        let answers = self.answers();
        for answer in answers.iter().filter(|a| a.number <= self.number && a.call.is_some()) {
            self.used.insert(answer.number);
        }
        let own = self.recording.inputs.get(self.number).cloned().unwrap_or_default();
        if !self.settle(progress, &answers, &own)? {
            return Ok(());
        }
        let parted = self.number;
        for answer in answers.iter().filter(|a| a.number > parted && a.call.is_none()) {
            let Some(events) = self.recording.inputs.get(answer.number) else { break };
            // What an operator asks of providers answers nothing.
            let aside = turn_of(events).is_some_and(|t| matches!(&*t.what, "command:discover" | "command:execute"));
            if !aside && answer.stood != self.state.standing() {
                continue;
            }
            let (progress, was) = feed(self.machine, &self.state, events, answer.number, self.hidden, None)?;
            if self.is_over(was) || !self.settle(progress, &answers, events)? {
                break;
            }
        }
        Ok(())
    }

    fn is_over(&mut self, was: Hidden) -> bool {
        self.tried.not_judged += was.taken;
        was.blind
    }

    /// All recorded answers, in order, with what they answered.
    fn answers(&self) -> Vec<Answer> {
        let mut state = State::default();
        let mut answers = Vec::new();
        let mut calls: Vec<(EffectId, Call)> = Vec::new();
        let mut decided = None;
        for (number, events) in self.recording.inputs.iter().enumerate() {
            let stood = state.standing();
            for event in events.iter() {
                match &event.body {
                    EventBody::Decided(d) => {
                        if let (Some(request), Some(inputs)) = (&d.request, &d.inputs) {
                            decided = Some(Call::Action(request.clone(), inputs.clone(), d.way.clone()));
                        }
                    }
                    EventBody::ActionStarted { effect, .. } => {
                        calls.extend(decided.clone().map(|call| (effect.clone(), call)));
                    }
                    EventBody::Asking(asking) => {
                        let told = serde_json::json!({"context": state.case_in_hand()});
                        calls.push((asking.effect.clone(), Call::Provider(asking.provider.clone(), told, asking.way.clone())));
                    }
                    EventBody::Executing(executing) if executing.attempt.status == ExecutionStatus::Sent => {
                        let attempt = &executing.attempt;
                        let action = attempt.action.split_once('.').map_or("", |(_, action)| action);
                        let told = serde_json::json!({"action_id": action, "context": state.case_in_hand(), "inputs": &*attempt.inputs});
                        calls.push((EffectId(attempt.id.clone()), Call::Provider(executing.provider.clone(), told, executing.way.clone())));
                    }
                    _ => {}
                }
                state.apply(event);
            }
            let Some(turn) = turn_of(events) else { continue };
            if turn.is_of_a_person() {
                answers.push(Answer { number, stood, call: None });
                continue;
            }
            let finished = events.iter().find_map(|e| match &e.body {
                EventBody::ActionFinished(finished) => Some(finished.effect.clone()),
                EventBody::Discovered(discovered) => Some(discovered.effect.clone()),
                EventBody::Executed(executed) => Some(EffectId(executed.attempt.id.clone())),
                _ => None,
            });
            let call = finished.and_then(|f| calls.iter().find(|(effect, _)| *effect == f));
            answers.extend(call.map(|(_, call)| Answer { number, stood, call: Some(call.clone()) }));
        }
        answers
    }

    /// Gives each call the result of the same call, and time what it waits for. Whether somebody is waited for then.
    fn settle(&mut self, progress: Progress, answers: &[Answer], of: &Arc<[Event]>) -> Result<bool, Unplayable> {
        let mut next = Some((progress, of.clone()));
        let mut asked: VecDeque<Box<CallEffect>> = VecDeque::new();
        for _ in 0..FOLLOW {
            let Some((mut progress, of)) = next.take() else { break };
            self.state = std::mem::take(&mut progress.state);
            self.judge(&of, &progress);
            asked.extend(progress.effects.into_iter().map(|Effect::Call(call)| call));
            if let Some(call) = asked.pop_front() {
                let Some(answer) = answers.iter().find(|a| !self.used.contains(&a.number) && is_same_call(a, &call)) else {
                    let shown = serde_json::json!({"action": call.request.action.to_string(), "inputs": &*call.shown});
                    self.found(Class::NewCall, "call", Json::Null, shown);
                    return Ok(false);
                };
                self.used.insert(answer.number);
                let Some(events) = self.recording.inputs.get(answer.number) else { return Ok(false) };
                let (progress, was) = feed(self.machine, &self.state, events, answer.number, self.hidden, Some(call.id))?;
                if self.is_over(was) {
                    return Ok(false);
                }
                next = Some((progress, events.clone()));
                continue;
            }
            let retry = self.state.pending().find_map(|p| p.retry_at);
            if let Some(at) = retry {
                let (progress, was) = give(self.machine, &self.state, &at_time(&of, at), InputBody::Wake, self.hidden);
                if self.is_over(was) || progress.events.is_empty() {
                    return Ok(false);
                }
                next = Some((progress, of));
            }
        }
        Ok(true)
    }

    fn found(&mut self, class: Class, field: &str, old: Json, new: Json) {
        let difference = Difference { step: place(&self.state), field: field.into(), old, new, ..self.difference.clone() };
        self.tried.find(class, difference);
    }

    /// Looks for what is worse than another way.
    fn judge(&mut self, recorded: &[Event], progress: &Progress) {
        let decided = |action: &str, how: Decision| {
            self.recording.events().filter_map(verdict).any(|(a, verdict)| a == action && verdict.decision == how)
        };
        // A command whose action is not allowed is refused by that, not beside it.
        let barred = progress.events.iter().any(|e| verdict(e).is_some_and(|(_, verdict)| verdict.decision == Decision::Deny));
        let mut worse: Vec<(Class, &str, Json)> = Vec::new();
        for event in &progress.events {
            if let Some((action, verdict)) = verdict(event)
                && verdict.decision != Decision::Allow
                && (decided(&action, Decision::Allow) || !decided(&action, verdict.decision))
            {
                let code = verdict.code().cloned().unwrap_or_else(|| "hold".into());
                worse.push((Class::GateRefused, "verdict", serde_json::json!({"action": action, "code": code})));
            }
            match &event.body {
                EventBody::Fault { code, text } if !has(recorded, |b| matches!(b, EventBody::Fault { code: c, .. } if c == code)) => {
                    worse.push((Class::WouldFail, "fault", serde_json::json!({"code": code, "text": text})));
                }
                EventBody::Refused { code } if !barred && !has(recorded, |b| matches!(b, EventBody::Refused { .. })) => {
                    worse.push((Class::WouldFail, "refused", Json::from(&**code)));
                }
                EventBody::Escalated(to) if !self.recording.events().any(|e| matches!(e.body, EventBody::Escalated(_))) => {
                    worse.push((Class::WouldFail, "escalated", Json::from(to.reason.as_deref().unwrap_or("to a person"))));
                }
                _ => {}
            }
        }
        if progress.events.is_empty()
            && let Some(refusal) = &progress.answer.refused
        {
            worse.push((Class::WouldFail, "refused", Json::from(&*refusal.code)));
        }
        for (class, field, new) in worse {
            self.found(class, field, Json::Null, new);
        }
    }
}

fn has(events: &[Event], is: impl Fn(&EventBody) -> bool) -> bool {
    events.iter().any(|e| is(&e.body))
}

/// What was decided on an action of the workspace, or of a provider.
fn verdict(event: &Event) -> Option<(String, &Verdict)> {
    match &event.body {
        EventBody::Decided(decided) => Some((decided.action.to_string(), &decided.verdict)),
        // A no of the user's is no verdict.
        EventBody::Executing(executing) if executing.attempt.status != ExecutionStatus::Declined => {
            Some((executing.attempt.action.to_string(), &executing.verdict))
        }
        _ => None,
    }
}

/// A result goes to the same action with the same request and the same inputs, as far as they may be shown, sent the same way; a
/// provider's to the same provider, told the same.
fn is_same_call(answer: &Answer, call: &CallEffect) -> bool {
    let integration = &call.action.integration;
    let is_same_way = |way: &Option<Arc<str>>| way.as_ref().is_none_or(|w| *w == way_of(integration));
    let (recorded, given) = match (&answer.call, integration.kind) {
        (Some(Call::Provider(provider, told, way)), IntegrationType::Provider) => {
            return *provider == integration.slug.name && *told == told_of(&call.request) && is_same_way(way);
        }
        (Some(Call::Action(recorded, given, way)), _) if is_same_way(way) => (recorded, given),
        (Some(Call::Action(..) | Call::Provider(..)) | None, _) => return false,
    };
    let request = &*call.request;
    let plain = |r: &Request| Request { idempotency_key: None, ..r.clone() };
    let (mut recorded, mut request) = (plain(recorded), plain(request));
    if recorded.sensitive && request.sensitive {
        let shown = |r: Request| Request { path: "".into(), query: Vec::new(), headers: Vec::new(), body: None, ..r };
        (recorded, request) = (shown(recorded), shown(request));
    }
    recorded == request && crate::engine::shown(given) == *call.shown
}

/// What a provider is told, but for the name of the attempt, which only the keys of an installation give.
fn told_of(request: &Request) -> Json {
    let mut told: Json = request.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    if let Some(map) = told.as_object_mut() {
        map.remove("execution_id");
    }
    told
}

/// The events of an input, as if they had come at that time.
fn at_time(events: &Arc<[Event]>, at: jiff::Timestamp) -> Arc<[Event]> {
    let first = events.first().map(|e| Event { at, ..redacted(e) });
    first.into_iter().collect()
}
