//! What a condition comes to over given data: the same inputs and time, the same decision.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::condition::{ConditionDefinition, Operand, Rule};
use super::strategy::{Found, Strategy, Unknown, Window};
use super::{EventKind, Input, PrimitiveId, Reason, Verdict, is_entity};
use crate::expr::{Node, Program, Root, Scope};
use crate::value::{Json, Taint, Value, hex};

/// Records of an entity that one evaluation looks at, at most: the latest.
pub const HISTORY_MAX: usize = 10_000;
/// Conditions that are evaluated in one, at most.
const RULES_MAX: usize = 256;

/// The id and the version of a condition.
pub type Named = (Arc<str>, Arc<str>);

/// The registered conditions that one is made of.
pub type Operands = BTreeMap<Named, Arc<Condition>>;

/// A condition that can be evaluated: with those that it is made of.
#[derive(Debug, Clone)]
pub struct Condition {
    /// As it is registered.
    pub definition: ConditionDefinition,
    operands: Operands,
}

/// Where an entity's history is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// With the primitive.
    Primitive(PrimitiveId),
    /// Recorded at each evaluation: of the same expression in the same condition of a namespace, whatever its version.
    Recorded(Arc<str>),
}

/// A number of the past.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was so.
    pub at: Timestamp,
    /// The number.
    pub value: f64,
}

/// What has to be known to evaluate a condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Of the entity.
    pub primitives: BTreeSet<PrimitiveId>,
    /// Its history, and how far back.
    pub history: BTreeMap<Series, Option<jiff::SignedDuration>>,
}

/// What is known of a primitive as of the evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its value.
    pub value: Arc<Json>,
    /// Since when.
    pub at: Timestamp,
}

/// What a condition is evaluated over.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    /// For what.
    pub entity: &'a str,
    /// As of when: nothing later counts, whatever is handed in.
    pub timestamp: Timestamp,
    /// The data of the call, or the event.
    pub data: &'a Json,
    /// What is known of the entity by then.
    pub primitives: BTreeMap<PrimitiveId, Known>,
    /// Its history, earliest first.
    pub history: BTreeMap<Series, Vec<Sample>>,
}

/// What a condition came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Whether it holds.
    pub value: Verdict,
    /// Why nobody can say.
    pub reason: Option<Reason>,
    /// Why, in a sentence.
    pub detail: String,
    /// What it was decided over.
    pub inputs: Json,
    /// What of it is history from now on.
    pub samples: Vec<(Arc<str>, f64)>,
}

impl Condition {
    /// A condition with those that it is made of; one of them that is missing leaves it unknown.
    #[must_use]
    pub fn new(definition: ConditionDefinition, operands: Operands) -> Self {
        Self { definition, operands }
    }

    /// Whether an event evaluates it.
    #[must_use]
    pub fn is_on(&self, event: EventKind) -> bool {
        self.definition.on.contains(&event)
    }

    /// What an event is about, for it: what its `entity` comes to over the event's data, or else the conversation.
    ///
    /// # Errors
    /// The expression fails, or gives nothing that names something.
    pub fn entity(&self, data: &Json, conversation: &str, now: Timestamp) -> Result<Arc<str>, String> {
        let Some(program) = &self.definition.entity else { return Ok(conversation.into()) };
        let given = Given { entity: conversation, timestamp: now, data, primitives: BTreeMap::new(), history: BTreeMap::new() };
        let view = View::new(&given);
        let value = program.eval(&view).map_err(|e| e.message)?;
        match &*value.json {
            Json::String(text) if is_entity(text) => Ok(text.as_str().into()),
            Json::Number(n) => Ok(n.to_string().into()),
            _ => Err("`entity` names nothing".into()),
        }
    }

    /// What has to be known to evaluate it.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        let mut left = RULES_MAX;
        self.collect(&mut needs, &mut left);
        needs
    }

    fn collect(&self, needs: &mut Needs, left: &mut usize) {
        needs.primitives.extend(self.definition.primitives().into_iter().map(|(_, p)| p));
        self.collect_rule(&self.definition.rule, needs, left);
    }

    fn collect_rule(&self, rule: &Rule, needs: &mut Needs, left: &mut usize) {
        let Some(rest) = left.checked_sub(1) else { return };
        *left = rest;
        if let (Some(Window(window)), Some(input)) = (rule.strategy.history(), &rule.input) {
            let wanted = needs.history.entry(self.series(input)).or_insert(window);
            // The longest of those that are asked for.
            *wanted = wanted.zip(window).map(|(a, b)| a.max(b));
        }
        if let Strategy::Composite(composite) = &rule.strategy {
            for operand in &composite.operands {
                match operand {
                    Operand::Written(rule) => self.collect_rule(rule, needs, left),
                    Operand::Named { condition_id, condition_version } => {
                        if let Some(inner) = self.operands.get(&(condition_id.clone(), condition_version.clone())) {
                            inner.collect(needs, left);
                        }
                    }
                }
            }
        }
    }

    fn series(&self, input: &Input) -> Series {
        match input {
            Input::Primitive(primitive) => Series::Primitive(primitive.clone()),
            Input::Expression(program) => {
                let ConditionDefinition { namespace, condition_id, .. } = &self.definition;
                let text = format!("{namespace}\n{condition_id}\n{}", program.print());
                let digest = Sha256::digest(text.as_bytes());
                Series::Recorded(hex(digest.get(..16).unwrap_or(&digest)).into())
            }
        }
    }

    /// Evaluates it.
    #[must_use]
    pub fn evaluate(&self, given: &Given<'_>) -> Judged {
        let mut left = RULES_MAX;
        self.judge(&self.definition.rule, given, &mut left)
    }

    fn judge(&self, rule: &Rule, given: &Given<'_>, left: &mut usize) -> Judged {
        let mut inputs = Inputs::default();
        let mut samples = Vec::new();
        let found = match left.checked_sub(1) {
            Some(rest) => {
                *left = rest;
                self.decide(rule, given, left, &mut inputs, &mut samples)
            }
            None => Err(Unknown::new(Reason::UnknownCondition, format!("it is made of more than {RULES_MAX} conditions"))),
        };
        match found {
            Ok(found) => {
                for (name, number) in found.numbers {
                    inputs.0.insert(name.into(), number_of(number));
                }
                Judged { value: found.verdict, reason: None, detail: found.detail, inputs: inputs.0.into(), samples }
            }
            Err(unknown) => {
                Judged { value: Verdict::Unknown, reason: Some(unknown.reason), detail: unknown.detail, inputs: inputs.0.into(), samples }
            }
        }
    }

    fn decide(
        &self,
        rule: &Rule,
        given: &Given<'_>,
        left: &mut usize,
        inputs: &mut Inputs,
        samples: &mut Vec<(Arc<str>, f64)>,
    ) -> Result<Found, Unknown> {
        if let Strategy::Composite(composite) = &rule.strategy {
            let mut verdicts = Vec::new();
            let mut first = None;
            for operand in &composite.operands {
                let (named, judged) = self.operand(operand, given, left);
                verdicts.push(judged.value);
                if first.is_none() && judged.value == Verdict::Unknown {
                    first = judged.reason.map(|reason| Unknown::new(reason, judged.detail.clone()));
                }
                samples.extend(judged.samples.iter().cloned());
                inputs.operand(named, &judged);
            }
            return composite.decide(&verdicts).map_err(|unknown| first.unwrap_or(unknown));
        }
        if let Strategy::Expression(expression) = &rule.strategy {
            let program = expression.program.as_ref().or(match &rule.input {
                Some(Input::Expression(program)) => Some(program),
                _ => None,
            });
            let value = match (program, &rule.input) {
                (Some(program), _) => inputs.read(program, given)?,
                (None, Some(input)) => inputs.input(input, given)?,
                (None, None) => return Err(Unknown::new(Reason::FailingExpression, "it has no expression")),
            };
            return match value {
                Json::Bool(holds) => Ok(Found::new(holds, if holds { "the expression is true" } else { "the expression is false" })),
                Json::Null => Err(Unknown::new(Reason::MissingInput, "the expression comes to nothing")),
                other => Err(Unknown::new(Reason::TypeMismatch, format!("the expression is {}, not true or false", kind(&other)))),
            };
        }
        let Some(input) = &rule.input else { return Err(Unknown::new(Reason::MissingInput, "it has no input")) };
        let value = inputs.input(input, given)?;
        if let Strategy::Equals(equals) = &rule.strategy {
            return Ok(equals.decide(&value));
        }
        let number = value.as_f64().filter(|n| n.is_finite());
        let number = number.ok_or_else(|| Unknown::new(Reason::TypeMismatch, format!("the input is {}, not a number", kind(&value))))?;
        let before = rule.strategy.history().map(|window| {
            let series = self.series(input);
            if let Series::Recorded(series) = &series {
                samples.push((series.clone(), number));
            }
            let end = match input {
                Input::Primitive(primitive) => given.primitives.get(primitive).map_or(given.timestamp, |k| k.at.min(given.timestamp)),
                Input::Expression(_) => given.timestamp,
            };
            earlier(given.history.get(&series).map_or(&[], Vec::as_slice), given.timestamp, end, window)
        });
        let before = before.as_deref();
        if let Some(before) = before {
            inputs.0.insert("history".into(), before.len().into());
        }
        let before = before.unwrap_or_default();
        match &rule.strategy {
            Strategy::Threshold(threshold) => Ok(threshold.decide(number)),
            Strategy::Change(change) => change.decide(number, before),
            Strategy::ZScore(z_score) => z_score.decide(number, before),
            Strategy::Percentile(percentile) => percentile.decide(number, before),
            Strategy::Expression(_) | Strategy::Composite(_) | Strategy::Equals(_) => {
                Err(Unknown::new(Reason::FailingExpression, "it is decided elsewhere"))
            }
        }
    }

    /// What a condition that this one is made of came to, and what it is called.
    fn operand(&self, operand: &Operand, given: &Given<'_>, left: &mut usize) -> (Option<Named>, Judged) {
        match operand {
            Operand::Written(rule) => (None, self.judge(rule, given, left)),
            Operand::Named { condition_id, condition_version } => {
                let name = (condition_id.clone(), condition_version.clone());
                let judged = match self.operands.get(&name) {
                    Some(inner) => inner.judge(&inner.definition.rule, given, left),
                    None => Judged {
                        value: Verdict::Unknown,
                        reason: Some(Reason::UnknownCondition),
                        detail: format!("there is no condition `{condition_id}` of version `{condition_version}`"),
                        inputs: Json::Null,
                        samples: Vec::new(),
                    },
                };
                (Some(name), judged)
            }
        }
    }
}

/// The numbers of a history inside the window, and before `end`: the latest of them, earliest first.
fn earlier(history: &[Sample], now: Timestamp, end: Timestamp, window: Window) -> Vec<f64> {
    let begin = window.0.map_or(Timestamp::MIN, |w| now.checked_sub(w).unwrap_or(Timestamp::MIN));
    let mut kept: Vec<f64> = history.iter().filter(|s| s.at >= begin && s.at < end && s.value.is_finite()).map(|s| s.value).collect();
    kept.drain(..kept.len().saturating_sub(HISTORY_MAX));
    kept
}

/// What a decision was made over, as its record says it.
#[derive(Default)]
struct Inputs(serde_json::Map<String, Json>);

impl Inputs {
    fn input(&mut self, input: &Input, given: &Given<'_>) -> Result<Json, Unknown> {
        let value = match input {
            Input::Expression(program) => self.read(program, given)?,
            Input::Primitive(primitive) => {
                let known = given.primitives.get(primitive).filter(|k| k.at <= given.timestamp && !k.value.is_null());
                self.below("primitives", primitive.to_string(), known.map_or(Json::Null, |k| (*k.value).clone()));
                let missing = || Unknown::new(Reason::MissingInput, format!("nothing is known of `{primitive}`"));
                (*known.ok_or_else(missing)?.value).clone()
            }
        };
        self.0.insert("input".into(), value.clone());
        if value.is_null() { Err(Unknown::new(Reason::MissingInput, "the input comes to nothing")) } else { Ok(value) }
    }

    /// What an expression comes to.
    fn read(&mut self, program: &Program, given: &Given<'_>) -> Result<Json, Unknown> {
        let view = View::new(given);
        let value = program.eval(&view);
        let touched = view.touched.borrow();
        let mut missing = None;
        for read in program.reads() {
            let found = view.at(read.root, &read.keys);
            let name = read.keys.join(".");
            let absent = found.as_ref().is_none_or(Json::is_null);
            match read.root {
                Root::Primitives => self.below("primitives", name.clone(), found.unwrap_or_default()),
                Root::Event if read.keys.is_empty() => drop(self.0.insert("data".into(), given.data.clone())),
                Root::Event => self.below("data", name.clone(), found.unwrap_or_default()),
                _ => continue,
            }
            let looked_at = read.keys.first().is_some_and(|k| touched.contains(&(read.root, k.clone())));
            if absent && !read.guarded && looked_at && missing.is_none() {
                missing = Some(format!("`{}.{name}` is missing", read.root.written()));
            }
        }
        if let Some(missing) = missing {
            return Err(Unknown::new(Reason::MissingInput, missing));
        }
        match value {
            Ok(value) => Ok(Arc::unwrap_or_clone(value.json)),
            Err(error) => Err(Unknown::new(Reason::FailingExpression, error.message)),
        }
    }

    fn below(&mut self, under: &str, name: String, value: Json) {
        let map = self.0.entry(under.to_owned()).or_insert_with(|| Json::Object(serde_json::Map::new()));
        if let Json::Object(map) = map {
            map.insert(name, value);
        }
    }

    fn operand(&mut self, named: Option<Named>, judged: &Judged) {
        let mut said = serde_json::Map::new();
        if let Some((id, version)) = named {
            said.insert("condition_id".into(), Json::from(&*id));
            said.insert("condition_version".into(), Json::from(&*version));
        }
        said.insert("value".into(), judged.value.as_bool().into());
        said.insert("reason".into(), judged.reason.map(Reason::as_str).into());
        said.insert("detail".into(), judged.detail.as_str().into());
        said.insert("inputs".into(), judged.inputs.clone());
        let list = self.0.entry("operands").or_insert_with(|| Json::Array(Vec::new()));
        if let Json::Array(list) = list {
            list.push(said.into());
        }
    }
}

/// What an expression of a condition sees.
struct View<'a> {
    given: &'a Given<'a>,
    primitives: Json,
    clean: Taint,
    touched: RefCell<BTreeSet<(Root, Arc<str>)>>,
}

impl<'a> View<'a> {
    fn new(given: &'a Given<'a>) -> Self {
        let mut primitives = serde_json::Map::new();
        for (id, known) in given.primitives.iter().filter(|(_, k)| k.at <= given.timestamp) {
            let namespace = primitives.entry(&*id.namespace).or_insert_with(|| Json::Object(serde_json::Map::new()));
            if let Json::Object(fields) = namespace {
                fields.insert(id.field.to_string(), (*known.value).clone());
            }
        }
        Self { given, primitives: primitives.into(), clean: Taint::default(), touched: RefCell::default() }
    }

    fn root(&self, root: Root) -> Option<&Json> {
        match root {
            Root::Event => Some(self.given.data),
            Root::Primitives => Some(&self.primitives),
            _ => None,
        }
    }

    /// What stands at a path.
    fn at(&self, root: Root, keys: &[Arc<str>]) -> Option<Json> {
        let mut json = self.root(root)?;
        for key in keys {
            json = json.get(&**key)?;
        }
        Some(json.clone())
    }
}

impl Scope for View<'_> {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        self.touched.borrow_mut().insert((root, key.into()));
        Some(Node { json: self.root(root)?.get(key)?, taint: &self.clean })
    }

    fn whole(&self, root: Root) -> Option<Value> {
        Some(match root {
            Root::Entity => Value::from(Json::from(self.given.entity)),
            Root::Now => Value::from(Json::from(self.given.timestamp.to_string())),
            other => Value::from(self.root(other)?.clone()),
        })
    }
}

/// A number as JSON; whole ones as such.
fn number_of(number: f64) -> Json {
    serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}
