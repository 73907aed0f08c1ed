//! Providers: outside services that offer actions for the case in hand, and what they offer (registry, 3).
//!
//! What is offered comes from outside: it is capped plain text, and nothing that it says of itself lowers what is asked before it runs.

use std::sync::Arc;

use super::action::{
    Action, ActionId, ActionSettings, Effects, EndpointPart, FieldType, Idempotency, InputField, Integration, Invocation, Method, Safety,
};
use super::schema::InputSchema;
use super::workspace::ContentHash;
use crate::source::Span;
use crate::value::{Json, Name, Slug};

/// The action by which a provider is asked what it offers.
pub const DISCOVER: &str = "discover";
/// Actions of one discovery, at most.
pub const OFFERED: usize = 50;
/// An id and a label from outside, at most.
const LABEL: usize = 200;
/// A description or a reason from outside, at most.
const TEXT: usize = 1_000;
/// A schema from outside, at most: bytes of its JSON.
const SCHEMA: usize = 16 * 1024;
/// How deep conditions are taken out of one.
const DEPTH: usize = 64;

/// What is configured of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// What its actions may cause.
    pub effects: Vec<EffectKind>,
    /// Who may run its actions: roles of an operator, or kinds of actors; empty: whoever may run actions at all.
    pub roles: Vec<Arc<str>>,
    /// Its actions that only look.
    pub reads: Vec<Arc<str>>,
    /// Milliseconds for one call (default 5,000).
    pub timeout_ms: u64,
    /// Seconds that a discovery may be used again (default 60).
    pub ttl_s: u64,
    /// Whether it is an MCP server, whose tools are the actions.
    pub mcp: bool,
}

impl Default for Provider {
    fn default() -> Self {
        Self { effects: Vec::new(), roles: Vec::new(), reads: Vec::new(), timeout_ms: 5_000, ttl_s: 60, mcp: false }
    }
}

impl Provider {
    /// Whether the company lists the action as one that only looks.
    #[must_use]
    pub fn is_read(&self, action: &str) -> bool {
        self.reads.iter().any(|r| **r == *action)
    }

    /// Whether a journey asks the user before it runs that action: always, but for what the company lists as a read and its provider
    /// does not ask for.
    #[must_use]
    pub fn asks_first(&self, offered: &Offered) -> bool {
        offered.requires_confirmation || !self.is_read(&offered.id)
    }
}

/// What an action may do to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// A comment is added.
    AddComment,
    /// The status is another.
    ChangeStatus,
    /// Fields have other values.
    UpdateFields,
}

impl EffectKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AddComment, Self::ChangeStatus, Self::UpdateFields];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddComment => "add_comment",
            Self::ChangeStatus => "change_status",
            Self::UpdateFields => "update_fields",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An action that a provider offered.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Offered {
    /// Its id, as the provider has it.
    pub id: Arc<str>,
    /// What a person reads.
    pub label: Arc<str>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Whether somebody has to say yes to it first.
    #[serde(default)]
    pub requires_confirmation: bool,
    /// Its inputs, as a JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Arc<Json>>,
    /// Why it cannot be run now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<Arc<str>>,
}

impl Offered {
    /// What a list that a provider gave offers, and why each of the others is left out; `None`, if it is no list.
    #[must_use]
    pub fn list(body: &Json) -> Option<(Vec<Self>, Vec<String>)> {
        let items = body.as_array().or_else(|| body.get("actions")?.as_array())?;
        let (mut offered, mut left_out): (Vec<Self>, Vec<String>) = (Vec::new(), Vec::new());
        for (n, item) in items.iter().enumerate().take(OFFERED) {
            match Self::read(item) {
                Ok(new) if offered.iter().any(|o| Name::new(&o.id) == Name::new(&new.id)) => {
                    left_out.push(format!("item {} has the id of one before it", n + 1));
                }
                Ok(new) => offered.push(new),
                Err(why) => left_out.push(format!("item {} {why}", n + 1)),
            }
        }
        if items.len() > OFFERED {
            left_out.push(format!("all after the first {OFFERED} items"));
        } else if body.get("more") == Some(&Json::Bool(true)) {
            left_out.push("what it lists after that".into());
        }
        Some((offered, left_out))
    }

    fn read(item: &Json) -> Result<Self, &'static str> {
        let map = item.as_object().ok_or("is no object")?;
        let id = map.get("id").and_then(Json::as_str).filter(|id| is_id(id)).ok_or("has no `id` of letters, digits, `-`, `_` and `.`")?;
        let text = |key: &str, most: usize| match map.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(s)) => Ok(Some(plain(s, most)).filter(|t| !t.is_empty())),
            Some(_) => Err("has something that should be text"),
        };
        let requires_confirmation = match map.get("requires_confirmation") {
            // Who does not say is asked for.
            None | Some(Json::Null) => true,
            Some(Json::Bool(asked)) => *asked,
            Some(_) => return Err("has a `requires_confirmation` that is neither true nor false"),
        };
        let input_schema = match map.get("input_schema") {
            None | Some(Json::Null) => None,
            Some(schema) => Some(Arc::new(whole_schema(schema).ok_or("has an `input_schema` that is none, or too large")?)),
        };
        Ok(Self {
            id: id.into(),
            label: text("label", LABEL)?.unwrap_or_else(|| id.into()),
            description: text("description", TEXT)?,
            requires_confirmation,
            input_schema,
            disabled_reason: match map.get("disabled_reason") {
                Some(Json::String(s)) if s.trim().is_empty() => Some("it cannot be run now".into()),
                _ => text("disabled_reason", TEXT)?,
            },
        })
    }

    /// Its inputs, in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<InputField> {
        let Some(schema) = self.input_schema.as_deref() else { return Vec::new() };
        let required: Vec<&str> = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let properties = schema.get("properties").and_then(Json::as_object);
        let field = |(name, of): (&String, &Json)| InputField {
            name: Name::new(name),
            shown: name.as_str().into(),
            kind: kind_of(of),
            description: of.get("description").and_then(Json::as_str).map(|t| plain(t, LABEL)),
            required: required.contains(&name.as_str()),
            span: Span::default(),
        };
        properties.into_iter().flatten().map(field).collect()
    }

    /// What of the inputs does not fit, named by its place.
    #[must_use]
    pub fn fault(&self, inputs: &Json) -> Option<String> {
        let Some(map) = inputs.as_object() else { return Some("the inputs are no object".into()) };
        let schema = self.input_schema.as_deref()?;
        let known = schema.get("properties").and_then(Json::as_object);
        if let Some(strange) = map.keys().find(|k| known.is_none_or(|p| !p.contains_key(*k))) {
            return Some(format!("`{}` has no input `{}`", self.id, plain(strange, LABEL)));
        }
        match InputSchema::foreign(schema) {
            Ok(schema) => schema.fault(inputs),
            Err(_) => Some("its schema cannot be read".into()),
        }
    }

    /// What of the value of one input does not fit.
    #[must_use]
    pub fn fault_of(&self, name: &str, value: &Json) -> Option<String> {
        let mut schema = (**self.input_schema.as_ref()?).clone();
        unconditional(&mut schema, DEPTH);
        match InputSchema::foreign(&schema) {
            Ok(schema) => schema.fault_at(name, value),
            Err(_) => Some("its schema cannot be read".into()),
        }
    }

    /// It as an action of its integration, for the rules, the policies and the sender. A write, unless the company lists it as a read.
    #[must_use]
    pub fn action(&self, integration: &Arc<Integration>) -> Action {
        let provider = integration.provider.clone().unwrap_or_default();
        let effects = if provider.is_read(&self.id) { Effects::Read } else { Effects::Write };
        let safety = Safety { requires_confirmation: self.requires_confirmation, ..Safety::default() };
        let inputs = self.inputs();
        Action { inputs, safety, ..bare(integration, &provider, &self.id, &self.label, effects, "/execute") }
    }
}

/// The question what a provider offers, as an action of its integration.
#[must_use]
pub fn discover(integration: &Arc<Integration>) -> Action {
    let provider = integration.provider.clone().unwrap_or_default();
    bare(integration, &provider, DISCOVER, "What it offers", Effects::Read, "/discover")
}

fn bare(integration: &Arc<Integration>, provider: &Provider, id: &str, name: &str, effects: Effects, path: &str) -> Action {
    Action {
        id: ActionId { integration: integration.slug.clone(), action: Slug { shown: id.into(), name: Name::new(id) } },
        name: name.into(),
        integration: integration.clone(),
        effects,
        invocation: Invocation {
            method: Method::Post,
            endpoint: vec![EndpointPart::Literal(path.into())],
            endpoint_span: integration.span,
            tool: None,
            headers: Vec::new(),
            query: Vec::new(),
            body: None,
        },
        inputs: Vec::new(),
        input_schema: None,
        output: Vec::new(),
        outcomes: Vec::new(),
        settings: ActionSettings { timeout_ms: provider.timeout_ms, retries: 0, retry_backoff_ms: 0, idempotency: Idempotency::None },
        safety: Safety::default(),
        input_mappings: Vec::new(),
        output_datapoint: None,
        span: integration.span,
        hash: ContentHash("".into()),
    }
}

fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=LABEL).contains(&id.len()) && id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.bytes().all(plain)
}

/// Text from outside as it may be shown: on one line, in the order in which it reads, and not too long.
#[must_use]
pub fn plain(text: &str, most: usize) -> Arc<str> {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let clean: String = text.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c }).take(most).collect();
    clean.trim().into()
}

/// A schema as a whole JSON Schema: the short map `field: {type, …}` is one of an object.
fn whole_schema(schema: &Json) -> Option<Json> {
    let map = schema.as_object()?;
    let whole = if map.contains_key("properties") || map.get("type").is_some_and(|t| t == "object") || map.contains_key("$schema") {
        schema.clone()
    } else {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        for (name, of) in map {
            let mut of = of.as_object()?.clone();
            match of.remove("required") {
                Some(Json::Bool(false)) => {}
                _ => required.push(Json::from(name.as_str())),
            }
            properties.insert(name.clone(), Json::Object(of));
        }
        serde_json::json!({"type": "object", "properties": properties, "required": required})
    };
    // Names are shown, too.
    let names = whole.get("properties").and_then(Json::as_object).into_iter().flatten().all(|(name, _)| *plain(name, LABEL) == **name);
    let fits = names && whole.to_string().len() <= SCHEMA && InputSchema::foreign(&whole).is_ok();
    fits.then_some(whole)
}

/// Takes out of a schema what holds of a value only under others: that is seen once those are there.
fn unconditional(schema: &mut Json, deep: usize) {
    let Some(deeper) = deep.checked_sub(1) else { return };
    match schema {
        Json::Array(items) => items.iter_mut().for_each(|item| unconditional(item, deeper)),
        Json::Object(map) => {
            for key in ["if", "then", "else"] {
                map.remove(key);
            }
            for (key, inner) in map.iter_mut() {
                // Below these stand names, not words of the language.
                match (key.as_str(), inner) {
                    ("properties" | "$defs" | "definitions" | "dependentSchemas", Json::Object(named)) => {
                        named.values_mut().for_each(|inner| unconditional(inner, deeper));
                    }
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (_, inner) => unconditional(inner, deeper),
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn kind_of(schema: &Json) -> FieldType {
    match schema.get("type").and_then(Json::as_str) {
        Some("string") => FieldType::String,
        Some("number") => FieldType::Number,
        Some("integer") => FieldType::Integer,
        Some("boolean") => FieldType::Boolean,
        Some("object") => FieldType::Object,
        Some("array") => FieldType::Array,
        _ => FieldType::Any,
    }
}
