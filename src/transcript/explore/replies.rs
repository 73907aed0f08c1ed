//! How a service may answer: one answer for each outcome that the action's conditions tell apart, with the values that later guards tell
//! apart; answers that nothing matches; and what goes wrong on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::hints::{Hints, Path, key};
use crate::expr::{Against, Node, Program, Root, Scope};
use crate::model::action::FieldType;
use crate::model::{Action, ErrorKind};
use crate::transcript::{Reply, StubFault};
use crate::value::{Json, Taint, Value};

/// Answers that differ in what guards look at: more are tried one difference at a time.
const TOGETHER: usize = 48;

/// What is known where a call is answered.
pub(super) struct Known<'a> {
    pub(super) inputs: &'a Json,
    /// The value of a path outside the answer, where there is one.
    pub(super) value: &'a dyn Fn(&Path) -> Option<Json>,
}

/// The answers to try.
pub(super) fn replies(action: &Action, hints: &Hints, known: &Known<'_>) -> Vec<Reply> {
    let good_body = leaves(action, hints, known);
    let bad_body: BTreeMap<Vec<Arc<str>>, Vec<Json>> =
        tested(action, false).into_iter().map(|path| (path.clone(), candidates(&path, None, hints, known))).collect();
    let mut statuses: Vec<u16> = vec![200];
    statuses.extend(statuses_of(action));
    statuses.dedup();
    let mut out: Vec<Reply> = Vec::new();
    let mut unmatched: Vec<Reply> = Vec::new();
    for status in statuses {
        let good = (200..300).contains(&status);
        let mut matched: Vec<Arc<str>> = Vec::new();
        for body in bodies(if good { &good_body } else { &bad_body }) {
            let reply = Reply { status, headers: Vec::new(), body: Arc::new(body), fault: None };
            match outcome(action, &reply, known.inputs) {
                Some(name) if good || !matched.contains(&name) => {
                    matched.push(name);
                    out.push(reply);
                }
                Some(_) => {}
                None if unmatched.iter().any(|r| r.status == status) => {}
                None => unmatched.push(reply),
            }
        }
    }
    let refused = Reply { status: 400, headers: Vec::new(), body: Arc::new(serde_json::json!({"error": "other"})), fault: None };
    if !action.outcomes.is_empty() && outcome(action, &refused, known.inputs).is_none() && !unmatched.iter().any(|r| r.status == 400) {
        unmatched.push(refused);
    }
    out.extend(unmatched);
    out.extend(faults(action, hints));
    out
}

/// What goes wrong on the way: the connection, and whatever else a step catches.
fn faults(action: &Action, hints: &Hints) -> Vec<Reply> {
    let plain = |status, fault| Reply { status, headers: Vec::new(), body: Arc::new(Json::Null), fault };
    let mut out = vec![plain(200, Some(StubFault::Connect))];
    for kind in hints.caught.get(&key(action)).into_iter().flatten() {
        match kind {
            ErrorKind::Timeout | ErrorKind::InDoubt => out.push(plain(200, Some(StubFault::Timeout))),
            ErrorKind::HttpStatus => out.push(plain(503, None)),
            ErrorKind::RateLimited => out.push(plain(429, None)),
            ErrorKind::AuthFailed => out.push(plain(401, None)),
            ErrorKind::InvalidOutput => out.push(plain(200, Some(StubFault::Garbage))),
            ErrorKind::Connect
            | ErrorKind::Busy
            | ErrorKind::Unmatched
            | ErrorKind::InvalidInput
            | ErrorKind::Denied
            | ErrorKind::NotApplied
            | ErrorKind::Provider
            | ErrorKind::Internal => {}
        }
    }
    out
}

/// The statuses that a condition speaks of.
fn statuses_in(condition: &Program) -> impl Iterator<Item = u16> {
    condition.mentions().into_iter().filter_map(|m| match m.with {
        Against::Literal(json) if m.root == Root::Response && m.keys.iter().map(|k| &**k).eq(["status"]) => {
            json.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (100..600).contains(n))
        }
        _ => None,
    })
}

fn statuses_of(action: &Action) -> Vec<u16> {
    let mut all: Vec<u16> = action.outcomes.iter().filter_map(|o| o.condition.as_ref()).flat_map(statuses_in).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|status| *status != 200);
    all
}

/// Paths of the body that its outcomes look at: those of answers that are good, or those of others.
fn tested(action: &Action, good: bool) -> Vec<Vec<Arc<str>>> {
    let conditions = action.outcomes.iter().filter_map(|o| o.condition.as_ref());
    let speak = conditions.filter(|c| {
        let statuses: Vec<u16> = statuses_in(c).collect();
        statuses.is_empty() || statuses.iter().any(|s| (200..300).contains(s) == good)
    });
    speak.flat_map(Program::mentions).filter_map(|m| in_body(m.root, &m.keys)).collect()
}

fn in_body(root: Root, keys: &[Arc<str>]) -> Option<Vec<Arc<str>>> {
    let (first, rest) = keys.split_first()?;
    (root == Root::Response && &**first == "body" && !rest.is_empty()).then(|| rest.to_vec())
}

/// The paths of a good body: what its outcomes, rules about whose it is, and whatever keeps it look at, each with the values to try.
fn leaves(action: &Action, hints: &Hints, known: &Known<'_>) -> BTreeMap<Vec<Arc<str>>, Vec<Json>> {
    let mut paths: BTreeMap<Vec<Arc<str>>, Option<FieldType>> = BTreeMap::new();
    for field in &action.output {
        paths.insert(vec![field.name.clone()], Some(field.kind));
    }
    let saved = hints.saved.get(&key(action));
    for path in tested(action, true).into_iter().chain(hints.ruled.get(&key(action)).into_iter().flatten().cloned()) {
        paths.entry(path).or_insert(None);
    }
    for (root, keys) in &hints.reads {
        let kept = || {
            let (variable, rest) = keys.split_first()?;
            (*root == Root::Variables && !rest.is_empty() && saved?.contains(variable)).then(|| rest.to_vec())
        };
        if let Some(path) = kept() {
            paths.entry(path).or_insert(None);
        }
    }
    // A path that others go through is a map, or a list.
    let all: Vec<Vec<Arc<str>>> = paths.keys().cloned().collect();
    paths.retain(|path, _| !all.iter().any(|p| p.len() > path.len() && p.starts_with(path)));
    paths.into_iter().map(|(path, kind)| (path.clone(), candidates(&path, kind, hints, known))).collect()
}

fn candidates(path: &[Arc<str>], kind: Option<FieldType>, hints: &Hints, known: &Known<'_>) -> Vec<Json> {
    let Some(last) = path.last() else { return vec![Json::Null] };
    let mut out: Vec<Json> = Vec::new();
    for other in hints.paths.get(last).into_iter().flatten() {
        if let Some(value) = (known.value)(other).filter(|v| !v.is_null()) {
            out.extend([value, "somebody else".into()]);
        }
    }
    for literal in hints.literals.get(last).into_iter().flatten() {
        out.push(literal.clone());
        if let Some(n) = literal.as_i64() {
            out.extend([n.saturating_add(1).into(), n.saturating_sub(1).into()]);
        }
    }
    if hints.truths.contains(last) && matches!(kind, None | Some(FieldType::Boolean)) {
        out.extend([true.into(), false.into()]);
    }
    if out.is_empty() || !matches!(kind, None | Some(FieldType::Boolean)) {
        out.push(plain(last, kind));
    }
    let mut seen: Vec<Json> = Vec::new();
    out.retain(|json| {
        let new = !seen.contains(json);
        if new {
            seen.push(json.clone());
        }
        new
    });
    let fits = |json: &Json| match kind {
        None | Some(FieldType::Any) => true,
        Some(FieldType::String) => json.is_string(),
        Some(FieldType::Number) => json.is_number(),
        Some(FieldType::Integer) => json.is_i64() || json.is_u64(),
        Some(FieldType::Boolean) => json.is_boolean(),
        Some(FieldType::Object) => json.is_object(),
        Some(FieldType::Array) => json.is_array(),
    };
    out.retain(fits);
    out
}

/// A value where it does not matter which, of the kind that its name speaks of.
fn plain(name: &str, kind: Option<FieldType>) -> Json {
    let lower = name.to_lowercase();
    let ends = |all: &[&str]| all.iter().any(|e| lower.ends_with(e));
    match kind {
        Some(FieldType::Number) => 24.5.into(),
        Some(FieldType::Integer) => 2.into(),
        Some(FieldType::Boolean) => true.into(),
        Some(FieldType::Array) => Json::Array(Vec::new()),
        Some(FieldType::Object) => serde_json::json!({}),
        None if ["price", "total", "amount", "balance", "count", "quantity"].iter().any(|n| lower.contains(n)) => 24.5.into(),
        Some(FieldType::String | FieldType::Any) | None if lower.contains("currency") => "EUR".into(),
        Some(FieldType::String | FieldType::Any) | None if ends(&["_on", "_by", "_at", "date", "until"]) => "2026-01-19".into(),
        Some(FieldType::String | FieldType::Any) | None if lower.contains("email") => "kim@example.com".into(),
        Some(FieldType::String | FieldType::Any) | None if ends(&["id", "number"]) => format!("{}-1", lower.trim_end_matches("_id")).into(),
        Some(FieldType::String | FieldType::Any) | None => format!("{} one", lower.replace('_', " ")).into(),
    }
}

/// Bodies of those leaves: every combination where there are few, else one difference at a time.
fn bodies(leaves: &BTreeMap<Vec<Arc<str>>, Vec<Json>>) -> Vec<Json> {
    let count = leaves.values().try_fold(1_usize, |n, all| n.checked_mul(all.len().max(1))).unwrap_or(usize::MAX);
    let body = |choice: &dyn Fn(usize, usize) -> usize| {
        let mut body = serde_json::json!({});
        for (n, (path, all)) in leaves.iter().enumerate() {
            if let Some(json) = all.get(choice(n, all.len())) {
                put(&mut body, path, json.clone());
            }
        }
        body
    };
    if count <= TOGETHER {
        let mut out = Vec::with_capacity(count);
        for mut number in 0..count {
            let mut digits = Vec::new();
            for all in leaves.values() {
                digits.push(number % all.len().max(1));
                number /= all.len().max(1);
            }
            out.push(body(&|n, _| digits.get(n).copied().unwrap_or(0)));
        }
        return out;
    }
    let mut out = vec![body(&|_, _| 0)];
    for (n, all) in leaves.values().enumerate() {
        out.extend((1..all.len()).map(|which| body(&|m, _| if m == n { which } else { 0 })));
    }
    out
}

/// Puts a value at a path: `*` is the one element of a list.
fn put(at: &mut Json, path: &[Arc<str>], json: Json) {
    let Some((first, rest)) = path.split_first() else {
        *at = json;
        return;
    };
    if &**first == "*" {
        if !at.is_array() {
            *at = Json::Array(vec![Json::Null]);
        }
        if let Some(inner) = at.as_array_mut().and_then(|a| a.first_mut()) {
            put(inner, rest, json);
        }
        return;
    }
    if !at.is_object() {
        *at = serde_json::json!({});
    }
    if let Some(map) = at.as_object_mut() {
        put(map.entry(&**first).or_insert(Json::Null), rest, json);
    }
}

/// The outcome that the action's conditions take it for.
fn outcome(action: &Action, reply: &Reply, inputs: &Json) -> Option<Arc<str>> {
    let scope = Answered { status: reply.status.into(), body: &reply.body, inputs };
    let matches = |o: &&crate::model::action::Outcome| o.condition.as_ref().is_none_or(|c| c.test(&scope).unwrap_or(false));
    action.outcomes.iter().find(matches).map(|o| o.name.shown.clone())
}

static CLEAN: LazyLock<Taint> = LazyLock::new(Taint::default);

/// What an outcome's condition can see of an answer.
struct Answered<'a> {
    status: Json,
    body: &'a Json,
    inputs: &'a Json,
}

impl Scope for Answered<'_> {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let json = match (root, key) {
            (Root::Response, "status") => &self.status,
            (Root::Response, "body") => self.body,
            (Root::Inputs, key) => self.inputs.get(key)?,
            _ => return None,
        };
        Some(Node { json, taint: &CLEAN })
    }

    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}
