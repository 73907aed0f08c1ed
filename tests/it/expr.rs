//! Expressions: conformance cases, the grammar, properties.

mod cel;
mod data;
mod grammar;
mod known;
mod language;
mod page;
mod properties;
