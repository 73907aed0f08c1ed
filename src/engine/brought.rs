//! What commands were sent with, as it is kept beside them: values of sensitive fields, and of fields that nobody knows, are tainted.

use std::sync::Arc;

use serde_json::{Map, json};

use super::input::Command;
use super::redact;
use super::turn::Turn;
use crate::value::{Json, Name, Taint, Value};

impl Turn<'_> {
    /// What a command was sent with; nothing, if that is told by what happens by it.
    pub fn brought_by(&self, command: &Command) -> Option<Value> {
        let fields = |values: &[(Name, Json)]| {
            // What an action of a provider asks for is no field, and stands in its attempt as it was given.
            let picked = self.state.top().and_then(|r| r.stand.picked.as_ref()).map(|p| p.offered.inputs()).unwrap_or_default();
            let is_open = |name: &Name| {
                let slot = self.slot(name).map(|s| !s.datapoint.sensitive);
                slot.unwrap_or_else(|| picked.iter().any(|i| i.name == *name))
            };
            named(values, is_open)
        };
        Some(match command {
            Command::Start { journey, variables } => {
                let plan = self.machine.workspace.journeys.get(journey).and_then(|j| self.machine.plan_of(j));
                let is_open = |name: &Name| {
                    let plan = plan.as_ref();
                    let input = plan.and_then(|p| p.journey.inputs.iter().find(|i| i.name == *name).map(|i| &i.datapoint));
                    plan.and_then(|p| p.field(name)).or(input).is_some_and(|d| !d.sensitive)
                };
                let given = named(variables, is_open);
                let taint = given.taint.under(Some("variables"));
                let mut map = Map::from_iter([("journey".to_owned(), json!(journey.as_str()))]);
                if !variables.is_empty() {
                    map.insert("variables".into(), (*given.json).clone());
                }
                Value { json: Arc::new(Json::Object(map)), taint }
            }
            Command::Fill(values) | Command::Correct(values) | Command::Change(values) => fields(values),
            Command::Choose(option) => Value::clean(json!(option)),
            Command::Confirm { question } | Command::Reject { question } => Value::clean(json!({"question": question.as_ref()?})),
            Command::Read { action, inputs } => {
                let plain = named(inputs, |_| true);
                let known = self.named(action);
                let taint = known.map_or_else(Taint::whole, |a| redact::of_inputs(&a.safety, &plain.json));
                Value { json: Arc::new(json!({"action": action, "inputs": &*plain.json})), taint: taint.under(Some("inputs")) }
            }
            Command::Finding(name) => Value::clean(json!(name.as_str())),
            Command::Handoff(reason) => Value::clean(json!(reason.as_ref()?)),
            Command::Said(said) => Value::clean(json!({"question": said.question.as_ref()?})),
            Command::Identified(identity) => Value::clean(serde_json::to_value(identity).ok()?),
            Command::Say(text) => Value::clean(json!(text)),
            Command::Approve { hold, note } | Command::Refuse { hold, note } => Value::clean(json!({"hold": hold, "note": note})),
            Command::Execute { provider, action, inputs, confirmed } => {
                let action = format!("{provider}.{action}");
                Value::clean(json!({"action": action, "inputs": **inputs, "confirmed": confirmed}))
            }
            Command::Next
            | Command::Back
            | Command::Stuck
            | Command::Cancel
            | Command::Resume
            | Command::Context(_)
            | Command::Discover
            | Command::TakeOver
            | Command::HandBack => return None,
        })
    }
}

/// Values by name; those that are not known to be open are tainted.
fn named(values: &[(Name, Json)], is_open: impl Fn(&Name) -> bool) -> Value {
    let mut taint = Taint::default();
    let mut map = Map::new();
    for (name, json) in values {
        if !is_open(name) {
            taint = taint.join(&Taint::whole().under(Some(name.as_str())));
        }
        map.insert(name.to_string(), json.clone());
    }
    Value { json: Arc::new(Json::Object(map)), taint }
}
