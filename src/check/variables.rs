//! The variables of a journey: every name that something in it may give a value.

use indexmap::IndexMap;

use super::parts;
use crate::model::Journey;
use crate::model::step::{Call, Step, StepKind};
use crate::source::Span;
use crate::value::Name;

/// A variable, by its number.
pub type Var = usize;

/// What gives a variable its value somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A `collect` that cannot be left without it.
    Field,
    /// A `collect` that can.
    OptionalField,
    /// The journey's `inputs`.
    Input,
    /// `as`, or a key of `set`: the author named it to use it.
    Named,
    /// The engine names it: `freeform`, an action's `output_datapoint`.
    Engine,
}

/// All variables of a journey, in order of their first mention.
#[derive(Debug, Default)]
pub struct Variables(IndexMap<Name, Vec<(Origin, Span)>>);

/// The variable that takes what is said freely at a choice.
pub const FREEFORM: &str = "freeform";

impl Variables {
    /// Finds them.
    #[must_use]
    pub fn of(journey: &Journey) -> Self {
        let mut found = Self::default();
        for input in &journey.inputs {
            found.add(&input.name, Origin::Input, input.span);
        }
        for step in &journey.steps {
            found.step(step);
        }
        found
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The variable of that name.
    #[must_use]
    pub fn var(&self, name: &Name) -> Option<Var> {
        self.0.get_index_of(name)
    }

    /// The variable of a name as it is written.
    #[must_use]
    pub fn named(&self, written: &str) -> Option<Var> {
        if written.contains('-') { self.var(&Name::new(written)) } else { self.0.get_index_of(written) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self, var: Var) -> &str {
        self.0.get_index(var).map_or("", |(n, _)| n.as_str())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(Name::as_str)
    }

    /// Every place that gives it a value.
    #[must_use]
    pub fn origins(&self, var: Var) -> &[(Origin, Span)] {
        self.0.get_index(var).map_or(&[], |(_, o)| o)
    }

    /// Whether it has such an origin.
    #[must_use]
    pub fn has(&self, var: Var, origin: Origin) -> bool {
        self.origins(var).iter().any(|(o, _)| *o == origin)
    }

    fn step(&mut self, step: &Step) {
        match &step.kind {
            StepKind::Collect(c) => {
                for f in parts::fields(step) {
                    let optional = c.optional.iter().any(|o| o.name == f.name) || !c.any_of.is_empty();
                    self.add(&f.name, if optional { Origin::OptionalField } else { Origin::Field }, f.span);
                }
            }
            StepKind::Action(call) => self.call(call),
            StepKind::Verify(v) => self.call(&v.call),
            StepKind::Choice(c) => {
                self.saved(c.save_as.as_ref(), c.save_span);
                if c.freeform {
                    self.add(&Name::new(FREEFORM), Origin::Engine, step.span);
                }
            }
            StepKind::Investigate(i) => self.saved(i.save_as.as_ref(), i.save_span),
            StepKind::Run(r) => self.saved(r.save_as.as_ref(), r.save_span),
            StepKind::Set(all) => {
                for a in all {
                    self.add(&a.name, Origin::Named, a.span);
                }
            }
            StepKind::Confirm(_)
            | StepKind::Guide(_)
            | StepKind::Say(_)
            | StepKind::If(_)
            | StepKind::Goto(_)
            | StepKind::Done(_)
            | StepKind::Escalate(_)
            | StepKind::Broken => {}
        }
    }

    fn call(&mut self, call: &Call) {
        self.saved(call.save_as.as_ref(), call.save_span);
        if let Some(name) = call.action.as_ref().and_then(|a| a.output_datapoint.as_ref()) {
            self.add(name, Origin::Engine, call.call_span);
        }
    }

    fn saved(&mut self, name: Option<&Name>, span: Option<Span>) {
        if let (Some(name), Some(span)) = (name, span) {
            self.add(name, Origin::Named, span);
        }
    }

    fn add(&mut self, name: &Name, origin: Origin, span: Span) {
        self.0.entry(name.clone()).or_default().push((origin, span));
    }
}
