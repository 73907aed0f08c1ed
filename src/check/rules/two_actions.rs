//! `WP0507`: one yes that can reach two different actions that need one, though its `confirm` does not say which it is for.

use std::collections::BTreeMap;

use super::list;
use crate::check::changes::Change;
use crate::check::flow::{self, Analysis, Bits, Edge, Node, Way};
use crate::check::gates::Gates;
use crate::check::subject::Subject;
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
    let mut reached: BTreeMap<Node, BTreeMap<String, Span>> = BTreeMap::new();
    for need in &gates.needs {
        let Some(Some(fact)) = facts.get(need.node.index()) else { continue };
        for confirm in fact.iter().filter_map(|n| confirms.get(n)) {
            if gates.asking(*confirm).is_some_and(|kind| need.covered_by.contains(&kind)) {
                reached.entry(*confirm).or_default().entry(need.action.id.to_string()).or_insert(need.span);
            }
        }
    }
    for (confirm, actions) in reached.into_iter().filter(|(_, actions)| actions.len() > 1) {
        let Some(step) = subject.graph.step(confirm) else { continue };
        let message = format!("one yes reaches {}, and the question does not say which it is for", list(actions.keys()));
        let names: Vec<&str> = actions.keys().map(String::as_str).collect();
        let mut d = Diagnostic::new(Code::WP0507, step.span, message)
            .help(format!("say `for: [{}]` if both are meant, or list the one that is, and ask once more for the other", names.join(", ")));
        for (name, span) in &actions {
            d = d.label(*span, format!("`{name}` is reached with it"));
        }
        found.push(d);
    }
}

/// Of which confirms a yes may still count on some way.
struct Open<'g, 'a> {
    subject: &'g Subject<'a>,
    confirms: BTreeMap<Node, usize>,
    /// For each variable: the confirms that show it.
    shown: Vec<Bits>,
}

impl<'g, 'a> Open<'g, 'a> {
    fn of(subject: &'g Subject<'a>, gates: &Gates<'a>, confirms: &[Node]) -> Self {
        let mut shown = vec![Bits::new(confirms.len()); subject.variables.len()];
        for (n, confirm) in confirms.iter().enumerate() {
            let asking = gates.asking(*confirm).and_then(|kind| gates.askings.get(kind));
            for var in asking.iter().flat_map(|a| &a.shown).filter_map(|p| p.var(&subject.variables)) {
                shown.get_mut(var).map(|s| s.insert(n));
            }
        }
        Self { subject, confirms: confirms.iter().copied().zip(0..).collect(), shown }
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
