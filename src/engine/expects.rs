//! What may come next: the commands, each with the JSON Schema of its body, narrowed to the step and to who asks (supervision, 1).
//! A pure function of journey and state.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::json;

use super::answer::{Expects, Status};
use super::event::{Held, Picked};
use super::handle::may_send;
use super::hold;
use super::input::{Actor, Principal};
use super::machine::{Machine, Plan};
use super::schema::Schema;
use super::scope::View;
use super::state::{Run, State};
use super::steps::choice;
use crate::model::action::FieldType;
use crate::model::step::{Choice, Field, Investigate, StepKind};
use crate::model::{Action, ContentHash, Datapoint, DatapointType, Journey};
use crate::value::{Json, Name};

/// Journeys whose fields are told with `start`; of more, only what must be passed in.
const TOLD: usize = 20;

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
type Told = (Arc<str>, Schema);

/// The schemas of commands that are the same in every step.
static PLAIN: LazyLock<BTreeMap<&str, Told>> = LazyLock::new(|| {
    let text = |key, must| vec![(key, text(), must)];
    let bare = ["resume", "cancel", "next", "back", "stuck", "hand_back", "take_over"].map(|name| (name, Vec::new()));
    let all = bare.into_iter().chain([("say", text("text", true)), ("handoff", text("reason", false)), ("said", said())]);
    all.map(|(name, keys)| (name, (name.into(), body(name, keys).into()))).collect()
});

impl List {
    /// Adds a command, if this actor may send it at all.
    fn add(&mut self, name: &str, keys: impl FnOnce() -> Keys) {
        if may_send(self.actor, name) {
            self.commands.push((name.into(), body(name, keys()).into()));
        }
    }

    /// Adds one whose body depends on that alone.
    fn kept(&mut self, machine: &Machine, name: &'static str, on: Vec<Arc<str>>, body: impl FnOnce() -> Json) {
        if may_send(self.actor, name) {
            self.commands.push((name.into(), machine.schemas.get(name, on, body)));
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
    let journeys: Vec<Arc<str>> = journeys.map(|j| j.slug.name.shared()).collect();
    if !journeys.is_empty() {
        list.kept(machine, "start", journeys.clone(), || begins(machine, &journeys));
    }
}

/// The start of one of these journeys.
fn begins(machine: &Machine, journeys: &[Arc<str>]) -> Json {
    let told = journeys.len() <= TOLD;
    let mut bodies = Vec::new();
    let mut plain: Vec<&Arc<str>> = Vec::new();
    for journey in journeys.iter().filter_map(|n| machine.workspace.journeys.get(&**n)) {
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
    let missing = fields(machine, state, |run, name| !run.variables.set.contains_key(name));
    let again = fields(machine, state, is_correctable);
    if let Some(fields) = missing.as_ref().or(again.as_ref()) {
        // What may be left out is left out by `null`.
        let optional: &[Field] = if let StepKind::Collect(step) = &step.kind { &step.optional } else { &[] };
        let optional = optional.iter().map(|f| &f.name);
        let on = fields.depends().into_iter().chain(optional.clone().map(Name::shared)).collect();
        list.kept(machine, "fill", on, || {
            let mut schema = fields.schema();
            for name in optional {
                if let Some(of) = schema.pointer_mut(&format!("/properties/{name}")) {
                    *of = json!({"anyOf": [of.take(), {"type": "null"}]});
                }
            }
            body("fill", vec![("values", schema, true)])
        });
    }
    match &step.kind {
        StepKind::Choice(step) => choose(list, machine, step, run, &View::new(state, Some(run), state.last_at)),
        StepKind::Confirm(_) => {
            list.add("confirm", || vec![("question", question(run), false)]);
            list.add("reject", || vec![("question", question(run), false)]);
            list.kept(machine, "change", again.as_ref().map(Fields::depends).unwrap_or_default(), || {
                let values = again.as_ref().map_or_else(|| json!({"type": "object", "maxProperties": 0}), Fields::schema);
                body("change", vec![("values", values, false)])
            });
        }
        StepKind::Guide(_) => {
            for name in ["next", "back", "stuck"] {
                list.plain(name);
            }
        }
        StepKind::Investigate(search) => investigate(list, machine, run, search),
        _ => {}
    }
    if let Some(fields) = &again {
        list.kept(machine, "correct", fields.depends(), || body("correct", vec![("values", fields.schema(), true)]));
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

fn choose(list: &mut List, machine: &Machine, step: &Choice, run: &Run, view: &View<'_>) {
    let options = choice::options(step, &run.stand.options, view);
    let ids: Vec<Arc<str>> = options.into_iter().map(|o| o.id).collect();
    let option = || vec![("option", json!({"enum": ids}), true)];
    if step.from.is_some() {
        // Others for everybody.
        list.add("choose", option);
    } else {
        list.kept(machine, "choose", ids.clone(), || body("choose", option()));
    }
}

fn investigate(list: &mut List, machine: &Machine, run: &Run, search: &Investigate) {
    let on: Vec<Arc<str>> = std::iter::once(run.hash.0.clone()).chain(run.at.as_ref().map(|at| at.0.clone())).collect();
    // Past `max_calls` a read is still heard: it leads to the fallback.
    list.kept(machine, "read", on.clone(), || {
        let reads: Vec<Json> = search.using.iter().filter_map(|(a, _)| a.as_ref()).map(|a| read(a)).collect();
        json!({"oneOf": reads})
    });
    list.kept(machine, "finding", on, || {
        let names: Vec<&Arc<str>> = search.findings.iter().map(|b| &b.name.shown).collect();
        body("finding", vec![("name", json!({"enum": names, "description": search.goal}), true)])
    });
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

/// Fields that are asked for, each with the version of the journey that does; never none.
struct Fields<'m>(Vec<(&'m ContentHash, &'m Name, &'m Datapoint)>);

impl Fields<'_> {
    /// All that tells them from others, closed.
    fn depends(&self) -> Vec<Arc<str>> {
        self.0.iter().flat_map(|(journey, name, _)| [journey.0.clone(), name.shared()]).chain(["".into()]).collect()
    }

    /// The schema of a map of them.
    fn schema(&self) -> Json {
        let properties: serde_json::Map<String, Json> = self.0.iter().map(|(_, name, of)| (name.to_string(), field_schema(of))).collect();
        json!({"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1})
    }
}

/// The fields that the top run, or those that called it, ask for.
fn fields<'m>(machine: &'m Machine, state: &'m State, wanted: impl Fn(&Run, &Name) -> bool) -> Option<Fields<'m>> {
    let mut found: Vec<(&ContentHash, &Name, &Datapoint)> = Vec::new();
    for run in state.runs.iter().rev() {
        let plan = machine.plan(run)?;
        for (name, datapoint, _) in plan.fields.iter().filter(|(n, ..)| wanted(run, n)) {
            if !found.iter().any(|(_, known, _)| *known == name) {
                found.push((&run.hash, name, datapoint));
            }
        }
        if !run.called {
            break;
        }
    }
    (!found.is_empty()).then_some(Fields(found))
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
