//! A journey: its trigger and its steps as a graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::datapoint::Datapoint;
use super::step::{Next, Priority, Step, StepId, StepKey};
use super::workspace::ContentHash;
use crate::expr::Program;
use crate::source::{Severity, Span};
use crate::template::Template;
use crate::value::{Name, Slug};

/// A journey. Holds all that it refers to, so that a run pinned to its hash needs nothing else.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Its human name.
    pub name: Arc<str>,
    /// Its slug.
    pub slug: Slug,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// How it is reached from a message; `None`: only by `run`.
    pub trigger: Option<Trigger>,
    /// `callable: true`.
    pub callable: bool,
    /// What may be passed in.
    pub inputs: Vec<JourneyInput>,
    /// All steps, at any depth.
    pub steps: Vec<Step>,
    /// The first.
    pub first: Next,
    /// Stable ids to steps.
    pub by_key: BTreeMap<StepKey, StepId>,
    /// Named steps.
    pub by_slug: BTreeMap<Name, StepId>,
    /// Steps that some `goto` names: a collect among them asks again when it is gone to.
    pub goto_targets: std::collections::BTreeSet<StepId>,
    /// Outcomes that its runs can end with by its own steps, in order of name.
    pub outcomes: Vec<Slug>,
    /// Where it goes when it cannot continue.
    pub fallback: Fallback,
    /// What it may look up.
    pub knowledge: Option<crate::value::Json>,
    /// Levels of codes for this journey.
    pub lints: BTreeMap<crate::source::Code, Option<Severity>>,
    /// The value of `name:` in the file.
    pub span: Span,
    /// Digest of its text and of the text of all that it refers to.
    pub hash: ContentHash,
}

impl Journey {
    /// The step with that id.
    #[must_use]
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id.0 as usize)
    }

    /// The step with that stable id.
    #[must_use]
    pub fn step_by_key(&self, key: &StepKey) -> Option<(StepId, &Step)> {
        let id = *self.by_key.get(key)?;
        Some((id, self.step(id)?))
    }

    /// All steps with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (StepId, &Step)> {
        (0..).map(StepId).zip(&self.steps)
    }
}

/// How a message finds a journey.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// What the user wants.
    pub goal: Arc<str>,
    /// What the user might say.
    pub examples: Vec<Arc<str>>,
    /// Breaks ties.
    pub priority: f64,
    /// Paths of `$user` that must be there: each an expression over it.
    pub requires: Vec<Program>,
}

/// A variable that may be passed in.
#[derive(Debug, Clone)]
pub struct JourneyInput {
    /// Its name.
    pub name: Name,
    /// What types it.
    pub datapoint: Arc<Datapoint>,
    /// Whether it must be.
    pub required: bool,
    /// Whether a `start` command may pass it, not only `run`.
    pub from_caller: bool,
    /// Its key in the file.
    pub span: Span,
}

/// Where a journey goes when it cannot continue.
#[derive(Debug, Clone, Default)]
pub struct Fallback {
    /// The queue; `None`: the default one.
    pub to: Option<Arc<str>>,
    /// Said to the user.
    pub message: Option<Template>,
    /// Why.
    pub reason: Option<Template>,
    /// How urgent.
    pub priority: Priority,
}
