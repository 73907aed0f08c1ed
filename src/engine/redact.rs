//! What of inputs and answers is sensitive by an action's `redact_fields`, and values as they may be shown.

use std::sync::Arc;

use super::effect::CallResult;
use super::turn::REDACTED;
use crate::model::Action;
use crate::model::action::{RedactPath, Safety};
use crate::value::{Json, Name, Path, Segment, Taint, Value};

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

/// What of what came of a call is sensitive.
pub(super) fn of_result(action: Option<&Action>, result: &CallResult) -> Taint {
    match (action, result) {
        (Some(action), CallResult::Answered(answer)) => of_response(&action.safety, &answer.body),
        // What cannot be known to be harmless is not.
        (None, CallResult::Answered(_)) => Taint::whole(),
        (_, CallResult::Failed(_)) => Taint::default(),
    }
}

fn of(safety: &Safety, json: &Json, pick: impl Fn(&RedactPath) -> Option<&Path>) -> Taint {
    let mut paths = Vec::new();
    let mut names: Vec<&Arc<str>> = Vec::new();
    for rule in &safety.redact {
        match (pick(rule), rule) {
            (Some(path), _) => written(json, &path.0, &mut Vec::new(), &mut paths),
            (None, RedactPath::Anywhere(name)) => names.push(name),
            (None, RedactPath::Inputs(_) | RedactPath::Response(_)) => {}
        }
    }
    if !names.is_empty() {
        find(json, &names, &mut Vec::new(), &mut paths);
    }
    Taint::of(paths)
}

/// A written path names keys only; where the value has a list, every element is meant. What is neither a map nor a list has none of
/// the keys that it should have: all of it counts.
fn written(json: &Json, path: &[Segment], at: &mut Vec<Segment>, paths: &mut Vec<Path>) {
    let Some((first, rest)) = path.split_first() else { return paths.push(Path(at.clone())) };
    if at.len() > DEPTH {
        return paths.push(Path(at.clone()));
    }
    match json {
        Json::Array(items) => {
            at.push(Segment::Any);
            for item in items {
                written(item, path, at, paths);
            }
            at.pop();
        }
        Json::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| is_meant(first, key)) {
                at.push(Segment::Key(key.as_str().into()));
                written(value, rest, at, paths);
                at.pop();
            }
        }
        Json::String(_) | Json::Number(_) | Json::Bool(_) => paths.push(Path(at.clone())),
        Json::Null => {}
    }
}

/// `-` and `_` are the same letter in a name.
fn is_meant(segment: &Segment, key: &str) -> bool {
    match segment {
        Segment::Any => true,
        Segment::Key(name) => is_named(name, key),
    }
}

fn is_named(name: &str, key: &str) -> bool {
    name == key || Name::new(name) == Name::new(key)
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
                if names.iter().any(|n| is_named(n, key)) {
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
#[must_use]
pub fn shown(value: &Value) -> Json {
    let mut json = (*value.json).clone();
    take(&mut json, &value.taint, &mut Vec::new());
    json
}

/// Hides what is sensitive, and keeps what was there, in order.
pub(super) fn take(json: &mut Json, taint: &Taint, taken: &mut Vec<Json>) {
    for path in taint.paths() {
        visit(json, &path.0, &mut |place| {
            if !place.is_null() {
                taken.push(std::mem::replace(place, Json::String(REDACTED.into())));
            }
            true
        });
    }
}

/// The inverse of [`take`]; `false` if this was not taken from there.
pub(super) fn put_back(json: &mut Json, taint: &Taint, mut taken: Vec<Json>) -> bool {
    let paths: Vec<&Path> = taint.paths().collect();
    // What was hidden first may lie in what was hidden after it: backwards, every place is as it was left.
    let whole = paths.into_iter().rev().all(|path| {
        let mut places = 0_usize;
        visit(json, &path.0, &mut |place| {
            places += usize::from(!place.is_null());
            true
        });
        let Some(from) = taken.len().checked_sub(places) else { return false };
        let mut before = taken.split_off(from).into_iter();
        visit(json, &path.0, &mut |place| {
            if !place.is_null() {
                match before.next() {
                    Some(json) => *place = json,
                    None => return false,
                }
            }
            true
        })
    });
    whole && taken.is_empty()
}

/// Every place that a path leads to; until one says `false`.
fn visit(json: &mut Json, path: &[Segment], at: &mut dyn FnMut(&mut Json) -> bool) -> bool {
    let Some((first, rest)) = path.split_first() else { return at(json) };
    match (first, json) {
        (Segment::Key(key), Json::Object(map)) => map.get_mut(&**key).is_none_or(|inner| visit(inner, rest, at)),
        (Segment::Any, Json::Object(map)) => map.values_mut().all(|v| visit(v, rest, at)),
        (Segment::Any, Json::Array(items)) => items.iter_mut().all(|v| visit(v, rest, at)),
        (Segment::Key(_), Json::Array(items)) => items.iter_mut().all(|v| visit(v, path, at)),
        (_, Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => true,
    }
}
