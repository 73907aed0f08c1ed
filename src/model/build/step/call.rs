//! `action` (language, 3.2).

use super::{Site, Steps};
use crate::model::action::{Action, Effects, ErrorKind};
use crate::model::build::context::Context;
use crate::model::step::{Call, Catch, Next, Retry};
use crate::source::{Code, Diagnostic, Span};
use crate::syntax::Node;
use crate::value::{Name, Slug};

impl Steps<'_, '_, '_, '_, '_> {
    pub fn action(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Call> {
        let named = if site.full { site.value.get("call")? } else { site.value };
        let text = cx.text(named)?;
        let (written, short_as) = match text.value.split_once("->") {
            Some((call, name)) => (call.trim(), Some(name)),
            None => (text.value.trim(), None),
        };
        let call_span = text.part(&(0..written.len()));
        let (mut save_as, mut save_span) = cx.save_as(site.get("as"));
        if let Some(name) = short_as {
            let start = text.value.len() - name.trim_start().len();
            let span = text.part(&(start..text.value.trim_end().len()));
            let name = name.trim();
            if site.full || save_span.is_some() {
                let d = Diagnostic::new(Code::WP0104, named.span, "`->` belongs to the short form without `as`");
                cx.push(d.help(format!("write `{written}` here and `as: {name}`")));
            } else if Slug::is_valid(name) {
                let name = Name::new(name);
                cx.variable(&name, span);
                (save_as, save_span) = (Some(name), Some(span));
            } else {
                let d = Diagnostic::new(Code::WP0104, named.span, format!("`{name}` is no name of a variable"));
                cx.push(d.help(format!("write `{written} -> {}`", Slug::from_title(name).name)));
            }
        }
        let action = self.action_named(cx, written, call_span);
        let outcomes = self.outcomes_of(cx, site, action.as_deref());
        let each = site.get("each").and_then(|n| cx.program(n));
        if let (Some(action), Some(each)) = (&action, &each)
            && action.effects == Effects::Write
        {
            let d = Diagnostic::new(Code::WP0104, each.text().span, format!("`each` is for reads, and `{}` is a write", action.id));
            cx.push(d.help("call it once for each element in a loop with `goto`"));
        }
        Some(Call {
            inputs: cx.inputs(site.get("inputs"), action.as_deref()),
            call_span,
            save_as,
            save_span,
            outcomes,
            on_error: self.on_error(cx, site),
            retry: self.retry(cx, site),
            each,
            action,
        })
    }

    /// The listed outcomes, each of which the action must have.
    fn outcomes_of(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>, action: Option<&Action>) -> Vec<crate::model::step::Branch> {
        let Some(action) = action else { return self.branches(cx, site, "outcomes", None) };
        let what = format!("`{}`", action.id);
        let mut known: Vec<&str> = action.outcomes.iter().map(|o| &*o.name.shown).collect();
        if known.is_empty() {
            known.push("success");
        }
        self.branches(cx, site, "outcomes", Some((&what, &known)))
    }

    pub fn on_error(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Vec<(Catch, Next, Span)> {
        let mut out: Vec<(Catch, Next, Span)> = Vec::new();
        for entry in site.get("on_error").map(Node::entries).unwrap_or_default() {
            let kind = ErrorKind::ALL.into_iter().find(|k| k.as_str() == entry.key);
            let catch = match kind {
                Some(kind) => Catch::Kind(kind),
                None if entry.key == "default" => Catch::Default,
                None => {
                    let known = ErrorKind::ALL.into_iter().map(ErrorKind::as_str).chain(["default"]);
                    let known: Vec<&str> = known.collect();
                    let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("`{}` is no kind of error", entry.key));
                    cx.push(match crate::source::did_you_mean(&entry.key, known.iter().copied()) {
                        Some(near) => d.help(format!("write `{near}`")),
                        None => d.help(format!("expected one of `{}`", known.join("`, `"))),
                    });
                    continue;
                }
            };
            let then = self.target(cx, site, &format!("on_error.{}", entry.key), &entry.value);
            out.push((catch, then, entry.key_span));
        }
        out
    }

    fn retry(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Retry> {
        let node = site.get("retry").filter(|n| n.is_map())?;
        Some(Retry {
            max: Context::count_at(node, "max"),
            delay_ms: Context::millis_at(node, "delay"),
            on_exhausted: self.target_in(cx, site, "retry", node, "on_exhausted"),
        })
    }
}
