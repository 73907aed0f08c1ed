//! What a provider says of its actions: it is bounded before it is looked into, and shown as what it is.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::driver::Clock;
use waypost::model::Offered;

fn offered(schema: &Json) -> Option<Offered> {
    let (offered, left_out) = Offered::list(&json!([{"id": "a", "input_schema": schema}])).unwrap();
    assert_eq!(offered.len() + left_out.len(), 1);
    offered.into_iter().next()
}

#[test]
fn a_schema_that_would_cost_much_is_left_out_at_once() {
    let doubling: serde_json::Map<String, Json> = (0..40)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"allOf": [next.clone(), next]}))
        })
        .chain([("d40".to_owned(), json!({"type": "string"}))])
        .collect();
    let patterns: Vec<Json> = (0..40).map(|n| json!({"pattern": format!("^a{n}")})).collect();
    let deep = (0..70).fold(json!({"type": "string"}), |inner, _| json!({"not": inner}));
    let of = |property: Json, more: Json| {
        let mut schema = json!({"type": "object", "properties": {"x": property}});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    for (what, schema) in [
        ("references that double", of(json!({"$ref": "#/$defs/d0"}), json!({"$defs": doubling}))),
        ("a schema of itself", of(json!({"$ref": "#"}), json!({}))),
        (
            "two of each other",
            of(json!({"$ref": "#/$defs/a"}), json!({"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}})),
        ),
        ("a reference elsewhere", of(json!({"$ref": "https://schemas.example/x"}), json!({}))),
        ("a reference by a name", of(json!({"$ref": "#a"}), json!({"$defs": {"a": {"$anchor": "a"}}}))),
        ("a reference that is written otherwise", of(json!({"$ref": "#/%24defs/a"}), json!({"$defs": {"a": {}}}))),
        ("a dynamic reference", of(json!({"$dynamicRef": "#a"}), json!({"$defs": {"a": {"$dynamicAnchor": "a"}}}))),
        ("another base", of(json!({"$ref": "#/$defs/a"}), json!({"$defs": {"a": {"$id": "https://a.example/", "type": "string"}}}))),
        ("many patterns", of(json!({"anyOf": patterns}), json!({}))),
        ("a pattern that is large", of(json!({"pattern": "[a-z0-9]{20000}"}), json!({}))),
        (
            "another version of the language",
            of(json!({"allOf": [{"$schema": "http://json-schema.org/draft-04/schema#", "type": "string"}]}), json!({})),
        ),
        ("a name of two lines", json!({"type": "object", "properties": {"x\namount": {"type": "string"}}})),
        ("a name that is written from right to left", json!({"type": "object", "properties": {"x\u{202e}y": {"type": "string"}}})),
        ("patterns of names", of(json!({"patternProperties": {"^a": {}}}), json!({}))),
        ("a deep one", of(deep, json!({}))),
        ("a long one", of(json!({"description": "x".repeat(20_000)}), json!({}))),
    ] {
        let began = Clock::System.now();
        assert_eq!(offered(&schema), None, "{what}");
        assert!(Clock::System.now().duration_since(began).as_secs() < 5, "{what}");
    }
    let names: Vec<Json> = (0..200).map(|n| json!(format!("name {n}"))).collect();
    let address = json!({"type": "object", "properties": {"id": {"type": "string"}, "mail": {"pattern": "^[\\w.+-]+@\\w+\\.\\w+$"}}});
    for schema in [
        of(json!({"$ref": "#/$defs/name"}), json!({"$defs": {"name": {"enum": names}}})),
        of(json!({"allOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/a"}]}), json!({"definitions": {"a": address}})),
        of(
            json!({"pattern": "^[A-Z]{2}[0-9]{6}$"}),
            json!({"$id": "https://a.example/", "$schema": "http://json-schema.org/draft-07/schema#"}),
        ),
    ] {
        assert!(offered(&schema).is_some(), "{schema}");
    }
}

#[test]
fn one_input_is_held_against_all_that_its_schema_says_of_it() {
    let schema = json!({
        "type": "object",
        "properties": {"amount": {"$ref": "#/$defs/money"}, "why": {"type": "string"}, "to": {}},
        "required": ["amount", "why"],
        "minProperties": 2,
        "allOf": [
            {"properties": {"why": {"maxLength": 3}}},
            {"if": {"required": ["to"]}, "then": {"required": ["amount"]}, "else": {"properties": {"why": false}}},
        ],
        "if": {"properties": {"why": {"const": "tip"}}},
        "then": {"properties": {"amount": {"maximum": 5}}},
        "$defs": {"money": {"type": "number", "maximum": 100}},
    });
    let offered = offered(&schema).unwrap();
    for (name, value, fits) in [
        ("amount", json!(7), true),
        ("amount", json!(500), false),
        ("amount", json!("7"), false),
        ("why", json!("late"), false),
        ("why", json!("tip"), true),
        ("to", json!("anybody"), true),
    ] {
        // What holds under other values is looked at once they are there.
        assert_eq!(offered.fault_of(name, &value).is_none(), fits, "{name} {value} {:?}", offered.fault_of(name, &value));
    }
    assert!(offered.fault(&json!({"amount": 7, "why": "tip"})).is_some());
    let unreadable = Offered { input_schema: Some(Arc::new(json!({"properties": {"x": {"$ref": "#/nowhere"}}}))), ..offered };
    assert!(unreadable.fault_of("x", &json!(1)).is_some());
}

#[test]
fn what_a_provider_says_is_shown_on_one_line_in_its_order() {
    let label = |text: &str| {
        let (offered, _) = Offered::list(&json!([{"id": "a", "label": text}])).unwrap();
        offered[0].label.to_string()
    };
    for (said, shown) in [
        ("Refund\u{202e}5 oruE", "Refund5 oruE"),
        ("Refund\u{2066}\u{2069}\u{200f}\u{200e}\u{61c}!", "Refund!"),
        ("Fix it\u{2028}Shall I do that?\u{2029}\nyes", "Fix it Shall I do that?  yes"),
        ("Größe \u{5e9}\u{5dc} \u{1f600}", "Größe \u{5e9}\u{5dc} \u{1f600}"),
    ] {
        assert_eq!(label(said), shown);
    }
}

#[test]
fn who_does_not_say_whether_to_ask_is_asked_for() {
    for (said, asks) in [
        (None, Some(true)),
        (Some(Json::Null), Some(true)),
        (Some(json!(true)), Some(true)),
        (Some(json!(false)), Some(false)),
        (Some(json!("no")), None),
    ] {
        let mut item = json!({"id": "a"});
        if let Some(said) = &said {
            item["requires_confirmation"] = said.clone();
        }
        let (offered, _) = Offered::list(&json!([item])).unwrap();
        assert_eq!(offered.first().map(|o| o.requires_confirmation), asks, "{said:?}");
    }
}
