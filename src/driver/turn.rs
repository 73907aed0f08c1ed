//! What a turn brings, what comes of it, and why it may come to nothing.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::engine::input::Open;
use crate::engine::{Actor, Answer, Command, Event, Input, InputBody, Principal, State};
use crate::store::StoreError;

/// What a turn brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// The user said something.
    Message(Arc<str>),
    /// Somebody asks for something by name.
    Command(Command),
}

impl From<Turn> for InputBody {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Message(text) => Self::Message(text),
            Turn::Command(command) => Self::Command(command),
        }
    }
}

/// What came of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnResult {
    /// What the caller is told.
    pub answer: Answer,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Where the conversation stands after it; of a repeated one, nothing.
    pub state: Arc<State>,
    /// Whether this is the answer to an earlier turn with the same message id.
    pub repeated: bool,
}

/// The state of no conversation: every turn begins from it, none makes it anew.
static NOWHERE: LazyLock<Arc<State>> = LazyLock::new(Arc::default);

impl Default for TurnResult {
    fn default() -> Self {
        Self { answer: Answer::default(), events: Vec::new(), state: NOWHERE.clone(), repeated: false }
    }
}

/// What a caller says of what it sends, beside the thing itself.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Its id: the same id is the same turn.
    pub id: Option<Arc<str>>,
    /// A digest of what else came with it: with another, the same id is no repetition.
    pub with: Arc<str>,
    /// The version that the caller knows: if it is not the conversation's, nothing is done.
    pub at: Option<u64>,
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
    /// The conversation has moved on since the caller saw it.
    #[error("the conversation has moved on")]
    Stale,
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

impl DriverError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoConversation(_) => "no_conversation",
            Self::NotYours(_) => "not_yours",
            Self::MessageReused(_) => "reused",
            Self::Stale => "stale",
            Self::Busy => "busy",
            Self::Unrunnable(_) => "unrunnable",
            Self::NotManual => "clock",
            Self::Broken(_) => "broken",
            Self::Store(_) => "store",
        }
    }
}

/// The input that opens a conversation.
pub(super) fn opened(open: &Open, at: Timestamp, entropy: [u8; 32]) -> Input {
    Input {
        at,
        actor: Actor::System,
        principal: Principal::default(),
        message_id: None,
        entropy,
        refused: Vec::new(),
        unaware: false,
        answered: false,
        body: InputBody::Open(open.clone()),
    }
}

/// Whether somebody sent it, and might send it again under the same id.
pub(super) fn is_sent(body: &InputBody) -> bool {
    match body {
        InputBody::Message(_) | InputBody::Command(_) => true,
        InputBody::Open(_) | InputBody::Result(..) | InputBody::Wake | InputBody::TakeOver(_) | InputBody::Unsealed => false,
    }
}

/// What a turn brings, for what is counted of it.
pub(super) const fn kind(body: &InputBody) -> &'static str {
    match body {
        InputBody::Open(_) => "open",
        InputBody::Message(_) => "message",
        InputBody::Command(_) => "command",
        InputBody::Result(..) => "result",
        InputBody::Wake => "wake",
        InputBody::TakeOver(_) => "take_over",
        InputBody::Unsealed => "unsealed",
    }
}
