//! A transcript as its author means it: who says what, how the services answer, what is expected.
//!
//! Every part keeps its place in the file. Knows nothing of YAML and runs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use crate::engine::{Command, Phase, Status};
use crate::expr::Program;
use crate::source::Span;
use crate::value::{Json, Name};

/// One document of a file of transcripts.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it shows.
    pub name: String,
    /// Where that is written.
    pub span: Span,
    /// The journey it begins in; `None`: the first message is routed.
    pub journey: Option<(Name, Span)>,
    /// The caller's claim, `$user`, as the host would send it.
    pub context: Json,
    /// Where the clock stands.
    pub now: Option<Timestamp>,
    /// Whether calls that `calls` does not list are failures, whatever the options say.
    pub strict: bool,
    /// How the services answer; `None`: nothing is written of them.
    pub stubs: Option<StubLists>,
    /// What happens, in order.
    pub talk: Vec<Entry>,
}

/// Stubs by integration and action.
pub type StubLists = BTreeMap<(Name, Name), Vec<Stub>>;

/// One way that an action answers.
#[derive(Debug, Clone)]
pub struct Stub {
    /// Its first key or brace in the file.
    pub span: Span,
    /// Over `inputs`; `None`: always.
    pub when: Option<Program>,
    /// The answer.
    pub reply: Reply,
}

/// What a stub does.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// The body.
    pub body: Arc<Json>,
    /// What goes wrong with it.
    pub fault: Option<StubFault>,
}

/// What can go wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StubFault {
    /// It never comes.
    Timeout,
    /// The connection is refused.
    Connect,
    /// The service is unavailable.
    Unavailable,
    /// It comes in the last moment.
    Slow,
    /// The connection breaks in the middle of it.
    Cut,
    /// It says that it is JSON and is not.
    Garbage,
}

impl StubFault {
    /// All of them, as authors write them.
    pub const ALL: [(&str, Self); 6] = [
        ("timeout", Self::Timeout),
        ("connect", Self::Connect),
        ("503", Self::Unavailable),
        ("slow", Self::Slow),
        ("cut", Self::Cut),
        ("garbage", Self::Garbage),
    ];
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its key in the file.
    pub span: Span,
    /// What.
    pub kind: EntryKind,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum EntryKind {
    /// The user says something.
    Say(Arc<str>),
    /// Somebody asks for something by name.
    Command(Speaker, Command),
    /// A person of the company does.
    Operator(Operator, Command),
    /// The host says who the user is, or asks a provider.
    Host(Word),
    /// A decision starts a journey, with these values.
    Decision(Name, Vec<(Name, Json)>),
    /// Time passes.
    Wait(Duration),
    /// What must be so by now.
    Expect(Vec<Check>),
    /// The process dies, and another goes on from the store.
    Crash,
}

/// Who sends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// `user`.
    User,
    /// `agent`.
    Agent,
}

/// A person of the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who (default `operator`).
    pub id: Arc<str>,
    /// Their roles; `None`: all that the workspace names.
    pub roles: Option<Vec<Arc<str>>>,
}

/// What a host says of its user, or does itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// Another context than the first.
    Context(Arc<Json>),
    /// It has verified them.
    Identified {
        /// Whom.
        subject: Arc<str>,
        /// How surely.
        level: u32,
        /// When; `None`: now.
        at: Option<Timestamp>,
        /// Until when; `None`: a quarter of an hour later.
        expires: Option<Timestamp>,
    },
    /// It looks at what providers offer, or runs one of their actions.
    Command(Command),
}

/// One expectation.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its key in the file.
    pub span: Span,
    /// Its value in the file.
    pub value: Span,
    /// What.
    pub kind: CheckKind,
}

/// What is expected.
#[derive(Debug, Clone)]
pub enum CheckKind {
    /// Each of these is said, in this order.
    Says(Vec<Saying>),
    /// The phase.
    Phase(Phase),
    /// The status.
    Status(Status),
    /// The outcome of the last run that ended.
    Outcome(Name),
    /// The journey on top, or that ended last.
    Journey(Name),
    /// The options, each by id or label.
    Options(Vec<String>),
    /// Variables of the run, and what of each is known.
    Variables(Vec<(Name, Json)>),
    /// Calls since the last `expect`, in this order.
    Calls(Vec<ExpectedCall>),
    /// Actions that were not called since the last `expect`.
    NotCalled(Vec<(Name, Name)>),
    /// Fields that were not taken, each with its code.
    Errors(Vec<(Name, Option<String>)>),
    /// The code that the last input was refused with.
    Refused(String),
    /// The code that a call was denied with since the last `expect`.
    Denied(String),
    /// Lines of the audit since the last `expect`, in this order, each as far as it is written.
    Audit(Vec<String>),
    /// The case, as far as it is written.
    Case(Json),
}

/// What is expected to be said.
#[derive(Debug, Clone)]
pub enum Saying {
    /// As a part.
    Contains(String),
    /// As a whole.
    Is(String),
    /// By a regular expression.
    Matches(Regex),
}

/// A call that is expected.
#[derive(Debug, Clone)]
pub struct ExpectedCall {
    /// Where it is named.
    pub span: Span,
    /// The action.
    pub action: (Name, Name),
    /// What is known of its inputs.
    pub inputs: Json,
}
