//! Shortest paths that show a fault: through the graph, beside a state that is either harmless or not.

use std::collections::VecDeque;

use super::{Edge, Graph, Node};

/// What a way does to the state that a witness follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It stays as it is.
    Keep,
    /// Harmless from here on.
    Good,
    /// Faulty from here on.
    Bad,
}

/// The shortest ways from the entry to every place in the faulty state: one breadth-first search over places times two states.
#[derive(Debug)]
pub struct Witnesses {
    /// For a place in the good state at `2n`, in the bad state at `2n + 1`: the edge that it was reached by, and from which state.
    from: Vec<Option<(u32, bool)>>,
    entry: (Node, bool),
}

const AT_ENTRY: (u32, bool) = (u32::MAX, false);

impl Witnesses {
    /// Searches. `bad` is the state at the entry.
    pub fn search(graph: &Graph<'_>, bad: bool, turn: impl Fn(usize, &Edge) -> Turn) -> Self {
        let mut found = Self { from: vec![None; graph.len() * 2], entry: (graph.entry(), bad) };
        let mut queue = VecDeque::from([found.entry]);
        found.visit(found.entry, AT_ENTRY);
        while let Some((node, bad)) = queue.pop_front() {
            for (number, edge) in graph.out_range(node).zip(graph.out(node)) {
                let after = match turn(number, edge) {
                    Turn::Keep => bad,
                    Turn::Good => false,
                    Turn::Bad => true,
                };
                if found.visit((edge.to, after), (u32::try_from(number).unwrap_or(u32::MAX), bad)) {
                    queue.push_back((edge.to, after));
                }
            }
        }
        found
    }

    /// The edges, by number, of a shortest path to `node` in the bad state; `None` if it is never reached so.
    #[must_use]
    pub fn path(&self, graph: &Graph<'_>, node: Node) -> Option<Vec<usize>> {
        let mut path = Vec::new();
        let mut at = (node, true);
        // INVARIANT: each place and state has one predecessor, found before it, so this ends within their number.
        for _ in 0..=self.from.len() {
            let (number, before) = (*self.from.get(slot(at))?)?;
            if (number, before) == AT_ENTRY {
                path.reverse();
                return Some(path);
            }
            path.push(number as usize);
            at = (graph.edges().get(number as usize)?.from, before);
        }
        None
    }

    fn visit(&mut self, at: (Node, bool), by: (u32, bool)) -> bool {
        match self.from.get_mut(slot(at)) {
            Some(slot @ None) => {
                *slot = Some(by);
                true
            }
            _ => false,
        }
    }
}

fn slot((node, bad): (Node, bool)) -> usize {
    node.index() * 2 + usize::from(bad)
}
