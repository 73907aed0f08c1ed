//! Datapoints from their documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use crate::model::datapoint::{Datapoint, DatapointType, Pattern};
use crate::source::{Code, Diagnostic, Span};
use crate::syntax::{Node, keys};
use crate::value::{Name, Slug};

/// The declared datapoints, with the text of each for digests.
#[derive(Default)]
pub struct Datapoints<'s> {
    pub by_name: BTreeMap<Name, Arc<Datapoint>>,
    pub texts: BTreeMap<Name, &'s str>,
    /// Whether a file of them could not be read: what is missing may stand there.
    pub poisoned: bool,
}

impl<'s> Datapoints<'s> {
    /// Takes a datapoint of a file.
    pub fn add(&mut self, cx: &mut Context<'s>, node: &Node<'_>) {
        let Some(datapoint) = declared(cx, node) else {
            self.poisoned |= node.is_map();
            return;
        };
        let name = datapoint.variable().clone();
        cx.variable(&name, datapoint.span);
        if let Some(first) = self.by_name.get(&name) {
            cx.duplicate("a datapoint", &datapoint.slug, datapoint.span, first.span);
            return;
        }
        self.texts.insert(name.clone(), cx.slice(node.span));
        self.by_name.insert(name, Arc::new(datapoint));
    }
}

impl Datapoints<'_> {
    /// What a field is that no file declares: a plain string, unless the file that does could not be read.
    pub fn undeclared(&self, written: &str, span: Span) -> Datapoint {
        Datapoint { unread: self.poisoned, ..undeclared(written, span) }
    }
}

/// The plain string that an undeclared field is.
fn undeclared(written: &str, span: Span) -> Datapoint {
    Datapoint {
        name: written.replace(['-', '_'], " ").into(),
        slug: Slug::new(written),
        description: None,
        kind: DatapointType::String,
        unread: false,
        required: false,
        min_length: None,
        max_length: None,
        pattern: None,
        min: None,
        max: None,
        integer: false,
        prompt: None,
        placeholder: None,
        examples: Vec::new(),
        sensitive: false,
        declared: false,
        span,
    }
}

fn declared(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Datapoint> {
    let (slug, span) = cx.slug(node)?;
    let mut out = undeclared(&slug.shown, span);
    out.declared = true;
    out.name = Context::str_at(node, "name").unwrap_or_else(|| Arc::clone(&slug.shown));
    out.slug = slug;
    out.description = Context::str_at(node, "description");
    if let Some(written) = node.get("type") {
        let name = written.str().unwrap_or_default();
        out.unread = !keys::datapoint::TYPES.contains(&name) || (name == "enum" && node.lacks("values"));
        out.kind = kind(cx, node, name);
    }
    out.sensitive = node.get("sensitive").and_then(Node::bool).unwrap_or(false);
    if let Some(v) = node.get("validation") {
        out.required = v.get("required").and_then(Node::bool).unwrap_or(false);
        out.min_length = v.get("minLength").and_then(Node::whole);
        out.max_length = v.get("maxLength").and_then(Node::whole);
        out.min = bound(cx, v, "min", &out.kind);
        out.max = bound(cx, v, "max", &out.kind);
        out.integer = v.get("integer").and_then(Node::bool).unwrap_or(false);
        out.pattern = v.get("pattern").and_then(|p| pattern(cx, p));
    }
    if let Some(ui) = node.get("ui") {
        out.prompt = cx.template_at(ui, "prompt");
        out.placeholder = Context::str_at(ui, "placeholder");
        out.examples = ui.get("examples").map(Node::items).unwrap_or_default().iter().map(Node::json).collect();
    }
    Some(out)
}

fn bound(cx: &mut Context<'_>, validation: &Node<'_>, key: &str, kind: &DatapointType) -> Option<crate::value::Json> {
    let node = validation.get(key)?;
    let json = node.json();
    let fits = match kind {
        DatapointType::Date => node.str().is_some_and(|t| t.parse::<jiff::civil::Date>().is_ok()),
        _ => json.is_number(),
    };
    if fits {
        return Some(json);
    }
    let expected = if matches!(kind, DatapointType::Date) { "a date such as `2026-01-31`" } else { "a number" };
    cx.push(Diagnostic::new(Code::WP0104, node.span, format!("expected {expected} for `{key}`")));
    None
}

fn kind(cx: &mut Context<'_>, node: &Node<'_>, name: &str) -> DatapointType {
    let values = node.entry("values");
    if let Some(values) = values.filter(|_| !matches!(name, "enum" | "list")) {
        let d = Diagnostic::new(Code::WP0103, values.key_span, format!("`values` has no meaning for the type `{name}`"));
        cx.push(d.help("write `type: enum`"));
    }
    match name {
        "email" => DatapointType::Email,
        "phone" => DatapointType::Phone,
        "number" => DatapointType::Number,
        "boolean" => DatapointType::Boolean,
        "date" => DatapointType::Date,
        "enum" => {
            if values.is_none() {
                missing(cx, node, "values", "an `enum`", "add `values: [first, second]`");
            }
            DatapointType::Enum(Context::list_at(node, "values"))
        }
        "list" => match node.get("items") {
            None => {
                missing(cx, node, "items", "a `list`", "add `items: string`");
                DatapointType::List(Box::new(DatapointType::String))
            }
            Some(items) if items.is_map() => {
                let name = items.get("type").and_then(Node::str).unwrap_or("string");
                DatapointType::List(Box::new(element(cx, items, name)))
            }
            Some(items) => {
                let name = items.str().unwrap_or("string");
                // The values of an `enum` in a list stand beside `items: enum`.
                DatapointType::List(Box::new(element(cx, if name == "enum" { node } else { items }, name)))
            }
        },
        _ => DatapointType::String,
    }
}

fn element(cx: &mut Context<'_>, node: &Node<'_>, name: &str) -> DatapointType {
    if name != "list" {
        return kind(cx, node, name);
    }
    let d = Diagnostic::new(Code::WP0104, node.span, "the elements of a list cannot be lists");
    cx.push(d.help("write `items: string`"));
    DatapointType::String
}

fn missing(cx: &mut Context<'_>, node: &Node<'_>, key: &str, what: &str, help: &str) {
    let span = node.entries().first().map_or(node.span, |e| e.key_span);
    cx.push(Diagnostic::new(Code::WP0105, span, format!("`{key}` is missing from {what}")).help(help));
}

fn pattern(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Pattern> {
    let compiled = Pattern::new(node.str()?);
    let help = "look-around and back-references are not supported; a literal `.` is `\\.`";
    compiled.map_err(|why| cx.push(Diagnostic::new(Code::WP0104, node.span, why).help(help))).ok()
}
