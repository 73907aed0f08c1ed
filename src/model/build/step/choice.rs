//! `choice` (language, 3.3).

use super::collect::ATTEMPTS;
use super::{Site, Steps};
use crate::model::action::IntegrationType;
use crate::model::build::context::{Context, Seen};
use crate::model::step::{Choice, ChoiceFrom, ChoiceOption};
use crate::source::{Code, Diagnostic, Span, Text};
use crate::syntax::{Entry, Node};
use crate::template::Template;
use crate::value::{Name, Slug};

/// Outcomes of a provider's action.
const PROVIDER: [&str; 4] = ["executed", "failed", "declined", "none"];

impl Steps<'_, '_, '_, '_, '_> {
    pub fn choice(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Choice> {
        if !site.value.is_map() {
            return None;
        }
        let value = site.value;
        let (entries, path) = match (site.full, value.get("options")) {
            (false, _) => (value.entries(), None),
            (true, options) => (options.map(Node::entries).unwrap_or_default(), Some("options")),
        };
        let options = self.options(cx, site, entries, path);
        if !site.full {
            return Some(Choice {
                prompt: None,
                options,
                from: None,
                on_pick: None,
                freeform: false,
                freeform_handler: None,
                save_as: None,
                save_span: None,
                outcomes: Vec::new(),
                max_attempts: ATTEMPTS,
                retry_message: None,
                on_exhausted: None,
            });
        }
        let from = value.get("from").and_then(|n| from(cx, n));
        if value.lacks("options") && value.lacks("from") {
            let span = value.entries().first().map_or(value.span, |e| e.key_span);
            let d = Diagnostic::new(Code::WP0105, span, "`options` is missing from a choice");
            cx.push(d.help("add `options:` with labels and targets, or `from:` with a list"));
        }
        let provider = matches!(from, Some(ChoiceFrom::Provider(_)));
        let by_expression = matches!(from, Some(ChoiceFrom::Expr(_)));
        for (key, right, needs) in [("outcomes", provider, "from: provider.<slug>"), ("on_pick", by_expression, "from: <an expression>")] {
            if let Some(entry) = value.entry(key).filter(|_| !right) {
                let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("`{key}` has no meaning without `{needs}`"));
                let help = if key == "on_pick" && provider {
                    "write `outcomes:` with `executed`, `failed`, `declined` and `none`".into()
                } else {
                    format!("remove it, or add `{needs}`")
                };
                cx.push(d.help(help));
            }
        }
        if let (Some(ChoiceFrom::Provider(name)), Some(node)) = (&from, value.get("from")) {
            self.offers(cx, name, node.span);
        }
        let retry = value.get("retry");
        // One that cannot be read, or is missing beside its handler, is meant to be true.
        let handled = value.entry("freeform_handler").is_some();
        let freeform = value.entry("freeform").map_or(handled, |e| e.value.bool().unwrap_or(true));
        if let Some(entry) = value.entry("freeform_handler").filter(|_| value.entry("freeform").is_none()) {
            let d = Diagnostic::new(Code::WP0105, entry.key_span, "`freeform: true` is missing beside `freeform_handler`");
            cx.push(d.help("add `freeform: true`"));
        }
        let (save_as, save_span) = cx.save_as(value.get("as"));
        Some(Choice {
            prompt: cx.template_at(value, "prompt"),
            options,
            on_pick: self.target_at(cx, site, "on_pick"),
            freeform,
            freeform_handler: self.target_at(cx, site, "freeform_handler"),
            save_as,
            save_span,
            outcomes: self.branches(cx, site, "outcomes", provider.then_some(("a provider's action", &PROVIDER[..]))),
            max_attempts: retry.and_then(|r| Context::count_at(r, "max")).unwrap_or(ATTEMPTS),
            retry_message: retry.and_then(|r| cx.template_at(r, "message")),
            on_exhausted: retry.and_then(|r| self.target_in(cx, site, "retry", r, "on_exhausted")),
            from,
        })
    }

    /// What a choice offers comes from an integration of type `provider`.
    fn offers(&self, cx: &mut Context<'_>, name: &Name, span: Span) {
        let integrations = &self.journeys.integrations;
        let providers = || integrations.by_name.values().filter(|i| i.kind == IntegrationType::Provider).map(|i| &*i.slug.shown);
        let message = match integrations.by_name.get(name) {
            Some(found) if found.kind == IntegrationType::Provider => return,
            Some(_) => format!("`{name}` is no provider: it has actions of its own"),
            None if integrations.any_poisoned => return,
            None => format!("there is no integration `{name}`"),
        };
        cx.unknown(Code::WP0201, span, message, name.as_str(), providers());
    }

    fn options(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>, entries: &[Entry<'_>], path: Option<&str>) -> Vec<ChoiceOption> {
        let mut out: Vec<ChoiceOption> = Vec::new();
        let mut seen = Seen::default();
        for entry in entries {
            let id = Slug::from_title(&entry.key);
            if cx.again(&mut seen, "an option", &id, entry.key_span) {
                continue;
            }
            let branch = path.map_or_else(|| id.to_string(), |p| format!("{p}.{id}"));
            let then = self.target(cx, site, &branch, &entry.value);
            out.push(ChoiceOption { id, label: label(cx, entry), then, span: entry.key_span });
        }
        out
    }
}

/// A label is a template; keys have no escapes worth mapping, so its faults point into it as written.
fn label(cx: &mut Context<'_>, entry: &Entry<'_>) -> Template {
    let quote = u32::from(entry.key_span.end - entry.key_span.start > u32::try_from(entry.key.len()).unwrap_or(0));
    let text = Text::plain(&*entry.key, entry.key_span, entry.key_span.start + quote);
    cx.parse_template(text)
}

fn from(cx: &mut Context<'_>, node: &Node<'_>) -> Option<ChoiceFrom> {
    let written = node.str()?.trim();
    match written.strip_prefix("provider.") {
        Some(slug) if Slug::is_valid(slug) => Some(ChoiceFrom::Provider(Name::new(slug))),
        _ => cx.program(node).map(ChoiceFrom::Expr),
    }
}
