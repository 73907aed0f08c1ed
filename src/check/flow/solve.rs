//! Analyses over a graph: forward, what is known at each place however a run came there; backward, what may still come.

use super::{Bits, Edge, Graph, Node};

/// A question about all runs: what is known at the entry, what a way changes, and what is left where ways meet.
///
/// Facts must form a lattice of finite height, `meet` must only go one way in it, and `along` must be monotone: then [`solve`] ends.
pub trait Analysis {
    /// What is known at a place.
    type Fact: Clone;

    /// What is known where a run begins.
    fn entry(&self) -> Self::Fact;

    /// What a run along that way, the edge with that number, makes of what was known before its first place's step.
    fn along(&self, number: usize, edge: &Edge, fact: &mut Self::Fact);

    /// What is known if a run may come with either; whether that is something else than `fact`.
    fn meet(&self, fact: &mut Self::Fact, other: &Self::Fact) -> bool;
}

/// What is known before the step at each place; `None` where no run comes.
///
/// A worklist in reverse post-order: a journey without loops is passed once.
pub fn solve<A: Analysis>(graph: &Graph<'_>, analysis: &A) -> Vec<Option<A::Fact>> {
    let mut facts: Vec<Option<A::Fact>> = vec![None; graph.len()];
    let mut rank = vec![usize::MAX; graph.len()];
    for (i, node) in graph.order.iter().enumerate() {
        if let Some(r) = rank.get_mut(node.index()) {
            *r = i;
        }
    }
    let rank_of = |node: Node| rank.get(node.index()).copied().unwrap_or(usize::MAX);
    if let Some(fact) = facts.get_mut(graph.entry().index()) {
        *fact = Some(analysis.entry());
    }
    let mut dirty = Bits::flat(graph.order.len());
    dirty.insert(0);
    let (mut before, mut after) = (analysis.entry(), analysis.entry());
    let mut next = 0;
    while let Some(i) = dirty.first_from(next) {
        next = i + 1;
        dirty.remove(i);
        let Some(&node) = graph.order.get(i) else { continue };
        let Some(Some(fact)) = facts.get(node.index()) else { continue };
        before.clone_from(fact);
        for (number, edge) in graph.out_range(node).zip(graph.out(node)) {
            after.clone_from(&before);
            analysis.along(number, edge, &mut after);
            let Some(target) = facts.get_mut(edge.to.index()) else { continue };
            let changed = match target {
                Some(fact) => analysis.meet(fact, &after),
                None => target.replace(after.clone()).is_none(),
            };
            if changed {
                let rank = rank_of(edge.to);
                dirty.insert(rank);
                next = next.min(rank);
            }
        }
    }
    facts
}

/// What may still come after each place: unions, backward. `at` says what a place adds by itself; `along` what a way, the edge with
/// that number, makes of what may come after it.
pub fn back(graph: &Graph<'_>, size: usize, at: impl Fn(Node, &mut Bits), along: impl Fn(usize, &Edge, &Bits, &mut Bits)) -> Vec<Bits> {
    let mut facts = vec![Bits::new(size); graph.len()];
    let last = graph.order.len();
    let mut rank = vec![usize::MAX; graph.len()];
    let mut dirty = Bits::flat(last);
    for (i, node) in graph.order.iter().rev().enumerate() {
        if let (Some(r), Some(fact)) = (rank.get_mut(node.index()), facts.get_mut(node.index())) {
            *r = i;
            at(*node, fact);
            dirty.insert(i);
        }
    }
    let mut fact = Bits::new(size);
    let mut next = 0;
    while let Some(i) = dirty.first_from(next) {
        next = i + 1;
        dirty.remove(i);
        let Some(&node) = last.checked_sub(i + 1).and_then(|i| graph.order.get(i)) else { continue };
        let Some(before) = facts.get(node.index()) else { continue };
        fact.clone_from(before);
        for (number, edge) in graph.out_range(node).zip(graph.out(node)) {
            if let Some(after) = facts.get(edge.to.index()) {
                along(number, edge, after, &mut fact);
            }
        }
        let Some(slot) = facts.get_mut(node.index()) else { continue };
        if slot.unite(&fact) {
            for edge in graph.into(node) {
                if let Some(r) = rank.get(edge.from.index()).copied().filter(|r| *r != usize::MAX) {
                    dirty.insert(r);
                    next = next.min(r);
                }
            }
        }
    }
    facts
}
