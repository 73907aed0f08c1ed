//! Steps: one struct a kind, in an arena of their journey. Branch lists are flattened: a [`Next`] says where a branch begins.

use std::sync::Arc;

use super::action::{Action, ActionId, ErrorKind};
use super::datapoint::Datapoint;
use super::journey::Journey;
use crate::expr::Program;
use crate::source::Span;
use crate::template::Template;
use crate::value::{Json, Name, Slug};

/// A step of a journey's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// The stable id of a step: its slug, or the path of keys that leads to it (`lookup.outcomes.shipped.say`, with `#2` behind a
/// key that stands there a second time). Never a position in the arena. This is what events and diagnostics name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct StepKey(pub Arc<str>);

impl std::fmt::Display for StepKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a run goes from a branch: already flattened, so `continue` is the step after the branching one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// To that step, in order.
    Step(StepId),
    /// Off the journey's end: done, with no message.
    End,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its stable id.
    pub key: StepKey,
    /// Its slug, if it has a name.
    pub slug: Option<Slug>,
    /// The step key in the file (`collect`, `action`, …).
    pub span: Span,
    /// What it does.
    pub kind: StepKind,
    /// Where `continue` goes.
    pub next: Next,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Asks for fields.
    Collect(Collect),
    /// Calls an action.
    Action(Call),
    /// Puts a question with options.
    Choice(Choice),
    /// Asks for a yes.
    Confirm(Confirm),
    /// Says instructions one at a time.
    Guide(Guide),
    /// Lets the caller's model ask listed reads.
    Investigate(Investigate),
    /// Verifies who speaks.
    Verify(Verify),
    /// Says something.
    Say(Template),
    /// Branches.
    If(If),
    /// Assigns variables, in order.
    Set(Vec<Assign>),
    /// Goes to a named step; `None` if there is no such step.
    Goto(Option<StepId>),
    /// Runs another journey.
    Run(Run),
    /// Ends the run.
    Done(Done),
    /// Hands over to a person.
    Escalate(Escalate),
    /// A step that could not be read; the diagnostics say why.
    Broken,
}

impl StepKind {
    /// Its key in a journey.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Collect(_) => "collect",
            Self::Action(_) => "action",
            Self::Choice(_) => "choice",
            Self::Confirm(_) => "confirm",
            Self::Guide(_) => "guide",
            Self::Investigate(_) => "investigate",
            Self::Verify(_) => "verify",
            Self::Say(_) => "say",
            Self::If(_) => "if",
            Self::Set(_) => "set",
            Self::Goto(_) => "goto",
            Self::Run(_) => "run",
            Self::Done(_) => "done",
            Self::Escalate(_) => "escalate",
            Self::Broken => "broken",
        }
    }

    /// Whether it waits for somebody; all others run at once.
    #[must_use]
    pub const fn is_interactive(&self) -> bool {
        match self {
            Self::Collect(_) | Self::Choice(_) | Self::Confirm(_) | Self::Guide(_) | Self::Investigate(_) => true,
            Self::Action(_)
            | Self::Verify(_)
            | Self::Say(_)
            | Self::If(_)
            | Self::Set(_)
            | Self::Goto(_)
            | Self::Run(_)
            | Self::Done(_)
            | Self::Escalate(_)
            | Self::Broken => false,
        }
    }
}

/// A value that an author wrote where data goes.
#[derive(Debug, Clone)]
pub enum Operand {
    /// Written out.
    Literal(Json),
    /// Text that starts with `$`, or a value of a key that holds expressions.
    Expr(Program),
    /// Text that holds `{{`.
    Template(Template),
    /// A list of such.
    List(Vec<Operand>),
    /// A map of such.
    Map(Vec<(Arc<str>, Operand)>),
}

/// A name that a collect or a confirm lists.
#[derive(Debug, Clone)]
pub struct Field {
    /// The variable.
    pub name: Name,
    /// The datapoint that types it. For an undeclared one, a plain string.
    pub datapoint: Arc<Datapoint>,
    /// Where it is listed.
    pub span: Span,
}

/// `collect` (language, 3.1).
#[derive(Debug, Clone)]
pub struct Collect {
    /// Required fields; empty with `any_of`.
    pub fields: Vec<Field>,
    /// Asked once, after the required ones.
    pub optional: Vec<Field>,
    /// Sets of fields, the first complete one wins.
    pub any_of: Vec<AnyOf>,
    /// For the agent that helps the user.
    pub instructions: Option<Arc<str>>,
    /// Asks for all of them at once.
    pub prompt: Option<Template>,
    /// Failed attempts before `on_exhausted` (default 3).
    pub max_attempts: u32,
    /// Said with the prompt after a failed attempt.
    pub retry_message: Option<Template>,
    /// After the last attempt; `None`: the fallback.
    pub on_exhausted: Option<Next>,
}

/// One set of an `any_of`.
#[derive(Debug, Clone)]
pub struct AnyOf {
    /// The fields of the set.
    pub fields: Vec<Field>,
    /// Where a complete set goes.
    pub then: Next,
}

/// The inputs of a call, as the step gives them.
pub type Inputs = Vec<Input>;

/// One given input.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Operand,
    /// The key in the file.
    pub span: Span,
    /// The value in the file.
    pub value_span: Span,
}

/// A named branch: an outcome, a finding, a sub-journey's outcome.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The name.
    pub name: Slug,
    /// Where it goes.
    pub then: Next,
    /// The key in the file.
    pub span: Span,
}

/// What `on_error` catches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Catch {
    /// One kind.
    Kind(ErrorKind),
    /// `default`.
    Default,
}

/// Retries of a failed call.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Tries after the first; `None`: the action's.
    pub max: Option<u32>,
    /// Delay before the first of them, in milliseconds; doubles. `None`: the action's.
    pub delay_ms: Option<u64>,
    /// After the last; `None`: `on_error`.
    pub on_exhausted: Option<Next>,
}

/// `action` (language, 3.2).
#[derive(Debug, Clone)]
pub struct Call {
    /// The action; `None` if there is none of that name.
    pub action: Option<Arc<Action>>,
    /// Where it is named.
    pub call_span: Span,
    /// The variable that takes the result.
    pub save_as: Option<Name>,
    /// Where that variable is named.
    pub save_span: Option<Span>,
    /// Given inputs.
    pub inputs: Inputs,
    /// Listed outcomes.
    pub outcomes: Vec<Branch>,
    /// Listed errors, with their key in the file.
    pub on_error: Vec<(Catch, Next, Span)>,
    /// Retries, if the step says.
    pub retry: Option<Retry>,
    /// One call for each element of this list.
    pub each: Option<Program>,
}

/// `choice` (language, 3.3).
#[derive(Debug, Clone)]
pub struct Choice {
    /// The question.
    pub prompt: Option<Template>,
    /// Written options.
    pub options: Vec<ChoiceOption>,
    /// Options from elsewhere.
    pub from: Option<ChoiceFrom>,
    /// Where a picked option of `from` goes.
    pub on_pick: Option<Next>,
    /// Whether any text is an answer.
    pub freeform: bool,
    /// Where it goes.
    pub freeform_handler: Option<Next>,
    /// The variable that takes the id.
    pub save_as: Option<Name>,
    /// Where that variable is named.
    pub save_span: Option<Span>,
    /// With a provider: `executed failed declined none`.
    pub outcomes: Vec<Branch>,
    /// Times the question is put again (default 3).
    pub max_attempts: u32,
    /// Said with the question when it is put again.
    pub retry_message: Option<Template>,
    /// After them; `None`: the fallback.
    pub on_exhausted: Option<Next>,
}

/// One written option.
#[derive(Debug, Clone)]
pub struct ChoiceOption {
    /// The slug of its label.
    pub id: Slug,
    /// The label as shown.
    pub label: Template,
    /// Where it goes.
    pub then: Next,
    /// The label in the file.
    pub span: Span,
}

/// Where options come from.
#[derive(Debug, Clone)]
pub enum ChoiceFrom {
    /// `provider.<slug>`.
    Provider(Name),
    /// An expression that gives a list of `{id, label}`.
    Expr(Program),
}

/// `confirm` (language, 3.4).
#[derive(Debug, Clone)]
pub struct Confirm {
    /// The fields it shows.
    pub fields: Vec<Field>,
    /// The question; without one, a sentence that lists the fields.
    pub message: Option<Template>,
    /// On a change; `None`: a correction.
    pub on_change: Option<Next>,
    /// On a no; `None`: the run ends `declined`.
    pub on_reject: Option<Next>,
    /// The actions it is meant for.
    pub for_actions: Vec<(ActionId, Span)>,
}

/// `guide` (language, 3.5).
#[derive(Debug, Clone)]
pub struct Guide {
    /// The instructions, in order.
    pub steps: Vec<Instruction>,
    /// After the last.
    pub on_complete: Next,
    /// When stuck; `None`: the fallback.
    pub on_stuck: Option<Next>,
}

/// One instruction.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// What is said.
    pub say: Template,
    /// Skipped if this is true.
    pub unless: Option<Program>,
    /// When stuck here.
    pub on_stuck: Option<Next>,
}

/// `investigate` (language, 3.6).
#[derive(Debug, Clone)]
pub struct Investigate {
    /// What is to be found out.
    pub goal: Arc<str>,
    /// The reads that may be asked, with where they are listed.
    pub using: Vec<(Option<Arc<Action>>, Span)>,
    /// Seconds.
    pub timeout_s: u64,
    /// Reads at most.
    pub max_calls: u32,
    /// What may be found.
    pub findings: Vec<Branch>,
    /// Otherwise; `None`: the journey's fallback.
    pub fallback: Option<Next>,
    /// The variable that keeps the results by action.
    pub save_as: Option<Name>,
    /// Where that variable is named.
    pub save_span: Option<Span>,
}

/// `verify` (language, 3.7).
#[derive(Debug, Clone)]
pub struct Verify {
    /// The action that verifies.
    pub call: Call,
    /// Its outcomes that verify.
    pub verified: Vec<(Slug, Span)>,
    /// Who is verified, over `response` and `inputs`.
    pub subject: Option<Program>,
    /// Whether the agent's word counts.
    pub source: VerifySource,
    /// The level reached.
    pub level: u32,
    /// Seconds that it holds.
    pub ttl_s: u64,
    /// Tries in a conversation.
    pub max_tries: u32,
    /// Otherwise; `None`: the fallback.
    pub on_failed: Option<Next>,
}

/// Whose word a verification takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifySource {
    /// Inputs must stand in the user's own messages.
    User,
    /// The agent's word counts too.
    Any,
}

/// `if` (language, 3.8).
#[derive(Debug, Clone)]
pub struct If {
    /// The condition.
    pub condition: Program,
    /// When it is true.
    pub then: Next,
    /// Otherwise.
    pub otherwise: Next,
}

/// One key of a `set`.
#[derive(Debug, Clone)]
pub struct Assign {
    /// The variable.
    pub name: Name,
    /// Its key in the file.
    pub span: Span,
    /// Its value in the file.
    pub value_span: Span,
    /// What it gets; `None` unsets it.
    pub value: Option<Operand>,
}

/// `run` (language, 3.8).
#[derive(Debug, Clone)]
pub struct Run {
    /// The journey; `None` if there is none of that name, or it runs this one.
    pub journey: Option<Arc<Journey>>,
    /// Where it is named.
    pub journey_span: Span,
    /// Its inputs.
    pub with: Inputs,
    /// The variable that takes `done.result`.
    pub save_as: Option<Name>,
    /// Where that variable is named.
    pub save_span: Option<Span>,
    /// Listed outcomes.
    pub outcomes: Vec<Branch>,
}

/// `done` (language, 3).
#[derive(Debug, Clone)]
pub struct Done {
    /// Said at the end.
    pub message: Option<Template>,
    /// The run's outcome (default `done`).
    pub outcome: Slug,
    /// What the caller gets.
    pub result: Vec<(Arc<str>, Operand)>,
    /// Whether the run waits for a next message instead of ending.
    pub pause_for_resume: bool,
    /// Where that message takes it; `None`: it ends then.
    pub resume: Option<Next>,
}

/// `escalate` (language, 3).
#[derive(Debug, Clone)]
pub struct Escalate {
    /// The queue; `None`: the default one.
    pub to: Option<Arc<str>>,
    /// Why.
    pub reason: Option<Template>,
    /// How urgent.
    pub priority: Priority,
    /// What goes along.
    pub include: Vec<Program>,
    /// Said to the user.
    pub message: Option<Template>,
}

/// How urgent an escalation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Low.
    Low,
    /// The default.
    #[default]
    Normal,
    /// High.
    High,
    /// Urgent.
    Urgent,
}
