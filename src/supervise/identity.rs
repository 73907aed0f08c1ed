//! Who was verified.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::action::IdentityRule;

/// A verification of who speaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// Who.
    pub subject: Arc<str>,
    /// How surely.
    pub level: u32,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub expires: Timestamp,
}

impl Identity {
    /// Whether it holds now.
    #[must_use]
    pub fn verified(&self, now: Timestamp) -> bool {
        self.at <= now && now < self.expires
    }

    /// Why it does not meet the rule, if it does not.
    #[must_use]
    pub fn falls_short(&self, rule: IdentityRule, now: Timestamp) -> Option<&'static str> {
        let age = now.as_second().saturating_sub(self.at.as_second());
        if !self.verified(now) {
            Some("the verification has expired")
        } else if self.level < rule.level {
            Some("the verification is of a lower level")
        } else if u64::try_from(age).unwrap_or(u64::MAX) > rule.max_age_s {
            Some("the verification is too old")
        } else {
            None
        }
    }
}
