//! Any lines as what happens to a conversation on the shipped workspace: nothing panics, every answer comes within its bounds, and the live
//! state is the fold of its events.
//!
//! A line is `u TEXT` (the user says it), `A COMMAND NAME JSON` (A: `a` agent, `o` operator, `p` the user), `r STATUS JSON` (the newest call is
//! answered), `f` (it fails), or `w SECONDS` (time passes).

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::cli::demo;
use waypost::engine::effect::EffectId;
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallFailure, CallResult, Command, Effect, HttpAnswer, Input, InputBody, Keys, Machine, Principal, State};
use waypost::model::ErrorKind;
use waypost::value::Name;

static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
    let files = demo::WORKSPACE.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
    Machine::new(check::load(files).loaded().expect("the shipped workspace checks"), Keys::derive(b"fuzz"))
});

struct Talk {
    state: State,
    folded: State,
    now: Timestamp,
    wake: Option<Timestamp>,
    calls: Vec<EffectId>,
    n: u64,
}

impl Talk {
    fn give(&mut self, actor: Actor, body: InputBody) {
        self.n += 1;
        let mut entropy = [3; 32];
        entropy[..8].copy_from_slice(&self.n.to_be_bytes());
        let principal = Principal { id: "fuzz".into(), roles: Vec::new(), scopes: Vec::new() };
        let progress = MACHINE.handle(
            &self.state,
            Input { at: self.now, actor, principal, message_id: None, entropy, refused: Vec::new(), unaware: false, answered: false, body },
        );
        for event in &progress.events {
            self.state.apply(event);
            let stored = serde_json::to_string(event).expect("an event is JSON");
            self.folded.apply(&serde_json::from_str(&stored).expect("an event is read back"));
        }
        self.wake = progress.wake_at;
        for Effect::Call(call) in progress.effects {
            self.calls.push(call.id);
        }
    }
}

fn command(word: &str, name: &str, value: Json) -> Option<Command> {
    let text = || Arc::from(value.as_str().unwrap_or_default());
    let values = || vec![(Name::new(name), value.clone())];
    Some(match word {
        "start" => Command::Start { journey: Name::new(name), variables: Vec::new() },
        "with" => Command::Start { journey: Name::new(name), variables: vec![(Name::new("order_id"), value)] },
        "fill" => Command::Fill(values()),
        "choose" => Command::Choose(name.into()),
        "confirm" => Command::Confirm { question: value.as_str().map(Arc::from) },
        "reject" => Command::Reject { question: value.as_str().map(Arc::from) },
        "change" => Command::Change(values()),
        "next" => Command::Next,
        "back" => Command::Back,
        "stuck" => Command::Stuck,
        "read" => Command::Read { action: name.into(), inputs: vec![(Name::new("serial"), value)] },
        "finding" => Command::Finding(Name::new(name)),
        "correct" => Command::Correct(values()),
        "cancel" => Command::Cancel,
        "handoff" => Command::Handoff(Some(text())),
        "resume" => Command::Resume,
        "take_over" => Command::TakeOver,
        "say" => Command::Say(text()),
        "hand_back" => Command::HandBack,
        "approve" => Command::Approve { hold: name.into(), note: None },
        "refuse" => Command::Refuse { hold: name.into(), note: None },
        _ => return None,
    })
}

/// Plays one input.
pub fn play(text: &str) {
    let now = Timestamp::from_second(1_767_600_000).expect("a time");
    let mut talk = Talk { state: State::default(), folded: State::default(), now, wake: None, calls: Vec::new(), n: 0 };
    let user = Arc::new(json!({"identity": {"user_id": "u-1"}}));
    talk.give(
        Actor::User,
        InputBody::Open(Open { conversation: "c".into(), tenant: "t".into(), agent: "a".into(), user_id: "u-1".into(), user }),
    );
    for line in text.lines().take(64) {
        let (who, rest) = line.split_once(' ').unwrap_or((line, ""));
        match who {
            "u" => talk.give(Actor::User, InputBody::Message(rest.into())),
            "r" => {
                let (status, body) = rest.split_once(' ').unwrap_or((rest, "null"));
                let body = serde_json::from_str(body).unwrap_or_else(|_| Json::String(body.to_owned()));
                let Some(id) = talk.calls.last().cloned() else { continue };
                let status = status.parse::<u16>().unwrap_or(200).clamp(100, 599);
                talk.give(
                    Actor::System,
                    InputBody::Result(
                        id,
                        CallResult::Answered(HttpAnswer { status, headers: Vec::new(), body: Arc::new(body), invalid_json: false }),
                    ),
                );
            }
            "f" => {
                let Some(id) = talk.calls.last().cloned() else { continue };
                let kind = if rest.is_empty() { ErrorKind::Timeout } else { ErrorKind::Connect };
                let failure =
                    CallFailure { kind, code: "fuzz".into(), sent: rest.is_empty(), detail: "made up".into(), retry_after_ms: None };
                talk.give(Actor::System, InputBody::Result(id, CallResult::Failed(failure)));
            }
            "w" => {
                let seconds = rest.parse::<i64>().unwrap_or(1).clamp(0, 1_000_000);
                let then = talk.now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(talk.now);
                while let Some(wake) = talk.wake.take().filter(|w| *w <= then) {
                    talk.now = talk.now.max(wake);
                    talk.give(Actor::System, InputBody::Wake);
                    assert!(talk.n <= 10_000, "timers without end");
                }
                talk.now = then;
            }
            "a" | "o" | "p" => {
                let mut words = rest.splitn(3, ' ');
                let (word, name, value) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or("null"));
                let value = serde_json::from_str(value).unwrap_or_else(|_| Json::String(value.to_owned()));
                let actor = if who == "a" {
                    Actor::Agent
                } else if who == "o" {
                    Actor::Operator
                } else {
                    Actor::User
                };
                let Some(command) = command(word, name, value) else { continue };
                talk.give(actor, InputBody::Command(command));
            }
            _ => {}
        }
        std::hint::black_box(MACHINE.expects(&talk.state, Actor::Agent, &Principal::default()));
    }
    assert_eq!(talk.state, talk.folded, "the live state is the fold of its stored events");
}
