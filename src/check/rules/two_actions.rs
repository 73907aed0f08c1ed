//! `WP0507`: one yes that can reach two different actions that need one, though its `confirm` does not say which it is for.

use std::collections::BTreeMap;

use super::list;
use crate::check::changes::Change;
use crate::check::flow::{self, Analysis, Bits, Edge, Node, Way, search};
use crate::check::gates::{Gates, Need};
use crate::check::parts;
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
    let showing = gates.showing(subject);
    let counting = |n: usize, need: &Need<'_>| Some(open.counting(showing.get(n)?, facts.get(need.node.index())?.as_ref()?));
    let mut reaching: BTreeMap<&ActionId, Bits> = BTreeMap::new();
    for (n, need) in gates.needs.iter().enumerate() {
        if let Some(counting) = counting(n, need) {
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
        let mut actions: BTreeMap<String, (Span, Vec<Node>)> = BTreeMap::new();
        for (_, need) in gates.needs.iter().enumerate().filter(|(i, need)| counting(*i, need).is_some_and(|c| c.contains(n))) {
            let path =
                witness.path_in(&subject.graph, need.node, 1).map(|edges| open.walked(n, confirms.get(n).copied(), &edges, need.node));
            let path = path.unwrap_or_default();
            let action = actions.entry(need.action.id.to_string()).or_insert_with(|| (need.span, path.clone()));
            if path.len() < action.1.len() {
                action.1 = path;
            }
        }
        let names: Vec<&str> = actions.keys().map(String::as_str).collect();
        let message = format!("one yes reaches {}, and the question does not say which it is for", list(&names));
        let mut d = Diagnostic::new(Code::WP0507, step.span, message)
            .help(format!("say `for: [{}]` if both are meant, or list the one that is, and ask once more for the other", names.join(", ")));
        for (name, (span, ..)) in &actions {
            d = d.label(*span, format!("`{name}` is reached with it"));
        }
        let mut ways: Vec<_> = actions.values().map(|(_, path)| path).collect();
        ways.sort_by_key(|path| path.len());
        found.push(match ways.get(1) {
            Some(path) => d.path(subject.path_of(path)),
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
    /// Behind each place: the confirms that may be said yes to before a step that waits, from which a correction goes back with it.
    behind: Vec<Bits>,
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
        let confirms: BTreeMap<Node, usize> = confirms.iter().copied().zip(0..).collect();
        let behind = behind(subject, &confirms);
        Self { subject, confirms, shown, of_kind, behind }
    }

    /// What a correction of a field of that collect leaves of what was open before it, or was said yes to since.
    fn corrected(&self, collect: Node, open: &mut Bits) {
        let (Some(behind), Some(_)) = (self.behind.get(collect.index()), self.subject.fills.correction(collect)) else { return };
        open.unite(behind);
        let fields = self.subject.graph.step(collect).map(parts::fields).unwrap_or_default();
        let fields = fields.iter().filter_map(|f| self.subject.variables.var(&f.name));
        let mut ended = Bits::all(self.confirms.len());
        for shown in fields.filter_map(|v| self.shown.get(v)) {
            ended.intersect(shown);
        }
        open.subtract(&ended);
    }

    /// The steps on the way of a yes along these edges: where it goes back by a correction, with those until that is made.
    fn walked(&self, n: usize, confirm: Option<Node>, edges: &[usize], end: Node) -> Vec<Node> {
        let graph = &self.subject.graph;
        let mut nodes = Vec::new();
        let mut said = false;
        for (number, edge) in edges.iter().filter_map(|number| Some((*number, graph.edges().get(*number)?))) {
            nodes.push(edge.from);
            let mut open = self.entry();
            if said {
                open.insert(n);
            }
            self.along(number, edge, &mut open);
            if let (true, false, Way::Correction, Some(confirm)) = (open.contains(n), said, &edge.way, confirm) {
                let yes = |edge: &Edge| edge.from == confirm && edge.way == Way::Written(EdgeKind::Confirmed);
                let round = search(graph, (edge.from, 0), 2, |_, edge, state| {
                    (edge.way != Way::Correction).then(|| state.max(u8::from(yes(edge))))
                });
                let waits = graph.order.iter().filter(|node| self.subject.fills.waits(**node));
                let ways = waits.filter_map(|node| Some((round.path_in(graph, *node, 1)?, *node)));
                if let Some((way, last)) = ways.min_by_key(|(way, node)| (way.len(), *node)) {
                    nodes.extend(way.iter().skip(1).filter_map(|n| graph.edges().get(*n)).map(|e| e.from).chain([last, edge.from]));
                }
            }
            said = open.contains(n);
        }
        nodes.push(end);
        nodes
    }

    /// Those of these confirms that are of one of these kinds.
    fn counting(&self, kinds: &Bits, open: &Bits) -> Bits {
        let mut counting = self.entry();
        for of_kind in kinds.iter().filter_map(|kind| self.of_kind.get(&kind)) {
            counting.unite(of_kind);
        }
        counting.intersect(open);
        counting
    }
}

/// See [`Open::behind`].
fn behind(subject: &Subject<'_>, confirms: &BTreeMap<Node, usize>) -> Vec<Bits> {
    // Behind the confirms, one more: that a step waits.
    let size = confirms.len();
    let mut behind = flow::back(
        &subject.graph,
        size + 1,
        |node, behind| {
            if subject.fills.waits(node) {
                behind.insert(size);
            }
        },
        |_, edge, after, behind| {
            if edge.way == Way::Correction {
                return;
            }
            behind.unite(after);
            if let (Way::Written(EdgeKind::Confirmed), Some(n), true) = (&edge.way, confirms.get(&edge.from), after.contains(size)) {
                behind.insert(*n);
            }
        },
    );
    for behind in &mut behind {
        behind.remove(size);
    }
    behind
}

impl Analysis for Open<'_, '_> {
    type Fact = Bits;

    fn entry(&self) -> Bits {
        Bits::new(self.confirms.len())
    }

    fn along(&self, number: usize, edge: &Edge, open: &mut Bits) {
        let graph = &self.subject.graph;
        if edge.way == Way::Correction {
            return self.corrected(edge.from, open);
        }
        let asks = matches!(graph.step(edge.from).map(|s| &s.kind), Some(StepKind::Collect(_)));
        // What a change may unset may as well stay, and what has no value is not changed by taking it away.
        let perhaps = asks || edge.way == Way::Written(EdgeKind::Change);
        let set = self.subject.set.get(edge.from.index()).and_then(Option::as_ref);
        for change in self.subject.changes.along(graph, number).filter(|_| !perhaps) {
            let certain = match change {
                Change::Set(v) => Some(v),
                Change::Unset(v) => Some(v).filter(|v| set.is_some_and(|s| s.contains(*v))),
                Change::MaybeSet(_) | Change::Assumed(_) => None,
            };
            if let Some(shown) = certain.and_then(|v| self.shown.get(v)) {
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
