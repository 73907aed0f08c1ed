//! What a turn brings, and what comes of it.

use std::sync::Arc;

use crate::engine::{Answer, Command, Event};
use crate::store::StoreError;

/// What a turn brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// The user said something.
    Message(Arc<str>),
    /// Somebody asks for something by name.
    Command(Command),
}

/// What came of a turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TurnResult {
    /// What the caller is told.
    pub answer: Answer,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Whether this is the answer to an earlier turn with the same message id.
    pub repeated: bool,
}

/// Why a turn has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// There is no such conversation in the tenant.
    #[error("there is no conversation `{0}`")]
    NoConversation(Arc<str>),
    /// A conversation of that id is somebody else's, or another agent's.
    #[error("the conversation `{0}` belongs to somebody else")]
    NotYours(Arc<str>),
    /// The message's id was used for something else.
    #[error("the message id `{0}` was used for another message")]
    MessageReused(Arc<str>),
    /// Others kept committing first.
    #[error("the conversation is busy: somebody else kept changing it")]
    Busy,
    /// A run cannot go on.
    #[error("the conversation cannot go on: {0}")]
    Unrunnable(String),
    /// The clock cannot be moved.
    #[error("the machine's clock cannot be moved")]
    NotManual,
    /// The machine has no randomness to give, or a task of the driver ended early.
    #[error("the driver cannot go on: {0}")]
    Broken(&'static str),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}
