//! The files as written: a spanned YAML tree, the tables of keys of every kind of file, and what is checked of a file by its
//! shape alone.
//!
//! Knows nothing of what names mean: resolution is the model's.

mod allow;
pub mod keys;
mod place;
mod schema;
pub mod shape;
mod trap;
mod units;
mod walk;
pub mod yaml;

pub use allow::{Allow, allows};
pub use keys::{FileKind, Kind};
pub use schema::schema;
pub use units::{bytes, millis};
pub use walk::{FIELD_TYPES, check, each_step, is_full_choice, is_json_schema, step_parts};
pub use yaml::{Entry, Node, NodeKind, Parsed, Scalar, Style, decode, parse};
