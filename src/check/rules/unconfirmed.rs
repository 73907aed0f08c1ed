//! `WP0501`: a way to an action that needs a yes, without a confirm on it that asks for one.

use super::yes::{self, Course};
use crate::check::gates::Gates;
use crate::check::subject::Subject;
use crate::source::{Code, Diagnostic, Diagnostics};

pub(super) fn check(subject: &Subject<'_>, gates: &Gates<'_>, found: &mut Diagnostics) {
    for course in yes::courses(subject, gates) {
        let Course { need, never: Some(path), .. } = course else { continue };
        let action = &need.action.id;
        let message = format!("`{action}` needs a yes, and there is a way to it on which nobody is asked for one");
        let mut d = Diagnostic::new(Code::WP0501, need.span, message).path(subject.path(&path, need.node));
        let node = |n: &usize| subject.graph.edges().get(*n).map(|e| e.from);
        let short = path.iter().rev().filter_map(node).find_map(|n| Some((n, gates.asking(n)?)));
        let help = match short {
            Some((at, kind)) if need.before.contains(kind) => {
                let lacks = gates.lacks(subject, need, kind).map(|p| p.shown());
                d = d.here(format!("`{}` on that way does not show all that is sent", subject.key(at)));
                lacks.map_or_else(|| "ask on that way too".to_owned(), |lacks| format!("let `{}` show `{lacks}` too", subject.key(at)))
            }
            Some((at, kind)) if gates.is_for_others(need, kind) => {
                d = d.here(format!("the yes of `{}` on that way is for other actions", subject.key(at)));
                format!("list `{action}` under its `for`, or put a `confirm` for it on that way")
            }
            _ => "put a `confirm` that shows what is sent on that way, before this step".to_owned(),
        };
        found.push(d.help(help));
    }
}
