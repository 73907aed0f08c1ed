//! The shortest way on which a run comes to a call of an action, over all journeys: the witness of what is wrong with the action itself.

use std::collections::BTreeMap;

use super::flow::Node;
use super::subject::Subject;
use crate::model::ActionId;
use crate::model::step::{Step, StepKind, Verify};
use crate::source::{Diagnostic, Span};

/// The calls of some actions.
#[derive(Debug, Default)]
pub struct Called<'w> {
    ways: BTreeMap<&'w ActionId, Option<Way>>,
}

#[derive(Debug)]
struct Way {
    steps: usize,
    path: Vec<String>,
    span: Span,
}

impl<'w> Called<'w> {
    /// Of these actions.
    #[must_use]
    pub fn of(actions: impl Iterator<Item = &'w ActionId>) -> Self {
        Self { ways: actions.map(|id| (id, None)).collect() }
    }

    /// Looks for calls in a journey.
    pub fn look(&mut self, subject: &Subject<'_>) {
        if self.ways.is_empty() {
            return;
        }
        for (id, step) in subject.journey.iter() {
            each_call(step, &mut |action, span| {
                if let Some(shortest) = self.ways.get_mut(action)
                    && let Some(edges) = subject.way_to(Node(id.0))
                    && shortest.as_ref().is_none_or(|s| edges.len() < s.steps)
                {
                    *shortest = Some(Way { steps: edges.len(), path: subject.path(&edges, Node(id.0)), span });
                }
            });
        }
    }

    /// A finding about an action, with the way to a call of it.
    #[must_use]
    pub fn told(&self, action: &ActionId, d: Diagnostic) -> Diagnostic {
        match self.ways.get(action) {
            Some(Some(way)) if d.path.is_empty() => d.label(way.span, "it is called here").path(way.path.clone()),
            _ => d,
        }
    }
}

fn each_call(step: &Step, see: &mut dyn FnMut(&ActionId, Span)) {
    match &step.kind {
        StepKind::Action(call) | StepKind::Verify(Verify { call, .. }) => {
            call.action.iter().for_each(|a| see(&a.id, call.call_span));
        }
        StepKind::Investigate(search) => {
            search.using.iter().filter_map(|(a, span)| Some((a.as_ref()?, *span))).for_each(|(a, span)| see(&a.id, span));
        }
        _ => {}
    }
}
