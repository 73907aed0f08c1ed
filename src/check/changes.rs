//! What each way of a step graph does to the variables (language, 3.1 to 3.9).
//!
//! A correction goes back to the collect that last asked for the field and unsets what later steps assigned. What only later steps
//! assign was not set on the way to that collect, and is assigned again going forward from it. But a variable that was set before the
//! collect and once more after it, as in a loop that goes back past it, is unset then: see [`Changes::correct`].

use std::collections::BTreeMap;

use super::fills::{self, Fills};
use super::flow::{Bits, Graph, Way};
use super::parts::{self, FREEFORM, Part};
use super::reads;
use super::variables::{Var, Variables};
use crate::expr::Root;
use crate::model::graph::EdgeKind;
use crate::model::step::{Call, Step, StepKind};
use crate::value::Name;

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has a value now.
    Set(Var),
    /// It may have got one.
    MaybeSet(Var),
    /// It has none now.
    Unset(Var),
    /// It is taken to have one: a condition proves it, or it was read before, and if it had none, that has been said there.
    Assumed(Var),
}

/// Outcomes of a run that the engine makes: there is no result then (language, 3.8).
pub const ENGINE_OUTCOMES: [&str; 4] = ["declined", "cancelled", "failed", "denied"];

/// The changes along every way of a graph.
#[derive(Debug, Default)]
pub struct Changes {
    /// By any way out of a step, and before those of the way itself.
    steps: Rows,
    /// By one way.
    edges: Rows,
    /// What corrections unset, by the way that goes back, or on which something may be changed.
    corrected: BTreeMap<usize, Vec<Change>>,
}

/// Lists of changes, one after the other.
#[derive(Debug, Default)]
struct Rows {
    all: Vec<Change>,
    ends: Vec<u32>,
}

impl Rows {
    fn close(&mut self) {
        self.ends.push(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
    }

    fn row(&self, n: usize) -> &[Change] {
        let end = |n: usize| self.ends.get(n).map_or(0, |e| *e as usize);
        let start = n.checked_sub(1).map_or(0, end);
        self.all.get(start..end(n)).unwrap_or(&[])
    }
}

impl Changes {
    /// Finds them.
    #[must_use]
    pub fn of(graph: &Graph<'_>, variables: &Variables) -> Self {
        let mut found = Self::default();
        for step in &graph.journey.steps {
            found.steps.all.extend(by_step(step, variables));
            found.steps.close();
        }
        for edge in graph.edges() {
            if let (Way::Written(kind), Some(step)) = (&edge.way, graph.step(edge.from)) {
                by_way(step, kind, graph.step(edge.to), variables, &mut found.edges.all);
            } else if let Some(step) = graph.step(edge.from) {
                // Some fields may be filled before a collect gives up, or is left for a correction.
                let fields = parts::fields(step);
                found.edges.all.extend(fields.iter().filter_map(|f| variables.var(&f.name)).map(Change::MaybeSet));
            }
            found.edges.close();
        }
        found
    }

    /// What a run along that edge does, in order.
    pub fn along(&self, graph: &Graph<'_>, number: usize) -> impl Iterator<Item = Change> + '_ {
        let from = graph.edges().get(number).map_or(usize::MAX, |e| e.from.index());
        let corrected = if self.corrected.is_empty() { None } else { self.corrected.get(&number) };
        self.steps.row(from).iter().chain(self.edges.row(number)).chain(corrected.into_iter().flatten()).copied()
    }

    /// Adds what corrections unset of what has a value for certain; whether there is any.
    pub fn correct(&mut self, graph: &Graph<'_>, variables: &Variables, fills: &Fills, set: &[Option<Bits>]) -> bool {
        let mut unset: BTreeMap<usize, Bits> = BTreeMap::new();
        let (mut since, mut numbers, mut collects) = (None, Vec::new(), Vec::new());
        for (number, edge) in graph.edges().iter().enumerate() {
            let Some(Some(set)) = set.get(edge.from.index()) else { continue };
            match &edge.way {
                Way::Correction => {
                    let Some(mut roughly) = fills.correction(edge.from).cloned() else { continue };
                    fills.cleared(edge.from).map(|cleared| roughly.unite(cleared));
                    roughly.intersect(set);
                    let fields = graph.step(edge.from).map(parts::fields).unwrap_or_default();
                    let fields: Vec<Var> = fields.iter().filter_map(|f| variables.var(&f.name)).collect();
                    if !roughly.is_empty() && !fields.is_empty() {
                        numbers.push(number);
                        collects.push((edge.from, fields));
                    }
                }
                // What was changed was asked for before: what steps assigned since the first collect may go.
                Way::Written(EdgeKind::Change) => {
                    let since = since.get_or_insert_with(|| fills::since_asked(graph, self, variables.len()));
                    unset.extend(since.get(edge.from.index()).cloned().flatten().map(|since| (number, since)));
                }
                Way::Written(_) | Way::Fallback | Way::Ended => {}
            }
        }
        if !collects.is_empty() {
            unset.extend(numbers.into_iter().zip(fills.unset_by_corrections(graph, variables, self, set, &collects)));
        }
        for (number, mut unset) in unset {
            let set = graph.edges().get(number).and_then(|e| set.get(e.from.index())?.as_ref());
            set.map(|set| unset.intersect(set));
            if !unset.is_empty() {
                self.corrected.insert(number, unset.iter().map(Change::Unset).collect());
            }
        }
        !self.corrected.is_empty()
    }
}

fn by_step(step: &Step, variables: &Variables) -> Vec<Change> {
    let mut changes = Vec::new();
    if let StepKind::Set(_) = &step.kind {
        parts::of_step(step, &mut |part| match part {
            Part::Assigns(name, Some(_)) => changes.extend(variables.var(name).map(Change::Set)),
            Part::Assigns(name, None) => changes.extend(variables.var(name).map(Change::Unset)),
            Part::Reads(reader, role) => {
                let read = reads::of_reader(reader, role).filter(|r| !r.guarded).filter_map(|r| r.name);
                changes.extend(read.filter_map(|n| variables.var(&n)).map(Change::Assumed));
            }
            Part::Names(..) => {}
        });
    } else {
        reads::of_step(step, &|n| variables.var(n).is_some(), &mut |read| {
            if let (false, Some(name)) = (read.guarded, &read.name) {
                changes.extend(variables.var(name).map(Change::Assumed));
            }
        });
    }
    changes
}

fn by_way(step: &Step, kind: &EdgeKind, target: Option<&Step>, variables: &Variables, changes: &mut Vec<Change>) {
    let mut push = |name: &Name, change: fn(Var) -> Change| changes.extend(variables.var(name).map(change));
    match &step.kind {
        StepKind::Collect(c) => {
            for f in parts::fields(step) {
                push(&f.name, Change::MaybeSet);
            }
            let complete = match kind {
                EdgeKind::AnyOf(i) => c.any_of.get(*i).map(|a| &a.fields),
                EdgeKind::Exhausted => None,
                _ => Some(&c.fields),
            };
            for f in complete.into_iter().flatten() {
                push(&f.name, Change::Set);
            }
        }
        StepKind::Action(call) => {
            if let EdgeKind::Continue | EdgeKind::Outcome(_) | EdgeKind::Unlisted(_) = kind {
                results(call).for_each(|n| push(n, Change::Set));
            }
        }
        StepKind::Verify(v) => match kind {
            EdgeKind::Continue | EdgeKind::Verified => results(&v.call).for_each(|n| push(n, Change::Set)),
            // Also taken without a call, after too many tries.
            EdgeKind::NotVerified => results(&v.call).for_each(|n| push(n, Change::MaybeSet)),
            _ => {}
        },
        StepKind::Choice(c) => match kind {
            // Nothing is offered: nothing was picked.
            EdgeKind::Outcome(o) | EdgeKind::Unlisted(o) if o.name.as_str() == "none" => {
                c.save_as.iter().for_each(|n| push(n, Change::MaybeSet));
            }
            EdgeKind::Option(_) | EdgeKind::Picked | EdgeKind::Continue | EdgeKind::Outcome(_) | EdgeKind::Unlisted(_) => {
                c.save_as.iter().for_each(|n| push(n, Change::Set));
            }
            EdgeKind::Freeform => push(&FREEFORM, Change::Set),
            _ => {}
        },
        StepKind::Investigate(i) => {
            let change = if matches!(kind, EdgeKind::Finding(_)) { Change::Set } else { Change::MaybeSet };
            i.save_as.iter().for_each(|n| push(n, change));
        }
        StepKind::Run(r) => {
            if !matches!(kind, EdgeKind::Outcome(o) if ENGINE_OUTCOMES.contains(&o.name.as_str())) {
                r.save_as.iter().for_each(|n| push(n, Change::Set));
            }
        }
        StepKind::If(i) => {
            if let EdgeKind::Then | EdgeKind::Else = kind {
                for (root, keys) in i.condition.set_when(*kind == EdgeKind::Then) {
                    if let (Root::Variables, Some(name)) = (root, keys.first()) {
                        push(&Name::of(name), Change::Assumed);
                    }
                }
            }
        }
        StepKind::Goto(_) => {
            // A collect that is gone to asks again, but keeps what was filled in this very turn.
            for f in target.map(parts::fields).unwrap_or_default() {
                push(&f.name, Change::Unset);
                push(&f.name, Change::MaybeSet);
            }
        }
        StepKind::Confirm(_)
        | StepKind::Guide(_)
        | StepKind::Say(_)
        | StepKind::Set(_)
        | StepKind::Done(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => {}
    }
}

fn results(call: &Call) -> impl Iterator<Item = &Name> {
    call.save_as.iter().chain(call.action.as_ref().and_then(|a| a.output_datapoint.as_ref()))
}
