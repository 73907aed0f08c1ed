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
    /// The fields of them all.
    pub cleared: Bits,
}

impl Again {
    /// Finds them.
    #[must_use]
    pub fn of(graph: &Graph<'_>, variables: &Variables) -> Self {
        let mut found = Self { cleared: Bits::new(variables.len()), ..Self::default() };
        let mut asking: BTreeMap<&Name, usize> = BTreeMap::new();
        for step in graph.journey.steps.iter().filter(|s| matches!(s.kind, StepKind::Collect(_))) {
            for field in parts::fields(step) {
                *asking.entry(&field.name).or_default() += 1;
            }
        }
        for (number, edge) in graph.edges().iter().enumerate() {
            let Some(step) = target(graph, edge) else { continue };
            let next = found.targets.len();
            let alone = parts::fields(step).iter().any(|f| asking.get(&f.name) == Some(&1));
            found.targets.entry(edge.to).or_insert((next, alone));
            found.forgotten.insert(number, asked_since(graph, variables, edge));
            Self::by(graph, variables, edge).for_each(|(v, _)| {
                found.cleared.insert(v);
            });
        }
        if !found.targets.is_empty() {
            found.before = solve(graph, &Before { targets: &found.targets });
        }
        found
    }

    /// The fields that count as not asked for after that way.
    #[must_use]
    pub fn forgotten(&self, number: usize) -> Option<&Bits> {
        self.forgotten.get(&number)
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

/// The fields of the collects that lie between the one that a `goto` leads to and the `goto`.
fn asked_since(graph: &Graph<'_>, variables: &Variables, edge: &Edge) -> Bits {
    let mut before = Bits::new(graph.len());
    let mut open = vec![edge.from];
    while let Some(at) = open.pop() {
        if at != edge.to && before.insert(at.index()) {
            open.extend(graph.into(at).map(|e| e.from));
        }
    }
    let mut between = Bits::new(graph.len());
    let mut open = vec![edge.to];
    let mut fields = Bits::new(variables.len());
    while let Some(at) = open.pop() {
        let on = graph.out(at).iter().map(|e| e.to).filter(|n| before.contains(n.index()));
        open.extend(on.filter(|n| between.insert(n.index())));
        if at != edge.to
            && let Some(step) = graph.step(at).filter(|s| matches!(s.kind, StepKind::Collect(_)))
        {
            parts::fields(step).iter().filter_map(|f| variables.var(&f.name)).for_each(|v| {
                fields.insert(v);
            });
        }
    }
    fields
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
