//! Approvals: what an action that needs one waits for, and what it was given.

use std::sync::Arc;

use jiff::Timestamp;

/// How an action stands with an approval.
#[derive(Debug, Clone, Copy)]
pub enum Approval<'a> {
    /// It needs none.
    Unneeded,
    /// It needs one of somebody with all of these roles.
    Needed(&'a [Arc<str>]),
    /// It needs one, and is something that cannot wait for it.
    Impossible,
    /// It was approved.
    Given(&'a Approved),
}

impl Approval<'_> {
    /// When it was held: what was alive then counts as if it were then.
    #[must_use]
    pub fn held_at(&self) -> Option<Timestamp> {
        match self {
            Self::Given(approved) => Some(approved.held_at),
            Self::Unneeded | Self::Needed(_) | Self::Impossible => None,
        }
    }
}

/// An approval of one held action.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Approved {
    /// When the action was held.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub held_at: Timestamp,
    /// Who approved it.
    pub by: Arc<str>,
}
