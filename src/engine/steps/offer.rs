//! A choice from a provider: what it offers is put; what is picked is asked its inputs and the engine's own question, and then run.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Map;

use super::{Answered, confirm};
use crate::engine::answer::{AnswerOption, FieldError, Status};
use crate::engine::event::{EventBody, Picked};
use crate::engine::execution::{ExecutionStatus, Wanted};
use crate::engine::hear::{Heard, Wish};
use crate::engine::inputs::coerce;
use crate::engine::state::Stand;
use crate::engine::turn::{Go, Saying, Turn};
use crate::model::action::InputField;
use crate::model::provider::{Offered, plain};
use crate::model::step::{Choice, ChoiceFrom, StepKind};
use crate::supervise::Question;
use crate::supervise::provider::{From, Yes};
use crate::understand::{Reply, classify};
use crate::value::{Json, Name, display};

/// How often an input is asked for, or the question put, until it counts as a no.
const REPEATS: u32 = 3;

/// The choice at which the run stands, and its provider.
fn at(turn: &Turn<'_>) -> Option<(Choice, Name)> {
    match turn.here()?.step().map(|s| &s.kind) {
        Some(StepKind::Choice(choice)) => match &choice.from {
            Some(ChoiceFrom::Provider(provider)) => Some((choice.clone(), provider.clone())),
            _ => None,
        },
        _ => None,
    }
}

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, choice: &Choice, provider: &Name) -> Go {
    match turn.learn(provider) {
        Some(go) => go,
        None => offer(turn, choice, provider),
    }
}

/// The provider answered, or did not.
pub(in crate::engine) fn learnt(turn: &mut Turn<'_>) -> Go {
    match at(turn) {
        Some((choice, provider)) => offer(turn, &choice, &provider),
        None => Go::Wait,
    }
}

/// Whether the run stands at such a choice, and nothing was put there yet.
pub(in crate::engine) fn is_unput(turn: &Turn<'_>) -> bool {
    let unput = |stand: &Stand| stand.picked.is_none() && stand.options.is_empty() && stand.errand.is_none();
    at(turn).is_some() && turn.state.top().is_some_and(|r| unput(&r.stand))
}

/// Puts what is offered to whoever speaks; what cannot be run now is told of, and cannot be picked.
fn offer(turn: &mut Turn<'_>, choice: &Choice, provider: &Name) -> Go {
    let offered = turn.open_offers(provider);
    let disabled = offered.iter().filter_map(|o| Some(format!("{} ({})", o.label, o.disabled_reason.as_ref()?)));
    let disabled: Vec<String> = disabled.collect();
    let options = offered.iter().filter(|o| o.disabled_reason.is_none());
    let options: Vec<AnswerOption> = options.map(|o| AnswerOption { id: o.id.clone(), label: o.label.clone() }).collect();
    if !disabled.is_empty() {
        turn.say(format!("Not now: {}.", disabled.join("; ")));
    }
    if options.is_empty() && choice.options.is_empty() {
        return to(turn, choice, "none");
    }
    let written = Some(super::choice::options(choice, &[], &turn.view()));
    turn.emit(EventBody::Options { options, written });
    super::choice::put(turn, choice);
    Go::Wait
}

fn to(turn: &mut Turn<'_>, choice: &Choice, outcome: &str) -> Go {
    turn.emit(EventBody::Matched { outcome: outcome.into() });
    let branch = choice.outcomes.iter().find(|b| b.name.name.as_str() == outcome).map(|b| b.then);
    let next = branch.or_else(|| turn.here().and_then(|h| h.step().map(|s| s.next)));
    next.map_or(Go::Wait, |next| Go::via(next, format!("outcome:{outcome}")))
}

/// An option of the provider's was picked.
pub(in crate::engine) fn pick(turn: &mut Turn<'_>, provider: &Name, id: &str) -> Go {
    let Some(offered) = turn.open_offers(provider).into_iter().find(|o| *o.id == *id) else {
        return ended(turn, ExecutionStatus::Denied, Some("That is not offered any more."));
    };
    go_on(turn, Picked { offered, inputs: Map::new(), asks: None })
}

/// Asks for the next input that is missing; then the question; then it is run.
fn go_on(turn: &mut Turn<'_>, mut picked: Picked) -> Go {
    let missing = picked.offered.inputs().into_iter().find(|f| f.required && !picked.inputs.contains_key(&*f.shown));
    picked.asks = missing.map(|f| f.shown);
    let complete = picked.asks.is_none();
    turn.emit(EventBody::Picked(Box::new(picked.clone())));
    if !complete {
        turn.say_all(asked(&picked));
        return Go::Wait;
    }
    if turn.asks_first(&picked.offered) {
        question(turn, &picked);
        return Go::Wait;
    }
    run(turn, &picked, None)
}

/// What is asked for an input.
pub(in crate::engine) fn asked(picked: &Picked) -> Vec<Saying> {
    let Some(name) = &picked.asks else { return Vec::new() };
    let field = picked.offered.inputs().into_iter().find(|f| f.shown == *name);
    let described = field.and_then(|f| f.description).map(|d| format!(" ({d})")).unwrap_or_default();
    vec![Saying::plain(format!("{}: please give {name}{described}.", picked.offered.label))]
}

fn question(turn: &mut Turn<'_>, picked: &Picked) {
    let mut text = picked.offered.label.to_string();
    for (name, value) in &picked.inputs {
        // A line of a value must not read as another input.
        let _ = write!(text, "\n{name}: {}", plain(&display(value), usize::MAX));
    }
    text.push_str("\nShall I do that?");
    let question = Question {
        id: turn.fresh_id("q"),
        digest: turn.machine.keys.digest(&[b"question", text.as_bytes()]).into(),
        text: text.as_str().into(),
        redacted: None,
        shown: Arc::default(),
        turn: turn.state.turn,
        channel: turn.given_to(),
    };
    turn.said.push(Saying::plain(text));
    turn.emit(EventBody::Question(Box::new(question)));
}

/// Whether what was picked takes a yes.
pub(in crate::engine) fn is_asked(turn: &Turn<'_>) -> bool {
    turn.state.top().and_then(|r| r.stand.picked.as_ref()).is_some_and(|picked| turn.asks_first(&picked.offered))
}

/// Puts what is asked once more; whether anything is.
pub(in crate::engine) fn put(turn: &mut Turn<'_>) -> bool {
    let Some(picked) = turn.state.top().and_then(|r| r.stand.picked.clone()) else { return false };
    if picked.asks.is_some() {
        turn.say_all(asked(&picked));
    } else {
        question(turn, &picked);
    }
    true
}

/// Tries a message as the answer to what is asked; `None`: nothing was picked.
pub(in crate::engine) fn hear(turn: &mut Turn<'_>, heard: &Heard) -> Option<Answered> {
    let picked = turn.state.top()?.stand.picked.clone()?;
    let Some(name) = picked.asks.clone() else {
        let Some(question) = turn.state.top().and_then(|r| r.stand.question.clone()) else { return Some(Answered::No) };
        return Some(match classify(&heard.text, &question.text, &turn.machine.locale) {
            Reply::Yes if !confirm::was_shown(&question, heard) => {
                turn.note("a yes came that the question was not shown to: it is put again");
                put(turn);
                Answered::Yes(Go::Wait)
            }
            Reply::Yes => Answered::Yes(yes(turn, &question.id)),
            Reply::No => Answered::Yes(no(turn)),
            Reply::Change | Reply::Other => Answered::No,
        });
    };
    if matches!(turn.wish(&heard.text), Wish::One(..)) {
        return Some(Answered::No);
    }
    let said = Json::String(heard.text.trim().to_owned());
    Some(match taken(&picked.offered, &name, &said) {
        Ok((name, value)) => {
            let mut picked = (*picked).clone();
            picked.inputs.insert(name, value);
            Answered::Yes(go_on(turn, picked))
        }
        Err(_) => Answered::No,
    })
}

/// A value of an input, under the name that its schema has.
fn taken(offered: &Offered, name: &str, json: &Json) -> Result<(String, Json), String> {
    let name = Name::new(name);
    let field: Option<InputField> = offered.inputs().into_iter().find(|f| f.name == name);
    let field = field.ok_or_else(|| format!("`{}` has no input `{name}`", offered.id))?;
    let value = coerce(json, field.kind).ok_or_else(|| format!("`{}` is of another type", field.shown))?;
    match offered.fault_of(&field.shown, &value) {
        None => Ok((field.shown.to_string(), value)),
        Some(why) => Err(why),
    }
}

/// Inputs by a command. One that does not fit is answered, and keeps the others back from nothing.
pub(in crate::engine) fn fill(turn: &mut Turn<'_>, values: &[(Name, Json)]) -> Go {
    let Some(picked) = turn.state.top().and_then(|r| r.stand.picked.clone()) else { return Go::Wait };
    let mut picked = (*picked).clone();
    let known = picked.offered.inputs();
    if let Some((name, _)) = values.iter().find(|(n, _)| known.iter().all(|f| f.name != *n)) {
        turn.refuse("not_fillable", format!("`{}` has no input `{name}`", picked.offered.id));
        return Go::Wait;
    }
    let mut any = false;
    for (name, json) in values {
        match taken(&picked.offered, name.as_str(), json) {
            Ok((name, value)) => {
                picked.inputs.insert(name, value);
                any = true;
            }
            Err(help) => turn.errors.push(FieldError { field: name.clone(), code: "invalid".into(), help: help.as_str().into() }),
        }
    }
    if any { go_on(turn, picked) } else { Go::Wait }
}

/// A message that was no answer to what is asked; `None`: nothing was picked.
pub(in crate::engine) fn miss(turn: &mut Turn<'_>) -> Option<Go> {
    let picked = turn.state.top()?.stand.picked.clone()?;
    turn.emit(EventBody::Missed);
    if turn.state.top().map_or(0, |r| r.stand.missed) > REPEATS {
        return Some(no(turn));
    }
    turn.say(if picked.asks.is_some() { "That does not fit." } else { "Please answer with yes or no." });
    put(turn);
    Some(Go::Wait)
}

pub(in crate::engine) fn yes(turn: &mut Turn<'_>, question: &Arc<str>) -> Go {
    let Some(picked) = turn.state.top().and_then(|r| r.stand.picked.clone()) else { return Go::Wait };
    run(turn, &picked, Some(Yes::Question(question.clone())))
}

pub(in crate::engine) fn no(turn: &mut Turn<'_>) -> Go {
    let Some(picked) = turn.state.top().and_then(|r| r.stand.picked.clone()) else { return Go::Wait };
    if let Some(wanted) = wanted(turn, &picked, None) {
        turn.declined(&wanted, &picked.offered.label);
    }
    ended(turn, ExecutionStatus::Declined, Some("All right, nothing was done."))
}

fn wanted(turn: &Turn<'_>, picked: &Picked, yes: Option<Yes>) -> Option<Wanted> {
    let (_, provider) = at(turn)?;
    let inputs = Arc::new(Json::Object(picked.inputs.clone()));
    let (actor, principal) = (turn.actor, turn.principal.clone());
    let shown = Some(turn.as_shown(&picked.offered));
    let case = turn.case_id();
    Some(Wanted { provider, action: picked.offered.id.clone(), inputs, yes, shown, case, from: From::Choice, actor, principal })
}

fn run(turn: &mut Turn<'_>, picked: &Picked, yes: Option<Yes>) -> Go {
    match wanted(turn, picked, yes) {
        Some(wanted) => turn.execute(wanted),
        None => Go::Fall("the run does not stand at its choice".into()),
    }
}

/// It came to something: the run goes on by that outcome. A doubt goes to a person.
pub(in crate::engine) fn ended(turn: &mut Turn<'_>, status: ExecutionStatus, message: Option<&str>) -> Go {
    let Some((choice, _)) = at(turn) else { return Go::Wait };
    if status == ExecutionStatus::InDoubt {
        return Go::Fall("nobody knows whether it was done".into());
    }
    // Whoever took the conversation over speaks for himself.
    if let Some(message) = message.filter(|_| turn.state.status != Status::Escalated) {
        turn.say(message);
    }
    let outcome = match status {
        ExecutionStatus::Executed => "executed",
        ExecutionStatus::Declined => "declined",
        ExecutionStatus::Denied | ExecutionStatus::Failed | ExecutionStatus::Sent | ExecutionStatus::InDoubt => "failed",
    };
    to(turn, &choice, outcome)
}
