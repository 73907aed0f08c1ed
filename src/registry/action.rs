//! A triggered action as it is registered: what it does, and on which decisions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::condition::named;
use super::{Config, Declared, Fault, Verdict, is_name, is_version};
use crate::source::{Code, did_you_mean};
use crate::value::Json;

/// Its keys.
const KEYS: [&str; 7] = ["action_id", "version", "namespace", "description", "config", "trigger", "delivery"];
/// Tries after the first, at most.
const RETRIES: u64 = 20;
/// Milliseconds between two tries, at most: a day.
const BACKOFF: u64 = 24 * 60 * 60 * 1_000;
/// Between two tries where nobody says.
const BACKOFF_MS: u64 = 1_000;

/// On which decisions an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FireOn {
    /// On true ones.
    True,
    /// On false ones.
    False,
    /// On every one, unknown ones too.
    Any,
}

impl FireOn {
    /// Whether it is done on this.
    #[must_use]
    pub const fn fires(self, verdict: Verdict) -> bool {
        match self {
            Self::Any => true,
            Self::True => matches!(verdict, Verdict::True),
            Self::False => matches!(verdict, Verdict::False),
        }
    }
}

/// When an action is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// On which decisions.
    pub fire_on: FireOn,
    /// Of which condition.
    pub condition_id: Arc<str>,
    /// Of which version of it.
    pub condition_version: Arc<str>,
}

/// How often it is tried again, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Tries after the first.
    pub retries: u32,
    /// Milliseconds before the first of them; twice as long before each further one.
    pub backoff_ms: u64,
}

/// A triggered action as it is registered. `config` is judged by its `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDefinition {
    /// Its id.
    pub action_id: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// What it does.
    pub config: Json,
    /// When.
    pub trigger: Trigger,
    /// Whose it is.
    pub namespace: Arc<str>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Delivery at least once, if it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl FireOn {
    fn named(json: &Json) -> Option<Self> {
        match json {
            Json::Bool(true) => Some(Self::True),
            Json::Bool(false) => Some(Self::False),
            Json::String(text) => match text.as_str() {
                "true" => Some(Self::True),
                "false" => Some(Self::False),
                "any" => Some(Self::Any),
                _ => None,
            },
            Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }
}

impl Delivery {
    /// How long to wait before the next try, when so many were made: twice as long each time, an hour at most or as long as was asked for.
    #[must_use]
    pub fn wait_ms(&self, tries: u32) -> u64 {
        let longest = self.backoff_ms.max(60 * 60 * 1_000);
        let doubled = self.backoff_ms.checked_shl(tries.saturating_sub(1).min(40)).unwrap_or(longest);
        doubled.min(longest)
    }
}

impl ActionDefinition {
    /// The action that is written so, and what it does.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(json: &Json, declared: &Declared) -> Result<(Self, Config), Vec<Fault>> {
        let Some(map) = json.as_object() else {
            return Err(vec![Fault::new(Code::WP0104, &[], "an action is a map")]);
        };
        let mut faults = Vec::new();
        unknown(map, &KEYS, "a triggered action", &[], &mut faults);
        let mut text = |key: &'static str, is: fn(&str) -> bool| named(map, key, is, "a triggered action", &mut faults);
        let action_id = text("action_id", is_name);
        let version = text("version", is_version);
        let namespace = text("namespace", is_name);
        let description = match map.get("description") {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text.as_str().into()),
            Some(_) => {
                faults.push(Fault::new(Code::WP0104, &["description"], "expected text for `description`"));
                None
            }
        };
        let trigger = trigger(map.get("trigger"), &mut faults);
        let delivery = delivery(map.get("delivery"), &mut faults);
        let missing = || vec![Fault::new(Code::WP0105, &[], "`config` is missing from a triggered action").help("add `config:`")];
        let config = map.get("config").ok_or_else(missing).and_then(|config| {
            Config::read(config, declared).map_err(|found| found.into_iter().map(|f| f.below(&["config"])).collect::<Vec<_>>())
        });
        let config = config.map_err(|found| faults.extend(found)).ok();
        match (action_id, version, namespace, trigger, config) {
            (Some(action_id), Some(version), Some(namespace), Some(trigger), Some(config)) if faults.is_empty() => {
                let written = map.get("config").cloned().unwrap_or_default();
                Ok((Self { action_id, version, config: written, trigger, namespace, description, delivery }, config))
            }
            _ => Err(faults),
        }
    }
}

/// Keys that mean nothing here.
fn unknown(map: &serde_json::Map<String, Json>, known: &[&'static str], what: &str, below: &[&str], faults: &mut Vec<Fault>) {
    for key in map.keys().filter(|k| !known.contains(&k.as_str())) {
        let fault = Fault::new(Code::WP0103, &[key], format!("unknown key `{key}` in {what}")).below(below);
        faults.push(match did_you_mean(key, known.iter().copied()) {
            Some(near) => fault.help(format!("write `{near}`")),
            None => fault,
        });
    }
}

fn trigger(json: Option<&Json>, faults: &mut Vec<Fault>) -> Option<Trigger> {
    let Some(json) = json else {
        let help = "add `trigger:`, with `fire_on`, `condition_id` and `condition_version`";
        faults.push(Fault::new(Code::WP0105, &[], "`trigger` is missing from a triggered action").help(help));
        return None;
    };
    let Some(map) = json.as_object() else {
        faults.push(Fault::new(Code::WP0104, &["trigger"], "expected a map for `trigger`"));
        return None;
    };
    unknown(map, &["fire_on", "condition_id", "condition_version"], "a trigger", &["trigger"], faults);
    let mut of = Vec::new();
    let fire_on = match map.get("fire_on") {
        None | Some(Json::Null) => {
            let help = "add `fire_on:`, one of `\"true\"`, `\"false\"`, `any`";
            of.push(Fault::new(Code::WP0105, &[], "`fire_on` is missing from a trigger").help(help));
            None
        }
        Some(json) => {
            let fire_on = FireOn::named(json);
            if fire_on.is_none() {
                of.push(Fault::new(Code::WP0104, &["fire_on"], "expected `\"true\"`, `\"false\"` or `any` for `fire_on`"));
            }
            fire_on
        }
    };
    let condition_id = named(map, "condition_id", is_name, "a trigger", &mut of);
    let condition_version = named(map, "condition_version", is_version, "a trigger", &mut of);
    faults.extend(of.into_iter().map(|f| f.below(&["trigger"])));
    Some(Trigger { fire_on: fire_on?, condition_id: condition_id?, condition_version: condition_version? })
}

fn delivery(json: Option<&Json>, faults: &mut Vec<Fault>) -> Option<Delivery> {
    let json = json.filter(|j| !j.is_null())?;
    let Some(map) = json.as_object() else {
        faults.push(Fault::new(Code::WP0104, &["delivery"], "expected a map for `delivery`"));
        return None;
    };
    unknown(map, &["retries", "backoff_ms"], "a delivery", &["delivery"], faults);
    let mut number = |key: &'static str, default: Option<u64>, most: u64| match map.get(key) {
        None | Some(Json::Null) => {
            if default.is_none() {
                let fault = Fault::new(Code::WP0105, &["delivery"], format!("`{key}` is missing from a delivery"));
                faults.push(fault.help(format!("add `{key}:`, a whole number")));
            }
            default
        }
        Some(json) => {
            let number = json.as_u64().filter(|n| *n <= most);
            if number.is_none() {
                let fault = Fault::new(Code::WP0104, &["delivery", key], format!("expected a whole number of at most {most} for `{key}`"));
                faults.push(fault);
            }
            number
        }
    };
    let retries = number("retries", None, RETRIES);
    let backoff_ms = number("backoff_ms", Some(BACKOFF_MS), BACKOFF);
    Some(Delivery { retries: u32::try_from(retries?).unwrap_or(0), backoff_ms: backoff_ms? })
}
