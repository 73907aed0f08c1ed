//! The inputs of a recorded conversation, made of its events again: what somebody sent, what a service answered, what time brought.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::effect::EffectId;
use crate::engine::event::TurnBegun;
use crate::engine::input::{Open, Said};
use crate::engine::{
    Actor, Case, Claim, Command, Event, EventBody, Hidden, Input, InputBody, Machine, Principal, Progress, Refused, State,
};
use crate::value::{Json, Name, Value};

/// Claims that one input may meet.
const CLAIMS: usize = 16;

/// Why a recording cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplayable {
    /// The store had thrown most of it away.
    #[error("only the transcript of this conversation was kept, for it ended for good: it cannot be played")]
    Partial,
    /// It was recorded before inputs were kept.
    #[error("turn {0} was recorded by a version that did not keep what it was sent with")]
    Unkept(usize),
    /// A provider of actions answered, and it was recorded before such answers were kept.
    #[error("turn {0} was recorded by a version that did not keep what a provider of actions answered")]
    Provider(usize),
    /// It stands on a version of the workspace that is not here.
    #[error("it was made with the version `{0}` of the workspace, which is not here")]
    Workspace(Arc<str>),
}

/// What an input was, as far as its events tell.
fn body(events: &[Event], state: &State) -> Option<InputBody> {
    let first = events.first()?;
    let turn = match &first.body {
        EventBody::Opened(open) => return Some(InputBody::Open(Open { user: with_case(&open.user, events), ..(**open).clone() })),
        EventBody::Turn(turn) => turn,
        _ => return None,
    };
    let with = turn.brought.with.as_ref().map(|v| &*v.json);
    Some(match &*turn.what {
        "message" => InputBody::Message(turn.text.clone()?),
        "said" => InputBody::Command(Command::Said(said(turn, with))),
        "wake" => InputBody::Wake,
        "unsealed" => InputBody::Unsealed,
        "take_over_effect" => {
            let errand = turn.brought.late.as_deref().map(|(effect, _)| effect.clone());
            InputBody::TakeOver(errand.or_else(|| state.pending().next().and_then(|p| p.effect))?)
        }
        "result" | "discovered" => {
            let result = events.iter().find_map(|e| match &e.body {
                EventBody::ActionFinished(finished) => Some((finished.effect.clone(), finished.result.clone())),
                EventBody::Discovered(discovered) if turn.brought.late.is_none() => Some((discovered.effect.clone(), discovered.result()?)),
                _ => None,
            });
            let (effect, result) = result.or_else(|| turn.brought.late.as_deref().cloned())?;
            InputBody::Result(effect, result)
        }
        what => InputBody::Command(command(what.strip_prefix("command:")?, turn, with, events)?),
    })
}

/// What a host says of its user, with the case that it gave beside it; in the place of one that was refused, one that is for the same reason.
fn with_case(user: &Arc<Json>, events: &[Event]) -> Arc<Json> {
    let mut user = user.clone();
    let case = events.iter().find_map(|e| match &e.body {
        EventBody::Case(case) => Some(case.json()),
        EventBody::Noted { text } => Case::like_refused(text),
        _ => None,
    });
    if let Some(case) = case {
        if !user.is_object() {
            user = Arc::new(Json::Object(serde_json::Map::new()));
        }
        Arc::make_mut(&mut user).as_object_mut().and_then(|map| map.insert("case".into(), case));
    }
    user
}

fn said(turn: &TurnBegun, with: Option<&Json>) -> Said {
    let question = with.and_then(|w| w.get("question")).and_then(Json::as_str).map(Arc::from);
    Said { text: turn.text.clone().unwrap_or_default(), message_id: turn.message.clone().unwrap_or_default(), question }
}

fn command(name: &str, turn: &TurnBegun, with: Option<&Json>, events: &[Event]) -> Option<Command> {
    let text = |json: &Json| json.as_str().map(Arc::<str>::from);
    let values =
        |json: &Json| -> Vec<(Name, Json)> { json.as_object().into_iter().flatten().map(|(k, v)| (Name::new(k), v.clone())).collect() };
    let question = || with.and_then(|w| w.get("question")).and_then(text);
    let hold = || (with.and_then(|w| w.get("hold")).and_then(text), with.and_then(|w| w.get("note")).and_then(text));
    Some(match name {
        "start" => {
            let with = with?;
            Command::Start {
                journey: Name::new(with.get("journey")?.as_str()?),
                variables: with.get("variables").map(values).unwrap_or_default(),
            }
        }
        "fill" => Command::Fill(values(with?)),
        "correct" => Command::Correct(values(with?)),
        "change" => Command::Change(values(with?)),
        "choose" => Command::Choose(text(with?)?),
        "confirm" => Command::Confirm { question: question() },
        "reject" => Command::Reject { question: question() },
        "next" => Command::Next,
        "back" => Command::Back,
        "stuck" => Command::Stuck,
        "read" => Command::Read { action: text(with?.get("action")?)?, inputs: with?.get("inputs").map(values).unwrap_or_default() },
        "finding" => Command::Finding(Name::new(with?.as_str()?)),
        "cancel" => Command::Cancel,
        "handoff" => Command::Handoff(with.and_then(text)),
        "resume" => Command::Resume,
        "said" => Command::Said(said(turn, with)),
        "context" => Command::Context(
            events
                .iter()
                .find_map(|e| if let EventBody::Context { user } = &e.body { Some(with_case(user, events)) } else { None })
                .unwrap_or_default(),
        ),
        "identified" => Command::Identified(serde_json::from_value(with?.clone()).ok()?),
        "discover" => Command::Discover,
        "execute" => {
            let with = with?;
            let (provider, action) = with.get("action")?.as_str()?.split_once('.')?;
            Command::Execute {
                provider: Name::new(provider),
                action: action.into(),
                inputs: Arc::new(with.get("inputs")?.clone()),
                confirmed: with.get("confirmed")?.as_bool()?,
            }
        }
        "take_over" => Command::TakeOver,
        "say" => Command::Say(text(with?)?),
        "hand_back" => Command::HandBack,
        "approve" => Command::Approve { hold: hold().0?, note: hold().1 },
        "refuse" => Command::Refuse { hold: hold().0?, note: hold().1 },
        _ => return None,
    })
}

/// Whether an input is an answer of a provider of actions.
fn is_of_a_provider(events: &[Event]) -> bool {
    events.iter().any(|e| matches!(e.body, EventBody::Discovered(_) | EventBody::Executed(_)))
}

/// The turn that a list of events begins with.
pub(super) fn turn_of(events: &[Event]) -> Option<&TurnBegun> {
    match &events.first()?.body {
        EventBody::Turn(turn) => Some(turn),
        _ => None,
    }
}

/// Whether anything that the events tell of is hidden in a recording.
pub(super) fn is_hidden(events: &[Event]) -> bool {
    events.iter().any(|e| e.is_sensitive() || matches!(&e.body, EventBody::ActionFinished(f) if f.told.is_some()))
}

/// What the machine makes of a recorded input in that state. `instead`: the effect whose answer it is here.
pub(super) fn feed(
    machine: &Machine,
    state: &State,
    events: &Arc<[Event]>,
    number: usize,
    hidden: bool,
    instead: Option<EffectId>,
) -> Result<(Progress, Hidden), Unplayable> {
    let unkept = || if is_of_a_provider(events) { Unplayable::Provider(number) } else { Unplayable::Unkept(number) };
    let body = body(events, state).ok_or_else(unkept)?;
    let body = match (body, instead) {
        (InputBody::Result(_, result), Some(effect)) => InputBody::Result(effect, result),
        (InputBody::TakeOver(_), Some(effect)) => InputBody::TakeOver(effect),
        (body, _) => body,
    };
    Ok(give(machine, state, events, body, hidden))
}

/// The same of an input that is known. Claims that were refused then are refused now.
pub(super) fn give(machine: &Machine, state: &State, events: &Arc<[Event]>, body: InputBody, hidden: bool) -> (Progress, Hidden) {
    let turn = turn_of(events);
    let at = events.first().map_or(Timestamp::UNIX_EPOCH, |e| e.at);
    let brought = turn.map(|t| &t.brought);
    let entropy = brought.and_then(|b| b.entropy.as_deref()).map(unhex).unwrap_or_default();
    let principal = Principal {
        id: turn.map(|t| t.by.clone()).unwrap_or_default(),
        roles: brought.map(|b| b.roles.clone()).unwrap_or_default(),
        scopes: brought.map(|b| b.scopes.clone()).unwrap_or_default(),
    };
    let input = |refused: Vec<Refused>| Input {
        at,
        actor: turn.map_or(Actor::System, |t| t.actor),
        principal: principal.clone(),
        message_id: turn.and_then(|t| t.id.clone()),
        entropy,
        refused,
        unaware: brought.is_some_and(|b| b.unaware),
        answered: brought.is_some_and(|b| b.answered),
        body: body.clone(),
    };
    let handle = |refused| {
        let input = input(refused);
        if hidden { machine.replay(state, input, events.clone()) } else { (machine.handle(state, input), Hidden::default()) }
    };
    let mut left: Vec<Refused> = brought.map(|b| b.refused.clone()).unwrap_or_default();
    // Names that are no digests are the same everywhere.
    let mut refused: Vec<Refused> = left.extract_if(.., |r| !is_keyed(&r.claim)).collect();
    let mut progress = handle(refused.clone());
    for _ in 0..CLAIMS {
        let again = |claim: &Claim| !refused.iter().any(|r| r.claim == *claim);
        let found = progress
            .0
            .claims
            .iter()
            .filter(|c| again(c))
            .find_map(|c| left.iter().position(|r| is_alike(&r.claim, c)).map(|at| (at, c.clone())));
        let Some((at, claim)) = found else { break };
        let told = left.remove(at);
        refused.push(Refused { claim, ..told });
        progress = handle(refused.clone());
    }
    progress
}

/// Whether a claim is named by a digest that only the keys of an installation give.
fn is_keyed(claim: &Claim) -> bool {
    match claim {
        Claim::Rate { .. } | Claim::Key { .. } => true,
        Claim::Message { .. } | Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } | Claim::Other { .. } => {
            false
        }
    }
}

fn is_alike(one: &Claim, other: &Claim) -> bool {
    match (one, other) {
        (Claim::Rate { max, per_s, .. }, Claim::Rate { max: m, per_s: p, .. }) => max == m && per_s == p,
        (Claim::Key { .. }, Claim::Key { .. }) => true,
        _ => false,
    }
}

fn unhex(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(0);
    for (to, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        if let [high, low] = pair {
            *to = digit(*high) << 4 | digit(*low);
        }
    }
    out
}

/// A value that a command was sent with, as it may be shown.
pub(super) fn shown(value: &Value) -> Json {
    crate::engine::shown(value)
}
