//! Shortest paths that show a fault: through the graph, beside a state that each way may change.

use std::collections::VecDeque;

use super::{Edge, Graph, Node};

/// What a way does to the state that a witness of two states follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It stays as it is.
    Keep,
    /// Harmless from here on.
    Good,
    /// Faulty from here on.
    Bad,
}

/// The shortest ways from a start to every place in every state: one breadth-first search over places times states.
#[derive(Debug)]
pub struct Witnesses {
    /// For a place `n` in state `s`, at `n * states + s`: the edge that it was reached by, and from which state.
    from: Vec<Option<(u32, u8)>>,
    states: u8,
}

const AT_START: u32 = u32::MAX;
/// The states of a search that knows good and bad.
const GOOD: u8 = 0;
const BAD: u8 = 1;

impl Witnesses {
    /// Searches. `bad` is the state at the entry.
    pub fn search(graph: &Graph<'_>, bad: bool, turn: impl Fn(usize, &Edge) -> Turn) -> Self {
        search(graph, (graph.entry(), u8::from(bad)), 2, |number, edge, state| match turn(number, edge) {
            Turn::Keep => Some(state),
            Turn::Good => Some(GOOD),
            Turn::Bad => Some(BAD),
        })
    }

    /// The edges, by number, of a shortest path to `node` in the bad state; `None` if it is never reached so.
    #[must_use]
    pub fn path(&self, graph: &Graph<'_>, node: Node) -> Option<Vec<usize>> {
        self.path_in(graph, node, BAD)
    }

    /// The same for any state.
    #[must_use]
    pub fn path_in(&self, graph: &Graph<'_>, node: Node, state: u8) -> Option<Vec<usize>> {
        let mut path = Vec::new();
        let mut at = (node, state);
        // INVARIANT: each place and state has one predecessor, found before it, so this ends within their number.
        for _ in 0..=self.from.len() {
            let (number, before) = (*self.from.get(self.slot(at))?)?;
            if number == AT_START {
                path.reverse();
                return Some(path);
            }
            path.push(number as usize);
            at = (graph.edges().get(number as usize)?.from, before);
        }
        None
    }

    fn visit(&mut self, at: (Node, u8), by: (u32, u8)) -> bool {
        let slot = self.slot(at);
        match self.from.get_mut(slot) {
            Some(slot @ None) => {
                *slot = Some(by);
                true
            }
            _ => false,
        }
    }

    fn slot(&self, (node, state): (Node, u8)) -> usize {
        node.index() * usize::from(self.states) + usize::from(state)
    }
}

/// Searches from a place and a state there, among so many states. `after` is the state after a way; `None`: it is not gone.
pub fn search(graph: &Graph<'_>, start: (Node, u8), states: u8, after: impl Fn(usize, &Edge, u8) -> Option<u8>) -> Witnesses {
    let mut found = Witnesses { from: vec![None; graph.len() * usize::from(states)], states };
    let mut queue = VecDeque::from([start]);
    found.visit(start, (AT_START, start.1));
    while let Some((node, state)) = queue.pop_front() {
        for (number, edge) in graph.out_range(node).zip(graph.out(node)) {
            let Some(next) = after(number, edge, state) else { continue };
            if found.visit((edge.to, next), (u32::try_from(number).unwrap_or(u32::MAX), state)) {
                queue.push_back((edge.to, next));
            }
        }
    }
    found
}
