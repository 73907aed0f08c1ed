//! The step graph of a journey with all that the engine does by itself: besides the ways that the author wrote, the fallback, the
//! ends that need no branch, and corrections.

use crate::model::graph::{EdgeKind, edges};
use crate::model::step::{Catch, Next, Step, StepId, StepKind};
use crate::model::{ErrorKind, Journey};

use super::Bits;

/// A place of the graph: a step, by its number in the arena, or one of the two ways out after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u32);

impl Node {
    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a run gets along an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// As the journey says.
    Written(EdgeKind),
    /// The journey cannot go on here, and nothing is written for that: it goes to its fallback.
    Fallback,
    /// The run ends here without a terminal: a no, a denial, an outcome of the engine.
    Ended,
    /// A field of this collect is corrected at a later step: the run comes back to it.
    Correction,
}

/// A way from one place to another.
#[derive(Debug, Clone)]
pub struct Edge {
    /// From.
    pub from: Node,
    /// To.
    pub to: Node,
    /// How.
    pub way: Way,
}

/// The graph of a journey.
#[derive(Debug)]
pub struct Graph<'a> {
    /// The journey.
    pub journey: &'a Journey,
    edges: Vec<Edge>,
    /// The edges out of node `n` are `edges[first_out[n]..first_out[n + 1]]`.
    first_out: Vec<u32>,
    /// The numbers of the edges into node `n` are `into[first_in[n]..first_in[n + 1]]`.
    into: Vec<u32>,
    first_in: Vec<u32>,
    /// What can be reached, in reverse post-order.
    pub order: Vec<Node>,
    /// What can be reached.
    pub reached: Bits,
}

impl<'a> Graph<'a> {
    /// Draws it, in time linear in its edges.
    #[must_use]
    pub fn new(journey: &'a Journey) -> Self {
        let mut graph = Self {
            journey,
            edges: Vec::with_capacity(journey.steps.len() * 2),
            first_out: Vec::with_capacity(journey.steps.len() + 3),
            into: Vec::new(),
            first_in: vec![0; journey.steps.len() + 3],
            order: Vec::new(),
            reached: Bits::new(journey.steps.len() + 2),
        };
        for (id, step) in journey.iter() {
            graph.first_out.push(number(graph.edges.len()));
            graph.draw(Node(id.0), step);
        }
        graph.first_out.extend([number(graph.edges.len()); 3]);
        graph.turn_round();
        graph.walk();
        graph
    }

    /// How many places it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.journey.steps.len() + 2
    }

    /// Whether it has no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.journey.steps.is_empty()
    }

    /// Where a run begins.
    #[must_use]
    pub fn entry(&self) -> Node {
        self.node(self.journey.first)
    }

    /// Off the journey's end.
    #[must_use]
    pub fn end(&self) -> Node {
        Node(number(self.journey.steps.len()))
    }

    /// The journey's fallback.
    #[must_use]
    pub fn fallback(&self) -> Node {
        Node(number(self.journey.steps.len() + 1))
    }

    /// The place that a target names.
    #[must_use]
    pub fn node(&self, next: Next) -> Node {
        match next {
            Next::Step(StepId(id)) => Node(id),
            Next::End => self.end(),
        }
    }

    /// The step at a place.
    #[must_use]
    pub fn step(&self, node: Node) -> Option<&'a Step> {
        self.journey.step(StepId(node.0))
    }

    /// The ways out of a place.
    #[must_use]
    pub fn out(&self, node: Node) -> &[Edge] {
        let range = self.out_range(node);
        self.edges.get(range).unwrap_or(&[])
    }

    /// The numbers of the ways out of a place.
    #[must_use]
    pub fn out_range(&self, node: Node) -> std::ops::Range<usize> {
        let at = |n: usize| self.first_out.get(n).map_or(self.edges.len(), |i| *i as usize);
        at(node.index())..at(node.index() + 1)
    }

    /// The ways into a place.
    pub fn into(&self, node: Node) -> impl Iterator<Item = &Edge> {
        let at = |n: usize| self.first_in.get(n).map_or(self.into.len(), |i| *i as usize);
        let numbers = self.into.get(at(node.index())..at(node.index() + 1)).unwrap_or(&[]);
        numbers.iter().filter_map(|i| self.edges.get(*i as usize))
    }

    /// All ways.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Whether a run can come there.
    #[must_use]
    pub fn is_reached(&self, node: Node) -> bool {
        self.reached.contains(node.index())
    }

    fn draw(&mut self, from: Node, step: &Step) {
        let first = self.edges.len();
        for edge in edges(step) {
            let to = self.node(edge.to);
            self.edges.push(Edge { from, to, way: Way::Written(edge.kind) });
        }
        if self.edges.get(first..).is_none_or(|out| !out.iter().any(|e| e.to == self.node(step.next))) && may_do_anything(step) {
            self.edges.push(Edge { from, to: self.node(step.next), way: Way::Written(EdgeKind::Continue) });
        }
        if falls_back(step) {
            self.edges.push(Edge { from, to: self.fallback(), way: Way::Fallback });
        }
        if ends(step) {
            self.edges.push(Edge { from, to: self.end(), way: Way::Ended });
        }
        if matches!(step.kind, StepKind::Collect(_)) {
            self.edges.push(Edge { from, to: from, way: Way::Correction });
        }
    }

    /// Sorts the edges by where they go, by counting.
    fn turn_round(&mut self) {
        for edge in &self.edges {
            if let Some(count) = self.first_in.get_mut(edge.to.index()) {
                *count += 1;
            }
        }
        let mut end = 0;
        for place in &mut self.first_in {
            end += *place;
            *place = end;
        }
        self.into = vec![0; self.edges.len()];
        // Backwards, so that the edges of a place stay in order.
        for (i, edge) in self.edges.iter().enumerate().rev() {
            let Some(place) = self.first_in.get_mut(edge.to.index()) else { continue };
            *place -= 1;
            if let Some(slot) = self.into.get_mut(*place as usize) {
                *slot = number(i);
            }
        }
    }

    /// Depth first from the entry, without recursion.
    fn walk(&mut self) {
        let mut stack = vec![(self.entry(), 0)];
        self.reached.insert(self.entry().index());
        while let Some((node, done)) = stack.pop() {
            match self.out(node).get(done).map(|e| e.to) {
                Some(to) => {
                    stack.push((node, done + 1));
                    if self.reached.insert(to.index()) {
                        stack.push((to, 0));
                    }
                }
                None => self.order.push(node),
            }
        }
        self.order.reverse();
    }
}

/// Whether somebody may be waited for at that step, who could then correct an earlier field.
#[must_use]
pub fn may_wait(step: &Step) -> bool {
    match &step.kind {
        StepKind::Collect(_)
        | StepKind::Choice(_)
        | StepKind::Confirm(_)
        | StepKind::Guide(_)
        | StepKind::Investigate(_)
        | StepKind::Run(_) => true,
        StepKind::Done(done) => done.resume.is_some(),
        StepKind::Action(_)
        | StepKind::Verify(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Set(_)
        | StepKind::Goto(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => false,
    }
}

/// Whether what it names was not found, so that it may well go on in order.
fn may_do_anything(step: &Step) -> bool {
    match &step.kind {
        StepKind::Action(call) => call.action.is_none(),
        StepKind::Run(run) => run.journey.is_none(),
        _ => false,
    }
}

/// Whether it can come to a state for which only the journey's fallback is left.
fn falls_back(step: &Step) -> bool {
    let uncaught = |on_error: &[(Catch, Next, crate::source::Span)]| {
        let caught = |kind| on_error.iter().any(|(c, ..)| *c == Catch::Kind(kind));
        !on_error.iter().any(|(c, ..)| *c == Catch::Default) && !ErrorKind::ALL.into_iter().all(caught)
    };
    match &step.kind {
        StepKind::Collect(c) => c.on_exhausted.is_none(),
        StepKind::Action(c) => uncaught(&c.on_error),
        // What options and inputs are computed from may give none, or fail.
        StepKind::Choice(c) => c.on_exhausted.is_none() || c.from.is_some(),
        StepKind::Run(r) => !r.with.is_empty(),
        StepKind::Guide(g) => g.on_stuck.is_none() && g.steps.iter().any(|i| i.on_stuck.is_none()),
        StepKind::Investigate(i) => i.fallback.is_none(),
        StepKind::Verify(v) => v.on_failed.is_none() || uncaught(&v.call.on_error),
        StepKind::Confirm(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Set(_)
        | StepKind::Goto(_)
        | StepKind::Done(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => false,
    }
}

/// Whether a run can end at that step though it is no terminal.
fn ends(step: &Step) -> bool {
    match &step.kind {
        StepKind::Confirm(c) => c.on_reject.is_none(),
        StepKind::Run(_) => true,
        _ => false,
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
