//! The variables of a journey: every name that something in it may give a value.

use indexmap::IndexMap;

use super::parts::{self, Given};
use crate::model::Journey;
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

impl Variables {
    /// Finds them.
    #[must_use]
    pub fn of(journey: &Journey) -> Self {
        let mut found = Self::default();
        for input in &journey.inputs {
            found.add(&input.name, Origin::Input, input.span);
        }
        for step in &journey.steps {
            parts::given(step, &mut |name, span, given| {
                let origin = match given {
                    Given::Field(_, true) => Origin::Field,
                    Given::Field(_, false) => Origin::OptionalField,
                    Given::Kept(_) | Given::Said => Origin::Engine,
                    Given::Result(_) | Given::Picked(_) | Given::Findings(_) | Given::Returned(_) | Given::Computed(_) => Origin::Named,
                };
                found.add(name, origin, span);
            });
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

    fn add(&mut self, name: &Name, origin: Origin, span: Span) {
        self.0.entry(name.clone()).or_default().push((origin, span));
    }
}
