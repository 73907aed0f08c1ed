//! One file a step kind: how a run enters it, what it takes for an answer, and what it says may come next.

use super::hear::Heard;
use super::turn::{Go, Turn};
use crate::model::Step;
use crate::model::step::StepKind;

pub(super) mod action;
pub(super) mod branch;
pub(super) mod choice;
pub(super) mod collect;
pub(super) mod confirm;
pub(super) mod done;
pub(super) mod escalate;
pub(super) mod guide;
pub(super) mod investigate;
pub(super) mod offer;
pub(super) mod run;
pub(super) mod say;
pub(super) mod set;
pub(super) mod verify;

/// What a step makes of a message.
pub(super) enum Answered {
    /// It was an answer, and leads there.
    Yes(Go),
    /// It was none: it may be another wish.
    No,
}

/// Puts the step's question again, without counting it as an attempt.
pub(super) fn put(turn: &mut Turn<'_>, step: &Step) {
    match &step.kind {
        StepKind::Collect(collect) => collect::put(turn, collect),
        StepKind::Choice(choice) => choice::put(turn, choice),
        StepKind::Confirm(confirm) => confirm::put(turn, step, confirm),
        StepKind::Guide(guide) => guide::put(turn, guide),
        StepKind::Investigate(_)
        | StepKind::Action(_)
        | StepKind::Verify(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Set(_)
        | StepKind::Goto(_)
        | StepKind::Run(_)
        | StepKind::Done(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => {}
    }
}

/// Tries a message as the answer to the step.
pub(super) fn hear(turn: &mut Turn<'_>, step: &Step, heard: &Heard) -> Answered {
    match &step.kind {
        StepKind::Collect(collect) => collect::hear(turn, step, collect, heard),
        StepKind::Choice(choice) => choice::hear(turn, choice, heard),
        StepKind::Confirm(confirm) => confirm::hear(turn, step, confirm, heard),
        StepKind::Guide(guide) => guide::hear(turn, guide, heard),
        StepKind::Investigate(_)
        | StepKind::Action(_)
        | StepKind::Verify(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Set(_)
        | StepKind::Goto(_)
        | StepKind::Run(_)
        | StepKind::Done(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => Answered::No,
    }
}

/// A message that was no answer and no other wish: asked again, or given up.
pub(super) fn miss(turn: &mut Turn<'_>, step: &Step, heard: &Heard) -> Go {
    match &step.kind {
        StepKind::Collect(collect) => collect::miss(turn, collect, heard),
        StepKind::Choice(choice) => choice::miss(turn, choice, heard),
        StepKind::Confirm(confirm) => confirm::miss(turn, step, confirm),
        StepKind::Guide(guide) => guide::miss(turn, guide),
        // It waits for an approval.
        StepKind::Action(_) | StepKind::Verify(_) => turn.come_back(),
        StepKind::Investigate(_)
        | StepKind::Say(_)
        | StepKind::If(_)
        | StepKind::Set(_)
        | StepKind::Goto(_)
        | StepKind::Run(_)
        | StepKind::Done(_)
        | StepKind::Escalate(_)
        | StepKind::Broken => Go::Wait,
    }
}
