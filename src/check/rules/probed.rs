//! `WP0603`: a branch on something sensitive and on something that a person may give: who gives it again and again, and sees where the
//! journey goes, finds out what is hidden.

use super::secret::Exposure;
use crate::check::flow::{Bits, Node};
use crate::check::lineage::Lineage;
use crate::check::variables::Var;
use crate::expr::Root;
use crate::model::step::StepKind;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(exposure: &Exposure<'_>, found: &mut Diagnostics) {
    let subject = exposure.subject;
    let variables = &subject.variables;
    let lineage = Lineage::of(subject.journey, variables);
    for (id, step) in subject.journey.iter() {
        let node = Node(id.0);
        let StepKind::If(branch) = &step.kind else { continue };
        let Some(held) = exposure.held(node) else { continue };
        let of = |root: Root, key: Option<&str>| exposure.exposed.member(held, root, key);
        if !branch.condition.secrets(&of).is_certain() {
            continue;
        }
        let reads: Vec<Var> = branch
            .condition
            .reads()
            .iter()
            .filter(|r| r.root == Root::Variables)
            .filter_map(|r| variables.named(r.keys.first()?))
            .collect();
        let hidden = |v: &Var| of(Root::Variables, Some(variables.name(*v))).is_certain() && !is_given(subject, &lineage, *v);
        let Some(secret) = reads.iter().copied().find(hidden) else { continue };
        let Some(guess) = reads.iter().copied().find(|v| *v != secret && is_given(subject, &lineage, *v)) else { continue };
        let text = branch.condition.text();
        let message = format!("giving `{}` again and again tells what `{}` is", variables.name(guess), variables.name(secret));
        let d = Diagnostic::new(Code::WP0603, text.part(&(0..text.value.len())), message)
            .help("let the service compare them: send what was given to an action, and branch on its outcome");
        found.push(exposure.told(d, Some(secret), node));
    }
}

/// Whether what a variable holds was given by a person, or computed from that by `set` alone.
fn is_given(subject: &crate::check::subject::Subject<'_>, lineage: &Lineage, var: Var) -> bool {
    let mut seen = Bits::new(subject.variables.len());
    let mut open = vec![var];
    while let Some(v) = open.pop() {
        if subject.fills.can_be_given(v) {
            return true;
        }
        if seen.insert(v) && lineage.is_computed(v) {
            open.extend(lineage.depends(v));
        }
    }
    false
}
