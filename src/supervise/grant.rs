//! Questions that want a yes, and the grant that a yes makes (supervision, 3).

use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Intent, Ledger};
use super::lineage::{Source, is_covered};
use crate::model::{ActionId, ContentHash, StepKey};

/// A question as it was put.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Question {
    /// Its id.
    pub id: Arc<str>,
    /// The text as shown.
    pub text: Arc<str>,
    /// Keyed digest of the text.
    pub digest: Arc<str>,
    /// What the text shows.
    pub shown: Arc<[Source]>,
    /// The turn that put it: a yes in it does not count.
    pub turn: u64,
    /// The channel that was given it by the answer to its own call; a yes without an id counts only there.
    pub channel: Arc<str>,
    /// The text with sensitive values hidden, if there are any in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<Arc<str>>,
}

/// What a yes made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    /// The question that was answered.
    pub question: Arc<str>,
    /// The confirm that put it.
    pub step: StepKey,
    /// What was shown.
    pub shown: Arc<[Source]>,
    /// The actions that it is for; empty: any that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionId>,
    /// When.
    pub at: Timestamp,
    /// The conversation's version then.
    pub seq: u64,
    /// Whose yes it was.
    pub by: Arc<str>,
    /// The version that the run's journey had that day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ContentHash>,
    /// The steps that used it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<StepKey>,
}

/// Whether a grant covers an action with these sources; why not, if it does not.
///
/// # Errors
/// One sentence that says why it does not.
pub fn covers(grant: &Grant, intent: &Intent<'_>, ledger: &Ledger<'_>, now: Timestamp) -> Result<(), String> {
    let variables = ledger.variables;
    let age = u64::try_from(now.as_second().saturating_sub(grant.at.as_second())).unwrap_or(0);
    if age >= ledger.grant_ttl_s {
        return Err("the yes has expired".into());
    }
    if grant.version.as_ref() != ledger.version {
        return Err("the journey was changed after the yes".into());
    }
    if !grant.actions.is_empty() && !grant.actions.contains(&intent.action.id) {
        return Err("the yes was for another action".into());
    }
    if grant.used.contains(intent.step) {
        return Err("the yes was used at this step".into());
    }
    if let Some(s) = grant.shown.iter().find(|s| variables.seq(s.root()) != s.seq) {
        return Err(format!("`{}` was assigned after it was shown", s.root()));
    }
    if let Some(s) = intent.sources.iter().find(|s| !is_covered(s, &grant.shown, variables, grant.seq)) {
        let late = variables.seq(s.root()) > grant.seq;
        let why = if late { "was assigned after the yes" } else { "was not shown in the question" };
        return Err(format!("`{}` {why}", s.shown()));
    }
    Ok(())
}
