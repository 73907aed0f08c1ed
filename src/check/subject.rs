//! A journey with all that its rules ask for, computed once.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::assigned;
use super::changes::Changes;
use super::fills::{Fills, Waits};
use super::flow::{Bits, Edge, Graph, Node, Witnesses, search};
use super::poison::Poison;
use super::variables::Variables;
use crate::model::step::StepKind;
use crate::model::{Journey, Settings};
use crate::value::Name;

/// A journey under examination.
pub struct Subject<'a> {
    /// The journey.
    pub journey: &'a Journey,
    /// Its graph.
    pub graph: Graph<'a>,
    /// Its variables.
    pub variables: Variables,
    /// What its ways do to them.
    pub changes: Changes,
    /// What is set before each step, whatever way a run came; `None` where no run comes.
    pub set: Vec<Option<Bits>>,
    /// What people may fill and correct.
    pub fills: Fills,
    /// The settings of the workspace.
    pub settings: &'a Settings,
    /// Names that stand where something could not be read: nothing is said of them.
    pub poison: &'a Poison<'a>,
    /// Journeys in which a run always comes to a step that waits.
    pub waiting: &'a BTreeSet<Name>,
    ways: OnceCell<Witnesses>,
}

impl<'a> Subject<'a> {
    /// Computes it.
    #[must_use]
    pub fn new(journey: &'a Journey, settings: &'a Settings, poison: &'a Poison<'a>, waiting: &'a BTreeSet<Name>) -> Self {
        let graph = Graph::new(journey);
        let variables = Variables::of(journey);
        let mut changes = Changes::of(&graph, &variables);
        let mut set = assigned::solve(&graph, &variables, &changes);
        let waits = Waits { identity_journey: settings.identity_journey.is_some() };
        let fills = Fills::of(&graph, &variables, &changes, &set, waits);
        if changes.correct(&graph, &variables, &fills, &set) {
            set = assigned::solve(&graph, &variables, &changes);
        }
        Self { journey, graph, variables, changes, set, fills, settings, poison, waiting, ways: OnceCell::new() }
    }

    /// The stable id of a place, as witness paths name it.
    #[must_use]
    pub fn key(&self, node: Node) -> String {
        match self.graph.step(node) {
            Some(step) => step.key.0.to_string(),
            None if node == self.graph.fallback() => "fallback".to_owned(),
            None => "end".to_owned(),
        }
    }

    /// The edges of a shortest way to a place, whatever happens on it; `None` if no run comes there.
    #[must_use]
    pub fn way_to(&self, node: Node) -> Option<Vec<usize>> {
        let ways = self.ways.get_or_init(|| search(&self.graph, (self.graph.entry(), 0), 1, |_, _, state| Some(state)));
        ways.path_in(&self.graph, node, 0)
    }

    /// The steps along a path of edges, and where it ends.
    #[must_use]
    pub fn path(&self, edges: &[usize], end: Node) -> Vec<String> {
        let all: Vec<Node> = edges.iter().filter_map(|n| self.graph.edges().get(*n)).map(|e: &Edge| e.from).chain([end]).collect();
        self.path_of(&all)
    }

    /// Places as steps. A long path is cut in its middle.
    #[must_use]
    pub fn path_of(&self, all: &[Node]) -> Vec<String> {
        const ENDS: usize = 32;
        let keys = |nodes: &[Node]| nodes.iter().map(|n| self.key(*n)).collect::<Vec<_>>();
        match (all.get(..ENDS), all.len().checked_sub(ENDS).filter(|rest| *rest > ENDS).and_then(|rest| all.get(rest..))) {
            (Some(head), Some(tail)) => [keys(head), vec!["…".to_owned()], keys(tail)].concat(),
            _ => keys(all),
        }
    }

    /// Whether some step could not be read, so that it might do anything.
    #[must_use]
    pub fn has_broken_steps(&self) -> bool {
        self.journey.steps.iter().any(|s| matches!(s.kind, StepKind::Broken))
    }
}
