//! The edges of a journey's step graph: the one list of how a run can get from one step to another.
//!
//! The checker, the graph command, coverage and exploration all walk these.

use super::action::ErrorKind;
use super::step::{Next, Step};
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

/// The edges out of a step. Filled by the builder of the model.
#[must_use]
pub fn edges(step: &Step) -> Vec<Edge> {
    let _ = step;
    Vec::new()
}
