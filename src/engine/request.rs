//! The request of an action, built once, when it is decided: values cannot leave their segment, nor add headers.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::effect::Request;
use super::operand::{self, Missing};
use super::recall::known_by;
use super::scope;
use crate::expr::{Root, Scope};
use crate::model::action::{EndpointPart, IntegrationType, Method};
use crate::model::{Action, Integration, Operand};
use crate::supervise::{Source, Variables};
use crate::value::{Json, Name, Value, display};

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Headers that no author sets.
const RESERVED: [&str; 3] = ["host", "authorization", "idempotency-key"];

/// Builds the request, without an idempotency key. `view` sees the inputs.
pub(super) fn build(action: &Action, inputs: &Value, view: &dyn Scope) -> Result<Request, String> {
    let mut sensitive = !inputs.taint.is_clean();
    let path = path(action, inputs)?;
    let query = query(action, view, &mut sensitive)?;
    let headers = headers(action, view, &mut sensitive)?;
    let body = body(action, inputs, view, &mut sensitive)?;
    let body = body.map(|json| Arc::from(json.to_string()));
    Ok(Request {
        action: action.id.clone(),
        method: action.invocation.method,
        path: path.into(),
        query,
        headers,
        body,
        idempotency_key: None,
        effects: action.effects,
        sensitive,
    })
}

/// What path, query, headers, body and key read beside the inputs.
pub(super) fn sources(action: &Action, variables: &Variables) -> Vec<Source> {
    let mut found = Vec::new();
    let invocation = &action.invocation;
    let operands = invocation.query.iter().chain(&invocation.headers).map(|(_, o)| o).chain(&invocation.body);
    for operand in operands {
        for source in operand::sources(operand, Some(variables)) {
            scope::push(&mut found, source);
        }
    }
    for source in action.safety.idempotency_key.iter().flat_map(|key| scope::sources(key.reads(), variables)) {
        scope::push(&mut found, source);
    }
    found
}

fn input<'v>(inputs: &'v Value, name: &Name) -> Option<(&'v str, &'v Json)> {
    let map = inputs.json.as_object()?;
    map.iter().find(|(k, _)| Name::new(k) == *name).map(|(k, v)| (k.as_str(), v))
}

fn path(action: &Action, inputs: &Value) -> Result<String, String> {
    let mut path = String::new();
    for part in &action.invocation.endpoint {
        match part {
            EndpointPart::Literal(text) => path.push_str(text),
            EndpointPart::Param(name, _) => {
                let (_, json) = input(inputs, name).ok_or_else(|| format!("`{{{name}}}` of the endpoint has no value"))?;
                let text = scalar(json).ok_or_else(|| format!("`{{{name}}}` of the endpoint is not text or a number"))?;
                if text.is_empty() || text == "." || text == ".." {
                    return Err(format!("`{{{name}}}` of the endpoint may not be empty, `.` or `..`"));
                }
                path.extend(utf8_percent_encode(&text, SEGMENT));
            }
        }
    }
    let only_path = path.split(['?', '#']).next().unwrap_or("");
    if only_path.split('/').any(|s| s == "." || s == "..") {
        return Err("the endpoint may not hold `.` or `..` as a segment".into());
    }
    Ok(path)
}

fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(_) | Json::Number(_) | Json::Bool(_) => Some(display(json)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

type Pairs = Vec<(Arc<str>, Arc<str>)>;

fn query(action: &Action, view: &dyn Scope, sensitive: &mut bool) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    for (key, operand) in &action.invocation.query {
        let value = operand::value(operand, view, Missing::Error).map_err(|e| format!("the query `{key}` failed: {e}"))?;
        *sensitive |= !value.taint.is_clean();
        match &*value.json {
            Json::Null => {}
            Json::Array(items) => {
                for item in items.iter().filter(|i| !i.is_null()) {
                    let text = scalar(item).unwrap_or_else(|| item.to_string());
                    pairs.push((key.clone(), text.into()));
                }
            }
            json => pairs.push((key.clone(), scalar(json).unwrap_or_else(|| json.to_string()).into())),
        }
    }
    Ok(pairs)
}

fn headers(action: &Action, view: &dyn Scope, sensitive: &mut bool) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    for (name, operand) in &action.invocation.headers {
        if RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name)) {
            return Err(format!("the header `{name}` cannot be set by an action"));
        }
        let value = operand::value(operand, view, Missing::Error).map_err(|e| format!("the header `{name}` failed: {e}"))?;
        *sensitive |= !value.taint.is_clean();
        if value.is_null() {
            continue;
        }
        let text = scalar(&value.json).unwrap_or_else(|| value.json.to_string());
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("the header `{name}` would hold a line break or another control character"));
        }
        pairs.push((name.clone(), text.into()));
    }
    Ok(pairs)
}

fn body(action: &Action, inputs: &Value, view: &dyn Scope, sensitive: &mut bool) -> Result<Option<Json>, String> {
    let written = match &action.invocation.body {
        Some(body) => Some(operand::value(body, view, Missing::Error).map_err(|e| format!("the body failed: {e}"))?),
        None => None,
    };
    *sensitive |= written.as_ref().is_some_and(|v| !v.taint.is_clean());
    if action.integration.kind == IntegrationType::Graphql {
        return Ok(Some(match written.map(|v| (*v.json).clone()) {
            Some(Json::String(query)) => serde_json::json!({"query": query, "variables": &*inputs.json}),
            Some(Json::Object(mut map)) => {
                if !map.contains_key("variables") {
                    map.insert("variables".into(), (*inputs.json).clone());
                }
                Json::Object(map)
            }
            Some(other) => other,
            None => (*inputs.json).clone(),
        }));
    }
    if let Some(tool) = &action.invocation.tool {
        let arguments = written.map_or_else(|| (*inputs.json).clone(), |v| (*v.json).clone());
        return match arguments {
            Json::Object(arguments) => Ok(Some(serde_json::json!({"name": tool, "arguments": arguments}))),
            _ => Err("the body of a tool is not a map of its arguments".into()),
        };
    }
    if let Some(value) = written {
        return Ok((!value.is_null()).then(|| (*value.json).clone()));
    }
    match action.invocation.method {
        Method::Post | Method::Put | Method::Patch => {
            let taken = taken(action);
            let map = inputs.json.as_object().cloned().unwrap_or_default();
            let rest = map.into_iter().filter(|(k, _)| !taken.contains(&Name::new(k)));
            Ok(Some(Json::Object(rest.collect())))
        }
        Method::Get | Method::Head | Method::Delete | Method::Options => Ok(None),
    }
}

/// The inputs that path and query took.
fn taken(action: &Action) -> Vec<Name> {
    let mut names = Vec::new();
    for part in &action.invocation.endpoint {
        if let EndpointPart::Param(name, _) = part {
            names.push(name.clone());
        }
    }
    for (_, operand) in &action.invocation.query {
        reads(operand, &mut names);
    }
    names
}

fn reads(operand: &Operand, names: &mut Vec<Name>) {
    let reads = match operand {
        Operand::Literal(_) => return,
        Operand::Expr(program) => program.reads(),
        Operand::Template(template) => template.reads(),
        Operand::List(items) => return items.iter().for_each(|i| self::reads(i, names)),
        Operand::Map(entries) => return entries.iter().for_each(|(_, o)| self::reads(o, names)),
    };
    let named = reads.iter().filter(|r| matches!(r.root, Root::Inputs | Root::Variables)).filter_map(|r| r.keys.first());
    names.extend(named.map(|k| Name::new(k)));
}

/// How a request is made, as its author wrote it.
pub(super) fn written(action: &Action) -> String {
    let invocation = &action.invocation;
    let path: String = invocation
        .endpoint
        .iter()
        .map(|part| match part {
            EndpointPart::Literal(text) => text.to_string(),
            EndpointPart::Param(name, _) => format!("{{{name}}}"),
        })
        .collect();
    let pairs =
        |pairs: &[(Arc<str>, Operand)]| -> Vec<String> { pairs.iter().map(|(k, o)| format!("{k}: {}", operand::written(o))).collect() };
    let body = invocation.body.as_ref().map(operand::written);
    let key = action.safety.idempotency_key.as_ref().map(|k| &k.text().value);
    format!("{:?}", (invocation.method, path, &invocation.tool, pairs(&invocation.query), pairs(&invocation.headers), body, key))
}

/// By which it is known whether a request is sent to the same service, by the same sender.
pub(crate) fn way(integration: &Integration) -> Arc<str> {
    known_by("way", &[integration.way()]).into()
}

/// Everything that is sent, as one text: what a digest is made of.
pub(super) fn canonical(request: &Request) -> String {
    serde_json::to_string(&(&request.action, request.method, &request.path, &request.query, &request.headers, &request.body))
        .unwrap_or_default()
}
