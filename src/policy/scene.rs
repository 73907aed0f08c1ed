//! What policies are asked about, before Cedar sees it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::value::Json;

/// Who asks, as a type of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The end user.
    User,
    /// A language model.
    Agent,
    /// A person of the company.
    Operator,
    /// An elevated key.
    Admin,
    /// A host that forwards both.
    Runtime,
    /// A timer, a condition, the program itself.
    System,
}

impl Who {
    /// All of them, in the order of supervision, section 1.
    pub const ALL: [Self; 6] = [Self::User, Self::Agent, Self::Operator, Self::Admin, Self::Runtime, Self::System];

    /// The name of its type in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Agent => "Agent",
            Self::Operator => "Operator",
            Self::Admin => "Admin",
            Self::Runtime => "Runtime",
            Self::System => "System",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// As what.
    pub who: Who,
    /// The id of the credential; a user's own id is the conversation's.
    pub id: &'a str,
    /// Roles.
    pub roles: &'a [Arc<str>],
}

/// What an action is asked for in.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Who asks.
    pub speaker: Speaker<'a>,
    /// The conversation.
    pub conversation: &'a str,
    /// Its tenant.
    pub tenant: &'a str,
    /// Its agent's slug.
    pub agent: &'a str,
    /// Its user.
    pub user_id: &'a str,
    /// What the caller says of the user.
    pub user: &'a Json,
    /// The journey under way.
    pub journey: &'a str,
    /// The action's inputs.
    pub inputs: &'a Json,
}

/// What the rules before the policies found.
#[derive(Debug, Clone, Copy)]
pub struct Gates<'a> {
    /// The step.
    pub step: &'a str,
    /// The subject and the level of a verification that holds now.
    pub verified: Option<(&'a str, u32)>,
    /// Whether a live yes covers everything that the action reads.
    pub confirmed: bool,
    /// When.
    pub now: Timestamp,
}
