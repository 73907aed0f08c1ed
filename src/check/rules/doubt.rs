//! `WP0505`: a write of which nobody can find out whether it was done, when its answer does not come.

use crate::model::Action;
use crate::model::action::{Effects, Idempotency};
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(action: &Action, found: &mut Diagnostics) {
    let settled = action.settings.idempotency != Idempotency::None || action.safety.reconcile.is_some();
    if action.effects == Effects::Write && !settled {
        let message = format!("if no answer to `{}` comes, nothing tells whether it was done", action.id);
        found.push(Diagnostic::new(Code::WP0505, action.span, message).help(
            "say `settings: {idempotency: key}` if the server honours `Idempotency-Key`, `natural` if the method may be repeated, or \
             `safety: {reconcile: …}` with a read that tells; `type: read` if it changes nothing",
        ));
    }
}
