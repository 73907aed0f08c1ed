//! Drives a machine by hand: every step folds the events, compares the fold with what was live, and checks that no call was
//! started without a verdict that allows it.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::engine::effect::EffectId;
use waypost::engine::input::Open;
use waypost::engine::{
    Actor, Answer, CallEffect, CallFailure, CallResult, Command, Effect, Event, EventBody, HttpAnswer, Input, InputBody, Keys, Machine,
    Principal, State,
};
use waypost::model::ErrorKind;
use waypost::supervise::Decision;
use waypost::value::Name;

/// What the checker proves is let pass: here the engine has to hold by itself.
const UNPROVED: (&str, &str) =
    ("waypost.yaml", "lints: {WP0501: allow, WP0502: allow, WP0503: allow, WP0504: allow, WP0506: allow, WP0601: allow}");

/// A machine for journeys and integrations written as texts.
pub fn machine(files: &[(&str, &str)]) -> Machine {
    Machine::new(loaded(files), Keys::derive(b"a key for tests"))
}

/// A workspace written as texts.
pub fn loaded(files: &[(&str, &str)]) -> check::Loaded {
    let settings = (!files.iter().any(|(name, _)| *name == UNPROVED.0)).then_some(UNPROVED);
    let files = files.iter().chain(&settings).map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
    let checked = check::load(files);
    let shown: Vec<String> = checked.diagnostics.0.iter().map(|d| format!("{d:?}")).collect();
    checked.loaded().unwrap_or_else(|| panic!("the workspace has errors: {shown:#?}"))
}

/// A conversation.
pub struct Talk {
    pub machine: Arc<Machine>,
    pub state: State,
    pub events: Vec<Event>,
    pub now: Timestamp,
    pub wake_at: Option<Timestamp>,
    pub calls: Vec<CallEffect>,
    pub stubs: VecDeque<CallResult>,
    /// Results are given by hand.
    pub held: bool,
    /// Of every principal.
    pub roles: Vec<Arc<str>>,
    pub answer: Answer,
    /// The fold of the events as they were read back from JSON.
    folded: State,
    n: u64,
}

impl Talk {
    pub fn new(machine: Machine) -> Self {
        Self::with(Arc::new(machine), json!({"identity": {"user_id": "u-1", "name": "Ada"}}))
    }

    pub fn with(machine: Arc<Machine>, user: Json) -> Self {
        let mut talk = Self {
            machine,
            state: State::default(),
            events: Vec::new(),
            now: "2026-01-05T09:00:00Z".parse().unwrap(),
            wake_at: None,
            calls: Vec::new(),
            stubs: VecDeque::new(),
            held: false,
            roles: Vec::new(),
            answer: Answer::default(),
            folded: State::default(),
            n: 0,
        };
        talk.input(
            Actor::User,
            "user",
            None,
            InputBody::Open(Open {
                conversation: "c-1".into(),
                tenant: "t-1".into(),
                agent: "default".into(),
                user_id: "u-1".into(),
                user: Arc::new(user),
            }),
        );
        talk
    }

    /// One input of somebody without roles.
    pub fn input(&mut self, actor: Actor, principal: &str, id: Option<&str>, body: InputBody) -> Answer {
        self.give(actor, Principal { id: principal.into(), roles: self.roles.clone(), scopes: Vec::new() }, id, body)
    }

    /// One input of somebody.
    pub fn input_as(&mut self, actor: Actor, principal: Principal, body: InputBody) -> Answer {
        self.give(actor, principal, None, body)
    }

    /// One input: folded twice, compared, and its verdicts checked.
    fn give(&mut self, actor: Actor, principal: Principal, id: Option<&str>, body: InputBody) -> Answer {
        self.n += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.n.to_be_bytes());
        let input = Input {
            at: self.now,
            actor,
            principal: principal.clone(),
            message_id: id.map(Into::into),
            entropy,
            refused: Vec::new(),
            unaware: false,
            answered: false,
            body,
        };
        let progress = self.machine.handle(&self.state, input);
        let mut allowed = self.events.iter().rev().find_map(decision);
        for event in &progress.events {
            allowed = decision(event).or(allowed);
            if let EventBody::ActionStarted { .. } = event.body {
                assert_eq!(allowed, Some(Decision::Allow), "a call without a verdict that allows it");
                allowed = None;
            }
            let text = serde_json::to_string(event).unwrap();
            let read: Event = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
            assert_eq!(read, *event, "{text}");
            let mut shown = event.clone();
            let taken = shown.take_sensitive();
            assert_eq!(event.is_sensitive(), !taken.is_empty(), "{event:?}");
            assert!(shown.put_back(taken), "{event:?}");
            assert_eq!(shown, *event);
            self.state.apply(event);
            self.folded.apply(&read);
        }
        assert_eq!(self.folded, self.state);
        let text = serde_json::to_string(&self.state).unwrap();
        let read: State = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(read, self.state, "{text}");
        assert_eq!(progress.state, self.state, "the live state is not the fold of its events");
        assert_eq!(progress.answer.at, self.state.moved());
        let present = self.machine.present(&self.state, actor, self.now);
        assert_eq!((present.phase, present.status), (progress.answer.phase, progress.answer.status));
        self.events.extend(progress.events);
        self.wake_at = progress.wake_at;
        let mut messages = progress.answer.messages.clone();
        self.answer = progress.answer;
        for Effect::Call(call) in progress.effects {
            assert!(call.permit.holds(self.now));
            let effect = call.id.clone();
            self.calls.push(*call);
            if self.held {
                continue;
            }
            let result = self.stubs.pop_front().unwrap_or_else(|| panic!("no stub is left for {:?}", self.calls.last()));
            let after = self.give(actor, principal.clone(), None, InputBody::Result(effect, result));
            messages.extend(after.messages);
        }
        self.answer.messages = messages;
        self.answer.clone()
    }

    pub fn user(&mut self, text: &str) -> Answer {
        self.input(Actor::User, "", None, InputBody::Message(text.into()))
    }

    pub fn command(&mut self, actor: Actor, command: Command) -> Answer {
        self.input(actor, "", None, InputBody::Command(command))
    }

    pub fn agent(&mut self, command: Command) -> Answer {
        self.command(Actor::Agent, command)
    }

    /// The result of the last call that was started.
    pub fn land(&mut self, result: CallResult) -> Answer {
        let effect = self.last_effect();
        self.input(Actor::User, "", None, InputBody::Result(effect, result))
    }

    pub fn last_effect(&self) -> EffectId {
        self.calls.last().unwrap().id.clone()
    }

    /// The clock goes on, and the machine is woken if it wanted to be.
    pub fn wait(&mut self, seconds: i64) -> Answer {
        self.now += SignedDuration::from_secs(seconds);
        if self.wake_at.is_some_and(|at| at <= self.now) {
            return self.input(Actor::System, "", None, InputBody::Wake);
        }
        self.answer.clone()
    }

    pub fn stub(&mut self, status: u16, body: Json) -> &mut Self {
        self.stubs.push_back(answered(status, body));
        self
    }

    pub fn variable(&self, name: &str) -> Json {
        let name = Name::new(name);
        self.state.variables().find(|(n, _)| **n == name).map_or(Json::Null, |(_, v)| (*v.json).clone())
    }

    pub fn trace(&self) -> String {
        let lines = waypost::engine::trace(&self.events);
        lines.iter().map(|l| format!("{} {}", l.kind, l.text)).collect::<Vec<_>>().join("\n")
    }
}

fn decision(event: &Event) -> Option<Decision> {
    match &event.body {
        EventBody::Decided(decided) => Some(decided.verdict.decision),
        _ => None,
    }
}

pub fn answered(status: u16, body: Json) -> CallResult {
    CallResult::Answered(HttpAnswer { status, headers: Vec::new(), body: Arc::new(body), invalid_json: false })
}

pub fn failed(kind: ErrorKind, sent: bool) -> CallResult {
    CallResult::Failed(CallFailure { kind, code: kind.as_str().into(), sent, detail: "it failed".into(), retry_after_ms: None })
}

pub fn start(journey: &str) -> Command {
    Command::Start { journey: Name::new(journey), variables: Vec::new() }
}

pub fn values(pairs: &[(&str, Json)]) -> Vec<(Name, Json)> {
    pairs.iter().map(|(n, v)| (Name::new(n), v.clone())).collect()
}
