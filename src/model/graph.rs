//! The edges of a journey's step graph: the one list of how a run can get from one step to another.
//!
//! The checker, the graph command, coverage and exploration all walk these.

use super::action::ErrorKind;
use super::step::{Branch, Call, Catch, ChoiceFrom, Next, Step, StepKind};
use crate::value::Slug;

/// One way from a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Where to.
    pub to: Next,
    /// On what.
    pub kind: EdgeKind,
}

/// On what an edge is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeKind {
    /// In order: the step did what it does.
    Continue,
    /// An outcome that the step lists.
    Outcome(Slug),
    /// An outcome that the action declares and the step does not list: goes to `continue`.
    Unlisted(Slug),
    /// An error that the step lists.
    Error(ErrorKind),
    /// Any other error, by `on_error.default`.
    ErrorDefault,
    /// Tries used up.
    Exhausted,
    /// An option of a choice.
    Option(Slug),
    /// A picked option of `from`.
    Picked,
    /// Free text at a choice.
    Freeform,
    /// One set of an `any_of`, by its index.
    AnyOf(usize),
    /// A yes.
    Confirmed,
    /// A change at a confirm.
    Change,
    /// A no.
    Reject,
    /// After a guide's last instruction.
    Complete,
    /// Stuck in a guide, at that instruction.
    Stuck(usize),
    /// A finding.
    Finding(Slug),
    /// An investigation without one.
    NoFinding,
    /// A verification that did.
    Verified,
    /// One that did not.
    NotVerified,
    /// A true condition.
    Then,
    /// A false one.
    Else,
    /// A `goto`.
    Goto,
    /// A message after `pause_for_resume`.
    Resume,
}

/// The edges out of a step: every way that a run can go on from it within its journey. What goes to the journey's fallback, ends
/// the run, or goes back by a correction is none.
#[must_use]
pub fn edges(step: &Step) -> Vec<Edge> {
    let mut out = Edges(Vec::new());
    let next = step.next;
    match &step.kind {
        StepKind::Collect(collect) => {
            if collect.any_of.is_empty() {
                out.add(next, EdgeKind::Continue);
            }
            for (i, set) in collect.any_of.iter().enumerate() {
                out.add(set.then, EdgeKind::AnyOf(i));
            }
            out.maybe(collect.on_exhausted, EdgeKind::Exhausted);
        }
        StepKind::Action(call) => {
            out.outcomes(call, next);
            out.errors(call);
        }
        StepKind::Choice(choice) => {
            for option in &choice.options {
                out.add(option.then, EdgeKind::Option(option.id.clone()));
            }
            match &choice.from {
                Some(ChoiceFrom::Provider(_)) => {
                    out.listed(&choice.outcomes, &["executed", "failed", "declined", "none"].map(Slug::new), next);
                }
                Some(ChoiceFrom::Expr(_)) => out.add(choice.on_pick.unwrap_or(next), EdgeKind::Picked),
                None => {}
            }
            if choice.freeform {
                out.maybe(choice.freeform_handler, EdgeKind::Freeform);
            }
            out.maybe(choice.on_exhausted, EdgeKind::Exhausted);
        }
        StepKind::Confirm(confirm) => {
            out.add(next, EdgeKind::Confirmed);
            out.maybe(confirm.on_change, EdgeKind::Change);
            out.maybe(confirm.on_reject, EdgeKind::Reject);
        }
        StepKind::Guide(guide) => {
            out.add(guide.on_complete, EdgeKind::Complete);
            for (i, instruction) in guide.steps.iter().enumerate() {
                out.maybe(instruction.on_stuck.or(guide.on_stuck), EdgeKind::Stuck(i));
            }
        }
        StepKind::Investigate(investigate) => {
            for finding in &investigate.findings {
                out.add(finding.then, EdgeKind::Finding(finding.name.clone()));
            }
            out.maybe(investigate.fallback, EdgeKind::NoFinding);
        }
        StepKind::Verify(verify) => {
            out.add(next, EdgeKind::Verified);
            out.maybe(verify.on_failed, EdgeKind::NotVerified);
            out.errors(&verify.call);
        }
        StepKind::If(branch) => {
            out.add(branch.then, EdgeKind::Then);
            out.add(branch.otherwise, EdgeKind::Else);
        }
        StepKind::Goto(target) => out.maybe(target.map(Next::Step), EdgeKind::Goto),
        StepKind::Run(run) => {
            if run.journey.is_none() {
                out.add(next, EdgeKind::Continue);
            }
            out.listed(&run.outcomes, run.journey.iter().flat_map(|j| &j.outcomes), next);
        }
        StepKind::Done(done) => {
            if done.pause_for_resume {
                out.maybe(done.resume, EdgeKind::Resume);
            }
        }
        StepKind::Escalate(_) => {}
        StepKind::Say(_) | StepKind::Set(_) | StepKind::Broken => out.add(next, EdgeKind::Continue),
    }
    out.0
}

struct Edges(Vec<Edge>);

impl Edges {
    fn add(&mut self, to: Next, kind: EdgeKind) {
        self.0.push(Edge { to, kind });
    }

    fn maybe(&mut self, to: Option<Next>, kind: EdgeKind) {
        if let Some(to) = to {
            self.add(to, kind);
        }
    }

    /// Listed branches, and `declared` ones that are not listed.
    fn listed<'d>(&mut self, listed: &[Branch], declared: impl IntoIterator<Item = &'d Slug>, next: Next) {
        for branch in listed {
            self.add(branch.then, EdgeKind::Outcome(branch.name.clone()));
        }
        for name in declared.into_iter().filter(|name| !listed.iter().any(|b| b.name == **name)) {
            self.add(next, EdgeKind::Unlisted(name.clone()));
        }
    }

    fn outcomes(&mut self, call: &Call, next: Next) {
        match &call.action {
            Some(action) if !action.outcomes.is_empty() => {
                self.listed(&call.outcomes, action.outcomes.iter().map(|o| &o.name), next);
            }
            _ => {
                self.listed(&call.outcomes, &[], next);
                if call.outcomes.is_empty() {
                    self.add(next, EdgeKind::Continue);
                }
            }
        }
        // All calls of an `each` went to `continue`, or there was nothing to call for.
        if call.each.is_some() && !self.0.iter().any(|e| e.kind == EdgeKind::Continue) {
            self.add(next, EdgeKind::Continue);
        }
    }

    fn errors(&mut self, call: &Call) {
        for (catch, to, _) in &call.on_error {
            self.add(
                *to,
                match catch {
                    Catch::Kind(kind) => EdgeKind::Error(*kind),
                    Catch::Default => EdgeKind::ErrorDefault,
                },
            );
        }
        self.maybe(call.retry.as_ref().and_then(|r| r.on_exhausted), EdgeKind::Exhausted);
    }
}
