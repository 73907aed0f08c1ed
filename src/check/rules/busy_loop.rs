//! `WP0302`: a loop in which nothing waits for a person.
//!
//! In a loop, `choice`, `confirm`, `guide` and `investigate` wait, and so does a `done` that pauses; a `collect` waits only if the
//! `goto` of the loop names it, since otherwise its fields have their values; a `run` waits if every run of its journey comes to a
//! step that does, which a `collect` of a field that is not passed in is.

use std::collections::{BTreeSet, VecDeque};

use crate::check::flow::{Bits, Edge, Graph, Node, Way};
use crate::check::subject::Subject;
use crate::model::graph::EdgeKind;
use crate::model::step::{ChoiceFrom, Step, StepKind};
use crate::model::{Journey, Workspace};
use crate::source::{Code, Diagnostic, Diagnostics};
use crate::value::Name;

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let graph = &subject.graph;
    let busy = |edge: &Edge| {
        let asks_again = edge.way == Way::Written(EdgeKind::Goto) && is_collect(graph.step(edge.to));
        let waits = |s: &Step| waits(s, subject.waiting) && !(is_from_provider(s) && is_nothing(&edge.way));
        edge.way != Way::Correction && !asks_again && graph.step(edge.from).is_some_and(|s| !waits(s))
    };
    for knot in graph.knots(&busy) {
        let within: BTreeSet<Node> = knot.iter().copied().collect();
        let closing = |n: &&Node| graph.step(**n).is_some_and(|s| matches!(s.kind, StepKind::Goto(_)));
        // The author's order is the order of the arena: the goto that goes back is the one that stands last.
        let at = knot.iter().filter(closing).max().or_else(|| knot.first());
        let Some((node, step)) = at.and_then(|n| Some((*n, graph.step(*n)?))) else { continue };
        let path = cycle(graph, node, &|e| within.contains(&e.to) && busy(e));
        found.push(
            Diagnostic::new(Code::WP0302, step.span, "nothing waits for a person in this loop")
                .help("put a `choice`, `confirm` or `guide` into it, go to a `collect`, or leave it: `goto` a step outside")
                .path(path.into_iter().map(|n| subject.key(n)).collect()),
        );
    }
}

fn is_collect(step: Option<&Step>) -> bool {
    step.is_some_and(|s| matches!(s.kind, StepKind::Collect(_)))
}

/// A choice of what a provider offers waits only if it offers something.
fn is_from_provider(step: &Step) -> bool {
    matches!(&step.kind, StepKind::Choice(c) if matches!(c.from, Some(ChoiceFrom::Provider(_))))
}

fn is_nothing(way: &Way) -> bool {
    matches!(way, Way::Written(EdgeKind::Outcome(o) | EdgeKind::Unlisted(o)) if o.name.as_str() == "none")
}

fn waits(step: &Step, waiting: &BTreeSet<Name>) -> bool {
    match &step.kind {
        StepKind::Choice(_) | StepKind::Confirm(_) | StepKind::Guide(_) | StepKind::Investigate(_) => true,
        StepKind::Done(done) => done.resume.is_some(),
        StepKind::Run(run) => run.journey.as_ref().is_none_or(|j| waiting.contains(&j.slug.name)),
        StepKind::Collect(_)
        | StepKind::Action(_)
        | StepKind::Verify(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Set(_)
        | StepKind::Goto(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => false,
    }
}

/// The journeys whose every run comes to a step that waits before it comes back.
#[must_use]
pub fn journeys_that_wait(workspace: &Workspace) -> BTreeSet<Name> {
    let called = workspace.journeys.values().flat_map(|j| &j.steps).filter_map(|s| match &s.kind {
        StepKind::Run(run) => run.journey.as_deref(),
        _ => None,
    });
    let mut waiting = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for journey in called {
        if seen.insert(journey.slug.name.clone()) && always_waits(journey) {
            waiting.insert(journey.slug.name.clone());
        }
    }
    waiting
}

/// Calls inside are not followed: a journey that only waits in one that it runs is taken for one that does not.
fn always_waits(journey: &Journey) -> bool {
    let graph = Graph::new(journey);
    let none = BTreeSet::new();
    let passed_in = |name: &Name| journey.inputs.iter().any(|i| i.name == *name);
    let stops = |step: &Step| match &step.kind {
        StepKind::Collect(c) => c.fields.iter().any(|f| !passed_in(&f.name)),
        StepKind::Run(_) => false,
        _ => waits(step, &none) && !is_from_provider(step),
    };
    let mut seen = Bits::new(graph.len());
    let mut open = vec![graph.entry()];
    while let Some(node) = open.pop() {
        match graph.step(node) {
            Some(step) if stops(step) => {}
            Some(step) if graph.out(node).is_empty() && !matches!(step.kind, StepKind::Escalate(_)) => return false,
            None if node == graph.end() => return false,
            _ => open.extend(graph.out(node).iter().map(|e| e.to).filter(|n| seen.insert(n.index()))),
        }
    }
    true
}

/// The shortest way from a place back to itself.
fn cycle(graph: &Graph<'_>, start: Node, along: &dyn Fn(&Edge) -> bool) -> Vec<Node> {
    let mut before = vec![None; graph.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for edge in graph.out(node).iter().filter(|e| along(e)) {
            if edge.to == start {
                let mut path = vec![start];
                let mut at = node;
                while at != start {
                    path.push(at);
                    let Some(Some(previous)) = before.get(at.index()) else { break };
                    at = *previous;
                }
                path.push(start);
                path.reverse();
                return path;
            }
            if let Some(slot @ None) = before.get_mut(edge.to.index()) {
                *slot = Some(node);
                queue.push_back(edge.to);
            }
        }
    }
    vec![start]
}
