//! What may come next: the commands, each with the JSON Schema of its body, narrowed to the step and to who asks (supervision, 1).
//! A pure function of journey and state.

use std::sync::Arc;

use serde_json::json;

use super::answer::{Expects, Status};
use super::handle::may_send;
use super::input::Actor;
use super::machine::{Machine, Plan};
use super::scope::View;
use super::state::{Run, State};
use super::steps::choice;
use crate::model::action::FieldType;
use crate::model::step::{Choice, Investigate, StepKind};
use crate::model::{Action, Datapoint, DatapointType};
use crate::value::{Json, Name};

/// The commands that may come next from that actor.
pub(super) fn expects(machine: &Machine, state: &State, actor: Actor) -> Expects {
    let mut list = List(Vec::new());
    all(&mut list, machine, state);
    list.0.retain(|(name, _)| may_send(actor, name));
    Expects { commands: list.0 }
}

fn all(list: &mut List, machine: &Machine, state: &State) {
    match state.status {
        Status::Abandoned => return,
        Status::Escalated => {
            list.add("say", &[("text", json!({"type": "string"}), true)]);
            list.add("hand_back", &[]);
            return;
        }
        Status::Active | Status::Paused | Status::Completed | Status::Cancelled => {}
    }
    if state.opened.is_none() || state.flight.is_some() {
        return;
    }
    if let Some((run, plan)) = state.top().and_then(|r| Some((r, machine.plan(r)?))) {
        if run.paused {
            list.add("resume", &[]);
        } else if run.stand.waits {
            step(list, machine, state, run, plan);
        }
        list.add("cancel", &[]);
    } else if !state.offered.is_empty() {
        let ids: Vec<&Arc<str>> = state.offered.iter().map(|o| &o.id).collect();
        list.add("choose", &[("option", json!({"enum": ids}), true)]);
    }
    for hold in state.holds() {
        for name in ["approve", "refuse"] {
            list.add(name, &[("hold", json!({"const": hold.id}), true), ("note", json!({"type": "string"}), false)]);
        }
    }
    start(list, machine, state);
    let asked = state.top().filter(|r| r.stand.waits && r.stand.question.is_some());
    let text = json!({"type": "string"});
    list.add(
        "said",
        &[("text", text.clone(), true), ("message_id", text, true), ("question", asked.map_or(json!(null), |r| question(r)), false)],
    );
    list.add("handoff", &[("reason", json!({"type": "string"}), false)]);
    list.add("take_over", &[]);
}

struct List(Vec<(Arc<str>, Json)>);

impl List {
    fn add(&mut self, name: &str, keys: &[(&str, Json, bool)]) {
        let mut properties = serde_json::Map::new();
        properties.insert("type".into(), json!({"const": name}));
        let mut required = vec![json!("type")];
        for (key, schema, must) in keys {
            properties.insert((*key).into(), schema.clone());
            if *must {
                required.push(json!(key));
            }
        }
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        self.0.push((name.into(), schema));
    }
}

fn start(list: &mut List, machine: &Machine, state: &State) {
    let journeys = machine.workspace.journeys.values();
    let open = |n: &Name| state.runs.iter().any(|r| r.journey == *n);
    let slugs: Vec<&Arc<str>> =
        journeys.filter(|j| j.trigger.is_some() && !j.callable && !open(&j.slug.name)).map(|j| &j.slug.shown).collect();
    if !slugs.is_empty() {
        list.add("start", &[("journey", json!({"enum": slugs}), true), ("variables", json!({"type": "object"}), false)]);
    }
}

fn step(list: &mut List, machine: &Machine, state: &State, run: &Run, plan: &Plan) {
    let Some((_, step)) = run.at.as_ref().and_then(|at| plan.journey.step_by_key(at)) else { return };
    match &step.kind {
        StepKind::Collect(step) => {
            let open = fields(machine, state, |run, name| !run.variables.set.contains_key(name));
            if let Some(mut schema) = open {
                // What may be left out is left out by `null`.
                for field in &step.optional {
                    if let Some(of) = schema.pointer_mut(&format!("/properties/{}", field.name)) {
                        *of = json!({"anyOf": [of.take(), {"type": "null"}]});
                    }
                }
                list.add("fill", &[("values", schema, true)]);
            }
        }
        StepKind::Choice(step) => choose(list, step, run, &View::new(state, Some(run), state.last_at)),
        StepKind::Confirm(_) => {
            list.add("confirm", &[("question", question(run), false)]);
            list.add("reject", &[("question", question(run), false)]);
            let values = fields(machine, state, is_correctable).unwrap_or_else(|| json!({"type": "object", "maxProperties": 0}));
            list.add("change", &[("values", values, false)]);
        }
        StepKind::Guide(_) => {
            for name in ["next", "back", "stuck"] {
                list.add(name, &[]);
            }
        }
        StepKind::Investigate(search) => investigate(list, search, run),
        _ => {}
    }
    if let Some(schema) = fields(machine, state, is_correctable) {
        list.add("correct", &[("values", schema, true)]);
    }
}

fn is_correctable(run: &Run, name: &Name) -> bool {
    run.variables.set.get(name).is_some_and(|v| v.step.is_empty()) && !run.locked.contains(name)
}

fn question(run: &Run) -> Json {
    run.stand.question.as_ref().map_or_else(|| json!({"type": "string"}), |q| json!({"const": q.id}))
}

fn choose(list: &mut List, step: &Choice, run: &Run, view: &View<'_>) {
    let options = choice::options(step, &run.stand.options, view);
    let ids: Vec<Arc<str>> = options.into_iter().map(|o| o.id).collect();
    list.add("choose", &[("option", json!({"enum": ids}), true)]);
}

fn investigate(list: &mut List, search: &Investigate, run: &Run) {
    if run.stand.calls < search.max_calls {
        let reads: Vec<Json> = search.using.iter().filter_map(|(a, _)| a.as_ref()).map(|a| read(a)).collect();
        let body = json!({"oneOf": reads});
        list.0.push(("read".into(), body));
    }
    let names: Vec<&Arc<str>> = search.findings.iter().map(|b| &b.name.shown).collect();
    list.add("finding", &[("name", json!({"enum": names, "description": search.goal}), true)]);
}

fn read(action: &Action) -> Json {
    let mut properties = serde_json::Map::new();
    for field in &action.inputs {
        properties.insert(field.shown.to_string(), input_schema(field.kind, field.description.as_ref()));
    }
    json!({
        "type": "object",
        "properties": {
            "type": {"const": "read"},
            "action": {"const": action.id.to_string()},
            "inputs": {"type": "object", "properties": properties, "additionalProperties": false},
        },
        "required": ["type", "action"],
        "additionalProperties": false,
    })
}

fn input_schema(kind: FieldType, description: Option<&Arc<str>>) -> Json {
    let name = match kind {
        FieldType::String => "string",
        FieldType::Number => "number",
        FieldType::Integer => "integer",
        FieldType::Boolean => "boolean",
        FieldType::Object => "object",
        FieldType::Array => "array",
        FieldType::Any => return description.map_or_else(|| json!({}), |d| json!({"description": d})),
    };
    description.map_or_else(|| json!({"type": name}), |d| json!({"type": name, "description": d}))
}

/// The schema of a map of fields that the top run, or those that called it, ask for.
fn fields(machine: &Machine, state: &State, wanted: impl Fn(&Run, &Name) -> bool) -> Option<Json> {
    let mut properties = serde_json::Map::new();
    for run in state.runs.iter().rev() {
        let plan = machine.plan(run)?;
        for (name, datapoint, _) in plan.fields.iter().filter(|(n, ..)| wanted(run, n)) {
            properties.entry(name.to_string()).or_insert_with(|| field_schema(datapoint));
        }
        if !run.called {
            break;
        }
    }
    let schema = json!({"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1});
    schema.get("properties").and_then(Json::as_object).is_some_and(|p| !p.is_empty()).then_some(schema)
}

/// What a field takes, before it is normalised.
fn field_schema(datapoint: &Datapoint) -> Json {
    let mut schema = match kind_schema(&datapoint.kind) {
        Json::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    let described = datapoint.description.clone().unwrap_or_else(|| datapoint.name.clone());
    schema.insert("description".into(), json!(described));
    if matches!(datapoint.kind, DatapointType::String) {
        let bounds = [("minLength", datapoint.min_length), ("maxLength", datapoint.max_length)];
        schema.extend(bounds.into_iter().filter_map(|(k, v)| Some((k.to_owned(), json!(v?)))));
        if let Some(pattern) = &datapoint.pattern {
            schema.insert("pattern".into(), json!(format!("^(?:{})$", pattern.source)));
        }
    }
    if matches!(datapoint.kind, DatapointType::Number) {
        let bounds = [("minimum", &datapoint.min), ("maximum", &datapoint.max)];
        schema.extend(bounds.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.clone()?))));
    }
    if !datapoint.examples.is_empty() {
        schema.insert("examples".into(), json!(datapoint.examples));
    }
    Json::Object(schema)
}

fn kind_schema(kind: &DatapointType) -> Json {
    match kind {
        DatapointType::Email => json!({"type": "string", "format": "email"}),
        DatapointType::Number => json!({"type": ["number", "string"]}),
        DatapointType::Boolean => json!({"type": ["boolean", "string"]}),
        DatapointType::String | DatapointType::Phone | DatapointType::Date => json!({"type": "string"}),
        DatapointType::Enum(values) => json!({"enum": values}),
        DatapointType::List(item) => json!({"type": "array", "items": kind_schema(item)}),
    }
}
