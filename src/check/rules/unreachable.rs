//! `WP0301`: a step that neither order nor any `goto` reaches.
//!
//! Steps that only an unreachable step leads to are not reported beside it. A named step is not reported in a journey with a `goto`
//! whose target is not known: that may be the one that was to lead here.

use crate::check::flow::{Bits, Node};
use crate::check::subject::Subject;
use crate::model::step::StepKind;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let graph = &subject.graph;
    let dead = |n: &Node| !graph.is_reached(*n) && graph.step(*n).is_some();
    let all = || subject.journey.iter().map(|(id, _)| Node(id.0)).filter(dead);
    let lost_goto = subject.journey.steps.iter().any(|s| matches!(s.kind, StepKind::Goto(None)));
    let mut told = Bits::new(graph.len());
    // First those that nothing leads to, then loops that only their own steps lead to.
    let leads = |n: &Node| graph.into(*n).any(|e| e.from != *n);
    for root in all().filter(|n| !leads(n)).chain(all()) {
        if !told.insert(root.index()) {
            continue;
        }
        let mut named = false;
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            named |= graph.step(node).is_some_and(|s| s.slug.is_some());
            open.extend(graph.out(node).iter().map(|e| e.to).filter(|n| dead(n)).filter(|n| told.insert(n.index())));
        }
        if lost_goto && named {
            continue;
        }
        if let Some(step) = graph.step(root).filter(|s| !subject.poison.may_lead_to(s.span)) {
            found.push(Diagnostic::new(Code::WP0301, step.span, "no run comes to this step").help(match &step.slug {
                Some(slug) => format!("delete it, or lead to it with `goto: {slug}`"),
                None => "delete it, or give it a `name` and lead to it with `goto`".to_owned(),
            }));
        }
    }
}
