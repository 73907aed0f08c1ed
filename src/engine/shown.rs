//! What a rendered text shows of the values that went into it. Knows nothing of questions.

use std::sync::Arc;

use jiff::Timestamp;

use super::scope::{View, push, sources};
use super::state::State;
use crate::expr::{Read, Root, Scope};
use crate::supervise::Source;
use crate::template::{Template, Undefined};
use crate::value::{Json, Taint, Value};

/// Parts of values that are tried; what is past them does not count as shown.
const PROBES: usize = 256;
/// How deep in a value its parts are looked for.
const DEPTH: usize = 32;

type Place = Vec<Arc<str>>;

/// What of its reads a text shows: every other value there gives another text. So what is read in a branch not taken, only tested,
/// counted or cut short does not count, nor does a part of a map or list that the text leaves out.
pub(super) fn by(message: &Template, text: &str, state: &State, at: Timestamp) -> Vec<Source> {
    let Some(run) = state.top() else { return Vec::new() };
    let mut found = Vec::new();
    let mut probes = PROBES;
    let roots = |r: &&Read| matches!(r.root, Root::Variables | Root::User | Root::Conversation);
    for read in message.reads().iter().filter(roots) {
        let Some((key, rest)) = read.keys.split_first() else { continue };
        let view = View::top(state, at);
        let whole = view.member(read.root, key).map_or(Json::Null, |n| n.json.clone());
        let path: [Arc<str>; 2] = [read.root.dollar().into(), key.clone()];
        let differs = |place: &[Arc<str>], other: Json| {
            let Some(other) = replaced(&whole, place, other) else { return false };
            let other = Value { json: Arc::new(other), taint: Taint::default() };
            let view = View::top(state, at).replacing(&path, &other);
            !message.render(&view, Undefined::Nothing).is_ok_and(|r| r.text == text)
        };
        let value = rest.iter().try_fold(&whole, |json, key| json.get(&**key)).unwrap_or(&Json::Null);
        let mut places = Vec::new();
        if message.holds(read) && (value.is_string() || value.is_boolean() || value.is_i64()) {
            // It need not be tried: another of its kind is another text.
            places.push(rest.to_vec());
        } else {
            parts(value, &mut rest.to_vec(), &differs, &mut probes, &mut places);
        }
        for place in places {
            let keys = std::iter::once(key.clone()).chain(place).collect();
            for source in sources([&Read { keys, ..read.clone() }], &run.variables) {
                push(&mut found, source);
            }
        }
    }
    found
}

/// Finds the parts of a value that are shown, the whole where all of it is. Says whether all of it is.
fn parts(value: &Json, place: &mut Place, differs: &dyn Fn(&[Arc<str>], Json) -> bool, probes: &mut usize, found: &mut Vec<Place>) -> bool {
    if place.len() > DEPTH {
        return false;
    }
    let before = found.len();
    let whole = match value {
        Json::Object(map) if !map.is_empty() => map.iter().fold(true, |all, (key, part)| {
            place.push(key.as_str().into());
            let shown = parts(part, place, differs, probes, found);
            place.pop();
            all && shown
        }),
        Json::Array(items) if !items.is_empty() => {
            let all = items.iter().enumerate().all(|(i, part)| {
                place.push(i.to_string().into());
                let shown = parts(part, place, differs, probes, found);
                place.pop();
                shown
            });
            // What reads an element does not say which.
            found.truncate(before);
            all
        }
        simple => {
            let enough = *probes > 0;
            *probes = probes.saturating_sub(1);
            enough && others(simple).into_iter().all(|other| differs(place, other))
        }
    };
    if whole {
        found.truncate(before);
        found.push(place.clone());
    }
    whole
}

/// The value with another at that place.
fn replaced(json: &Json, place: &[Arc<str>], other: Json) -> Option<Json> {
    let Some((first, rest)) = place.split_first() else { return Some(other) };
    match json {
        Json::Array(items) => {
            let index: usize = first.parse().ok()?;
            let mut items = items.clone();
            let item = items.get_mut(index)?;
            *item = replaced(item, rest, other)?;
            Some(Json::Array(items))
        }
        Json::Object(map) => {
            let mut map = map.clone();
            let inner = replaced(map.get(&**first).unwrap_or(&Json::Null), rest, other)?;
            map.insert(first.to_string(), inner);
            Some(Json::Object(map))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

/// Other values of the same kind, with the same truth where that can be: one far from it, and one so near that only what shows the
/// value itself tells them apart.
fn others(json: &Json) -> Vec<Json> {
    const MORE: &str = "\u{2026}";
    match json {
        Json::Null => vec![MORE.into()],
        Json::Bool(b) => vec![Json::Bool(!b)],
        Json::Number(n) => match n.as_i64() {
            Some(i) => vec![i.wrapping_add(1_000_003).into(), i.wrapping_add(1).into()],
            None => vec![(n.as_f64().unwrap_or(0.0) + 1_000_003.0).into(), (n.as_f64().unwrap_or(0.0) + 1.0).into()],
        },
        Json::String(text) => {
            let longer = Json::from(format!("{text}{MORE}"));
            std::iter::once(longer).chain(neighbour(text).map(Json::from)).collect()
        }
        Json::Array(_) => vec![Json::Array(vec![MORE.into()])],
        Json::Object(_) => vec![serde_json::json!({MORE: MORE})],
    }
}

/// A text of the same length with another letter or digit at its end.
fn neighbour(text: &str) -> Option<String> {
    let (at, last) = text.char_indices().rev().find(|(_, c)| c.is_ascii_alphanumeric())?;
    let next = match last {
        '9' => '0',
        'z' => 'a',
        'Z' => 'A',
        other => char::from_u32(u32::from(other) + 1)?,
    };
    let (before, rest) = text.split_at_checked(at)?;
    Some(format!("{before}{next}{}", rest.get(last.len_utf8()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_differs_by_one_letter() {
        for (text, other) in [("a19", Some("a10")), ("Oak St.", Some("Oak Su.")), ("Zürich", Some("Zürici")), ("…", None), ("", None)] {
            assert_eq!(neighbour(text).as_deref(), other);
        }
    }
}
