//! `WP0509`: a verification that takes the agent's word for what the user said.

use crate::check::flow::Node;
use crate::check::subject::Subject;
use crate::model::step::{StepKind, VerifySource};
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for (id, step) in subject.journey.iter() {
        if let StepKind::Verify(verify) = &step.kind
            && verify.source == VerifySource::Any
        {
            let node = Node(id.0);
            let Some(way) = subject.way_to(node) else { continue };
            found.push(
                Diagnostic::new(Code::WP0509, step.span, "this verification takes an agent's word for what the user said")
                    .help("leave `source` out: then only what stands in the user's own messages counts")
                    .path(subject.path(&way, node)),
            );
        }
    }
}
