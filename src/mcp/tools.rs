//! The tools: their names, their schemas, whole or narrowed to what may come next, and what a call of one asks for.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool as WireTool, ToolAnnotations};
use serde_json::json;

use super::reply;
use crate::driver::Turn;
use crate::engine::{Command, Expects, Schema};
use crate::model::Workspace;
use crate::service::{ID_MAX, is_id};
use crate::value::{Json, Name};

/// How deep two schemas are merged: bodies of commands are no deeper.
const DEPTH: usize = 4;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    ListJourneys,
    StartJourney,
    Fill,
    Choose,
    Guide,
    Read,
    Finding,
    Correct,
    Cancel,
    Handoff,
    Status,
}

impl Tool {
    pub(super) const ALL: [Self; 11] = [
        Self::ListJourneys,
        Self::StartJourney,
        Self::Fill,
        Self::Choose,
        Self::Guide,
        Self::Read,
        Self::Finding,
        Self::Correct,
        Self::Cancel,
        Self::Handoff,
        Self::Status,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ListJourneys => "list_journeys",
            Self::StartJourney => "start_journey",
            Self::Fill => "fill",
            Self::Choose => "choose",
            Self::Guide => "guide",
            Self::Read => "read",
            Self::Finding => "finding",
            Self::Correct => "correct",
            Self::Cancel => "cancel",
            Self::Handoff => "handoff",
            Self::Status => "status",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::ListJourneys => "What can be done for the user: the journeys that may be started.",
            Self::StartJourney => {
                "Start a journey, in a new conversation or in one that goes on. Pass along what the user has said already."
            }
            Self::Fill => "Give values that the user has said, for fields that are asked for.",
            Self::Choose => "Pick one of the offered options, as the user wants it.",
            Self::Guide => "Go through instructions with the user: on to the next one, back, or say that they are stuck.",
            Self::Read => "Ask one of the reads that the investigation lists.",
            Self::Finding => "Name what the investigation found.",
            Self::Correct => "Give another value for a field that has one.",
            Self::Cancel => "End the journey under way, because the user wants that.",
            Self::Handoff => "Hand the conversation over to a person.",
            Self::Status => "How the conversation stands, what to relay, and what may come next. Changes nothing.",
        }
    }

    /// Whether calling it changes nothing.
    pub(super) const fn looks(self) -> bool {
        matches!(self, Self::ListJourneys | Self::Status)
    }

    /// The commands that it sends.
    const fn commands(self) -> &'static [&'static str] {
        match self {
            Self::ListJourneys | Self::Status => &[],
            Self::StartJourney => &["start"],
            Self::Fill => &["fill"],
            Self::Choose => &["choose"],
            Self::Guide => &["next", "back", "stuck"],
            Self::Read => &["read"],
            Self::Finding => &["finding"],
            Self::Correct => &["correct"],
            Self::Cancel => &["cancel"],
            Self::Handoff => &["handoff"],
        }
    }

    /// Its own arguments where nothing narrows them.
    fn open(self, workspace: &Workspace) -> Json {
        let object = |properties: Json, required: &[&str]| json!({"type": "object", "properties": properties, "required": required});
        let values = || json!({"type": "object", "description": "Values by field."});
        match self {
            Self::ListJourneys | Self::Status | Self::Cancel => object(json!({}), &[]),
            Self::StartJourney => {
                let journeys: Vec<&Arc<str>> = workspace.journeys.values().filter(|j| !j.callable).map(|j| &j.slug.shown).collect();
                let variables = json!({"type": "object", "description": "What the user has said already, by field."});
                object(json!({"journey": {"enum": journeys}, "variables": variables}), &["journey"])
            }
            Self::Fill | Self::Correct => object(json!({"values": values()}), &["values"]),
            Self::Choose => object(json!({"option": {"type": "string", "description": "The option's id."}}), &["option"]),
            Self::Guide => object(json!({"move": {"enum": self.commands()}}), &["move"]),
            Self::Read => object(json!({"action": {"type": "string"}, "inputs": {"type": "object"}}), &["action"]),
            Self::Finding => object(json!({"name": {"type": "string"}}), &["name"]),
            Self::Handoff => object(json!({"reason": {"type": "string"}}), &[]),
        }
    }

    /// Its arguments as they may come next; `None`: it may not.
    fn narrowed(self, expects: &Expects) -> Option<Json> {
        let found: Vec<&(Arc<str>, Schema)> = expects.commands.iter().filter(|(name, _)| self.commands().contains(&&**name)).collect();
        if self == Self::Guide && !found.is_empty() {
            let moves: Vec<&Arc<str>> = found.iter().map(|(name, _)| name).collect();
            return Some(json!({"type": "object", "properties": {"move": {"enum": moves}}, "required": ["move"]}));
        }
        let bodies = found.into_iter().flat_map(|(_, body)| match body.get("oneOf").and_then(Json::as_array) {
            Some(bodies) => bodies.iter().collect(),
            None => vec![&**body],
        });
        // Hosts refuse alternatives at the top of a tool's schema.
        let mut schema = bodies.cloned().reduce(|a, b| either(&a, &b, DEPTH))?;
        if let Some(properties) = schema.pointer_mut("/properties").and_then(Json::as_object_mut) {
            properties.shift_remove("type");
        }
        if let Some(required) = schema.pointer_mut("/required").and_then(Json::as_array_mut) {
            required.retain(|r| r != "type");
        }
        Some(schema)
    }

    /// With what every call says beside: the conversation, its version, an id of the call.
    fn whole(self, mut own: Json, in_conversation: bool) -> JsonObject {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        properties.insert("conversation_id".into(), json!({"type": "string", "description": "The conversation, from an earlier result."}));
        if in_conversation || !matches!(self, Self::ListJourneys | Self::StartJourney) {
            required.push(json!("conversation_id"));
        }
        if !self.looks() {
            let at = "The conversation's version, from the last result. With another one nothing is done.";
            properties.insert("at".into(), json!({"type": "integer", "minimum": 0, "description": at}));
            let id = "Your id of this call: the same id is the same call, and acts once.";
            properties.insert("message_id".into(), json!({"type": "string", "maxLength": 200, "description": id}));
            if in_conversation || self != Self::StartJourney {
                required.push(json!("at"));
            }
        }
        properties.extend(own.get_mut("properties").and_then(Json::as_object_mut).map(std::mem::take).unwrap_or_default());
        required.extend(own.get_mut("required").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default());
        let schema = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        if let Json::Object(schema) = schema { schema } else { JsonObject::new() }
    }

    fn wire(self, input: JsonObject) -> WireTool {
        let output = if self == Self::ListJourneys { reply::journeys_schema() } else { reply::schema() };
        let hints = ToolAnnotations::new().read_only(self.looks()).destructive(false).open_world(false);
        WireTool::new(self.name(), self.description(), Arc::new(input)).with_raw_output_schema(output).with_annotations(hints)
    }
}

/// All tools, as they are where no conversation narrows them.
pub(super) fn all(workspace: &Workspace) -> Vec<WireTool> {
    Tool::ALL.into_iter().map(|t| t.wire(t.whole(t.open(workspace), false))).collect()
}

/// The tools that may be called next in a conversation, each with what it may be given.
pub(super) fn next(workspace: &Workspace, expects: &Expects) -> Vec<WireTool> {
    let narrowed = |t: Tool| match t {
        // A new conversation may be begun at any time.
        Tool::ListJourneys | Tool::Status | Tool::StartJourney => Some(t.wire(t.whole(t.open(workspace), false))),
        _ => Some(t.wire(t.whole(t.narrowed(expects)?, true))),
    };
    Tool::ALL.into_iter().filter_map(narrowed).collect()
}

/// What may come next, by tool, with its schema: in a conversation, or where a new one was refused.
pub(super) fn expected(expects: &Expects, in_conversation: bool) -> serde_json::Map<String, Json> {
    let tools = Tool::ALL.into_iter().filter(|t| in_conversation || *t == Tool::StartJourney);
    tools.filter_map(|t| Some((t.name().to_owned(), Json::Object(t.whole(t.narrowed(expects)?, in_conversation))))).collect()
}

/// What may be called where there is no conversation yet.
pub(super) fn at_first(workspace: &Workspace) -> serde_json::Map<String, Json> {
    let start = Tool::StartJourney;
    [(start.name().to_owned(), Json::Object(start.whole(start.open(workspace), false)))].into_iter().collect()
}

/// A schema that allows what either allows.
fn either(a: &Json, b: &Json, depth: usize) -> Json {
    if a == b {
        return a.clone();
    }
    if let (Some(mut values), Some(more)) = (listed(a), listed(b)) {
        values.extend(more);
        return json!({"enum": values});
    }
    let parts = |schema: &Json| {
        let properties = schema.get("properties")?.as_object()?.clone();
        let required: Vec<Json> = schema.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
        Some((properties, required))
    };
    let (Some((mut properties, mut required)), Some((more, other)), true) = (parts(a), parts(b), depth > 0) else {
        return json!({"anyOf": [a, b]});
    };
    for (key, schema) in more {
        let merged = match properties.get(&key) {
            Some(known) => either(known, &schema, depth - 1),
            None => schema,
        };
        properties.insert(key, merged);
    }
    required.retain(|r| other.contains(r));
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The values of a schema that lists them.
fn listed(schema: &Json) -> Option<Vec<Json>> {
    schema.get("const").map(|c| vec![c.clone()]).or_else(|| schema.get("enum")?.as_array().cloned())
}

/// A call, read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) tool: Tool,
    pub(super) conversation: Option<Arc<str>>,
    pub(super) at: Option<u64>,
    pub(super) id: Option<Arc<str>>,
    /// What it asks for; nothing where it only looks.
    pub(super) turn: Option<Turn>,
    /// Its arguments as one text: what a repetition is told by.
    pub(super) text: String,
}

impl Call {
    /// Reads the arguments; the error says what is wrong with them.
    pub(super) fn read(tool: Tool, arguments: Option<JsonObject>) -> Result<Self, String> {
        let mut left = Arguments(arguments.unwrap_or_default());
        let text = Json::Object(left.0.clone()).to_string();
        let conversation = left.text("conversation_id")?;
        let (at, id) = if tool.looks() { (None, None) } else { (left.whole("at")?, left.text("message_id")?) };
        for (name, text) in [("conversation_id", &conversation), ("message_id", &id)] {
            if text.as_deref().is_some_and(|t| !is_id(t)) {
                return Err(format!("`{name}` is plain text of at most {ID_MAX} characters"));
            }
        }
        let command = tool.command(&mut left)?;
        if let Some(strange) = left.0.keys().next() {
            return Err(format!("`{}` has no argument `{strange}`", tool.name()));
        }
        match tool {
            Tool::ListJourneys => {}
            Tool::StartJourney if conversation.is_none() && at.is_none() => {}
            _ if conversation.is_none() => return Err("`conversation_id` is missing: it stands in every result".into()),
            Tool::Status => {}
            _ if at.is_none() => return Err("`at` is missing: it stands in every result".into()),
            _ => {}
        }
        Ok(Self { tool, conversation, at, id, turn: command.map(Turn::Command), text })
    }
}

impl Tool {
    fn command(self, left: &mut Arguments) -> Result<Option<Command>, String> {
        Ok(Some(match self {
            Self::ListJourneys | Self::Status => return Ok(None),
            Self::StartJourney => {
                let journey = Name::new(&left.must("journey")?);
                Command::Start { journey, variables: left.values("variables")?.unwrap_or_default() }
            }
            Self::Fill => Command::Fill(left.values("values")?.ok_or("`values` is missing")?),
            Self::Choose => Command::Choose(left.must("option")?),
            Self::Guide => match &*left.must("move")? {
                "next" => Command::Next,
                "back" => Command::Back,
                "stuck" => Command::Stuck,
                _ => return Err("`move` is one of `next`, `back`, `stuck`".into()),
            },
            Self::Read => Command::Read { action: left.must("action")?, inputs: left.values("inputs")?.unwrap_or_default() },
            Self::Finding => Command::Finding(Name::new(&left.must("name")?)),
            Self::Correct => Command::Correct(left.values("values")?.ok_or("`values` is missing")?),
            Self::Cancel => Command::Cancel,
            Self::Handoff => Command::Handoff(left.text("reason")?),
        }))
    }
}

/// Arguments that were not taken yet.
struct Arguments(JsonObject);

impl Arguments {
    /// One that may be left out, or `null`.
    fn take(&mut self, key: &str) -> Option<Json> {
        self.0.shift_remove(key).filter(|v| !v.is_null())
    }

    fn text(&mut self, key: &str) -> Result<Option<Arc<str>>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(text)) if !text.is_empty() => Ok(Some(text.into())),
            Some(_) => Err(format!("`{key}` is not a text")),
        }
    }

    fn must(&mut self, key: &str) -> Result<Arc<str>, String> {
        self.text(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    fn whole(&mut self, key: &str) -> Result<Option<u64>, String> {
        self.take(key).map(|v| v.as_u64().ok_or_else(|| format!("`{key}` is not a whole number"))).transpose()
    }

    fn values(&mut self, key: &str) -> Result<Option<Vec<(Name, Json)>>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(map.into_iter().map(|(k, v)| (Name::new(&k), v)).collect())),
            Some(_) => Err(format!("`{key}` is not a map")),
        }
    }
}
