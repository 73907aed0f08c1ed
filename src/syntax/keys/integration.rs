//! The keys of an integration, its actions and their safety (language, 7; supervision).

use super::super::shape::{Object, Shape, may, must};
use super::datapoint::DATAPOINT;

const INPUTS: Shape = Shape::Map(&Shape::Any);
const TEXTS: Shape = Shape::List(&Shape::Text);
const HEADERS: Shape = Shape::Map(&Shape::Maybe(&Shape::Any));

/// Types of integrations.
pub const TYPES: &[&str] = &["rest_api", "graphql", "webhook", "mcp", "provider"];
/// How requests prove who sends them.
pub const AUTH_TYPES: &[&str] = &["none", "bearer", "api_key", "basic", "oauth2_client_credentials", "hmac"];
/// Keys of credentials that belong to one kind of authorization or another.
pub const CREDENTIAL_KEYS: &[&str] =
    &["api_key", "api_key_header", "username", "password", "client_id", "client_secret", "token_url", "scope", "secret"];
/// Keys of a configuration that only a provider has.
pub const PROVIDER_KEYS: &[&str] = &["effects", "roles", "reads", "timeout_ms", "ttl", "protocol"];
/// Methods of HTTP.
pub const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// An integration.
pub static INTEGRATION: Object = Object {
    what: "an integration",
    keys: &[
        must("name", Shape::Text, "The service's name."),
        may("slug", Shape::Slug, "How it is named in files; from `name` if left out."),
        may("description", Shape::Text, "What it is."),
        must("type", Shape::Text, "`rest_api`, `graphql`, `webhook`, `mcp` or `provider`."),
        must("config", Shape::Object(&CONFIG), "Where it is, and how it is called."),
        may("actions", Shape::List(&Shape::Object(&ACTION)), "What it can do."),
        may("datapoints", Shape::List(&Shape::Object(&DATAPOINT)), "Fields that belong to it."),
    ],
};

/// Where a service is.
pub static CONFIG: Object = Object {
    what: "a configuration of a service",
    keys: &[
        may("base_url", Shape::Text, "Where it is; must be there, but for a program."),
        may("command", TEXTS, "The program that an MCP server is, and its arguments."),
        may("env", Shape::Map(&Shape::Word), "What that program finds in its environment."),
        may("auth_type", Shape::OneOf(AUTH_TYPES), "How requests prove who sends them; `none` if left out."),
        may("credentials", Shape::Object(&CREDENTIALS), "The secrets for that, as `${ENV_VAR}`."),
        may("default_headers", Shape::Map(&Shape::Word), "Sent with every request."),
        may("custom_headers", Shape::Map(&Shape::Word), "Sent with every request."),
        may("test_endpoint", Shape::Text, "Where to ask whether it lives."),
        may("allow_hosts", TEXTS, "Hosts allowed beside the base URL's."),
        may("effects", Shape::List(&Shape::OneOf(&["add_comment", "change_status", "update_fields"])), "What a provider may cause."),
        may("roles", TEXTS, "Who may run a provider's actions."),
        may("reads", TEXTS, "A provider's actions that only look."),
        may("timeout_ms", Shape::Whole, "Milliseconds for one call of a provider; 5,000 if left out."),
        may("ttl", Shape::Duration, "How long a discovery may be used again; 60 s if left out."),
        may("protocol", Shape::OneOf(&["http", "mcp"]), "How a provider speaks."),
    ],
};

static CREDENTIALS: Object = Object {
    what: "credentials",
    keys: &[
        may("api_key", Shape::Text, "The key, for `bearer` and `api_key`."),
        may("api_key_header", Shape::Text, "The header of `api_key`; `X-API-Key` if left out."),
        may("username", Shape::Text, "The name, for `basic`."),
        may("password", Shape::Text, "The password, for `basic`."),
        may("client_id", Shape::Text, "The client, for `oauth2_client_credentials`."),
        may("client_secret", Shape::Text, "Its secret."),
        may("token_url", Shape::Text, "Where its tokens come from."),
        may("scope", Shape::Text, "What they are for."),
        may("secret", Shape::Text, "The signing secret, for `hmac`."),
        may("custom_headers", Shape::Map(&Shape::Word), "Sent with every request."),
    ],
};

/// An action.
pub static ACTION: Object = Object {
    what: "an action",
    keys: &[
        must("name", Shape::Text, "The action's name."),
        may("slug", Shape::Slug, "How it is named in files; from `name` if left out."),
        may("description", Shape::Text, "What it does."),
        may("type", Shape::OneOf(&["read", "write"]), "Whether it changes anything; `write` if left out."),
        must("invocation", Shape::Object(&INVOCATION), "How it is called."),
        may("input_schema", Shape::Fields, "Its inputs."),
        may("output_schema", Shape::Fields, "The fields that its result is cut to."),
        may("outcomes", Shape::List(&Shape::Object(&OUTCOME)), "What may come of it: the first true condition wins."),
        may("settings", Shape::Object(&SETTINGS), "Time and tries."),
        may("safety", Shape::Object(&SAFETY), "What is asked before it runs."),
        may("input_mappings", INPUTS, "Where inputs come from if the step does not say."),
        may("output_datapoint", Shape::Slug, "The variable that takes the result too."),
    ],
};

static INVOCATION: Object = Object {
    what: "an invocation",
    keys: &[
        may("method", Shape::Text, "The method of HTTP; must be there for `rest_api`."),
        may("endpoint", Shape::Text, "The path, with `{param}`."),
        may("tool", Shape::Text, "The tool of an MCP server; must be there for `mcp`."),
        may("headers", HEADERS, "Headers."),
        may("dynamic_headers", HEADERS, "Headers from expressions and templates."),
        may("query", HEADERS, "Query parameters."),
        may("body", Shape::Any, "The body; the inputs as JSON if left out."),
    ],
};

static OUTCOME: Object = Object {
    what: "an outcome",
    keys: &[
        must("name", Shape::Text, "The outcome's name."),
        may("condition", Shape::Expression, "When it is taken; always if left out."),
        may("description", Shape::Text, "What it means."),
        may("settles", Shape::Bool, "Whether it settles a write that would be in doubt."),
    ],
};

static SETTINGS: Object = Object {
    what: "settings of an action",
    keys: &[
        may("timeout_ms", Shape::Whole, "Milliseconds for one try; 10,000 if left out."),
        may("retries", Shape::Whole, "Tries after the first; 0 if left out."),
        may("retry_backoff_ms", Shape::Whole, "The wait before the second try; 200 if left out."),
        may("idempotency", Shape::OneOf(&["key", "natural", "none"]), "Whether a re-sent request is safe."),
    ],
};

static SAFETY: Object = Object {
    what: "safety",
    keys: &[
        may("requires_confirmation", Shape::Bool, "A fresh yes."),
        may("requires_identity_verification", Shape::Either(&[Shape::Bool, Shape::Object(&IDENTITY)]), "A verified identity."),
        may("owner", Shape::Either(&[Shape::Expression, Shape::Object(&OWNER)]), "Whose the resource must be."),
        may("result_owner", Shape::Object(&RESULT_OWNER), "Whose the answer must be."),
        may("requires_approval", Shape::Object(&APPROVAL), "Somebody's approval."),
        may("redact_fields", TEXTS, "What is never shown."),
        may("idempotency_key", Shape::Template, "A key of the request's own."),
        may("idempotency_ttl", Shape::Duration, "How long an applied result is kept; 86,400 s if left out."),
        may("reconcile", Shape::Object(&RECONCILE), "How doubt is settled."),
        may("rate_limit", Shape::Object(&RATE_LIMIT), "How often it may run."),
        may("audit_level", Shape::OneOf(&["basic", "detailed"]), "How much the audit keeps."),
    ],
};

static IDENTITY: Object = Object {
    what: "a rule of identity",
    keys: &[
        may("level", Shape::Whole, "The least level; 1 if left out."),
        may("max_age", Shape::Duration, "How old it may be; 900 s if left out."),
    ],
};

static OWNER: Object = Object {
    what: "a rule of ownership",
    keys: &[
        must("call", Shape::Text, "The read that tells whose it is."),
        may("inputs", INPUTS, "Its inputs."),
        must("is", Shape::Expression, "The owner, from `response`."),
    ],
};

static RESULT_OWNER: Object = Object {
    what: "a rule of a result's owner",
    keys: &[
        must("is", Shape::Expression, "The owner, from `response` and `inputs`."),
        must("else", Shape::Text, "The outcome if it is somebody else's."),
    ],
};

static APPROVAL: Object = Object {
    what: "a rule of approval",
    keys: &[
        must("role", Shape::Text, "Who may approve."),
        may("queue", Shape::Text, "Where it waits."),
        may("ttl", Shape::Duration, "How long it waits."),
        may("when", Shape::Expression, "When it is needed; always if left out."),
    ],
};

static RECONCILE: Object = Object {
    what: "a way to settle doubt",
    keys: &[
        must("call", Shape::Text, "The read that tells."),
        may("inputs", INPUTS, "Its inputs."),
        may("after", Shape::Duration, "How long past the write's timeout."),
        must("applied", Shape::Map(&Shape::Text), "Its outcomes that say it was applied, as which outcome."),
        may("not_applied", TEXTS, "Its outcomes that say it was not."),
    ],
};

static RATE_LIMIT: Object = Object {
    what: "a rate limit",
    keys: &[
        must("max", Shape::Whole, "How many."),
        must("per", Shape::Duration, "In which time."),
        may("scope", Shape::OneOf(&["user", "conversation", "action"]), "Counted by what; `user` if left out."),
    ],
};
