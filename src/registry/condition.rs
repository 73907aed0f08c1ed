//! A condition as it is registered: an immutable version of what decides, over what, and on which events by itself.

use std::sync::Arc;

use super::strategy::Strategy;
use super::{EventKind, Fault, Input, PrimitiveId, input, is_name, is_version};
use crate::expr::Program;
use crate::source::{Code, did_you_mean};
use crate::value::Json;

/// Conditions that one may be made of.
pub const OPERANDS_MAX: usize = 16;
/// How deep conditions that are written out may lie in each other.
const DEPTH_MAX: usize = 8;
/// Its keys.
const KEYS: [&str; 8] = ["condition_id", "version", "namespace", "description", "on", "entity", "input", "strategy"];

/// A condition as it is registered.
#[derive(Debug, Clone)]
pub struct ConditionDefinition {
    /// Its id.
    pub condition_id: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Whose it is.
    pub namespace: Arc<str>,
    /// Events that evaluate it by themselves.
    pub on: Vec<EventKind>,
    /// What it is evaluated for on an event; none: the conversation.
    pub entity: Option<Program>,
    /// What decides.
    pub rule: Rule,
    /// As it was written.
    pub body: Arc<Json>,
}

/// What decides, and over what.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Over what.
    pub input: Option<Input>,
    /// How.
    pub strategy: Strategy,
}

/// A condition that another is made of.
#[derive(Debug, Clone)]
pub enum Operand {
    /// A registered one.
    Named {
        /// Its id.
        condition_id: Arc<str>,
        /// Its version.
        condition_version: Arc<str>,
    },
    /// One that is written out.
    Written(Box<Rule>),
}

impl ConditionDefinition {
    /// The condition that is written so.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(json: &Json) -> Result<Self, Vec<Fault>> {
        let Some(map) = json.as_object() else {
            return Err(vec![Fault::new(Code::WP0104, &[], "a condition is a map")]);
        };
        let mut faults = Vec::new();
        for key in map.keys().filter(|k| !KEYS.contains(&k.as_str())) {
            let fault = Fault::new(Code::WP0103, &[key], format!("unknown key `{key}` in a condition"));
            faults.push(match did_you_mean(key, KEYS) {
                Some(near) => fault.help(format!("write `{near}`")),
                None => fault,
            });
        }
        let mut text = |key: &'static str, is: fn(&str) -> bool| named(map, key, is, "a condition", &mut faults);
        let condition_id = text("condition_id", is_name);
        let version = text("version", is_version);
        let namespace = text("namespace", is_name);
        if map.get("description").is_some_and(|d| !d.is_string() && !d.is_null()) {
            faults.push(Fault::new(Code::WP0104, &["description"], "expected text for `description`"));
        }
        let on = events(map.get("on"), &mut faults);
        let entity = match map.get("entity") {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => input::program(text, &["entity"], &mut faults),
            Some(_) => {
                faults.push(Fault::new(Code::WP0104, &["entity"], "expected an expression for `entity`"));
                None
            }
        };
        let rule = Rule::parse(map, 0, "a condition", &mut faults);
        match (condition_id, version, namespace, rule) {
            (Some(condition_id), Some(version), Some(namespace), Some(rule)) if faults.is_empty() => {
                Ok(Self { condition_id, version, namespace, on, entity, rule, body: Arc::new(json.clone()) })
            }
            _ => Err(faults),
        }
    }

    /// The registered conditions that it is made of, and where each is named.
    #[must_use]
    pub fn named(&self) -> Vec<(Vec<String>, &Arc<str>, &Arc<str>)> {
        let mut out = Vec::new();
        self.rule.named(&mut Vec::new(), &mut out);
        out
    }

    /// The primitives that it reads, and where.
    #[must_use]
    pub fn primitives(&self) -> Vec<(Vec<String>, PrimitiveId)> {
        let mut out = Vec::new();
        if let Some(entity) = &self.entity {
            let read = input::primitives(entity).filter_map(Result::ok);
            out.extend(read.map(|p| (vec!["entity".to_owned()], p)));
        }
        self.rule.primitives(&[], &mut out);
        out
    }
}

/// A text that names something.
pub(super) fn named(
    map: &serde_json::Map<String, Json>,
    key: &'static str,
    is: fn(&str) -> bool,
    what: &str,
    faults: &mut Vec<Fault>,
) -> Option<Arc<str>> {
    let fault = match map.get(key) {
        None | Some(Json::Null) => Fault::new(Code::WP0105, &[], format!("`{key}` is missing from {what}")).help(format!("add `{key}:`")),
        Some(Json::String(text)) if is(text) => return Some(text.as_str().into()),
        Some(Json::String(text)) => Fault::new(Code::WP0104, &[key], format!("`{text}` cannot be the `{key}` of {what}"))
            .help("it has letters, digits, `.`, `_` and `-`, and begins with a letter or digit"),
        Some(_) => Fault::new(Code::WP0104, &[key], format!("expected text for `{key}`")).help("put it in quotes"),
    };
    faults.push(fault);
    None
}

fn events(json: Option<&Json>, faults: &mut Vec<Fault>) -> Vec<EventKind> {
    let one;
    let items = match json {
        None | Some(Json::Null) => return Vec::new(),
        Some(Json::Array(items)) => items.as_slice(),
        Some(text) => {
            one = [text.clone()];
            &one
        }
    };
    let mut out = Vec::new();
    for item in items {
        match item.as_str().and_then(EventKind::from_name) {
            Some(event) if !out.contains(&event) => out.push(event),
            Some(_) => {}
            None => {
                let fault = Fault::new(Code::WP0104, &["on"], format!("there is no event {item}"));
                let near = item.as_str().and_then(|text| did_you_mean(text, EventKind::NAMES));
                faults.push(fault.help(near.map_or_else(
                    || format!("expected one of {}", EventKind::NAMES.map(|n| format!("`{n}`")).join(", ")),
                    |near| format!("write `{near}`"),
                )));
            }
        }
    }
    out
}

impl Rule {
    /// The rule of a map with `strategy` and, there or among its parameters, `input`.
    fn parse(map: &serde_json::Map<String, Json>, depth: usize, what: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let before = faults.len();
        let Some(written) = map.get("strategy").filter(|s| !s.is_null()) else {
            let fault = Fault::new(Code::WP0105, &[], format!("`strategy` is missing from {what}"));
            faults.push(fault.help("add `strategy:`, with its `type` and `params`"));
            return None;
        };
        let mut found = Vec::new();
        let strategy = Strategy::parse(written, depth, &mut found);
        faults.extend(found.into_iter().map(|f| f.below(&["strategy"])));
        let below = written.get("params").and_then(|p| p.get("input"));
        let (given, path): (Option<&Json>, &[&str]) = match (map.get("input"), below) {
            (Some(Json::Null) | None, Some(input)) => (Some(input), &["strategy", "params", "input"]),
            (given, _) => (given.filter(|i| !i.is_null()), &["input"]),
        };
        let mut found = Vec::new();
        let input = given.and_then(|json| Input::parse(json, &mut found));
        faults.extend(found.into_iter().map(|f| f.below(path)));
        let strategy = strategy?;
        match (&strategy, given) {
            (Strategy::Composite(_), Some(_)) => {
                let fault = Fault::new(Code::WP0906, path, "`composite` has no input of its own");
                faults.push(fault.help("each of its operands has one"));
            }
            (Strategy::Expression(expression), Some(_)) if expression.program.is_some() => {
                let fault = Fault::new(Code::WP0906, path, "`expression` has its own expression");
                faults.push(fault.help("write `data`, `entity` and `primitives` there, and leave out `input`"));
            }
            (Strategy::Expression(expression), None) if expression.program.is_none() => {
                let fault = Fault::new(Code::WP0906, &["strategy"], "`expression` needs the parameter `expression`");
                faults.push(fault.help("add `params: {expression: data.amount > 100}`"));
            }
            (Strategy::Composite(_) | Strategy::Expression(_), _) | (_, Some(_)) => {}
            (_, None) => {
                let fault = Fault::new(Code::WP0105, &[], format!("`input` is missing from {what}"));
                faults.push(fault.help("add `input:`, a primitive such as `billing.balance` or an expression such as `data.amount`"));
            }
        }
        (faults.len() == before).then_some(Self { input, strategy })
    }

    fn named<'a>(&'a self, at: &mut Vec<String>, out: &mut Vec<(Vec<String>, &'a Arc<str>, &'a Arc<str>)>) {
        let Strategy::Composite(composite) = &self.strategy else { return };
        for (n, operand) in composite.operands.iter().enumerate() {
            let depth = at.len();
            at.extend(["strategy", "params", "operands"].map(str::to_owned));
            at.push(n.to_string());
            match operand {
                Operand::Named { condition_id, condition_version } => out.push((at.clone(), condition_id, condition_version)),
                Operand::Written(rule) => rule.named(at, out),
            }
            at.truncate(depth);
        }
    }

    fn primitives(&self, at: &[String], out: &mut Vec<(Vec<String>, PrimitiveId)>) {
        let below = |at: &[String], keys: &[&str]| at.iter().cloned().chain(keys.iter().map(|k| (*k).to_owned())).collect::<Vec<_>>();
        if let Some(input) = &self.input {
            out.extend(input.primitives().into_iter().map(|p| (below(at, &["input"]), p)));
        }
        match &self.strategy {
            Strategy::Expression(expression) => {
                let read = expression.program.iter().flat_map(input::primitives).filter_map(Result::ok);
                out.extend(read.map(|p| (below(at, &["strategy", "params", "expression"]), p)));
            }
            Strategy::Composite(composite) => {
                for (n, operand) in composite.operands.iter().enumerate() {
                    if let Operand::Written(rule) = operand {
                        let n = n.to_string();
                        rule.primitives(&below(at, &["strategy", "params", "operands", &n]), out);
                    }
                }
            }
            Strategy::Threshold(_) | Strategy::Equals(_) | Strategy::Change(_) | Strategy::ZScore(_) | Strategy::Percentile(_) => {}
        }
    }
}

impl Operand {
    /// The operand that is written so: `{condition_id, condition_version}`, or `{strategy, input}`.
    pub(super) fn parse(json: &Json, depth: usize, faults: &mut Vec<Fault>) -> Option<Self> {
        let Some(map) = json.as_object() else {
            let fault = Fault::new(Code::WP0906, &[], "expected a condition");
            faults.push(fault.help("write `{condition_id: …, condition_version: …}`"));
            return None;
        };
        let known: &[&str] = if map.contains_key("strategy") { &["strategy", "input"] } else { &["condition_id", "condition_version"] };
        for key in map.keys().filter(|k| !known.contains(&k.as_str())) {
            let fault = Fault::new(Code::WP0103, &[key], format!("unknown key `{key}` in an operand"));
            faults.push(fault.help("write `{condition_id: …, condition_version: …}`, or a condition's own `{strategy: …, input: …}`"));
        }
        if !map.contains_key("strategy") {
            let condition_id = named(map, "condition_id", is_name, "an operand", faults);
            let condition_version = named(map, "condition_version", is_version, "an operand", faults);
            return Some(Self::Named { condition_id: condition_id?, condition_version: condition_version? });
        }
        if depth >= DEPTH_MAX {
            let fault = Fault::new(Code::WP0107, &[], format!("conditions lie deeper in each other than {DEPTH_MAX}"));
            faults.push(fault.help("register the inner ones, and name them"));
            return None;
        }
        Rule::parse(map, depth + 1, "an operand", faults).map(|rule| Self::Written(Box::new(rule)))
    }
}
