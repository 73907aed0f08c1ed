//! Expressions: conformance cases, the grammar, properties.

mod data;
mod known;
mod language;
