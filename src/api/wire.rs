//! The forms in which things cross the wire. Nothing else in the crate has them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::typed;
use super::problem::Problem;
use crate::engine::answer::{AnswerOption, FieldError, Phase, Question as Asked, ReadResult, Status};
use crate::engine::{AuditLine, Case, Command, Expects as May, Schema};
use crate::service::{Audited, Conversation as Listed, HeldAction, Line as Seen, Told};
use crate::store::Held;
use crate::value::{Json, Name};

type Object = serde_json::Map<String, Json>;

/// A turn: exactly one of `message`, `command` and `said`; none where only a context is sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_thing)]
pub(super) struct Converse {
    /// What the user said.
    #[serde(default)]
    pub(super) message: Option<String>,
    /// What is asked for by name.
    #[serde(default)]
    #[schemars(with = "Option<CommandBody>")]
    pub(super) command: Option<Object>,
    /// The conversation; left out: a new one.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub(super) conversation_id: Option<String>,
    /// What the host says of the user: taken at the first turn, and fixed.
    #[serde(default)]
    #[schemars(with = "Option<AnyContext>")]
    pub(super) context: Option<Json>,
    /// For whom a key of the role `runtime` speaks, and whose commands `expects` tells; left out: those of its model.
    #[serde(default)]
    pub(super) actor: Option<Speaker>,
    /// One message that a key of the role `runtime` forwards, and the question that it was received after.
    #[serde(default)]
    #[schemars(with = "Option<Said>")]
    pub(super) said: Option<Object>,
    /// The version that the caller knows: with another, nothing is done (409 `stale`).
    #[serde(default)]
    pub(super) at: Option<u64>,
    /// A token that the host signed for this conversation: who the user is (`sub`), for this service (`aud`), until when (`exp`), and the
    /// conversation's id (`nonce`). From keys of the role `runtime` with the scope `identity`.
    #[serde(default)]
    pub(super) identity_token: Option<String>,
    /// The caller's id of this turn: the same id is the same turn. The header `Idempotency-Key` does the same.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub(super) id: Option<String>,
}

/// Says in the schema what the words above say.
fn one_thing(schema: &mut schemars::Schema) {
    let nothing =
        |names: &[&str]| -> Object { names.iter().map(|name| ((*name).to_owned(), serde_json::json!({"type": "null"}))).collect() };
    let only = |name: &str, kind: &str, others: &[&str]| {
        let mut properties = nothing(others);
        properties.insert(name.into(), serde_json::json!({"type": kind}));
        serde_json::json!({"required": [name], "properties": properties})
    };
    let all = [
        only("message", "string", &["command", "said"]),
        only("command", "object", &["message", "said"]),
        only("said", "object", &["message", "command"]),
        only("context", "object", &["message", "command", "said"]),
    ];
    schema.insert("oneOf".into(), Json::from(all.to_vec()));
}

/// For whom a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Speaker {
    /// The user.
    User,
    /// The language model.
    Agent,
}

/// A message as a host forwards it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// Word for word.
    pub(super) text: String,
    /// Its id: used once.
    #[schemars(length(min = 1, max = 200))]
    pub(super) message_id: String,
    /// The question that it was received after.
    #[serde(default)]
    pub(super) question: Option<String>,
}

/// A context, bare or with its version.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described: a context is read by hand, for better words")]
enum AnyContext {
    Plain(Context),
    Versioned { version: String, context: Context },
}

/// What a host says of the user.
#[expect(dead_code, reason = "it says what a context has to be; what is kept is as it was sent")]
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    /// Who it is.
    #[serde(default)]
    identity: Option<Identity>,
    /// What they prefer.
    #[serde(default)]
    preferences: Option<Object>,
    /// What they are entitled to: names, or names and values.
    #[serde(default)]
    entitlements: Option<Json>,
    /// Anything else.
    #[serde(default, rename = "customAttributes")]
    custom_attributes: Option<Object>,
    /// What the company works on in the conversation: `id`, `status`, `issue_type`, `fields`, `comments`, and what else it has.
    #[serde(default)]
    #[schemars(with = "Option<GivenCase>")]
    case: Option<Object>,
}

/// A case, as a host gives it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described: a case is read by the engine")]
struct GivenCase {
    /// Its id.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"))]
    id: String,
    /// Its status; that of a new case if left out.
    #[schemars(length(max = 200))]
    status: Option<String>,
    /// What it is about.
    #[schemars(length(max = 200))]
    issue_type: Option<String>,
    /// Its fields.
    fields: Option<Object>,
    /// Its comments, the oldest first.
    comments: Option<Vec<Json>>,
    /// What else there is.
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

/// Who the user is, by the host's word.
#[expect(dead_code, reason = "it says what an identity has to be; what is kept is as it was sent")]
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Identity {
    /// Their id: whose conversation it is.
    #[serde(default)]
    #[schemars(length(max = 200))]
    user_id: Option<String>,
    /// Their name.
    #[serde(default)]
    user_name: Option<String>,
    /// Their e-mail address.
    #[serde(default)]
    user_email: Option<String>,
    /// What else the host says.
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

/// Reads a context, bare or beside its version.
pub(super) fn context(json: Json) -> Result<Json, Problem> {
    let inner = match json {
        Json::Object(mut map) if map.contains_key("version") => {
            if map.get("version").and_then(Json::as_str).is_none() {
                return Err(Problem::unprocessable("body", "`context.version` is a text"));
            }
            if let Some(other) = map.keys().find(|k| !matches!(k.as_str(), "version" | "context")) {
                return Err(Problem::unprocessable("body", format!("`context` has no `{other}` beside `version` and `context`")));
            }
            map.remove("context").unwrap_or_else(|| Json::Object(Object::new()))
        }
        other => other,
    };
    if inner.get("identity").is_some_and(Json::is_array) {
        return Err(Problem::unprocessable("body", "`context.identity` is no list"));
    }
    let read: Context = typed(inner.clone(), "context")?;
    if let Some(case) = inner.get("case").filter(|c| !c.is_null()) {
        Case::given(case, &IndexMap::new()).map_err(|why| Problem::unprocessable("body", format!("`context`: {why}")))?;
    }
    let id = read.identity.as_ref().and_then(|i| i.user_id.as_deref()).filter(|id| !id.is_empty());
    if id.is_some_and(|id| !super::body::is_id(id)) {
        return Err(Problem::unprocessable("body", "`context.identity.user_id` is plain text of at most 200 characters"));
    }
    Ok(inner)
}

/// A command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum CommandBody {
    /// Start a journey.
    Start {
        /// Its slug.
        journey: String,
        /// Fields and inputs.
        #[serde(default)]
        variables: Object,
    },
    /// Give values of fields.
    Fill {
        /// By field.
        values: Object,
    },
    /// Pick an option.
    Choose {
        /// Its id.
        option: String,
    },
    /// Yes.
    Confirm {
        /// To which question.
        #[serde(default)]
        question: Option<String>,
    },
    /// No.
    Reject {
        /// To which question.
        #[serde(default)]
        question: Option<String>,
    },
    /// Something that a question shows should be another.
    Change {
        /// By field.
        #[serde(default)]
        values: Object,
    },
    /// On with a guide.
    Next {},
    /// Back in a guide.
    Back {},
    /// Stuck in a guide.
    Stuck {},
    /// Ask a listed read of an investigation.
    Read {
        /// `integration.action`.
        action: String,
        /// Its inputs.
        #[serde(default)]
        inputs: Object,
    },
    /// Name what an investigation found.
    Finding {
        /// Its name.
        name: String,
    },
    /// Correct fields.
    Correct {
        /// By field.
        values: Object,
    },
    /// End what is under way.
    Cancel {},
    /// To a person.
    Handoff {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Go on after a pause.
    Resume {},
    /// Approve a held action.
    Approve {
        /// Its id.
        hold: String,
        /// Why.
        #[serde(default)]
        note: Option<String>,
    },
    /// Refuse a held action.
    Refuse {
        /// Its id.
        hold: String,
        /// Why.
        #[serde(default)]
        note: Option<String>,
    },
    /// Take the conversation over from the journeys.
    TakeOver {},
    /// Say something to the user.
    Say {
        /// What.
        text: String,
    },
    /// Hand the conversation back.
    HandBack {},
}

impl From<CommandBody> for Command {
    fn from(body: CommandBody) -> Self {
        let named = |map: Object| map.into_iter().map(|(k, v)| (Name::new(&k), v)).collect();
        let text = |text: Option<String>| text.map(Arc::from);
        match body {
            CommandBody::Start { journey, variables } => Self::Start { journey: Name::new(&journey), variables: named(variables) },
            CommandBody::Fill { values } => Self::Fill(named(values)),
            CommandBody::Choose { option } => Self::Choose(option.into()),
            CommandBody::Confirm { question } => Self::Confirm { question: text(question) },
            CommandBody::Reject { question } => Self::Reject { question: text(question) },
            CommandBody::Change { values } => Self::Change(named(values)),
            CommandBody::Next {} => Self::Next,
            CommandBody::Back {} => Self::Back,
            CommandBody::Stuck {} => Self::Stuck,
            CommandBody::Read { action, inputs } => Self::Read { action: action.into(), inputs: named(inputs) },
            CommandBody::Finding { name } => Self::Finding(Name::new(&name)),
            CommandBody::Correct { values } => Self::Correct(named(values)),
            CommandBody::Cancel {} => Self::Cancel,
            CommandBody::Handoff { reason } => Self::Handoff(text(reason)),
            CommandBody::Resume {} => Self::Resume,
            CommandBody::Approve { hold, note } => Self::Approve { hold: hold.into(), note: text(note) },
            CommandBody::Refuse { hold, note } => Self::Refuse { hold: hold.into(), note: text(note) },
            CommandBody::TakeOver {} => Self::TakeOver,
            CommandBody::Say { text } => Self::Say(text.into()),
            CommandBody::HandBack {} => Self::HandBack,
        }
    }
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// The conversation; `null` where a new one was refused.
    conversation_id: Option<String>,
    /// What is said.
    response: Response,
    /// The conversation's version: a command echoes it.
    at: u64,
    /// Where the conversation stands.
    state: State,
    /// What may come next from whoever speaks.
    expects: Expects,
    /// What happened, step by step, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<TraceLine>>,
    /// The case, where somebody looks at a conversation that has one: all of it to hosts and people of the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<Json>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Response {
    /// All of it.
    message: String,
    /// What the conversation does now.
    #[schemars(with = "PhaseName")]
    phase: Phase,
    /// Whether somebody is waited for.
    awaiting_input: bool,
    /// Options to choose from.
    options: Vec<OptionBody>,
    /// Each message by itself.
    messages: Vec<Arc<str>>,
    /// The question that wants a yes: for the user's own channel and for hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Question>,
    /// What was wrong with values.
    errors: Vec<ErrorBody>,
    /// What a read of an investigation answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<Read>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, clippy::enum_variant_names, reason = "it is only described, by the contract's names")]
enum PhaseName {
    PhaseCollect,
    PhaseChoice,
    PhaseConfirm,
    PhaseGuide,
    PhaseInvestigate,
    PhaseHold,
    PhaseWorking,
    PhaseDone,
    PhaseEscalated,
    PhaseIdle,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is only described")]
enum StatusName {
    Active,
    Paused,
    Completed,
    Escalated,
    Abandoned,
    Cancelled,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct OptionBody {
    /// What a command names.
    id: Arc<str>,
    /// What a person reads.
    label: Arc<str>,
}

/// A question that wants a yes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Question {
    /// A yes names it.
    id: Arc<str>,
    /// Word for word.
    text: Arc<str>,
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct ErrorBody {
    /// The field.
    field: String,
    /// A stable code.
    code: Arc<str>,
    /// What to send instead.
    help: Arc<str>,
}

/// What a read came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Read {
    /// `integration.action`.
    action: Arc<str>,
    /// Its outcome, or the kind of its error.
    outcome: Arc<str>,
    /// Its body.
    body: Json,
}

/// Where a conversation stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct State {
    /// Its status.
    #[schemars(with = "StatusName")]
    status: Status,
    /// The journey on top, or the last that ended.
    capability: Option<Arc<str>>,
    /// How the last journey that ended came out.
    outcome: Option<Arc<str>>,
}

/// What may come next.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Expects {
    /// Names of commands.
    commands: Vec<Arc<str>>,
    /// The JSON Schema of the body of each.
    #[schemars(with = "BTreeMap<Arc<str>, Json>")]
    schemas: BTreeMap<Arc<str>, Schema>,
}

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct TraceLine {
    /// `step`, `verdict`, `call`, …
    kind: Arc<str>,
    /// The step.
    step: Option<Arc<str>>,
    /// What happened.
    text: Arc<str>,
}

impl Answer {
    /// What a caller is told, with the trace if they asked for it.
    pub(super) fn new(told: Told, traced: bool) -> Self {
        let Told { conversation, answer, expects, question, trace, case, .. } = told;
        let trace = trace.into_iter().map(|t| TraceLine { kind: t.kind, step: t.step, text: t.text });
        let question = question.map(|Asked { id, text, .. }| Question { id, text });
        let error = |FieldError { field, code, help }| ErrorBody { field: field.to_string(), code, help };
        Self {
            conversation_id: conversation.map(|id| id.to_string()),
            response: Response {
                message: answer.text(),
                phase: answer.phase,
                awaiting_input: answer.awaiting_input,
                options: answer.options.into_iter().map(OptionBody::from).collect(),
                messages: answer.messages,
                question,
                errors: answer.errors.into_iter().map(error).collect(),
                read: answer.read.map(|ReadResult { action, outcome, body }| Read { action, outcome, body }),
            },
            at: answer.at,
            state: State { status: answer.status, capability: answer.journey, outcome: answer.outcome },
            expects: expects.into(),
            trace: traced.then(|| trace.collect()),
            case: case.map(|c| c.json()),
        }
    }
}

impl From<AnswerOption> for OptionBody {
    fn from(option: AnswerOption) -> Self {
        Self { id: option.id, label: option.label }
    }
}

impl From<May> for Expects {
    fn from(may: May) -> Self {
        Self { commands: may.commands.iter().map(|(name, _)| name.clone()).collect(), schemas: may.commands.into_iter().collect() }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    /// What is on it.
    items: Vec<T>,
    /// What to send as `cursor` for the next one; `null`: there is none.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn of<U>(page: crate::service::Page<U>, form: impl Fn(U) -> T) -> Self {
        Self { items: page.items.into_iter().map(form).collect(), next_cursor: page.next }
    }
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Conversation {
    #[serde(rename = "conversation_id")]
    id: Arc<str>,
    /// Whose it is.
    user_id: Arc<str>,
    /// When something last happened in it.
    updated_at: String,
    #[schemars(with = "StatusName")]
    status: Status,
    /// The journey on top, or the last that ended.
    capability: Option<Arc<str>>,
}

impl From<Listed> for Conversation {
    fn from(one: Listed) -> Self {
        Self { id: one.id, user_id: one.user, updated_at: one.updated.to_string(), status: one.status, capability: one.journey }
    }
}

/// One thing that happened in a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Line {
    /// Its number in the conversation.
    pub(super) seq: u64,
    /// When.
    at: String,
    /// `message`, `said`, `question`, `options`, `command`, `began`, `ended`, `escalated`, `taken_over`, `handed_back`, `abandoned`,
    /// `paused`, `resumed`, `held`, `hold_ended`, `verified`; to hosts and people of the company also `trace`.
    pub(super) kind: &'static str,
    /// Who, if somebody did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<Arc<str>>,
    /// What was said, or what happened in a word.
    text: Arc<str>,
    /// The id of a question or a hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Arc<str>>,
    /// Options that were offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    options: Vec<OptionBody>,
}

impl From<Seen> for Line {
    fn from(seen: Seen) -> Self {
        let Seen { seq, at, kind, who, text, id, options } = seen;
        Self { seq, at: at.to_string(), kind, who, text, id, options: options.into_iter().map(OptionBody::from).collect() }
    }
}

/// A row of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct AuditRow {
    /// Its number, from 1.
    seq: u64,
    /// When.
    at: String,
    /// Who, by the credential that sent it.
    who: Arc<str>,
    /// What they did.
    what: Arc<str>,
    /// What followed, in order.
    lines: Vec<AuditLineBody>,
    /// What chains it to the row before.
    mac: Arc<str>,
    /// Whether what it said was erased.
    erased: bool,
}

/// One thing that followed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct AuditLineBody {
    kind: Arc<str>,
    /// What it is about.
    what: Arc<str>,
    /// How it came out.
    outcome: Arc<str>,
    /// Why, without values.
    why: Vec<Arc<str>>,
    /// Who, if it is another than the row's.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    by: Arc<str>,
    /// Redacted inputs or outputs, of an action that asks for them.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    data: Json,
}

impl From<Audited> for AuditRow {
    fn from(audited: Audited) -> Self {
        let Audited { row, entry } = audited;
        let entry = entry.unwrap_or_default();
        let line = |AuditLine { kind, what, outcome, why, by, data }| AuditLineBody { kind, what, outcome, why, by, data };
        let lines = entry.lines.into_iter().map(line).collect();
        Self { seq: row.seq, at: row.at.to_string(), who: entry.who, what: entry.what, lines, mac: row.mac, erased: row.erased }
    }
}

/// An action that waits for an approval.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Hold {
    #[serde(rename = "hold_id")]
    id: Arc<str>,
    conversation_id: Arc<str>,
    /// `integration.action`.
    action: Arc<str>,
    /// Roles that may decide on it.
    role: Option<Arc<str>>,
    /// Where it was put.
    queue: Option<Arc<str>>,
    /// Who asked for it, and may not approve it.
    asked_by: Arc<str>,
    /// Since when.
    at: String,
    /// Refused by itself after that.
    until: String,
    /// Its inputs, sensitive ones as `[redacted]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Json>,
}

impl From<Held> for Hold {
    fn from(held: Held) -> Self {
        let Held { key, row } = held;
        Self {
            id: row.id,
            conversation_id: key.id,
            action: row.action,
            role: row.role,
            queue: row.queue,
            asked_by: row.asked_by,
            at: row.at.to_string(),
            until: row.until.to_string(),
            inputs: None,
        }
    }
}

impl From<HeldAction> for Hold {
    fn from(action: HeldAction) -> Self {
        Self { inputs: Some(action.inputs), ..Self::from(action.held) }
    }
}

/// Whether the service lives.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Health {
    /// `ok`.
    pub(super) status: &'static str,
}
