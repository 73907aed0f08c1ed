//! `WP0506`: an action reads a value that was computed from an older version of something: of a field that was given anew, or of
//! what another step assigned since.

use std::collections::BTreeSet;

use crate::check::fills::by_steps;
use crate::check::flow::{self, Analysis, Bits, Edge, Graph, Node, Way, search};
use crate::check::lineage::{self, Lineage};
use crate::check::parts;
use crate::check::subject::Subject;
use crate::check::variables::Var;
use crate::model::graph::EdgeKind;
use crate::model::step::{Step, StepKind, Verify};
use crate::source::{Code, Diagnostic, Diagnostics, Span};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let lineage = Lineage::of(subject.journey, &subject.variables);
    let calls = calls(subject, &lineage);
    if calls.is_empty() {
        return;
    }
    let ages = Ages::of(subject, &lineage);
    let facts = flow::solve(&subject.graph, &ages);
    for call in calls {
        let Some(Some(fact)) = facts.get(call.node.index()) else { continue };
        let stale = call.reads.iter().copied().filter(|v| fact.stale.contains(*v));
        // What is stale only because it comes from something stale is no mistake of its own.
        let Some((var, root)) = stale.filter_map(|v| Some((v, ages.eldest(fact, v)?))).min() else { continue };
        let (path, by) = ages.witness(subject, root, call.node);
        let name = |v: Var| subject.variables.name(v);
        let message = format!("`{}` reads `{}`, which may come from an older value", call.action, name(var));
        let mut d = Diagnostic::new(Code::WP0506, call.span, message).path(subject.path(&path, call.node));
        if let Some((span, _)) = ages.assigned(subject, root) {
            d = d.label(span, format!("`{}` gets its value here", name(root)));
        }
        d = match by {
            Some((source, at)) => {
                let step = subject.key(at);
                d.here(format!("`{}` may have been given or assigned anew at `{step}` since", name(source))).help(format!(
                    "compute `{}` again after `{step}`, or do not let `{}` change in between",
                    name(root),
                    name(source)
                ))
            }
            None => d.help(format!("compute `{}` again before this step", name(root))),
        };
        found.push(d);
    }
}

struct Call {
    node: Node,
    span: Span,
    action: String,
    reads: Vec<Var>,
}

fn calls(subject: &Subject<'_>, lineage: &Lineage) -> Vec<Call> {
    let mut found = Vec::new();
    for (id, step) in subject.journey.iter() {
        let (StepKind::Action(call) | StepKind::Verify(Verify { call, .. })) = &step.kind else { continue };
        let Some(action) = call.action.as_deref().filter(|_| subject.graph.is_reached(Node(id.0))) else { continue };
        let set = subject.set.get(id.0 as usize).and_then(Option::as_ref);
        let sources = lineage::of_action(action, Some(call), subject.journey, &subject.variables, set, call.call_span);
        let rules = lineage::of_rules(action, &subject.variables, call.call_span);
        let reads: BTreeSet<Var> = sources.iter().chain(&rules).filter_map(|s| s.path.var(&subject.variables)).collect();
        if reads.iter().any(|v| !lineage.depends(*v).is_empty()) {
            let reads = reads.into_iter().collect();
            found.push(Call { node: Node(id.0), span: call.call_span, action: action.id.to_string(), reads });
        }
    }
    found
}

/// What is computed from what: pairs of a variable and one that it is computed from.
struct Ages<'a> {
    graph: &'a Graph<'a>,
    subject: &'a Subject<'a>,
    /// Sorted: the pairs of a variable stand together.
    pairs: Vec<(Var, Var)>,
    /// For each variable, the pairs that it is the second of.
    readers: Vec<Vec<usize>>,
    /// What each way does, in order.
    moves: Vec<Vec<Move>>,
}

/// What is known of the values that are held.
#[derive(Debug)]
struct Fact {
    /// For each pair, whether the value was computed so.
    pairs: Bits,
    /// The variables whose value is stale.
    stale: Bits,
    /// The variables from which some value was computed, then or before.
    read: Bits,
}

impl Clone for Fact {
    fn clone(&self) -> Self {
        Self { pairs: self.pairs.clone(), stale: self.stale.clone(), read: self.read.clone() }
    }

    fn clone_from(&mut self, other: &Self) {
        self.pairs.clone_from(&other.pairs);
        self.stale.clone_from(&other.stale);
        self.read.clone_from(&other.read);
    }
}

/// One assignment of a way.
#[derive(Debug, Clone)]
enum Move {
    /// Computed from these; of itself among them.
    Computed(Var, Vec<Var>),
    /// Given, or answered from outside.
    Given(Var),
    /// It may get another value.
    Perhaps(Var),
    /// Any of these may get another value.
    AnyOf(Bits),
    /// It has none any more.
    Unset(Var),
}

impl<'a> Ages<'a> {
    fn of(subject: &'a Subject<'a>, lineage: &Lineage) -> Self {
        let size = subject.variables.len();
        let mut pairs: Vec<(Var, Var)> = (0..size).flat_map(|v| lineage.depends(v).iter().map(move |w| (v, *w))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut readers = vec![Vec::new(); size];
        for (i, (_, w)) in pairs.iter().enumerate() {
            if let Some(all) = readers.get_mut(*w) {
                all.push(i);
            }
        }
        let moves = subject.graph.edges().iter().enumerate().map(|(number, edge)| moves(subject, number, edge)).collect();
        Self { graph: &subject.graph, subject, pairs, readers, moves }
    }

    fn own(&self, var: Var) -> std::ops::Range<usize> {
        let start = self.pairs.partition_point(|(v, _)| *v < var);
        start..self.pairs.partition_point(|(v, _)| *v <= var)
    }

    /// The first on the way back from a stale variable that is not stale by another.
    fn eldest(&self, fact: &Fact, var: Var) -> Option<Var> {
        let mut seen = BTreeSet::from([var]);
        let mut at = var;
        loop {
            let older = self.own(at).filter(|i| fact.pairs.contains(*i)).filter_map(|i| self.pairs.get(i)).map(|(_, w)| *w);
            match older.filter(|w| fact.stale.contains(*w)).find(|w| seen.insert(*w)) {
                Some(next) => at = next,
                None => return Some(at),
            }
        }
    }

    /// All that is computed from a variable is stale now, and what is computed from that.
    fn ages(&self, fact: &mut Fact, var: Var) {
        if self.readers.get(var).is_none_or(|all| !all.iter().any(|i| fact.pairs.contains(*i))) {
            return;
        }
        let mut open = vec![var];
        while let Some(w) = open.pop() {
            let readers = self.readers.get(w).into_iter().flatten().filter(|i| fact.pairs.contains(**i));
            let readers: Vec<Var> = readers.filter_map(|i| self.pairs.get(*i)).map(|(v, _)| *v).filter(|v| *v != var).collect();
            open.extend(readers.into_iter().filter(|v| fact.stale.insert(*v)));
        }
    }

    fn apply(&self, fact: &mut Fact, change: &Move) {
        match change {
            Move::Computed(v, from) => {
                let own = from.contains(v);
                let stale = from.iter().any(|w| fact.stale.contains(*w));
                self.ages(fact, *v);
                for i in self.own(*v) {
                    let Some((_, w)) = self.pairs.get(i) else { continue };
                    if from.contains(w) {
                        fact.pairs.insert(i);
                        fact.read.insert(*w);
                    } else if !own {
                        fact.pairs.remove(i);
                    }
                }
                if stale {
                    fact.stale.insert(*v);
                } else {
                    fact.stale.remove(*v);
                }
            }
            Move::Given(v) | Move::Unset(v) => {
                self.ages(fact, *v);
                self.own(*v).for_each(|i| fact.pairs.remove(i));
                fact.stale.remove(*v);
            }
            Move::Perhaps(v) => self.ages(fact, *v),
            Move::AnyOf(all) => {
                let mut all = all.clone();
                all.intersect(&fact.read);
                all.iter().for_each(|v| self.ages(fact, v));
            }
        }
    }

    fn moves(&self, number: usize) -> &[Move] {
        self.moves.get(number).map_or(&[], |m| m)
    }

    /// Where a variable gets a value that is computed.
    fn assigned(&self, subject: &Subject<'_>, var: Var) -> Option<(Span, Node)> {
        let (_, span) = subject.variables.origins(var).first()?;
        Some((*span, self.graph.entry()))
    }

    /// The shortest way on which a variable is computed, then something that it comes from changes, and it is not computed again.
    fn witness(&self, subject: &Subject<'_>, var: Var, node: Node) -> (Vec<usize>, Option<(Var, Node)>) {
        const NONE: u8 = 0;
        const FRESH: u8 = 1;
        const STALE: u8 = 2;
        let sources: BTreeSet<Var> = self.own(var).filter_map(|i| self.pairs.get(i)).map(|(_, w)| *w).collect();
        let step = |change: &Move, state: u8| match change {
            Move::Computed(v, _) if *v == var => (FRESH, None),
            Move::Given(v) | Move::Unset(v) if *v == var => (NONE, None),
            _ if state != FRESH => (state, None),
            Move::Computed(v, _) | Move::Given(v) | Move::Unset(v) | Move::Perhaps(v) if sources.contains(v) => (STALE, Some(*v)),
            Move::AnyOf(all) => sources.iter().find(|v| all.contains(**v)).map_or((state, None), |v| (STALE, Some(*v))),
            Move::Computed(..) | Move::Given(_) | Move::Unset(_) | Move::Perhaps(_) => (state, None),
        };
        let after = |number: usize, state: u8| self.moves(number).iter().fold(state, |s, m| step(m, s).0);
        let found = search(&subject.graph, (subject.graph.entry(), NONE), 3, |n, _, s| Some(after(n, s)));
        let path = found.path_in(&subject.graph, node, STALE).unwrap_or_default();
        let (mut state, mut by) = (NONE, None);
        for number in &path {
            let Some(edge) = subject.graph.edges().get(*number) else { continue };
            for change in self.moves(*number) {
                let (next, source) = step(change, state);
                by = source.map(|v| (v, edge.from)).or(by);
                state = next;
            }
        }
        (path, by)
    }
}

/// What a way does, in order.
fn moves(subject: &Subject<'_>, number: usize, edge: &Edge) -> Vec<Move> {
    let (graph, variables) = (&subject.graph, &subject.variables);
    let mut found = Vec::new();
    if edge.way == Way::Correction {
        let Some(assigned) = subject.fills.correction(edge.from) else { return found };
        let fields = graph.step(edge.from).map(parts::fields).unwrap_or_default();
        found.extend(fields.iter().filter_map(|f| variables.var(&f.name)).map(Move::Perhaps).chain([Move::AnyOf(assigned.clone())]));
        return found;
    }
    found.extend(subject.fills.in_place(edge.from).map(Move::AnyOf));
    if edge.way == Way::Written(EdgeKind::Change) {
        found.push(Move::AnyOf(subject.fills.givable().clone()));
    }
    match graph.step(edge.from) {
        Some(Step { kind: StepKind::Set(all), .. }) => {
            for assign in all {
                let Some(v) = variables.var(&assign.name) else { continue };
                found.push(match &assign.value {
                    None => Move::Unset(v),
                    Some(value) => {
                        let from = lineage::of_operand(value, variables, assign.value_span);
                        Move::Computed(v, from.iter().filter_map(|s| s.path.var(variables)).collect())
                    }
                });
            }
        }
        Some(Step { kind: StepKind::Action(call) | StepKind::Verify(Verify { call, .. }), .. }) => {
            by_steps(graph, &subject.changes, number, &mut |v| {
                let from = call.action.as_deref().map(|action| {
                    let set = subject.set.get(edge.from.index()).and_then(Option::as_ref);
                    lineage::of_action(action, Some(call), subject.journey, variables, set, call.call_span)
                });
                let from = from.into_iter().flatten().filter_map(|s| s.path.var(variables)).filter(|w| *w != v);
                found.push(Move::Computed(v, from.collect()));
            });
        }
        // What may be unset there may as well stay.
        _ if edge.way == Way::Written(EdgeKind::Change) => by_steps(graph, &subject.changes, number, &mut |v| found.push(Move::Perhaps(v))),
        _ => by_steps(graph, &subject.changes, number, &mut |v| found.push(Move::Given(v))),
    }
    found
}

impl Analysis for Ages<'_> {
    type Fact = Fact;

    fn entry(&self) -> Fact {
        let none = Bits::new(self.subject.variables.len());
        Fact { pairs: Bits::new(self.pairs.len()), stale: none.clone(), read: none }
    }

    fn along(&self, number: usize, _: &Edge, fact: &mut Fact) {
        for change in self.moves(number) {
            self.apply(fact, change);
        }
    }

    fn meet(&self, fact: &mut Fact, other: &Fact) -> bool {
        let more = [fact.pairs.unite(&other.pairs), fact.stale.unite(&other.stale), fact.read.unite(&other.read)];
        more.contains(&true)
    }
}
