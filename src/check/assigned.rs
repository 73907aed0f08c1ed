//! Which variables are set: on every way to a place, or on some.

use super::changes::{Change, Changes};
use super::flow::{self, Analysis, Bits, Edge, Graph};
use super::variables::{self, Variables};

/// Which question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Set whatever way a run came.
    OnEveryWay,
    /// Set if it came some way.
    OnSomeWay,
}

/// The variables that are set before the step at each place; `None` where no run comes.
#[must_use]
pub fn solve(graph: &Graph<'_>, variables: &Variables, changes: &Changes, quantity: Quantity) -> Vec<Option<Bits>> {
    let (set, may) = variables::at_start(graph, variables);
    let entry = match quantity {
        Quantity::OnEveryWay => set,
        Quantity::OnSomeWay => may,
    };
    flow::solve(graph, &Assigned { graph, changes, quantity, entry })
}

struct Assigned<'a> {
    graph: &'a Graph<'a>,
    changes: &'a Changes,
    quantity: Quantity,
    entry: Bits,
}

impl Analysis for Assigned<'_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        self.entry.clone()
    }

    fn along(&self, number: usize, _: &Edge, fact: &mut Bits) {
        for change in self.changes.along(self.graph, number) {
            match (change, self.quantity) {
                (Change::Set(v), _) | (Change::MaybeSet(v), Quantity::OnSomeWay) | (Change::Assumed(v), Quantity::OnEveryWay) => {
                    fact.insert(v);
                }
                (Change::MaybeSet(_), Quantity::OnEveryWay) | (Change::Assumed(_), Quantity::OnSomeWay) => {}
                (Change::Unset(v), _) => fact.remove(v),
            }
        }
    }

    fn meet(&self, fact: &mut Bits, other: &Bits) -> bool {
        match self.quantity {
            Quantity::OnEveryWay => fact.intersect(other),
            Quantity::OnSomeWay => fact.unite(other),
        }
    }
}
