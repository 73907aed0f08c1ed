//! `collect`: skips what is filled, asks for the rest one at a time, and counts the user's failed attempts.

use std::sync::Arc;

use super::Answered;
use crate::engine::event::EventBody;
use crate::engine::fill::Fills;
use crate::engine::hear::{Heard, Wish};
use crate::engine::turn::{Go, Saying, Turn};
use crate::expr::Scope;
use crate::model::Step;
use crate::model::step::{Collect, Field};
use crate::template::{Template, Undefined};
use crate::understand;
use crate::value::Name;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, step: &Step, collect: &Collect) -> Go {
    if let Some(text) = turn.heard.take() {
        let heard = Heard { text, turn: turn.state.turn, actor: turn.actor, channel: turn.channel(), answers: None };
        let asked: Vec<Name> = missing(turn, collect).iter().map(|f| f.name.clone()).collect();
        turn.fill_from(&heard, &asked, false);
    }
    onward(turn, step, collect, None)
}

/// Where the step leads now: on, if it is complete; else it asks.
fn onward(turn: &mut Turn<'_>, step: &Step, collect: &Collect, problem: Option<Arc<str>>) -> Go {
    let filled: Vec<Name> = all(collect).filter(|f| is_set(turn, &f.name)).map(|f| f.name.clone()).filter(|n| !is_noted(turn, n)).collect();
    if !filled.is_empty() {
        turn.emit(EventBody::Skipped { fields: filled });
    }
    if let Some((i, set)) = collect.any_of.iter().enumerate().find(|(_, s)| s.fields.iter().all(|f| is_set(turn, &f.name))) {
        turn.pass();
        return Go::via(set.then, format!("any_of:{i}"));
    }
    let missing: Vec<Name> = missing(turn, collect).iter().map(|f| f.name.clone()).collect();
    if !missing.is_empty() {
        ask(turn, collect, missing, false, problem);
        return Go::Wait;
    }
    let offered = turn.state.top().map(|r| r.offered.clone()).unwrap_or_default();
    let optional = collect.optional.iter().find(|f| !is_set(turn, &f.name) && offered.get(&f.name) != Some(&step.key));
    if let Some(field) = optional {
        ask(turn, collect, vec![field.name.clone()], true, problem);
        return Go::Wait;
    }
    turn.pass();
    Go::next(step)
}

fn all(collect: &Collect) -> impl Iterator<Item = &Field> {
    collect.fields.iter().chain(&collect.optional).chain(collect.any_of.iter().flat_map(|s| &s.fields))
}

fn is_set(turn: &Turn<'_>, name: &Name) -> bool {
    turn.state.top().is_some_and(|r| r.variables.set.get(name).is_some_and(|v| !v.value.is_null()))
}

/// Whether the run knows that this step, since it was entered, is the one that asked for the field.
fn is_noted(turn: &Turn<'_>, name: &Name) -> bool {
    turn.state
        .top()
        .is_some_and(|r| r.asked.get(name).is_some_and(|(at, entered)| Some(at) == r.at.as_ref() && *entered == r.stand.entered))
}

fn missing<'c>(turn: &Turn<'_>, collect: &'c Collect) -> Vec<&'c Field> {
    if collect.any_of.is_empty() {
        return collect.fields.iter().filter(|f| !is_set(turn, &f.name)).collect();
    }
    if let Some(begun) = begun(turn, collect) {
        return begun.iter().filter(|f| !is_set(turn, &f.name)).collect();
    }
    let mut fields: Vec<&Field> = Vec::new();
    for field in collect.any_of.iter().flat_map(|s| &s.fields) {
        if !is_set(turn, &field.name) && !fields.iter().any(|f| f.name == field.name) {
            fields.push(field);
        }
    }
    fields
}

/// The set of `any_of` that the user has begun: since the step was entered, it got a value that belongs to no other set.
fn begun<'c>(turn: &Turn<'_>, collect: &'c Collect) -> Option<&'c [Field]> {
    let run = turn.state.top()?;
    let given = |f: &Field| run.variables.set.get(&f.name).is_some_and(|v| !v.value.is_null() && v.seq > run.stand.entered);
    let sets_with = |f: &Field| collect.any_of.iter().filter(|s| s.fields.iter().any(|o| o.name == f.name)).count();
    collect.any_of.iter().map(|s| &*s.fields).find(|fields| fields.iter().any(|f| given(f) && sets_with(f) == 1))
}

/// Which of the missing fields are asked for at once: one, unless a prompt asks for all or any of several sets will do.
fn at_once(turn: &Turn<'_>, collect: &Collect, mut missing: Vec<Name>) -> Vec<Name> {
    let several = if collect.any_of.is_empty() { collect.prompt.is_some() } else { begun(turn, collect).is_none() };
    if !several {
        missing.truncate(1);
    }
    missing
}

/// Whether the rest of one set of `any_of` is asked for, field by field.
fn is_narrowed(collect: &Collect, fields: &[Name]) -> bool {
    let mut sets = collect.any_of.iter().flat_map(|s| &s.fields);
    matches!(fields, [only] if sets.any(|f| f.name != *only))
}

fn ask(turn: &mut Turn<'_>, collect: &Collect, missing: Vec<Name>, optional: bool, problem: Option<Arc<str>>) {
    let fields = if optional { missing } else { at_once(turn, collect, missing) };
    if let Some(problem) = problem {
        turn.say(problem);
    }
    turn.emit(EventBody::Asked { fields: fields.clone(), optional });
    prompt(turn, collect, &fields, optional);
}

/// What is said to ask for these fields.
pub(in crate::engine) fn prompts(collect: &Collect, fields: &[Name], optional: bool, view: &dyn Scope) -> Vec<Saying> {
    let rendered = |template: &Template| template.render(view, Undefined::Nothing).ok().map(Saying::from);
    let whole = !optional && !is_narrowed(collect, fields);
    if let Some(said) = collect.prompt.as_ref().filter(|_| whole).and_then(rendered) {
        return vec![said];
    }
    if !collect.any_of.is_empty() && whole {
        let sets = collect.any_of.iter().map(|set| {
            let asked = set.fields.iter().filter(|f| fields.contains(&f.name));
            let names: Vec<String> = asked.map(|f| f.datapoint.name.to_lowercase()).collect();
            names.join(" and ")
        });
        let sets: Vec<String> = sets.collect();
        return vec![Saying::plain(format!("Please give me your {}.", sets.join(", or your ")))];
    }
    let listed = fields.iter().filter_map(|n| all(collect).find(|f| f.name == *n));
    listed
        .map(|field| {
            let prompt = field.datapoint.prompt.as_ref().and_then(rendered);
            prompt.unwrap_or_else(|| Saying::plain(understand::question_for(&field.datapoint, optional)))
        })
        .collect()
}

fn prompt(turn: &mut Turn<'_>, collect: &Collect, fields: &[Name], optional: bool) {
    let said = prompts(collect, fields, optional, &turn.view());
    turn.say_all(said);
}

/// Asks once more for what is asked for.
pub(in crate::engine) fn put(turn: &mut Turn<'_>, collect: &Collect) {
    let Some(run) = turn.state.top().cloned() else { return };
    let optional = run.stand.asked.first().is_some_and(|f| run.stand.optional.contains(f));
    prompt(turn, collect, &run.stand.asked, optional);
}

pub(in crate::engine) fn hear(turn: &mut Turn<'_>, step: &Step, collect: &Collect, heard: &Heard) -> Answered {
    let Some(run) = turn.state.top().cloned() else { return Answered::No };
    let asked = run.stand.asked.clone();
    let optional = asked.first().is_some_and(|f| run.stand.optional.contains(f));
    let locale = &turn.machine.locale;
    if optional && turn.is_meant("skip", &heard.text, |text| understand::is_word(understand::Words::Skip, text, locale)) {
        return Answered::Yes(onward(turn, step, collect, None));
    }
    let plain = asked.len() == 1 && matches!(turn.wish(&heard.text), Wish::Nothing);
    let fills = turn.fill_from(heard, &asked, plain);
    let Fills { taken, problems, .. } = fills;
    if !taken.is_empty() {
        // A valid value for something asked is no failed attempt, whatever else the message held.
        let problem = problems.first().map(|(_, p)| Arc::from(p.help.as_str()));
        return Answered::Yes(onward(turn, step, collect, problem));
    }
    match problems.first() {
        Some((_, problem)) => Answered::Yes(fail(turn, collect, Some(problem.help.as_str().into()))),
        None => Answered::No,
    }
}

/// Values came by command: what is still missing is asked for.
pub(in crate::engine) fn filled(turn: &mut Turn<'_>, step: &Step, collect: &Collect) -> Go {
    onward(turn, step, collect, None)
}

pub(in crate::engine) fn miss(turn: &mut Turn<'_>, collect: &Collect, _heard: &Heard) -> Go {
    fail(turn, collect, None)
}

fn fail(turn: &mut Turn<'_>, collect: &Collect, reason: Option<Arc<str>>) -> Go {
    turn.emit(EventBody::Missed);
    let missed = turn.state.top().map_or(0, |r| r.stand.missed);
    if missed >= collect.max_attempts {
        return match collect.on_exhausted {
            Some(next) => Go::via(next, "exhausted"),
            None => Go::Fall("no usable answer after several attempts".into()),
        };
    }
    match (&collect.retry_message, reason) {
        (Some(message), _) if turn.say_template(message) => {}
        (_, Some(reason)) => turn.say(reason),
        (_, None) => turn.say("I did not understand that."),
    }
    put(turn, collect);
    Go::Wait
}
