//! What may come next: the commands, each with the JSON Schema of its body, narrowed to the step and to who asks (supervision, 1).
//! A pure function of journey and state.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde_json::json;

use super::answer::{Expects, Status};
use super::event::{Held, Picked};
use super::handle::may_send;
use super::hold;
use super::input::{Actor, Principal};
use super::machine::{Machine, Plan};
use super::scope::View;
use super::state::{Run, State};
use super::steps::choice;
use crate::model::action::FieldType;
use crate::model::step::{Choice, Investigate, StepKind};
use crate::model::{Action, Datapoint, DatapointType, Journey};
use crate::value::{Json, Name};

/// Journeys whose fields are told with `start`; of more, only what must be passed in.
const TOLD: usize = 20;
/// Schemas of `start` that are kept.
const STARTS: usize = 64;

/// Schemas of `start`, each by the journeys that may begin: the same ones may in most conversations.
#[derive(Debug, Default)]
pub(super) struct Starts(RwLock<BTreeMap<Vec<Name>, Arc<Json>>>);

impl Starts {
    fn get(&self, journeys: &[Name], make: impl FnOnce() -> Json) -> Arc<Json> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(journeys) {
            return known.clone();
        }
        let made = Arc::new(make());
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() < STARTS {
            all.insert(journeys.to_vec(), made.clone());
        }
        made
    }
}

/// The commands that may come next from that actor, whose credential says more of an operator.
pub(super) fn expects(machine: &Machine, state: &State, actor: Actor, principal: &Principal) -> Expects {
    let mut list = List { actor, commands: Vec::new() };
    all(&mut list, machine, state, principal);
    Expects { commands: list.commands }
}

fn all(list: &mut List, machine: &Machine, state: &State, principal: &Principal) {
    if state.opened.is_none() || state.status == Status::Abandoned {
        return;
    }
    if state.status != Status::Escalated && !state.is_busy() {
        users(list, machine, state);
    }
    for (name, approves) in [("approve", true), ("refuse", false)] {
        let may = |h: &&Held| hold::may_decide(h, list.actor, principal, approves);
        let ids: Vec<Arc<str>> = state.holds().filter(may).map(|h| h.id.clone()).collect();
        if !ids.is_empty() {
            list.add(name, || vec![("hold", json!({"enum": ids}), true), ("note", text(), false)]);
        }
    }
    if state.status == Status::Escalated {
        list.plain("say");
        list.plain("hand_back");
    }
    if !state.taken {
        list.plain("take_over");
    }
}

/// What is for the user, or for whoever stands in for them.
fn users(list: &mut List, machine: &Machine, state: &State) {
    if let Some((run, plan)) = state.top().and_then(|r| Some((r, machine.plan(r)?))) {
        if run.paused {
            list.plain("resume");
        } else if run.stand.waits {
            step(list, machine, state, run, plan);
        }
        list.plain("cancel");
    } else if !state.offered.is_empty() {
        let ids = || json!({"enum": state.offered.iter().map(|o| &o.id).collect::<Vec<_>>()});
        list.add("choose", || vec![("option", ids(), true)]);
    }
    start(list, machine, state);
    match state.top().filter(|r| r.stand.waits && r.stand.question.is_some()) {
        Some(asked) => list.add("said", || said().into_iter().chain([("question", question(asked), false)]).collect()),
        None => list.plain("said"),
    }
    list.plain("handoff");
}

fn text() -> Json {
    json!({"type": "string"})
}

fn said() -> Keys {
    vec![("text", text(), true), ("message_id", json!({"type": "string", "minLength": 1}), true)]
}

/// Keys of a body, each with its schema and whether it must be there.
type Keys = Vec<(&'static str, Json, bool)>;

struct List {
    actor: Actor,
    commands: Vec<Told>,
}

/// A command, and the schema of its body.
type Told = (Arc<str>, Arc<Json>);

/// The schemas of commands that are the same in every step.
static PLAIN: LazyLock<BTreeMap<&str, Told>> = LazyLock::new(|| {
    let text = |key, must| vec![(key, text(), must)];
    let bare = ["resume", "cancel", "next", "back", "stuck", "hand_back", "take_over"].map(|name| (name, Vec::new()));
    let all = bare.into_iter().chain([("say", text("text", true)), ("handoff", text("reason", false)), ("said", said())]);
    all.map(|(name, keys)| (name, (name.into(), Arc::new(body(name, keys))))).collect()
});

impl List {
    /// Adds a command, if this actor may send it at all.
    fn add(&mut self, name: &str, keys: impl FnOnce() -> Keys) {
        if may_send(self.actor, name) {
            self.commands.push((name.into(), Arc::new(body(name, keys()))));
        }
    }

    /// Adds one whose body is always the same.
    fn plain(&mut self, name: &str) {
        if may_send(self.actor, name) {
            self.commands.extend(PLAIN.get(name).cloned());
        }
    }
}

fn body(name: &str, keys: Keys) -> Json {
    let mut properties = serde_json::Map::new();
    properties.insert("type".into(), json!({"const": name}));
    let mut required = vec![json!("type")];
    for (key, schema, must) in keys {
        properties.insert(key.into(), schema);
        if must {
            required.push(json!(key));
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn start(list: &mut List, machine: &Machine, state: &State) {
    if !may_send(list.actor, "start") || state.runs.len() >= super::walk::DEPTH {
        return;
    }
    let view = View::new(state, None, state.last_at);
    let open = |n: &Name| state.runs.iter().any(|r| r.journey == *n);
    let is_for = |j: &Journey| j.trigger.as_ref().is_some_and(|t| t.requires.iter().all(|r| r.test(&view).unwrap_or(false)));
    let journeys = machine.workspace.journeys.values().filter(|j| !j.callable && !open(&j.slug.name) && is_for(j));
    let journeys: Vec<Name> = journeys.map(|j| j.slug.name.clone()).collect();
    if !journeys.is_empty() {
        list.commands.push(("start".into(), machine.starts.get(&journeys, || begins(machine, &journeys))));
    }
}

/// The start of one of these journeys.
fn begins(machine: &Machine, journeys: &[Name]) -> Json {
    let told = journeys.len() <= TOLD;
    let mut bodies = Vec::new();
    let mut plain: Vec<&Arc<str>> = Vec::new();
    for journey in journeys.iter().filter_map(|n| machine.workspace.journeys.get(n)) {
        let needs = journey.inputs.iter().any(|i| i.required);
        match machine.plan_of(journey) {
            Some(plan) if told || needs => bodies.push(starts(plan)),
            _ => plain.push(&journey.slug.shown),
        }
    }
    if !plain.is_empty() {
        bodies.push(body("start", vec![("journey", json!({"enum": plain}), true)]));
    }
    match bodies.pop() {
        Some(only) if bodies.is_empty() => only,
        Some(last) => {
            bodies.push(last);
            json!({"oneOf": bodies})
        }
        None => json!({}),
    }
}

/// The start of one journey, with what may be said at once.
fn starts(plan: &Plan) -> Json {
    let journey = &plan.journey;
    let mut properties = serde_json::Map::new();
    let inputs = journey.inputs.iter().filter(|i| i.from_caller).map(|i| (&i.name, &i.datapoint));
    for (name, datapoint) in plan.fields.iter().map(|(n, d, _)| (n, d)).chain(inputs) {
        properties.entry(name.to_string()).or_insert_with(|| field_schema(datapoint));
    }
    let required: Vec<String> = journey.inputs.iter().filter(|i| i.required).map(|i| i.name.to_string()).collect();
    let must = !required.is_empty();
    let variables = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    body(
        "start",
        vec![("journey", json!({"const": journey.slug.shown, "description": journey.name}), true), ("variables", variables, must)],
    )
}

fn step(list: &mut List, machine: &Machine, state: &State, run: &Run, plan: &Plan) {
    let Some((_, step)) = run.at.as_ref().and_then(|at| plan.journey.step_by_key(at)) else { return };
    if let Some(picked) = &run.stand.picked {
        return picked_step(list, run, picked);
    }
    // Where nothing is missing, values are given anew.
    let open = fields(machine, state, |run, name| !run.variables.set.contains_key(name));
    if let Some(mut schema) = open.or_else(|| fields(machine, state, is_correctable)) {
        if let StepKind::Collect(step) = &step.kind {
            // What may be left out is left out by `null`.
            for field in &step.optional {
                if let Some(of) = schema.pointer_mut(&format!("/properties/{}", field.name)) {
                    *of = json!({"anyOf": [of.take(), {"type": "null"}]});
                }
            }
        }
        list.add("fill", || vec![("values", schema, true)]);
    }
    match &step.kind {
        StepKind::Choice(step) => choose(list, step, run, &View::new(state, Some(run), state.last_at)),
        StepKind::Confirm(_) => {
            list.add("confirm", || vec![("question", question(run), false)]);
            list.add("reject", || vec![("question", question(run), false)]);
            let values = || fields(machine, state, is_correctable).unwrap_or_else(|| json!({"type": "object", "maxProperties": 0}));
            list.add("change", || vec![("values", values(), false)]);
        }
        StepKind::Guide(_) => {
            for name in ["next", "back", "stuck"] {
                list.plain(name);
            }
        }
        StepKind::Investigate(search) => investigate(list, search),
        _ => {}
    }
    if let Some(schema) = fields(machine, state, is_correctable) {
        list.add("correct", || vec![("values", schema, true)]);
    }
}

/// An action of a provider was picked: its inputs are given, and its question answered.
fn picked_step(list: &mut List, run: &Run, picked: &Picked) {
    let mut properties = serde_json::Map::new();
    for field in picked.offered.inputs() {
        properties.insert(field.shown.to_string(), input_schema(field.kind, field.description.as_ref()));
    }
    if !properties.is_empty() {
        let values = json!({"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1});
        list.add("fill", || vec![("values", values, true)]);
    }
    if run.stand.question.is_some() {
        list.add("confirm", || vec![("question", question(run), false)]);
        list.add("reject", || vec![("question", question(run), false)]);
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
    list.add("choose", || vec![("option", json!({"enum": ids}), true)]);
}

fn investigate(list: &mut List, search: &Investigate) {
    if may_send(list.actor, "read") {
        // Past `max_calls` a read is still heard: it leads to the fallback.
        let reads: Vec<Json> = search.using.iter().filter_map(|(a, _)| a.as_ref()).map(|a| read(a)).collect();
        list.commands.push(("read".into(), Arc::new(json!({"oneOf": reads}))));
    }
    let names: Vec<&Arc<str>> = search.findings.iter().map(|b| &b.name.shown).collect();
    list.add("finding", || vec![("name", json!({"enum": names, "description": search.goal}), true)]);
}

fn read(action: &Action) -> Json {
    let mut properties = serde_json::Map::new();
    for field in &action.inputs {
        properties.insert(field.shown.to_string(), input_schema(field.kind, field.description.as_ref()));
    }
    let required: Vec<&Arc<str>> = action.inputs.iter().filter(|f| f.required).map(|f| &f.shown).collect();
    let must = !required.is_empty();
    let inputs = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    body("read", vec![("action", json!({"const": action.id.to_string()}), true), ("inputs", inputs, must)])
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
