//! `investigate` (language, 3.6).

use super::{Site, Steps};
use crate::model::build::context::Context;
use crate::model::step::Investigate;
use crate::syntax::Node;

impl Steps<'_, '_, '_, '_, '_> {
    pub fn investigate(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Investigate> {
        if !site.full {
            return None;
        }
        let value = site.value;
        let mut using = Vec::new();
        for item in value.get("using").map(Node::items).unwrap_or_default() {
            if let Some(written) = item.str() {
                using.push((self.action_named(cx, written, item.span), item.span));
            }
        }
        let (save_as, save_span) = cx.save_as(value.get("as"));
        Some(Investigate {
            goal: Context::str_at(value, "goal").unwrap_or_default(),
            using,
            timeout_s: Context::seconds_at(value, "timeout").unwrap_or(30),
            max_calls: Context::count_at(value, "max_calls").unwrap_or(8),
            findings: self.branches(cx, site, "findings", None),
            fallback: self.target_at(cx, site, "fallback"),
            save_as,
            save_span,
        })
    }
}
