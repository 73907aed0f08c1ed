//! The full JSON Schema of an action's inputs, compiled once.

use jsonschema::{PatternOptions, Regex, ValidationError, Validator};

use crate::value::Json;

/// Values of a schema from outside, each reference written out, at most.
const WRITTEN_OUT: u32 = 2_000;
/// How deep they may stand in each other.
const DEPTH: u32 = 64;
/// What a pattern counts for.
const PATTERN: u32 = 100;
/// Bytes of a pattern from outside, as it is compiled, at most: a Unicode class such as `\pL` takes some tens of thousands.
const COMPILED: usize = 256 * 1024;

/// A schema, ready to be held against inputs.
#[derive(Debug, Clone)]
pub struct InputSchema {
    validator: Validator,
    written: String,
    /// What it names, if it says; other inputs are the endpoint's own and not its business.
    properties: Option<Vec<String>>,
}

/// What is wrong with a schema, and where in it.
#[derive(Debug)]
pub struct SchemaFault {
    /// The keys that lead there.
    pub path: Vec<String>,
    /// One line.
    pub message: String,
}

impl InputSchema {
    /// Compiles it. Patterns are without look-around, so that no value can take long; nothing is fetched.
    ///
    /// # Errors
    /// It is no JSON Schema.
    pub fn new(schema: &Json) -> Result<Self, SchemaFault> {
        Self::compiled(schema, PatternOptions::regex())
    }

    /// Compiles one from outside, which may be made to cost much: it is bounded as it would be with each reference written out, and one that
    /// has no end is none.
    ///
    /// # Errors
    /// It is no JSON Schema, or too large.
    pub fn foreign(schema: &Json) -> Result<Self, SchemaFault> {
        if !is_small(schema, schema, &mut { WRITTEN_OUT }, DEPTH) {
            return Err(SchemaFault { path: Vec::new(), message: "it is too large, or refers to more than itself".into() });
        }
        Self::compiled(schema, PatternOptions::regex().size_limit(COMPILED))
    }

    fn compiled(schema: &Json, patterns: PatternOptions<Regex>) -> Result<Self, SchemaFault> {
        let options = jsonschema::options().with_pattern_options(patterns).should_validate_formats(true);
        let validator =
            options.build(schema).map_err(|e| SchemaFault { path: keys(e.instance_path().as_str()), message: e.to_string() })?;
        let properties = schema.get("properties").and_then(Json::as_object).map(|p| p.keys().cloned().collect());
        Ok(Self { validator, written: schema.to_string(), properties })
    }

    /// As it was written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What does not fit, named by its place, without any value.
    #[must_use]
    pub fn fault(&self, inputs: &Json) -> Option<String> {
        self.first(inputs, None)
    }

    /// What of the value at that place does not fit, whatever else there is.
    #[must_use]
    pub fn fault_at(&self, name: &str, value: &Json) -> Option<String> {
        self.first(&serde_json::json!({name: value}), Some(name))
    }

    fn first(&self, inputs: &Json, at: Option<&str>) -> Option<String> {
        let mut own = inputs.clone();
        if let (Some(known), Json::Object(map)) = (&self.properties, &mut own) {
            map.retain(|k, _| known.contains(k));
        }
        let is_there =
            |error: &ValidationError<'_>| at.is_none_or(|at| keys(error.instance_path().as_str()).first().is_some_and(|first| first == at));
        let error = self.validator.iter_errors(&own).find(is_there)?;
        let place = keys(error.instance_path().as_str()).join(".");
        let what = error.masked_with("it").to_string();
        Some(if place.is_empty() { format!("the inputs do not fit: {what}") } else { format!("the input `{place}` does not fit: {what}") })
    }
}

/// Whether a schema stays within what is left, each reference of it written out. What refers elsewhere, or by a name, is not followed.
fn is_small(root: &Json, node: &Json, left: &mut u32, deep: u32) -> bool {
    let mut spend = |cost: u32| {
        *left = left.saturating_sub(cost);
        *left > 0 && deep > 0
    };
    let inner: Vec<&Json> = match node {
        Json::Object(map) => {
            let older = root.get("$schema").and_then(Json::as_str).is_some_and(|s| s.contains("draft-04"));
            let patterns = u32::from(map.get("pattern").is_some_and(Json::is_string));
            let elsewhere = |(key, value): (&String, &Json)| match key.as_str() {
                "$dynamicRef" | "$recursiveRef" => value.is_string(),
                // Below another id, references are to something else; nor does another version of the language read on as it began.
                "$id" | "$schema" => value.is_string() && !std::ptr::eq(node, root),
                "id" => older && value.is_string() && !std::ptr::eq(node, root),
                "patternProperties" => true,
                _ => false,
            };
            if !spend(1 + patterns * PATTERN) || map.iter().any(elsewhere) {
                return false;
            }
            let target = match map.get("$ref") {
                Some(Json::String(to)) => match to.strip_prefix('#').filter(|p| !p.contains('%')).and_then(|p| root.pointer(p)) {
                    Some(target) => Some(target),
                    None => return false,
                },
                _ => None,
            };
            map.values().chain(target).collect()
        }
        Json::Array(items) if spend(1) => items.iter().collect(),
        Json::Array(_) => return false,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return spend(1),
    };
    inner.into_iter().all(|inner| is_small(root, inner, left, deep.saturating_sub(1)))
}

/// The keys of a JSON Pointer.
fn keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|k| k.replace("~1", "/").replace("~0", "~")).collect()
}
