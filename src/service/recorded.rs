//! A conversation as a test file: what was said and asked for, how the services answered, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::access::Caller;
use super::{Service, ServiceError};
use crate::engine::{Actor, CallResult, Event, EventBody, shown};
use crate::store::Store;
use crate::value::{Json, Value};

/// Events that are read at a time, and in all.
const CHUNK: usize = 1_000;
const EVENTS: usize = 20_000;

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
    now: Option<String>,
    stubs: BTreeMap<String, Vec<Json>>,
    talk: Vec<(&'static str, Json)>,
    said: Vec<Json>,
    end: Option<Arc<str>>,
}

fn written(events: &[Event], with_answers: bool, agent: bool) -> String {
    let mut recording = Recording::default();
    let mut filled = Vec::new();
    for event in events {
        recording.take(event, &mut filled, agent);
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
    fn take(&mut self, event: &Event, filled: &mut Vec<(String, Json)>, agent: bool) {
        match event.body.plain() {
            EventBody::Opened(open) => {
                self.now = Some(event.at.to_string());
                let mut user = (*open.user).clone();
                if let Some(map) = user.as_object_mut() {
                    map.retain(|key, _| matches!(key.as_str(), "identity" | "preferences" | "entitlements" | "customAttributes"));
                }
                self.context = Some(user).filter(|u| u.as_object().is_some_and(|m| !m.is_empty()));
            }
            EventBody::Turn(turn) if turn.is_of_a_person() => {
                self.expect();
                filled.clear();
                let command = turn.what.strip_prefix("command:");
                match (&turn.text, command) {
                    (Some(_), _) if turn.sensitive => self.talk.push(("user", "[redacted]".into())),
                    (Some(text), _) => self.talk.push(("user", Json::from(&**text))),
                    (None, Some(name)) => {
                        let who = match turn.actor {
                            Actor::User => "user",
                            Actor::Operator => "operator",
                            Actor::Agent | Actor::Admin | Actor::Runtime | Actor::System => "agent",
                        };
                        self.talk.push((who, serde_json::json!({name: {}})));
                    }
                    (None, None) => {}
                }
            }
            EventBody::Entered { via: Some(via), .. } => {
                for (command, prefix) in [("choose", "option:"), ("finding", "finding:")] {
                    if let Some(named) = via.strip_prefix(prefix) {
                        self.argue(command, Json::from(named));
                    }
                }
            }
            EventBody::Began(began) => self.argue("start", Json::from(began.journey.as_str())),
            EventBody::Filled(value) => {
                filled.push((value.name.to_string(), shown(&value.value)));
                let all: serde_json::Map<String, Json> = filled.iter().cloned().collect();
                for command in ["fill", "correct", "change"] {
                    self.argue(command, Json::Object(all.clone()));
                }
            }
            EventBody::Said { text, redacted } => self.said.push(Json::from(&**redacted.as_ref().unwrap_or(text))),
            EventBody::Question(question) => {
                let text = question.redacted.as_ref().filter(|_| agent || question.redacted.is_some()).unwrap_or(&question.text);
                self.said.push(Json::from(&**text));
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

    /// Gives the command at hand what it was sent with.
    fn argue(&mut self, name: &str, with: Json) {
        if let Some((_, command)) = self.talk.last_mut()
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
