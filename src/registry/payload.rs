//! Texts with placeholders of a decision, `{entity}`, and secrets, `${NAME}`: parsed once, filled for each decision.
//!
//! Knows no secret's value: a filled text still names its secrets, and whoever sends it looks them up.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Fault;
use crate::source::{Code, did_you_mean};
use crate::value::Json;

/// What stands in a record where a secret was sent.
pub const REDACTED: &str = "[redacted]";
/// What a segment of a URL keeps as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What of a decision may stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// Whom or what it is about.
    Entity,
    /// What was decided.
    DecisionValue,
    /// The value that was looked at; where there is none, what was decided.
    Value,
    /// For when.
    Timestamp,
    /// By which condition.
    ConditionId,
    /// By which version of it.
    ConditionVersion,
    /// Its id.
    DecisionId,
}

impl Placeholder {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Entity, Self::DecisionValue, Self::Value, Self::Timestamp, Self::ConditionId, Self::ConditionVersion, Self::DecisionId];

    /// As it is written between braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::DecisionValue => "decision_value",
            Self::Value => "value",
            Self::Timestamp => "timestamp",
            Self::ConditionId => "condition_id",
            Self::ConditionVersion => "condition_version",
            Self::DecisionId => "decision_id",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// A decision, as texts see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Whom or what it is about.
    pub entity: Arc<str>,
    /// What was decided; `null`: unknown.
    pub decision_value: Json,
    /// The value that was looked at.
    pub value: Json,
    /// For when.
    pub timestamp: Arc<str>,
    /// By which condition.
    pub condition_id: Arc<str>,
    /// By which version of it.
    pub condition_version: Arc<str>,
    /// Its id.
    pub decision_id: Arc<str>,
}

impl Facts {
    fn get(&self, placeholder: Placeholder) -> Json {
        let text = |text: &Arc<str>| Json::from(&**text);
        match placeholder {
            Placeholder::Entity => text(&self.entity),
            Placeholder::DecisionValue => self.decision_value.clone(),
            Placeholder::Value => self.value.clone(),
            Placeholder::Timestamp => text(&self.timestamp),
            Placeholder::ConditionId => text(&self.condition_id),
            Placeholder::ConditionVersion => text(&self.condition_version),
            Placeholder::DecisionId => text(&self.decision_id),
        }
    }
}

/// A value as it reads within a text.
#[must_use]
pub fn in_words(value: &Json) -> String {
    match value {
        Json::Null => "unknown".into(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(Arc<str>),
    Of(Placeholder),
    Secret(Arc<str>),
}

/// A text with placeholders and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(Vec<Part>);

/// How what is put into a text is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// As one segment of a URL.
    Segment,
    /// So that Slack takes none of it for its own marks.
    Slack,
}

impl Style {
    fn write(self, text: &str) -> String {
        match self {
            Self::Plain => text.into(),
            Self::Segment => utf8_percent_encode(text, SEGMENT).to_string(),
            Self::Slack => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        }
    }
}

impl Template {
    /// Reads a text. Of `secrets`, `${NAME}` may name any; `at` is where the text stands.
    pub fn parse(text: &str, secrets: &[Arc<str>], at: &[&str], faults: &mut Vec<Fault>) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        let mut fault = |message: String, help: String| faults.push(Fault::new(Code::WP0905, at, message).help(help));
        // INVARIANT: `rest` gets shorter each turn.
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            let secret = before.ends_with('$');
            let Some((inside, after)) = from.get(1..).and_then(|f| f.split_once('}')) else { break };
            let named = inside.trim_matches(|c: char| c == '{' || c.is_whitespace());
            if !is_name(named) && !secret {
                plain.push_str(before);
                plain.push('{');
                rest = from.get(1..).unwrap_or("");
                continue;
            }
            plain.push_str(if secret { before.strip_suffix('$').unwrap_or(before) } else { before });
            rest = after;
            let part = if secret {
                if !secrets.iter().any(|s| **s == *inside) {
                    let help = did_you_mean(inside, secrets.iter().map(|s| &**s))
                        .map_or_else(|| format!("add `{inside}` to `secrets:` in `waypost.yaml`"), |near| format!("write `${{{near}}}`"));
                    fault(format!("`${{{inside}}}` is none of the workspace's secrets"), help);
                }
                Part::Secret(inside.into())
            } else if let Some(placeholder) = Placeholder::named(inside) {
                Part::Of(placeholder)
            } else {
                let near = did_you_mean(named, Placeholder::ALL.map(Placeholder::name));
                let all: Vec<String> = Placeholder::ALL.iter().map(|p| format!("`{{{}}}`", p.name())).collect();
                let help = near.map_or_else(|| format!("expected one of {}", all.join(", ")), |near| format!("write `{{{near}}}`"));
                fault(format!("there is no placeholder `{{{inside}}}`"), help);
                // One mistake is reported once, and `{{x}}` is one.
                rest = rest.strip_prefix('}').filter(|_| inside.starts_with('{')).unwrap_or(rest);
                continue;
            };
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain).into()));
            }
            parts.push(part);
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Plain(plain.into()));
        }
        Self(parts)
    }

    /// The text with the decision in it.
    #[must_use]
    pub fn fill(&self, facts: &Facts, style: Style) -> Filled {
        let pieces = self.0.iter().map(|part| match part {
            Part::Plain(text) => Piece::Plain(text.to_string()),
            Part::Secret(name) => Piece::Secret(name.clone()),
            Part::Of(placeholder) => Piece::Plain(style.write(&in_words(&facts.get(*placeholder)))),
        });
        Filled(pieces.collect())
    }

    /// The text with the same letter for every placeholder: what a URL looks like without a decision.
    #[must_use]
    pub fn outline(&self) -> Filled {
        let pieces = self.0.iter().map(|part| match part {
            Part::Plain(text) => Piece::Plain(text.to_string()),
            Part::Secret(name) => Piece::Secret(name.clone()),
            Part::Of(_) => Piece::Plain("x".into()),
        });
        Filled(pieces.collect())
    }

    /// Whether a secret stands in it.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.0.iter().any(|p| matches!(p, Part::Secret(_)))
    }

    /// Whether it is that text, without a placeholder.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.outline() == Template::parse(text, &self.secrets(), &[], &mut Vec::new()).outline()
    }

    fn secrets(&self) -> Vec<Arc<str>> {
        self.0.iter().filter_map(|p| if let Part::Secret(name) = p { Some(name.clone()) } else { None }).collect()
    }

    fn value(&self, facts: &Facts) -> FilledValue {
        match &*self.0 {
            [Part::Of(placeholder)] => FilledValue::Literal(facts.get(*placeholder)),
            _ => FilledValue::Text(self.fill(facts, Style::Plain)),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-')
}

/// A payload with placeholders anywhere in its texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Neither text, list nor map.
    Literal(Json),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<Payload>),
    /// A map; its keys are texts too.
    Map(Vec<(Template, Payload)>),
}

impl Payload {
    /// Reads a payload; recursion is as deep as the JSON, which its reader bounds.
    pub fn parse(json: &Json, secrets: &[Arc<str>], at: &[&str], faults: &mut Vec<Fault>) -> Self {
        match json {
            Json::String(text) => Self::Text(Template::parse(text, secrets, at, faults)),
            Json::Array(items) => {
                let items = items.iter().enumerate();
                Self::List(items.map(|(i, item)| Self::parse(item, secrets, &[at, &[&i.to_string()]].concat(), faults)).collect())
            }
            Json::Object(map) => {
                let mut entries = Vec::with_capacity(map.len());
                for (key, value) in map {
                    let at = [at, &[key.as_str()]].concat();
                    entries.push((Template::parse(key, secrets, &at, faults), Self::parse(value, secrets, &at, faults)));
                }
                Self::Map(entries)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => Self::Literal(json.clone()),
        }
    }

    /// Whether a secret stands in it.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Text(template) => template.has_secret(),
            Self::List(items) => items.iter().any(Self::has_secret),
            Self::Map(entries) => entries.iter().any(|(k, v)| k.has_secret() || v.has_secret()),
        }
    }

    /// The payload with the decision in it. A placeholder alone in a text keeps its type.
    #[must_use]
    pub fn fill(&self, facts: &Facts) -> FilledValue {
        match self {
            Self::Literal(json) => FilledValue::Literal(json.clone()),
            Self::Text(template) => template.value(facts),
            Self::List(items) => FilledValue::List(items.iter().map(|i| i.fill(facts)).collect()),
            Self::Map(entries) => FilledValue::Map(entries.iter().map(|(k, v)| (k.fill(facts, Style::Plain), v.fill(facts))).collect()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Secret(Arc<str>),
}

/// A text in which only secrets are still to be put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled(Vec<Piece>);

impl Filled {
    /// A text as it is: what looks like a secret's name in it is none.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Piece::Plain(text.into())])
    }

    /// A text of a workspace's own settings, with `${NAME}` in it.
    #[must_use]
    pub fn settings(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        // INVARIANT: `rest` gets shorter each turn.
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            pieces.push(Piece::Plain(before.into()));
            pieces.push(Piece::Secret(name.trim().into()));
            rest = after;
        }
        pieces.push(Piece::Plain(rest.into()));
        Self(pieces)
    }

    /// With each secret as `put` has it.
    pub fn with<E>(&self, mut put: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Secret(name) => out.push_str(&put(name)?),
            }
        }
        Ok(out)
    }

    /// As a record shows it.
    #[must_use]
    pub fn shown(&self) -> String {
        let pieces = self.0.iter().map(|p| match p {
            Piece::Plain(text) => text.as_str(),
            Piece::Secret(_) => REDACTED,
        });
        pieces.collect()
    }

    /// With more behind it.
    #[must_use]
    pub fn and(mut self, text: &str, style: Style) -> Self {
        self.0.push(Piece::Plain(style.write(text)));
        self
    }

    /// At most so many characters, secrets not counted; what is cut off is marked. A secret is never cut.
    #[must_use]
    pub fn cut(mut self, most: usize) -> Self {
        let long = |piece: &Piece| if let Piece::Plain(text) = piece { text.chars().count() } else { 0 };
        if self.0.iter().map(long).sum::<usize>() <= most {
            return self;
        }
        let mut left = most.saturating_sub(1);
        for at in 0..self.0.len() {
            let Some(Piece::Plain(text)) = self.0.get_mut(at) else { continue };
            let long = text.chars().count();
            if long > left {
                *text = text.chars().take(left).chain(['…']).collect();
                self.0.truncate(at + 1);
                break;
            }
            left -= long;
        }
        self
    }
}

/// A payload in which only secrets are still to be put.
#[derive(Debug, Clone, PartialEq)]
pub enum FilledValue {
    /// No secret in it.
    Literal(Json),
    /// A text.
    Text(Filled),
    /// A list.
    List(Vec<FilledValue>),
    /// A map.
    Map(Vec<(Filled, FilledValue)>),
}

impl FilledValue {
    /// With each secret as `put` has it.
    pub fn with<E>(&self, put: &mut impl FnMut(&str) -> Result<String, E>) -> Result<Json, E> {
        Ok(match self {
            Self::Literal(json) => json.clone(),
            Self::Text(text) => Json::String(text.with(&mut *put)?),
            Self::List(items) => Json::Array(items.iter().map(|i| i.with(put)).collect::<Result<_, _>>()?),
            Self::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (key, value) in entries {
                    map.insert(key.with(&mut *put)?, value.with(put)?);
                }
                Json::Object(map)
            }
        })
    }

    /// As a record shows it.
    #[must_use]
    pub fn shown(&self) -> Json {
        match self {
            Self::Literal(json) => json.clone(),
            Self::Text(text) => Json::String(text.shown()),
            Self::List(items) => Json::Array(items.iter().map(Self::shown).collect()),
            Self::Map(entries) => Json::Object(entries.iter().map(|(k, v)| (k.shown(), v.shown())).collect()),
        }
    }
}
