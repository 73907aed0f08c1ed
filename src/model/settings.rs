//! `waypost.yaml`. Every key is optional.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use crate::registry::{Channel, Engine};
use crate::source::{Code, Severity, Text};
use crate::value::{Json, Name};

/// Words by language.
pub type WordsByLanguage = BTreeMap<Arc<str>, Vec<Arc<str>>>;

/// The settings of a workspace.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The agent's slug (default `default`).
    pub agent_slug: Arc<str>,
    /// The agent's human name.
    pub agent_name: Option<Arc<str>>,
    /// The queue of escalations that name none (default `support`).
    pub default_queue: Arc<str>,
    /// Declared queues; empty: any.
    pub queues: Vec<Arc<str>>,
    /// Words beside the built-in ones, by kind (`yes no cancel person skip`) and language.
    pub words: BTreeMap<Arc<str>, WordsByLanguage>,
    /// Names that `${NAME}` resolves outside credentials.
    pub secrets: Vec<Arc<str>>,
    /// Hosts of triggered actions.
    pub egress_allow_hosts: Vec<Arc<str>>,
    /// Language (default `en`).
    pub locale: Arc<str>,
    /// IANA time zone (default `UTC`).
    pub timezone: Arc<str>,
    /// ISO 3166 region of phone numbers without a prefix (default `US`).
    pub phone_region: Arc<str>,
    /// Bounds.
    pub limits: Limits,
    /// The journey that verifies who speaks.
    pub identity_journey: Option<Name>,
    /// Whether a second subject may take over a conversation.
    pub identity_allow_switch: bool,
    /// Where transcripts are (default `tests`).
    pub tests: Arc<str>,
    /// Levels of codes; `None` is allow.
    pub lints: BTreeMap<Code, Option<Severity>>,
    /// Whether a field that no file declares is an error.
    pub strict: bool,
    /// Clients over MCP whose accepted elicitation is the user's yes.
    pub mcp_trusted_clients: Vec<Arc<str>>,
    /// Signed tokens of a host.
    pub jwt: Option<Jwt>,
    /// The host's page that signs users in.
    pub sign_in: Option<Arc<str>>,
    /// Where conversations are kept.
    pub store_url: Option<Arc<str>>,
    /// What seals sensitive values at rest, with `${…}` unresolved: the first seals, all open.
    pub seal_keys: Vec<Text>,
    /// The address of `serve`.
    pub listen: Option<Arc<str>>,
    /// Where users reach it.
    pub server_url: Option<Arc<str>>,
    /// Who may call it.
    pub server_keys: Vec<ServerKey>,
    /// Primitives that conditions may read; `None`: any.
    pub primitives: Option<BTreeSet<Arc<str>>>,
    /// Where notifications go, by name.
    pub channels: BTreeMap<Arc<str>, Channel>,
    /// What runs workflows, by name.
    pub workflows: BTreeMap<Arc<str>, Engine>,
    /// Statuses of cases in the order written, the first being that of a new one, and from each the allowed moves; `None`: any.
    pub case_statuses: IndexMap<Arc<str>, Option<Vec<Arc<str>>>>,
    /// Where traces go.
    pub otlp: Option<Arc<str>>,
}

/// Tokens that a host signs.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// Who signs them.
    pub issuer: Option<Arc<str>>,
    /// For whom.
    pub audience: Option<Arc<str>>,
    /// By which algorithms.
    pub algorithms: Vec<Arc<str>>,
    /// With which keys, with `${…}` unresolved.
    pub keys: Json,
}

/// A key of the server.
#[derive(Debug, Clone)]
pub struct ServerKey {
    /// Whose it is.
    pub name: Arc<str>,
    /// The key, with `${…}` unresolved.
    pub key: Text,
    /// Who it speaks as: `user agent operator admin runtime`.
    pub role: Arc<str>,
    /// Its tenants; empty: any.
    pub tenants: Vec<Arc<str>>,
    /// What it may do beside.
    pub scopes: Vec<Arc<str>>,
}

/// Bounds of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instant steps between two that wait (default 1,000).
    pub instant_steps: u32,
    /// Seconds that a grant lives (default 900).
    pub grant_ttl_s: u64,
    /// Seconds without a message until a conversation is abandoned (default 86,400).
    pub idle_s: u64,
    /// Bytes of a request's body (default 1 MB).
    pub body: u64,
    /// Bytes of a response's body (default 5 MB).
    pub response: u64,
    /// Milliseconds until a turn is answered `working` (default 30,000).
    pub turn_ms: u64,
    /// Of `serve`.
    pub serving: Serving,
}

/// How much `serve` does at once, and for whom it waits how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    /// Requests that are handled at once (default 4,096).
    pub requests: u32,
    /// Requests that wait beside those (default 1,024).
    pub waiting: u32,
    /// Milliseconds that one waits (default 5,000).
    pub wait_ms: u64,
    /// Connections (default 8,192).
    pub connections: u32,
    /// Streams of events (default 1,024).
    pub streams: u32,
    /// Milliseconds until a stream ends (default 3,600,000).
    pub stream_ms: u64,
    /// Milliseconds until a head, and a body, has come (default 30,000).
    pub receive_ms: u64,
    /// Milliseconds until a caller has taken what is sent (default 30,000).
    pub send_ms: u64,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            requests: 4_096,
            waiting: 1_024,
            wait_ms: 5_000,
            connections: 8_192,
            streams: 1_024,
            stream_ms: 3_600_000,
            receive_ms: 30_000,
            send_ms: 30_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            instant_steps: 1_000,
            grant_ttl_s: 900,
            idle_s: 86_400,
            body: 1_000_000,
            response: 5_000_000,
            turn_ms: 30_000,
            serving: Serving::default(),
        }
    }
}

impl Settings {
    /// The time zone, or UTC where there is none of that name.
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            agent_slug: "default".into(),
            agent_name: None,
            default_queue: "support".into(),
            queues: Vec::new(),
            words: BTreeMap::new(),
            secrets: Vec::new(),
            egress_allow_hosts: Vec::new(),
            locale: "en".into(),
            timezone: "UTC".into(),
            phone_region: "US".into(),
            limits: Limits::default(),
            identity_journey: None,
            identity_allow_switch: false,
            tests: "tests".into(),
            lints: BTreeMap::new(),
            strict: false,
            mcp_trusted_clients: Vec::new(),
            jwt: None,
            sign_in: None,
            store_url: None,
            seal_keys: Vec::new(),
            listen: None,
            server_url: None,
            server_keys: Vec::new(),
            primitives: None,
            channels: BTreeMap::new(),
            workflows: BTreeMap::new(),
            case_statuses: IndexMap::new(),
            otlp: None,
        }
    }
}
