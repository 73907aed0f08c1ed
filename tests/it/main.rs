//! One binary for all integration tests: harnesses over files, and properties.

mod check;
mod cli;
mod docs;
mod engine;
mod expr;
mod outbound;
mod properties;
mod spec;
mod store;
mod syntax;
mod template;
mod transcript;
mod understand;
mod workspace;
