//! A recording as a test: the same inputs, the answers of the services as stubs, and what came of it as what is expected.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, json};

use super::input::shown;
use super::redacted;
use crate::engine::event::TurnBegun;
use crate::engine::{Actor, CallFailure, CallResult, Event, EventBody, State};
use crate::model::{Datapoint, ErrorKind, Workspace};
use crate::understand::{Locale, normalise};
use crate::value::{Json, Name};

/// What a sensitive value is shown as.
const REDACTED: &str = "[redacted]";
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
        stubs: BTreeMap::new(),
        talk: Vec::new(),
        before: 0,
        decided: None,
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
    stubs: BTreeMap<String, Vec<Json>>,
    talk: Vec<(&'static str, Json)>,
    /// How long the talk was before the input at hand.
    before: usize,
    /// The call that was decided on last.
    decided: Option<Json>,
    notes: Vec<String>,
    since: Since,
    state: State,
}

impl Making<'_> {
    fn input(&mut self, first: &Event, events: &[Event]) {
        let first = &redacted(first);
        match &first.body {
            EventBody::Opened(open) => {
                self.now = Some(first.at);
                self.moment = Some(first.at);
                let mut user = (*open.user).clone();
                if let Some(map) = user.as_object_mut() {
                    map.retain(|key, _| matches!(key.as_str(), "identity" | "preferences" | "entitlements" | "customAttributes"));
                }
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
            EventBody::Turn(turn) if turn.is_of_a_person() => {
                self.expect();
                self.wait(first.at);
                self.before = self.talk.len();
                self.sent(turn, events);
                self.since.any = true;
            }
            EventBody::Turn(turn) if &*turn.what == "wake" && !self.is_retried() => {
                // Nobody brings it but the clock.
                self.expect();
                self.wait(first.at);
                self.since.any = true;
            }
            _ => {}
        }
        self.state.apply(first);
        for event in events {
            let event = redacted(event);
            self.happened(&event);
            self.state.apply(&event);
        }
    }

    /// Whether an action in flight is tried again by itself.
    fn is_retried(&self) -> bool {
        self.state.pending().next().is_some()
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
            Actor::Agent | Actor::Admin | Actor::Runtime | Actor::System => "agent",
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
        let Some(name) = turn.what.strip_prefix("command:") else { return };
        let with = turn.brought.with.as_ref().map(shown);
        let argument = match (name, with) {
            ("start", Some(with)) => self.started(&with),
            ("fill" | "correct" | "change", Some(Json::Object(values))) => {
                Json::Object(values.into_iter().map(|(k, v)| (k.clone(), self.stand_in(&Name::new(&k), v))).collect())
            }
            ("choose" | "finding" | "say" | "handoff", Some(with)) => with,
            ("read", Some(with)) => json!({ "action": with.get("action"), "inputs": with.get("inputs") }),
            ("approve" | "refuse", Some(with)) => with.get("note").filter(|n| !n.is_null()).cloned().unwrap_or(json!({})),
            ("context" | "identified", _) => {
                self.notes.push(format!("`{name}` cannot be said in a test: it is left out"));
                return;
            }
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

    fn started(&mut self, with: &Json) -> Json {
        let journey = with.get("journey").cloned().unwrap_or_default();
        match with.get("variables").and_then(Json::as_object) {
            Some(variables) if !variables.is_empty() => {
                let values = variables.iter().map(|(k, v)| (k.clone(), self.stand_in(&Name::new(k), v.clone())));
                json!({"journey": journey, "variables": Json::Object(values.collect())})
            }
            _ => journey,
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

    fn happened(&mut self, event: &Event) {
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
                let answer = match &finished.result {
                    CallResult::Answered(answer) => {
                        let mut stub = json!({"status": answer.status, "body": &*answer.body});
                        if finished.dropped {
                            self.notes.push(format!("what `{}` answered was not kept: write the body of its stub", finished.action));
                        }
                        if let (Some(wait), Some(map)) = (header(answer, "retry-after"), stub.as_object_mut()) {
                            map.insert("headers".into(), json!({"retry-after": wait}));
                        }
                        if answer.invalid_json { json!({"status": answer.status, "fault": "garbage"}) } else { stub }
                    }
                    CallResult::Failed(failure) => json!({"fault": fault(failure)}),
                };
                self.stubs.entry(finished.action.to_string()).or_default().push(answer);
            }
            // A test has one channel, on which every question was shown.
            EventBody::Noted { text } if text.ends_with("was not shown to: it is put again") => {
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

    /// What was said and done since is what is expected.
    fn expect(&mut self) {
        let since = std::mem::take(&mut self.since);
        if !since.any || since.unsaid {
            return;
        }
        let mut expected = Map::new();
        // All that is said, word for word; where something may not be shown, what may.
        let (whole, hidden): (Vec<Arc<str>>, Vec<_>) = since.said.into_iter().partition(|text| !text.contains(REDACTED));
        if hidden.is_empty() && !whole.is_empty() {
            expected.insert("says".into(), json!({ "is": whole.join("\n") }));
        } else if !whole.is_empty() {
            expected.insert("says".into(), json!(whole));
        }
        if let Some(code) = since.refused {
            expected.insert("refused".into(), json!(code));
        } else {
            expected.insert("status".into(), serde_json::to_value(self.state.status()).unwrap_or_default());
        }
        if let Some(outcome) = since.outcome {
            expected.insert("outcome".into(), json!(outcome));
        }
        if let Some(code) = since.denied {
            expected.insert("denied".into(), json!(code));
        }
        if self.answers {
            expected.insert("calls".into(), Json::from(since.calls));
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
        text.push_str("talk:\n");
        for (who, what) in &self.talk {
            let _ = writeln!(text, "  - {who}: {what}");
        }
        Converted { text, notes: self.notes }
    }
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

fn header<'a>(answer: &'a crate::engine::HttpAnswer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
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
    let locale = Locale::new(&workspace.settings);
    STAND_INS.iter().map(|text| Json::from(*text)).find(|json| normalise(datapoint, json, &locale, Timestamp::UNIX_EPOCH).is_ok())
}
