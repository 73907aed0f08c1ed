//! What a caller is told after a turn.

use std::sync::Arc;

use super::schema::Schema;
use crate::value::{Json, Name};

/// The answer of a turn. The surfaces give it their wire forms.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// What is said, in order.
    pub messages: Vec<Arc<str>>,
    /// Where the conversation stands.
    pub phase: Phase,
    /// Whether somebody is waited for.
    pub awaiting_input: bool,
    /// Options of a choice.
    pub options: Vec<AnswerOption>,
    /// The question that a confirm put.
    pub question: Option<Question>,
    /// What was wrong with the command, by field.
    pub errors: Vec<FieldError>,
    /// Why the input was refused; nothing changed then.
    pub refused: Option<Refusal>,
    /// The conversation's version after the turn: the one at which it last moved.
    pub at: u64,
    /// Its status.
    pub status: Status,
    /// The slug of the journey on top, or of the last that ended.
    pub journey: Option<Arc<str>>,
    /// The outcome of the last run that ended.
    pub outcome: Option<Arc<str>>,
    /// What a read that an investigation asked for answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadResult>,
    /// The attempt to run an action of a provider that the turn was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Arc<str>>,
    /// Whether it says anything that only its caller may see.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

impl Answer {
    /// All that is said, as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.messages.join("\n")
    }
}

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's")]
pub enum Phase {
    #[serde(rename = "phase_collect")]
    Collect,
    #[serde(rename = "phase_choice")]
    Choice,
    #[serde(rename = "phase_confirm")]
    Confirm,
    #[serde(rename = "phase_guide")]
    Guide,
    #[serde(rename = "phase_investigate")]
    Investigate,
    #[serde(rename = "phase_hold")]
    Hold,
    #[serde(rename = "phase_working")]
    Working,
    #[serde(rename = "phase_done")]
    Done,
    #[serde(rename = "phase_escalated")]
    Escalated,
    #[default]
    #[serde(rename = "phase_idle")]
    Idle,
}

/// The status of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the contract's")]
pub enum Status {
    Active,
    Paused,
    #[default]
    Completed,
    Escalated,
    Abandoned,
    Cancelled,
}

/// What a read of an investigation came to.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReadResult {
    /// `integration.action`.
    pub action: Arc<str>,
    /// Its outcome, or the kind of its error.
    pub outcome: Arc<str>,
    /// Its body; sensitive values as `[redacted]`.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub body: Json,
}

/// An option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AnswerOption {
    /// What a command names.
    pub id: Arc<str>,
    /// What a person reads.
    pub label: Arc<str>,
}

/// A question that wants a yes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Question {
    /// Its id: a yes names it.
    pub id: Arc<str>,
    /// As shown.
    pub text: Arc<str>,
    /// Keyed digest of what was shown.
    pub digest: Arc<str>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FieldError {
    /// The field.
    pub field: Name,
    /// A stable code: `invalid`, `too_short`, `pattern`, `not_fillable`, …
    pub code: Arc<str>,
    /// What to send instead.
    pub help: Arc<str>,
}

/// Why an input was refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Refusal {
    /// A stable code: `not_now`, `forbidden`, `stale`, `ended`, …
    pub code: Arc<str>,
    /// One sentence.
    pub reason: Arc<str>,
}

/// What may come next: a pure function of journey and state.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Expects {
    /// The commands, each with the JSON Schema of its body, narrowed to this step.
    pub commands: Vec<(Arc<str>, Schema)>,
}

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TraceLine {
    /// `step`, `verdict`, `call`, `outcome`, `set`, `note`, …
    pub kind: Arc<str>,
    /// The step, if it is about one.
    pub step: Option<Arc<str>>,
    /// What happened; sensitive values as `[redacted]`.
    pub text: Arc<str>,
}
