//! Expressions: conformance cases, the grammar, properties.

mod data;
mod language;
