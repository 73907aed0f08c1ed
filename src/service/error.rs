//! Why a service does not do what it was asked.

use std::sync::Arc;

use super::access::AccessError;
use crate::driver::DriverError;
use crate::store::StoreError;

/// Why a service does not do what it was asked. Says nothing of what the caller may not see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The workspace has no agent of that name.
    #[error("there is no agent `{0}`")]
    NoAgent(Arc<str>),
    /// There is none, or it is somebody else's.
    #[error("there is no conversation `{0}`")]
    NoConversation(Arc<str>),
    /// There is no such journey.
    #[error("there is no journey `{0}`")]
    NoJourney(Arc<str>),
    /// There is no such hold.
    #[error("there is no hold `{0}`")]
    NoHold(Arc<str>),
    /// There is no such condition, action, decision or primitive, or it is somebody else's.
    #[error("there is no {what} {id}")]
    NoRecord {
        /// A stable code.
        code: &'static str,
        /// What there is none of.
        what: &'static str,
        /// Which, in backticks.
        id: String,
    },
    /// What was sent is no definition, or not what it is to be evaluated over: a stable code, and why.
    #[error("{1}")]
    Rejected(&'static str, String),
    /// Something else is registered so, and never changes.
    #[error("{0}")]
    Taken(String),
    /// There is no such provider.
    #[error("there is no provider `{0}`")]
    NoProvider(Arc<str>),
    /// The caller may not do that, whatever stands.
    #[error("{0}")]
    Forbidden(String),
    /// What was sent means nothing: a stable code, and why.
    #[error("{1}")]
    Invalid(&'static str, String),
    /// An id was used for something else.
    #[error("the id `{0}` was used for something else")]
    Reused(Arc<str>),
    /// More than can be handled came at once.
    #[error("too much is asked at once")]
    Overloaded,
    /// The store or another process keeps it from being done now.
    #[error("{0}")]
    Unavailable(String),
    /// A conversation cannot go on.
    #[error("{0}")]
    Unrunnable(String),
    /// The keys cannot be used.
    #[error(transparent)]
    Setup(AccessError),
    /// Something that should not be.
    #[error("{0}")]
    Internal(String),
}

impl ServiceError {
    /// There is none of that id, or of that version of it.
    #[must_use]
    pub fn no_record(what: &'static str, id: &str, version: Option<&str>) -> Self {
        let code = match what {
            "condition" => "no_condition",
            "action" => "no_action",
            "decision" => "no_decision",
            "primitive" => "no_primitive",
            "delivery" => "no_delivery",
            _ => "no_record",
        };
        let id = version.map_or_else(|| format!("`{id}`"), |version| format!("`{id}` of version `{version}`"));
        Self::NoRecord { code, what, id }
    }

    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoAgent(_) => "no_agent",
            Self::NoConversation(_) => "no_conversation",
            Self::NoJourney(_) => "no_journey",
            Self::NoHold(_) => "no_hold",
            Self::NoRecord { code, .. } | Self::Rejected(code, _) | Self::Invalid(code, _) => code,
            Self::Taken(_) => "registered",
            Self::NoProvider(_) => "unknown_provider",
            Self::Forbidden(_) => "forbidden",
            Self::Reused(_) => "id_reused",
            Self::Overloaded => "overloaded",
            Self::Unavailable(_) => "unavailable",
            Self::Unrunnable(_) => "unrunnable",
            Self::Setup(_) => "setup",
            Self::Internal(_) => "internal",
        }
    }
}

impl From<DriverError> for ServiceError {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::NoConversation(id) | DriverError::NotYours(id) => Self::NoConversation(id),
            DriverError::MessageReused(id) => Self::Reused(id),
            DriverError::Busy | DriverError::Stale => Self::Unavailable("the conversation is busy: try again".into()),
            DriverError::Unrunnable(why) => Self::Unrunnable(why),
            DriverError::NotManual | DriverError::Broken(_) => Self::Internal(error.to_string()),
            DriverError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Erased(id) => Self::NoConversation(id),
            StoreError::Unavailable(_) | StoreError::Unwritable(_) => {
                tracing::error!(%error, "the store does not do what it is asked");
                Self::Unavailable("the store cannot be reached or written to: try again".into())
            }
            StoreError::Corrupt(_) | StoreError::Unsupported(_) => {
                tracing::error!(%error, "the store does not do what it is asked");
                Self::Internal("the store does not do what it is asked".into())
            }
        }
    }
}
