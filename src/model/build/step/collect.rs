//! `collect` (language, 3.1).

use super::{Site, Steps};
use crate::model::build::context::Context;
use crate::model::step::{AnyOf, Collect};
use crate::source::{Code, Diagnostic};
use crate::syntax::Node;

/// Failed attempts, or questions put again, unless the file says.
pub const ATTEMPTS: u32 = 3;

impl Steps<'_, '_, '_, '_, '_> {
    pub fn collect(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Collect> {
        if !site.full {
            let fields = self.fields(cx, Some(site.value), false);
            return (!fields.is_empty()).then(|| Collect {
                fields,
                optional: Vec::new(),
                any_of: Vec::new(),
                instructions: None,
                prompt: None,
                max_attempts: ATTEMPTS,
                retry_message: None,
                on_exhausted: None,
            });
        }
        let value = site.value;
        match (value.entry("fields"), value.entry("any_of")) {
            (Some(fields), Some(any_of)) => {
                let d = Diagnostic::new(Code::WP0103, any_of.key_span, "`any_of` stands in place of `fields`, not beside it");
                cx.push(d.label(fields.key_span, "these fields").help("put `fields` into each set of `any_of`"));
            }
            (None, None) if value.lacks("fields") && value.lacks("any_of") && value.entry("optional").is_none() => {
                let span = value.entries().first().map_or(value.span, |e| e.key_span);
                let d = Diagnostic::new(Code::WP0105, span, "`fields` is missing from a collect");
                cx.push(d.help("add `fields: [order_id]`"));
                return None;
            }
            _ => {}
        }
        let mut any_of = Vec::new();
        for (i, set) in value.get("any_of").map(Node::items).unwrap_or_default().iter().enumerate() {
            let fields = self.fields(cx, set.get("fields"), false);
            let branch = if i == 0 { "any_of".to_owned() } else { format!("any_of#{}", i + 1) };
            let then = self.target_in(cx, site, &branch, set, "then").unwrap_or(site.next);
            any_of.push(AnyOf { fields, then });
        }
        let retry = value.get("retry");
        Some(Collect {
            fields: self.fields(cx, value.get("fields"), false),
            optional: self.fields(cx, value.get("optional"), false),
            any_of,
            instructions: Context::str_at(value, "instructions"),
            prompt: cx.template_at(value, "prompt"),
            max_attempts: retry.and_then(|r| Context::count_at(r, "max")).unwrap_or(ATTEMPTS),
            retry_message: retry.and_then(|r| cx.template_at(r, "message")),
            on_exhausted: retry.and_then(|r| self.target_in(cx, site, "retry", r, "on_exhausted")),
        })
    }
}
