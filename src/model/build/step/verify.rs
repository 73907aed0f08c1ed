//! `verify` (language, 3.7).

use super::{Site, Steps};
use crate::model::build::context::Context;
use crate::model::step::{Call, Verify, VerifySource};
use crate::source::Code;
use crate::syntax::Node;
use crate::value::Slug;

impl Steps<'_, '_, '_, '_, '_> {
    pub fn verify(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>) -> Option<Verify> {
        if !site.full {
            return None;
        }
        let value = site.value;
        let named = value.get("call")?;
        let action = self.action_named(cx, named.str()?, named.span);
        let mut verified: Vec<(Slug, crate::source::Span)> = Vec::new();
        let listed = value.get("verified");
        let items = listed.map_or(&[][..], |n| if n.is_list() { n.items() } else { std::slice::from_ref(n) });
        for item in items {
            let Some(written) = item.str() else { continue };
            let name = Slug::named(written);
            if let Some(action) = &action {
                let known: Vec<&str> = action.outcomes.iter().map(|o| &*o.name.shown).collect();
                let exists = action.outcomes.iter().any(|o| o.name == name) || known.is_empty() && written == "success";
                if !exists {
                    let message = format!("`{}` has no outcome `{name}`", action.id);
                    cx.unknown(Code::WP0204, item.span, message, written, known);
                    continue;
                }
            }
            verified.push((name, item.span));
        }
        let (save_as, save_span) = cx.save_as(value.get("as"));
        let call = Call {
            inputs: cx.inputs(value.get("inputs"), action.as_deref()),
            call_span: named.span,
            save_as,
            save_span,
            outcomes: Vec::new(),
            on_error: self.on_error(cx, site),
            retry: None,
            each: None,
            action,
        };
        Some(Verify {
            call,
            verified,
            subject: cx.program_at(value, "subject"),
            source: if value.get("source").and_then(Node::str) == Some("any") { VerifySource::Any } else { VerifySource::User },
            level: Context::count_at(value, "level").unwrap_or(1),
            ttl_s: Context::seconds_at(value, "ttl").unwrap_or(900),
            max_tries: Context::count_at(value, "max_tries").unwrap_or(5),
            on_failed: self.target_at(cx, site, "on_failed"),
        })
    }
}
