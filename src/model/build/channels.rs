//! `channels` and `workflows` of `waypost.yaml`.

use std::sync::Arc;

use super::context::Context;
use super::integration::{is_secret_header, literal_secret, url};
use crate::registry::{Channel, Engine, HttpEngine};
use crate::source::{Code, Diagnostic};
use crate::syntax::{Entry, Node};

/// A channel, with the keys that its type has.
pub fn channel(cx: &mut Context<'_>, entry: &Entry<'_>) -> Option<Channel> {
    let node = &entry.value;
    let kind = node.get("type").and_then(Node::str)?;
    let (needed, optional): (&[&str], &[&str]) = match kind {
        "slack" => (&["url"], &[]),
        "pagerduty" => (&["routing_key"], &["url", "severity"]),
        "webhook" => (&["url"], &["secret"]),
        "log" => (&[], &[]),
        _ => return None,
    };
    for key in node.entries().iter().filter(|e| ["url", "secret", "routing_key", "severity"].contains(&&*e.key)) {
        if !needed.contains(&&*key.key) && !optional.contains(&&*key.key) {
            let message = format!("`{}` has no meaning for `type: {kind}`", key.key);
            cx.unknown(Code::WP0103, key.key_span, message, &key.key, needed.iter().chain(optional).copied());
        }
    }
    let missing: Vec<&&str> = needed.iter().filter(|k| node.entry(k).is_none()).collect();
    for key in &missing {
        let d =
            Diagnostic::new(Code::WP0105, entry.key_span, format!("`{key}` is missing from the channel `{}` of type `{kind}`", entry.key));
        cx.push(d.help(format!("add `{key}:`")));
    }
    checked_url(cx, node);
    let text = |key: &str| Context::str_at(node, key);
    Some(match kind {
        "slack" => Channel::Slack { url: text("url")? },
        "pagerduty" => Channel::PagerDuty {
            url: text("url"),
            routing_key: text("routing_key")?,
            severity: text("severity").unwrap_or_else(|| "error".into()),
        },
        "webhook" => Channel::Webhook { url: text("url")?, secret: text("secret") },
        _ => Channel::Log,
    })
}

/// What runs a workflow: a journey, or a service.
pub fn engine(cx: &mut Context<'_>, entry: &Entry<'_>) -> Option<Engine> {
    let node = &entry.value;
    match (Context::str_at(node, "journey"), Context::str_at(node, "url")) {
        (Some(journey), None) => {
            for key in node.entries().iter().filter(|e| matches!(&*e.key, "secret" | "headers")) {
                let message = format!("`{}` has no meaning beside `journey`", key.key);
                cx.unknown(Code::WP0103, key.key_span, message, &key.key, ["journey"]);
            }
            Some(Engine::Journey(journey))
        }
        (None, Some(at)) => {
            checked_url(cx, node);
            let mut headers: Vec<(Arc<str>, Arc<str>)> = Vec::new();
            for header in node.get("headers").map(Node::entries).unwrap_or_default() {
                let Some(text) = cx.text(&header.value) else { continue };
                if is_secret_header(&header.key) {
                    literal_secret(cx, &header.key, &text);
                }
                headers.push((Arc::from(&*header.key), text.value));
            }
            Some(Engine::Http(HttpEngine { url: at, secret: Context::str_at(node, "secret"), headers }))
        }
        (Some(_), Some(_)) => {
            let d = Diagnostic::new(Code::WP0104, entry.key_span, format!("the workflow `{}` is both a journey and a service", entry.key));
            cx.push(d.help("leave out `journey` or `url`"));
            None
        }
        (None, None) => {
            let d =
                Diagnostic::new(Code::WP0105, entry.key_span, format!("`journey` or `url` is missing from the workflow `{}`", entry.key));
            cx.push(d.help("add `journey:`, the slug of one, or `url:`, where its engine is"));
            None
        }
    }
}

fn checked_url(cx: &mut Context<'_>, node: &Node<'_>) {
    if let Some(text) = node.get("url").and_then(|n| cx.text(n)) {
        url(cx, &text);
    }
}
