//! JSON Schemas of the files, for editors: drawn from the same tables that the files are checked by.

use serde_json::{Map, json};

use super::keys::Kind;
use super::keys::step::{CHOICE, NAME, STEPS};
use super::shape::{Key, Object, Shape};
use super::walk::{FIELD, FIELD_TYPES};
use crate::value::Json;

/// The JSON Schema (2020-12) of a kind of file.
#[must_use]
pub fn schema(kind: Kind) -> Json {
    let mut root = Map::new();
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!(format!("Waypost {}", kind.name())));
    if let Json::Object(shape) = of(&kind.shape()) {
        root.extend(shape);
    }
    if kind == Kind::Journey {
        root.insert(
            "$defs".into(),
            json!({ "step": step(), "target": target(), "steps": { "type": "array", "items": { "$ref": "#/$defs/step" }, "minItems": 1 } }),
        );
    }
    Json::Object(root)
}

fn of(shape: &Shape) -> Json {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Word | Shape::Template | Shape::Expression => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Slug => json!({ "type": ["string", "integer"], "pattern": "^[a-z0-9][a-z0-9_-]*$" }),
        Shape::OneOf(words) => {
            // Written without quotes, some read as numbers.
            let numbers = words.iter().filter_map(|w| w.parse::<u64>().ok()).map(Json::from);
            json!({ "enum": words.iter().copied().map(Json::from).chain(numbers).collect::<Vec<_>>() })
        }
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Whole => json!({ "type": "integer", "minimum": 0 }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Duration => json!({ "type": ["string", "integer"], "pattern": "^[0-9]+(ms|s|m|h|d)?$", "minimum": 0 }),
        Shape::Size => json!({ "type": ["string", "integer"], "pattern": "^[0-9]+(B|[kKMG]B|[KMG]iB)?$", "minimum": 0 }),
        Shape::Any => json!({}),
        Shape::Maybe(inner) => json!({ "anyOf": [{ "type": "null" }, of(inner)] }),
        Shape::List(inner) => json!({ "type": "array", "items": of(inner) }),
        Shape::Some(inner) => json!({ "type": "array", "items": of(inner), "minItems": 1 }),
        Shape::Map(inner) => json!({ "type": "object", "additionalProperties": of(inner) }),
        Shape::Object(object) => of_object(object),
        Shape::One(object, beside) => {
            let mut all = with_keys(object.keys.iter().chain(*beside));
            if let Json::Object(map) = &mut all {
                map.insert("oneOf".into(), object.keys.iter().map(|k| json!({ "required": [k.name] })).collect());
            }
            all
        }
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
        Shape::Step => json!({ "$ref": "#/$defs/step" }),
        Shape::Target => json!({ "$ref": "#/$defs/target" }),
        Shape::Choice => {
            let full: Vec<&str> = CHOICE.keys.iter().map(|k| k.name).collect();
            json!({ "anyOf": [
                of_object(&CHOICE),
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/target" }, "propertyNames": { "not": { "enum": full } }, "minProperties": 1 },
            ] })
        }
        Shape::Fields => json!({ "anyOf": [
            { "type": "object", "additionalProperties": { "anyOf": [{ "enum": FIELD_TYPES }, of_object(&FIELD)] } },
            { "type": "object", "required": ["properties"] },
        ] }),
    }
}

fn of_object(object: &Object) -> Json {
    with_keys(object.keys.iter())
}

fn with_keys<'k>(keys: impl Iterator<Item = &'k Key>) -> Json {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for key in keys {
        properties.insert(key.name.into(), described(of(&key.shape), key.about));
        if key.required {
            required.push(key.name);
        }
    }
    let mut out = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Json::Object(map), false) = (&mut out, required.is_empty()) {
        map.insert("required".into(), json!(required));
    }
    out
}

fn described(mut schema: Json, about: &str) -> Json {
    if let Json::Object(map) = &mut schema {
        map.insert("description".into(), json!(about));
    }
    schema
}

fn step() -> Json {
    let kinds = STEPS.iter().map(|kind| {
        let own = Key { name: kind.key, shape: kind.value, required: true, about: kind.about };
        with_keys([own].iter().chain(kind.beside).chain([&NAME]))
    });
    json!({ "anyOf": kinds.collect::<Vec<_>>() })
}

fn target() -> Json {
    json!({ "anyOf": [
        { "enum": ["continue", "done", "escalate"] },
        { "type": "object", "properties": { "goto": { "type": "string" } }, "required": ["goto"], "additionalProperties": false },
        { "$ref": "#/$defs/steps" },
    ] })
}
