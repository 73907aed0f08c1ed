//! A conversation as a test file: what was said and asked for, how the services answered, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::access::Caller;
use super::{Service, ServiceError};
use crate::engine::event::{Purpose, TurnBegun};
use crate::engine::{Actor, CallResult, Event, EventBody, shown};
use crate::store::Store;
use crate::value::{Json, Value};

/// Events that are read at a time, and in all.
const CHUNK: usize = 1_000;
const EVENTS: usize = 20_000;
/// Less time between two turns than this is none.
const GAP: SignedDuration = SignedDuration::from_secs(60);

impl Service {
    /// A transcript that plays the conversation again; sensitive values hidden, so that such a one has to be filled in.
    pub async fn transcript(&self, caller: &Caller, agent: &str, conversation: &Arc<str>) -> Result<String, ServiceError> {
        let key = self.looked_at(caller, agent, conversation).await?;
        let mut events = Vec::new();
        let mut after = 0;
        while events.len() < EVENTS {
            let page = self.runtime().store().events(&key, after, CHUNK).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            events.extend(page.into_iter().map(|(_, e)| e));
        }
        // What a service answered is not for everybody who may see what was said.
        Ok(written(&events, caller.role.sees_all(), caller.role.actor() == Actor::Agent))
    }
}

/// What is recorded of one conversation.
#[derive(Default)]
struct Recording {
    context: Option<Json>,
    now: Option<Timestamp>,
    stubs: BTreeMap<String, Vec<Json>>,
    talk: Vec<(&'static str, Json)>,
    said: Vec<Json>,
    end: Option<Arc<str>>,
    /// When something last happened.
    last: Timestamp,
    /// How long the talk was before the turn at hand; and whether that turn came to nothing.
    before: usize,
    skipped: bool,
    filled: serde_json::Map<String, Json>,
}

fn written(events: &[Event], with_answers: bool, agent: bool) -> String {
    let mut recording = Recording::default();
    for event in events {
        recording.take(event, agent);
        recording.last = event.at;
    }
    recording.expect();
    let mut out = String::new();
    out.push_str("name: a recorded conversation\n");
    if let Some(now) = &recording.now {
        let _ = writeln!(out, "now: {now}");
    }
    if let Some(context) = &recording.context {
        let _ = writeln!(out, "context: {context}");
    }
    if with_answers && !recording.stubs.is_empty() {
        out.push_str("stubs:\n");
        for (action, answers) in &recording.stubs {
            let _ = writeln!(out, "  {action}: {}", Json::from(answers.clone()));
        }
    }
    out.push_str("talk:\n");
    for (who, what) in &recording.talk {
        let _ = writeln!(out, "  - {who}: {what}");
    }
    out
}

impl Recording {
    fn take(&mut self, event: &Event, agent: bool) {
        match event.body.plain() {
            EventBody::Opened(open) => {
                self.now = Some(event.at);
                let mut user = (*open.user).clone();
                if let Some(map) = user.as_object_mut() {
                    map.retain(|key, _| matches!(key.as_str(), "identity" | "preferences" | "entitlements" | "customAttributes"));
                }
                self.context = Some(user).filter(|u| u.as_object().is_some_and(|m| !m.is_empty()));
            }
            EventBody::Turn(turn) => self.turn(turn, event.at),
            // What was refused changed nothing, and may not be sent again in the form in which it was kept.
            EventBody::Refused { .. } => self.skip(),
            // A transcript has one channel, on which every question was shown.
            EventBody::Noted { text } if text.ends_with("was not shown to: it is put again") => self.skip(),
            EventBody::Entered { via: Some(via), .. } => {
                for (command, prefix) in [("choose", "option:"), ("finding", "finding:")] {
                    if let Some(named) = via.strip_prefix(prefix) {
                        self.argue(command, Json::from(named));
                    }
                }
            }
            EventBody::Began(began) if !began.called => {
                let journey = Json::from(began.journey.as_str());
                self.argue("choose", journey.clone());
                let variables: serde_json::Map<String, Json> = began.with.iter().map(|(n, v)| (n.to_string(), shown(v))).collect();
                self.argue("start", serde_json::json!({"journey": journey, "variables": variables}));
            }
            EventBody::Filled(value) => {
                self.filled.insert(value.name.to_string(), shown(&value.value));
                for command in ["fill", "correct", "change"] {
                    self.argue(command, Json::Object(self.filled.clone()));
                }
            }
            EventBody::Decided(decided) if decided.purpose == Purpose::Read && !decided.again => {
                let inputs = decided.inputs.as_ref().map_or_else(|| serde_json::json!({}), shown);
                self.argue("read", serde_json::json!({decided.action.to_string(): inputs}));
            }
            EventBody::Escalated(escalated) => {
                if let Some(reason) = &escalated.reason {
                    self.argue("handoff", Json::from(&**reason));
                }
            }
            EventBody::HoldEnded(ended) => {
                if let Some(note) = &ended.note {
                    self.argue("approve", Json::from(&**note));
                    self.argue("refuse", Json::from(&**note));
                }
            }
            EventBody::Said { text, redacted } => {
                let text = Json::from(&**redacted.as_ref().unwrap_or(text));
                self.argue("say", text.clone());
                self.say(text);
            }
            EventBody::Question(question) => {
                let text = question.redacted.as_ref().filter(|_| agent || question.redacted.is_some()).unwrap_or(&question.text);
                self.say(Json::from(&**text));
            }
            EventBody::ActionFinished(finished) => {
                let answer = match &finished.result {
                    CallResult::Answered(answer) => {
                        let body = shown(&Value { json: answer.body.clone(), taint: finished.taint.clone() });
                        serde_json::json!({"status": answer.status, "body": body})
                    }
                    CallResult::Failed(failure) => serde_json::json!({"fault": if failure.sent { "timeout" } else { "connect" }}),
                };
                self.stubs.entry(finished.action.to_string()).or_default().push(answer);
            }
            EventBody::Ended(ended) => self.end = Some(ended.outcome.clone()),
            _ => {}
        }
    }

    /// Whoever said or asked for something, or the time that woke the conversation.
    fn turn(&mut self, turn: &TurnBegun, at: Timestamp) {
        if !turn.is_of_a_person() && &*turn.what != "wake" {
            return;
        }
        self.expect();
        self.filled.clear();
        self.skipped = false;
        let gap = at.duration_since(self.last);
        if gap >= GAP && self.now.is_some() {
            self.talk.push(("wait", Json::from(format!("{}ms", gap.as_millis()))));
        }
        self.before = self.talk.len();
        match (&turn.text, turn.what.strip_prefix("command:")) {
            (Some(_), _) if turn.sensitive => self.talk.push(("user", "[redacted]".into())),
            (Some(text), _) => self.talk.push(("user", Json::from(&**text))),
            // What a host says of its user has no place among what is said.
            (None, Some("context" | "identified")) => self.skip(),
            (None, Some(name)) => {
                let mut command = serde_json::json!({name: {}});
                let who = match turn.actor {
                    Actor::User => "user",
                    Actor::Runtime if name == "reject" => "user",
                    Actor::Operator => "operator",
                    Actor::Agent | Actor::Admin | Actor::Runtime | Actor::System => "agent",
                };
                if let (Actor::Operator, false, Some(map)) = (turn.actor, turn.by.is_empty(), command.as_object_mut()) {
                    map.insert("id".into(), Json::from(&*turn.by));
                }
                self.talk.push((who, command));
            }
            (None, None) => {}
        }
    }

    /// Leaves the turn at hand out.
    fn skip(&mut self) {
        self.talk.truncate(self.before);
        self.said.clear();
        self.skipped = true;
    }

    fn say(&mut self, text: Json) {
        if !self.skipped {
            self.said.push(text);
        }
    }

    /// Gives the command at hand what it was sent with.
    fn argue(&mut self, name: &str, with: Json) {
        if let Some((_, command)) = self.talk.get_mut(self.before..).and_then(<[_]>::last_mut)
            && let Some(argument) = command.get_mut(name)
        {
            *argument = with;
        }
    }

    /// What was said since is what is expected.
    fn expect(&mut self) {
        let (said, end) = (std::mem::take(&mut self.said), self.end.take());
        let said: Vec<Json> = said.into_iter().filter(|s| !s.as_str().is_some_and(|t| t.contains("[redacted]"))).collect();
        let mut expected = serde_json::Map::new();
        if !said.is_empty() {
            expected.insert("says".into(), Json::from(said));
        }
        if let Some(end) = end {
            expected.insert("outcome".into(), Json::from(&*end));
        }
        if !expected.is_empty() && !self.talk.is_empty() {
            self.talk.push(("expect", Json::Object(expected)));
        }
    }
}
