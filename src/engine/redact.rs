//! What of inputs and answers is sensitive by an action's `redact_fields`, and values as they may be shown.

use std::sync::Arc;

use super::turn::REDACTED;
use crate::model::action::{RedactPath, Safety};
use crate::value::{Json, Path, Segment, Taint, Value};

/// How deep a bare name is looked for; below it everything counts as sensitive.
const DEPTH: usize = 64;

/// What of an action's inputs is sensitive.
pub(super) fn of_inputs(safety: &Safety, inputs: &Json) -> Taint {
    of(safety, inputs, |p| if let RedactPath::Inputs(path) = p { Some(path) } else { None })
}

/// What of an answer's body is sensitive.
pub(super) fn of_response(safety: &Safety, body: &Json) -> Taint {
    of(safety, body, |p| if let RedactPath::Response(path) = p { Some(path) } else { None })
}

fn of(safety: &Safety, json: &Json, pick: impl Fn(&RedactPath) -> Option<&Path>) -> Taint {
    if safety.redact.is_empty() {
        return Taint::default();
    }
    let mut paths: Vec<Path> = safety.redact.iter().filter_map(pick).map(|p| through_lists(p, json)).collect();
    let names: Vec<&Arc<str>> = safety.redact.iter().filter_map(|p| if let RedactPath::Anywhere(n) = p { Some(n) } else { None }).collect();
    if !names.is_empty() {
        find(json, &names, &mut Vec::new(), &mut paths);
    }
    Taint::of(paths)
}

/// A written path names keys only; where the value has a list, every element is meant.
fn through_lists(path: &Path, json: &Json) -> Path {
    let mut out = Vec::with_capacity(path.0.len());
    let mut here = Some(json);
    for segment in &path.0 {
        while let Some(Json::Array(items)) = here {
            out.push(Segment::Any);
            here = items.first();
        }
        here = match segment {
            Segment::Key(key) => here.and_then(|j| j.get(&**key)),
            Segment::Any => here.and_then(|j| j.as_object().and_then(|m| m.values().next())),
        };
        out.push(segment.clone());
    }
    Path(out)
}

fn find(json: &Json, names: &[&Arc<str>], at: &mut Vec<Segment>, paths: &mut Vec<Path>) {
    if at.len() > DEPTH {
        paths.push(Path(at.clone()));
        return;
    }
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                at.push(Segment::Key(key.as_str().into()));
                if names.iter().any(|n| ***n == **key) {
                    paths.push(Path(at.clone()));
                } else {
                    find(value, names, at, paths);
                }
                at.pop();
            }
        }
        Json::Array(items) => {
            at.push(Segment::Any);
            for item in items {
                find(item, names, at, paths);
            }
            at.pop();
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A value as it may be shown: what is sensitive in it as `[redacted]`.
pub(super) fn shown(value: &Value) -> Json {
    let mut json = (*value.json).clone();
    for path in value.taint.paths() {
        hide(&mut json, &path.0);
    }
    json
}

fn hide(json: &mut Json, path: &[Segment]) {
    let Some((first, rest)) = path.split_first() else {
        if !json.is_null() {
            *json = Json::String(REDACTED.into());
        }
        return;
    };
    match (first, json) {
        (Segment::Key(key), Json::Object(map)) => {
            if let Some(inner) = map.get_mut(&**key) {
                hide(inner, rest);
            }
        }
        (Segment::Any, Json::Object(map)) => map.values_mut().for_each(|v| hide(v, rest)),
        (Segment::Any, Json::Array(items)) => items.iter_mut().for_each(|v| hide(v, rest)),
        (Segment::Key(_), Json::Array(items)) => items.iter_mut().for_each(|v| hide(v, path)),
        (_, Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => {}
    }
}
