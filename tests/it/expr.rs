//! Expressions: conformance cases, the grammar, properties.

mod cel;
mod data;
mod known;
mod language;
