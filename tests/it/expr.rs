//! Expressions: conformance cases, the grammar, properties.
