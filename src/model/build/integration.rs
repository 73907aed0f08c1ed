//! Integrations from their documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use url::Url;

use super::action;
use super::context::Context;
use super::datapoint::Datapoints;
use crate::model::action::{Action, Auth, Effects, Integration, IntegrationType, OwnerRule};
use crate::model::provider::{EffectKind, Provider};
use crate::model::step::Operand;
use crate::source::{Code, Diagnostic, Span, Text, did_you_mean};
use crate::syntax::{Entry, Node, keys};
use crate::value::{Name, Slug};

/// Milliseconds that one call of a provider may take, at most.
const LONGEST_MS: u64 = 60_000;

/// The declared integrations and actions.
#[derive(Default)]
pub struct Integrations {
    pub by_name: BTreeMap<Name, Arc<Integration>>,
    pub actions: BTreeMap<(Name, Name), Arc<Action>>,
    /// Integrations of which an action could not be read.
    pub poisoned: BTreeSet<Name>,
    /// Whether an integration could not be read.
    pub any_poisoned: bool,
}

impl Integrations {
    /// Takes an integration of a file, its actions and its datapoints. `assignable` are the names that an endpoint's parameters
    /// may be resolved from.
    pub fn add<'s>(&mut self, cx: &mut Context<'s>, node: &Node<'_>, datapoints: &mut Datapoints<'s>, assignable: &BTreeSet<Name>) {
        for datapoint in node.get("datapoints").map(Node::items).unwrap_or_default() {
            datapoints.add(cx, datapoint);
        }
        let Some((slug, span)) = cx.slug(node) else {
            self.any_poisoned = true;
            return;
        };
        let integration = Arc::new(integration(cx, node, slug, span));
        let name = integration.slug.name.clone();
        if let Some(first) = self.by_name.get(&name) {
            cx.duplicate("an integration", &integration.slug, span, first.span);
            return;
        }
        self.by_name.insert(name.clone(), Arc::clone(&integration));
        let own: String = node
            .entries()
            .iter()
            .filter(|e| e.key != "actions" && e.key != "datapoints")
            .map(|e| cx.slice(e.key_span.to(e.value.span)))
            .collect();
        for action in node.get("actions").map(Node::items).unwrap_or_default() {
            let Some(action) = action::action(cx, action, &integration, &own, assignable) else {
                self.poisoned.insert(name.clone());
                continue;
            };
            let key = (name.clone(), action.id.action.name.clone());
            if let Some(first) = self.actions.get(&key) {
                cx.duplicate("an action", &action.id.action, action.span, first.span);
                continue;
            }
            self.actions.insert(key, Arc::new(action));
        }
    }

    /// The reads that rules of safety make: each must exist, be a read, and have the outcomes and inputs that the rule names.
    pub fn check_reads(&self, cx: &mut Context<'_>) {
        for action in self.actions.values() {
            if let Some(OwnerRule::Read { call, inputs, .. }) = &action.safety.owner {
                self.read(cx, call, inputs);
            }
            let Some(rule) = &action.safety.reconcile else { continue };
            let Some(read) = self.read(cx, &rule.call, &rule.inputs) else { continue };
            for name in rule.applied.iter().map(|(r, _)| r).chain(&rule.not_applied) {
                let known = read.outcomes.iter().any(|o| o.name == *name) || read.outcomes.is_empty() && name.name.as_str() == "success";
                if !known {
                    let message = format!("`{}` has no outcome `{name}`", read.id);
                    cx.unknown(Code::WP0204, rule.call.1, message, &name.shown, read.outcomes.iter().map(|o| &*o.name.shown));
                }
            }
        }
    }

    fn read(&self, cx: &mut Context<'_>, call: &(Arc<str>, Span), inputs: &[(Name, Operand)]) -> Option<Arc<Action>> {
        let read = self.resolve(cx, &call.0, call.1)?;
        if read.effects == Effects::Write {
            let d = Diagnostic::new(Code::WP0104, call.1, format!("`{}` is a write, and a rule of safety makes only reads", read.id));
            cx.push(d.help("name a read, or give that action `type: read`"));
        }
        for (name, _) in inputs {
            if !read.inputs.iter().any(|i| i.name == *name) {
                let message = format!("`{}` has no input `{name}`", read.id);
                cx.unknown(Code::WP0207, call.1, message, name.as_str(), read.inputs.iter().map(|i| &*i.shown));
            }
        }
        Some(read)
    }

    /// The action that a text names; an unknown one is `WP0201` unless it may stand where something could not be read.
    pub fn resolve(&self, cx: &mut Context<'_>, written: &str, span: Span) -> Option<Arc<Action>> {
        let Some((integration, action)) = written.split_once('.') else {
            let known = self.actions.values().filter(|a| a.id.action.name == Name::new(written)).map(|a| a.id.to_string());
            let known: Vec<String> = known.collect();
            let d = Diagnostic::new(Code::WP0201, span, format!("`{written}` names no action: expected `integration.action`"));
            cx.push(match known.as_slice() {
                [only] => d.help(format!("write `{only}`")),
                _ => d,
            });
            return None;
        };
        let key = (Name::new(integration), Name::new(action));
        if let Some(found) = self.actions.get(&key) {
            return Some(Arc::clone(found));
        }
        let poisoned = if self.by_name.contains_key(&key.0) { self.poisoned.contains(&key.0) } else { self.any_poisoned };
        if !poisoned {
            let (message, known): (String, Vec<String>) = match self.by_name.get(&key.0) {
                Some(known) => (
                    format!("`{}` has no action `{action}`", known.slug),
                    self.actions.values().filter(|a| a.id.integration.name == key.0).map(|a| a.id.to_string()).collect(),
                ),
                None => (format!("there is no integration `{integration}`"), self.actions.values().map(|a| a.id.to_string()).collect()),
            };
            cx.unknown(Code::WP0201, span, message, written, known.iter().map(String::as_str));
        }
        None
    }
}

fn integration(cx: &mut Context<'_>, node: &Node<'_>, slug: Slug, span: Span) -> Integration {
    let kind = match node.get("type").and_then(Node::str) {
        Some("graphql") => IntegrationType::Graphql,
        Some("webhook") => IntegrationType::Webhook,
        Some("mcp") => IntegrationType::Mcp,
        Some("provider") => IntegrationType::Provider,
        _ => IntegrationType::RestApi,
    };
    let config = node.get("config").filter(|_| is_supported(node));
    let mut headers = Vec::new();
    let credentials = config.and_then(|c| c.get("credentials"));
    for (part, key) in [(config, "default_headers"), (config, "custom_headers"), (credentials, "custom_headers")] {
        for entry in part.and_then(|p| p.get(key)).map(Node::entries).unwrap_or_default() {
            if let Some(text) = cx.text(&entry.value) {
                if is_secret_header(&entry.key) {
                    literal_secret(cx, &entry.key, &text);
                }
                headers.push((Arc::from(&*entry.key), text));
            }
        }
    }
    let (command, environment) = config.map(|c| program(cx, c, kind)).unwrap_or_default();
    let base = config.and_then(|c| c.get("base_url")).and_then(|n| cx.text(n));
    if let Some(base) = &base {
        url(cx, base);
    }
    Integration {
        name: Context::str_at(node, "name").unwrap_or_else(|| Arc::clone(&slug.shown)),
        slug,
        description: Context::str_at(node, "description"),
        kind,
        base_url: base.unwrap_or_else(|| Text::plain("", span, span.start)),
        command,
        environment,
        auth: config.map_or(Auth::None, |c| auth(cx, c)),
        headers,
        allow_hosts: config.map(|c| Context::list_at(c, "allow_hosts")).unwrap_or_default(),
        test_endpoint: config.and_then(|c| Context::str_at(c, "test_endpoint")),
        provider: provider(cx, node, config, kind),
        span,
    }
}

/// Keys that say how a service over HTTP is reached: none of them is for a program.
const OF_SERVICES: [&str; 7] =
    ["base_url", "auth_type", "credentials", "default_headers", "custom_headers", "test_endpoint", "allow_hosts"];

/// The program that an MCP server is, and its environment; that a service has a `base_url` instead.
fn program(cx: &mut Context<'_>, config: &Node<'_>, kind: IntegrationType) -> (Vec<Text>, Vec<(Arc<str>, Text)>) {
    let Some(command) = config.entry("command") else {
        for entry in config.entries().iter().filter(|e| &*e.key == "env") {
            cx.push(Diagnostic::new(Code::WP0103, entry.key_span, "`env` has no meaning without `command`"));
        }
        let known = |written: &str| keys::integration::CONFIG.keys.iter().any(|k| k.name == written);
        let misspelt = |e: &Entry<'_>| !known(&e.key) && did_you_mean(&e.key, ["base_url", "command"]).is_some();
        if config.entry("base_url").is_none() && !config.entries().iter().any(misspelt) {
            let span = config.entries().first().map_or(config.span, |e| e.key_span);
            let d = Diagnostic::new(Code::WP0105, span, "`base_url` is missing from a configuration of a service");
            cx.push(d.help("add `base_url:`, a text"));
        }
        return Default::default();
    };
    if kind != IntegrationType::Mcp {
        let d = Diagnostic::new(Code::WP0103, command.key_span, "only an integration of type `mcp` is a program");
        cx.push(d.help("write `base_url:`, or `type: mcp`"));
        return Default::default();
    }
    for entry in config.entries().iter().filter(|e| OF_SERVICES.contains(&&*e.key)) {
        let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("`{}` has no meaning beside `command`", entry.key));
        cx.push(d.help("what a program is given stands under `env:` and among its arguments"));
    }
    let parts: Vec<Text> = command.value.items().iter().filter_map(|n| cx.text(n)).collect();
    if parts.is_empty() && command.value.is_list() {
        cx.push(Diagnostic::new(Code::WP0104, command.value.span, "`command` names no program").help("write it as `[program, argument]`"));
    }
    let mut environment = Vec::new();
    for entry in config.get("env").map(Node::entries).unwrap_or_default() {
        if let Some(text) = cx.text(&entry.value) {
            if is_secret_header(&entry.key.replace('_', "-")) {
                literal_secret(cx, &entry.key, &text);
            }
            environment.push((Arc::from(&*entry.key), text));
        }
    }
    (parts, environment)
}

/// What is configured of a provider; reports what means nothing for it, or for anything else.
fn provider(cx: &mut Context<'_>, node: &Node<'_>, config: Option<&Node<'_>>, kind: IntegrationType) -> Option<Provider> {
    let config = config?;
    if kind != IntegrationType::Provider {
        for entry in config.entries().iter().filter(|e| keys::integration::PROVIDER_KEYS.contains(&&*e.key)) {
            let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("`{}` has no meaning for this type of integration", entry.key));
            cx.push(d.help("remove it, or write `type: provider`"));
        }
        return None;
    }
    if let Some(auth) = config.get("auth_type")
        && let Some(written @ ("basic" | "oauth2_client_credentials")) = auth.str()
    {
        let d = Diagnostic::new(Code::WP0104, auth.span, format!("`{written}` is no `auth_type` of a provider"));
        cx.push(d.help("write `hmac`, `bearer` or `api_key`"));
    }
    if let Some(entry) = node.entry("actions") {
        let d = Diagnostic::new(Code::WP0103, entry.key_span, "`actions` has no meaning for a provider, which says itself what it offers");
        cx.push(d.help("remove it; name those that only look under `reads:` of its `config:`"));
    }
    let default = Provider::default();
    Some(Provider {
        effects: Context::list_at(config, "effects").iter().filter_map(|e| EffectKind::named(e)).collect(),
        roles: Context::list_at(config, "roles"),
        reads: Context::list_at(config, "reads"),
        timeout_ms: config.get("timeout_ms").and_then(Node::whole).map_or(default.timeout_ms, |n| n.clamp(1, LONGEST_MS)),
        ttl_s: Context::seconds_at(config, "ttl").unwrap_or(default.ttl_s),
        mcp: config.get("protocol").and_then(Node::str) == Some("mcp"),
    })
}

/// Whether the type of an integration is one of ours.
pub fn is_supported(node: &Node<'_>) -> bool {
    node.get("type").and_then(Node::str).is_none_or(|t| keys::integration::TYPES.contains(&t))
}

/// Reports a type that is none of ours.
pub fn unsupported(cx: &mut Context<'_>, node: &Node<'_>) {
    let Some((at, written)) = node.get("type").and_then(|t| t.str().map(|s| (t.span, s))) else { return };
    let message = format!("integrations of type `{written}` are not supported");
    cx.unknown(Code::WP0804, at, message, written, keys::integration::TYPES.iter().copied());
}

/// Reports a URL that is none, secrets in it taken as any text.
pub fn url(cx: &mut Context<'_>, text: &Text) {
    let mut plain = String::new();
    let mut rest = &*text.value;
    // INVARIANT: `rest` gets shorter each turn.
    while let Some((before, behind)) = rest.split_once("${") {
        plain.push_str(before);
        if plain.is_empty() {
            plain.push_str("https://x");
            if behind.split_once('}').is_some_and(|(_, after)| after.contains("://")) {
                plain.clear();
                plain.push_str("https");
            }
        } else {
            plain.push('1');
        }
        rest = behind.split_once('}').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let good = Url::parse(&plain).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    if !good {
        let d = Diagnostic::new(Code::WP0803, text.span, format!("`{}` is no URL", text.value));
        cx.push(d.help("write a whole URL such as `https://api.example.com/v1`"));
    }
}

/// Warns of a secret that is written out.
pub fn literal_secret(cx: &mut Context<'_>, key: &str, text: &Text) {
    if text.value.contains("${") || text.value.contains("{{") || text.value.starts_with('$') || text.value.is_empty() {
        return;
    }
    let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let d = Diagnostic::new(Code::WP0801, text.span, format!("the secret `{key}` is written out"));
    cx.push(d.help(format!("put it into the environment and write `${{{name}}}`")));
}

/// Whether a header carries a secret, by its name.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "authorization" || ["api-key", "apikey", "token", "secret", "password"].iter().any(|s| name.contains(s))
}

fn auth(cx: &mut Context<'_>, config: &Node<'_>) -> Auth {
    let kind = config.get("auth_type").and_then(Node::str).unwrap_or("none");
    let (needed, optional): (&[&str], &[&str]) = match kind {
        "bearer" => (&["api_key"], &[]),
        "api_key" => (&["api_key"], &["api_key_header"]),
        "basic" => (&["username", "password"], &[]),
        "oauth2_client_credentials" => (&["client_id", "client_secret", "token_url"], &["scope"]),
        "hmac" => (&["secret"], &[]),
        _ => (&[], &[]),
    };
    let credentials = config.get("credentials");
    for entry in credentials.map(Node::entries).unwrap_or_default() {
        let known = keys::integration::CREDENTIAL_KEYS.contains(&&*entry.key);
        if known && !needed.contains(&&*entry.key) && !optional.contains(&&*entry.key) {
            let message = format!("`{}` has no meaning for `auth_type: {kind}`", entry.key);
            cx.unknown(Code::WP0103, entry.key_span, message, &entry.key, needed.iter().chain(optional).copied());
        }
    }
    let mut take = |key: &str| -> Option<Text> {
        let node = credentials.and_then(|c| c.get(key));
        if node.is_none() && needed.contains(&key) && credentials.is_none_or(|c| c.entry(key).is_none()) {
            let at = credentials.and_then(|c| c.entries().first()).or_else(|| config.entry("auth_type"));
            let span = at.map_or(config.span, |e| e.key_span);
            let d = Diagnostic::new(Code::WP0105, span, format!("`{key}` is missing from the credentials of `auth_type: {kind}`"));
            cx.push(d.help(format!("add `{key}: ${{NAME}}` under `credentials:`")));
        }
        let text = node.and_then(|n| cx.text(n))?;
        if matches!(key, "api_key" | "password" | "client_secret" | "secret") {
            literal_secret(cx, key, &text);
        }
        if key == "token_url" {
            url(cx, &text);
        }
        Some(text)
    };
    let built = match kind {
        "bearer" => take("api_key").map(|api_key| Auth::Bearer { api_key }),
        "api_key" => {
            let header = take("api_key_header").map_or_else(|| Arc::from("X-API-Key"), |t| t.value);
            take("api_key").map(|api_key| Auth::ApiKey { api_key, header })
        }
        "basic" => match (take("username"), take("password")) {
            (Some(username), Some(password)) => Some(Auth::Basic { username, password }),
            _ => None,
        },
        "oauth2_client_credentials" => match (take("client_id"), take("client_secret"), take("token_url"), take("scope")) {
            (Some(client_id), Some(client_secret), Some(token_url), scope) => {
                Some(Auth::OAuth2 { client_id, client_secret, token_url, scope })
            }
            _ => None,
        },
        "hmac" => take("secret").map(|secret| Auth::Hmac { secret }),
        _ => None,
    };
    built.unwrap_or(Auth::None)
}
