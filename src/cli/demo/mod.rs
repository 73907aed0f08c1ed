//! What `waypost demo` brings along: a sample back end.

pub mod backend;
