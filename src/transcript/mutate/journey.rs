//! What can be wrong in a journey, step by step.

use super::edit::Found;
use super::expression::{condition, parts};
use crate::syntax::{Entry, Node};

/// Keys that make a map a step.
const STEPS: [&str; 14] =
    ["collect", "action", "choice", "confirm", "guide", "investigate", "verify", "say", "if", "set", "goto", "run", "done", "escalate"];
/// Steps whose branches would be lost with them: these are changed inside.
const KEPT: [&str; 4] = ["choice", "guide", "if", "investigate"];
/// Keys that lead somewhere, or guard something: each may be missing.
const PARTS: [&str; 15] = [
    "on_reject",
    "on_change",
    "on_exhausted",
    "on_failed",
    "on_stuck",
    "on_pick",
    "resume",
    "fallback",
    "unless",
    "each",
    "source",
    "freeform_handler",
    "message",
    "else",
    "max_tries",
];
/// Maps of what leads where.
const BRANCHES: [&str; 4] = ["outcomes", "on_error", "options", "findings"];
/// Outcomes of the engine end the caller where it does not list them.
const ENDING: [&str; 4] = ["declined", "cancelled", "failed", "denied"];

pub(super) fn of(document: &Node<'_>, found: &mut Found<'_>) {
    if document.entry("fallback").is_some() {
        found.drop_entry("remove-error-target", "removes the journey's fallback", document, "fallback");
    }
    if let Some(steps) = document.get("journey") {
        list(found, steps);
    }
}

/// A list of steps, or anything that may hold one.
fn list(found: &mut Found<'_>, node: &Node<'_>) {
    for (index, item) in node.items().iter().enumerate() {
        if let Some(entry) = item.entries().iter().find(|e| STEPS.contains(&&*e.key)) {
            if !KEPT.contains(&&*entry.key) {
                let edits = found.without_item(node, index);
                let what = format!("drops the {}{}", entry.key, named(item, entry));
                found.add(drop_of(&entry.key), what, edits);
            }
            step(found, item, entry);
        }
    }
}

const fn drop_of(key: &str) -> &'static str {
    match key.as_bytes() {
        b"confirm" => "drop-confirm",
        b"verify" => "drop-verify",
        _ => "drop-step",
    }
}

/// The name of a step, or what it is about.
fn named(step: &Node<'_>, entry: &Entry<'_>) -> String {
    let name = step.get("name").or_else(|| entry.value.get("name")).and_then(Node::str);
    let called = || entry.value.get("call").and_then(Node::str).or_else(|| entry.value.str());
    let short =
        |text: &str| if text.chars().count() > 40 { format!("{}…", text.chars().take(39).collect::<String>()) } else { text.into() };
    name.or_else(called).map(|n| format!(" `{}`", short(n))).unwrap_or_default()
}

fn step(found: &mut Found<'_>, step: &Node<'_>, entry: &Entry<'_>) {
    let body = &entry.value;
    match &*entry.key {
        "if" => condition(found, body, "the condition"),
        "collect" => fields(found, body, "drop-field", "asks no more for", ""),
        "confirm" => {
            let message = body.get("message").and_then(Node::str).unwrap_or("").to_owned();
            fields(found, body, "drop-shown-field", "shows no more", &message);
            if let Some(message) = body.get("message") {
                shown(found, message);
            }
        }
        "guide" => instructions(found, if body.is_list() { body } else { body.get("steps").unwrap_or(body) }),
        "set" => {
            for pair in body.entries() {
                found.drop_entry("drop-assignment", format!("does not set `{}`", pair.key), body, &pair.key);
                parts(found, &pair.value, &format!("`{}`", pair.key), false);
                literal(found, pair);
            }
        }
        "choice" if !body.entries().iter().any(|e| matches!(&*e.key, "prompt" | "options" | "from" | "as")) => {
            branches(found, body, "choice", true);
        }
        _ => {}
    }
    inside(found, step, &entry.key);
    if body.is_map() && entry.key != "set" {
        inside(found, body, &entry.key);
    }
}

/// What stands beside a step's key, or in its object.
fn inside(found: &mut Found<'_>, map: &Node<'_>, kind: &str) {
    for pair in map.entries() {
        let key = &*pair.key;
        if PARTS.contains(&key) && !(key == "message" && kind == "confirm" && map.entry("fields").is_none()) {
            let operator = if matches!(key, "on_exhausted" | "on_failed" | "fallback") { "remove-error-target" } else { "remove-part" };
            found.drop_entry(operator, format!("removes `{key}` of the {kind}"), map, key);
        }
        match key {
            "retry" => {
                found.drop_entry("remove-retry", format!("removes the retries of the {kind}"), map, key);
                for inner in pair.value.entries() {
                    literal(found, inner);
                }
            }
            "unless" | "when" => condition(found, &pair.value, &format!("`{key}`")),
            "outcome" | "level" | "ttl" | "max_tries" | "max_calls" => literal(found, pair),
            "inputs" | "with" | "result" => {
                for input in pair.value.entries() {
                    found.drop_entry("drop-input", format!("does not give `{}`", input.key), &pair.value, &input.key);
                    parts(found, &input.value, &format!("`{}`", input.key), false);
                }
                swap_values(found, &pair.value);
            }
            "using" | "verified" | "optional" | "include" => items(found, &pair.value, "drop-item", &format!("drops from `{key}`")),
            key if BRANCHES.contains(&key) => branches(found, &pair.value, kind, key == "options"),
            _ => {}
        }
        // Wherever a target stands, it may be a list of steps; below lists of branches they were seen already.
        if pair.value.is_list() && !matches!(key, "fields" | "using" | "steps") {
            list(found, &pair.value);
        }
        if key == "steps" && kind == "guide" {
            for instruction in pair.value.items().iter().filter(|i| i.is_map()) {
                inside(found, instruction, kind);
            }
        }
    }
}

/// Outcomes, errors, options and findings: each may be missing, and two may lead where the other does.
fn branches(found: &mut Found<'_>, map: &Node<'_>, kind: &str, options: bool) {
    for pair in map.entries() {
        let what = format!("removes `{}` of the {kind}", pair.key);
        let operator = if options { "drop-option" } else { "remove-target" };
        let goes_on = pair.value.str() == Some("continue") && matches!(kind, "run" | "action") && !ENDING.contains(&&*pair.key);
        let same = goes_on.then(|| "what is not listed goes on anyway".to_owned());
        let edits = found.without_entry(map, &pair.key);
        found.add_same(operator, what, edits, same);
        list(found, &pair.value);
    }
    for pair in map.entries().windows(2) {
        let [a, b] = pair else { continue };
        let alike = found.text(&a.value).split_whitespace().eq(found.text(&b.value).split_whitespace());
        let same = (alike && !options).then(|| "both lead to the same".to_owned());
        let edits = found.swapped_keys(a, b);
        found.add_same("swap-targets", format!("changes over where `{}` and `{}` lead", a.key, b.key), edits, same);
    }
}

/// Fields of a collect or a confirm: one missing, two in the other's place. A field that the message shows is written nowhere else.
fn fields(found: &mut Found<'_>, body: &Node<'_>, operator: &'static str, what: &str, message: &str) {
    let fields = if body.is_list() { Some(body) } else { body.get("fields") };
    let Some(fields) = fields else { return };
    let shows = |field: &Node<'_>| {
        let variable = field.str().unwrap_or("").replace('-', "_");
        ["{{ variables.", "{{variables."].iter().any(|open| message.contains(&format!("{open}{variable} }}}}")))
    };
    let same = |all: bool| all.then(|| "the message shows it in its own words".to_owned());
    for (index, field) in fields.items().iter().enumerate() {
        let edits = found.without_item(fields, index);
        found.add_same(operator, format!("{what} `{}`", found.text(field)), edits, same(shows(field)));
    }
    for pair in fields.items().windows(2) {
        let [a, b] = pair else { continue };
        let edits = found.swapped_items(a, b);
        let what = format!("changes over `{}` and `{}`", found.text(a), found.text(b));
        found.add_same("swap-fields", what, edits, same(shows(a) && shows(b)));
    }
}

fn items(found: &mut Found<'_>, list: &Node<'_>, operator: &'static str, what: &str) {
    for (index, item) in list.items().iter().enumerate() {
        let edits = found.without_item(list, index);
        found.add(operator, format!("{what} `{}`", found.text(item)), edits);
    }
}

fn instructions(found: &mut Found<'_>, list: &Node<'_>) {
    for (index, _) in list.items().iter().enumerate() {
        let edits = found.without_item(list, index);
        found.add("drop-instruction", format!("leaves out instruction {}", index + 1), edits);
    }
    for (index, pair) in list.items().windows(2).enumerate() {
        let [a, b] = pair else { continue };
        let edits = found.swapped_items(a, b);
        found.add("swap-instructions", format!("changes over instructions {} and {}", index + 1, index + 2), edits);
    }
}

/// What a message shows: one `{{ … }}` missing.
fn shown(found: &mut Found<'_>, message: &Node<'_>) {
    let Some(text) = message.text(found.source()) else { return };
    let mut from = 0;
    while let Some(open) = text.value.get(from..).and_then(|t| t.find("{{")).map(|i| from + i) {
        let Some(close) = text.value.get(open..).and_then(|t| t.find("}}")).map(|i| open + i + 2) else { return };
        let span = text.part(&(open..close));
        let what = format!("does not show `{}`", text.value.get(open..close).unwrap_or(""));
        found.add("drop-shown-field", what, Some(vec![(span.start as usize..span.end as usize, String::new())]));
        from = close;
    }
}

/// A number one more, a truth value the other, a name another.
fn literal(found: &mut Found<'_>, pair: &Entry<'_>) {
    use crate::value::Json;
    let Some(scalar) = pair.value.scalar() else { return };
    let other = match scalar.json() {
        Json::Number(n) => match n.as_i64() {
            Some(n) => (n + 1).to_string(),
            None => return,
        },
        Json::Bool(b) => (!b).to_string(),
        Json::String(text) if pair.key == "outcome" => format!("{text}_x"),
        _ => return,
    };
    let what = format!("writes `{other}` for `{}` as `{}`", found.text(&pair.value), pair.key);
    let edits = found.replaced(&pair.value, other);
    found.add("change-literal", what, Some(edits));
}

/// Two inputs in the other's place.
fn swap_values(found: &mut Found<'_>, map: &Node<'_>) {
    for pair in map.entries().windows(2) {
        let [a, b] = pair else { continue };
        let edits = found.swapped_keys(a, b);
        found.add("swap-fields", format!("changes over `{}` and `{}`", a.key, b.key), edits);
    }
}
