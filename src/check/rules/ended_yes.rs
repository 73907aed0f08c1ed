//! `WP0502`: a way to an action that needs a yes, on which the yes was given and is ended before the action.

use super::yes::{self, Course, Lost};
use crate::check::flow::{Node, Way};
use crate::check::gates::{End, Gates};
use crate::check::subject::Subject;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, gates: &Gates<'_>, found: &mut Diagnostics) {
    for course in yes::courses(subject, gates) {
        let Course { need, ended: Some(Lost { path, yes, at, why, given, beyond }), .. } = course else { continue };
        let name = |v: usize| subject.variables.name(v);
        let step = subject.key(at);
        let last = beyond.last().map_or_else(|| step.clone(), |n| subject.key(*n));
        let (why, help) = match why {
            End::Used if at == need.node => (
                "it is used up by the first call at this step".to_owned(),
                "go back to the `confirm`, so that each call has a yes of its own".to_owned(),
            ),
            End::Used => (format!("it is used up at `{step}`"), "ask once more before this step".to_owned()),
            End::Assigned(v) => {
                (format!("`{step}` assigns `{}` after it", name(v)), format!("assign `{}` before the `confirm`, or ask once more", name(v)))
            }
            End::Filled => (
                format!("`{}` can be given another value while `{step}` waits", given.map_or("", name)),
                format!("put `{step}` before the `confirm`, or ask once more after it"),
            ),
            End::No => (format!("a no at `{step}` ends it"), "let `on_reject` lead past this step".to_owned()),
            End::PutAgain => {
                (format!("`{step}` puts the question again, and goes on without a yes"), "ask once more on that way".to_owned())
            }
            End::Changed => (format!("something may be changed at `{step}`"), "let `on_change` lead back to a `confirm`".to_owned()),
            End::Paused => (format!("the pause at `{step}` ends it"), "ask after the pause".to_owned()),
            End::Subject => {
                (format!("another person may be verified at `{step}`"), "verify before the `confirm`, or ask once more".to_owned())
            }
            End::Inside => (format!("a no or a cancel in what `{step}` runs ends it"), "ask once more on that way".to_owned()),
            End::Corrected => (
                format!("a correction at `{last}` goes back to `{step}`, which lies after it"),
                format!("put `{step}` before the `confirm`, or ask once more after it"),
            ),
        };
        let mut nodes: Vec<Node> = Vec::new();
        for number in &path {
            let Some(edge) = subject.graph.edges().get(*number) else { continue };
            nodes.push(edge.from);
            if edge.way == Way::Correction && edge.from == at {
                nodes.extend(&beyond);
            }
        }
        nodes.push(need.node);
        let message = format!("the yes to `{}` is ended on a way to it", need.action.id);
        let mut d = Diagnostic::new(Code::WP0502, need.span, message).here(why).help(help).path(subject.path_of(&nodes));
        if let Some(asked) = subject.graph.step(yes) {
            d = d.label(asked.span, "the yes is given here");
        }
        if let Some(step) = subject.graph.step(at).filter(|_| at != need.node && at != yes) {
            d = d.label(step.span, "and ended here");
        }
        found.push(d);
    }
}
