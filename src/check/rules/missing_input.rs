//! `WP0406`: an input that must be there and that nothing gives.
//!
//! An input of an action comes from the step's `inputs`, the action's `input_mappings`, a variable of its name, or the caller's
//! data, in this order (language, 3.2). The first three are in the files. What a host says of the caller is not: `user_id`,
//! `user_name`, `user_email` and the other documented keys of `$user` are taken to be there, and so is what the journey's
//! `trigger.requires` names; anything else has to be given by the journey, as `inputs: {tier: $user.customAttributes.tier}`.
//! A variable that some step sets, but not on every way, is `WP0401`, at the step that needs it.

use super::list;
use crate::check::flow::Node;
use crate::check::lineage;
use crate::check::reads;
use crate::check::subject::Subject;
use crate::model::step::{Call, Run, Step, StepKind};
use crate::source::{Code, Diagnostic, Diagnostics};
use crate::value::Name;

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for (id, step) in subject.journey.iter() {
        if !subject.graph.is_reached(Node(id.0)) {
            continue;
        }
        match &step.kind {
            StepKind::Action(call) => check_call(subject, step, call, found),
            StepKind::Verify(verify) => check_call(subject, step, &verify.call, found),
            StepKind::Run(run) => check_run(subject, step, run, found),
            _ => {}
        }
    }
}

fn check_call(subject: &Subject<'_>, step: &Step, call: &Call, found: &mut Diagnostics) {
    let Some(action) = &call.action else { return };
    let missing: Vec<&str> = reads::inputs(action)
        .filter(|(name, required)| {
            *required
                && !call.inputs.iter().any(|i| i.name == **name)
                && !action.input_mappings.iter().any(|(n, _)| n == *name)
                && subject.variables.var(name).is_none()
                && !lineage::of_user(subject.journey, name)
                && !subject.poison.covers(step.span.file, name)
                && !subject.poison.covers(action.span.file, name)
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let Some(first) = missing.first() else { return };
    let message = format!("`{}` requires {}, which nothing gives", action.id, list(&missing));
    let mut d = Diagnostic::new(Code::WP0406, step.span, message);
    if let Some(field) = action.inputs.iter().find(|i| i.name.as_str() == *first) {
        d = d.label(field.span, "required here");
    }
    found.push(d.help(format!("give it: `inputs: {{{first}: …}}`, or collect `{first}` before")));
}

fn check_run(subject: &Subject<'_>, step: &Step, run: &Run, found: &mut Diagnostics) {
    let Some(journey) = &run.journey else { return };
    let given = |name: &Name| run.with.iter().any(|i| i.name == *name);
    let missing: Vec<_> = journey.inputs.iter().filter(|i| i.required && !given(&i.name)).collect();
    let missing: Vec<_> = missing.into_iter().filter(|i| !subject.poison.covers(step.span.file, &i.name)).collect();
    let Some(first) = missing.first() else { return };
    let names = list(missing.iter().map(|i| i.name.as_str()));
    found.push(
        Diagnostic::new(Code::WP0406, step.span, format!("journey `{}` requires {names}, which this `run` does not give", journey.slug))
            .label(first.span, "required here")
            .help(format!("give it: `with: {{{}: …}}`", first.name)),
    );
}
