//! `WP0304`: an `investigate` lists an action that is no read.

use crate::check::subject::Subject;
use crate::model::action::Effects;
use crate::model::step::StepKind;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for step in &subject.journey.steps {
        let StepKind::Investigate(investigate) = &step.kind else { continue };
        for (action, span) in &investigate.using {
            if let Some(action) = action.as_ref().filter(|a| a.effects == Effects::Write) {
                let message = format!("`{}` is a write, and an investigation only reads", action.id);
                found.push(
                    Diagnostic::new(Code::WP0304, *span, message)
                        .label(action.span, "without `type: read` an action is a write")
                        .help("call it in an `action` step after the finding; or, if it changes nothing, give it `type: read`"),
                );
            }
        }
    }
}
