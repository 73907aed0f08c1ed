//! Values of fields: from commands and from messages, normalised, validated, and kept even if others fail.

use std::sync::Arc;

use super::answer::FieldError;
use super::event::{EventBody, Filled};
use super::hear::Heard;
use super::input::Actor;
use super::recall::known_by;
use super::state::Run;
use super::turn::{Go, Turn};
use crate::model::step::StepKind;
use crate::model::{Datapoint, Next};
use crate::supervise::Origin;
use crate::understand::{self, FieldProblem};
use crate::value::{Json, Name, Taint, Value};

/// A field that somebody may fill: in which run, and what types it.
pub(super) struct Slot {
    run: u32,
    name: Name,
    pub datapoint: Arc<Datapoint>,
}

/// What came of values for fields.
#[derive(Default)]
pub(super) struct Fills {
    /// Fields that took a value.
    pub taken: Vec<Name>,
    /// What was wrong with the others.
    pub problems: Vec<(Name, FieldProblem)>,
    /// Where a correction goes back to.
    pub back: Option<Go>,
}

impl Turn<'_> {
    /// The slot that a name means here: of the top run or, in a called one, of the nearest below that asks for it.
    pub(super) fn slot(&self, name: &Name) -> Option<Slot> {
        for run in self.state.runs.iter().rev() {
            let plan = self.machine.plan(run)?;
            let from_caller = plan.journey.inputs.iter().find(|i| i.from_caller && i.name == *name).map(|i| &i.datapoint);
            if let Some(datapoint) = plan.field(name).or(from_caller) {
                return Some(Slot { run: run.id, name: name.clone(), datapoint: datapoint.clone() });
            }
            if !run.called {
                return None;
            }
        }
        None
    }

    /// Whether any field here has a value that somebody gave.
    pub fn has_correctable(&self) -> bool {
        for run in self.state.runs.iter().rev() {
            let Some(plan) = self.machine.plan(run) else { return false };
            let given = |name: &Name| run.variables.set.get(name).is_some_and(|v| v.step.is_empty());
            if plan.fields.iter().any(|(name, ..)| given(name)) {
                return true;
            }
            if !run.called {
                break;
            }
        }
        false
    }

    fn run_of(&self, id: u32) -> Option<&Arc<Run>> {
        self.state.runs.iter().find(|r| r.id == id)
    }

    /// Takes values given by name. A name that may not be filled refuses all of them, before anything changes.
    pub fn fill(&mut self, values: &[(Name, Json)]) -> Option<Fills> {
        let mut slots = Vec::new();
        for (name, json) in values {
            let why = match self.slot(name) {
                None => Some(("not_fillable", format!("no step of this journey asks for `{name}`"))),
                Some(slot) => {
                    let run = self.run_of(slot.run);
                    let assigned = run.and_then(|r| r.variables.set.get(name)).is_some_and(|v| !v.step.is_empty());
                    let locked = run.is_some_and(|r| r.locked.contains(name));
                    slots.push((slot, json));
                    if assigned {
                        Some(("not_fillable", format!("the journey itself sets `{name}`")))
                    } else if locked {
                        Some(("locked", format!("something that was started has already used `{name}`")))
                    } else {
                        None
                    }
                }
            };
            if let Some((code, help)) = why {
                self.errors.push(FieldError { field: name.clone(), code: code.into(), help: help.as_str().into() });
                self.refuse(code, help);
            }
        }
        if self.refused.is_some() {
            return None;
        }
        let mut fills = Fills::default();
        let mut accepted = Vec::new();
        for (slot, json) in slots {
            if json.is_null() && self.leave_out(&slot) {
                fills.taken.push(slot.name);
                continue;
            }
            if slot.datapoint.sensitive {
                self.recall.judge_by(&self.rules([&*slot.datapoint]), self.recall.hides(json));
            }
            if self.recall.hides(json) {
                // Whether it was taken, only the recording can tell.
                match self.recall.filled(&slot.name) {
                    Some(_) => accepted.push((slot, json.clone())),
                    None if self.recall.kept(&slot.name) => fills.taken.push(slot.name),
                    None => {}
                }
                continue;
            }
            match understand::normalise(&slot.datapoint, json, &self.machine.locale, self.at) {
                Ok(json) => accepted.push((slot, json)),
                Err(problem) => fills.problems.push((slot.name, problem)),
            }
        }
        let origin = if self.actor == Actor::Agent { Origin::Proposed } else { Origin::Said };
        self.accept(accepted, origin, &mut fills);
        Some(fills)
    }

    /// Leaves an optional field unset, as `skip` does, where the step at hand asks for it or is going to.
    fn leave_out(&mut self, slot: &Slot) -> bool {
        let here = self.here().and_then(super::walk::Here::step);
        let Some(StepKind::Collect(collect)) = here.map(|s| &s.kind) else { return false };
        let own = self.state.top().filter(|r| r.id == slot.run && !r.variables.set.contains_key(&slot.name));
        let Some(run) = own.filter(|_| collect.optional.iter().any(|f| f.name == slot.name)) else { return false };
        if !run.stand.optional.contains(&slot.name) {
            self.emit(EventBody::Asked { fields: vec![slot.name.clone()], optional: true });
        }
        true
    }

    /// Takes the values that a message holds. `asked`: the fields that are asked for now; others only by type or pattern.
    pub fn fill_from(&mut self, heard: &Heard, asked: &[Name], plain: bool) -> Fills {
        let mut slots: Vec<Slot> = Vec::new();
        for run in self.state.runs.iter().rev() {
            let Some(plan) = self.machine.plan(run) else { break };
            for (name, datapoint, _) in &plan.fields {
                let set = run.variables.set.get(name);
                let open = set.is_none() && !slots.iter().any(|s| s.name == *name);
                if open {
                    slots.push(Slot { run: run.id, name: name.clone(), datapoint: datapoint.clone() });
                }
            }
            if !run.called {
                break;
            }
        }
        self.take(heard, slots, asked, plain)
    }

    /// Takes new values for fields that have one, out of a message at a confirm.
    pub fn correct_from(&mut self, heard: &Heard) -> Fills {
        let mut slots: Vec<Slot> = Vec::new();
        if let Some((run, plan)) = self.top() {
            for (name, datapoint, _) in &plan.fields {
                let set = run.variables.set.get(name).is_some_and(|v| v.step.is_empty());
                if set && !run.locked.contains(name) {
                    slots.push(Slot { run: run.id, name: name.clone(), datapoint: datapoint.clone() });
                }
            }
        }
        self.take(heard, slots, &[], false)
    }

    fn take(&mut self, heard: &Heard, slots: Vec<Slot>, asked: &[Name], plain: bool) -> Fills {
        if self.recall.hides_text(&heard.text) {
            self.recall.judge_by(&self.rules(slots.iter().map(|s| &*s.datapoint)), true);
            let problem = |s: &Slot| self.recall.problem(&s.datapoint).map(|(at, problem)| (at, s.name.clone(), problem));
            let mut problems: Vec<_> = slots.iter().filter_map(problem).collect();
            problems.sort_by_key(|(at, ..)| *at);
            let kept: Vec<Name> = slots.iter().map(|s| s.name.clone()).filter(|name| self.recall.kept(name)).collect();
            let known: Vec<_> =
                slots.into_iter().filter_map(|s| self.recall.filled(&s.name).map(|f| (s, (*f.value.json).clone()))).collect();
            let mut fills = Fills::default();
            self.accept(known, Origin::Said, &mut fills);
            fills.taken.extend(kept);
            fills.problems = problems.into_iter().map(|(_, name, problem)| (name, problem)).collect();
            return fills;
        }
        let fields: Vec<&Datapoint> = slots.iter().map(|s| &*s.datapoint).collect();
        let asked: Vec<&Datapoint> = slots.iter().filter(|s| asked.contains(&s.name)).map(|s| &*s.datapoint).collect();
        let found = understand::extract(&fields, &asked, &heard.text, plain, &self.machine.locale, self.at);
        if self.is_asked_for_sensitive() || found.iter().any(|(name, _)| fields.iter().any(|d| d.sensitive && *name == d.slug.name)) {
            self.recall.judge_by(&self.rules(fields.iter().copied()), false);
            for (name, result) in &found {
                if let (Err(problem), Some(datapoint)) = (result, fields.iter().find(|d| d.slug.name == *name)) {
                    self.recall.note_problem(datapoint, problem);
                }
            }
        }
        let mut fills = Fills::default();
        let mut accepted = Vec::new();
        for (name, result) in found {
            let Some(slot) = slots.iter().find(|s| s.name == name) else { continue };
            let slot = Slot { run: slot.run, name: slot.name.clone(), datapoint: slot.datapoint.clone() };
            match result {
                Ok(json) => accepted.push((slot, json)),
                Err(problem) => fills.problems.push((slot.name, problem)),
            }
        }
        self.accept(accepted, Origin::Said, &mut fills);
        fills
    }

    fn accept(&mut self, accepted: Vec<(Slot, Json)>, origin: Origin, fills: &mut Fills) {
        let mut back: Option<(u32, u64, Name, crate::model::StepKey)> = None;
        for (slot, json) in accepted {
            let Some(run) = self.run_of(slot.run) else { continue };
            let before = run.variables.set.get(&slot.name);
            let known = self.recall.hides(&json).then(|| self.recall.filled(&slot.name)).flatten();
            if known.is_none() && before.is_some_and(|v| *v.value.json == json) {
                if slot.datapoint.sensitive {
                    self.recall.keep(&slot.name);
                }
                fills.taken.push(slot.name);
                continue;
            }
            if before.is_some()
                && let Some((step, entered)) = run.asked.get(&slot.name)
                && back.as_ref().is_none_or(|(_, n, ..)| entered < n)
            {
                back = Some((run.id, *entered, slot.name.clone(), step.clone()));
            }
            let stands = origin == Origin::Proposed && self.stands_in_users_words(&json);
            let origin = match known {
                Some(known) => known.origin,
                None if stands => Origin::Said,
                None => origin,
            };
            let taint = if slot.datapoint.sensitive { Taint::whole() } else { Taint::default() };
            let run = (run.id != self.state.top().map_or(0, |r| r.id)).then_some(run.id);
            let value = Value { json: Arc::new(json), taint };
            self.emit(EventBody::Filled(Box::new(Filled { name: slot.name.clone(), value, origin, run })));
            fills.taken.push(slot.name);
        }
        if let Some((run, _, field, step)) = back {
            fills.back = Some(self.go_back(run, field, step));
        }
    }

    /// Back to the collect that asked last; the runs that were called from there end.
    fn go_back(&mut self, run: u32, field: Name, step: crate::model::StepKey) -> Go {
        while let Some(top) = self.state.top().filter(|r| r.id != run).cloned() {
            let ended = super::event::Ended { run: top.id, outcome: "cancelled".into(), result: None, via: None };
            self.emit(EventBody::Ended(Box::new(ended)));
        }
        self.emit(EventBody::Corrected { field, step: step.clone() });
        let id = self.top().and_then(|(_, plan)| plan.journey.step_by_key(&step).map(|(id, _)| id));
        match id {
            Some(id) => Go::via(Next::Step(id), "correction"),
            None => Go::Fall("the step to go back to is not in this version of the journey".into()),
        }
    }

    /// Whether a value stands, as whole words, in something that the user said in this conversation.
    pub fn stands_in_users_words(&self, json: &Json) -> bool {
        let text = crate::value::display(json);
        let stands = || self.state.heard.iter().any(|heard| understand::stands_in(heard, &text));
        if !self.state.sensitive {
            return stands();
        }
        // What was said may be hidden, or the value itself.
        self.recall.condition("said", || Ok::<_, std::convert::Infallible>(stands())).unwrap_or(false)
    }

    /// A digest of what fields take here.
    pub(super) fn rules<'a>(&self, fields: impl IntoIterator<Item = &'a Datapoint>) -> String {
        let rules: Vec<String> = std::iter::once(self.machine.reads.clone()).chain(fields.into_iter().map(Datapoint::rule)).collect();
        known_by("fields", &rules)
    }

    /// Tells what was wrong with the values of a command.
    pub fn report(&mut self, problems: &[(Name, FieldProblem)]) {
        for (name, problem) in problems {
            let error = FieldError { field: name.clone(), code: problem.code.into(), help: problem.help.as_str().into() };
            self.errors.push(error);
        }
    }
}
