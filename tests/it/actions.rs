//! Triggered actions: their texts, what is sent and to whom, and what is kept of it.

mod letters;
mod served;
mod stopped;
mod texts;

use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::check;
use waypost::registry::{ActionDefinition, Config, Decision, Deed, Letter};

/// The workspace that actions are tried in.
pub fn workspace(settings: &str) -> check::Loaded {
    let journey = "name: Call back\ncallable: true\njourney:\n  - done: {outcome: called}\n";
    let files = vec![("waypost.yaml".to_owned(), Arc::from(settings)), ("journeys/call-back.yaml".to_owned(), Arc::from(journey))];
    let checked = check::load(files);
    checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

/// An action with that `config`.
pub fn action(config: &Json, fire_on: &str) -> Json {
    json!({
        "action_id": "tell-the-desk", "version": "1.2", "namespace": "org", "config": config,
        "trigger": {"fire_on": fire_on, "condition_id": "many-complaints", "condition_version": "3"},
    })
}

/// A decision of the condition.
pub fn decision(value: Json, entity: &str) -> Decision {
    let written = json!({
        "decision_id": "d-1", "condition_id": "many-complaints", "condition_version": "3", "namespace": "org", "entity": entity,
        "timestamp": "2026-01-05T09:00:00Z", "value": value, "reason": null, "detail": "7 is above 3",
        "inputs": {"input": 7, "data": {"complaints": 7}}, "dry_run": false,
    });
    serde_json::from_value(written).unwrap()
}

/// What an action comes to for a decision.
pub fn deed(settings: &str, config: &Json, fire_on: &str, decision: &Decision) -> Deed {
    let declared = workspace(settings).declared();
    let (definition, config): (ActionDefinition, Config) = ActionDefinition::parse(&action(config, fire_on), &declared).unwrap();
    config.deed("acme", &definition, decision, &declared).unwrap()
}

/// What it sends.
pub fn letter(settings: &str, config: &Json, decision: &Decision) -> Letter {
    match deed(settings, config, "any", decision) {
        Deed::Send(letter) => *letter,
        other => panic!("{other:?} is not sent"),
    }
}
