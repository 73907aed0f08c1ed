//! Values that an author wrote where data goes, and what they read.

use std::sync::Arc;

use super::scope;
use crate::expr::Scope;
use crate::model::Operand;
use crate::supervise::{Source, Variables};
use crate::template::Undefined;
use crate::value::{Json, Taint, Value};

/// What becomes of something undefined in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is nothing.
    Nothing,
    /// It is an error: in what is sent.
    Error,
}

/// The value of an operand. Says names and types in its error, never values.
pub(super) fn value(operand: &Operand, view: &dyn Scope, missing: Missing) -> Result<Value, String> {
    match operand {
        Operand::Literal(json) => Ok(Value::from(json.clone())),
        Operand::Expr(program) => program.eval(view).map_err(|e| e.message),
        Operand::Template(template) => {
            let undefined = if missing == Missing::Error { Undefined::Error } else { Undefined::Nothing };
            let rendered = template.render(view, undefined).map_err(|e| e.message)?;
            let taint = if rendered.tainted { Taint::whole() } else { Taint::default() };
            Ok(Value { json: Arc::new(Json::String(rendered.text)), taint })
        }
        Operand::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            let mut taint = Taint::default();
            for item in items {
                let item = value(item, view, missing)?;
                taint = taint.join(&item.taint.under(None));
                list.push(unshare(item.json));
            }
            Ok(Value { json: Arc::new(Json::Array(list)), taint })
        }
        Operand::Map(entries) => {
            let mut map = serde_json::Map::with_capacity(entries.len());
            let mut taint = Taint::default();
            for (key, entry) in entries {
                let entry = value(entry, view, missing)?;
                taint = taint.join(&entry.taint.under(Some(key)));
                map.insert(key.to_string(), unshare(entry.json));
            }
            Ok(Value { json: Arc::new(Json::Object(map)), taint })
        }
    }
}

fn unshare(json: Arc<Json>) -> Json {
    Arc::try_unwrap(json).unwrap_or_else(|shared| (*shared).clone())
}

/// What an author wrote: two that are written alike come to the same of the same.
pub(super) fn written(operand: &Operand) -> String {
    match operand {
        Operand::Literal(json) => json.to_string(),
        Operand::Expr(program) => program.print(),
        Operand::Template(template) => template.text().value.to_string(),
        Operand::List(items) => items.iter().map(|o| format!("- {}", written(o))).collect::<Vec<_>>().join("\n"),
        Operand::Map(entries) => entries.iter().map(|(key, o)| format!("{key}: {}", written(o))).collect::<Vec<_>>().join("\n"),
    }
}

/// What an operand reads, with versions.
pub(super) fn sources(operand: &Operand, variables: Option<&Variables>) -> Vec<Source> {
    let mut found = Vec::new();
    if let Some(variables) = variables {
        collect(operand, variables, &mut found);
    }
    found
}

fn collect(operand: &Operand, variables: &Variables, found: &mut Vec<Source>) {
    let reads = match operand {
        Operand::Literal(_) => return,
        Operand::Expr(program) => program.reads(),
        Operand::Template(template) => template.reads(),
        Operand::List(items) => return items.iter().for_each(|i| collect(i, variables, found)),
        Operand::Map(entries) => return entries.iter().for_each(|(_, e)| collect(e, variables, found)),
    };
    for source in scope::sources(reads, variables) {
        scope::push(found, source);
    }
}
