//! What a `goto` back to a collect does: it clears that collect's fields.

use std::collections::BTreeMap;

use super::flow::{Analysis, Bits, Edge, Graph, Node, Way, holders, solve};
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
}

impl Again {
    /// Finds them.
    #[must_use]
    pub fn of(graph: &Graph<'_>) -> Self {
        let mut found = Self::default();
        let mut asking: BTreeMap<&Name, usize> = BTreeMap::new();
        for step in graph.journey.steps.iter().filter(|s| matches!(s.kind, StepKind::Collect(_))) {
            for field in parts::fields(step) {
                *asking.entry(&field.name).or_default() += 1;
            }
        }
        for edge in graph.edges() {
            let Some(step) = target(graph, edge) else { continue };
            let next = found.targets.len();
            let alone = parts::fields(step).iter().any(|f| asking.get(&f.name) == Some(&1));
            found.targets.entry(edge.to).or_insert((next, alone));
        }
        if !found.targets.is_empty() {
            found.before = solve(graph, &Before { targets: &found.targets });
        }
        found
    }

    /// Whether some `goto` leads to that collect.
    #[must_use]
    pub fn is_target(&self, node: Node) -> bool {
        self.targets.contains_key(&node)
    }

    /// For each of them that asks for something of its own: those of these collects to which every way has come by it before, so that
    /// its being asked is forgotten there.
    #[must_use]
    pub fn coming_before(&self, collects: impl Iterator<Item = Node>) -> BTreeMap<Node, Bits> {
        let none = Bits::new(self.targets.len());
        let before: Vec<&Bits> = collects.map(|c| self.before.get(c.index()).and_then(Option::as_ref).unwrap_or(&none)).collect();
        let held = holders(&before, self.targets.len());
        let alone = self.targets.iter().filter(|(_, (_, alone))| *alone);
        alone.filter_map(|(again, (number, _))| Some((*again, held.get(*number)?.clone()))).collect()
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
