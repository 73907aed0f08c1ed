//! What the rules of privacy share (supervision, 6): a journey with what may be sensitive in it.

use crate::check::flow::{self, Bits, Node, Turn, Witnesses};
use crate::check::secrecy::{Exposed, Secrecy};
use crate::check::subject::Subject;
use crate::check::variables::Var;
use crate::model::step::StepKind;
use crate::source::{Diagnostic, Span};
use crate::value::Secrets;

/// A journey in which something is sensitive.
pub(super) struct Exposure<'a> {
    pub subject: &'a Subject<'a>,
    pub exposed: Exposed<'a>,
    /// The variables that may hold something sensitive before each place.
    held: Vec<Option<Bits>>,
}

/// Assignments that a finding goes back.
const HOPS: usize = 4;

impl<'a> Exposure<'a> {
    pub fn of(subject: &'a Subject<'a>, secrecy: &'a Secrecy) -> Option<Self> {
        let own = secrecy.of_journey(subject.journey)?;
        let exposed = Exposed::of(subject, secrecy, own);
        let mut held = flow::solve(&subject.graph, &exposed);
        for node in &subject.graph.order {
            if let Some(Some(held)) = held.get_mut(node.index()) {
                held.unite(&exposed.given(*node));
            }
        }
        Some(Self { subject, exposed, held })
    }

    /// What is held before a place; `None` where no run comes or nothing is.
    pub fn held(&self, node: Node) -> Option<&Bits> {
        self.held.get(node.index())?.as_ref().filter(|h| !h.is_empty())
    }

    /// With where a variable's value comes from, and the shortest way on which it gets to a place.
    pub fn told(&self, mut d: Diagnostic, var: Option<Var>, node: Node) -> Diagnostic {
        let graph = &self.subject.graph;
        let Some(var) = var else {
            let way = self.subject.way_to(node).unwrap_or_default();
            return d.path(self.subject.path(&way, node));
        };
        let entry = flow::Analysis::entry(&self.exposed).contains(var);
        let none = Bits::new(self.subject.variables.len());
        let witness = Witnesses::search(graph, entry, |_, edge| {
            let held = self.held.get(edge.from.index()).and_then(Option::as_ref).unwrap_or(&none);
            let mut turn = Turn::Keep;
            self.exposed.moves(edge, held, &mut |v, secret| {
                if v == var {
                    turn = if secret { Turn::Bad } else { Turn::Good };
                }
            });
            turn
        });
        for (span, what) in self.origins(var) {
            d = d.label(span, what);
        }
        // What may be given at the place itself was nowhere before.
        let way = witness.path(graph, node).or_else(|| self.subject.way_to(node)).unwrap_or_default();
        d.path(self.subject.path(&way, node))
    }

    /// The places from which a variable's value comes, the nearest first.
    fn origins(&self, var: Var) -> Vec<(Span, String)> {
        let variables = &self.subject.variables;
        let mut found = Vec::new();
        let mut at = var;
        for _ in 0..HOPS {
            let Some((_, span)) = variables.origins(at).first() else { break };
            let name = variables.name(at);
            let from = self.subject.journey.steps.iter().find_map(|step| match &step.kind {
                StepKind::Set(all) => all.iter().filter(|a| variables.var(&a.name) == Some(at)).find_map(|a| {
                    let reads = crate::check::lineage::of_operand(a.value.as_ref()?, variables, a.value_span);
                    let secret = |v: &Var| *v != at && self.exposed.own.get(*v).is_some_and(|s: &Secrets| !s.is_clean());
                    Some((a.span, reads.iter().filter_map(|s| s.path.var(variables)).find(secret)?))
                }),
                _ => None,
            });
            let Some((span, older)) = from else {
                found.push((*span, format!("`{name}` comes from here")));
                break;
            };
            found.push((span, format!("`{name}` is computed from `{}`", variables.name(older))));
            at = older;
        }
        found
    }
}
