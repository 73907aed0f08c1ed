//! Conditions and triggered actions: what is registered, what a condition decides over given data, and the record of it.
//!
//! Pure: what is known of an entity is handed in, so the same inputs and time give the same decision. Knows no store, no clock and no
//! wire.

mod action;
mod channel;
mod condition;
pub mod config;
mod decision;
mod evaluate;
mod event;
mod id;
mod input;
mod letter;
pub mod payload;
pub mod strategy;

pub use action::{ActionDefinition, Delivery, FireOn, Trigger};
pub use channel::{Channel, Engine, HttpEngine};
pub use condition::{ConditionDefinition, OPERANDS_MAX, Operand, Rule};
pub use config::{Config, Declared};
pub use decision::{ActionResult, ActionStatus, Decision, DecisionError, Reason, Verdict};
pub use evaluate::{Condition, Given, HISTORY_MAX, Judged, Known, Named, Needs, Operands, Sample, Series};
pub use event::{DEPTH_MAX, EventKind};
pub use id::{ENTITY_MAX, PrimitiveId, is_entity, is_name, is_version};
pub use input::Input;
pub use letter::{Deed, Letter, To, depth_of, run_id, runs_of, told};
pub use strategy::Strategy;

/// What is wrong with a definition, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code of the finding where the definition stands in a file.
    pub code: crate::source::Code,
    /// The keys that lead there.
    pub path: Vec<String>,
    /// The part of the text there that is meant, if not all of it.
    pub range: Option<std::ops::Range<usize>>,
    /// One lower-case sentence.
    pub message: String,
    /// What to type instead.
    pub help: Option<String>,
}

impl Fault {
    /// A fault at these keys.
    #[must_use]
    pub fn new(code: crate::source::Code, path: &[&str], message: impl Into<String>) -> Self {
        let path = path.iter().map(|k| (*k).to_owned()).collect();
        Self { code, path, range: None, message: message.into(), help: None }
    }

    /// At a key of what it is at.
    #[must_use]
    pub fn at(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }

    /// Says what to type instead.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, seen from a map that holds the faulty one under these keys.
    #[must_use]
    pub fn below(mut self, path: &[&str]) -> Self {
        self.path.splice(0..0, path.iter().map(|k| (*k).to_owned()));
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path.join("."))?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}
