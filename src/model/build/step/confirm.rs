//! `confirm` (language, 3.4).

use super::{Site, Steps};
use crate::model::build::context::Context;
use crate::model::step::Confirm;
use crate::source::{Code, Diagnostic};
use crate::syntax::Node;

impl Steps<'_, '_, '_, '_, '_> {
    pub fn confirm(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Confirm> {
        if !site.full {
            let fields = self.fields(cx, Some(site.value), true);
            return (!fields.is_empty()).then(|| Confirm {
                fields,
                message: None,
                on_change: None,
                on_reject: None,
                for_actions: Vec::new(),
            });
        }
        let value = site.value;
        if value.lacks("fields") && value.lacks("message") {
            let span = value.entries().first().map_or(value.span, |e| e.key_span);
            let d = Diagnostic::new(Code::WP0105, span, "`fields` or `message` is missing from a confirm");
            cx.push(d.help("add `fields:` with what is shown, or `message:` with the question"));
        }
        let mut for_actions = Vec::new();
        for item in value.get("for").map(Node::items).unwrap_or_default() {
            if let Some(action) = item.str().and_then(|written| self.action_named(cx, written, item.span)) {
                for_actions.push((action.id.clone(), item.span));
            }
        }
        Some(Confirm {
            fields: self.fields(cx, value.get("fields"), true),
            message: cx.template_at(value, "message"),
            on_change: self.target_at(cx, site, "on_change"),
            on_reject: self.target_at(cx, site, "on_reject"),
            for_actions,
        })
    }
}
