//! Integrations and their actions (language, 7).

use std::sync::Arc;

use super::datapoint::Datapoint;
use super::provider::Provider;
use super::schema::InputSchema;
use super::step::Operand;
use super::workspace::ContentHash;
use crate::expr::Program;
use crate::source::{Span, Text};
use crate::template::Template;
use crate::value::{Name, Path, Slug};

/// `integration.action`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ActionId {
    /// The integration.
    pub integration: Slug,
    /// The action.
    pub action: Slug,
}

impl std::fmt::Display for ActionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.integration, self.action)
    }
}

/// What kind of service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegrationType {
    /// JSON over HTTP.
    RestApi,
    /// GraphQL over HTTP.
    Graphql,
    /// One URL that takes messages.
    Webhook,
    /// An MCP server's tools.
    Mcp,
    /// A service that offers actions for the case in hand.
    Provider,
}

/// How requests prove who sends them. Texts may hold `${ENV_VAR}` and `${file:NAME}`; they are resolved where they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// `Authorization: Bearer …`.
    Bearer {
        /// The key.
        api_key: Text,
    },
    /// A key in a header.
    ApiKey {
        /// The key.
        api_key: Text,
        /// The header (default `X-API-Key`).
        header: Arc<str>,
    },
    /// RFC 7617.
    Basic {
        /// The name.
        username: Text,
        /// The password.
        password: Text,
    },
    /// RFC 6749, 4.4.
    OAuth2 {
        /// The client.
        client_id: Text,
        /// Its secret.
        client_secret: Text,
        /// Where tokens come from.
        token_url: Text,
        /// What for.
        scope: Option<Text>,
    },
    /// Standard Webhooks signature.
    Hmac {
        /// `whsec_…`.
        secret: Text,
    },
}

/// A service.
#[derive(Debug, Clone)]
pub struct Integration {
    /// Its human name.
    pub name: Arc<str>,
    /// Its slug.
    pub slug: Slug,
    /// What it is.
    pub description: Option<Arc<str>>,
    /// What kind.
    pub kind: IntegrationType,
    /// Where it is, with `${…}` unresolved.
    pub base_url: Text,
    /// The program that it is, with its arguments, with `${…}` unresolved; empty: it is at `base_url`.
    pub command: Vec<Text>,
    /// What that program finds in its environment, with `${…}` unresolved.
    pub environment: Vec<(Arc<str>, Text)>,
    /// How requests prove who sends them.
    pub auth: Auth,
    /// Sent with every request.
    pub headers: Vec<(Arc<str>, Text)>,
    /// Hosts allowed beside the base URL's.
    pub allow_hosts: Vec<Arc<str>>,
    /// Where to ask whether it lives.
    pub test_endpoint: Option<Arc<str>>,
    /// What is configured of a provider, if it is one.
    pub provider: Option<Provider>,
    /// The `name` in the file.
    pub span: Span,
}

/// Whether an action changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effects {
    /// It only looks.
    Read,
    /// It changes something. What is left out is this.
    Write,
}

/// An action of an integration.
#[derive(Debug, Clone)]
pub struct Action {
    /// `integration.action`.
    pub id: ActionId,
    /// Its human name.
    pub name: Arc<str>,
    /// Its service.
    pub integration: Arc<Integration>,
    /// Whether it changes anything.
    pub effects: Effects,
    /// How it is called.
    pub invocation: Invocation,
    /// Its inputs, in order.
    pub inputs: Vec<InputField>,
    /// The full JSON Schema of its inputs, if it was given as one.
    pub input_schema: Option<Arc<InputSchema>>,
    /// The fields its result is cut to; empty: all of it.
    pub output: Vec<OutputField>,
    /// Its outcomes, in order; the first whose condition is true wins.
    pub outcomes: Vec<Outcome>,
    /// Time and tries.
    pub settings: ActionSettings,
    /// What supervision asks for.
    pub safety: Safety,
    /// Where inputs come from if the step does not say.
    pub input_mappings: Vec<(Name, Operand)>,
    /// The variable that takes the result too.
    pub output_datapoint: Option<Name>,
    /// The `name` in the file.
    pub span: Span,
    /// Digest of its text, its integration's among it.
    pub hash: ContentHash,
}

/// How an action is called.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path, in pieces.
    pub endpoint: Vec<EndpointPart>,
    /// Where the endpoint is written.
    pub endpoint_span: Span,
    /// Of an MCP server: the tool's name, as the server has it.
    pub tool: Option<Arc<str>>,
    /// Headers. A value that is `null` is left out.
    pub headers: Vec<(Arc<str>, Operand)>,
    /// Query parameters. A value that is `null` is left out.
    pub query: Vec<(Arc<str>, Operand)>,
    /// The body; `None`: what path and query did not take, as JSON, for `POST PUT PATCH`.
    pub body: Option<Operand>,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "RFC 9110 names them")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// A piece of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointPart {
    /// Text that is sent as it is.
    Literal(Arc<str>),
    /// `{param}`: put in as one percent-encoded segment.
    Param(Name, Span),
}

/// One input.
#[derive(Debug, Clone)]
pub struct InputField {
    /// Its name.
    pub name: Name,
    /// As written: the key in a body or query.
    pub shown: Arc<str>,
    /// Its type.
    pub kind: FieldType,
    /// What it is.
    pub description: Option<Arc<str>>,
    /// Whether it must be (default).
    pub required: bool,
    /// Its key in the file.
    pub span: Span,
}

/// A type of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "JSON Schema names them")]
pub enum FieldType {
    String,
    Number,
    Integer,
    Boolean,
    Object,
    Array,
    Any,
}

/// One field of a result.
#[derive(Debug, Clone)]
pub struct OutputField {
    /// Its key.
    pub name: Arc<str>,
    /// Its type.
    pub kind: FieldType,
    /// Whether it must be there.
    pub required: bool,
}

/// One outcome.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its name.
    pub name: Slug,
    /// When it is taken; `None`: always.
    pub condition: Option<Program>,
    /// Whether it settles a write that would be in doubt.
    pub settles: bool,
    /// Its `name` in the file.
    pub span: Span,
    /// Its condition in the file.
    pub condition_span: Option<Span>,
}

/// Whether the server makes a re-sent request safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// It honours `Idempotency-Key`.
    Key,
    /// The method itself is (`PUT`, `DELETE`).
    Natural,
    /// No.
    None,
}

/// Time and tries.
#[derive(Debug, Clone)]
pub struct ActionSettings {
    /// Milliseconds for one try (default 10,000).
    pub timeout_ms: u64,
    /// Tries after the first (default 0).
    pub retries: u32,
    /// Delay before the second try (default 200); doubles.
    pub retry_backoff_ms: u64,
    /// `key`, `natural` or `none` (default `none`; `natural` for `PUT` and `DELETE`).
    pub idempotency: Idempotency,
}

/// What supervision asks for before an action runs (supervision, 3 to 11).
#[derive(Debug, Clone, Default)]
pub struct Safety {
    /// A fresh yes.
    pub requires_confirmation: bool,
    /// A verified identity.
    pub identity: Option<IdentityRule>,
    /// Whose the resource must be.
    pub owner: Option<OwnerRule>,
    /// Whose the answer must be.
    pub result_owner: Option<(Program, Slug)>,
    /// Somebody's approval.
    pub approval: Option<ApprovalRule>,
    /// What must not be shown.
    pub redact: Vec<RedactPath>,
    /// The template of an explicit idempotency key.
    pub idempotency_key: Option<Template>,
    /// Seconds that an applied result is kept (default 86,400).
    pub idempotency_ttl_s: u64,
    /// How doubt is settled.
    pub reconcile: Option<Reconcile>,
    /// How often.
    pub rate_limit: Option<RateLimit>,
    /// Whether the audit keeps redacted inputs and outputs.
    pub audit_detailed: bool,
    /// The `safety` key in the file, if there is one.
    pub span: Option<Span>,
}

/// `requires_identity_verification`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityRule {
    /// The level (default 1).
    pub level: u32,
    /// Seconds since it was reached, at most (default 900).
    pub max_age_s: u64,
}

impl IdentityRule {
    /// What meets both.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self { level: self.level.max(other.level), max_age_s: self.max_age_s.min(other.max_age_s) }
    }
}

/// `owner`.
#[derive(Debug, Clone)]
pub enum OwnerRule {
    /// An expression over `inputs` and `$conversation`.
    Expr(Program),
    /// A read, and an expression over its `response`, `inputs` and `$conversation`.
    Read {
        /// The read, by name.
        call: (Arc<str>, Span),
        /// Its inputs.
        inputs: Vec<(Name, Operand)>,
        /// The condition.
        is: Program,
    },
}

/// `requires_approval`.
#[derive(Debug, Clone)]
pub struct ApprovalRule {
    /// Who may.
    pub role: Arc<str>,
    /// Where it waits.
    pub queue: Option<Arc<str>>,
    /// Seconds it waits.
    pub ttl_s: u64,
    /// When it is needed; `None`: always.
    pub when: Option<Program>,
}

/// A path of `redact_fields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedactPath {
    /// `inputs.a.b`.
    Inputs(Path),
    /// `response.a.b`.
    Response(Path),
    /// A bare name, at any depth of both.
    Anywhere(Arc<str>),
}

/// `reconcile`.
#[derive(Debug, Clone)]
pub struct Reconcile {
    /// The read, by name.
    pub call: (Arc<str>, Span),
    /// Its inputs.
    pub inputs: Vec<(Name, Operand)>,
    /// Seconds past the write's timeout.
    pub after_s: u64,
    /// Read outcome to write outcome.
    pub applied: Vec<(Slug, Slug)>,
    /// Read outcomes that say it was not applied.
    pub not_applied: Vec<Slug>,
}

/// `rate_limit`.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// How many.
    pub max: u32,
    /// In how many seconds.
    pub per_s: u64,
    /// Counted by what.
    pub scope: RateScope,
}

impl RateLimit {
    /// The one that allows fewer in the same time; of two that count by different things, the later one.
    #[must_use]
    pub fn stricter(self, later: Self) -> Self {
        let allows = |of: &Self, other: &Self| u64::from(of.max).saturating_mul(other.per_s);
        if self.scope == later.scope && allows(&self, &later) < allows(&later, &self) { self } else { later }
    }
}

/// What a rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// The verified subject, else the user's id.
    User,
    /// The conversation.
    Conversation,
    /// The action.
    Action,
}

/// Why a call failed (language, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the language's")]
pub enum ErrorKind {
    Timeout,
    Connect,
    AuthFailed,
    HttpStatus,
    RateLimited,
    Busy,
    Unmatched,
    InvalidInput,
    InvalidOutput,
    Denied,
    InDoubt,
    NotApplied,
    Provider,
    Internal,
}

impl ErrorKind {
    /// All of them, in the language's order.
    pub const ALL: [Self; 14] = [
        Self::Timeout,
        Self::Connect,
        Self::AuthFailed,
        Self::HttpStatus,
        Self::RateLimited,
        Self::Busy,
        Self::Unmatched,
        Self::InvalidInput,
        Self::InvalidOutput,
        Self::Denied,
        Self::InDoubt,
        Self::NotApplied,
        Self::Provider,
        Self::Internal,
    ];

    /// As authors write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::AuthFailed => "auth_failed",
            Self::HttpStatus => "http_status",
            Self::RateLimited => "rate_limited",
            Self::Busy => "busy",
            Self::Unmatched => "unmatched",
            Self::InvalidInput => "invalid_input",
            Self::InvalidOutput => "invalid_output",
            Self::Denied => "denied",
            Self::InDoubt => "in_doubt",
            Self::NotApplied => "not_applied",
            Self::Provider => "provider",
            Self::Internal => "internal",
        }
    }
}

/// The datapoint of an input, where a datapoint bears its name.
pub type InputDatapoint = Option<Arc<Datapoint>>;
