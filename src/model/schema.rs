//! The full JSON Schema of an action's inputs, compiled once.

use jsonschema::{PatternOptions, Validator};

use crate::value::Json;

/// A schema, ready to be held against inputs.
#[derive(Debug, Clone)]
pub struct InputSchema {
    validator: Validator,
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
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex()).should_validate_formats(true);
        let validator =
            options.build(schema).map_err(|e| SchemaFault { path: keys(e.instance_path().as_str()), message: e.to_string() })?;
        let properties = schema.get("properties").and_then(Json::as_object).map(|p| p.keys().cloned().collect());
        Ok(Self { validator, properties })
    }

    /// What does not fit, named by its place, without any value.
    #[must_use]
    pub fn fault(&self, inputs: &Json) -> Option<String> {
        let mut own = inputs.clone();
        if let (Some(known), Json::Object(map)) = (&self.properties, &mut own) {
            map.retain(|k, _| known.contains(k));
        }
        let error = self.validator.iter_errors(&own).next()?;
        let place = keys(error.instance_path().as_str()).join(".");
        let what = error.masked_with("it").to_string();
        Some(if place.is_empty() { format!("the inputs do not fit: {what}") } else { format!("the input `{place}` does not fit: {what}") })
    }
}

/// The keys of a JSON Pointer.
fn keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|k| k.replace("~1", "/").replace("~0", "~")).collect()
}
