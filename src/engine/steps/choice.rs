//! `choice`: a reply matches by id, label, number or the only label that it begins.

use std::sync::Arc;

use super::{Answered, offer};
use crate::engine::answer::AnswerOption;
use crate::engine::event::EventBody;
use crate::engine::hear::Heard;
use crate::engine::input::Actor;
use crate::engine::redact;
use crate::engine::turn::{Go, REDACTED, Saying, Turn, lenient};
use crate::expr::Scope;
use crate::model::step::{Choice, ChoiceFrom};
use crate::supervise::Origin;
use crate::template::Undefined;
use crate::understand;
use crate::value::{Json, Name, Taint, Value, display};

/// A label from outside, at most.
const LABEL: usize = 200;
/// Options from outside, at most.
const OPTIONS: usize = 50;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, choice: &Choice) -> Go {
    let mut options = Vec::new();
    match &choice.from {
        None => {}
        Some(ChoiceFrom::Provider(provider)) => {
            return offer::enter(turn, choice, provider);
        }
        Some(ChoiceFrom::Expr(program)) => {
            turn.judge_computed("options", program);
            let list = lenient(program, &turn.view());
            match list.map(|l| offered(&shown_list(&l))) {
                Ok(Some(found)) => options = found,
                Ok(None) => return Go::Fall("the options are not a list of `{id, label}`".into()),
                Err(fault) => return Go::Fall(format!("the options could not be computed: {fault}")),
            }
            if options.is_empty() && choice.options.is_empty() {
                return Go::Fall("there is nothing to choose from".into());
            }
        }
    }
    let written = Some(self::options(choice, &[], &turn.view()));
    turn.emit(EventBody::Options { options, written });
    put(turn, choice);
    Go::Wait
}

/// The list with sensitive labels hidden: an option is shown to whoever asks.
fn shown_list(list: &Value) -> Value {
    if list.taint.is_clean() { list.clone() } else { Value::clean(redact::shown(list)) }
}

/// A list of `{id, label}` as options: plain text, capped. An id is sent and kept as it is, so a sensitive one is none.
fn offered(list: &Value) -> Option<Vec<AnswerOption>> {
    let items = list.json.as_array()?;
    items
        .iter()
        .take(OPTIONS)
        .map(|item| {
            let id = item.get("id").map(display).filter(|t| !t.is_empty() && *t != REDACTED)?;
            let label = item.get("label").map_or_else(|| id.clone(), display);
            let label: String = label.chars().filter(|c| !c.is_control()).take(LABEL).collect();
            Some(AnswerOption { id: id.into(), label: label.into() })
        })
        .collect()
}

/// The options as they are shown now.
pub(in crate::engine) fn options(choice: &Choice, dynamic: &[AnswerOption], view: &dyn Scope) -> Vec<AnswerOption> {
    let written = choice.options.iter().map(|option| {
        let rendered = option.label.render(view, Undefined::Nothing);
        let label = match rendered {
            Ok(rendered) => rendered.shown().into(),
            Err(_) => option.id.shown.clone(),
        };
        AnswerOption { id: option.id.shown.clone(), label }
    });
    written.chain(dynamic.iter().cloned()).collect()
}

pub(in crate::engine) fn prompt(choice: &Choice, view: &dyn Scope) -> Vec<Saying> {
    let rendered = choice.prompt.as_ref().and_then(|p| p.render(view, Undefined::Nothing).ok());
    vec![rendered.map_or_else(|| Saying::plain("Please choose one of these."), Saying::from)]
}

pub(in crate::engine) fn put(turn: &mut Turn<'_>, choice: &Choice) {
    if offer::put(turn) {
        return;
    }
    let prompt = prompt(choice, &turn.view());
    turn.say_all(prompt);
}

pub(in crate::engine) fn hear(turn: &mut Turn<'_>, choice: &Choice, heard: &Heard) -> Answered {
    if let Some(answered) = offer::hear(turn, heard) {
        return answered;
    }
    match named(turn, choice, &heard.text) {
        Some(option) => Answered::Yes(take(turn, choice, &option.id)),
        None => Answered::No,
    }
}

/// Whether a message names one of the options.
pub(in crate::engine) fn is_named(turn: &Turn<'_>, choice: &Choice, text: &str) -> bool {
    turn.state.top().is_some_and(|r| r.stand.picked.is_none()) && named(turn, choice, text).is_some()
}

fn named(turn: &Turn<'_>, choice: &Choice, text: &str) -> Option<AnswerOption> {
    let mut options = shown(turn, choice);
    let pairs = options.iter().map(|o| (&*o.id, &*o.label));
    let index = understand::pick(text, pairs)?;
    Some(options.swap_remove(index))
}

fn shown(turn: &Turn<'_>, choice: &Choice) -> Vec<AnswerOption> {
    let dynamic = turn.state.top().map(|r| r.stand.options.clone()).unwrap_or_default();
    options(choice, &dynamic, &turn.view())
}

/// Picks by id, as a command does; `None` if there is no such option.
pub(in crate::engine) fn choose(turn: &mut Turn<'_>, choice: &Choice, id: &str) -> Option<Go> {
    let name = Name::new(id);
    let options = shown(turn, choice);
    let option = options.iter().find(|o| *o.id == *id).or_else(|| options.iter().find(|o| Name::new(&o.id) == name))?;
    Some(take(turn, choice, &option.id.clone()))
}

fn take(turn: &mut Turn<'_>, choice: &Choice, id: &Arc<str>) -> Go {
    if let Some(name) = &choice.save_as {
        turn.assign(name, Value::from(Json::String(id.to_string())), origin(turn.actor), Vec::new());
    }
    let written = choice.options.iter().find(|o| o.id.shown == *id);
    if let (None, Some(ChoiceFrom::Provider(provider))) = (written, &choice.from) {
        return offer::pick(turn, provider, id);
    }
    match (written, choice.on_pick) {
        (Some(option), _) => Go::via(option.then, format!("option:{id}")),
        (None, Some(next)) => Go::via(next, "picked"),
        (None, None) => {
            let next = turn.here().and_then(|h| h.step().map(|s| s.next));
            next.map_or(Go::Wait, |next| Go::via(next, "picked"))
        }
    }
}

fn origin(actor: Actor) -> Origin {
    if actor == Actor::Agent { Origin::Proposed } else { Origin::Said }
}

pub(in crate::engine) fn miss(turn: &mut Turn<'_>, choice: &Choice, heard: &Heard) -> Go {
    if let Some(go) = offer::miss(turn) {
        return go;
    }
    if let (true, Some(next)) = (choice.freeform, choice.freeform_handler) {
        let text = Value { json: Json::String(heard.text.to_string()).into(), taint: Taint::default() };
        turn.assign(&Name::new("freeform"), text, Origin::Said, Vec::new());
        return Go::via(next, "freeform");
    }
    turn.emit(EventBody::Missed);
    if turn.state.top().map_or(0, |r| r.stand.missed) > choice.max_attempts {
        return match choice.on_exhausted {
            Some(next) => Go::via(next, "exhausted"),
            None => Go::Fall("no option was chosen after several attempts".into()),
        };
    }
    turn.say("That is none of the options.");
    put(turn, choice);
    Go::Wait
}
