//! `WP0508`: an action for verified people that takes what it acts on from its inputs, and does not say whose that must be.

use super::list;
use crate::check::parts::{self, Part};
use crate::check::reads;
use crate::expr::Root;
use crate::model::Action;
use crate::model::action::EndpointPart;
use crate::model::step::Operand;
use crate::source::{Code, Diagnostic, Diagnostics};
use crate::value::Name;

pub(super) fn check(action: &Action, found: &mut Diagnostics) {
    let safety = &action.safety;
    if safety.identity.is_none() || safety.owner.is_some() || safety.result_owner.is_some() {
        return;
    }
    let mut taken: Vec<Name> = Vec::new();
    for part in &action.invocation.endpoint {
        if let EndpointPart::Param(name, _) = part {
            taken.push(name.clone());
        }
    }
    for (_, operand) in &action.invocation.query {
        parts::of_operand(operand, parts::Role::Value, &mut |part| {
            if let Part::Reads(reader, _) = part {
                let inputs = reader.reads().iter().filter(|r| r.root == Root::Inputs);
                taken.extend(inputs.filter_map(|r| r.keys.first()).map(Name::of));
            }
        });
    }
    taken.retain(|name| reads::inputs(action).any(|(n, _)| n == name) && !is_identity(action, name));
    taken.dedup();
    if taken.is_empty() {
        return;
    }
    let message =
        format!("`{}` takes {} from anybody who is verified, whoever it belongs to", action.id, list(taken.iter().map(Name::as_str)));
    found.push(
        Diagnostic::new(Code::WP0508, action.span, message)
            .help("say whose it must be: `safety: {owner: …}` with an expression or a read, or for a read `result_owner`"),
    );
}

/// Whether the action itself takes the input from who was verified.
fn is_identity(action: &Action, name: &Name) -> bool {
    let identity = |r: &crate::expr::Read| r.root == Root::Conversation && r.keys.first().is_some_and(|k| &**k == "identity");
    action.input_mappings.iter().any(|(n, operand)| match operand {
        Operand::Expr(program) => n == name && !program.reads().is_empty() && program.reads().iter().all(identity),
        _ => false,
    })
}
