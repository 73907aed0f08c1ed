//! Actions of an integration.

use std::collections::BTreeSet;
use std::sync::Arc;

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag};
use nom::combinator::map;
use nom::multi::many0;
use nom::sequence::delimited;
use nom::{IResult, Parser};

use super::context::{Context, Seen};
use super::hash::Hasher;
use super::integration::is_secret_header;
use super::safety;
use crate::model::action::{
    Action, ActionId, ActionSettings, Effects, EndpointPart, FieldType, Idempotency, InputField, Integration, IntegrationType, Invocation,
    Method, Outcome, OutputField,
};
use crate::model::schema::InputSchema;
use crate::model::step::Operand;
use crate::source::{Code, Diagnostic, Span, Text};
use crate::syntax::{Entry, Node, is_json_schema, keys};
use crate::value::{Json, Name, Slug};

/// Headers that are never an author's.
const OWN_HEADERS: [&str; 3] = ["host", "authorization", "idempotency-key"];
/// What a host says of a user, beside attributes of its own.
const USER_KEYS: [&str; 3] = ["user_id", "user_name", "user_email"];

/// An action; `None` if it has no name.
pub fn action(
    cx: &mut Context<'_>,
    node: &Node<'_>,
    integration: &Arc<Integration>,
    own: &str,
    assignable: &BTreeSet<Name>,
) -> Option<Action> {
    let (slug, span) = cx.slug(node)?;
    let effects = if node.get("type").and_then(Node::str) == Some("read") { Effects::Read } else { Effects::Write };
    let input_schema = node.get("input_schema");
    let mut inputs = input_schema.map(|n| fields(cx, n)).unwrap_or_default();
    let input_mappings: Vec<(Name, Operand)> = node
        .get("input_mappings")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|e| (Name::new(&e.key), cx.operand(&e.value)))
        .collect();
    let mut invocation = invocation(cx, node, integration.kind, effects);
    let declared: Vec<Name> = inputs.iter().map(|f| f.name.clone()).collect();
    invocation.endpoint.retain(|part| {
        let EndpointPart::Param(name, at) = part else { return true };
        if inputs.iter().any(|f| f.name == *name) {
            return true;
        }
        let mapped = input_mappings.iter().any(|(n, _)| n == name);
        if !mapped && !assignable.contains(name) && !USER_KEYS.contains(&name.as_str()) {
            let message = format!("nothing gives the endpoint's `{{{name}}}` a value");
            cx.unknown(Code::WP0802, *at, message, name.as_str(), declared.iter().map(Name::as_str));
            return false;
        }
        let shown = Arc::from(name.as_str());
        inputs.push(InputField { name: name.clone(), shown, kind: FieldType::Any, description: None, required: true, span: *at });
        true
    });
    for entry in node.get("input_mappings").map(Node::entries).unwrap_or_default() {
        if !inputs.iter().any(|f| f.name == Name::new(&entry.key)) {
            let message = format!("`{slug}` has no input `{}`", entry.key);
            cx.unknown(Code::WP0207, entry.key_span, message, &entry.key, inputs.iter().map(|f| &*f.shown));
        }
    }
    let outcomes = outcomes(cx, node);
    let output_datapoint = node.get("output_datapoint").and_then(|n| {
        let name = Context::name(n)?;
        cx.variable(&name, n.span);
        Some(name)
    });
    let mut hash = Hasher::default();
    hash.add(own).add(cx.slice(node.span));
    Some(Action {
        id: ActionId { integration: integration.slug.clone(), action: slug.clone() },
        name: Context::str_at(node, "name").unwrap_or_else(|| Arc::clone(&slug.shown)),
        integration: Arc::clone(integration),
        effects,
        settings: settings(cx, node, invocation.method, effects),
        safety: safety::safety(cx, node, &outcomes),
        invocation,
        input_schema: input_schema.and_then(|n| compiled(cx, n)),
        inputs,
        output: node.get("output_schema").map(output).unwrap_or_default(),
        outcomes,
        input_mappings,
        output_datapoint,
        span,
        hash: hash.finish(),
    })
}

fn outcomes(cx: &mut Context<'_>, node: &Node<'_>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut seen = Seen::default();
    for item in node.get("outcomes").map(Node::items).unwrap_or_default() {
        let Some((span, written)) = item.get("name").and_then(|n| n.str().map(|s| (n.span, s))) else { continue };
        let name = Slug::named(written);
        if cx.again(&mut seen, "an outcome", &name, span) {
            continue;
        }
        outcomes.push(Outcome {
            name,
            condition: cx.program_at(item, "condition"),
            settles: item.get("settles").and_then(Node::bool).unwrap_or(false),
            span,
            condition_span: item.get("condition").map(|n| n.span),
        });
    }
    outcomes
}

fn settings(cx: &mut Context<'_>, node: &Node<'_>, method: Method, effects: Effects) -> ActionSettings {
    let settings = node.get("settings");
    let number = |key: &str| settings.and_then(|s| s.get(key)).and_then(Node::whole);
    let idempotency = settings.and_then(|s| s.get("idempotency")).and_then(|n| n.str().map(|written| (n.span, written)));
    if let Some((span, "natural")) = idempotency
        && effects == Effects::Write
        && matches!(method, Method::Post | Method::Patch)
    {
        let d = Diagnostic::new(Code::WP0803, span, "`natural` is not for a `POST` or a `PATCH`: sent twice, it may be done twice");
        cx.push(d.help("write `key` if the service honours `Idempotency-Key`, else `none`"));
    }
    ActionSettings {
        timeout_ms: number("timeout_ms").unwrap_or(10_000),
        retries: number("retries").map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        retry_backoff_ms: number("retry_backoff_ms").unwrap_or(200),
        idempotency: match idempotency.map(|(_, written)| written) {
            Some("key") => Idempotency::Key,
            Some("natural") => Idempotency::Natural,
            None if matches!(method, Method::Put | Method::Delete) => Idempotency::Natural,
            Some(_) | None => Idempotency::None,
        },
    }
}

fn invocation(cx: &mut Context<'_>, node: &Node<'_>, kind: IntegrationType, effects: Effects) -> Invocation {
    let from = node.get("invocation");
    let at = from.map_or(node.span, |n| n.span);
    let endpoint = from.and_then(|n| n.get("endpoint"));
    let default = match (kind, effects) {
        (IntegrationType::RestApi, Effects::Read) => Method::Get,
        _ => Method::Post,
    };
    let method = from.and_then(|n| n.get("method")).map_or(default, |n| method(cx, n).unwrap_or(default));
    let tool = tool(cx, from, kind);
    if endpoint.is_none()
        && kind == IntegrationType::RestApi
        && let Some(from) = from.filter(|n| n.is_map() && n.lacks("endpoint"))
    {
        let span = from.entries().first().map_or(from.span, |e| e.key_span);
        cx.push(Diagnostic::new(Code::WP0105, span, "`endpoint` is missing from an invocation").help("add `endpoint: /path/{param}`"));
    }
    if kind == IntegrationType::RestApi
        && let Some(from) = from.filter(|n| n.is_map() && n.lacks("method"))
    {
        let span = from.entries().first().map_or(from.span, |e| e.key_span);
        cx.push(Diagnostic::new(Code::WP0105, span, "`method` is missing from an invocation").help("add `method: GET`"));
    }
    let mut headers = Vec::new();
    for key in ["headers", "dynamic_headers"] {
        for entry in from.and_then(|n| n.get(key)).map(Node::entries).unwrap_or_default() {
            if let Some(value) = header(cx, entry) {
                headers.push((Arc::from(&*entry.key), value));
            }
        }
    }
    let query = from.and_then(|n| n.get("query")).map(Node::entries).unwrap_or_default();
    Invocation {
        method,
        endpoint: endpoint.and_then(|n| cx.text(n)).map(|t| parts(cx, &t)).unwrap_or_default(),
        endpoint_span: endpoint.map_or(at, |n| n.span),
        tool,
        headers,
        query: query.iter().map(|e| (Arc::from(&*e.key), cx.operand(&e.value))).collect(),
        body: from.and_then(|n| n.get("body")).map(|n| cx.operand(n)),
    }
}

/// The tool of an MCP server. Keys of HTTP mean nothing there, nor this one elsewhere.
fn tool(cx: &mut Context<'_>, from: Option<&Node<'_>>, kind: IntegrationType) -> Option<Arc<str>> {
    let (is_mcp, from) = (kind == IntegrationType::Mcp, from?);
    let (strange, help): (&[&str], _) = if is_mcp {
        (&["method", "endpoint", "query"], "write `tool: name`, and what it is given as inputs or under `body`")
    } else {
        (&["tool"], "only integrations of type `mcp` have tools: write `method` and `endpoint`")
    };
    for entry in from.entries().iter().filter(|e| strange.contains(&&*e.key)) {
        let of = if is_mcp { "a tool" } else { "a request" };
        cx.push(Diagnostic::new(Code::WP0103, entry.key_span, format!("`{}` has no meaning for {of}", entry.key)).help(help));
    }
    if !is_mcp {
        return None;
    }
    if from.is_map() && from.lacks("tool") && !strange.iter().any(|key| from.entry(key).is_some()) {
        let span = from.entries().first().map_or(from.span, |e| e.key_span);
        cx.push(Diagnostic::new(Code::WP0105, span, "`tool` is missing from an invocation").help("add `tool: name`, as the server has it"));
    }
    Context::str_at(from, "tool")
}

fn method(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Method> {
    let written = node.str()?;
    Some(match &*written.to_ascii_uppercase() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        upper => {
            let message = format!("`{written}` is no method of HTTP");
            cx.unknown(Code::WP0803, node.span, message, upper, keys::integration::METHODS.iter().copied());
            return None;
        }
    })
}

fn header(cx: &mut Context<'_>, entry: &Entry<'_>) -> Option<Operand> {
    if OWN_HEADERS.contains(&&*entry.key.to_ascii_lowercase()) {
        let d = Diagnostic::new(Code::WP0103, entry.key_span, format!("the header `{}` cannot be set here", entry.key));
        cx.push(d.help("it comes from `auth_type` and from the engine: remove it"));
        return None;
    }
    let name = entry.key.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !name || entry.key.is_empty() {
        cx.push(Diagnostic::new(Code::WP0104, entry.key_span, format!("`{}` is no name of a header", entry.key)));
        return None;
    }
    let value = cx.operand(&entry.value);
    if is_secret_header(&entry.key)
        && let Operand::Literal(Json::String(s)) = &value
        && !s.contains("${")
    {
        let d = Diagnostic::new(Code::WP0801, entry.value.span, format!("the secret `{}` is written out", entry.key));
        cx.push(d.help("put it into the environment and write `${NAME}`"));
    }
    Some(value)
}

/// An endpoint in pieces. A `{` that opens no parameter is an error.
fn parts(cx: &mut Context<'_>, text: &Text) -> Vec<EndpointPart> {
    enum Piece<'a> {
        Literal(&'a str),
        Param(&'a str),
    }
    let value = &*text.value;
    let piece = alt((map(delimited(tag("{"), is_not("{}"), tag("}")), Piece::Param), map(is_not("{}"), Piece::Literal)));
    let parsed: IResult<&str, Vec<Piece<'_>>> = many0(piece).parse(value);
    let (rest, pieces) = parsed.unwrap_or((value, Vec::new()));
    if !rest.is_empty() {
        let at = value.len() - rest.len();
        let d = Diagnostic::new(Code::WP0803, text.part(&(at..at + 1)), "this bracket belongs to no `{param}`");
        cx.push(d.help("write a parameter as `{name}`; a template stands in `query`, `headers` or `body`"));
    }
    if value.contains("://") {
        let d = Diagnostic::new(Code::WP0803, text.span, "an endpoint is a path, not a whole URL");
        cx.push(d.help("write what comes after `base_url`, such as `/orders/{id}`"));
    }
    let mut at = 0;
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(s) => {
                at += s.len();
                out.push(EndpointPart::Literal(s.into()));
            }
            Piece::Param(s) => {
                let span = text.part(&(at + 1..at + 1 + s.len()));
                at += s.len() + 2;
                match s.trim().strip_prefix('$').unwrap_or(s.trim()) {
                    name if Slug::is_valid(&name.to_ascii_lowercase()) => out.push(EndpointPart::Param(Name::new(name), span)),
                    name => {
                        let d = Diagnostic::new(Code::WP0803, span, format!("`{name}` is no name of a parameter"));
                        cx.push(d.help("write the name of an input, such as `{order_id}`"));
                    }
                }
            }
        }
    }
    out
}

fn field_type(node: Option<&Node<'_>>) -> FieldType {
    match node.and_then(Node::str) {
        Some("string") => FieldType::String,
        Some("number") => FieldType::Number,
        Some("integer") => FieldType::Integer,
        Some("boolean") => FieldType::Boolean,
        Some("object") => FieldType::Object,
        Some("array") => FieldType::Array,
        _ => FieldType::Any,
    }
}

/// A field: its key, its type's node, and whether it must be there as the schema says.
struct Declared<'n> {
    key: &'n str,
    span: Span,
    kind: FieldType,
    description: Option<Arc<str>>,
    required: Option<bool>,
}

/// The fields of a schema in either form.
fn declared<'n>(node: &'n Node<'_>) -> Vec<Declared<'n>> {
    let full = is_json_schema(node);
    let required = node.get("required").map(Node::items).unwrap_or_default();
    let from = if full { node.get("properties").map(Node::entries).unwrap_or_default() } else { node.entries() };
    from.iter()
        .map(|e| Declared {
            key: &e.key,
            span: e.key_span,
            kind: if e.value.is_map() { field_type(e.value.get("type")) } else { field_type(Some(&e.value)) },
            description: Context::str_at(&e.value, "description"),
            required: if full {
                Some(required.iter().any(|r| r.str() == Some(&e.key)))
            } else {
                e.value.get("required").and_then(Node::bool)
            },
        })
        .collect()
}

fn fields(cx: &mut Context<'_>, node: &Node<'_>) -> Vec<InputField> {
    let mut out: Vec<InputField> = Vec::new();
    let mut seen = Seen::default();
    for field in declared(node) {
        let name = Name::new(field.key);
        if cx.again(&mut seen, "an input", &Slug::new(field.key), field.span) {
            continue;
        }
        out.push(InputField {
            name,
            shown: field.key.into(),
            kind: field.kind,
            description: field.description,
            required: field.required.unwrap_or(true),
            span: field.span,
        });
    }
    out
}

fn output(node: &Node<'_>) -> Vec<OutputField> {
    let of = |f: Declared<'_>| OutputField { name: f.key.into(), kind: f.kind, required: f.required.unwrap_or(false) };
    declared(node).into_iter().map(of).collect()
}

/// The schema of the inputs, compiled. What is wrong with a short form is said of its keys already, but for what is taken as it is.
fn compiled(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Arc<InputSchema>> {
    let fault = match InputSchema::new(&*json_schema(node)?) {
        Ok(schema) => return Some(Arc::new(schema)),
        Err(fault) => fault,
    };
    let full = is_json_schema(node);
    let path: Vec<&str> = fault.path.iter().map(String::as_str).skip(usize::from(!full)).collect();
    if full || matches!(path.get(1), Some(&("items" | "properties" | "pattern"))) {
        let mut at = node;
        for key in path {
            at = at.get(key).or_else(|| at.items().get(key.parse::<usize>().ok()?)).unwrap_or(at);
        }
        let d = Diagnostic::new(Code::WP0104, at.span, format!("this is no JSON Schema: {}", fault.message));
        cx.push(d.help("patterns have no look-around, and every `$ref` stands in this schema"));
    }
    None
}

/// The JSON Schema of inputs that were given as one, or whose short form says more than types.
fn json_schema(node: &Node<'_>) -> Option<Arc<Json>> {
    if is_json_schema(node) {
        return Some(Arc::new(node.json()));
    }
    let plain = |key: &str| matches!(key, "type" | "description" | "required" | "example" | "examples" | "default");
    if node.entries().iter().all(|f| f.value.entries().iter().all(|e| plain(&e.key))) {
        return None;
    }
    let mut properties = serde_json::Map::new();
    for field in node.entries() {
        let mut schema = serde_json::Map::new();
        for entry in field.value.entries().iter().filter(|e| e.key != "required") {
            if !(entry.key == "type" && entry.value.str() == Some("any")) {
                schema.insert(entry.key.to_string(), entry.value.json());
            }
        }
        if let Some(kind) = field.value.str().filter(|k| *k != "any") {
            schema.insert("type".into(), Json::String(kind.to_owned()));
        }
        properties.insert(field.key.to_string(), Json::Object(schema));
    }
    Some(Arc::new(serde_json::json!({ "type": "object", "properties": properties })))
}
