//! `WP0303`: an outcome that the action declares and the step does not list: the journey goes on as if all were well.
//!
//! An action with a single outcome has nothing to tell apart: a step that lists none goes on with it, which its order says.

use super::list;
use crate::check::flow::Node;
use crate::check::subject::Subject;
use crate::model::step::StepKind;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for (id, step) in subject.journey.iter() {
        let StepKind::Action(call) = &step.kind else { continue };
        let Some(action) = &call.action else { continue };
        // A listed outcome that is none is an error already: the one that was meant is not missing too.
        let mistyped = call.outcomes.iter().any(|b| !action.outcomes.iter().any(|o| o.name.name == b.name.name));
        if mistyped || !subject.graph.is_reached(Node(id.0)) || (call.outcomes.is_empty() && action.outcomes.len() == 1) {
            continue;
        }
        let mut open: Vec<&str> = Vec::new();
        for outcome in &action.outcomes {
            if !call.outcomes.iter().any(|b| b.name == outcome.name) && !open.contains(&&*outcome.name.shown) {
                open.push(&outcome.name.shown);
            }
        }
        let Some(first) = open.first() else { continue };
        let (what, be) = if open.len() == 1 { ("outcome", "is") } else { ("outcomes", "are") };
        let message = format!("{what} {} of `{}` {be} not handled", list(&open), action.id);
        found.push(Diagnostic::new(Code::WP0303, call.call_span, message).help(format!(
            "list {} under `outcomes`; `{first}: continue` says that going on is meant",
            if open.len() == 1 { "it" } else { "them" }
        )));
    }
}
