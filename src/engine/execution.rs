//! What is kept of each attempt to run an action of a provider: attempted, sent, returned, and why it did not happen.

use std::sync::Arc;

use jiff::Timestamp;

use super::case::Reflected;
use super::event::{Event, EventBody};
use super::input::{Actor, Principal};
use crate::supervise::provider::{From, Yes};
use crate::value::{Json, Name};

/// An action of a provider that somebody wants to run, until it is decided on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Wanted {
    /// The provider.
    pub provider: Name,
    /// The action, as the provider has it.
    pub action: Arc<str>,
    /// Its inputs.
    pub inputs: Arc<Json>,
    /// The yes that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yes: Option<Yes>,
    /// A keyed digest of the offer whose question that answered: of another one it is no yes. `None`: no question showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Arc<str>>,
    /// The case that it is wanted for: it is done to no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Arc<str>>,
    /// From where it is asked for.
    pub from: From,
    /// By whom.
    pub actor: Actor,
    /// Whose credential that was.
    #[serde(default)]
    pub principal: Principal,
}

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// It was not allowed, and nothing was sent.
    Denied,
    /// Who was asked said no, and nothing was sent.
    Declined,
    /// It is under way.
    Sent,
    /// It was done.
    Executed,
    /// It was not done.
    Failed,
    /// Nobody knows whether it was done.
    InDoubt,
}

impl ExecutionStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Denied, Self::Declined, Self::Sent, Self::Executed, Self::Failed, Self::InDoubt];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Declined => "declined",
            Self::Sent => "sent",
            Self::Executed => "executed",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// Its id: later ones are greater.
    pub id: Arc<str>,
    /// What the provider is sent to know a repetition by: the same for every attempt at the same thing, until there is a definite answer.
    pub execution: Arc<str>,
    /// The agent's slug.
    pub agent: Arc<str>,
    /// `provider.action`.
    pub action: Arc<str>,
    /// The action's label.
    pub label: Arc<str>,
    /// Its inputs.
    pub inputs: Arc<Json>,
    /// The case that its provider was told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Arc<str>>,
    /// Who asked for it.
    pub by: Arc<str>,
    /// From where.
    pub from: From,
    /// How it stands.
    pub status: ExecutionStatus,
    /// When it was asked for.
    pub attempted: Timestamp,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Timestamp>,
    /// When it was answered, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Timestamp>,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// Why it did not happen: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Arc<str>>,
    /// Why it did not happen, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// What the provider said, as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Arc<str>>,
    /// What became of its effects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Reflected>,
}

/// What events change of the attempts of a conversation, the last standing of each.
#[must_use]
pub fn attempts(events: &[Event]) -> Vec<Attempt> {
    let mut out: Vec<Attempt> = Vec::new();
    for event in events {
        let attempt = match event.body.plain() {
            EventBody::Executing(executing) => &executing.attempt,
            EventBody::Executed(executed) => &executed.attempt,
            _ => continue,
        };
        out.retain(|a| a.id != attempt.id);
        out.push(attempt.clone());
    }
    out
}
