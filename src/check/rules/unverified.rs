//! `WP0503`: a way to an action that needs a verified identity, on which nobody is verified.

use std::collections::BTreeMap;

use crate::check::flow::{Node, Turn, Witnesses};
use crate::check::subject::Subject;
use crate::check::verified::{self, Level, Levels};
use crate::model::Action;
use crate::model::step::{StepKind, Verify};
use crate::source::{Code, Diagnostic, Diagnostics, Span};

pub(super) fn check(subject: &Subject<'_>, levels: &Levels<'_>, found: &mut Diagnostics) {
    // That journey runs whenever it is needed.
    if subject.settings.identity_journey.is_some() {
        return;
    }
    let calls = calls(subject);
    if calls.is_empty() {
        return;
    }
    let graph = &subject.graph;
    let entry = levels.entry(subject.journey);
    let known = levels.of_journey(graph, entry);
    let mut witnesses: BTreeMap<Level, Witnesses> = BTreeMap::new();
    for (node, action, span) in calls {
        let Some(rule) = action.safety.identity else { continue };
        let Some(level) = verified::at(&known, node).filter(|l| *l < rule.level) else { continue };
        let witness = witnesses.entry(rule.level).or_insert_with(|| {
            let enough = |level: Level| level >= rule.level;
            Witnesses::search(graph, !enough(entry), |_, edge| {
                let (from_none, from_enough) = (levels.along(graph, edge, 0), levels.along(graph, edge, rule.level));
                match (enough(from_none), enough(from_enough)) {
                    (true, _) => Turn::Good,
                    (_, false) => Turn::Bad,
                    (false, true) => Turn::Keep,
                }
            })
        });
        let id = &action.id;
        let message = if rule.level > 1 {
            format!("`{id}` needs an identity of level {}, and there is a way to it without one", rule.level)
        } else {
            format!("`{id}` needs a verified identity, and there is a way to it without one")
        };
        let proof = if rule.level > 1 {
            format!("`$conversation.identity.verified && $conversation.identity.level >= {}`", rule.level)
        } else {
            "`$conversation.identity.verified`".to_owned()
        };
        let mut d = Diagnostic::new(Code::WP0503, span, message)
            .help(format!("`verify` before it on that way too, or go there only `if` {proof}"))
            .path(subject.path(&witness.path(graph, node).unwrap_or_default(), node));
        if level > 0 {
            d = d.here(format!("of level {level} here"));
        }
        found.push(d);
    }
}

fn calls<'a>(subject: &Subject<'a>) -> Vec<(Node, &'a Action, Span)> {
    let mut found = Vec::new();
    for (id, step) in subject.journey.iter() {
        match &step.kind {
            StepKind::Action(call) | StepKind::Verify(Verify { call, .. }) => {
                found.extend(call.action.as_deref().map(|a| (Node(id.0), a, call.call_span)));
            }
            StepKind::Investigate(search) => {
                found.extend(search.using.iter().filter_map(|(a, span)| Some((Node(id.0), a.as_deref()?, *span))));
            }
            _ => {}
        }
    }
    found.retain(|(node, action, _)| action.safety.identity.is_some() && subject.graph.is_reached(*node));
    found
}
