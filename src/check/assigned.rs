//! Which variables are set, whatever way a run came.

use super::changes::{Change, Changes};
use super::flow::{self, Analysis, Bits, Edge, Graph};
use super::variables::Variables;

/// The variables that are set before the step at each place; `None` where no run comes.
#[must_use]
pub fn solve(graph: &Graph<'_>, variables: &Variables, changes: &Changes) -> Vec<Option<Bits>> {
    let mut given = Bits::new(variables.len());
    for input in graph.journey.inputs.iter().filter(|i| i.required) {
        variables.var(&input.name).map(|v| given.insert(v));
    }
    flow::solve(graph, &Assigned { graph, changes, given })
}

struct Assigned<'a> {
    graph: &'a Graph<'a>,
    changes: &'a Changes,
    given: Bits,
}

impl Analysis for Assigned<'_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        self.given.clone()
    }

    fn along(&self, number: usize, _: &Edge, set: &mut Bits) {
        for change in self.changes.along(self.graph, number) {
            match change {
                Change::Set(v) | Change::Assumed(v) => {
                    set.insert(v);
                }
                Change::Unset(v) => set.remove(v),
                Change::MaybeSet(_) => {}
            }
        }
    }

    fn meet(&self, set: &mut Bits, other: &Bits) -> bool {
        set.intersect(other)
    }
}
