//! What a correction unsets (language, 3.9).
//!
//! A correction goes back to the collect that last asked for the field and unsets every variable that a later step assigned. What
//! only later steps assign is no news at that collect: no way to it had set it. But a variable that was set *before* the collect and
//! again after it is unset by a correction, though every way in the journey's text leads past its first assignment. So this case
//! needs a way of its own ([`super::flow::Way::Correction`], from the collect to itself), and only where there is such a variable:
//! where some step after the collect assigns it, and after that, without passing the collect again, somebody is waited for.

use super::assigned::{self, Quantity};
use super::changes::Changes;
use super::flow::{Bits, Graph, Node, Way, may_wait};
use super::variables::Variables;
use crate::model::step::StepKind;

/// How many ways may be looked at, for each way of the graph; past that, a correction is taken to unset all that it might.
const BUDGET: usize = 64;

/// For each collect, in order, the variables that were set before it and that a correction of one of its fields unsets.
#[must_use]
pub fn unsets(graph: &Graph<'_>, variables: &Variables, changes: &Changes) -> Vec<(Node, Bits)> {
    let before = assigned::solve(graph, variables, changes, Quantity::OnEveryWay);
    let later = assigned_later(graph, variables, changes);
    let mut budget = graph.edges().len().saturating_mul(BUDGET);
    let mut found = Vec::new();
    for (id, step) in graph.journey.iter() {
        let node = Node(id.0);
        let (StepKind::Collect(_), Some(Some(set))) = (&step.kind, before.get(node.index())) else { continue };
        let mut candidates = set.clone();
        if let Some(later) = later.get(node.index()) {
            candidates.intersect(later);
        }
        if candidates.is_empty() {
            continue;
        }
        let unset = between(graph, changes, node, &candidates, &mut budget);
        if !unset.is_empty() {
            found.push((node, unset));
        }
    }
    found
}

/// For each place, the variables that a step at or after it may assign.
fn assigned_later(graph: &Graph<'_>, variables: &Variables, changes: &Changes) -> Vec<Bits> {
    let mut later = vec![Bits::new(variables.len()); graph.len()];
    let mut open: Vec<Node> = graph.order.clone();
    let mut waiting = Bits::new(graph.len());
    open.iter().for_each(|n| {
        waiting.insert(n.index());
    });
    while let Some(node) = open.pop() {
        waiting.remove(node.index());
        let mut here = later.get(node.index()).cloned().unwrap_or_default();
        let mut grown = false;
        for (number, edge) in graph.out_range(node).zip(graph.out(node)) {
            for v in changes.assigned(graph, number) {
                grown |= here.insert(v);
            }
            if let Some(there) = later.get(edge.to.index()) {
                grown |= here.unite(there);
            }
        }
        if grown {
            if let Some(slot) = later.get_mut(node.index()) {
                *slot = here;
            }
            open.extend(graph.into(node).map(|e| e.from).filter(|n| graph.is_reached(*n) && waiting.insert(n.index())));
        }
    }
    later
}

/// Those of `candidates` that are assigned on some way from `collect` to a step that waits, without passing `collect` again.
fn between(graph: &Graph<'_>, changes: &Changes, collect: Node, candidates: &Bits, budget: &mut usize) -> Bits {
    let mut seen = Bits::new(graph.len());
    let mut region = vec![collect];
    let mut next = 0;
    while let Some(&node) = region.get(next) {
        next += 1;
        let out = graph.out(node);
        let Some(left) = budget.checked_sub(out.len()) else { return candidates.clone() };
        *budget = left;
        for edge in out {
            if edge.to != collect && edge.way != Way::Correction && seen.insert(edge.to.index()) {
                region.push(edge.to);
            }
        }
    }
    let mut before_wait = Bits::new(graph.len());
    let waits = |n: &Node| *n != collect && graph.step(*n).is_some_and(may_wait);
    let mut open: Vec<Node> = region.iter().copied().filter(waits).collect();
    open.iter().for_each(|n| {
        before_wait.insert(n.index());
    });
    while let Some(node) = open.pop() {
        let from = graph.into(node).map(|e| e.from).filter(|n| seen.contains(n.index()));
        open.extend(from.filter(|n| before_wait.insert(n.index())));
    }
    let mut unset = candidates.emptied();
    for node in region.iter().filter(|n| **n != collect) {
        for (number, edge) in graph.out_range(*node).zip(graph.out(*node)) {
            if edge.to != collect && before_wait.contains(edge.to.index()) {
                changes.assigned(graph, number).filter(|v| candidates.contains(*v)).for_each(|v| {
                    unset.insert(v);
                });
            }
        }
    }
    unset
}
