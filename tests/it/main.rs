//! One binary for all integration tests: harnesses over files, and properties.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what helps tests may panic as tests may"
)]

mod actions;
mod api;
mod backend;
mod check;
mod cli;
mod clients;
mod connect;
mod crash;
mod docs;
mod driver;
mod engine;
mod expr;
mod files;
mod fuzzed;
mod journals;
mod limits;
mod marked;
mod mcp;
mod once;
mod outbound;
mod policies;
mod properties;
mod providers;
mod python;
mod record;
mod recovery;
mod registry;
mod retail;
mod routing;
mod serving;
mod sound;
mod spec;
mod store;
mod syntax;
mod talk;
mod telemetry;
mod template;
mod testing;
mod tls;
mod transcript;
mod understand;
mod vault;
mod workspace;
