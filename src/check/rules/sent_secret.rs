//! `WP0602`: something sensitive that is sent as an input which the action does not redact, or that becomes the subject of who is verified:
//! it would be shown from there on.

use super::secret::Exposure;
use crate::check::flow::Node;
use crate::check::secrecy;
use crate::expr::Root;
use crate::model::action::EndpointPart;
use crate::model::step::{StepKind, Verify};
use crate::source::{Code, Diagnostic, Diagnostics};
use crate::value::Name;

pub(super) fn check(exposure: &Exposure<'_>, found: &mut Diagnostics) {
    let subject = exposure.subject;
    for (id, step) in subject.journey.iter() {
        let node = Node(id.0);
        let (StepKind::Action(call) | StepKind::Verify(Verify { call, .. })) = &step.kind else { continue };
        let (Some(held), Some(action)) = (exposure.held(node), call.action.as_deref()) else { continue };
        let of = |root: Root, key: Option<&str>| exposure.exposed.member(held, root, key);
        let declared = secrecy::declared(action);
        let inputs = secrecy::inputs(action, call, &subject.variables, &of);
        if let StepKind::Verify(Verify { subject: Some(who), .. }) = &step.kind {
            let given = |name: &str| inputs.iter().find(|(n, _)| n.as_str() == Name::new(name).as_str()).map(|(_, s)| s.clone());
            let all = |root: Root, key: Option<&str>| match (root, key) {
                (Root::Inputs, Some(name)) => given(name).unwrap_or_default().join(&declared.member(name)),
                (Root::Response, Some("body")) => secrecy::answer(action),
                _ => of(root, key),
            };
            if who.secrets(&all).is_certain() {
                let span = who.text().part(&(0..who.text().value.len()));
                let message = "something sensitive becomes the subject, which stands in the audit and in recordings as it is";
                let d = Diagnostic::new(Code::WP0602, span, message)
                    .help("take what the service knows them by, from its answer: `subject: response.body.customer_id`");
                found.push(exposure.told(d, None, node));
            }
        }
        for (name, secrets) in inputs {
            // In a URL it is a mistake of its own.
            let in_url = action.invocation.endpoint.iter().any(|p| matches!(p, EndpointPart::Param(n, _) if n == name));
            if !secrets.is_certain() || declared.member(name.as_str()).is_certain() || in_url {
                continue;
            }
            let given = call.inputs.iter().find(|i| i.name == *name);
            let span = given.map_or(call.call_span, |i| i.value_span);
            let var = match given {
                Some(given) => {
                    let reads = crate::check::lineage::of_operand(&given.value, &subject.variables, span);
                    let secret = |v: &usize| of(Root::Variables, Some(subject.variables.name(*v))).is_certain();
                    reads.iter().filter_map(|s| s.path.var(&subject.variables)).find(secret)
                }
                None => subject.variables.var(name),
            };
            let message = format!("something sensitive is sent as `{name}`, which `{}` does not redact", action.id);
            let d = Diagnostic::new(Code::WP0602, span, message)
                .help(format!("list it at the action: `safety: {{redact_fields: [inputs.{name}]}}`"));
            found.push(exposure.told(d, var, node));
        }
    }
}
