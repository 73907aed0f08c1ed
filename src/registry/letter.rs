//! What an action comes to for a decision: something to send, a journey to run, or a value to write back.
//!
//! All that a service is sent is decided here; whoever sends it only puts the secrets in.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::config::{Config, Declared, Runs, Webhook};
use super::payload::{Facts, Filled, FilledValue, Payload, Style, Template, in_words};
use super::{ActionDefinition, Channel, Decision, FireOn, HttpEngine, PrimitiveId, Verdict};
use crate::value::{Json, Name, hex};

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Characters of an event's `summary` at PagerDuty, and of its `dedup_key`.
const SUMMARY: usize = 1_024;
const DEDUP_KEY: usize = 255;
/// Bytes of an event at PagerDuty: 512 KB, less what its frame and a long key take.
const EVENT: usize = 500_000;
/// Characters of a message to Slack, which cuts off what is longer.
const SLACK: usize = 40_000;
/// What is told where no message is written.
const SUMMARY_OF: &str = "{condition_id} {condition_version} is {decision_value} for {entity} as of {timestamp}";

/// What an action comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Something is sent.
    Send(Box<Letter>),
    /// A line of the program's log.
    Log {
        /// By which channel.
        channel: Arc<str>,
        /// What it says.
        entry: FilledValue,
    },
    /// A journey is run.
    Run {
        /// Which.
        journey: Name,
        /// What was mapped for it; nothing: the whole decision.
        input: Option<Json>,
    },
    /// A primitive is written.
    Write {
        /// Which.
        primitive: PrimitiveId,
        /// Of whom or what.
        entity: Arc<str>,
        /// What.
        value: Json,
    },
}

/// Something to send, in which only secrets are still to be put.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// To what kind of service.
    pub to: To,
    /// With which method.
    pub method: Arc<str>,
    /// Where.
    pub url: Filled,
    /// The same URL with the same letter for all that a decision put into it: what is sent to has to have its form.
    pub outline: Option<Filled>,
    /// Whether the workspace's settings name the place, so that its host needs no leave of its own.
    pub own: bool,
    /// Headers.
    pub headers: Vec<(Arc<str>, Filled)>,
    /// What.
    pub body: Option<FilledValue>,
    /// What signs it.
    pub secret: Option<Filled>,
    /// The id of the message: the same on every try, and of no other.
    pub id: Arc<str>,
    /// By which a service tells a repetition.
    pub idempotency_key: Arc<str>,
}

/// A kind of service, by how it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Slack: a refusal is a word.
    Slack,
    /// PagerDuty: a refusal is a list of what is wrong.
    PagerDuty,
    /// Any other.
    Service,
}

/// What a deed is made of.
struct Case<'a> {
    tenant: &'a str,
    action: &'a ActionDefinition,
    decision: &'a Decision,
    facts: Facts,
    declared: &'a Declared,
}

/// What a decision says in a text.
#[must_use]
pub fn facts(decision: &Decision) -> Facts {
    let decided = decision.value.as_bool().map_or(Json::Null, Json::from);
    Facts {
        entity: decision.entity.clone(),
        value: decision.inputs.get("input").cloned().unwrap_or_else(|| decided.clone()),
        decision_value: decided,
        timestamp: decision.timestamp.to_string().into(),
        condition_id: decision.condition_id.clone(),
        condition_version: decision.condition_version.clone(),
        decision_id: decision.decision_id.clone(),
    }
}

/// A decision as services are told of it: all but what its actions came to, which nobody knows yet.
#[must_use]
pub fn told(decision: &Decision) -> Json {
    let mut json = serde_json::to_value(decision).unwrap_or_default();
    if let Some(map) = json.as_object_mut() {
        map.shift_remove("actions");
    }
    json
}

impl Config {
    /// What the action comes to. The error is a sentence: what it names is not declared any more.
    pub fn deed(&self, tenant: &str, action: &ActionDefinition, decision: &Decision, declared: &Declared) -> Result<Deed, String> {
        let case = Case { tenant, action, decision, facts: facts(decision), declared };
        match self {
            Self::Notification { channel, message } => case.notification(channel, message.as_ref()),
            Self::Webhook(webhook) => Ok(Deed::Send(Box::new(case.webhook(webhook)))),
            Self::Workflow { workflow, input } => match declared.workflow(workflow) {
                Some(Runs::Http(engine)) => Ok(Deed::Send(Box::new(case.engine(&engine, input.as_ref())))),
                Some(Runs::Journey(journey)) => {
                    let input = input.as_ref().map(|i| i.fill(&case.facts).shown());
                    Ok(Deed::Run { journey, input })
                }
                None => Err(format!("there is no workflow `{workflow}` any more")),
            },
            Self::Register { primitive, entity_field } => {
                let decision = told(decision);
                let entity = entity_field.split('.').try_fold(&decision, |json, key| json.get(key));
                let entity = entity.filter(|e| e.is_string() || e.is_number()).map(in_words).filter(|e| !e.is_empty());
                let entity = entity.ok_or_else(|| format!("the decision has no `{entity_field}` that names an entity"))?;
                let primitive = PrimitiveId::parse(primitive).ok_or_else(|| format!("`{primitive}` is no primitive"))?;
                Ok(Deed::Write { primitive, entity: entity.into(), value: case.facts.decision_value.clone() })
            }
        }
    }
}

impl Case<'_> {
    fn notification(&self, name: &Arc<str>, message: Option<&Template>) -> Result<Deed, String> {
        let channel = self.declared.channel(name).ok_or_else(|| format!("there is no channel `{name}` any more"))?;
        Ok(match channel {
            Channel::Slack { url } => {
                let text = self.message(message, Style::Slack).cut(SLACK);
                let body = map([("text", FilledValue::Text(text))]);
                Deed::Send(Box::new(self.letter(To::Slack, url, Some(body))))
            }
            Channel::PagerDuty { url, routing_key, severity } => {
                let body = self.event(message, routing_key, severity);
                Deed::Send(Box::new(self.letter(To::PagerDuty, url.as_deref().unwrap_or(PAGERDUTY), Some(body))))
            }
            Channel::Webhook { url, secret } => {
                let text = FilledValue::Text(self.message(message, Style::Plain));
                let body = map([("message", text), ("decision", FilledValue::Literal(told(self.decision)))]);
                let letter = self.letter(To::Service, url, Some(body));
                Deed::Send(Box::new(Letter { secret: secret.as_deref().map(Filled::settings), ..letter }))
            }
            Channel::Log => {
                let text = FilledValue::Text(self.message(message, Style::Plain));
                let entry = map([("message", text), ("decision", FilledValue::Literal(told(self.decision)))]);
                Deed::Log { channel: name.clone(), entry }
            }
        })
    }

    /// What is told: as it is written, or a summary of the decision.
    fn message(&self, message: Option<&Template>, style: Style) -> Filled {
        if let Some(message) = message {
            return message.fill(&self.facts, style);
        }
        let summary = Template::parse(SUMMARY_OF, &[], &[], &mut Vec::new());
        let detail = if self.decision.detail.is_empty() { String::new() } else { format!(": {}", self.decision.detail) };
        summary.fill(&self.facts, style).and(&detail, style)
    }

    /// An event of PagerDuty's Events API, version 2.
    fn event(&self, message: Option<&Template>, routing_key: &str, severity: &str) -> FilledValue {
        let text = |text: &str| FilledValue::Literal(Json::from(text));
        // Where an action follows every decision, one that does not hold ends what one that held began.
        let over = self.action.trigger.fire_on == FireOn::Any && self.decision.value == Verdict::False;
        let mut details = told(self.decision);
        if details.to_string().len() > EVENT
            && let Some(map) = details.as_object_mut()
        {
            map.insert("inputs".into(), Json::from("too large to be sent"));
        }
        let payload = map([
            ("summary", FilledValue::Text(self.message(message, Style::Plain).cut(SUMMARY))),
            ("source", text(&self.decision.entity)),
            ("severity", text(severity)),
            ("timestamp", text(&self.facts.timestamp)),
            ("component", text(&self.decision.condition_id)),
            ("group", text(&self.action.namespace)),
            ("class", text("condition")),
            ("custom_details", FilledValue::Literal(details)),
        ]);
        map([
            ("routing_key", FilledValue::Text(Filled::settings(routing_key))),
            ("event_action", text(if over { "resolve" } else { "trigger" })),
            ("dedup_key", text(&self.dedup_key())),
            ("client", text("Waypost")),
            ("payload", payload),
        ])
    }

    /// The same for every decision of the condition on the entity: they are one incident.
    fn dedup_key(&self) -> String {
        let parts = [self.tenant, &self.action.namespace, &self.decision.condition_id, &self.decision.entity];
        let key = format!("waypost:{}", parts.join(":"));
        if key.chars().count() <= DEDUP_KEY { key } else { format!("waypost:{}", digest(&parts)) }
    }

    fn webhook(&self, webhook: &Webhook) -> Letter {
        let body = match (&webhook.payload, &*webhook.method) {
            (_, "GET") => None,
            (Some(payload), _) => Some(payload.fill(&self.facts)),
            (None, _) => Some(FilledValue::Literal(told(self.decision))),
        };
        let secret = self.declared.secret_of(webhook);
        let headers = webhook.headers.iter().map(|(n, v)| (n.clone(), v.fill(&self.facts, Style::Plain))).collect();
        Letter {
            method: webhook.method.clone(),
            url: webhook.endpoint.fill(&self.facts, Style::Segment),
            outline: Some(webhook.endpoint.outline()),
            own: false,
            headers,
            secret: secret.map(|s| Filled::settings(&s)),
            ..self.letter(To::Service, "", body)
        }
    }

    fn engine(&self, engine: &HttpEngine, input: Option<&Payload>) -> Letter {
        let body = input.map_or_else(|| FilledValue::Literal(told(self.decision)), |i| i.fill(&self.facts));
        Letter {
            headers: engine.headers.iter().map(|(n, v)| (n.clone(), Filled::settings(v))).collect(),
            secret: engine.secret.as_deref().map(Filled::settings),
            ..self.letter(To::Service, &engine.url, Some(body))
        }
    }

    /// A letter to a place that the settings name.
    fn letter(&self, to: To, url: &str, body: Option<FilledValue>) -> Letter {
        let (decision, action, version) = (&self.decision.decision_id, &self.action.action_id, &self.action.version);
        Letter {
            to,
            method: "POST".into(),
            url: Filled::settings(url),
            outline: None,
            own: true,
            headers: Vec::new(),
            body,
            secret: None,
            id: format!("msg_{}", digest(&[self.tenant, decision, action, version])).into(),
            idempotency_key: format!("{decision}:{action}:{version}").into(),
        }
    }
}

fn map<const N: usize>(entries: [(&str, FilledValue); N]) -> FilledValue {
    FilledValue::Map(entries.into_iter().map(|(key, value)| (Filled::plain(key), value)).collect())
}

/// The first 32 digits of a digest over parts that cannot run into each other.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    hex(digest.get(..16).unwrap_or(&digest))
}

/// The id of the conversation in which a decision's action runs a journey: the same whenever it is run, and no caller's to choose.
#[must_use]
pub fn run_id(tenant: &str, decision: &Decision, action: &str, version: &str) -> Arc<str> {
    let depth = decision.depth.saturating_add(1);
    format!("decided-{depth}-{}", digest(&[tenant, &decision.decision_id, action, version])).into()
}

/// The conversations in which a decision's actions ran journeys, if they did.
pub fn runs_of(tenant: &str, decision: &Decision) -> impl Iterator<Item = Arc<str>> {
    decision.actions.iter().map(move |action| run_id(tenant, decision, &action.action_id, &action.action_version))
}

/// How many decisions led to a conversation, by its id.
#[must_use]
pub fn depth_of(conversation: &str) -> u32 {
    let depth = conversation.strip_prefix("decided-").and_then(|rest| rest.split_once('-')).and_then(|(depth, _)| depth.parse().ok());
    depth.unwrap_or(0)
}
