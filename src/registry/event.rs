//! What happens in conversations that conditions may be bound to.

/// How deep a chain of events, decisions and actions may go: conditions do not fire above it.
pub const DEPTH_MAX: u32 = 3;

/// An event of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A journey ended, and none is under way any more.
    Completed,
    /// It went to a person.
    Escalated,
    /// Nobody came back in time.
    Abandoned,
    /// An action came to something.
    ActionFinished,
    /// An action failed.
    ActionFailed,
    /// A journey began.
    JourneyStarted,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Completed, Self::Escalated, Self::Abandoned, Self::ActionFinished, Self::ActionFailed, Self::JourneyStarted];
    /// Their names, in the same order.
    pub const NAMES: [&'static str; 6] = [
        "conversation.completed",
        "conversation.escalated",
        "conversation.abandoned",
        "action.finished",
        "action.failed",
        "journey.started",
    ];

    /// As `on` names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "conversation.completed",
            Self::Escalated => "conversation.escalated",
            Self::Abandoned => "conversation.abandoned",
            Self::ActionFinished => "action.finished",
            Self::ActionFailed => "action.failed",
            Self::JourneyStarted => "journey.started",
        }
    }

    /// The event of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == name)
    }
}
