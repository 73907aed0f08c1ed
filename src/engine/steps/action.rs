//! `action`: a call, or one for each element of a list; its outcomes and errors lead on.

use std::sync::Arc;

use crate::engine::call::{Trouble, Wanted};
use crate::engine::event::{EventBody, Purpose};
use crate::engine::state::Flight;
use crate::engine::turn::{Go, Turn, lenient};
use crate::engine::walk::Here;
use crate::model::action::{Effects, ErrorKind};
use crate::model::step::{Call, StepKind};
use crate::model::{Action, Next, Step};
use crate::supervise::Origin;
use crate::value::{Json, Slug, Value};

/// Elements of an `each`, at most.
const EACH: usize = 50;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, step: &Step, call: &Call) -> Go {
    let Some(action) = &call.action else { return Go::Fall("the action is not here".into()) };
    if call.each.is_some() {
        let past = turn.state.top().map_or(0, |r| r.stand.calls as usize);
        return next_element(turn, step, call, action, past);
    }
    send(turn, call, action, None)
}

fn send(turn: &mut Turn<'_>, call: &Call, action: &Arc<Action>, each: Option<&Value>) -> Go {
    let wanted = Wanted { action, inputs: &call.inputs, each, about: None, purpose: Purpose::Step };
    match turn.call(&wanted) {
        Ok(go) => go,
        Err(trouble) => not_sent(turn, trouble),
    }
}

/// The action was denied, or cannot be asked for.
pub(in crate::engine) fn not_sent(turn: &mut Turn<'_>, trouble: Trouble) -> Go {
    let at_action = turn.here().and_then(Here::step).is_some_and(|s| matches!(s.kind, StepKind::Action(_)));
    let asked = if at_action { identify(turn, &trouble) } else { None };
    asked.unwrap_or_else(|| turn.trouble(trouble))
}

/// Not verified, and the workspace has a journey for that: it runs first, once, then the action goes on.
pub(in crate::engine) fn identify(turn: &mut Turn<'_>, trouble: &Trouble) -> Option<Go> {
    let unknown = turn.state.identity.as_ref().is_none_or(|i| !i.verified(turn.at));
    let wanted = match trouble.code.as_deref() {
        Some("identity") => true,
        Some("owner") => unknown,
        _ => false,
    };
    let name = turn.machine.workspace.settings.identity_journey.as_ref().filter(|_| wanted)?;
    let journey = turn.machine.workspace.journeys.get(name).cloned()?;
    let again = turn.state.top().is_none_or(|r| r.stand.identified);
    if again || turn.state.runs.iter().any(|r| r.journey == journey.slug.name) {
        return None;
    }
    turn.emit(EventBody::Identifying);
    Some(match turn.begin_run(&journey, true, Vec::new()) {
        Ok(()) => Go::Begin,
        Err(reason) => Go::Fall(reason),
    })
}

fn next_element(turn: &mut Turn<'_>, step: &Step, call: &Call, action: &Arc<Action>, index: usize) -> Go {
    let Some(program) = &call.each else { return Go::next(step) };
    if action.effects == Effects::Write {
        return turn.trouble(Trouble::new(ErrorKind::InvalidInput, "`each` is for reads only"));
    }
    turn.judge_computed("each", program);
    let list = lenient(program, &turn.view());
    let list = match list {
        Ok(list) => list,
        Err(fault) => return turn.trouble(Trouble::new(ErrorKind::InvalidInput, format!("`each` failed: {fault}"))),
    };
    let Json::Array(items) = &*list.json else {
        return turn.trouble(Trouble::new(ErrorKind::InvalidInput, "`each` is not a list"));
    };
    if items.len() > EACH {
        return turn.trouble(Trouble::new(ErrorKind::InvalidInput, format!("`each` has more than {EACH} elements")));
    }
    if let Some(item) = items.get(index) {
        let each = Value { json: Arc::new(item.clone()), taint: list.taint.member(None) };
        return send(turn, call, action, Some(&each));
    }
    if let Some(name) = &call.save_as {
        turn.assign(name, Value::from(Json::Array(Vec::new())), Origin::Answer, Vec::new());
    }
    Go::next(step)
}

pub(in crate::engine) fn matched(
    turn: &mut Turn<'_>,
    step: &Step,
    call: &Call,
    action: &Arc<Action>,
    flight: &Flight,
    outcome: &Arc<str>,
) -> Go {
    let name = Slug::named(outcome).name;
    let listed = call.outcomes.iter().find(|b| b.name.name == name);
    let then: Next = listed.map_or(step.next, |b| b.then);
    let mut whole_list = false;
    if let Some(program) = &call.each
        && then == step.next
    {
        let past = turn.state.top().map_or(0, |r| r.stand.calls as usize) + 1;
        let count = lenient(program, &turn.view()).ok().and_then(|l| l.json.as_array().map(Vec::len)).unwrap_or(0);
        if past < count {
            turn.emit(EventBody::EachDone);
            return next_element(turn, step, call, action, past);
        }
        whole_list = true;
    }
    for name in call.save_as.iter().chain(&action.output_datapoint) {
        turn.keep(action, flight, name, None, whole_list);
    }
    turn.emit(EventBody::Matched { outcome: outcome.clone() });
    Go::via(then, format!("outcome:{outcome}"))
}
