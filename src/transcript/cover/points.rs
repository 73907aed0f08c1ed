//! What there is to cover: every step, every way out of one that something decides, and every gate that can refuse.

use std::sync::Arc;

use crate::expr::Root;
use crate::model::action::OwnerRule;
use crate::model::step::Call;
use crate::model::{EdgeKind, Journey, Operand, Step, StepId, StepKey, StepKind, graph};
use crate::source::Span;

/// One thing that a conversation can come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Of what kind it is.
    pub kind: PointKind,
    /// The step.
    pub step: StepId,
    /// Its stable id.
    pub key: StepKey,
    /// How the step was left, as events write it: any of these. Empty: the step itself.
    pub by: Vec<Arc<str>>,
    /// The edge, where it is one.
    pub edge: Option<EdgeKind>,
    /// In words: `option store-credit`.
    pub what: String,
    /// The step key in the file.
    pub span: Span,
}

/// The kinds of things to cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointKind {
    /// A step was come to.
    Step,
    /// A condition, an answer or a word led on.
    Branch,
    /// An action, or a called journey, came to that outcome.
    Outcome,
    /// A call failed, and this caught it.
    Error,
    /// A gate refused.
    Gate,
}

impl PointKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Step, Self::Branch, Self::Outcome, Self::Error, Self::Gate];

    /// What several of them are called.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Step => "steps",
            Self::Branch => "branches",
            Self::Outcome => "outcomes",
            Self::Error => "errors",
            Self::Gate => "gates",
        }
    }

    /// What one of them is called.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Branch => "branch",
            Self::Outcome => "outcome",
            Self::Error => "error",
            Self::Gate => "gate",
        }
    }
}

/// Everything that there is to cover in a journey, in the order of its steps.
#[must_use]
pub fn points(journey: &Journey) -> Vec<Point> {
    let mut all = Vec::new();
    for (id, step) in journey.iter().filter(|(_, s)| !matches!(s.kind, StepKind::Broken)) {
        let mut add = |kind, by: &str, edge: Option<EdgeKind>, what: String| {
            let by: Vec<Arc<str>> = if by.is_empty() { Vec::new() } else { vec![normal(by)] };
            // What is said of a step in the same words is one thing to cover.
            match all.iter_mut().find(|p: &&mut Point| p.step == id && p.kind == kind && p.what == what) {
                Some(same) => same.by.extend(by.into_iter().filter(|b| !same.by.contains(b)).collect::<Vec<_>>()),
                None => all.push(Point { kind, step: id, key: step.key.clone(), by, edge, what, span: step.span }),
            }
        };
        add(PointKind::Step, "", None, "the step".to_owned());
        for edge in graph::edges(step) {
            if let Some((kind, by, what)) = told(&edge.kind, step) {
                add(kind, &by, Some(edge.kind), what);
            }
        }
        gates(step, &mut add);
    }
    all
}

/// `-` and `_` are the same letter in names.
pub(super) fn normal(by: &str) -> Arc<str> {
    by.replace('-', "_").into()
}

/// What an edge is to be covered as: its kind, how events write it, and words for it.
fn told(edge: &EdgeKind, step: &Step) -> Option<(PointKind, String, String)> {
    let is_call = matches!(step.kind, StepKind::Action(_) | StepKind::Verify(_));
    let (kind, by, what) = match edge {
        EdgeKind::Continue | EdgeKind::Goto => return None,
        EdgeKind::Outcome(name) | EdgeKind::Unlisted(name) => {
            (PointKind::Outcome, format!("outcome:{}", name.name), format!("outcome {name}"))
        }
        EdgeKind::Error(kind) => (PointKind::Error, format!("error:{}", kind.as_str()), format!("error {}", kind.as_str())),
        EdgeKind::ErrorDefault => (PointKind::Error, "error:default".into(), "any other error".into()),
        EdgeKind::Exhausted => {
            let kind = if is_call { PointKind::Error } else { PointKind::Branch };
            (kind, "exhausted".into(), "tries used up".into())
        }
        EdgeKind::Option(name) => (PointKind::Branch, format!("option:{name}"), format!("option {name}")),
        EdgeKind::Picked => (PointKind::Branch, "picked".into(), "an option picked".into()),
        EdgeKind::Freeform => (PointKind::Branch, "freeform".into(), "a text of one's own".into()),
        EdgeKind::AnyOf(index) => (PointKind::Branch, format!("any_of:{index}"), format!("set {} of `any_of`", index + 1)),
        EdgeKind::Confirmed => (PointKind::Branch, "confirmed".into(), "a yes".into()),
        EdgeKind::Change => (PointKind::Branch, "change".into(), "a change".into()),
        EdgeKind::Complete => (PointKind::Branch, "complete".into(), "all instructions done".into()),
        EdgeKind::Stuck(index) => match &step.kind {
            StepKind::Guide(guide) if guide.steps.get(*index).is_some_and(|i| i.on_stuck.is_some()) => {
                (PointKind::Branch, format!("stuck:{index}"), format!("stuck at instruction {}", index + 1))
            }
            _ => (PointKind::Branch, format!("stuck:{index}"), "stuck".into()),
        },
        EdgeKind::Finding(name) => (PointKind::Branch, format!("finding:{name}"), format!("finding {name}")),
        EdgeKind::NoFinding => (PointKind::Branch, "no_finding".into(), "no finding".into()),
        EdgeKind::Verified => (PointKind::Branch, "verified".into(), "verified".into()),
        EdgeKind::Then => (PointKind::Branch, "then".into(), "the condition true".into()),
        EdgeKind::Else => (PointKind::Branch, "else".into(), "the condition false".into()),
        EdgeKind::Resume => (PointKind::Branch, "resume".into(), "a message after the end".into()),
        EdgeKind::Reject => (PointKind::Gate, "reject".into(), "a no".into()),
        EdgeKind::NotVerified => (PointKind::Gate, "not_verified".into(), "not verified".into()),
    };
    Some((kind, by, what))
}

/// Ways to be refused that are no edges, and the fallback that errors take which nothing else catches.
fn gates(step: &Step, add: &mut impl FnMut(PointKind, &str, Option<EdgeKind>, String)) {
    let call = match &step.kind {
        StepKind::Confirm(_) => return add(PointKind::Gate, "reject", None, "a no".into()),
        StepKind::Verify(verify) => {
            add(PointKind::Gate, "not_verified", None, "not verified".into());
            &verify.call
        }
        StepKind::Action(call) => call,
        _ => return,
    };
    let Some(action) = &call.action else { return };
    if action.safety.owner.as_ref().is_some_and(|rule| !is_granted(rule, call)) {
        add(PointKind::Gate, "gate:owner", None, "somebody else's".into());
    }
    if action.safety.approval.is_some() {
        add(PointKind::Gate, "gate:approval", None, "an approval refused".into());
    }
    if !call.on_error.iter().any(|(catch, ..)| *catch == crate::model::step::Catch::Default) {
        add(PointKind::Error, "error", None, "an error, to the fallback".into());
    }
}

/// Whether the step gives as the owner what the rule compares the owner with: it cannot refuse then.
fn is_granted(rule: &OwnerRule, call: &Call) -> bool {
    let OwnerRule::Expr(program) = rule else { return false };
    let printed = program.print();
    // A rule that is no comparison is held against who was verified.
    let (left, right) = printed.split_once(" == ").unwrap_or((&printed, "$conversation.identity.subject"));
    let given = |input: &str, with: &str| {
        let name = input.strip_prefix(Root::Inputs.bare()).and_then(|rest| rest.strip_prefix('.'));
        let same = |operand: &Operand| matches!(operand, Operand::Expr(program) if program.print() == with);
        name.is_some_and(|name| call.inputs.iter().any(|i| i.name == crate::value::Name::new(name) && same(&i.value)))
    };
    given(left, right) || given(right, left)
}
