//! The document that describes the API (`OpenAPI` 3.1), made of the table of routes and of the wire types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::problem::Problem;
use super::routes::{Access, BASE, Gives, Method, Param, ROUTES, Route};

/// The document.
#[must_use]
pub fn document() -> Json {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for route in ROUTES {
        let operation = operation(route, &problem, &mut generator);
        let path = format!("{BASE}{}", route.path);
        let method = match route.method {
            Method::Get => "get",
            Method::Post => "post",
            Method::Put => "put",
        };
        if let Some(item) = paths.entry(path).or_insert_with(|| json!({})).as_object_mut() {
            item.insert(method.into(), operation);
        }
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Waypost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Lets a language model act for a customer only where a proved journey, the rules and the person allow it.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of `server.keys` in `waypost.yaml`."}},
            "schemas": schemas,
        },
    })
}

fn operation(route: &Route, problem: &schemars::Schema, generator: &mut schemars::SchemaGenerator) -> Json {
    let mut operation = Map::new();
    operation.insert("operationId".into(), route.name.into());
    operation.insert("summary".into(), route.does.into());
    let keyed = route.access == Access::Keys;
    if !keyed {
        operation.insert("security".into(), json!([]));
    }
    let mut parameters: Vec<Json> = path_names(route.path).map(path_parameter).collect();
    if keyed {
        parameters.push(header("tenant-id", "The tenant, one of the key's; may be left out where the key has one"));
        parameters.push(header("user-id", "The user, where the body names none"));
    }
    parameters.push(header("x-request-id", "Comes back with the answer"));
    parameters.extend(route.takes.iter().map(|p| parameter(*p)));
    operation.insert("parameters".into(), parameters.into());
    if let Some(body) = route.body {
        let schema = body(generator);
        operation.insert("requestBody".into(), json!({"required": true, "content": {"application/json": {"schema": schema}}}));
    }
    let success = match route.gives {
        Gives::Json(form) => json!({"description": "Done", "content": {"application/json": {"schema": form(generator)}}}),
        Gives::Events(form) => {
            let described = "Server-sent events: `id` is the number of the event, `event` its kind, `data` this, as JSON";
            json!({"description": described, "content": {"text/event-stream": {"schema": {"type": "string"}}}, "x-event": form(generator)})
        }
        Gives::Text(kinds) => {
            let content: Map<String, Json> = kinds.iter().map(|k| ((*k).to_owned(), json!({"schema": {"type": "string"}}))).collect();
            json!({"description": "Done", "content": content})
        }
        Gives::Any => json!({"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}}),
    };
    let mut responses = Map::new();
    responses.insert("200".into(), success);
    let common: &[u16] = if keyed { &[400, 401, 403, 500, 503] } else { &[400, 403, 500] };
    let mut statuses: Vec<u16> = common.iter().chain(route.problems).copied().collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let content = json!({"application/problem+json": {"schema": problem}});
        responses.insert(status.to_string(), json!({"description": described(status), "content": content}));
    }
    operation.insert("responses".into(), responses.into());
    Json::Object(operation)
}

fn described(status: u16) -> &'static str {
    match status {
        400 => "What was sent cannot be read",
        401 => "No key, or none of the server's",
        403 => "The caller may not do that",
        404 => "There is none, or it is somebody else's",
        408 => "The body did not come in time",
        409 => "It may not come now: nothing was changed",
        413 => "The body is too large",
        415 => "The body is not JSON",
        422 => "What was sent is not what is taken here",
        503 => "Not now: try again after `Retry-After` seconds",
        _ => "Something that should not be",
    }
}

fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Json {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
}

fn header(name: &str, does: &str) -> Json {
    let schema = json!({"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"});
    json!({"name": name, "in": "header", "required": false, "description": does, "schema": schema})
}

/// Plain text that names something.
fn plain() -> Json {
    json!({"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$"})
}

fn parameter(param: Param) -> Json {
    let query = |name: &str, does: &str, schema: Json| json!({"name": name, "in": "query", "required": false, "description": does, "schema": schema});
    match param {
        Param::Limit => query("limit", "Items of a page", json!({"type": "integer", "minimum": 1, "maximum": crate::service::PAGE_MAX})),
        Param::Cursor => query(
            "cursor",
            "`next_cursor` of the page before",
            json!({"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}),
        ),
        Param::Trace => query("trace", "Tell what happened, step by step", json!({"type": "boolean"})),
        Param::After => query("after", "The last event that is known already", json!({"type": "integer", "minimum": 0})),
        Param::DrawnAs => query("format", "What it is drawn as", json!({"enum": ["mermaid", "dot", "svg"], "default": "mermaid"})),
        Param::Namespace => query("namespace", "Only of this namespace", plain()),
        Param::Version => query("version", "The version; left out: the one that was registered last", plain()),
        Param::Entity => query("entity", "Only for this", plain()),
        Param::ConditionId => query("condition_id", "Only of this condition", plain()),
        Param::Timestamp => query("timestamp", "As of when; left out: now", json!({"type": "string", "format": "date-time"})),
        Param::OfEntity => {
            let schema = plain();
            json!({"name": "entity", "in": "query", "required": true, "description": "Of what", "schema": schema})
        }
        Param::Dead => {
            query("dead", "Those that were given up; left out: those that are still tried", json!({"type": "boolean", "default": false}))
        }
        Param::ElevatedKey => header("x-elevated-key", "A key of the role `admin`, where the credential is none"),
        Param::Conversation => query("conversation", "Of that conversation", json!({"type": "string"})),
        Param::Action => query("action", "At that action: `provider.action`", json!({"type": "string"})),
        Param::ExecutionStatus => {
            let all = crate::engine::ExecutionStatus::ALL.map(crate::engine::ExecutionStatus::as_str);
            query("status", "That stand so", json!({"enum": all}))
        }
        Param::LastEventId => header("last-event-id", "The last event that is known already"),
        Param::IdempotencyKey => {
            header("idempotency-key", "The caller's id of this turn: a repeated one gets the first answer, for 24 hours")
        }
    }
}
