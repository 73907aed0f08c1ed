//! What happened in a conversation: versioned, and all that its state is made of.

use jiff::Timestamp;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// The version of the event's form: 1.
    pub v: u16,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. Filled by the engine.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// A line of the trace, of no effect on the state.
    Noted {
        /// What.
        text: String,
    },
}
