//! `done` and `escalate` (language, 3).

use std::sync::Arc;

use super::{Site, Steps};
use crate::model::build::context::Context;
use crate::model::build::journey::priority;
use crate::model::step::{Done, Escalate, Priority};
use crate::source::{Code, Diagnostic};
use crate::syntax::Node;
use crate::value::Slug;

/// Roots that a path without `$` may start from; any other is a variable.
const ROOTS: [&str; 8] = ["user", "variables", "context", "data", "fields", "outcome", "now", "conversation"];

impl Steps<'_, '_, '_, '_, '_> {
    /// `done` where a target stands, or nothing behind the key.
    pub fn plain_done() -> Done {
        Done { message: None, outcome: Slug::new("done"), result: Vec::new(), pause_for_resume: false, resume: None }
    }

    /// `escalate` where a target stands, or nothing behind the key.
    pub fn plain_escalate() -> Escalate {
        Escalate { to: None, reason: None, priority: Priority::Normal, include: Vec::new(), message: None }
    }

    pub fn done(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Done> {
        let mut out = Self::plain_done();
        if site.value.is_null() {
            return Some(out);
        }
        if !site.full {
            out.message = Some(cx.template(site.value)?);
            return Some(out);
        }
        let value = site.value;
        out.message = cx.template_at(value, "message");
        if let Some(outcome) = value.get("outcome").and_then(Node::str).filter(|s| Slug::is_valid(s)) {
            out.outcome = Slug::new(outcome);
        }
        for entry in value.get("result").map(Node::entries).unwrap_or_default() {
            out.result.push((Arc::from(&*entry.key), cx.assigned(&entry.value)));
        }
        out.pause_for_resume = value.get("pause_for_resume").and_then(Node::bool).unwrap_or(false);
        out.resume = self.target_at(cx, site, "resume");
        if let Some(entry) = value.entry("resume").filter(|_| !out.pause_for_resume && value.entry("pause_for_resume").is_none()) {
            let d = Diagnostic::new(Code::WP0105, entry.key_span, "`pause_for_resume: true` is missing beside `resume`");
            cx.push(d.help("add `pause_for_resume: true`"));
        }
        Some(out)
    }

    pub fn escalate(cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Escalate> {
        let mut out = Self::plain_escalate();
        if site.value.is_null() {
            return Some(out);
        }
        if !site.full {
            out.to = Some(site.value.str()?.into());
            return Some(out);
        }
        let value = site.value;
        out.to = Context::str_at(value, "to");
        out.reason = cx.template_at(value, "reason");
        out.priority = priority(value);
        out.message = cx.template_at(value, "message");
        for item in value.get("include").map(Node::items).unwrap_or_default() {
            out.include.extend(cx.path(item, "$variables.", &ROOTS));
        }
        Some(out)
    }
}
