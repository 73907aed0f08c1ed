//! `WP0306`: an outcome, a set of fields or a branch that an earlier one always takes.
//!
//! An outcome is taken by an earlier one that has no condition, or one that is true wherever its own is, as far as their shapes show; or
//! by several of which one is, as far as trying them on every kind of answer shows.

use crate::check::flow::Node;
use crate::check::subject::Subject;
use crate::expr::{Cases, Program};
use crate::model::Action;
use crate::model::action::Outcome;
use crate::model::step::{Field, Next, StepId, StepKind};
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check_action(action: &Action, found: &mut Diagnostics) {
    let conditions: Vec<_> = action.outcomes.iter().map(|o| o.condition.as_ref()).collect();
    let mut cases = None;
    for (at, outcome) in action.outcomes.iter().enumerate() {
        let earlier = action.outcomes.get(..at).unwrap_or(&[]);
        // A name that stands twice has been reported as that.
        if earlier.iter().any(|e| e.name == outcome.name) {
            continue;
        }
        if outcome.condition.as_ref().is_some_and(Program::always_false) {
            let message = format!("outcome `{}` is never reached: its condition is never true", outcome.name);
            let span = outcome.condition_span.unwrap_or(outcome.span);
            found.push(Diagnostic::new(Code::WP0306, span, message).help("write what an answer can fulfil, or leave the outcome out"));
            continue;
        }
        let one = earlier.iter().find(|e| takes(e, outcome)).map(|e| vec![e]);
        let by = one.or_else(|| {
            let cases = cases.get_or_insert_with(|| Cases::of(&conditions));
            let by = cases.taken_by(at).filter(|by| !by.is_empty())?;
            Some(by.into_iter().filter_map(|n| earlier.get(n)).collect())
        });
        if let Some(by) = by {
            found.push(never(outcome, &by));
        }
    }
}

fn never(outcome: &Outcome, by: &[&Outcome]) -> Diagnostic {
    let (last, before) = match by.split_last() {
        Some((last, before)) => (format!("`{}`", last.name), before),
        None => (String::new(), by),
    };
    let names = match before {
        [] => last,
        [..] => format!("{} or {last}", before.iter().map(|o| format!("`{}`", o.name)).collect::<Vec<_>>().join(", ")),
    };
    let message = format!("outcome `{}` is never reached: {names} before it is true whenever it is", outcome.name);
    let that = if before.is_empty() { "that one" } else { "one of them" };
    let d = Diagnostic::new(Code::WP0306, outcome.span, message).help(format!("put it before {names}, or narrow the condition of {that}"));
    by.iter().fold(d, |d, o| d.label(o.span, "the first that is true wins"))
}

pub(super) fn check_journey(subject: &Subject<'_>, found: &mut Diagnostics) {
    let reached = |id: StepId| subject.graph.is_reached(Node(id.0));
    for (_, step) in subject.journey.iter().filter(|(id, _)| reached(*id)) {
        match &step.kind {
            StepKind::If(branch) => {
                let written = |n: Next| n != step.next;
                let truth = branch.condition.always_true();
                if !truth && !branch.condition.always_false() {
                    continue;
                }
                let never = if truth { "else" } else { "then" };
                let text = branch.condition.text();
                let skips = (truth && written(branch.otherwise)) || (!truth && written(branch.then));
                let message =
                    if skips { format!("this is always {truth}: `{never}` is never taken") } else { format!("this is always {truth}") };
                let span = text.part(&(0..text.value.len()));
                found.push(
                    Diagnostic::new(Code::WP0306, span, message)
                        .help("compare with something that changes, or write the branch without `if`"),
                );
            }
            StepKind::Collect(collect) => {
                for (i, later) in collect.any_of.iter().enumerate() {
                    let within = |names: &[Field]| names.iter().all(|n| later.fields.iter().any(|f| f.name == n.name));
                    let by = collect.any_of.iter().take(i).find(|e| within(&e.fields));
                    if let (Some(by), Some(first)) = (by, later.fields.first()) {
                        let mut d = Diagnostic::new(Code::WP0306, first.span, "these fields are never the first to be complete")
                            .help("put the longer list first");
                        if let Some(f) = by.fields.first() {
                            d = d.label(f.span, "these are complete before");
                        }
                        found.push(d);
                    }
                }
            }
            _ => {}
        }
    }
}

fn takes(earlier: &Outcome, later: &Outcome) -> bool {
    match (&earlier.condition, &later.condition) {
        (None, _) => true,
        (Some(earlier), None) => earlier.always_true(),
        (Some(earlier), Some(later)) => later.implies(earlier),
    }
}
