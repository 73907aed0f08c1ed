//! What a workspace declares that actions go through: channels, and what runs workflows.

use std::sync::Arc;

/// Where notifications go. Texts have `${…}` unresolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// An incoming webhook of Slack.
    Slack {
        /// Where.
        url: Arc<str>,
    },
    /// The Events API of `pagerduty`, version 2.
    PagerDuty {
        /// Where, if not at its own address.
        url: Option<Arc<str>>,
        /// The integration's key.
        routing_key: Arc<str>,
        /// How bad it is: `critical error warning info` (default `error`).
        severity: Arc<str>,
    },
    /// Any service.
    Webhook {
        /// Where.
        url: Arc<str>,
        /// What signs it.
        secret: Option<Arc<str>>,
    },
    /// The program's own log.
    Log,
}

/// What runs a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A journey of the workspace.
    Journey(Arc<str>),
    /// A service.
    Http(HttpEngine),
}

/// A workflow engine over HTTP. Texts have `${…}` unresolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpEngine {
    /// Where.
    pub url: Arc<str>,
    /// What signs requests.
    pub secret: Option<Arc<str>>,
    /// Sent with every request.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
}
