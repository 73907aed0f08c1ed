//! The keys of `waypost.yaml` (surfaces).

use super::super::shape::{Key, Object, Shape, may, must};
use super::journey::LEVELS;

const TEXTS: Shape = Shape::List(&Shape::Text);
const WORDS: Shape = Shape::Map(&Shape::List(&Shape::Word));

/// `waypost.yaml`.
pub static SETTINGS: Object = Object {
    what: "the settings",
    keys: &[
        may("agent", Shape::Object(&AGENT), "Whose journeys these are."),
        may("queues", Shape::Object(&QUEUES), "Where people take over."),
        may("words", Shape::Object(&WORD_LISTS), "Words beside the built-in ones, by language."),
        may("secrets", TEXTS, "Names that `${NAME}` may stand for."),
        may("mcp", Shape::Object(&MCP), "Clients over MCP."),
        may("egress", Shape::Object(&EGRESS), "Hosts of triggered actions."),
        may("locale", Shape::Object(&LOCALE), "Language, time zone and region."),
        may("limits", Shape::Object(&LIMITS), "Bounds."),
        may("identity", Shape::Object(&IDENTITY), "Who verifies."),
        may("store", Shape::Object(&STORE), "Where conversations are kept."),
        may("server", Shape::Object(&SERVER), "How `serve` is reached."),
        may("tests", Shape::Text, "Where transcripts are; `tests/` if left out."),
        may("lints", Shape::Map(&Shape::OneOf(LEVELS)), "Levels of diagnostics."),
        may("strict", Shape::Bool, "Whether a field that no file declares is an error."),
        may(
            "primitives",
            Shape::Map(&Shape::Maybe(&Shape::Object(&PRIMITIVE))),
            "What conditions may read of entities, by `namespace.field`; anything if left out.",
        ),
        may("channels", Shape::Map(&Shape::Object(&CHANNEL)), "Where notifications go."),
        may("workflows", Shape::Map(&Shape::Object(&WORKFLOW)), "Workflow engines."),
        may("case", Shape::Object(&CASE), "Statuses of cases."),
        may("telemetry", Shape::Object(&TELEMETRY), "Where traces go."),
    ],
};

static AGENT: Object =
    Object { what: "an agent", keys: &[may("slug", Shape::Slug, "`default` if left out."), may("name", Shape::Text, "Its human name.")] };

static QUEUES: Object = Object {
    what: "queues",
    keys: &[may("default", Shape::Text, "`support` if left out."), may("names", TEXTS, "All queues; any if left out.")],
};

static WORD_LISTS: Object = Object {
    what: "word lists",
    keys: &[
        may("yes", WORDS, "Words of a yes."),
        may("no", WORDS, "Words of a no."),
        may("cancel", WORDS, "Words that cancel."),
        may("person", WORDS, "Words that ask for a person."),
        may("skip", WORDS, "Words that leave a field unset."),
    ],
};

static MCP: Object =
    Object { what: "settings of MCP", keys: &[may("trusted_clients", TEXTS, "Clients whose elicitation is the user's yes.")] };
static EGRESS: Object = Object { what: "settings of egress", keys: &[may("allow_hosts", TEXTS, "Hosts of triggered actions.")] };

static LOCALE: Object = Object {
    what: "a locale",
    keys: &[
        may("default", Shape::Text, "The language; `en` if left out."),
        may("timezone", Shape::Text, "The time zone; `UTC` if left out."),
        may("phone_region", Shape::Text, "The region of phone numbers without a prefix."),
    ],
};

static LIMITS: Object = Object {
    what: "limits",
    keys: &[
        may("instant_steps", Shape::Whole, "Steps between two that wait; 1,000 if left out."),
        may("grant_ttl", Shape::Duration, "How long a yes lives; 900 s if left out."),
        may("idle", Shape::Duration, "Until a conversation is abandoned; 24h if left out."),
        may("body", Shape::Size, "Of a request; 1MB if left out."),
        may("response", Shape::Size, "Of a service's answer; 5MB if left out."),
        may("turn", Shape::Duration, "Until a turn is answered `working`; 30s if left out."),
        may("requests", Shape::Whole, "That `serve` handles at once; 4,096 if left out."),
        may("waiting", Shape::Whole, "Requests that wait beside those; 1,024 if left out."),
        may("wait", Shape::Duration, "How long one waits; 5s if left out."),
        may("connections", Shape::Whole, "To `serve`; 8,192 if left out."),
        may("streams", Shape::Whole, "Of events, at once; 1,024 if left out."),
        may("stream_time", Shape::Duration, "Until a stream of events ends, and its reader comes again; 1h if left out."),
        may("receive", Shape::Duration, "Until a request's head has come, and its body; 30s if left out."),
        may("send", Shape::Duration, "Until a caller has taken what is sent; 30s if left out."),
    ],
};

static IDENTITY: Object = Object {
    what: "settings of identity",
    keys: &[
        may("journey", Shape::Text, "The journey that verifies who speaks."),
        may("allow_switch", Shape::Bool, "Whether a second subject may take over a conversation."),
        may("jwt", Shape::Object(&JWT), "Signed tokens of a host."),
        may("sign_in", Shape::Text, "The host's page that signs a user in, for the page of a question."),
    ],
};

static JWT: Object = Object {
    what: "settings of tokens",
    keys: &[
        may("issuer", Shape::Text, "Who signs them."),
        may("audience", Shape::Text, "For whom."),
        may("algorithms", TEXTS, "By which algorithms."),
        may("keys", Shape::Any, "With which keys."),
    ],
};

static STORE: Object = Object {
    what: "a store",
    keys: &[
        may("url", Shape::Text, "`sqlite:…`, `postgres://…` or `memory`."),
        may(
            "seal_key",
            Shape::Either(&[Shape::Text, TEXTS]),
            "The key that seals sensitive values, as `${ENV_VAR}`; of several the first seals.",
        ),
    ],
};

static SERVER: Object = Object {
    what: "a server",
    keys: &[
        may("listen", Shape::Text, "Its address."),
        may("url", Shape::Text, "Where users reach it, for links to its pages."),
        may("keys", Shape::List(&Shape::Object(&SERVER_KEY)), "Who may call it."),
    ],
};

/// A key of the server.
static SERVER_KEY: Object = Object {
    what: "a key of the server",
    keys: &[
        must("name", Shape::Text, "Whose it is."),
        must("key", Shape::Text, "The key, as `${ENV_VAR}`."),
        must("role", Shape::OneOf(&["user", "agent", "operator", "admin", "runtime"]), "Who it speaks as."),
        may("tenants", TEXTS, "Its tenants."),
        may("scopes", TEXTS, "What it may do beside."),
    ],
};

const CHANNEL_KEYS: &[Key] = &[
    must("type", Shape::OneOf(&["slack", "pagerduty", "webhook", "log"]), "What kind of channel."),
    may("url", Shape::Text, "Where it is; must be there for `slack` and `webhook`."),
    may("secret", Shape::Text, "What signs the messages of `webhook`: `whsec_` and base64, as `${ENV_VAR}`."),
    may("routing_key", Shape::Text, "The key of `pagerduty`, as `${ENV_VAR}`."),
    may("severity", Shape::OneOf(&["critical", "error", "warning", "info"]), "How bad events of `pagerduty` are; `error` if left out."),
];
static CHANNEL: Object = Object { what: "a channel", keys: CHANNEL_KEYS };

static WORKFLOW: Object = Object {
    what: "a workflow",
    keys: &[
        may("journey", Shape::Text, "The journey that it is."),
        may("url", Shape::Text, "Where its engine is."),
        may("secret", Shape::Text, "What signs its requests."),
        may("headers", Shape::Map(&Shape::Word), "Sent with every request."),
    ],
};

static PRIMITIVE: Object = Object { what: "a primitive", keys: &[may("description", Shape::Text, "What it is.")] };

static CASE: Object = Object {
    what: "settings of cases",
    keys: &[may("statuses", Shape::Either(&[TEXTS, Shape::Map(&Shape::Maybe(&TEXTS))]), "Statuses, and from each the allowed moves.")],
};

static TELEMETRY: Object = Object { what: "settings of telemetry", keys: &[may("otlp", Shape::Text, "Where traces go.")] };
