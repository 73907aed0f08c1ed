//! `investigate`: the caller's model asks listed reads and names a finding; anything else is refused.

use std::sync::Arc;

use crate::engine::call::Wanted;
use crate::engine::event::{EventBody, Purpose};
use crate::engine::state::Flight;
use crate::engine::turn::{Go, Turn, later};
use crate::model::action::Effects;
use crate::model::step::{Input, Investigate, StepKind};
use crate::model::{Action, Operand};
use crate::value::{Json, Name};

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, search: &Investigate) -> Go {
    let until = later(turn.at, search.timeout_s.saturating_mul(1_000));
    turn.emit(EventBody::Investigating { until });
    Go::Wait
}

/// Where it goes without a finding.
pub(in crate::engine) fn give_up(search: &Investigate, why: &str) -> Go {
    match search.fallback {
        Some(next) => Go::via(next, "no_finding"),
        None => Go::Fall(why.into()),
    }
}

/// A read that the model asks. `Err` is a refusal, and nothing changed.
pub(in crate::engine) fn read(turn: &mut Turn<'_>, search: &Investigate, reference: &str, inputs: &[(Name, Json)]) -> Result<Go, String> {
    let listed = search.using.iter().filter_map(|(a, _)| a.as_ref()).find(|a| names(a, reference));
    let Some(action) = listed.filter(|a| a.effects == Effects::Read).cloned() else {
        return Err(format!("`{reference}` is not among the reads that this step lists"));
    };
    if is_over(turn) {
        return Ok(give_up(search, "the investigation took too long"));
    }
    if turn.state.top().is_some_and(|r| r.stand.calls >= search.max_calls) {
        return Ok(give_up(search, "the investigation made all its calls"));
    }
    let unknown = inputs.iter().find(|(n, _)| !action.inputs.iter().any(|f| f.name == *n));
    if let Some((name, _)) = unknown {
        return Err(format!("`{name}` is not an input of `{}`", action.id));
    }
    let given: Vec<Input> = inputs
        .iter()
        .map(|(name, json)| Input { name: name.clone(), value: Operand::Literal(json.clone()), span: action.span, value_span: action.span })
        .collect();
    let wanted = Wanted { action: &action, inputs: &given, each: None, about: None, purpose: Purpose::Read };
    match turn.call(&wanted) {
        Ok(go) => Ok(go),
        Err(trouble) => super::action::identify(turn, &trouble).ok_or_else(|| trouble.detail.to_string()),
    }
}

fn names(action: &Action, reference: &str) -> bool {
    reference.split_once('.').is_some_and(|(i, a)| action.id.integration.name == Name::new(i) && action.id.action.name == Name::new(a))
}

/// Whether its time has passed.
pub(in crate::engine) fn is_over(turn: &Turn<'_>) -> bool {
    turn.state.top().and_then(|r| r.stand.until).is_some_and(|until| turn.at >= until)
}

/// Keeps what a read answered, by action.
pub(in crate::engine) fn kept(turn: &mut Turn<'_>, action: &Action, flight: &Flight) {
    let Some(here) = turn.here() else { return };
    if let Some(StepKind::Investigate(search)) = here.step().map(|s| &s.kind)
        && let Some(name) = &search.save_as
    {
        let under: Arc<str> = action.id.to_string().into();
        turn.keep(action, flight, name, Some(under), false);
    }
}

/// A read is done: the model goes on, unless its time has passed.
pub(in crate::engine) fn after_read(turn: &mut Turn<'_>) -> Go {
    if !is_over(turn) {
        return Go::Wait;
    }
    let Some(here) = turn.here() else { return Go::Wait };
    match here.step().map(|s| &s.kind) {
        Some(StepKind::Investigate(search)) => give_up(search, "the investigation took too long"),
        _ => Go::Wait,
    }
}

/// The model names what it found; `None` if that is not listed.
pub(in crate::engine) fn finding(turn: &Turn<'_>, search: &Investigate, name: &Name) -> Option<Go> {
    if is_over(turn) {
        return Some(give_up(search, "the investigation took too long"));
    }
    let branch = search.findings.iter().find(|b| b.name.name == *name)?;
    Some(Go::via(branch.then, format!("finding:{}", branch.name)))
}
