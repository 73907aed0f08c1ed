//! What an action does, by its `config`: read and checked against what the workspace declares.
//!
//! The one place that knows the fields of each type; files and calls are both read here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use url::Url;

use super::payload::{Payload, Template};
use super::{Channel, Engine, Fault, HttpEngine, PrimitiveId};
use crate::source::{Code, did_you_mean};
use crate::value::{Json, Name};

/// Methods that a webhook may have.
pub const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "GET"];
/// Types of actions.
pub const TYPES: [&str; 4] = ["notification", "webhook", "workflow", "register"];
/// Bytes of a `config`, written as JSON.
const CONFIG_MAX: usize = 256 * 1024;
/// Headers that belong to the connection, or to what signs and tells repetitions apart.
const RESERVED: [&str; 17] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// What a workspace declares that actions may name.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    channels: BTreeMap<Arc<str>, Channel>,
    engines: BTreeMap<Arc<str>, Engine>,
    journeys: BTreeSet<Name>,
    secrets: Vec<Arc<str>>,
}

impl Declared {
    /// These channels and workflows, journeys, and names that `${NAME}` may be.
    #[must_use]
    pub fn new(
        channels: BTreeMap<Arc<str>, Channel>,
        engines: BTreeMap<Arc<str>, Engine>,
        journeys: BTreeSet<Name>,
        secrets: Vec<Arc<str>>,
    ) -> Self {
        Self { channels, engines, journeys, secrets }
    }

    /// The channel of that name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.get(name)
    }

    /// What signs a webhook: the secret of the channel that it names, or of the one that has its URL.
    pub(super) fn secret_of(&self, webhook: &Webhook) -> Option<Arc<str>> {
        let named = webhook.channel.as_ref().and_then(|name| self.channels.get(name));
        let same = || self.channels.values().find(|c| matches!(c, Channel::Webhook { url, .. } if webhook.endpoint.is(url)));
        match named.or_else(same) {
            Some(Channel::Webhook { secret, .. }) => secret.clone(),
            Some(Channel::Slack { .. } | Channel::PagerDuty { .. } | Channel::Log) | None => None,
        }
    }

    /// What runs the workflow of that name.
    #[must_use]
    pub fn workflow(&self, name: &str) -> Option<Runs> {
        match self.engines.get(name) {
            Some(Engine::Http(http)) => Some(Runs::Http(http.clone())),
            Some(Engine::Journey(journey)) => self.journeys.get(&Name::new(journey)).cloned().map(Runs::Journey),
            None => self.journeys.get(&Name::new(name)).cloned().map(Runs::Journey),
        }
    }
}

/// What runs a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// A journey of the workspace.
    Journey(Name),
    /// An engine over HTTP.
    Http(HttpEngine),
}

/// What an action does.
#[derive(Debug, Clone, PartialEq)]
pub enum Config {
    /// Tells people.
    Notification {
        /// By which channel.
        channel: Arc<str>,
        /// What; a summary of the decision if left out.
        message: Option<Template>,
    },
    /// Calls a service.
    Webhook(Box<Webhook>),
    /// Starts a workflow.
    Workflow {
        /// Its name.
        workflow: Arc<str>,
        /// Its input; the whole decision if left out.
        input: Option<Payload>,
    },
    /// Writes the decision back.
    Register {
        /// To which primitive, `namespace.field`.
        primitive: Arc<str>,
        /// The field of the decision that says whose.
        entity_field: Arc<str>,
    },
}

/// A call of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where.
    pub endpoint: Template,
    /// With which method.
    pub method: Arc<str>,
    /// Headers.
    pub headers: Vec<(Arc<str>, Template)>,
    /// What; the whole decision if left out.
    pub payload: Option<Payload>,
    /// The channel whose secret signs it.
    pub channel: Option<Arc<str>>,
}

struct Reader<'a> {
    map: &'a serde_json::Map<String, Json>,
    declared: &'a Declared,
    faults: Vec<Fault>,
}

impl Config {
    /// Reads a `config`, and says all that is wrong with it.
    pub fn read(json: &Json, declared: &Declared) -> Result<Self, Vec<Fault>> {
        let Json::Object(map) = json else { return Err(vec![Fault::new(Code::WP0104, &[], "expected a map with a `type`")]) };
        if json.to_string().len() > CONFIG_MAX {
            return Err(vec![Fault::new(Code::WP0104, &[], format!("it is larger than {CONFIG_MAX} bytes"))]);
        }
        let mut reader = Reader { map, declared, faults: Vec::new() };
        let config = reader.config();
        match config {
            Some(config) if reader.faults.is_empty() => Ok(config),
            _ => Err(reader.faults),
        }
    }

    /// The name of its type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Notification { .. } => "notification",
            Self::Webhook(_) => "webhook",
            Self::Workflow { .. } => "workflow",
            Self::Register { .. } => "register",
        }
    }

    /// A `config` as it may be shown: a header that is a secret by its name and written out is hidden.
    #[must_use]
    pub fn shown(json: &Json) -> Json {
        let mut json = json.clone();
        if let Some(headers) = json.get_mut("headers").and_then(Json::as_object_mut) {
            for (name, value) in headers.iter_mut() {
                if is_secret_header(name) && value.as_str().is_some_and(|v| !v.contains("${")) {
                    *value = Json::from(super::payload::REDACTED);
                }
            }
        }
        json
    }
}

/// Whether a header carries a secret, by its name.
fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "api-key", "apikey", "token", "secret", "password", "cookie"].iter().any(|s| name.contains(s))
}

impl Reader<'_> {
    fn config(&mut self) -> Option<Config> {
        let kind = self.text("type")?;
        match &*kind {
            "notification" => {
                self.only("a notification", &["type", "channel", "message_template"]);
                let channel = self.text("channel").filter(|name| self.channel(name));
                let message = self.maybe_text("message_template").map(|text| self.template(&text, "message_template"));
                Some(Config::Notification { channel: channel?, message })
            }
            "webhook" => self.webhook(),
            "workflow" => {
                self.only("a workflow", &["type", "workflow_id", "input_mapping"]);
                let workflow = self.text("workflow_id").filter(|name| self.workflow(name));
                let input = self.payload("input_mapping");
                if input.as_ref().is_some_and(|i| !matches!(i, Payload::Map(_))) {
                    self.fault(Code::WP0104, &["input_mapping"], "expected a map of inputs");
                }
                let workflow = workflow?;
                if matches!(self.declared.workflow(&workflow), Some(Runs::Journey(_))) && input.as_ref().is_some_and(Payload::has_secret) {
                    self.fault(Code::WP0905, &["input_mapping"], "a journey is not given secrets: its values are kept and shown");
                }
                Some(Config::Workflow { workflow, input })
            }
            "register" => {
                self.only("a write-back", &["type", "primitive_id", "entity_field"]);
                let primitive = self.text("primitive_id").filter(|name| self.primitive(name));
                let field = self.maybe_text("entity_field").unwrap_or_else(|| "entity".into());
                Some(Config::Register { primitive: primitive?, entity_field: field })
            }
            unknown => {
                let fault = Fault::new(Code::WP0104, &["type"], format!("there are no actions of type `{unknown}`"));
                self.faults.push(match did_you_mean(unknown, TYPES) {
                    Some(near) => fault.help(format!("write `{near}`")),
                    None => fault.help("expected one of `notification`, `webhook`, `workflow`, `register`"),
                });
                None
            }
        }
    }

    fn webhook(&mut self) -> Option<Config> {
        self.only("a webhook", &["type", "endpoint", "method", "headers", "payload_template", "channel"]);
        let endpoint = self.text("endpoint").map(|text| {
            let template = self.template(&text, "endpoint");
            self.endpoint(&template);
            template
        });
        let method = self.maybe_text("method").unwrap_or_else(|| "POST".into());
        if !METHODS.contains(&&*method) {
            let message = format!("`{method}` is no method of a webhook");
            self.faults
                .push(Fault::new(Code::WP0803, &["method"], message).help("expected one of `POST`, `PUT`, `PATCH`, `DELETE`, `GET`"));
        }
        let headers = self.headers();
        let payload = self.payload("payload_template");
        if payload.is_some() && &*method == "GET" {
            self.fault(Code::WP0803, &["payload_template"], "a `GET` has no payload");
        }
        let channel = self.maybe_text("channel");
        if let Some(name) = &channel
            && self.channel(name)
            && self.declared.channel(name).is_some_and(|c| !matches!(c, Channel::Webhook { .. }))
        {
            self.fault(Code::WP0902, &["channel"], format!("the channel `{name}` is not of type `webhook`: it signs nothing"));
        }
        let webhook = Webhook { endpoint: endpoint?, method, headers, payload, channel };
        Some(Config::Webhook(Box::new(webhook)))
    }

    fn headers(&mut self) -> Vec<(Arc<str>, Template)> {
        let map = match self.map.get("headers") {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Object(map)) => map,
            Some(_) => {
                self.fault(Code::WP0104, &["headers"], "expected a map of headers");
                return Vec::new();
            }
        };
        let mut headers: Vec<(Arc<str>, Template)> = Vec::new();
        for (name, value) in map {
            let lower = name.to_ascii_lowercase();
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(token) || RESERVED.contains(&&*lower) {
                self.fault(Code::WP0803, &["headers", name], format!("the header `{name}` cannot be set"));
                continue;
            }
            if headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                self.fault(Code::WP0803, &["headers", name], format!("the header `{name}` stands there twice"));
                continue;
            }
            let Json::String(text) = value else {
                self.fault(Code::WP0104, &["headers", name], "expected text");
                continue;
            };
            if text.chars().any(char::is_control) {
                self.fault(Code::WP0803, &["headers", name], "the value cannot stand in a header");
                continue;
            }
            let at = ["headers", name.as_str()];
            headers.push((name.as_str().into(), Template::parse(text, &self.declared.secrets, &at, &mut self.faults)));
        }
        headers
    }

    /// What can be said of a URL before it is sent to.
    fn endpoint(&mut self, template: &Template) {
        // What stands where a secret will be is not known yet; one that begins the URL may be all of it.
        if template.has_secret() {
            return;
        }
        let text = template.outline().shown();
        let fault = match Url::parse(&text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "only `http` and `https` are spoken",
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "a URL holds no credentials: put them into a header, as `${NAME}`"
            }
            Ok(url) if url.host().is_some() => return self.host_is_fixed(template),
            Ok(_) | Err(_) => "it is no URL",
        };
        self.fault(Code::WP0803, &["endpoint"], fault);
    }

    /// A decision says nothing of where it goes.
    fn host_is_fixed(&mut self, template: &Template) {
        let facts = super::payload::Facts {
            entity: "y".into(),
            decision_value: Json::from("y"),
            value: Json::from("y"),
            timestamp: "y".into(),
            condition_id: "y".into(),
            condition_version: "y".into(),
            decision_id: "y".into(),
        };
        let place = |text: String| Url::parse(&text).ok().map(|u| u.origin().ascii_serialization());
        let one = place(template.outline().shown());
        if one != place(template.fill(&facts, super::payload::Style::Segment).shown()) {
            self.fault(Code::WP0803, &["endpoint"], "a placeholder stands in the path or the query, never in the host");
        }
    }

    fn fault(&mut self, code: Code, at: &[&str], message: impl Into<String>) {
        self.faults.push(Fault::new(code, at, message));
    }

    /// Reports keys that mean nothing here.
    fn only(&mut self, what: &str, known: &[&'static str]) {
        for key in self.map.keys().filter(|k| !known.contains(&k.as_str())) {
            let fault = Fault::new(Code::WP0103, &[key], format!("unknown key `{key}` in {what}"));
            self.faults.push(match did_you_mean(key, known.iter().copied()) {
                Some(near) => fault.help(format!("write `{near}`")),
                None => fault.help(format!("expected one of {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))),
            });
        }
    }

    fn text(&mut self, key: &str) -> Option<Arc<str>> {
        match self.map.get(key) {
            Some(Json::String(text)) if !text.trim().is_empty() => Some(text.as_str().into()),
            Some(Json::String(_)) => {
                self.fault(Code::WP0104, &[key], "it is empty");
                None
            }
            Some(_) => {
                self.fault(Code::WP0104, &[key], "expected text");
                None
            }
            None => {
                self.fault(Code::WP0105, &[key], format!("`{key}` is missing"));
                None
            }
        }
    }

    fn maybe_text(&mut self, key: &str) -> Option<Arc<str>> {
        match self.map.get(key) {
            None | Some(Json::Null) => None,
            Some(_) => self.text(key),
        }
    }

    fn template(&mut self, text: &str, key: &str) -> Template {
        Template::parse(text, &self.declared.secrets, &[key], &mut self.faults)
    }

    fn payload(&mut self, key: &str) -> Option<Payload> {
        let json = self.map.get(key).filter(|j| !j.is_null())?;
        Some(Payload::parse(json, &self.declared.secrets, &[key], &mut self.faults))
    }

    fn channel(&mut self, name: &str) -> bool {
        let known = self.declared.channels.contains_key(name);
        if !known {
            let names: Vec<&str> = self.declared.channels.keys().map(|n| &**n).collect();
            self.unknown(Code::WP0902, ("channel", "channel", "channels"), name, &names);
        }
        known
    }

    fn workflow(&mut self, name: &str) -> bool {
        let known = self.declared.workflow(name).is_some();
        if !known {
            let names: Vec<&str> =
                self.declared.engines.keys().map(|n| &**n).chain(self.declared.journeys.iter().map(Name::as_str)).collect();
            self.unknown(Code::WP0903, ("workflow_id", "workflow", "workflows"), name, &names);
        }
        known
    }

    fn unknown(&mut self, code: Code, (key, what, section): (&str, &str, &str), name: &str, known: &[&str]) {
        let fault = Fault::new(code, &[key], format!("there is no {what} `{name}`"));
        self.faults.push(match did_you_mean(name, known.iter().copied()) {
            Some(near) => fault.help(format!("write `{near}`")),
            None => fault.help(format!("declare it under `{section}:` in `waypost.yaml`")),
        });
    }

    fn primitive(&mut self, name: &str) -> bool {
        let known = PrimitiveId::parse(name).is_some();
        if !known {
            let fault = Fault::new(Code::WP0904, &["primitive_id"], format!("`{name}` is no primitive"));
            self.faults.push(fault.help("write `namespace.field`, of letters, digits, `-` and `_`"));
        }
        known
    }
}
