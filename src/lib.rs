//! Waypost lets a language model act for a customer only where a proved journey, the rules and the person allow it.
//!
//! The modules stand in layers (see `ARCHITECTURE.md`; `tests/tidy.rs` keeps them): text is read by [`syntax`], resolved by
//! [`model`], proved by [`check`], run by the pure [`engine`] and carried out by the [`driver`], the only part with a clock.

pub mod source;

pub mod value;

pub mod expr;

pub mod template;

pub mod syntax;

pub mod model;

pub mod check;

pub mod understand;

pub mod supervise;

pub mod engine;

pub mod store;

pub mod outbound;

pub mod driver;

pub mod transcript;

pub mod cli;
