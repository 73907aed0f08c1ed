//! `run`: another journey with variables of its own; only `with` goes in, only `done.result` comes out.

use std::sync::Arc;

use crate::engine::event::EventBody;
use crate::engine::operand::{self, Missing};
use crate::engine::turn::{Go, Turn};
use crate::model::Next;
use crate::model::step::Run;
use crate::supervise::Origin;
use crate::understand::normalise;
use crate::value::{Name, Slug, Value};

/// Outcomes of the engine: not listed, they end the caller the same way.
const ENDING: [&str; 4] = ["declined", "cancelled", "failed", "denied"];
/// Outcomes by which somebody called it off.
const CALLED_OFF: [&str; 2] = ["declined", "cancelled"];

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, run: &Run) -> Go {
    let Some(journey) = run.journey.clone() else { return Go::Fall("the journey to run is not here".into()) };
    let mut with: Vec<(Name, Value, Origin)> = Vec::new();
    for input in &run.with {
        let declared = journey.inputs.iter().find(|i| i.name == input.name);
        let rule = declared.map(|d| turn.rules([&*d.datapoint])).unwrap_or_default();
        turn.judge_made(input.name.as_str(), &input.value, &rule);
        let known = if turn.is_hidden(&input.value, &turn.view()) { turn.recall.began_with(&input.name) } else { None };
        if let Some(value) = known {
            with.push((input.name.clone(), value, turn.word_of([&input.value])));
            continue;
        }
        let value = operand::value(&input.value, &turn.view(), Missing::Nothing);
        let mut value = match value {
            Ok(value) => value,
            Err(fault) => return Go::Fall(format!("the input `{}` could not be computed: {fault}", input.name)),
        };
        if let Some(declared) = declared.filter(|_| !value.is_null()) {
            match normalise(&declared.datapoint, &value.json, &turn.machine.locale, turn.at) {
                Ok(json) => value.json = Arc::new(json),
                Err(problem) => {
                    return Go::Fall(format!("the input `{}` is not what `{}` takes: {}", input.name, journey.slug, problem.help));
                }
            }
            if declared.datapoint.sensitive {
                value.taint = crate::value::Taint::whole();
            }
        }
        if !value.is_null() {
            with.push((input.name.clone(), value, turn.word_of([&input.value])));
        }
    }
    if let Some(missing) = journey.inputs.iter().find(|i| i.required && !with.iter().any(|(n, ..)| *n == i.name)) {
        return Go::Fall(format!("`{}` needs the input `{}`", journey.slug, missing.name));
    }
    match turn.begin_run(&journey, true, with) {
        Ok(()) => Go::Begin,
        Err(reason) => Go::Fall(reason),
    }
}

/// Back in the caller: `word` is whose the result is.
pub(in crate::engine) fn returned(turn: &mut Turn<'_>, run: &Run, next: Next, outcome: &Arc<str>, result: Option<(Value, Origin)>) -> Go {
    if let Some(name) = &run.save_as {
        let (result, word) = result.unwrap_or((Value::default(), Origin::Answer));
        turn.assign(name, result, word, Vec::new());
    }
    turn.emit(EventBody::Matched { outcome: outcome.clone() });
    // What was said yes to before does not outlive a no or a cancel on the way.
    if let Some(caller) = turn.state.top().filter(|r| CALLED_OFF.contains(&&**outcome) && !r.grants.is_empty()) {
        let ended = EventBody::GrantsEnded { run: caller.id, step: None, why: format!("what it ran was {outcome}").into() };
        turn.emit(ended);
    }
    let name = Slug::named(outcome).name;
    if let Some(branch) = run.outcomes.iter().find(|b| b.name.name == name) {
        return Go::via(branch.then, format!("outcome:{outcome}"));
    }
    if ENDING.contains(&&**outcome) { Go::End(outcome.clone(), None) } else { Go::via(next, format!("outcome:{outcome}")) }
}
