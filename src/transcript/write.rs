//! Data as an author would write it in a transcript: flow style, quotes only where they must be.

use crate::value::Json;

/// Data in flow style, on one line.
#[must_use]
pub fn flow(json: &Json) -> String {
    match json {
        Json::String(text) => scalar(text),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            format!("{{{}}}", map.iter().map(|(k, v)| format!("{}: {}", scalar(k), flow(v))).collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => json.to_string(),
    }
}

/// A text, quoted where it would be read as something else.
#[must_use]
pub fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " _-./'@()!?;%+=€$".contains(c);
    let word = !matches!(text, "true" | "false" | "null" | "True" | "False" | "Null" | "TRUE" | "FALSE" | "NULL");
    let whole = text.trim() == text && !text.ends_with('?');
    if text.starts_with(char::is_alphabetic) && word && whole && text.chars().all(plain) {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}
