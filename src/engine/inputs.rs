//! The inputs of an action: found in order, typed, and coerced only without loss.

use std::sync::Arc;

use super::operand::{self, Missing};
use super::recall::Recall;
use super::redact;
use super::scope;
use super::state::{Run, State};
use super::turn::REDACTED;
use crate::expr::Scope;
use crate::model::Action;
use crate::model::action::{EndpointPart, FieldType};
use crate::model::step::Input;
use crate::supervise::{Source, Variables};
use crate::value::{Json, Name, Taint, Value};

/// The inputs of an action, and what they were read from.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// A map, keyed as the action's schema writes them.
    pub value: Value,
    /// What was read, with versions.
    pub sources: Vec<Source>,
}

struct Finder<'a> {
    action: &'a Action,
    given: &'a [Input],
    view: &'a dyn Scope,
    state: &'a State,
    variables: &'a Variables,
    sources: Vec<Source>,
}

/// Finds the inputs. Its error names the input and the type, never the value.
pub(super) fn resolve(
    action: &Action,
    given: &[Input],
    view: &dyn Scope,
    state: &State,
    run: &Run,
    recall: &Recall,
) -> Result<Resolved, String> {
    let mut finder = Finder { action, given, view, state, variables: &run.variables, sources: Vec::new() };
    let mut map = serde_json::Map::new();
    let mut taint = Taint::default();
    let mut put = |key: &str, value: Value, kind: FieldType| -> Result<(), String> {
        let hidden = recall.hides(&value.json) && !value.taint.is_clean();
        let json = if hidden { Some((*value.json).clone()) } else { coerce(&value.json, kind) };
        let json = json.ok_or_else(|| format!("the input `{key}` is not {}", article(kind)))?;
        taint = taint.join(&value.taint.under(Some(key)));
        map.insert(key.to_owned(), json);
        Ok(())
    };
    for field in &action.inputs {
        match finder.find(&field.name)? {
            Some(value) => put(&field.shown, value, field.kind)?,
            None if field.required => return Err(format!("the input `{}` has no value", field.shown)),
            None => {}
        }
    }
    let declared = |name: &Name| action.inputs.iter().any(|f| f.name == *name);
    for input in given.iter().filter(|i| !declared(&i.name)) {
        if let Some(value) = finder.operand(&input.value, &input.name)? {
            put(input.name.as_str(), value, FieldType::Any)?;
        }
    }
    for part in &action.invocation.endpoint {
        if let EndpointPart::Param(name, _) = part
            && !declared(name)
            && !given.iter().any(|i| i.name == *name)
        {
            let value = finder.find(name)?.ok_or_else(|| format!("`{{{name}}}` of the endpoint has no value"))?;
            put(name.as_str(), value, FieldType::Any)?;
        }
    }
    let json = Json::Object(map);
    // A schema may forbid what stands in the place of a hidden value.
    if let Some(why) = action.input_schema.as_ref().filter(|_| !recall.plays() || taint.is_clean()).and_then(|s| s.fault(&json)) {
        return Err(why);
    }
    let taint = taint.join(&redact::of_inputs(&action.safety, &json));
    Ok(Resolved { value: Value { json: Arc::new(json), taint }, sources: finder.sources })
}

impl Finder<'_> {
    fn operand(&mut self, operand: &crate::model::Operand, name: &Name) -> Result<Option<Value>, String> {
        for source in operand::sources(operand, Some(self.variables)) {
            scope::push(&mut self.sources, source);
        }
        let value = operand::value(operand, self.view, Missing::Error).map_err(|e| format!("the input `{name}` failed: {e}"))?;
        Ok((!value.is_null()).then_some(value))
    }

    /// In order: the step's inputs, the action's mappings, a variable of that name, a key of `$user`.
    fn find(&mut self, name: &Name) -> Result<Option<Value>, String> {
        if let Some(input) = self.given.iter().find(|i| i.name == *name) {
            return self.operand(&input.value, name);
        }
        if let Some((_, mapping)) = self.action.input_mappings.iter().find(|(n, _)| n == name) {
            return self.operand(mapping, name);
        }
        if let Some(variable) = self.variables.set.get(name) {
            let source = Source { path: Arc::new([name.shared()]), seq: variable.seq };
            scope::push(&mut self.sources, source);
            return Ok((!variable.value.is_null()).then(|| variable.value.clone()));
        }
        let user = self.state.opened.as_ref().map(|o| &*o.user);
        let places: [&[&str]; 2] = [&[], &["customAttributes"]];
        for place in places {
            let map = place.iter().try_fold(user.unwrap_or(&Json::Null), |j, k| j.get(k)).and_then(Json::as_object);
            let found = map.and_then(|m| m.iter().find(|(k, v)| Name::new(k) == *name && !v.is_null()));
            if let Some((key, json)) = found {
                let path = std::iter::once("$user").chain(place.iter().copied()).chain(std::iter::once(key.as_str()));
                scope::push(&mut self.sources, Source { path: path.map(Arc::from).collect(), seq: self.variables.user });
                return Ok(Some(Value::from(json.clone())));
            }
        }
        let gone = self.variables.seq(name.as_str());
        scope::push(&mut self.sources, Source { path: Arc::new([name.shared()]), seq: gone });
        Ok(None)
    }
}

/// A value as that type, if nothing is lost by it.
pub(super) fn coerce(json: &Json, kind: FieldType) -> Option<Json> {
    match (kind, json) {
        (FieldType::Any, _)
        | (FieldType::String, Json::String(_))
        | (FieldType::Number, Json::Number(_))
        | (FieldType::Boolean, Json::Bool(_))
        | (FieldType::Object, Json::Object(_))
        | (FieldType::Array, Json::Array(_)) => Some(json.clone()),
        (FieldType::Integer, Json::Number(n)) if n.is_i64() || n.is_u64() => Some(json.clone()),
        (FieldType::Integer, Json::Number(n)) => whole(n.as_f64()?),
        (FieldType::Integer, Json::String(s)) => s.trim().parse::<i64>().ok().map(Json::from),
        (FieldType::Number, Json::String(s)) => {
            let number = s.trim();
            let plain = number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
            let parsed: Json = serde_json::from_str(number).ok().filter(|_| plain)?;
            parsed.is_number().then_some(parsed)
        }
        (FieldType::Boolean, Json::String(s)) => match s.trim() {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            _ => None,
        },
        (FieldType::String, Json::Number(n)) => Some(Json::String(n.to_string())),
        (FieldType::String, Json::Bool(b)) => Some(Json::String(b.to_string())),
        _ => None,
    }
}

/// A number without a fraction that an integer holds exactly.
fn whole(number: f64) -> Option<Json> {
    let exact = 9_007_199_254_740_992.0_f64;
    if number.fract() == 0.0 && number.abs() <= exact {
        #[expect(clippy::cast_possible_truncation, reason = "checked: no fraction, within 2^53")]
        return Some(Json::from(number as i64));
    }
    None
}

fn article(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "text",
        FieldType::Number => "a number",
        FieldType::Integer => "a whole number",
        FieldType::Boolean => "true or false",
        FieldType::Object => "a map",
        FieldType::Array => "a list",
        FieldType::Any => "a value",
    }
}

/// The names of the inputs, and their values as they may be shown.
pub(super) fn shown(inputs: &Value) -> String {
    let shown = redact::shown(inputs);
    let Some(map) = shown.as_object() else { return REDACTED.into() };
    map.iter().map(|(k, v)| format!("{k}={}", crate::value::display(v))).collect::<Vec<_>>().join(" ")
}
