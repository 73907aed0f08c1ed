//! A recording as a test: the same inputs, the answers of the services as stubs, and what came of it as what is expected.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, json};

use super::input::shown;
use super::redacted;
use crate::engine::event::TurnBegun;
use crate::engine::{Actor, CallFailure, CallResult, Case, Claim, Event, EventBody, ExecutionStatus, State, Status, audit};
use crate::model::{Datapoint, ErrorKind, Workspace};
use crate::understand::{Locale, normalise};
use crate::value::{Json, Name};

/// What a sensitive value is shown as.
const REDACTED: &str = "[redacted]";
/// Bytes of what is said around something hidden, to be held as a pattern.
const PATTERN: usize = 8 * 1024;
/// How long a turn lasts where no workspace says so.
const TURN_MS: u64 = 30_000;
/// The shortest time that is waited for.
const MOMENT_MS: i64 = 1_000;
/// Values that stand in for such as may not be shown, tried in this order.
const STAND_INS: [&str; 16] = [
    "someone@example.com",
    "19122",
    "4111111111111111",
    "1990-01-05",
    "+491701234567",
    "1234",
    "123456",
    "A1",
    "A1234",
    "AB12",
    "1",
    "true",
    "Jane Doe",
    "https://example.com",
    "12.50",
    "en",
];

/// A test, and what of the conversation could not be put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The document.
    pub text: String,
    /// What has to be seen to by hand, one sentence each.
    pub notes: Vec<String>,
}

/// The test that plays these events again. `answers`: with what was asked of the services and what they said.
#[must_use]
pub fn convert(name: &str, events: &[Event], workspace: Option<&Workspace>, answers: bool) -> Converted {
    let mut making = Making {
        answers,
        workspace,
        context: None,
        now: None,
        moment: None,
        began: None,
        waits: VecDeque::new(),
        stubs: BTreeMap::new(),
        talk: Vec::new(),
        before: 0,
        decided: None,
        taken: 0,
        stands: None,
        whole: matches!(events.first().map(|e| e.body.plain()), Some(EventBody::Opened(_))),
        notes: Vec::new(),
        since: Since::default(),
        state: State::default(),
    };
    let mut rest = events;
    while let Some((first, others)) = rest.split_first() {
        let len = others.iter().position(|e| matches!(e.body, EventBody::Turn(_) | EventBody::Opened(_))).unwrap_or(others.len());
        let (own, later) = others.split_at(len);
        making.input(first, own);
        rest = later;
    }
    making.expect();
    making.written(name)
}

/// What happened since the last expectation.
#[derive(Default)]
struct Since {
    said: Vec<Arc<str>>,
    calls: Vec<Json>,
    outcome: Option<Arc<str>>,
    refused: Option<Arc<str>>,
    denied: Option<Arc<str>>,
    /// Lines of the audit.
    audit: Vec<String>,
    /// Whether a provider of actions did something to the case.
    reflected: bool,
    /// Whether anything was done at all.
    any: bool,
    /// Whether what was done is left out.
    unsaid: bool,
}

struct Making<'w> {
    answers: bool,
    workspace: Option<&'w Workspace>,
    context: Option<Json>,
    now: Option<Timestamp>,
    /// Where the clock of the test stands.
    moment: Option<Timestamp>,
    /// When somebody, or time, last set anything going.
    began: Option<Timestamp>,
    /// Messages that wait for what is under way.
    waits: VecDeque<Arc<str>>,
    stubs: BTreeMap<String, Vec<Json>>,
    talk: Vec<(&'static str, Json)>,
    /// How long the talk was before the input at hand.
    before: usize,
    /// The call that was decided on last.
    decided: Option<Json>,
    /// How often it may have taken of a rate, or a key.
    taken: u32,
    /// The phase of what is asked, with its options, as far as that is known.
    stands: Option<(&'static str, Option<Vec<Json>>)>,
    /// Whether all events are there, not only the transcript.
    whole: bool,
    notes: Vec<String>,
    since: Since,
    state: State,
}

impl Making<'_> {
    fn input(&mut self, first: &Event, events: &[Event]) {
        let first = &redacted(first);
        if let EventBody::Turn(turn) = &first.body {
            self.unsayable(turn);
        }
        match &first.body {
            EventBody::Opened(open) => {
                self.now = Some(first.at);
                self.moment = Some(first.at);
                let mut user = self.context_of(&open.user, events);
                if user.pointer("/identity/user_id").is_none() && !open.user_id.is_empty() && &*open.user_id != "user" {
                    let mut map = user.as_object_mut().map(std::mem::take).unwrap_or_default();
                    let identity = map.entry("identity").or_insert_with(|| json!({}));
                    if let Some(identity) = identity.as_object_mut() {
                        identity.insert("user_id".into(), Json::from(&*open.user_id));
                    }
                    user = Json::Object(map);
                }
                self.context = Some(user).filter(|u| u.as_object().is_some_and(|m| !m.is_empty()));
            }
            EventBody::Turn(turn) if !turn.sensitive && events.iter().any(|e| matches!(e.body.plain(), EventBody::Queued(_))) => {
                // It waited for what was under way: in a test it is said when that is done.
                self.waits.push_back(turn.text.clone().unwrap_or_default());
            }
            EventBody::Turn(turn) if turn.is_of_a_person() => {
                self.expect();
                self.wait(first.at);
                self.before = self.talk.len();
                self.began = Some(first.at);
                self.sent(turn, events);
                self.since.any = true;
                self.since.unsaid |= self.talk.len() == self.before;
                if self.state.place().is_none() {
                    // What the agent can do is offered once.
                    self.stands = None;
                }
            }
            EventBody::Turn(turn) if &*turn.what == "wake" && !self.is_retried(first.at) => {
                // Nobody brings it but the clock.
                self.expect();
                self.wait(first.at);
                self.began = Some(first.at);
                self.since.any = true;
            }
            EventBody::Turn(turn) => self.answered(turn, events),
            _ => {}
        }
        self.state.apply(first);
        for event in events {
            let event = redacted(event);
            self.happened(&event);
            self.state.apply(&event);
            let lines = audit(std::slice::from_ref(&event)).into_iter().flat_map(|entry| entry.lines);
            self.since.audit.extend(lines.filter(|l| matches!(&*l.kind, "escalate" | "execution" | "effect")).map(|l| l.text()));
        }
    }

    /// What came from outside of the conversation, which a test cannot say.
    fn unsayable(&mut self, turn: &TurnBegun) {
        if &*turn.what == "unsealed" {
            self.notes.push("the keys of its sensitive values were gone: what came of that is nothing for a test".into());
        }
        let by_others = |claim: &Claim| match claim {
            Claim::Rate { max, .. } => self.taken < *max,
            Claim::Key { .. } => self.taken == 0,
            Claim::Message { .. } | Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } | Claim::Other { .. } => {
                false
            }
        };
        if turn.brought.refused.iter().any(|r| by_others(&r.claim)) {
            self.notes.push("something was refused for what other conversations had done: in a test there are none".into());
        }
    }

    /// What a provider of actions answered.
    fn answered(&mut self, turn: &TurnBegun, events: &[Event]) {
        let asked = events.iter().find_map(|e| match &e.body {
            EventBody::Discovered(discovered) => Some((format!("{}.discover", discovered.provider), discovered.result())),
            EventBody::Executed(executed) => Some((executed.attempt.action.to_string(), None)),
            _ => None,
        });
        let Some((action, told)) = asked else { return };
        match turn.brought.late.as_deref().map(|(_, result)| result.clone()).or(told) {
            Some(result) => self.stubs.entry(action).or_default().push(stub(&result, false)),
            None => self.notes.push(format!("what `{action}` answered was not kept: write its stub")),
        }
    }

    /// Whether an action in flight is tried again by itself, as long as a turn lasts.
    fn is_retried(&self, at: Timestamp) -> bool {
        let turn = self.workspace.map_or(TURN_MS, |w| w.settings.limits.turn_ms);
        let passed = self.began.map_or(0, |began| at.as_millisecond() - began.as_millisecond());
        self.state.pending().next().is_some() && u64::try_from(passed).is_ok_and(|passed| passed <= turn)
    }

    /// Whether an operator is who acts at last.
    fn is_of_an_operator(&self) -> bool {
        self.talk.get(self.before).is_some_and(|(who, _)| *who == "operator")
    }

    fn wait(&mut self, at: Timestamp) {
        let Some(moment) = self.moment else { return };
        let passed = at.as_millisecond() - moment.as_millisecond();
        if passed >= MOMENT_MS {
            self.talk.push(("wait", Json::from(format!("{passed}ms"))));
            self.moment = Some(at);
        }
    }

    fn sent(&mut self, turn: &TurnBegun, events: &[Event]) {
        let who = match turn.actor {
            Actor::User => "user",
            Actor::Operator => "operator",
            Actor::Runtime if turn.what.ends_with(":reject") => "user",
            Actor::Runtime if matches!(&*turn.what, "command:discover" | "command:execute") => "host",
            Actor::System => "decision",
            Actor::Agent | Actor::Admin | Actor::Runtime => "agent",
        };
        if let Some(text) = &turn.text {
            let filled: Vec<(Name, Json)> = events.iter().filter_map(filled).collect();
            match (turn.sensitive, filled.is_empty()) {
                (false, _) => self.talk.push(("user", Json::from(&**text))),
                (true, true) => {
                    self.notes.push("a message was not kept, and nothing was filled by it: write one in the place of `[redacted]`".into());
                    self.talk.push(("user", REDACTED.into()));
                }
                (true, false) => {
                    let values = filled.into_iter().map(|(name, value)| (name.to_string(), self.stand_in(&name, value)));
                    let values = Json::Object(values.collect());
                    self.talk.push(("user", json!({ "fill": values })));
                }
            }
            return;
        }
        let refused = events.iter().find_map(|e| if let EventBody::Refused { code } = &e.body { Some(&**code) } else { None });
        let Some(name) = turn.what.strip_prefix("command:").filter(|_| refused != Some("stale")) else {
            self.notes.push("an answer to a question that stood no more is left out".into());
            return;
        };
        let with = turn.brought.with.as_ref().map(shown);
        if matches!(name, "context" | "identified") {
            return self.said_by_host(name, with, events);
        }
        if let Some(unknown) = self.unknown(name, with.as_ref()) {
            self.notes.push(format!("a `{name}` of `{unknown}`, which there is not, is left out"));
            return;
        }
        let argument = match (name, with) {
            ("start", Some(with)) => self.started(&with, turn, events),
            ("fill" | "correct" | "change", Some(Json::Object(values))) => {
                Json::Object(values.into_iter().map(|(k, v)| (k.clone(), self.given(&Name::new(&k), v, turn, events))).collect())
            }
            ("choose" | "finding" | "say" | "handoff" | "execute", Some(with)) => with,
            ("read", Some(with)) => json!({ "action": with.get("action"), "inputs": with.get("inputs") }),
            // Ids are others each time: one that waits is meant without, and one that does not is unknown again.
            ("approve" | "refuse", Some(with)) if refused == Some("unknown_hold") => json!({"hold": with.get("hold")}),
            ("approve" | "refuse", Some(with)) => with.get("note").filter(|n| !n.is_null()).cloned().unwrap_or(json!({})),
            _ => json!({}),
        };
        let mut command = Map::from_iter([(name.to_owned(), argument)]);
        if who == "operator" {
            let id = if turn.by.is_empty() { "operator" } else { &*turn.by };
            command.insert("id".into(), id.into());
            command.insert("roles".into(), json!(turn.brought.roles));
        }
        self.talk.push((who, Json::Object(command)));
    }

    /// What a host says of the user later on. What its key had no scope for changed nothing.
    fn said_by_host(&mut self, name: &str, with: Option<Json>, events: &[Event]) {
        let context = events.iter().find_map(|e| if let EventBody::Context { user } = &e.body { Some(user) } else { None });
        let word = match context {
            Some(user) => Some(self.context_of(user, events)),
            None => with.filter(|_| self.answers && name == "identified" && !is_refused(events, "forbidden")),
        };
        match word {
            Some(word) => self.talk.push(("host", json!({ name: word }))),
            None => self.notes.push(format!("a `{name}` that was refused, or is not for everybody, is left out")),
        }
    }

    /// What a host said of the user, with the case beside it for those who may see it.
    fn context_of(&self, user: &Json, events: &[Event]) -> Json {
        let mut user = user.clone();
        // What is said of an identity is found beside it, too; what else stands there is not for everybody.
        let identity = user.get("identity").cloned().unwrap_or_default();
        if let Some(map) = user.as_object_mut() {
            let named = |key: &str| matches!(key, "identity" | "preferences" | "entitlements" | "customAttributes");
            map.retain(|key, value| named(key) || self.answers && identity.get(key) != Some(value));
        }
        let case = events.iter().find_map(|e| if let EventBody::Case(case) = &e.body { Some(case.json()) } else { None });
        if let Some(case) = case.filter(|_| self.answers) {
            let mut map = user.as_object_mut().map(std::mem::take).unwrap_or_default();
            map.insert("case".into(), case);
            user = Json::Object(map);
        }
        user
    }

    /// What a command names, if the workspace does not have it: a test cannot name it.
    fn unknown(&self, command: &str, with: Option<&Json>) -> Option<String> {
        let key = match command {
            "start" => "journey",
            "read" | "execute" => "action",
            _ => return None,
        };
        let named = with?.get(key)?.as_str()?;
        let known = self.workspace.is_none_or(|w| {
            let provider = || named.split_once('.').and_then(|(name, _)| w.integrations.get(&Name::new(name)));
            match command {
                "start" => w.journey(named).is_some(),
                _ => w.action(named).is_some() || provider().is_some_and(|i| i.provider.is_some()),
            }
        });
        (!known).then(|| named.to_owned())
    }

    fn started(&mut self, with: &Json, turn: &TurnBegun, events: &[Event]) -> Json {
        let journey = with.get("journey").cloned().unwrap_or_default();
        match with.get("variables").and_then(Json::as_object) {
            Some(variables) if !variables.is_empty() => {
                let values = variables.iter().map(|(k, v)| (k.clone(), self.given(&Name::new(k), v.clone(), turn, events)));
                json!({"journey": journey, "variables": Json::Object(values.collect())})
            }
            _ => journey,
        }
    }

    /// A value that a command gives; in the place of one that is not shown, one that the field takes if it took that.
    fn given(&mut self, name: &Name, value: Json, turn: &TurnBegun, events: &[Event]) -> Json {
        let takes = |e: &Event| match e.body.plain() {
            EventBody::Filled(filled) => filled.name == *name,
            EventBody::Began(began) => began.with.iter().any(|(given, _)| given == name),
            _ => false,
        };
        let fits = events.iter().any(takes) || turn.brought.judged.iter().any(|j| j.keeps(name));
        let field = self.workspace.and_then(|w| Some((w, w.datapoints.get(name)?)));
        match field.filter(|_| !fits && value.as_str() == Some(REDACTED)) {
            Some((workspace, datapoint)) => unfit(datapoint, workspace).unwrap_or_else(|| self.stand_in(name, value)),
            None => self.stand_in(name, value),
        }
    }

    /// A value that a field takes, in the place of one that is not shown.
    fn stand_in(&mut self, name: &Name, value: Json) -> Json {
        if value.as_str() != Some(REDACTED) {
            return value;
        }
        let field = self.workspace.and_then(|w| Some((w, w.datapoints.get(name)?)));
        let found = field.and_then(|(workspace, datapoint)| valid(datapoint, workspace));
        found.unwrap_or_else(|| {
            self.notes.push(format!("the value of `{name}` was not kept: write one in the place of `[redacted]`"));
            value
        })
    }

    /// What is asked from here on.
    fn asks(&mut self, event: &Event) {
        let ids = |options: &mut dyn Iterator<Item = &crate::engine::answer::AnswerOption>| -> Vec<Json> {
            options.map(|option| Json::from(&*option.id)).collect()
        };
        self.stands = match &event.body {
            EventBody::Asked { .. } => Some(("collect", None)),
            EventBody::Question(_) => Some(("confirm", None)),
            EventBody::Instructed { .. } => Some(("guide", None)),
            EventBody::Investigating { .. } => Some(("investigate", None)),
            EventBody::Held(_) => Some(("hold", None)),
            EventBody::Options { options, written } => Some(("choice", Some(ids(&mut written.iter().flatten().chain(options))))),
            EventBody::Offered { options } if self.state.place().is_none() => Some(("choice", Some(ids(&mut options.iter())))),
            EventBody::Picked(picked) if picked.asks.is_some() => Some(("collect", None)),
            EventBody::Picked(_)
            | EventBody::Entered { .. }
            | EventBody::Began(_)
            | EventBody::Ended(_)
            | EventBody::Paused
            | EventBody::Resumed
            | EventBody::HoldEnded(_)
            | EventBody::Escalated(_)
            | EventBody::HandedBack
            | EventBody::Identifying
            | EventBody::Lost(_) => None,
            _ => return,
        };
    }

    fn happened(&mut self, event: &Event) {
        self.asks(event);
        self.taken += u32::from(matches!(&event.body, EventBody::Decided(_) | EventBody::VerifyTried));
        match &event.body {
            EventBody::Said { text, redacted } => self.since.said.push(redacted.as_ref().unwrap_or(text).clone()),
            EventBody::Question(question) => {
                let text = question.redacted.as_ref().unwrap_or(&question.text);
                self.since.said.push(text.clone());
            }
            EventBody::Decided(decided) => {
                if let Some(inputs) = decided.inputs.as_ref().filter(|_| decided.request.is_some()) {
                    self.decided = Some(call(&decided.action.to_string(), &shown(inputs)));
                }
            }
            // Each attempt is a call.
            EventBody::ActionStarted { .. } | EventBody::Replayed(_) => self.since.calls.extend(self.decided.clone()),
            EventBody::ActionFinished(finished) => {
                if finished.dropped && matches!(finished.result, CallResult::Answered(_)) {
                    self.notes.push(format!("what `{}` answered was not kept: write the body of its stub", finished.action));
                }
                let reads = |w: &Workspace| {
                    let action = w.action(&finished.action);
                    action
                        .is_some_and(|a| a.outcomes.iter().filter_map(|o| o.condition.as_ref()).any(|c| c.text().value.contains("headers")))
                };
                let answer = stub(&finished.result, self.workspace.is_some_and(reads));
                self.stubs.entry(finished.action.to_string()).or_default().push(answer);
            }
            EventBody::Dequeued => {
                if let Some(text) = self.waits.pop_front() {
                    self.expect();
                    self.before = self.talk.len();
                    self.talk.push(("user", Json::from(&*text)));
                    self.since.any = true;
                }
            }
            EventBody::Asking(asking) => {
                let told = json!({"context": self.told()});
                self.since.calls.push(call(&format!("{}.discover", asking.provider), &told));
            }
            EventBody::Executing(executing) if executing.attempt.status == ExecutionStatus::Sent => {
                self.since.calls.push(call(&executing.attempt.action, &executing.attempt.inputs));
            }
            EventBody::Executed(executed) => self.since.reflected |= !executed.attempt.effects.is_empty(),
            // In a test the user and the agent have one channel, on which every question was shown.
            EventBody::Noted { text } if text.ends_with("was not shown to: it is put again") && !self.is_of_an_operator() => {
                self.talk.truncate(self.before);
                self.since.unsaid = true;
            }
            EventBody::Ended(ended) => self.since.outcome = Some(ended.outcome.clone()),
            EventBody::Refused { code } => self.since.refused = Some(code.clone()),
            EventBody::Failed { kind: ErrorKind::Denied | ErrorKind::RateLimited | ErrorKind::Busy, code, .. } => {
                self.since.denied = Some(code.clone().unwrap_or_else(|| "denied".into()));
            }
            _ => {}
        }
    }

    /// What a provider is told, but for what is another in each conversation.
    fn told(&self) -> Json {
        let mut told = self.state.case_in_hand();
        for (part, key) in [("ticket", "id"), ("conversation", "id"), ("conversation", "agent")] {
            told.get_mut(part).and_then(Json::as_object_mut).and_then(|map| map.remove(key));
        }
        told.as_object_mut().and_then(|map| map.remove("user"));
        told
    }

    /// What was said and done since is what is expected.
    fn expect(&mut self) {
        let since = std::mem::take(&mut self.since);
        if !since.any || since.unsaid {
            return;
        }
        let mut expected = Map::new();
        // All that is said, word for word; where something may not be shown, the words around it.
        let said = since.said.join("\n");
        if said.contains(REDACTED) && said.len() <= PATTERN {
            let around = regex::escape(&said).replace(&regex::escape(REDACTED), ".*");
            expected.insert("says".into(), json!({ "matches": format!(r"(?s)^\s*{around}\s*$") }));
        } else if said.contains(REDACTED) {
            expected
                .insert("says".into(), since.said.iter().filter(|text| !text.contains(REDACTED)).map(|text| Json::from(&**text)).collect());
        } else if !said.is_empty() {
            expected.insert("says".into(), json!({ "is": said }));
        }
        if let Some(code) = since.refused {
            expected.insert("refused".into(), json!(code));
        } else if self.whole {
            expected.insert("status".into(), serde_json::to_value(self.state.status()).unwrap_or_default());
            if let Some((phase, options)) = self.stands.as_ref().filter(|_| self.state.status() == Status::Active) {
                expected.insert("phase".into(), json!(phase));
                expected.extend(options.iter().map(|options| ("options".to_owned(), json!(options))));
            }
        }
        if let Some(outcome) = since.outcome {
            expected.insert("outcome".into(), json!(outcome));
        }
        if let Some(code) = since.denied {
            expected.insert("denied".into(), json!(code));
        }
        if self.answers {
            expected.insert("calls".into(), Json::from(since.calls));
            if !since.audit.is_empty() {
                expected.insert("audit".into(), json!(since.audit));
            }
            if let Some(mut case) = self.state.case().filter(|_| since.reflected).map(Case::json) {
                // It may be named after the conversation.
                case.as_object_mut().and_then(|map| map.remove("id"));
                expected.insert("case".into(), case);
            }
        }
        self.talk.push(("expect", Json::Object(expected)));
    }

    fn written(self, name: &str) -> Converted {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "# {note}");
        }
        let _ = writeln!(text, "name: {}", Json::from(name));
        if let Some(now) = &self.now {
            let _ = writeln!(text, "now: {now}");
        }
        if let Some(context) = &self.context {
            let _ = writeln!(text, "context: {context}");
        }
        if self.answers {
            text.push_str("strict: true\n");
        }
        if self.answers && !self.stubs.is_empty() {
            text.push_str("stubs:\n");
            for (action, answers) in &self.stubs {
                let _ = writeln!(text, "  {action}:");
                for answer in answers {
                    let _ = writeln!(text, "    - {answer}");
                }
            }
        } else if self.answers {
            text.push_str("stubs: {}\n");
        }
        text.push_str(if self.talk.is_empty() { "talk: []\n" } else { "talk:\n" });
        for (who, what) in &self.talk {
            let _ = writeln!(text, "  - {who}: {what}");
        }
        Converted { text, notes: self.notes }
    }
}

fn is_refused(events: &[Event], code: &str) -> bool {
    events.iter().any(|e| matches!(&e.body, EventBody::Refused { code: c } if **c == *code))
}

fn filled(event: &Event) -> Option<(Name, Json)> {
    match &redacted(event).body {
        EventBody::Filled(filled) => Some((filled.name.clone(), (*filled.value.json).clone())),
        _ => None,
    }
}

/// A call with its inputs, but for those that are not shown.
fn call(action: &str, inputs: &Json) -> Json {
    let mut inputs = inputs.clone();
    strip(&mut inputs);
    let mut call = Map::new();
    call.insert(action.to_owned(), inputs);
    Json::Object(call)
}

fn strip(json: &mut Json) {
    if let Json::Object(map) = json {
        map.retain(|_, v| v.as_str() != Some(REDACTED) && !v.to_string().contains(REDACTED));
    }
}

/// A stub that answers so. `headers`: whether anybody reads them.
fn stub(result: &CallResult, headers: bool) -> Json {
    match result {
        CallResult::Answered(answer) if answer.invalid_json => json!({"status": answer.status, "fault": "garbage"}),
        CallResult::Answered(answer) => {
            let mut stub = json!({"status": answer.status, "body": &*answer.body});
            let kept = answer.headers.iter().filter(|(name, _)| headers || name.eq_ignore_ascii_case("retry-after"));
            let kept: Map<String, Json> = kept.map(|(name, value)| (name.to_string(), Json::from(&**value))).collect();
            if let (false, Some(map)) = (kept.is_empty(), stub.as_object_mut()) {
                map.insert("headers".into(), Json::Object(kept));
            }
            stub
        }
        CallResult::Failed(failure) => json!({"fault": fault(failure)}),
    }
}

/// The fault of a stub that comes nearest.
fn fault(failure: &CallFailure) -> &'static str {
    match (failure.sent, &*failure.code) {
        (false, _) => "connect",
        (true, "cut") => "cut",
        (true, _) => "timeout",
    }
}

/// A value that a field takes.
fn valid(datapoint: &Datapoint, workspace: &Workspace) -> Option<Json> {
    stand_in(datapoint, workspace, true)
}

/// A value that a field does not take.
fn unfit(datapoint: &Datapoint, workspace: &Workspace) -> Option<Json> {
    stand_in(datapoint, workspace, false)
}

fn stand_in(datapoint: &Datapoint, workspace: &Workspace, fits: bool) -> Option<Json> {
    let locale = Locale::new(&workspace.settings);
    let mut values = STAND_INS.iter().map(|text| Json::from(*text));
    values.find(|json| normalise(datapoint, json, &locale, Timestamp::UNIX_EPOCH).is_ok() == fits)
}
