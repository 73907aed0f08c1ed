//! What a `goto` back to a collect does: it clears that collect's fields, and what was asked after it counts as not asked, so that
//! nobody can go back, which would be forward, to there before the run comes to it again.

use std::collections::BTreeMap;

use super::flow::{Analysis, Bits, Edge, Graph, Node, Way, solve};
use super::parts;
use super::variables::{Var, Variables};
use crate::model::graph::EdgeKind;
use crate::model::step::{Step, StepKind};
use crate::value::Name;

/// The collects that a `goto` leads to.
#[derive(Debug, Default)]
pub struct Again {
    /// Each with its number, and whether it asks for something that no other collect asks for.
    targets: BTreeMap<Node, (usize, bool)>,
    /// Which of them every way has come by, before each place.
    before: Vec<Option<Bits>>,
    /// By edge: the fields that may have been asked for after the collect that it leads to.
    forgotten: BTreeMap<usize, Bits>,
}

impl Again {
    /// Finds them.
    #[must_use]
    pub fn of(graph: &Graph<'_>, variables: &Variables) -> Self {
        let mut found = Self::default();
        let mut asking: BTreeMap<&Name, usize> = BTreeMap::new();
        for step in graph.journey.steps.iter().filter(|s| matches!(s.kind, StepKind::Collect(_))) {
            for field in parts::fields(step) {
                *asking.entry(&field.name).or_default() += 1;
            }
        }
        let mut gotos = Vec::new();
        for (number, edge) in graph.edges().iter().enumerate() {
            let Some(step) = target(graph, edge) else { continue };
            let next = found.targets.len();
            let alone = parts::fields(step).iter().any(|f| asking.get(&f.name) == Some(&1));
            found.targets.entry(edge.to).or_insert((next, alone));
            gotos.push((number, edge.clone()));
        }
        if !found.targets.is_empty() {
            found.before = solve(graph, &Before { targets: &found.targets });
            found.forgotten = asked_since(graph, variables, &gotos);
        }
        found
    }

    /// The fields that count as not asked for after that way.
    #[must_use]
    pub fn forgotten(&self, number: usize) -> Option<&Bits> {
        self.forgotten.get(&number)
    }

    /// Whether some `goto` leads to that collect.
    #[must_use]
    pub fn is_target(&self, node: Node) -> bool {
        self.targets.contains_key(&node)
    }

    /// Whether every way to `collect` has come by the collect that is asked again before, so that its being asked is forgotten there.
    #[must_use]
    pub fn comes_before(&self, again: Node, collect: Node) -> bool {
        let Some((number, true)) = self.targets.get(&again) else { return false };
        self.before.get(collect.index()).and_then(Option::as_ref).is_some_and(|b| b.contains(*number))
    }

    /// What that way clears, since the collect that it leads to asks again; and whether that collect requires it.
    pub fn by<'a>(graph: &Graph<'a>, variables: &'a Variables, edge: &Edge) -> impl Iterator<Item = (Var, bool)> + use<'a> {
        let step = target(graph, edge);
        let required =
            move |name: &Name| matches!(step.map(|s| &s.kind), Some(StepKind::Collect(c)) if c.fields.iter().any(|f| f.name == *name));
        let fields = step.map(parts::fields).unwrap_or_default();
        fields.into_iter().filter_map(move |f| Some((variables.var(&f.name)?, required(&f.name))))
    }
}

/// The collect that a `goto` leads to.
fn target<'a>(graph: &Graph<'a>, edge: &Edge) -> Option<&'a Step> {
    let step = if edge.way == Way::Written(EdgeKind::Goto) { graph.step(edge.to) } else { None };
    step.filter(|s| matches!(s.kind, StepKind::Collect(_)))
}

/// By `goto`: the fields of the collects that lie between the one that it leads to and the `goto`.
///
/// All that lies there is of one knot, which the `goto` itself closes; so nothing else is looked at, and no more than until there is
/// nothing left to be found.
fn asked_since(graph: &Graph<'_>, variables: &Variables, gotos: &[(usize, Edge)]) -> BTreeMap<usize, Bits> {
    let fields = |node: Node| {
        let step = graph.step(node).filter(|s| matches!(s.kind, StepKind::Collect(_)));
        step.map(parts::fields).unwrap_or_default().into_iter().filter_map(|f| variables.var(&f.name))
    };
    let knots = graph.knots(&|_| true);
    let mut knot_of = vec![usize::MAX; graph.len()];
    let mut asked_in = Vec::new();
    for (n, knot) in knots.iter().enumerate() {
        let mut asked = Bits::new(variables.len());
        for node in knot {
            if let Some(slot) = knot_of.get_mut(node.index()) {
                *slot = n;
            }
            fields(*node).for_each(|v| {
                asked.insert(v);
            });
        }
        asked_in.push(asked);
    }
    let mut found = BTreeMap::new();
    let mut seen = vec![usize::MAX; graph.len()];
    for (round, (number, edge)) in gotos.iter().enumerate() {
        let mut asked = Bits::new(variables.len());
        let knot = knot_of.get(edge.to.index()).copied().unwrap_or(usize::MAX);
        let mut open = vec![edge.from];
        while let Some(at) = open.pop() {
            let known = knot_of.get(at.index()) != Some(&knot) || knot == usize::MAX || at == edge.to;
            let Some(mark) = seen.get_mut(at.index()).filter(|mark| !known && **mark != round) else { continue };
            *mark = round;
            let new = fields(at).filter(|v| asked.insert(*v)).count();
            if new > 0 && asked_in.get(knot).is_some_and(|all| *all == asked) {
                break;
            }
            open.extend(graph.into(at).map(|e| e.from));
        }
        found.insert(*number, asked);
    }
    found
}

struct Before<'a> {
    targets: &'a BTreeMap<Node, (usize, bool)>,
}

impl Analysis for Before<'_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.targets.len())
    }

    fn along(&self, _: usize, edge: &Edge, before: &mut Bits) {
        if let Some((number, _)) = self.targets.get(&edge.from) {
            before.insert(*number);
        }
    }

    fn meet(&self, before: &mut Bits, other: &Bits) -> bool {
        before.intersect(other)
    }
}
