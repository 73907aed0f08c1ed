//! `WP0407`: a variable that the author named and nothing reads.
//!
//! Reads are all expressions and templates, fields of a `confirm`, what an action takes by the name of its input, and what goes
//! along with a hand-over. What a `collect` asks for is no finding: a person said it, and the conversation keeps it; nor is what the
//! engine names by itself.

use crate::check::flow::Bits;
use crate::check::parts;
use crate::check::reads;
use crate::check::subject::Subject;
use crate::check::variables::Origin;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let variables = &subject.variables;
    let mut read = Bits::new(variables.len());
    let mut all = subject.has_broken_steps();
    let mut see = |r: reads::VarRead| match r.name {
        Some(name) => {
            if let Some(v) = variables.var(&name) {
                read.insert(v);
            }
        }
        None => all = true,
    };
    for step in &subject.journey.steps {
        reads::of_step(step, &|n| variables.var(n).is_some(), &mut see);
    }
    parts::of_fallback(&subject.journey.fallback, &mut |p| reads::of_part(&p, &mut see));
    if all {
        return;
    }
    for v in (0..variables.len()).filter(|v| !read.contains(*v)) {
        let asked = variables.has(v, Origin::Field) || variables.has(v, Origin::OptionalField);
        let named = variables.origins(v).iter().find(|(o, _)| matches!(o, Origin::Named | Origin::Input));
        let Some((origin, span)) = named.filter(|_| !asked) else { continue };
        let name = crate::value::Name::new(variables.name(v));
        if subject.poison.covers(span.file, &name) {
            continue;
        }
        let (what, help) = match origin {
            Origin::Input => ("input", format!("read it as `$variables.{name}`, or delete it here and where it is given")),
            _ => ("variable", format!("read it as `$variables.{name}`, or do not set it")),
        };
        found.push(Diagnostic::new(Code::WP0407, *span, format!("{what} `{name}` is never read")).help(help));
    }
}
