//! `safety`: what supervision asks for before an action runs.

use std::sync::Arc;

use super::context::Context;
use crate::model::action::{ApprovalRule, IdentityRule, Outcome, OwnerRule, RateLimit, RateScope, Reconcile, RedactPath, Safety};
use crate::model::step::Operand;
use crate::source::{Code, Diagnostic, Span};
use crate::syntax::Node;
use crate::value::{Name, Path, Segment, Slug};

pub fn safety(cx: &mut Context<'_>, action: &Node<'_>, outcomes: &[Outcome]) -> Safety {
    let mut out = Safety { idempotency_ttl_s: 86_400, ..Safety::default() };
    let Some(entry) = action.entry("safety") else { return out };
    let node = &entry.value;
    out.span = Some(entry.key_span);
    out.requires_confirmation = node.get("requires_confirmation").and_then(Node::bool).unwrap_or(false);
    out.identity = node.get("requires_identity_verification").and_then(identity);
    out.owner = node.get("owner").and_then(|n| owner(cx, n));
    out.result_owner = node.get("result_owner").and_then(|n| {
        let is = cx.program_at(n, "is")?;
        let other = n.get("else")?;
        let outcome = outcome(cx, other.str()?, other.span, outcomes);
        Some((is, outcome))
    });
    out.approval = node.get("requires_approval").and_then(|n| {
        Some(ApprovalRule {
            role: Context::str_at(n, "role")?,
            queue: Context::str_at(n, "queue"),
            ttl_s: Context::seconds_at(n, "ttl").unwrap_or(86_400),
            when: cx.program_at(n, "when"),
        })
    });
    out.redact = node.get("redact_fields").map(Node::items).unwrap_or_default().iter().filter_map(|n| redact(cx, n)).collect();
    out.idempotency_key = cx.template_at(node, "idempotency_key");
    if let Some(ttl) = Context::seconds_at(node, "idempotency_ttl") {
        out.idempotency_ttl_s = ttl;
    }
    out.reconcile = node.get("reconcile").and_then(|n| reconcile(cx, n, outcomes));
    out.rate_limit = node.get("rate_limit").and_then(|n| {
        Some(RateLimit {
            max: Context::count_at(n, "max")?,
            per_s: Context::seconds_at(n, "per")?.max(1),
            scope: match n.get("scope").and_then(Node::str) {
                Some("conversation") => RateScope::Conversation,
                Some("action") => RateScope::Action,
                _ => RateScope::User,
            },
        })
    });
    out.audit_detailed = node.get("audit_level").and_then(Node::str) == Some("detailed");
    out
}

fn identity(node: &Node<'_>) -> Option<IdentityRule> {
    if node.bool() == Some(false) || !(node.is_map() || node.bool().is_some()) {
        return None;
    }
    Some(IdentityRule {
        level: Context::count_at(node, "level").unwrap_or(1),
        max_age_s: Context::seconds_at(node, "max_age").unwrap_or(900),
    })
}

fn owner(cx: &mut Context<'_>, node: &Node<'_>) -> Option<OwnerRule> {
    if !node.is_map() {
        return cx.program(node).map(OwnerRule::Expr);
    }
    let call = call(node)?;
    let inputs = inputs(cx, node);
    Some(OwnerRule::Read { call, inputs, is: cx.program_at(node, "is")? })
}

fn call(node: &Node<'_>) -> Option<(Arc<str>, Span)> {
    let call = node.get("call")?;
    Some((call.str()?.into(), call.span))
}

fn inputs(cx: &mut Context<'_>, node: &Node<'_>) -> Vec<(Name, Operand)> {
    cx.inputs(node.get("inputs"), None).into_iter().map(|i| (i.name, i.value)).collect()
}

/// An outcome of this action.
fn outcome(cx: &mut Context<'_>, written: &str, span: Span, outcomes: &[Outcome]) -> Slug {
    let slug = Slug::named(written);
    let known = outcomes.iter().any(|o| o.name == slug) || outcomes.is_empty() && written == "success";
    if !known {
        let message = format!("this action has no outcome `{written}`");
        cx.unknown(Code::WP0204, span, message, written, outcomes.iter().map(|o| &*o.name.shown));
    }
    slug
}

fn reconcile(cx: &mut Context<'_>, node: &Node<'_>, outcomes: &[Outcome]) -> Option<Reconcile> {
    let call = call(node)?;
    let mut applied = Vec::new();
    for entry in node.get("applied").map(Node::entries).unwrap_or_default() {
        if let Some(written) = entry.value.str() {
            applied.push((Slug::named(&entry.key), outcome(cx, written, entry.value.span, outcomes)));
        }
    }
    Some(Reconcile {
        call,
        inputs: inputs(cx, node),
        after_s: Context::seconds_at(node, "after").unwrap_or(0),
        applied,
        not_applied: Context::list_at(node, "not_applied").iter().map(|s| Slug::named(s)).collect(),
    })
}

/// `inputs.a.b`, `response.a.b` or a bare name; `*` is any key, and lists are passed through.
fn redact(cx: &mut Context<'_>, node: &Node<'_>) -> Option<RedactPath> {
    let written = node.str()?;
    let mut parts = written.split('.');
    let first = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let path = || Path(rest.iter().map(|p| if *p == "*" { Segment::Any } else { Segment::Key(Arc::from(*p)) }).collect());
    let whole = rest.iter().all(|p| !p.is_empty() && !p.contains(char::is_whitespace));
    match first {
        "inputs" if whole => Some(RedactPath::Inputs(path())),
        "response" if whole => Some(RedactPath::Response(path())),
        name if rest.is_empty() && !name.is_empty() => Some(RedactPath::Anywhere(name.into())),
        _ => {
            let d = Diagnostic::new(Code::WP0104, node.span, format!("`{written}` is no path of `redact_fields`"));
            cx.push(d.help(format!("write `inputs.{written}`, `response.{written}` or a bare field name")));
            None
        }
    }
}
