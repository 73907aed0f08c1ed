//! `WP0507`: one yes that can reach two different actions that need one, though its `confirm` does not say which it is for.

use std::collections::BTreeMap;

use super::list;
use crate::check::changes::Change;
use crate::check::flow::{self, Analysis, Bits, Edge, Node, Way, search};
use crate::check::gates::{Gates, Need};
use crate::check::subject::Subject;
use crate::model::ActionId;
use crate::model::graph::EdgeKind;
use crate::model::step::StepKind;
use crate::source::{Code, Diagnostic, Diagnostics, Span};

pub(super) fn check(subject: &Subject<'_>, gates: &Gates<'_>, found: &mut Diagnostics) {
    let confirms: Vec<Node> = gates.confirms().filter(|n| gates.asking(*n).is_some_and(|k| gates.is_for_any(k))).collect();
    if confirms.is_empty() || gates.needs.len() < 2 {
        return;
    }
    let open = Open::of(subject, gates, &confirms);
    let facts = flow::solve(&subject.graph, &open);
    let counting = |need: &Need<'_>| Some(open.counting(need, facts.get(need.node.index())?.as_ref()?));
    let mut reaching: BTreeMap<&ActionId, Bits> = BTreeMap::new();
    for need in &gates.needs {
        if let Some(counting) = counting(need) {
            reaching.entry(&need.action.id).or_insert_with(|| open.entry()).unite(&counting);
        }
    }
    let (mut one, mut two) = (open.entry(), open.entry());
    for confirms in reaching.values() {
        let mut both = one.clone();
        both.intersect(confirms);
        two.unite(&both);
        one.unite(confirms);
    }
    for (n, step) in two.iter().filter_map(|n| Some((n, subject.graph.step(*confirms.get(n)?)?))) {
        let witness = search(&subject.graph, (subject.graph.entry(), 0), 2, |number, edge, state| {
            let mut said = open.entry();
            if state == 1 {
                said.insert(n);
            }
            open.along(number, edge, &mut said);
            Some(u8::from(said.contains(n)))
        });
        // Each action, where it is called first, with the shortest way to a call of it.
        let mut actions: BTreeMap<String, (Span, Vec<usize>, Node)> = BTreeMap::new();
        for need in gates.needs.iter().filter(|need| counting(need).is_some_and(|c| c.contains(n))) {
            let path = witness.path_in(&subject.graph, need.node, 1).unwrap_or_default();
            let action = actions.entry(need.action.id.to_string()).or_insert_with(|| (need.span, path.clone(), need.node));
            if path.len() < action.1.len() {
                (action.1, action.2) = (path, need.node);
            }
        }
        let names: Vec<&str> = actions.keys().map(String::as_str).collect();
        let message = format!("one yes reaches {}, and the question does not say which it is for", list(&names));
        let mut d = Diagnostic::new(Code::WP0507, step.span, message)
            .help(format!("say `for: [{}]` if both are meant, or list the one that is, and ask once more for the other", names.join(", ")));
        for (name, (span, ..)) in &actions {
            d = d.label(*span, format!("`{name}` is reached with it"));
        }
        let mut ways: Vec<_> = actions.values().map(|(_, path, node)| (path, *node)).collect();
        ways.sort_by_key(|(path, _)| path.len());
        found.push(match ways.get(1) {
            Some((path, node)) => d.path(subject.path(path, *node)),
            None => d,
        });
    }
}

/// Of which confirms a yes may still count on some way.
struct Open<'g, 'a> {
    subject: &'g Subject<'a>,
    confirms: BTreeMap<Node, usize>,
    /// For each variable: the confirms that show it.
    shown: Vec<Bits>,
    /// For each kind: the confirms of that kind.
    of_kind: BTreeMap<usize, Bits>,
}

impl<'g, 'a> Open<'g, 'a> {
    fn of(subject: &'g Subject<'a>, gates: &Gates<'a>, confirms: &[Node]) -> Self {
        let mut shown = vec![Bits::new(confirms.len()); subject.variables.len()];
        let mut of_kind: BTreeMap<usize, Bits> = BTreeMap::new();
        for (n, kind) in confirms.iter().enumerate().filter_map(|(n, confirm)| Some((n, gates.asking(*confirm)?))) {
            of_kind.entry(kind).or_insert_with(|| Bits::new(confirms.len())).insert(n);
            let asking = gates.askings.get(kind);
            for var in asking.iter().flat_map(|a| &a.shown).filter_map(|p| p.var(&subject.variables)) {
                shown.get_mut(var).map(|s| s.insert(n));
            }
        }
        Self { subject, confirms: confirms.iter().copied().zip(0..).collect(), shown, of_kind }
    }

    /// Those of these confirms that cover what a call sends.
    fn counting(&self, need: &Need<'_>, open: &Bits) -> Bits {
        let mut counting = self.entry();
        for of_kind in need.covered_by.iter().filter_map(|kind| self.of_kind.get(&kind)) {
            counting.unite(of_kind);
        }
        counting.intersect(open);
        counting
    }
}

impl Analysis for Open<'_, '_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.confirms.len())
    }

    fn along(&self, number: usize, edge: &Edge, open: &mut Bits) {
        let graph = &self.subject.graph;
        let asks = matches!(graph.step(edge.from).map(|s| &s.kind), Some(StepKind::Collect(_)));
        for change in self.subject.changes.along(graph, number) {
            if let (false, Change::Set(v) | Change::Unset(v)) = (asks, change)
                && let Some(shown) = self.shown.get(v)
            {
                open.subtract(shown);
            }
        }
        match (&edge.way, self.confirms.get(&edge.from)) {
            (Way::Written(EdgeKind::Confirmed), Some(n)) => {
                open.insert(*n);
            }
            (Way::Written(EdgeKind::Reject | EdgeKind::Resume), _) => *open = self.entry(),
            (_, Some(n)) => open.remove(*n),
            (_, None) => {}
        }
    }

    fn meet(&self, open: &mut Bits, other: &Bits) -> bool {
        open.unite(other)
    }
}
