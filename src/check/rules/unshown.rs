//! `WP0504`: something that an action sends on a yes, and that no confirm before it shows.

use std::collections::BTreeMap;

use super::list;
use crate::check::flow::{Bits, Edge, Way, Witnesses, search};
use crate::check::gates::Gates;
use crate::check::subject::Subject;
use crate::expr::Root;
use crate::model::graph::EdgeKind;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, gates: &Gates<'_>, found: &mut Diagnostics) {
    let graph = &subject.graph;
    let mut ways: BTreeMap<&Bits, Witnesses> = BTreeMap::new();
    for need in &gates.needs {
        let action = &need.action.id;
        if let Some(first) = need.by_model.first() {
            let message = format!("a model gives the inputs of `{action}` here, and no confirm can show them");
            let help = format!("call `{action}` in a step of its own, after a `confirm` that shows `{first}`");
            let way = subject.way_to(need.node).unwrap_or_default();
            found.push(Diagnostic::new(Code::WP0504, need.span, message).help(help).path(subject.path(&way, need.node)));
            continue;
        }
        // Without a confirm before it, that is what is missing.
        let Some((source, from)) = need.unshown.first().filter(|_| !need.before.is_empty()) else { continue };
        let first = &source.path;
        let mut names: Vec<String> = need.unshown.iter().map(|(s, _)| s.path.shown()).collect();
        names.dedup();
        let message = format!("`{action}` sends {}, which no confirm before it shows", list(&names));
        let help = match first.root {
            Root::Now | Root::Outcome => {
                format!("`set` a variable to `{}` before the `confirm`, and show that", first.shown())
            }
            Root::Variables if first.keys.len() == 1 => format!("list `{}` under the `fields` of the `confirm`", first.shown()),
            Root::Variables => format!("show it in the `message` of the `confirm`: `{{{{ variables.{} }}}}`", first.shown()),
            Root::User
            | Root::Conversation
            | Root::Each
            | Root::Response
            | Root::Inputs
            | Root::Entity
            | Root::Event
            | Root::Primitives => {
                format!("show it in the `message` of the `confirm`: `{{{{ {} }}}}`", first.shown().trim_start_matches('$'))
            }
        };
        // Past a yes that is given to something else.
        let ways = ways.entry(&need.before).or_insert_with(|| {
            let asks = |edge: &Edge| {
                edge.way == Way::Written(EdgeKind::Confirmed) && gates.asking(edge.from).is_some_and(|k| need.before.contains(k))
            };
            search(graph, (graph.entry(), 0), 2, |_, edge, said| Some(said.max(u8::from(asks(edge)))))
        });
        let way = ways.path_in(graph, need.node, 1).unwrap_or_default();
        let mut d = Diagnostic::new(Code::WP0504, source.span, message).help(help).path(subject.path(&way, need.node));
        if first != from {
            d = d.here(format!("computed from `{}`, which is not shown either", from.shown()));
        }
        found.push(d);
    }
}
