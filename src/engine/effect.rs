//! What comes out of the machine to be done outside, and what comes back.

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Answer;
use super::event::Event;
use super::state::State;
use crate::model::action::{Action, ActionId, Effects, ErrorKind, Method};
use crate::supervise::Permit;
use crate::value::{Json, Name, Taint};

/// Matches a result to its effect. Nothing else hangs on it: idempotency keys are made otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub Arc<str>);

/// What handling an input comes to. The driver commits the events, then performs the effects.
#[derive(Debug)]
#[must_use = "events must be committed and effects performed"]
pub struct Progress {
    /// The state after it: the fold of the state before it and the events.
    pub state: State,
    /// What changed, in order.
    pub events: Vec<Event>,
    /// What one conversation cannot know; taken in the transaction of the events.
    pub claims: Vec<Claim>,
    /// What is to be done, after the commit.
    pub effects: Vec<Effect>,
    /// When the machine wants [`super::InputBody::Wake`].
    pub wake_at: Option<Timestamp>,
    /// What the caller is told.
    pub answer: Answer,
}

/// Something that is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Send a request.
    Call(Box<CallEffect>),
}

/// A request that was allowed.
#[derive(Debug)]
pub struct CallEffect {
    /// To match the answer.
    pub id: EffectId,
    /// Leave to send, for this request alone.
    pub permit: Permit,
    /// What is sent.
    pub request: Arc<Request>,
    /// The action, for its integration, time and caps.
    pub action: Arc<Action>,
    /// The inputs as they were decided: for stubs and callers' own functions.
    pub inputs: Arc<Json>,
    /// The inputs as they may be shown: what is sensitive as `[redacted]`.
    pub shown: Arc<Json>,
    /// From 1.
    pub attempt: u32,
    /// Neither sent nor waited for after this.
    pub until: Timestamp,
}

/// A request, built once when it is decided: every attempt sends the same bytes. Relative to the integration's base URL.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// Which action.
    pub action: ActionId,
    /// Its method.
    pub method: Method,
    /// Its path, encoded.
    pub path: Arc<str>,
    /// Query parameters, not yet encoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(Arc<str>, Arc<str>)>,
    /// Headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// The body, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Arc<str>>,
    /// Of a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Arc<str>>,
    /// Whether it changes anything.
    pub effects: Effects,
    /// Whether it holds anything that may not be shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// It was answered.
    Answered(HttpAnswer),
    /// It was not.
    Failed(CallFailure),
}

impl CallResult {
    /// An answer in JSON, for a function that stands in for a service.
    #[must_use]
    pub fn answered(status: u16, body: Json) -> Self {
        Self::Answered(HttpAnswer { status, headers: Vec::new(), body: Arc::new(body), invalid_json: false })
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// The body: parsed JSON if it is JSON, else text; `null` if there is none.
    pub body: Arc<Json>,
    /// Whether the body said it was JSON and was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invalid_json: bool,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CallFailure {
    /// `timeout connect auth_failed rate_limited denied provider internal invalid_output …`.
    pub kind: ErrorKind,
    /// A stable code for why, such as `egress`, `cut`, `body_too_large`.
    pub code: Arc<str>,
    /// Whether a byte may have left.
    pub sent: bool,
    /// One lower-case sentence, without values.
    pub detail: Arc<str>,
    /// What the server asked to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// What a `Retry-After` asks for, in milliseconds from `now`: seconds, or a date (RFC 9110, section 10.2.3). `None`: it is neither.
#[must_use]
pub fn retry_after(written: &str, now: Timestamp) -> Option<u64> {
    let written = written.trim();
    if let Ok(seconds) = written.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(written).ok()?;
    Some(u64::try_from(at.duration_since(now).as_millis()).unwrap_or(0))
}

/// The code of a request whose sender is gone.
const SENDER_GONE: &str = "sender_gone";

impl CallResult {
    /// Whether whoever sent it is gone, and nobody knows what it came to.
    #[must_use]
    pub fn is_of_sender_gone(&self) -> bool {
        matches!(self, Self::Failed(failure) if &*failure.code == SENDER_GONE)
    }
}

impl CallFailure {
    /// Whoever sent it is gone, and with them the answer.
    #[must_use]
    pub fn sender_gone() -> Self {
        Self {
            kind: ErrorKind::Timeout,
            code: SENDER_GONE.into(),
            sent: true,
            detail: "whoever sent it is gone".into(),
            retry_after_ms: None,
        }
    }
}

/// What one conversation cannot know: taken in the transaction of the events, within a tenant.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A message id, used once.
    Message {
        /// The id.
        id: Arc<str>,
    },
    /// An idempotency key, reserved for one request until it is known what came of it.
    Key {
        /// The key.
        key: Arc<str>,
        /// Digest of the request.
        digest: Arc<str>,
    },
    /// The request of a reserved key was done: its answer is given to whoever asks for the same under this key.
    KeyApplied {
        /// The key.
        key: Arc<str>,
        /// The answer.
        recorded: Recorded,
        /// For how long it is kept.
        until: Timestamp,
    },
    /// The request of a reserved key was not done: anybody may have the key.
    KeyFreed {
        /// The key.
        key: Arc<str>,
    },
    /// A token of a rate.
    Rate {
        /// What is counted.
        bucket: Arc<str>,
        /// How many.
        max: u32,
        /// In how many seconds.
        per_s: u64,
    },
    /// A rate is counted from nothing again.
    RateCleared {
        /// What is counted.
        bucket: Arc<str>,
    },
    /// A name that is used once, of whatever kind.
    Other {
        /// Its kind.
        kind: Name,
        /// Its key.
        key: Arc<str>,
        /// From when on it may be used again; never, if there is no such time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// What came of the request of an idempotency key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recorded {
    /// What was answered.
    pub result: CallResult,
    /// The outcome, where a later read told it and not the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Arc<str>>,
    /// What of the answer's body is sensitive.
    #[serde(rename = "t", default, skip_serializing_if = "Taint::is_clean")]
    pub taint: Taint,
}

impl Recorded {
    /// Whether anything in it is sensitive.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        !self.taint.is_clean()
    }
}

/// A claim that could not be had.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Refused {
    /// Which.
    pub claim: Claim,
    /// A code: `used`, `busy`, `other_inputs`, `applied`, `rate_limited`.
    pub reason: Arc<str>,
    /// When it may be had again, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// What was recorded under a key that was `applied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}
