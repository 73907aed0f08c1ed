//! `waypost.yaml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use url::Url;

use super::channels;
use super::context::Context;
use super::integration::literal_secret;
use crate::model::settings::{Jwt, Limits, ServerKey, Serving, Settings};
use crate::source::{Code, Diagnostic, Severity, did_you_mean};
use crate::syntax::{Node, bytes, millis};
use crate::value::{Json, Name};

/// Codes and their levels; unknown codes are errors.
pub fn lints(cx: &mut Context<'_>, node: Option<&Node<'_>>) -> BTreeMap<Code, Option<Severity>> {
    let mut out = BTreeMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let Some(code) = Code::from_name(&entry.key) else {
            let known = crate::source::CODES.iter().map(|c| c.code.as_str());
            let near = did_you_mean(&entry.key, known.clone()).map(ToOwned::to_owned);
            cx.unknown(Code::WP0103, entry.key_span, format!("there is no code `{}`", entry.key), &entry.key, near.as_deref());
            continue;
        };
        match entry.value.str() {
            Some("allow") => out.insert(code, None),
            Some("warn") => out.insert(code, Some(Severity::Warning)),
            Some("deny") => out.insert(code, Some(Severity::Error)),
            _ => continue,
        };
    }
    out
}

/// The settings of a document; of an empty one, the defaults.
pub fn settings(cx: &mut Context<'_>, root: &Node<'_>) -> Settings {
    let mut out = Settings::default();
    let part = |key: &str| root.get(key);
    let text = |key: &str, inner: &str| part(key).and_then(|n| Context::str_at(n, inner));
    let texts = |key: &str, inner: &str| part(key).map(|n| Context::list_at(n, inner)).unwrap_or_default();
    if let Some(slug) = text("agent", "slug") {
        out.agent_slug = slug;
    }
    out.agent_name = text("agent", "name");
    if let Some(queue) = text("queues", "default") {
        out.default_queue = queue;
    }
    out.queues = texts("queues", "names");
    for kind in part("words").map(Node::entries).unwrap_or_default() {
        let languages = kind
            .value
            .entries()
            .iter()
            .map(|e| (Arc::from(&*e.key), e.value.items().iter().filter_map(Node::str).map(Arc::from).collect::<Vec<_>>()));
        out.words.insert(Arc::from(&*kind.key), languages.collect());
    }
    out.secrets = Context::list_at(root, "secrets");
    out.egress_allow_hosts = texts("egress", "allow_hosts");
    out.mcp_trusted_clients = texts("mcp", "trusted_clients");
    for (slot, key) in [(&mut out.locale, "default"), (&mut out.timezone, "timezone"), (&mut out.phone_region, "phone_region")] {
        if let Some(value) = text("locale", key) {
            *slot = value;
        }
    }
    locale(cx, part("locale"));
    out.limits = part("limits").map(|n| limits(cx, n)).unwrap_or_default();
    out.identity_journey = text("identity", "journey").map(|j| Name::new(&j));
    out.identity_allow_switch = part("identity").and_then(|n| n.get("allow_switch")).and_then(Node::bool).unwrap_or(false);
    out.jwt = part("identity").and_then(|n| n.get("jwt")).map(|jwt| Jwt {
        issuer: Context::str_at(jwt, "issuer"),
        audience: Context::str_at(jwt, "audience"),
        algorithms: Context::list_at(jwt, "algorithms"),
        keys: jwt.get("keys").map_or(Json::Null, Node::json),
    });
    out.store_url = text("store", "url");
    if let Some(keys) = part("store").and_then(|n| n.get("seal_key")) {
        out.seal_keys = std::iter::once(keys).chain(keys.items()).filter_map(|n| cx.text(n)).collect();
    }
    out.listen = text("server", "listen");
    out.server_url = address(cx, part("server").and_then(|n| n.get("url")));
    out.sign_in = address(cx, part("identity").and_then(|n| n.get("sign_in")));
    secrets(cx, root);
    for key in part("server").and_then(|n| n.get("keys")).map(Node::items).unwrap_or_default() {
        let (Some(name), Some(secret), Some(role)) =
            (Context::str_at(key, "name"), key.get("key").and_then(|n| cx.text(n)), Context::str_at(key, "role"))
        else {
            continue;
        };
        let (tenants, scopes) = (Context::list_at(key, "tenants"), Context::list_at(key, "scopes"));
        out.server_keys.push(ServerKey { name, key: secret, role, tenants, scopes });
    }
    if let Some(tests) = Context::str_at(root, "tests") {
        out.tests = tests;
    }
    out.lints = lints(cx, part("lints"));
    out.strict = part("strict").and_then(Node::bool).unwrap_or(false);
    out.primitives = part("primitives").map(|n| n.entries().iter().map(|e| Arc::from(&*e.key)).collect());
    let named = |key: &str| part(key).map(Node::entries).unwrap_or_default();
    out.channels = named("channels").iter().filter_map(|e| Some((Arc::from(&*e.key), channels::channel(cx, e)?))).collect();
    out.workflows = named("workflows").iter().filter_map(|e| Some((Arc::from(&*e.key), channels::engine(cx, e)?))).collect();
    if let Some(statuses) = part("case").and_then(|n| n.get("statuses")) {
        for item in statuses.items() {
            out.case_statuses.extend(item.str().map(|s| (Arc::from(s), None)));
        }
        for entry in statuses.entries() {
            let moves = entry.value.items().iter().filter_map(Node::str).map(Arc::from).collect();
            out.case_statuses.insert(Arc::from(&*entry.key), Some(moves));
        }
        moves(cx, statuses, &out);
    }
    out.otlp = text("telemetry", "otlp");
    out
}

/// Where a browser is sent.
fn address(cx: &mut Context<'_>, node: Option<&Node<'_>>) -> Option<Arc<str>> {
    let (node, written) = node.and_then(|n| Some((n, n.str()?)))?;
    if Url::parse(written).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host() && u.fragment().is_none()) {
        return Some(written.into());
    }
    let said = format!("`{written}` is no address that a browser is sent to");
    cx.push(Diagnostic::new(Code::WP0803, node.span, said).help("write one such as `https://agents.example.com`"));
    None
}

/// Moves of cases lead to statuses that are listed.
fn moves(cx: &mut Context<'_>, statuses: &Node<'_>, settings: &Settings) {
    for target in statuses.entries().iter().flat_map(|e| e.value.items()) {
        if let Some(written) = target.str().filter(|s| !settings.case_statuses.contains_key(*s)) {
            let known = settings.case_statuses.keys().map(|k| &**k);
            cx.unknown(Code::WP0909, target.span, format!("`{written}` is none of the statuses of a case"), written, known);
        }
    }
}

/// A zone that there is, and a region that is written as one.
fn locale(cx: &mut Context<'_>, node: Option<&Node<'_>>) {
    let mut known = |key: &str, is_known: fn(&str) -> bool, what: &str, help: &str| {
        let Some(node) = node.and_then(|n| n.get(key)) else { return };
        if let Some(written) = node.str().filter(|w| !is_known(w)) {
            cx.push(Diagnostic::new(Code::WP0104, node.span, format!("`{written}` is no {what}")).help(help));
        }
    };
    known("timezone", |z| TimeZone::get(z).is_ok(), "time zone", "write one of the IANA names, such as `Europe/Vienna`");
    known(
        "phone_region",
        |r| r.len() == 2 && r.bytes().all(|b| b.is_ascii_alphabetic()),
        "region",
        "write the two letters of a country, such as `AT`",
    );
}

/// Secrets that are written out.
fn secrets(cx: &mut Context<'_>, root: &Node<'_>) {
    let part = |key: &str| root.get(key);
    let keys = part("server").and_then(|n| n.get("keys")).map(Node::items).unwrap_or_default();
    let named = ["channels", "workflows"].into_iter().filter_map(part).flat_map(Node::entries).map(|e| &e.value);
    let held = part("store").into_iter().chain(keys).chain(named);
    for item in part("store").and_then(|n| n.get("seal_key")).map(Node::items).unwrap_or_default() {
        if let Some(text) = cx.text(item) {
            literal_secret(cx, "seal_key", &text);
        }
    }
    for (holder, key) in held.flat_map(|n| ["seal_key", "key", "secret", "routing_key"].map(|k| (n, k))) {
        if let Some(text) = holder.get(key).and_then(|n| cx.text(n)) {
            literal_secret(cx, key, &text);
        }
    }
}

/// Bounds by which nothing could be served at all.
const NOT_ZERO: [&str; 6] = ["body", "requests", "connections", "stream_time", "receive", "send"];

fn limits(cx: &mut Context<'_>, node: &Node<'_>) -> Limits {
    for key in NOT_ZERO {
        if let Some(written) = node
            .get(key)
            .filter(|n| n.whole().is_some_and(|n| n == 0) || n.str().and_then(|t| millis(t, 1_000).or_else(|| bytes(t))) == Some(0))
        {
            let said = format!("with `{key}` at nothing, nobody is served");
            cx.push(Diagnostic::new(Code::WP0104, written.span, said).help("write more than nothing, or leave the key out"));
        }
    }
    let default = Limits::default();
    let size = |key: &str| node.get(key).and_then(Node::str).and_then(bytes);
    Limits {
        instant_steps: Context::count_at(node, "instant_steps").unwrap_or(default.instant_steps),
        grant_ttl_s: Context::seconds_at(node, "grant_ttl").unwrap_or(default.grant_ttl_s),
        idle_s: Context::seconds_at(node, "idle").unwrap_or(default.idle_s),
        body: size("body").unwrap_or(default.body),
        response: size("response").unwrap_or(default.response),
        turn_ms: Context::millis_at(node, "turn").unwrap_or(default.turn_ms),
        serving: serving(node, default.serving),
    }
}

fn serving(node: &Node<'_>, default: Serving) -> Serving {
    let count = |key: &str, default: u32| Context::count_at(node, key).unwrap_or(default);
    let time = |key: &str, default: u64| Context::millis_at(node, key).unwrap_or(default);
    Serving {
        requests: count("requests", default.requests),
        waiting: count("waiting", default.waiting),
        wait_ms: time("wait", default.wait_ms),
        connections: count("connections", default.connections),
        streams: count("streams", default.streams),
        stream_ms: time("stream_time", default.stream_ms),
        receive_ms: time("receive", default.receive_ms),
        send_ms: time("send", default.send_ms),
    }
}
